"""A zip whose every byte follows from its members: names in order, stored as they are, one time, one mode.

Nothing is compressed, so that no library's version shows in it, and what is read is as long as the file.
Reading computes each header anew and compares: where one byte of one is another, it is no such zip.
(The layout is that of PKWARE's APPNOTE 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16.)
"""

import hashlib
import os
import re
import stat
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from drbook.providers.contents import PIECE, Content, pieces
from drbook.providers.download import sync_folder

LARGEST = 0xFFFFFFFF - 1
"""Bytes of one file, and of the whole: beyond it a zip needs other headers."""
MANY = 0xFFFF - 1
NAME = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9][A-Za-z0-9._-]{0,99}){0,3}", re.ASCII
)
"""What a member may be called: nothing hidden, nothing above, nothing that a shell or terminal reads."""

_LOCAL, _CENTRAL, _END = "<4s5H3I2H", "<4s6H3I5H2I", "<4s4H2IH"
_VERSION, _DAY, _MADE_BY = 20, 0x21, 3 << 8 | 20
"""Of the format (2.0), 1 January 1980, and Unix."""
_MODE = (stat.S_IFREG | 0o600) << 16


class Crooked(Exception):
    """The bytes are not those of such a zip; says where."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file in it, by where its bytes are."""

    name: str
    start: int
    size: int
    crc: int


def _local(name: bytes, crc: int, size: int) -> bytes:
    head = (b"PK\3\4", _VERSION, 0, 0, 0, _DAY, crc, size, size, len(name), 0)
    return struct.pack(_LOCAL, *head) + name


def _central(name: bytes, crc: int, size: int, at: int) -> bytes:
    head = (b"PK\1\2", _MADE_BY, _VERSION, 0, 0, 0, _DAY, crc, size, size)
    return struct.pack(_CENTRAL, *head, len(name), 0, 0, 0, 0, _MODE, at) + name


def _end(count: int, size: int, at: int) -> bytes:
    return struct.pack(_END, b"PK\5\6", 0, 0, count, count, size, at, 0)


def write(path: Path, files: Mapping[str, Content]) -> None:
    """A new file, mode 0600 and on disk when this returns. Raises OSError, ValueError for a name or a size
    that it cannot have."""
    if bad := [name for name in files if not NAME.fullmatch(name)]:
        raise ValueError(f"a member cannot be called {bad[0]!r}")
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as stream:
        directory = []
        for name in sorted(files):
            at, coded = stream.tell(), name.encode("ascii")
            stream.write(_local(coded, 0, 0))
            crc = size = 0
            for piece in pieces(files[name]):
                crc, size = zlib.crc32(piece, crc), size + len(piece)
                stream.write(piece)
            end = stream.tell()
            if end > LARGEST:
                raise ValueError("it is longer than 4 GiB")
            stream.seek(at)
            stream.write(_local(coded, crc, size))
            stream.seek(end)
            directory.append(_central(coded, crc, size, at))
        whole, at = b"".join(directory), stream.tell()
        if len(directory) > MANY or at + len(whole) > LARGEST:
            raise ValueError("it has more files or bytes than a plain zip can have")
        stream.write(whole + _end(len(directory), len(whole), at))
        stream.flush()
        os.fchmod(stream.fileno(), 0o600)
        os.fsync(stream.fileno())
    sync_folder(path.parent)


def members(stream: IO[bytes]) -> tuple[Member, ...]:
    """What is in it, every byte but those of the members compared. Raises Crooked, OSError."""
    length = stream.seek(0, os.SEEK_END)
    tail = _at(stream, length - 22, 22)
    if len(tail) != 22:
        raise Crooked("it is shorter than the end of a zip")
    _, _, _, count, _, size, start, _ = struct.unpack(_END, tail)
    if tail != _end(count, size, start) or start + size + 22 != length:
        raise Crooked("its last 22 bytes do not say where its directory is, or bytes follow them")
    directory, position, ends = _at(stream, start, size), 0, 0
    found: list[Member] = []
    for _ in range(count):
        member, position = _entry(directory, position, ends)
        coded = member.name.encode("ascii")
        head = _at(stream, ends, member.start - ends)
        if head != _local(coded, member.crc, member.size):
            raise Crooked(f"before {member.name} stands something else than what belongs there")
        if found and found[-1].name >= member.name:
            raise Crooked(f"{member.name} is out of order, or twice in it")
        found.append(member)
        ends = member.start + member.size
    if position != size or ends != start:
        raise Crooked("there are bytes between its members and its directory, or behind that")
    return tuple(found)


def _entry(directory: bytes, position: int, at: int) -> tuple[Member, int]:
    """The entry at `position` of the directory, of a member whose header begins at `at`."""
    fixed = directory[position : position + 46]
    if len(fixed) != 46:
        raise Crooked("its directory is cut short")
    values = struct.unpack(_CENTRAL, fixed)
    crc, size, length = values[7], values[8], values[10]
    coded = directory[position + 46 : position + 46 + length]
    name = coded.decode("ascii", "backslashreplace")
    if not NAME.fullmatch(name):
        raise Crooked("a member has a name that none can have")
    if fixed + coded != _central(coded, crc, size, at):
        raise Crooked(f"the entry of {name} is not the one that belongs there")
    return Member(name, at + 30 + length, size, crc), position + 46 + length


def _at(stream: IO[bytes], start: int, size: int) -> bytes:
    if start < 0:
        return b""
    stream.seek(start)
    return stream.read(size)


def blocks(stream: IO[bytes], member: Member) -> Iterator[bytes]:
    """The bytes of one member in pieces."""
    stream.seek(member.start)
    left = member.size
    while left and (piece := stream.read(min(left, PIECE))):
        left -= len(piece)
        yield piece


def lines(stream: IO[bytes], member: Member) -> Iterator[bytes]:
    """The same by lines, each with its end; the last may have none."""
    stream.seek(member.start)
    left = member.size
    while left and (line := stream.readline(left)):
        left -= len(line)
        yield line


def digest(stream: IO[bytes], member: Member) -> str:
    """Its SHA-256. Raises Crooked where its own checksum says something else."""
    found, crc = hashlib.sha256(), 0
    for piece in blocks(stream, member):
        found.update(piece)
        crc = zlib.crc32(piece, crc)
    if crc != member.crc:
        raise Crooked(f"{member.name} is damaged: its checksum does not fit")
    return found.hexdigest()
