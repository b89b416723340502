"""Who is behind a connection: what the server says, and what the kernel says of whoever listens."""

import os
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from support.pg import Postgres

from drbook.core.baseline import Place
from drbook.providers import pgidentity
from drbook.providers.pgcontrol import system_identifier_in
from drbook.providers.pgidentity import (
    answer,
    boot_id,
    contents,
    dialled,
    pinned,
    place_of,
    server_place,
)

SYSTEM = 7_300_000_000_000_000_001
STARTED = datetime(2026, 4, 24, 19, 4, tzinfo=UTC)


# --- on a real server -----------------------------------------------------------------------------


def test_a_server_says_who_it_is(postgres: Postgres) -> None:
    with postgres.connect() as connection:
        said = answer(connection)
        row = connection.execute(
            "SELECT pg_postmaster_start_time(), oid::bigint FROM pg_database"
            " WHERE datname = current_database()"
        ).fetchone()
    assert row is not None
    found, data = said.identity, postgres.server.data
    assert (said.pooled, said.databases) == (
        False,
        ("postgres", "rental", "template0", "template1"),
    )
    assert found.system_identifier == system_identifier_in(data)
    assert (found.database, found.database_oid, found.started_at) == ("rental", row[1], row[0])
    assert found.addresses == (f"{postgres.server.socket}/.s.PGSQL.5432",)
    assert found.dialled == f"{postgres.server.socket}:5432/rental"
    assert found.data_directory == str(data)
    assert (found.cluster_name, found.in_recovery) == ("test", False)
    assert found.server_version == postgres.tools.version
    assert found.place == place_of(data)


def test_a_database_whose_name_is_no_text_hides_no_other(postgres: Postgres) -> None:
    """It was made from a database of another encoding, and its name is in the catalogue of all."""
    made = "CREATE DATABASE {} TEMPLATE template0 ENCODING '{}' LOCALE_PROVIDER libc LOCALE 'C'"
    with postgres.connect("postgres") as connection:
        for name, encoding in ((r'"ascii\"', "SQL_ASCII"), ("latin", "LATIN1")):
            connection.execute(made.format(name, encoding).encode())
        try:
            with postgres.connect("latin") as inside:
                inside.execute('CREATE DATABASE "café" TEMPLATE template0')
            said = {}
            for dbname in ("rental", "ascii\\", "latin"):
                with postgres.connect(dbname) as inside:
                    inside.execute("SET client_encoding = 'UTF8'")  # as every session of ours
                    said[dbname] = answer(inside).databases
        finally:
            with postgres.connect("latin") as inside:
                inside.execute('DROP DATABASE "café"')
            for name in (r'"ascii\"', "latin"):
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
    others = {"ascii\\", "latin", "postgres", "rental", "template0", "template1"}
    assert set(said["rental"]) == set(said["ascii\\"]) == others | {"caf\\xe9"}
    assert set(said["latin"]) == others | {"café"}


def test_who_may_not_read_settings_is_told_no_directory(postgres: Postgres) -> None:
    with postgres.connect("postgres") as connection:
        connection.execute("SET ROLE pg_database_owner")
        found = answer(connection).identity
        assert found.data_directory is None
        assert found.place == place_of(postgres.server.data)


def test_its_own_path_is_pinned_and_put_back(postgres: Postgres) -> None:
    with postgres.connect() as connection:
        connection.execute("SET search_path = public, pg_catalog")
        with pinned(connection):
            assert connection.execute("SHOW search_path").fetchone() == ("",)
        assert connection.execute("SHOW search_path").fetchone() == ("public, pg_catalog",)
        with pytest.raises(psycopg.errors.UndefinedTable), pinned(connection):
            connection.execute("SELECT * FROM customers")
        assert connection.execute("SHOW search_path").fetchone() == ("public, pg_catalog",)
        with connection.transaction():  # which does not end with what is asked
            with pinned(connection):
                assert connection.execute("SHOW search_path").fetchone() == ("",)
            assert connection.execute("SHOW search_path").fetchone() == ("public, pg_catalog",)


def test_what_a_database_holds_is_told_by_kind_schema_and_name(postgres: Postgres) -> None:
    with postgres.connect() as connection:
        found = {(one.kind, one.schema, one.name, one.of_extension) for one in contents(connection)}
    assert ("table", "public", "customers", False) in found
    assert ("function", "public", "shout", False) in found
    assert not any(schema == "pg_catalog" for _, schema, _, _ in found)


# --- what was asked for ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "port", "db", "said"),
    [
        (b"db.example", b"5432", b"rental", "db.example:5432/rental"),
        (b"db.example", None, None, "db.example:/"),
        (None, b"5432", b"rental", ":5432/rental"),
        (None, b"5432", None, ""),
        (None, None, None, ""),
        (b"d\xff", b"1", b"r\xff", "d\ufffd:1/r\ufffd"),
        ("text", b"1", "text", ""),
    ],
)
def test_what_was_dialled(host: object, port: object, db: object, said: str) -> None:
    assert dialled(SimpleNamespace(host=host, port=port, db=db)) == said


def test_of_no_connection_nothing_was_dialled() -> None:
    assert dialled(None) == ""


# --- what the kernel says -------------------------------------------------------------------------


