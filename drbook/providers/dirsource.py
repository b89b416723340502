"""Reading backups from a directory: files and directory-format dumps, with manifests beside them."""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from drbook.core.baseline import Manifest
from drbook.core.errors import CouldNotVerify, StepFailed
from drbook.core.holding import NO_SNAPSHOT, NO_VAULT
from drbook.core.points import (
    ByteFact,
    LockFact,
    Observed,
    PointFacts,
    RecoveryPoint,
    SourceFacts,
)
from drbook.core.signals import Output, Progress, Working
from drbook.core.values import plain
from drbook.providers import bytefacts
from drbook.providers.naming import (
    MANIFEST,
    MAX_MANIFEST,
    is_dump,
    is_manifest,
    read_manifest,
    taken,
)
from drbook.providers.sources.base import Blob, Changed, Opening, Unreachable, seen_of
from drbook.providers.sources.directory import DirectorySource
from drbook.providers.sources.sealed import seal_of

CHUNK = 256 * 1024
_TOC = "toc.dat"


def directory_facts(source: str, folder: Path) -> SourceFacts:
    """What a directory says of itself as a place: where it really lies, and that it keeps and locks nothing."""
    nobody = "a directory does not say"
    try:
        real = folder.resolve(strict=True)
        with os.scandir(real):
            pass
    except (OSError, RuntimeError) as error:
        return SourceFacts(source=source, reachable=False, why_unreachable=_words(error))
    no = Observed(value=False)
    return SourceFacts(
        source=source,
        reachable=True,
        resource=str(real),
        account=Observed(why=nobody),
        versioned=no,
        lock_default=no,
        deletes_replicated=Observed(why=nobody),
        expires_after_days=Observed(why=nobody),
        policy_limits_deletes=no,
    )


class DirectoryReader:
    """Implements `Source`. Everything is opened below the directory, links are never followed."""

    def __init__(self, config: DirectorySource, opening: Opening) -> None:
        self._config = config
        self._cancel = opening.cancel
        self._root = Path(config.path).expanduser()
        self.left_out: tuple[str, ...] = ()
        """What the last listing could not see, in words."""

    def close(self) -> None:
        """Nothing is held open."""

    def survey(self) -> SourceFacts:
        return directory_facts(self._config.id, self._root)

    def points(self) -> Working[Sequence[RecoveryPoint]]:
        found: list[RecoveryPoint] = []
        left: list[str] = []
        try:
            root = self._root.resolve(strict=True)

            def unread(error: OSError) -> None:
                if error.filename is None or Path(error.filename) == root:
                    raise error
                left.append(f"{plain(str(error.filename), 300)}: {_words(error)}")

            for folder, names, files in os.walk(root, onerror=unread):
                self._cancel.raise_if_requested()
                here = Path(folder)
                if _TOC in files:
                    names.clear()
                    if here != root and _utf8(here):
                        found += self._try_point(root, here, left)
                    continue
                # A folder that is still being written under a dotted name is no backup yet.
                # Of a file system, `lost+found` is where its repair puts pieces.
                names[:] = sorted(
                    name for name in names if not name.startswith(".") and name != "lost+found"
                )
                for name in sorted(files):
                    path = here / name
                    if is_manifest(name) or not _regular(path):
                        continue
                    if not (is_dump(name) or _regular(path.with_name(name + MANIFEST))):
                        continue
                    if _utf8(path):
                        found += self._try_point(root, path, left)
                    else:
                        left.append(f"{plain(str(path), 300)}: its name is not UTF-8")
                yield Progress(f"list {plain(str(root), 200)}", len(found), None, "copies")
        except (OSError, RuntimeError) as error:
            raise CouldNotVerify(
                f"{plain(str(self._root), 300)} cannot be listed: {_words(error)}.",
                means="Recovery points there are unknown; this is not the same as none.",
                next="Check that the share is mounted here and readable for this user.",
                code="list-failed",
            ) from None
        self.left_out = tuple(left)
        for each in left[:10]:
            yield Output(f"left out: {each}")
        found.sort(key=lambda point: (point.taken_at, point.id), reverse=True)
        return found

    def _try_point(self, root: Path, path: Path, left: list[str]) -> list[RecoveryPoint]:
        """The copy, or nothing where its file cannot be looked at (any more): that hides no other one."""
        try:
            return [self._point(root, path)]
        except OSError as error:
            left.append(f"{plain(str(path), 300)}: {_words(error)}")
            return []

    def _point(self, root: Path, path: Path) -> RecoveryPoint:
        beside = path.with_name(path.name + MANIFEST)
        manifest: Manifest | None = None
        note = ""
        has_manifest = _regular(beside)
        if has_manifest:
            try:
                manifest = _load(beside)
            except CouldNotVerify as error:
                note = error.what
        files = _tree(path) if path.is_dir() else [path]
        infos = [each.lstat() for each in files]
        written = _moment(max(info.st_mtime for info in infos))
        when = taken(str(path.relative_to(root)), written, manifest, "file")
        one = not path.is_dir()
        return RecoveryPoint(
            source=self._config.id,
            id=str(path.relative_to(root)),
            taken_at=when.at,
            taken_by=when.by,
            taken_note="; ".join(part for part in (when.note, note) if part),
            size=sum(info.st_size for info in infos),
            seen=seen_of(
                [
                    ("" if one else each.name, _seen(info))
                    for each, info in zip(files, infos, strict=True)
                ]
            ),
            format=self._config.format,
            digest=manifest.sha256 if manifest and one else None,
            digest_by="manifest" if manifest and one else "none",
            manifest=str(beside.relative_to(root)) if has_manifest else None,
            location=plain(str(path)),
            domain=self._config.domain,
        )

    def facts(self, point: RecoveryPoint) -> PointFacts:
        described = PointFacts(point=point, lock=LockFact(), vault=NO_VAULT, snapshot=NO_SNAPSHOT)
        try:
            path = self._inside(point.id)
            files = _tree(path) if path.is_dir() else [path]
            size = sum(each.lstat().st_size for each in files)
            manifest = self.manifest(point)
            first = path / _TOC if path.is_dir() else path
            found = bytefacts.quick(
                point,
                size,
                manifest.size if manifest else None,
                lambda: _head(first),
                seal_of(self._config),
            )
        except FileNotFoundError:
            return described.model_copy(update={"still_there": False})
        except OSError as error:
            found = ByteFact(state="unknown", reason=_words(error))
        except CouldNotVerify as error:
            found = ByteFact(state="unknown", reason=error.what)
        return described.model_copy(update={"hidden_by_delete_marker": False, "bytes": found})

    def manifest(self, point: RecoveryPoint) -> Manifest | None:
        return None if point.manifest is None else _load(self._inside(point.manifest))

    def files(self, point: RecoveryPoint) -> Sequence[tuple[str, Blob]]:
        try:
            path = self._inside(point.id)
            if path.is_dir():
                return [(str(each.relative_to(path)), FileBlob(each)) for each in _tree(path)]
            return [("", FileBlob(path))]
        except OSError as error:
            raise StepFailed(
                f"{point.location} cannot be read: {_words(error)}.",
                means="Nothing was copied by this attempt; what arrived before is kept.",
                next="Check that the share is mounted here and readable for this user.",
                code="download",
            ) from None

    def _inside(self, id: str) -> Path:
        """The path of an id, which must lie below the directory without passing a link."""
        root = self._root.resolve(strict=True)
        path = root / id
        if path.resolve(strict=True) != path or not path.is_relative_to(root):
            raise FileNotFoundError(f"{plain(id, 200)} is not a file of this directory")
        return path


