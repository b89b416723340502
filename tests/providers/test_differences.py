"""Where two tables differ: stretches in a capture, and two living databases bisected."""

import os
import re
from collections.abc import Iterator

import psycopg
import pytest
from support.pg import Postgres, drain, signals_of, text_of

from drbook.core.difference import LEAF, Difference, TableDifference, Wish
from drbook.core.errors import Cancelled
from drbook.core.ranges import apart, in_words
from drbook.core.signals import Progress
from drbook.core.targets import DatabaseRef
from drbook.providers import pgdiffer
from drbook.providers.cancel import CancelToken
from drbook.providers.postgres import PostgresReader

SCHEMA = r"""
CREATE TABLE orders (id bigint PRIMARY KEY, total numeric, note text, created_at timestamptz);
INSERT INTO orders SELECT n, n, 'order ' || n, '2026-01-01Z'::timestamptz + n * interval '10 min'
  FROM generate_series(-20000, 20000) n;
CREATE TABLE lines ("order" int, line text, amount int, PRIMARY KEY ("order", line));
INSERT INTO lines SELECT n / 3, 'l' || n, n FROM generate_series(1, 9000) n;
CREATE TABLE log (word text, at timestamp);
INSERT INTO log SELECT 'w' || n % 500, '2026-03-01' FROM generate_series(1, 5000) n;
CREATE TABLE visits (who int, created_at timestamptz);
INSERT INTO visits SELECT n, '2026-01-01Z'::timestamptz + n * interval '1 hour'
  FROM generate_series(1, 4000) n;
INSERT INTO visits VALUES (0, 'infinity'), (-1, NULL);
CREATE TABLE extremes (id bigint PRIMARY KEY, pad text);
INSERT INTO extremes VALUES (-9223372036854775808, 'low'), (9223372036854775807, 'high'), (0, 'mid');
INSERT INTO extremes SELECT n, repeat('x', 100) FROM generate_series(1, 2000) n;
CREATE TABLE empty (id int PRIMARY KEY);
ALTER TABLE extremes ADD COLUMN gone int DEFAULT 7, ADD COLUMN "T.x" text DEFAULT 'y';
ALTER TABLE extremes DROP COLUMN gone;
CREATE TABLE nothing ();
INSERT INTO nothing DEFAULT VALUES;
CREATE TABLE tenants (tenant int, code text, PRIMARY KEY (tenant, code));
INSERT INTO tenants SELECT n % 40, 'c' || n FROM generate_series(1, 3000) n;
ANALYZE;
"""


@pytest.fixture(scope="module")
def pair(postgres: Postgres) -> Iterator[tuple[DatabaseRef, DatabaseRef]]:
    """Twice the same; each test damages the right one and mends nothing but by a rollback of its own."""
    names = ("differ_left", "differ_right")
    with postgres.connect("postgres") as connection:
        for name in names:
            connection.execute(f"CREATE DATABASE {name}")
    for name in names:
        with postgres.connect(name) as connection:
            connection.execute(SCHEMA)
    left, right = (postgres.ref.model_copy(update={"dbname": name}) for name in names)
    yield left, right
    with postgres.connect("postgres") as connection:
        for name in names:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def damaged(postgres: Postgres, statements: str) -> None:
    with postgres.connect("differ_right") as connection:
        connection.execute(statements)


@pytest.fixture
def restored(postgres: Postgres) -> Iterator[None]:
    yield
    with postgres.connect("differ_right") as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public; " + SCHEMA)


def compared(
    reader: PostgresReader, pair: tuple[DatabaseRef, DatabaseRef], **wish: object
) -> dict[str, TableDifference]:
    found: Difference = drain(reader.differences(*pair, Wish.model_validate(wish)))
    return {one.table: one for one in found.tables}


def test_twice_the_same_is_equal_and_no_row_is_read(
    reader: PostgresReader, pair: tuple[DatabaseRef, DatabaseRef]
) -> None:
    found = compared(reader, pair)
    assert {name: one.in_words() for name, one in found.items() if not one.equal} == {}
    assert {one.rows_read for one in found.values()} == {0}
    assert found["public.orders"].left == found["public.orders"].right == 40001
    assert found["public.empty"].left == 0


