"""The write lease: the only way to a writing connection, proven on that very connection."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg
from psycopg import sql

from drbook.core.errors import Refused, StepFailed
from drbook.core.ports import Cancel
from drbook.core.targets import DatabaseRef, Target
from drbook.providers import pgsession
from drbook.providers.pgsession import Connection
from drbook.providers.targets.proof import same_target


def mark(nonce: str) -> str:
    """The comment that a target database carries."""
    return f"drbook target {nonce}"


@contextmanager
def lease(
    target: Target,
    environment: Mapping[str, str],
    cancel: Cancel,
    login: DatabaseRef | None = None,
) -> Iterator[Connection]:
    """A writing connection to the target, with the login that loads where no other is asked for.

    Raises Refused where something else answers there.
    """
    asked = login or target.loader or target.connect
    try:
        connection = pgsession.connect(asked, environment, autocommit=True, read_only=False)
    except psycopg.OperationalError as error:
        raise StepFailed(
            f"The target {target.name} does not answer: {pgsession.said(error)}",
            means="Nothing more was written to it.",
            next="Run the restore step again; it makes another target.",
            code="target-gone",
        ) from None
    with connection:
        unregister = cancel.on_request(lambda: connection.cancel_safe(timeout=5))
        try:
            connection.execute("SET search_path = pg_catalog")
            same_target(target, pgsession.identity(connection))
            _marked(connection, target)
            yield connection
        finally:
            unregister()


def _marked(connection: Connection, target: Target) -> None:
    row = connection.execute(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database"
        " WHERE datname = current_database()"
    ).fetchone()
    if row is None or row[0] != mark(target.nonce):
        raise Refused(
            f"The database {target.identity.database} does not carry the mark of target {target.name}.",
            means="It is not the one that this incident created, or somebody changed it. Nothing was "
            "written.",
            next="Run the restore step again; it makes another target.",
            code="target-changed",
        )


def guard_statement(target: Target) -> str:
    """SQL that fails on any other server or database: it goes first into a tool's own connection."""
    identity = target.identity
    check = sql.SQL(
        "DO $drbook$ BEGIN IF"
        " (SELECT system_identifier::text FROM pg_control_system()) IS DISTINCT FROM {system}"
        " OR (SELECT oid::text FROM pg_database WHERE datname = current_database())"
        " IS DISTINCT FROM {oid}"
        " OR (SELECT shobj_description(oid, 'pg_database') FROM pg_database"
        " WHERE datname = current_database()) IS DISTINCT FROM {mark}"
        " THEN RAISE EXCEPTION '" + CHANGED + "'; END IF; END $drbook$;\n"
    ).format(
        system=sql.Literal(identity.system_identifier),
        oid=sql.Literal(str(identity.database_oid)),
        mark=sql.Literal(mark(target.nonce)),
    )
    return check.as_string()


CHANGED = "drbook: this is not the target"
