"""Processes, attacked: arguments from outside, the environment, PATH, open files, options in names."""

import os
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from psycopg import conninfo
from support.pg import Postgres, drain

from drbook.actions.outside import Shell, ShellParams
from drbook.core.errors import DrbookError, NotExercised, StepFailed
from drbook.core.ports import Ports
from drbook.core.targets import DatabaseRef
from drbook.providers import pgsession
from drbook.providers.archive import open_archive
from drbook.providers.archive_check import check_structure
from drbook.providers.archive_list import contents
from drbook.providers.cancel import CancelToken
from drbook.providers.child import environment, program_folders
from drbook.providers.life import VARIABLE
from drbook.providers.pgtools import PgTools, find_tools
from drbook.providers.postgres import PostgresReader
from drbook.providers.process import complete
from drbook.providers.secrets import resolve
from drbook.providers.shell import DeclaredProcesses

# --- arguments --------------------------------------------------------------------------------

WORDS = {
    "an option": "--help",
    "an option with a value": "--file=/etc/passwd",
    "the end of options": "--",
    "a command": "$(touch never)",
    "a command of old": "`touch never`",
    "another command": "; touch never",
    "a pipe": "| touch never",
    "a background": "& touch never",
    "a redirection": "> never",
    "a variable": "$HOME ${IFS} $'x'",
    "a pattern": "* ? [a-z] ~ ~root",
    "quotes": "' \" \\ \\'",
    "a line's end": "one\ntouch never\n",
    "a return": "one\rtouch never",
    "an escape": "\x1b]0;title\x07",
    "nothing": "",
    "beyond ASCII": "naïve ☂ \u202e",
}


