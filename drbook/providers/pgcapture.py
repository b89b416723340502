"""Counting a whole database: one snapshot, what there is in it, and every count with its reason."""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import psycopg
from psycopg import sql

from drbook.core.baseline import LARGE_OBJECTS, Identity, TableCount, TableCounts
from drbook.core.capture import AS_OF, BEHIND, COVERED
from drbook.core.errors import CouldNotVerify, DrbookError
from drbook.core.signals import Progress, Working
from drbook.core.structure import Structure
from drbook.core.values import counted
from drbook.providers import pgsession
from drbook.providers.pgcatalog import Catalog, catalog
from drbook.providers.pgcount import count_large_objects
from drbook.providers.pgcounting import Counting
from drbook.providers.pgcrew import count_tables
from drbook.providers.pghashes import methods
from drbook.providers.pgidentity import identity
from drbook.providers.pgload import Gate
from drbook.providers.pgranges import BACK, MARK
from drbook.providers.pgsession import Connection, broke_off, said
from drbook.providers.pgstructure import read_structure

_WHEN_AND_SIZE = f"SELECT {AS_OF}, pg_catalog.pg_database_size(pg_catalog.current_database())"
Alongside = Callable[[Connection, str], Working[None]]
"""Work with the counted snapshot, by its name, while the session that exported it is held open."""


def count_all(what: Counting, alongside: Alongside | None = None) -> Working[TableCounts]:
    """Count every table in one snapshot. Raises CouldNotVerify where the server cannot be asked or
    goes away; a table that cannot be counted stays in the list with its reason."""
    with what.session() as leader:
        try:
            snapshot, why_alone = _export(leader, what)
            who = identity(leader)
            row = leader.execute(_WHEN_AND_SIZE).fetchone()
            hashes = methods(leader, who.server_version) if what.content else {}
            listed = catalog(
                leader,
                what.ignore,
                hashes,
                version=who.server_version,
                standby=bool(who.in_recovery),
            )
        except psycopg.Error as error:
            raise _not_listed(broke_off(leader, error, what.cancel, "listed its tables")) from None
        assert row is not None
        if alongside is not None and snapshot is None:
            raise _no_snapshot(why_alone)
        # Before the dump: sequences belong to no snapshot, and its own then stand here or beyond.
        structure = yield from _structure(leader, what)
        objects = yield from _when_calm(leader, what, who)
        counts = yield from count_tables(what, leader, who, listed, snapshot)
        if alongside is not None and snapshot is not None:
            yield from alongside(leader, snapshot)
            # The server writes definitions from what is newest, and so does the dump: once more, behind it.
            later = yield from _structure(leader, what)
            if structure is not None and later is not None:
                structure = structure.changed_to(later)
        counts = _without_emptied(leader, what, counts, listed)
        found = _result(who, row[0], listed, counts, objects)
        more = {"structure": structure, "database_bytes": row[1], "ignored": tuple(what.ignore)}
        return found.model_copy(update=more)


def _structure(leader: Connection, what: Counting) -> Working[Structure | None]:
    if what.structure == "none":
        return None
    sound = what.structure == "sound"
    return (yield from read_structure(leader, what.cancel, ignore=what.ignore, sound=sound))


def _result(
    who: Identity,
    at: datetime,
    listed: Catalog,
    counts: Sequence[TableCount],
    objects: TableCount | None,
) -> TableCounts:
    return TableCounts(
        identity=who,
        taken_at=at.astimezone(UTC),
        tables=(*counts, *listed.unnamed, *([objects] if objects is not None else [])),
        aside=tuple(listed.aside),
        covers=COVERED,
    )


def _export(leader: Connection, what: Counting) -> tuple[str | None, str]:
    """The snapshot's name, or None and why there is none. The leader must not be ended for idling:
    the others may need it for as long as the largest table takes. Where its host vanishes, the
    server's keepalives notice."""
    why = ""
    try:
        row = leader.execute("SELECT pg_export_snapshot()").fetchone()
    except psycopg.Error as error:
        if leader.closed or what.cancel.requested:
            raise broke_off(leader, error, what.cancel, "was asked for a snapshot") from None
        why = said(error)
        leader.rollback()
        pgsession.prepare(leader, what.pace.statement_timeout)
        row = None
    bounds = pgsession.settings(
        {
            "idle_in_transaction_session_timeout": "0",
            "tcp_keepalives_idle": "60",
            "tcp_keepalives_interval": "10",
            "tcp_keepalives_count": "3",
        }
    )
    leader.execute(sql.SQL("{}; {}").format(bounds, MARK))
    return (str(row[0]) if row is not None else None), why


