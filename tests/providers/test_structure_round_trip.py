"""What a dump and a reload by PostgreSQL's own programs bring back differs in nothing, on every major
version that is here; and each rare property is missed where it is lost."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from support.particular import PARTICULAR_ROLES, particular
from support.pg import Postgres, drain, started

from drbook.core.likeness import differences
from drbook.core.remarks import Remark, TableVerdict
from drbook.core.soundness import flaws
from drbook.core.structure import Structure
from drbook.providers.cancel import CancelToken
from drbook.providers.pgsession import guarded
from drbook.providers.pgstructure import read_structure
from drbook.providers.pgtools import find_tools
from drbook.providers.process import complete

GOOD, FAIL = TableVerdict.PASS, TableVerdict.FAIL
SERVERS = {one.major: one for one in find_tools() if one.has_server and one.major >= 15}
NEWEST = max(SERVERS, default=0)


@dataclass(frozen=True)
class Made:
    """A server with the database `source`, its structure, and dumps of it."""

    postgres: Postgres
    folder: Path
    held: Structure

    def read(self, dbname: str) -> Structure:
        ref = self.postgres.server.ref(dbname)
        with guarded(ref, os.environ, CancelToken(), timeout=timedelta(minutes=1)) as connection:
            return drain(read_structure(connection, CancelToken(), sound=True))

    def run(self, program: str, *options: str | Path) -> None:
        argv: list[str | Path] = [self.postgres.tools.path(program), *options]
        done = complete([*argv, f"--host={self.postgres.server.socket}", "--username=postgres"])
        assert done.exit_code == 0, done.stderr

    def make(self, dbname: str, template: str = "template0") -> None:
        with self.postgres.connect("postgres") as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {dbname}".encode())
            connection.execute(f"CREATE DATABASE {dbname} TEMPLATE {template}".encode())

    def against(self, dbname: str) -> list[Remark]:
        """Everything that is said of it beside what the server's own rights are."""
        found, major = self.read(dbname), self.postgres.tools.major
        said = [*differences(self.held, found, majors=(major, major)), *flaws(found, self.held)]
        return [one for one in said if one.verdict is not GOOD]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], Made]]:
    """By major version; each server is started when it is first asked for."""
    servers: dict[int, Made] = {}
    with ExitStack() as stack:

        def of(major: int) -> Made:
            if major not in servers:
                folder = tmp_path_factory.mktemp(f"particular{major}")
                postgres = started(SERVERS[major], folder)
                stack.callback(postgres.server.stop)
                servers[major] = _filled(postgres, folder)
            return servers[major]

        yield of


def _filled(postgres: Postgres, folder: Path) -> Made:
    empty = Made(postgres, folder, Structure())
    with postgres.connect("postgres") as connection:
        connection.execute(PARTICULAR_ROLES.encode())
    empty.make("source")
    with postgres.connect("source") as connection:
        connection.execute(particular(postgres.tools.major, icu=_has_icu(connection)).encode())
        connection.execute(b"GRANT CREATE ON DATABASE source TO clerk")
        connection.execute(b"ALTER TABLE p.serials OWNER TO keeper")
        connection.execute(b"REVOKE DELETE ON p.serials FROM keeper")
    made = Made(postgres, folder, empty.read("source"))
    assert made.held.unread == {}
    made.run("pg_dump", "--format=c", "--dbname=source", f"--file={folder / 'dump'}")
    made.make("whole")
    made.run("pg_restore", "--exit-on-error", "--dbname=whole", folder / "dump")
    return made


def _has_icu(connection: psycopg.Connection) -> bool:
    """Every server knows the collation `unicode`; one that was built with ICU knows hundreds."""
    asked = connection.execute("SELECT count(*) > 9 FROM pg_collation WHERE collprovider = 'i'")
    return asked.fetchone() == (True,)


@pytest.mark.parametrize("options", [(), ("--no-owner",)])
@pytest.mark.parametrize("major", sorted(SERVERS))
def test_nothing_is_against_a_faithful_reload(
    made: Callable[[int], Made], major: int, options: tuple[str, ...]
) -> None:
    one = made(major)
    one.make("again")
    one.run("pg_restore", "--exit-on-error", *options, "--dbname=again", one.folder / "dump")
    assert one.against("again") == []


