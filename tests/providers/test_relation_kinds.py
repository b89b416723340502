"""Every kind of relation does the right thing and says so; and how each kind of row is hashed."""

from collections.abc import Iterator

import psycopg
import pytest
from support.pg import Postgres, drain

from drbook.core.baseline import TableCount, TableCounts
from drbook.core.capture import COVERED
from drbook.core.targets import DatabaseRef
from drbook.providers.pghashes import Type, reached
from drbook.providers.pgrelation import Relation, why_aside
from drbook.providers.postgres import PostgresReader

SCHEMA = r"""
CREATE ROLE few LOGIN; GRANT CONNECT ON DATABASE kinds TO few;
CREATE TABLE plain (id int, at timestamptz);
INSERT INTO plain VALUES (1, now()), (2, 'infinity');
CREATE UNLOGGED TABLE fleeting (id int); INSERT INTO fleeting VALUES (1), (2);
CREATE TABLE animals (id int); CREATE TABLE cats () INHERITS (animals);
INSERT INTO animals VALUES (1); INSERT INTO cats VALUES (2), (3);
CREATE TABLE logs (day date, "a b" text) PARTITION BY RANGE (day);
CREATE TABLE logs_2026 PARTITION OF logs FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')
  PARTITION BY RANGE (day);
CREATE TABLE logs_2026h1 PARTITION OF logs_2026 FOR VALUES FROM ('2026-01-01') TO ('2026-07-01');
CREATE UNLOGGED TABLE logs_2025 PARTITION OF logs FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
INSERT INTO logs VALUES ('2026-02-01', 'x'), ('2025-02-01', 'y'), ('2025-03-01', 'z');
CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER far FOREIGN DATA WRAPPER nowhere;
CREATE FOREIGN TABLE abroad (id int) SERVER far;
CREATE TABLE split (id int, gone int, word text) PARTITION BY LIST (id);
CREATE TABLE split_here (word text, id int, gone int);
ALTER TABLE split ATTACH PARTITION split_here FOR VALUES IN (1);
CREATE FOREIGN TABLE split_far PARTITION OF split FOR VALUES IN (2) SERVER far;
INSERT INTO split VALUES (1, 5, 'one'), (1, 5, 'uno');
ALTER TABLE split DROP COLUMN gone;
CREATE MATERIALIZED VIEW summary AS SELECT id FROM plain;
CREATE MATERIALIZED VIEW later AS SELECT id FROM plain WITH NO DATA;
CREATE VIEW looked AS SELECT 1;
CREATE TABLE nothing_in_it ();
CREATE TABLE hidden (id int); ALTER TABLE hidden ENABLE ROW LEVEL SECURITY;
INSERT INTO hidden VALUES (1);
CREATE SCHEMA "a.b"; CREATE SCHEMA a;
CREATE TABLE "a.b".c (id int); CREATE TABLE a."b.c" (id int); INSERT INTO a."b.c" VALUES (1);
CREATE TABLE "quo""ted % %s {x}" (id int); INSERT INTO "quo""ted % %s {x}" VALUES (1);
GRANT SELECT ON plain, hidden TO few;
SELECT lo_from_bytea(0, 'one'), lo_from_bytea(4242, repeat('x', 5000)::bytea);
CREATE TABLE unreadable_by_few (id int); ALTER TABLE plain OWNER TO postgres;
"""

