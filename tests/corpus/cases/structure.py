"""What is not as the backup held it beside the rows: indexes, constraints, types, rights, settings."""

from support.particular import particular

from corpus.case import BAD, GOOD, SHOP, UNSURE, Case, Production, no_manifest, since
from corpus.cases.odd import NARROWED, NOT_MADE, PARTED, REWRITTEN

ORPHANS = """
ALTER TABLE orders DROP CONSTRAINT orders_customer_fkey;
UPDATE orders SET customer = 9999 WHERE id = 7;
ALTER TABLE orders ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer) REFERENCES customers NOT VALID;
"""
NEVER_CHECKED = """
ALTER TABLE orders DROP CONSTRAINT orders_customer_fkey;
ALTER TABLE orders ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer) REFERENCES customers NOT VALID;
"""
NOT_VALID = Production(
    "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (a int); INSERT INTO a VALUES (1);"
    "INSERT INTO b VALUES (1), (2);"
    "ALTER TABLE b ADD CONSTRAINT b_a FOREIGN KEY (a) REFERENCES a NOT VALID"
)
HSTORE = Production(
    "CREATE EXTENSION hstore; CREATE TABLE a (id int, h hstore); INSERT INTO a VALUES (1, 'x=>1')"
)

RARE = r"""
CREATE SCHEMA app;
CREATE TABLE app.t (id int, at date, name text COLLATE "C");
INSERT INTO app.t SELECT n, '2026-01-01'::date + n, 'n' || n FROM generate_series(1, 20) n;
CREATE STATISTICS app.t_stats ON id, at FROM app.t;
CREATE COLLATION app.german (provider = libc, locale = 'C');
CREATE TYPE app.pair AS (a int, b text);
CREATE FUNCTION app.pair_text(app.pair) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ($1).b';
CREATE CAST (app.pair AS text) WITH FUNCTION app.pair_text(app.pair);
CREATE FUNCTION app.same(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 = $2';
CREATE OPERATOR app.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = app.same);
CREATE TEXT SEARCH CONFIGURATION app.plain (COPY = simple);
CREATE RULE nothing AS ON DELETE TO app.t DO INSTEAD NOTHING;
CREATE POLICY mine ON app.t USING (name = 'x');
CREATE MATERIALIZED VIEW app.totals AS SELECT count(*) AS n FROM app.t;
CREATE VIEW app.some AS SELECT id FROM app.t;
CREATE PUBLICATION of_t FOR TABLE app.t;
"""
FAR = """
CREATE EXTENSION postgres_fdw;
CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'nowhere');
CREATE FOREIGN TABLE far_table (id int) SERVER far;
CREATE USER MAPPING FOR app_user SERVER far OPTIONS (user 'u', password 'p');
CREATE TABLE near (id int); INSERT INTO near VALUES (1), (2);
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO app_user;
"""
FAR_GONE = """
DROP FOREIGN TABLE far_table; DROP USER MAPPING FOR app_user SERVER far; DROP SERVER far;
ALTER DEFAULT PRIVILEGES FOR ROLE postgres REVOKE SELECT ON TABLES FROM app_user;
"""
ALL_GONE = """
DROP STATISTICS app.t_stats; DROP COLLATION app.german; DROP CAST (app.pair AS text);
DROP OPERATOR app.=== (int, int); DROP TEXT SEARCH CONFIGURATION app.plain; DROP RULE nothing ON app.t;
DROP POLICY mine ON app.t; DROP VIEW app.some; DROP FUNCTION app.pair_text; DROP TYPE app.pair;
DROP MATERIALIZED VIEW app.totals; ALTER TABLE app.t ALTER id SET DEFAULT 7;
"""

