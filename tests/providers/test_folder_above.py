"""What lies above a folder in its own file system, where mounts lead the way up past it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drbook.core.baseline import Place
from drbook.providers.pgidentity import boot_id, place_of
from drbook.providers.targets import above as module
from drbook.providers.targets.above import FOLDER, Above, Mount, above, mounts


@pytest.fixture(autouse=True)
def nothing_stays_open() -> Iterator[None]:
    before = len(os.listdir("/dev/fd"))
    yield
    assert len(os.listdir("/dev/fd")) == before


def seen(path: Path, boot: str | None = None) -> Above:
    descriptor = os.open(path, FOLDER)
    try:
        return above(descriptor, boot_id() if boot is None else boot)
    finally:
        os.close(descriptor)


# --- real mounts ---------------------------------------------------------------------------------

MOUNTER = """
import json, subprocess, sys
from pathlib import Path
from drbook.core.errors import Refused
from drbook.core.freshfolder import prove_fresh_folder
from drbook.core.ports import ProductionIdentity
from drbook.providers.pgidentity import place_of
from drbook.providers.targets.folder import look, opened
base = Path(sys.argv[1])
production = place_of(base / "disk" / "production data")
for line in sys.argv[2:]:
    subprocess.run(line.format(base=base).split("|"), check=True)
path = base / "mounted" / "targets" / "restore-1"
path.parent.mkdir(mode=0o700)
with opened(path.parent) as parent:
    facts = look(path, parent)
codes = []
for known in ([ProductionIdentity("declared", "v", directory=production)], []):
    try:
        prove_fresh_folder(facts, known)
        codes.append("")
    except Refused as error:
        codes.append(error.code)
print(json.dumps([production in facts.above, production in facts.clusters,
                  place_of(base / "mounted") in facts.hidden, codes]))
