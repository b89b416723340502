"""Temporary folders that a later drbook can tell apart: whose they were, and whether they are still in use.

The name holds the first letters of the life that made it, as the record has it; the kernel's lock on the folder
itself, which goes with its process however that ends, says whether that one still lives. A mark inside, made with
the folder, says that a drbook made it and which folder it was: what does not carry it is not drbook's to remove.
"""

import fcntl
import json
import os
import re
import shutil
import stat
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from drbook.providers import private
from drbook.providers.life import this_life

LETTERS = 8
"""Of a life's token, in the name."""
MARK = ".drbook-scratch.json"
_LONGEST_MARK = 1024
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
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
                self._goes = weakref.finalize(self, _go, self.name, self._handle)
                try:
                    _mark(self._handle, what)
                except OSError:
                    self.cleanup()
                    raise
                return
            os.close(self._handle)  # somebody looks at what is left, and took it for that
            with suppress(OSError):
                os.rmdir(self.name)

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
        """Take it away, which is done too where nobody holds this any more. What cannot be taken away is left
        to `drbook drill clean`."""
        self._goes()

    def keep(self) -> None:
        """Leave it where it is, for a person."""
        if self._goes.detach() is not None:
            os.close(self._handle)


def _go(name: str, handle: int) -> None:
    try:
        _take_away(Path(name), handle)
    except OSError:  # what a program that ends took away meanwhile, say
        _take_what_goes(handle)
        with suppress(OSError):
            _take_away(Path(name), handle)
    os.close(handle)


def _mark(handle: int, what: str) -> None:
    """Say inside of a new folder whose it is. Raises OSError."""
    found, life = os.fstat(handle), this_life()
    document = {
        "drbook": "scratch",
        "what": what,
        "life": life.token,
        "boot": life.boot,
        "device": found.st_dev,
        "inode": found.st_ino,
    }
    with os.fdopen(os.open(MARK, _NEW, 0o600, dir_fd=handle), "w", encoding="ascii") as stream:
        json.dump(document, stream)


def _why_not(handle: int, life: str) -> str:
    """Why a folder is not known to be one that a drbook of that life made; empty where it is.

    Its device is compared within one boot; after another the same disk may have another number.
    """
    try:
        with os.fdopen(os.open(MARK, _OLD, dir_fd=handle), "rb") as stream:
            found = os.fstat(stream.fileno())
            private = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
            if not private or stat.S_IMODE(found.st_mode) != 0o600:
                return "its mark is no private file of yours"
            mark = json.loads(stream.read(_LONGEST_MARK))
    except FileNotFoundError:
        return "it carries no mark of a drbook that made it"
    except (OSError, ValueError, RecursionError):
        return "its mark cannot be read"
    if not isinstance(mark, dict) or mark.get("drbook") != "scratch":
        return "its mark is another program's"
    folder = os.fstat(handle)
    same = mark.get("inode") == folder.st_ino
    if mark.get("boot") == this_life().boot:
        same = same and mark.get("device") == folder.st_dev
    if not same:
        return "its mark was made in another folder"
    return "" if str(mark.get("life"))[:LETTERS] == life else "its mark names another life"


def _take_away(path: Path, handle: int) -> None:
    """Its mark goes last. Raises OSError."""
    private.empty(handle, MARK)
    path.rmdir()


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


def _take_what_goes(handle: int) -> None:
    """All but the mark."""
    with suppress(OSError):
        for name in os.listdir(handle):
            shutil.rmtree(name, ignore_errors=True, dir_fd=handle)
            if name != MARK:
                with suppress(OSError):
                    os.unlink(name, dir_fd=handle)


@dataclass(frozen=True, slots=True)
class Left:
    """A temporary folder whose drbook is gone."""

    path: Path
    life: str
    """The first letters of that life's token."""
    since: datetime
    why_not: str = ""
    """Why it is not proven that a drbook made it; then it stays."""


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
                        yield Left(path, match[1], since, _why_not(handle, match[1]))
                finally:
                    os.close(handle)


def remove(path: Path) -> bool:
    """Take one of them away; False where somebody uses it by now. Raises OSError, and PermissionError where it is
    not proven that a drbook made it."""
    match = _NAME.fullmatch(path.name)
    handle = _opened(path)
    try:
        if not (_locked(handle) and _is(path, handle)):
            return False
        if why := _why_not(handle, match[1] if match is not None else ""):
            raise PermissionError(0, why, str(path))
        _take_away(path, handle)
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
