"""A table's rows in stretches of a key or of days: the same figures, group by group, in one query."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg import sql

from drbook.core.hashes import RECORD, TEXT
from drbook.core.ranges import MOST_PARTS, Ranges, Stretch
from drbook.core.values import parse_time
from drbook.providers.pgcatalog import Key, Table
from drbook.providers.pgsession import Connection

MARK = sql.SQL("SAVEPOINT drbook_table")
BACK = sql.SQL("ROLLBACK TO SAVEPOINT drbook_table")
"""After each table: its locks are given back, so that nothing of production's own queues up behind a
count of hours, and ten thousand tables fit into the server's table of locks."""

_HASH = {
    # Its argument mixes nothing; what it is seeded with is mixed over all 64 bits.
    RECORD: (sql.SQL("hashint4extended(0, hash_record_extended(ROW("), sql.SQL("), 0))")),
    # Under this collation a hash follows the bytes alone.
    TEXT: (sql.SQL("hashtextextended(ROW("), sql.SQL(')::text COLLATE "C", 0)')),
}
"""By method, what stands around the columns. `ROW` and not the table's own row: that has a type of its
own, of which a cast to text may be somebody's function."""
_COMMA = sql.SQL(", ")


def hash_of(method: str, columns: Sequence[str]) -> sql.Composed:
    """The hash of these columns of the row `t`."""
    before, behind = _HASH[method]
    return sql.Composed(
        [before, _COMMA.join(sql.Identifier("t", name) for name in columns), behind]
    )


def row_hash(table: Table) -> sql.Composed:
    """The hash of one row `t` of a table whose columns are known."""
    return hash_of(table.method, table.columns)


def given_hash(table: Table) -> sql.Composable:
    """The same without what the server computed; null where that is nothing, or all."""
    return hash_of(table.method, table.given) if table.given else sql.SQL("NULL::bigint")


_TIME = '\'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\''
_QUERY = sql.SQL("""
SELECT at, rows, content, to_char(low, {time}), to_char(high, {time}), to_char(max(high) OVER (), {time}),
       sum(given) OVER ()::text
  FROM (SELECT at, count(*) AS rows, sum(hash)::text AS content, min(newest) AS low, max(newest) AS high,
               {given_sum} AS given
          FROM (WITH fence AS (SELECT)
                SELECT {key} / {width} - ({key} % {width} < 0)::int AS at, {hash} AS hash,
                       {newest} AS newest, {given} AS given
                  FROM {table} t WHERE {where}) t
         GROUP BY 1) p;
""").format
"""Division rounds towards zero; what is below it is moved by one, so that stretches are of one width.

The fence keeps the planner from guessing as many groups as the key has values: it would sort the whole
table on the server's disk, where it can add up a few dozen sums in memory and in parallel."""
_ENDS = sql.SQL("SELECT min(t.{key}), max(t.{key}) FROM {table} t").format
ALL = sql.SQL("true")


class Grouped(NamedTuple):
    """A table's rows in stretches, and what is asked of all of them at once."""

    ranges: Ranges
    newest: str | None
    """The largest value of its newest column, as text."""
    given: str | None
    """The sum of the hashes without generated columns; None where they are not hashed apart."""


def read_ranges(
    connection: Connection, table: Table, key: Key, width: int | None = None
) -> Grouped:
    """The table in stretches of this width. Without a width, keys are cut into so many stretches as are
    recorded, and days are left as they are.

    Raises psycopg.Error.
    """
    name = sql.Identifier(key.column)
    by: sql.Composable = sql.SQL("t.{}").format(name)
    if key.kind == "days":
        # Infinity is no day, and goes with the rows that have none.
        by = sql.SQL(
            "CASE WHEN isfinite({0}) THEN floor(date_part('epoch', {0}) / 86400)::bigint END"
        ).format(by)
    if width is None:
        width = _wide(connection, table, name) if key.kind == "integer" else 1
    return grouped(connection, table, key, by, width)


def _wide(connection: Connection, table: Table, name: sql.Identifier) -> int:
    """The width that cuts a table into about as many stretches as are recorded. Each of its key's two
    ends is one look into the primary key's index."""
    row = connection.execute(_ENDS(key=name, table=sql.Composed(table.source()))).fetchone()
    assert row is not None
    low, high = row
    return 1 if low is None else high // MOST_PARTS - low // MOST_PARTS + 1


def grouped(
    connection: Connection,
    table: Table,
    key: Key,
    by: sql.Composable,
    width: int,
    where: sql.Composable = ALL,
) -> Grouped:
    """The rows `where` something holds, in groups of `width` values of `by`, an expression of whole
    numbers over the row `t`. Raises psycopg.Error."""
    newest: sql.Composable = sql.SQL("NULL::timestamp")
    if table.newest is not None:
        newest = sql.SQL("t.{}").format(sql.Identifier(table.newest))
    query = _QUERY(
        hash=row_hash(table),
        given=given_hash(table),
        given_sum=sql.SQL("sum(given)" if table.given else "NULL::numeric"),
        time=sql.SQL(_TIME),
        newest=newest,
        table=sql.Composed(table.source()),
        key=by,
        width=sql.Literal(width),
        where=where,
    )
    rows = connection.execute(sql.Composed([query, BACK])).fetchall()
    parts = tuple(
        Stretch(at=at, rows=count, content=content, first=time_of(low), last=time_of(high))
        for at, count, content, low, high, _, _ in rows
    )
    found = Ranges(column=key.column, kind=key.kind, width=width if rows else 1, parts=parts)
    if not rows:
        return Grouped(found, None, "0" if table.given else None)
    return Grouped(found, rows[0][5], rows[0][6])


def time_of(text: str | None) -> datetime | None:
    """None for an empty table, and for infinity, which says nothing about freshness."""
    if not text:
        return None
    try:
        return parse_time(text)
    except ValueError:
        return None
