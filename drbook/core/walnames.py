"""Names of WAL files, and how far an unbroken row of them reaches.

A segment's name is its timeline, then its number in two halves of eight hexadecimal digits (PostgreSQL,
`src/include/access/xlog_internal.h`); how many go into the second half depends on the size of a segment. A
recovery goes along a *way* of timelines: each begins in the segment in which it branched off, of which both
have a file, and the newer one's is taken (`XLogFileReadAnyTLI` in `xlogrecovery.c`).
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

SEGMENT = re.compile(r"([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})")
HISTORY = re.compile(r"([0-9A-F]{8})\.history")
USUAL = 16 * 1024 * 1024
"""Bytes of a segment, where initdb was not told otherwise."""
SIZES = tuple(2**power for power in range(20, 31))
"""Bytes that a segment may have: 1 MiB to 1 GiB."""


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    number: int
    """Of all of the WAL, whatever its timeline."""
    timeline: int

    def name(self, size: int = USUAL) -> str:
        high, low = divmod(self.number, _per_log(size))
        return f"{self.timeline:08X}{high:08X}{low:08X}"


def segment(name: str, size: int = USUAL) -> Segment | None:
    """None for a name that is none, or that segments of this size do not have."""
    found = SEGMENT.fullmatch(name)
    if found is None:
        return None
    timeline, high, low = (int(part, 16) for part in found.groups())
    return Segment(high * _per_log(size) + low, timeline) if low < _per_log(size) else None


def at_lsn(lsn: str, timeline: int, size: int = USUAL) -> Segment:
    """The segment that a place like `0/3000148` lies in."""
    return Segment(place(lsn) // size, timeline)


def place(lsn: str) -> int:
    """Bytes since the beginning of the WAL, of a place like `0/3000148`. Raises ValueError."""
    high, _, low = lsn.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def row(first: Segment, last: Segment) -> Iterator[Segment]:
    """From one to the other, on the timeline of the first."""
    return (Segment(number, first.timeline) for number in range(first.number, last.number + 1))


def _per_log(size: int) -> int:
    return (1 << 32) // size


@dataclass(frozen=True, slots=True)
class Span:
    """A timeline on the way of a recovery: it has the segments from `first` to `last`."""

    timeline: int
    first: int
    last: int | None = None
    """None: as far as there are any."""


Way = Sequence[Span]
"""The timelines of a recovery, the oldest first. Empty where none leads on."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a row of segments goes."""

    last: Segment | None
    """None where not even the first one is there."""
    missing: Segment | None = None
    """The first that is not there although later ones are, or the very first."""
    beyond: int = 0
    """How many of the later ones are there, which nothing leads to."""


def reach(first: int, held: Collection[Segment], way: Way) -> Reach:
    """From the segment with this number on, for as long as each next one is there on the way. Segments of
    other timelines, and of one of these where it is not followed, do not count."""
    spans = {span.timeline: span for span in way}
    newest: dict[int, Segment] = {}
    for one in held:
        span = spans.get(one.timeline)
        if span is None or one.number < max(first, span.first):
            continue
        if span.last is None or one.number <= span.last:
            known = newest.get(one.number)
            newest[one.number] = one if known is None else max(known, one)
    number = first
    while number in newest:
        number += 1
    last = newest[number - 1] if number > first else None
    beyond = sum(each > number for each in newest)
    if not way or not (beyond or last is None):
        return Reach(last)
    on = max(span.timeline for span in way if span.first <= max(number, way[0].first))
    return Reach(last, Segment(number, on), beyond)


def alone(timeline: int) -> Way:
    """Along no other timeline."""
    return (Span(timeline, 0),)


def way_of(own: int, newest: int, history: str, end: int = 0, size: int = USUAL) -> Way:
    """From a copy's own timeline to the newest one, by the text of that one's history. Empty where it does not come
    from the copy's, or branched off before `end`, the place in bytes at which the copy is consistent: no server gets
    there from it then. Raises ValueError."""
    parts = [(int(line), place(lsn)) for line, lsn in _BRANCH.findall(history)]
    if not any(line == own and lsn >= end for line, lsn in parts):
        return ()
    found, first = [], 0
    for line, lsn in parts:
        if line >= own:
            found.append(Span(line, first, lsn // size))
        first = lsn // size
    return (*found, Span(newest, first))


def way_by_names(own: Segment, held: Collection[Segment], histories: Collection[int]) -> Way:
    """The same where nobody reads the histories, by the names of what is there: a timeline begins with the first of
    its segments. PostgreSQL follows one only where its history is there and those of all between
    (`findNewestTimeLine` in `timeline.c`). Which of the older ones it comes from is guessed: from the newest that
    had begun by then."""
    begins: dict[int, int] = {}
    for one in held:
        begins[one.timeline] = min(one.number, begins.get(one.timeline, one.number))
    way = [Span(own.timeline, own.number)]
    line = own.timeline
    while (line := line + 1) in histories:
        first = begins.get(line)
        if first is None or first < own.number:
            continue  # nothing of it is there, or it branched off before the copy
        while way[-1].first > first:
            way.pop()
        way[-1] = Span(way[-1].timeline, way[-1].first, first)
        way.append(Span(line, first))
    return tuple(way)


_BRANCH = re.compile(r"^\s*(\d+)\s+([0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8})(?=\s|$)", re.M)


def timelines(history: str, size: int = USUAL) -> tuple[tuple[int, int], ...]:
    """What a timeline's history says: each older timeline, and the number of the segment that the next one goes on
    with. The segment in which it branched off is on both; a recovery takes the newer one's."""
    return tuple((int(line), place(lsn) // size) for line, lsn in _BRANCH.findall(history))
