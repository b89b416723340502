"""What a database is beside its rows: every object in the server's own words, and where its sequences
stand. Read from the catalogues, compared word for word."""

import hashlib
from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from drbook.core.values import Frozen

Depth = Literal["none", "read", "sound"]
"""How much of a structure is read: nothing, the catalogues, or also what takes reading rows."""


class DbObject(Frozen):
    """One object, or one property of one that is compared by itself (an owner, a grant)."""

    kind: str
    """A key of `RULES` in `core.likeness`."""
    name: str
    """As PostgreSQL spells it; with its schema and, for a column or an index, its table."""
    words: str
    """Its definition as the server writes it; what `digested` makes of one that is longer than 2,000
    characters, or that holds a secret."""
    flaw: str = ""
    """What is wrong with it in itself: an index that is not valid, a constraint that was never checked."""


def digested(words: str) -> str:
    """What is kept in place of a definition that is not kept itself."""
    return f"sha256 {hashlib.sha256(words.encode()).hexdigest()} of {len(words)} characters"


def same_words(one: str, other: str) -> bool:
    """Whether two definitions are the same, either of which may have been kept by its digest."""
    return one == other or digested(one) == other or one == digested(other)


class SequenceState(Frozen):
    """Where a sequence stands. Numbers are text: they exceed what JSON numbers hold."""

    name: str
    last: str | None
    """The last value that was handed out, or the first one where none was; None where nobody may look."""
    called: bool = False
    """True where `last` was handed out already."""
    increment: str = "1"
    limit: str = ""
    """The last value that it may hand out; empty for one that begins again, and where nobody asked."""
    column: str = ""
    """The column that it fills, `schema.table.column`; empty where it fills none."""
    top: str | None = None
    """The greatest value in that column, for a sequence that counts down the smallest; None where that
    was not asked, or there is no row."""
    why_unknown: str = ""


class Orphans(Frozen):
    """Rows that refer to nothing, by a foreign key that the server did not hold them to."""

    constraint: str
    rows: int | None
    why_unknown: str = ""


class Structure(Frozen):
    """Everything of one database but its rows, in one snapshot."""

    objects: tuple[DbObject, ...] = ()
    sequences: tuple[SequenceState, ...] = ()
    orphans: tuple[Orphans, ...] = ()
    without_statistics: int = 0
    """Tables that the planner knows nothing of, since nobody analysed them."""
    unread: Mapping[str, str] = Field(default_factory=dict)
    """Kinds that could not be read, with the reason."""
    left_unread: bool = False
    """True where soundness (the columns' greatest values, orphans) was not asked for."""

    def of_kind(self, kind: str) -> Mapping[str, DbObject]:
        return {one.name: one for one in self.objects if one.kind == kind}