@pytest.mark.usefixtures("restored")
def test_one_changed_row_is_found_by_reading_few(
    postgres: Postgres, reader: PostgresReader, pair: tuple[DatabaseRef, DatabaseRef]
) -> None:
    damaged(postgres, "UPDATE orders SET total = 1 WHERE id = 17000")
    found = compared(reader, pair, show={"public.orders": ["total", "note"]})["public.orders"]
    assert (found.missing, found.extra, found.changed) == (0, 0, 1)
    assert found.rows_read <= 2 * LEAF
    (row,) = found.sample
    assert (row.key, row.change) == ({"id": "17000"}, "changed")
    assert (row.left, row.right) == (
        {"total": "17000", "note": "order 17000"},
        {"total": "1", "note": "order 17000"},
    )
    assert len(found.where) == 1
    assert "other content in as many rows" in found.where[0]


@pytest.mark.usefixtures("restored")
def test_missing_extra_and_changed_are_told_apart_exactly(
    postgres: Postgres, reader: PostgresReader, pair: tuple[DatabaseRef, DatabaseRef]
) -> None:
    damaged(
        postgres,
        "DELETE FROM orders WHERE id BETWEEN 5001 AND 12345;"
        "DELETE FROM orders WHERE id = -7;"
        "INSERT INTO orders VALUES (20001, 1, 'new', now()), (20002, 2, 'new', now());"
        "UPDATE orders SET note = 'x' WHERE id IN (-20000, 0, 20000);"
        "DELETE FROM lines WHERE amount = 4; UPDATE lines SET amount = 0 WHERE amount = 5;"
        "INSERT INTO lines VALUES (1, 'new', 1);"
        "DELETE FROM log WHERE ctid IN (SELECT ctid FROM log WHERE word = 'w7' LIMIT 2);"
        "INSERT INTO log VALUES ('w8', '2026-03-01'), ('w8', '2026-03-01'), ('new', NULL);"
        "DELETE FROM extremes WHERE id < 0; UPDATE extremes SET pad = '' WHERE id > 1000000;"
        "INSERT INTO empty VALUES (1)",
    )
    found = compared(reader, pair, sample=3)
    said = {name: one.in_words() for name, one in found.items() if not one.equal}
    assert said == {
        "public.orders": "public.orders: 7,346 rows missing, 2 rows extra, 3 rows changed",
        "public.lines": "public.lines: 1 row missing, 1 row extra, 1 row changed",
        "public.log": "public.log: 2 rows missing, 3 rows extra",
        "public.extremes": "public.extremes: 1 row missing, 1 row changed",
        "public.empty": "public.empty: 1 row extra",
    }
    # Whole stretches that are gone are counted and not read: of the 7,346 only what lies beside others.
    assert found["public.orders"].rows_read < 12_000
    assert {tuple(row.key) for row in found["public.lines"].sample} == {("order", "line")}
    assert len(found["public.orders"].sample) == 3
    assert (
        found["public.orders"].sample[0].left == {}
    )  # no values but where the runbook allows them
    assert found["public.log"].sample == ()


@pytest.mark.usefixtures("restored")
def test_what_cannot_be_compared_says_why_and_the_others_go_on(
    postgres: Postgres, reader: PostgresReader, pair: tuple[DatabaseRef, DatabaseRef]
) -> None:
    damaged(
        postgres,
        "ALTER TABLE lines ADD COLUMN more int; DROP TABLE log;"
        "ALTER TABLE visits ADD PRIMARY KEY (who);",
    )
    found = compared(reader, pair, show={"public.tenants": ["no such"]})
    assert found["public.lines"].why_unknown == "its columns are not the same: more integer"
    assert found["public.log"].why_unknown == "production has no such table"
    assert found["public.visits"].why_unknown == "its primary keys are () and (who)"
    assert not found["public.lines"].equal
    assert found["public.orders"].equal
    only = compared(reader, pair, tables=["public.orders", "public.nowhere"])
    assert list(only) == ["public.nowhere", "public.orders"]
    assert only["public.nowhere"].why_unknown == "the restored database has no such table"


