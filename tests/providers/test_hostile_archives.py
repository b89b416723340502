"""An archive is code: what it tries at restore, and that nothing outside the target changes."""

import gzip
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from support import evil
from support.pg import Postgres, drain, signals_of

from drbook.core.errors import Cancelled, CouldNotVerify, StepFailed
from drbook.core.ports import ProductionIdentity
from drbook.core.signals import Milestone, Working
from drbook.core.targets import ADMIN, LOADER, READER, LocalCopy, Target
from drbook.providers import pgsession, sqltext
from drbook.providers.archive_needs import Needs
from drbook.providers.cancel import CancelToken
from drbook.providers.kinds import TARGETS
from drbook.providers.pgserver import ClusterServer, server_user
from drbook.providers.pgtools import PgTools
from drbook.providers.postgres import PostgresReader
from drbook.providers.process import complete
from drbook.providers.targets import ground, load
from drbook.providers.targets.base import Workshop
from drbook.providers.targets.fresh import FreshTargets
from drbook.providers.targets.kinds import ClusterTarget
from drbook.providers.targets.pool import ServerPool

Known = list[ProductionIdentity]
FORMATS = {"plain": "-Fp", "custom": "-Fc", "directory": "-Fd", "tar": "-Ft"}
OUT_OF_RIGHTS = {"42501"}
"""insufficient_privilege (PostgreSQL manual, appendix A)."""


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which every server could write, were it asked by somebody who may."""
    folder = tmp_path_factory.mktemp("canary")
    for each in folder.parents:
        if each == Path(tempfile.gettempdir()) or each.stat().st_uid != os.geteuid():
            break  # not ours: the temporary files of everybody lie there
        each.chmod(0o711)
    folder.chmod(0o777)
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


def test_the_socket_lets_nobody_in_without_a_password(
    shared: tuple[FreshTargets, Path, Target],
) -> None:
    """What runs inside the server reaches the socket: it must not come back as somebody else."""
    _, _, target = shared
    for user in (ADMIN, LOADER, READER, "postgres"):
        for password in ({}, {"password": "postgres"}):
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(host=target.connect.host, user=user, dbname="restored", **password)
    keys = list(Path(target.location).glob("*.key"))
    assert len(keys) == 3
    assert all(path.stat().st_mode & 0o077 == 0 for path in keys)


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


def test_the_loading_role_cannot_open_the_cluster(
    shared: tuple[FreshTargets, Path, Target],
) -> None:
    _, _, target = shared
    with asked(target) as connection:
        for statement, state in STATEMENTS.items():
            with pytest.raises(psycopg.Error) as caught:
                connection.execute(statement.encode())
            assert caught.value.sqlstate == state, statement
    assert not (Path(target.location) / "data" / "postgresql.auto.conf").read_text().count("\n") > 2


# --- commands of psql, and shapes --------------------------------------------------------------

_SQL = "-- PostgreSQL database dump\n-- Dumped from database version 18.6\n%s\nSELECT 2;\n"
META = {
    "shell": "\\! touch {canary}/x",
    "mid-line": "SELECT 1; \\! touch {canary}/x",
    "after CRLF": "SELECT 1;\r\n\\! touch {canary}/x\r",
    "copy program": "\\copy (SELECT 1) TO PROGRAM 'touch {canary}/x'",
    "copy file": "\\copy (SELECT 1) TO '{canary}/x'",
    "output pipe": "\\o |touch {canary}/x",
    "query pipe": "SELECT 1 \\g |touch {canary}/x",
    "include": "\\i {canary}/../script.sql",
    "setenv": "\\setenv PATH {canary}",
    "backticks": "\\set x `touch {canary}/x`",
    "connect": "\\connect - drbook_admin",
    "gexec": "SELECT $q$COPY (SELECT 1) TO PROGRAM 'touch {canary}/x'$q$ \\gexec",
    "guessed token": "\\unrestrict abc\n\\! touch {canary}/x",
    "own pair": "\\restrict a\nSELECT 1;\n\\unrestrict a\n\\! touch {canary}/x",
    "in copy data": "CREATE TABLE t (a text);\nCOPY t FROM stdin;\nx\n\\.\n\\! touch {canary}/x",
    "false end": "COPY (SELECT 1) TO stdout;\n\\.\n\\! touch {canary}/x",
    "create": "CREATE DATABASE other;\n\\connect other\nSELECT 1;",
    "to program": "COPY (SELECT 1) TO PROGRAM 'touch {canary}/x';",
    "system": "ALTER SYSTEM SET listen_addresses = '*';",
    "become": "SET SESSION AUTHORIZATION drbook_admin;",
    "out of the transaction": "COMMIT;\nALTER SYSTEM SET listen_addresses = '*';",
}


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory, tools: tuple[PgTools, ...]
) -> Iterator[tuple[FreshTargets, Path, Target]]:
    """One target for what is refused anyway; each load of the table has to leave it as it was."""
    folder = tmp_path_factory.mktemp("shared")
    (folder / "copies").mkdir()
    if server_user() == "nobody":
        folder.chmod(0o711)
    pool = ServerPool()
    made = FreshTargets(Workshop(folder, os.environ, CancelToken(), pool, lambda: tools), TARGETS())
    yield made, folder / "copies", drain(made.create(ClusterTarget(), "restore-1", []))
    pool.close()


def follow(work: Working[object], seen: Callable[[object], None]) -> None:
    for signal in work:
        seen(signal)


def written(folder: Path, text: str) -> LocalCopy:
    (folder / "dump.sql").write_bytes(text.encode())
    return LocalCopy(name="copies/dump.sql", size=1, sha256="", checked="structure")


@pytest.mark.parametrize("name", META)
def test_no_command_of_psql_and_no_statement_leaves_the_target(
    shared: tuple[FreshTargets, Path, Target], canary: Path, name: str
) -> None:
    targets, copies, target = shared
    (canary.parent / "script.sql").write_text(f"\\! touch {canary}/x\n")
    copy = written(copies, _SQL % META[name].format(canary=canary))
    said: list[object] = []
    work = targets.load(target, copy)
    with pytest.raises(StepFailed) as caught:
        follow(work, said.append)
    assert caught.value.code in ("load", "load-denied")
    assert list(canary.iterdir()) == []
    kept = [one.data for one in said if isinstance(one, Milestone) and one.data]
    assert kept
    assert sum(kept[-1]["kinds"].values()) == len(kept[-1]["errors"])
    settings = Path(target.location) / "data" / "postgresql.auto.conf"
    assert "listen" not in settings.read_text()


NEEDS = {
    "a role's name that is no name": (
        'GRANT SELECT ON x TO "none";', 'role name "none" is reserved',
    ),
    "two names that are one": (
        f'GRANT SELECT ON x TO "{"r" * 63}1";\nGRANT SELECT ON x TO "{"r" * 63}2";', "already exists",
    ),
    "a schema that only the server may have": (
        "CREATE EXTENSION hstore WITH SCHEMA pg_evil;", 'unacceptable schema name "pg_evil"',
    ),
    "an extension in a schema that it does not want": (
        "CREATE EXTENSION plpgsql_check_no WITH SCHEMA x;", "does not have: plpgsql_check_no",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NEEDS)
def test_names_that_no_server_accepts_end_the_step_in_words(
    shared: tuple[FreshTargets, Path, Target], name: str
) -> None:
    targets, copies, target = shared
    text, said = NEEDS[name]
    with pytest.raises(StepFailed) as caught:
        drain(targets.load(target, written(copies, _SQL % text)))
    assert said in caught.value.what
    assert "Nothing was loaded" in caught.value.means


@pytest.mark.parametrize("how", ["cancelled", "gone"])
def test_a_server_that_is_lost_meanwhile_is_no_fault_of_the_archive(
    shared: tuple[FreshTargets, Path, Target], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    _, _, target = shared
    token = CancelToken()

    def lost(connection: pgsession.Connection, *rest: object) -> tuple[str, ...]:
        if how == "cancelled":
            token.request("the operator")
            raise psycopg.errors.QueryCanceled("canceling statement due to user request")
        connection.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(ground, "_stand_in", lost)
    with pytest.raises(Cancelled if how == "cancelled" else CouldNotVerify):
        drain(ground.make_ground(target, Needs(frozenset(["x"])), os.environ, token))


def test_a_psql_that_obeys_dumps_is_not_used(
    shared: tuple[FreshTargets, Path, Target], tools: tuple[PgTools, ...]
) -> None:
    _, copies, target = shared
    written(copies, _SQL % "")
    old = tuple(replace(one, version=170005) for one in tools)
    with pytest.raises(StepFailed) as caught:
        drain(load.Loader(target, os.environ, CancelToken(), old).load(copies / "dump.sql", ()))
    assert caught.value.code == "psql-too-old"


def test_a_statement_without_an_end_is_bounded(
    shared: tuple[FreshTargets, Path, Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few kilobytes that unpack into one endless line."""
    targets, copies, target = shared
    monkeypatch.setattr(sqltext, "MOST", 4 * 1024 * 1024)
    path = copies / "bomb.sql.gz"
    path.write_bytes(gzip.compress((_SQL % "SELECT '").encode() + b"x" * (16 * 1024 * 1024)))
    assert path.stat().st_size < 64 * 1024
    held = LocalCopy(name="copies/bomb.sql.gz", size=1, sha256="", checked="structure")
    with pytest.raises(StepFailed, match="statement of more than 4 MiB"):
        drain(targets.load(target, held))


