"""Connections to PostgreSQL: how one is opened, what its errors mean, and the read-only guard.

A guarded session is a repeatable-read, read-only transaction that begins before anything else is
sent, and it always ends with a rollback. Operator SQL runs only behind `DECLARE … CURSOR FOR`
through the extended protocol, which stops several statements, COMMIT, SET, DO, COPY and writing
CTEs. What stays possible are functions with effects that the login may call: a login with few rights
is the answer to those, and a dry run refuses one that is, or can become, more than a reader.
"""

import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

import psycopg
from psycopg import conninfo, sql
from psycopg.rows import TupleRow

from drbook.core.errors import CouldNotVerify, DrbookError, Refused, StepFailed, UsageError
from drbook.core.ports import Cancel
from drbook.core.targets import DatabaseRef
from drbook.core.values import plain
from drbook.providers import secrets
from drbook.providers.hiding import KNOWN, Secret, scrub

Connection = psycopg.Connection[TupleRow]
Lookup = Mapping[str, str] | secrets.Secrets
"""Where a reference to a secret leads: the environment that it is looked up in, or what resolves it."""

LOCK_SECONDS = 5
"""How long a read waits for a lock before it is left: it must not queue up before production's own."""
KEEPALIVE = {
    "keepalives": "1",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
"""A server that vanished is noticed within about thirty seconds (libpq, milliseconds in the last)."""


SECRET_PARAMETERS = frozenset(
    {"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"}
)
"""libpq's parameters whose values are never shown (PostgreSQL 18, section 32.1.2)."""


def _value(reference: str, lookup: Lookup) -> Secret:
    return lookup(reference) if callable(lookup) else secrets.resolve(reference, lookup)


def parameters(ref: DatabaseRef, lookup: Lookup) -> tuple[dict[str, str], dict[str, Secret]]:
    """libpq's connection parameters: the open ones and the secret ones. Raises UsageError."""
    found: dict[str, str] = dict(KEEPALIVE)
    hidden: dict[str, Secret] = {}
    if ref.dsn is not None:
        for name, value in _from_dsn(ref.dsn, lookup).items():
            if name in SECRET_PARAMETERS:
                hidden[name] = Secret(value)
            else:
                found[name] = value
    given = {
        "service": ref.service,
        "host": ref.host,
        "port": str(ref.port) if ref.port else None,
        "dbname": ref.dbname,
        "user": ref.user,
        "sslmode": ref.sslmode,
        "sslrootcert": ref.sslrootcert,
    }
    found.update({name: value for name, value in given.items() if value is not None})
    if ref.password is not None:
        hidden["password"] = _value(ref.password, lookup)
    for name in _OURS:
        found.pop(name, None)
    found["connect_timeout"] = str(max(2, int(ref.connect_timeout.total_seconds())))
    return found, hidden


def _from_dsn(reference: str, lookup: Lookup) -> dict[str, str]:
    text = _value(reference, lookup).reveal()
    try:
        found = conninfo.conninfo_to_dict(text)
    except psycopg.Error:
        # libpq's own message may quote the string, password included.
        raise UsageError(
            f"The DSN in {plain(reference.split(' ')[0], 200)} is not a connection string.",
            means="Nothing was asked.",
            next="Write it like postgresql://user@host:5432/database.",
            code="dsn",
        ) from None
    given = {name: str(value) for name, value in found.items() if value is not None}
    if "@" in given.get("host", "") or not _PORTS.fullmatch(given.get("port", "")):
        # A password with a bare @ or / in it was taken for a host or a port, which errors would quote.
        raise UsageError(
            f"The DSN in {plain(reference.split(' ')[0], 200)} names no host and port that can be.",
            means="Its password may hold a character that means something in a URL. Nothing was asked.",
            next="Write such characters percent-encoded: @ as %40, / as %2F, : as %3A, # as %23.",
            code="dsn",
        )
    return given


_PORTS = re.compile(r"[0-9,]*")
_OURS = ("application_name", "client_encoding")
"""Parameters of drbook's own sessions, whatever a DSN says of them."""


def connect(
    ref: DatabaseRef,
    lookup: Lookup,
    *,
    autocommit: bool = False,
    read_only: bool = True,
) -> Connection:
    """Open a connection. Raises psycopg.OperationalError as libpq says it, UsageError for its input."""
    given, hidden = parameters(ref, lookup)
    return dial(
        given, hidden, ignored=ref.ignore_environment, autocommit=autocommit, read_only=read_only
    )


def dial(
    given: Mapping[str, str],
    hidden: Mapping[str, Secret],
    *,
    ignored: bool,
    autocommit: bool = False,
    read_only: bool = True,
) -> Connection:
    """Open a connection by libpq's parameters. `ignored` are then its environment variables. Raises
    psycopg.Error as libpq says it."""
    with libpq_environment(ignored=ignored):
        try:
            connection = psycopg.connect(
                **given,  # type: ignore[arg-type]
                **{name: secret.reveal() for name, secret in hidden.items()},  # type: ignore[arg-type]
                application_name="drbook",
                autocommit=autocommit,
                client_encoding="UTF8",
                prepare_threshold=None,  # poolers lose prepared statements
            )
        except psycopg.Error as error:
            if error.pgconn is not None:
                _know(error.pgconn.password)
            raise
    _know(connection.pgconn.password)
    if read_only:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
    return connection


def _know(password: bytes) -> None:
    """libpq finds passwords by itself too (a service file, `.pgpass`): those are not repeated either."""
    if password:
        KNOWN.add(password.decode("utf-8", "surrogateescape"))


_ENVIRONMENT = threading.Lock()


@contextmanager
def libpq_environment(*, ignored: bool) -> Iterator[None]:
    """While connecting: libpq reads the process's own PG* variables, unless they are taken away.

    One connection is opened at a time, so that nobody else misses what is taken away.
    """
    with _ENVIRONMENT:
        taken = {name: os.environ[name] for name in os.environ if name.startswith("PG")}
        if not ignored:
            taken = {}
        for name in taken:
            del os.environ[name]
        try:
            yield
        finally:
            os.environ.update(taken)


@contextmanager
def guarded(
    ref: DatabaseRef,
    lookup: Lookup,
    cancel: Cancel,
    *,
    timeout: timedelta,
    refuse_strong: bool = False,
    own_path: bool = False,
    snapshot: str | None = None,
) -> Iterator[Connection]:
    """A read-only session that ends with the block. Raises CouldNotVerify where nobody answers.

    With `own_path`, names are looked up where the login looks, behind the server's own. With
    `snapshot`, it sees what the session saw that exported it; psycopg.Error where it cannot.
    """
    try:
        connection = connect(ref, lookup)
    except psycopg.OperationalError as error:
        raise no_connection(ref, error) from None
    with connection:
        unregister = cancel.on_request(lambda: connection.cancel_safe(timeout=5))
        try:
            if snapshot is not None:  # before anything that sees rows
                name = sql.Literal(snapshot)
                connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(name))
            row = connection.execute("SHOW search_path").fetchone()
            prepare(connection, timeout)
            if refuse_strong:
                _refuse_strong(connection, ref)
            if own_path and row is not None and row[0]:
                connection.execute(
                    "SELECT pg_catalog.set_config('search_path', %s, true)",
                    (f"pg_catalog, {row[0]}",),
                )
            yield connection
            connection.rollback()
        finally:
            unregister()


