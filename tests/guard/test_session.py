"""What a connection to PostgreSQL is, and what a reading session holds on to, asked of a real server."""

from datetime import timedelta

import psycopg
import pytest
from support.pg import Postgres

from drbook.core.errors import Refused
from drbook.providers import pgsession
from drbook.providers.cancel import CancelToken
from drbook.providers.hiding import KNOWN

BOUNDS_AND_PINS = {
    "statement_timeout": "1500ms",
    "lock_timeout": "5s",
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
    "search_path": "pg_catalog",
    "enable_indexonlyscan": "off",
    "transaction_read_only": "on",
    "transaction_isolation": "repeatable read",
    "client_encoding": "UTF8",
    "application_name": "drbook",
}


LOOSE = (
    "row_security TO on",
    "statement_timeout TO 0",
    "lock_timeout TO 0",
    "idle_in_transaction_session_timeout TO 0",
    "default_transaction_read_only TO off",
    "default_transaction_isolation TO 'read committed'",
    "TimeZone TO 'Asia/Tokyo'",
    "DateStyle TO 'SQL, DMY'",
    "IntervalStyle TO postgres_verbose",
    "extra_float_digits TO 0",
    "bytea_output TO 'escape'",
    "xmlbinary TO hex",
    "lc_monetary TO 'POSIX'",
    "quote_all_identifiers TO on",
    "search_path TO public",
    "enable_indexonlyscan TO on",
)


def _settings(connection: psycopg.Connection[tuple[object, ...]]) -> dict[str, object]:
    names = list(BOUNDS_AND_PINS)
    rows = connection.execute(
        "SELECT n, current_setting(n) FROM unnest(%s::text[]) n", (names,)
    ).fetchall()
    return {str(name): value for name, value in rows}


def test_what_a_reading_session_holds_on_to(postgres: Postgres) -> None:
    with pgsession.guarded(
        postgres.ref, {}, CancelToken(), timeout=timedelta(seconds=1.5)
    ) as connection:
        assert _settings(connection) == BOUNDS_AND_PINS
        assert connection.prepare_threshold is None
        assert not connection.autocommit


def test_a_login_that_loosens_them_by_its_own_settings_does_not(postgres: Postgres) -> None:
    """A role's settings stand before a session's, not behind them."""
    with postgres.connect() as admin:
        admin.execute("CREATE ROLE loose LOGIN")
        for setting in LOOSE:
            admin.execute(f"ALTER ROLE loose SET {setting}".encode())
        try:
            ref = postgres.ref.model_copy(update={"user": "loose"})
            with pgsession.guarded(
                ref, {}, CancelToken(), timeout=timedelta(seconds=1.5)
            ) as connection:
                assert _settings(connection) == BOUNDS_AND_PINS
        finally:
            admin.execute("DROP ROLE loose")


@pytest.mark.parametrize("own", [True, False])
def test_where_names_are_looked_up(postgres: Postgres, own: bool) -> None:
    with pgsession.guarded(
        postgres.ref, {}, CancelToken(), timeout=timedelta(seconds=5), own_path=own
    ) as connection:
        row = connection.execute("SHOW search_path").fetchone()
    assert row == ('pg_catalog, "$user", public' if own else "pg_catalog",)


def test_a_session_in_anothers_snapshot_is_guarded_all_the_same(postgres: Postgres) -> None:
    """And sees what that one saw, whatever happened since."""
    timeout = timedelta(seconds=1.5)
    with pgsession.guarded(postgres.ref, {}, CancelToken(), timeout=timeout) as first:
        row = first.execute("SELECT pg_export_snapshot(), (SELECT count(*) FROM public.customers)")
        name, before = row.fetchone() or ("", 0)
        with postgres.connect() as admin:
            admin.execute("INSERT INTO customers VALUES (-1, 'later', now())")
        try:
            with pgsession.guarded(
                postgres.ref, {}, CancelToken(), timeout=timeout, snapshot=str(name)
            ) as second:
                assert _settings(second) == BOUNDS_AND_PINS
                seen = second.execute("SELECT count(*) FROM public.customers").fetchone()
        finally:
            with postgres.connect() as admin:
                admin.execute("DELETE FROM customers WHERE id = -1")
    assert seen == (before,)


