"""Whether a file that lz4 or zstd packed has its end, told by the lengths that it states and without
unpacking it.

pg_restore takes such a file that ends early for one that ends (`compress_lz4.c`, `compress_zstd.c`), and
rows of INSERTs or a large object's bytes are then lost without a word. After the LZ4 Frame Format
Description 1.6.2 and RFC 8878, 3.1.1.
"""

from typing import IO

import zstandard

_LZ4, _ZSTD = b"\x04\x22\x4d\x18", b"\x28\xb5\x2f\xfd"
_BLOCK_CHECK, _CONTENT_SIZE, _CONTENT_CHECK, _DICTIONARY = 0x10, 0x08, 0x04, 0x01
"""Flags of an lz4 frame's descriptor."""
_UNPACKED = 0x80000000
"""The bit of an lz4 block's length that says that it is not compressed."""
_HEADER = 14
"""Bytes that a zstd frame's header has at most, behind the first four."""
_REPEATED = 1
"""The kind of a zstd block that is one byte, so many times."""


def why_not_whole(stream: IO[bytes]) -> str:
    """What is wrong with its frames, in words that follow on a file's name; empty where each of them
    has its end, and where there is none. Raises OSError."""
    while head := stream.read(4):
        if head not in (_LZ4, _ZSTD):
            return "holds something else than packed data"
        if not (_lz4(stream) if head == _LZ4 else _zstd(stream)):
            return "ends early"
    return ""


def _lz4(stream: IO[bytes]) -> bool:
    """Whether the frame, of which the first four bytes are read, is all there."""
    descriptor = stream.read(2)
    if len(descriptor) != 2:
        return False
    flags = descriptor[0]
    more = 8 * bool(flags & _CONTENT_SIZE) + 4 * bool(flags & _DICTIONARY) + 1
    check = 4 if flags & _BLOCK_CHECK else 0
    if not _past(stream, more):
        return False
    while length := _number(stream, 4):
        if not _past(stream, (length & ~_UNPACKED) + check):
            return False
    return length == 0 and _past(stream, 4 if flags & _CONTENT_CHECK else 0)


def _zstd(stream: IO[bytes]) -> bool:
    start = stream.tell() - len(_ZSTD)
    header = _ZSTD + stream.read(_HEADER)
    try:
        check = 4 if zstandard.get_frame_parameters(header).has_checksum else 0
        stream.seek(start + zstandard.frame_header_size(header))
    except zstandard.ZstdError:
        return False
    last = False
    while not last:
        block = _number(stream, 3)
        if block is None:
            return False
        last, kind, size = bool(block & 1), block >> 1 & 3, block >> 3
        if not _past(stream, 1 if kind == _REPEATED else size):
            return False
    return _past(stream, check)


def _number(stream: IO[bytes], width: int) -> int | None:
    """The next number; None where the file has ended before."""
    found = stream.read(width)
    return int.from_bytes(found, "little") if len(found) == width else None


def _past(stream: IO[bytes], count: int) -> bool:
    """Go over so many bytes; the last of them must be there."""
    if count:
        stream.seek(count - 1, 1)
        return len(stream.read(1)) == 1
    return True
