"""Whose rights an archive has. An archive is code: loading it runs what somebody put into it.

A cluster of our own has three logins. `drbook_admin` made it, and is used before anything of the
archive is in it, never after. `drbook_loader` loads: it owns what it creates, but neither the
database nor anything outside, and is no superuser. `drbook_reader` looks afterwards. Each has a
password of its own in a file that only we can read, so that no function of an archive can come back
through the socket as somebody else.
"""

from collections.abc import Mapping

import psycopg
from psycopg import sql

from drbook.core.errors import StepFailed
from drbook.core.refusals import refused
from drbook.core.targets import DatabaseRef
from drbook.core.values import plain
from drbook.providers import pgsession, secrets
from drbook.providers.pgserver import ClusterServer
from drbook.providers.pgsession import Connection

ADMIN = "drbook_admin"
LOADER = "drbook_loader"
READER = "drbook_reader"

HARMLESS = frozenset(
    [
        "bloom",
        "earthdistance",
        "pg_buffercache",
        "pg_freespacemap",
        "pg_stat_statements",
        "pg_visibility",
        "pgrowlocks",
        "pgstattuple",
        "plpgsql",
        "postgis",
        "postgis_topology",
        "vector",
    ]
)
"""Extensions that only a superuser may create and that reach nothing outside their database. The
trusted ones (`trusted` in their control file) need no entry: the loading role creates those."""

_OUTSIDE = ("pg_execute_server_program", "pg_read_server_files", "pg_write_server_files")
"""Predefined roles that reach the server's files and programs (PostgreSQL manual, 21.5)."""


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
                server.make_key(role)
                reference = login(server, role, dbname).password
                assert reference is not None
                connection.execute(
                    sql.SQL(
                        "CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION"
                        " PASSWORD {}"
                    ).format(
                        sql.Identifier(role),
                        sql.Literal(_verifier(connection, role, reference, environment)),
                    )
                )
            _grant(connection, dbname)
    except psycopg.Error as error:
        raise StepFailed(
            f"The roles of the new cluster could not be made: {pgsession.said(error)}",
            means="Nothing was restored.",
            next="Run the step again: it makes another target.",
            code="target-roles",
        ) from None


def _verifier(
    connection: Connection, role: str, reference: str, environment: Mapping[str, str]
) -> str:
    """What the server stores instead of the password: it is never sent, and in no server's log."""
    value = secrets.resolve(reference, environment).reveal()
    made = connection.pgconn.encrypt_password(value.encode(), role.encode(), b"scram-sha-256")
    return made.decode("ascii")


def _grant(connection: Connection, dbname: str) -> None:
    """What loading and reading need. The database stays the administrator's: its owner could set
    what every later session of it begins with."""
    for statement in (
        "GRANT CREATE, CONNECT, TEMPORARY ON DATABASE {database} TO {loader}",
        "ALTER SCHEMA public OWNER TO {loader}",
        # Row security must not hide rows from a count.
        "ALTER ROLE {reader} BYPASSRLS",
        "ALTER ROLE {reader} SET default_transaction_read_only = on",
        "GRANT pg_read_all_settings TO {reader}",
        # Before 14 nobody but the owner reads everything.
        "GRANT pg_read_all_data TO {reader}"
        if connection.info.server_version >= 140000
        else "GRANT {loader} TO {reader}",
    ):
        connection.execute(
            sql.SQL(statement).format(
                database=sql.Identifier(dbname),
                loader=sql.Identifier(LOADER),
                reader=sql.Identifier(READER),
            )
        )


def refuse_superuser(connection: Connection, shown: str) -> None:
    """Raises Refused where a given login would let an archive reach beyond its database."""
    row = connection.execute(
        "SELECT rolsuper, rolsuper OR EXISTS (SELECT FROM pg_catalog.pg_roles r"
        " WHERE r.rolname = ANY (%s) AND pg_catalog.pg_has_role(current_user, r.oid, 'MEMBER'))"
        " FROM pg_catalog.pg_roles WHERE rolname = current_user",
        (list(_OUTSIDE),),
    ).fetchone()
    if row is not None and not row[1]:
        return
    what = "is a superuser" if row is None or row[0] else "reaches the server's files and programs"
    raise refused(
        "target-superuser",
        f"The login for {plain(shown, 200)} {what}.",
        compared="its own rights and the roles that it is a member of",
        means="An archive is code. Loaded with these rights, it could reach the other databases, the "
        "files and the programs of that server. Nothing was created.",
    )
