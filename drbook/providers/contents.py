"""What goes into a file of files: bytes, or a file that they are taken from, and their digest."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from drbook.core.gobag import Packed

Content = bytes | Path
"""A file's bytes, or the file that they are taken from."""
LARGEST = 1024 * 1024 * 1024
"""Bytes of one file; a wheel is far below that."""
PIECE = 1024 * 1024


def packed(content: Content) -> Packed:
    """Size and digest. Raises OSError."""
    if isinstance(content, bytes):
        return Packed(sha256=hashlib.sha256(content).hexdigest(), size=len(content))
    with content.open("rb") as stream:
        return measured(stream)


def measured(stream: IO[bytes], most: int = LARGEST) -> Packed:
    """Of at most one byte more than `most`: what is longer is another file anyway."""
    digest, size = hashlib.sha256(), 0
    while size <= most and (piece := stream.read(min(PIECE, most + 1 - size))):
        digest.update(piece)
        size += len(piece)
    return Packed(sha256=digest.hexdigest(), size=size)


def pieces(content: Content) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as stream:
        while piece := stream.read(PIECE):
            yield piece
