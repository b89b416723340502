"""The folder of a new cluster in every disguise, made of real folders, links and mounts."""

import json
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from support.pg import drain

from drbook.core.errors import Refused
from drbook.core.freshfolder import prove_fresh_folder
from drbook.core.ports import ProductionIdentity
from drbook.core.targets import Target
from drbook.providers.pgidentity import place_of
from drbook.providers.pgserver import ClusterServer, server_user
from drbook.providers.pgtools import PgTools
from drbook.providers.targets import folder as folder_module
from drbook.providers.targets.folder import look, make_fresh, opened
from drbook.providers.targets.fresh import FreshTargets
from drbook.providers.targets.kinds import ClusterTarget
from drbook.providers.targets.pool import MARKER


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the target is to be made; its parent is there and private."""
    (tmp_path / "targets").mkdir(mode=0o700)
    return tmp_path / "targets" / "restore-1"


def refusal(path: Path, production: tuple[ProductionIdentity, ...] = ()) -> str:
    with opened(path.parent) as parent:
        facts = look(path, parent)
    try:
        prove_fresh_folder(facts, production)
    except Refused as error:
        return error.code
    return ""


def full(name: str) -> object:
    def make(path: Path) -> None:
        path.mkdir()
        (path / name).mkdir()

    return make


def postmaster(line: str) -> object:
    def make(path: Path) -> None:
        path.mkdir()
        (path / "postmaster.pid").write_text(f"{line}\n/data\n1\n5432\n")

    return make


def socket_at(path: Path) -> None:
    cwd = os.getcwd()
    os.chdir(path.parent)  # a socket's path must stay short
    try:
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(path.name)
    finally:
        os.chdir(cwd)


STANDING = {
    "nothing": (lambda path: None, ""),
    "an empty folder": (Path.mkdir, "target-exists"),
    "a full folder": (full("base"), "target-exists"),
    "only a dot folder": (full(".snapshot"), "target-exists"),
    "only lost+found": (full("lost+found"), "target-exists"),
    "a file": (Path.touch, "target-exists"),
    "a socket": (socket_at, "target-exists"),
    "a pipe": (os.mkfifo, "target-exists"),
    "a link to a folder": (lambda path: path.symlink_to(path.parent.parent), "target-link"),
    "a dangling link": (lambda path: path.symlink_to("nowhere"), "target-link"),
    "a link to itself": (lambda path: path.symlink_to(path.name), "target-link"),
    "a running server": (postmaster(str(os.getpid())), "target-has-server"),
    "a single-user server": (postmaster(f"-{os.getpid()}"), "target-has-server"),
    "a server that ended, or runs elsewhere": (postmaster("2147483646"), "target-has-server"),
    "a server's file without a number": (postmaster("x"), "target-has-server"),
}


@pytest.mark.parametrize("name", STANDING)
def test_what_stands_there(place: Path, name: str) -> None:
    make, code = STANDING[name]
    make(place)  # type: ignore[operator]
    assert refusal(place) == code


def test_inside_productions_data_directory(place: Path, tmp_path: Path) -> None:
    """By whatever path: it is the folders that are compared, not their names."""
    declared = ProductionIdentity("declared", "production.volume", directory=place_of(tmp_path))
    beside = tmp_path.parent / f"{tmp_path.name}-link"
    beside.symlink_to(tmp_path)
    try:
        assert refusal(place, (declared,)) == "target-inside-production"
        assert refusal(beside / "targets" / "restore-1", (declared,)) == "target-inside-production"
        other = ProductionIdentity("declared", "v", directory=place_of(Path("/proc/self")))
        assert refusal(place, (other,)) == ""
    finally:
        beside.unlink()


def test_a_parent_that_is_a_link_or_shared(place: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(place.parent)
    assert refusal(tmp_path / "link" / "restore-1") == "target-parent"
    place.parent.chmod(0o777)
    assert refusal(place) == "target-parent"
    place.parent.chmod(0o1777)
    assert refusal(place) == ""
    assert refusal(tmp_path / "nowhere" / "restore-1") == "target-unseen"


LOOKER = """
import dataclasses, json, subprocess, sys
from pathlib import Path
from drbook.core.ports import ProductionIdentity
from drbook.providers.pgidentity import place_of
from drbook.providers.targets.folder import look, opened
source, path = Path(sys.argv[1]), Path(sys.argv[2])
subprocess.run(["mount", "--bind", source, path], check=True)
with opened(path.parent) as parent:
    facts = look(path, parent)
