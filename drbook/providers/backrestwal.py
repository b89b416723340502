"""How far the archived WAL leads from the end of a backup, by the names of its segments. Pure.

The size of a segment, without which no name tells a number, is told by a place in the WAL and the segment
that it lies in together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from drbook.core import walnames
from drbook.core.values import counted
from drbook.core.walnames import SIZES, USUAL, Segment, Way, place, row, segment
from drbook.providers.backrestlist import Archive, Backup


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


def segment_size(backups: Sequence[Backup]) -> int:
    """Bytes of a segment, by which the segments of these backups' beginnings are what they are called."""
    fitting = set(SIZES)
    for one in backups:
        if len(one.wal_start) == 24 and one.lsn_start:
            number = int(one.wal_start[16:], 16)
            low = place(one.lsn_start) & 0xFFFFFFFF
            fitting &= {size for size in SIZES if low // size == number}
    return USUAL if USUAL in fitting or not fitting else max(fitting)


def missing_of_its_own(backup: Backup, archive: Archive, size: int) -> tuple[str, ...]:
    """Segments without which it cannot become consistent, and that are not there."""
    if not backup.wal_start or not backup.wal_stop:
        return ()
    first, last = segment(backup.wal_start, size), segment(backup.wal_stop, size)
    if first is None or last is None:  # what lies between them is not known
        names = [backup.wal_start, backup.wal_stop]
    else:
        names = [one.name(size) for one in row(first, last)]
    return tuple(name for name in names if not archive.has(name))


def way_of(backup: Backup, newest: int, history: str, size: int) -> Way:
    """The timelines that lead from the backup to the newest one, by that one's history file; none where
    it forked off before the backup's end, so that no server gets there from it. Raises ValueError."""
    end = place(backup.lsn_stop or "0/0")
    return walnames.way_of(int(backup.wal_stop[:8], 16), newest, history, end, size)


def alone(backup: Backup) -> Way:
    """Its own timeline and no other."""
    return walnames.alone(int(backup.wal_stop[:8], 16)) if backup.wal_stop else ()


def reach(backup: Backup, archive: Archive, way: Way, size: int) -> Reach:
    """How far it can be rolled forward along these timelines."""
    end = segment(backup.wal_stop, size)
    if end is None or not way:
        return Reach()
    found = walnames.reach(end.number + 1, _held(archive, size), way)
    last = found.last.name(size) if found.last is not None else ""
    gap = found.missing.name(size) if found.missing is not None and found.beyond else ""
    return Reach(last, archive.segments[last].at if last else None, gap, found.beyond)


def _held(archive: Archive, size: int) -> list[Segment]:
    found = (segment(name, size) for name in archive.segments if archive.has(name))
    return [one for one in found if one is not None]
