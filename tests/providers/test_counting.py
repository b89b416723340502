"""Counting over several connections: one snapshot, few statements, and what happens when one cannot."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg
import pytest
from support.pg import Postgres, drain, signals_of, text_of
from support.waiting import eventually

from drbook.core.baseline import OF_AN_EXTENSION, TableCounts
from drbook.core.capture import BEHIND, Pace, behind
from drbook.core.errors import Cancelled, CouldNotVerify
from drbook.core.signals import Milestone, Progress
from drbook.core.targets import DatabaseRef
from drbook.providers import pgload, pgsession
from drbook.providers.cancel import CancelToken
from drbook.providers.postgres import PostgresReader

TABLES = 40
ROWS = {f"public.t{n:02}": n * 10 for n in range(TABLES)}
SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def many(postgres: Postgres) -> Iterator[DatabaseRef]:
    """A database with forty tables, the later ones larger."""
    with postgres.connect("postgres") as connection:
        connection.execute("CREATE DATABASE many")
        connection.execute("CREATE ROLE lonely LOGIN CONNECTION LIMIT 1")
        connection.execute("GRANT pg_read_all_data TO lonely")
    with postgres.connect("many") as connection:
        for n in range(TABLES):
            connection.execute(
                f"CREATE TABLE t{n:02} AS SELECT generate_series(1, {n * 10}) AS id".encode()
            )
        connection.execute("ANALYZE")
    yield postgres.ref.model_copy(update={"dbname": "many"})
    with postgres.connect("postgres") as connection:
        connection.execute("DROP DATABASE many WITH (FORCE)")
        connection.execute("DROP ROLE lonely")


@contextmanager
def locked(postgres: Postgres, table: str) -> Iterator[None]:
    """Somebody alters the table and takes their time."""
    with postgres.connect("many") as connection, connection.transaction():
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        yield


def rows(counts: TableCounts) -> dict[str, int | None]:
    return {row.table: row.rows for row in counts.tables}


def sessions(postgres: Postgres) -> int:
    with postgres.connect("postgres") as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = 'many'"
        ).fetchone()
    assert found is not None
    return int(found[0])


@pytest.mark.parametrize("jobs", [1, 2, 4])
@pytest.mark.parametrize("content", [True, False])
def test_the_figures_are_the_same_over_any_number_of_connections(
    many: DatabaseRef, reader: PostgresReader, jobs: int, content: bool
) -> None:
    counts, said = signals_of(reader.count(many, content=content, pace=Pace(jobs=jobs)))
    assert rows(counts) == ROWS
    assert [row.table for row in counts.tables] == sorted(ROWS)
    alone = drain(reader.count(many, content=content, pace=Pace(jobs=1)))
    assert counts.tables == alone.tables
    done = [item.done for item in said if isinstance(item, Progress)]
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0, TABLES)
    assert not [item for item in said if isinstance(item, Milestone)]


@pytest.mark.parametrize(("max_load", "together"), [(None, True), (1000, False)])
def test_a_table_costs_one_statement_and_tiny_ones_share_a_message(
    many: DatabaseRef,
    reader: PostgresReader,
    monkeypatch: pytest.MonkeyPatch,
    max_load: int | None,
    together: bool,
) -> None:
    asked: list[str] = []
    execute = psycopg.Connection.execute

    def counting(self, query, *more, **named):  # type: ignore[no-untyped-def]
        asked.append(text_of(query, self))
        return execute(self, query, *more, **named)

    monkeypatch.setattr(psycopg.Connection, "execute", counting)
    drain(reader.count(many, content=True, pace=Pace(jobs=2, max_load=max_load)))
    messages = [text for text in asked if "count(*)" in text and "public" in text]
    assert sum(text.count("count(*)") for text in messages) == TABLES
    assert (len(messages) < TABLES) is together
    assert max(text.count("count(*)") for text in messages) <= 32
    waits = len([text for text in asked if "pg_stat_activity" in text])
    # Beside these two sessions' settings, who it is, and the catalogue once.
    assert len(asked) - len(messages) - waits < 70 + (0 if together else TABLES)


def test_the_largest_tables_come_first(many: DatabaseRef, reader: PostgresReader) -> None:
    _, said = signals_of(reader.count(many, pace=Pace(jobs=1)))
    begun = [item.now for item in said if isinstance(item, Progress) and item.now]
    pages = [int(name[-2:]) for name in begun]
    assert pages[0] >= 23  # two pages or more; the rest have one
    assert pages[-1] < 23


@pytest.mark.parametrize("jobs", [1, 3])
def test_every_connection_sees_the_same_moment(
    many: DatabaseRef, postgres: Postgres, reader: PostgresReader, jobs: int
) -> None:
    work = reader.count(many, pace=Pace(jobs=jobs))
    next(work)
    with postgres.connect("many") as connection:
        for table in ROWS:
            connection.execute(f"INSERT INTO {table} VALUES (-1)".encode())
        try:
            counts = drain(work)
        finally:
            for table in ROWS:
                connection.execute(f"DELETE FROM {table} WHERE id = -1".encode())
    assert rows(counts) == ROWS


def test_a_server_without_a_second_connection_is_counted_over_one(
    many: DatabaseRef, reader: PostgresReader
) -> None:
    ref = many.model_copy(update={"user": "lonely"})
    counts, said = signals_of(reader.count(ref, pace=Pace(jobs=4)))
    assert rows(counts) == ROWS
    notes = [item.text for item in said if isinstance(item, Milestone)]
    assert len(notes) <= 1
    assert all("too many connections" in text for text in notes)


def test_a_login_that_may_share_no_snapshot_counts_alone(
    many: DatabaseRef, postgres: Postgres, reader: PostgresReader
) -> None:
    ref = many.model_copy(update={"user": "lonely"})
    with postgres.connect("many") as connection:
        left = "SELECT FROM pg_stat_activity WHERE usename = 'lonely'"

        def alone() -> bool:  # a session ends after its client has gone
            return not connection.execute(left).rowcount

        connection.execute("REVOKE EXECUTE ON FUNCTION pg_export_snapshot() FROM PUBLIC")
        try:
            assert eventually(alone)
            assert rows(drain(reader.count(ref, pace=Pace(jobs=2)))) == ROWS
            assert eventually(alone)
            with pytest.raises(CouldNotVerify) as caught:
                drain(reader.count(ref, alongside=lambda leader, name: iter(())))  # type: ignore[arg-type,return-value]
        finally:
            connection.execute("GRANT EXECUTE ON FUNCTION pg_export_snapshot() TO PUBLIC")
    assert caught.value.code == "no-snapshot"
    assert "permission denied" in caught.value.what


@pytest.mark.parametrize(
    ("timeout", "said"),
    [(timedelta(seconds=1.5), "statement timeout"), (timedelta(minutes=5), "lock timeout")],
)
def test_a_table_that_cannot_be_had_is_unknown_and_the_rest_goes_on(
    many: DatabaseRef,
    postgres: Postgres,
    reader: PostgresReader,
    monkeypatch: pytest.MonkeyPatch,
    timeout: timedelta,
    said: str,
) -> None:
    monkeypatch.setattr(pgsession, "LOCK_SECONDS", 2)
    with locked(postgres, "t07"):
        counts = drain(reader.count(many, pace=Pace(statement_timeout=timeout)))
    found = counts.by_name()
    assert found["public.t07"].rows is None
    assert said in found["public.t07"].why_unknown
    assert {name: n for name, n in rows(counts).items() if n is not None} == {
        name: n for name, n in ROWS.items() if name != "public.t07"
    }


def test_counted_tables_are_let_go(
    many: DatabaseRef, postgres: Postgres, reader: PostgresReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever alters a table must not wait for the end of the whole count."""
    monkeypatch.setattr(pgsession, "LOCK_SECONDS", 1)
    pace = Pace(jobs=1, statement_timeout=timedelta(seconds=20))
    with locked(postgres, "t00"):  # the smallest is counted last
        work = reader.count(many, pace=pace)
        for item in work:
            if isinstance(item, Progress) and item.done == TABLES - 1:
                break
        with postgres.connect("many") as connection:
            connection.execute("SET lock_timeout = '2s'; ALTER TABLE t39 ADD COLUMN more int")
            connection.execute("ALTER TABLE t39 DROP COLUMN more")
        work.close()