@pytest.mark.parametrize("major", sorted(SERVERS))
def test_nothing_is_against_a_reload_of_a_reload(made: Callable[[int], Made], major: int) -> None:
    one = made(major)
    one.run("pg_dump", "--format=c", "--dbname=whole", f"--file={one.folder / 'second'}")
    one.make("again")
    one.run("pg_restore", "--exit-on-error", "--dbname=again", one.folder / "second")
    assert one.against("again") == []


@pytest.mark.skipif(len(SERVERS) < 2, reason="one PostgreSQL here")
@pytest.mark.parametrize("dumped_by", ["the older", "the newer"])
def test_nothing_fails_after_a_reload_on_a_later_major(
    made: Callable[[int], Made], dumped_by: str
) -> None:
    """What the later one writes otherwise is in doubt at most."""
    old, new = made(min(SERVERS)), made(NEWEST)
    old.make("old", template="whole")
    with old.postgres.connect("old") as connection:
        for name in old.held.of_kind("collation").keys() - new.held.of_kind("collation").keys():
            connection.execute(f"DROP COLLATION {name}".encode())
    held, path = old.read("old"), old.folder / "for later"
    by = old if dumped_by == "the older" else new
    dump = [by.postgres.tools.path("pg_dump"), "--format=c", "--dbname=old", f"--file={path}"]
    done = complete([*dump, f"--host={old.postgres.server.socket}", "--username=postgres"])
    assert done.exit_code == 0, done.stderr
    new.make("later")
    new.run("pg_restore", "--exit-on-error", "--dbname=later", path)
    found, majors = new.read("later"), (old.postgres.tools.major, NEWEST)
    said = [*differences(held, found, majors=majors), *flaws(found, held)]
    assert [one for one in said if one.verdict is FAIL] == []


