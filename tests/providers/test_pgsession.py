"""How a connection is described, and what its errors are taken for: without a server."""

import os
from contextlib import suppress
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from drbook.core.errors import (
    Cancelled,
    CouldNotVerify,
    DrbookError,
    Interrupted,
    Refused,
    StepFailed,
    UsageError,
)
from drbook.core.targets import DatabaseRef
from drbook.providers.cancel import CancelToken
from drbook.providers.pgsession import (
    KEEPALIVE,
    broke_off,
    connect,
    how_it_failed,
    libpq_environment,
    no_connection,
    parameters,
    said,
)


def test_every_field_becomes_libpqs_own() -> None:
    ref = DatabaseRef(
        host="db",
        port=5433,
        dbname="rental",
        user="u",
        sslmode="verify-full",
        sslrootcert="/ca",
        password="env:P",
        connect_timeout=timedelta(seconds=9),
    )
    given, hidden = parameters(ref, {"P": "marker"})
    assert {name: value.reveal() for name, value in hidden.items()} == {"password": "marker"}
    assert given == {
        **KEEPALIVE,
        "host": "db",
        "port": "5433",
        "dbname": "rental",
        "user": "u",
        "sslmode": "verify-full",
        "sslrootcert": "/ca",
        "connect_timeout": "9",
    }


def test_what_is_not_given_is_left_to_libpq() -> None:
    ref = DatabaseRef(service="prod", connect_timeout=timedelta(seconds=1))
    given, hidden = parameters(ref, {})
    assert not hidden
    assert given == {**KEEPALIVE, "service": "prod", "connect_timeout": "2"}


