"""Good backups that look odd, for the shape of what is in them."""

from corpus.case import BAD, GOOD, UNSURE, Case, Production, no_manifest, since
from corpus.cases.damaged import (
    FOLDER,
    PLAIN,
    TAR,
    in_gzip,
    in_pieces,
    in_zstd,
    without_its_restriction,
)

ODD = r"""
CREATE SCHEMA "Odd ""Schema"" %s";
CREATE TABLE "Odd ""Schema"" %s"."select; -- 'x'" (" " int PRIMARY KEY, "t" text, "ünï" text);
INSERT INTO "Odd ""Schema"" %s"."select; -- 'x'" VALUES (1, 'a', 'b'), (2, NULL, '');
CREATE TABLE "a.b" (id int); CREATE TABLE "A" (id int); INSERT INTO "A" VALUES (1);
"""
NUMBERS = """
CREATE TABLE numbers (f float8, r float4, n numeric, at timestamptz, created_at timestamptz, i interval);
INSERT INTO numbers VALUES ('NaN', 'NaN', 'NaN', 'infinity', 'infinity', '1 mon'),
  ('Infinity', '-Infinity', 'Infinity', '-infinity', '-infinity', '30 days'), (-0.0, 0.0, 0.00, NULL, NULL, NULL),
  (1e-300, 1e38, 1e-50, '2026-01-01', '2026-01-01', '-1 day +02:03');
"""
EQUAL = (
    "CREATE TABLE heap (a int, b text); INSERT INTO heap SELECT 1, 'x' FROM generate_series(1, 4);"
)
REORDERED = """
CREATE TABLE again AS SELECT * FROM papers ORDER BY id DESC; DELETE FROM papers;
INSERT INTO papers SELECT * FROM again; DROP TABLE again; CLUSTER orders USING orders_note;
ALTER TABLE orders SET WITHOUT CLUSTER;
"""
TEXTS = """
CREATE TYPE pair AS (a int, b json);
CREATE TABLE texts (j json, x xml, p pair, m int4multirange, a json[], d money, r regclass);
INSERT INTO texts VALUES ('{"b":1, "a":2}', NULL, ROW(1, '[1]'), '{[1,3),[5,7)}', '{"{}"}', 3, 'pg_class');
CREATE VIEW seen AS SELECT j ->> 'b' AS b FROM texts;
"""
FOREIGN = """
CREATE EXTENSION postgres_fdw;
CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'nowhere');
CREATE FOREIGN TABLE far_table (id int) SERVER far;
CREATE TABLE near (id int); INSERT INTO near VALUES (1), (2);
"""
LEFT_OUT = """
CREATE TABLE a (id int); INSERT INTO a VALUES (1);
CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
CREATE EVENT TRIGGER watching ON ddl_command_end EXECUTE FUNCTION watch();
CREATE PUBLICATION everything FOR ALL TABLES;
CREATE SUBSCRIPTION elsewhere CONNECTION 'host=nowhere' PUBLICATION p
  WITH (connect = false, slot_name = NONE, enabled = false);
"""
UNLOGGED = "CREATE UNLOGGED TABLE sessions (id int); INSERT INTO sessions VALUES (1), (2);"
INHERITED = """
CREATE TABLE parent (id int); CREATE TABLE child (more text) INHERITS (parent);
INSERT INTO parent VALUES (1), (2); INSERT INTO child VALUES (3, 'x');
"""
BODIES = """
CREATE TABLE a (id int PRIMARY KEY, what text); INSERT INTO a VALUES (1, 'x'), (2, 'INSERT INTO a VALUES (3);');
CREATE PROCEDURE twice(n int) BEGIN ATOMIC
  INSERT INTO a VALUES (n, 'one'); INSERT INTO a SELECT n + 1, CASE WHEN n > 0 THEN 'two' END; DELETE FROM a WHERE id = 9;
END;
CREATE FUNCTION seen(n int) RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM a WHERE id > n; END;
CREATE RULE kept AS ON DELETE TO a DO ALSO (INSERT INTO a VALUES (old.id + 100, old.what); NOTIFY gone);
"""
BEGINS = """
CREATE TABLE bookings (id int PRIMARY KEY, begin date, finish date);
INSERT INTO bookings VALUES (1, '2026-01-01', '2026-01-02');
CREATE FUNCTION begins() RETURNS date LANGUAGE sql BEGIN ATOMIC SELECT begin FROM bookings WHERE id = 1; END;
CREATE TABLE zz (id int PRIMARY KEY); INSERT INTO zz VALUES (1);
SELECT lo_from_bytea(4, 'abc');
"""
SHOWN = """
CREATE TABLE a (id int PRIMARY KEY, what text); INSERT INTO a VALUES (1, 'x');
CREATE FUNCTION howto() RETURNS text LANGUAGE sql AS $f$ SELECT '
COPY orders FROM stdin;
GRANT ALL ON TABLE a TO nobody_known;
CREATE EXTENSION IF NOT EXISTS pg_cron;
' $f$;
CREATE SCHEMA tenant; CREATE TABLE tenant.members (id int, who text); INSERT INTO tenant.members VALUES (1, 'a');
ALTER TABLE a ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON a USING (id IN (SELECT m.id FROM tenant.members m WHERE m.who IS DISTINCT FROM a.what));
GRANT EXECUTE ON FUNCTION howto() TO app_user;
"""
COMMANDS = r"""
CREATE TABLE notes (t text, n int); CREATE TABLE words (w text);
INSERT INTO notes VALUES ('first', 1), (chr(13) || 'estrict abc the rest of it', 2), (E'\\\\.', 3), (chr(13) || 'estrict', 4);
INSERT INTO words VALUES (chr(13) || 'estrict abc'), (E'\\\\! touch /nowhere'), ('unrestrict abc');
"""
"""Values that COPY writes as psql writes its own commands: `\\r` stands for a carriage return."""
OWNED = """
CREATE ROLE "deploy user"; CREATE SCHEMA ext AUTHORIZATION "deploy user"; CREATE EXTENSION hstore SCHEMA ext;
CREATE SCHEMA "other one" AUTHORIZATION "deploy user"; CREATE TABLE "other one".t (id int);
CREATE TABLE t (id int PRIMARY KEY, h ext.hstore); INSERT INTO t VALUES (1, 'a=>b');
"""
"""The schema of an extension belongs to a role of two words."""
REWRITTEN = """
CREATE TABLE a (id int PRIMARY KEY, what varchar(10) CHECK (what IN ('x', 'y')), CHECK (id BETWEEN 1 AND 9 AND id <> 5));
INSERT INTO a VALUES (1, 'x'), (2, 'y');
CREATE FUNCTION nx() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE DOMAIN number AS int DEFAULT nx();
CREATE DOMAIN letter AS varchar CHECK (VALUE IN ('x', 'y'));
CREATE INDEX few ON a (id) WHERE what IN ('x', 'y') OR (id = 1 OR id = 2);
CREATE VIEW v AS SELECT id FROM a WHERE what NOT IN ('x', 'z') AND (id BETWEEN 1 AND 5 AND id <> 3);
CREATE POLICY mine ON a TO "Odd Role", app_user USING (what IN ('x', 'y'));
"""
"""Expressions and roles that the server writes otherwise once they were dumped and loaded."""
PARTED = """
CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE p_2 PARTITION OF p FOR VALUES FROM (20) TO (30); CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (10) TO (20);
CREATE TABLE c (id int, p int REFERENCES p) PARTITION BY LIST (id);
CREATE TABLE c_1 (id int, p int CONSTRAINT own REFERENCES p); ALTER TABLE c ATTACH PARTITION c_1 FOR VALUES IN (1);
INSERT INTO p VALUES (10), (20); INSERT INTO c VALUES (1, 10), (1, 20);
"""
"""Foreign keys whose parts the server names itself, in the order in which partitions are made."""
NOT_MADE = """
CREATE TABLE a (id int, n int); INSERT INTO a VALUES (1, 2); CREATE INDEX sound ON a (n); CREATE INDEX bad ON a (id);
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'bad'::regclass;
"""
"""What a CREATE INDEX CONCURRENTLY leaves behind that failed."""
NARROWED = """
CREATE TABLE a (id int); INSERT INTO a VALUES (1); ALTER TABLE a OWNER TO app_user; REVOKE DELETE ON a FROM app_user;
GRANT SELECT ON a TO "Odd Role";
"""
DEFAULTS = """
CREATE TABLE a (id int); INSERT INTO a VALUES (1);
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO "Odd Role", app_user; ALTER DEFAULT PRIVILEGES GRANT INSERT ON TABLES TO app_user;
"""
NOT_UTF8 = Production(
    r"""
    CREATE FUNCTION run(text) RETURNS void LANGUAGE plpgsql AS
      $$ BEGIN EXECUTE replace($1, '?', convert_from('\x636166e9', 'SQL_ASCII')); END $$;
    SELECT run('CREATE TABLE "?" (id serial)'), run('INSERT INTO "?" VALUES (1), (2)'),
           run('CREATE TABLE columns (id int PRIMARY KEY, "?" text)'), run('INSERT INTO columns VALUES (1, ''?'')');
    DROP FUNCTION run;
    CREATE TABLE "grün" (id int PRIMARY KEY); INSERT INTO "grün" VALUES (1);
    CREATE TABLE plain (id int, words text); INSERT INTO plain VALUES (1, convert_from('\x636166e9', 'SQL_ASCII'));
    """,
    made="ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc LOCALE 'C'",
)
"""Names of a time when nobody said in which encoding they are."""
EXTRA = "CREATE SCHEMA scratch; CREATE TABLE scratch.notes (id int); INSERT INTO scratch.notes VALUES (1);"


