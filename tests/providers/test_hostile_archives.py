"""An archive is code: what it tries at restore, and that nothing outside the target changes."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from support import evil
from support.pg import Postgres, drain, signals_of

from drbook.core.errors import StepFailed
from drbook.core.ports import ProductionIdentity
from drbook.core.signals import Milestone
from drbook.core.targets import LocalCopy, Target
from drbook.providers import pgsession
from drbook.providers.cancel import CancelToken
from drbook.providers.pgserver import ClusterServer, server_user
from drbook.providers.postgres import PostgresReader
from drbook.providers.process import complete
from drbook.providers.targets.fresh import FreshTargets
from drbook.providers.targets.kinds import ClusterTarget
from drbook.providers.targets.roles import ADMIN, LOADER, READER

Known = list[ProductionIdentity]
FORMATS = {"plain": "-Fp", "custom": "-Fc", "directory": "-Fd", "tar": "-Ft"}
OUT_OF_RIGHTS = {"42501"}
"""insufficient_privilege (PostgreSQL manual, appendix A)."""


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which every server could write, were it asked by somebody who may."""
    folder = tmp_path_factory.mktemp("canary")
    for each in (folder, *folder.parents[:3]):
        if each.stat().st_uid == os.geteuid():
            each.chmod(0o777 if each == folder else 0o711)
    return folder


@pytest.fixture(scope="module")
def hostile(postgres: Postgres, canary: Path) -> Iterator[str]:
    evil.build(postgres, "hostile", canary, "rental")
    yield "hostile"
    with postgres.connect("postgres") as connection:
        connection.execute("DROP DATABASE hostile")


def dumped(postgres: Postgres, dbname: str, path: Path, form: str) -> LocalCopy:
    argv: list[str | Path] = [postgres.tools.path("pg_dump"), FORMATS[form], f"--dbname={dbname}"]
    argv += [f"--host={postgres.server.socket}", "--username=postgres", f"--file={path}"]
    done = complete(argv)
    assert done.exit_code == 0, done.stderr
    return LocalCopy(name=f"copies/{path.name}", size=1, sha256="", checked="structure")


def asked(target: Target, role: str = "") -> psycopg.Connection:
    """A connection as a role of the target, by default the one that loads."""
    login = {ADMIN: target.admin, READER: target.connect}.get(role, target.loader)
    assert login is not None
    return pgsession.connect(login, os.environ, autocommit=True, read_only=False)


# --- what runs at restore --------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
def test_code_that_runs_at_restore_cannot_leave_the_target(
    postgres: Postgres,
    hostile: str,
    canary: Path,
    targets: FreshTargets,
    production: Known,
    tmp_path: Path,
    form: str,
) -> None:
    copy = dumped(postgres, hostile, tmp_path / "copies" / "dump", form)
    target = drain(targets.create(ClusterTarget(), "restore-1", production))
    report, said = signals_of(targets.load(target, copy))
    with asked(target) as connection:
        found = evil.answers(connection)
    assert set(found) == set(evil.PLACES)  # all of it ran, the event trigger was not made
    for place in evil.PLACES:
        assert {what: answer for what, answer in found[place].items() if "done" in answer} == {}
        assert set(found[place]) == set(evil.ATTEMPTS)
    assert list(canary.iterdir()) == []
    assert report.left_out == ("event trigger lurking",)
    kept = [
        item for item in said if isinstance(item, Milestone) and "left_out" in (item.data or {})
    ]
    assert len(kept) == 1
    with asked(target, ADMIN) as connection:
        rows = connection.execute(
            "SELECT rolname FROM pg_roles WHERE rolsuper OR rolcreaterole OR rolreplication"
        ).fetchall()
    assert rows == [(ADMIN,)]


def test_the_attempts_would_succeed_for_a_superuser(
    postgres: Postgres, hostile: str, canary: Path, tmp_path: Path
) -> None:
    """The test above can fail: the same archive, loaded as people usually load, does get out."""
    path = tmp_path / "dump"
    dumped(postgres, hostile, path, "custom")
    if server_user() == "nobody":
        tmp_path.chmod(0o711)
    server = ClusterServer(postgres.tools, tmp_path / "naive", name="naive")
    server.make_folder()
    drain(server.create())
    drain(server.start({"fsync": "off"}))
    try:
        argv: list[str | Path] = [postgres.tools.path("pg_restore"), "--no-owner", path]
        complete([*argv, f"--host={server.socket}", "-Upostgres", "-dpostgres"])
        assert {each.name for each in canary.iterdir()} == {
            "copied",
            "program",
            "from-program",
            "large",
        }
    finally:
        server.stop()
        for each in canary.iterdir():
            each.unlink()


def test_looking_afterwards_runs_code_with_fewer_rights_still(
    postgres: Postgres,
    hostile: str,
    canary: Path,
    targets: FreshTargets,
    production: Known,
    tmp_path: Path,
) -> None:
    copy = dumped(postgres, hostile, tmp_path / "copies" / "dump", "custom")
    target = drain(targets.create(ClusterTarget(), "restore-1", production))
    drain(targets.load(target, copy))
    counts = {row.table: row for row in drain(targets.count(target, content=True)).tables}
    assert counts["public.orders"].rows == 3
    assert not str(counts["public.orders"].content).endswith(":0")  # nobody's own hash function
    reader = PostgresReader(os.environ, CancelToken())
    ask = {"params": {}, "limit": 10, "timeout": timedelta(seconds=30)}
    found = reader.query(target.connect, "SELECT count(*), current_database() FROM orders", **ask)
    assert found.rows == (("3", "rental"),)
    with pytest.raises(StepFailed):  # the view's function may not even note its attempts
        reader.query(target.connect, "SELECT * FROM public.looked", **ask)
    assert list(canary.iterdir()) == []


# --- the three logins ------------------------------------------------------------------------


@pytest.mark.parametrize("user", [ADMIN, LOADER, READER, "postgres"])
def test_the_socket_lets_nobody_in_without_a_password(
    targets: FreshTargets, production: Known, user: str
) -> None:
    """What runs inside the server reaches the socket: it must not come back as somebody else."""
    target = drain(targets.create(ClusterTarget(), "restore-1", production))
    for password in ({}, {"password": "postgres"}):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(host=target.connect.host, user=user, dbname="rental", **password)
    assert all(path.stat().st_mode & 0o077 == 0 for path in Path(target.location).glob("*.key"))
    assert len(list(Path(target.location).glob("*.key"))) == 3


STATEMENTS = {
    "ALTER SYSTEM SET listen_addresses = '*'": "42501",
    "ALTER SYSTEM SET archive_command = 'true'": "42501",
    "CREATE TABLESPACE t LOCATION '/tmp'": "42501",
    "DROP DATABASE template1": "42501",
    "ALTER ROLE drbook_admin PASSWORD 'x'": "42501",
    "ALTER ROLE drbook_loader SUPERUSER": "42501",
    "SET SESSION AUTHORIZATION drbook_admin": "42501",
    "SET session_preload_libraries = 'x'": "42501",
    "LOAD '/tmp/x.so'": "42501",
}


def test_the_loading_role_cannot_open_the_cluster(targets: FreshTargets, production: Known) -> None:
    target = drain(targets.create(ClusterTarget(), "restore-1", production))
    with asked(target) as connection:
        for statement, state in STATEMENTS.items():
            with pytest.raises(psycopg.Error) as caught:
                connection.execute(statement.encode())
            assert caught.value.sqlstate == state, statement
    assert not (Path(target.location) / "data" / "postgresql.auto.conf").read_text().count("\n") > 2
