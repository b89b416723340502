"""CREATE DATABASE on a server that was proven, and the proof that the same server answered twice."""

from collections.abc import Mapping

import psycopg
from psycopg import sql

from drbook.core.baseline import Identity
from drbook.core.errors import Refused, StepFailed
from drbook.core.targets import DatabaseRef
from drbook.core.values import plain
from drbook.providers import pgsession
from drbook.providers.targets.lease import mark


def make_database(
    server: DatabaseRef,
    connect: DatabaseRef,
    dbname: str,
    nonce: str,
    environment: Mapping[str, str],
    proven: Identity | None = None,
) -> Identity:
    """CREATE DATABASE on the proven server, then prove it again on a connection to it."""
    name = sql.Identifier(dbname)
    try:
        with pgsession.connect(server, environment, autocommit=True, read_only=False) as connection:
            if proven is not None:
                _same_server(proven, pgsession.identity(connection))
            row = connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", (dbname,)
            ).fetchone()
            if row is not None and not (proven is None and dbname == "postgres"):
                raise Refused(
                    f"The database {plain(dbname, 100)} exists already on {server.show()}.",
                    means="It is neither used nor removed.",
                    next="Run the step again: another attempt makes another database.",
                    code="target-exists",
                )
            if row is None:
                connection.execute(
                    sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(name)
                )
            connection.execute(
                sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, sql.Literal(mark(nonce)))
            )
        with pgsession.connect(connect, environment) as connection:
            found = pgsession.identity(connection)
            connection.rollback()
    except psycopg.Error as error:
        raise StepFailed(
            f"The database {plain(dbname, 100)} could not be made on {server.show()}: "
            f"{pgsession.said(error)}",
            means="Nothing was restored.",
            next="Give a login that may create databases, or restore into a fresh cluster.",
            code="create-database",
        ) from None
    if proven is not None:
        _same_server(proven, found)
    return found


def _same_server(proven: Identity, found: Identity) -> None:
    if found.system_identifier != proven.system_identifier:
        raise Refused(
            "Another server answered the second time: its system identifier is "
            f"{found.system_identifier}, and it was {proven.system_identifier}.",
            means="A proxy or a changed address lies in between. Nothing was restored.",
            next="Give the server's own address, or restore into a fresh cluster.",
            code="target-changed",
        )
