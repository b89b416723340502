"""Counting a whole database in one snapshot: exact rows, newest timestamps, content hashes.

A table that cannot be counted stays in the list with its reason. Nothing here turns an error into a
zero.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
from psycopg import sql

from drbook.core.baseline import TableCount, TableCounts
from drbook.core.errors import CouldNotVerify
from drbook.core.ports import Cancel
from drbook.core.signals import Progress, Working
from drbook.core.values import parse_time, plain
from drbook.providers.pgidentity import identity
from drbook.providers.pgsession import Connection, broke_off, said

_TABLES = """
SELECT n.nspname, c.relname, c.relkind::text, c.oid::bigint
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
   AND n.nspname <> ALL (%(ignored)s)
   AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_class'::regclass
                    AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY 1, 2
"""
_COLUMNS = """
SELECT a.attrelid::bigint, a.attname, t.typname = 'timestamptz'
  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
 WHERE t.typname IN ('timestamptz', 'timestamp') AND a.attnum > 0 AND NOT a.attisdropped
"""
_BY_NUMBER = """
WITH RECURSIVE parts (type) AS (
    SELECT a.atttypid FROM pg_catalog.pg_attribute a
     WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped
    UNION
    SELECT inner_type FROM parts p JOIN pg_catalog.pg_type t ON t.oid = p.type
      LEFT JOIN pg_catalog.pg_range r ON r.rngtypid = t.oid
      LEFT JOIN pg_catalog.pg_attribute c ON c.attrelid = t.typrelid AND c.attnum > 0
     CROSS JOIN LATERAL (VALUES (t.typelem), (t.typbasetype), (r.rngsubtype), (c.atttypid))
                     AS i (inner_type)
     WHERE inner_type <> 0
)
SELECT EXISTS (SELECT FROM parts p JOIN pg_catalog.pg_type t ON t.oid = p.type
                WHERE t.typtype IN ('e', 'm') OR t.typname ~ '^reg')
"""
"""Whether a table has values that are stored as numbers of this server's own (enums by the oid of
their label, `regclass` and the like): a restore gives them other numbers, and other hashes."""
FRESHNESS = (
    "created_at",
    "created",
    "created_on",
    "inserted_at",
    "recorded_at",
    "occurred_at",
    "paid_at",
    "booked_at",
    "updated_at",
    "modified_at",
    "timestamp",
    "ts",
)
"""Columns that say when a row was written; a date that a row merely speaks of may lie in the future."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table to count. A partitioned table counts its partitions, an ordinary one only itself."""

    schema: str
    name: str
    partitioned: bool
    oid: int
    newest: str | None
    newest_zoned: bool = True

    @property
    def shown(self) -> str:
        return f"{self.schema}.{self.name}"

    def source(self) -> sql.Composable:
        name = sql.Identifier(self.schema, self.name)
        return name if self.partitioned else sql.SQL("ONLY {}").format(name)


def tables(connection: Connection, ignore: Sequence[str]) -> list[Table]:
    """Every table with rows of its own: no partitions, temporary, foreign or extensions' tables."""
    freshness: dict[int, tuple[int, str, bool]] = {}
    for oid, column, zoned in connection.execute(_COLUMNS):
        if column in FRESHNESS:
            rank = FRESHNESS.index(column)
            freshness[oid] = min(freshness.get(oid, (99, "", True)), (rank, column, zoned))
    found = []
    for schema, name, kind, oid in connection.execute(_TABLES, {"ignored": list(ignore)}):
        _, column, zoned = freshness.get(oid, (99, None, True))
        found.append(Table(schema, name, kind == "p", oid, column, zoned))
    return found


def count_all(
    connection: Connection, cancel: Cancel, *, ignore: Sequence[str] = (), content: bool = False
) -> Working[TableCounts]:
    """Count every table in the connection's snapshot. Raises CouldNotVerify where the server goes away."""
    try:
        who = identity(connection)
        row = connection.execute("SELECT transaction_timestamp()").fetchone()
        listed = tables(connection, ignore)
    except psycopg.Error as error:
        raise _not_counted(broke_off(connection, error, cancel, "listed its tables")) from None
    assert row is not None
    counts = []
    for number, table in enumerate(listed):
        yield Progress("count rows", number, len(listed), "tables", plain(table.shown, 100))
        cancel.raise_if_requested()
        try:
            counts.append(_count(connection, table, content))
        except psycopg.Error as error:
            what = f"counted {plain(table.shown, 100)} ({number} of {len(listed)} tables were done)"
            broken = broke_off(connection, error, cancel, what)
            if connection.closed or connection.broken or cancel.requested:
                raise broken from None
            counts.append(TableCount(table=table.shown, rows=None, why_unknown=said(error)))
    yield Progress("count rows", len(listed), len(listed), "tables")
    return TableCounts(identity=who, taken_at=row[0].astimezone(UTC), tables=tuple(counts))


def _not_counted(error: Exception) -> Exception:
    if isinstance(error, CouldNotVerify):
        return error
    return CouldNotVerify(str(error), means="Nothing was counted.", code="count")


def _count(connection: Connection, table: Table, content: bool) -> TableCount:
    newest: sql.Composable = sql.SQL("NULL")
    if table.newest is not None:
        newest = sql.SQL('to_char(max({}), \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\')').format(
            sql.Identifier(table.newest)
        )
    query = sql.SQL("SELECT count(*), {} FROM {}").format(newest, table.source())
    with connection.transaction():
        row = connection.execute(query).fetchone()
    assert row is not None
    hashed = _content(connection, table) if content else None
    return TableCount(
        table=table.shown,
        rows=row[0],
        newest=_time(row[1]),
        newest_column=table.newest if row[1] else None,
        content=hashed,
    )


def _time(text: str | None) -> datetime | None:
    """None for an empty table, and for infinity, which says nothing about freshness."""
    if not text:
        return None
    try:
        return parse_time(text)
    except ValueError:
        return None


def _content(connection: Connection, table: Table) -> str:
    """The sum of the rows' hashes, which no order changes. (An exclusive-or would lose equal pairs.)

    `hash_record_extended` refuses types without a hash function, like json, and hashes an enum's
    number: those are hashed as text, with every setting pinned that a value's text depends on. The
    method is part of the value.
    """
    methods = [
        ("hash_record_extended", "hash_record_extended(t, 0)"),
        ("hashtextextended", "hashtextextended(t::text, 0)"),
    ]
    row = connection.execute(_BY_NUMBER, (table.oid,)).fetchone()
    if row is None or row[0]:
        del methods[0]
    for method, expression in methods:
        query = sql.SQL("SELECT coalesce(sum({}::numeric), 0)::text FROM {} t").format(
            sql.SQL(expression), table.source()
        )
        try:
            with connection.transaction():
                row = connection.execute(query).fetchone()
        except psycopg.errors.UndefinedFunction:
            continue
        assert row is not None
        return f"{method}:{row[0]}"
    raise psycopg.errors.UndefinedFunction("this server has no hash function for the table's rows")