LOST: dict[str, tuple[str, str, str]] = {
    # what: damage, check, subject
    "a trigger was off": ("ALTER TABLE p.t ENABLE TRIGGER off", "trigger", "p.t.off"),
    "a trigger fires for replication alone": (
        "ALTER TABLE p.t ENABLE REPLICA TRIGGER usual", "trigger", "p.t.usual"),
    "a trigger fired always": ("ALTER TABLE p.t ENABLE TRIGGER always", "trigger", "p.t.always"),
    "a partition's trigger was off": (
        "ALTER TABLE p.part_2 ENABLE TRIGGER on_all", "trigger", "p.part_2.on_all"),
    "a rule was off": ("ALTER TABLE p.t ENABLE RULE quiet", "rule", "p.t.quiet"),
    "a rule fired always": ("ALTER TABLE p.t ENABLE RULE always", "rule", "p.t.always"),
    "an event trigger fired always": (
        "ALTER EVENT TRIGGER watch ENABLE", "event trigger", "watch"),
    "an event trigger had tags": (
        "DROP EVENT TRIGGER watch; CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION p.watch();"
        "ALTER EVENT TRIGGER watch ENABLE ALWAYS", "event trigger", "watch"),
    "a check was valid": (
        "ALTER TABLE p.t DROP CONSTRAINT c_big; ALTER TABLE p.t ADD CONSTRAINT c_big CHECK (c > -1)"
        " NO INHERIT NOT VALID", "constraint", "p.t.c_big"),
    "a check was not valid": ("ALTER TABLE p.t VALIDATE CONSTRAINT c_small", "constraint", "p.t.c_small"),
    "a domain's check was valid": (
        "ALTER DOMAIN p.word DROP CONSTRAINT filled; ALTER DOMAIN p.word ADD CONSTRAINT filled"
        " CHECK (VALUE <> '') NOT VALID", "constraint", "p.word.filled"),
    "a domain's check is gone": ("ALTER DOMAIN p.word DROP CONSTRAINT filled", "constraint", "p.word.filled"),
    "a domain's collation": (
        "UPDATE pg_type SET typcollation = 'pg_catalog.\"default\"'::regcollation WHERE typname = 'word'",
        "type", "p.word"),
    "a column was NOT NULL and valid": (
        "ALTER TABLE p.serials DROP CONSTRAINT serials_id_not_null;"
        "ALTER TABLE p.serials ADD CONSTRAINT serials_id_not_null NOT NULL id NOT VALID",
        "constraint", "p.serials.id NOT NULL"),
    "a column that was not valid is": (
        "UPDATE pg_constraint SET convalidated = true WHERE conname = 'c_there'", "column", "p.newer.c"),
    "a check was not enforced": (
        "ALTER TABLE p.newer DROP CONSTRAINT loose, ADD CONSTRAINT loose CHECK (a > 0)",
        "constraint", "p.newer.loose"),
    "a foreign key was enforced": (
        "ALTER TABLE p.newer DROP CONSTRAINT of_t, ADD CONSTRAINT of_t FOREIGN KEY (b) REFERENCES p.t",
        "constraint", "p.newer.of_t"),
    "a generated column was virtual": (
        "ALTER TABLE p.newer DROP twice, DROP kept, DROP a, DROP b CASCADE, DROP c;"
        "ALTER TABLE p.newer ADD twice int GENERATED ALWAYS AS (id * 2) STORED", "column", "p.newer.twice"),
    "the order of columns": (
        "ALTER TABLE p.by_index RENAME id TO x; ALTER TABLE p.by_index RENAME other TO id;"
        "ALTER TABLE p.by_index RENAME x TO other", "table", "p.by_index"),
    "the order of a type's columns": (
        "ALTER TYPE p.row_type RENAME ATTRIBUTE a TO x CASCADE; ALTER TYPE p.row_type RENAME ATTRIBUTE b TO a"
        " CASCADE; ALTER TYPE p.row_type RENAME ATTRIBUTE x TO b CASCADE", "type", "p.row_type"),
    "how a table is stored": ("ALTER TABLE p.t RESET (fillfactor)", "table", "p.t"),
    "how its long values are stored": ("ALTER TABLE p.t RESET (toast.autovacuum_enabled)", "table", "p.t"),
    "how a column is stored": ("ALTER TABLE p.t ALTER a SET STORAGE EXTENDED", "column", "p.t.a"),
    "how a column is packed": ("ALTER TABLE p.t ALTER b SET COMPRESSION DEFAULT", "column", "p.t.b"),
    "what is gathered of a column": ("ALTER TABLE p.t ALTER c SET STATISTICS -1", "column", "p.t.c"),
    "what is said of a column": ("ALTER TABLE p.t ALTER c RESET (n_distinct)", "column", "p.t.c"),
    "what is gathered of an index": ("ALTER INDEX p.t_e ALTER COLUMN 1 SET STATISTICS -1", "index", "p.t_e"),
    "what is gathered of statistics": ("ALTER STATISTICS p.t_stats SET STATISTICS -1", "statistics", "p.t_stats"),
    "what a table is clustered by": ("ALTER TABLE p.t SET WITHOUT CLUSTER", "index", "p.t_c"),
    "replica identity, full": (
        "ALTER TABLE p.full_identity REPLICA IDENTITY DEFAULT", "table", "p.full_identity"),
    "replica identity, none": ("ALTER TABLE p.no_identity REPLICA IDENTITY DEFAULT", "table", "p.no_identity"),
    "replica identity, an index": ("ALTER TABLE p.by_index REPLICA IDENTITY DEFAULT", "table", "p.by_index"),
    "what a table is of": ("ALTER TABLE p.typed NOT OF", "table", "p.typed"),
    "whose a sequence is": ("ALTER SEQUENCE p.owned OWNED BY NONE", "sequence", "p.owned"),
    "a sequence that is nobody's": ("ALTER SEQUENCE p.free OWNED BY p.t.c", "sequence", "p.free"),
    "a sequence has no value left": (
        "SELECT setval('p.free', 9223372036854775807)", "sequence", "p.free"),
    "a sequence begins again": ("ALTER SEQUENCE p.round NO CYCLE", "sequence", "p.round"),
    "a collation's locale": (
        "UPDATE pg_collation SET collcollate = 'POSIX' WHERE collname = 'plain_c'", "collation", "p.plain_c"),
    "a collation's classes": (
        "UPDATE pg_collation SET collctype = 'C' WHERE collname = 'plain_c'", "collation", "p.plain_c"),
    "a range's collation": (
        "DROP TYPE p.words; CREATE TYPE p.words AS RANGE (subtype = text)", "type", "p.words"),
    "a range's difference": (
        "DROP TYPE p.reals; CREATE TYPE p.reals AS RANGE (subtype = float8)", "type", "p.reals"),
    "an operator's commutator": (
        "UPDATE pg_operator SET oprcom = 0 WHERE oprname = '==='", "operator", "p.=== (integer, integer)"),
    "an operator's negator": (
        "UPDATE pg_operator SET oprnegate = 0 WHERE oprname IN ('===', '!==') AND oid >= 16384", "operator", "p.=== (integer, integer)"),
    "an operator's estimate": (
        "ALTER OPERATOR p.=== (int, int) SET (RESTRICT = NONE)", "operator", "p.=== (integer, integer)"),
    "an operator's estimate in joins": (
        "ALTER OPERATOR p.=== (int, int) SET (JOIN = NONE)", "operator", "p.=== (integer, integer)"),
    "an operator hashes": (
        "UPDATE pg_operator SET oprcanhash = false WHERE oprname = '==='", "operator",
        "p.=== (integer, integer)"),
    "an operator merges": (
        "UPDATE pg_operator SET oprcanmerge = false WHERE oprname = '==='", "operator",
        "p.=== (integer, integer)"),
    "an operator class of the same name": (
        "DROP OPERATOR CLASS p.backwards USING hash", "operator class", "p.backwards using hash"),
    "an operator class has other operators": (
        "DROP OPERATOR FAMILY p.backwards USING btree; CREATE OPERATOR CLASS p.backwards FOR TYPE int USING"
        " btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,"
        " FUNCTION 1 btint4cmp(int, int)", "operator class", "p.backwards using btree"),
    "how an aggregate is combined": (
        "DROP AGGREGATE p.mean(float8); CREATE AGGREGATE p.mean (float8) (SFUNC = float8_accum,"
        " STYPE = float8[], FINALFUNC = float8_avg, INITCOND = '{0,0,0}', PARALLEL = SAFE)",
        "function", "p.mean(double precision)"),
    "a text search has another mapping": (
        "ALTER TEXT SEARCH CONFIGURATION p.english ALTER MAPPING FOR word WITH simple", "text search",
        "configuration p.english"),
    "a dictionary of the same name": (
        "ALTER TEXT SEARCH CONFIGURATION p.english ALTER MAPPING FOR word, asciiword WITH simple;"
        "DROP TEXT SEARCH DICTIONARY p.english", "text search", "dictionary p.english"),
    "a dictionary's language": (
        "ALTER TEXT SEARCH DICTIONARY p.english (LANGUAGE = german)", "text search", "dictionary p.english"),
    "where a server is": ("ALTER SERVER far OPTIONS (SET host 'elsewhere')", "foreign server", "far"),
    "how a server is reached": (
        "ALTER SERVER far OPTIONS (SET sslkey 'another')", "foreign server", "far"),
    "a server's version": ("ALTER SERVER far VERSION '16'", "foreign server", "far"),
    "which table a foreign one is": (
        "ALTER FOREIGN TABLE p.far_table OPTIONS (SET table_name 'another')", "foreign table", "p.far_table"),
    "which column a foreign one is": (
        "ALTER FOREIGN TABLE p.far_table ALTER id OPTIONS (SET column_name 'other')", "column",
        "p.far_table.id"),
    "a login elsewhere": ("DROP USER MAPPING FOR clerk SERVER far", "user mapping", "clerk at far"),
    "a login elsewhere for everybody": (
        "DROP USER MAPPING FOR PUBLIC SERVER far", "user mapping", "PUBLIC at far"),
    "another login elsewhere": (
        "ALTER USER MAPPING FOR clerk SERVER far OPTIONS (SET password 'another')", "user mapping options",
        "clerk at far"),
    "what is published": ("ALTER PUBLICATION of_t DROP TABLE p.full_identity", "publication", "of_t"),
    "which rows are published": (
        "ALTER PUBLICATION of_t SET TABLE p.t (id, c) WHERE (id > 4), p.full_identity", "publication", "of_t"),
    "which columns are published": (
        "ALTER PUBLICATION of_t SET TABLE p.t (id) WHERE (id > 3), p.full_identity", "publication", "of_t"),
    "which schema is published": (
        "ALTER PUBLICATION of_schema DROP TABLES IN SCHEMA p", "publication", "of_schema"),
    "that truncation is published": (
        "ALTER PUBLICATION of_schema SET (publish = 'insert, update, delete')", "publication", "of_schema"),
    "as whose rows they are published": (
        "ALTER PUBLICATION of_schema SET (publish_via_partition_root = off)", "publication", "of_schema"),
    "a comment": ("COMMENT ON TABLE p.t IS NULL", "comment", "table p.t"),
    "a comment on a column": ("COMMENT ON COLUMN p.t.c IS 'other'", "comment", "table p.t.c"),
    "a comment on a function": (
        "COMMENT ON FUNCTION p.same(int, int) IS NULL", "comment", "function p.same(integer,integer)"),
    "a comment too many": ("COMMENT ON VIEW p.cascaded IS 'new'", "comment", "view p.cascaded"),
    "everybody may create in public": (
        "GRANT CREATE ON SCHEMA public TO PUBLIC", "grant", "schema public to PUBLIC"),
    "who may create in public": (
        "REVOKE CREATE ON SCHEMA public FROM clerk", "grant", "schema public to clerk"),
    "who may read large objects": (
        "REVOKE SELECT ON LARGE OBJECT 4711 FROM clerk", "grant", "large objects to clerk"),
    "everybody may read a large object": (
        "GRANT SELECT ON LARGE OBJECT 4711 TO PUBLIC", "grant", "large objects to PUBLIC"),
    "who may use a server": (
        "REVOKE USAGE ON FOREIGN SERVER far FROM clerk", "grant", "foreign server far to clerk"),
    "everybody may use a type": (
        "GRANT USAGE ON TYPE p.row_type TO PUBLIC", "grant", "type p.row_type to PUBLIC"),
    "who may use a type": ("REVOKE USAGE ON TYPE p.row_type FROM clerk", "grant", "type p.row_type to clerk"),
}  # fmt: skip
"""All of them on the newest version that is here."""


