"""Evidence inside the incident folder, named by its SHA-256."""

import hashlib
import os
import re
import tempfile
from pathlib import Path

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


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
