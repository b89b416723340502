"""Taking a drill's own clusters away again: a look first, and nothing is followed out of its folder.

The mark of a folder goes last, so that a removal which broke off can be gone on with.
"""

import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from drbook.core.baseline import Place
from drbook.core.leftovers import FolderSeen
from drbook.providers import private
from drbook.providers.launcher import NOBODY
from drbook.providers.life import this_life
from drbook.providers.pgcontrol import system_identifier_in
from drbook.providers.pgserver import sockets_of
from drbook.providers.pids import PROC
from drbook.providers.targets.above import FOLDER
from drbook.providers.targets.pool import MARKER, mode_marked

_LONGEST_MARK = 4096


def look_at_folder(path: Path, name: str, nonce: str) -> FolderSeen:
    """What lies where a cluster of this name and nonce was to be made. Changes nothing."""
    try:
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode):
            return FolderSeen("link")
        if not stat.S_ISDIR(found.st_mode):
            return FolderSeen("other")
        held = os.listdir(path)
    except FileNotFoundError:
        return FolderSeen("absent")
    except OSError as error:
        return FolderSeen("unseen", why=error.strerror or str(error))
    if not held or (held == [MARKER] and not (path / MARKER).lstat().st_size):
        return FolderSeen("empty")  # it was killed between making it and marking it
    data, mode = path / "data", _mode_marked(path, name, nonce)
    return FolderSeen(
        "folder",
        marked=mode is not None,
        mode=mode or "",
        system_identifier=_identifier(data),
        place=_place(data),
        server=_server_on(data),
    )


def _mode_marked(path: Path, name: str, nonce: str) -> str | None:
    try:
        written = private.read(path / MARKER, _LONGEST_MARK).decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return mode_marked(written, name, nonce)


def _identifier(data: Path) -> str:
    try:
        return "" if data.is_symlink() else system_identifier_in(data)
    except OSError:
        return ""


def _place(data: Path) -> Place | None:
    """As the kernel calls the directory under this boot; None where it is none, or the boot has no name."""
    try:
        found = data.lstat()
    except OSError:
        return None
    boot = this_life().boot
    known = bool(boot) and stat.S_ISDIR(found.st_mode)
    return Place(device=found.st_dev, inode=found.st_ino, boot=boot) if known else None


def _server_on(data: Path) -> int | None:
    """The process of the number in `postmaster.pid`, where it works in this very directory."""
    try:
        first = private.read(data / "postmaster.pid", 64).decode("ascii").splitlines()[0]
        pid = abs(int(first))
        return pid if os.path.samefile(PROC / str(pid) / "cwd", data) else None
    except (OSError, ValueError, IndexError):
        return None


def remove_folder(path: Path) -> None:
    """Take a cluster's folder away, its mark at last. Raises OSError; then its mark is still there, or it is
    empty."""
    handle = os.open(path, FOLDER)
    try:
        private.empty(handle, MARKER)
    finally:
        os.close(handle)
    path.rmdir()


def size_of_folder(path: Path) -> int:
    """Bytes on disk below it; what goes while it is counted counts as nothing."""
    total = 0
    for folder, _, files in os.walk(path):
        for name in files:
            with suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
    return total


def sockets_left(nonce: str) -> Path | None:
    """The folder of its server's socket, where that is still there and ours."""
    folder = sockets_of(nonce)
    try:
        found = folder.lstat()
    except OSError:
        return None
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid in (os.geteuid(), NOBODY)
    return folder if ours else None


def remove_sockets(nonce: str) -> None:
    """Raises OSError."""
    folder = sockets_left(nonce)
    if folder is not None:
        shutil.rmtree(folder)
