"""When it occurred, was detected and was declared, and what the clocks make of these."""

from datetime import UTC, datetime, timedelta

import pytest
from support.evidence import LOSS, located, verified
from support.folded import T0, folded, said

from drbook.core.clocks import loss, outage, spent, unasked, verified_at
from drbook.core.state import StepState
from drbook.core.values import format_time

BOOK = """
drbook: 1
title: T
inputs:
  occurred: {type: time, required: false}
  detected: {type: time, required: false}
  declared: {type: time, required: false}
steps:
  - {id: restore, phase: restore, do: once}
  - {id: verify, phase: verify, do: postgres.verify}
  - {id: cutover, phase: cutover, do: once}
  - {id: later, phase: cutover, do: once}
"""


def at(minutes: int) -> datetime:
    return T0 + timedelta(minutes=minutes)


def test_the_three_times_come_from_the_inputs_and_the_opening() -> None:
    _, state = folded(BOOK)
    assert (state.occurred, state.detected, state.declared) == (None, None, T0)
    given = {"occurred": at(-30), "detected": at(-20), "declared": at(-10)}
    _, state = folded(BOOK, inputs={name: format_time(when) for name, when in given.items()})
    assert (state.occurred, state.detected, state.declared) == (at(-30), at(-20), at(-10))


def test_they_change_with_the_inputs() -> None:
    _, state = folded(
        BOOK,
        (1, said("occurred", at(-25))),
        (2, said("detected", at(-15))),
        (3, said("declared", at(-5))),
    )
    assert (state.occurred, state.detected, state.declared) == (at(-25), at(-15), at(-5))


@pytest.mark.parametrize("value", ["yesterday evening", 5, None, True])
def test_inputs_of_these_names_that_are_no_times_are_no_times(value: str | int | None) -> None:
    """Older runbooks may have had inputs called like this."""
    _, state = folded(BOOK, inputs={"detected": value, "declared": value})
    assert (state.detected, state.declared) == (None, T0)


NOTHING = BOOK.replace("occurred: {type: time", "occurred: {type: text").replace("detected", "seen")

UNASKED = [
    (BOOK, (), ("occurred", "detected")),
    (BOOK, ("detected",), ("occurred",)),
    (BOOK, ("occurred",), ("detected",)),
    (BOOK, ("occurred", "detected"), ()),
    (NOTHING, (), ()),
]


@pytest.mark.parametrize(("book", "given", "missing"), UNASKED)
def test_what_nobody_said_yet(book: str, given: tuple[str, ...], missing: tuple[str, ...]) -> None:
    runbook, state = folded(book, inputs=dict.fromkeys(given, format_time(at(-30))))
    assert unasked(state, runbook) == missing


S = StepState
ENDS: list[tuple[dict[str, StepState], int | None, int | None]] = [
    ({}, None, None),
    ({"verify": S.SUCCEEDED}, 20, None),
    ({"verify": S.FAILED}, None, None),
    ({"verify": S.SKIPPED}, None, None),
    ({"verify": S.SUCCEEDED, "cutover": S.SUCCEEDED}, 20, None),
    ({"verify": S.SUCCEEDED, "cutover": S.SUCCEEDED, "later": S.SKIPPED}, 20, 30),
    ({"verify": S.SUCCEEDED, "cutover": S.SUCCEEDED, "later": S.SUCCEEDED}, 20, 40),
]
"""Steps that ended, at minute 10, 20, 30 and 40 → minutes at which RTO's and outage's clock stop."""


@pytest.mark.parametrize(("ends", "rto", "out"), ENDS)
def test_where_the_clocks_stop(
    ends: dict[str, StepState], rto: int | None, out: int | None
) -> None:
    runbook, state = folded(BOOK, inputs={"occurred": format_time(at(-30))}, ends=ends)
    now = at(100)
    assert verified_at(state, runbook) == (None if rto is None else at(rto))
    assert spent(state, runbook, now) == timedelta(minutes=100 if rto is None else rto)
    assert outage(state, runbook, now) == timedelta(minutes=30 + (100 if out is None else out))


def test_two_verifications_are_both_needed() -> None:
    book = BOOK.replace("{id: restore, phase: restore, do: once}", "{id: restore, phase: verify, do: postgres.verify}")  # fmt: skip
    runbook, state = folded(book, ends={"restore": S.SUCCEEDED})
    assert verified_at(state, runbook) is None
    runbook, state = folded(book, ends={"restore": S.SUCCEEDED, "verify": S.SUCCEEDED})
    assert verified_at(state, runbook) == at(20)


def test_an_outage_of_unknown_or_coming_begin_has_no_length() -> None:
    runbook, state = folded(BOOK)
    assert outage(state, runbook, at(5)) is None
    runbook, state = folded(BOOK, (1, said("occurred", at(60))))
    assert outage(state, runbook, at(5)) is None


def test_a_declaration_that_lies_ahead_has_spent_nothing() -> None:
    runbook, state = folded(BOOK, (1, said("declared", at(60))))
    assert spent(state, runbook, at(5)) == timedelta(0)


def test_the_loss_moves_with_the_time_that_it_is_told_by() -> None:
    found = located()
    assert loss(None, None, None) == (None, False)
    assert loss(LOSS, None, None) == (None, False)
    assert loss(LOSS, found, None) == (26 * 3600, False)
    assert loss(LOSS + timedelta(hours=2), found, None) == (28 * 3600, False)
    never = found.model_copy(update={"loss_seconds": None})
    assert loss(None, never, None) == (None, False)
    assert loss(LOSS, never, None) == (26 * 3600, False)
    assert loss(LOSS - timedelta(hours=99), found, None) == (0, False)
    assert loss(LOSS, located(chosen=False), None) == (None, False)


def test_what_was_verified_says_the_loss_best() -> None:
    consistent = verified().model_copy(
        update={"consistent_at": LOSS - timedelta(hours=3), "loss_at_least": True}
    )
    assert loss(LOSS, located(), consistent) == (3 * 3600, True)
    assert loss(LOSS, located(), verified()) == (26 * 3600, False)
    assert loss(datetime(1990, 1, 1, tzinfo=UTC), located(), consistent) == (0, True)