UNNAMED = Production("""
CREATE TABLE u (id int PRIMARY KEY); CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1);
CREATE VIEW orphaned AS SELECT id FROM t WHERE NOT EXISTS (SELECT NULL FROM u WHERE u.id = t.id);
CREATE POLICY p ON t USING (EXISTS (SELECT 'x' FROM u WHERE u.id = t.id));
CREATE VIEW tv AS SELECT * FROM t;
CREATE RULE r AS ON UPDATE TO tv WHERE EXISTS (SELECT NULL FROM t) DO INSTEAD NOTHING;
CREATE RULE r2 AS ON UPDATE TO tv DO INSTEAD NOTHING;
CREATE RULE r3 AS ON INSERT TO t DO ALSO SELECT 'hello', -1, 9999999999, 1.5, true, '{1}'::int[], 'a'::varchar(3);
CREATE MATERIALIZED VIEW mv AS SELECT count(*) FROM t WHERE v IN (SELECT 'a') AND id > (SELECT -1);
CREATE VIEW nested AS SELECT EXISTS (SELECT (SELECT 'x'), (SELECT NULL::timestamptz) FROM u) AS there;
""")
UNNAMED_BODY = Production("""
CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1);
CREATE FUNCTION f() RETURNS bool LANGUAGE sql RETURN EXISTS (SELECT 'x' FROM t);
""")
OTHER_CONSTANT = """
CREATE OR REPLACE VIEW orphaned AS SELECT id FROM t WHERE NOT EXISTS (SELECT NULL AS text FROM u WHERE u.id <> t.id)
"""
RENAMED_PUBLIC = Production("""
CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); ALTER SCHEMA public OWNER TO app_user;
ALTER SCHEMA public RENAME TO main; CREATE SCHEMA public; COMMENT ON SCHEMA main IS 'x';
""")
NO_PUBLIC = Production(
    "CREATE SCHEMA app; CREATE TABLE app.t (id int PRIMARY KEY); INSERT INTO app.t VALUES (1); DROP SCHEMA public"
)
GIVEN_BY_HAND = """
REVOKE EXECUTE ON FUNCTION extensions.similarity(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION extensions.similarity(text, text) TO app_user;
"""
NARROWED_OBJECT = Production("""
CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); SELECT lo_create(5);
ALTER LARGE OBJECT 5 OWNER TO app_user; GRANT SELECT ON LARGE OBJECT 5 TO "Odd Role";
REVOKE UPDATE ON LARGE OBJECT 5 FROM app_user;
""")
NARROWED_TABLE = Production("""
CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); ALTER TABLE t OWNER TO app_user;
REVOKE INSERT, UPDATE, DELETE ON t FROM app_user;
""")
AUDIT = """
CREATE SCHEMA audit; CREATE SCHEMA app; CREATE TABLE audit.log (id int); ALTER DEFAULT PRIVILEGES IN SCHEMA %s GRANT SELECT ON TABLES
  TO app_user; CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1);
"""
GRANTED_IN = Production(AUDIT % "audit", options=("-Fc", "-N", "audit"))
GRANTED_ELSEWHERE = Production(AUDIT % "app", options=("-Fc", "-N", "audit"))
TRGM = {"extensions": ["pg_trgm"]}
TRUSTED = Production("""
CREATE SCHEMA extensions; CREATE EXTENSION pg_trgm SCHEMA extensions;
REVOKE EXECUTE ON FUNCTION extensions.similarity(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION extensions.similarity(text, text) TO app_user;
CREATE TABLE a (id int); INSERT INTO a VALUES (1);
""")

