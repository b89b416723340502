"""Found logins of PostgreSQL are asked what they can destroy, at a real server and at some that lie."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from support.liars import PostgresLiar
from support.pattern import create
from support.pg import drain

from drbook.core.credentials import Might
from drbook.core.logins import Login, Production, Server, elsewhere, power_of
from drbook.core.roles import RoleFacts
from drbook.providers import pgask
from drbook.providers.hiding import Secret
from drbook.providers.pgask import ask_login
from drbook.providers.pgserver import ClusterServer, server_user
from drbook.providers.pgtools import PgTools

WORD = "p5Wq-8812-no-word"
YES, NO, DUNNO = Might.DESTROYS, Might.CANNOT, Might.UNKNOWN
ROLES = {
    "admin": ("SUPERUSER", "", YES, "can drop every database there"),
    "boss": ("", "ALTER DATABASE orders OWNER TO boss", YES, "drop the database orders, which"),
    "runner": ("", "GRANT pg_execute_server_program TO runner", YES, "can run programs"),
    "filer": ("", "GRANT pg_write_server_files TO filer", YES, "overwrite the server's files"),
    "curator": (
        "",
        "CREATE SCHEMA kept AUTHORIZATION curator; CREATE TABLE kept.old (id int)",
        YES,
        "can drop schemas of the database orders",
    ),
    "owner": ("", "CREATE TABLE own (id int); ALTER TABLE own OWNER TO owner", YES, "drop tables"),
    "emptier": ("", "GRANT TRUNCATE ON items TO emptier", YES, "can empty tables"),
    "writer": ("", "GRANT DELETE ON items TO writer", YES, "can delete or change rows"),
    "column": ("", 'GRANT UPDATE (id) ON items TO "column"', YES, "can delete or change rows"),
    "member": ("NOINHERIT", "GRANT writer TO member", YES, "can delete or change rows"),
    "heir": ("", "GRANT writer TO heir WITH INHERIT TRUE, SET FALSE", YES, "delete or change rows"),
    "idle": ("", "GRANT writer TO idle WITH INHERIT FALSE, SET FALSE", NO, "can read only"),
    "giver": (
        "",
        "GRANT writer TO giver WITH ADMIN TRUE, INHERIT FALSE, SET FALSE",
        YES,
        "delete or change rows",
    ),
    "maker": ("CREATEROLE", "", DUNNO, "CREATEROLE"),
    "copier": ("REPLICATION", "", DUNNO, "REPLICATION"),
    "seer": ("BYPASSRLS", "", DUNNO, "BYPASSRLS"),
    "layer": ("", "GRANT TRIGGER ON items TO layer", DUNNO, "leave code"),
    "signals": ("", "GRANT pg_signal_backend TO signals", DUNNO, "may become a role"),
    "setter": ("", "GRANT ALTER SYSTEM ON PARAMETER archive_command TO setter", DUNNO, "settings"),
    "extender": (
        "",
        "GRANT CREATE ON DATABASE orders TO extender; SET ROLE extender; CREATE EXTENSION citext SCHEMA public; "
        "RESET ROLE; REVOKE CREATE ON DATABASE orders FROM extender",
        DUNNO,
        "owns things",
    ),
    "typist": (
        "",
        "CREATE TYPE mood AS ENUM ('so'); ALTER TYPE mood OWNER TO typist",
        DUNNO,
        "owns",
    ),
    "foreigner": (
        "",
        "CREATE EXTENSION postgres_fdw; CREATE SERVER other FOREIGN DATA WRAPPER postgres_fdw; "
        "GRANT USAGE ON FOREIGN SERVER other TO foreigner",
        DUNNO,
        "foreign servers",
    ),
    "blobber": (
        "",
        "SELECT lo_create(4711); GRANT UPDATE ON LARGE OBJECT 4711 TO blobber",
        YES,
        "can overwrite large objects",
    ),
    "exporter": (
        "",
        "GRANT EXECUTE ON FUNCTION lo_export(oid, text) TO exporter",
        DUNNO,
        "server's own",
    ),
    "hidden": (
        "",
        "SET allow_system_table_mods = on; CREATE FUNCTION pg_catalog.wipe() RETURNS void LANGUAGE sql "
        "SECURITY DEFINER AS 'SELECT'; REVOKE EXECUTE ON FUNCTION pg_catalog.wipe() FROM PUBLIC; "
        "GRANT EXECUTE ON FUNCTION pg_catalog.wipe() TO hidden",
        DUNNO,
        "others' rights",
    ),
    "subscriber": (
        "",
        "CREATE SUBSCRIPTION s1 CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false); "
        "ALTER SUBSCRIPTION s1 OWNER TO subscriber",
        DUNNO,
        "owns things",
    ),
    "heir_to_come": (
        "",
        "ALTER DEFAULT PRIVILEGES GRANT DELETE ON TABLES TO heir_to_come",
        DUNNO,
        "default privileges",
    ),
    "monitor": ("", "GRANT pg_monitor TO monitor", NO, "can read only"),
    "adder": ("", "GRANT INSERT ON items TO adder", NO, "can read and add rows: it owns nothing"),
    "mover": (
        "",
        "CREATE SEQUENCE own_ids; GRANT UPDATE ON SEQUENCE own_ids TO mover",
        NO,
        "move sequences",
    ),
    "founder": ("CREATEDB", "", NO, "can read and create new databases"),
    "reader": ("", "GRANT pg_read_all_data TO reader", NO, "can read only"),
}
HBA = "local all postgres trust\nlocal all banned reject\nlocal all all scram-sha-256\n"


@pytest.fixture(scope="module")
def server(tools: tuple[PgTools, ...]) -> Iterator[ClusterServer]:
    with tempfile.TemporaryDirectory(prefix="drbook-test-") as folder:
        if server_user() == "nobody":
            Path(folder).chmod(0o711)
        chosen = next(one for one in tools if one.origin == "extra")
        made = ClusterServer(chosen, Path(folder) / "production", name="test")
        made.make_folder()
        create(made)
        drain(made.start({"fsync": "off"}))
        try:
            execute(made, "CREATE DATABASE orders", "postgres")
            execute(made, "CREATE DATABASE blog")
            execute(made, "CREATE TABLE items (id int)")
            for name, (attributes, grant, *_) in ROLES.items():
                execute(made, f"CREATE ROLE {name_of(name)} LOGIN {attributes} PASSWORD '{WORD}'")
                execute(made, grant or "SELECT")
            execute(made, f"CREATE ROLE banned LOGIN PASSWORD '{WORD}'; CREATE ROLE nologin")
            execute(made, "REVOKE CONNECT ON DATABASE blog FROM PUBLIC")
            with psycopg.connect(host=str(made.socket), user="postgres") as connection:
                (hba,) = connection.execute("SHOW hba_file").fetchone() or ("",)
                Path(hba).write_text(HBA)
                connection.execute("SELECT pg_reload_conf()")
            yield made
        finally:
            made.stop()


def name_of(role: str) -> str:
    return f'"{role}"'


def execute(server: ClusterServer, sql: str, dbname: str = "orders") -> None:
    with psycopg.connect(
        host=str(server.socket), user="postgres", dbname=dbname, autocommit=True
    ) as connection:
        connection.execute(sql)


def login(server: ClusterServer, user: str, database: str = "orders", **more: object) -> Login:
    given = {"host": str(server.socket), "port": "5432", "database": database, "user": user}
    return Login.model_validate(given | more)


def test_what_each_login_can_destroy(server: ClusterServer) -> None:
    """Every kind of power, at a server that wants the password: nothing is tried, and nothing changes."""
    known = Production(address=Server(host=str(server.socket), database="orders"))
    for name, (_, _, might, words) in ROLES.items():
        asked = ask_login(login(server, name), Secret(WORD))
        assert asked.outcome == "told", (name, asked.why)
        power = power_of(asked, known)
        assert power.might is might, (name, power.reason)
        assert words in power.reason, (name, power.reason)


@pytest.mark.parametrize(
    ("user", "database", "password", "outcome", "why"),
    [
        ("writer", "orders", "not-" + WORD, "refused", "password authentication failed"),
        ("nobody-here", "orders", WORD, "refused", "password authentication failed"),
        ("writer", "blog", WORD, "refused", "permission denied for database"),
        ("banned", "orders", WORD, "unknown", "pg_hba.conf"),
        ("writer", "nowhere", WORD, "unknown", "does not exist"),
        ("writer", "orders", "a\0b", "unknown", "NUL"),
    ],
)
def test_what_is_not_let_in(
    server: ClusterServer, user: str, database: str, password: str, outcome: str, why: str
) -> None:
    asked = ask_login(login(server, user, database), Secret(password))
    assert (asked.outcome, asked.facts) == (outcome, None)
    assert why in asked.why
    assert password not in repr(asked)


def test_nothing_of_this_machine_opens_it_instead(
    server: ClusterServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password file, variables and options that would make another login of it have no say."""
    passfile = tmp_path / "passfile"
    passfile.write_text(f"*:*:*:*:{WORD}\n")
    passfile.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passfile))
    monkeypatch.setenv("PGPASSWORD", WORD)
    monkeypatch.setenv("PGOPTIONS", "-c role=writer")
    monkeypatch.setenv("PGSERVICE", "not-there")
    asked = ask_login(login(server, "reader"), Secret("not-" + WORD))
    assert asked.outcome == "refused"
    asked = ask_login(login(server, "reader"), Secret(WORD))
    assert asked.facts is not None
    assert not asked.facts.destroys


