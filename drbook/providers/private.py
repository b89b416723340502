"""Files of one's own: mode 0600 whatever the umask says, and never through a link that lies there."""

import errno
import os
import shutil
import stat
from pathlib import Path
from typing import IO

_OWN = os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


def folders(path: Path) -> None:
    """This folder and what is missing above it, mode 0700 each. Raises OSError."""
    if not path.is_dir():
        if path.parent != path:
            folders(path.parent)
        try:
            path.mkdir(mode=0o700, exist_ok=True)
        except FileExistsError:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from None


def append(path: Path) -> IO[str]:
    """A text file to add to, made where it is absent. Raises OSError, for a link too."""
    return _text(os.open(path, os.O_WRONLY | os.O_APPEND | _OWN, 0o600))


def replace(path: Path) -> IO[str]:
    """A text file whose content begins anew. Raises OSError, for a link too."""
    return _text(os.open(path, os.O_WRONLY | os.O_TRUNC | _OWN, 0o600))


def replace_bytes(path: Path) -> IO[bytes]:
    """A binary file whose content begins anew. Raises OSError, for a link too."""
    handle = os.open(path, os.O_WRONLY | os.O_TRUNC | _OWN, 0o600)
    os.fchmod(handle, 0o600)
    return os.fdopen(handle, "wb")


def read(path: Path, limit: int) -> bytes:
    """At most `limit` bytes of a regular file. Raises OSError for anything else: a link, a pipe."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(0, "it is no regular file")
        return stream.read(limit)


def empty(handle: int, last: str) -> None:
    """Take away all that is in an open folder, and the file of that name when nothing else is left: a removal
    that broke off can be gone on with by it. Nothing is followed out of the folder. Raises OSError."""
    for name in sorted(os.listdir(handle), key=lambda one: one == last):
        if stat.S_ISDIR(os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode):
            shutil.rmtree(name, dir_fd=handle)
        else:
            os.unlink(name, dir_fd=handle)


def _text(handle: int) -> IO[str]:
    os.fchmod(handle, 0o600)
    return os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace")
