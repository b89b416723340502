"""Production's roles, from what the real pg_dumpall writes; and what is no such file."""

import gzip
import hashlib
import lzma
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from support.given import SERVERS, Given, given_server
from support.pg import drain, signals_of

from drbook.core.errors import Cancelled, StepFailed
from drbook.core.globals import GlobalRole, Globals, Membership
from drbook.core.ports import ProductionIdentity
from drbook.core.signals import Milestone
from drbook.core.targets import LocalCopy
from drbook.providers import pgsession
from drbook.providers.globalsfile import read_globals, without_secrets
from drbook.providers.pgtools import ENGLISH
from drbook.providers.process import complete
from drbook.providers.targets import roles as target_roles
from drbook.providers.targets.fresh import FreshTargets
from drbook.providers.targets.kinds import ClusterTarget, DatabaseTarget

HEAD = "-- PostgreSQL database cluster dump\n"
ROLES = (
    "CREATE ROLE owners NOLOGIN",
    "CREATE ROLE app LOGIN PASSWORD 'hunter2-in-clear' CONNECTION LIMIT 5 VALID UNTIL '2031-01-01Z'",
    "CREATE ROLE boss SUPERUSER CREATEDB CREATEROLE REPLICATION BYPASSRLS NOINHERIT",
    'CREATE ROLE "Odd ""role""; GRANT owners TO x;" LOGIN',
    "GRANT owners TO app",
    "GRANT owners TO boss WITH ADMIN OPTION",
    "GRANT pg_read_all_data TO app",
    "ALTER ROLE app SET search_path = shop, public",
    "ALTER ROLE app SET my.api_key = 'opensesame; ALTER ROLE x SUPERUSER'",
    "COMMENT ON ROLE app IS 'the shop; it''s ours'",
)
ODD = 'Odd "role"; GRANT owners TO x;'


@pytest.fixture(scope="module", params=sorted(SERVERS))
def given(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Given]:
    major: int = request.param
    with given_server(SERVERS[major], tmp_path_factory.mktemp(f"globals-{major}")) as made:
        for statement in ROLES:
            made.run(statement)
        yield made


@pytest.fixture
def dumped(given: Given, tmp_path: Path) -> Path:
    path = tmp_path / "globals.sql"
    tools = SERVERS[given.major]
    done = complete(
        [
            tools.path("pg_dumpall"),
            "--globals-only",
            "-h",
            str(given.server.socket),
            "-U",
            "postgres",
        ],
        env=ENGLISH,
    )
    assert done.exit_code == 0, done.stderr
    path.write_text(done.stdout)
    return path


def test_every_role_is_read_and_no_password_kept(dumped: Path) -> None:
    assert "opensesame" in dumped.read_text()
    found = read_globals(dumped)
    roles = {role.name: role for role in found.roles}
    assert set(roles) == {"postgres", "owners", "app", "boss", ODD}
    assert roles["owners"] == GlobalRole(name="owners")
    attributes = roles["app"].attributes
    assert set(attributes[:2]) == {"LOGIN", "CONNECTION LIMIT 5"}
    assert "a password" in attributes
    assert any(each.startswith("VALID UNTIL '20") for each in attributes)
    assert set(roles["app"].settings) == {"search_path", "my.api_key"}
    assert set(roles["boss"].attributes) == {
        "SUPERUSER", "CREATEDB", "CREATEROLE", "REPLICATION", "BYPASSRLS", "NOINHERIT",
    }  # fmt: skip
    assert roles[ODD].attributes == ("LOGIN",)
    assert set(found.memberships) == {
        Membership(group="owners", member="app"),
        Membership(group="owners", member="boss", admin=True),
        Membership(group="pg_read_all_data", member="app"),
    }
    assert found.others == ()
    assert found.sha256 == hashlib.sha256(dumped.read_bytes()).hexdigest()
    record = found.model_dump_json() + repr(found.left())
    for secret in ("hunter2", "SCRAM", "opensesame"):
        assert secret not in record
    assert "app: member of pg_read_all_data" in found.left()
    assert not any(each.startswith("owners") for each in found.left())
    assert found.summary() == f"5 roles in {dumped}, 3 of them with login"