def prepare(connection: Connection, timeout: timedelta) -> None:
    """Bounds and pins of a reading session; the transaction begins with the first of them."""
    milliseconds = int(timeout.total_seconds() * 1000)
    connection.execute(
        settings(
            {
                "statement_timeout": str(milliseconds),
                "lock_timeout": f"{LOCK_SECONDS}s",
                "idle_in_transaction_session_timeout": "5min",
                "TimeZone": "UTC",
                "DateStyle": "ISO, YMD",
                "IntervalStyle": "iso_8601",
                "extra_float_digits": "3",
                "bytea_output": "hex",
                "xmlbinary": "base64",
                "lc_monetary": "C",
                "quote_all_identifiers": "off",
                "row_security": "off",
                # Nothing but PostgreSQL's own functions may stand behind the names that our queries use.
                "search_path": "pg_catalog",
                # Restored visibility maps were seen stale: an index-only count then lies.
                "enable_indexonlyscan": "off",
            }
        )
    )


def settings(values: Mapping[str, str]) -> sql.Composed:
    """Settings of this transaction, in one message: each by itself takes a way there and back."""
    one = sql.SQL("SET LOCAL {} = {}").format
    return sql.SQL("; ").join(
        one(sql.Identifier(name), sql.Literal(value)) for name, value in values.items()
    )