def test_a_cancel_ends_every_session_soon(many: DatabaseRef, postgres: Postgres) -> None:
    token = CancelToken()
    patient = PostgresReader(os.environ, token)
    with locked(postgres, "t00"), locked(postgres, "t01"):
        threading.Timer(1.0, token.request, args=("cancel",)).start()
        begun = time.monotonic()
        with pytest.raises(Cancelled):
            drain(patient.count(many, pace=Pace(jobs=2)))
        assert time.monotonic() - begun < 10
        assert sessions(postgres) == 2  # those who hold the locks


def test_a_count_that_nobody_listens_to_any_more_ends(
    many: DatabaseRef, postgres: Postgres, reader: PostgresReader
) -> None:
    with locked(postgres, "t00"), locked(postgres, "t01"):
        work = reader.count(many, pace=Pace(jobs=2))
        next(work)
        next(work)
        begun = time.monotonic()
        work.close()
        assert time.monotonic() - begun < 10
        # A server sees within moments that its client has gone.
        assert eventually(lambda: sessions(postgres) == 2)


def test_a_session_that_is_ended_ends_the_count(
    many: DatabaseRef, postgres: Postgres, reader: PostgresReader
) -> None:
    """Its table was not counted, and that is no reason to call it unknown and go on."""
    with locked(postgres, "t05"):
        work = reader.count(many, pace=Pace(jobs=2))
        next(item for item in work if isinstance(item, Progress) and item.now)
        with postgres.connect("postgres") as connection:
            ended = 0
            while not ended:
                ended = connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE wait_event_type = 'Lock' AND datname = 'many'"
                ).rowcount
        with pytest.raises(CouldNotVerify) as caught:
            drain(work)
    assert caught.value.code == "server-gone"