@pytest.mark.parametrize("word", WORDS)
def test_an_argument_arrives_as_it_is(
    word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = complete(["/bin/sh", "-c", 'printf "%s" "$1"', "sh", WORDS[word]]).stdout
    assert shown == WORDS[word]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("word", WORDS)
def test_an_argument_of_a_shell_step_is_never_part_of_its_text(
    word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    class OnlyProcesses:
        processes = DeclaredProcesses({}, CancelToken(), allowed=frozenset({"reads"}))

    ports: Ports = OnlyProcesses()  # type: ignore[assignment]
    params = ShellParams(shell='printf "%s" "$1" | wc -c', args=(WORDS[word],), changes="nothing")
    done = drain(Shell().perform(params, None, ports))  # type: ignore[arg-type]
    assert done.result.model_dump()["stdout"].strip() == str(len(WORDS[word].encode()))
    assert list(tmp_path.iterdir()) == []


NO_WORDS: dict[str, tuple[list[str], dict[str, str]]] = {
    "a NUL": (["/bin/echo", "a\0b"], {}),
    "a NUL in the program": (["/bin/echo\0x"], {}),
    "half a character": (["/bin/echo", "\ud800"], {}),
    "a NUL in a value": (["/bin/echo"], {"A": "secret\0x"}),
    "an equals sign in a name": (["/bin/echo"], {"A=B": "secret"}),
    "half a character in a value": (["/bin/echo"], {"A": "secret\ud800"}),
}


@pytest.mark.parametrize("words", NO_WORDS)
def test_what_no_program_can_be_given_is_said_and_leaves_nothing_open(words: str) -> None:
    argv, env = NO_WORDS[words]
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(StepFailed) as caught:
        complete(argv, env=env)
    assert caught.value.code == "process"
    assert "secret" not in caught.value.explain()
    assert len(os.listdir("/dev/fd")) == before


def test_a_program_that_is_called_like_an_option_is_only_not_there() -> None:
    for name in ("-c", "--", "-I", "self"):
        with pytest.raises(StepFailed, match="cannot be started"):
            complete([name, "exit 0"])


# --- environment ------------------------------------------------------------------------------

FOREIGN = [
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "LD_AUDIT",
    "DYLD_INSERT_LIBRARIES",
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "PYTHONINSPECT",
    "PERL5LIB",
    "PERL5OPT",
    "RUBYOPT",
    "NODE_OPTIONS",
    "BASH_ENV",
    "ENV",
    "SHELLOPTS",
    "PS4",
    "IFS",
    "CDPATH",
    "PGHOST",
    "PGPORT",
    "PGDATABASE",
    "PGUSER",
    "PGPASSWORD",
    "PGSERVICE",
    "PGOPTIONS",
    "PGSSLMODE",
    "PGDATA",
    "PSQLRC",
    "PSQL_PAGER",
    "PAGER",
    "EDITOR",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_ENDPOINT_URL",
    "GIT_DIR",
    "GIT_SSH_COMMAND",
    "GIT_EXEC_PATH",
    "SSH_AUTH_SOCK",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "SSL_CERT_FILE",
    "RESTIC_PASSWORD",
    "BORG_PASSPHRASE",
    "DRBOOK_HOME",
    "GCONV_PATH",
    "MALLOC_TRACE",
    "TMOUT",
    "PROMPT_COMMAND",
]


def test_nothing_foreign_reaches_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in FOREIGN:
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("PGPASSWORD", "marker")
    listed = complete(["/usr/bin/env"]).stdout.splitlines()
    names = {line.partition("=")[0] for line in listed}
    assert not names & set(FOREIGN)
    # What a shell of a test run may set by itself is not ours.
    assert names - {"PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE"} <= {
        *environment(),
        "PATH",
        "TZ",
        VARIABLE,
    }


def test_a_shell_reads_no_file_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rc = tmp_path / "rc"
    rc.write_text(f"touch {tmp_path}/never\n")
    for name in ("ENV", "BASH_ENV"):
        monkeypatch.setenv(name, str(rc))
    assert complete(["/bin/sh", "-c", "exit 0"]).exit_code == 0
    assert not (tmp_path / "never").exists()


def test_no_open_file_is_inherited(tmp_path: Path) -> None:
    """Not the journal, nor its lock, nor the lifeline."""
    with (tmp_path / "journal").open("wb") as journal:
        os.set_inheritable(journal.fileno(), True)
        listed = complete(["/bin/ls", "/dev/fd"]).stdout.split()
    # ls itself has the folder open that it lists.
    assert len(listed) == 4
    assert set(listed) >= {"0", "1", "2"}


# --- PATH -------------------------------------------------------------------------------------

PATHS = [
    ("/usr/bin:/bin", ["/usr/bin", "/bin"]),
    (":/usr/bin:", ["/usr/bin"]),
    (".:/usr/bin", ["/usr/bin"]),
    ("bin:../x:~/bin:/usr/bin", ["/usr/bin"]),
    ("", os.defpath.split(":")),
    (".", os.defpath.split(":")),
]


@pytest.mark.parametrize(("path", "folders"), PATHS)
def test_programs_are_looked_for_in_absolute_folders(path: str, folders: list[str]) -> None:
    assert program_folders(path) == folders


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to stand in, with programs that nobody asked for."""
    folder = tmp_path / "here"
    folder.mkdir(mode=0o755)
    for name in ("pg_restore", "id", "psql"):
        program = folder / name
        program.write_text(
            f'#!/bin/sh\ntouch {tmp_path}/ran\necho "{name} (PostgreSQL) 99.1"\n', encoding="utf-8"
        )
        program.chmod(0o755)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("path", [".", "", ":", "./", "../here", "here:.", "::/usr/bin"])
def test_a_program_in_the_current_folder_is_never_taken(
    fake: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert all(one.major != 99 for one in find_tools({"PATH": path}))
    monkeypatch.setenv("PATH", path)
    assert complete(["id", "-u"]).stdout.strip() == str(os.geteuid())
    assert resolve("cmd:id -u", {"PATH": path}).reveal() == str(os.geteuid())
    assert not (fake.parent / "ran").exists()


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o757])
def test_a_folder_that_everybody_may_write_to_is_passed_over(fake: Path, mode: int) -> None:
    fake.chmod(mode)
    assert all(one.major != 99 for one in find_tools({"PATH": f"{fake}:/usr/bin"}))
    assert not (fake.parent / "ran").exists()


def test_a_program_that_everybody_may_write_to_is_passed_over(fake: Path) -> None:
    (fake / "pg_restore").chmod(0o777)
    assert all(one.major != 99 for one in find_tools({"PATH": str(fake)}))
    assert not (fake.parent / "ran").exists()


def test_what_stays_possible_is_a_program_that_the_operators_path_names(fake: Path) -> None:
    """Who may write to a folder of one's own PATH is trusted; and this is how the others would look."""
    assert not os.stat(fake).st_mode & stat.S_IWOTH
    assert any(one.major == 99 for one in find_tools({"PATH": str(fake)}))
    assert (fake.parent / "ran").exists()


# --- options in the names of things -----------------------------------------------------------

NAMES = [
    "--file=never",
    "-f",
    "--help",
    "--dbname=postgres",
    "$(touch never).dump",
    "a;touch never.dump",
    "a b\tc.dump",
    "'\"\\.dump",
    "a\nb.dump",
    "\x1b[31m.dump",
]


@pytest.fixture(scope="module")
def dump(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("dump") / "a.dump"
    return postgres.dump(path, "--format=custom", "--compress=0").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_an_archives_name_is_no_option(
    name: str,
    dump: bytes,
    tools: tuple[PgTools, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Even where it is named from the folder that we stand in."""
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(dump)
    best = max(tools, key=lambda one: one.version)
    for path in (Path(name), tmp_path / name):
        listed = drain(contents(open_archive(path), best, CancelToken()))
        assert any("TABLE DATA public customers" in entry for entry in listed.entries)
        assert drain(check_structure(path, tools, CancelToken())).state == "structure"
    assert [each.name for each in tmp_path.iterdir()] == [name]


DATABASES = [
    "host=/nowhere user=x",
    "postgresql://evil.example/x",
    "x' host='/nowhere",
    "--help",
    "a b",
    "\\c postgres",
    "%s",
]


@pytest.mark.parametrize("dbname", DATABASES)
def test_a_databases_name_is_no_connection_string(
    dbname: str, postgres: Postgres, reader: PostgresReader
) -> None:
    ref = DatabaseRef.model_validate(postgres.ref.model_dump() | {"dbname": dbname})
    probe = reader.probe(ref)
    assert probe.state == "denied", probe.reason
    assert "does not exist" in probe.reason
    # What a tool is given is the same: one value, that names one database on one server.
    given, _ = pgsession.parameters(ref, {})
    argument = conninfo.make_conninfo("", **given)
    assert conninfo.conninfo_to_dict(argument) == given
    done = complete(
        [postgres.tools.path("psql"), "-X", f"--dbname={argument}", "-c", "SELECT 1"],
        timeout=timedelta(seconds=20),
    )
    assert done.exit_code != 0
    assert "does not exist" in done.stderr
    assert str(postgres.server.socket) in done.stderr


# --- what a runbook's command may do ----------------------------------------------------------


def test_what_stays_possible_is_a_command_that_does_not_do_what_it_says(tmp_path: Path) -> None:
    """`changes: nothing` is the runbook's word; nobody can check it."""
    dry = DeclaredProcesses({}, CancelToken(), allowed=frozenset({"reads"}))
    told = tmp_path / "told"
    drain(dry.run(["/bin/sh", "-c", f"touch {told}"], declared="reads"))
    assert told.exists()
    with pytest.raises(NotExercised):
        drain(dry.run(["/bin/sh", "-c", f"touch {told}2"], declared="outside"))
    assert not (tmp_path / "told2").exists()


def test_what_stays_possible_is_a_secrets_command(tmp_path: Path) -> None:
    """A `cmd:` that the runbook holds is run in every mode, for without it nothing could be read."""
    told = tmp_path / "told"
    assert resolve(f"cmd:/bin/sh -c 'touch {told}; echo x'", {}).reveal() == "x"
    assert told.exists()


@pytest.mark.parametrize("reference", ["cmd:echo $(id)", "cmd:echo ; id", "cmd:echo | id"])
def test_a_secrets_command_is_no_shells_text(reference: str) -> None:
    assert resolve(reference, {}).reveal() == reference.removeprefix("cmd:echo ")


@pytest.mark.parametrize("reference", ["cmd:", "cmd: ", "cmd:'x", "cmd:/no/such", "x:y", "env:A=B"])
def test_a_reference_that_is_none_is_said(reference: str) -> None:
    with pytest.raises(DrbookError) as caught:
        resolve(reference, {})
    assert caught.value.what
