"""Counting one relation in a session's snapshot: rows, newest timestamp and content hash in one query.

What cannot be counted comes back with its reason. Nothing here turns an error into a zero.
"""

from collections.abc import Sequence
from dataclasses import replace

import psycopg
from psycopg import sql

from drbook.core.baseline import LARGE_OBJECTS, TableCount
from drbook.core.hashes import RECORD, TEXT, written
from drbook.providers.pgcatalog import Table
from drbook.providers.pgranges import BACK, given_hash, hash_of, read_ranges, row_hash, time_of
from drbook.providers.pgsession import Connection, said

_SUM = (sql.SQL("coalesce(sum("), sql.SQL("), 0)::text"))
_COUNT = sql.SQL("SELECT count(*), ")
_NEWEST = (sql.SQL("to_char(max("), sql.SQL('), \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\')'))
_NONE, _NEXT, _FROM, _THEN = sql.SQL("NULL"), sql.SQL(", "), sql.SQL(" FROM "), sql.SQL(" t; ")
_Parts = list[sql.Composable]


def count_query(tables: Sequence[Table], *, content: bool) -> sql.Composed:
    """One query for each table, and the way back. The sum of hashes follows no order and, unlike an
    exclusive-or, loses no equal pairs. (Put together from parts: of ten thousand tables, formatting
    would cost more than counting the small ones.)"""
    parts: _Parts = []
    for table in tables:
        newest: _Parts = [_NONE]
        if table.newest is not None:
            newest = [_NEWEST[0], sql.Identifier(table.newest), _NEWEST[1]]
        hashed: _Parts = [_NONE]
        if content and table.hashed:
            hashed = [_SUM[0], row_hash(table), _SUM[1]]
        if content and table.hashed and table.given:
            hashed += [_NEXT, _SUM[0], given_hash(table), _SUM[1]]
        parts += [_COUNT, *newest, _NEXT, *hashed, _FROM, *table.source(), _THEN]
    return sql.Composed([*parts, BACK])


def count_tiny(
    connection: Connection, tables: Sequence[Table], *, content: bool
) -> list[TableCount]:
    """Several tables in one message. Raises psycopg.Error where one of them cannot be counted: then all
    of them are to be counted one by one."""
    cursor = connection.execute(count_query(tables, content=content))
    found = []
    for table in tables:
        row = cursor.fetchone()
        assert row is not None
        found.append(_entry(table, *row))
        cursor.nextset()
    return found


def count_table(
    connection: Connection, table: Table, *, content: bool, ranges: int = 0
) -> TableCount:
    """Count it, with `content` also in at most so many `ranges` of its rows, and go back to the mark. Raises psycopg.Error; then the caller goes back.

    A method that the server has no function for, after all, gives way to text.
    """
    try:
        if content and ranges and table.in_stretches:
            return _in_stretches(connection, table, ranges)
        row = connection.execute(count_query([table], content=content)).fetchone()
    except psycopg.errors.UndefinedFunction:
        if not content or table.method == TEXT:
            raise
        connection.execute(BACK)
        return count_table(connection, replace(table, method=TEXT), content=content, ranges=ranges)
    assert row is not None
    return _entry(table, *row)


def _in_stretches(connection: Connection, table: Table, most: int) -> TableCount:
    """The same figures, and where in the table they come from."""
    key = table.key
    assert key is not None
    ranges, newest, given = read_ranges(connection, table, key)
    rows = sum(part.rows for part in ranges.parts)
    content = str(sum(int(part.content) for part in ranges.parts))
    return _entry(table, rows, newest, content, given).model_copy(
        update={"ranges": ranges.at_most(most) if rows else None}
    )


def _entry(
    table: Table, rows: int, newest: str | None, content: str | None, given: str | None = None
) -> TableCount:
    def of(hashed: str | None) -> str | None:
        return None if hashed is None else written(table.method, table.traits, hashed)

    return TableCount(
        table=table.shown,
        rows=rows,
        newest=time_of(newest),
        newest_column=table.newest if newest else None,
        content=of(content),
        generated=table.generated,
        content_given=of(given),
        kind=table.kind,
        note=table.note,
        lies_in=table.lies_in,
    )


def not_counted(table: Table, error: psycopg.Error) -> TableCount:
    """The entry of a table that this session could not count, with what the server said."""
    why = said(error)
    if isinstance(error, psycopg.errors.InsufficientPrivilege) and "row-level" in why:
        why += "; a login that bypasses row-level security (BYPASSRLS) could count it"
    if isinstance(error, psycopg.errors.UndefinedTable):
        why += "; it was dropped or renamed while the others were counted"
    return TableCount(
        table=table.shown,
        rows=None,
        why_unknown=why,
        kind=table.kind,
        note=table.note,
        lies_in=table.lies_in,
    )


_OBJECT = ("oid", "data")
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
        query = sql.SQL("SELECT sum({})::text FROM ({}) t; {}").format(
            hash_of(method, _OBJECT), objects, BACK
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


class TooManyObjects(Exception):
    """More than somebody wants to read one by one."""


def read_objects(connection: Connection, method: str, most: int) -> dict[tuple[str, ...], str]:
    """Each large object's bytes by their hash, by its oid. Raises psycopg.Error, and TooManyObjects."""
    number = sql.SQL("SELECT count(*) FROM pg_largeobject_metadata; {}").format(BACK)
    row = connection.execute(number).fetchone()
    if row is not None and row[0] > most:
        raise TooManyObjects
    denied: psycopg.errors.InsufficientPrivilege | None = None
    for objects in (_BY_FUNCTION, _BY_PAGES):
        query = sql.SQL("SELECT t.oid::text, ({})::text FROM ({}) t; {}").format(
            hash_of(method, _OBJECT), objects, BACK
        )
        try:
            return {(oid,): hashed for oid, hashed in connection.execute(query)}
        except psycopg.errors.InsufficientPrivilege as error:
            connection.execute(BACK)
            denied = error
    assert denied is not None
    raise denied