REPLACED = Production(
    "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1);"
    " CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1; CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1';"
    " CREATE VIEW v AS SELECT 1 AS x",
    meanwhile="CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql RETURN 2;"
    " CREATE OR REPLACE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 2'; CREATE OR REPLACE VIEW v AS SELECT 2 AS x",
)

CASES = (
    Case("nothing but empty tables", GOOD, of=Production(
        "CREATE TABLE a (id int); CREATE TABLE b (id int PRIMARY KEY, name text)")),
    Case("nothing but empty tables, no manifest", GOOD, of=Production(
        "CREATE TABLE a (id int); CREATE TABLE b (id int PRIMARY KEY, name text)"), states=no_manifest),
    Case("an empty database", GOOD, of=Production("SELECT 1")),
    Case("a name that is not UTF-8", UNSURE, ("counted",), bad=False, of=NOT_UTF8),
    Case("a name that is not UTF-8, and a row changed beside it", BAD, ("content",), of=NOT_UTF8,
         harm="UPDATE plain SET id = 2"),
    Case("odd names", GOOD, of=Production(ODD)),
    Case("odd names, no manifest", GOOD, of=Production(ODD), states=no_manifest, content=False),
    Case("NaN, infinity and minus zero", GOOD, of=Production(NUMBERS)),
    Case("equal rows without a key", GOOD, of=Production(EQUAL)),
    Case("another physical order", GOOD, harm=REORDERED),
    Case("content hashed as text", GOOD, of=Production(TEXTS)),
    Case("an unlogged table", GOOD, of=Production(UNLOGGED)),
    Case("inherited tables", GOOD, of=Production(INHERITED)),
    Case("a harmless table in an ignored schema", GOOD, harm=EXTRA, ignore=("scratch",)),
    Case("a foreign table, whose rows live elsewhere", GOOD, of=Production(FOREIGN), target="cluster",
         more={"extensions": ["postgres_fdw"]}),
    Case("what only a superuser could make is left out", GOOD,
         ("event trigger", "publication", "subscription"), of=Production(LEFT_OUT), target="cluster"),
    Case("plain", GOOD, of=PLAIN),
    Case("tar", GOOD, of=TAR),
    Case("directory", GOOD, of=FOLDER),
    Case("plain, in gzip", GOOD, of=PLAIN, spoil=in_gzip, signed=True),
    Case("custom, in zstd", GOOD, spoil=in_zstd(None), signed=True),
    Case("plain, as pzstd writes it", GOOD, of=PLAIN, spoil=in_pieces, signed=True),
    Case("statements in bodies", GOOD, of=Production(BODIES)),
    Case("a column called begin in a body", GOOD, of=Production(BEGINS), target="cluster"),
    Case("a column called begin in a body, no manifest", UNSURE, ("",), bad=False,
         of=Production(BEGINS), states=no_manifest, content=False, target="cluster"),
    Case("statements in bodies, plain, no manifest", GOOD, content=False, states=no_manifest,
         of=Production(BODIES, options=("-Fp",))),
    Case("statements in bodies, with INSERT statements, no manifest", GOOD, content=False, states=no_manifest,
         of=Production(BODIES, options=("-Fp", "--inserts"))),
    Case("what only looks like statements", GOOD, of=Production(SHOWN)),
    Case("what only looks like statements, plain", GOOD, of=Production(SHOWN, options=("-Fp",))),
    Case("values that look like psql's commands, plain", GOOD, of=Production(COMMANDS, options=("-Fp",))),
    Case("values that look like psql's commands, plain of an older pg_dump", GOOD, signed=True,
         of=Production(COMMANDS, options=("-Fp",)), spoil=without_its_restriction),
    Case("values that look like psql's commands, through psql", GOOD, of=Production(COMMANDS), target="database"),
    Case("an extension's schema of a role of two words", GOOD, of=Production(OWNED), target="cluster"),
    Case("what the server writes otherwise once it was loaded", GOOD, of=Production(REWRITTEN)),
    Case("foreign keys to partitions that were not made in order", GOOD, of=Production(PARTED)),
    Case("an index that production could not make", GOOD, ("index",), of=Production(NOT_MADE)),
    Case("an owner whose own rights were narrowed", GOOD, of=Production(NARROWED)),
    Case("default rights of several roles", GOOD, of=Production(DEFAULTS), target="cluster"),
    Case("with INSERT statements", GOOD, of=Production(options=("-Fp", "--inserts"))),
    Case("constants without a name, which a reload names", GOOD, of=UNNAMED),
    Case("constants without a name in a function's body", GOOD, of=UNNAMED_BODY),
    Case("a view that reads otherwise behind such a constant", BAD, ("view",), of=UNNAMED, harm=OTHER_CONSTANT),
    Case("schema public renamed, and made again", GOOD, of=RENAMED_PUBLIC, target="cluster"),
    Case("the comment on a renamed schema public is gone", BAD, ("comment",), of=RENAMED_PUBLIC, target="cluster",
         harm="COMMENT ON SCHEMA main IS NULL"),
    Case("production dropped its schema public", GOOD, ("grant",), of=NO_PUBLIC),
    Case("production dropped its schema public, and everybody may create in it", BAD, ("grant",), of=NO_PUBLIC,
         harm="GRANT ALL ON SCHEMA public TO PUBLIC; GRANT USAGE ON SCHEMA public TO app_user"),
    Case("a large object whose owner may not write it", GOOD, of=NARROWED_OBJECT, target="cluster"),
    Case("a large object whose owner may write it again", BAD, ("grant",), of=NARROWED_OBJECT, target="cluster",
         harm="GRANT UPDATE ON LARGE OBJECT 5 TO app_user"),
    Case("a table whose owner may only read it", GOOD, of=NARROWED_TABLE),
    Case("a table whose owner may do everything again", BAD, ("grant",), of=NARROWED_TABLE,
         harm="GRANT ALL ON t TO app_user"),
    Case("default rights in an ignored schema", GOOD, of=GRANTED_IN, ignore=("audit",)),
    Case("default rights beside an ignored schema are gone", BAD, ("default grant",), of=GRANTED_ELSEWHERE,
         ignore=("audit",), target="cluster", harm="ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA app REVOKE SELECT ON TABLES FROM app_user"),
    Case("rights on an extension's function, which the load could not give", BAD, ("extension grant",), of=TRUSTED,
         target="cluster", more=TRGM),
    Case("rights on an extension's function, given by hand", GOOD, of=TRUSTED, target="cluster", more=TRGM,
         harm=GIVEN_BY_HAND),
    Case("an extension lies in another schema", BAD, ("extension schema",), of=TRUSTED, target="cluster", more=TRGM,
         harm="ALTER EXTENSION pg_trgm SET SCHEMA public"),
    Case("a sequence is nearly used up", BAD, ("sequence",), harm="SELECT setval('orders_id_seq', 2147483640)"),
    Case("a sequence has skipped a fifth of its values", UNSURE, ("sequence",), bad=True,
         harm="SELECT setval('orders_id_seq', 430000000)"),
    Case("a sequence is some values further", GOOD, ("sequence",), harm="SELECT setval('orders_id_seq', 5000)"),
    Case("a sequence is unlogged", BAD, ("sequence",), harm="ALTER SEQUENCE orders_id_seq SET UNLOGGED",
         needs=since(15, "sequences may be unlogged")),
    Case("a login may give its role away", GOOD, ("membership",),
         harm="GRANT app_user TO \"Odd Role\" WITH ADMIN OPTION"),
    Case("functions replaced while they were dumped", GOOD, of=REPLACED),
    Case("a function replaced while it was dumped, and again", UNSURE, ("function",), bad=True, of=REPLACED,
         harm="CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql RETURN 3"),
    Case("another function than what was replaced while it was dumped", BAD, ("function",), harm=
         "CREATE OR REPLACE FUNCTION h() RETURNS int LANGUAGE sql RETURN 3", of=Production(
             REPLACED.sql + "; CREATE FUNCTION h() RETURNS int LANGUAGE sql RETURN 1", meanwhile=REPLACED.meanwhile)),
)  # fmt: skip