def _no_snapshot(why: str) -> CouldNotVerify:
    return CouldNotVerify(
        f"The server shares no snapshot: {why or 'it did not say why'}.",
        means="A dump would hold another moment than the figures. Nothing was captured.",
        next="Capture without `--run`, or reach the server itself and not a pooler or a proxy.",
        code="no-snapshot",
    )


def _when_calm(leader: Connection, what: Counting, who: Identity) -> Working[TableCount | None]:
    """Large objects, like a table, once the server is calm enough."""
    gate = Gate(leader, what.pace, threading.Event(), lambda active: None)
    while (active := gate.busy()) is not None:
        busy = f"waiting: {counted(active, 'other session')} active on the server"
        yield Progress("count large objects", 0, None, "objects", busy)
        what.cancel.raise_if_requested()
        gate.look_again(time.sleep)
    return _large_objects(leader, what, who)


_REWRITTEN = """
WITH RECURSIVE above (oid, top) AS (
  SELECT c.oid, c.oid FROM pg_class c
   WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND c.oid >= 16384 AND c.relfilenode <> 0
     AND pg_relation_filenode(c.oid) <> c.relfilenode
  UNION ALL
  SELECT a.oid, i.inhparent FROM above a JOIN pg_inherits i ON i.inhrelid = a.top
    JOIN pg_class c ON c.oid = a.top AND c.relispartition)
SELECT DISTINCT n.nspname, c.relname, a.top::bigint
  FROM above a JOIN pg_class c ON c.oid = a.oid JOIN pg_namespace n ON n.oid = c.relnamespace
"""
"""Relations that have other files now than the snapshot knows (the function looks at the newest state, the
catalogue's row is the snapshot's), each with itself and the tables above it."""


def _without_emptied(
    leader: Connection, what: Counting, counts: list[TableCount], listed: Catalog
) -> list[TableCount]:
    """The counts without those of tables that were emptied behind the snapshot. One that was only put into
    other files (VACUUM FULL, CLUSTER) still shows its rows."""
    rows: list[tuple[str, str, int]] = []
    gone: set[int] = set()
    try:
        rows = leader.execute(_REWRITTEN).fetchall()
        for schema, name, top in rows:
            query = sql.SQL("SELECT EXISTS (SELECT FROM ONLY {}); {}")
            found = leader.execute(query.format(sql.Identifier(schema, name), BACK)).fetchone()
            if found is None or not found[0]:
                gone.add(top)
    except psycopg.errors.CharacterNotInRepertoire:
        leader.execute(BACK)
        return counts
    except psycopg.Error as error:
        if leader.closed or what.cancel.requested:
            raise broke_off(leader, error, what.cancel, "looked for emptied tables") from None
        leader.execute(BACK)
        gone = {row[2] for row in rows}
    emptied = {table.shown for table in listed.tables if table.oid in gone}
    return [_emptied(one) if one.table in emptied else one for one in counts]


def _emptied(one: TableCount) -> TableCount:
    return one.model_copy(
        update={
            "rows": None,
            "newest": None,
            "newest_column": None,
            "content": None,
            "content_given": None,
            "ranges": None,
            "why_unknown": one.why_unknown or BEHIND,
        }
    )


def _large_objects(leader: Connection, what: Counting, who: Identity) -> TableCount | None:
    try:
        return count_large_objects(leader, content=what.content, version=who.server_version)
    except psycopg.Error as error:
        if leader.closed or what.cancel.requested:
            raise
        leader.execute(BACK)
        return TableCount(
            table=LARGE_OBJECTS, rows=None, why_unknown=said(error), kind=LARGE_OBJECTS
        )


def _not_listed(error: DrbookError) -> DrbookError:
    if error.code != "sql":  # a lost server, a cancellation: those are what they are
        return error
    return CouldNotVerify(str(error), means="Nothing was counted.", code="count")
