"""How far the archived WAL leads from the end of a backup, by the names of its segments. Pure.

A segment's name is its timeline, and its number in two parts (PostgreSQL's manual, "WAL Internals").
How many go into the first part depends on the size of a segment, which a place in the WAL and the
segment that it lies in tell together.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from drbook.core.values import counted
from drbook.providers.backrestlist import Archive, Backup

USUAL = 16 * 1024 * 1024
SIZES = tuple(2**power for power in range(20, 31))
"""Bytes that a segment may have: 1 MiB to 1 GiB."""

_PART = re.compile(r"(\d+)\s+([0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8})(?:\s|$)")


@dataclass(frozen=True, slots=True)
class Span:
    """A timeline within a history: it holds the segments from `first` to `last`."""

    timeline: int
    first: int
    last: int | None


@dataclass(frozen=True, slots=True)
class Reach:
    last: str = ""
    """The last segment of an unbroken row; empty where nothing follows the backup's own."""
    at: datetime | None = None
    """When it was stored."""
    gap: str = ""
    """The first that is missing although later ones are there."""
    beyond: int = 0
    """How many those are."""

    def broken(self) -> str:
        """The gap in words; empty without one."""
        if not self.gap:
            return ""
        behind = counted(self.beyond, "later segment")
        return f"WAL segment {self.gap} is missing, so that {behind} cannot be used"


def place_in_wal(lsn: str) -> int:
    """Bytes since the beginning. Raises ValueError."""
    high, _, low = lsn.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def segment_size(backups: Sequence[Backup]) -> int:
    """Bytes of a segment, by which the segments of these backups' beginnings are what they are called."""
    fitting = set(SIZES)
    for one in backups:
        if len(one.wal_start) == 24 and one.lsn_start:
            number = int(one.wal_start[16:], 16)
            low = place_in_wal(one.lsn_start) & 0xFFFFFFFF
            fitting &= {size for size in SIZES if low // size == number}
    return USUAL if USUAL in fitting or not fitting else max(fitting)


def number_of(name: str, size: int) -> int:
    """Its number on its timeline."""
    return int(name[8:16], 16) * (2**32 // size) + int(name[16:], 16)


def name_of(timeline: int, number: int, size: int) -> str:
    high, low = divmod(number, 2**32 // size)
    return f"{timeline:08X}{high:08X}{low:08X}"


def missing_of_its_own(backup: Backup, archive: Archive, size: int) -> tuple[str, ...]:
    """Segments without which it cannot become consistent, and that are not there."""
    if not backup.wal_start or not backup.wal_stop:
        return ()
    timeline = int(backup.wal_start[:8], 16)
    first, last = number_of(backup.wal_start, size), number_of(backup.wal_stop, size)
    names = (name_of(timeline, number, size) for number in range(first, last + 1))
    return tuple(name for name in names if not archive.has(name))


def spans_of(backup: Backup, newest: int, history: str, size: int) -> tuple[Span, ...]:
    """The timelines that lead from the backup to the newest one, by that one's history file; none where
    it forked off before the backup's end, so that no server gets there from it. Raises ValueError."""
    own = int(backup.wal_stop[:8], 16)
    parts = [(int(match[1]), match[2]) for match in map(_PART.match, history.splitlines()) if match]
    if not any(timeline == own for timeline, _ in parts):
        return ()
    found, first = [], 0
    for timeline, lsn in parts:
        end = place_in_wal(lsn)
        if timeline == own and end < place_in_wal(backup.lsn_stop or "0/0"):
            return ()
        if timeline >= own:
            # The switch is within a segment, and the next timeline has its own file of that one.
            found.append(Span(timeline, first, end // size))
        first = end // size
    return (*found, Span(newest, first, None))


def alone(backup: Backup) -> tuple[Span, ...]:
    """Its own timeline and no other."""
    return (Span(int(backup.wal_stop[:8], 16), 0, None),) if backup.wal_stop else ()


def reach(backup: Backup, archive: Archive, spans: Sequence[Span], size: int) -> Reach:
    """How far it can be rolled forward along these timelines."""
    if not backup.wal_stop or not spans:
        return Reach()
    end = number_of(backup.wal_stop, size)
    there = _numbers(archive, spans, size)
    number = end
    while number + 1 in there:
        number += 1
    later = [each for each in there if each > number + 1]
    gap = name_of(_timeline(spans, number + 1), number + 1, size) if later else ""
    if number == end:
        return Reach(gap=gap, beyond=len(later))
    last = there[number]
    return Reach(last, archive.segments[last].at, gap, len(later))


def _numbers(archive: Archive, spans: Sequence[Span], size: int) -> dict[int, str]:
    """The segments on these timelines by number; of one that two have, the later timeline's."""
    by_timeline = {span.timeline: span for span in spans}
    found: dict[int, str] = {}
    for name in sorted(archive.segments):
        span = by_timeline.get(int(name[:8], 16))
        number = number_of(name, size)
        if span is None or not archive.has(name) or number < span.first:
            continue
        if span.last is None or number <= span.last:
            found[number] = name
    return found


def _timeline(spans: Sequence[Span], number: int) -> int:
    return max(span.timeline for span in spans if span.first <= number)
