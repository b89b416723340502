"""SQL text from a dump on its way into psql: guarded, and without psql's own commands.

psql obeys backslash commands inside its input, such as `\\connect` and `\\!`. A dump is text from
outside. Versions since August 2025 know `\\restrict TOKEN`, after which nothing but SQL is obeyed
until `\\unrestrict` with the same token; dumps of those versions bring a pair of their own, which is
taken out here and replaced by one whose token the dump cannot know.
"""

import re
from collections.abc import Iterable, Iterator

KEPT = 8192
"""How far from its ends a dump's own pair may stand."""

_FIRST = {13: 22, 14: 19, 15: 14, 16: 10, 17: 6}
"""The minor version of each major one that first knew `\\restrict`; all later major ones do."""

_LEAD = rb"(?:\s|--[^\n]*+(?:\n|\Z))*+"
_BEGIN = re.compile(rb"(" + _LEAD + rb")\\restrict[ \t]+([A-Za-z0-9]+)[ \t]*\r?\n")
_END = rb"^\\unrestrict[ \t]+%b[ \t]*(?:\r?\n|\Z)"
"""A row may look like either (a value that begins with a carriage return is written `\\r`, and `estrict`
may follow): nothing but blanks and comments stands before the one, and the other has the same token,
which nobody knew who wrote a row before the dump was made."""


def knows_restrict(version: int) -> bool:
    """Whether psql of this version (like 180006) knows `\\restrict`."""
    major = version // 10000
    return major > max(_FIRST) or version % 10000 >= _FIRST.get(major, 10_000)


def restricted(pieces: Iterable[bytes], guard: str, token: str, version: int) -> Iterator[bytes]:
    """The dump behind the guard statement and, where psql knows it, a restriction of our own."""
    if not knows_restrict(version):
        yield guard.encode()
        yield from pieces
        return
    yield f"\\restrict {token}\n".encode() + guard.encode()
    yield from without_own_pair(pieces)
    yield f"\n\\unrestrict {token}\n".encode()


def without_own_pair(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The text without the `\\restrict` that it begins with, and the last `\\unrestrict` of the same token.

    Anywhere else they stay: psql refuses them, and of a row they are the value.
    """
    held = b""
    token: bytes | None = None
    for piece in pieces:
        held += piece
        if token is None and len(held) >= KEPT:
            held, token = _begun(held)
        if token is not None:
            yield held[:-KEPT]
            held = held[-KEPT:]
    if token is None:
        held, token = _begun(held)
    for own in [*re.finditer(_END % token, held, re.MULTILINE)][-1:] if token else ():
        held = held[: own.start()] + held[own.end() :]
    yield held


def _begun(text: bytes) -> tuple[bytes, bytes]:
    """A dump's beginning without its own restriction, and the token of that; empty where it has none."""
    own = _BEGIN.match(text[:KEPT])
    return (own[1] + text[own.end() :], own[2]) if own else (text, b"")
