"""The page before a load: on record before anything is made, with the result, and able to stop it all."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from drbook.actions.restore import Restore
from drbook.core.actions import StepContext
from drbook.core.archivefacts import ArchiveFacts, DatabaseSettings
from drbook.core.baseline import Identity
from drbook.core.errors import StepFailed
from drbook.core.events import Mode
from drbook.core.globals import GlobalRole, Globals
from drbook.core.points import ByteFact, RecoveryPoint
from drbook.core.ports import Ports
from drbook.core.preflight import OK, STOPS, UNKNOWN, CopyFacts, PlaceFacts, Preflight
from drbook.core.preflightrules import judge
from drbook.core.results import RestoreResult
from drbook.core.runbook import RunbookDocument
from drbook.core.signals import Milestone, Working
from drbook.core.targets import DatabaseRef, LoadReport, LocalCopy, Target
from drbook.core.textsettings import usual
from drbook.providers.targets.kinds import ClusterTarget

POINT = RecoveryPoint(
    source="offsite",
    id="a.dump",
    taken_at=datetime(2026, 4, 22, tzinfo=UTC),
    taken_by="store",
    size=5,
    location="s3://offsite/a.dump",
)
HELD = ArchiveFacts(
    rows={"public.t": 3}, text_bytes=99, source_version="18.1", dump_version="18.1",
    settings=DatabaseSettings(encoding="UTF8", collate="en_US.UTF-8", ctype="en_US.UTF-8"),
)  # fmt: skip
ROLES = Globals(
    location="/backups/globals.sql",
    sha256="ab",
    roles=(GlobalRole(name="app", attributes=("LOGIN", "a password")),),
)
TARGET = Target(
    kind="cluster",
    name="restore-1",
    nonce="0" * 32,
    location="/nowhere",
    connect=DatabaseRef(host="/nowhere"),
    identity=Identity(system_identifier="7", database="x", database_oid=5),
    settings=usual(18),
    proof="made here",
    whole_server=True,
)
PLACE = PlaceFacts(
    server_version=180001, whole_server=True, roles=(), extensions={}, free=1 << 40,
    record_free=1 << 40, restore_version=180001,
)  # fmt: skip


@dataclass
class Doors:
    """A copy that is here, and a target that notes what was asked of it."""

    place: PlaceFacts
    asked: list[str] = field(default_factory=list)
    like: ArchiveFacts | None = None

    @property
    def backups(self) -> "Doors":
        return self

    baselines = targets = backups

    def listed(self) -> list[Any]:
        return []

    def fetch(self, point: RecoveryPoint) -> Working[tuple[ByteFact, LocalCopy]]:
        copy = LocalCopy(name="copies/a", size=5, sha256="", checked="structure", held=HELD)
        return ByteFact(state="structure", reason="read to its end", held=HELD), copy
        yield

    def preflight(
        self, spec: object, copy: LocalCopy, production: object, proof: str
    ) -> Working[tuple[LocalCopy, Preflight]]:
        self.asked.append("preflight")
        assert copy.held is not None
        facts = CopyFacts(size=5, proven=copy.checked, reason=proof, held=copy.held)
        return copy, judge(facts, self.place)
        yield

    def globals(self, path: str) -> Globals:
        self.asked.append(f"globals {path}")
        return ROLES

    def create(
        self, spec: object, name: str, production: object, *, like: ArchiveFacts | None
    ) -> Working[Target]:
        self.asked.append("create")
        self.like = like
        return TARGET
        yield

    def load(self, target: Target, copy: LocalCopy, *, first: object) -> Working[LoadReport]:
        self.asked.append("load")
        return LoadReport(
            tool="pg_restore", tool_version="18.1", archive_format="", items=1, seconds=1,
            rights_left=copy.globals.left() if copy.globals else (),
        )  # fmt: skip
        yield


def work(doors: Doors, said: list[object], **more: object) -> RestoreResult:
    document = RunbookDocument.model_validate(
        {"drbook": 1, "title": "t", "steps": [{"id": "a", "phase": "restore", "do": "note"}]}
    )
    context = StepContext(
        incident="i",
        mode=Mode.DRILL,
        step="a",
        attempt=1,
        title="",
        occurred=None,
        document=document,
    )
    action = Restore({"cluster": ClusterTarget})
    params = action.params.model_validate({"point": POINT, "target": {"kind": "cluster"}, **more})
    doing = action.perform(params, context, cast(Ports, doors))
    while True:
        try:
            said.append(next(doing))
        except StopIteration as end:
            return cast(RestoreResult, end.value.result)


def pages(said: list[object]) -> list[Milestone]:
    return [
        one for one in said if isinstance(one, Milestone) and one.text.startswith("before loading")
    ]


def test_the_page_is_on_record_and_in_the_result() -> None:
    doors, said = Doors(PLACE), list[object]()
    result = work(doors, said)
    assert doors.asked == ["preflight", "create", "load"]
    assert doors.like == HELD
    (page,) = pages(said)
    assert isinstance(page.data, dict)
    assert {"items"} == set(page.data)
    assert result.preflight is not None
    assert result.copy_used.rows == {"public.t": 3}
    # What the new database says of itself stands in the place of what was foreseen.
    verdicts = {item.what: item.verdict.value for item in result.preflight.items}
    assert (verdicts["encoding"], verdicts["sorting"], verdicts["digest"]) == (
        OK.value, "differs", UNKNOWN.value,
    )  # fmt: skip
    assert RestoreResult.model_validate(result.model_dump(mode="json")) == result


def test_the_roles_of_a_globals_file_are_read_before_anything_is_made() -> None:
    doors, said = Doors(PLACE), list[object]()
    result = work(doors, said, globals="/backups/globals.sql")
    assert doors.asked == ["globals /backups/globals.sql", "preflight", "create", "load"]
    assert result.copy_used.globals == ROLES
    (told,) = [one for one in said if isinstance(one, Milestone) and "1 role in" in one.text]
    assert told.data == {"sha256": "ab"}
    assert result.load.rights_left == ("app: LOGIN, a password",)
    assert RestoreResult.model_validate(result.model_dump(mode="json")) == result


def test_what_stops_does_so_before_anything_is_made() -> None:
    doors, said = Doors(PLACE.model_copy(update={"free": 1})), list[object]()
    with pytest.raises(StepFailed) as caught:
        work(doors, said)
    assert caught.value.code == "disk-too-small"
    assert doors.asked == ["preflight"]
    assert STOPS.value in pages(said)[0].text
