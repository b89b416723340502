"""What is seen of the place where a cluster's folder is to be made: each fact by itself."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drbook.core.errors import Refused, StepFailed
from drbook.core.freshfolder import FolderFacts
from drbook.providers.pgidentity import place_of
from drbook.providers.pgserver import ClusterServer
from drbook.providers.pgtools import PgTools
from drbook.providers.targets import folder as module
from drbook.providers.targets.folder import look, make_fresh, opened

Stat = Callable[..., os.stat_result]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "targets").mkdir(mode=0o700)
    return tmp_path / "targets" / "restore 1"


@pytest.fixture(autouse=True)
def nothing_stays_open() -> Iterator[None]:
    before = len(os.listdir("/dev/fd"))
    yield
    assert len(os.listdir("/dev/fd")) == before


def facts_of(path: Path) -> FolderFacts:
    with opened(path.parent) as parent:
        return look(path, parent)


# --- what stands there -----------------------------------------------------------------------


def socket_at(path: Path) -> None:
    before = os.getcwd()
    os.chdir(path.parent)  # a socket's path must stay short
    try:
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(path.name)
    finally:
        os.chdir(before)


def full(path: Path) -> None:
    path.mkdir()
    (path / ".hidden").touch()


KINDS = {
    "nothing": (lambda path: None, "absent"),
    "an empty folder": (Path.mkdir, "empty"),
    "a full folder": (full, "full"),
    "a file": (Path.touch, "file"),
    "a pipe": (os.mkfifo, "file"),
    "a socket": (socket_at, "file"),
    "a link to a folder": (lambda path: path.symlink_to(path.parent.parent), "link"),
    "a relative link": (lambda path: path.symlink_to("../targets"), "link"),
    "a dangling link": (lambda path: path.symlink_to("nowhere"), "dangling"),
    "a link to itself": (lambda path: path.symlink_to(path.name), "dangling"),
}


@pytest.mark.parametrize("name", KINDS)
def test_what_stands_there(place: Path, name: str) -> None:
    make, kind = KINDS[name]
    make(place)  # type: ignore[operator]
    facts = facts_of(place)
    assert (facts.kind, facts.path, facts.parent) == (kind, str(place), "private")
    assert facts.place == (place_of(place) if kind in ("empty", "full") else None)
    assert (facts.mounted, facts.server) == (False, "none")


def failing(monkeypatch: pytest.MonkeyPatch, call: str, name: object) -> None:
    """Let a call of the system fail for one name, for anybody: root may look everywhere."""
    real = getattr(os, call)

    def guarded(path: object, *rest: object, **more: object) -> object:
        if path == name or name is ...:
            raise PermissionError(13, "Permission denied")
        return real(path, *rest, **more)

    monkeypatch.setattr(module.os, call, guarded)


@pytest.mark.parametrize("call", ["stat", "open", "listdir"])
def test_what_cannot_be_looked_at_is_unseen(
    place: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    place.mkdir()
    with monkeypatch.context() as patch:
        failing(patch, call, ... if call == "listdir" else place.name)
        facts = facts_of(place)
    assert (facts.kind, facts.parent, facts.server) == ("unseen", "private", "none")


# --- its parent ------------------------------------------------------------------------------


def test_a_parent_that_was_not_opened(place: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(place.parent)
    (tmp_path / "file").touch()
    for name, parent in (("link", "link"), ("nowhere", "unseen"), ("file", "unseen")):
        path = tmp_path / name / "restore"
        assert facts_of(path) == FolderFacts(path=str(path), kind="unseen", parent=parent)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (0o700, "private"),
        (0o711, "private"),
        (0o755, "private"),
        (0o720, "shared"),
        (0o702, "shared"),
        (0o777, "shared"),
        (0o1777, "private"),
        (0o1720, "private"),
    ],
)
def test_who_may_write_to_the_parent(place: Path, mode: int, expected: str) -> None:
    place.parent.chmod(mode)
    assert facts_of(place).parent == expected


@pytest.mark.parametrize(
    ("owner", "expected"), [(0, "private"), (77, "private"), (1, "shared"), (78, "shared")]
)
def test_whose_the_parent_is(
    place: Path, monkeypatch: pytest.MonkeyPatch, owner: int, expected: str
) -> None:
    real: Stat = os.fstat

    def owned(descriptor: int) -> os.stat_result:
        fields = list(real(descriptor))
        fields[4] = owner
        return os.stat_result(fields)

    with monkeypatch.context() as patch:
        patch.setattr(module.os, "geteuid", lambda: 77)
        patch.setattr(module.os, "fstat", owned)
        assert facts_of(place).parent == expected


# --- the folders above it --------------------------------------------------------------------


def test_every_folder_above_and_those_that_hold_a_cluster(place: Path, tmp_path: Path) -> None:
    facts = facts_of(place)
    assert facts.above == tuple(place_of(each) for each in place.parents)
    assert facts.clusters == ()
    (tmp_path / "PG_VERSION").write_text("17\n")
    (place.parent / "PG_VERSION").symlink_to("nowhere")
    assert facts_of(place).clusters == (place_of(place.parent), place_of(tmp_path))


def test_a_folder_that_cannot_be_looked_into_may_hold_a_cluster(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        failing(patch, "stat", "PG_VERSION")
        facts = facts_of(place)
    assert facts.clusters == facts.above != ()


def test_the_way_up_ends_where_it_cannot_be_walked(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        failing(patch, "open", "..")
        assert facts_of(place).above == (place_of(place.parent),)


def test_without_a_boot_no_number_means_anything(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.mkdir()
    monkeypatch.setattr(module, "boot_id", lambda: "")
    facts = facts_of(place)
    assert (facts.kind, facts.place, facts.above, facts.clusters) == ("empty", None, (), ())


# --- mounts ----------------------------------------------------------------------------------


def test_another_file_system_is_mounted(place: Path) -> None:
    assert facts_of(Path("/dev")).mounted == (os.stat("/dev").st_dev != os.stat("/").st_dev)


def test_another_device_than_its_parent_s_is_a_mount(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.mkdir()
    real: Stat = os.fstat

    def moved(descriptor: int) -> os.stat_result:
        fields = list(real(descriptor))
        fields[2] += 1
        return os.stat_result(fields)

    with monkeypatch.context() as patch:
        mounts(patch, place.parent / "table", b"")
        patch.setattr(module.os, "fstat", moved)
        assert facts_of(place).mounted


def mounts(monkeypatch: pytest.MonkeyPatch, table: Path, content: bytes | None) -> None:
    """Give the kernel's table of mounts another content; none where it cannot be read."""
    real = Path.read_text
    if content is not None:
        table.write_bytes(content)

    def read_text(path: Path, **how: str) -> str:
        return real(table if str(path) == "/proc/self/mountinfo" else path, **how)

    monkeypatch.setattr(Path, "read_text", read_text)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("plain", "plain"),
        ("with a blank", r"with\040a\040blank"),
        ("with\ttab", r"with\011tab"),
        ("with\nend", r"with\012end"),
        ("with\\sign", r"with\134sign"),
    ],
)
def test_the_kernel_s_table_names_a_mount_of_the_same_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, written: str
) -> None:
    path = tmp_path / name
    path.mkdir()
    other = b"24 1 8:1 / /other rw shared:1 - ext4 /dev/\xff rw\nshort 1 8:1 /\n\n"
    ours = f"36 35 98:0 /data {tmp_path}/{written}\n".encode()
    for table, mounted in ((other + ours, True), (ours, True), (other, False), (None, False)):
        with monkeypatch.context() as patch:
            (tmp_path / "table").unlink(missing_ok=True)
            mounts(patch, tmp_path / "table", table)
            assert facts_of(path).mounted is mounted


