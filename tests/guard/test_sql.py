"""The SQL guard, attacked on a real server as its superuser, who may do everything but what is stopped.

Three tables: what is stopped, what runs and is taken back, and what stays possible. The last one is
what the threat model says; should a row of it stop working, the document is out of date.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.pg import COUNTS, Postgres, drain, signals_of

from drbook.actions.outside import Sql, SqlParams
from drbook.core.errors import DrbookError, Refused, StepFailed
from drbook.core.ports import Ports
from drbook.core.targets import DatabaseRef
from drbook.core.values import Json
from drbook.providers import pgsession
from drbook.providers.cancel import CancelToken
from drbook.providers.postgres import PostgresReader

SECOND = timedelta(seconds=1)
NEVER = Path(tempfile.gettempdir()) / "drbook-guard-never"

OBJECTS = """
CREATE SEQUENCE counter;
CREATE PROCEDURE tidy() LANGUAGE plpgsql AS $$ BEGIN DELETE FROM public.bookings; COMMIT; END $$;
CREATE FUNCTION sneaky() RETURNS int LANGUAGE plpgsql AS
  $$ BEGIN DELETE FROM public.bookings; RETURN 1; END $$;
CREATE FUNCTION loosening() RETURNS int LANGUAGE plpgsql AS
  $$ BEGIN SET LOCAL transaction_read_only = off; DELETE FROM public.bookings; RETURN 1; END $$;
CREATE FUNCTION ending() RETURNS int LANGUAGE plpgsql AS $$ BEGIN COMMIT; RETURN 1; END $$;
CREATE FUNCTION calling() RETURNS int LANGUAGE plpgsql AS $$ BEGIN CALL tidy(); RETURN 1; END $$;
CREATE FUNCTION copying() RETURNS int LANGUAGE plpgsql AS
  $$ BEGIN COPY public.bookings FROM PROGRAM 'echo 1'; RETURN 1; END $$;
CREATE VIEW harmless AS SELECT sneaky() AS rows;
CREATE EXTENSION dblink;
CREATE ROLE climber LOGIN NOINHERIT; GRANT postgres TO climber;
CREATE ROLE between; CREATE ROLE far LOGIN; GRANT postgres TO between; GRANT between TO far;
CREATE ROLE replicator LOGIN REPLICATION;
CREATE ROLE filer LOGIN; GRANT pg_write_server_files TO filer;
CREATE ROLE runner LOGIN; GRANT pg_execute_server_program TO runner;
CREATE ROLE killer LOGIN; GRANT pg_signal_backend TO killer;
CREATE ROLE keeper LOGIN; GRANT pg_maintain TO keeper;
CREATE ROLE ender LOGIN; GRANT pg_signal_autovacuum_worker TO ender;
CREATE ROLE monitor LOGIN; GRANT pg_monitor, pg_read_all_data TO monitor;
CREATE ROLE switcher LOGIN; GRANT EXECUTE ON FUNCTION pg_switch_wal() TO switcher;
SELECT lo_from_bytea(424242, 'x');
"""
GONE = """
DROP VIEW harmless; DROP SEQUENCE counter; DROP PROCEDURE tidy();
DROP FUNCTION sneaky(), loosening(), ending(), calling(), copying();
DROP EXTENSION dblink;
REVOKE EXECUTE ON FUNCTION pg_switch_wal() FROM switcher;
DROP ROLE climber, between, far, replicator, filer, runner, killer, keeper, ender, monitor, switcher;
SELECT lo_unlink(424242);
"""


HELD = COUNTS | {"large objects": 1}


@pytest.fixture(scope="module")
def attacked(postgres: Postgres) -> Iterator[Postgres]:
    with postgres.connect() as connection:
        connection.execute(OBJECTS)
        yield postgres
        connection.execute(GONE)


def query(
    reader: PostgresReader, ref: DatabaseRef, sql: str, params: Mapping[str, Json] | None = None
) -> tuple[tuple[str | None, ...], ...]:
    return reader.query(ref, sql, params or {}, limit=3, timeout=SECOND).rows


def login(postgres: Postgres, user: str) -> DatabaseRef:
    return postgres.ref.model_copy(update={"user": user})


STATE = """
SELECT (SELECT array_agg(rolname ORDER BY 1) FROM pg_roles),
       (SELECT array_agg(slot_name ORDER BY 1) FROM pg_replication_slots),
       (SELECT array_agg(oid ORDER BY 1) FROM pg_largeobject_metadata),
       (SELECT array_agg(gid) FROM pg_prepared_xacts),
       (SELECT array_agg(relname ORDER BY 1) FROM pg_class WHERE relkind IN ('r', 'v', 'S', 'm')),
       (SELECT array_agg(proname ORDER BY 1) FROM pg_proc WHERE pronamespace = 'public'::regnamespace),
       (SELECT array_agg(setconfig) FROM pg_db_role_setting),
       (SELECT array_agg(name || setting ORDER BY 1) FROM pg_file_settings),
       (SELECT count(*) FROM pg_locks WHERE locktype IN ('advisory', 'relation')
         AND pid <> pg_backend_pid() AND relation IS NULL),
       (SELECT (last_value, is_called)::text FROM counter),
       pg_walfile_name(pg_current_wal_lsn()), pg_conf_load_time()