ICU: dict[str, tuple[str, str, str]] = {
    "a collation's ICU locale": (
        "DROP COLLATION p.folded; CREATE COLLATION p.folded (provider = icu, locale = 'de',"
        " deterministic = false)", "collation", "p.folded"),
    "a collation was not deterministic": (
        "UPDATE pg_collation SET collisdeterministic = true WHERE collname = 'folded'", "collation", "p.folded"),
}  # fmt: skip


@pytest.mark.skipif(NEWEST < 18, reason="no PostgreSQL 18 here")
@pytest.mark.parametrize("what", LOST)
def test_what_is_lost_is_missed(made: Callable[[int], Made], what: str) -> None:
    _missed(made(NEWEST), *LOST[what])


@pytest.mark.parametrize("what", ICU)
@pytest.mark.parametrize("major", sorted(SERVERS))
def test_what_is_lost_of_an_icu_collation_is_missed(
    made: Callable[[int], Made], major: int, what: str
) -> None:
    one = made(major)
    with one.postgres.connect("postgres") as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_collation WHERE collname = 'und-x-icu'"
        ).fetchone()
    # A PostgreSQL that was built without ICU has no such collation to lose.
    assert row is not None
    assert ("p.folded" in one.held.of_kind("collation")) is (row[0] > 0)
    if row[0]:
        _missed(one, *ICU[what])