TYPES = r"""
CREATE TYPE colour AS ENUM ('red', 'blue'); CREATE TYPE pair AS (a int, c colour);
CREATE TYPE plain_pair AS (a int, b text);
CREATE DOMAIN name_of AS text; CREATE DOMAIN tint AS colour;
CREATE TYPE span AS RANGE (subtype = numeric);
CREATE COLLATION lax FROM "C";
CREATE TABLE r_ints (a int, b bigint, c smallint, d text, e varchar(9), f char(9), g name, h uuid);
CREATE TABLE r_more (a numeric, b float8, c timestamptz, d date, e time, f bytea, g inet);
CREATE TABLE r_made (c name_of, d plain_pair, e span, f int4range, g bool);
CREATE TABLE t_ints (a int[]); CREATE TABLE t_texts (a text[][]); CREATE TABLE t_jsonb (a jsonb);
CREATE TABLE t_json (a json); CREATE TABLE t_xml (a xml); CREATE TABLE t_point (a point);
CREATE TABLE t_enum (a colour); CREATE TABLE t_enums (a colour[]); CREATE TABLE t_pair (a pair);
CREATE TABLE t_tint (a tint); CREATE TABLE t_class (a regclass); CREATE TABLE t_acl (a aclitem[]);
CREATE TABLE t_multi (a int4multirange); CREATE TABLE t_interval (a interval);
CREATE TABLE t_money (a money); CREATE TABLE t_lax (a text COLLATE lax);
CREATE TABLE t_tsv (a tsvector); CREATE TABLE t_bit (a bit(3), b json);
CREATE TABLE c_char (a "char", b json);
CREATE EXTENSION citext; CREATE TABLE t_citext (a citext);
INSERT INTO t_citext VALUES ('Miller');
INSERT INTO t_ints VALUES ('{1,2,3,4}'); INSERT INTO t_jsonb VALUES ('{"a": {"b": 1, "c": 2}}');
CREATE TABLE t_label (a int, b json);
CREATE FUNCTION label(t_label) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT ($1).a::text$$;
CREATE CAST (t_label AS text) WITH FUNCTION label(t_label);
INSERT INTO t_label VALUES (1, '[]');
CREATE TABLE r_swaps (id int PRIMARY KEY, who text, paid numeric);
INSERT INTO r_swaps SELECT n, 'customer ' || n, n * 1.5 FROM generate_series(1, 400) n;
INSERT INTO t_interval VALUES ('1 month'); INSERT INTO t_money VALUES (12345.67);
"""


@pytest.fixture(scope="module")
def kinds(postgres: Postgres) -> Iterator[Postgres]:
    with postgres.connect("postgres") as connection:
        connection.execute("CREATE DATABASE kinds")
        connection.execute("CREATE DATABASE types")
    with postgres.connect("kinds") as connection:
        connection.execute(SCHEMA.encode())
    with postgres.connect("types") as connection:
        connection.execute(TYPES.encode())
        # This build has no ICU; how a collation compares is a mark in the catalogue.
        connection.execute("SET allow_system_table_mods = on")
        connection.execute(
            "UPDATE pg_collation SET collisdeterministic = false WHERE collname = 'lax'"
        )
    yield postgres
    with postgres.connect("postgres") as connection:
        connection.execute("DROP DATABASE kinds WITH (FORCE)")
        connection.execute("DROP DATABASE types WITH (FORCE)")
        connection.execute("DROP ROLE few")


def ref(postgres: Postgres, dbname: str, user: str = "postgres") -> DatabaseRef:
    return postgres.ref.model_copy(update={"dbname": dbname, "user": user})


@pytest.fixture
def counts(kinds: Postgres, reader: PostgresReader) -> TableCounts:
    return drain(reader.count(ref(kinds, "kinds"), content=True))


def of(counts: TableCounts, name: str) -> TableCount:
    return counts.by_name()[name]


def test_everything_that_is_there_is_counted_or_said(counts: TableCounts) -> None:
    assert {row.table: (row.rows, row.kind) for row in counts.tables} == {
        "public.plain": (2, "table"),
        "public.fleeting": (2, "unlogged table"),
        "public.animals": (1, "table"),
        "public.cats": (2, "table"),
        "public.logs": (3, "partitioned table"),
        "public.split": (2, "partitioned table"),
        "public.summary": (2, "materialized view"),
        "public.nothing_in_it": (0, "table"),
        "public.hidden": (1, "table"),
        "public.unreadable_by_few": (0, "table"),
        '"a.b"."c"': (0, "table"),
        '"a"."b.c"': (1, "table"),
        'public.quo"ted % %s {x}': (1, "table"),
        "large objects": (2, "large objects"),
    }
    assert {each.name: each.kind for each in counts.aside} == {
        "public.abroad": "foreign table",
        "public.split_far": "foreign table",
        "public.later": "materialized view",
    }
    assert counts.covers == COVERED
    assert all(row.content for row in counts.tables)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("public.plain", ""),
        ("public.cats", ""),
        ("public.fleeting", "a physical copy or a standby does not hold its rows"),
        ("public.animals", "counted by themselves"),
        ("public.logs", "2 partitions, counted through it. 1 of them are unlogged"),
        ("public.split", "2 partitions, counted through it. 1 of them are foreign"),
        ("public.summary", "a restore from a dump computes them again"),
    ],
)
def test_what_is_odd_is_said(counts: TableCounts, name: str, said: str) -> None:
    note = of(counts, name).note
    assert said in note if said else note == ""


