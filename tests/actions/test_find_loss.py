"""`postgres.find_loss`: what is asked of whom, and in which words it ends."""

import io
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console
from support.identities import who

from drbook.actions.findloss import FindLoss, FindLossParams
from drbook.core.actions import Finished, StepContext
from drbook.core.baseline import Identity
from drbook.core.errors import CouldNotVerify, StepFailed
from drbook.core.events import Mode, StepEnd
from drbook.core.losing import LossFound
from drbook.core.points import RecoveryPoint
from drbook.core.ports import Ports
from drbook.core.recovery import RecoveryAim
from drbook.core.runbook import RunbookDocument
from drbook.core.signals import Milestone, Working, finish
from drbook.core.targets import QueryResult
from drbook.core.walread import Destructive, RelationRows, WalRead
from drbook.timeline.words import sought_notes, sought_rows
from drbook.tui.losses import sought_losses

NOON = datetime(2026, 4, 24, 12, tzinfo=UTC)
TABLE = "1663/16384/16385"
POINT = RecoveryPoint(
    source="base",
    id="monday",
    taken_at=NOON - timedelta(hours=9),
    taken_by="tool",
    size=1,
    format="physical",
    location="/srv/base/monday",
    system_identifier=who().system_identifier,
    wal_from="000000010000000000000003",
)


def read(**more: object) -> WalRead:
    found = {
        "segments": 4,
        "first": "000000010000000000000003",
        "last": "000000010000000000000006",
        "ending": "end",
        "why": "the archive ends with 000000010000000000000006",
        "ends": NOON + timedelta(minutes=30),
        "commits": 100,
        "rows": 900,
        "destructive": (
            Destructive(
                xid=744,
                committed_at=NOON,
                lsn="0/4000148",
                deleted=500,
                relations=(RelationRows(relation=TABLE, deleted=500),),
                commits_to=80,
                rows_to=700,
            ),
        ),
        "destroying": 1,
    }
    return WalRead.model_validate(found | more)


def context(occurred: datetime | None = NOON) -> StepContext:
    document = RunbookDocument.model_validate(
        {
            "drbook": 1,
            "title": "Lost",
            "production": {
                "database": {"service": "rental-prod"},
                "domain": {"provider": "here", "resource": "r", "credentials": ["c"]},
            },
            "steps": [{"id": "f", "phase": "locate", "do": "note"}],
        }
    )
    return StepContext("i", Mode.DRILL, "f", 1, "f", occurred, document)


def performed(
    what: WalRead | Exception,
    identity: Identity | None = None,
    names: QueryResult | Exception | None = None,
    occurred: datetime | None = NOON,
) -> Finished:
    def read_wal(point: RecoveryPoint, **limits: Any) -> Working[WalRead]:
        yield Milestone("reading")
        if isinstance(what, Exception):
            raise what
        return what

    def query(database: Any, sql: str, params: Any, **limits: Any) -> QueryResult:
        assert params == {"files": TABLE}
        if isinstance(names, Exception):
            raise names
        return names or QueryResult(columns=("one", "name"), rows=())

    ports = SimpleNamespace(
        backups=SimpleNamespace(read_wal=read_wal),
        baselines=SimpleNamespace(listed=lambda suspect=False: []),
        databases=SimpleNamespace(
            probe=lambda database: SimpleNamespace(identity=identity), query=query
        ),
    )
    return finish(
        FindLoss().perform(FindLossParams(point=POINT), context(occurred), cast("Ports", ports))
    )


def result(found: Finished) -> LossFound:
    assert isinstance(found.result, LossFound)
    return found.result


NAMED = QueryResult(columns=("one", "name"), rows=((TABLE, "[b]bookings\x1b"),))


@pytest.mark.parametrize(
    ("identity", "names", "where", "by"),
    [
        (who(), NAMED, "[b]bookings", "production, as it names its files now"),
        (None, NAMED, TABLE, "production does not answer"),
        (
            who().model_copy(update={"system_identifier": "1"}),
            NAMED,
            TABLE,
            "not known to be the copy's own",
        ),
        (who(), StepFailed("No permission."), TABLE, "No permission."),
    ],
    ids=["names", "gone", "another server", "refused"],
)
def test_names_are_only_taken_of_the_copys_own_server(
    identity: Identity | None, names: Any, where: str, by: str
) -> None:
    found = performed(read(), identity, names)
    assert found.state is StepEnd.SUCCEEDED
    assert f"transaction 744 at 2026-04-24 12:00:00 UTC deleted 500 rows: {where}" in found.reason
    assert "leaves out 20 later commits, 200 rows" in found.reason
    assert "\x1b" not in found.reason
    assert by in result(found).named_by
    assert result(found).aim == RecoveryAim(xid=744)


@pytest.mark.parametrize(
    ("what", "occurred", "says"),
    [
        (read(destructive=()), NOON, "leaves no trace in the WAL"),
        (read(ending="gap", why="X is missing, and Y is there"), NOON, "X is missing"),
        (read(ending="broken", why="the archive did not give X"), None, "did not give X"),
        (read(strange=1), NOON, "could not be understood"),
        (
            read(segments=0, destructive=(), ending="gap", why="it lacks X"),
            NOON,
            "nothing was read",
        ),
        (read(), NOON + timedelta(hours=5), "there is none within"),
    ],
)
def test_a_doubt_is_no_finding(what: WalRead, occurred: datetime | None, says: str) -> None:
    found = performed(what, occurred=occurred)
    assert found.state is StepEnd.COULD_NOT_VERIFY
    assert says in found.reason
    assert found.next


def test_a_dump_has_no_wal() -> None:
    dump = POINT.model_copy(update={"format": "pg_dump"})
    with pytest.raises(CouldNotVerify) as raised:
        finish(FindLoss().perform(FindLossParams(point=dump), context(), cast("Ports", None)))
    assert raised.value.code == "no-wal"


def test_the_plan_says_where_it_begins_and_around_when() -> None:
    plan = FindLoss().plan(FindLossParams(point=POINT), context())
    assert "000000010000000000000003" in plan.does[0]
    assert "of 2026-04-24 12:00:00 UTC" in plan.does[2]
    nobody = FindLoss().plan(FindLossParams(point=POINT), context(None))
    assert "nobody has said when" in nobody.does[2]


@pytest.mark.parametrize("width", [60, 80, 140])
def test_the_pane_and_the_timeline_mark_what_is_proposed(width: int) -> None:
    more = tuple(
        Destructive(
            xid=800 + n, committed_at=NOON, lsn="0/1", deleted=n, commits_to=90, rows_to=800
        )
        for n in range(1, 20)
    )
    found = result(performed(read(destructive=(*more, *read().destructive)), who(), NAMED))
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(sought_losses(found, width, 8))
    lines = out.getvalue().splitlines()
    assert any("◀" in line and "744" in line for line in lines)
    assert "\x1b" not in out.getvalue()
    assert "aim: right before transaction 744" in out.getvalue()
    assert "more in the timeline" in out.getvalue()
    (row,) = (row for row in sought_rows(found) if row[0])
    assert row[2] == "744"
    assert "20 later commits" in row[4]
    assert any("4 segments read" in note for note in sought_notes(found))