RULED = "CREATE RULE empties AS ON INSERT TO items DO ALSO DELETE FROM own"
TRIGGERED = (
    "CREATE FUNCTION empty_it() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS "
    "$$ BEGIN DELETE FROM own; RETURN NEW; END $$; REVOKE EXECUTE ON FUNCTION empty_it FROM PUBLIC; "
    "CREATE TRIGGER empties BEFORE INSERT ON items EXECUTE FUNCTION empty_it()"
)


@pytest.mark.parametrize(
    ("made", "gone"),
    [(RULED, "DROP RULE empties ON items"), (TRIGGERED, "DROP FUNCTION empty_it CASCADE")],
    ids=["rule", "trigger"],
)
def test_rows_that_start_what_runs_with_others_rights_are_not_harmless(
    server: ClusterServer, made: str, gone: str
) -> None:
    execute(server, made)
    try:
        asked = ask_login(login(server, "adder"), Secret(WORD))
    finally:
        execute(server, gone)
    assert asked.facts is not None
    assert "can add rows, which start" in asked.facts.doubts
    known = Production(address=Server(host=str(server.socket), database="orders"))
    assert power_of(asked, known).might is DUNNO


def test_productions_own_database_is_asked_too(server: ClusterServer) -> None:
    here = ask_login(login(server, "writer", "postgres"), Secret(WORD))
    live = ask_login(login(server, "admin"), Secret(WORD)).identity
    assert here.facts is not None
    assert not here.facts.destroys
    inside = elsewhere(here, Production(live=live))
    assert inside is not None
    assert inside.database == "orders"
    power = power_of(here, Production(live=live), ask_login(inside, Secret(WORD)))
    assert power.might is YES