"""


@contextmanager
def unchanged(postgres: Postgres, reader: PostgresReader) -> Iterator[None]:
    """Somebody else is connected and listens; afterwards all is as before, and they still are."""
    with postgres.connect() as bystander:
        bystander.execute("LISTEN ears")
        state = STATE.replace("", "")
        before = bystander.execute(state).fetchone()
        yield
        _settled(postgres)
        assert bystander.execute(STATE).fetchone() == before
        assert list(bystander.notifies(timeout=0)) == []
    assert {row.table: row.rows for row in drain(reader.count(postgres.ref)).tables} == HELD
    assert not NEVER.exists()


def _settled(postgres: Postgres) -> None:
    """A session's locks go with its server process, which ends a moment after the connection."""
    with postgres.connect() as connection:
        for _ in range(200):
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'drbook'"
            ).fetchone()
            if row == (0,):
                return
            connection.execute("SELECT pg_sleep(0.01)")
    raise AssertionError("a session of drbook is still there")


STOPPED = {
    "two statements": ("SELECT 1; DROP TABLE customers", "sql-refused"),
    "an end in between": ("SELECT 1; COMMIT; DELETE FROM bookings", "sql-refused"),
    "COMMIT": ("COMMIT", "sql-refused"),
    "ROLLBACK": ("ROLLBACK", "sql-refused"),
    "SET": ("SET transaction_read_only = off", "sql-refused"),
    "SET SESSION": ("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", "sql-refused"),
    "SET ROLE": ("SET ROLE postgres", "sql-refused"),
    "RESET": ("RESET ALL", "sql-refused"),
    "DISCARD": ("DISCARD ALL", "sql-refused"),
    "DO": ("DO $$ BEGIN DELETE FROM bookings; END $$", "sql-refused"),
    "COPY TO PROGRAM": (f"COPY customers TO PROGRAM 'touch {NEVER}'", "sql-refused"),
    "COPY TO a file": (f"COPY (SELECT 1) TO '{NEVER}'", "sql-refused"),
    "COPY FROM PROGRAM": ("COPY bookings FROM PROGRAM 'echo 1'", "sql-refused"),
    "COPY in a function": ("SELECT copying()", "sql-refused"),
    "INSERT": ("INSERT INTO nothing_yet VALUES (1)", "sql-refused"),
    "MERGE": (
        "MERGE INTO customers c USING customers d ON c.id = d.id WHEN MATCHED THEN DELETE",
        "sql-refused",
    ),
    "writing CTE": (
        "WITH gone AS (DELETE FROM bookings RETURNING 1) SELECT count(*) FROM gone",
        "sql",
    ),
    "nested writing CTE": (
        "SELECT * FROM (WITH gone AS (DELETE FROM bookings RETURNING 1) SELECT 1 FROM gone) x",
        "sql",
    ),
    "temporary table": ("SELECT * INTO TEMP stolen FROM customers", "sql-refused"),
    "CREATE TABLE AS": ("CREATE TEMP TABLE x AS SELECT 1", "sql-refused"),
    "row locks": ("SELECT id FROM customers FOR UPDATE", "sql-refused"),
    "LOCK": ("LOCK TABLE customers", "sql-refused"),
    "EXPLAIN ANALYZE": ("EXPLAIN ANALYZE DELETE FROM bookings", "sql-refused"),
    "EXPLAIN ANALYZE of a function": ("EXPLAIN ANALYZE SELECT sneaky()", "sql-refused"),
    "PREPARE": ("PREPARE x AS DELETE FROM bookings", "sql-refused"),
    "EXECUTE": ("EXECUTE x", "sql-refused"),
    "PREPARE TRANSACTION": ("PREPARE TRANSACTION 'x'", "sql-refused"),
    "COMMIT PREPARED": ("COMMIT PREPARED 'x'", "sql-refused"),
    "ROLLBACK PREPARED": ("ROLLBACK PREPARED 'x'", "sql-refused"),
    "ALTER SYSTEM": ("ALTER SYSTEM SET archive_mode = off", "sql-refused"),
    "VACUUM": ("VACUUM", "sql-refused"),
    "CHECKPOINT": ("CHECKPOINT", "sql-refused"),
    "REFRESH": ("REFRESH MATERIALIZED VIEW x", "sql-refused"),
    "TRUNCATE": ("TRUNCATE bookings", "sql-refused"),
    "CREATE TABLE": ("CREATE TABLE x (id int)", "sql-refused"),
    "NOTIFY": ("NOTIFY ears", "sql-refused"),
    "LISTEN": ("LISTEN ears", "sql-refused"),
    "LOAD": ("LOAD 'auto_explain'", "sql-refused"),
    "CALL": ("CALL tidy()", "sql-refused"),
    "CALL in a function": ("SELECT calling()", "sql-refused"),
    "a function that deletes": ("SELECT sneaky()", "sql-refused"),
    "a view on it": ("SELECT * FROM harmless", "sql-refused"),
    "a function that makes itself writable": ("SELECT loosening()", "sql"),
    "a function that commits": ("SELECT ending()", "sql"),
    "set_config of the session": (
        "SELECT set_config('transaction_read_only', 'off', false)",
        "sql",
    ),
    "set_config of the transaction": (
        "SELECT set_config('transaction_read_only', 'off', true), sneaky()",
        "sql",
    ),
    "set_config of the isolation": (
        "SELECT set_config('transaction_isolation', 'read committed', true)",
        "sql",
    ),
    "query_to_xml": ("SELECT query_to_xml('DELETE FROM bookings', true, true, '')", "sql"),
    "query_to_xml with an end": (
        "SELECT query_to_xml('SELECT 1; COMMIT; DELETE FROM bookings', true, true, '')",
        "sql",
    ),
    "ts_stat": ("SELECT ts_stat('DELETE FROM bookings')", "sql"),
    "nextval": ("SELECT nextval('counter')", "sql-refused"),
    "setval": ("SELECT setval('counter', 99)", "sql-refused"),
    "lo_create": ("SELECT lo_create(0)", "sql-refused"),
    "lo_import": ("SELECT lo_import('/etc/hostname')", "sql-refused"),
    "lo_from_bytea": ("SELECT lo_from_bytea(0, 'x')", "sql-refused"),
    "lo_put": ("SELECT lo_put(424242, 0, 'y')", "sql-refused"),
    "lo_unlink": ("SELECT lo_unlink(424242)", "sql-refused"),
    "lo_open for writing": ("SELECT lo_open(424242, 131072)", "sql-refused"),
    "FETCH": ("FETCH ALL FROM drbook", "sql-refused"),
    "MOVE": ("MOVE 1 IN drbook", "sql-refused"),
    "CLOSE": ("CLOSE drbook", "sql-refused"),
    "CLOSE behind it": ("SELECT 1; CLOSE drbook", "sql-refused"),
    "another cursor": ("SELECT 1; DECLARE c CURSOR WITH HOLD FOR SELECT 1", "sql-refused"),
    "the cursor's own options": ("WITH HOLD SELECT 1", "sql-refused"),
    "its own cursor": ("SELECT cursor_to_xml('drbook', 1, true, true, '')", "sql"),
    "an open comment": ("SELECT 1 /*", "sql-refused"),
    "a comment around the end": ("SELECT 1 /* ; */; DELETE FROM bookings --", "sql-refused"),
    "an open dollar quote": ("SELECT $x$ 1; COMMIT", "sql-refused"),
    "an open quote": ("SELECT '1; COMMIT", "sql-refused"),
    "an open name": ('SELECT "1; COMMIT', "sql-refused"),
    "a quote that ends early": ("SELECT ''; DELETE FROM bookings; SELECT ''", "sql-refused"),
    "an escape": ("SELECT E'\\'; DELETE FROM bookings; --'; COMMIT", "sql-refused"),
    "a NUL": ("SELECT 1 \0; DELETE FROM bookings", "sql-refused"),
    "half a character": ("SELECT '\ud800'", "sql-refused"),
    "nothing": ("", "sql-refused"),
    "only a comment": ("-- nothing", "sql-refused"),
}


