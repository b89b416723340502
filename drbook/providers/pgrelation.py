"""One relation of a database, and what is said of it: how it is called, and why it is not counted or only in part."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from psycopg import sql

from drbook.core.baseline import OF_AN_EXTENSION
from drbook.core.values import plain
from drbook.providers.pgnames import COLUMN_NO_TEXT, NO_TEXT

UNLOGGED = "It is unlogged: a physical copy or a standby does not hold its rows."


@dataclass(slots=True)
class Relation:
    """One, as the catalogue has it."""

    oid: int
    schema: str
    name: str
    kind: str
    unlogged: bool
    populated: bool
    partition: bool
    extension: str | None
    hint: int
    hinted: bool
    named: bool = True
    """Whether a query can name it."""
    carried: str | None = None
    """Of an extension's table: the condition on the rows that a dump holds of it; None where it holds none."""
    leaves: list["Relation"] = field(default_factory=list)
    """The relations that hold a partitioned table's rows."""


def shown_names(found: Mapping[int, Relation]) -> dict[int, str]:
    """`schema.name`; where a dot in a name would make two of them one, both are quoted."""
    names: dict[str, list[Relation]] = {}
    for each in found.values():
        names.setdefault(f"{each.schema}.{each.name}", []).append(each)
    return {
        each.oid: name if len(same) == 1 else sql.Identifier(each.schema, each.name).as_string(None)
        for name, same in names.items()
        for each in same
    }


_KINDS = {"p": "partitioned table", "m": "materialized view", "f": "foreign table", "r": "table"}


def lies_in(each: Relation) -> str:
    """Its schema, where that cannot be read off the name that is shown; else empty."""
    return each.schema if "." in each.schema + each.name or not each.named else ""


_STATEMENTS = (";", "--", "/*")
"""What no condition of an extension's needs, and what would be more than a condition."""


def why_not(each: Relation) -> str:
    """Why it cannot be asked for at all; empty where it can."""
    if not each.named:
        return NO_TEXT
    if each.carried and any(mark in each.carried for mark in _STATEMENTS):
        return "which of its rows a dump holds, its extension says in words that are not asked here"
    return ""


def carried_rows(each: Relation) -> tuple[sql.Composable, ...]:
    """Of an extension's table: the rows that a dump holds, where those are not all."""
    if not each.carried:
        return ()
    table = sql.Identifier(each.schema, each.name)
    return (sql.SQL("SELECT * FROM ONLY {} {}").format(table, sql.SQL(each.carried)),)


def kind_of(each: Relation) -> str:
    """In words."""
    return "unlogged table" if each.unlogged and each.kind == "r" else _KINDS[each.kind]


def why_aside(each: Relation, standby: bool) -> tuple[str, str] | None:
    """Its kind and why it is not counted on purpose; None where it is."""
    if each.extension is not None and each.carried is None:
        belongs = f"{OF_AN_EXTENSION}{plain(each.extension, 63)}, which makes it; a dump holds no rows of it."
        return kind_of(each), belongs
    if each.kind == "f":
        return "foreign table", "Its rows live on another server; no backup of this one holds them."
    if each.kind == "m" and not each.populated:
        return "materialized view", "It is not populated: it holds nothing until it is refreshed."
    if each.unlogged and standby and not each.partition:
        return kind_of(each), "It is unlogged, and a standby does not hold its rows."
    return None


def note_of(each: Relation, has_children: bool, hashed: bool) -> str:
    """What has to be known of its count; empty where it is all rows of a plain table."""
    if not hashed:
        return COLUMN_NO_TEXT
    if each.unlogged:
        return UNLOGGED
    if each.carried is not None:
        those = "rows that a dump holds" if each.carried else "rows"
        return f"It belongs to the extension {plain(each.extension or '', 63)}: its {those} were counted."
    if each.kind == "m":
        return "Its rows are derived: a restore from a dump computes them again."
    if each.kind == "p":
        foreign = sum(leaf.kind == "f" for leaf in each.leaves)
        unlogged = sum(leaf.unlogged for leaf in each.leaves)
        notes = [f"{len(each.leaves)} partitions, counted through it."]
        if foreign:
            notes.append(f"{foreign} of them are foreign and were not counted.")
        if unlogged:
            notes.append(
                f"{unlogged} of them are unlogged: a physical copy does not hold their rows."
            )
        return " ".join(notes)
    if has_children:
        return "Only rows of its own; tables that inherit from it are counted by themselves."
    return ""
