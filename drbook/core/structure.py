"""What a database is beside its rows: every object in the server's own words, and where its sequences
stand. Read from the catalogues, compared word for word."""

import hashlib
import re
from collections.abc import Collection, Mapping
from typing import Literal

from pydantic import Field

from drbook.core.rewritten import canonical
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


LACKS = "it is not valid, for a partition lacks it"
"""An index of a partitioned table; a dump brings it as it was."""
NOT_VALID = "it is not valid, so no query uses it and it may be incomplete"
"""The flaw of an index that a dump leaves out."""

_DIGEST = re.compile(r"(sha256 [0-9a-f]{64} of [0-9]+ characters)(?:, rewritten ([0-9a-f]{64}))?")


def digested(words: str) -> str:
    """What is kept in place of a definition that is not kept itself: its digest, and that of its
    canonical form."""
    return f"{_exactly(words)}, rewritten {_sha256(canonical(words))}"


def same_words(one: str, other: str) -> bool:
    """Whether two definitions are the same, either of which may have been kept by its digest."""
    return one == other or _forms(one)[0] == _forms(other)[0]


def same_meaning(one: str, other: str) -> bool | None:
    """Whether two expressions of the server's differ only in how it writes them; None where one was
    kept by a digest of an older version, which does not tell."""
    forms = _forms(one)[1], _forms(other)[1]
    return None if None in forms else forms[0] == forms[1]


def _forms(words: str) -> tuple[str, str | None]:
    """The digests of a definition and of its canonical form."""
    kept = _DIGEST.fullmatch(words)
    return (kept[1], kept[2]) if kept else (_exactly(words), _sha256(canonical(words)))


def _exactly(words: str) -> str:
    return f"sha256 {_sha256(words)} of {len(words)} characters"


def _sha256(words: str) -> str:
    return hashlib.sha256(words.encode()).hexdigest()


def _spelt(name: str) -> tuple[str, str]:
    """A name as PostgreSQL spells it, which quotes it where it has to."""
    return name, '"' + name.replace('"', '""') + '"'


_WITH_ROWS = ("table", "materialized view", "foreign table")
_PART = re.compile(r'(?:"(?P<quoted>(?:[^"]|"")*)"|(?P<plain>[^".( ]+))(?P<dot>\.?)')


def names_of(spelt: str) -> tuple[str, ...]:
    """The parts of a name as PostgreSQL spells it, without quotes: of `s."T x".c` three. What follows
    behind them, like a function's arguments, is left out."""
    found: list[str] = []
    at = 0
    while match := _PART.match(spelt, at):
        plain = match["plain"]
        found.append(plain if plain is not None else match["quoted"].replace('""', '"'))
        at = match.end()
        if not match["dot"]:
            break
    return tuple(found)


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


READING = 3
"""In which words a structure is read today; 1 was before 2026-11-27, and 2 knew no owner whose rights are
not all of them, and no rights on what belongs to an extension."""


class Structure(Frozen):
    """Everything of one database but its rows, in one snapshot."""

    reading: int = 1
    """In which words it was read: those of another reading may be other words for the same."""

    objects: tuple[DbObject, ...] = ()
    sequences: tuple[SequenceState, ...] = ()
    orphans: tuple[Orphans, ...] = ()
    without_statistics: int = 0
    """Tables that the planner knows nothing of, since nobody analysed them."""
    unread: Mapping[str, str] = Field(default_factory=dict)
    """Kinds that could not be read, with the reason."""
    also: tuple[DbObject, ...] = ()
    """Objects that read otherwise once a dump of the same snapshot was done: the server makes definitions
    from what is newest. Which of the two the dump holds, nobody knows."""
    left_unread: bool = False
    """True where soundness (the columns' greatest values, orphans) was not asked for."""

    def changed_to(self, later: "Structure") -> "Structure":
        """The same with what of it reads otherwise in another reading."""
        was = {(one.kind, one.name): one.words for one in self.objects}
        also = (
            one
            for one in later.objects
            if not same_words(was.get((one.kind, one.name), one.words), one.words)
        )
        return self.model_copy(update={"also": tuple(also)})

    def without(self, schemas: Collection[str]) -> "Structure":
        """The same without what lies in these schemas, and without themselves."""
        names = "|".join(re.escape(one) for schema in schemas for one in _spelt(schema))
        # An extension or a role may have a schema's name and lies in none.
        inside = re.compile(rf"(?:[a-z -]+ )?(?:{names})\.|schema (?:{names})(?:\Z| to )")
        ends = tuple(f" in {one}" for schema in schemas for one in _spelt(schema))
        themselves = {one for schema in schemas for one in _spelt(schema)}
        return self.model_copy(
            update={
                "objects": tuple(
                    one
                    for one in self.objects
                    if not inside.match(one.name)
                    and not (one.kind == "schema" and one.name in themselves)
                    and not (one.kind == "extension schema" and one.words in themselves)
                    and not (one.kind == "default grant" and one.name.endswith(ends))
                ),
                "also": tuple(one for one in self.also if not inside.match(one.name)),
                "sequences": tuple(one for one in self.sequences if not inside.match(one.name)),
                "orphans": tuple(one for one in self.orphans if not inside.match(one.constraint)),
            }
        )

    def schema_of(self, table: str) -> str:
        """The schema of a table that is called `schema.name`, unquoted; empty where that is not told."""
        for one in self.objects:
            if one.kind in _WITH_ROWS and ".".join(found := names_of(one.name)) == table:
                return found[0]
        return ""

    def of_kind(self, kind: str) -> Mapping[str, DbObject]:
        return {one.name: one for one in self.objects if one.kind == kind}
