"""Names of WAL files, and how far an unbroken row of them reaches.

A segment's name is its timeline, then its number in two halves of eight hexadecimal digits (PostgreSQL,
`src/include/access/xlog_internal.h`).
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

SEGMENT = re.compile(r"([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})")
HISTORY = re.compile(r"([0-9A-F]{8})\.history")
USUAL = 16 * 1024 * 1024
"""Bytes of a segment, where initdb was not told otherwise."""


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
    high, _, low = lsn.partition("/")
    return Segment(((int(high, 16) << 32) + int(low, 16)) // size, timeline)


def _per_log(size: int) -> int:
    return (1 << 32) // size


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a row of segments goes."""

    last: Segment | None
    """None where not even the first one is there."""
    missing: Segment | None = None
    """The first that is not there although later ones are."""


def reach(first: Segment, held: Collection[Segment]) -> Reach:
    """From this segment on, for as long as each next number is there on the same timeline or a later one:
    a promoted standby goes on with the number that it was promoted in.
    """
    newest: dict[int, Segment] = {}
    for one in held:
        if one.timeline >= first.timeline and one.number >= first.number:
            known = newest.get(one.number)
            if known is None or one.timeline > known.timeline:
                newest[one.number] = one
    last: Segment | None = None
    number, timeline = first.number, first.timeline
    while (found := newest.get(number)) is not None and found.timeline >= timeline:
        last, timeline, number = found, found.timeline, number + 1
    beyond = any(each > number for each in newest)
    return Reach(last, Segment(number, timeline) if beyond or last is None else None)


_BRANCH = re.compile(r"^\s*(\d+)\s+([0-9A-Fa-f]+)/([0-9A-Fa-f]+)", re.M)


def timelines(history: str, size: int = USUAL) -> tuple[tuple[int, int], ...]:
    """What a timeline's history says: each older timeline, and the number of the segment that the next one goes on
    with. The segment in which it branched off is on both; a recovery takes the newer one's."""
    return tuple(
        (int(line), ((int(high, 16) << 32) + int(low, 16)) // size)
        for line, high, low in _BRANCH.findall(history)
    )
