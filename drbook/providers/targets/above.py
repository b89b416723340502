"""The folders above one, as its own file system has them.

A bind mount shows a folder without what lies above it: `..` at its top leads to where it is mounted.
So at the top of each mount the kernel's table is asked which folder of its file system that is, and
the way up is walked from there too, where another mount shows it.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from drbook.core.baseline import Place

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of the kernel's table (proc_pid_mountinfo(5))."""

    number: int
    device: str
    root: str
    """The folder of its file system that is shown."""
    point: str
    upper: str = ""
    """The folder in which an overlay keeps what is written to it."""


@dataclass(frozen=True, slots=True)
class Above:
    folders: tuple[Place, ...] = ()
    """The folder itself, and every one above it."""
    clusters: tuple[Place, ...] = ()
    """Those of them that hold a cluster, or may."""
    hidden: tuple[Place, ...] = ()
    """Those of which nobody can see here what lies above them."""


def above(folder: int, boot: str) -> Above:
    """What lies above an open folder. Walked by `..`, so that no path can lie."""
    if not boot:
        return Above()
    way = _Way(boot)
    way.up(os.dup(folder))
    return Above(tuple(way.folders), tuple(way.clusters), tuple(way.hidden))


def mounts() -> tuple[Mount, ...]:
    """The mounts that can be seen here; none where the table cannot be read."""
    try:
        table = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ()
    rows = [line.split() for line in table.splitlines()]
    return tuple(
        Mount(int(row[0]), row[2], _unescaped(row[3]), _unescaped(row[4]), _upper(row))
        for row in rows
        if len(row) > 4
    )


def _upper(row: list[str]) -> str:
    """Behind a lone dash: the kind of file system, its source, and its own options."""
    kind, *rest = row[row.index("-") + 1 :] if "-" in row[6:] else [""]
    if kind != "overlay" or not rest:
        return ""
    options = rest[-1].split(",")
    return _unescaped(next((each[9:] for each in options if each.startswith("upperdir=")), ""))


def _unescaped(point: str) -> str:
    """The kernel writes blanks in paths as octal numbers (proc(5))."""
    for octal, sign in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        point = point.replace(octal, sign)
    return point


class _Way:
    def __init__(self, boot: str) -> None:
        self._boot = boot
        self._mounts = mounts()
        self._crossed: set[tuple[Place, int]] = set()
        self.folders: list[Place] = []
        self.clusters: list[Place] = []
        self.hidden: list[Place] = []

    def up(self, here: int) -> None:
        """From an open folder, which is closed, to where `..` leads no further."""
        place = self._seen(here)
        try:
            mount = _mount_of(here)
            while True:
                higher = os.open("..", FOLDER, dir_fd=here)
                os.close(here)
                here = higher
                over, top = _mount_of(here), place
                place = self._place(here)
                if place == top or over != mount:
                    self._beside(top, mount)
                if place == top:
                    return
                mount = over
                self._seen(here)
        except OSError:
            self.hidden.append(place)
        finally:
            os.close(here)

    def _place(self, here: int) -> Place:
        at = os.fstat(here)
        return Place(device=at.st_dev, inode=at.st_ino, boot=self._boot)

    def _seen(self, here: int) -> Place:
        place = self._place(here)
        if place not in self.folders:
            self.folders.append(place)
            if _may_hold_cluster(here):
                self.clusters.append(place)
        return place

    def _beside(self, top: Place, number: int) -> None:
        """Walk on from the top of a mount inside its own file system, where that is shown elsewhere."""
        if (top, number) in self._crossed:  # mounts change while they are walked
            return
        self._crossed.add((top, number))
        mount = next((each for each in self._mounts if each.number == number), None)
        if mount is None:  # its point lies outside of what this process may see
            self.hidden.append(top)
            return
        if mount.root == "/":
            self._below(mount)
            return
        for other in self._wider(mount):
            rest = mount.root[len(other.root.rstrip("/")) :]
            try:
                there = os.open(other.point.rstrip("/") + rest, FOLDER)
            except OSError:
                continue
            if self._place(there) == top:
                self.up(there)
                return
            os.close(there)
        self.hidden.append(top)

    def _below(self, mount: Mount) -> None:
        """What is written to an overlay lies in another folder, above which may be anything; where that
        cannot be seen, the overlay is all that this machine, a container say, has."""
        if not mount.upper:
            return
        try:
            there = os.open(mount.upper, FOLDER)
        except OSError:
            return
        self.up(there)

    def _wider(self, mount: Mount) -> list[Mount]:
        """The mounts that show more of the same file system, the widest first."""
        found = [
            each
            for each in self._mounts
            if each.device == mount.device and mount.root.startswith(each.root.rstrip("/") + "/")
        ]
        return sorted(found, key=lambda each: len(each.root))


def _mount_of(folder: int) -> int:
    """The number of the mount through which a folder was opened. Raises OSError."""
    text = Path(f"/proc/self/fdinfo/{folder}").read_text(encoding="ascii")
    found = [line.split()[1] for line in text.splitlines() if line.startswith("mnt_id:")]
    return int(found[0]) if found else -1


_TABLESPACE = re.compile(r"PG_\d+(?:\.\d+)?_\d{9}")
"""The folder that a server makes in each of its tablespaces: its version and its catalogs' one."""


def _may_hold_cluster(folder: int) -> bool:
    """Whether it is a data directory, by its `PG_VERSION`, or a tablespace; what cannot be looked into may
    be a data directory."""
    try:
        os.stat("PG_VERSION", dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return _holds_tablespace(folder)
    except OSError:
        return True
    return True


def _holds_tablespace(folder: int) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(_TABLESPACE.fullmatch(entry.name) for entry in entries)
    except OSError:
        return (
            False  # one that may be passed through and not listed is a home more often than a disk
        )
