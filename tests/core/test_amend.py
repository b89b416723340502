"""What an amendment may change: steps that have not started, and nothing else."""

from datetime import UTC, datetime, timedelta

import pytest
from support.incident import World

from drbook.core import events as ev
from drbook.core.amend import amendment
from drbook.core.errors import UsageError
from drbook.core.events import Effect, Event, IllegalEvent, Mode, Plan, Record, StepEnd
from drbook.core.fold import fold
from drbook.core.runbook import Runbook
from drbook.core.state import IncidentState

START = datetime(2026, 4, 24, tzinfo=UTC)
A = "  - {id: a, phase: detect, do: none}\n"
B = "  - {id: b, phase: restore, do: none}\n"
C = "  - {id: c, phase: verify, do: none}\n"
B_OTHER = "  - {id: b, phase: restore, do: again}\n"
B_FREE = "  - {id: b, phase: restore, do: none, needs: []}\n"


@pytest.fixture
def book(tmp_path):  # type: ignore[no-untyped-def]
    return World(tmp_path).load


def state_after(*events: Event) -> IncidentState:
    opened = ev.IncidentOpened(
        incident="i",
        mode=Mode.LIVE,
        title="T",
        runbook_sha256="0" * 64,
        runbook_file="r",
        drbook_version="0",
        steps=("a", "b", "c"),
    )
    return fold(
        Record(
            seq=number,
            at=START + timedelta(seconds=number),
            mono_ns=number,
            mode=Mode.LIVE,
            actor="ops",
            host="here",
            event=event,
            prev="",
        )
        for number, event in enumerate((opened, *events), 1)
    )


def planned(step: str, attempt: int = 1) -> Event:
    return ev.StepPlanned(
        step=step,
        attempt=attempt,
        action="none",
        effect=Effect.NONE,
        params={},
        plan=Plan(does=("x",)),
        digest="d",
    )


def started(step: str, attempt: int = 1) -> Event:
    return ev.StepStarted(step=step, attempt=attempt)


def failed(step: str, attempt: int = 1) -> Event:
    return ev.StepFinished(step=step, attempt=attempt, state=StepEnd.FAILED, duration_ms=1)


def skipped(step: str) -> Event:
    return ev.StepSkipped(step=step, reason="r")


RESUMED = ev.IncidentResumed(head="0" * 64)

FIXED = {
    "it runs": (planned("b"), started("b")),
    "it failed": (planned("b"), started("b"), failed("b")),
    "it was skipped": (skipped("b"),),
    "an earlier attempt ran, and the next one is planned": (
        planned("b"),
        started("b"),
        failed("b"),
        planned("b", 2),
        RESUMED,
    ),
}


@pytest.mark.parametrize("events", FIXED.values(), ids=FIXED)
@pytest.mark.parametrize(
    "new", [A + B_OTHER + C, A + C, A + B_FREE + C], ids=["do", "out", "needs"]
)
def test_a_step_that_the_record_speaks_of_is_not_changed(
    book,  # type: ignore[no-untyped-def]
    events: tuple[Event, ...],
    new: str,
) -> None:
    with pytest.raises(UsageError) as refused:
        amendment(book(A + B + C), book(new), state_after(*events))
    assert refused.value.code == "amend-started"
    assert " b," in refused.value.what


@pytest.mark.parametrize(
    "events",
    [(), (planned("b"),), (planned("b"), RESUMED)],
    ids=["untouched", "waits for a person", "planned and never started"],
)
@pytest.mark.parametrize(
    ("new", "words", "order"),
    [
        (A + B_OTHER + C, "changed b", ("a", "b", "c")),
        (A + B_FREE + C, "changed b", ("a", "b", "c")),
        (A + C, "removed b; changed c", ("a", "c")),  # c now waits for another step
        (A + B + C + "  - {id: d, phase: close, do: none}\n", "added d", ("a", "b", "c", "d")),
    ],
)
def test_a_step_that_has_not_started_may_change(
    book,  # type: ignore[no-untyped-def]
    events: tuple[Event, ...],
    new: str,
    words: str,
    order: tuple[str, ...],
) -> None:
    old: Runbook = book(A + B + C)
    state = state_after(*events)
    found = amendment(old, book(new), state)
    assert found.in_words() == words
    amended = ev.RunbookAmended(runbook_sha256="1" * 64, changed=found.all, steps=order)
    assert state_after(*events, amended).order == order


def test_nothing_outside_the_steps_may_change(book, tmp_path) -> None:  # type: ignore[no-untyped-def]
    old = book(A + B)
    new = World(tmp_path).load(A + B + C + "hosts: [elsewhere.example]\n")
    with pytest.raises(UsageError, match="`hosts`") as refused:
        amendment(old, new, state_after())
    assert refused.value.code == "amend-outside-steps"


def test_the_same_steps_are_no_amendment(book) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError) as refused:
        amendment(book(A + B), book("  # a remark\n" + A + B), state_after())
    assert refused.value.code == "amend-nothing"


@pytest.mark.parametrize(
    "amended",
    [
        ev.RunbookAmended(runbook_sha256="1" * 64, changed=(), steps=("a", "c")),
        ev.RunbookAmended(runbook_sha256="1" * 64, changed=("b",), steps=("a", "b", "c")),
    ],
    ids=["leaves it out", "changes it"],
)
def test_the_record_takes_no_amendment_of_what_has_begun(amended: ev.RunbookAmended) -> None:
    with pytest.raises(IllegalEvent, match="changes step b"):
        state_after(planned("b"), started("b"), amended)