def test_what_is_left_aside_has_a_reason(counts: TableCounts) -> None:
    why = {each.name: each.why for each in counts.aside}
    assert "another server" in why["public.abroad"]
    assert "until it is refreshed" in why["public.later"]


def test_infinity_says_nothing_about_freshness(counts: TableCounts) -> None:
    assert of(counts, "public.plain").newest is None


def test_a_login_that_may_read_little_knows_what_it_does_not_know(
    kinds: Postgres, reader: PostgresReader
) -> None:
    found = drain(reader.count(ref(kinds, "kinds", "few"), content=True))
    assert of(found, "public.plain").rows == 2
    hidden = of(found, "public.hidden")
    assert hidden.rows is None
    assert "row-level security" in hidden.why_unknown
    assert "BYPASSRLS" in hidden.why_unknown
    assert "permission denied" in of(found, "public.unreadable_by_few").why_unknown
    objects = of(found, "large objects")
    assert objects.rows is None
    assert objects.why_unknown.startswith("2 are there, but this login may not read them")
    # Their number alone is no secret.
    assert of(drain(reader.count(ref(kinds, "kinds", "few"))), "large objects").rows == 2


@pytest.mark.parametrize(
    ("change", "back", "name"),
    [
        ("SELECT lo_put(4242, 4000, 'y')", "SELECT lo_put(4242, 4000, 'x')", "large objects"),
        ("UPDATE split_here SET word = 'eins' WHERE word = 'uno'",
         "UPDATE split_here SET word = 'uno' WHERE word = 'eins'", "public.split"),
        ("UPDATE logs SET \"a b\" = 'q' WHERE \"a b\" = 'y'",
         "UPDATE logs SET \"a b\" = 'y' WHERE \"a b\" = 'q'", "public.logs"),
    ],
)  # fmt: skip
def test_one_changed_value_is_seen(
    kinds: Postgres, reader: PostgresReader, counts: TableCounts, change: str, back: str, name: str
) -> None:
    before = {row.table: row.content for row in counts.tables}
    with kinds.connect("kinds") as connection:
        connection.execute(change.encode())
        try:
            after = drain(reader.count(ref(kinds, "kinds"), content=True))
        finally:
            connection.execute(back.encode())
    assert {row.table for row in after.tables if before[row.table] != row.content} == {name}
    again = drain(reader.count(ref(kinds, "kinds"), content=True))
    assert {row.table: row.content for row in again.tables} == before


def test_large_objects_are_equal_in_whatever_pages_they_lie(
    kinds: Postgres, reader: PostgresReader, counts: TableCounts
) -> None:
    before = of(counts, "large objects").content
    with kinds.connect("kinds") as connection:
        connection.execute("SELECT lo_unlink(4242); SELECT lo_create(4242)")
        for at in range(0, 5000, 500):
            connection.execute(f"SELECT lo_put(4242, {at}, repeat('x', 500)::bytea)".encode())
    assert of(drain(reader.count(ref(kinds, "kinds"), content=True)), "large objects").content == (
        before
    )


def test_a_login_that_may_read_all_data_reads_large_objects_by_their_pages(
    kinds: Postgres, reader: PostgresReader
) -> None:
    """One of them has a hole, and one is empty."""
    with kinds.connect("kinds") as connection:
        connection.execute("SELECT lo_create(4243), lo_create(4244)")
        connection.execute("SELECT lo_put(4243, 9000, 'behind a hole'), lo_put(4243, 10, 'x')")
        try:
            as_owner = drain(reader.count(ref(kinds, "kinds"), content=True))
            as_reader = drain(reader.count(ref(kinds, "kinds", "reader"), content=True))
        finally:
            connection.execute("SELECT lo_unlink(4243), lo_unlink(4244)")
    assert of(as_owner, "large objects").rows == 4
    assert of(as_owner, "large objects") == of(as_reader, "large objects")