class FileBlob:
    """One file's bytes, pinned by inode, size and time of the last write."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self._path = path
        with self._open() as stream:
            info = os.fstat(stream.fileno())
        self.size = info.st_size
        self.sha256: str | None = None
        self.seen = _seen(info)
        self.identity = _identity(info)

    @contextmanager
    def read(self, offset: int) -> Iterator[Iterator[bytes]]:
        """Raises Changed where the file is another now, Unreachable where it cannot be read."""
        try:
            stream = self._open()
        except OSError as error:
            raise Unreachable(_words(error)) from None
        with stream:
            if _identity(os.fstat(stream.fileno())) != self.identity:
                raise Changed("the file was written again")
            stream.seek(offset)
            yield _chunks(stream)

    def _open(self) -> IO[bytes]:
        # Neither a link nor a pipe put in its place is opened.
        descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError("it is no regular file")
        return os.fdopen(descriptor, "rb", buffering=0)


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    try:
        while chunk := stream.read(CHUNK):
            yield chunk
    except OSError as error:
        raise Unreachable(_words(error)) from None


def _identity(info: os.stat_result) -> str:
    return f"{info.st_dev}:{info.st_ino} {info.st_size} {info.st_mtime_ns}"


def _seen(info: os.stat_result) -> str:
    """Without device and inode, which another machine numbers in its own way."""
    return f"{info.st_size} {info.st_mtime_ns}"


def _moment(seconds: float) -> datetime:
    """A file's time; one beyond what can be said is the last or the first that can."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):  # a file system keeps what it was told
        return (datetime.max if seconds > 0 else datetime.min).replace(tzinfo=UTC)


def _utf8(path: Path) -> bool:
    """The record is JSON, which holds no other names."""
    return not any("\ud800" <= character <= "\udfff" for character in str(path))


def _regular(path: Path) -> bool:
    """False for what is not there, and for a name that the file system does not take."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def _tree(folder: Path) -> list[Path]:
    """The regular files of a directory-format dump, which is flat; others are not part of it."""
    return [each for each in sorted(folder.iterdir()) if _regular(each)]


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(bytefacts.HEAD)


def _load(path: Path) -> Manifest:
    try:
        with path.open("rb") as stream:
            return read_manifest(stream.read(MAX_MANIFEST + 1))
    except (OSError, ValueError) as error:
        words = _words(error) if isinstance(error, OSError) else str(error)
        raise CouldNotVerify(
            f"The manifest {plain(str(path), 300)} cannot be read: {plain(words, 300)}.",
            means="What the copy should hold is unknown, so it cannot be compared.",
            next="See who wrote it; the dump may be good.",
            code="manifest",
        ) from None


def _words(error: Exception) -> str:
    strerror = getattr(error, "strerror", None)
    return plain(str(strerror or error), 200)