@pytest.mark.parametrize("name", ["no-such", "x'; DROP TABLE customers; --", ""])
def test_a_snapshot_that_is_not_there_opens_no_session(postgres: Postgres, name: str) -> None:
    token = CancelToken()
    with (
        pytest.raises(psycopg.Error),
        pgsession.guarded(postgres.ref, {}, token, timeout=timedelta(seconds=5), snapshot=name),
    ):
        raise AssertionError("it was opened")
    assert token._callbacks == {}


def test_a_session_ends_with_a_rollback_and_leaves_nothing_to_cancel(postgres: Postgres) -> None:
    token = CancelToken()
    with pgsession.guarded(postgres.ref, {}, token, timeout=timedelta(seconds=5)) as connection:
        connection.execute("SELECT 1")
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
        assert len(token._callbacks) == 1
    assert connection.closed
    assert token._callbacks == {}


def test_a_connection_that_writes_is_asked_for(postgres: Postgres) -> None:
    with pgsession.connect(postgres.ref, {}, read_only=False, autocommit=True) as connection:
        assert connection.autocommit
        assert connection.execute("SHOW transaction_read_only").fetchone() == ("off",)
    with pgsession.connect(postgres.ref, {}) as connection:
        assert not connection.autocommit
        assert connection.execute("SHOW transaction_read_only").fetchone() == ("on",)


def test_a_server_that_vanished_is_noticed(postgres: Postgres) -> None:
    """A cable that was pulled sends no word: 15 seconds of silence, then three questions."""
    with pgsession.connect(postgres.ref, {}) as connection:
        told = connection.info.get_parameters()
    asked = {name: told[name] for name in told if name.startswith(("keepalives", "tcp_user"))}
    assert asked == {
        "keepalives": "1",
        "keepalives_idle": "15",
        "keepalives_interval": "5",
        "keepalives_count": "3",
        "tcp_user_timeout": "20000",
    }


def test_a_password_that_libpq_found_is_not_repeated_even_where_nobody_answers(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, port in (("marker-libpq-well", postgres.ref.port), ("marker-libpq-bad", 1)):
        monkeypatch.setenv("PGPASSWORD", name)
        ref = postgres.ref.model_copy(update={"port": port, "ignore_environment": False})
        try:
            pgsession.connect(ref, {}).close()
        except psycopg.OperationalError:
            assert port == 1
        assert KNOWN.scrub(f"it was {name}") == "it was [secret]"


def test_what_a_server_said_is_its_first_line(postgres: Postgres) -> None:
    with (
        pgsession.connect(postgres.ref, {}) as connection,
        pytest.raises(psycopg.errors.SyntaxError) as caught,
    ):
        connection.execute("SELEC 1")
    assert "LINE 1" in str(caught.value)
    assert pgsession.said(caught.value) == 'syntax error at or near "SELEC"'


def test_a_password_that_is_no_text_is_known_all_the_same() -> None:
    pgsession._know(b"marker-\xff-of-bytes")
    assert KNOWN.scrub("marker-\udcff-of-bytes") == "[secret]"


READS_ONLY = {
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
}


def test_which_predefined_roles_a_dry_run_takes(postgres: Postgres) -> None:
    """Of all that this server has: what is not known to be bound by a reading session is refused."""
    ref = postgres.ref.model_copy(update={"user": "member"})
    taken: set[str] = set()
    refused: dict[str, str] = {}
    with postgres.connect() as admin:
        names = "SELECT rolname FROM pg_roles WHERE rolname LIKE 'pg\\_%'"
        there = {str(name) for (name,) in admin.execute(names)}
        admin.execute("CREATE ROLE member LOGIN")
        try:
            for name in there - {"pg_database_owner"}:  # nobody is given that one
                admin.execute(f"GRANT {name} TO member".encode())
                try:
                    with pgsession.guarded(
                        ref, {}, CancelToken(), timeout=timedelta(seconds=5), refuse_strong=True
                    ):
                        taken.add(name)
                except Refused as error:
                    refused[name] = error.code
                admin.execute(f"REVOKE {name} FROM member".encode())
            admin.execute("ALTER DATABASE rental OWNER TO member")
            with pgsession.guarded(
                ref, {}, CancelToken(), timeout=timedelta(seconds=5), refuse_strong=True
            ):
                taken.add("pg_database_owner")
        finally:
            admin.execute("ALTER DATABASE rental OWNER TO postgres")
            admin.execute("DROP ROLE member")
    assert taken == READS_ONLY
    assert refused == dict.fromkeys(there - READS_ONLY, "strong-login")
    assert {"pg_execute_server_program", "pg_signal_backend"} <= set(refused)
