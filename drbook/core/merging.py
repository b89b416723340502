"""Two ordered streams of rows held against each other, one row of each in memory at a time.

Rows are lines of PostgreSQL's COPY text format, the key's parts first: PostgreSQL's own text is never turned
into values of another language and back (https://www.postgresql.org/docs/current/sql-copy.html, "Text Format").
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from drbook.core.errors import CouldNotVerify

NULL = b"\\N"
KeyKind = Literal["integer", "bytes"]
"""How two parts of a key are ordered: as whole numbers, or as the bytes of their text."""
Side = Literal["left", "right"]
Key = tuple[int | bytes, ...]

_ESCAPES = {
    b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v", b"\\": b"\\",
}  # fmt: skip


def fields(line: bytes) -> list[bytes]:
    """A line's values, still escaped: a tab inside a value is always escaped."""
    return line.removesuffix(b"\n").split(b"\t")


def text_of(field: bytes) -> bytes | None:
    """One value as the server holds it in text; None for NULL."""
    if field == NULL:
        return None
    if b"\\" not in field:
        return field
    first, *rest = field.split(b"\\")
    out, position = [first], 0
    while position < len(rest):
        part = rest[position]
        if part:
            out.append(_ESCAPES.get(part[:1], part[:1]) + part[1:])
        elif position + 1 < len(rest):  # two backslashes: one, and what stands behind it is plain
            position += 1
            out.append(b"\\" + rest[position])
        position += 1
    return b"".join(out)


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its place in the order, and its values as one line without its end."""

    key: Key
    line: bytes


@dataclass(frozen=True, slots=True)
class Pair:
    """What the streams say of one key. A side that has no such row is None."""

    left: Row | None
    right: Row | None

    @property
    def equal(self) -> bool:
        return (
            self.left is not None and self.right is not None and self.left.line == self.right.line
        )


def rows_of(lines: Iterable[bytes], kinds: Sequence[KeyKind], side: Side) -> Iterator[Row]:
    """Lines as rows. Raises CouldNotVerify where they are not strictly in the order of their keys: two rows
    of one key, or a server that orders otherwise, and rows would be taken for missing that are not."""
    before: Key | None = None
    for line in lines:
        parts = line.removesuffix(b"\n").split(b"\t", len(kinds))
        key = tuple(_part(part, kind) for part, kind in zip(parts, kinds, strict=False))
        if before is not None and not before < key:
            which = "the restored database" if side == "left" else "the other database"
            raise CouldNotVerify(
                f"Two rows of {which} have one key, or it orders keys otherwise than byte by byte.",
                means="Which rows are missing cannot be told by this key. Nothing was proposed.",
                next="Give the table another `key`, of columns that a unique index covers; or mend what "
                "broke its index first (`pg_amcheck`).",
                code="key-order",
            )
        before = key
        yield Row(key, parts[-1] if len(parts) > len(kinds) else b"")


def _part(field: bytes, kind: KeyKind) -> int | bytes:
    return int(field) if kind == "integer" else (text_of(field) or b"")


def merge(left: Iterator[Row], right: Iterator[Row]) -> Iterator[Pair]:
    """Every key of either side once, in their order."""
    one, other = next(left, None), next(right, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one.key < other.key):
            yield Pair(one, None)
            one = next(left, None)
        elif one is None or other.key < one.key:
            yield Pair(None, other)
            other = next(right, None)
        else:
            yield Pair(one, other)
            one, other = next(left, None), next(right, None)
