"""pg_dump's four formats, plain or compressed: telling them apart and reading their bytes."""

import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, Protocol

import zstandard

from drbook.core.signals import Progress, Signal
from drbook.core.values import plain

Kind = Literal["custom", "tar", "directory", "plain", "empty", "unknown"]
Compression = Literal["none", "gzip", "zstd", "xz"]

CHUNK = 256 * 1024
_HEAD = 4096
_PIECE = 1024
"""Bytes of a zstd file that are unpacked at once: at most 256 blocks, which hold 128 KiB each."""


@dataclass(frozen=True, slots=True)
class Archive:
    """A dump on disk, and what its first bytes say that it is."""

    path: Path
    kind: Kind
    compression: Compression = "none"
    head: bytes = b""
    """The first bytes, decompressed."""

    @property
    def needs_feed(self) -> bool:
        """True where the tools cannot open the file themselves."""
        return self.compression != "none"

    def show(self) -> str:
        packed = "" if self.compression == "none" else f", {self.compression}"
        return f"pg_dump {self.kind}{packed}"


class Unreadable(Exception):
    """The compressed stream is damaged or ends early."""


def open_archive(path: Path) -> Archive:
    """Look at the first bytes. Raises OSError."""
    path = path.absolute()  # a name that begins with - is no option of the program that reads it
    if path.is_dir():
        return Archive(path, "directory" if (path / "toc.dat").is_file() else "unknown")
    with path.open("rb") as stream:
        start = stream.read(_HEAD)
    compression = compression_of(start)
    if compression == "none":
        return Archive(path, sniff(start), "none", start)
    try:
        with decompressed(path, compression) as reading:
            head = reading.read(_HEAD)
    except Unreadable:
        head = b""
    return Archive(path, sniff(head) if head else "unknown", compression, head)


_SKIPPED = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
"""A frame that holds no data (RFC 8878, 3.1.2): `pzstd` begins a file with one."""


def compression_of(head: bytes) -> Compression:
    """What a file that begins like this is compressed with."""
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head.startswith(b"\x28\xb5\x2f\xfd") or _SKIPPED.match(head):
        return "zstd"
    if head.startswith(b"\xfd7zXZ\x00"):
        return "xz"
    return "none"


def sniff(head: bytes) -> Kind:
    """The kind of dump that begins like this."""
    if not head:
        return "empty"
    if head.startswith(b"PGDMP"):
        return "custom"
    if head[257:262] == b"ustar" and head.startswith((b"toc.dat\0", b"./toc.dat\0")):
        return "tar"
    if re.search(rb"^-- PostgreSQL database dump", head[:1024], re.MULTILINE):
        return "plain"
    return "unknown"


_PACKED = {
    b"\x04\x22\x4d\x18": "lz4",
    b"BZh": "bzip2",
    b"PK\x03\x04": "zip",
    b"age-encryption.org/": "age",
    b"-----BEGIN AGE ENCRYPTED FILE": "age",
    b"-----BEGIN PGP MESSAGE": "OpenPGP",
    b"Salted__": "openssl",
}
"""First bytes of what is no dump itself and may hold one (the formats' own specifications)."""


def packed_by(head: bytes) -> str:
    """What a file is packed or encrypted with that nothing here unpacks; empty where it is not."""
    found = next((name for magic, name in _PACKED.items() if head.startswith(magic)), "")
    return found or ("OpenPGP" if _OPENPGP.match(head) else "")


_OPENPGP = re.compile(
    rb"(?:\x84.|\x85..|\xc1(?:[\x00-\xbf]|[\xc0-\xdf].))[\x03\x06]"  # a key's, of version 3 or 6
    rb"|(?:\x8c.|\xc3[\x00-\xbf])[\x04-\x06][\x01-\x0d]",  # a passphrase's, and its cipher
    re.DOTALL,
)
"""The packet with which an encrypted message begins where it is not armored (RFC 9580, 4.2 and 5.1 to 5.3)."""


def why_closed(by: str) -> str:
    """Why a file that is packed or encrypted so is not read."""
    if by in ("age", "OpenPGP"):
        return f"it is encrypted ({by}), and its source has no `decrypt` that opens it"
    return f"it is packed with {by}, which nothing here unpacks"


class Readable(Protocol):
    """What gives at most so many bytes at a time, and none at its end."""

    def read(self, size: int, /) -> bytes: ...


class _Reading:
    """A decompressed stream whose every kind of damage is `Unreadable`."""

    def __init__(self, stream: Readable, source: IO[bytes]) -> None:
        self._stream = stream
        self.source = source

    def read(self, size: int = CHUNK) -> bytes:
        try:
            return self._stream.read(size)
        except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
            raise Unreadable(plain(str(error), 200)) from None