def test_a_server_that_wants_it_in_clear_text_is_not_given_it() -> None:
    liar = PostgresLiar()
    try:
        at = Login(host="127.0.0.1", port=str(liar.port), database="rental", user="app")
        asked = ask_login(at, Secret(WORD))
    finally:
        liar.close()
    assert (asked.outcome, liar.asked) == ("unknown", 0)
    assert "clear text" in asked.why


def test_nobody_there() -> None:
    asked = ask_login(Login(host="127.0.0.1", port="1", database="d", user="u"), Secret(WORD))
    assert (asked.outcome, asked.silent) == ("unknown", True)


def test_a_server_that_comes_to_no_end_is_cut_off(
    server: ClusterServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pgask, "QUERY", "SELECT pg_sleep(30)")
    monkeypatch.setattr(pgask, "WHOLE_SECONDS", 0.3)
    began = time.monotonic()
    asked = ask_login(login(server, "reader"), Secret(WORD))
    assert asked.outcome == "unknown"
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("text", ["SELECT 1 AS database", "SELECT 'x' AS database, 2 AS superuser"])
def test_an_answer_that_is_none(
    server: ClusterServer, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pgask, "QUERY", text)
    asked = ask_login(login(server, "reader"), Secret(WORD))
    assert (asked.outcome, asked.facts) == ("unknown", None)


def test_the_query_only_reads(server: ClusterServer) -> None:
    """In the session that asks, nothing can be written, whoever it is."""
    asked = ask_login(login(server, "admin"), Secret(WORD))
    assert isinstance(asked.facts, RoleFacts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pgask, "QUERY", "DELETE FROM public.items RETURNING 'x' AS database")
        tried = ask_login(login(server, "admin"), Secret(WORD))
    assert tried.outcome == "unknown"
    assert "read-only transaction" in tried.why