@pytest.mark.parametrize(
    "pack", [gzip.compress, zstandard.ZstdCompressor().compress, lzma.compress]
)
def test_a_compressed_file_is_the_same(dumped: Path, tmp_path: Path, pack: object) -> None:
    packed = tmp_path / "packed"
    packed.write_bytes(pack(dumped.read_bytes()))  # type: ignore[operator]
    assert read_globals(packed).roles == read_globals(dumped).roles


_NONE = [
    ("nothing", b"", "does not begin as pg_dumpall's files do"),
    ("a dump", b"-- PostgreSQL database dump\nCREATE ROLE x;\n", "does not begin as"),
    ("no text", HEAD.encode() + b"CREATE ROLE \xff;\n", "is not UTF-8"),
    ("half of a gzip", gzip.compress(HEAD.encode() * 99)[:40], "cannot be read"),
]


@pytest.mark.parametrize(("data", "why"), [row[1:] for row in _NONE], ids=[row[0] for row in _NONE])
def test_what_is_no_globals_file_is_said(tmp_path: Path, data: bytes, why: str) -> None:
    path = tmp_path / "globals.sql"
    path.write_bytes(data)
    with pytest.raises(StepFailed, match=why) as caught:
        read_globals(path)
    assert caught.value.code == "globals"
    assert "Nothing was created" in caught.value.means
    with pytest.raises(StepFailed, match="No such file"):
        read_globals(tmp_path / "absent")


