"""A copied data directory before a server is started on it: nothing in it may lead out of the target, and
nothing that the old server was told has a say any more.

What does not fit is refused, never mended: a link or a tablespace's path may lead into production.
"""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drbook.core.errors import StepFailed
from drbook.core.values import plain
from drbook.providers.pgcontrol import system_identifier_in

SET_ASIDE = (
    "postgresql.auto.conf", "recovery.conf", "recovery.signal", "standby.signal", "postmaster.pid",
    "postmaster.opts",
)  # fmt: skip
"""What would make the server a standby, archive, or believe that it runs already."""
ASIDE = "as-copied"
"""Where it lies afterwards, beside the data: it says how production was set."""


@dataclass(frozen=True, slots=True)
class LaidDown:
    """What came."""

    major: int
    system_identifier: str
    labelled: bool
    """It has a `backup_label`: where its recovery has to begin. Without one it has to be the copy of a server
    that was shut down."""
    bytes: int
    aside: tuple[str, ...]


def settle(home: Path, data: Path, tablespaces: Path, owner: tuple[int, int]) -> LaidDown:
    """Look through it, take out of the way what must have no say, and give it to the server's user.

    Raises StepFailed where it is no data directory, or something in it leads elsewhere.
    """
    try:
        major = int((data / "PG_VERSION").read_text(encoding="ascii").strip())
        identifier = system_identifier_in(data)
    except (OSError, ValueError):
        raise _unfit(
            "it is no data directory: PG_VERSION or global/pg_control is missing"
        ) from None
    size = 0
    for path, found in _walk(data):
        _judge(path, found, data, tablespaces)
        size += found.st_size
    for path, found in _walk(tablespaces):
        _judge(path, found, None, tablespaces)
        size += found.st_size
    _mapped(data, tablespaces)
    aside = _set_aside(home / ASIDE, data)
    _give(owner, (data, tablespaces, home / ASIDE))
    return LaidDown(major, identifier, (data / "backup_label").is_file(), size, aside)


def _walk(top: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Everything below, links not followed. Raises StepFailed where a folder cannot be read."""

    def broken(error: OSError) -> None:
        raise _unfit(f"{plain(str(error.filename), 200)} cannot be read: {error.strerror}")

    for folder, folders, files in os.walk(top, onerror=broken):
        for name in (*folders, *files):
            path = Path(folder, name)
            yield path, os.lstat(path)


def _judge(path: Path, found: os.stat_result, data: Path | None, tablespaces: Path) -> None:
    shown = plain(str(path), 300)
    if stat.S_ISDIR(found.st_mode):
        return
    if stat.S_ISREG(found.st_mode):
        if found.st_nlink > 1:  # the server would write into the backup itself
            raise _unfit(f"{shown} is one file with another outside of the target (a hard link)")
        return
    if not stat.S_ISLNK(found.st_mode):
        raise _unfit(f"{shown} is neither a file nor a folder")
    leads = plain(os.readlink(path), 300)
    inside = data is not None and path.parent == data / "pg_tblspc"
    if not inside or not Path(os.path.realpath(path)).is_relative_to(tablespaces.resolve()):
        raise _unfit(f"{shown} is a link to {leads}, outside of the target")


_ENTRY = re.compile(r"(\d+) (.+)")


def _mapped(data: Path, tablespaces: Path) -> None:
    """A recovery makes the links of tablespaces anew, as `tablespace_map` has them (PostgreSQL,
    `read_tablespace_map` in `xlogrecovery.c`)."""
    try:
        text = (data / "tablespace_map").read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return
    for line in text.splitlines():
        entry = _ENTRY.fullmatch(line)
        place = Path(os.path.realpath(entry[2])) if entry else None
        if place is None or not place.is_relative_to(tablespaces.resolve()):
            raise _unfit(f"its tablespace_map would use {plain(line, 300)}, outside of the target")


def _set_aside(aside: Path, data: Path) -> tuple[str, ...]:
    moved = []
    aside.mkdir(mode=0o700)
    for name in SET_ASIDE:
        if os.path.lexists(data / name):
            os.replace(data / name, aside / name)
            moved.append(name)
    return tuple(moved)


def _give(owner: tuple[int, int], tops: tuple[Path, ...]) -> None:
    """A server runs on nothing but its own user's files; tools that ran as root gave them others."""
    for top in tops:
        for path, found in ((top, os.lstat(top)), *_walk(top)):
            if (found.st_uid, found.st_gid) != owner:
                os.chown(path, *owner, follow_symlinks=False)
    os.chmod(tops[0], 0o700)
    os.chmod(tops[1], 0o700)


def _unfit(why: str) -> StepFailed:
    return StepFailed(
        f"The copy was laid down, and no server may be started on it: {why}.",
        means="Nothing was started. What was laid down stays in the target's folder, and is not used again.",
        next="See how this copy was made, and choose another one.",
        code="copy-unfit",
    )
