"""Status updates and owed notifications: when they are due, and what ends them."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.folded import T0, folded, said

from drbook.core import events as ev
from drbook.core.events import Mode, NoteKind
from drbook.core.timers import due, messages_of, owed, times_of

BOOK = """
drbook: 1
title: T
inputs:
  occurred: {type: time, required: false}
  detected: {type: time, required: false}
updates: {every: 30m, audience: customers}
deadlines:
  - {name: GDPR notification, after: 72h, from: detected}
  - {name: GDPR notification to the insurer, after: 24h, from: occurred}
  - {name: Board, after: 2h, from: declared}
steps:
  - {id: a, phase: detect, do: once}
"""
PLAIN = "drbook: 1\ntitle: T\nsteps:\n  - {id: a, phase: detect, do: once}\n"


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def message(text: str, happened: float | None = None) -> ev.NoteAdded:
    when = None if happened is None else at(happened)
    return ev.NoteAdded(text=text, kind=NoteKind.MESSAGE, happened_at=when)


UPDATE = [
    ((), 30.0),
    (((600, message("To all: we are on it")),), 40.0),
    (((600, message("Told by phone", 4)),), 34.0),
    (((600, message("a")), (1200, message("b", 12))), 42.0),
    (((600, ev.NoteAdded(text="only a note")),), 30.0),
    (((600, message("dated tomorrow by mistake", 1440)),), 40.0),
    (((600, message("gdpr  NOTIFICATION: sent")),), 30.0),
    (((600, message("Board was told")),), 30.0),
]
"""Notes at seconds → minute at which the next update is due."""


@pytest.mark.parametrize(("notes", "minute"), UPDATE)
def test_the_next_update_counts_from_the_last_message(
    notes: tuple[tuple[float, ev.NoteAdded], ...], minute: float
) -> None:
    runbook, state = folded(BOOK, *notes)
    (found,) = [one for one in due(state, runbook, at(35)) if one.kind == "update"]
    assert found.at == at(minute)
    assert found.name == "customers"
    assert found.left == timedelta(minutes=minute - 35)
    assert found.overdue is (minute < 35)


HOURS = 60
DEADLINES = [
    ((), {"GDPR notification": (72 * HOURS, True), "Board": (120, False)}),
    (
        ((1, said("detected", at(-20))),),
        {"GDPR notification": (72 * HOURS - 20, False), "Board": (120, False)},
    ),
    (((600, message("Board: told by phone")),), {"GDPR notification": (72 * HOURS, True)}),
    (
        ((600, message("GDPR notification sent to the authority, no. 77")),),
        {"Board": (120, False)},
    ),
    (((600, message("We must think of the GDPR notification")),), None),
    (((600, ev.NoteAdded(text="Board: told")),), None),
]


@pytest.mark.parametrize(("notes", "open_ones"), DEADLINES)
def test_deadlines_count_from_their_time_until_a_message_begins_with_their_name(
    notes: tuple[tuple[float, ev.Event], ...], open_ones: dict[str, tuple[float, bool]] | None
) -> None:
    runbook, state = folded(BOOK, *notes)
    found = {
        one.name: (one.at, one.at_latest)
        for one in due(state, runbook, at(11))
        if one.kind == "deadline" and "insurer" not in one.name
    }
    wanted = DEADLINES[0][1] if open_ones is None else open_ones
    assert wanted is not None
    assert found == {name: (at(minute), latest) for name, (minute, latest) in wanted.items()}


def test_the_longest_name_takes_the_message() -> None:
    runbook, state = folded(BOOK, (60, message("GDPR notification to the insurer: sent")))
    told = {
        one.name: one.told for one in owed(runbook.document, times_of(state), messages_of(state))
    }
    assert told == {
        "GDPR notification": None,
        "GDPR notification to the insurer": at(1),
        "Board": None,
    }


def test_the_soonest_is_first_and_what_is_over_stays() -> None:
    runbook, state = folded(BOOK)
    found = due(state, runbook, at(180))
    assert [one.at for one in found] == sorted(one.at for one in found)
    assert [one.name for one in found if one.overdue] == ["customers", "Board"]


def test_a_closed_incident_owes_notifications_and_no_updates() -> None:
    runbook, state = folded(BOOK, (60, ev.IncidentClosed(outcome="pass", exit_code=0)))
    assert {one.kind for one in due(state, runbook, at(5))} == {"deadline"}


def test_a_dry_run_and_a_runbook_without_timers_remind_of_nothing() -> None:
    runbook, state = folded(BOOK, mode=Mode.DRY_RUN)
    assert due(state, runbook, at(999)) == ()
    runbook, state = folded(PLAIN)
    assert due(state, runbook, at(999)) == ()


@given(st.lists(st.integers(0, 10_000), max_size=8), st.integers(0, 20_000))
def test_an_update_is_due_one_interval_after_the_latest_whatever_the_order(
    sent: list[int], now: int
) -> None:
    notes = [(float(600_000 + seq), message("x", minute)) for seq, minute in enumerate(sent)]
    runbook, state = folded(BOOK, *notes)
    (found,) = [one for one in due(state, runbook, at(now)) if one.kind == "update"]
    assert found.at == at(max([0, *sent]) + 30)
    assert found.overdue is (at(now) > found.at)


def test_only_what_was_told_is_looked_through() -> None:
    notes = [(float(second), ev.NoteAdded(text="seen")) for second in range(1, 51)]
    _, state = folded(BOOK, *notes, (60.0, message("Acme: we are on it")))
    assert [note.text for note in state.messages] == ["Acme: we are on it"]
    assert len(state.notes) == 51
    assert len(messages_of(state)) == 1
