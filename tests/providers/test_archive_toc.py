"""A directory archive names files; none of this host's is read, and nothing is read for ever."""

import os
import shutil
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from support.pg import Postgres, drain

from drbook.core.errors import StepFailed
from drbook.core.points import ByteFact
from drbook.providers import archive_check, archive_toc
from drbook.providers.archive import open_archive
from drbook.providers.archive_check import check_structure
from drbook.providers.archive_toc import Kept, why_not_read
from drbook.providers.cancel import CancelToken
from drbook.providers.pgserver import ClusterServer, server_user
from drbook.providers.pgtools import PgTools, find_tools
from drbook.providers.process import complete

DUMPERS = {one.major: one for one in find_tools() if one.has_server}


@pytest.fixture(scope="module")
def dumped(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with postgres.connect("postgres") as connection:
        connection.execute("CREATE DATABASE large")
    try:
        with postgres.connect("large") as connection:
            connection.execute(
                'CREATE TABLE "a/b" ("../x" text DEFAULT \'/etc/passwd\');'
                "COMMENT ON TABLE \"a/b\" IS '../../etc/passwd';"
                "INSERT INTO \"a/b\" VALUES ('/');"
                "SELECT lo_from_bytea(0, 'large')"
            )
        folder = tmp_path_factory.mktemp("dumped") / "directory"
        argv: list[str | Path] = [postgres.tools.path("pg_dump"), "-Fd", "-Z0", "--dbname=large"]
        argv += [f"--host={postgres.server.socket}", "--username=postgres", f"--file={folder}"]
        done = complete(argv)
        assert done.exit_code == 0, done.stderr
    finally:
        with postgres.connect("postgres") as connection:
            connection.execute("DROP DATABASE large")
    return folder


@pytest.fixture
def folder(dumped: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(dumped, tmp_path / "copy"))


def text(value: bytes) -> bytes:
    """As the archive's writer frames it."""
    return b"\0" + len(value).to_bytes(4, "little") + value


def data_of(folder: Path) -> str:
    return next(each.name for each in folder.iterdir() if each.name[0].isdigit())


def list_of(folder: Path) -> Path:
    return next(each for each in folder.iterdir() if each.name.endswith(".toc"))


def renamed(folder: Path, old: str, new: bytes) -> None:
    toc = (folder / "toc.dat").read_bytes()
    assert toc.count(text(old.encode())) == 1
    (folder / "toc.dat").write_bytes(toc.replace(text(old.encode()), text(new)))


def checked(folder: Path, tools: tuple[PgTools, ...]) -> ByteFact:
    return drain(check_structure(folder, tools, CancelToken()))


def test_slashes_anywhere_else_are_nobody_s_business(
    folder: Path, tools: tuple[PgTools, ...]
) -> None:
    assert why_not_read(open_archive(folder)) is None
    assert checked(folder, tools).state == "structure"


@pytest.mark.parametrize("major", sorted(DUMPERS))
def test_what_each_version_writes_is_understood(
    dumped: Path, tmp_path: Path, major: int, postgres: Postgres
) -> None:
    if server_user() == "nobody":
        tmp_path.chmod(0o711)
    server = ClusterServer(DUMPERS[major], tmp_path / "server", name="dumped")
    server.make_folder()
    drain(server.create())
    drain(server.start({"fsync": "off"}))
    try:
        with psycopg.connect(
            host=str(server.socket), user="postgres", dbname="postgres", autocommit=True
        ) as connection:
            connection.execute("CREATE TABLE t AS SELECT 1 AS n; SELECT lo_from_bytea(0, 'x')")
        argv: list[str | Path] = [DUMPERS[major].path("pg_dump"), "-Fd", "--dbname=postgres"]
        argv += [f"--host={server.socket}", "--username=postgres", f"--file={tmp_path / 'd'}"]
        assert complete(argv).exit_code == 0
    finally:
        server.stop()
    assert why_not_read(open_archive(tmp_path / "d")) is None
    renamed(tmp_path / "d", data_of(tmp_path / "d").split(".")[0] + ".dat", b"../passwd")
    kept = why_not_read(open_archive(tmp_path / "d"))
    assert kept == Kept("damaged", "names a file outside itself: ../passwd")


# --- names ---------------------------------------------------------------------------------------

NAMES = {
    "absolute": b"/etc/passwd",
    "up": b"../../secret",
    "up after a folder": b"x/../../secret",
    "up after a dot": b".//../../../../../../../tmp/x",
    "dots": b"././../secret",
    "with blanks": b"/tmp/a b",
    "with a line break": b"\n/../../secret",
    "long": b"/" + b"x" * 5000,
    "with a zero": b"../secret\0.dat",
    "in the folder, and not its own": b"secret",
    "the folder": b".",
    "its list": b"toc.dat",
    "with an end of line": b"1.dat\n",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_leads_outside_is_refused_before_anything_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    renamed(folder, data_of(folder), NAMES[name])
    monkeypatch.setattr(archive_check, "pg_restore", None)  # calling it would fail
    fact = checked(folder, ())
    assert fact.state == "damaged"
    assert "names a file outside itself" in fact.reason
    assert fact.reason.endswith("; it was not read")
    assert len(fact.reason) < 300


LISTS = {
    "absolute": b"16392 /etc/passwd\n",
    "up": b"16392 ../../secret\n",
    "endless": b"16392 /dev/zero\n",
    "in its second line": b"16392 blob_16392.dat\n16393 x/../../secret\n",
    "beyond what a line may hold": b"16392 blob_16392.dat" + b" " * 2000 + b"1 /etc/passwd\n",
    "beyond what is looked at together": b"16392 blob_16392.dat\n" * 50_000 + b"1 /etc/passwd",
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("called", ["its own", "blobs.toc"])
def test_so_is_a_list_of_large_objects_that_does(folder: Path, name: str, called: str) -> None:
    path = list_of(folder) if called == "its own" else folder / called
    path.write_bytes(LISTS[name])
    began = time.monotonic()
    kept = why_not_read(open_archive(folder))
    assert time.monotonic() - began < 10
    assert kept is not None
    assert kept.state == "damaged"
    assert ("/" in kept.reason) is (name != "beyond what a line may hold")
    assert len(kept.reason) < 300


ODD_LINES = {
    "another's file": b"16392 blob_16393.dat\n",
    "cut": b"16392 blob_16392.da",
    "without its end": b"16392 blob_16392.dat",
    "another one's beginning": b"16392 blob_163921.dat\n",
    "two blanks": b"16392  blob_16392.dat\n",
    "an empty line": b"\n",
    "no file": b"16392\n",
    "bytes": b"\xff\0\x1b" * 2000,
}


@pytest.mark.parametrize("name", ODD_LINES)
def test_each_large_object_has_a_file_of_its_own_name(folder: Path, name: str) -> None:
    path = list_of(folder)
    path.write_bytes(path.read_bytes() + ODD_LINES[name])
    kept = why_not_read(open_archive(folder))
    assert kept is not None
    assert kept.state == "damaged"
    assert "lists a large object as pg_dump does not" in kept.reason
    assert "\x1b" not in kept.reason
    assert len(kept.reason) < 300


@pytest.mark.parametrize("suffix", [".gz", ".lz4", ".zst"])
def test_two_files_for_one_entry_are_damage(folder: Path, suffix: str) -> None:
    """pg_restore takes the one that is not packed, whoever left it there."""
    name = data_of(folder).removesuffix(".gz")
    (folder / name).write_bytes(b"1\n\\.\n\n\n")
    (folder / f"{name}{suffix}").write_bytes(b"packed")
    kept = why_not_read(open_archive(folder))
    assert kept == Kept(
        "damaged", f"holds two files for one entry: {name}{suffix}, and one that is not packed"
    )


@pytest.mark.parametrize("name", ["blob_1.dat.gz", "77.dat.gz", "77.dat.lz4", "77.dat.zst"])
def test_a_packed_file_without_a_byte_is_damage(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"")
    kept = why_not_read(open_archive(folder))
    assert kept == Kept("damaged", f"holds a packed file without a byte: {name}")


@pytest.mark.parametrize("suffix", ["lz4", "zst"])
def test_an_empty_large_object_is_packed_into_nothing(folder: Path, suffix: str) -> None:
    (folder / f"blob_1.dat.{suffix}").write_bytes(b"")
    assert why_not_read(open_archive(folder)) is None


def test_an_empty_large_object_is_no_damage(
    postgres: Postgres, tools: tuple[PgTools, ...], tmp_path: Path
) -> None:
    with postgres.connect("postgres") as connection:
        connection.execute("CREATE DATABASE hollow")
    try:
        with postgres.connect("hollow") as connection:
            connection.execute("SELECT lo_create(12), lo_from_bytea(13, 'x')")
        for packed in ("gzip", "none"):
            argv: list[str | Path] = [postgres.tools.path("pg_dump"), "-Fd", f"--compress={packed}"]
            argv += [f"--host={postgres.server.socket}", "--username=postgres", "--dbname=hollow"]
            assert complete([*argv, f"--file={tmp_path / packed}"]).exit_code == 0
            fact = checked(tmp_path / packed, tools)
            assert fact.state == "structure"
            assert fact.held is not None
            assert fact.held.large_objects == 2
    finally:
        with postgres.connect("postgres") as connection:
            connection.execute("DROP DATABASE hollow")


@pytest.mark.parametrize(
    ("data", "cut"),
    [
        (b"1\n\\.\n\n\n", False),
        (b"INSERT INTO t VALUES (1);\n\n\n", False),
        (b"INSERT INTO t VALUES (1);\n\n", False),
        (b"\n\n", False),
        (b"INSERT INTO t VALUES (1);\n", True),
        (b"INSERT INTO t VALUES (1);", True),
        (b"1\n", True),
        (b"\n", True),
        (b"", True),
    ],
)
def test_rows_that_are_not_packed_end_with_an_empty_line(
    folder: Path, data: bytes, cut: bool
) -> None:
    packed = folder / data_of(folder)
    name = packed.name.removesuffix(".gz")
    packed.unlink()
    (folder / name).write_bytes(data)
    kept = why_not_read(open_archive(folder))
    expected = Kept("damaged", f"ends early in {name}, which holds rows of a table")
    assert kept == (expected if cut else None)


def test_a_list_that_was_emptied_is_damage(folder: Path, tools: tuple[PgTools, ...]) -> None:
    """pg_restore reads such an archive to its end without a word (seen with 15 and 18)."""
    list_of(folder).write_bytes(b"")
    fact = checked(folder, tools)
    assert fact.state == "damaged"
    assert fact.reason == "it makes 1 large object and holds the bytes of 0"


def test_another_file_cannot_be_the_list(folder: Path) -> None:
    renamed(folder, list_of(folder).name, data_of(folder).encode())
    (folder / data_of(folder)).write_bytes(b"16392 /etc/passwd\n\n")
    kept = why_not_read(open_archive(folder))
    assert kept == Kept("damaged", f"names a file outside itself: {data_of(folder)}")


def test_nor_can_a_packed_one(folder: Path) -> None:
    path = list_of(folder)
    path.rename(path.with_name(f"{path.name}.gz"))
    kept = why_not_read(open_archive(folder))
    assert kept == Kept("unknown", f"has a packed list of large objects: {path.name}.gz")


@pytest.mark.parametrize("what", ["link", "folder", "pipe"])
def test_it_holds_files_and_nothing_else(folder: Path, what: str) -> None:
    make: dict[str, Callable[[Path], object]] = {
        "link": lambda path: path.symlink_to("toc.dat"),
        "folder": Path.mkdir,
        "pipe": os.mkfifo,
    }
    make[what](folder / "odd")
    assert why_not_read(open_archive(folder)) == Kept("damaged", "names a file outside itself: odd")


# --- a table of contents that is none ------------------------------------------------------------


def head(minor: int = 16, width: int = 4, form: int = 3, major: int = 1) -> bytes:
    return b"PGDMP" + bytes([major, minor, 0, width, 8, form])


TABLES = {
    "empty": (b"", "damaged", "it ends early"),
    "something else": (b"x" * 100, "damaged", "does not begin like one"),
    "short": (head() + b"\0", "damaged", "it ends early"),
    "wide numbers": (head(width=8), "damaged", "of another kind"),
    "of a file": (head(form=1), "damaged", "of another kind"),
    "of an old version": (head(minor=11), "unknown", "version 1.11"),
    "of a new version": (head(minor=17), "unknown", "version 1.17"),
    "of a new format": (head(major=2), "unknown", "version 2.16"),
    "a text of any length": (head() + b"\0" * 36 + b"\0\xff\xff\xff\x7f", "damaged", "no length"),
    "a text of no length": (head() + b"\0" * 36 + b"\1\2\0\0\0", "damaged", "no length"),
    "a text that overflows": (head() + b"\0" * 36 + b"\0\xff\xff\xff\xff", "damaged", "no length"),
}


@pytest.mark.parametrize("name", TABLES)
def test_what_is_no_table_of_contents(folder: Path, name: str) -> None:
    content, state, said = TABLES[name]
    (folder / "toc.dat").write_bytes(content)
    kept = why_not_read(open_archive(folder))
    assert kept is not None
    assert kept.state == state
    assert said in kept.reason


@pytest.mark.parametrize("minor", range(12, 17))
def test_each_version_s_fields(folder: Path, minor: int) -> None:
    number = b"\0\1\0\0\0"
    table = head(minor) + (b"\0" if minor >= 15 else number) + number * 7 + text(b"x") * 3
    table += number  # one entry
    table += number * 2 + text(b"1") * 2 + text(b"t") + text(b"TABLE DATA") + number
    table += text(b"") + text(b"") + text(b"COPY") + text(b"public") + text(b"")
    table += text(b"heap") if minor >= 14 else b""
    table += number if minor >= 16 else b""
    table += text(b"owner") + text(b"false") + text(b"7") + b"\1\1\0\0\0"
    (folder / "toc.dat").write_bytes(table + text(b"12.dat"))
    assert why_not_read(open_archive(folder)) is None
    (folder / "toc.dat").write_bytes(table + text(b"../12.dat"))
    assert why_not_read(open_archive(folder)) == Kept(
        "damaged", "names a file outside itself: ../12.dat"
    )


def test_a_large_one_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_toc, "LARGEST", 1024)
    kept = why_not_read(open_archive(folder))
    assert kept == Kept("unknown", "has a table of contents of more than 1.0 KiB")


def test_what_cannot_be_looked_at_is_unknown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = open_archive(folder)
    shutil.rmtree(folder)
    assert why_not_read(archive) == Kept("unknown", "cannot be read: No such file or directory")


def test_dumps_in_one_file_name_none(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"PGDMP")
    assert why_not_read(open_archive(tmp_path / "x")) is None


# --- time ----------------------------------------------------------------------------------------


def slow(folder: Path, script: str) -> tuple[PgTools, ...]:
    program = folder.parent / "bin" / "pg_restore"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return (PgTools(program.parent, 180000, "option"),)


def test_a_program_that_does_not_end_is_stopped(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_check, "_bound", lambda size: timedelta(seconds=1))
    fact = checked(folder, slow(folder, "exec sleep 600"))
    assert fact.state == "unknown"
    assert "it was not read to its end: pg_restore did not end within 1 s" in fact.reason


def test_any_other_failure_is_said_as_it_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: object) -> object:
        raise StepFailed("No program can be started.", code="no-launcher")

    monkeypatch.setattr(archive_check, "pg_restore", broken)
    with pytest.raises(StepFailed, match="No program"):
        checked(folder, slow(folder, "exit 0"))