def text(tmp_path: Path, body: str) -> Globals:
    path = tmp_path / "globals.sql"
    path.write_text(HEAD + body)
    return read_globals(path)


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    """Nobody may ever write to it."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StepFailed, match="it is no regular file"):
        read_globals(tmp_path / "pipe")


def test_it_can_be_cancelled_between_two_statements(tmp_path: Path) -> None:
    asked: list[int] = []

    def check() -> None:
        asked.append(1)
        if len(asked) > 20:
            raise Cancelled("enough")

    path = tmp_path / "globals.sql"
    path.write_text(HEAD + "CREATE ROLE a;\n" * 1000)
    with pytest.raises(Cancelled):
        read_globals(path, check)
    assert len(asked) == 21


def test_statements_about_something_else_are_counted_and_left(tmp_path: Path) -> None:
    found = text(
        tmp_path,
        "\\restrict abc\nSET default_transaction_read_only = off;\n-- Roles\nCREATE ROLE a;\n"
        "ALTER ROLE a WITH LOGIN WINGS;\nALTER ROLE a IN DATABASE \"the shop\" SET work_mem TO '1MB';\nALTER ROLE b WITH LOGIN PASSWORD 'x' (;\n"
        "CREATE TABLESPACE fast OWNER a LOCATION '/fast';\nCREATE TABLESPACE slow LOCATION '/s';\n"
        "GRANT SET ON PARAMETER work_mem TO a;\nDO $$ BEGIN DROP ROLE a; END $$;\n\\unrestrict abc\n"
        "CREATE ROLE unended",
    )
    assert found.roles == (
        GlobalRole(name="a", attributes=("LOGIN",), settings=("work_mem in the shop",)),
    )
    assert found.others == (
        "ALTER ROLE b",
        "CREATE TABLESPACE fast",
        "CREATE TABLESPACE slow",
        "GRANT SET ON",
        "DO $$ BEGIN",
        "CREATE ROLE unended",
    )


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER ROLE a SET " + "x = " * 300_000 + ";",
        "GRANT a TO b WITH " + " GRANTED BY" * 90_000 + ";",
        ("GRANT a TO b WITH " + " GRANTED BY" * 5000 + ' ";" x;\n') * 20,
        "ALTER ROLE a WITH " + "LOGIN " * 150_000 + ";",
        "ALTER ROLE a WITH PASSWORD '" + "''" * 100_000 + ";",
        "ALTER ROLE a SET " + "x = " * 15_000,
        " " * 900_000 + ";",
        'CREATE ROLE "' + '""' * 100_000 + ";",
    ],
    ids=[
        "settings",
        "grantors",
        "many grantors",
        "words",
        "quotes",
        "without an end",
        "blanks",
        "names",
    ],
)
def test_no_statement_takes_longer_than_its_length_asks_for(tmp_path: Path, statement: str) -> None:
    begun = time.process_time()
    text(tmp_path, f"CREATE ROLE a;\n{statement}\n")
    assert time.process_time() - begun < 2


# --- what is made of it ------------------------------------------------------------------------------


@pytest.fixture
def loaded(given: Given, tmp_path: Path) -> LocalCopy:
    """A dump whose grants name three roles of the file and one that is not in it."""
    given.run(
        "CREATE ROLE newcomer; CREATE TABLE t (n int); GRANT SELECT ON t TO app, boss, newcomer;"
        "ALTER DEFAULT PRIVILEGES FOR ROLE boss GRANT SELECT ON TABLES TO owners"
    )
    path = tmp_path / "copies" / "dump"
    tools = SERVERS[given.major]
    done = complete(
        [tools.path("pg_dump"), "-Fc", "-h", str(given.server.socket), "-U", "postgres",
         "-f", str(path), "postgres"],
        env=ENGLISH,
    )  # fmt: skip
    given.run("DROP TABLE t; DROP OWNED BY newcomer, boss; DROP ROLE newcomer")
    assert done.exit_code == 0, done.stderr
    return LocalCopy(name="copies/dump", size=1, sha256="", checked="structure")


def test_the_roles_are_there_before_the_dump_and_none_of_them_can_do_anything(
    targets: FreshTargets, dumped: Path, loaded: LocalCopy
) -> None:
    found = targets.globals(str(dumped))
    held = loaded.model_copy(update={"globals": found})
    held, page = drain(targets.preflight(ClusterTarget(), held, []))
    (item,) = [each for each in page.items if each.what == "roles"]
    assert "made from the globals file" in item.words
    assert "the globals file does not name them" in item.words
    target = drain(targets.create(ClusterTarget(), "restore-1", []))
    report, said = signals_of(targets.load(target, held))
    assert set(report.roles_made) == {"postgres", "owners", "app", "boss", ODD}
    assert report.roles_standing_in == ("newcomer",)
    assert report.rights_left == found.left()
    (told,) = [
        each.text for each in said if isinstance(each, Milestone) and "before cutover" in each.text
    ]
    assert "boss: SUPERUSER" in told
    assert "opensesame" not in told
    with pgsession.connect(target.connect, {}) as connection:
        able = connection.execute(
            "SELECT rolname FROM pg_roles WHERE rolname !~ '^(pg|drbook)_' AND (rolcanlogin OR rolsuper OR"
            " rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls)"
        ).fetchall()
        assert able == []
        memberships = connection.execute(
            "SELECT r.rolname, m.rolname, a.admin_option FROM pg_auth_members a"
            " JOIN pg_roles r ON r.oid = a.roleid JOIN pg_roles m ON m.oid = a.member"
            " WHERE m.rolname !~ '^(pg|drbook)_' ORDER BY 1, 2"
        ).fetchall()
        assert memberships == [("owners", "app", False), ("owners", "boss", True)]
        reaches = connection.execute(
            "SELECT rolname FROM pg_roles WHERE pg_has_role(%s, oid, 'MEMBER')"
            " AND (rolsuper OR rolname ~ '^pg_')",
            (target_roles.LOADER,),
        ).fetchall()
        assert reaches == []
        (granted,) = connection.execute(
            "SELECT has_table_privilege('app', 't', 'SELECT')"
        ).fetchone()  # type: ignore[misc]
        assert granted


def test_a_file_that_lies_makes_no_role_able(
    targets: FreshTargets, loaded: LocalCopy, tmp_path: Path
) -> None:
    """It is outside text: drbook's own roles and the server's stay as they are."""
    found = text(
        tmp_path,
        "CREATE ROLE drbook_loader;\nALTER ROLE drbook_loader WITH SUPERUSER;\nCREATE ROLE pg_evil;\n"
        "CREATE ROLE app;\nALTER ROLE app WITH SUPERUSER LOGIN;\nGRANT drbook_admin TO drbook_loader;\n"
        "GRANT pg_write_server_files TO app;\nGRANT drbook_admin TO app;\nCREATE ROLE boss;\n"
        "CREATE ROLE owners;\n",
    )
    held = loaded.model_copy(update={"globals": found})
    target = drain(targets.create(ClusterTarget(), "restore-1", []))
    report = drain(targets.load(target, held))
    assert report.roles_made == ("app", "boss", "owners")
    with pgsession.connect(target.connect, {}) as connection:
        able = connection.execute(
            "SELECT rolname FROM pg_roles WHERE rolsuper AND rolname <> 'drbook_admin'"
        ).fetchall()
        member = connection.execute(
            "SELECT pg_has_role('app', 'drbook_admin', 'MEMBER'),"
            " pg_has_role('app', 'pg_write_server_files', 'MEMBER'),"
            " pg_has_role('drbook_loader', 'drbook_admin', 'MEMBER')"
        ).fetchone()
    assert (able, member) == ([], (False, False, False))


def test_a_circle_of_members_ends_before_anything_is_loaded(
    targets: FreshTargets, loaded: LocalCopy, tmp_path: Path
) -> None:
    found = text(
        tmp_path, "CREATE ROLE app;\nCREATE ROLE boss;\nGRANT app TO boss;\nGRANT boss TO app;\n"
    )
    target = drain(targets.create(ClusterTarget(), "restore-1", []))
    with pytest.raises(StepFailed) as caught:
        drain(targets.load(target, loaded.model_copy(update={"globals": found})))
    assert caught.value.code == "ground"
    assert "Nothing was loaded" in caught.value.means


def test_a_given_servers_roles_are_left_alone(
    given: Given, targets: FreshTargets, dumped: Path, loaded: LocalCopy
) -> None:
    given.run("CREATE ROLE restorer LOGIN CREATEDB; CREATE ROLE newcomer")
    try:
        found = targets.globals(str(dumped))
        production: list[ProductionIdentity] = given.elsewhere()
        target = drain(targets.create(DatabaseTarget(server=given.ref()), "restore-1", production))
        before = given.run("SELECT rolname, rolcanlogin, rolsuper FROM pg_roles ORDER BY 1")
        with pytest.raises(StepFailed):  # grants for roles that the login is no member of
            drain(targets.load(target, loaded.model_copy(update={"globals": found})))
        assert given.run("SELECT rolname, rolcanlogin, rolsuper FROM pg_roles ORDER BY 1") == before
    finally:
        given.run("DROP DATABASE IF EXISTS restore_1 WITH (FORCE)")
        given.run("DROP ROLE restorer; DROP ROLE newcomer")


# --- for the go-bag ----------------------------------------------------------------------------


def test_without_secrets(tmp_path: Path) -> None:
    path = tmp_path / "globals.sql"
    path.write_text(
        "--\n-- PostgreSQL database cluster dump\n--\n\nCREATE ROLE app;\n"
        "ALTER ROLE app WITH NOSUPERUSER LOGIN PASSWORD 'SCRAM-SHA-256$x''y' VALID UNTIL 'infinity';\n"
        "ALTER ROLE \"PASSWORD 'x'\" WITH LOGIN PASSWORD 'md5abc';\n"
        "ALTER ROLE app IN DATABASE shop SET search_path TO 'a', 'b';\n"
        "ALTER ROLE app SET app.token TO 'tok';\nALTER ROLE app PASSWORD 'odd';\n"
        "ALTER USER app ENCRYPTED PASSWORD 'odder';\nGRANT app TO boss;\n"
    )
    text, changed = without_secrets(path)
    said = text.decode()
    for secret in ("SCRAM", "md5abc", "'tok'", "odd"):
        assert secret not in said
    assert "ALTER ROLE app WITH NOSUPERUSER LOGIN VALID UNTIL 'infinity';" in said
    assert "ALTER ROLE app IN DATABASE shop SET search_path TO 'a', 'b';" in said
    assert "GRANT app TO boss;" in said
    assert changed == 5
    path.write_bytes(text)
    assert without_secrets(path) == (text, 0)
    assert {role.name for role in read_globals(path).roles} == {"app", "PASSWORD 'x'"}
