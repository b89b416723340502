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
from drbook.providers.archive import Archive
from drbook.providers.frames import why_not_whole

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
_SUFFIXES = (".gz", ".lz4", ".zst")
"""Of packed files; pg_restore looks for them where there is none with the name alone."""
_FRAMED = (".lz4", ".zst")
_EMPTY_OBJECT = re.compile(r"blob_[0-9]+\.dat\.(?:lz4|zst)")
"""What may honestly have no byte: an empty large object, for which lz4 and zstd write no frame."""
_DATA_END = b"\n\n"
"""Behind the rows of a table, as COPY and as INSERT statements (`dumpTableData_*` in pg_dump.c)."""
_OBJECT = re.compile(rb"([0-9]{1,10}) blob_\1\.dat\n")
_LINE = 1000


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
    names = frozenset(os.listdir(folder))
    for name in sorted(names):
        if found := _odd_file(folder / name, names):
            return found
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
            if kind == b"TABLE DATA" and _cut(name := file.decode("ascii"), folder, names):
                return Kept("damaged", f"ends early in {name}, which holds rows of a table")
    for name in filter(_LIST.fullmatch, sorted(names)):
        if found := _listed(folder / name):
            return found
    return None


def _odd_file(path: Path, names: frozenset[str]) -> Kept | None:
    """A file that pg_dump does not leave in a directory."""
    shown = plain(path.name, 100)
    if path.is_symlink() or not path.is_file():
        return _outside(path.name)
    if _PACKED.match(path.name):
        return Kept("unknown", f"has a packed list of large objects: {shown}")
    if path.suffix in _SUFFIXES and path.stem in names:
        return Kept(
            "damaged", f"holds two files for one entry: {shown}, and one that is not packed"
        )
    if path.suffix not in _SUFFIXES:
        return None
    if not path.stat().st_size:
        if _EMPTY_OBJECT.fullmatch(path.name):
            return None
        # pg_restore takes it for the packed form of nothing.
        return Kept("damaged", f"holds a packed file without a byte: {shown}")
    return _unfinished(path) if path.suffix in _FRAMED else None


def _unfinished(path: Path) -> Kept | None:
    """A packed file without its end. (In one of gzip pg_restore notices it.)"""
    with path.open("rb") as stream:
        why = why_not_whole(stream)
    return Kept("damaged", f"holds {plain(path.name, 100)}, which {why}") if why else None


def _outside(name: str) -> Kept:
    return Kept("damaged", f"names a file outside itself: {plain(name, 100)}")


def _cut(name: str, folder: Path, names: frozenset[str]) -> bool:
    """Whether a table's data, where it is not packed, lacks the empty line that pg_dump ends it with."""
    if name not in names:
        return False
    with (folder / name).open("rb") as stream:
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - len(_DATA_END)))
        return stream.read() != _DATA_END


def _listed(listing: Path) -> Kept | None:
    """What is wrong with a list of large objects, each of which has a file of its own name.

    pg_restore reads it in pieces of a kilobyte, so that one line may be several: none is as long.
    """
    with listing.open("rb") as stream:
        while line := stream.readline(_LINE):
            if b"/" in line:
                name = next(word for word in line.split() if b"/" in word)
                return _outside(name.decode("utf-8", "replace"))
            if not _OBJECT.fullmatch(line):
                shown = plain(line.decode("utf-8", "replace").strip(), 100)
                return Kept("damaged", f"lists a large object as pg_dump does not: {shown!r}")
    return None


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
