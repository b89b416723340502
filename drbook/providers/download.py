"""Bringing one file's bytes here: resuming, hashing while they come, in constant memory.

What arrives is written to `NAME.part`; `NAME.part.json` says which bytes these are and how many of
them are surely on disk. Only a whole file gets its name. A part survives a lost connection, a
cancel, a crash and a power cut, and the next attempt goes on behind it.
"""

import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, NoReturn

from drbook.core.errors import StepFailed
from drbook.core.ports import Cancel
from drbook.core.signals import Output, Progress, Signal, Working
from drbook.core.values import plain, show_size
from drbook.providers import private
from drbook.providers.sources.base import Blob, Changed, Spoilt, Unreachable

_CHUNK = 1024 * 1024
_SYNC_EVERY = 32 * 1024 * 1024
_SPARE = 16 * 1024 * 1024
"""Bytes left free beside a download, for the journal."""
_NOTE_ROOM = 256 * 1024
"""Bytes given up on a full disk, so that it can be noted how much is here."""
_PROGRESS_SECONDS = 0.1
RETRIES = 6
"""Attempts in a row that bring nothing; each that brings something begins the count again."""
_FIRST_WAIT = timedelta(milliseconds=500)
_LONGEST_WAIT = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Received:
    """A whole file."""

    path: Path
    size: int
    sha256: str
    resumed: bool
    """True where a part of an earlier attempt was used."""


def download(
    blob: Blob, target: Path, cancel: Cancel, *, label: str, location: str
) -> Working[Received]:
    """Fetch `blob` to `target`, whose folder exists.

    Raises StepFailed where it cannot be read to its end or does not fit, Cancelled on request; what
    arrived is kept, unless the place now holds other bytes. Spoilt where the place has not got them.
    """
    part = _Part(target, blob)
    try:
        resumed = yield from part.begin(cancel, label)
        _check_space(target, blob.size - part.done, location)
        yield from _receive(blob, part, cancel, label, location)
        part.finish()
    except Changed as error:
        part.discard()
        raise StepFailed(
            f"{location} changed while it was read: {error}.",
            means="What arrived belongs to other bytes and was removed.",
            next="Look for recovery points again: somebody overwrites them.",
            code="changed",
        ) from None
    except Spoilt:
        part.discard()
        raise
    except OSError as error:
        _disk(error, target, blob.size - part.done, part.done)
    finally:
        part.close()
    return Received(target, part.done, part.hash.hexdigest(), resumed)


def _receive(blob: Blob, part: "_Part", cancel: Cancel, label: str, location: str) -> Working[None]:
    failures = 0
    while part.done < blob.size:
        cancel.raise_if_requested()
        before = part.done
        try:
            with blob.read(part.done) as chunks:
                yield from _store(chunks, blob, part, cancel, label)
            if part.done < blob.size:
                raise Unreachable("the answer ended early")
        except Unreachable as error:
            failures = 0 if part.done > before else failures + 1
            why = plain(str(error), 200)
            if failures >= RETRIES:
                _give_up(location, why, part.done, blob.size)
            yield Output(f"{location}: {why}; going on from {show_size(part.done)}")
            cancel.wait(min(_FIRST_WAIT * 2**failures, _LONGEST_WAIT))
    yield Progress(label, part.done, blob.size, "bytes")


def _store(
    chunks: Iterator[bytes | Signal], blob: Blob, part: "_Part", cancel: Cancel, label: str
) -> Working[None]:
    shown = 0.0
    for chunk in chunks:
        if not isinstance(chunk, bytes):
            yield chunk
            continue
        if part.done + len(chunk) > blob.size:
            raise Changed("more bytes came than the place had said")
        part.write(chunk)
        cancel.raise_if_requested()
        now = time.monotonic()
        if now - shown >= _PROGRESS_SECONDS:
            shown = now
            yield Progress(label, part.done, blob.size, "bytes")


def part_of(name: str) -> tuple[str, str]:
    """The names of the file that grows, and of its sidecar, beside the file of that name."""
    return f"{name}.part", f"{name}.part.json"


