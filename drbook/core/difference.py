"""Two databases that are both alive: which rows of a table one has and the other has not.

Both sides count and hash their rows in the same stretches; only stretches that differ are looked at more
closely, and rows are read one by one only where few are left.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import Field

from drbook.core.baseline import Identity
from drbook.core.values import Frozen, counted

LEAF = 1000
"""Rows of one stretch that are read one by one."""

RowChange = Literal["missing", "extra", "changed"]


class RowDifference(Frozen):
    """One row, by its key."""

    key: Mapping[str, str]
    """The key's columns as PostgreSQL's text; without a primary key empty."""
    change: RowChange
    left: Mapping[str, str | None] = Field(default_factory=dict)
    right: Mapping[str, str | None] = Field(default_factory=dict)
    """Values of the columns that the runbook allows to be shown."""


class Wish(Frozen):
    """What is to be said of rows that differ."""

    tables: tuple[str, ...] = ()
    """Which tables; all where it is empty."""
    sample: int = 20
    show: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    """Table → columns whose values may be shown."""


class TableDifference(Frozen):
    """One table of the left database against the same of the right one."""

    table: str
    left: int | None
    """Rows; None where they could not be counted or there is no such table."""
    right: int | None
    missing: int = 0
    """Rows of the left one that the right one has not."""
    extra: int = 0
    changed: int = 0
    at_least: bool = False
    """True where more stretches differ than were looked into: the three figures are a lower bound."""
    where: tuple[str, ...] = ()
    """The stretches that differ, in words."""
    sample: tuple[RowDifference, ...] = ()
    rows_read: int = 0
    """Rows that were read one by one, on both sides."""
    why_unknown: str = ""

    @property
    def equal(self) -> bool:
        return not self.why_unknown and not self.differing

    @property
    def differing(self) -> int:
        return self.missing + self.extra + self.changed

    def in_words(self) -> str:
        if self.why_unknown:
            return f"{self.table}: could not be compared: {self.why_unknown}"
        if self.equal:
            return f"{self.table}: equal, {counted(self.left or 0, 'row')}"
        least = "at least " if self.at_least else ""
        said = [
            f"{least}{counted(number, 'row')} {what}"
            for number, what in (
                (self.missing, "missing"),
                (self.extra, "extra"),
                (self.changed, "changed"),
            )
            if number
        ]
        return f"{self.table}: {', '.join(said)}"


class Difference(Frozen):
    """Two databases, table by table."""

    left: Identity
    right: Identity
    tables: tuple[TableDifference, ...]


def whole(number: int) -> RowChange:
    """What the rows of a stretch are that only one side has: the left one, where `number` is positive."""
    return "missing" if number > 0 else "extra"


def sorted_out(
    left: Mapping[tuple[str, ...], str], right: Mapping[tuple[str, ...], str]
) -> Iterable[tuple[tuple[str, ...], RowChange]]:
    """Two sets of rows by key, each with its hash: what differs, in the order of the keys' text."""
    for key in sorted({*left, *right}):
        if key not in right:
            yield key, "missing"
        elif key not in left:
            yield key, "extra"
        elif left[key] != right[key]:
            yield key, "changed"


def narrower(width: int, parts: int) -> int:
    """The width of the stretches of a stretch; 1 is a single key."""
    return max(1, -(-width // parts))
