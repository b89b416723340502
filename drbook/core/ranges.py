"""Where in a table its rows lie: figures by stretches of a key or of days, and what two of them tell.

A capture with content takes them in the query that counts. A restored table that differs is then
counted in the same stretches, and the difference has a place: which keys, which days, how many rows.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Literal

from pydantic import Field

from drbook.core.values import Frozen, UtcTime, counted, plain

MOST_PARTS = 64
"""Stretches of one table that are recorded."""

ALL_PARTS = 100_000
"""Stretches of a whole database: about ten megabytes of a baseline."""

Change = Literal["fewer", "more", "changed"]


def parts_of(tables: int) -> int:
    """How many stretches of each table are recorded where there are so many tables."""
    return max(4, min(MOST_PARTS, ALL_PARTS // max(tables, 1)))


class Stretch(Frozen):
    """The rows of one stretch."""

    at: int | None
    """Its number: keys from `at * width` on. None for rows without a key."""
    rows: int = Field(ge=1)
    content: str
    """The sum of the rows' hashes, by the table's method."""
    first: UtcTime | None = None
    last: UtcTime | None = None
    """The smallest and the largest value of the table's `newest_column`."""


class Ranges(Frozen):
    """A whole table, cut into stretches of equal width; those without a row are left out."""

    column: str
    kind: Literal["integer", "days"]
    """Days are counted from 1970-01-01, in UTC."""
    width: int = Field(ge=1)
    """Keys, or days."""
    parts: tuple[Stretch, ...] = ()

    def coarser(self) -> "Ranges":
        """The same in stretches of twice the width."""
        merged: dict[int | None, list[Stretch]] = {}
        for part in self.parts:
            merged.setdefault(None if part.at is None else part.at // 2, []).append(part)
        return self.model_copy(
            update={
                "width": self.width * 2,
                "parts": tuple(_sum(at, parts) for at, parts in merged.items()),
            }
        )

    def at_most(self, number: int = MOST_PARTS) -> "Ranges":
        """The same in as many stretches at most; one is for the rows without a key."""
        found = self
        while len(found.parts) > max(number, 3):
            found = found.coarser()
        return found


class Differing(Frozen):
    """One stretch that is not the same on both sides."""

    at: int | None
    held: int
    found: int
    """Rows on each side; as many of them where only their content differs."""
    first: UtcTime | None = None
    last: UtcTime | None = None


class Apart(Frozen):
    """Neighbouring stretches that differ in the same way."""

    low: int | None
    """The first key, or day; None for the rows without a key."""
    high: int | None
    """The last one, included."""
    change: Change
    rows: int
    """How many fewer or more; of `changed`, in how many rows the changed ones are."""
    first: UtcTime | None = None
    last: UtcTime | None = None
    """Of which time the rows of these stretches were, where that is known."""


def _sum(at: int | None, parts: Sequence[Stretch]) -> Stretch:
    return Stretch(
        at=at,
        rows=sum(part.rows for part in parts),
        content=str(sum(int(part.content) for part in parts)),
        first=min((part.first for part in parts if part.first), default=None),
        last=max((part.last for part in parts if part.last), default=None),
    )


def differing(held: Ranges, found: Ranges, *, content: bool = True) -> tuple[Differing, ...]:
    """The stretches that differ, in the order of the keys. Without `content` only the numbers of rows are
    compared: the two hashes say nothing about each other.

    Both have to be of one column and width; otherwise ValueError.
    """
    same = (held.column, held.kind) == (found.column, found.kind)
    # A table without rows has stretches of no width.
    if not same or (held.parts and found.parts and held.width != found.width):
        raise ValueError("the stretches of the two tables are not the same")
    mine, theirs = ({part.at: part for part in one.parts} for one in (held, found))
    numbers = sorted({*mine, *theirs}, key=lambda at: inf if at is None else at)
    pairs = ((at, mine.get(at), theirs.get(at)) for at in numbers)
    return tuple(
        Differing(
            at=at,
            held=one.rows if one else 0,
            found=other.rows if other else 0,
            first=min(_times_of(one, other, "first"), default=None),
            last=max(_times_of(one, other, "last"), default=None),
        )
        for at, one, other in pairs
        if one is None
        or other is None
        or one.rows != other.rows
        or (content and one.content != other.content)
    )


def _times_of(
    held: Stretch | None, found: Stretch | None, end: Literal["first", "last"]
) -> list[datetime]:
    """Between these lie the rows that one side has and the other has not: those of the side that has more
    of them, and of both where as many are others."""
    more = (found.rows if found else 0) - (held.rows if held else 0)
    sides = (held if more <= 0 else None, found if more >= 0 else None)
    times = (None if side is None else getattr(side, end) for side in sides)
    return [at for at in times if at is not None]


def apart(held: Ranges, found: Ranges, *, content: bool = True) -> tuple[Apart, ...]:
    """The same, neighbours taken together where they differ in the same way. Raises ValueError."""
    width = held.width if held.parts else found.width
    joined: list[Apart] = []
    for one in differing(held, found, content=content):
        new = _apart(width, one)
        last = joined[-1] if joined else None
        if last and new.low is not None and (last.change, last.high) == (new.change, new.low - 1):
            joined[-1] = last.model_copy(
                update={
                    "high": new.high,
                    "rows": last.rows + new.rows,
                    "first": min((at for at in (last.first, new.first) if at), default=None),
                    "last": max((at for at in (last.last, new.last) if at), default=None),
                }
            )
        else:
            joined.append(new)
    return tuple(joined)


def _apart(width: int, one: Differing) -> Apart:
    change: Change = "changed"
    if one.found < one.held:
        change = "fewer"
    elif one.found > one.held:
        change = "more"
    return Apart(
        low=None if one.at is None else one.at * width,
        high=None if one.at is None else one.at * width + width - 1,
        change=change,
        rows=abs(one.held - one.found) or one.held,
        first=one.first,
        last=one.last,
    )


# --- in words --------------------------------------------------------------------------------


def in_words(ranges: Ranges, found: Sequence[Apart], most: int = 8) -> tuple[str, ...]:
    """A line for each, at most so many, the heaviest first and then in the order of the keys."""
    kept = sorted(found, key=lambda one: (one.change == "changed", -one.rows))[:most]
    lines = [_words(ranges, one) for one in found if one in kept]
    left = len(found) - len(lines)
    return (*lines, *([f"and {counted(left, 'stretch', 'stretches')} more"] if left else []))


def _words(ranges: Ranges, one: Apart) -> str:
    what = {
        "fewer": f"{counted(one.rows, 'row')} fewer",
        "more": f"{counted(one.rows, 'row')} more",
        "changed": f"other content in as many rows ({one.rows})",
    }[one.change]
    times = _times(one) if ranges.kind == "integer" else ""
    return f"{_where(ranges, one)}: {what}{times}"


def _where(ranges: Ranges, one: Apart) -> str:
    column = plain(ranges.column, 63)
    ends = [at for at in (one.low, one.high) if at is not None]
    shown = [str(at) if ranges.kind == "integer" else _day(at) for at in ends]
    return f"{column} {' to '.join(dict.fromkeys(shown)) or 'without a value'}"


def _times(one: Apart) -> str:
    if one.first is None or one.last is None:
        return ""
    first, last = (f"{at:%Y-%m-%d}" for at in (one.first, one.last))
    return f", of {first}" if first == last else f", of {first} to {last}"


def _day(number: int) -> str:
    """The date, or the number of days where there is none (PostgreSQL's dates reach further)."""
    try:
        return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=number):%Y-%m-%d}"
    except OverflowError:
        return f"day {number} from 1970-01-01"
