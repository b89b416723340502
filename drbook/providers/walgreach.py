"""WAL-G's archive of WAL: which timelines it holds, and how far one backup rolls forward over them. Pure.

Read from `wal-show --detailed-json` as WAL-G's source has it at v3.0.9 and four commits behind it
(`internal/databases/postgres/wal_show_handler.go`), and never from a real one. A place in the WAL is a
plain number there.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drbook.core.values import plain
from drbook.core.walnames import Segment, segment
from drbook.providers.walglist import Kept, number


@dataclass(frozen=True, slots=True)
class Line:
    """One timeline in the archive: a row of segments, by number, with holes."""

    id: int
    parent: int
    switch: int
    """The segment in which it left its parent, by number."""
    first: int
    last: int
    missing: tuple[int, ...]

    def holds(self, number: int) -> bool:
        return self.first <= number <= self.last and number not in self.missing

    def unbroken(self, number: int) -> int:
        """The last segment of the row that goes on from this one, which is there."""
        return next((each - 1 for each in self.missing if each > number), self.last)


@dataclass(frozen=True, slots=True)
class Reach:
    """How far the archive takes one backup, by the names in it."""

    last: Segment | None
    """The last segment without a gap before it; None where not even the backup's own are there."""
    missing: str = ""
    """The first of its own that is not there: it cannot become consistent."""
    gap: str = ""
    """The first that is not there although later ones are."""
    timelines: tuple[int, ...] = ()
    """Those that are gone over after the backup's own."""


def lines_in(text: bytes, size: int) -> tuple[Line, ...]:
    """From `wal-show --detailed-json`. Raises ValueError where it is something else."""
    try:
        found = json.loads(text)
    except ValueError:
        raise ValueError("it is no JSON, or ends too early") from None
    if not isinstance(found, list):
        raise ValueError("it is no list")
    try:
        return tuple(_line(one, size) for one in found)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a timeline lacks {error}") from None


def _line(one: Mapping[str, Any], size: int) -> Line:
    first, last = _segment(one["start_segment"], size), _segment(one["end_segment"], size)
    missing = sorted(_segment(each, size).number for each in one["missing_segments"])
    if first.timeline != last.timeline or first.number > last.number:
        raise ValueError("a row of segments begins behind its end")
    return Line(
        id=first.timeline,
        parent=number(one.get("parent_id")) or 0,
        switch=(number(one.get("switch_point_lsn")) or 0) // size,
        first=first.number,
        last=last.number,
        missing=tuple(missing),
    )


def _segment(name: object, size: int) -> Segment:
    found = segment(name, size) if isinstance(name, str) else None
    if found is None:
        raise ValueError(f"{plain(str(name), 40)} is no segment of {size} bytes")
    return found


def fits(kept: Kept, size: int) -> bool:
    """Whether its name and its place in the WAL mean the same segment, as they do with the right size."""
    return kept.start is None or _segment(kept.wal, size).number == kept.start // size


def own_segments(kept: Kept, size: int) -> list[str]:
    """Those without which it never becomes consistent, in order; none where that is not told. It ends in
    the segment that its last byte of WAL lies in."""
    if kept.finish is None:
        return []
    first = _segment(kept.wal, size)
    end = (kept.finish - 1) // size
    return [Segment(each, first.timeline).name(size) for each in range(first.number, end + 1)]


def reach(kept: Kept, lines: Sequence[Line], size: int) -> Reach:
    """Follow the row from the backup's first segment, and where a later timeline left it, along that: a
    server goes to the newest."""
    by_id = {each.id: each for each in lines}
    first = _segment(kept.wal, size)
    own = own_segments(kept, size) or [kept.wal]
    line = by_id.get(first.timeline)
    for name in own:
        if line is None or not line.holds(_segment(name, size).number):
            return Reach(None, missing=name)
    assert line is not None
    number = _segment(own[-1], size).number
    over: list[int] = []
    while True:
        last = line.unbroken(number)
        after = [
            each
            for each in lines
            if each.parent == line.id
            and each.id > line.id
            and number <= each.switch <= last + 1
            and each.holds(each.switch)
        ]
        if not after:
            break
        line = max(after, key=lambda each: each.id)
        number = line.switch
        over.append(line.id)
    gap = Segment(last + 1, line.id).name(size) if last < line.last else ""
    return Reach(Segment(last, line.id), gap=gap, timelines=tuple(over))
