"""From a restic repository to a verified database: real dumps, the real program, a real fresh cluster."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from support.pg import COUNTS, Postgres, drain
from support.restic import PASSWORD, Repository, cut, flip, largest, needs_restic

from drbook.actions.locate import Locate
from drbook.actions.restore import Restore
from drbook.actions.verify import Verify
from drbook.app.wiring import NoBaselines, SystemClock
from drbook.core.actions import Finished, StepContext
from drbook.core.baseline import Manifest
from drbook.core.events import Mode, StepEnd
from drbook.core.located import Located
from drbook.core.points import ByteFact, Verdict
from drbook.core.ports import Cancel, Ports
from drbook.core.results import RestoreResult, VerifyResult
from drbook.core.runbook import RunbookDocument
from drbook.core.signals import Working
from drbook.providers.archive_check import check_structure
from drbook.providers.backups import BackupCatalog
from drbook.providers.cancel import CancelToken
from drbook.providers.hiding import Secret
from drbook.providers.kinds import SOURCES, TARGETS
from drbook.providers.pgdump import _digest
from drbook.providers.pgtools import PgTools
from drbook.providers.postgres import PostgresReader
from drbook.providers.targets.base import Workshop
from drbook.providers.targets.fresh import FreshTargets
from drbook.providers.targets.pool import ServerPool

pytestmark = needs_restic


class Road:
    """One incident beside a production that is there, with one restic repository."""

    def __init__(self, folder: Path, postgres: Postgres, tools: tuple[PgTools, ...]) -> None:
        self.incident = folder / "incident"
        self.incident.mkdir(parents=True)
        self.repository = Repository(folder / "repository")
        self._postgres, self._tools = postgres, tools
        self._cancel, self.pool = CancelToken(), ServerPool()
        self.now = datetime.now(UTC)
        self.catalog: BackupCatalog | None = None

    def close(self) -> None:
        if self.catalog is not None:
            self.catalog.close()
        self.pool.close()

    def ports(self, password: str = PASSWORD) -> Ports:
        domain = {"account": "backups", "resource": "vault", "credentials": ["writer", "password"]}
        source = SOURCES()["restic"].model_validate(
            {
                "id": "vault", "repository": self.repository.place, "password": "env:PW",
                "domain": domain,
            }
        )  # fmt: skip

        def check(path: Path, asked: Cancel) -> Working[ByteFact]:
            return (yield from check_structure(path, self._tools, asked))

        self.catalog = BackupCatalog(
            [source], self.incident, self._cancel,
            secrets=lambda _: Secret(password), check_structure=check,
        )  # fmt: skip
        workshop = Workshop(self.incident, os.environ, self._cancel, self.pool, lambda: self._tools)
        nothing = cast(Any, None)
        return Ports(
            clock=SystemClock(),
            cancel=self._cancel,
            databases=PostgresReader(os.environ, self._cancel),
            backups=self.catalog,
            baselines=NoBaselines(),
            targets=FreshTargets(workshop, TARGETS()),
            processes=nothing,
            http=nothing,
            artifacts=nothing,
        )

    def context(self, step: str) -> StepContext:
        document = RunbookDocument.model_validate(
            {
                "drbook": 1,
                "title": "Gone",
                "production": {
                    "database": self._postgres.ref.model_dump(mode="json", exclude_defaults=True),
                    "domain": {"account": "prod", "resource": "vol-1", "credentials": ["token"]},
                },
                "credentials": {
                    "token": {"stored_in": ["laptops"]},
                    "writer": {"stored_in": ["backup-host"]},
                    "password": {"stored_in": ["vault"]},
                },
                "steps": [{"id": "a", "phase": "restore", "do": "note"}],
            }
        )
        return StepContext(
            incident="restic-road",
            mode=Mode.DRILL,
            step=step,
            attempt=1,
            title="Gone",
            occurred=datetime.now(UTC) + timedelta(hours=1),
            document=document,
        )

    def locate(self, ports: Ports) -> tuple[Finished, Located]:
        action = Locate()
        # The repository lies on this very disk: whose it is, is the runbook's word here.
        params = action.params.model_validate({"require": ["account", "credential"]})
        done = drain(action.perform(params, self.context("locate"), ports))
        return done, cast(Located, done.result)

    def restore_and_verify(self, ports: Ports, found: Located) -> VerifyResult:
        restore = Restore(TARGETS())
        given = {"point": found.point, "target": {"kind": "cluster"}}
        done = drain(
            restore.perform(restore.params.model_validate(given), self.context("restore"), ports)
        )
        restored = cast(RestoreResult, done.result)
        target = restored.target
        verify = Verify()
        params = verify.params.model_validate({"target": target})
        outputs = {"restore": restored.model_dump(mode="json")}
        context = replace(self.context("verify"), outputs=outputs)
        checked = drain(verify.perform(params, context, ports))
        assert checked.state is StepEnd.SUCCEEDED, checked.reason
        counted = drain(ports.targets.count(target))
        assert {each.table: each.rows for each in counted.tables} == COUNTS
        return cast(VerifyResult, checked.result)


@pytest.fixture
def road(tmp_path: Path, postgres: Postgres, tools: tuple[PgTools, ...]) -> Iterator[Road]:
    made = Road(tmp_path, postgres, tools)
    yield made
    made.close()


SHAPES: dict[str, tuple[str, ...]] = {
    "shop.dump": ("-Fc",),
    "shop.sql": ("-Fp",),
    "shop.tar": ("-Ft",),
    "folder": ("-Fd",),
}


@pytest.mark.parametrize("shape", [*SHAPES, "with a manifest", "piped in"])
def test_there_and_back(road: Road, postgres: Postgres, tmp_path: Path, shape: str) -> None:
    folder = tmp_path / "nightly"
    folder.mkdir()
    name = shape if shape in SHAPES else "shop.dump"
    dump = postgres.dump(folder / name, *SHAPES[name])
    if shape == "with a manifest":
        digest, size = _digest(dump)
        manifest = Manifest(
            drbook_manifest=1, name=name, size=size, sha256=digest, taken_at=datetime.now(UTC)
        )
        (folder / f"{name}.manifest.json").write_text(manifest.model_dump_json())
    if shape == "piped in":
        road.repository.pipe(dump.read_bytes(), name)
    else:
        road.repository.backup(folder)
    ports = road.ports()
    done, found = road.locate(ports)
    assert done.state is StepEnd.SUCCEEDED, done.reason
    assert found.point is not None
    (judged,) = found.judgements
    assert judged.verdict is Verdict.INDEPENDENT
    state = "intact" if shape == "with a manifest" else "structure"
    assert found.point.taken_by == {"with a manifest": "manifest", "piped in": "tool"}.get(
        shape, "file"
    )
    assert found.local_copy is not None
    fact, _ = drain(ports.backups.fetch(found.point))
    assert fact.state == state
    road.restore_and_verify(ports, found)


def remove(path: Path) -> None:
    path.unlink()


def to_a_cut_dump(repository: Repository, dump: Path) -> None:
    """Whose producer failed: restic saw the end of its input, and calls that a snapshot."""
    data = dump.read_bytes()
    repository.pipe(data[: len(data) * 2 // 3], "shop.dump")


def to_a_pack(harm: Callable[[Path], None]) -> Callable[[Repository, Path], None]:
    def do(repository: Repository, dump: Path) -> None:
        before = repository.packs()
        repository.pipe(dump.read_bytes(), "shop.dump")
        harm(largest(repository.packs() - before))

    return do


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (to_a_cut_dump, "damaged"),
        (to_a_pack(cut), "restic cannot read it"),
        (to_a_pack(flip), "restic cannot read it: cannot dump file: decrypting blob"),
        (to_a_pack(remove), "restic cannot read it"),
    ],
    ids=["cut while it was piped in", "a pack cut", "a bit flipped", "a pack gone"],
)
def test_the_newest_is_damaged_and_the_one_before_it_is_taken(
    road: Road,
    postgres: Postgres,
    tmp_path: Path,
    harm: Callable[[Repository, Path], None],
    words: str,
) -> None:
    older = road.repository.pipe(postgres.dump(tmp_path / "a", "-Fc").read_bytes(), "shop.dump")
    # Other bytes, for what restic holds already it does not store again.
    harm(road.repository, postgres.dump(tmp_path / "b", "-Fc", "-Z9"))
    ports = road.ports()
    done, found = road.locate(ports)
    assert done.state is StepEnd.SUCCEEDED, done.reason
    newest, before = found.judgements
    assert newest.verdict is Verdict.DAMAGED
    assert words in " ".join(newest.reasons)
    assert before.verdict is Verdict.INDEPENDENT
    assert found.point is not None
    assert found.point.version == older
    road.restore_and_verify(ports, found)


@pytest.mark.parametrize("gone", ["index", "keys", "a password"])
def test_a_repository_that_does_not_open_is_could_not_verify(
    road: Road, postgres: Postgres, tmp_path: Path, gone: str
) -> None:
    road.repository.pipe(postgres.dump(tmp_path / "a", "-Fc").read_bytes(), "shop.dump")
    for path in road.repository.files(gone) if gone != "a password" else ():
        path.unlink()
    done, found = road.locate(road.ports("another one" if gone == "a password" else PASSWORD))
    assert done.state is StepEnd.COULD_NOT_VERIFY
    assert found.point is None
    (source,) = found.unreachable
    assert ("index" if gone == "index" else "no key of the repository") in source.why_unreachable
