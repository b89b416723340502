"""An archive of WAL that is a folder: segments as an `archive_command` or pg_receivewal puts them there,
plain or packed."""

import gzip
import lzma
import os
import shutil
import zlib
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import zstandard

from drbook.core.errors import CouldNotVerify, StepFailed
from drbook.core.values import plain, show_time
from drbook.core.walnames import HISTORY, USUAL, Segment, reach, segment, way_by_names
from drbook.providers.sources.base import WAL_DAMAGED

PARTIAL = ".partial"
"""What pg_receivewal calls the segment that it still writes. It is of full size, and replayed as far as
it goes."""
_PACKED = ("", ".gz", ".zst", ".xz", PARTIAL, ".gz" + PARTIAL)
_SPOILT = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, zstandard.ZstdError)
"""What unpacking raises for bytes that are not what was packed."""
_BAD = (OSError, *_SPOILT)


@dataclass(frozen=True, slots=True)
class Rolls:
    """How far the archive reaches from a copy on."""

    to: datetime | None
    note: str


class WalFolder:
    """Implements `WalArchive`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def close(self) -> None:
        """Nothing is held open."""

    def get(self, name: str, into: Path) -> bool:
        try:
            if not os.path.isdir(self._folder):
                raise FileNotFoundError(0, "the folder is not there")
            for ending in _PACKED:
                path = self._folder / (name + ending)
                if path.is_file():
                    _unpack(path, into)
                    return True
        except _SPOILT as error:
            into.unlink(missing_ok=True)
            raise StepFailed(
                f"The WAL {plain(name, 60)} in {plain(str(self._folder), 300)} is damaged: it cannot be "
                f"unpacked ({plain(str(error), 200)}).",
                means="What is in it and after it cannot be replayed; nobody takes that for the end.",
                next="Recover to a moment before it, or look for another copy of this file.",
                code=WAL_DAMAGED,
            ) from None
        except OSError as error:
            raise CouldNotVerify(
                f"The WAL {plain(name, 60)} in {plain(str(self._folder), 300)} cannot be read: "
                f"{plain(str(error), 200)}.",
                means="What comes after it cannot be replayed; nobody takes that for the end.",
                next="Look at its disk and at this file, or aim at a moment before it.",
                code="wal-unreadable",
            ) from None
        return False

    def rolls(self, start: str) -> Rolls:
        """How far an unbroken row of segments reaches from this one on. Raises CouldNotVerify where the folder
        cannot be listed."""
        held: dict[Segment, datetime] = {}
        histories: set[int] = set()
        size = self._size()
        first = segment(start, size)
        try:
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    if (told := HISTORY.match(entry.name)) and entry.name[told.end() :] in _PACKED:
                        histories.add(int(told[1], 16))
                    found = segment(entry.name.split(".", 1)[0], size)
                    bare = entry.name[24:]
                    if found is None or bare not in _PACKED or not entry.is_file():
                        continue
                    at = datetime.fromtimestamp(entry.stat().st_mtime, UTC)
                    held[found] = min(at, held.get(found, at))
        except OSError as error:
            raise CouldNotVerify(
                f"The archive of WAL in {plain(str(self._folder), 300)} cannot be listed: {error.strerror}.",
                means="To which moment a copy can be rolled forward is unknown.",
                next="Check that its disk is mounted here and readable for this user.",
                code="list-failed",
            ) from None
        return _judged(first, held, histories, size) if first is not None else Rolls(None, "")

    def first_bytes(self, name: str, count: int) -> bytes:
        """The beginning of a segment; empty where there is none, or it cannot be read."""
        for ending in _PACKED:
            path = self._folder / (name + ending)
            try:
                with closing(_opened(path)) as stream:
                    return bytes(stream.read(count))
            except _BAD:
                continue
        return b""

    def _size(self) -> int:
        """Bytes of a segment, from one that is not packed."""
        try:
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    if len(entry.name) == 24 and entry.is_file() and entry.stat().st_size:
                        return entry.stat().st_size
        except OSError:
            return USUAL
        return USUAL


def _judged(
    first: Segment, held: Mapping[Segment, datetime], histories: Collection[int], size: int
) -> Rolls:
    found = reach(first.number, held, way_by_names(first, held, histories))
    if found.last is None:
        return Rolls(None, f"the archive lacks {first.name(size)}, which it begins with")
    at = held[found.last]
    note = f"the last segment was written at {show_time(at)} by its folder's clock: at most to then"
    if found.missing is not None:
        note += f"; {found.missing.name(size)} is missing, and what comes after it is of no use"
    return Rolls(at, note)


def _opened(path: Path) -> Any:
    """A stream of its bytes, unpacked."""
    name = path.name.removesuffix(PARTIAL)
    if name.endswith(".gz"):
        return gzip.open(path)
    if name.endswith(".xz"):
        return lzma.open(path)
    if name.endswith(".zst"):
        return zstandard.open(path)
    return path.open("rb")


def _unpack(path: Path, into: Path) -> None:
    if path.name.removesuffix(PARTIAL).endswith(".zst"):
        _unpack_zst(path, into)
        return
    with closing(_opened(path)) as packed, into.open("xb") as stream:
        shutil.copyfileobj(packed, stream, 1024 * 1024)


def _unpack_zst(path: Path, into: Path) -> None:
    """Its reader takes a file that is cut for one that ends there. Raises ZstdError, OSError."""
    unpacker = zstandard.ZstdDecompressor().decompressobj()
    with path.open("rb") as packed, into.open("xb") as stream:
        while not unpacker.eof:
            piece = packed.read(64 * 1024)
            if not piece:
                raise zstandard.ZstdError("it ends too early")
            stream.write(unpacker.decompress(piece))