@pytest.mark.parametrize("form", ["plain", "custom"])
def test_a_load_that_sleeps_is_cancelled(
    postgres: Postgres, tools: tuple[PgTools, ...], tmp_path: Path, form: str
) -> None:
    with postgres.connect("postgres") as connection:
        connection.execute("CREATE DATABASE sleepy")
    try:
        with postgres.connect("sleepy") as connection:
            connection.execute(
                "CREATE FUNCTION nap() RETURNS int LANGUAGE sql AS 'SELECT 1';"
                "CREATE MATERIALIZED VIEW slow AS SELECT public.nap();"
                "CREATE OR REPLACE FUNCTION nap() RETURNS int LANGUAGE plpgsql AS"
                " 'BEGIN PERFORM pg_sleep(600); RETURN 1; END'"
            )
        (tmp_path / "copies").mkdir()
        copy = dumped(postgres, "sleepy", tmp_path / "copies" / "dump", form)
    finally:
        with postgres.connect("postgres") as connection:
            connection.execute("DROP DATABASE sleepy")
    token, pool = CancelToken(), ServerPool()
    targets = FreshTargets(Workshop(tmp_path, os.environ, token, pool, lambda: tools), TARGETS())
    try:
        target = drain(targets.create(ClusterTarget(), "restore-1", []))
        threading.Timer(1.0, lambda: token.request("the operator")).start()
        with pytest.raises(Cancelled):
            drain(targets.load(target, copy))
    finally:
        pool.close()