# --- names that are no text --------------------------------------------------------------------

NO_TEXT = r"""
CREATE FUNCTION run(text) RETURNS void LANGUAGE plpgsql AS
  $$ BEGIN EXECUTE replace($1, '?', convert_from('\x636166e9', 'SQL_ASCII')); END $$;
SELECT run('CREATE TABLE "?" (id serial)'), run('CREATE SCHEMA "?"'), run('CREATE TABLE "?"."grün" (id int)'),
  run('CREATE TABLE partly (id int PRIMARY KEY, "?" text)'), run('CREATE TYPE "of ?" AS (a int)'),
  run('CREATE TABLE keyed ("?" int PRIMARY KEY, g int GENERATED ALWAYS AS (5) STORED)'),
  run('CREATE TABLE typed (a "of ?")'), run('CREATE TABLE "\?" (id int)');
INSERT INTO partly SELECT n FROM generate_series(1, 2000) n; INSERT INTO typed VALUES (ROW(1));
CREATE TABLE "grün" (id int); INSERT INTO "grün" VALUES (1), (2), (3); ANALYZE;
"""


@pytest.fixture
def ascii_only(kinds: Postgres) -> Iterator[DatabaseRef]:
    """A database without an encoding takes any bytes for a name, and hands them out only as bytes."""
    with kinds.connect("postgres") as connection:
        connection.execute(
            "CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc LOCALE 'C'"
        )
        try:
            with kinds.connect("ascii") as inside:
                inside.execute(NO_TEXT.encode())
            yield ref(kinds, "ascii")
        finally:
            connection.execute("DROP DATABASE ascii WITH (FORCE)")


def test_a_name_that_is_no_text_takes_no_other_with_it(
    ascii_only: DatabaseRef, reader: PostgresReader
) -> None:
    found = drain(reader.count(ascii_only, content=True, ranges=True, structure="sound"))
    rows = {row.table: row for row in found.tables}
    unnamed = {"public.caf\\xe9", "caf\\xe9.grün", "public.\\caf\\xe9"}
    assert set(rows) == unnamed | {
        "public.partly", "public.keyed", "public.typed", "public.grün",
    }  # fmt: skip
    for name in unnamed:
        assert (rows[name].rows, rows[name].content) == (None, None)
        assert "not UTF-8" in rows[name].why_unknown
    assert (rows["public.partly"].rows, rows["public.partly"].content) == (2000, None)
    assert "not hashed" in rows["public.partly"].note
    assert (rows["public.keyed"].rows, rows["public.keyed"].content) == (0, None)
    assert rows["public.keyed"].generated == ("g",)
    for name, number in (("public.grün", 3), ("public.typed", 1)):
        assert rows[name].rows == number
        assert "SQL_ASCII" in (rows[name].content or "")
    assert found.structure is not None
    assert {"table", "column", "sequence"} <= found.structure.unread.keys()
    assert "constraint" in found.structure.unread
    alone = {row.table: row for row in drain(reader.count(ascii_only)).tables}
    assert {name: row.rows for name, row in alone.items()} == {
        name: row.rows for name, row in rows.items()
    }


# --- how rows are hashed -----------------------------------------------------------------------


def test_every_type_is_hashed_by_the_method_that_a_restore_keeps(
    kinds: Postgres, reader: PostgresReader
) -> None:
    found = drain(reader.count(ref(kinds, "types"), content=True))
    methods = {row.table.removeprefix("public."): (row.content or "?").split(":")[0] for row in found.tables}  # fmt: skip
    by_first = {
        "r": "hash_record_extended/2",
        "t": "hashtextextended/2",
        "c": "hashtextextended/2+char",
    }
    assert methods == {name: by_first[name[0]] for name in methods}
    assert len(methods) == 25