# --- a server in it --------------------------------------------------------------------------

SERVERS = {
    "ours": (f"{os.getpid()}\n/data\n".encode(), "runs"),
    "with blanks": (f"  {os.getpid()} \n".encode(), "runs"),
    "a standalone backend": (f"-{os.getpid()}\n".encode(), "runs"),
    "ended, or in another container": (b"2147483646\n", "ran"),
    "no number": (b"x\n", "ran"),
    "empty": (b"", "ran"),
    "not a text": (b"\xff\xfe\n", "ran"),
    "a number that is too large": (b"99999999999999999999\n", "ran"),
}


@pytest.mark.parametrize("name", SERVERS)
def test_what_postmaster_pid_says(place: Path, name: str) -> None:
    content, server = SERVERS[name]
    place.mkdir()
    (place / "postmaster.pid").write_bytes(content)
    assert facts_of(place).server == server
    (place / "postmaster.pid").rename(place.parent / "pid")
    (place / "postmaster.pid").symlink_to(place.parent / "pid")
    assert facts_of(place).server == "none"  # PostgreSQL makes no link there


def test_somebody_else_s_server_runs(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place.mkdir()
    (place / "postmaster.pid").write_text("4711\n")
    asked = []

    def kill(pid: int, signal: int) -> None:
        asked.append((pid, signal))
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(module.os, "kill", kill)
        assert facts_of(place).server == "runs"
    assert asked == [(4711, 0)]


# --- making it -------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_made(
    place: Path, tools: tuple[PgTools, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ClusterServer(next(one for one in tools if one.has_server), place, name="fresh")

    def full(self: ClusterServer, within: int | None = None) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ClusterServer, "make_folder", full)
    with pytest.raises(StepFailed) as caught:
        make_fresh(server, ())
    assert caught.value.code == "target-folder"
    assert f"{place} cannot be made: No space left on device." in caught.value.what
    assert not place.exists()


def test_a_link_that_takes_the_new_folder_s_place(
    place: Path, tools: tuple[PgTools, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ClusterServer(next(one for one in tools if one.has_server), place, name="fresh")
    real = ClusterServer.make_folder

    def swapped(self: ClusterServer, within: int | None = None) -> None:
        real(self, within)
        place.rename(place.parent / "aside")
        place.symlink_to(place.parent / "aside")

    monkeypatch.setattr(ClusterServer, "make_folder", swapped)
    with pytest.raises(Refused) as caught:
        make_fresh(server, ())
    assert caught.value.code == "target-changed"


def test_what_was_made_is_what_lies_there(place: Path, tools: tuple[PgTools, ...]) -> None:
    server = ClusterServer(next(one for one in tools if one.has_server), place, name="fresh")
    made = make_fresh(server, ())
    assert (made.st_dev, made.st_ino) == (place.stat().st_dev, place.stat().st_ino)
    with pytest.raises(Refused) as caught:
        module.still(place.parent, made)  # another folder
    assert caught.value.code == "target-changed"
    place.rmdir()
    with pytest.raises(Refused) as caught:
        module.still(place, made)
    assert caught.value.code == "target-changed"