@pytest.mark.parametrize("with_params", [False, True], ids=["bare", "params"])
@pytest.mark.parametrize("attack", STOPPED)
def test_stopped_even_for_a_superuser(
    attacked: Postgres, reader: PostgresReader, attack: str, with_params: bool
) -> None:
    sql, code = STOPPED[attack]
    sql, params = (sql.replace("%", "%%"), {"unused": 1}) if with_params else (sql, {})
    with unchanged(attacked, reader), pytest.raises(StepFailed) as caught:
        query(reader, attacked.ref, sql, params)
    assert caught.value.code == code


DONE = {
    "a row": ("INSERT INTO nothing_yet VALUES (1)", "DELETE FROM nothing_yet"),
    "a sequence": ("SELECT nextval('counter')", "SELECT setval('counter', 1, false)"),
    "a notification": ("NOTIFY ears", "SELECT 1"),
    "a role": ("CREATE ROLE passing", "DROP ROLE passing"),
    "a setting": ("ALTER ROLE reader SET work_mem = '1MB'", "ALTER ROLE reader RESET ALL"),
    "a large object": ("SELECT lo_create(4711)", "SELECT lo_unlink(4711)"),
    "a slot": (
        "SELECT pg_create_physical_replication_slot('seen')",
        "SELECT pg_drop_replication_slot('seen')",
    ),
    "a lock": ("SELECT pg_advisory_lock(8)", "SELECT pg_advisory_unlock(8)"),
}


