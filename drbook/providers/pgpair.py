"""Two databases side by side: a guarded session in each, and their tables one after the other."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta

import psycopg

from drbook.core.baseline import LARGE_OBJECTS, Identity
from drbook.core.difference import Difference, TableDifference, Wish
from drbook.core.errors import DrbookError
from drbook.core.ports import Cancel
from drbook.core.ranges import Ranges
from drbook.core.signals import Progress, Working
from drbook.core.targets import DatabaseRef
from drbook.core.values import plain
from drbook.providers.pgcatalog import Key, Table, catalog
from drbook.providers.pgdiffer import Side, differ, differ_objects
from drbook.providers.pghashes import methods
from drbook.providers.pgidentity import identity
from drbook.providers.pgranges import BACK, MARK, read_ranges
from drbook.providers.pgsession import Connection, broke_off, guarded

_KEYS = """
SELECT i.indrelid::bigint, array_agg(a.attname::text ORDER BY k.place)
  FROM pg_index i
 CROSS JOIN LATERAL unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (number, place)
  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
 WHERE i.indisprimary AND i.indrelid >= 16384 AND k.place <= i.indnkeyatts
 GROUP BY 1
"""
_COLUMNS = """
SELECT a.attrelid::bigint, array_agg(ARRAY[a.attname::text, format_type(a.atttypid, a.atttypmod)]
                                     ORDER BY a.attnum)
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
 WHERE c.relkind IN ('r', 'p', 'm') AND c.oid >= 16384 AND a.attnum > 0 AND NOT a.attisdropped
 GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class Pairing:
    """Which two databases, which of their tables, and what is to be said of a row."""

    left: DatabaseRef
    right: DatabaseRef
    environment: Mapping[str, str]
    cancel: Cancel
    ignore: Sequence[str]
    wish: Wish
    timeout: timedelta
    refuse_strong: bool


@dataclass(frozen=True, slots=True)
class _Read:
    """One side, ready to be asked."""

    connection: Connection
    who: Identity
    tables: Mapping[str, Table]
    keys: Mapping[int, tuple[str, ...]]
    columns: Mapping[int, Sequence[tuple[str, str]]]
    aside: Mapping[str, str]
    """What is there and not compared, with the reason."""

    def side(self, name: str) -> Side:
        table = self.tables[name]
        key = self.keys.get(table.oid, ())
        types = dict(self.columns.get(table.oid, ()))
        return Side(self.connection, table, key, self.major, types)

    @property
    def major(self) -> int:
        return self.who.server_version // 10000

    def why_not(self, name: str, whose: str) -> str:
        """Why a table cannot be compared here; empty where it can."""
        if name in self.tables:
            return ""
        return (
            f"{whose}: {self.aside[name]}" if name in self.aside else f"{whose} has no such table"
        )


def differences(what: Pairing) -> Working[Difference]:
    """Every table of both. Raises CouldNotVerify where a server cannot be asked or goes away."""
    with ExitStack() as stack:
        left, right = (_read(stack, what, database) for database in (what.left, what.right))
        names = sorted(
            {*left.tables, *right.tables}
            if not what.wish.tables
            else {*what.wish.tables} - {LARGE_OBJECTS}
        )
        found = []
        for number, name in enumerate(names):
            yield Progress("compare", number, len(names), "tables", plain(name, 100))
            what.cancel.raise_if_requested()
            found.append(_one(what, left, right, name))
        if not what.wish.tables or LARGE_OBJECTS in what.wish.tables:
            found += _objects(what, left, right)
        what.cancel.raise_if_requested()  # a last table that was cancelled is no table without an answer
        return Difference(left=left.who, right=right.who, tables=tuple(found))


def _read(stack: ExitStack, what: Pairing, database: DatabaseRef) -> _Read:
    connection = stack.enter_context(
        guarded(
            database,
            what.environment,
            what.cancel,
            timeout=what.timeout,
            refuse_strong=what.refuse_strong,
        )
    )
    try:
        who = identity(connection)
        hashes = methods(connection, who.server_version)
        listed = catalog(
            connection,
            what.ignore,
            hashes,
            version=who.server_version,
            standby=bool(who.in_recovery),
        )
        keys = {oid: tuple(names) for oid, names in connection.execute(_KEYS)}
        columns = {
            oid: tuple((name, type_) for name, type_ in found)
            for oid, found in connection.execute(_COLUMNS)
        }
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        connection.execute(MARK)
    except psycopg.Error as error:
        raise broke_off(connection, error, what.cancel, "listed its tables") from None
    tables = {one.shown: one for one in listed.tables}
    aside = {one.name: one.why for one in listed.aside}
    aside |= {one.table: one.why_unknown for one in listed.unnamed}
    return _Read(connection, who, tables, keys, columns, aside)


def _one(what: Pairing, left: _Read, right: _Read, name: str) -> TableDifference:
    for side, whose in ((left, "the restored database"), (right, "production")):
        if why := side.why_not(name, whose):
            return TableDifference(table=name, left=None, right=None, why_unknown=why)
    columns = [side.columns.get(side.tables[name].oid, ()) for side in (left, right)]
    if list(columns[0]) != list(columns[1]):
        other = sorted({*columns[0]} ^ {*columns[1]})
        which = ", ".join(plain(" ".join(one), 80) for one in other[:5]) or "in another order"
        return TableDifference(
            table=name, left=None, right=None, why_unknown=f"its columns are not the same: {which}"
        )
    try:
        return differ(left.side(name), right.side(name), what.wish)
    except psycopg.Error as error:
        raise _lost(what, left, right, error, name) from None


def _objects(what: Pairing, left: _Read, right: _Read) -> list[TableDifference]:
    """The large objects, where there are any or they were asked for by name."""
    sides = (left.connection, right.connection)
    try:
        found = differ_objects(*sides, (left.major, right.major), what.wish)
    except psycopg.Error as error:
        raise _lost(what, left, right, error, LARGE_OBJECTS) from None
    if found is None and what.wish.tables:
        return [TableDifference(table=LARGE_OBJECTS, left=0, right=0)]
    return [] if found is None else [found]


def _lost(what: Pairing, left: _Read, right: _Read, error: psycopg.Error, name: str) -> DrbookError:
    gone = left if left.connection.closed else right
    return broke_off(gone.connection, error, what.cancel, f"compared {plain(name, 100)}")


def in_stretches(
    connection: Connection, wanted: Mapping[str, Ranges], ignore: Sequence[str], cancel: Cancel
) -> Working[Mapping[str, Ranges]]:
    """Tables of one database in stretches that somebody else's figures have. What cannot be counted so
    is left out. Raises DrbookError where the server goes away or the work is cancelled."""
    found: dict[str, Ranges] = {}
    try:
        version = identity(connection).server_version
        listed = catalog(
            connection, ignore, methods(connection, version), version=version, standby=False
        )
        connection.execute(MARK)
        tables = [table for table in listed.tables if table.shown in wanted]
        for number, table in enumerate(tables):
            yield Progress("explain", number, len(tables), "tables", plain(table.shown, 100))
            cancel.raise_if_requested()
            given = wanted[table.shown]
            try:
                key = Key(given.column, given.kind)
                ranges = read_ranges(connection, table, key, given.width).ranges
            except psycopg.Error:
                if connection.closed or cancel.requested:
                    raise
                connection.execute(BACK)
            else:
                found[table.shown] = ranges
    except psycopg.Error as error:
        raise broke_off(connection, error, cancel, "was asked where its tables differ") from None
    return found
