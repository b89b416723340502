"""How long it still takes until the restore is verified: from earlier incidents and live progress.

Only what was measured is used. A step that no earlier incident timed makes the forecast a lower bound
and is named; nothing is made up for it. What lies on no way to the verification counts nothing, and
steps that can run side by side are not summed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from graphlib import TopologicalSorter

from drbook.core.clocks import VERIFIES, verified_at
from drbook.core.events import Mode
from drbook.core.runbook import CompiledStep, Runbook
from drbook.core.state import IncidentState, StepRun, StepState

MANY = 10
"""Earlier runs from which the range leaves the fastest and the slowest tenth out."""
SLACK = 1.1
"""A run that takes a tenth longer than an earlier one, and a second, may still be like it."""
_RUNNING = (StepState.STARTED, StepState.AWAITING)
_COUNT_NOTHING = (StepState.SUCCEEDED, StepState.SKIPPED, StepState.NOT_EXERCISED)
_AS_NEW = (StepState.PENDING, *_RUNNING)
"""Steps of which nothing is known to stand in the way; any other has to be run again by somebody."""


@dataclass(frozen=True, slots=True)
class Range:
    """Seconds: what is likely, between the least and the most."""

    likely: float = 0.0
    least: float = 0.0
    most: float = 0.0

    def plus(self, other: "Range") -> "Range":
        return Range(self.likely + other.likely, self.least + other.least, self.most + other.most)


@dataclass(frozen=True, slots=True)
class Forecast:
    """The time that is left until the restore is verified."""

    left: timedelta
    """The likely one."""
    least: timedelta
    most: timedelta
    unknown: tuple[str, ...] = ()
    """Steps on the way of whose time something is unknown, in the runbook's order: it takes longer."""
    timed: tuple[str, ...] = ()
    """Steps on the way whose time is told by earlier runs or by their progress."""
    runs: int = 0
    """The fewest earlier runs that a step's time rests on; 0 where none rests on any."""

    @property
    def at_least(self) -> bool:
        """True where it may take longer than the most that is said."""
        return bool(self.unknown)

    @property
    def known(self) -> bool:
        """False where nothing at all can be said."""
        return bool(self.timed) or not self.unknown


@dataclass(frozen=True, slots=True)
class _Left:
    """What is left of one step."""

    range: Range = Range()
    whole: bool = True
    """False where there may be more to it."""
    timed: bool = False
    runs: int = 0


def forecast(
    runbook: Runbook,
    state: IncidentState,
    now: datetime,
    past: Mapping[str, Sequence[int]],
    progress: Mapping[str, int],
) -> Forecast | None:
    """From `now` to the last verification of a restore.

    `past` holds the seconds of earlier successes by step, from the plan to the end, so that waiting
    for people counts; `progress` the seconds that running steps themselves say are left, which is the
    least that they take: what comes after the work that they show is not in it. None where no step
    verifies, where it is done, and in a dry run.
    """
    steps = {step.id: step for step in runbook.steps if step.id in state.steps}
    goals = [
        step.id
        for step in steps.values()
        if step.step.do == VERIFIES and state.steps[step.id].state not in _COUNT_NOTHING
    ]
    closed = state.closed_at is not None
    if not goals or closed or state.mode is Mode.DRY_RUN or verified_at(state, runbook):
        return None
    until: dict[str, Range] = {}
    found: dict[str, _Left] = {}
    for step in _on_the_way(steps, goals):
        run = state.steps[step.id]
        left = _left(step, run, now, past.get(step.id, ()), progress.get(step.id))
        before = _latest([until[need] for need in step.needs if need in until])
        # What it needed lies behind a step that runs already or has ended.
        begins = before if run.state not in (*_RUNNING, *_COUNT_NOTHING) else Range()
        until[step.id] = begins.plus(left.range)
        found[step.id] = left
    ends = _latest([until[goal] for goal in goals])
    ordered = [name for name in steps if name in found]
    runs = [found[name].runs for name in ordered if found[name].runs]
    return Forecast(
        left=timedelta(seconds=round(ends.likely)),
        least=timedelta(seconds=round(ends.least)),
        most=timedelta(seconds=round(ends.most)),
        unknown=tuple(name for name in ordered if not found[name].whole),
        timed=tuple(name for name in ordered if found[name].timed),
        runs=min(runs, default=0),
    )


def _on_the_way(steps: Mapping[str, CompiledStep], goals: Sequence[str]) -> list[CompiledStep]:
    """The goals and all that they wait for, each after what it waits for."""
    graph: dict[str, list[str]] = {}
    waiting = list(goals)
    while waiting:
        name = waiting.pop()
        if name not in graph:
            graph[name] = [need for need in steps[name].needs if need in steps]
            waiting += graph[name]
    return [steps[name] for name in TopologicalSorter(graph).static_order()]


def _latest(ranges: Sequence[Range]) -> Range:
    """When all of them are over; they run side by side."""
    return Range(
        max((one.likely for one in ranges), default=0.0),
        max((one.least for one in ranges), default=0.0),
        max((one.most for one in ranges), default=0.0),
    )


def _left(
    step: CompiledStep, run: StepRun, now: datetime, past: Sequence[int], progress: int | None
) -> _Left:
    if run.state in _COUNT_NOTHING or (
        run.state is StepState.COULD_NOT_VERIFY
        and run.accepted is not None
        and step.step.do != VERIFIES
    ):
        return _Left()
    begun = run.planned_at if run.state in _RUNNING else None
    spent = max(0.0, (now - begun).total_seconds()) if begun is not None else 0.0
    longer = sorted(max(0.0, seconds - spent) for seconds in past if seconds * SLACK + 1 >= spent)
    if not longer and progress is None:
        return _Left(whole=False)  # no earlier run, or it takes longer than every one of them
    told = _range(longer) if longer else Range()
    if progress is not None:
        told = Range(max(told.likely, progress), progress, max(told.most, progress))
    if step.when is not None and run.state is StepState.PENDING:
        told = Range(told.likely, 0.0, told.most)  # its condition may still say no
    return _Left(
        range=told,
        whole=bool(longer) and run.state in _AS_NEW,
        timed=True,
        runs=len(past) if longer else 0,
    )


def _range(seconds: Sequence[float]) -> Range:
    """Of what is in order: the median, and the range without the outermost tenths where there are many."""
    aside = len(seconds) // 10 if len(seconds) >= MANY else 0
    middle = len(seconds) // 2
    median = seconds[middle] if len(seconds) % 2 else (seconds[middle - 1] + seconds[middle]) / 2
    return Range(median, seconds[aside], seconds[-1 - aside])
