"""Evidence inside the incident folder, named by its SHA-256."""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from drbook.core.errors import JournalError, Refused
from drbook.core.values import plain


class ArtifactFolder:
    """Implements `core.ports.Artifacts`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def folder(self) -> Path:
        return self._folder

    def keep(self, data: bytes, suffix: str) -> str:
        """Store evidence, synced, before an event names it. Raises JournalError."""
        if not re.fullmatch(r"(\.[a-z0-9]{1,10}){0,2}", suffix):
            raise Refused(
                f"Evidence with the ending {plain(suffix, 60)!r} is not stored.",
                means="It could lie outside the incident folder. Nothing was written.",
                next="This is an error in drbook or a plug-in: report it with the incident's journal.",
                code="artifact-name",
            )
        name = f"artifacts/{hashlib.sha256(data).hexdigest()}{suffix}"
        path = self._folder / name
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            # Whole before it has its name: a crash must not leave half of it under its digest.
            handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".")
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(draft, path)
            _sync_folder(path.parent)
        except OSError as error:
            raise JournalError(
                f"The evidence {path} cannot be written: {error.strerror or error}.",
                means="Nothing is recorded that it would have proven.",
                next="Make room on that disk, then run the step again.",
                code="artifact",
            ) from None
        return name

    @contextmanager
    def draft(self, suffix: str) -> Iterator["Draft"]:
        """Evidence that is too long for memory: written piece by piece, and named at the end of the block.
        Raises JournalError; what was not named is gone. Nothing is kept that holds nothing."""
        folder = self._folder / "artifacts"
        path: str | None = None
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            handle, path = tempfile.mkstemp(dir=folder, prefix=".")
            with os.fdopen(handle, "wb") as stream:
                made = Draft(stream)
                yield made
                stream.flush()
                os.fsync(stream.fileno())
            if made.size:
                made.name = f"artifacts/{made.digest.hexdigest()}{suffix}"
                os.replace(path, self._folder / made.name)
                path = None
                _sync_folder(folder)
        except OSError as error:
            raise JournalError(
                f"Evidence cannot be written to {folder}: {error.strerror or error}.",
                means="Nothing is recorded that it would have proven.",
                next="Make room on that disk, then run the step again.",
                code="artifact",
            ) from None
        finally:
            if path is not None:
                Path(path).unlink(missing_ok=True)


class Draft:
    """Evidence that is being written."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()
        self.size = 0
        self.name = ""
        """Relative to the incident folder; empty until it is whole, and where it holds nothing."""

    def write(self, data: bytes) -> None:
        self.digest.update(data)
        self.size += len(data)
        self._stream.write(data)


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