def _missed(one: Made, damage: str, check: str, subject: str) -> None:
    one.make("lost", template="whole")
    with one.postgres.connect("lost") as connection:
        connection.execute(damage.encode())
    against = one.against("lost")
    assert (check, subject, FAIL) in {(one.check, one.subject, one.verdict) for one in against}


@pytest.mark.parametrize("major", sorted(SERVERS))
def test_rights_that_no_dump_brings_back_are_said_and_do_not_fail(
    made: Callable[[int], Made], major: int
) -> None:
    one = made(major)
    with one.postgres.connect("whole") as connection:
        connection.execute(b"GRANT USAGE ON LANGUAGE plpgsql TO PUBLIC")
    said = differences(one.held, one.read("whole"), majors=(major, major))
    found = {(each.check, each.subject): each.verdict for each in said}
    assert found == {
        ("server grant", "database to clerk"): GOOD,
        ("server grant", "language plpgsql to PUBLIC"): GOOD,
    }


@pytest.mark.parametrize("major", sorted(SERVERS))
def test_no_login_elsewhere_is_recorded(made: Callable[[int], Made], major: int) -> None:
    held = made(major).held
    assert "pw-of-the-clerk" not in held.model_dump_json()
    assert "a-secret-of-far" not in held.model_dump_json()
    words = held.of_kind("user mapping options")["clerk at far"].words
    assert words.startswith("password, user: sha256 ")
