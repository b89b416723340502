"""What PostgreSQL writes otherwise after a dump and a load is no difference, and a real one beside it
is."""

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from support.pg import Postgres, drain, started

from drbook.core.likeness import differences
from drbook.core.remarks import Remark, TableVerdict
from drbook.core.soundness import flaws
from drbook.core.structure import Structure
from drbook.providers.cancel import CancelToken
from drbook.providers.pgsession import guarded
from drbook.providers.pgstructure import read_structure
from drbook.providers.pgtools import PgTools
from drbook.providers.process import complete

GOOD, FAIL, UNSURE = TableVerdict.PASS, TableVerdict.FAIL, TableVerdict.COULD_NOT_VERIFY

ROLES = "CREATE ROLE zoe; CREATE ROLE adam; CREATE ROLE eve"
IDIOMS = r"""
CREATE SCHEMA app; SET search_path = app, public;
CREATE FUNCTION nx() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE SEQUENCE numbers;
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN letter AS varchar(5) DEFAULT 'a' CHECK (VALUE IN ('a', 'b'));
CREATE DOMAIN digit AS int DEFAULT nx() CHECK (VALUE BETWEEN 1 AND 9 AND VALUE <> 5);
CREATE DOMAIN number AS int DEFAULT nextval('numbers');
CREATE DOMAIN feeling AS mood DEFAULT 'ok';
CREATE TABLE t (id int PRIMARY KEY, a varchar(10) CHECK (a IN ('x', 'y')), b char(3) CHECK (b IN ('x', 'y')),
  n numeric CHECK (n IN (1, 2.5)), many text[] DEFAULT ARRAY['p'::varchar, 'q'],
  CHECK (id BETWEEN 1 AND 100 AND id <> 50), CHECK ((id = 1 OR id = 2) OR id > 2),
  CHECK (CASE WHEN a IN ('x', 'y') THEN b IN ('x', 'y') ELSE true END), CHECK (a LIKE ANY (ARRAY['x%'::varchar, 'y'])),
  kind text GENERATED ALWAYS AS (CASE WHEN a IN ('x', 'y') THEN 'few' END) STORED);
CREATE INDEX few ON t (n) WHERE a IN ('x', 'y') AND (id BETWEEN 1 AND 5 AND n > 1);
CREATE STATISTICS s ON (a IN ('x', 'y')), (id BETWEEN 1 AND 2 AND id <> 9) FROM t;
CREATE VIEW v AS SELECT id BETWEEN 1 AND 2 AND n = 1 AS low FROM t WHERE a NOT IN ('x', 'y') OR (n = 1 OR n = 2);
CREATE MATERIALIZED VIEW m AS SELECT a FROM t WHERE a IN ('x', 'y');
CREATE FUNCTION body(p varchar) RETURNS bigint LANGUAGE sql
  BEGIN ATOMIC SELECT count(*) FROM t WHERE id BETWEEN 1 AND 5 AND a <> p AND a IN ('x', 'y'); END;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER touch BEFORE UPDATE ON t FOR EACH ROW WHEN (NEW.a IN ('x', 'y') AND OLD.id <> 1)
  EXECUTE FUNCTION touch();
CREATE RULE quiet AS ON DELETE TO t WHERE OLD.a IN ('x', 'y') DO INSTEAD NOTHING;
CREATE POLICY mine ON t TO zoe, adam, eve USING (a IN ('x', 'y') AND (id BETWEEN 1 AND 5 AND b = current_user));
CREATE TABLE parts (a varchar) PARTITION BY LIST ((a IN ('x', 'y')));
"""
NUMBERS = ", ".join(f"'{number}'" for number in range(100))
LONG = f"CREATE VIEW app.long AS SELECT id FROM app.t WHERE a IN ({NUMBERS}) AND (id BETWEEN 1 AND 5 AND n = 1);"
"""Kept by its digest."""
KEYS = """
CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE p_9 PARTITION OF p FOR VALUES FROM (90) TO (100);
CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (10) TO (20);
CREATE TABLE p_5 PARTITION OF p FOR VALUES FROM (50) TO (60);
CREATE TABLE c (id int, p int REFERENCES p, second int CONSTRAINT later REFERENCES p ON DELETE CASCADE);
CREATE TABLE r (id int, p int CONSTRAINT of_r REFERENCES p) PARTITION BY LIST (id);
CREATE TABLE r_1 (id int, p int CONSTRAINT own REFERENCES p);
ALTER TABLE r ATTACH PARTITION r_1 FOR VALUES IN (1);
CREATE TABLE r_2 PARTITION OF r FOR VALUES IN (2) PARTITION BY LIST (p);
CREATE TABLE r_22 PARTITION OF r_2 FOR VALUES IN (90);
"""
BROKEN = """
CREATE TABLE broken (id int, n int); INSERT INTO broken VALUES (1, 1), (1, 2);
CREATE INDEX whole ON broken (n);
CREATE TABLE few (id int) PARTITION BY RANGE (id);
CREATE TABLE few_1 PARTITION OF few FOR VALUES FROM (1) TO (9);
CREATE INDEX on_few ON ONLY few (id);
"""
RIGHTS = """
CREATE TABLE t (id int); GRANT SELECT ON t TO zoe, adam; GRANT INSERT ON t TO adam;
CREATE TABLE owned (id int); ALTER TABLE owned OWNER TO zoe; REVOKE DELETE ON owned FROM zoe;
CREATE SCHEMA of_zoe AUTHORIZATION zoe; REVOKE CREATE ON SCHEMA of_zoe FROM zoe;
CREATE TABLE everything (id int); GRANT ALL ON everything TO zoe; GRANT ALL ON everything TO adam WITH GRANT OPTION;
CREATE TABLE less (id int); GRANT SELECT, INSERT, UPDATE, DELETE ON less TO zoe;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO zoe, adam;
ALTER DEFAULT PRIVILEGES GRANT INSERT ON TABLES TO adam;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO eve;
ALTER DEFAULT PRIVILEGES FOR ROLE zoe REVOKE DELETE ON TABLES FROM zoe;
"""


