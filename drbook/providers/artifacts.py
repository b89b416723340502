"""Evidence inside the incident folder, named by its SHA-256."""

import hashlib
import os
from pathlib import Path

from drbook.core.errors import JournalError


class ArtifactFolder:
    """Implements `core.ports.Artifacts`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def folder(self) -> Path:
        return self._folder

    def keep(self, data: bytes, suffix: str) -> str:
        """Store evidence, synced, before an event names it. Raises JournalError."""
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