@pytest.mark.parametrize(
    ("table", "one", "other"),
    [
        ("t_interval.a", "1 month", "30 days"),
        ("t_citext.a", "Miller", "MILLER"),
        ("t_ints.a", "{1,2,3,4}", "{{1,2},{3,4}}"),
        ("t_ints.a", "{1,2,3,4}", "[7:10]={1,2,3,4}"),
        ("t_jsonb.a", '{"a": {"b": 1, "c": 2}}', '{"a": {"b": 1}, "c": 2}'),
        ("t_label.b", "[]", "[1]"),
    ],
)
def test_values_that_the_server_s_functions_take_for_equal_are_told_apart(
    kinds: Postgres, reader: PostgresReader, table: str, one: str, other: str
) -> None:
    table, column = table.split(".")

    def content() -> str | None:
        return of(drain(reader.count(ref(kinds, "types"), content=True)), f"public.{table}").content

    before = content()
    with kinds.connect("types") as connection:
        connection.execute(f"UPDATE {table} SET {column} = '{other}'".encode())
        try:
            assert content() != before
        finally:
            connection.execute(f"UPDATE {table} SET {column} = '{one}'".encode())


COMPUTED = """
CREATE SCHEMA made; SET search_path = made;
CREATE FUNCTION taxed(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
CREATE TABLE small (id int PRIMARY KEY, net int, "gr oss" int GENERATED ALWAYS AS (made.taxed(net)) STORED);
CREATE TABLE large (LIKE small INCLUDING ALL);
CREATE TABLE parted (id int, net int, gross int GENERATED ALWAYS AS (made.taxed(net)) STORED) PARTITION BY LIST (id);
CREATE TABLE part PARTITION OF parted FOR VALUES IN (1);
CREATE TABLE alone (gross int GENERATED ALWAYS AS (made.taxed(5)) STORED);
CREATE TABLE nothing (LIKE small INCLUDING ALL);
CREATE TABLE plain (id int PRIMARY KEY, net int);
INSERT INTO small SELECT n, n FROM generate_series(1, 5) n;
INSERT INTO large SELECT n, n FROM generate_series(1, 20000) n;
INSERT INTO parted VALUES (1, 5); INSERT INTO alone DEFAULT VALUES; INSERT INTO plain VALUES (1, 1);
ANALYZE;
"""
COMPUTE_ANEW = """
CREATE OR REPLACE FUNCTION made.taxed(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 3';
UPDATE made.small SET net = net; UPDATE made.large SET net = net; UPDATE made.parted SET net = net;
DELETE FROM made.alone; INSERT INTO made.alone DEFAULT VALUES;
"""


def test_what_the_server_computes_is_told_from_what_it_was_given(
    kinds: Postgres, reader: PostgresReader
) -> None:
    """In each way of counting: several tables in one message, in stretches, and one by one."""

    def counted() -> dict[str, TableCount]:
        found = reader.count(
            ref(kinds, "types"), content=True, ranges=True, ignore_schemas=["public"]
        )
        return {row.table.removeprefix("made."): row for row in drain(found).tables}

    with kinds.connect("types") as connection:
        connection.execute(COMPUTED.encode())
        try:
            before = counted()
            connection.execute(COMPUTE_ANEW.encode())
            anew = counted()
            connection.execute(
                "UPDATE made.small SET net = 9 WHERE id = 1; UPDATE made.parted SET net = 9;"
                "UPDATE made.large SET net = 9 WHERE id = 1"
            )
            other = counted()
        finally:
            connection.execute("SET client_min_messages = warning; DROP SCHEMA made CASCADE")
    computed = {"small", "large", "parted"}
    assert {name: row.generated for name, row in before.items()} == {
        "small": ("gr oss",), "large": ("gr oss",), "parted": ("gross",), "alone": ("gross",),
        "nothing": ("gr oss",), "plain": (),
    }  # fmt: skip
    assert {name for name, row in before.items() if row.content_given} == {*computed, "nothing"}
    assert {name for name in before if before[name].content != anew[name].content} == {
        *computed, "alone",
    }  # fmt: skip
    assert {name for name in before if before[name].content_given != anew[name].content_given} == set()  # fmt: skip
    assert {name for name in anew if anew[name].content_given != other[name].content_given} == computed  # fmt: skip
    assert before["large"].ranges is not None
    assert before["small"].content_given.split(":")[0] == "hash_record_extended/2"  # type: ignore[union-attr]


SWAP = """
UPDATE r_swaps t SET who = o.who, paid = o.paid FROM r_swaps o
 WHERE (t.id, o.id) IN ((%(one)s, %(other)s), (%(other)s, %(one)s))
"""