@pytest.fixture(scope="module")
def servers(
    tools: tuple[PgTools, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Postgres, Postgres]]:
    """The oldest and the newest server of this machine; the same twice where there is one only."""
    found = sorted((one for one in tools if one.has_server), key=lambda one: one.version)
    made = [
        started(one, tmp_path_factory.mktemp(f"pg{one.major}"))
        for one in found[:1] + found[1:][-1:]
    ]
    try:
        for each in made:
            with each.connect("postgres") as connection:
                connection.execute(ROLES)
        yield made[0], made[-1]
    finally:
        for each in made:
            each.server.stop()


def again(
    was: Postgres,
    now: Postgres,
    folder: Path,
    sql: str,
    then: Callable[[psycopg.Connection], None] = lambda connection: None,
) -> tuple[Structure, Structure]:
    """What a database held, and what came back of it; `again` is there to be damaged. The older one's
    programs dump and load."""
    for server, name in ((was, "held"), (now, "again")):
        with server.connect("postgres") as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name}")
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    with was.connect("held") as connection:
        connection.execute(sql)
        then(connection)
    archive = folder / "held.dump"
    for server, program, *more in (
        (was, "pg_dump", "-Fc", f"--file={archive}", "--dbname=held"),
        (now, "pg_restore", "--exit-on-error", "--no-owner", "--dbname=again", str(archive)),
    ):
        argv = [was.tools.path(program), f"--host={server.server.socket}", "--username=postgres"]
        done = complete([*argv, *more])
        assert done.exit_code == 0, done.stderr
    return structure(was, "held"), structure(now, "again")


def structure(postgres: Postgres, dbname: str) -> Structure:
    ref = postgres.server.ref(dbname)
    with guarded(ref, os.environ, CancelToken(), timeout=timedelta(minutes=1)) as connection:
        return drain(read_structure(connection, CancelToken()))


def judged(held: Structure, restored: Structure, majors: tuple[int, int]) -> list[Remark]:
    found = [*differences(held, restored, majors=majors), *flaws(restored, held)]
    return [one for one in found if one.check != "locale"]


