"""Everything but the rows: read from a real server, equal after a faithful restore, and each kind of
damage seen."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from support.everything import RICH, ROLES
from support.pg import Postgres, drain

from drbook.core.baseline import TableCounts
from drbook.core.comparison import Comparison, compare
from drbook.core.remarks import Question, TableVerdict
from drbook.core.soundness import flaws
from drbook.providers.cancel import CancelToken
from drbook.providers.hiding import KNOWN
from drbook.providers.pgsession import guarded
from drbook.providers.pgstructure import read_structure
from drbook.providers.postgres import PostgresReader
from drbook.providers.process import complete

GOOD, FAIL, UNSURE = TableVerdict.PASS, TableVerdict.FAIL, TableVerdict.COULD_NOT_VERIFY


def counted(postgres: Postgres, dbname: str, *, sound: bool) -> TableCounts:
    ref = postgres.server.ref(dbname)
    counts = drain(PostgresReader(os.environ, CancelToken()).count(ref, content=True))
    with guarded(ref, os.environ, CancelToken(), timeout=timedelta(minutes=1)) as connection:
        structure = drain(read_structure(connection, CancelToken(), sound=sound))
    return counts.model_copy(update={"structure": structure})


@pytest.fixture(scope="module")
def rich(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> tuple[TableCounts, Path]:
    """What production held, and a dump of it."""
    with postgres.connect("postgres") as connection:
        connection.execute(ROLES)
        connection.execute("CREATE DATABASE rich")
    with postgres.connect("rich") as connection:
        connection.execute(RICH)
    held = counted(postgres, "rich", sound=False)
    path = tmp_path_factory.mktemp("rich") / "rich.dump"
    argv: list[str | Path] = [postgres.tools.path("pg_dump"), "-Fc", "--dbname=rich"]
    argv += [f"--host={postgres.server.socket}", "--username=postgres", f"--file={path}"]
    assert complete(argv).exit_code == 0
    return held, path


@pytest.fixture
def restored(postgres: Postgres, rich: tuple[TableCounts, Path]) -> Iterator[psycopg.Connection]:
    """A faithful restore, to be damaged."""
    with postgres.connect("postgres") as connection:
        connection.execute("DROP DATABASE IF EXISTS again")
        connection.execute("CREATE DATABASE again")
    argv: list[str | Path] = [postgres.tools.path("pg_restore"), "--exit-on-error", "--no-owner"]
    argv += ["--dbname=again", f"--host={postgres.server.socket}", "--username=postgres", rich[1]]
    done = complete(argv)
    assert done.exit_code == 0, done.stderr
    with postgres.connect("again") as connection:
        yield connection


def judged(postgres: Postgres, held: TableCounts) -> Comparison:
    return compare(counted(postgres, "again", sound=True), held, None)


def test_a_faithful_restore_has_nothing_against_it(
    postgres: Postgres, rich: tuple[TableCounts, Path], restored: psycopg.Connection
) -> None:
    found = judged(postgres, rich[0])
    against = [one for one in found.remarks if one.verdict is not GOOD]
    assert against == []
    assert [row for row in found.tables if row.verdict is not GOOD] == []
    assert found.verdict is GOOD
    assert rich[0].structure is not None
    kinds = {one.kind for one in rich[0].structure.objects}
    assert kinds >= {
        "schema", "table", "column", "view", "materialized view", "index", "constraint", "sequence",
        "function", "trigger", "rule", "policy", "type", "extension", "statistics", "operator",
        "text search", "owner", "grant", "role", "encoding", "locale", "server setting",
    }  # fmt: skip
    # What the backup had already is said, and not blamed on the restore.
    said = [(one.check, one.subject) for one in found.of(Question.SOUNDNESS)]
    assert ("constraint", "app.loose.loose_order") in said


DAMAGE: dict[str, tuple[str, str, str, TableVerdict]] = {
    "an index is missing": ("DROP INDEX app.orders_note", "index", "app.orders_note", FAIL),
    "an index is another one": (
        "DROP INDEX app.orders_note; CREATE INDEX orders_note ON app.orders (note)",
        "index", "app.orders_note", FAIL,
    ),
    "an index is not valid": (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'app.orders_no'::regclass",
        "index", "app.orders_no", FAIL,
    ),
    "a constraint is missing": (
        "ALTER TABLE app.orders DROP CONSTRAINT short", "constraint", "app.orders.short", FAIL,
    ),
    "a constraint was never checked": (
        "ALTER TABLE app.orders DROP CONSTRAINT short; ALTER TABLE app.orders ADD CONSTRAINT short"
        " CHECK (length(note) < 100) NOT VALID",
        "constraint", "app.orders.short", FAIL,
    ),
    "a foreign key is switched off": (
        "ALTER TABLE app.orders DISABLE TRIGGER ALL",
        "constraint", "app.orders.orders_customer_fkey", FAIL,
    ),
    "rows refer to nothing": (
        "INSERT INTO app.orders (id, customer) VALUES (999, 1);"
        "ALTER TABLE app.orders DISABLE TRIGGER ALL; UPDATE app.orders SET customer = 77 WHERE id = 999;",
        "orphans", "app.orders.orders_customer_fkey", FAIL,
    ),
    "a sequence is behind its column": (
        "SELECT setval('app.orders_id_seq', 5)", "sequence", "app.orders_id_seq", FAIL,
    ),
    "an identity starts again": (
        "ALTER TABLE app.customers ALTER id RESTART", "sequence", "app.customers_id_seq", FAIL,
    ),
    "a sequence without a column is behind": (
        "SELECT setval('app.countdown', 100, false)", "sequence", "app.countdown", FAIL,
    ),
    "a column has lost its default": (
        "ALTER TABLE app.orders ALTER no DROP DEFAULT", "column", "app.orders.no", FAIL,
    ),
    "a column may be empty": (
        "ALTER TABLE app.orders ALTER customer DROP NOT NULL", "column", "app.orders.customer", FAIL,
    ),
    "a view is missing": ("DROP VIEW app.happy", "view", "app.happy", FAIL),
    "a view is another one": (
        "CREATE OR REPLACE VIEW app.happy AS SELECT id, name FROM app.customers", "view", "app.happy",
        FAIL,
    ),
    "a function does something else": (
        "CREATE OR REPLACE FUNCTION app.add(a int, b int DEFAULT 2) RETURNS int LANGUAGE sql IMMUTABLE"
        " AS 'SELECT a - b'", "function", "app.add(a integer, b integer)", FAIL,
    ),
    "a function is there that was not": (
        "CREATE FUNCTION app.more() RETURNS int LANGUAGE sql AS 'SELECT 1'", "function", "app.more()",
        FAIL,
    ),
    "a trigger is missing": ("DROP TRIGGER touch ON app.orders", "trigger", "app.orders.touch", FAIL),
    "a trigger is switched off": (
        "ALTER TABLE app.orders DISABLE TRIGGER touch", "trigger", "app.orders.touch", FAIL,
    ),
    "row security is off": (
        "ALTER TABLE app.customers DISABLE ROW LEVEL SECURITY", "table", "app.customers", FAIL,
    ),
    "a policy is missing": ("DROP POLICY mine ON app.customers", "policy", "app.customers.mine", FAIL),
    "an enum has another label": (
        "ALTER TYPE app.mood RENAME VALUE 'sad' TO 'glad'", "type", "app.mood", FAIL,
    ),
    "a partition is not attached": (
        "ALTER TABLE app.events DETACH PARTITION app.events_2025", "table", "app.events_2025", FAIL,
    ),
    "a right is missing": ("REVOKE INSERT ON app.orders FROM app_user", "grant", "app.orders to app_user", FAIL),
    "a right is too much": ("GRANT DELETE ON app.orders TO app_user", "grant", "app.orders to app_user", FAIL),
    "everybody may": ("GRANT SELECT ON app.customers TO PUBLIC", "grant", "app.customers to PUBLIC", FAIL),
    "everybody may execute": (
        "GRANT EXECUTE ON FUNCTION app.add(int, int) TO PUBLIC", "grant",
        "function app.add(integer,integer) to PUBLIC", FAIL,
    ),
    "the extension is missing": ("DROP EXTENSION hstore CASCADE", "extension", "hstore", FAIL),
    "statistics objects are missing": ("DROP STATISTICS app.orders_stats", "statistics", "app.orders_stats", FAIL),
    "a rule is missing": ("DROP RULE nothing ON app.parent", "rule", "app.parent.nothing", FAIL),
    "a table is logged that was not": ("ALTER TABLE app.sessions SET LOGGED", "table", "app.sessions", FAIL),
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_seen_and_named(
    postgres: Postgres, rich: tuple[TableCounts, Path], restored: psycopg.Connection, what: str
) -> None:
    damage, check, subject, verdict = DAMAGE[what]
    restored.execute(damage)
    found = judged(postgres, rich[0])
    said = [one for one in found.remarks if (one.check, one.subject) == (check, subject)]
    assert verdict in {one.verdict for one in said}
    assert all(one.words for one in said)
    assert found.verdict is not GOOD


HARMLESS = {
    "a schema of somebody's": ("CREATE SCHEMA more", "schema", "more"),
    "another owner": ("ALTER TABLE app.parent OWNER TO app_user", "owner", "app.parent"),
    "the next number was taken": ("SELECT nextval('app.invoice_no')", "", ""),
    "a setting of the database": ("ALTER DATABASE again SET work_mem = '8MB'", "database setting", "everybody"),
}  # fmt: skip


@pytest.mark.parametrize("what", HARMLESS)
def test_what_is_no_damage_is_at_most_said(
    postgres: Postgres, rich: tuple[TableCounts, Path], restored: psycopg.Connection, what: str
) -> None:
    change, check, subject = HARMLESS[what]
    restored.execute(change)
    found = judged(postgres, rich[0])
    said = [one.verdict for one in found.remarks if (one.check, one.subject) == (check, subject)]
    assert said == ([GOOD] if check else [])
    assert found.verdict is GOOD


def test_no_column_stands_before_the_row_that_is_hashed(postgres: Postgres) -> None:
    """A column called like the query's own name for the row must not be hashed in the row's place."""
    with postgres.connect("postgres") as connection:
        connection.execute("DROP DATABASE IF EXISTS odd")
        connection.execute("CREATE DATABASE odd")
    found = []
    for amounts in ("1, 999999", "100, 200"):
        with postgres.connect("odd") as connection:
            connection.execute(
                "DROP TABLE IF EXISTS ledger, papers; CREATE TABLE ledger (t text, amount int);"
                "CREATE TABLE papers (t json, amount int)"
            )
            connection.execute(
                f"INSERT INTO ledger SELECT 'same', unnest(ARRAY[{amounts}]);"
                f"INSERT INTO papers SELECT '{{}}', unnest(ARRAY[{amounts}])"
            )
        counts = drain(
            PostgresReader(os.environ, CancelToken()).count(
                postgres.server.ref("odd"), content=True
            )
        )
        found.append([row.content for row in counts.tables])
    for one, other in zip(*found, strict=True):
        assert one != other


# --- definitions that hold a secret -----------------------------------------------------------------

SECRET = "tr0ub4dor-and-3-more-words"


def _held_by_digest(postgres: Postgres) -> TableCounts:
    """A view of production's own with its password in it, captured by who knows that password."""
    with postgres.connect("rich") as connection:
        connection.execute(f"CREATE OR REPLACE VIEW leaks AS SELECT 'password={SECRET}'::text AS c")
    KNOWN.add(SECRET)
    try:
        return counted(postgres, "rich", sound=False)
    finally:
        KNOWN.__init__()  # type: ignore[misc]
        with postgres.connect("rich") as connection:
            connection.execute("DROP VIEW leaks")