def test_a_directory_that_names_files_outside_itself_is_refused(
    postgres: Postgres, hostile: str, targets: FreshTargets, production: Known, tmp_path: Path
) -> None:
    """pg_restore opens a data file by the name that the table of contents gives."""
    copy = dumped(postgres, hostile, tmp_path / "copies" / "dump", "directory")
    folder = tmp_path / "copies" / "dump"
    toc = (folder / "toc.dat").read_bytes()
    name = next(each.name for each in folder.iterdir() if each.name != "toc.dat")
    inside = name.removesuffix(".gz").encode()
    framed = b"\0" + len(inside).to_bytes(4, "little") + inside
    assert toc.count(framed) == 1
    target = drain(targets.create(ClusterTarget(), "restore-1", production))
    for outside in (b"/etc/passwd", b"../../secret", b"x/../../secret"):
        (folder / "toc.dat").write_bytes(
            toc.replace(framed, b"\0" + len(outside).to_bytes(4, "little") + outside)
        )
        with pytest.raises(StepFailed) as caught:
            drain(targets.load(target, copy))
        assert caught.value.code == "archive-outside"
    (folder / "toc.dat").write_bytes(toc)
    (folder / name).unlink()
    (folder / name).symlink_to("/etc/passwd")
    with pytest.raises(StepFailed) as caught:
        drain(targets.load(target, copy))
    assert caught.value.code == "archive-outside"
