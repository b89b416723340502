"""Reading PostgreSQL: the guard attacked, counts exact, identity, and errors that say what happened."""

import os
import re
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from support.pg import COUNTS, Postgres, drain, signals_of

from drbook.core.errors import Cancelled, CouldNotVerify, DrbookError, UsageError
from drbook.core.signals import Progress
from drbook.core.targets import DatabaseRef
from drbook.providers import postgres as postgres_reader
from drbook.providers.cancel import CancelToken
from drbook.providers.postgres import PostgresReader

SECOND = timedelta(seconds=1)


def query(reader: PostgresReader, ref: DatabaseRef, sql: str, **params: object):  # type: ignore[no-untyped-def]
    return reader.query(ref, sql, params, limit=3, timeout=SECOND)  # type: ignore[arg-type]


def test_values_are_postgres_own_text_and_hostile_names_are_plain(
    postgres: Postgres, reader: PostgresReader
) -> None:
    found = query(
        reader, postgres.ref, "SELECT 1.50, NULL, true, E'a\\x1b[31mb' AS \"\x1b[0m[red]\", '%'"
    )
    assert found.rows == (("1.50", None, "t", "a\\x1b[31mb", "%"),)
    assert found.columns[3] == "\\x1b[0m[red]"


def test_params_are_values_and_never_text(postgres: Postgres, reader: PostgresReader) -> None:
    bad = "x'; DROP TABLE customers; --"
    assert query(reader, postgres.ref, "SELECT %(it)s::text", it=bad).rows == ((bad,),)
    found = query(
        reader, postgres.ref, "SELECT id FROM customers WHERE id = ANY(%(ids)s)", ids=[3, 4]
    )
    assert {row[0] for row in found.rows} == {"3", "4"}


def test_more_rows_than_the_limit_are_said(postgres: Postgres, reader: PostgresReader) -> None:
    assert query(reader, postgres.ref, "SELECT id FROM customers").truncated
    assert not query(reader, postgres.ref, "VALUES (1), (2), (3)").truncated


def test_rows_are_kept_as_far_as_a_record_holds_them(
    postgres: Postgres, reader: PostgresReader
) -> None:
    wide = "SELECT repeat('x', 1980) FROM generate_series(1, 9000)"
    found = reader.query(postgres.ref, wide, {}, limit=10_000, timeout=timedelta(minutes=5))
    assert found.truncated
    assert 2000 < len(found.rows) < 2200  # 4 MiB of them
    assert all(row == ("x" * 1980,) for row in found.rows)
    narrow = "SELECT n FROM generate_series(1, 10000) n"
    found = reader.query(postgres.ref, narrow, {}, limit=10_000, timeout=timedelta(minutes=5))
    assert not found.truncated
    assert [row[0] for row in found.rows] == [str(n) for n in range(1, 10_001)]
    assert found.columns == ("n",)


@pytest.mark.parametrize("stop", ["timeout", "cancel"])
def test_reading_the_rows_has_an_end_too(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch, stop: str
) -> None:
    """Masking them may take longer than the server took to send them."""
    token = CancelToken()
    seen: list[bytes | None] = []

    def slow(value: bytes | None) -> str | None:
        seen.append(value)
        if stop == "cancel":
            token.request("cancel")
        time.sleep(0.05)
        return "x"

    monkeypatch.setattr(postgres_reader, "_text", slow)
    with pytest.raises(DrbookError) as caught:
        PostgresReader(os.environ, token).query(
            postgres.ref, "SELECT generate_series(1, 1000)", {}, limit=1000,
            timeout=timedelta(seconds=1),
        )  # fmt: skip
    assert caught.value.code == {"timeout": "timeout", "cancel": "cancelled"}[stop]
    assert len(seen) < 100


def test_a_query_that_takes_too_long_is_stopped(postgres: Postgres, reader: PostgresReader) -> None:
    with pytest.raises(DrbookError, match="statement timeout"):
        query(reader, postgres.ref, "SELECT pg_sleep(30)")


# --- counting --------------------------------------------------------------------------------


