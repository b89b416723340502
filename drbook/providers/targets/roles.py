"""Whose rights an archive has. An archive is code: loading it runs what somebody put into it.

A cluster of our own has three logins. `drbook_admin` made it, and is used before anything of the
archive is in it; after that only to read pages, where nothing of the archive runs with its rights
(`pgpages`). `drbook_loader` loads: it owns what it creates, but neither the
database nor anything outside, and is no superuser. `drbook_reader` looks afterwards. Each has a
password of its own in a file that only we can read, so that no function of an archive can come back
through the socket as somebody else.
"""

from collections.abc import Mapping

import psycopg
from psycopg import sql

from drbook.core.errors import StepFailed
from drbook.core.refusals import refused
from drbook.core.targets import ADMIN, LOADER, READER, DatabaseRef
from drbook.core.values import plain
from drbook.providers import pgsession, secrets
from drbook.providers.pgidentity import pinned
from drbook.providers.pgserver import ClusterServer
from drbook.providers.pgsession import Connection

HARMLESS = frozenset(
    [
        "amcheck",
        "bloom",
        "earthdistance",
        "pg_buffercache",
        "pg_freespacemap",
        "pg_stat_statements",
        "pg_visibility",
        "pgrowlocks",
        "pgstattuple",
        "postgis",
        "postgis_topology",
        "vector",
    ]
)
"""Extensions that only a superuser may create and that reach nothing outside their database. The
trusted ones (`trusted` in their control file) need no entry: the loading role creates those."""


def login(server: ClusterServer, role: str, dbname: str) -> DatabaseRef:
    """How to reach a cluster of our own as one of its three roles."""
    key = server.key_file(role)
    return server.ref(dbname).model_copy(update={"user": role, "password": f"file:{key}"})


def make_roles(server: ClusterServer, dbname: str, environment: Mapping[str, str]) -> None:
    """The loading and the reading role, in a cluster that nobody else has written to.

    Raises StepFailed where the server refuses.
    """
    try:
        with pgsession.connect(
            login(server, ADMIN, dbname), environment, autocommit=True, read_only=False
        ) as connection:
            for role in (LOADER, READER):
                _make(connection, server, role, dbname, environment)
            _grant(connection, dbname)
    except psycopg.Error as error:
        raise _not_made(error) from None


def make_reader(server: ClusterServer, dbname: str, environment: Mapping[str, str]) -> None:
    """The reading role, in a cluster that came with production's own; one of that name, from an earlier
    restore, goes. Raises StepFailed where the server refuses."""
    try:
        with pgsession.connect(
            login(server, ADMIN, dbname), environment, autocommit=True, read_only=False
        ) as connection:
            connection.execute("SET search_path = pg_catalog")
            held = connection.execute(
                "SELECT 1 FROM pg_roles WHERE rolname = %s", (READER,)
            ).fetchone()
            _make(connection, server, READER, dbname, environment, anew=held is not None)
            may = _MAY_READ if connection.info.server_version >= 140000 else _MAY_READ_BEFORE_14
            for statement in (*_READS, may):
                connection.execute(_named(statement, dbname))
    except psycopg.Error as error:
        raise _not_made(error) from None


def _make(
    connection: Connection,
    server: ClusterServer,
    role: str,
    dbname: str,
    environment: Mapping[str, str],
    *,
    anew: bool = False,
) -> None:
    server.make_key(role)
    reference = login(server, role, dbname).password
    assert reference is not None
    connection.execute(
        sql.SQL(
            ("ALTER" if anew else "CREATE")
            + " ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD {}"
        ).format(
            sql.Identifier(role),
            sql.Literal(_verifier(connection, role, reference, environment)),
        )
    )


def _not_made(error: psycopg.Error) -> StepFailed:
    return StepFailed(
        f"The roles of the new cluster could not be made: {pgsession.said(error)}",
        means="Nothing was restored.",
        next="Run the step again: it makes another target.",
        code="target-roles",
    )


def _verifier(
    connection: Connection, role: str, reference: str, environment: Mapping[str, str]
) -> str:
    """What the server stores instead of the password: it is never sent, and in no server's log."""
    value = secrets.resolve(reference, environment).reveal()
    made = connection.pgconn.encrypt_password(value.encode(), role.encode(), b"scram-sha-256")
    return made.decode("ascii")


