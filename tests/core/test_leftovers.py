"""What a drill made may be taken away where it is proven to be its own, and nowhere else."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from drbook.core import events as ev
from drbook.core.baseline import Identity, Place
from drbook.core.events import Event, IllegalEvent, Mode, Record
from drbook.core.fold import evolve, fold
from drbook.core.leftovers import (
    DatabaseSeen,
    FolderSeen,
    outstanding,
    prove_database,
    prove_folder,
    removal,
    stale_without,
)
from drbook.core.state import IncidentState

HERE = Place(device=1, inode=2, boot="b")
MADE = Identity(
    system_identifier="7",
    database="shop",
    database_oid=5,
    directory_device=1,
    directory_inode=2,
    directory_boot="b",
)
OURS = FolderSeen("folder", marked=True, system_identifier="7", place=HERE, mode="drill")

PROVEN = {
    "nothing": (FolderSeen("absent"), MADE),
    "made and not marked yet": (FolderSeen("empty"), None),
    "marked, and no data yet": (FolderSeen("folder", marked=True, mode="drill"), MADE),
    "marked, never on record as made": (OURS, None),
    "as it was made": (OURS, MADE),
    "another boot has other numbers": (
        FolderSeen("folder", True, "7", Place(device=9, inode=9, boot="c"), mode="drill"),
        MADE,
    ),
}
NOT = {
    "a link": (FolderSeen("link"), MADE),
    "a file": (FolderSeen("other"), MADE),
    "not to be looked at": (FolderSeen("unseen", why="denied"), MADE),
    "no mark": (FolderSeen("folder", False, "7", HERE, mode="drill"), MADE),
    "a live one": (replace(OURS, mode="live"), MADE),
    "made before its mark told a mode": (replace(OURS, mode=""), MADE),
    "another system": (FolderSeen("folder", True, "8", HERE, mode="drill"), MADE),
    "a copy of it": (
        FolderSeen("folder", True, "7", Place(device=1, inode=3, boot="b"), mode="drill"),
        MADE,
    ),
    "a server runs on it": (FolderSeen("folder", True, "7", HERE, server=42, mode="drill"), MADE),
}


@pytest.mark.parametrize("name", PROVEN)
def test_a_folder_that_is_its_own(name: str) -> None:
    assert prove_folder(*PROVEN[name]).may


@pytest.mark.parametrize("name", NOT)
def test_a_folder_that_is_not_known_to_be(name: str) -> None:
    found = prove_folder(*NOT[name])
    assert not found.may
    assert found.words


def test_in_a_moved_incident_the_mark_decides() -> None:
    seen = FolderSeen("folder", True, "7", Place(device=1, inode=3, boot="b"), mode="drill")
    assert prove_folder(seen, MADE, moved=True).may
    assert not prove_folder(FolderSeen("folder", True, "8"), MADE, moved=True).may


@pytest.mark.parametrize(
    ("seen", "identity", "may"),
    [
        (DatabaseSeen("absent"), MADE, True),
        (DatabaseSeen("present", True, "7", 5, mode="drill"), MADE, True),
        (DatabaseSeen("present", True, "7", 5, mode="drill"), None, True),
        (DatabaseSeen("unseen", why="no answer"), MADE, False),
        (DatabaseSeen("present", False, "7", 5, mode="drill"), MADE, False),
        (DatabaseSeen("present", True, "8", 5, mode="drill"), MADE, False),
        (DatabaseSeen("present", True, "7", 6, mode="drill"), MADE, False),
        (DatabaseSeen("present", True, "7", 5, mode="live"), MADE, False),
        (DatabaseSeen("present", True, "7", 5), MADE, False),
    ],
)
def test_a_database(seen: DatabaseSeen, identity: Identity | None, may: bool) -> None:
    assert prove_database(seen, identity).may is may


START = datetime(2026, 11, 28, tzinfo=UTC)


def drill(*events: Event, mode: Mode = Mode.DRILL) -> IncidentState:
    opened = ev.IncidentOpened(
        incident="i",
        mode=mode,
        title="T",
        runbook_sha256="0" * 64,
        runbook_file="r",
        drbook_version="0",
        steps=("a",),
    )
    return fold(record(at, event, mode) for at, event in enumerate((opened, *events), 1))


def record(seq: int, event: Event, mode: Mode = Mode.DRILL) -> Record:
    return Record(
        seq=seq,
        at=START + timedelta(seconds=seq),
        mono_ns=seq,
        mode=mode,
        actor="ops",
        host="h",
        event=event,
        prev="0" * 64,
    )


def then(state: IncidentState, event: Event) -> IncidentState:
    return evolve(state, record(state.seq + 1, event, state.mode))


MADE_IT: tuple[Event, ...] = (
    ev.StepPlanned(
        step="a",
        attempt=1,
        action="postgres.restore",
        effect=ev.Effect.IDEMPOTENT,
        params={},
        plan=ev.Plan(does=("x",)),
        digest="0",
    ),
    ev.StepStarted(step="a", attempt=1),
    ev.ResourceIntended(step="a", attempt=1, kind="cluster", name="n", nonce="x", location="l"),
    ev.StepFinished(
        step="a",
        attempt=1,
        state=ev.StepEnd.SUCCEEDED,
        result={"target": {"name": "n"}},
        duration_ms=1,
    ),
)
GONE = ev.ResourceReleased(kind="cluster", name="n", location="l")
LEFT = ev.ResourceLeft(kind="cluster", name="n", location="l", reason="a disk")
INTENT = ev.ReleaseIntended(kind="cluster", name="n", location="l", proof="its mark")
CLOSED = ev.IncidentClosed(outcome="pass", exit_code=0)


def test_a_removal_may_stand_before_and_behind_the_close() -> None:
    for events in ((), (CLOSED,)):
        state = drill(*MADE_IT, *events, INTENT)
        assert [one.name for one in outstanding(state)] == ["n"]
        stays = then(state, LEFT)
        assert outstanding(stays)[0].left == "a disk"
        assert outstanding(then(stays, GONE)) == ()


def test_the_step_that_handed_it_on_is_stale_without_it_while_the_drill_is_open() -> None:
    assert stale_without(drill(*MADE_IT), "n") == ("a",)
    assert stale_without(drill(*MADE_IT), "other") == ()
    assert stale_without(drill(*MADE_IT, CLOSED), "n") == ()


@pytest.mark.parametrize("event", [GONE, LEFT, INTENT], ids=lambda one: type(one).__name__)
def test_nothing_of_a_live_incident_and_nothing_unknown_is_taken_away(event: Event) -> None:
    live = drill(*MADE_IT, mode=Mode.LIVE)
    assert outstanding(live) == ()
    for state in (live, drill()):
        with pytest.raises(IllegalEvent):
            then(state, event)


def test_each_is_told_in_words() -> None:
    kept = LEFT.model_copy(update={"reason": "--keep was given", "kept": True})
    absent = GONE.model_copy(update={"how": "absent"})
    assert removal(INTENT) == "cluster n is being removed: its mark"
    assert [removal(one) for one in (GONE, absent, LEFT, kept)] == [
        "cluster n removed",
        "cluster n was not there any more",
        "cluster n NOT REMOVED: a disk",
        "cluster n kept: --keep was given",
    ]