"""

BIND = "mount|--bind|{base}/disk/production data/deep/er|{base}/mounted"
INSIDE = "target-inside-production"
MOUNTS = {
    "a folder of production's": ((BIND,), [True, True, False, [INSIDE, INSIDE]]),
    "by way of another": (
        (
            "mount|--bind|{base}/disk/production data/deep|{base}/between",
            "mount|--bind|{base}/between/er|{base}/mounted",
        ),
        [True, True, False, [INSIDE, INSIDE]],
    ),
    "of a disk that is not shown any more": (
        (BIND, "umount|--lazy|{base}/disk"),
        [False, False, True, [INSIDE, ""]],
    ),
    "of a disk that something else covers": (
        (BIND, "mount|-t|tmpfs|none|{base}/disk"),
        [False, False, True, [INSIDE, ""]],
    ),
    "of a disk of which too little is shown": (
        (
            "mount|--bind|{base}/disk/production data/deep|{base}/between",
            BIND,
            "umount|--lazy|{base}/disk",
        ),
        [False, False, False, [INSIDE, ""]],  # hidden is what lies above `between`
    ),
    "a tablespace's": (
        (
            "mkdir|-p|{base}/disk/fast/PG_18_202506291/deep",
            "mount|--bind|{base}/disk/fast/PG_18_202506291/deep|{base}/mounted",
        ),
        [False, False, False, [INSIDE, INSIDE]],
    ),
    "an overlay that keeps what is written in it": (
        (
            "mkdir|-p|{base}/disk/production data/deep/up|{base}/disk/production data/deep/work",
            "mount|-t|overlay|overlay|-o|lowerdir={base}/between,upperdir={base}/disk/production data/deep/up,"
            "workdir={base}/disk/production data/deep/work|{base}/mounted",
        ),
        [True, True, False, [INSIDE, INSIDE]],
    ),
    "an overlay on another disk": (
        (
            "mkdir|-p|{base}/disk/up|{base}/disk/work",
            "mount|-t|overlay|overlay|-o|lowerdir={base}/between,upperdir={base}/disk/up,"
            "workdir={base}/disk/work|{base}/mounted",
        ),
        [False, False, False, ["", ""]],
    ),
    "the whole of another disk": (
        ("mount|-t|tmpfs|none|{base}/mounted",),
        [False, False, False, ["", ""]],
    ),
}


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="only root may mount"
)
@pytest.mark.parametrize("name", MOUNTS)
def test_a_mount_of_production_s_own_disk(tmp_path: Path, name: str) -> None:
    lines, expected = MOUNTS[name]
    for folder in ("disk", "mounted", "between"):
        (tmp_path / folder).mkdir()
    mount = ["mount", "-t", "tmpfs", "none", str(tmp_path / "disk")]
    make = (
        f"{' '.join(mount)} && mkdir -p '{tmp_path}/disk/production data/deep/er'"
        f" && touch '{tmp_path}/disk/production data/PG_VERSION' && exec \"$@\""
    )
    argv = ["unshare", "-m", "--propagation", "private", "sh", "-c", make, "sh"]
    argv += [sys.executable, "-c", MOUNTER, str(tmp_path), *lines]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    if "unshare" in done.stderr or "permission denied" in done.stderr:
        pytest.skip("nothing may be mounted here")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == expected


# --- the kernel's table, told --------------------------------------------------------------------


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    """A folder in one that is taken for the top of a mount."""
    path = tmp_path / "disk" / "data" / "top" / "inside"
    path.mkdir(parents=True)
    return path


Told = Callable[..., None]


@pytest.fixture
def told(inside: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    """Let `top` be mount 2, and the table be what is given."""
    tops = {place_of(inside).inode, place_of(inside.parent).inode}
    with monkeypatch.context() as patch:
        patch.setattr(module, "_mount_of", lambda fd: 2 if os.fstat(fd).st_ino in tops else 1)

        def tell(*rows: Mount) -> None:
            whole = Mount(1, "8:1", "/", "/")
            patch.setattr(module, "mounts", lambda: (whole, *rows))

        yield tell


def hidden(path: Path) -> tuple[Place, ...]:
    return seen(path).hidden


def test_where_the_whole_disk_is_mounted_nothing_is_hidden(inside: Path, told: Told) -> None:
    told(Mount(2, "8:2", "/", str(inside.parent)))
    assert hidden(inside) == ()


def test_the_rest_of_the_disk_is_looked_for(inside: Path, told: Told, tmp_path: Path) -> None:
    top = Mount(2, "8:2", "/data/top", str(inside.parent))
    disk = str(tmp_path / "disk")
    nothing = (place_of(inside.parent),)
    for rows, expected in (
        ((), nothing),
        ((Mount(3, "8:2", "/", disk),), ()),
        ((Mount(3, "8:3", "/", disk),), nothing),  # another disk
        ((Mount(3, "8:2", "/", str(tmp_path)),), nothing),  # it is not there
        ((Mount(3, "8:2", "/", str(inside)),), nothing),
        ((Mount(3, "8:2", "/da", f"{disk}/da"),), nothing),  # no folder above it
        ((Mount(3, "8:2", "/data/top", disk),), nothing),  # not more of it
        ((Mount(3, "8:2", "/data/top/inside", disk),), nothing),
        ((Mount(3, "8:2", "/", "/nowhere"), Mount(4, "8:2", "/data", f"{disk}/data")), ()),
    ):
        told(top, *rows)
        assert hidden(inside) == expected, rows


def test_another_folder_at_that_path_is_not_taken_for_it(
    inside: Path, told: Told, tmp_path: Path
) -> None:
    (tmp_path / "other" / "data" / "top").mkdir(parents=True)
    told(
        Mount(2, "8:2", "/data/top", str(inside.parent)),
        Mount(3, "8:2", "/", str(tmp_path / "other")),
    )
    assert hidden(inside) == (place_of(inside.parent),)


def test_the_widest_view_is_taken(inside: Path, told: Told, tmp_path: Path) -> None:
    """A narrower one is the top of a mount again, above which less is seen."""
    disk = tmp_path / "disk"
    told(
        Mount(2, "8:2", "/data/top", str(inside.parent)),
        Mount(3, "8:2", "/data", "/nowhere"),
        Mount(4, "8:2", "/", str(disk)),
    )
    facts = seen(inside)
    assert facts.hidden == ()
    assert facts.folders.count(place_of(disk)) == 1


def test_a_mount_that_the_table_does_not_name_hides_what_lies_above(
    inside: Path, told: Told
) -> None:
    told()
    assert hidden(inside) == (place_of(inside.parent),)


def test_the_root_of_everything_may_be_a_folder_of_a_disk(
    inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_mount_of", lambda fd: 1)
    monkeypatch.setattr(module, "mounts", lambda: (Mount(1, "8:1", "/images/one", "/"),))
    assert hidden(inside) == (place_of(Path("/")),)


def test_where_the_kernel_says_nothing_all_is_hidden(
    inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(folder: int) -> int:
        raise OSError(2, "No such file or directory")

    monkeypatch.setattr(module, "_mount_of", silent)
    facts = seen(inside)
    assert facts.hidden == (place_of(inside),)
    assert facts.folders == (place_of(inside),)
    assert seen(inside, "") == Above()


def test_the_number_of_a_mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    descriptor = os.open(tmp_path, FOLDER)
    try:
        assert module._mount_of(descriptor) in {each.number for each in mounts()}
        monkeypatch.setattr(Path, "read_text", lambda path, **how: "pos:\t0\n")
        assert module._mount_of(descriptor) == -1
    finally:
        os.close(descriptor)


def test_a_table_that_cannot_be_read_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(path: Path, **how: str) -> str:
        raise OSError(2, "No such file or directory")

    assert mounts()
    monkeypatch.setattr(Path, "read_text", gone)
    assert mounts() == ()


def test_names_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    line = "36 35 98:0 /a\\040b /mnt\\011c rw,noatime shared:1 - ext4 /dev/x rw\nshort 1\n\n"
    monkeypatch.setattr(Path, "read_text", lambda path, **how: line)
    assert mounts() == (Mount(36, "98:0", "/a b", "/mnt\tc"),)