def test_values_that_changed_places_between_rows_are_told(
    kinds: Postgres, reader: PostgresReader
) -> None:
    """Each column's values are all there: a sum of sums would be the same."""

    def content() -> str | None:
        return of(drain(reader.count(ref(kinds, "types"), content=True)), "public.r_swaps").content

    before, seen = content(), set()
    for number in range(1, 41):
        with kinds.connect("types") as connection:
            connection.execute(SWAP, {"one": number * 2, "other": number * 2 + 1})
            seen.add(content())
            connection.execute(SWAP, {"one": number * 2, "other": number * 2 + 1})
    assert len(seen) == 40
    assert before not in seen
    assert content() == before


@pytest.mark.parametrize(
    "settings",
    [
        "lc_monetary TO 'de_DE.UTF-8'", "DateStyle TO 'German'", "IntervalStyle TO 'postgres'",
        "xmlbinary TO 'hex'", "quote_all_identifiers TO on", "bytea_output TO 'escape'",
        "extra_float_digits TO '-5'", "TimeZone TO 'Asia/Tokyo'",
    ],
)  # fmt: skip
def test_a_databases_settings_do_not_change_a_hash(
    kinds: Postgres, reader: PostgresReader, settings: str
) -> None:
    before = drain(reader.count(ref(kinds, "types"), content=True)).tables
    with kinds.connect("types") as connection:
        try:
            connection.execute(f"ALTER DATABASE types SET {settings}".encode())
        except psycopg.errors.InvalidParameterValue:  # a locale that this machine does not have
            if not settings.startswith("lc_"):
                raise
        try:
            assert drain(reader.count(ref(kinds, "types"), content=True)).tables == before
        finally:
            connection.execute("ALTER DATABASE types RESET ALL")


def test_an_encoding_is_part_of_the_method(postgres: Postgres, reader: PostgresReader) -> None:
    with postgres.connect("postgres") as connection:
        connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        with postgres.connect("latin") as connection:
            connection.execute("CREATE TABLE t (a text); INSERT INTO t VALUES ('x')")
        row = drain(reader.count(ref(postgres, "latin"), content=True)).tables[0]
        assert (row.content or "").startswith("hash_record_extended/2+LATIN1:")
    finally:
        with postgres.connect("postgres") as connection:
            connection.execute("DROP DATABASE latin WITH (FORCE)")


def test_types_are_reached_through_others_and_once() -> None:
    base = Type("int4", "b", True, (), False, True)
    label = Type("colour", "e", False, (), False, True)
    types = {1: base, 2: label, 3: Type("pair", "c", False, (1, 2), False, True)}
    types[4] = Type("_pair", "b", False, (3,), False, True)
    types[5] = Type("loop", "c", False, (5, 1), False, True)
    assert set(reached(types, [4])) == {types[4], types[3], base, label}
    assert set(reached(types, [5])) == {types[5], base}
    assert reached(types, [99]) == []
    assert label.as_text
    assert types[4].as_text  # the hash of an array says nothing of its shape


@pytest.mark.parametrize(
    ("type", "text"),
    [
        (Type("int4", "b", True, (), False, True), False),
        (Type("citext", "b", False, (), False, True), True),
        (Type("regatta", "b", False, (), False, True), True),
        (Type("regclass", "b", True, (), False, True), True),
        (Type("json", "b", True, (), False, False), True),
        (Type("lax_pair", "c", False, (), True, True), True),
        (Type("pair", "c", False, (1,), False, True), False),
        (Type("int4multirange", "m", True, (), False, True), True),
        (Type("int4range", "r", True, (1,), False, True), False),
    ],
)
def test_what_is_hashed_as_text(type: Type, text: bool) -> None:
    assert type.as_text is text


def test_a_standby_holds_no_unlogged_rows() -> None:
    """Asked of the rule: a real standby is asked in the tests of replicas."""
    each = Relation(1, "s", "t", "r", True, True, False, None, 1, True)
    assert why_aside(each, standby=False) is None
    assert "standby" in (why_aside(each, standby=True) or ("", ""))[1]
    each.extension = "cron"
    assert "extension cron" in (why_aside(each, standby=False) or ("", ""))[1]