def test_exact_counts_of_every_kind_of_table(postgres: Postgres, reader: PostgresReader) -> None:
    counts, said = signals_of(reader.count(postgres.ref, content=True))
    assert {row.table: row.rows for row in counts.tables} == COUNTS
    rows = counts.by_name()
    assert rows["public.customers"].newest_column == "created_at"
    assert str(rows["public.customers"].newest) == "2026-11-01 08:20:00+00:00"
    assert str(rows["public.bookings"].newest) == "2026-11-02 00:50:00+00:00"
    assert rows["public.nothing_yet"].newest is None
    assert (rows["public.bookings"].content or "").startswith("hashtextextended/2:")
    assert (rows["public.customers"].content or "").startswith("hash_record_extended/2:")
    last = [item for item in said if isinstance(item, Progress)][-1]
    assert (last.done, last.total) == (5, 5)


def test_content_hashes_find_one_changed_value_and_no_order(
    postgres: Postgres, reader: PostgresReader
) -> None:
    def content() -> dict[str, str | None]:
        counts = drain(reader.count(postgres.ref, content=True))
        return {row.table: row.content for row in counts.tables}

    before = content()
    with postgres.connect() as connection:
        connection.execute("UPDATE customers SET name = name WHERE id < 100")  # moves the rows
        assert content() == before
        connection.execute("UPDATE customers SET name = 'X' WHERE id = 250")
        changed = content()
        connection.execute("UPDATE customers SET name = 'customer 250' WHERE id = 250")
    assert {name for name in before if before[name] != changed[name]} == {"public.customers"}
    assert content() == before


def test_a_table_that_may_not_be_read_is_unknown_and_not_zero(
    postgres: Postgres, reader: PostgresReader
) -> None:
    with postgres.connect() as connection:
        connection.execute("CREATE ROLE nosy LOGIN; GRANT SELECT ON customers TO nosy")
        try:
            ref = postgres.ref.model_copy(update={"user": "nosy"})
            rows = drain(reader.count(ref)).by_name()
        finally:
            connection.execute("REVOKE SELECT ON customers FROM nosy; DROP ROLE nosy")
    assert rows["public.customers"].rows == 500
    assert rows["public.bookings"].rows is None
    assert "permission denied" in rows["public.bookings"].why_unknown


def test_row_level_security_is_an_unknown_and_not_a_smaller_count(
    postgres: Postgres, reader: PostgresReader
) -> None:
    with postgres.connect() as connection:
        connection.execute(
            "ALTER TABLE customers ENABLE ROW LEVEL SECURITY;"
            "CREATE POLICY few ON customers FOR SELECT USING (id < 10)"
        )
        try:
            ref = postgres.ref.model_copy(update={"user": "reader"})
            row = drain(reader.count(ref)).by_name()["public.customers"]
        finally:
            connection.execute(
                "DROP POLICY few ON customers; ALTER TABLE customers DISABLE ROW LEVEL SECURITY"
            )
    assert row.rows is None
    assert "row-level security" in row.why_unknown


def test_ignored_schemas_and_temporary_tables_are_left_out(
    postgres: Postgres, reader: PostgresReader
) -> None:
    with postgres.connect() as connection:
        connection.execute("CREATE SCHEMA scratch; CREATE TABLE scratch.x (id int)")
        connection.execute("CREATE TEMP TABLE mine (id int)")
        try:
            counts = drain(reader.count(postgres.ref, ignore_schemas=["scratch"]))
        finally:
            connection.execute("DROP SCHEMA scratch CASCADE")
    assert {row.table for row in counts.tables} == set(COUNTS)


def test_one_snapshot_for_all_tables(postgres: Postgres, reader: PostgresReader) -> None:
    work = reader.count(postgres.ref)
    next(work)
    with postgres.connect() as connection:
        connection.execute("INSERT INTO nothing_yet SELECT generate_series(1, 9)")
        try:
            counts = drain(work)
        finally:
            connection.execute("DELETE FROM nothing_yet")
    assert counts.by_name()["public.nothing_yet"].rows == 0


