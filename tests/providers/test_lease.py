"""The writing connection to a target: each thing that it asks before it is handed out."""

import os
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from support.pg import Postgres

from drbook.core.baseline import Identity
from drbook.core.errors import Refused, StepFailed
from drbook.core.freshness import Answer
from drbook.core.targets import DatabaseRef, Target
from drbook.providers import pgsession
from drbook.providers.cancel import CancelToken
from drbook.providers.pgidentity import answer
from drbook.providers.targets.lease import asked, lease, mark

NONCE = "n0nce"


@pytest.fixture
def made(postgres: Postgres) -> Iterator[Target]:
    """A marked database, known as it answered when it was made."""
    with postgres.connect("postgres") as admin:
        admin.execute("CREATE DATABASE leased")
        admin.execute(f"COMMENT ON DATABASE leased IS '{mark(NONCE)}'")
        ref = postgres.server.ref("leased")
        with pgsession.connect(ref, os.environ) as connection:
            identity = answer(connection).identity
        yield Target(
            kind="database", name="restore-1", nonce=NONCE, location="", connect=ref,
            identity=identity, proof="", whole_server=False,
        )  # fmt: skip
        admin.execute("DROP DATABASE leased WITH (FORCE)")


def refused(made: Target) -> Refused:
    with pytest.raises(Refused) as caught, lease(made, os.environ, CancelToken()):
        pytest.fail("it was handed out")
    return caught.value


def test_it_writes_at_once_and_finds_names_in_the_catalog_only(made: Target) -> None:
    with lease(made, os.environ, CancelToken()) as connection:
        assert connection.execute("SHOW search_path").fetchone() == ("pg_catalog",)
        connection.execute("CREATE TABLE public.t ()")
        with pgsession.connect(made.connect, os.environ) as other:
            assert other.execute("SELECT FROM pg_class WHERE relname = 't'").fetchall() == [()]
        with connection.transaction():
            connection.execute("CREATE TABLE public.u ()")
    assert connection.closed


@pytest.mark.parametrize("comment", [mark("another"), NONCE, None])
def test_a_database_without_the_attempt_s_mark(
    made: Target, postgres: Postgres, comment: str | None
) -> None:
    with postgres.connect("postgres") as admin:
        said = "NULL" if comment is None else f"'{comment}'"
        admin.execute(f"COMMENT ON DATABASE leased IS {said}")
    error = refused(made)
    assert error.code == "target-changed"
    assert "leased does not carry the mark of target restore-1" in error.what
    assert "the database's comment with the nonce of this attempt" in error.means


def test_another_server_than_was_asked_when_it_was_made(made: Target) -> None:
    other = made.identity.model_copy(update={"system_identifier": "7000000000000000009"})
    error = refused(made.model_copy(update={"identity": other}))
    assert error.code == "target-changed"
    assert "created were system identifier 7000000000000000009" in error.means


def test_what_somebody_put_into_it(made: Target, postgres: Postgres) -> None:
    with postgres.connect("leased") as somebody:
        somebody.execute("CREATE TABLE public.theirs ()")
    error = refused(made)
    assert error.code == "target-not-empty"
    assert "The target restore-1 is not empty: it holds table public.theirs." in error.what


def test_nobody_answers(made: Target) -> None:
    gone = made.connect.model_copy(update={"host": "127.0.0.1", "port": 1})
    for target, login in ((made.model_copy(update={"connect": gone}), None), (made, gone)):
        with (
            pytest.raises(StepFailed) as caught,
            lease(target, os.environ, CancelToken(), login),
        ):
            pytest.fail("nobody can have answered")
        assert caught.value.code == "target-gone"
        assert "The target restore-1 does not answer: connection" in caught.value.what


@pytest.mark.parametrize("given", [True, False])
def test_whose_login_it_is(made: Target, given: bool) -> None:
    """The login that was asked for, else the one that loads, else the one that looks."""

    def named(name: str) -> DatabaseRef:
        return made.connect.model_copy(update={"user": name})

    target = made.model_copy(update={"loader": named("loader")})
    login = named("asked") if given else None
    with (
        pytest.raises(StepFailed, match='role "asked"' if given else 'role "loader"'),
        lease(target, os.environ, CancelToken(), login),
    ):
        pytest.fail("there is no such role")


def test_a_cancel_ends_the_statement_that_runs(made: Target) -> None:
    token = CancelToken()
    with lease(made, os.environ, token) as connection:
        begun = time.monotonic()
        threading.Timer(0.2, token.request, ["enough"]).start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(60)")
        assert time.monotonic() - begun < 30


def test_a_cancel_afterwards_has_nothing_to_end(made: Target) -> None:
    token = CancelToken()
    with lease(made, os.environ, token):
        assert token._callbacks
    assert not token._callbacks


def test_a_server_that_does_not_say_who_it_is(made: Target, postgres: Postgres) -> None:
    with postgres.connect("leased") as admin:
        admin.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    ref = made.connect.model_copy(update={"user": "reader"})
    with pgsession.connect(ref, os.environ) as connection, pytest.raises(Refused) as caught:
        asked(connection, "target \x1b[2J" + "x" * 300)
    assert caught.value.code == "target-identity-unknown"
    assert "permission denied" in caught.value.what
    assert "\x1b" not in caught.value.what
    assert "x" * 250 not in caught.value.what
    assert "nothing: it did not answer" in caught.value.means


def test_an_identity_that_cannot_be_one(made: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that gives no system identifier is not known by the rest that it gives."""

    def nothing(_: object) -> Answer:
        Identity(system_identifier="0", database="leased", database_oid=1)
        raise AssertionError("that was an identity")

    monkeypatch.setattr("drbook.providers.targets.lease.answer", nothing)
    with (
        pgsession.connect(made.connect, os.environ) as connection,
        pytest.raises(Refused) as caught,
    ):
        asked(connection, "target")
    assert caught.value.code == "target-identity-unknown"
    assert "no such identifier" in caught.value.what
