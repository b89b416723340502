"""Which files a directory archive would have pg_restore open, found out without opening one.

Its table of contents names the file of each entry, its lists of large objects name those of each
object, and pg_restore opens what stands there, `../` and all (`pg_backup_directory.c`). So both are
read here first, by the rules of `ReadHead` and `ReadToc` in `pg_backup_archiver.c`, and whatever
pg_dump does not write is taken for hostile.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from drbook.core.values import plain, show_size
from drbook.providers.archive import CHUNK, Archive

LARGEST = 256 * 1024 * 1024
"""Bytes of a table of contents; pg_restore holds all of it in memory."""
_KNOWN = range(12, 17)
"""Minor versions of the format, 1.12 (PostgreSQL 9.1) to 1.16 (17 and 18)."""
_TAR = 3
"""What a directory's table of contents calls its format."""
_DATA = re.compile(rb"[0-9]{1,10}\.dat|blobs(?:_[0-9]{1,10})?\.toc")
"""The names that pg_dump gives; those of large objects are in the lists."""
_LIST = re.compile(r"blobs(?:_[0-9]+)?\.toc")
_PACKED = re.compile(r"blobs.*\.toc\.")


@dataclass(frozen=True, slots=True)
class Kept:
    """Why an archive is not given to pg_restore, in words that follow on `it `."""

    state: Literal["damaged", "unknown"]
    reason: str


class _Odd(Exception):
    """The table of contents is none that pg_dump writes."""


def why_not_read(archive: Archive) -> Kept | None:
    """What speaks against letting pg_restore read this archive; nothing for those in one file."""
    if archive.kind != "directory":
        return None
    try:
        return _look(archive.path)
    except _Odd as error:
        return Kept("damaged", f"has a table of contents that cannot be read: {error}")
    except OSError as error:
        return Kept("unknown", f"cannot be read: {error.strerror or error}")


def _look(folder: Path) -> Kept | None:
    names = sorted(os.listdir(folder))
    for name in names:
        path = folder / name
        if path.is_symlink() or not path.is_file():
            return _outside(name)
        if _PACKED.match(name):
            return Kept("unknown", f"has a packed list of large objects: {plain(name, 100)}")
    toc = folder / "toc.dat"
    if toc.stat().st_size > LARGEST:
        return Kept("unknown", f"has a table of contents of more than {show_size(LARGEST)}")
    with toc.open("rb") as stream:
        reading = _Toc(stream)
        if reading.major != 1 or reading.minor not in _KNOWN:
            return Kept(
                "unknown",
                f"is of the format's version {reading.major}.{reading.minor}, and which files that "
                "names is not known here",
            )
        for kind, file in reading.files():
            # A list of large objects is read as one, whatever its name: only those are looked into.
            wrong = kind == b"BLOBS" and reading.minor >= 16 and not file.endswith(b".toc")
            if wrong or not _DATA.fullmatch(file):
                return _outside(file.decode("utf-8", "replace"))
    for name in filter(_LIST.fullmatch, names):
        if found := _path_in(folder / name):
            return _outside(found)
    return None


def _outside(name: str) -> Kept:
    return Kept("damaged", f"names a file outside itself: {plain(name, 100)}")


def _path_in(listing: Path) -> str:
    """The first path that stands in a list of large objects, or nothing.

    pg_restore reads it in pieces of a kilobyte, so that one line may be several: no slash is let by.
    """
    with listing.open("rb") as stream:
        while piece := stream.read(CHUNK):
            at = piece.find(b"/")
            if at >= 0:
                begins = max(piece.rfind(blank, 0, at) for blank in (b" ", b"\t", b"\n")) + 1
                return piece[begins : at + 100].decode("utf-8", "replace")
    return ""


class _Toc:
    """The header, and one entry after the other. Raises _Odd."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        if self._bytes(5) != b"PGDMP":
            raise _Odd("it does not begin like one")
        self.major, self.minor, _, width, _, form = self._bytes(6)
        if width != 4 or form != _TAR:
            raise _Odd("its numbers or its format are of another kind")

    def files(self) -> Iterator[tuple[bytes, bytes]]:
        """What each entry is that has a file, and the name of that."""
        self._bytes(1) if self.minor >= 15 else self._bytes(5)  # compression
        self._bytes(7 * 5)  # when it was made
        for _ in range(3):  # database, version of the server and of pg_dump
            self._text()
        entries = int.from_bytes(self._bytes(5)[1:], "little")
        for _ in range(entries):
            yield from self._entry()

    def _entry(self) -> Iterator[tuple[bytes, bytes]]:
        self._bytes(10)  # id, and whether there is data
        for _ in range(3):  # oids and name
            self._text()
        kind = self._text() or b""
        self._bytes(5)  # section
        # Definition, its opposite, COPY, schema, tablespace; since 1.14 the access method.
        for _ in range(6 if self.minor >= 14 else 5):
            self._text()
        if self.minor >= 16:
            self._bytes(5)  # kind of relation
        for _ in range(2):  # owner, WITH OIDS
            self._text()
        while self._text() is not None:  # what it depends on
            pass
        if name := self._text():
            yield kind.split(b"\0")[0], name

    def _text(self) -> bytes | None:
        """A text behind a sign and four bytes of length; minus one stands for none."""
        sign, *size = self._bytes(5)
        length = int.from_bytes(size, "little")
        if sign:
            if length != 1:
                raise _Odd("a text has no length that can be")
            return None
        if length > LARGEST:
            raise _Odd("a text has no length that can be")
        return self._bytes(length)

    def _bytes(self, count: int) -> bytes:
        found = self._stream.read(count)
        if len(found) != count:
            raise _Odd("it ends early")
        return found
