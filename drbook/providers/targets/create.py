"""CREATE DATABASE on the very connection that was proven, and the proof that the same server holds it."""

from collections.abc import Callable, Mapping

import psycopg
from psycopg import sql

from drbook.core.archivefacts import DatabaseSettings
from drbook.core.baseline import Identity
from drbook.core.errors import StepFailed
from drbook.core.freshness import Answer, prove_empty
from drbook.core.refusals import refused
from drbook.core.targets import DatabaseRef
from drbook.core.textsettings import acceptable
from drbook.core.values import plain
from drbook.providers import pgsession
from drbook.providers.pgidentity import contents, pinned
from drbook.providers.pgsession import Connection
from drbook.providers.targets.foresee import settings_of
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
    settings: DatabaseSettings | None = None,
    mode: str = "",
    look: Callable[[Connection], None] = lambda connection: None,
) -> Answer:
    """Make an empty database, and tell what answers there. `prove` judges what the creating connection says, right before it
    creates, and again what the connection to the new database says; it raises Refused. `look` may ask the new database more.

    `mode` is the incident's, for the new database's mark. `settings` are how its text is to be written and sorted; a given server that cannot have them makes
    it as it makes every database. On a server of drbook's own making the database `postgres` that initdb made may be the one.
    """
    try:
        with pgsession.connect(server, environment, autocommit=True, read_only=False) as connection:
            first = asked(connection, server.show())
            prove(first)
            oid = _create(connection, server, dbname, mark(nonce, mode), own_server, settings)
        with pgsession.connect(connect, environment) as connection:
            found = asked(connection, connect.show())
            prove(found)
            look(connection)
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
    connection: Connection,
    server: DatabaseRef,
    dbname: str,
    comment: str,
    own_server: bool,
    settings: DatabaseSettings | None,
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
        _make(connection, name, own_server, settings)
    connection.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, sql.Literal(comment)))
    made = _oid(connection, dbname)
    assert made is not None
    return made


_NOT_HAD = (
    psycopg.errors.InvalidParameterValue,
    psycopg.errors.WrongObjectType,
    psycopg.errors.FeatureNotSupported,
    psycopg.errors.InvalidObjectDefinition,
    psycopg.errors.UndefinedObject,
)
"""How a server says that it does not have an encoding, a locale or a provider."""


def _make(
    connection: Connection,
    name: sql.Identifier,
    own_server: bool,
    settings: DatabaseSettings | None,
) -> None:
    plainly = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {}")
    if own_server:  # all of it was made with these settings already
        encoding = settings.encoding if settings is not None else "UTF8"
        connection.execute(plainly.format(name, sql.Literal(encoding)))
        return
    if settings is not None and acceptable(settings):
        try:
            connection.execute(_like(name, settings, connection.info.server_version // 10000))
            return
        except _NOT_HAD:
            # Nothing was created; what it comes to is judged by what the database says itself.
            connection.rollback()
    connection.execute(plainly.format(name, sql.Literal("UTF8")))


def _like(name: sql.Identifier, text: DatabaseSettings, major: int) -> sql.Composed:
    options = {"ENCODING": text.encoding, "LC_COLLATE": text.collate, "LC_CTYPE": text.ctype}
    if major >= 15:
        options["LOCALE_PROVIDER"] = text.provider
    if text.provider == "icu":
        options["ICU_LOCALE"] = text.locale
        options |= {"ICU_RULES": text.rules} if text.rules else {}
    if text.provider == "builtin":
        options["BUILTIN_LOCALE"] = text.locale
    return sql.SQL("CREATE DATABASE {} TEMPLATE template0 {}").format(
        name,
        sql.SQL(" ").join(
            sql.SQL("{} {}").format(sql.SQL(option), sql.Literal(value))
            for option, value in options.items()
        ),
    )


def settings_in(connect: DatabaseRef, environment: Mapping[str, str]) -> DatabaseSettings | None:
    """How a new database writes and sorts text, as it says itself; None where it does not."""
    try:
        with pgsession.connect(connect, environment) as connection:
            found = settings_of(connection)
            connection.rollback()
    except psycopg.Error:
        return None  # the page says that it is unknown
    return found


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
