"""Evidence inside the incident folder, named by its SHA-256."""

import hashlib
import os
import re
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
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            return name  # the same bytes
        except OSError as error:
            raise JournalError(f"{path} cannot be written: {error.strerror or error}.") from None
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        _sync_folder(path.parent)
        return name


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
