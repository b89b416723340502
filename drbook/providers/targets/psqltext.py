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

_OWN = re.compile(rb"^\\(?:un)?restrict[ \t]+[A-Za-z0-9]+[ \t]*\r?\n?", re.MULTILINE)


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
    """The text with `\\restrict` taken out of its beginning and `\\unrestrict` out of its end.

    Anywhere else they stay, and psql refuses them: only a dump's own pair is expected.
    """
    held = b""
    begun = False
    for piece in pieces:
        held += piece
        if not begun and len(held) >= KEPT:
            held = _OWN.sub(b"", held[:KEPT], count=1) + held[KEPT:]
            begun = True
        if begun:
            yield held[:-KEPT]
            held = held[-KEPT:]
    if not begun:
        held = _OWN.sub(b"", held, count=1)
    yield _OWN.sub(b"", held, count=1)