COLLATED = Production("""
DO $$ BEGIN EXECUTE format('CREATE TABLE a (name text COLLATE pg_catalog.%I PRIMARY KEY)',
  (SELECT collname FROM pg_collation WHERE collversion IS NOT NULL AND collprovider IN ('b', 'i')
     AND collnamespace = 'pg_catalog'::regnamespace ORDER BY collprovider, collname LIMIT 1)); END $$;
INSERT INTO a VALUES ('x'), ('y');
""")
"""By the server's own rules where it has them (since 17), else by ICU's: a collation with a version."""
OTHER_VERSION = """
UPDATE pg_collation SET collversion = '0'
 WHERE oid = (SELECT attcollation FROM pg_attribute WHERE attrelid = 'a'::regclass AND attname = 'name')
"""
CLASS = """
CREATE OPERATOR CLASS backwards FOR TYPE int USING btree AS
  OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 btint4cmp(int, int);
"""
ONE_MORE = """
ALTER TABLE a DROP CONSTRAINT a_what_check; ALTER TABLE a ADD CONSTRAINT a_what_check CHECK (what IN ('x', 'y', 'z'));
ALTER DOMAIN number SET DEFAULT 1; ALTER POLICY mine ON a TO app_user;
"""
OR_FOR_AND = "CREATE OR REPLACE VIEW v AS SELECT id FROM a WHERE what NOT IN ('x', 'z') AND (id BETWEEN 1 AND 5 OR id <> 3)"

PARTICULARS, BEFORE_18 = (
    Production(particular(major, icu=False, classes=False).replace("clerk", "app_user"))
    for major in (18, 15)
)
"""Everything that the structure is read for, on the product's own path."""
NOT_NULL = Production(
    "CREATE TABLE a (id int, b int NOT NULL); INSERT INTO a VALUES (NULL, 1);"
    "ALTER TABLE a ADD CONSTRAINT there NOT NULL id NOT VALID"
)
USED_UP = Production(
    "CREATE TABLE a (id int); CREATE SEQUENCE s MAXVALUE 3 START 3; SELECT nextval('s');"
)


LISTED = """
CREATE TABLE a (id int PRIMARY KEY, v text, p int DEFAULT 7); CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a);
INSERT INTO a SELECT n, 'x', n FROM generate_series(1, 50) n; INSERT INTO b SELECT n, n FROM generate_series(1, 50) n;
CREATE INDEX ai ON a (v); CREATE VIEW av AS SELECT id FROM a; GRANT SELECT ON a TO app_user;
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
ALTER TABLE a ENABLE ROW LEVEL SECURITY; CREATE POLICY "a b" ON a USING (true);
CREATE SEQUENCE "odd seq"; CREATE TYPE mood AS ENUM ('x'); CREATE SCHEMA empty;
"""
NONE_LEFT = """
ALTER TABLE b DROP CONSTRAINT b_a_fkey; DROP VIEW av; DROP FUNCTION f(int); ALTER TABLE a DROP CONSTRAINT a_pkey;
DROP INDEX ai; DROP POLICY "a b" ON a; ALTER TABLE a DISABLE ROW LEVEL SECURITY; DROP SEQUENCE "odd seq";
DROP TYPE mood; DROP SCHEMA empty;
"""
ALL_LISTED = ("listed constraint", "listed view", "listed function", "listed index", "listed policy",
              "listed row security", "listed sequence", "listed type", "listed schema")  # fmt: skip
MIGRATED = "DROP VIEW av; CREATE INDEX more ON a (p); ALTER TABLE a ALTER p SET DEFAULT 8, ADD q int; DROP FUNCTION f(int);"
PUBLISHED = Production(
    "CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1); CREATE PUBLICATION pb FOR TABLE a"
)

_named = since(18, "NOT NULL is a constraint")
_enforced = since(18, "a check may be NOT ENFORCED")

