"""Rows that are not what the backup held, or not what it should have held."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from corpus.case import BAD, GOOD, SHOP, UNSURE, Case, Production, no_manifest, since
from corpus.cases.damaged import OTHER, only_counts
from corpus.world import World
from drbook.core.assertions import Assertion
from drbook.core.baseline import Manifest, TableCounts

OLDER = Production(baseline="older")
NEWER_ROWS = """
INSERT INTO customers (name, created_at)
  SELECT 'new ' || n, '2026-04-01Z'::timestamptz + n * interval '1 min' FROM generate_series(1, 20) n;
"""
OTHER_ROWS = """
DELETE FROM orders WHERE customer > 180; DELETE FROM customers WHERE id > 180;
INSERT INTO customers (name, created_at)
  SELECT 'new ' || n, '2026-04-01Z'::timestamptz + n * interval '1 min' FROM generate_series(1, 20) n;
INSERT INTO orders (customer, cents, note, created_at)
  SELECT 1, n, 'new ' || n, '2026-04-02' FROM generate_series(1, 100) n;
"""
GROWN = Production(later=NEWER_ROWS, baseline="younger")
TURNED = Production(later=OTHER_ROWS, baseline="younger")
HALVED = Production(baseline="older", then="DELETE FROM papers WHERE id % 2 = 0")
EMPTIED = Production(baseline="older", then="TRUNCATE papers")
DROPPED = Production(baseline="older", then="DROP TABLE papers")
ALIAS = Production(
    "CREATE TABLE ledger (t text, amount int); INSERT INTO ledger VALUES ('same', 100), ('same', 200)"
)
ISSUED = Production(SHOP + "SELECT setval('orders_id_seq', 1500);")
LATE = timedelta(minutes=10)


def of_later(manifest: Manifest, world: World) -> Manifest:
    """The copy of yesterday with the figures of today."""
    later = world.production(GROWN).baseline
    assert later is not None
    return manifest.model_copy(update={"counts": later, "taken_at": later.taken_at})


def of_the_shop(manifest: Manifest, world: World) -> Manifest:
    return manifest.model_copy(update={"counts": world.production(Production()).manifest.counts})


def knows_the_shop(counts: TableCounts, world: World) -> TableCounts:
    shop = world.production(Production()).manifest.counts
    assert shop is not None
    return shop.model_copy(update={"identity": counts.identity, "taken_at": counts.taken_at})


UNREAD = Production(
    "CREATE TABLE a (id int); INSERT INTO a VALUES (1); CREATE TABLE b (id int)",
    baseline="older",
    options=("-Fp",),
)


def not_to_be_counted(path: Path) -> None:
    """Strings as before 9.1: drbook does not count in such a dump."""
    data = path.read_bytes()
    assert data.count(b"standard_conforming_strings = on") == 1
    path.write_bytes(
        data.replace(b"standard_conforming_strings = on", b"standard_conforming_strings = off")
    )


def one_unknown(counts: TableCounts, world: World) -> TableCounts:
    """A login that may not see the first table."""
    first, *others = counts.tables
    unseen = first.model_copy(
        update={"rows": None, "content": None, "newest": None, "why_unknown": "permission denied"}
    )
    return counts.model_copy(update={"tables": (unseen, *others)})


def one_not_counted(manifest: Manifest, world: World) -> Manifest:
    assert manifest.counts is not None
    return manifest.model_copy(update={"counts": one_unknown(manifest.counts, world)})


COMPUTED = r"""
CREATE FUNCTION taxed(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 119 / 100';
CREATE TABLE bills (id int PRIMARY KEY, net int, gross int GENERATED ALWAYS AS (taxed(net)) STORED,
  words tsvector GENERATED ALWAYS AS (to_tsvector('simple', 'bill ' || id::text)) STORED);
INSERT INTO bills SELECT n, n * 100 FROM generate_series(1, 100) n;
"""
TAX = "CREATE OR REPLACE FUNCTION taxed(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 121 / 100';"
TAXED_ANEW = Production(COMPUTED + TAX)
"""A generated column's function was replaced, and rows of before hold what the old one gave."""
DATED = Production(
    COMPUTED.replace("taxed", "day").replace("RETURNS int", "RETURNS timestamp")
    .replace("$1 * 119 / 100", "timestamp ''2026-01-01'' + $1 * interval ''1 s''").replace("gross int", "created_at timestamp")
    + TAX.replace("taxed", "day").replace("RETURNS int", "RETURNS timestamp")
    .replace("$1 * 121 / 100", "timestamp ''2026-02-01'' + $1 * interval ''1 s''")
)  # fmt: skip


def of_an_older_drbook(manifest: Manifest, world: World) -> Manifest:
    """One that did not ask for generated columns."""
    assert manifest.counts is not None
    tables = tuple(
        one.model_copy(update={"generated": None, "content_given": None})
        for one in manifest.counts.tables
    )
    return manifest.model_copy(
        update={"counts": manifest.counts.model_copy(update={"tables": tables})}
    )


STAGED = """
CREATE TABLE a (id int PRIMARY KEY, created_at timestamptz); INSERT INTO a VALUES (1, '2019-05-05Z');
CREATE TABLE plain (id int PRIMARY KEY); INSERT INTO plain VALUES (1);
"""
OF_BEFORE = """
INSERT INTO a SELECT n, '2026-03-01Z'::timestamptz + n * interval '1 h' FROM generate_series(2, 3000) n; ANALYZE a;
"""
MORE_PLAIN = "INSERT INTO plain SELECT generate_series(2, 3000);"
OF_TODAY = OF_BEFORE.replace("'2026-03-01Z'::timestamptz + n * interval '1 h'", "now()")
TOUCHED = """
UPDATE a SET created_at = '2026-03-01Z'; INSERT INTO a SELECT n, now() FROM generate_series(2, 3000) n; ANALYZE a;
"""


def few(later: str) -> Production:
    """Hardly a row, and then what production has an hour later."""
    return Production(STAGED, later=later, baseline="younger")


DOTTED = Production(
    'CREATE SCHEMA app; CREATE SCHEMA "app.v2"; CREATE TABLE app.t (id int);'
    ' CREATE TABLE "app.v2".bookings (id int PRIMARY KEY); CREATE TABLE z (id int); INSERT INTO z VALUES (1);'
    ' INSERT INTO "app.v2".bookings SELECT generate_series(1, 100)'
)


def of_staging(path: Path) -> None:
    """As if a database of another name had been dumped."""
    data = path.read_bytes()
    assert data.count(b"CREATE DATABASE shop_") == 1
    path.write_bytes(data.replace(b"CREATE DATABASE shop_", b"CREATE DATABASE test_"))


OTHERS = Production(OTHER.sql, baseline="older")
EXCHANGED = """
UPDATE customers a SET name = b.name FROM customers b
 WHERE (a.id, b.id) IN ((1, 2), (2, 1));
"""
OTHER_ORDER = """
ALTER TABLE papers RENAME TO old; ALTER TABLE old RENAME CONSTRAINT papers_pkey TO old_pkey;
CREATE TABLE papers (id int CONSTRAINT papers_pkey PRIMARY KEY, body json, grade "char", weight float8);
INSERT INTO papers SELECT id, body, grade, weight FROM old; DROP TABLE old;
ALTER TABLE papers OWNER TO restorer;
"""
TWO_OBJECTS = Production(
    "CREATE TABLE a (id int); SELECT lo_create(5); SELECT lo_from_bytea(6, 'six')"
)


def of_a(database: str = "", oid: int = 0) -> Callable[[Manifest, World], Manifest]:
    """The manifest of another database on production's server."""

    def states(manifest: Manifest, world: World) -> Manifest:
        assert manifest.counts is not None
        names: dict[str, object] = {"database": database} if database else {}
        who = manifest.counts.identity.model_copy(
            update=names | ({"database_oid": oid} if oid else {})
        )
        counts = manifest.counts.model_copy(update={"identity": who})
        return manifest.model_copy(update={"counts": counts})

    return states


KEPT = Production(
    "CREATE EXTENSION keeper; INSERT INTO keeper.job (what) SELECT 'bill ' || n FROM generate_series(1, 50) n;"
    " CREATE TABLE a (id int); INSERT INTO a VALUES (1)"
)
_kept = since(18, "an extension of one's own may lie anywhere")

CASES = (
    Case("half the rows deleted after the load", BAD, ("rows",),
         harm="DELETE FROM papers WHERE id % 2 = 0"),
    Case("a generated column is computed anew, and another one changed", BAD, ("content",), of=TAXED_ANEW,
         harm="UPDATE bills SET net = net + 1 WHERE id = 7"),
    Case("an ordinary column changed beside generated ones", BAD, ("content",), of=Production(COMPUTED),
         harm="UPDATE bills SET net = net + 1 WHERE id = 7"),
    Case("a generated column is an ordinary one", BAD, ("content", "column"), of=TAXED_ANEW,
         harm="ALTER TABLE bills ALTER gross DROP EXPRESSION"),
    Case("a row changed beside generated columns, manifest of an older drbook", UNSURE, ("generated",),
         bad=True, of=Production(COMPUTED), states=of_an_older_drbook,
         harm="UPDATE bills SET net = net + 1 WHERE id = 7"),
    Case("half the rows, older baseline, no manifest", UNSURE, ("fewer",), bad=True, of=HALVED,
         states=no_manifest, content=False),
    Case("one row fewer than in the archive, no manifest", BAD, ("rows",), states=no_manifest,
         harm="DELETE FROM papers WHERE id = 7", content=False),
    Case("restored twice, without a key", BAD, ("rows",), harm="INSERT INTO events SELECT * FROM events"),
    Case("restored twice, under other keys", BAD, ("rows",),
         harm="INSERT INTO papers SELECT id + 1000, body, weight, grade FROM papers"),
    Case("one row changed", BAD, ("content",), harm="UPDATE customers SET name = 'x' WHERE id = 7"),
    Case("one row changed, manifest with counts alone", UNSURE, ("content",), bad=True,
         states=only_counts, harm="UPDATE customers SET name = 'x' WHERE id = 7"),
    Case("one row changed, no manifest but a baseline", UNSURE, ("content",), bad=True, of=OLDER,
         states=no_manifest, harm="UPDATE customers SET name = 'x' WHERE id = 7"),
    Case("two rows exchanged a value", BAD, ("content",), harm=EXCHANGED),
    Case("fabricated rows with plausible counts", BAD, ("content",),
         harm="UPDATE customers SET name = 'person ' || id * 31"),
    Case("json changed", BAD, ("content",), harm="""UPDATE papers SET body = '{"n": 8}' WHERE id = 7"""),
    Case("json written otherwise", BAD, ("content",),
         harm="UPDATE papers SET body = body::jsonb::json WHERE id = 7"),
    Case("a float's last bit", BAD, ("content",),
         harm="UPDATE papers SET weight = weight * (1 + 2.3e-16) WHERE id = 7"),
    Case('a "char" changed', BAD, ("content",), harm="UPDATE papers SET grade = 'b' WHERE id = 7"),
    Case("timestamps shifted by a zone", BAD, ("content",),
         harm="UPDATE customers SET created_at = created_at + interval '1 hour'"),
    Case("timestamps shifted, counts alone", BAD, ("newest",), states=only_counts, content=False,
         harm="UPDATE customers SET created_at = created_at + interval '1 hour'"),
    Case("changed behind a column called like the query's alias", BAD, ("content",), of=ALIAS,
         harm="UPDATE ledger SET amount = amount * 2"),
    Case("columns in another order", BAD, ("table",), harm=OTHER_ORDER),
    Case("an empty table that was full", BAD, ("rows",), harm="TRUNCATE papers"),
    Case("a table is missing", BAD, ("restored",), harm="DROP TABLE papers"),
    Case("a table too many", BAD, ("in the backup",), harm="CREATE TABLE more (id int); ALTER TABLE more OWNER TO restorer"),
    Case("a large object is lost", BAD, ("restored",), harm="SELECT lo_unlink(4711)"),
    Case("a large object is lost, no manifest", BAD, ("restored",), states=no_manifest, content=False,
         harm="SELECT lo_unlink(4711)"),
    Case("one of two large objects is lost, no manifest", BAD, ("rows",), of=TWO_OBJECTS,
         states=no_manifest, content=False, harm="SELECT lo_unlink(5)"),
    Case("a large object has other bytes", BAD, ("content",),
         harm=r"SELECT lo_put(4711, 0, '\xff')"),
    Case("another database's dump, this one's figures", BAD, ("rows", "restored"), of=OTHER,
         states=of_the_shop),
    Case("another database's dump, no manifest", UNSURE, ("restored",), bad=True, of=OTHERS,
         states=no_manifest, knows=knows_the_shop, content=False),
    Case("older than its manifest claims", BAD, ("rows",), of=GROWN, states=of_later,
         content=False),
    Case("older than its time claims, fewer rows", UNSURE, ("fewer",), bad=True, of=GROWN,
         states=no_manifest, stored=LATE, content=False),
    Case("older than its time claims, as many rows", UNSURE, ("dated",), bad=True, of=TURNED,
         states=no_manifest, stored=LATE, content=False),
    Case("rows of before the backup are not in it, younger baseline, no manifest", UNSURE, ("had then",),
         bad=True, of=few(OF_BEFORE), states=no_manifest, content=False),
    Case("older rows than those of before the backup, younger baseline, no manifest", UNSURE,
         ("newest then",), bad=True, of=few(TOUCHED), states=no_manifest, content=False),
    Case("hardly any row, younger baseline, no manifest", UNSURE, ("hardly any",), bad=True,
         of=few(MORE_PLAIN), states=no_manifest, content=False),
    Case("an archive of a database of another name, no manifest", UNSURE, ("identity",), bad=True,
         of=few(OF_TODAY), states=no_manifest, content=False, spoil=of_staging),
    Case("rows came after the backup, younger baseline, no manifest", GOOD, ("lost rows",),
         of=few(OF_TODAY), states=no_manifest, content=False),
    Case("rows gone from a schema whose name begins like an ignored one", BAD, ("rows",), of=DOTTED,
         ignore=("app",), harm='DELETE FROM "app.v2".bookings WHERE id < 50'),
    Case("rows gone from a schema whose name begins like an ignored one, no manifest", BAD, ("rows",),
         of=DOTTED, ignore=("app",), harm='DELETE FROM "app.v2".bookings WHERE id < 50',
         states=no_manifest, content=False),
    Case("a schema whose name begins like an ignored one", GOOD, of=DOTTED, ignore=("app",)),
    Case("rows that a dump holds of an extension's table are gone", BAD, ("rows",), of=KEPT, needs=_kept,
         harm="DELETE FROM keeper.job WHERE id > 10"),
    Case("rows that a dump holds of an extension's table are gone, no manifest", BAD, ("rows",), of=KEPT,
         states=no_manifest, content=False, needs=_kept, harm="DELETE FROM keeper.job WHERE id > 10"),
    Case("rows that a dump holds of an extension's table are others", BAD, ("content",), of=KEPT, needs=_kept,
         harm="UPDATE keeper.job SET what = 'x' WHERE id = 10"),
    Case("an extension's table with rows of a dump's", GOOD, of=KEPT, needs=_kept,
         harm="INSERT INTO keeper.job (id, what, own) VALUES (-1, 'of a newer version', true)"),
    Case("an extension's table with rows of a dump's, no manifest", GOOD, of=KEPT, states=no_manifest,
         content=False, needs=_kept),
    Case("a sequence is behind its column", BAD, ("sequence",), harm="SELECT setval('orders_id_seq', 5)"),
    Case("a sequence is behind its column, no manifest", BAD, ("sequence",), states=no_manifest,
         content=False, harm="SELECT setval('orders_id_seq', 5)"),
    Case("a sequence is behind what the backup held", BAD, ("sequence",), of=ISSUED,
         harm="SELECT setval('orders_id_seq', 1200)"),
    Case("an assertion does not hold", BAD, ("assertion",),
         assertions=(Assertion(name="paid", sql="SELECT count(*) FROM orders WHERE cents > 6000", min=500),)),
    Case("an assertion's answer is empty", BAD, ("assertion",),
         assertions=(Assertion(name="newest", sql="SELECT max(id) FROM nothing_yet", min=0),)),
    Case("an assertion cannot be asked", UNSURE, ("assertion",),
         assertions=(Assertion(name="odd", sql="SELECT 1 FROM no_such_table", equals=1),)),
    Case("production's reader could not count a table", UNSURE, ("counted in the backup",), bad=False,
         states=one_not_counted),
    Case("not even the baseline counted a table", UNSURE, ("counted before",), bad=False, of=UNREAD,
         spoil=not_to_be_counted, states=no_manifest, knows=one_unknown),
    Case("a generated column is computed anew", UNSURE, ("generated",), bad=False, of=TAXED_ANEW),
    Case("a generated column is computed anew, manifest of an older drbook", UNSURE, ("generated",),
         bad=False, of=TAXED_ANEW, states=of_an_older_drbook),
    Case("a generated column says when a row was written", UNSURE, ("newest",), bad=False, of=DATED,
         content=False),
    # --- good ones that look odd
    Case("generated columns", GOOD, of=Production(COMPUTED)),
    Case("generated columns, manifest of an older drbook", GOOD, of=Production(COMPUTED),
         states=of_an_older_drbook),
    Case("an archive that cannot be counted, as in the baseline", GOOD, ("as before",), of=UNREAD,
         spoil=not_to_be_counted, states=no_manifest),
    Case("as it was", GOOD),
    Case("an assertion holds", GOOD, ("assertion",),
         assertions=(Assertion(name="all", sql="SELECT count(*) FROM orders", equals=1000),)),
    Case("no manifest, rows as in the archive", GOOD, states=no_manifest, content=False,
         of=Production("CREATE TABLE a (id int); INSERT INTO a VALUES (1)")),
    Case("no manifest, large objects as in the archive", GOOD, of=TWO_OBJECTS, states=no_manifest,
         content=False),
    Case("no manifest, content as in the baseline", GOOD, of=Production(
         "CREATE TABLE a (id int); INSERT INTO a VALUES (1)", baseline="older"), states=no_manifest),
    Case("no manifest, content unproven", UNSURE, ("content",), bad=False, states=no_manifest,
         of=Production("CREATE TABLE a (id int); INSERT INTO a VALUES (1)")),
    Case("rows were lost after the backup", GOOD, ("lost rows",), of=GROWN),
    Case("rows were lost after the backup, no manifest", GOOD, ("lost rows",), states=no_manifest,
         of=Production("CREATE TABLE a (id int); INSERT INTO a VALUES (1)",
                       later="INSERT INTO a VALUES (2); CREATE INDEX more ON a (id)", baseline="younger"),
         content=False),
    Case("more rows than the baseline", GOOD, of=Production(baseline="older", then=NEWER_ROWS)),
    Case("emptied on purpose before the backup", GOOD, ("lost rows",), of=EMPTIED),
    Case("emptied on purpose before the backup, no manifest", UNSURE, ("fewer",), bad=False, of=EMPTIED,
         states=no_manifest, content=False),
    Case("a table dropped before the backup", GOOD, ("lost table",), of=DROPPED),
    Case("a table dropped before the backup, no manifest", UNSURE, ("restored",), bad=False, of=DROPPED,
         states=no_manifest, content=False),
    Case("rows replaced since the backup, as many as before", GOOD, ("lost content",),
         of=Production(later="UPDATE orders SET id = id + 100000 WHERE id % 7 = 0",
                       baseline="younger")),
    Case("another database's dump, its own manifest, production's baseline", UNSURE, ("identity",),
         bad=True, of=Production(baseline="older"), states=of_a("another", oid=1)),
    Case("production's database was renamed since the baseline", GOOD, of=Production(baseline="older"),
         states=of_a("another")),
    Case("production's database was made again since the baseline", GOOD, of=Production(baseline="older"),
         states=of_a(oid=1)),
    Case("a sequence behind what production issued later", GOOD, ("lost sequence",),
         of=Production(later="SELECT setval('orders_id_seq', 2000)", baseline="younger")),
)  # fmt: skip