@pytest.mark.parametrize("change", DONE)
def test_a_change_would_be_seen(attacked: Postgres, reader: PostgresReader, change: str) -> None:
    """The look that proves that nothing changed can fail."""
    does, undoes = DONE[change]
    with attacked.connect() as admin:
        try:
            with pytest.raises(AssertionError), unchanged(attacked, reader):
                admin.execute(does)
        finally:
            admin.execute(undoes)


PARAMS: dict[str, tuple[str, dict[str, Json]]] = {
    "a value that ends the text": ("SELECT %(it)s::text", {"it": "'; DROP TABLE customers; --"}),
    "a value that looks like one": ("SELECT %(it)s::text", {"it": "%(it)s %s"}),
    "a value in dollar quotes": ("SELECT %(it)s::text", {"it": "$$; COMMIT; $$"}),
    "several": ("SELECT %(a)s::text || %(b)s::text", {"a": "\\", "b": "'; DELETE FROM bookings"}),
}


@pytest.mark.parametrize("attack", PARAMS)
def test_a_value_is_never_text(attacked: Postgres, reader: PostgresReader, attack: str) -> None:
    sql, params = PARAMS[attack]
    with unchanged(attacked, reader):
        assert query(reader, attacked.ref, sql, params) == (
            (("".join(map(str, params.values()))),),
        )


BAD_PARAMS: dict[str, tuple[str, dict[str, Json]]] = {
    "a place without a name": ("SELECT %s", {"a": 1}),
    "a place without its value": ("SELECT %(b)s", {"a": 1}),
    "an open place": ("SELECT %(a", {"a": 1}),
    "a value in an open quote": ("SELECT %(a)s || 'x", {"a": "'"}),
    "a NUL in a value": ("SELECT %(a)s::text", {"a": "x\0y"}),
    "half a character": ("SELECT %(a)s::text", {"a": "\ud800"}),
    "a value that is no value": ("SELECT %(a)s", {"a": {"x": 1}}),
}


@pytest.mark.parametrize("attack", BAD_PARAMS)
def test_a_place_that_fits_no_value_is_said(
    attacked: Postgres, reader: PostgresReader, attack: str
) -> None:
    with unchanged(attacked, reader), pytest.raises(StepFailed) as caught:
        query(reader, attacked.ref, *BAD_PARAMS[attack])
    assert caught.value.code in ("sql", "sql-refused")


