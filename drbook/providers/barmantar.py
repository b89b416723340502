"""Reading a copy's tar to its very end: each member's bytes, and that the archive ends where it says so."""

import bz2
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

from drbook.core.values import plain

_END = bytes(1024)
"""Two empty blocks end an archive (POSIX ustar)."""


class NotWhole(Exception):
    """It is no archive, or it ends too early; `str()` says how."""


class CannotRead(Exception):
    """It is packed in a way that is not read here, which says nothing of it."""


class _Opener(Protocol):
    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, /) -> bytes: ...


class _Plain:
    eof = True

    def decompress(self, data: bytes, /) -> bytes:
        return data


_OPENERS: dict[str, Callable[[], _Opener]] = {
    "tar": _Plain,
    "gz": lambda: zlib.decompressobj(16 + zlib.MAX_WBITS),
    "bz2": bz2.BZ2Decompressor,
    "xz": lzma.LZMADecompressor,
}


class _Tape:
    """What tarfile reads from; it remembers the end."""

    def __init__(self, chunks: Iterator[bytes], opener: _Opener) -> None:
        self._chunks = chunks
        self._opener = opener
        self._rest = bytearray()
        self.tail = b""

    def read(self, size: int) -> bytes:
        """Raises NotWhole."""
        while len(self._rest) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                if not self._opener.eof:
                    raise NotWhole("its compressed bytes end too early")
                break
            try:
                self._rest += self._opener.decompress(chunk)
            except (zlib.error, OSError, EOFError, lzma.LZMAError) as error:
                raise NotWhole(f"it cannot be unpacked: {plain(str(error), 100)}") from None
        found = bytes(self._rest[:size])
        del self._rest[:size]
        self.tail = (self.tail + found)[-len(_END) :]
        return found


def read_tar(name: str, chunks: Iterator[bytes]) -> set[str]:
    """The names of its members, all read to their end. Raises NotWhole, CannotRead, and what `chunks` raises."""
    opener = _OPENERS.get(name.rpartition(".")[2])
    if opener is None:
        raise CannotRead(f"{plain(name, 100)} is packed in a way that is not read here")
    tape = _Tape(chunks, opener())
    names: set[str] = set()
    try:
        with tarfile.open(fileobj=tape, mode="r|") as archive:  # type: ignore[call-overload]
            for member in archive:
                names.add(member.name)
                archive.members = []  # a copy may have a million
        while tape.read(256 * 1024):
            continue
    except tarfile.TarError as error:
        raise NotWhole(f"it is no whole archive: {plain(str(error), 100)}") from None
    if tape.tail != _END:
        raise NotWhole("it has no end: it is cut short")
    return names
