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
    RECORD: sql.SQL("hash_record_extended(t, 0)"),
    # Under this collation a hash follows the bytes alone.
    TEXT: sql.SQL('hashtextextended(t::text COLLATE "C", 0)'),
}

LARGE_OBJECTS = "large objects"
"""The name of the entry for all of them; no table's name is without a dot."""


def count_query(table: Table, *, content: bool) -> sql.Composable:
    """The one query of a table. The sum of hashes follows no order and, unlike an exclusive-or, loses
    no equal pairs."""
    newest: sql.Composable = sql.SQL("NULL")
    if table.newest is not None:
        newest = sql.SQL('to_char(max({}), \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\')').format(
            sql.Identifier(table.newest)
        )
    hashed: sql.Composable = sql.SQL("NULL")
    if content:
        hashed = sql.SQL("coalesce(sum({}::numeric), 0)::text").format(_HASHES[table.method])
    return sql.SQL("SELECT count(*), {}, {} FROM {} t").format(newest, hashed, table.source())


def count_table(connection: Connection, table: Table, *, content: bool) -> TableCount:
    """Count it, and go back to the mark. Raises psycopg.Error; then the caller goes back.

    A method that the server has no function for, after all, gives way to text.
    """
    query = sql.SQL("{}; {}").format(count_query(table, content=content), BACK)
    try:
        row = connection.execute(query).fetchone()
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
    RECORD: sql.SQL("hash_record_extended(ROW(m.oid, lo_get(m.oid)), 0)"),
    TEXT: sql.SQL('hashtextextended(ROW(m.oid, lo_get(m.oid))::text COLLATE "C", 0)'),
}


def count_large_objects(
    connection: Connection, *, content: bool, version: int
) -> TableCount | None:
    """All large objects as one entry; None where there is none. Raises psycopg.Error where even their
    number cannot be told.

    Their bytes are read with `lo_get`, since a restore may cut them into other pages.
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
    query = sql.SQL("SELECT sum({}::numeric)::text FROM pg_largeobject_metadata m; {}").format(
        _OBJECT_HASHES[method], BACK
    )
    try:
        row = connection.execute(query).fetchone()
    except psycopg.errors.InsufficientPrivilege as error:
        connection.execute(BACK)
        why = f"{entry.rows} are there, but this login may not read them: {said(error)}"
        return entry.model_copy(update={"rows": None, "why_unknown": why})
    assert row is not None
    return entry.model_copy(update={"content": written(method, frozenset(), row[0])})
