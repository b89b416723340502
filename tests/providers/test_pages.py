"""Every page of a real database, sound and damaged, on every server of this machine."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from support.pg import Postgres, drain, started

from drbook.core.errors import Cancelled, CouldNotVerify
from drbook.core.pages import Pages
from drbook.core.signals import Progress
from drbook.core.targets import DatabaseRef
from drbook.providers import pgsession
from drbook.providers.cancel import CancelToken
from drbook.providers.pgpages import EVERY, _unsafe, read_pages
from drbook.providers.pgtools import PgTools, find_tools

MAJORS = sorted({one.major for one in find_tools() if one.has_server})
WITH_GIN = 18
"""The first major version whose amcheck looks at them (its release notes)."""
SCHEMA = """
CREATE TABLE a (id int PRIMARY KEY, words text, tags int[]);
INSERT INTO a SELECT n, 'row ' || n, ARRAY[n] FROM generate_series(1, 2000) n;
CREATE INDEX a_words ON a (words);
CREATE INDEX a_tags ON a USING gin (tags);
CREATE INDEX a_place ON a USING gist (point(id, id));
CREATE TABLE long (id int, value text);
ALTER TABLE long ALTER COLUMN value SET STORAGE EXTERNAL;
INSERT INTO long SELECT n, repeat(n::text, 5000) FROM generate_series(1, 20) n;
CREATE MATERIALIZED VIEW m AS SELECT id FROM a WHERE id < 10;
CREATE TABLE parted (id int) PARTITION BY RANGE (id);
CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (100);
INSERT INTO parted SELECT generate_series(0, 99);
CREATE UNLOGGED TABLE unlogged AS SELECT 1 AS x;
CREATE ROLE plain LOGIN;
"""


class Damaged:
    """A database of a server of our own, whose files can be exchanged while it is down."""

    def __init__(self, postgres: Postgres, dbname: str) -> None:
        self.postgres = postgres
        self.dbname = dbname

    @property
    def ref(self) -> DatabaseRef:
        return self.postgres.server.ref(self.dbname)

    def connect(self) -> psycopg.Connection:
        return self.postgres.connect(self.dbname)

    @property
    def major(self) -> int:
        return self.postgres.tools.major

    def run(self, sql: str) -> None:
        with self.connect() as connection:
            connection.execute(sql.encode())

    def path(self, relation: str) -> Path:
        with self.connect() as connection:
            row = connection.execute(
                f"SELECT pg_relation_filepath('{relation}')".encode()
            ).fetchone()
        assert row is not None
        return self.postgres.server.data / str(row[0])

    def written(self, path: Path) -> bytes:
        self.run("CHECKPOINT")
        return path.read_bytes()

    def while_down(self, do: Callable[[], object]) -> None:
        self.run("CHECKPOINT")
        self.postgres.server.stop()
        do()
        drain(self.postgres.server.start({"fsync": "off", "autovacuum": "off"}))

    def pages(self, user: str = "postgres", cancel: CancelToken | None = None) -> Pages:
        ref = self.ref.model_copy(update={"user": user})
        with pgsession.connect(ref, os.environ, autocommit=True, read_only=False) as connection:
            return drain(read_pages(connection, cancel or CancelToken()))

    def catalogue(self) -> list[tuple[object, ...]]:
        with self.connect() as connection:
            return connection.execute(
                "SELECT 'schema', nspname::text FROM pg_namespace UNION ALL"
                " SELECT 'extension', extname::text FROM pg_extension UNION ALL"
                " SELECT 'function', proname::text FROM pg_proc ORDER BY 1, 2"
            ).fetchall()


@pytest.fixture(scope="module", params=MAJORS)
def made(
    request: pytest.FixtureRequest,
    tools: tuple[PgTools, ...],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Postgres]:
    """One of each major version, with the database that is copied for each test."""
    chosen = max((one for one in tools if one.has_server and one.major == request.param),
                 key=lambda one: one.version)  # fmt: skip
    postgres = started(chosen, tmp_path_factory.mktemp(f"pages{chosen.major}-"), autovacuum="off")
    with postgres.connect("postgres") as connection:
        connection.execute("CREATE DATABASE rental")
    with postgres.connect() as connection:
        connection.execute(SCHEMA)
        connection.execute("VACUUM FREEZE")
    yield postgres
    postgres.server.stop()


@pytest.fixture
def damaged(made: Postgres) -> Iterator[Damaged]:
    """A database of its own for each test."""
    with made.connect("postgres") as connection:
        connection.execute("CREATE DATABASE copied TEMPLATE rental")
    yield Damaged(made, "copied")
    with made.connect("postgres") as connection:
        connection.execute("DROP DATABASE copied WITH (FORCE)")


def flawed(pages: Pages) -> set[tuple[str, str]]:
    return {(one.relation, one.check) for one in pages.flaws}


def test_a_sound_database_is_read_whole_and_stays_as_it_was(damaged: Damaged) -> None:
    before = damaged.catalogue()
    pages = damaged.pages()
    assert pages.flaws == ()
    assert pages.unread == ()
    assert damaged.catalogue() == before
    with damaged.connect() as connection:
        relations = connection.execute(
            "SELECT count(*) FILTER (WHERE relkind <> 'i'), count(*) FILTER (WHERE relam = 403) FROM"
            " pg_class WHERE relkind IN ('r', 'm', 't', 'i') AND relpersistence <> 't'"
        ).fetchone()
    gin = {} if damaged.major >= WITH_GIN else {"gin": 1}
    assert relations is not None
    assert pages.tables == relations[0]
    assert pages.indexes == relations[1] + (1 - len(gin))
    assert pages.unknown_methods == {"gist": 1, **gin}
    assert pages.bytes > 1_000_000
    assert pages.checksums is (damaged.major >= 18)  # as initdb makes them
    assert pages.checksum_failures == 0


def test_a_row_whose_bytes_were_changed(damaged: Damaged) -> None:
    path = damaged.path("a")

    def harm() -> None:
        data = bytearray(path.read_bytes())
        data[8192 + 8000 : 8192 + 8192] = b"\xff" * 192
        path.write_bytes(data)

    damaged.while_down(harm)
    pages = damaged.pages()
    assert ("public.a", "rows") in flawed(pages)
    assert all(one.relation.startswith(("public.a", "long values")) for one in pages.flaws)
    said = " ".join(one.words for one in pages.flaws)
    assert ("invalid page" in said) is (damaged.major >= 18)
    assert pages.tables > 60


def test_a_page_that_does_not_match_its_checksum_is_counted(damaged: Damaged) -> None:
    path = damaged.path("part")

    def harm() -> None:
        data = bytearray(path.read_bytes())
        data[8191] ^= 1
        path.write_bytes(data)

    damaged.while_down(harm)
    pages = damaged.pages()
    if pages.checksums:
        assert ("public.part", "rows") in flawed(pages)
        assert pages.checksum_failures >= 1
    else:  # nothing can tell one value of an int from another
        assert pages.flaws == ()


@pytest.mark.parametrize("index", ["a_pkey", "a_words"])
def test_an_index_without_some_of_its_rows(damaged: Damaged, index: str) -> None:
    path = damaged.path(index)
    kept = damaged.written(path)
    damaged.run("INSERT INTO a SELECT n, 'later ' || n FROM generate_series(2001, 2020) n")
    damaged.while_down(lambda: path.write_bytes(kept))
    pages = damaged.pages()
    assert flawed(pages) == {(f"public.{index}", "index")}
    assert "lacks matching index tuple" in pages.flaws[0].words


def test_a_stale_visibility_map(damaged: Damaged) -> None:
    """As PostgreSQL 17.10 and 18.4 left it after incremental restores."""
    path = damaged.path("a")
    maps = path.with_name(path.name + "_vm")
    kept = damaged.written(maps)
    damaged.run("DELETE FROM a WHERE id <= 50")
    damaged.while_down(lambda: maps.write_bytes(kept))
    pages = damaged.pages()
    assert ("public.a", "visibility map") in flawed(pages)
    assert ("public.a", "freezing") in flawed(pages)
    told = next(one for one in pages.flaws if one.check == "visibility map")
    assert "and 49 more" in told.words


def test_a_file_that_is_not_there(damaged: Damaged) -> None:
    path = damaged.path("part")
    damaged.while_down(path.unlink)
    assert ("public.part", "rows") in flawed(damaged.pages())


def test_long_values_that_are_not_there(damaged: Damaged) -> None:
    with damaged.connect() as connection:
        row = connection.execute(
            "SELECT reltoastrelid::regclass::text FROM pg_class WHERE relname = 'long'"
        ).fetchone()
    assert row is not None
    path = damaged.path(row[0])
    damaged.while_down(lambda: path.write_bytes(bytes(path.stat().st_size)))
    pages = damaged.pages()
    assert ("public.long", "rows") in flawed(pages)
    assert any("toast value" in one.words for one in pages.flaws), pages.flaws
    assert not any("pg_toast" in one.relation for one in pages.flaws)


def test_a_damaged_catalogue_is_found_too(damaged: Damaged) -> None:
    path = damaged.path("pg_catalog.pg_description_o_c_o_index")
    kept = damaged.written(path)
    damaged.run("COMMENT ON TABLE a IS 'later'; COMMENT ON TABLE long IS 'later'")
    damaged.while_down(lambda: path.write_bytes(kept))
    assert ("pg_description_o_c_o_index", "index") in flawed(damaged.pages())


def test_a_login_that_may_not_could_not_verify(damaged: Damaged) -> None:
    pages = damaged.pages("plain")
    assert pages.tables == pages.indexes == 0
    assert pages.flaws == ()
    assert pages.unread[0].relation == EVERY
    assert "permission denied" in pages.unread[0].why


def test_extensions_that_are_there_are_used_and_stay(damaged: Damaged) -> None:
    damaged.run("CREATE SCHEMA tools; CREATE EXTENSION amcheck SCHEMA tools")
    before = damaged.catalogue()
    pages = damaged.pages()
    assert (pages.flaws, pages.unread) == ((), ())
    assert pages.tables > 60
    assert damaged.catalogue() == before


def test_functions_that_only_have_the_names_are_not_called(damaged: Damaged) -> None:
    """An old version of the extension lacks one, and somebody wrote it."""
    damaged.run(
        "CREATE EXTENSION amcheck VERSION '1.2'; CREATE TABLE called (x int);"
        "CREATE FUNCTION verify_heapam(relation regclass, on_error_stop boolean, check_toast boolean,"
        " skip text, startblock bigint, endblock bigint, OUT blkno bigint, OUT offnum int, OUT msg text)"
        " RETURNS SETOF record LANGUAGE sql AS"
        " $$ INSERT INTO called VALUES (1); SELECT 0::bigint, 0, ''::text WHERE false $$"
    )
    pages = damaged.pages()
    assert pages.tables == 0
    assert pages.indexes > 60
    assert [one.relation for one in pages.unread] == [EVERY]
    assert "cannot look at: rows" in pages.unread[0].why
    with damaged.connect() as connection:
        assert connection.execute("SELECT count(*) FROM called").fetchone() == (0,)


TRIGGER = """
CREATE TABLE fired (x int);
CREATE FUNCTION on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO fired VALUES (1); RAISE EXCEPTION 'mine now'; END $$;
CREATE EVENT TRIGGER t ON ddl_command_end EXECUTE FUNCTION on_ddl();
"""


def test_event_triggers_of_the_restored_database_do_not_fire(damaged: Damaged) -> None:
    damaged.run(TRIGGER)
    pages = damaged.pages()
    assert (pages.flaws, pages.unread) == ((), ())
    assert pages.tables > 60


CODE = """
CREATE SCHEMA own AUTHORIZATION plain;
SET SESSION AUTHORIZATION plain;
CREATE FUNCTION own.f(x int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
  $$ BEGIN IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
     RAISE EXCEPTION 'mine now'; END IF; RETURN x; END $$;
CREATE TABLE own.t (id int);
INSERT INTO own.t SELECT generate_series(1, 1000);
CREATE INDEX t_f ON own.t (own.f(id)) WHERE own.f(id) > 0;
CREATE FUNCTION own.count(text) RETURNS bigint LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'mine now'; END $$;
ALTER ROLE plain SET search_path = own, pg_catalog;
"""


def test_functions_of_an_index_run_with_its_owners_rights_and_not_with_ours(
    damaged: Damaged,
) -> None:
    damaged.run(CODE)
    pages = damaged.pages()
    assert (pages.flaws, pages.unread) == ((), ())
    # The bad counterpart: whoever calls them with our rights is told.
    with pytest.raises(psycopg.errors.RaiseException, match="mine now"):
        damaged.run("SELECT own.f(1)")


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        (100023, False), (110015, False), (110016, True), (120010, False), (120011, True),
        (130006, False), (130007, True), (140002, False), (140003, True), (150000, True),
        (180006, True), (190000, True),
    ],
)  # fmt: skip
def test_servers_that_would_run_them_with_ours_are_left_alone(version: int, safe: bool) -> None:
    assert (_unsafe(version) == "") is safe


@pytest.mark.parametrize("when", ["ALWAYS", "REPLICA"])
def test_where_one_always_fires_nothing_is_made(damaged: Damaged, when: str) -> None:
    damaged.run(TRIGGER + f"ALTER EVENT TRIGGER t ENABLE {when}")
    pages = damaged.pages()
    assert pages.tables == 0
    assert "event trigger t, which always fires" in pages.unread[0].why


def test_a_cancel_ends_it_and_nothing_stays(damaged: Damaged) -> None:
    before = damaged.catalogue()
    cancel = CancelToken()
    with pgsession.connect(damaged.ref, os.environ, autocommit=True, read_only=False) as connection:
        work = read_pages(connection, cancel)
        first = next(work)
        assert isinstance(first, Progress)
        assert first.done == 0
        assert first.total
        cancel.request("stop")
        with pytest.raises(Cancelled):
            drain(work)
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert damaged.catalogue() == before


def test_a_server_that_goes_away_is_not_an_answer(damaged: Damaged) -> None:
    with pgsession.connect(damaged.ref, os.environ, autocommit=True, read_only=False) as connection:
        work = read_pages(connection, CancelToken())
        next(work)
        with damaged.connect() as other:
            other.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))
        with pytest.raises(CouldNotVerify, match="went away"):
            drain(work)
