"""Whose login may load an archive on a given server: one with CREATEDB alone, by each version's rules."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from support.given import SERVERS, Given, given_server
from support.pg import drain

from drbook.core.errors import Refused
from drbook.core.targets import LocalCopy
from drbook.providers import pgsession
from drbook.providers.targets.fresh import FreshTargets
from drbook.providers.targets.kinds import DatabaseTarget
from drbook.providers.targets.roles import refuse_strong


@pytest.fixture(scope="module", params=sorted(SERVERS))
def given(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Given]:
    major: int = request.param
    with given_server(SERVERS[major], tmp_path_factory.mktemp(f"given-{major}")) as made:
        yield made


STRONG = (
    "pg_execute_server_program",
    "pg_write_server_files",
    "pg_read_server_files",
    "pg_signal_backend",
    "pg_write_all_data",
    "pg_read_all_data",
    "pg_monitor",
)
RIGHTS: Mapping[str, tuple[str, str]] = {
    "a superuser": ("ALTER ROLE restorer SUPERUSER", "is a superuser"),
    "a superuser with more": ("ALTER ROLE restorer SUPERUSER CREATEROLE", " is a superuser."),
    "createrole": ("ALTER ROLE restorer CREATEROLE", "has CREATEROLE."),
    "replication": ("ALTER ROLE restorer REPLICATION", "has REPLICATION."),
    "bypassrls": ("ALTER ROLE restorer BYPASSRLS", "has BYPASSRLS."),
    **{
        name: (f"GRANT {name} TO restorer", f"is a member of {name}")
        for name in STRONG
    },
    "of a superuser": ("GRANT postgres TO restorer", "is a member of postgres"),
    "of who has createrole": (
        "ALTER ROLE club CREATEROLE; GRANT club TO restorer",
        "is a member of club, which is or has CREATEROLE.",
    ),
    "at second hand, without inheriting": (
        "ALTER ROLE restorer NOINHERIT; GRANT pg_write_server_files TO club; GRANT club TO restorer",
        "is a member of pg_write_server_files.",
    ),
    "of who has replication and more": (
        "ALTER ROLE club REPLICATION BYPASSRLS; GRANT club TO restorer",
        "which is or has REPLICATION.",
    ),
}  # fmt: skip
SINCE = {
    "a setting": (15, "GRANT SET ON PARAMETER session_preload_libraries TO restorer", "change"),
    "a setting of a role's": (
        15,
        "GRANT ALTER SYSTEM ON PARAMETER archive_command TO club; GRANT club TO restorer",
        "may change the server's archive_command.",
    ),
    "admin alone": (
        16,
        "GRANT pg_execute_server_program TO restorer WITH ADMIN TRUE, INHERIT FALSE, SET FALSE",
        "is a member of pg_execute_server_program.",
    ),
    "pg_maintain": (17, "GRANT pg_maintain TO restorer", "is a member of pg_maintain."),
    "pg_create_subscription": (16, "GRANT pg_create_subscription TO restorer", "is a member of"),
}
HARMLESS = {
    "createdb alone": "SELECT 1",
    "an ordinary role": "GRANT club TO restorer",
    "the owner of the database that is asked": "ALTER DATABASE postgres OWNER TO restorer",
}


@pytest.fixture
def rights(given: Given) -> Iterator[None]:
    given.run("CREATE ROLE restorer LOGIN CREATEDB; CREATE ROLE club")
    yield
    given.run("ALTER DATABASE postgres OWNER TO postgres")
    for role in ("restorer", "club"):
        given.run(f"DROP OWNED BY {role}; DROP ROLE {role}")


def asked(given: Given, user: str = "restorer") -> None:
    with pgsession.connect(given.ref(user), os.environ) as connection:
        refuse_strong(connection, "given")


@pytest.mark.usefixtures("rights")
@pytest.mark.parametrize("name", [*RIGHTS, *SINCE])
def test_a_login_with_more_than_createdb_is_refused(
    given: Given, targets: FreshTargets, name: str
) -> None:
    since, statements, said = (0, *RIGHTS[name]) if name in RIGHTS else SINCE[name]
    if given.major < since:  # there it cannot be had at all
        with pytest.raises(psycopg.Error):
            given.run(statements)
        return
    given.run(statements)
    with pytest.raises(Refused) as caught:
        drain(targets.create(DatabaseTarget(server=given.ref()), "restore-1", given.elsewhere()))
    assert caught.value.code == "target-superuser"
    assert said in caught.value.what


@pytest.mark.usefixtures("rights")
@pytest.mark.parametrize("name", HARMLESS)
def test_createdb_alone_is_enough(given: Given, name: str) -> None:
    given.run(HARMLESS[name])
    asked(given)


@pytest.mark.usefixtures("rights")
def test_several_rights_are_named_together(given: Given) -> None:
    given.run("ALTER ROLE restorer CREATEROLE REPLICATION; GRANT pg_monitor TO restorer")
    with pytest.raises(Refused, match="has CREATEROLE, has REPLICATION, is a member of pg_monitor"):
        asked(given)


@pytest.mark.usefixtures("rights")
def test_it_is_the_login_that_counts_and_not_what_its_options_chose(given: Given) -> None:
    """`RESET ROLE` in an archive leads back to it."""
    given.run(
        "GRANT club TO restorer; ALTER ROLE restorer CREATEROLE; ALTER ROLE restorer SET role = club"
    )
    with pytest.raises(Refused, match="CREATEROLE"):
        asked(given)


@pytest.mark.usefixtures("rights")
def test_names_of_the_databases_own_do_not_stand_before_the_server_s(given: Given) -> None:
    given.run(
        "ALTER ROLE restorer CREATEROLE; CREATE SCHEMA lies;"
        "CREATE FUNCTION lies.no(name, name) RETURNS bool LANGUAGE sql AS 'SELECT false';"
        "CREATE OPERATOR lies.= (LEFTARG = name, RIGHTARG = name, FUNCTION = lies.no);"
        "GRANT USAGE ON SCHEMA lies TO PUBLIC;"
        "ALTER ROLE restorer SET search_path = lies, pg_catalog"
    )
    try:
        with pytest.raises(Refused, match="CREATEROLE"):
            asked(given)
    finally:
        given.run("DROP SCHEMA lies CASCADE")


@pytest.mark.usefixtures("rights")
def test_a_login_that_the_server_does_not_list_is_refused(
    given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pgsession.connect(given.ref(), os.environ) as connection:
        monkeypatch.setattr(
            type(connection), "info", property(lambda self: _Info(user="nobody-here"))
        )
        with pytest.raises(Refused, match="not among its server's roles"):
            refuse_strong(connection, "given")


@dataclass
class _Info:
    user: str
    server_version: int = 140000
    """Before 15 nobody can be given the right to a setting."""


@pytest.mark.usefixtures("rights")
def test_rights_that_came_since_are_seen_before_anything_is_loaded(
    given: Given, targets: FreshTargets, tmp_path: Path
) -> None:
    copy = tmp_path / "copies" / "dump.sql"
    copy.write_text("-- PostgreSQL database dump\nCREATE TABLE t (n int);\n")
    held = LocalCopy(name="copies/dump.sql", size=1, sha256="", checked="structure")
    spec = DatabaseTarget(server=given.ref())
    target = drain(targets.create(spec, "restore-1", given.elsewhere()))
    try:
        given.run("GRANT pg_execute_server_program TO restorer")
        with pytest.raises(Refused) as caught:
            drain(targets.load(target, held))
        assert caught.value.code == "target-superuser"
        given.run("REVOKE pg_execute_server_program FROM restorer")
        drain(targets.load(target, held))
    finally:
        given.run("DROP DATABASE restore_1")
