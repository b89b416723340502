"""Whatever hangs, the driver goes on: commands are carried out and snapshots come."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.incident import World

from drbook.app import planning, publisher
from drbook.app.model import Run, WriteNote
from drbook.core.actions import Finished
from drbook.core.errors import StepFailed
from drbook.core.events import Plan
from drbook.core.state import StepState
from drbook.mirror.copier import Copier, Writing
from drbook.mirror.mirrors import HAVE_WAIT, Mirrors

STEPS = """
  - {id: slow, phase: detect, do: none}
  - {id: other, phase: detect, do: again, needs: []}
  - {id: effect, phase: restore, do: once, needs: []}
"""


@pytest.fixture
def hang() -> Iterator[threading.Event]:
    """What everything that hangs waits for; it ends with the test."""
    event = threading.Event()
    yield event
    event.set()


def goes_on(world: World, step_within: float = 5) -> None:
    """A note is on record at once, and another step runs to its end."""
    begun = time.monotonic()
    world.ask(WriteNote("still here"))
    assert world.until(lambda s: bool(s.state.notes) and s.state.notes[-1].text == "still here")
    assert time.monotonic() - begun < 3
    world.ask(Run("other"))
    world.reaches("other", StepState.SUCCEEDED)
    assert time.monotonic() - begun < step_within


def test_a_step_that_hears_nothing(world: World, hang: threading.Event) -> None:
    def course(params, context, ports):  # type: ignore[no-untyped-def]
        hang.wait(60)
        return Finished(params)
        yield

    world.once.courses["effect"] = course
    driver = world.start(STEPS)
    world.ask(Run("effect"))
    world.reaches("effect", StepState.STARTED)
    goes_on(world)
    seen = len(world.snapshots)
    time.sleep(2.2)
    assert 1 <= len(world.snapshots) - seen <= 4  # a still one is told of once a second
    driver.steps.grace = 0.2


def test_a_probe_that_hears_nothing(world: World, hang: threading.Event) -> None:
    def course(params, context, ports):  # type: ignore[no-untyped-def]
        raise ValueError("broke")
        yield

    world.once.courses["effect"] = course
    world.once.looking = lambda ports: (hang.wait(60), None)[1]
    world.start(STEPS)
    world.ask(Run("effect"))
    world.until(lambda s: s.looking == ("effect",))
    goes_on(world)
    assert world.driver.snapshot.looking == ("effect",)


def test_a_mirror_that_hangs(world: World, hang: threading.Event) -> None:
    def opener():  # type: ignore[no-untyped-def]
        hang.wait(60)
        raise AssertionError("nobody waits for it")

    writing = Writing(world.journal, world.folder / "runbook.yaml", 0, "")
    world.mirrors = Mirrors([Copier("far", opener, writing, lambda: datetime.now(UTC))])
    world.start(STEPS)
    world.mirrors.start()
    goes_on(world, step_within=HAVE_WAIT + 5)  # what has an effect gives it that long, once
    begun = time.monotonic()
    world.mirrors.close(wait=0.2)
    assert time.monotonic() - begun < 2


def test_a_plug_in_whose_planning_does_not_end(
    world: World, hang: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its step says so, and the steps beside it are planned all the same."""
    monkeypatch.setattr(planning, "PLAN_SECONDS", 0.5)
    asked = []

    def plan(params, context):  # type: ignore[no-untyped-def]
        asked.append(context.step)
        hang.wait(60)
        return Plan(does=("never",))

    monkeypatch.setattr(world.none, "plan", plan)
    begun = time.monotonic()
    world.start(STEPS)
    assert time.monotonic() - begun < 0.4  # nobody waited for it
    goes_on(world)
    snapshot = world.until(lambda s: "slow" in s.preview_problems and "effect" in s.previews)
    assert "did not say within" in snapshot.preview_problems["slow"]
    with pytest.raises(StepFailed) as raised:
        world.ask(Run("slow"))
    assert raised.value.code == planning.PLAN_LATE
    assert world.driver.state.steps["slow"].state is StepState.PENDING
    previewed = len(asked)
    world.ask(Run("effect"))
    world.reaches("effect", StepState.SUCCEEDED)
    world.until(lambda s: "slow" in s.preview_problems)
    assert len(asked) == previewed  # it is not begun again by itself


def test_previews_that_come_late_come_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "PATIENCE", 0.0)
    monkeypatch.setattr(world.none, "plan", lambda p, c: (time.sleep(0.3), Plan(does=("late",)))[1])
    world.start(STEPS)
    snapshot = world.until(lambda s: len(s.previews) == 3)
    assert snapshot.previews["slow"].does == ("late",)


def test_what_a_plan_cannot_see_asks_for_no_new_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def plan(params, context):  # type: ignore[no-untyped-def]
        asked.append(context.step)
        return Plan(does=("x",))

    monkeypatch.setattr(world.none, "plan", plan)
    world.start(STEPS)
    world.until(lambda s: "slow" in s.previews)
    for number in range(5):
        world.ask(WriteNote(f"note {number}"))
        world.until(lambda s, n=number: len(s.state.notes) == n + 1)
    assert asked == ["slow"]
    world.ask(Run("other"))
    world.reaches("other", StepState.SUCCEEDED)
    world.until(lambda s: len(asked) > 1)


def test_the_record_is_shared_and_not_copied(world: World, tmp_path: Path) -> None:
    world.start(STEPS)
    world.ask(WriteNote("one"))
    first = world.until(lambda s: len(s.records) == 2)
    world.ask(WriteNote("two"))
    second = world.until(lambda s: len(s.records) == 3)
    assert len(first.records) == 2
    assert second.records[:2] == first.records[:]
    assert second.records._items is first.records._items  # type: ignore[attr-defined]