print(json.dumps([facts.kind, facts.mounted, facts.place == place_of(source)]))
"""


def test_a_bind_mount(place: Path, tmp_path: Path) -> None:
    """Of one disk, so that the device does not give it away. Where mounting is not allowed, what a
    bind mount is to the kernel (the same device and inode under another name) is decided upon."""
    source = tmp_path / "production data"
    source.mkdir()
    (source / "PG_VERSION").write_text("18\n")
    place.mkdir()
    argv = ["unshare", "-m", "--propagation", "private", sys.executable, "-c", LOOKER]
    declared = ProductionIdentity("declared", "v", directory=place_of(source))
    if os.geteuid() == 0 and shutil.which("unshare"):
        done = subprocess.run([*argv, source, place], capture_output=True, text=True, timeout=60)
        if done.returncode == 0:
            assert json.loads(done.stdout) == ["full", True, True]
    place.rmdir()
    source.rename(place)
    assert refusal(place, (declared,)) == "target-inside-production"


def server_at(place: Path, tools: tuple[PgTools, ...]) -> ClusterServer:
    return ClusterServer(next(one for one in tools if one.has_server), place, name="fresh")


@pytest.mark.skipif(server_user() == "nobody", reason="clusters of nobody lie in TMPDIR")
@pytest.mark.parametrize("when", ["before it is made", "after it is made"])
def test_a_parent_that_is_replaced_between_the_look_and_the_use(
    place: Path,
    tmp_path: Path,
    tools: tuple[PgTools, ...],
    monkeypatch: pytest.MonkeyPatch,
    when: str,
) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    server = server_at(place, tools)
    real = ClusterServer.make_folder

    def swap() -> None:
        place.parent.rename(tmp_path / "aside")
        place.parent.symlink_to(precious)

    def make(self: ClusterServer, within: int | None = None) -> None:
        if when == "before it is made":
            swap()
        real(self, within)
        if when == "after it is made":
            swap()

    monkeypatch.setattr(ClusterServer, "make_folder", make)
    with pytest.raises(Refused) as caught:
        make_fresh(server, ())
    assert caught.value.code == "target-changed"
    assert list(precious.iterdir()) == []


def test_what_comes_to_stand_there_after_the_look(
    place: Path, tools: tuple[PgTools, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = folder_module.prove_fresh_folder

    def late(*given: object) -> str:
        proof = real(*given)  # type: ignore[arg-type]
        place.symlink_to("/")
        return proof

    monkeypatch.setattr(folder_module, "prove_fresh_folder", late)
    with pytest.raises(Refused) as caught:
        make_fresh(server_at(place, tools), ())
    assert caught.value.code == "target-exists"


@pytest.mark.skipif(server_user() == "nobody", reason="clusters of nobody lie in TMPDIR")
def test_a_targets_folder_that_is_a_link_is_refused(targets: FreshTargets, tmp_path: Path) -> None:
    for aim in ("elsewhere", "nowhere"):
        (tmp_path / "elsewhere").mkdir(exist_ok=True)
        (tmp_path / "targets").symlink_to(tmp_path / aim)
        with pytest.raises(Refused) as caught:
            drain(targets.create(ClusterTarget(), "restore-1", []))
        assert caught.value.code == "target-parent"
        (tmp_path / "targets").unlink()
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.fixture
def stopped(targets: FreshTargets) -> Target:
    made = drain(targets.create(ClusterTarget(), "restore-1", []))
    targets._workshop.pool.close()
    return made


def test_no_server_is_started_on_what_took_a_targets_place(
    targets: FreshTargets, stopped: Target, tmp_path: Path, tools: tuple[PgTools, ...]
) -> None:
    """A start replays WAL and writes: it must not happen on production's directory."""
    pool, token = targets._workshop.pool, targets._workshop.cancel
    home = Path(stopped.location)
    control = home / "data" / "global" / "pg_control"

    def refused() -> bool:
        pool.__init__()  # type: ignore[misc]  # as after a resume: nothing is known to run
        log = (home / "server.log").read_bytes()
        with pytest.raises(Refused) as caught:
            drain(pool.running(stopped, tools, token))
        assert (home / "server.log").read_bytes() == log
        return caught.value.code == "target-changed"

    kept = control.read_bytes()
    control.write_bytes(b"\x01" + kept[1:] if kept[:1] != b"\x01" else b"\x02" + kept[1:])
    assert refused()  # another cluster
    control.write_bytes(kept)
    (home / MARKER).write_text(json.dumps({"target": "restore-1", "nonce": "another"}))
    assert refused()  # another attempt's
    (home / MARKER).write_text(json.dumps({"target": "restore-1", "nonce": stopped.nonce}))
    (home / "data").rename(home / "moved")
    (home / "data").symlink_to(home / "moved")
    assert refused()  # a link
    (home / "data").unlink()
    (home / "moved").rename(home / "data")
    drain(pool.running(stopped, tools, token))


@pytest.mark.skipif(server_user() == "nobody", reason="clusters of nobody lie in TMPDIR")
@pytest.mark.parametrize("way", ["moved", "copied, as to another disk"])
def test_a_moved_incident_takes_its_clusters_along(
    targets: FreshTargets, stopped: Target, tmp_path: Path, way: str
) -> None:
    """The operator moved the incident's folder, for a full disk say, and resumed it there."""
    shop = targets._workshop
    shop.pool.__init__()  # type: ignore[misc]
    new = tmp_path / "another place"
    new.mkdir(mode=0o711)
    if way == "moved":
        (tmp_path / "targets").rename(new / "targets")
    else:
        subprocess.run(["cp", "-a", tmp_path / "targets", new], check=True)
    there = FreshTargets(replace(shop, folder=new), {"cluster": ClusterTarget})
    if Path(stopped.location).parent != tmp_path / "targets":
        pytest.fail(f"clusters lie elsewhere: {stopped.location}")
    ref = drain(there.reach(stopped))
    assert str(new) in str(ref.password)
    assert drain(there.count(stopped)).identity.place == place_of(
        new / "targets" / stopped.name / "data"
    )
    shop.pool.close()


@pytest.mark.skipif(server_user() == "nobody", reason="clusters of nobody lie in TMPDIR")
def test_a_strangers_folder_is_no_moved_cluster(
    targets: FreshTargets, stopped: Target, tmp_path: Path
) -> None:
    shop = targets._workshop
    shop.pool.__init__()  # type: ignore[misc]
    new = tmp_path / "another"
    new.mkdir(mode=0o711)
    subprocess.run(["cp", "-a", tmp_path / "targets", new], check=True)
    (new / "targets" / stopped.name / MARKER).write_text(
        json.dumps({"target": stopped.name, "nonce": "another"})
    )
    there = FreshTargets(replace(shop, folder=new), {"cluster": ClusterTarget})
    with pytest.raises(Refused) as caught:
        drain(there.reach(stopped))
    assert caught.value.code == "target-changed"