def against(
    held: Structure, restored: Structure, majors: tuple[int, int] = (1, 1)
) -> set[tuple[str, str]]:
    found = judged(held, restored, majors)
    return {(one.check, one.subject) for one in found if one.verdict is FAIL}


def changed(postgres: Postgres, sql: str) -> Structure:
    with postgres.connect("again") as connection:
        connection.execute(sql)
    return structure(postgres, "again")


IDIOMS_CHANGED = r"""
SET search_path = app, public;
ALTER DOMAIN letter DROP CONSTRAINT letter_check; ALTER DOMAIN letter ADD CONSTRAINT letter_check CHECK (VALUE IN ('a', 'c'));
CREATE SCHEMA other; CREATE FUNCTION other.nx() RETURNS int LANGUAGE sql AS 'SELECT 1';
ALTER DOMAIN digit SET DEFAULT other.nx();
ALTER TABLE t DROP CONSTRAINT t_a_check; ALTER TABLE t ADD CONSTRAINT t_a_check CHECK (a IN ('y', 'x'));
ALTER TABLE t DROP CONSTRAINT t_id_check; ALTER TABLE t ADD CONSTRAINT t_id_check CHECK (id BETWEEN 1 AND 100 OR id <> 50);
ALTER TABLE t ALTER many SET DEFAULT ARRAY['q'::varchar, 'p'];
DROP INDEX few; CREATE INDEX few ON t (n) WHERE a IN ('x', 'y') AND (id BETWEEN 1 AND 5 OR n > 1);
DROP STATISTICS s; CREATE STATISTICS s ON (a IN ('x', 'z')), (id BETWEEN 1 AND 2 AND id <> 9) FROM t;
CREATE OR REPLACE VIEW v AS SELECT id BETWEEN 1 AND 2 AND n = 1 AS low FROM t WHERE a IN ('x', 'y') OR (n = 1 OR n = 2);
DROP MATERIALIZED VIEW m; CREATE MATERIALIZED VIEW m AS SELECT a FROM t WHERE a IN ('x', 'y', 'z');
CREATE OR REPLACE FUNCTION body(p varchar) RETURNS bigint LANGUAGE sql
  BEGIN ATOMIC SELECT count(*) FROM t WHERE id BETWEEN 1 AND 5 AND a = p AND a IN ('x', 'y'); END;
DROP TRIGGER touch ON t; CREATE TRIGGER touch BEFORE UPDATE ON t FOR EACH ROW
  WHEN (NEW.a IN ('x', 'y') AND NEW.id <> 1) EXECUTE FUNCTION touch();
CREATE OR REPLACE RULE quiet AS ON DELETE TO t WHERE OLD.a NOT IN ('x', 'y') DO INSTEAD NOTHING;
ALTER POLICY mine ON t TO zoe, adam;
DROP TABLE parts; CREATE TABLE parts (a varchar) PARTITION BY LIST ((a IN ('x', 'z')));
CREATE OR REPLACE VIEW long AS SELECT id FROM t WHERE a IN (NUMBERS) AND (id BETWEEN 1 AND 5 AND n = 2);
""".replace("NUMBERS", NUMBERS)
CHANGED = {
    ("constraint", "app.letter.letter_check"), ("type", "app.digit"), ("constraint", "app.t.t_a_check"),
    ("constraint", "app.t.t_id_check"), ("column", "app.t.many"), ("index", "app.few"),
    ("statistics", "app.s"), ("view", "app.v"), ("view", "app.long"), ("materialized view", "app.m"),
    ("function", "app.body(p character varying)"), ("trigger", "app.t.touch"), ("rule", "app.t.quiet"),
    ("policy", "app.t.mine"), ("table", "app.parts"), ("function", "other.nx()"),
    ("grant", "function other.nx() to PUBLIC"),
}  # fmt: skip
GROUPS = {"idioms": IDIOMS + LONG, "keys": KEYS, "rights": RIGHTS}