@contextmanager
def busy(postgres: Postgres, sessions: int) -> Iterator[list[psycopg.Connection]]:
    held = [postgres.connect("postgres") for _ in range(sessions)]
    threads = [
        threading.Thread(target=_sleep, args=(connection,), daemon=True) for connection in held
    ]
    for thread in threads:
        thread.start()
    try:
        yield held
    finally:
        for connection in held:
            connection.cancel_safe(timeout=5)
        for thread, connection in zip(threads, held, strict=True):
            thread.join(5)
            connection.close()


def _sleep(connection: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.QueryCanceled):
        connection.execute("SELECT pg_sleep(120)")


def test_a_busy_server_is_waited_for_and_it_is_said(
    many: DatabaseRef, postgres: Postgres, reader: PostgresReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pgload, "LOOK_SECONDS", 0.1)
    with busy(postgres, 2) as held:
        work = reader.count(many, pace=Pace(max_load=1))
        for item in work:
            if isinstance(item, Progress) and item.now.startswith("waiting"):
                assert "2 other sessions active" in item.now
                break
        for connection in held:
            connection.cancel_safe(timeout=5)
        assert rows(drain(work)) == ROWS


def test_a_server_that_stays_busy_is_left_alone(
    many: DatabaseRef, postgres: Postgres, reader: PostgresReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pgload, "LOOK_SECONDS", 0.1)
    with busy(postgres, 1), pytest.raises(CouldNotVerify) as caught:
        drain(reader.count(many, pace=Pace(max_load=0, max_wait=SECOND)))
    assert caught.value.code == "server-busy"


def test_a_login_that_may_not_see_how_busy_a_server_is(
    many: DatabaseRef, postgres: Postgres, reader: PostgresReader
) -> None:
    ref = many.model_copy(update={"user": "lonely"})
    with busy(postgres, 1), pytest.raises(CouldNotVerify) as caught:
        drain(reader.count(ref, pace=Pace(max_load=5)))
    assert caught.value.code == "load-unknown"


def test_an_empty_database_has_nothing_to_count(postgres: Postgres, reader: PostgresReader) -> None:
    with postgres.connect("postgres") as connection:
        connection.execute("CREATE DATABASE hollow")
        try:
            ref = postgres.ref.model_copy(update={"dbname": "hollow"})
            counts = drain(reader.count(ref, content=True))
        finally:
            connection.execute("DROP DATABASE hollow")
    assert (counts.tables, counts.aside) == ((), ())
    assert counts.identity.database == "hollow"


@pytest.fixture
def changing(postgres: Postgres) -> Iterator[DatabaseRef]:
    """A database whose tables are rewritten while it is counted."""
    with postgres.connect("postgres") as connection:
        connection.execute("CREATE DATABASE changing")
    with postgres.connect("changing") as connection:
        connection.execute(
            "CREATE TABLE cut AS SELECT 1 AS id; CREATE TABLE packed AS SELECT 1 AS id;"
            " CREATE TABLE altered AS SELECT 1 AS id; CREATE TABLE kept AS SELECT 1 AS id;"
            " CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE empty (id int);"
            " CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (10) PARTITION BY RANGE (id);"
            " CREATE TABLE p1a PARTITION OF p1 FOR VALUES FROM (1) TO (10);"
            " CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20); INSERT INTO p VALUES (1), (11);"
            " CREATE TABLE gone AS SELECT 1 AS id"
        )
    yield postgres.ref.model_copy(update={"dbname": "changing"})
    with postgres.connect("postgres") as connection:
        connection.execute("DROP DATABASE changing WITH (FORCE)")