def test_a_server_that_goes_away_while_it_counts(
    postgres: Postgres, reader: PostgresReader
) -> None:
    work = reader.count(postgres.ref)
    next(work)
    with postgres.connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'drbook'"
        )
    with pytest.raises(CouldNotVerify) as caught:
        drain(work)
    assert "went away" in caught.value.what
    assert "of 5 tables" in caught.value.what


def test_a_cancel_stops_a_statement_that_waits(postgres: Postgres) -> None:
    token = CancelToken()
    patient = PostgresReader(os.environ, token)
    threading.Timer(0.3, token.request, args=("cancel",)).start()
    begun = time.monotonic()
    with pytest.raises(Cancelled):
        patient.query(
            postgres.ref, "SELECT pg_sleep(60)", {}, limit=1, timeout=timedelta(minutes=2)
        )
    assert time.monotonic() - begun < 10


# --- probing and connecting ------------------------------------------------------------------


def test_probe_of_a_living_server_says_who_it_is(
    postgres: Postgres, reader: PostgresReader
) -> None:
    probe = reader.probe(postgres.ref, volume=postgres.server.data)
    assert (probe.state, probe.diagnosis, probe.volume) == ("reachable", "available", "present")
    assert probe.identity is not None
    assert probe.identity.system_identifier.isdigit()
    assert probe.identity.directory_inode == os.stat(postgres.server.data).st_ino


@pytest.mark.parametrize(
    ("change", "state", "said"),
    [
        ({"dbname": "absent"}, "denied", "does not exist"),
        ({"user": "nobody_here"}, "denied", "does not exist"),
        ({"host": "/no/such/folder"}, "unreachable", "No such file"),
        ({"host": "127.0.0.1", "port": 9}, "unreachable", "refused"),
        ({"host": "no-such-host.invalid"}, "unreachable", "translate host name|resolve host"),
    ],
)
def test_probe_of_what_does_not_answer(
    postgres: Postgres, reader: PostgresReader, change: dict[str, object], state: str, said: str
) -> None:
    ref = DatabaseRef.model_validate(postgres.ref.model_dump() | change)
    probe = reader.probe(ref)
    assert probe.state == state
    assert probe.diagnosis == "unknown"
    assert probe.identity is None
    assert re.search(said, probe.reason), probe.reason
    with pytest.raises(CouldNotVerify) as caught:
        drain(reader.count(ref))
    assert caught.value.next


@pytest.mark.parametrize(("made", "diagnosis"), [(True, "outage"), (False, "loss")])
def test_a_silent_server_is_a_loss_only_where_its_volume_is_gone(
    tmp_path: Path, reader: PostgresReader, made: bool, diagnosis: str
) -> None:
    volume = tmp_path / "data"
    if made:
        volume.mkdir()
        (volume / "PG_VERSION").write_text("18\n")
    probe = reader.probe(DatabaseRef(host=str(tmp_path), user="x"), volume=volume)
    assert probe.diagnosis == diagnosis


def test_a_folder_without_a_cluster_is_neither(tmp_path: Path, reader: PostgresReader) -> None:
    """An empty mount point may be a volume that is only not mounted."""
    probe = reader.probe(DatabaseRef(host=str(tmp_path), user="x"), volume=tmp_path)
    assert probe.diagnosis in ("loss", "unknown")
    assert probe.volume in ("missing", "unknown")


def test_a_broken_dsn_never_shows_its_password() -> None:
    reader = PostgresReader({"DSN": "postgres://u:marker@[broken"}, CancelToken())
    with pytest.raises(UsageError) as caught:
        reader.query(DatabaseRef(dsn="env:DSN"), "SELECT 1", {}, limit=1, timeout=SECOND)
    assert "marker" not in caught.value.explain()
    assert caught.value.__cause__ is None


def test_services_and_password_files_are_libpqs_own(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = tmp_path / "services.conf"
    services.write_text(
        f"[rental]\nhost={postgres.server.socket}\ndbname=rental\nuser=reader\n", encoding="utf-8"
    )
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    reader = PostgresReader(os.environ, CancelToken())
    assert reader.probe(DatabaseRef(service="rental")).state == "reachable"
    absent = reader.probe(DatabaseRef(service="absent"))
    assert absent.state == "unknown"
    assert "absent" in absent.reason