_READING_ROLES = (
    "pg_checkpoint",
    "pg_create_subscription",
    "pg_database_owner",
    "pg_monitor",
    "pg_read_all_data",
    "pg_read_all_settings",
    "pg_read_all_stats",
    "pg_read_server_files",
    "pg_stat_scan_tables",
    "pg_use_reserved_connections",
    "pg_write_all_data",
)
"""Predefined roles whose rights a read-only transaction bounds. Any other, of a newer server too, may
have effects behind it: programs, files, maintenance, signals to other sessions."""

_STRONG = """
SELECT CASE WHEN r.rolsuper THEN 'superuser' WHEN r.rolreplication THEN 'replication'
            ELSE r.rolname END, r.rolname = session_user
  FROM pg_catalog.pg_roles r
 WHERE (r.rolsuper OR r.rolreplication
        OR (pg_catalog.starts_with(r.rolname::text, 'pg_') AND r.rolname <> ALL (%s)))
   AND pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER')
 ORDER BY r.rolsuper DESC, 2 DESC, 1
"""
"""What the login is or may become: `set_config('role', …)` is a function, so a query can call it.
`session_user` is who logged in, whatever role the connection's options chose since."""


def _refuse_strong(connection: Connection, ref: DatabaseRef) -> None:
    row = connection.execute(_STRONG, (list(_READING_ROLES),)).fetchone()
    if row is None:
        return
    right, itself = row
    has = "is" if itself else "may become"
    what = f"{has} a superuser" if right == "superuser" else f"has the right {plain(right, 63)}"
    raise Refused(
        f"The login for {ref.show()} {what}, and this is a dry run.",
        means="Its functions reach files, programs, replication or other sessions behind a read-only "
        "session. Nothing was asked.",
        next="Use a login that has only pg_read_all_data.",
        code="superuser" if right == "superuser" else "strong-login",
    )


# --- errors ----------------------------------------------------------------------------------

_NOBODY_THERE = re.compile(
    r"refused|no such file|timeout expired|timed out|could not translate|no route|unreachable|"
    r"network is down|name or service not known|no address|host is down|reset by peer|"
    r"closed the connection unexpectedly",
    re.IGNORECASE,
)


def how_it_failed(error: psycopg.Error) -> str:
    """`denied` where a server answered and said no, `starting`, `unreachable`, or `unknown`."""
    text = str(error)
    if "FATAL:" in text or "PANIC:" in text:
        busy = ("starting up", "shutting down", "recovery", "not yet accepting")
        return "starting" if any(word in text for word in busy) else "denied"
    return "unreachable" if _NOBODY_THERE.search(text) else "unknown"


def said(error: psycopg.Error) -> str:
    """What the server or libpq said, in one safe line."""
    message = error.diag.message_primary or str(error)
    message = re.sub(r"^connection (?:is bad|failed): ", "", message)
    # libpq asks the reader a question behind a refusal; what to look at is said elsewhere.
    lines = [
        line for line in message.splitlines() if not line.startswith("\tIs the server running")
    ]
    return plain(scrub(" ".join(" ".join(lines).split())), 400)


def no_connection(ref: DatabaseRef, error: psycopg.Error) -> CouldNotVerify:
    advice = {
        "denied": "Check the login, its password (`password:`, .pgpass or the service file) and pg_hba.conf.",
        "starting": "Wait until the server has started, then run the step again.",
        "unreachable": "Check that the server runs and that this machine can reach it.",
    }
    return CouldNotVerify(
        f"{ref.show()} could not be asked: {said(error)}",
        means="Nothing was read; what it holds is unknown.",
        next=advice.get(how_it_failed(error), "Check the connection by hand with psql."),
        code="no-connection",
    )


def broke_off(
    connection: Connection, error: psycopg.Error, cancel: Cancel, what: str
) -> DrbookError:
    """The error for a statement that failed: a cancellation, a lost server, or what the server said."""
    if cancel.requested:
        try:
            cancel.raise_if_requested()
        except DrbookError as asked:
            return asked
    if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        return Refused(
            f"The server refused to write while it {what}: {said(error)}",
            means="This session only reads. Nothing was changed.",
            next="Write the query so that it only reads.",
            code="read-only",
        )
    if connection.closed:
        return CouldNotVerify(
            f"The server went away while it {what}: {said(error)}",
            means="What was read so far is not a result.",
            next="Look whether the server still runs, then run the step again.",
            code="server-gone",
        )
    return StepFailed(f"The server refused while it {what}: {said(error)}", code="sql")