TAKEN_BACK = {
    "an advisory lock": "SELECT pg_advisory_lock(7)",
    "a notification": "SELECT pg_notify('ears', 'x')",
    "a setting of the session": "SELECT set_config('default_transaction_read_only', 'off', false)",
    "a role of the session": "SELECT set_config('role', 'reader', false)",
    "an exported snapshot": "SELECT pg_export_snapshot()",
    "a message in the transaction": "SELECT pg_logical_emit_message(true, 'a', 'b')",
    "statistics of a table": "SELECT pg_clear_relation_stats('public', 'customers')",
    "a replication origin": "SELECT pg_replication_origin_create('x')",
    "table locks": "SELECT count(*) FROM customers, bookings",
}


@pytest.mark.parametrize("attack", TAKEN_BACK)
def test_what_runs_inside_the_session_is_taken_back_with_it(
    attacked: Postgres, reader: PostgresReader, attack: str
) -> None:
    with unchanged(attacked, reader):
        assert query(reader, attacked.ref, TAKEN_BACK[attack])


def test_what_stays_possible_is_a_function_with_an_effect(
    attacked: Postgres, reader: PostgresReader
) -> None:
    """Functions that do not wait for a commit, called by a login that may call them."""
    with attacked.connect() as admin, attacked.connect() as bystander:

        def one(sql: str) -> Any:
            row = admin.execute(sql).fetchone()
            assert row is not None
            return row[0]

        wal = one("SELECT pg_walfile_name(pg_current_wal_lsn())")
        query(reader, attacked.ref, "SELECT pg_switch_wal()")
        admin.execute("SELECT pg_logical_emit_message(true, 'a', 'b')")
        assert one("SELECT pg_walfile_name(pg_current_wal_lsn())") != wal

        loaded = one("SELECT pg_conf_load_time()")
        query(reader, attacked.ref, "SELECT pg_reload_conf(), pg_sleep(0.2)")
        assert one("SELECT pg_conf_load_time()") > loaded

        query(reader, attacked.ref, "SELECT pg_create_physical_replication_slot('left_behind')")
        assert one("SELECT count(*) FROM pg_replication_slots") == 1
        query(reader, attacked.ref, "SELECT pg_drop_replication_slot('left_behind')")
        assert one("SELECT count(*) FROM pg_replication_slots") == 0

        victim = bystander.info.backend_pid
        query(reader, attacked.ref, f"SELECT pg_terminate_backend({victim}, 2000)")
        with pytest.raises(psycopg.OperationalError):
            bystander.execute("SELECT 1")

        written = NEVER.with_name("drbook-guard-written")
        query(reader, attacked.ref, f"SELECT lo_export(424242, '{written}')")
        assert written.read_bytes() == b"x"
        written.unlink()


def test_what_stays_possible_is_a_connection_made_by_the_server(
    attacked: Postgres, reader: PostgresReader
) -> None:
    """dblink writes on a session of its own, and so does whoever may call a function that uses it."""
    where = f"host={attacked.server.socket} dbname=rental user=postgres"
    write = f"dblink_exec('{where}', 'INSERT INTO nothing_yet VALUES (%s)')"
    with attacked.connect() as admin:
        admin.execute(
            "CREATE FUNCTION helpful() RETURNS text LANGUAGE sql SECURITY DEFINER AS "
            f"$f$ SELECT {write % 2} $f$"
        )
        try:
            query(reader, attacked.ref, f"SELECT {write % 1}")
            dry = PostgresReader(os.environ, CancelToken(), refuse_strong=True)
            query(dry, login(attacked, "reader"), "SELECT helpful()")
            with pytest.raises(StepFailed, match="password"):
                query(dry, login(attacked, "reader"), f"SELECT {write % 3}")
            rows = admin.execute("DELETE FROM nothing_yet RETURNING id").fetchall()
        finally:
            admin.execute("DROP FUNCTION helpful()")
    assert sorted(rows) == [(1,), (2,)]


def test_what_stays_possible_is_waiting_and_switching_off_the_bound(
    attacked: Postgres, reader: PostgresReader
) -> None:
    """The statement that runs keeps its bound; what a query switches off ends with its session."""
    with pytest.raises(DrbookError, match="statement timeout"):
        query(
            reader,
            attacked.ref,
            "SELECT set_config('statement_timeout', '0', false), pg_sleep(30)",
        )


# --- who may ask in a dry run -----------------------------------------------------------------

