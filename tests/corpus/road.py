"""What one case's store, baselines and doors are made of, and the product's own path through them."""

import os
import shutil
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from corpus.case import Case
from corpus.recorded import Recorder
from corpus.walk import Judged, walk
from corpus.world import Produced, Restored, World
from drbook.app.wiring import NoBaselines, SystemClock
from drbook.core.actions import StepContext
from drbook.core.baseline import Baseline
from drbook.core.events import Mode
from drbook.core.points import ByteFact, RecoveryPoint
from drbook.core.ports import Baselines, Cancel, Ports
from drbook.core.results import RestoreResult
from drbook.core.runbook import RunbookDocument
from drbook.core.signals import Working
from drbook.providers.archive_check import check_structure
from drbook.providers.backups import BackupCatalog
from drbook.providers.baselines import DirectoryBaselines
from drbook.providers.hiding import Secret
from drbook.providers.kinds import TARGETS
from drbook.providers.naming import MANIFEST
from drbook.providers.postgres import PostgresReader
from drbook.providers.sources.directory import DirectorySource
from drbook.providers.targets.base import Workshop
from drbook.providers.targets.fresh import FreshTargets
from drbook.providers.targets.pool import ServerPool

DOMAIN = {
    "provider": "elsewhere",
    "account": "backups",
    "resource": "shelf",
    "credentials": ["writer"],
}


@dataclass
class Travelled:
    """One case, run."""

    case: Case
    judged: Judged
    seconds: float
    facts: Recorder

    @property
    def right(self) -> bool:
        return self.judged.is_true_of(self.case)


def document(case: Case, produced: Produced) -> RunbookDocument:
    return RunbookDocument.model_validate(
        {
            "drbook": 1,
            "title": case.name,
            "production": {
                "database": produced.ref.model_dump(mode="json", exclude_defaults=True),
                "domain": {
                    "provider": "here", "account": "prod", "resource": "vol-1", "credentials": ["token"],
                },
                "ignore_schemas": list(case.ignore),
            },
            "credentials": {
                "token": {"stored_in": ["laptops"]}, "writer": {"stored_in": ["backup-host"]},
            },
            "steps": [{"id": "a", "phase": "restore", "do": "note"}],
        }
    )  # fmt: skip


class Road:
    """The doors of one case and its three steps."""

    def __init__(self, case: Case, world: World, number: int) -> None:
        self.case, self.world = case, world
        self.folder = world.folder / "cases" / str(number)
        self.incident = self.folder / "incident"
        self.incident.mkdir(parents=True)
        self.pool = ServerPool()
        self.produced = world.production(case.of)
        self.recorder = Recorder(case)
        self.number = number

    def travel(self) -> Travelled:
        begun = time.monotonic()
        try:
            self._store()
            ports, catalog = self._ports()
            try:
                judged = walk(self.case, ports, self._context(), self._loaded, self._spec())
            finally:
                catalog.close()
        finally:
            self.pool.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.recorder.context, self.recorder.spec = self._context(), self._spec()
        return Travelled(self.case, judged, time.monotonic() - begun, self.recorder)

    # --- how it is made --------------------------------------------------------------------------

    def _store(self) -> None:
        case = self.case
        copy = self.folder / "store" / "shop.dump"
        copy.parent.mkdir()
        if self.produced.dump.is_dir():
            shutil.copytree(self.produced.dump, copy)
        else:
            shutil.copyfile(self.produced.dump, copy)
        if case.spoil is not None:
            case.spoil(copy)
        manifest = self.produced.manifest
        if case.signed:
            manifest = signed(copy, manifest)
        stated = case.states(manifest, self.world)
        if stated is not None:
            copy.with_name(copy.name + MANIFEST).write_text(stated.model_dump_json())
        at = self.produced.dump.stat().st_mtime + case.stored.total_seconds()
        for path in (copy, *(copy.iterdir() if copy.is_dir() else ())):
            os.utime(path, (at, at))
        if self.produced.baseline is not None:
            counts = case.knows(self.produced.baseline, self.world)
            shelf = self.folder / "baselines"
            shelf.mkdir(mode=0o700)
            DirectoryBaselines(path=str(shelf)).open(Secret).save(
                Baseline(captured_at=counts.taken_at, counts=counts)
            )

    # --- the doors -------------------------------------------------------------------------------

    def _ports(self) -> tuple[Ports, BackupCatalog]:
        world, cancel = self.world, self.world.cancel

        def check(path: Path, asked: Cancel) -> Working[ByteFact]:
            return (yield from check_structure(path, world.tools, asked))

        source = DirectorySource.model_validate(
            {"id": "shelf", "path": str(self.folder / "store"), "domain": DOMAIN}
        )
        catalog = BackupCatalog(
            [source], self.incident, cancel, secrets=Secret, check_structure=check
        )
        workshop = Workshop(self.incident, os.environ, cancel, self.pool, lambda: world.tools)
        baselines: Baselines = NoBaselines()
        if self.produced.baseline is not None:
            baselines = DirectoryBaselines(path=str(self.folder / "baselines")).open(Secret)
        nothing = cast(Any, None)
        ports = Ports(
            clock=SystemClock(),
            cancel=cancel,
            databases=self.recorder.door("databases", PostgresReader(os.environ, cancel)),
            backups=self.recorder.door("backups", Store(catalog, self.case)),
            baselines=self.recorder.door("baselines", baselines),
            targets=self.recorder.door("targets", FreshTargets(workshop, TARGETS())),
            processes=nothing,
            http=nothing,
            artifacts=nothing,
        )
        return ports, catalog

    def _context(self) -> StepContext:
        return StepContext(
            incident=f"corpus-{self.number}",
            mode=Mode.DRILL,
            step="restore",
            attempt=1,
            title=self.case.name,
            occurred=datetime.now(UTC) + timedelta(hours=1),
            document=document(self.case, self.produced),
        )

    def _spec(self) -> Mapping[str, object]:
        if self.case.target == "cluster":
            return {"kind": "cluster", **self.case.more}
        return {"kind": "database", "server": self._restorer().model_dump(mode="json")}

    def _older(self) -> Any:
        return self.world.other if self.case.target == "older database" else None

    def _restorer(self) -> Any:
        server = self.world.server("recovery", self._older())
        return server.ref("postgres").model_copy(update={"user": "restorer"})

    def _loaded(self, result: RestoreResult) -> "Any":
        """The harm that comes between the load and the verification."""
        if self.case.target == "cluster":
            server = self.pool._servers[result.target.name]
        else:
            server = self.world.server("recovery", self._older())
        restored = Restored(result.target, self.world, server, self.pool)
        harm = self.case.harm
        if callable(harm):
            harm(restored)
        elif harm:
            restored.execute(harm)
        return self.case.during(restored) if self.case.during is not None else nullcontext()


class Store:
    """The catalogue, of which a store may tell tales."""

    def __init__(self, catalog: BackupCatalog, case: Case) -> None:
        self._catalog, self._case = catalog, case

    def __getattr__(self, name: str) -> Any:
        return getattr(self._catalog, name)

    def survey(self, source: str) -> Any:
        return self._case.place(self._catalog.survey(source))

    def facts(self, point: RecoveryPoint) -> Any:
        return self._case.seen(self._catalog.facts(point))


def signed(copy: Path, manifest: Any) -> Any:
    """The manifest as whoever made these bytes would have written it."""
    from drbook.providers.pgdump import _digest

    digest, size = _digest(copy)
    return manifest.model_copy(update={"sha256": digest, "size": size})


def run(case: Case, world: World, number: int) -> Travelled:
    return Road(case, world, number).travel()