class _Frames:
    """What a zstd file's frames hold, one behind the other. One that ends early is damage, which the
    library's own reader takes for the end of the file."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        # A small window: a hostile frame may not claim gigabytes.
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=2**27)
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._held = bytearray()

    def read(self, size: int) -> bytes:
        while len(self._held) < size and (piece := self._source.read(_PIECE)):
            self._unpack(piece)
        if not self._held and self._frame is not None:
            raise EOFError("the last frame has no end")
        found = bytes(self._held[:size])
        del self._held[:size]
        return found

    def _unpack(self, piece: bytes) -> None:
        while piece:
            frame = self._frame or self._decompressor.decompressobj()
            self._held += frame.decompress(piece)
            self._frame = None if frame.eof else frame
            piece = frame.unused_data


class _Streams:
    """What an xz file's streams hold, one behind the other, as `xz` itself reads them; the library's own
    reader takes what it does not know behind a stream for the end of the file."""

    def __init__(self, source: IO[bytes]) -> None:
        """Raises OSError."""
        try:
            import lzma
        except ImportError:  # left out where Python was built without liblzma
            raise OSError(0, "this Python was built without xz") from None
        self._lzma = lzma
        self._source = source
        self._stream: lzma.LZMADecompressor | None = None
        self._begun = False
        self._left = b""

    def read(self, size: int) -> bytes:
        found = bytearray()
        try:
            while len(found) < size and (self._stream is not None or self._next()):
                found += self._more(size - len(found))
        except self._lzma.LZMAError as error:
            if why := next((_NOT_HERE[one] for one in _NOT_HERE if one in str(error)), ""):
                raise OSError(0, why) from None
            raise Unreadable(plain(str(error), 200)) from None
        return bytes(found)

    def _more(self, most: int) -> bytes:
        """Of the stream that was begun; nothing where it has ended, or takes in more first."""
        stream = self._stream
        assert stream is not None
        piece = b""
        if stream.needs_input and not (piece := self._left or self._source.read(_PIECE)):
            raise EOFError("the last stream has no end")
        if stream.needs_input:
            self._left = b""
        found = stream.decompress(piece, most)
        if stream.eof:
            self._stream, self._left = None, stream.unused_data
        return found

    def _next(self) -> bool:
        """Begin the next stream, behind the zeros that may stand between two: four, or a multiple (the .xz
        file format 1.2.1, 2.2). False at the file's end."""
        zeros = 0
        while piece := self._left or self._source.read(_PIECE):
            self._left = piece.lstrip(b"\0") if self._begun else piece
            zeros += len(piece) - len(self._left)
            if self._left:
                break
        if zeros % 4:
            raise Unreadable("the zeros behind a stream are not a multiple of four")
        if not self._left:
            return False
        self._stream = self._lzma.LZMADecompressor(self._lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
        self._begun = True
        return True


_XZ_MEMORY = 160 * 1024 * 1024
"""Bytes that unpacking may take: `xz -9` needs 65 MiB, and a hostile stream may claim gigabytes."""
_NOT_HERE = {
    "Memory usage limit": f"unpacking it takes more than {_XZ_MEMORY // 2**20} MiB of memory",
    "unsupported options": "it is packed in a way that the xz here does not know",
}
"""What liblzma says of a stream that another program may well unpack: nobody knows then what it holds."""


@contextmanager
def decompressed(path: Path, compression: Compression) -> Iterator[_Reading]:
    """The file's content as it was before compression, in constant memory."""
    with path.open("rb") as source:
        if compression == "gzip":
            with gzip.GzipFile(fileobj=source) as stream:
                yield _Reading(stream, source)
        elif compression == "zstd":
            yield _Reading(_Frames(source), source)
        elif compression == "xz":
            yield _Reading(_Streams(source), source)
        else:
            yield _Reading(source, source)


@dataclass(slots=True)
class Meter:
    """How many bytes of the file have been read; written by the feeding thread."""

    label: str
    total: int
    done: int = 0

    def signal(self) -> Signal:
        return Progress(self.label, min(self.done, self.total), self.total, "bytes")


def feed_of(
    archive: Archive, meter: Meter, edit: Callable[[Iterator[bytes]], Iterator[bytes]] | None = None
) -> Callable[[IO[bytes]], None]:
    """What writes the archive, decompressed, into a program's input."""

    def feed(stream: IO[bytes]) -> None:
        with decompressed(archive.path, archive.compression) as reading:
            pieces = chunks(reading, meter)
            for chunk in edit(pieces) if edit else pieces:
                stream.write(chunk)

    return feed


def chunks(reading: _Reading, meter: Meter) -> Iterator[bytes]:
    while chunk := reading.read(CHUNK):
        meter.done = reading.source.tell()
        yield chunk