class Listener:
    """A directory that this process works in, as a postmaster does in its data directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "global").mkdir()
        self.control = folder / "global" / "pg_control"
        self.control.write_bytes(SYSTEM.to_bytes(8, sys.byteorder) + b"more")
        self.pid_file = folder / "postmaster.pid"
        self.say()

    def say(self, pid: object = None, started: object = None) -> None:
        number = os.getpid() if pid is None else pid
        since = int(STARTED.timestamp()) if started is None else started
        self.pid_file.write_text(f"{number}\n{self.folder}\n{since}\n5432\n")

    def place(self) -> Place | None:
        return server_place(None, str(SYSTEM), STARTED)  # type: ignore[arg-type]


@pytest.fixture
def listener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Listener:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pgidentity, "_listener", lambda connection: os.getpid())
    monkeypatch.setattr(pgidentity, "boot_id", lambda: "this-boot")
    return Listener(tmp_path)


def test_the_place_of_whoever_listens_is_the_directory_that_it_works_in(listener: Listener) -> None:
    found = listener.folder.stat()
    assert listener.place() == Place(device=found.st_dev, inode=found.st_ino, boot="this-boot")


WRONG: dict[str, Callable[[Listener], object]] = {
    "another process's file": lambda it: it.say(pid=1),
    "not a number": lambda it: it.say(pid="x"),
    "started six seconds later": lambda it: it.say(started=int(STARTED.timestamp()) + 6),
    "started six seconds before": lambda it: it.say(started=int(STARTED.timestamp()) - 6),
    "started in no year": lambda it: it.say(started=10**18),
    "started at no time": lambda it: it.say(started=10**30),
    "a file that ends early": lambda it: it.pid_file.write_text(f"{os.getpid()}\n"),
    "an empty file": lambda it: it.pid_file.write_text(""),
    "no file": lambda it: it.pid_file.unlink(),
    "another system identifier": lambda it: it.control.write_bytes(
        (SYSTEM + 1).to_bytes(8, sys.byteorder)
    ),
    "no control file": lambda it: it.control.unlink(),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_does_not_fit_is_nobodys_place(listener: Listener, what: str) -> None:
    WRONG[what](listener)
    assert listener.place() is None


@pytest.mark.parametrize("off", [-5, 0, 5])
def test_clocks_may_differ_by_seconds(listener: Listener, off: int) -> None:
    listener.say(started=int(STARTED.timestamp()) + off)
    assert listener.place() is not None


@pytest.mark.parametrize(("name", "value"), [("_listener", None), ("boot_id", "")])
def test_without_a_process_or_a_boot_there_is_no_place(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    monkeypatch.setattr(pgidentity, name, lambda *_: value)
    assert listener.place() is None


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[dict[str, socket.socket]]:
    """The client's end of a connection of each kind, to a listener in this process."""
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(str(tmp_path / "s"))
    tcp = socket.socket()
    tcp.bind(("127.0.0.1", 0))
    found = {"unix": socket.socket(socket.AF_UNIX), "tcp": socket.socket()}
    for name, server in (("unix", unix), ("tcp", tcp)):
        server.listen(1)
        found[name].connect(server.getsockname())
    yield found
    for each in (unix, tcp, *found.values()):
        each.close()


def test_who_listens_is_told_of_a_unix_socket_alone(
    ends: dict[str, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):  # asking closes nothing
        assert pgidentity._listener(ends["unix"]) == os.getpid()  # type: ignore[arg-type]
        assert pgidentity._listener(ends["tcp"]) is None  # type: ignore[arg-type]
    monkeypatch.setattr(sys, "platform", "darwin")
    assert pgidentity._listener(ends["unix"]) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(("number", "known"), [(-1, None), (0, None), (1, 1)])
def test_a_process_of_another_namespace_has_no_number_here(
    ends: dict[str, socket.socket],
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    known: int | None,
) -> None:
    said = struct.pack("3i", number, 0, 0)
    monkeypatch.setattr(socket.socket, "getsockopt", lambda *_: said)
    assert pgidentity._listener(ends["unix"]) == known  # type: ignore[arg-type]


def test_a_process_has_a_number_in_each_namespace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert os.getpid() in pgidentity._own_numbers(os.getpid())
    status = "Name:\tpostgres\nPid:\t4711\nNSpid:\t4711\t12\t3\nThreads:\t1\n"
    for text, numbers in ((status, {4711, 12, 3}), ("Name:\tx\nPid:\t4711\n", {4711})):
        monkeypatch.setattr(Path, "read_text", lambda self, text=text, **_: text)
        assert pgidentity._own_numbers(4711) == numbers


def test_where_the_kernel_tells_no_boot_no_place_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    found = tmp_path.stat()
    assert place_of(link) == Place(device=found.st_dev, inode=found.st_ino, boot=boot_id())
    assert place_of(tmp_path / "nothing") is None
    (tmp_path / "boot").write_text("a-boot\n")
    monkeypatch.setattr(pgidentity, "BOOT", tmp_path / "boot")
    assert boot_id() == "a-boot"
    monkeypatch.setattr(pgidentity, "BOOT", tmp_path / "no-boot")
    assert boot_id() == ""
    assert place_of(tmp_path) is None


def test_a_control_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        system_identifier_in(tmp_path)
