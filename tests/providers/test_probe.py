"""One look at a database: what each answer, and each silence, is taken for."""

import os
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from support.pg import Postgres

from drbook.core.baseline import Identity
from drbook.core.targets import DatabaseProbe, DatabaseRef
from drbook.providers import pgsession
from drbook.providers import postgres as reading
from drbook.providers.cancel import CancelToken
from drbook.providers.pgidentity import place_of
from drbook.providers.pgsession import Connection
from drbook.providers.postgres import PostgresReader

REF = DatabaseRef(host="127.0.0.1", port=1, dbname="rental", user="u")


@pytest.fixture
def look() -> PostgresReader:
    return PostgresReader(os.environ, CancelToken())


# --- the volume ---------------------------------------------------------------------------------


def cluster(folder: Path) -> None:
    (folder / "PG_VERSION").write_text("18\n")


def a_folder(folder: Path) -> None:
    (folder / "PG_VERSION").mkdir()


def a_loop(folder: Path) -> None:
    """The kernel cannot say what is behind it."""
    (folder / "PG_VERSION").symlink_to("PG_VERSION")


VOLUMES: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "a cluster": (cluster, "present", "outage"),
    "an empty folder": (lambda folder: None, "missing", "loss"),
    "something of that name": (a_folder, "unknown", "unknown"),
    "something that cannot be looked at": (a_loop, "unknown", "unknown"),
}


@pytest.mark.parametrize("name", VOLUMES)
def test_what_a_silence_means_depends_on_the_volume(
    tmp_path: Path, look: PostgresReader, name: str
) -> None:
    make, there, diagnosis = VOLUMES[name]
    make(tmp_path)
    found = look.probe(REF, volume=tmp_path)
    assert (found.state, found.volume, found.diagnosis) == ("unreachable", there, diagnosis)
    assert found.volume_place == place_of(tmp_path)
    assert found.volume_place is not None
    assert found.dialled == "127.0.0.1:1/rental"
    assert found.reason.endswith(f"refused. Its data directory {tmp_path} is {there}.")


def test_a_volume_that_is_a_file_is_missing(tmp_path: Path, look: PostgresReader) -> None:
    (tmp_path / "volume").write_text("")
    found = look.probe(REF, volume=tmp_path / "volume")
    assert (found.volume, found.diagnosis) == ("missing", "loss")


def test_without_a_volume_a_silence_tells_nothing(look: PostgresReader) -> None:
    found = look.probe(REF)
    assert (found.state, found.volume, found.diagnosis) == (
        "unreachable",
        "not-declared",
        "unknown",
    )
    assert found.volume_place is None
    assert found.reason.endswith("refused.")
    assert not found.reason.endswith("..")


def test_a_volume_s_name_is_text_from_outside(tmp_path: Path, look: PostgresReader) -> None:
    volume = tmp_path / ("\x1b[2J" + "x" * 210)
    found = look.probe(REF, volume=volume)
    assert "\x1b" not in found.reason
    assert f"({len(str(volume))} characters) is missing." in found.reason


# --- what did not come to a session -------------------------------------------------------------

FAILURES = {
    "denied": ("denied", "A server answered and refused: w\\x1bX.", "unknown"),
    "starting": ("denied", "w\\x1bX.", "outage"),
    "unknown": ("unknown", "w\\x1bX.", "unknown"),
    "unreachable": ("unreachable", "w\\x1bX.", "loss"),
}


@pytest.mark.parametrize("how", FAILURES)
@pytest.mark.parametrize("words", ["w\x1bX", "w\x1bX."])
def test_what_a_failure_is_taken_for(
    look: PostgresReader, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str, words: str
) -> None:
    def fail(*_: object) -> Connection:
        raise psycopg.OperationalError(words)

    monkeypatch.setattr(pgsession, "connect", fail)
    monkeypatch.setattr(pgsession, "how_it_failed", lambda error: how)
    state, reason, diagnosis = FAILURES[how]
    told = f"{reason} Its data directory {tmp_path} is missing."
    found = look.probe(REF, volume=tmp_path)
    assert found == DatabaseProbe(
        state=state,  # type: ignore[arg-type]
        reason=told,
        volume="missing",
        volume_place=place_of(tmp_path),
        diagnosis=diagnosis,  # type: ignore[arg-type]
    )


# --- a session ----------------------------------------------------------------------------------


def test_who_answers_is_asked_in_a_bounded_reading_session(
    postgres: Postgres, look: PostgresReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: dict[str, object] = {}
    identity = reading.identity

    def watched(connection: Connection) -> Identity:
        for name in ("statement_timeout", "transaction_read_only", "search_path"):
            row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
            held[name] = row and row[0]
        return identity(connection)

    monkeypatch.setattr(reading, "identity", watched)
    found = look.probe(postgres.ref, volume=postgres.server.data)
    assert held == {
        "statement_timeout": "15s",
        "transaction_read_only": "on",
        "search_path": "pg_catalog",
    }
    assert found.identity is not None
    assert found == DatabaseProbe(
        state="reachable",
        reason=f"PostgreSQL {postgres.tools.major}, database rental.",
        identity=found.identity,
        volume="present",
        volume_place=place_of(postgres.server.data),
        dialled=f"{postgres.server.socket}:5432/rental",
        diagnosis="available",
    )


@pytest.mark.parametrize("how", ["refused", "ended"])
def test_a_server_that_does_not_say_who_it_is_is_not_known(
    postgres: Postgres, look: PostgresReader, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    def silent(connection: Connection) -> Identity:
        if how == "ended":
            with postgres.connect() as admin:
                admin.execute(
                    "SELECT pg_terminate_backend(%s, 5000)", (connection.info.backend_pid,)
                )
        connection.execute("SELECT nobody_knows()")
        raise AssertionError("it answered")

    monkeypatch.setattr(reading, "identity", silent)
    found = look.probe(postgres.ref, volume=postgres.server.data)
    words = {"refused": "function nobody_knows() does not exist", "ended": "terminating connection"}
    assert found.reason.startswith(f"It answers, but does not say who it is: {words[how]}")
    assert (found.state, found.volume, found.diagnosis) == ("unknown", "present", "unknown")
    assert found.volume_place == place_of(postgres.server.data)
    assert found.identity is None
    if how == "refused":
        assert found.dialled == f"{postgres.server.socket}:5432/rental"


def test_nothing_of_a_look_is_kept(
    postgres: Postgres, look: PostgresReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session that was left open in a transaction ends with a rollback."""
    ends: list[str] = []
    for name in ("commit", "rollback"):
        real = getattr(psycopg.Connection, name)

        def told(self: Connection, name: str = name, real: Callable[..., None] = real) -> None:
            if self.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                ends.append(name)
            real(self)

        monkeypatch.setattr(psycopg.Connection, name, told)
    look.probe(postgres.ref)
    assert ends == ["rollback"]
