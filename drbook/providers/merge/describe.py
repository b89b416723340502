"""What a merge has to know of a table: its columns, what tells its rows apart, and what acts on a write.

Asked of the catalogue in the session that will read or write, with nothing but `pg_catalog` on its path.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg import sql

from drbook.core.errors import CouldNotVerify, UsageError
from drbook.core.merging import KeyKind
from drbook.core.reviewed import ColumnFacts, TableFacts
from drbook.core.values import plain
from drbook.providers.merge.acting import Acts, acts
from drbook.providers.merge.references import Reference, referred, refers
from drbook.providers.pgsession import Connection

_FIND = """
SELECT n.nspname::text, c.relname::text, c.relkind = 'p', c.relkind::text
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
   AND (n.nspname || '.' || c.relname = %(name)s OR (c.relname = %(name)s AND position('.' in %(name)s) = 0))
"""
_COLUMNS = """
SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), {generated}, a.attidentity = 'a', a.attnotnull,
       coalesce(nullif(b.typbasetype, 0), b.oid)::regtype::text
  FROM pg_attribute a JOIN pg_type b ON b.oid = a.atttypid
 WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_UNIQUE = """
SELECT i.indexrelid::regclass::text, i.indisprimary, (SELECT array_agg(a.attname::text ORDER BY k.place)
         FROM unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (number, place)
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
        WHERE k.place <= i.indnkeyatts)
  FROM pg_index i
 WHERE i.indrelid = %s AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
 ORDER BY i.indisprimary DESC, 1
"""
_SEQUENCES = """
SELECT a.attname::text, n.nspname::text, s.relname::text, q.seqstart, q.seqincrement, q.seqcycle
  FROM pg_attribute a
  JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
  JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
                  AND d.refclassid = 'pg_class'::regclass
  JOIN pg_class s ON s.oid = d.refobjid AND s.relkind = 'S'
  JOIN pg_namespace n ON n.oid = s.relnamespace JOIN pg_sequence q ON q.seqrelid = s.oid
 WHERE a.attrelid = %(oid)s
UNION
SELECT a.attname::text, n.nspname::text, s.relname::text, q.seqstart, q.seqincrement, q.seqcycle
  FROM pg_attribute a
  JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid
                  AND d.refobjsubid = a.attnum AND d.classid = 'pg_class'::regclass AND d.deptype = 'i'
  JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
  JOIN pg_namespace n ON n.oid = s.relnamespace JOIN pg_sequence q ON q.seqrelid = s.oid
 WHERE a.attrelid = %(oid)s AND a.attidentity <> ''
 ORDER BY 1, 2, 3
"""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A sequence that fills a column."""

    column: str
    schema: str
    name: str
    start: int
    increment: int
    cycles: bool


@dataclass(frozen=True, slots=True)
class Described:
    """A table, and what acts on a write to it."""

    facts: TableFacts
    unique: tuple[tuple[str, ...], ...]
    """The columns of every whole unique index, the primary key's first."""
    refers: tuple[Reference, ...]
    referred: tuple[Reference, ...]
    """Foreign keys to this table or to one of its partitions: `there` are its columns."""
    acts: Acts
    sequences: tuple[Drawn, ...]


def names_of(connection: Connection, name: str) -> tuple[str, str, bool] | None:
    """Schema, name and whether it is partitioned; None where there is no such table. Raises UsageError for
    a name that several tables have, or that is none of a table."""
    rows = connection.execute(_FIND, {"name": name}).fetchall()
    if not rows:
        return None
    if len(rows) > 1:
        shown = ", ".join(plain(f"{row[0]}.{row[1]}", 130) for row in rows)
        raise _unusable(
            f"Several tables are called {plain(name, 130)}: {shown}.", "Name its schema."
        )
    schema, table, partitioned, kind = rows[0]
    if kind not in ("r", "p"):
        raise _unusable(
            f"{plain(name, 130)} is no table that holds rows of its own.", "Name tables."
        )
    return schema, table, partitioned


def describe(
    connection: Connection, schema: str, table: str, partitioned: bool, key: Sequence[str] = ()
) -> Described:
    """What the table is. Its key is the one given, or its primary key; the server must hold it unique.
    Raises CouldNotVerify where nothing tells its rows apart."""
    name = sql.Identifier(schema, table).as_string(connection)
    row = connection.execute("SELECT %s::regclass::oid::bigint", (name,)).fetchone()
    assert row is not None
    oid = row[0]
    generated = "a.attgenerated <> ''" if connection.info.server_version >= 120000 else "false"
    columns = connection.execute(
        sql.SQL(_COLUMNS).format(generated=sql.SQL(generated)), {"oid": oid}
    ).fetchall()
    unique = connection.execute(_UNIQUE, (oid,)).fetchall()
    chosen = _key(
        f"{schema}.{table}", tuple(key), [(one[1], tuple(one[2] or ())) for one in unique]
    )
    bases: Mapping[str, str] = {one[0]: one[5] for one in columns}
    facts = TableFacts(
        schema=schema,
        name=table,
        partitioned=partitioned,
        columns=tuple(
            ColumnFacts(name=one[0], type=one[1], generated=one[2], always=one[3])
            for one in columns
        ),
        key=chosen,
        kinds=tuple(_kind(bases[one]) for one in chosen),
        nullable=not all(one[4] for one in columns if one[0] in chosen),
    )
    return Described(
        facts,
        tuple(tuple(one[2] or ()) for one in unique),
        refers(connection, oid),
        referred(connection, oid),
        acts(connection, oid),
        tuple(Drawn(*one) for one in connection.execute(_SEQUENCES, {"oid": oid})),
    )


def _kind(base: str) -> KeyKind:
    return "integer" if base in ("smallint", "integer", "bigint") else "bytes"


def _key(
    shown: str, wished: tuple[str, ...], unique: Sequence[tuple[bool, tuple[str, ...]]]
) -> tuple[str, ...]:
    if not wished:
        for primary, columns in unique:
            if primary and columns:
                return columns
        raise _no_key(f"{plain(shown, 130)} has no primary key, and the step names no key for it.")
    if any(set(columns) == set(wished) for _, columns in unique):
        return wished
    named = ", ".join(plain(one, 63) for one in wished)
    raise _no_key(f"No unique index of {plain(shown, 130)} covers exactly ({named}).")


def _no_key(what: str) -> CouldNotVerify:
    return CouldNotVerify(
        what,
        means="Nothing there keeps two rows from being one row to drbook. Nothing was proposed.",
        next="Give `key: {TABLE: [COLUMN, …]}` with the columns of a valid unique index without a condition; "
        "or make one there first (`CREATE UNIQUE INDEX CONCURRENTLY`).",
        code="no-key",
    )


def _unusable(what: str, next: str) -> UsageError:
    return UsageError(what, means="Nothing was proposed.", next=next, code="no-such-table")


def fits(restored: TableFacts, there: TableFacts) -> str:
    """Why rows of the one cannot be rows of the other; empty where they can."""
    ours = {one.name: one for one in restored.columns}
    theirs = {one.name: one for one in there.columns}
    apart = sorted(
        name for name in {*ours, *theirs} if name not in ours or name not in theirs
    ) or sorted(name for name in ours if not _alike(ours[name], theirs[name]))
    if apart:
        return "its columns are not the same: " + ", ".join(plain(one, 63) for one in apart[:5])
    if restored.key != there.key:
        return "its keys are not the same"
    return ""


def _alike(one: ColumnFacts, other: ColumnFacts) -> bool:
    return one.type == other.type and one.generated == other.generated