LOGINS = {
    "postgres": ("superuser", "is a superuser"),
    "climber": ("superuser", "may become a superuser"),
    "far": ("superuser", "may become a superuser"),
    "replicator": ("strong-login", "replication"),
    "filer": ("strong-login", "pg_write_server_files"),
    "runner": ("strong-login", "pg_execute_server_program"),
    "killer": ("strong-login", "pg_signal_backend"),
    "keeper": ("strong-login", "pg_maintain"),
    "ender": ("strong-login", "pg_signal_autovacuum_worker"),
    "reader": ("", ""),
    "monitor": ("", ""),
    "switcher": ("", ""),
}


@pytest.mark.parametrize("user", LOGINS)
def test_a_dry_run_refuses_a_login_that_is_or_may_become_more_than_a_reader(
    attacked: Postgres, user: str
) -> None:
    code, words = LOGINS[user]
    dry = PostgresReader(os.environ, CancelToken(), refuse_strong=True)
    if not code:
        assert query(dry, login(attacked, user), "SELECT 1") == (("1",),)
        return
    for attempt in (
        lambda: query(dry, login(attacked, user), "SELECT 1"),
        lambda: drain(dry.count(login(attacked, user))),
    ):
        with pytest.raises(Refused, match=words) as caught:
            attempt()
        assert caught.value.code == code


def test_a_superuser_behind_another_role_is_refused_in_a_dry_run(attacked: Postgres) -> None:
    """Whoever chose the role for the session can be chosen back: the query could call set_config."""
    dsn = f"host={attacked.server.socket} user=postgres dbname=rental options='-c role=reader'"
    dry = PostgresReader({"DSN": dsn}, CancelToken(), refuse_strong=True)
    with pytest.raises(Refused) as caught:
        query(dry, DatabaseRef(dsn="env:DSN"), "SELECT 1")
    assert caught.value.code == "superuser"


def test_what_stays_possible_in_a_dry_run_is_the_upkeep_of_ones_own_indexes(
    attacked: Postgres,
) -> None:
    """These functions do not ask whether the transaction only reads. No row changes by them."""
    dry = PostgresReader(os.environ, CancelToken(), refuse_strong=True)
    with attacked.connect() as admin:
        admin.execute(
            "CREATE TABLE public.bins (a int[]); ALTER TABLE public.bins OWNER TO reader;"
            "CREATE INDEX bins_a ON public.bins USING gin (a) WITH (fastupdate = on);"
            "INSERT INTO public.bins SELECT ARRAY[n, n + 1] FROM generate_series(1, 200) n"
        )
        try:
            clean = "SELECT gin_clean_pending_list('public.bins_a') > 0"
            found = [query(dry, login(attacked, "reader"), clean) for _ in range(2)]
            assert found == [(("t",),), (("f",),)]
            assert admin.execute("SELECT count(*) FROM public.bins").fetchone() == (200,)
        finally:
            admin.execute("DROP TABLE public.bins")


def test_what_stays_possible_in_a_dry_run_is_what_was_granted_by_itself(attacked: Postgres) -> None:
    """EXECUTE on one function is seen by nobody who looks at roles; and everybody may end what is
    of the same role."""
    dry = PostgresReader(os.environ, CancelToken(), refuse_strong=True)
    assert query(dry, login(attacked, "switcher"), "SELECT pg_switch_wal() IS NULL") == (("f",),)
    with attacked.connect(user="reader") as own:
        query(
            dry,
            login(attacked, "reader"),
            f"SELECT pg_terminate_backend({own.info.backend_pid}, 2000)",
        )
        with pytest.raises(psycopg.OperationalError):
            own.execute("SELECT 1")


def test_what_stays_possible_in_a_dry_run_is_a_message_in_the_log_of_the_server(
    attacked: Postgres,
) -> None:
    """Everybody may write one that waits for no commit; who decodes the WAL gets it."""
    dry = PostgresReader(os.environ, CancelToken(), refuse_strong=True)
    with attacked.connect() as admin:
        before = admin.execute("SELECT pg_current_wal_insert_lsn()").fetchone()
        assert before is not None
        ((written,),) = query(
            dry, login(attacked, "reader"), "SELECT pg_logical_emit_message(false, 'a', 'b')"
        )
        ahead = admin.execute("SELECT %s::pg_lsn > %s::pg_lsn", (written, before[0])).fetchone()
        assert ahead == (True,)
        # From version 17 on it takes one argument more.
        more = ", boolean" if admin.info.server_version >= 170000 else ""
        function = f"FUNCTION pg_logical_emit_message(boolean, text, text{more})"
        admin.execute(f"REVOKE EXECUTE ON {function} FROM PUBLIC")
        try:
            with pytest.raises(StepFailed, match="permission denied"):
                query(
                    dry, login(attacked, "reader"), "SELECT pg_logical_emit_message(false, '', '')"
                )
        finally:
            admin.execute(f"GRANT EXECUTE ON {function} TO PUBLIC")