@pytest.mark.parametrize(("there", "verdict"), [(SECRET, GOOD), (SECRET + "!", FAIL), (None, FAIL)])
def test_a_definition_with_a_secret_is_kept_by_its_digest_and_still_compared(
    postgres: Postgres,
    rich: tuple[TableCounts, Path],
    restored: psycopg.Connection,
    there: str | None,
    verdict: TableVerdict,
) -> None:
    held = _held_by_digest(postgres)
    assert SECRET not in held.model_dump_json()
    assert held.structure is not None
    assert held.structure.of_kind("view")["public.leaks"].words.startswith("sha256 ")
    if there is not None:
        restored.execute(f"CREATE VIEW leaks AS SELECT 'password={there}'::text AS c")
    found = judged(postgres, held)
    against = [one for one in found.remarks if one.verdict is not GOOD and "leaks" in one.subject]
    assert (found.verdict is GOOD) is (verdict is GOOD)
    assert bool(against) is (verdict is not GOOD)


_FILLED = """
CREATE SEQUENCE ids; CREATE DOMAIN code AS bigint; CREATE DOMAIN inner_code AS code;
CREATE TABLE a (id bigint DEFAULT nextval('ids')); CREATE TABLE z (id inner_code DEFAULT nextval('ids'));
CREATE SEQUENCE down INCREMENT -1; CREATE TABLE d (id numeric DEFAULT nextval('down'));
CREATE SEQUENCE parts; CREATE TABLE p (id int DEFAULT nextval('parts')) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (100);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (100) TO (200);
CREATE SEQUENCE odd; CREATE TABLE o (id numeric DEFAULT nextval('odd'));
INSERT INTO a VALUES (1), (2); INSERT INTO z VALUES (101), (7); INSERT INTO d VALUES (-5), (-1);
INSERT INTO p VALUES (3), (150); INSERT INTO o VALUES ('NaN'), (4);
"""


def test_a_sequence_is_held_against_every_column_that_it_fills(postgres: Postgres) -> None:
    with postgres.connect("postgres") as connection:
        connection.execute("CREATE DATABASE filled")
    try:
        with postgres.connect("filled") as connection:
            connection.execute(_FILLED)
        structure = counted(postgres, "filled", sound=True).structure
        assert structure is not None
        found = {one.name: (one.column, one.top, one.why_unknown) for one in structure.sequences}
        assert found == {
            "public.ids": ("public.z.id", "101", ""),
            "public.down": ("public.d.id", "-5", ""),
            "public.parts": ("public.p.id", "150", ""),
            "public.odd": ("public.o.id", None, "public.o.id holds NaN"),
        }
        behind = {one.subject for one in flaws(structure, None) if one.verdict is FAIL}
        assert behind == {"public.ids", "public.down", "public.parts"}
    finally:
        with postgres.connect("postgres") as connection:
            connection.execute("DROP DATABASE filled WITH (FORCE)")
