"""The go-bag as a file or a folder: written whole or not at all, and read again without trusting it.

A zip's bytes are a function of what is put in: names in order, times from the pack's own, no machine's.
"""

import os
import stat
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO

from drbook.core.errors import StepFailed, UsageError
from drbook.core.gobag import MANIFEST, RUNBOOK, Looked, Manifest, Packed
from drbook.core.values import plain
from drbook.providers import private
from drbook.providers.contents import LARGEST as LARGEST
from drbook.providers.contents import Content as Content
from drbook.providers.contents import measured, pieces
from drbook.providers.contents import packed as packed
from drbook.providers.download import sync_folder

MANY = 2000
"""Files of one go-bag; wheels are about fifty."""
MANIFEST_LARGEST = 4 * 1024 * 1024


# --- writing -----------------------------------------------------------------------------------


def may_write(path: Path, *, replace: bool) -> None:
    """Raises UsageError where a go-bag cannot be written there, before anything is gathered for it."""
    why = ""
    if os.path.lexists(path):
        if not replace:
            why = "it exists already"
        elif not stat.S_ISREG(path.lstat().st_mode) or not _is_bag(path):
            why = "what lies there is no go-bag of one file, and nothing else is replaced"
    elif not os.access(path.parent, os.W_OK | os.X_OK):
        why = "its folder is not there, or cannot be written to"
    if why:
        raise UsageError(
            f"{plain(str(path), 300)} cannot be written: {why}.",
            means="Nothing was packed.",
            next="Give another name in a folder that is there; --replace puts a new go-bag in the place of "
            "an old one.",
            code="pack-place",
        )


def _is_bag(path: Path) -> bool:
    return look(path).manifest is not None


def write(path: Path, files: Mapping[str, Content], at: datetime) -> None:
    """A zip where the name ends in `.zip`, else a new folder; mode 0600, on disk when this returns, and
    under its name only when it is whole. Raises StepFailed."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            if path.suffix.lower() == ".zip":
                _zip(fresh, files, at)
                os.replace(fresh, path)
            else:
                _folder(fresh, files)
                fresh.rename(path)
        except BaseException:
            _remove(fresh)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise StepFailed(
            f"The go-bag {plain(str(path), 300)} cannot be written: {error.strerror or error}.",
            means="None was left there; an older one that it should replace is as it was.",
            next="Look at the disk, its free space and its permissions, and pack again.",
            code="pack-write",
        ) from None


def _zip(path: Path, files: Mapping[str, Content], at: datetime) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as stream:
        with zipfile.ZipFile(stream, "w") as archive:
            for name in sorted(files):
                content = files[name]
                info = zipfile.ZipInfo(name, at.timetuple()[:6])
                info.create_system, info.external_attr = 3, (stat.S_IFREG | 0o600) << 16
                # A wheel is packed already.
                whole = isinstance(content, bytes)
                info.compress_type = zipfile.ZIP_DEFLATED if whole else zipfile.ZIP_STORED
                info.file_size = (
                    len(content) if isinstance(content, bytes) else content.stat().st_size
                )
                with archive.open(info, "w") as into:
                    for piece in pieces(content):
                        into.write(piece)
        stream.flush()
        os.fsync(stream.fileno())


def _folder(path: Path, files: Mapping[str, Content]) -> None:
    path.mkdir(mode=0o700)
    for name in sorted(files):
        private.folders((path / name).parent)
        with private.replace_bytes(path / name) as stream:
            for piece in pieces(files[name]):
                stream.write(piece)
            stream.flush()
            os.fsync(stream.fileno())


def _remove(path: Path) -> None:
    if path.is_dir():
        for one in sorted(path.rglob("*"), reverse=True):
            one.rmdir() if one.is_dir() else one.unlink()
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


# --- looking -----------------------------------------------------------------------------------


def look(path: Path) -> Looked:
    """Read it to its end and hold it to its manifest. Never raises for what lies there."""
    try:
        with _opened(path) as (names, read):
            return _held(names, read)
    except OSError as error:
        return Looked(unread=f"it cannot be read: {plain(error.strerror or str(error), 200)}")
    except Exception as error:  # noqa: BLE001 - a damaged zip raises whatever its reader does
        return Looked(problems=(f"it is no whole zip: {_why(error)}",))


def _why(error: Exception) -> str:
    return plain(" ".join(str(error).split()) or type(error).__name__, 200)


def whole_digest(path: Path) -> str:
    """SHA-256 of the file, or of a folder's manifest: by which a record knows it again. Raises OSError."""
    return packed(path / MANIFEST if path.is_dir() else path).sha256


class _Reader:
    """Gives a file's bytes by its name."""

    def __init__(self, open_: "zipfile.ZipFile | Path") -> None:
        self._open = open_

    @contextmanager
    def __call__(self, name: str) -> Iterator[IO[bytes]]:
        if isinstance(self._open, zipfile.ZipFile):
            with self._open.open(name) as stream:
                yield stream
        else:
            handle = os.open(self._open / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(handle, "rb") as stream:
                yield stream


@contextmanager
def _opened(path: Path) -> Iterator[tuple[list[str], _Reader]]:
    if path.is_dir():
        files = [one for one in path.rglob("*") if not one.is_dir() or one.is_symlink()]
        yield [one.relative_to(path).as_posix() for one in files], _Reader(path)
        return
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with ExitStack() as stack:
        stream = stack.enter_context(os.fdopen(handle, "rb"))
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(0, "it is no regular file")
        archive = stack.enter_context(zipfile.ZipFile(stream))
        yield archive.namelist(), _Reader(archive)


def _held(names: list[str], read: _Reader) -> Looked:
    if len(names) > MANY:
        return Looked(problems=(f"it holds {len(names)} files, where {MANY} are the most",))
    if names.count(MANIFEST) != 1:
        return Looked(problems=(f"it holds {names.count(MANIFEST) or 'no'} {MANIFEST}",))
    try:
        with read(MANIFEST) as stream:
            text = stream.read(MANIFEST_LARGEST)
        manifest = Manifest.model_validate_json(text)
    except Exception as error:  # noqa: BLE001 - see `look`; what is no manifest is as bad
        return Looked(problems=(f"its {MANIFEST} cannot be read: {_why(error)}",))
    problems = [
        f"{plain(name, 200)} is in it and not in its manifest"
        for name in names
        if name not in manifest.files and name != MANIFEST
    ]
    problems += [
        f"{plain(name, 200)} is in it twice" for name in set(names) if names.count(name) > 1
    ]
    for name, stated in sorted(manifest.files.items()):
        if why := _differs(name, stated, names, read):
            problems.append(f"{plain(name, 200)} {why}")
    stated_runbook = manifest.files.get(RUNBOOK)
    if stated_runbook is None or stated_runbook.sha256 != manifest.runbook_sha256:
        problems.append(f"its {RUNBOOK} is not the one that its manifest names")
    return Looked(manifest, tuple(problems))


def _differs(name: str, stated: Packed, names: list[str], read: _Reader) -> str:
    if name not in names:
        return "is missing"
    try:
        with read(name) as stream:
            found = measured(stream, min(stated.size, LARGEST))
    except Exception as error:  # noqa: BLE001 - see `look`
        return f"cannot be read: {_why(error)}"
    if found.size != stated.size:
        return "is cut short" if found.size < stated.size else "is longer than its manifest says"
    return "" if found.sha256 == stated.sha256 else "has another SHA-256 than its manifest says"