# --- the session itself -----------------------------------------------------------------------


def test_a_session_is_read_only_and_repeatable_before_anything_else(postgres: Postgres) -> None:
    with pgsession.guarded(postgres.ref, os.environ, CancelToken(), timeout=SECOND) as connection:
        row = connection.execute(
            "SELECT current_setting('transaction_read_only'), current_setting('transaction_isolation')"
        ).fetchone()
        assert row == ("on", "repeatable read")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("DELETE FROM public.bookings")


def test_the_connections_own_options_do_not_loosen_it(attacked: Postgres) -> None:
    options = "-c default_transaction_read_only=off -c statement_timeout=0"
    dsn = f"host={attacked.server.socket} user=postgres dbname=rental options='{options}'"
    reader = PostgresReader({"DSN": dsn}, CancelToken())
    shown = "SELECT current_setting('transaction_read_only'), current_setting('statement_timeout')"
    assert query(reader, DatabaseRef(dsn="env:DSN"), shown) == (("on", "1s"),)


LIES = """
CREATE SCHEMA lies;
CREATE FUNCTION lies.more(bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 1000000::bigint';
CREATE AGGREGATE lies.count(*) (sfunc = lies.more, stype = bigint, initcond = 0);
CREATE FUNCTION lies.current_database() RETURNS name LANGUAGE sql AS $$ SELECT 'postgres'::name $$;
CREATE FUNCTION lies.current_setting(text) RETURNS text LANGUAGE sql AS $$ SELECT 'off' $$;
CREATE FUNCTION lies.pg_control_system(OUT system_identifier bigint) LANGUAGE sql AS 'SELECT 1::bigint';
CREATE TABLE lies.pg_database (oid oid, datname name);
GRANT USAGE ON SCHEMA lies TO reader;
ALTER ROLE reader SET search_path = lies, public, pg_catalog;
ALTER ROLE postgres SET search_path = lies, public, pg_catalog;
"""


def test_names_of_ones_own_do_not_stand_before_postgres(
    attacked: Postgres, reader: PostgresReader
) -> None:
    """A search path of the login's says where the operator's names are, behind the server's own."""
    truth = reader.probe(attacked.ref).identity
    assert truth is not None
    with attacked.connect() as admin:
        admin.execute(LIES)
        try:
            for user in ("postgres", "reader"):
                ref = login(attacked, user)
                counts, _ = signals_of(reader.count(ref, ignore_schemas=["lies"]))
                assert {row.table: row.rows for row in counts.tables} == HELD
                assert counts.identity.system_identifier == truth.system_identifier
                assert counts.identity.database == "rental"
                assert query(reader, ref, "SELECT count(*) FROM nothing_yet") == (("0",),)
                assert query(reader, ref, "SELECT count(*) FROM customers") == (
                    (str(COUNTS["public.customers"]),),
                )
            dry = PostgresReader(os.environ, CancelToken(), refuse_strong=True)
            with pytest.raises(Refused):
                query(dry, attacked.ref, "SELECT 1")
        finally:
            admin.execute("ALTER ROLE reader RESET search_path; ALTER ROLE postgres RESET ALL")
            admin.execute("DROP SCHEMA lies CASCADE")


# --- the action, through its ports alone ------------------------------------------------------


@pytest.mark.parametrize("attack", ["two statements", "writing CTE", "COPY TO PROGRAM", "a NUL"])
def test_the_sql_action_comes_no_further(
    attacked: Postgres, reader: PostgresReader, attack: str
) -> None:
    class OnlyDatabases:
        databases = reader

    params = SqlParams(sql=STOPPED[attack][0], database=attacked.ref)
    ports: Ports = OnlyDatabases()  # type: ignore[assignment]
    with unchanged(attacked, reader), pytest.raises(StepFailed):
        drain(Sql().perform(params, None, ports))  # type: ignore[arg-type]
