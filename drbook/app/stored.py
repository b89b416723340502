"""The files of an incident beside its journal: the runbook as it is run, and amended ones."""

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path

from drbook.app.places import RUNBOOK, sync_folder
from drbook.app.vocabulary import vocabulary
from drbook.core.errors import JournalError
from drbook.core.runbook import Runbook
from drbook.language.load import load


def stored_runbook(folder: Path, sha256: str) -> Runbook:
    """The runbook as this incident runs it: the stored file with that digest. Raises JournalError."""
    path = stored_path(folder, sha256)
    return load(path.read_bytes(), str(path), vocabulary())


def stored_path(folder: Path, sha256: str) -> Path:
    """The file in the incident's folder that holds the runbook with this digest. Raises JournalError."""
    for path in (folder / RUNBOOK, folder / amended_name(sha256)):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise JournalError(
                f"The stored runbook {path} cannot be read: {error.strerror or error}."
            ) from None
        if hashlib.sha256(data).hexdigest() == sha256:
            return path
    raise JournalError(
        f"{folder} does not hold the runbook that this incident runs.",
        means="It was changed after it was stored; what ran before may not be what it says now.",
        next=f"Put the original back; its SHA-256 is {sha256}.",
        code="runbook-changed",
    )


def first_runbook(folder: Path) -> Runbook:
    """The runbook that lies there, held to no record: it tells where to look for a damaged one's copy.

    Raises JournalError where there is none, RunbookInvalid where it is none any more.
    """
    path = folder / RUNBOOK
    try:
        data = path.read_bytes()
    except OSError as error:
        raise JournalError(
            f"The stored runbook {path} cannot be read: {error.strerror or error}.",
            next="Name the place to compare with: --against s3://BUCKET/PREFIX or a folder.",
        ) from None
    return load(data, str(path), vocabulary())


def amended_name(sha256: str) -> str:
    """The name under which an amended runbook is stored beside the first one."""
    return f"runbook-{sha256[:16]}.yaml"


def store_once(path: Path, data: bytes) -> None:
    """Store it, durably, under a name that stands for these very bytes. What an interrupted amendment
    left there, the same or half of it, is no obstacle. Raises JournalError."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        if path.is_symlink() or not path.exists() or path.read_bytes() != data:
            store(draft, data)
            draft.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise _not_written(path, error) from None
    finally:
        with suppress(OSError):  # a disk that takes nothing may keep an empty file of a random name
            draft.unlink(missing_ok=True)


def store(path: Path, data: bytes) -> None:
    """Write a new file of one's own, mode 0600, synced. Raises JournalError."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise _not_written(path, error) from None


def _not_written(path: Path, error: OSError) -> JournalError:
    return JournalError(
        f"{path} cannot be written: {error.strerror or error}.",
        means="Nothing was started.",
        next="Make room or mend the permissions, or point DRBOOK_HOME at another place.",
    )
