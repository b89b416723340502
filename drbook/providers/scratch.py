"""Temporary folders that a later drbook can tell apart: whose they were, and whether they are still in use.

The name holds the first letters of the life that made it, as the record has it; the kernel's lock on the folder
itself, which goes with its process however that ends, says whether that one still lives.
"""

import fcntl
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from drbook.providers.life import this_life

LETTERS = 8
"""Of a life's token, in the name."""
_NAME = re.compile(rf"drbook-[a-z]+\.([0-9a-f]{{{LETTERS}}})\.[A-Za-z0-9_]{{8}}")


class Scratch:
    """A private folder under TMPDIR until `cleanup`; a context manager that gives its path."""

    def __init__(self, what: str, base: str | None = None) -> None:
        """`what` is one word of small letters; `base` another place than TMPDIR. Raises OSError."""
        prefix = f"drbook-{what}.{this_life().token[:LETTERS]}."
        while True:
            self.name = tempfile.mkdtemp(prefix=prefix, dir=base)
            self._handle = os.open(self.name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            if _locked(self._handle) and _is(self.name, self._handle):
                return
            os.close(self._handle)  # somebody who tidies up was faster; it is gone

    def __enter__(self) -> str:
        return self.name

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cleanup()

    def cleanup(self) -> None:
        """Take it away. What cannot be taken away is left to `drbook drill clean`."""
        if self._handle < 0:
            return
        handle, self._handle = self._handle, -1
        shutil.rmtree(self.name, ignore_errors=True)
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is(path: str | Path, handle: int) -> bool:
    opened = os.fstat(handle)
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return (opened.st_dev, opened.st_ino) == (found.st_dev, found.st_ino)


@dataclass(frozen=True, slots=True)
class Left:
    """A temporary folder whose drbook is gone."""

    path: Path
    life: str
    """The first letters of that life's token."""
    since: datetime


def left(base: Path | None = None) -> list[Left]:
    """Those of this user in TMPDIR that nobody uses any more. Changes nothing."""
    return list(_left(base or Path(tempfile.gettempdir())))


def _left(folder: Path) -> Iterator[Left]:
    """Each is locked while it is looked at."""
    with suppress(OSError):
        for name in sorted(os.listdir(folder)):
            match = _NAME.fullmatch(name)
            if match is None:
                continue
            path = folder / name
            with suppress(OSError):
                handle = _opened(path)
                try:
                    if _locked(handle):
                        since = datetime.fromtimestamp(os.fstat(handle).st_mtime, UTC)
                        yield Left(path, match[1], since)
                finally:
                    os.close(handle)


def remove(path: Path) -> bool:
    """Take one of them away; False where somebody uses it by now. Raises OSError."""
    handle = _opened(path)
    try:
        if not (_locked(handle) and _is(path, handle)):
            return False
        shutil.rmtree(path)
    finally:
        os.close(handle)
    return True


def _opened(path: Path) -> int:
    """Raises OSError, for a link and for what is another user's too."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    found = os.fstat(handle)
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o022:
        os.close(handle)
        raise PermissionError(0, "it is not a private folder of yours", str(path))
    return handle
