"""The three logins of a cluster of our own: what each may, and whose password it has."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from support.pg import drain

from drbook.core.errors import StepFailed
from drbook.core.targets import ADMIN, LOADER, READER
from drbook.providers import pgsession
from drbook.providers.pgserver import ClusterServer, server_user
from drbook.providers.pgsession import Connection
from drbook.providers.pgtools import PgTools, choose
from drbook.providers.targets.roles import HARMLESS, login, make_roles


@pytest.fixture(scope="module")
def ours(tools: tuple[PgTools, ...]) -> Iterator[ClusterServer]:
    """A cluster as a restore makes it, with a database `restored` and the roles for it."""
    with tempfile.TemporaryDirectory(prefix="drbook-test-") as folder:
        if server_user() == "nobody":
            Path(folder).chmod(0o711)
        chosen = choose([one for one in tools if one.origin == "extra"], server=True)[0]
        server = ClusterServer(
            chosen, Path(folder) / "ours", name="ours", superuser=ADMIN, passwords=True
        )
        server.make_folder()
        drain(server.create())
        drain(server.start({"fsync": "off", "log_statement": "all"}))
        try:
            with session(server, ADMIN, "template1") as admin:
                admin.execute("CREATE DATABASE restored")
            make_roles(server, "restored", os.environ)
            yield server
        finally:
            server.stop()


def session(server: ClusterServer, role: str, dbname: str = "restored") -> Connection:
    ref = login(server, role, dbname)
    return pgsession.connect(ref, os.environ, autocommit=True, read_only=False)


def test_neither_is_able_to_reach_outside(ours: ClusterServer) -> None:
    with session(ours, ADMIN) as admin:
        rows = admin.execute(
            "SELECT rolname, rolcanlogin, rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication,"
            " rolbypassrls, rolconfig FROM pg_roles WHERE rolname LIKE 'drbook%' ORDER BY 1"
        ).fetchall()
        members = admin.execute(
            "SELECT roleid::regrole::text, member::regrole::text FROM pg_auth_members"
            " WHERE member::regrole::text LIKE 'drbook%' ORDER BY 1"
        ).fetchall()
        owners = admin.execute(
            "SELECT datdba::regrole::text, (SELECT nspowner::regrole::text FROM pg_namespace"
            " WHERE nspname = 'public') FROM pg_database WHERE datname = 'restored'"
        ).fetchall()
    assert rows == [
        (ADMIN, True, True, True, None),
        (LOADER, True, False, False, None),
        (READER, True, False, True, ["default_transaction_read_only=on"]),
    ]
    assert members == [("pg_read_all_data", READER), ("pg_read_all_settings", READER)]
    assert owners == [(ADMIN, LOADER)]


def test_who_loads_may_make_what_a_dump_has(ours: ClusterServer) -> None:
    with session(ours, LOADER) as loader:
        loader.execute("CREATE SCHEMA s; CREATE TABLE public.t (n int); CREATE TEMP TABLE x ()")
        loader.execute("DROP SCHEMA s; DROP TABLE public.t")
        for refused in ("CREATE DATABASE x", "CREATE ROLE x", "COPY (SELECT 1) TO PROGRAM 'true'",
                        "ALTER DATABASE restored SET work_mem = '1MB'"):  # fmt: skip
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                loader.execute(refused.encode())


def test_who_looks_sees_every_row_and_changes_none(ours: ClusterServer) -> None:
    with session(ours, LOADER) as loader:
        loader.execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (1), (2)")
        loader.execute("ALTER TABLE kept ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    with session(ours, READER) as reader:
        assert reader.execute("SELECT count(*) FROM kept").fetchone() == (2,)
        assert reader.execute("SHOW data_directory").fetchone() == (str(ours.data),)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            reader.execute("CREATE TABLE x ()")
        reader.execute("SET default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("INSERT INTO kept VALUES (3)")
    with session(ours, LOADER) as loader:
        loader.execute("DROP TABLE kept")


def test_each_has_a_password_of_its_own_that_never_left_its_file(ours: ClusterServer) -> None:
    keys = {role: ours.key_file(role).read_text().strip() for role in (ADMIN, LOADER, READER)}
    assert len(set(keys.values())) == 3
    assert all(len(key) > 40 for key in keys.values())
    assert {ours.key_file(role).stat().st_mode & 0o777 for role in keys} == {0o600}
    with session(ours, ADMIN) as admin:
        stored = dict(
            admin.execute(
                "SELECT rolname, rolpassword FROM pg_authid WHERE rolpassword <> ''"
            ).fetchall()
        )
    assert {role: str(stored[role])[:14] for role in keys} == dict.fromkeys(keys, "SCRAM-SHA-256$")
    log = (ours.folder / "server.log").read_text(encoding="utf-8", errors="replace")
    assert "CREATE ROLE" in log  # what was said to the server is there, and none of them in it
    assert not any(key in log for key in keys.values())
    for role in (LOADER, READER):
        other = {LOADER: READER, READER: LOADER}[role]
        ref = login(ours, role, "restored")
        wrong = ref.model_copy(update={"password": f"file:{ours.key_file(other)}"})
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            pgsession.connect(wrong, os.environ)


def test_a_server_that_refuses_says_so(ours: ClusterServer) -> None:
    with pytest.raises(StepFailed) as caught:
        make_roles(ours, "absent\x1b", os.environ)
    assert caught.value.code == "target-roles"
    assert "could not be made: " in caught.value.what
    assert 'database "absent\\x1b" does not exist' in caught.value.what
    assert caught.value.means == "Nothing was restored."
    assert caught.value.next == "Run the step again: it makes another target."


def test_nothing_that_reaches_outside_is_among_the_harmless() -> None:
    assert not HARMLESS & {
        "adminpack", "dblink", "file_fdw", "lo", "pg_cron", "pg_surgery", "pageinspect", "plperlu",
        "plpython3u", "pltclu", "postgres_fdw", "pg_walinspect", "pg_prewarm",
    }  # fmt: skip
