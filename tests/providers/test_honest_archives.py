"""What production dumps really hold restores under a login without rights, and says what is missing."""

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.pg import Postgres, drain, signals_of

from drbook.core.errors import Refused, StepFailed
from drbook.core.ports import ProductionIdentity
from drbook.core.signals import Milestone
from drbook.core.targets import LocalCopy
from drbook.providers import pgsession
from drbook.providers.postgres import PostgresReader
from drbook.providers.process import complete
from drbook.providers.targets.fresh import FreshTargets
from drbook.providers.targets.kinds import ClusterTarget, DatabaseTarget

Known = list[ProductionIdentity]

_SCHEMA = r"""
CREATE EXTENSION hstore;
CREATE EXTENSION pg_stat_statements;
CREATE SCHEMA "ext ra";
CREATE EXTENSION cube;
CREATE EXTENSION earthdistance SCHEMA "ext ra";
COMMENT ON EXTENSION pg_stat_statements IS 'what is slow';
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE notes (id int PRIMARY KEY, said text, feels mood, more hstore);
INSERT INTO notes VALUES
  (1, 'ALTER TABLE notes OWNER TO nobody;', 'good', 'a=>1'),
  (2, E'\nCREATE EVENT TRIGGER x;\n\\.\n', 'bad', NULL),
  (3, E'it''s $$ -- "odd" /* text', 'good', '');
CREATE TABLE "a;b" (line text);
INSERT INTO "a;b" VALUES ('ALTER TABLE notes OWNER TO nobody;');
CREATE TABLE secretive (id int, owner text);
INSERT INTO secretive SELECT n, 'someone' FROM generate_series(1, 20) n;
ALTER TABLE secretive ENABLE ROW LEVEL SECURITY;
ALTER TABLE secretive FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON secretive TO honest_app USING (owner = current_user);
ALTER TABLE notes OWNER TO honest_owner;
GRANT SELECT ON notes TO honest_app WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES FOR ROLE honest_owner GRANT SELECT ON TABLES TO honest_app;
ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT SELECT ON TABLES TO honest_app;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $body$
BEGIN
  -- ALTER TABLE notes OWNER TO nobody;
  EXECUTE 'ALTER TABLE notes OWNER TO nobody;';
  RETURN NEW;
END $body$;
CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT n; SELECT 2 * n; END;
CREATE TRIGGER touched BEFORE UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION touch();
CREATE FUNCTION seen() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION seen();
COMMENT ON EVENT TRIGGER watch IS 'watches';
CREATE PUBLICATION few FOR TABLE notes;
CREATE PUBLICATION "everything few" FOR TABLE notes;
CREATE PUBLICATION everything FOR ALL TABLES;
COMMENT ON PUBLICATION everything IS 'all of it';
CREATE SUBSCRIPTION theirs CONNECTION 'host=203.0.113.1' PUBLICATION p WITH (connect = false);
CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM notes;
COMMENT ON SCHEMA public IS 'ours';
SELECT lo_from_bytea(0, 'a large object');
"""
LEFT_OUT = {"event trigger watch", "publication everything", "subscription theirs"}


@pytest.fixture(scope="module")
def honest(postgres: Postgres) -> Iterator[str]:
    with postgres.connect("postgres") as connection:
        connection.execute("CREATE ROLE honest_owner; CREATE ROLE honest_app;")
        connection.execute("CREATE DATABASE honest")
    with postgres.connect("honest") as connection:
        connection.execute(_SCHEMA.encode())
    yield "honest"
    with postgres.connect("honest") as connection:
        connection.execute("ALTER SUBSCRIPTION theirs SET (slot_name = NONE)")
        connection.execute("DROP SUBSCRIPTION theirs")
    with postgres.connect("postgres") as connection:
        connection.execute("DROP DATABASE honest")
        connection.execute("DROP ROLE honest_owner; DROP ROLE honest_app;")


def dumped(postgres: Postgres, dbname: str, folder: Path, *options: str) -> LocalCopy:
    path = folder / "dump"
    argv: list[str | Path] = [postgres.tools.path("pg_dump"), *options, f"--dbname={dbname}"]
    argv += [f"--host={postgres.server.socket}", "--username=postgres", f"--file={path}"]
    done = complete(argv)
    assert done.exit_code == 0, done.stderr
    return LocalCopy(name=f"{folder.name}/dump", size=1, sha256="", checked="structure")


