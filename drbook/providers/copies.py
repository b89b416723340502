"""What lies in an incident's `copies/`: fetched dumps, and beside each what was proven of it."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Collection
from pathlib import Path

from drbook.core.baseline import Manifest
from drbook.core.points import ByteFact, RecoveryPoint
from drbook.core.ports import Cancel
from drbook.core.signals import Progress, Working
from drbook.core.targets import LocalCopy
from drbook.core.values import plain
from drbook.providers import private
from drbook.providers.download import part_of, sync_folder

COPIES = "copies"
Fetched = tuple[ByteFact, LocalCopy | None]
_CHUNK = 1024 * 1024


class Copies:
    """The copies of one incident, whose folder is `folder`. Everything here may raise OSError."""

    def __init__(self, folder: Path, cancel: Cancel) -> None:
        self._folder = folder
        self._cancel = cancel

    def target(self, point: RecoveryPoint) -> Path:
        """A name of our own making: what a store calls an object never becomes a path."""
        copies = self._folder / COPIES
        copies.mkdir(mode=0o700, exist_ok=True)
        last = re.sub(r"[^A-Za-z0-9._-]", "_", point.id.rsplit("/", 1)[-1])[-80:].lstrip(".-")
        tag = hashlib.sha256(point.key.encode("utf-8", "backslashreplace")).hexdigest()[:12]
        return copies / f"{point.source}-{tag}-{last or 'copy'}"

    def begin(self, target: Path, names: Collection[str]) -> None:
        """A folder for files with these names that holds nothing but the parts of them that came before:
        a file of another dump would be taken for this one's."""
        target.mkdir(mode=0o700, exist_ok=True)
        parts = {part for name in names for part in part_of(name)}
        for each in target.iterdir():
            if each.name not in parts:
                remove(each)

    def keep(
        self,
        point: RecoveryPoint,
        fact: ByteFact,
        target: Path,
        size: int,
        sha256: str,
        checked: str,
        manifest: Manifest | None = None,
        *,
        stored: str | None = None,
    ) -> Fetched:
        """Note beside the copy what was proven of it; what a `manifest` says of it counts only where its
        digest was. `stored` is the SHA-256 of what the place holds, where that is encrypted and this is
        not."""
        counts = manifest.counts if manifest is not None else None
        copy = LocalCopy.model_validate(
            {
                "name": str(target.relative_to(self._folder)),
                "size": size,
                "sha256": sha256,
                "checked": checked,
                "held": fact.held,
                "database_bytes": counts.database_bytes if counts is not None else None,
            }
        )
        note = _note_of(target)
        fresh = note.with_name(note.name + ".new")
        with private.replace(fresh) as stream:
            # What the archive holds stands in both, and is written once.
            said = fact.model_dump(exclude={"held"})
            noted = {"copy": copy.model_dump(), "fact": said, "bytes": point.bytes_key}
            json.dump(noted | {"stored": stored or sha256}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(note)
        sync_folder(note.parent)
        return fact, copy

    def drop(self, target: Path) -> None:
        """Remove a copy with what is noted of it."""
        target.unlink(missing_ok=True)
        _note_of(target).unlink(missing_ok=True)

    def here(self, point: RecoveryPoint, target: Path) -> Working[Fetched | None]:
        """An earlier checked copy of these very bytes, which are read again and still match. What stood
        under the same name before is another copy: nothing of it says what this one holds."""
        try:
            noted = json.loads(_note_of(target).read_text())
            if noted["bytes"] != point.bytes_key:
                return None
            copy = LocalCopy.model_validate(noted["copy"])
            fact = ByteFact.model_validate(noted["fact"] | {"held": copy.held})
            stored = noted.get("stored", copy.sha256)
            digest = yield from self._digest(target, copy.size)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if digest != copy.sha256 or (point.digest is not None and stored != point.digest):
            return None
        return fact, copy

    def _digest(self, target: Path, size: int) -> Working[str]:
        if target.is_file():
            return (yield from self._hash(target, 0, size))
        total = hashlib.sha256()
        done = 0
        for path in sorted(target.iterdir()):
            found = yield from self._hash(path, done, size)
            done += path.stat().st_size
            total.update(f"{found}  {path.name}\n".encode())
        return total.hexdigest()

    def _hash(self, path: Path, done: int, size: int) -> Working[str]:
        """The file's SHA-256; `done` of `size` bytes were read before it."""
        digest = hashlib.sha256()
        name = plain(path.name, 100)
        unsaid = 0
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                self._cancel.raise_if_requested()
                digest.update(chunk)
                done += len(chunk)
                unsaid += len(chunk)
                if unsaid >= 16 * _CHUNK:
                    unsaid = 0
                    yield Progress("read again", done, size, "bytes", name)
        yield Progress("read again", done, size, "bytes", name)
        return digest.hexdigest()


def sha256_of(path: Path) -> str:
    """Of one file that was just written; it is synced to the disk. Raises OSError."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
        return hashlib.file_digest(stream, "sha256").hexdigest()


def remove(path: Path) -> None:
    """A file, or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _note_of(target: Path) -> Path:
    return target.with_name(target.name + ".checked.json")
