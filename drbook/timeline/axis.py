"""Times to places: one scale for a picture, and its ticks on two clocks.

The record lies on a straight scale. What happened long before it (a loss of yesterday in a drill of forty
seconds) would make a sliver of that: it gets a strip of its own in front, in order and not to scale.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from drbook.core.values import clock_duration

_NEAR = 0.3
"""Share of the span that earlier moments may take of the straight scale."""
_SLOT, _LEAST, _MOST = 34.0, 106.0, 240.0
"""Room for each moment of the strip, and for the strip at least and at most."""
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
_BETWEEN = 100.0
"""Room from one tick to the next: for a date with a time."""


@dataclass(frozen=True, slots=True)
class Scale:
    """From `begin` to `end` straight between `left` and `right`; `before` in a strip from `edge` on."""

    begin: datetime
    end: datetime
    left: float
    right: float
    before: tuple[datetime, ...]
    edge: float

    @property
    def seconds(self) -> float:
        return max((self.end - self.begin).total_seconds(), 0.001)

    def x(self, at: datetime) -> float:
        """The place of a time; what lies behind the end is put there."""
        if at < self.begin and self.before:
            slot = sum(1 for one in self.before if one < at) + 0.5  # in its order, not to scale
            return self.edge + (self.left - self.edge - 14) * slot / len(self.before)
        share = min(max((at - self.begin).total_seconds() / self.seconds, 0.0), 1.0)
        return self.left + (self.right - self.left) * share


def scale(
    begin: datetime, end: datetime, earlier: Iterable[datetime], edge: float, right: float
) -> Scale:
    """A straight scale of at least a second from `begin` or a little earlier on."""
    end = max(end, begin + timedelta(seconds=1))
    near = begin - (end - begin) * _NEAR
    times = sorted({one for one in earlier if one < begin})
    begin = next((one for one in times if one >= near), begin)
    before = tuple(one for one in times if one < near)
    strip = min(_MOST, max(_LEAST, _SLOT * len(before) + 20)) if before else 0.0
    return Scale(begin, end, edge + strip, right, before, edge)


def ticks(of: Scale, declared: datetime) -> Iterator[tuple[float, str, str]]:
    """Places with both clocks: UTC (the day where it is a new one), and the time since the declaration."""
    most = max(int((of.right - of.left) / _BETWEEN), 1)
    least = of.seconds / most
    step = next((one for one in _STEPS if one >= least), 0)
    step = step or 86400 * -(-int(least) // 86400)
    first = -((declared - of.begin).total_seconds() // step)
    day = None
    number = int(first)
    while (at := declared + timedelta(seconds=number * step)) <= of.end:
        number += 1
        if at < of.begin:
            continue
        utc = at.astimezone(UTC)
        clock = utc.strftime("%H:%M" if step % 60 == 0 and utc.second == 0 else "%H:%M:%S")
        shown = clock if utc.date() == day else f"{utc.day} {utc:%b} {clock}"
        day = utc.date()
        yield of.x(at), shown, since(at, declared)


def since(at: datetime, declared: datetime) -> str:
    """`T+0:05:00`, or `T-0:15:00` before the declaration."""
    by = at - declared
    return f"T{'-' if by <= timedelta(seconds=-1) else '+'}{clock_duration(abs(by))}"
