"""CREATE DATABASE on the very connection that was proven, and the proof that the same server holds it."""

from collections.abc import Callable, Mapping

import psycopg
from psycopg import sql

from drbook.core.baseline import Identity
from drbook.core.errors import StepFailed
from drbook.core.freshness import Answer, prove_empty
from drbook.core.refusals import refused
from drbook.core.targets import DatabaseRef
from drbook.core.values import plain
from drbook.providers import pgsession
from drbook.providers.pgidentity import contents, pinned
from drbook.providers.pgsession import Connection
from drbook.providers.targets.lease import asked, mark


def make_database(
    server: DatabaseRef,
    connect: DatabaseRef,
    dbname: str,
    nonce: str,
    environment: Mapping[str, str],
    prove: Callable[[Answer], object],
    *,
    own_server: bool = False,
) -> Answer:
    """Make an empty database, and tell what answers there. `prove` judges what the creating connection says, right before it
    creates, and again what the connection to the new database says; it raises Refused.

    On a server of drbook's own making the database `postgres` that initdb made may be the one.
    """
    try:
        with pgsession.connect(server, environment, autocommit=True, read_only=False) as connection:
            first = asked(connection, server.show())
            prove(first)
            oid = _create(connection, server, dbname, nonce, own_server)
        with pgsession.connect(connect, environment) as connection:
            found = asked(connection, connect.show())
            prove(found)
            _same(first.identity, found.identity, oid, dbname)
            prove_empty(contents(connection), (), f"The new database {dbname}")
            connection.rollback()
    except psycopg.Error as error:
        raise StepFailed(
            f"The database {plain(dbname, 100)} could not be made on {server.show()}: "
            f"{pgsession.said(error)}",
            means="Nothing was restored.",
            next="Give a login that may create databases, or restore into a fresh cluster.",
            code="create-database",
        ) from None
    return found


def _create(
    connection: Connection, server: DatabaseRef, dbname: str, nonce: str, own_server: bool
) -> int:
    name = sql.Identifier(dbname)
    oid = _oid(connection, dbname)
    if oid is not None and not (own_server and dbname == "postgres"):
        raise refused(
            "target-exists",
            f"The database {plain(dbname, 100)} exists already on {server.show()}.",
            compared="the names of its databases",
            means="It is neither used nor removed.",
        )
    if oid is None:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(name)
        )
    connection.execute(
        sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, sql.Literal(mark(nonce)))
    )
    made = _oid(connection, dbname)
    assert made is not None
    return made


def _oid(connection: Connection, dbname: str) -> int | None:
    with pinned(connection):
        row = connection.execute(
            "SELECT oid::bigint FROM pg_database WHERE datname = %s", (dbname,)
        ).fetchone()
    return int(row[0]) if row is not None else None


def _same(first: Identity, found: Identity, oid: int, dbname: str) -> None:
    """Raises Refused where another server or database answers than the one that was just made."""
    expected = (first.system_identifier, first.place, oid, dbname)
    answering = (found.system_identifier, found.place, found.database_oid, found.database)
    if expected != answering:
        raise refused(
            "target-changed",
            "Another server or database answered the second time.",
            compared=f"made in system identifier {first.system_identifier}, oid {oid}; answering "
            f"are {found.system_identifier}, {plain(found.database, 63)} ({found.database_oid})",
            means="A proxy, a failover or a changed address lies in between. Nothing was restored.",
        )