@pytest.mark.parametrize("what", GROUPS)
@pytest.mark.parametrize("which", [0, 1])
def test_a_dump_and_a_load_on_the_same_major_change_nothing(
    servers: tuple[Postgres, Postgres], tmp_path: Path, what: str, which: int
) -> None:
    server = servers[which]
    held, restored = again(server, server, tmp_path, GROUPS[what])
    assert [one for one in judged(held, restored, (1, 1)) if one.verdict is not GOOD] == []


@pytest.mark.parametrize("what", GROUPS)
def test_a_later_major_s_load_fails_nothing(
    servers: tuple[Postgres, Postgres], tmp_path: Path, what: str
) -> None:
    majors = (servers[0].tools.major, servers[1].tools.major)
    held, restored = again(*servers, tmp_path, GROUPS[what])
    assert against(held, restored, majors) == set()
    assert {one.check for one in judged(held, restored, majors) if one.verdict is UNSURE} <= {
        "view", "materialized view", "function"
    }  # fmt: skip


def test_each_idiom_that_is_changed_is_found(
    servers: tuple[Postgres, Postgres], tmp_path: Path
) -> None:
    held, _ = again(servers[1], servers[1], tmp_path, GROUPS["idioms"])
    assert against(held, changed(servers[1], IDIOMS_CHANGED)) == CHANGED


def test_a_key_to_a_partitioned_table_that_is_changed_is_found(
    servers: tuple[Postgres, Postgres], tmp_path: Path
) -> None:
    held, _ = again(servers[1], servers[1], tmp_path, KEYS)
    found = against(held, changed(servers[1], "ALTER TABLE r_1 DISABLE TRIGGER ALL"))
    assert found == {("constraint", "public.r_1.of_r of public.r to public.p")}
    restored = changed(
        servers[1],
        "ALTER TABLE c DROP CONSTRAINT later; ALTER TABLE c ADD CONSTRAINT later FOREIGN KEY (second) REFERENCES p;"
        "ALTER TABLE r_1 ENABLE TRIGGER ALL; ALTER TABLE p DETACH PARTITION p_5",
    )
    assert against(held, restored) == {
        ("constraint", "public.c.later"),
        *(("constraint", f"public.c.later of public.c to public.p_{n}") for n in (1, 5, 9)),
        ("constraint", "public.c.c_p_fkey of public.c to public.p_5"),
        ("constraint", "public.r.of_r of public.r to public.p_5"),
        ("table", "public.p_5"),
    }


def test_a_right_that_is_changed_is_found(
    servers: tuple[Postgres, Postgres], tmp_path: Path
) -> None:
    held, _ = again(*servers, tmp_path, RIGHTS)
    more = ", MAINTAIN" if servers[1].tools.major >= 17 else ""
    restored = changed(
        servers[1],
        f"GRANT TRUNCATE{more} ON less TO zoe; REVOKE INSERT ON everything FROM adam; GRANT SELECT ON owned TO eve;"
        "ALTER DEFAULT PRIVILEGES FOR ROLE postgres REVOKE INSERT ON TABLES FROM adam;",
    )
    assert against(held, restored, (servers[0].tools.major, servers[1].tools.major)) == {
        ("grant", "public.less to zoe"),
        ("grant", "public.everything to adam"),
        ("grant", "public.owned to eve"),
        ("default grant", "r of postgres"),
    }


def test_an_index_that_could_not_be_made_is_left_out(
    servers: tuple[Postgres, Postgres], tmp_path: Path
) -> None:
    def fail_at_it(connection: psycopg.Connection) -> None:
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("CREATE UNIQUE INDEX CONCURRENTLY once ON broken (id)")

    held, restored = again(servers[1], servers[1], tmp_path, BROKEN, fail_at_it)
    found = {one.subject: one for one in judged(held, restored, (1, 1)) if one.check == "index"}
    assert {name: one.verdict for name, one in found.items()} == {
        "public.once": GOOD,
        "public.on_few": GOOD,
    }
    assert found["public.once"].words == "not valid in production; a dump leaves it out"
    assert against(held, changed(servers[1], "DROP INDEX whole, on_few")) == {
        ("index", "public.whole"),
        ("index", "public.on_few"),
    }