_READS = (
    "GRANT CONNECT ON DATABASE {database} TO {reader}",
    # Row security must not hide rows from a count.
    "ALTER ROLE {reader} BYPASSRLS",
    "ALTER ROLE {reader} SET default_transaction_read_only = on",
    "GRANT pg_read_all_settings TO {reader}",
)
_MAY_READ = "GRANT pg_read_all_data TO {reader}"
_MAY_READ_BEFORE_14 = "ALTER ROLE {reader} SUPERUSER"
"""Nobody else reads everything in what came with its own owners."""


def _named(statement: str, dbname: str) -> sql.Composed:
    return sql.SQL(statement).format(
        database=sql.Identifier(dbname),
        loader=sql.Identifier(LOADER),
        reader=sql.Identifier(READER),
    )


def _grant(connection: Connection, dbname: str) -> None:
    """What loading and reading need. The database stays the administrator's: its owner could set
    what every later session of it begins with."""
    for statement in (
        "GRANT CREATE, CONNECT, TEMPORARY ON DATABASE {database} TO {loader}",
        "ALTER SCHEMA public OWNER TO {loader}",
        *_READS,
        # Before 14 nobody but the owner reads everything.
        _MAY_READ if connection.info.server_version >= 140000 else "GRANT {loader} TO {reader}",
    ):
        connection.execute(_named(statement, dbname))


_OWN = "pg_database_owner"
"""Whoever owns a database is a member of this one in it; it reaches nothing else."""

_MORE = """
SELECT r.rolname::text, r.rolname = me.rolname, r.rolsuper, r.rolcreaterole, r.rolreplication,
       r.rolbypassrls, pg_catalog.starts_with(r.rolname::text, 'pg_')
  FROM pg_catalog.pg_roles me JOIN pg_catalog.pg_roles r
    ON pg_catalog.pg_has_role(me.oid, r.oid, 'MEMBER')
 WHERE me.rolname = %s::pg_catalog.name AND r.rolname <> %s
   AND (r.rolname = me.rolname OR r.rolsuper OR r.rolcreaterole OR r.rolreplication
        OR r.rolbypassrls OR pg_catalog.starts_with(r.rolname::text, 'pg_'))
 ORDER BY 2 DESC, r.rolsuper DESC, 1
"""
"""The login itself, and what it is or may become: a membership counts in any form, that with
nothing but its ADMIN option too, for that one can grant itself the rest."""

_SETTINGS = """
SELECT p.parname FROM pg_catalog.pg_parameter_acl p, pg_catalog.pg_roles me, pg_catalog.pg_roles r
 WHERE me.rolname = %s::pg_catalog.name AND pg_catalog.pg_has_role(me.oid, r.oid, 'MEMBER')
   AND pg_catalog.has_parameter_privilege(r.oid, p.parname, 'SET, ALTER SYSTEM')
 ORDER BY 1 LIMIT 5
"""
"""Settings of the server that it may change (PostgreSQL 15): some of them name programs."""

_ATTRIBUTES = ("a superuser", "CREATEROLE", "REPLICATION", "BYPASSRLS")


def refuse_strong(connection: Connection, shown: str) -> None:
    """Raises Refused where a given login has, or can get, more than the right to make databases.

    Which rights reach outside is not for a list to say: before 16 whoever has CREATEROLE can join
    every predefined role, and each version brings new ones. Asked about is the role that logged in,
    whatever the connection's options chose since: an archive can go back to it.
    """
    found = _more_than_createdb(connection)
    if not found:
        return
    raise refused(
        "target-superuser",
        f"The login for {plain(shown, 200)} {', '.join(found[:3])}.",
        compared="its own rights, those of the roles that it is a member of in any form, and the "
        "server's settings that it may change",
        means="An archive is code. Loaded with these rights, it could reach the other databases, the "
        "files and the programs of that server. Nothing was loaded.",
    )


def _more_than_createdb(connection: Connection) -> list[str]:
    """What the login is, has or may become beside CREATEDB, in words for one sentence."""
    login = connection.info.user
    found: list[str] = []
    known = False
    with pinned(connection):
        for name, itself, *attributes, predefined in connection.execute(_MORE, (login, _OWN)):
            known = known or itself
            has = [word for word, held in zip(_ATTRIBUTES, attributes, strict=True) if held]
            if itself and has[:1] == ["a superuser"]:
                return ["is a superuser"]
            if itself:
                found += [f"has {word}" for word in has]
            elif has:
                found.append(f"is a member of {plain(name, 63)}, which is or has {has[0]}")
            elif predefined:
                found.append(f"is a member of {plain(name, 63)}")
        if connection.info.server_version >= 150000:
            rows = connection.execute(_SETTINGS, (login,)).fetchall()
            found += [f"may change the server's {plain(name, 63)}" for (name,) in rows]
    return found if known else ["is not among its server's roles"]