@pytest.mark.parametrize(
    ("options", "packed"),
    [
        (("-Fp",), False),
        (("-Fp", "--inserts"), False),
        (("-Fc",), False),
        (("-Fc",), True),
        (("-Fd",), False),
        (("-Ft",), False),
    ],
)
def test_a_production_dump_restores_whole_and_says_what_is_missing(
    postgres: Postgres,
    honest: str,
    targets: FreshTargets,
    production: Known,
    reader: PostgresReader,
    tmp_path: Path,
    options: tuple[str, ...],
    packed: bool,
) -> None:
    held = dumped(postgres, honest, tmp_path / "copies", *options)
    if packed:
        path = tmp_path / held.name
        path.write_bytes(gzip.compress(path.read_bytes()))
    target = drain(targets.create(ClusterTarget(), "restore-1", production))
    report, said = signals_of(targets.load(target, held))
    assert set(report.left_out) == LEFT_OUT
    assert set(report.roles_standing_in) >= {"honest_app", "honest_owner", "postgres"}
    assert any("left_out" in (one.data or {}) for one in said if isinstance(one, Milestone))
    there = drain(
        reader.count(postgres.ref.model_copy(update={"dbname": honest}), content=True)
    ).tables
    restored = drain(targets.count(target, content=True)).tables
    assert restored == there
    assert {row.table: row.rows for row in restored} == {
        "public.a;b": 1,
        "public.notes": 3,
        "public.secretive": 20,
        "public.totals": 1,
        "large objects": 1,
    }
    assert target.loader is not None
    with pgsession.connect(target.loader, os.environ) as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM pg_largeobject_metadata), (SELECT count(*) FROM totals),"
            " twice(4), (SELECT array_agg(pubname::text ORDER BY pubname) FROM pg_publication),"
            " (SELECT count(*) FROM pg_extension), (SELECT prosrc FROM pg_proc WHERE proname='touch')"
        ).fetchone()
    assert row is not None
    assert row[:5] == (1, 1, 8, ["everything few", "few"], 5)
    assert row[5].count("ALTER TABLE notes OWNER TO nobody;") == 2


@pytest.mark.parametrize("option", ["-Fp", "-Fc"])
def test_an_extension_that_reaches_outside_needs_the_runbooks_word(
    postgres: Postgres,
    targets: FreshTargets,
    production: Known,
    tmp_path: Path,
    option: str,
) -> None:
    with postgres.connect("postgres") as connection:
        connection.execute("CREATE DATABASE linked")
    try:
        with postgres.connect("linked") as connection:
            connection.execute(
                "CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw"
            )
        held = dumped(postgres, "linked", tmp_path / "copies", option)
    finally:
        with postgres.connect("postgres") as connection:
            connection.execute("DROP DATABASE linked")
    target = drain(targets.create(ClusterTarget(), "restore-1", production))
    with pytest.raises(StepFailed) as caught:
        drain(targets.load(target, held))
    assert caught.value.code == "extensions-outside"
    assert "postgres_fdw" in caught.value.what
    assert "extensions: [postgres_fdw]" in caught.value.next
    allowed = ClusterTarget(extensions=("postgres_fdw",))
    target = drain(targets.create(allowed, "restore-2", production))
    drain(targets.load(target, held))


STAYING = (
    "amcheck", "bloom", "pg_buffercache", "pg_freespacemap", "pg_stat_statements", "pg_visibility",
    "pgrowlocks", "pgstattuple", "plpgsql", "vector",
)  # fmt: skip
"""Of the extensions that only a superuser may create and that stay inside of their database, those that
the tests' server has."""


def test_extensions_that_stay_inside_need_no_word_of_the_runbook(
    postgres: Postgres, targets: FreshTargets, production: Known, tmp_path: Path
) -> None:
    with postgres.connect("postgres") as connection:
        connection.execute("CREATE DATABASE extended")
    try:
        with postgres.connect("extended") as connection:
            for name in STAYING:
                connection.execute(f"CREATE EXTENSION IF NOT EXISTS {name}".encode())
        held = dumped(postgres, "extended", tmp_path / "copies", "-Fc")
    finally:
        with postgres.connect("postgres") as connection:
            connection.execute("DROP DATABASE extended")
    target = drain(targets.create(ClusterTarget(), "restore-1", production))
    drain(targets.load(target, held))
    assert target.loader is not None
    with pgsession.connect(target.loader, os.environ) as connection:
        rows = connection.execute("SELECT extname::text FROM pg_extension").fetchall()
    assert {name for (name,) in rows} == set(STAYING)


def test_a_superusers_login_on_a_given_server_is_refused(
    targets: FreshTargets, postgres: Postgres, production: Known
) -> None:
    """It is not production's here: the refusal is about the login alone."""
    elsewhere = [
        ProductionIdentity(
            one.basis,
            one.described,
            one.identity.model_copy(update={"system_identifier": "1"}),
        )
        for one in production
    ]
    for role in ("", "pg_execute_server_program"):
        login = postgres.ref
        with postgres.connect("postgres") as connection:
            if role:
                connection.execute(f"CREATE ROLE climber LOGIN CREATEDB IN ROLE {role}".encode())
                login = login.model_copy(update={"user": "climber"})
            before = connection.execute("SELECT count(*) FROM pg_database").fetchone()
            try:
                with pytest.raises(Refused) as caught:
                    drain(targets.create(DatabaseTarget(server=login), "restore-1", elsewhere))
                assert caught.value.code == "target-superuser"
                assert connection.execute("SELECT count(*) FROM pg_database").fetchone() == before
            finally:
                connection.execute("DROP ROLE IF EXISTS climber")