CASES = (
    Case("an index is missing", BAD, ("index",), harm="DROP INDEX orders_customer"),
    Case("an index is another one", BAD, ("index",),
         harm="DROP INDEX orders_note; CREATE UNIQUE INDEX orders_note ON orders (note)"),
    Case("an index is not valid", BAD, ("index",),
         harm="UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'orders_customer'::regclass"),
    Case("an index is not valid, no manifest", BAD, ("index",), states=no_manifest, content=False,
         harm="UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'orders_customer'::regclass"),
    Case("indexes are missing from the backup, older baseline, no manifest", UNSURE, ("index",), bad=True,
         of=Production(baseline="older", then="DROP INDEX orders_customer"), states=no_manifest,
         content=False),
    Case("what the archive lists is gone, no manifest, younger baseline", BAD, ALL_LISTED, states=no_manifest,
         of=Production(LISTED, baseline="younger"), content=False, harm=NONE_LEFT),
    Case("what the archive lists is gone, no manifest and no baseline", BAD, ALL_LISTED, states=no_manifest,
         of=Production(LISTED), content=False, harm=NONE_LEFT),
    Case("what a plain dump lists is gone, no manifest", BAD, ALL_LISTED, states=no_manifest,
         of=Production(LISTED, options=("-Fp",)), content=False, harm=NONE_LEFT),
    Case("all is there that the archive lists, no manifest, production went on", GOOD, ("lost index", "lost view"),
         states=no_manifest, of=Production(LISTED, later=MIGRATED, baseline="younger"), content=False),
    Case("all is there that the archive lists, no manifest and no baseline", GOOD, states=no_manifest,
         of=Production(LISTED), content=False),
    Case("all is there that a plain dump lists, no manifest", GOOD, states=no_manifest,
         of=Production(LISTED, options=("-Fp",)), content=False),
    Case("a publication is gone that was loaded", BAD, ("publication",), of=PUBLISHED, harm="DROP PUBLICATION pb"),
    Case("a publication that was loaded", GOOD, of=PUBLISHED),
    Case("a constraint is missing", BAD, ("constraint",),
         harm="ALTER TABLE orders DROP CONSTRAINT orders_cents_check"),
    Case("a constraint was never checked", BAD, ("constraint",), harm=NEVER_CHECKED),
    Case("a constraint was never checked, and rows refer to nothing", BAD,
         ("content", "constraint", "orphans"), harm=ORPHANS),
    Case("a foreign key is switched off", BAD, ("constraint",),
         harm="ALTER TABLE orders DISABLE TRIGGER ALL"),
    Case("a trigger is switched off", BAD, ("trigger",), harm="ALTER TABLE orders DISABLE TRIGGER touch"),
    Case("a trigger is missing", BAD, ("trigger",), harm="DROP TRIGGER touch ON orders"),
    Case("a trigger fires for replication alone", BAD, ("trigger",),
         harm="ALTER TABLE orders ENABLE REPLICA TRIGGER touch"),
    Case("a trigger fires where production had switched it off", BAD, ("trigger",),
         of=Production(SHOP + "ALTER TABLE orders DISABLE TRIGGER touch;"),
         harm="ALTER TABLE orders ENABLE TRIGGER touch"),
    Case("a trigger fires no more for replication", BAD, ("trigger",),
         of=Production(SHOP + "ALTER TABLE orders ENABLE ALWAYS TRIGGER touch;"),
         harm="ALTER TABLE orders ENABLE TRIGGER touch"),
    Case("NOT NULL was never checked", BAD, ("column", "constraint"), of=NOT_NULL, needs=_named,
         harm="ALTER TABLE a DROP CONSTRAINT a_b_not_null, ADD CONSTRAINT a_b_not_null NOT NULL b NOT VALID"),
    Case("a check is not enforced", BAD, ("constraint",), needs=_enforced,
         harm="ALTER TABLE orders DROP CONSTRAINT orders_cents_check,"
         " ADD CONSTRAINT orders_cents_check CHECK (cents >= 0) NOT ENFORCED"),
    Case("a sequence has no value left", BAD, ("sequence",),
         harm="SELECT setval('orders_id_seq', 2147483647)"),
    Case("a sequence belongs to nothing", BAD, ("sequence",),
         harm="ALTER SEQUENCE orders_id_seq OWNED BY NONE"),
    Case("everybody may create in public", BAD, ("grant",),
         harm="GRANT CREATE ON SCHEMA public TO PUBLIC"),
    Case("everybody may read a large object", BAD, ("grant",),
         harm="GRANT SELECT ON LARGE OBJECT 4711 TO PUBLIC"),
    Case("a comment is gone", BAD, ("comment",),
         of=Production(SHOP + "COMMENT ON COLUMN orders.cents IS 'in cents';"),
         harm="COMMENT ON COLUMN orders.cents IS NULL"),
    Case("columns stand in another order", BAD, ("table",),
         of=Production("CREATE TABLE a (x int, y int); CREATE TABLE b (id int); INSERT INTO b VALUES (1)"),
         harm="ALTER TABLE a DROP x; ALTER TABLE a ADD x int"),
    Case("a table replicates otherwise", BAD, ("table",), harm="ALTER TABLE orders REPLICA IDENTITY FULL"),
    Case("a foreign table reads another one", BAD, ("foreign server",), of=Production(FAR), target="cluster",
         more={"extensions": ["postgres_fdw"]}, harm="ALTER SERVER far OPTIONS (SET host 'elsewhere')"),
    Case("an enum is relabelled", BAD, ("type",), harm="ALTER TYPE mood RENAME VALUE 'sad' TO 'glad'"),
    Case("a view is replaced", BAD, ("view",),
         harm="CREATE OR REPLACE VIEW happy AS SELECT id, name FROM customers"),
    Case("a function is replaced", BAD, ("function",),
         harm="CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS"
         " $$ BEGIN RETURN NULL; END $$"),
    Case("a default is lost", BAD, ("column",), harm="ALTER TABLE orders ALTER id DROP DEFAULT"),
    Case("a partition is detached", BAD, ("table", "rows"),
         harm="ALTER TABLE events DETACH PARTITION events_2025"),
    Case("an empty partition is detached", BAD, ("table",),
         of=Production(SHOP + "DELETE FROM events WHERE at >= '2026-01-01';"),
         harm="ALTER TABLE events DETACH PARTITION events_2026"),
    Case("a list has one more", BAD, ("constraint", "type", "policy"), of=Production(REWRITTEN), harm=ONE_MORE),
    Case("an AND became an OR", BAD, ("view",), of=Production(REWRITTEN), harm=OR_FOR_AND),
    Case("a foreign key is switched off in one partition", BAD, ("constraint",), of=Production(PARTED),
         harm="ALTER TABLE c_1 DISABLE TRIGGER ALL"),
    Case("an index is missing beside one that production could not make", BAD, ("index",),
         of=Production(NOT_MADE), harm="DROP INDEX sound"),
    Case("a right too many beside an owner's own", BAD, ("grant",), of=Production(NARROWED),
         harm='GRANT INSERT ON a TO "Odd Role"'),
    Case("a grant is missing", BAD, ("grant",), harm="REVOKE INSERT ON orders FROM app_user"),
    Case("everybody may read", BAD, ("grant",), harm="GRANT SELECT ON customers TO PUBLIC"),
    Case("an extension is missing", BAD, ("extension",), of=HSTORE, harm="DROP EXTENSION hstore CASCADE"),
    Case("a sequence counts otherwise", BAD, ("sequence",),
         harm="ALTER SEQUENCE orders_id_seq INCREMENT 10 RESTART 5000"),
    Case("a materialized view was not filled", BAD, ("restored", "materialized view"),
         harm="REFRESH MATERIALIZED VIEW totals WITH NO DATA"),
    Case("much that is rare is gone", BAD,
         ("statistics", "collation", "cast", "operator", "text search", "rule", "policy", "view",
          "materialized view", "function", "type", "column"),
         of=Production(RARE), harm=ALL_GONE),
    Case("default grants and a foreign table are gone", BAD,
         ("default grant", "foreign table", "foreign server", "user mapping"), of=Production(FAR), target="cluster",
         more={"extensions": ["postgres_fdw"]}, harm=FAR_GONE),
    Case("a schema is renamed after the load", BAD, ("schema", "restored"), of=Production(RARE),
         harm="ALTER SCHEMA app RENAME TO other"),
    Case("an operator class too many", BAD, ("operator class",), harm=CLASS),
    Case("text is ordered by another version of its collation", UNSURE, ("collation version",), bad=True,
         of=COLLATED, harm=OTHER_VERSION),
    # --- good ones that look odd
    Case("production's collation had another version", GOOD, ("collation version",),
         of=Production(COLLATED.sql + OTHER_VERSION)),
    Case("another server's settings, roles and memberships", GOOD,
         ("server setting", "role", "membership"), of=COLLATED),
    Case("a foreign key that production never checked either", GOOD, ("constraint", "orphans"), of=NOT_VALID,
         bad=False),
    Case("a foreign key that production never checked either, no manifest", UNSURE,
         ("constraint", "orphans"), bad=False, of=NOT_VALID, states=no_manifest, content=False),
    Case("NOT NULL that production never checked either", GOOD, ("constraint",), of=NOT_NULL, needs=_named),
    Case("NOT NULL that nobody checked, no manifest", UNSURE, ("constraint",), bad=False, of=NOT_NULL,
         states=no_manifest, content=False, needs=_named),
    Case("a trigger that production had switched off, no manifest", UNSURE, ("trigger",), bad=False,
         of=Production(SHOP + "ALTER TABLE orders DISABLE TRIGGER touch;"), states=no_manifest, content=False),
    Case("a sequence that production had used up", GOOD, ("sequence",), of=USED_UP),
    Case("a sequence that is used up, no manifest", UNSURE, ("sequence",), bad=False, of=USED_UP,
         states=no_manifest, content=False),
    Case("everything that is rare, no manifest", UNSURE, ("constraint",), bad=False, of=PARTICULARS, target="cluster",
         more={"extensions": ["postgres_fdw"]}, states=no_manifest, content=False,
         needs=since(18, "some of it is there")),
    Case("everything that was rare before 18, no manifest", UNSURE, ("constraint",), bad=False, of=BEFORE_18, target="cluster",
         more={"extensions": ["postgres_fdw"]}, states=no_manifest, content=False,
         needs=since(15, "some of it is there")),
    Case("everything that is rare", GOOD, of=PARTICULARS, target="cluster",
         more={"extensions": ["postgres_fdw"]}, needs=since(18, "some of it is there")),
    Case("everything that was rare before 18", GOOD, of=BEFORE_18, target="cluster",
         more={"extensions": ["postgres_fdw"]}, needs=since(15, "some of it is there")),
    Case("how somebody logs in elsewhere, which only a superuser sees", GOOD, ("user mapping options",),
         of=Production(FAR), target="cluster", more={"extensions": ["postgres_fdw"]}),
    Case("rights on the database itself", GOOD, ("server grant",), of=Production(
         "CREATE TABLE a (id int); INSERT INTO a VALUES (1);"
         "DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO app_user', current_database()); END $$")),
    Case("a schema renamed before the backup", GOOD, ("lost table",), of=Production(
         RARE, baseline="older", then="ALTER SCHEMA app RENAME TO application")),
    Case("partitions added since the baseline", GOOD, of=Production(
         baseline="older", then="CREATE TABLE events_2027 PARTITION OF events FOR VALUES FROM ('2027-01-01')"
         " TO ('2028-01-01'); INSERT INTO events VALUES ('2027-05-05', 'new')")),
    Case("the owner is another one", GOOD, ("owner",),
         of=Production("CREATE TABLE a (id int); INSERT INTO a VALUES (1); ALTER TABLE a OWNER TO app_user")),
    Case("an empty schema too many", GOOD, ("schema",), harm="CREATE SCHEMA more"),
    Case("the database has settings of its own", GOOD, ("database setting",), of=Production(
         "CREATE TABLE a (id int); INSERT INTO a VALUES (1);"
         "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''8MB''', current_database()); END $$")),
    Case("an extension of another version", GOOD, ("extension",), of=HSTORE,
         harm="UPDATE pg_extension SET extversion = '1.7' WHERE extname = 'hstore'"),
)  # fmt: skip