@pytest.mark.parametrize(
    "name",
    ["password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"],
)
def test_a_dsns_secrets_are_no_open_parameters(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some came with PostgreSQL 18: an older libpq here would not let them be written in a DSN."""
    read = {"host": "h", name: "marker-of-a-dsn"}
    monkeypatch.setattr("psycopg.conninfo.conninfo_to_dict", lambda text: read)
    given, hidden = parameters(DatabaseRef(dsn="env:DSN"), {"DSN": "as above"})
    assert name not in given
    assert {each: value.reveal() for each, value in hidden.items()} == {name: "marker-of-a-dsn"}


@pytest.mark.parametrize(
    "more",
    ["application_name=x", "client_encoding=latin1", "application_name=a&client_encoding=UTF8"],
)
def test_what_a_session_of_drbooks_is_called_is_no_dsns_to_say(more: str) -> None:
    """psycopg takes neither twice, and a restore into a fresh cluster asked production too."""
    dsn = f"postgresql://u:p@127.0.0.1:1/d?keepalives_idle=60&{more}"
    given, _ = parameters(DatabaseRef(dsn="env:DSN"), {"DSN": dsn})
    assert given["keepalives_idle"] == "60"
    assert not {"application_name", "client_encoding"} & set(given)
    with pytest.raises(psycopg.OperationalError):
        connect(DatabaseRef(dsn="env:DSN"), {"DSN": dsn})


def test_fields_beside_a_dsn_have_the_last_word() -> None:
    ref = DatabaseRef(dsn="env:DSN", user="reader")
    given, hidden = parameters(ref, {"DSN": "postgresql://u:p@h:5433/d?keepalives_idle=60"})
    assert given["user"] == "reader"
    assert hidden["password"].reveal() == "p"
    assert (given["host"], given["port"], given["dbname"]) == (
        "h",
        "5433",
        "d",
    )
    assert given["keepalives_idle"] == "60"


@pytest.mark.parametrize("ignored", [True, False])
def test_the_environment_is_taken_away_for_a_moment_only(
    ignored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PGSERVICE", "prod")
    monkeypatch.setenv("PGOPTIONS", "-c x=y")
    monkeypatch.setenv("XPG", "stays")
    with suppress(ZeroDivisionError), libpq_environment(ignored=ignored):
        assert ("PGSERVICE" in os.environ, "PGOPTIONS" in os.environ) == (not ignored, not ignored)
        assert os.environ["XPG"] == "stays"
        raise ZeroDivisionError
    assert (os.environ["PGSERVICE"], os.environ["PGOPTIONS"]) == ("prod", "-c x=y")


_FAILURES = [
    ('FATAL:  password authentication failed for user "u"', "denied"),
    ("FATAL:  the database system is starting up", "starting"),
    ("FATAL:  the database system is shutting down", "starting"),
    ("FATAL:  the database system is in recovery mode", "starting"),
    ("FATAL:  the database system is not yet accepting connections", "starting"),
    ("PANIC:  something", "denied"),
    ('connection to server at "h" failed: Connection refused', "unreachable"),
    ("No such file or directory", "unreachable"),
    ("connection timeout expired", "unreachable"),
    ("Operation timed out", "unreachable"),
    ("could not translate host name", "unreachable"),
    ("No route to host", "unreachable"),
    ("Network is unreachable", "unreachable"),
    ("Network is down", "unreachable"),
    ("Name or service not known", "unreachable"),
    ("No address associated with hostname", "unreachable"),
    ("Host is down", "unreachable"),
    ("Connection reset by peer", "unreachable"),
    ("server closed the connection unexpectedly", "unreachable"),
    ("SSL error: certificate verify failed", "unknown"),
    ("something else", "unknown"),
]


@pytest.mark.parametrize(("text", "how"), _FAILURES)
def test_what_a_failure_to_connect_is_taken_for(text: str, how: str) -> None:
    error = psycopg.OperationalError(text)
    assert how_it_failed(error) == how
    found = no_connection(DatabaseRef(host="db"), error)
    assert isinstance(found, CouldNotVerify)
    assert found.code == "no-connection"
    advice = {
        "denied": "Check the login",
        "starting": "Wait until the server",
        "unreachable": "Check that the server runs",
        "unknown": "Check the connection by hand",
    }
    assert found.next.startswith(advice[how])


def test_what_was_said_is_one_safe_line() -> None:
    text = "connection failed: a\x1b[31m\n\tIs the server running on that host?\n  second   line\n"
    assert said(psycopg.OperationalError(text)) == "a\\x1b[31m second line"
    assert said(psycopg.OperationalError("connection is bad: no")) == "no"
    assert len(said(psycopg.OperationalError("x" * 1000))) < 450


def connection(closed: bool = False) -> Any:
    return SimpleNamespace(closed=closed)


_BROKEN = [
    (psycopg.errors.ReadOnlySqlTransaction("w"), connection(), Refused, "read-only"),
    (psycopg.errors.ReadOnlySqlTransaction("w"), connection(closed=True), Refused, "read-only"),
    (psycopg.OperationalError("w"), connection(closed=True), CouldNotVerify, "server-gone"),
    (psycopg.errors.UndefinedTable("w"), connection(), StepFailed, "sql"),
]


@pytest.mark.parametrize(("error", "over", "kind", "code"), _BROKEN)
def test_what_a_failed_statement_is_taken_for(
    error: psycopg.Error, over: Any, kind: type[DrbookError], code: str
) -> None:
    found = broke_off(over, error, CancelToken(), "counted")
    assert type(found) is kind
    assert found.code == code
    assert "while it counted: w" in found.what


@pytest.mark.parametrize(("reason", "kind"), [("cancel", Cancelled), ("timeout", Interrupted)])
def test_a_statement_that_was_stopped_did_not_fail(reason: str, kind: type[DrbookError]) -> None:
    token = CancelToken()
    token.request(reason)
    error = psycopg.errors.QueryCanceled("canceling statement")
    found = broke_off(connection(closed=True), error, token, "counted")
    assert type(found) is kind
    assert found.code in ("cancelled", "timeout")


@pytest.mark.parametrize(
    ("dsn", "told"),
    [
        ("postgresql://u:p@ss@host:5432/d", "names no host and port that can be"),
        ("host=h port=5432/ss dbname=d", "names no host and port that can be"),
        ("host=u:p@h port=5432", "names no host and port that can be"),
        ("no connection string", "is not a connection string"),
        ("postgresql://[::1", "is not a connection string"),
    ],
)
def test_a_dsn_that_is_read_otherwise_than_it_was_meant_is_refused(dsn: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        parameters(DatabaseRef(dsn="env:DSN"), {"DSN": dsn})
    assert caught.value.code == "dsn"
    assert caught.value.what == f"The DSN in env:DSN {told}."
    assert "p@" not in caught.value.explain()


@pytest.mark.parametrize(
    "dsn", ["postgresql://u@a,b:5432,5433/d", "postgresql:///d", "host=/run/pg port=''", "dbname=d"]
)
def test_a_dsn_may_leave_out_where_or_name_several(dsn: str) -> None:
    given, hidden = parameters(DatabaseRef(dsn="env:DSN"), {"DSN": dsn})
    assert given["connect_timeout"]
    assert not hidden
