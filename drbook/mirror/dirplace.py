"""A mirror in a directory: files of one's own, created once, durable before they have their name."""

import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from drbook.core.values import plain
from drbook.mirror.place import MAX_NAMES, MAX_OBJECT, MirrorConflict, MirrorDown, Stored

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_INSIDE = _FOLDER | os.O_NOFOLLOW
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class DirectoryPlace:
    """Implements `mirror.place.Place`. No link is followed below the directory that was named."""

    def __init__(self, root: Path, incident: str) -> None:
        self._root = root
        self._incident = incident
        self._folder: tuple[int, int] | None = None
        """Device and inode of the incident's folder, once it was seen: where another disk is mounted
        there since, or none, a new folder of that name would be another place."""

    @property
    def location(self) -> str:
        return plain(str(self._root / self._incident), 400)

    @property
    def note(self) -> str:
        return ""

    def create(self, name: str, data: bytes) -> bool:
        with self._failing("written"):
            folder, _, last = name.rpartition("/")
            with self._open(folder, make=True) as handle:
                draft = f".{last[:40]}.{secrets.token_hex(8)}"
                try:
                    _write_new(draft, data, handle)
                    # Linking, unlike renaming, never replaces what is there; and a file that a
                    # crash cut short never gets the name.
                    os.link(
                        draft, last, src_dir_fd=handle, dst_dir_fd=handle, follow_symlinks=False
                    )
                except FileExistsError:
                    return self._same(last, handle, name, data)
                finally:
                    _forget(draft, handle)
                os.fsync(handle)
        return True

    def _same(self, last: str, handle: int, name: str, data: bytes) -> bool:
        theirs = _read_file(last, handle, max(MAX_OBJECT, len(data)))
        if theirs != data:
            raise MirrorConflict(f"{self.location} holds other bytes as {name}.", theirs)
        return False

    def listed(self, folder: str) -> Sequence[Stored]:
        found: list[Stored] = []
        with self._failing("listed"):
            try:
                with self._open(folder) as handle, os.scandir(handle) as entries:
                    for entry in entries:
                        if entry.name.startswith("."):
                            continue
                        if len(found) >= MAX_NAMES:
                            raise MirrorDown(
                                f"{self.location} holds more names than drbook writes."
                            )
                        size = entry.stat(follow_symlinks=False).st_size
                        found.append(Stored(folder + entry.name, size))
            except FileNotFoundError:
                self._root.stat()  # a folder may be absent; the mirror itself may not
        return sorted(found, key=lambda stored: stored.name)

    def read(self, stored: Stored, limit: int = MAX_OBJECT) -> bytes:
        folder, _, last = stored.name.rpartition("/")
        with self._failing("read"), self._open(folder) as handle:
            return _read_file(last, handle, limit)

    def close(self) -> None:
        """Nothing is kept open."""

    @contextmanager
    def _open(self, folder: str, *, make: bool = False) -> Iterator[int]:
        """A folder below the root, part by part."""
        handle = os.open(self._root, _FOLDER)
        try:
            for number, part in enumerate((self._incident, *filter(None, folder.split("/")))):
                if make and (number or self._folder is None):
                    _make_folder(part, handle)
                inner = os.open(part, _INSIDE, dir_fd=handle)
                os.close(handle)
                handle = inner
                if not number:
                    self._same_folder(handle)
            yield handle
        finally:
            os.close(handle)

    def _same_folder(self, handle: int) -> None:
        found = os.fstat(handle)
        now = (found.st_dev, found.st_ino)
        if self._folder not in (None, now):
            raise OSError(
                "another folder is there than before; was something unmounted or mounted?"
            )
        self._folder = now

    @contextmanager
    def _failing(self, how: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            missing = isinstance(error, FileNotFoundError) and not self._root.exists()
            why = "it does not exist" if missing else error.strerror or str(error)
            raise MirrorDown(
                f"The mirror {self.location} cannot be {how}: {plain(why, 200)}.",
                means="What it lacks is on this machine alone.",
                next=f"Is {plain(str(self._root), 200)} mounted, writable and not full?",
            ) from None


def _make_folder(name: str, parent: int) -> None:
    try:
        os.mkdir(name, 0o700, dir_fd=parent)
    except FileExistsError:
        return
    os.fsync(parent)


def _write_new(name: str, data: bytes, folder: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, 0o600, dir_fd=folder), "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _forget(name: str, folder: int) -> None:
    """Take away the draft, which is our own and has a random name."""
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return


def _read_file(name: str, folder: int, limit: int) -> bytes:
    with os.fdopen(os.open(name, _READ, dir_fd=folder), "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(f"{plain(name, 100)} is no regular file")
        return stream.read(limit + 1)