class _Part:
    """The file that grows, and its sidecar."""

    def __init__(self, target: Path, blob: Blob) -> None:
        self._target = target
        self._path, self._side = (target.with_name(name) for name in part_of(target.name))
        self._blob = blob
        self._stream: IO[bytes] | None = None
        self._synced = 0
        self.done = 0
        self.hash = hashlib.sha256()

    def begin(self, cancel: Cancel, label: str) -> Working[bool]:
        """Open it; True where an earlier attempt's bytes are used. Raises OSError."""
        usable = self._usable()
        descriptor = os.open(
            self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        self._stream = os.fdopen(descriptor, "r+b", buffering=0)
        self._stream.truncate(usable)
        while chunk := self._stream.read(_CHUNK):
            self.hash.update(chunk)
            self.done += len(chunk)
            cancel.raise_if_requested()
            yield Progress(f"{label}: re-read what is here", self.done, usable, "bytes")
        self._note()
        return usable > 0

    def _usable(self) -> int:
        """Bytes of the part that are surely these bytes' beginning."""
        try:
            noted = json.loads(self._side.read_text())
            size = self._path.lstat().st_size
        except (OSError, ValueError):
            return 0
        if not isinstance(noted, dict) or noted.get("identity") != self._blob.identity:
            return 0
        synced = noted.get("synced")
        if not isinstance(synced, int) or not 0 <= synced <= min(size, self._blob.size):
            return 0
        return synced

    def write(self, chunk: bytes) -> None:
        """Raises OSError; `done` counts what was surely written."""
        if self._stream is None:
            raise AssertionError("begin comes first")
        view = memoryview(chunk)
        while view:
            count = self._stream.write(view) or 0
            self.hash.update(view[:count])
            self.done += count
            view = view[count:]
        if self.done - self._synced >= _SYNC_EVERY:
            self._note()

    def _note(self) -> None:
        """Sync, and only then say how much is here."""
        if self._stream is not None:
            os.fsync(self._stream.fileno())
        self._say_synced(self.done)

    def _say_synced(self, count: int) -> None:
        fresh = self._side.with_name(self._side.name + ".new")
        with private.replace(fresh) as stream:
            json.dump({"identity": self._blob.identity, "synced": count}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(self._side)
        self._synced = count

    def finish(self) -> None:
        """Give the whole file its name."""
        self._note()
        self._path.replace(self._target)
        sync_folder(self._target.parent)
        self._side.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Leave the part as good as it is; on a full disk the last note stays true."""
        if self._stream is None:
            return
        try:
            if self._path.exists() and self.done > self._synced:
                self._keep()
        except OSError:
            # Less is known to be here than there is: the next attempt fetches that much again.
            self._side.with_name(self._side.name + ".new").unlink(missing_ok=True)
        finally:
            self._stream.close()
            self._stream = None

    def _keep(self) -> None:
        """Note what arrived; where the disk is full, the last of it makes room for the note."""
        try:
            self._note()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT) or self._stream is None:
                raise
            kept = max(self._synced, self.done - _NOTE_ROOM)
            self._stream.truncate(kept)
            os.fsync(self._stream.fileno())
            self._say_synced(kept)

    def discard(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        self._path.unlink(missing_ok=True)
        self._side.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_space(target: Path, needed: int, location: str) -> None:
    free = shutil.disk_usage(target.parent).free
    if needed + _SPARE > free:
        raise StepFailed(
            f"{location} does not fit: {show_size(needed)} are to come, "
            f"{show_size(free)} are free in {plain(str(target.parent), 200)}.",
            means="Nothing more was downloaded; what arrived before is kept.",
            next="Free space there, or set DRBOOK_HOME to a larger disk, and run the step again.",
            code="no-space",
        )


def _disk(error: OSError, target: Path, missing: int, done: int) -> NoReturn:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    what = "The disk is full" if full else f"The disk failed ({error.strerror or error})"
    raise StepFailed(
        f"{what} in {plain(str(target.parent), 200)}, after {show_size(done)}.",
        means="What arrived is kept, and the next attempt goes on from there.",
        next=f"Free {show_size(missing + _SPARE)} there and run the step again."
        if full
        else "Look at the disk, then run the step again.",
        code="no-space" if full else "disk",
    ) from error


def _give_up(location: str, why: str, done: int, size: int) -> NoReturn:
    raise StepFailed(
        f"{location} could not be read to its end: {why}. "
        f"{show_size(done)} of {show_size(size)} are here.",
        means="What arrived is kept, and the next attempt goes on from there.",
        next="Check the network and the store, then run the step again.",
        code="download",
    ) from None
