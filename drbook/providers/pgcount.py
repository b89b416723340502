"""Counting one relation in a session's snapshot: rows, newest timestamp and content hash in one query.

What cannot be counted comes back with its reason. Nothing here turns an error into a zero.
"""

from dataclasses import replace
from datetime import datetime

import psycopg
from psycopg import sql

from drbook.core.baseline import TableCount
from drbook.core.hashes import RECORD, TEXT, written
from drbook.core.values import parse_time
from drbook.providers.pgcatalog import Table
from drbook.providers.pgsession import Connection, said

MARK = sql.SQL("SAVEPOINT drbook_table")
BACK = sql.SQL("ROLLBACK TO SAVEPOINT drbook_table")
"""After each table: its locks are given back, so that nothing of production's own queues up behind a
count of hours, and ten thousand tables fit into the server's table of locks."""

_HASHES = {
    # `t.*` is the whole row; a bare `t` would be a column of that name, where the table has one.
    RECORD: sql.SQL("coalesce(sum(hash_record_extended(t.*, 0)::numeric), 0)::text"),
    # Under this collation a hash follows the bytes alone.
    TEXT: sql.SQL('coalesce(sum(hashtextextended((t.*)::text COLLATE "C", 0)::numeric), 0)::text'),
}
_COUNT = sql.SQL("SELECT count(*), ")
_NEWEST = (sql.SQL("to_char(max("), sql.SQL('), \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\')'))
_NONE, _NEXT, _FROM, _THEN = sql.SQL("NULL"), sql.SQL(", "), sql.SQL(" FROM "), sql.SQL(" t; ")

LARGE_OBJECTS = "large objects"
"""The name of the entry for all of them; no table's name is without a dot."""


def count_query(table: Table, *, content: bool) -> sql.Composed:
    """The one query of a table, and the way back. The sum of hashes follows no order and, unlike an
    exclusive-or, loses no equal pairs. (Put together from parts: of ten thousand tables, formatting
    would cost more than counting the small ones.)"""
    newest: tuple[sql.Composable, ...] = (_NONE,)
    if table.newest is not None:
        newest = (_NEWEST[0], sql.Identifier(table.newest), _NEWEST[1])
    hashed = _HASHES[table.method] if content else _NONE
    return sql.Composed([_COUNT, *newest, _NEXT, hashed, _FROM, *table.source(), _THEN, BACK])


def count_table(connection: Connection, table: Table, *, content: bool) -> TableCount:
    """Count it, and go back to the mark. Raises psycopg.Error; then the caller goes back.

    A method that the server has no function for, after all, gives way to text.
    """
    try:
        row = connection.execute(count_query(table, content=content)).fetchone()
    except psycopg.errors.UndefinedFunction:
        if not content or table.method == TEXT:
            raise
        connection.execute(BACK)
        return count_table(connection, replace(table, method=TEXT), content=content)
    assert row is not None
    return TableCount(
        table=table.shown,
        rows=row[0],
        newest=_time(row[1]),
        newest_column=table.newest if row[1] else None,
        content=written(table.method, table.traits, row[2]) if content else None,
        kind=table.kind,
        note=table.note,
    )


def not_counted(table: Table, error: psycopg.Error) -> TableCount:
    """The entry of a table that this session could not count, with what the server said."""
    why = said(error)
    if isinstance(error, psycopg.errors.InsufficientPrivilege) and "row-level" in why:
        why += "; a login that bypasses row-level security (BYPASSRLS) could count it"
    if isinstance(error, psycopg.errors.UndefinedTable):
        why += "; it was dropped or renamed while the others were counted"
    return TableCount(
        table=table.shown, rows=None, why_unknown=why, kind=table.kind, note=table.note
    )


def _time(text: str | None) -> datetime | None:
    """None for an empty table, and for infinity, which says nothing about freshness."""
    if not text:
        return None
    try:
        return parse_time(text)
    except ValueError:
        return None


_OBJECT_HASHES = {
    RECORD: sql.SQL("hash_record_extended(ROW(o.oid, o.data), 0)"),
    TEXT: sql.SQL('hashtextextended(ROW(o.oid, o.data)::text COLLATE "C", 0)'),
}
_BY_FUNCTION = sql.SQL("SELECT oid, lo_get(oid) AS data FROM pg_largeobject_metadata")
_BY_PAGES = sql.SQL("""
    SELECT m.oid, coalesce(string_agg(coalesce(p.data, ''::bytea) || CASE WHEN s.page < l.last THEN
           decode(repeat('00', z.size - coalesce(length(p.data), 0)), 'hex') ELSE ''::bytea END,
           ''::bytea ORDER BY s.page), ''::bytea) AS data
      FROM (SELECT current_setting('block_size')::int / 4 AS size) z
     CROSS JOIN pg_largeobject_metadata m
      LEFT JOIN (SELECT loid, max(pageno) AS last FROM pg_largeobject GROUP BY 1) l ON l.loid = m.oid
      LEFT JOIN LATERAL generate_series(0, l.last) AS s (page) ON true
      LEFT JOIN pg_largeobject p ON p.loid = m.oid AND p.pageno = s.page
     GROUP BY m.oid
""")
"""The same bytes for a login with pg_read_all_data, which may read the pages and not call the function:
a short page, or one that is not there, reads as zeros (PostgreSQL, `inv_api.c`)."""


def count_large_objects(
    connection: Connection, *, content: bool, version: int
) -> TableCount | None:
    """All large objects as one entry; None where there is none. Raises psycopg.Error where even their
    number cannot be told.

    What is hashed are their bytes, for a restore may cut them into other pages.
    """
    number = sql.SQL("SELECT count(*) FROM pg_largeobject_metadata; {}").format(BACK)
    row = connection.execute(number).fetchone()
    assert row is not None
    if not row[0]:
        return None
    entry = TableCount(table=LARGE_OBJECTS, rows=row[0], kind=LARGE_OBJECTS)
    if not content:
        return entry
    method = RECORD if version >= 140000 else TEXT
    why = ""
    for objects in (_BY_FUNCTION, _BY_PAGES):
        query = sql.SQL("SELECT sum({}::numeric)::text FROM ({}) o; {}").format(
            _OBJECT_HASHES[method], objects, BACK
        )
        try:
            row = connection.execute(query).fetchone()
        except psycopg.errors.InsufficientPrivilege as error:
            connection.execute(BACK)
            why = f"{entry.rows} are there, but this login may not read them: {said(error)}"
            continue
        assert row is not None
        return entry.model_copy(update={"content": written(method, frozenset(), row[0])})
    return entry.model_copy(update={"rows": None, "why_unknown": why})
