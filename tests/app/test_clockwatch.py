"""Clocks that are set, and machines that sleep: told once, and never believed by a countdown."""

from datetime import UTC, datetime, timedelta

import pytest
from support.incident import World

from drbook.app import model as cmd
from drbook.app.clockwatch import ClockWatch
from drbook.core.state import StepState
from drbook.journal.reader import read, verify

NOON = datetime(2026, 4, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wall", "monotonic", "said"),
    [
        (timedelta(seconds=10), 10.0, None),
        (timedelta(seconds=12), 10.0, None),  # NTP's
        (timedelta(seconds=-3590), 10.0, "set back by 1 h 00 m"),
        (timedelta(seconds=3610), 10.0, "went ahead by 1 h 00 m"),
        (timedelta(seconds=10), 3610.0, "set back by 1 h 00 m"),
    ],
)
def test_what_is_noted(wall: timedelta, monotonic: float, said: str | None) -> None:
    watch = ClockWatch()
    assert watch.moved(NOON, 0.0) is None
    found = watch.moved(NOON + wall, monotonic)
    assert (found is None) if said is None else (found is not None and said in found)
    assert watch.moved(NOON + wall, monotonic) is None  # once


COOLED = "  - {id: a, phase: cutover, do: once, confirm: {type: prod, cool_off: 1s}}\n"


@pytest.mark.parametrize("hours", [-1, 1], ids=["set back", "went ahead"])
def test_a_clock_that_is_set_changes_no_order_and_no_countdown(world: World, hours: int) -> None:
    """A cooling-off neither ends at once nor lasts an hour; the record stays in order, and says it."""
    real = world.start(COOLED).now
    world.ask(cmd.Run("a"))
    world.ask(cmd.Confirm("a", "prod"))
    world.driver.now = lambda: real() + timedelta(hours=hours)
    world.writer._now = world.driver.now
    noted = world.until(lambda s: any("wall clock" in note.text for note in s.state.notes))
    assert noted.state.steps["a"].state is StepState.AWAITING
    world.reaches("a", StepState.SUCCEEDED)
    records = read(world.journal)
    assert [one.at for one in records] == sorted(one.at for one in records)
    assert [one.mono_ns for one in records] == sorted(one.mono_ns for one in records)
    assert verify(world.journal).intact
