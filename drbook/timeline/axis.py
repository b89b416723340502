"""The steps on a time axis: where each attempt lies between the first record and the last."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from drbook.core.values import clock_duration
from drbook.timeline.model import Attempt, Timeline

WIDTH = 1000.0
LEAST = 4.0
"""Width of a step that took no time, so that it can be seen."""
LABEL = 60.0
"""Room for the longest label of a tick, `100:00:00` in 11 pixels."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One attempt; `x` and `width` are of WIDTH."""

    attempt: Attempt
    x: float
    width: float
    waits_x: float = 0.0
    waits: float = 0.0
    """Where it waited for people before, and for how long; 0 where it did not."""


@dataclass(frozen=True, slots=True)
class Tick:
    x: float
    label: str

    @property
    def before(self) -> bool:
        """The label stands before its line: behind it the chart would end in the middle of it."""
        return self.x > WIDTH - LABEL


@dataclass(frozen=True, slots=True)
class Axis:
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    start: datetime
    end: datetime


_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)


def axis(timeline: Timeline) -> Axis:
    """Every attempt that started, from the opening on."""
    start = timeline.opened
    last = timeline.records[-1].at
    span = max((last - start).total_seconds(), 1.0)
    bars = []
    for attempt in timeline.attempts:
        if attempt.started_at is None:
            continue
        begun = (attempt.started_at - start).total_seconds()
        ended = ((attempt.ended_at or last) - start).total_seconds()
        x = min(begun / span * WIDTH, WIDTH - LEAST)
        waits = attempt.waited.total_seconds() if attempt.waited else 0.0
        bars.append(
            Bar(
                attempt,
                x,
                max(LEAST, (ended - begun) / span * WIDTH),
                max(0.0, (begun - waits) / span * WIDTH),
                waits / span * WIDTH,
            )
        )
    step = next((one for one in _STEPS if span / one <= 8), 7 * 86400)
    ticks = tuple(
        Tick(seconds / span * WIDTH, clock_duration(timedelta(seconds=seconds)))
        for seconds in range(0, int(span) + 1, step)
    )
    return Axis(tuple(bars), ticks, start, last)