def test_a_table_that_is_truncated_behind_the_snapshot_is_not_counted(
    changing: DatabaseRef, postgres: Postgres, reader: PostgresReader
) -> None:
    """One that is only put into other files still shows the snapshot's rows."""

    def alongside(leader: psycopg.Connection, snapshot: str) -> Iterator[Milestone]:
        with postgres.connect("changing") as connection:
            connection.execute("TRUNCATE cut, p1a")
            connection.execute("ALTER TABLE altered ALTER id TYPE bigint")
            connection.execute("DROP TABLE gone")
            connection.execute("VACUUM FULL packed")
        yield Milestone("changed")

    counts = drain(reader.count(changing, content=True, alongside=alongside))  # type: ignore[arg-type]
    assert rows(counts) == {
        "public.altered": None, "public.cut": None, "public.empty": 0, "public.gone": 1,
        "public.kept": 1, "public.p": None, "public.packed": 1,
    }  # fmt: skip
    cut = counts.by_name()["public.cut"]
    assert (cut.content, cut.newest, cut.why_unknown) == (None, None, BEHIND)
    assert [each.split(":")[0] for each in behind(counts)] == [
        "public.altered",
        "public.cut",
        "public.p",
    ]
    assert behind(drain(reader.count(changing))) == ()


def test_large_objects_wait_for_a_calm_server_too(
    many: DatabaseRef, postgres: Postgres, reader: PostgresReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pgload, "LOOK_SECONDS", 0.05)
    asked: list[str] = []
    execute = psycopg.Connection.execute

    def noted(self, query, *more, **named):  # type: ignore[no-untyped-def]
        asked.append(query if isinstance(query, str) else str(query))
        return execute(self, query, *more, **named)

    pace = Pace(max_load=0, max_wait=timedelta(milliseconds=200))
    with busy(postgres, 1):
        monkeypatch.setattr(psycopg.Connection, "execute", noted)
        with pytest.raises(CouldNotVerify):
            drain(reader.count(many, content=True, pace=pace))
    assert not [text for text in asked if "pg_largeobject_metadata" in text]


def test_rows_that_a_dump_holds_of_an_extension_s_tables_are_counted(
    postgres: Postgres, reader: PostgresReader
) -> None:
    """By the extension's own condition; one that would be more than a condition is not asked."""
    with postgres.connect("postgres") as connection:
        connection.execute("CREATE DATABASE extended")
    try:
        with postgres.connect("extended") as connection:
            connection.execute(
                "CREATE EXTENSION hstore; CREATE TABLE part AS SELECT n AS id FROM generate_series(1, 9) n;"
                " CREATE TABLE whole AS SELECT 1 AS id; CREATE TABLE bare AS SELECT 1 AS id;"
                " CREATE TABLE hostile AS SELECT 1 AS id; CREATE TABLE own AS SELECT 1 AS id"
            )
            for table in ("part", "whole", "bare", "hostile"):
                connection.execute(f'ALTER EXTENSION hstore ADD TABLE "{table}"'.encode())
            connection.execute(
                "UPDATE pg_extension SET extconfig = ARRAY['part'::regclass, 'whole'::regclass, 'hostile'::regclass]::oid[],"
                " extcondition = ARRAY['WHERE id > 4', '', 'WHERE true) t; COMMIT; --'] WHERE extname = 'hstore'"
            )
        ref = postgres.ref.model_copy(update={"dbname": "extended"})
        counts = drain(reader.count(ref, content=True, ranges=True))
        assert rows(counts) == {
            "public.hostile": None, "public.own": 1, "public.part": 5, "public.whole": 1,
        }  # fmt: skip
        some, hostile = (counts.by_name()[f"public.{name}"] for name in ("part", "hostile"))
        assert some.content is not None
        assert "rows that a dump holds were counted" in some.note
        assert "not asked here" in hostile.why_unknown
        (left,) = counts.aside
        assert (left.name, left.why.startswith(OF_AN_EXTENSION)) == ("public.bare", True)
        assert left.why.endswith("a dump holds no rows of it.")
    finally:
        with postgres.connect("postgres") as connection:
            connection.execute("DROP DATABASE extended WITH (FORCE)")
