"""Asking a PostgreSQL server what a found login may do: one read-only session, catalogues only.

Nothing is tried. The password goes to the server that its own place names, or that the runbook or a service
file names, and only by methods that do not hand it over (SCRAM, MD5): a server that wants it in clear text is
not given it. Nothing of this machine beside it is used: no PG* variables, no password files, no client
certificates. A server that does not come to an end is cut off.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

import psycopg

from drbook.core.logins import Asked, Login
from drbook.core.roles import QUERY, RoleFacts
from drbook.core.values import plain
from drbook.providers.hiding import Secret
from drbook.providers.pgidentity import answer
from drbook.providers.pgsession import KEEPALIVE, Connection, dial, how_it_failed, prepare, said

CONNECT_SECONDS = 5
STATEMENT = timedelta(seconds=10)
WHOLE_SECONDS = 25.0
"""After that long a session is cut off, whatever the server does."""

_REFUSALS = (
    "password authentication failed",
    "is not permitted to log in",
    "permission denied for database",
)
"""PostgreSQL's own words, in English; in another language a refusal is unknown."""
_ONLY = {
    "passfile": os.devnull,
    "require_auth": "scram-sha-256,md5,none",
    "sslcertmode": "disable",
    "gssencmode": "disable",
}


def ask_login(login: Login, password: Secret) -> Asked:
    """What the server says of this login. Never raises for what it answers, or does not."""
    given = KEEPALIVE | dict(login.options) | _ONLY
    given |= {"host": login.host, "port": login.port, "user": login.user}
    given |= {"dbname": login.database or login.user, "connect_timeout": str(CONNECT_SECONDS)}
    if any("\0" in value for value in (*given.values(), password.reveal())):
        return Asked(login=login, outcome="unknown", why="it holds a NUL, which libpq cannot take")
    try:
        connection = dial(given, {"password": password}, ignored=True)
    except (psycopg.Error, UnicodeError) as error:
        return _not_opened(login, error)
    with suppress(psycopg.Error), connection, _cut_off(connection):
        try:
            return _told(login, connection)
        except (psycopg.Error, ValueError, TypeError, AssertionError) as error:
            why = said(error) if isinstance(error, psycopg.Error) else "its answer is none"
            return Asked(login=login, outcome="unknown", why=why)
        finally:
            if not connection.closed:
                connection.rollback()
    return Asked(login=login, outcome="unknown", why="the session broke off")


def _told(login: Login, connection: Connection) -> Asked:
    prepare(connection, STATEMENT)
    cursor = connection.execute(QUERY)
    columns = [each.name for each in cursor.description or ()]
    rows = [
        [("t" if value else "f") if isinstance(value, bool) else str(value) for value in row]
        for row in cursor.fetchmany(2)
    ]
    facts = RoleFacts.read(columns, rows)
    return Asked(login=login, outcome="told", facts=facts, identity=answer(connection).identity)


def _not_opened(login: Login, error: Exception) -> Asked:
    if not isinstance(error, psycopg.Error):
        return Asked(login=login, outcome="unknown", why="libpq cannot take it")
    why = said(error)
    how = how_it_failed(error)
    refused = how == "denied" and any(one in str(error) for one in _REFUSALS)
    if "authentication method requirement" in str(error):
        why = "it wants the password in clear text, or by a method that was not offered"
    return Asked(
        login=login,
        outcome="refused" if refused else "unknown",
        why=plain(why, 300).rstrip("."),
        silent=how == "unreachable",
    )


@contextmanager
def _cut_off(connection: Connection) -> Iterator[None]:
    """Ends the session's socket after its time: a statement's own bound is the server's to keep."""
    handle = socket.socket(fileno=os.dup(connection.pgconn.socket))

    def end() -> None:
        with suppress(OSError):
            handle.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(WHOLE_SECONDS, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        handle.close()
