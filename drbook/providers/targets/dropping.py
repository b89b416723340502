"""Dropping a database that a drill made on a given server, and no other."""

from collections.abc import Mapping

import psycopg
from psycopg import sql

from drbook.core.baseline import Identity
from drbook.core.errors import DrbookError
from drbook.core.leftovers import DatabaseSeen
from drbook.core.targets import DatabaseRef
from drbook.providers import pgsession
from drbook.providers.targets.database import derived
from drbook.providers.targets.lease import mode_marked
from drbook.providers.targets.sessions import Remains

_SEEN = """
SELECT d.oid::bigint, pg_catalog.shobj_description(d.oid, 'pg_database'),
       (SELECT system_identifier::text FROM pg_catalog.pg_control_system())
  FROM pg_catalog.pg_database d WHERE d.datname = %s
"""


def look_at_database(
    server: DatabaseRef, environment: Mapping[str, str], name: str, nonce: str
) -> DatabaseSeen:
    """What the server says of the database of a target of this name. Changes nothing."""
    try:
        with pgsession.connect(server, environment) as connection:
            row = connection.execute(_SEEN, (derived(name),)).fetchone()
            connection.rollback()
    except psycopg.Error as error:
        return DatabaseSeen("unseen", why=pgsession.said(error))
    except DrbookError as error:
        return DatabaseSeen("unseen", why=error.what)
    return _seen(row, nonce)


def _seen(row: tuple[object, ...] | None, nonce: str) -> DatabaseSeen:
    if row is None:
        return DatabaseSeen("absent")
    oid, comment, system = row
    mode = mode_marked(str(comment), nonce)
    marked = mode is not None
    return DatabaseSeen("present", marked, str(system), int(str(oid)), mode=mode or "")


def drop_database(
    server: DatabaseRef,
    environment: Mapping[str, str],
    name: str,
    nonce: str,
    seen: DatabaseSeen,
) -> str:
    """Drop what was just seen and proven, after one more look on the very connection that drops it; sessions of
    its own login in it are ended before. Returns why it is still there; empty where it is gone."""
    dbname = derived(name)
    identity = Identity(
        system_identifier=seen.system_identifier, database=dbname, database_oid=seen.oid
    )
    remains = Remains(server, environment, identity, server.show()).end()
    try:
        with pgsession.connect(server, environment, autocommit=True, read_only=False) as connection:
            connection.execute("SET search_path = pg_catalog")
            again = _seen(connection.execute(_SEEN, (dbname,)).fetchone(), nonce)
            if again != seen:
                return "it is not what was seen a moment before"
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(dbname)))
    except psycopg.Error as error:
        return pgsession.said(error) + ("" if remains.good else f" ({remains.sentence})")
    except DrbookError as error:
        return error.what
    return ""
