"""The file calls under the journal, in one place: what a power cut can lose lies between them."""

import fcntl
import os
from pathlib import Path
from typing import Protocol


class Disk(Protocol):
    """One append-only file. Handles are the operating system's."""

    def open(self, path: Path) -> int:
        """Open or create it for appending, mode 0600, never through a link. Raises OSError."""

    def lock(self, handle: int) -> None:
        """Take the only writer's lock. Raises BlockingIOError where somebody else has it, another
        OSError where this file system has no locks."""

    def stands(self, handle: int, path: Path) -> bool:
        """Whether the path still names this very file: it may have been moved, removed or replaced."""

    def size(self, handle: int) -> int: ...

    def write(self, handle: int, data: bytes) -> int:
        """Append; returns how many bytes went in. They are not on disk before `sync`."""

    def sync(self, handle: int) -> None: ...

    def cut(self, handle: int, size: int) -> None:
        """Make it this long."""

    def close(self, handle: int) -> None: ...


class OsDisk:
    """The operating system's own."""

    def open(self, path: Path) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(path, flags, 0o600)

    def lock(self, handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def stands(self, handle: int, path: Path) -> bool:
        opened = os.fstat(handle)
        try:
            found = path.lstat()
        except OSError:
            return False
        return (opened.st_dev, opened.st_ino) == (found.st_dev, found.st_ino)

    def size(self, handle: int) -> int:
        return os.fstat(handle).st_size

    def write(self, handle: int, data: bytes) -> int:
        return os.write(handle, data)

    def sync(self, handle: int) -> None:
        os.fsync(handle)

    def cut(self, handle: int, size: int) -> None:
        os.ftruncate(handle, size)

    def close(self, handle: int) -> None:
        os.close(handle)
