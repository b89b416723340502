"""The product's own path for one case: locate, restore, verify. The first thing on it that is not a pass is
the verdict, and whoever found it is named."""

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from support.pg import drain

from corpus.case import BAD, GOOD, UNSURE, Case
from corpus.recorded import Beyond, Recorder
from corpus.world import Produced, Restored, World
from drbook.actions.locate import Locate
from drbook.actions.restore import Restore
from drbook.actions.verify import Verify
from drbook.app.wiring import NoBaselines, SystemClock
from drbook.core.actions import Finished, StepContext
from drbook.core.baseline import Baseline
from drbook.core.errors import CouldNotVerify, DrbookError
from drbook.core.events import Mode, StepEnd
from drbook.core.points import Answer, ByteFact, Located, RecoveryPoint, Verdict
from drbook.core.ports import Backups, Baselines, Cancel, Ports
from drbook.core.remarks import Question, TableVerdict
from drbook.core.results import RestoreResult, VerifyResult
from drbook.core.runbook import RunbookDocument
from drbook.core.signals import Working
from drbook.providers.archive_check import check_structure
from drbook.providers.backups import BackupCatalog
from drbook.providers.baselines import DirectoryBaselines
from drbook.providers.cancel import CancelToken
from drbook.providers.hiding import Secret
from drbook.providers.kinds import TARGETS
from drbook.providers.naming import MANIFEST
from drbook.providers.postgres import PostgresReader
from drbook.providers.sources.directory import DirectorySource
from drbook.providers.targets.base import Workshop
from drbook.providers.targets.fresh import FreshTargets
from drbook.providers.targets.pool import ServerPool

_ENDS = {
    StepEnd.SUCCEEDED: GOOD,
    StepEnd.FAILED: BAD,
    StepEnd.COULD_NOT_VERIFY: UNSURE,
}
DOMAIN = {
    "provider": "elsewhere",
    "account": "backups",
    "resource": "shelf",
    "credentials": ["writer"],
}


@dataclass(frozen=True)
class Judged:
    """Where the path ended."""

    verdict: TableVerdict
    stage: str
    by: tuple[str, ...]
    """Everything that spoke with this verdict; of a pass, the remarks beside it."""
    words: str

    def is_true_of(self, case: Case) -> bool:
        return self.verdict is case.expects and set(case.by) <= set(self.by)


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


# --- the path, with the real doors or with recorded ones -----------------------------------------


def walk(
    case: Case, ports: Ports, context: StepContext, loaded: Any, spec: Mapping[str, object]
) -> Judged:
    """`loaded` is called between the load and the verification, and gives what surrounds the latter."""
    point, ended = _locate(case, ports, context)
    if point is None or ended is not None:
        assert ended is not None
        return ended
    restore = Restore(TARGETS())
    try:
        done = drain(
            restore.perform(
                restore.params.model_validate({"point": point, "target": spec}), context, ports
            )
        )
    except DrbookError as error:
        return _raised(error, "restore")
    result = cast(RestoreResult, done.result)
    with loaded(result):
        return _verify(case, ports, context, result)


def _locate(
    case: Case, ports: Ports, context: StepContext
) -> tuple[RecoveryPoint | None, Judged | None]:
    action = Locate()
    params = action.params.model_validate(
        {"require": list(case.require), "observed": list(case.observed)}
    )
    try:
        done = drain(action.perform(params, replace(context, step="locate"), ports))
    except DrbookError as error:
        return None, _raised(error, "locate")
    found = cast(Located, done.result)
    if found.point is not None:
        return found.point, None
    if not found.judgements:
        return None, Judged(_ENDS[done.state], "locate", ("copies",), done.reason)
    (judgement,) = found.judgements
    wanted = Answer.UNKNOWN if judgement.verdict is Verdict.UNKNOWN else Answer.FAIL
    asked = (*case.require, "bytes")
    by = tuple(
        one.criterion.value
        for one in judgement.findings
        if one.answer is wanted and one.criterion.value in asked
    )
    words = "; ".join(judgement.reasons)
    verdict = UNSURE if judgement.verdict is Verdict.UNKNOWN else BAD
    return None, Judged(verdict, "locate", by, words)


def _verify(case: Case, ports: Ports, context: StepContext, result: RestoreResult) -> Judged:
    action = Verify()
    params = action.params.model_validate(
        {
            "target": result.target,
            "content": case.content,
            "baseline": "before_incident" if case.of.baseline else None,
            "assertions": case.assertions,
        }
    )
    outputs = {"restore": result.model_dump(mode="json")}
    try:
        done = drain(
            action.perform(params, replace(context, step="verify", outputs=outputs), ports)
        )
    except DrbookError as error:
        return _raised(error, "verify")
    return _of(done)


def _of(done: Finished) -> Judged:
    verdict = _ENDS[done.state]
    comparison = cast(VerifyResult, done.result).comparison
    by = [row.check for row in comparison.tables if row.verdict is verdict is not GOOD]
    for one in comparison.remarks:
        if verdict is GOOD or (one.verdict is verdict and one.question is not Question.LOSS):
            by.append(("lost " if one.question is Question.LOSS else "") + one.check)
    if verdict is GOOD:
        by += [row.check for row in comparison.tables]
        by += ["lost rows"] if any((row.lost or 0) > 0 for row in comparison.tables) else []
    return Judged(verdict, "verify", tuple(dict.fromkeys(by)), done.reason)


def _raised(error: DrbookError, stage: str) -> Judged:
    verdict = UNSURE if isinstance(error, CouldNotVerify) else BAD
    return Judged(verdict, stage, (error.code or type(error).__name__,), error.what)


def judge_again(recorded: Recorder) -> Judged | None:
    """The verdict on recorded facts; None where the path goes on to what was not recorded."""
    nothing = cast(Any, None)
    ports = Ports(
        clock=SystemClock(),
        cancel=CancelToken(),
        databases=recorded.replay("databases"),
        backups=recorded.replay("backups"),
        baselines=recorded.replay("baselines"),
        targets=recorded.replay("targets"),
        processes=nothing,
        http=nothing,
        artifacts=nothing,
    )
    try:
        return walk(
            recorded.case, ports, recorded.context, lambda result: nullcontext(), recorded.spec
        )
    except Beyond:
        return None


def run(case: Case, world: World, number: int) -> Travelled:
    return Road(case, world, number).travel()


Cases = Sequence[Case]
__all__ = ["Backups", "Cases", "Judged", "Road", "Travelled", "run", "walk"]