@pytest.mark.usefixtures("restored")
def test_a_column_that_is_not_there_leaves_its_table_unknown(
    postgres: Postgres, reader: PostgresReader, pair: tuple[DatabaseRef, DatabaseRef]
) -> None:
    damaged(postgres, "DELETE FROM tenants WHERE tenant = 3; DELETE FROM orders WHERE id = 1")
    found = compared(reader, pair, show={"public.tenants": ["no such"]})
    assert "does not exist" in found["public.tenants"].why_unknown
    assert found["public.orders"].missing == 1


@pytest.mark.usefixtures("restored")
def test_rows_beyond_the_bound_are_a_lower_bound(
    postgres: Postgres,
    reader: PostgresReader,
    pair: tuple[DatabaseRef, DatabaseRef],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    damaged(postgres, "UPDATE orders SET note = 'x'; UPDATE log SET word = 'x'")
    monkeypatch.setattr(pgdiffer, "MOST_ROWS", 3000)
    found = compared(reader, pair)
    assert found["public.orders"].at_least
    assert 1000 < found["public.orders"].changed < 40001
    assert found["public.orders"].in_words().startswith("public.orders: at least ")
    assert found["public.log"].at_least
    assert not found["public.log"].equal


def test_it_stops_when_it_is_asked_to(pair: tuple[DatabaseRef, DatabaseRef]) -> None:
    cancel = CancelToken()
    cancel.request("operator")
    with pytest.raises(Cancelled):
        drain(PostgresReader(os.environ, cancel).differences(*pair, Wish()))


def test_progress_names_each_table(
    reader: PostgresReader, pair: tuple[DatabaseRef, DatabaseRef]
) -> None:
    _, said = signals_of(reader.differences(*pair, Wish(tables=("public.orders", "public.log"))))
    assert [one.now for one in said if isinstance(one, Progress)] == [
        "public.log",
        "public.orders",
    ]


# --- stretches of a capture ------------------------------------------------------------------


def test_a_capture_holds_its_stretches_and_the_same_figures(
    reader: PostgresReader, pair: tuple[DatabaseRef, DatabaseRef]
) -> None:
    counts = drain(reader.count(pair[0], content=True, ranges=True)).by_name()
    plain = drain(reader.count(pair[0], content=True)).by_name()
    assert {name: one.model_copy(update={"ranges": None}) for name, one in counts.items()} == plain
    kinds = {
        name: (one.ranges.column, one.ranges.kind)
        for name, one in counts.items()
        if one.ranges is not None
    }
    assert kinds == {
        "public.orders": ("id", "integer"),
        "public.extremes": ("id", "integer"),
        "public.lines": ("order", "integer"),
        "public.visits": ("created_at", "days"),
        "public.tenants": ("tenant", "integer"),
    }
    for one in counts.values():
        if one.ranges is not None:
            assert one.content is not None
            assert 1 <= len(one.ranges.parts) <= 66
            assert sum(part.rows for part in one.ranges.parts) == one.rows
            total = sum(int(part.content) for part in one.ranges.parts)
            assert one.content.endswith(f":{total}")
    assert None in {part.at for part in counts["public.visits"].ranges.parts}  # type: ignore[union-attr]


def test_stretches_cost_a_table_one_question_more_and_its_server_no_disk(
    postgres: Postgres,
    reader: PostgresReader,
    pair: tuple[DatabaseRef, DatabaseRef],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A planner that guesses a group for each key sorts the whole table in temporary files."""
    asked: list[str] = []
    execute = psycopg.Connection.execute

    def noting(self, query, *more, **named):  # type: ignore[no-untyped-def]
        text = text_of(query, self)
        if '"orders"' in text:
            asked.append(text)
            plan = execute(self, ("EXPLAIN " + text.split(";")[0]).encode(), *more, **named)
            plans.append("\n".join(row[0] for row in plan))
        return execute(self, query, *more, **named)

    plans: list[str] = []
    with postgres.connect("postgres") as connection:
        connection.execute("ALTER DATABASE differ_left SET work_mem = '64kB'")
    monkeypatch.setattr(psycopg.Connection, "execute", noting)
    counts = drain(reader.count(pair[0], content=True, ranges=True)).by_name()
    assert counts["public.orders"].ranges is not None
    assert len(asked) == 2
    assert "HashAggregate" in plans[1]
    assert not re.search(r"Sort.*\n.*Seq Scan", plans[1])


@pytest.mark.usefixtures("restored")
def test_a_restored_table_is_counted_in_the_stretches_of_another(
    postgres: Postgres, reader: PostgresReader, pair: tuple[DatabaseRef, DatabaseRef]
) -> None:
    held = drain(reader.count(pair[0], content=True, ranges=True)).by_name()
    wanted = {name: one.ranges for name, one in held.items() if one.ranges is not None}
    damaged(
        postgres,
        "DELETE FROM orders WHERE id > 19900; UPDATE orders SET note = '' WHERE id = -20000;"
        "DELETE FROM visits WHERE created_at < '2026-01-03Z'; DROP TABLE tenants;"
        'ALTER TABLE lines RENAME COLUMN "order" TO ordered',
    )
    found = drain(reader.stretches(pair[1], wanted))
    assert set(found) == {"public.orders", "public.visits", "public.extremes"}
    said = {
        name: in_words(wanted[name], apart(wanted[name], found[name])) for name in sorted(found)
    }
    assert said["public.extremes"] == ()
    assert len(said["public.orders"]) == 2
    assert "100 rows fewer, of 2026-05-1" in said["public.orders"][1]
    assert said["public.visits"] == ("created_at 2025-12-30 to 2026-01-02: 47 rows fewer",)


def test_a_login_without_rights_leaves_the_table_out(
    postgres: Postgres, reader: PostgresReader, pair: tuple[DatabaseRef, DatabaseRef]
) -> None:
    held = drain(reader.count(pair[0], content=True, ranges=True)).by_name()
    ranges = held["public.orders"].ranges
    assert ranges is not None
    with postgres.connect("postgres") as connection:
        connection.execute("CREATE ROLE nothing_at_all LOGIN")
    try:
        poor = pair[0].model_copy(update={"user": "nothing_at_all"})
        assert drain(reader.stretches(poor, {"public.orders": ranges})) == {}
    finally:
        with postgres.connect("postgres") as connection:
            connection.execute("DROP ROLE nothing_at_all")


KEYS = r"""
CREATE TABLE num (k numeric PRIMARY KEY, v text); INSERT INTO num VALUES (1.0, 'a'), (2.0, 'b');
CREATE TABLE flt (k float8 PRIMARY KEY, v text); INSERT INTO flt VALUES (0.0, 'a'), (2.0, 'b');
CREATE MATERIALIZED VIEW mv AS SELECT 1 AS x;
SELECT lo_from_bytea(77, 'abc'), lo_from_bytea(78, 'abc'), lo_from_bytea(79, 'abc');
"""
OTHER_KEYS = """
UPDATE num SET k = 1.00, v = 'other' WHERE k = 1; UPDATE flt SET k = '-0', v = 'other' WHERE k = 0;
REFRESH MATERIALIZED VIEW mv WITH NO DATA;
SELECT lo_put(77, 0, 'xyz'), lo_unlink(78), lo_create(80);
"""


@pytest.mark.usefixtures("restored")
def test_two_spellings_of_a_key_are_one_and_large_objects_are_compared(
    reader: PostgresReader, pair: tuple[DatabaseRef, DatabaseRef], postgres: Postgres
) -> None:
    with postgres.connect("differ_left") as connection:
        connection.execute(KEYS)
    try:
        damaged(postgres, KEYS)
        damaged(postgres, OTHER_KEYS)
        names = ("public.num", "public.flt", "public.mv", "large objects", "public.no")
        found = compared(reader, pair, tables=names)
        for name in ("public.num", "public.flt"):
            assert (found[name].missing, found[name].extra, found[name].changed) == (0, 0, 1)
        assert found["public.mv"].why_unknown.startswith("production: It is not populated")
        assert found["public.no"].why_unknown == "the restored database has no such table"
        objects = found["large objects"]
        assert (objects.missing, objects.extra, objects.changed) == (1, 1, 1)
        assert [(each.key["oid"], each.change) for each in objects.sample] == [
            ("77", "changed"),
            ("78", "missing"),
            ("80", "extra"),
        ]
    finally:
        with postgres.connect("differ_left") as connection:
            connection.execute(
                "DROP TABLE num, flt; DROP MATERIALIZED VIEW mv;"
                " SELECT lo_unlink(77), lo_unlink(78), lo_unlink(79)"
            )
        damaged(postgres, "SELECT lo_unlink(oid) FROM pg_largeobject_metadata")
