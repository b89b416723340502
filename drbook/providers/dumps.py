"""The bytes that a dump shows, as `xxd`, `hexdump` and `od` print them and debuggers do.

A line of one has an offset, bytes or words in hexadecimal, octal, decimal or binary, and often the same
as text beside them. Whether a word's first byte stands in front or behind is nowhere said, so it is
read in both ways.
What is no dump and yet reads as one does no harm: a secret's bytes do not come about by accident.
"""

import re
from array import array
from collections.abc import Callable, Iterator
from itertools import chain

from drbook.providers.readings import SILENT, Reading, Row, Span

_CELL = r"(?:0x)?[0-9a-f]{1,16}+(?!\S)"
_EIGHT = r"[0-9a-f]{2}(?:[ ][0-9a-f]{2}){7}[ ](?=[ ][0-9a-f]{2}[ ])"
# Groups that keep what they took are written `(?>...)`: before 3.11.5 Python loses matches of `(?:...)*+`
# with more than one way inside (CPython, gh-106052).
_LINE = re.compile(
    r"(?:(?<![0-9a-z])|(?<=\\n))(?P<offset>(?:0x)?[0-9a-f]{4,16}+)"
    # Behind a colon two blanks end the bytes: the text behind them may look like more of those.
    rf"(?P<cells>:(?>(?:[ \t](?=[ \t]))?)(?>(?:[ \t]{_EIGHT})?)(?>(?:[ \t]{_CELL}){{1,64}})"
    rf"|(?>(?:[ \t]{{1,4}}+{_CELL}){{1,64}}))"
    r"(?P<beside>(?>(?:(?!\\n)[^\r\n]){0,300}))",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"(?<![0-9a-z])(?:0x)?([0-9a-f]{1,16})", re.IGNORECASE)
_Bytes = Iterator[tuple[int, int, int]]
"""Each byte of a word, with where it is written in it."""


def dumped(text: str) -> Iterator[Reading]:
    """What the dumps in a text say, for every way in which their words may be meant."""
    lines = list(_LINE.finditer(text))
    if lines:
        yield from (_read(text, lines, each) for each in _WAYS)


def _read(text: str, lines: list[re.Match[str]], word: Callable[[str], _Bytes]) -> Reading:
    said: list[str] = []
    begins, ends, rows = array("L"), array("L"), []
    for line in lines:
        first = len(begins)
        for cell in _cells(text, line):
            for byte, at, end in word(cell[1]):
                if byte not in SILENT:
                    said.append(chr(byte))
                    begins.append(cell.start(1) + at)
                    ends.append(cell.start(1) + end)
        if first < len(begins):
            rows.append(Row(first, _beside(line)))
    return Reading("".join(said), begins, ends, rows)


def _cells(text: str, line: re.Match[str]) -> Iterator[re.Match[str]]:
    cells = _DIGITS.finditer(text, *line.span("cells"))
    first = next(cells)
    # Without offsets, what stands first in a line is as wide as what follows.
    own = len(line["offset"]) == len(first[1]) and not line["cells"].startswith(":")
    return chain(_DIGITS.finditer(text, *line.span("offset")) if own else (), (first,), cells)


def _beside(line: re.Match[str]) -> Span:
    end = line.end("beside")
    return end - len(line["beside"].lstrip()), end


def _forward(word: str) -> _Bytes:
    if len(word) % 2 == 0:
        yield from ((int(word[at : at + 2], 16), at, at + 2) for at in range(0, len(word), 2))


def _backward(word: str) -> _Bytes:
    return reversed(list(_forward(word)))


def _octal(word: str) -> _Bytes:
    if max(word) < "8":
        yield from _number(int(word, 8), word)


def _decimal(word: str) -> _Bytes:
    if word.isdecimal():
        yield from _number(int(word), word)


def _binary(word: str) -> _Bytes:
    if max(word) < "2":
        yield from _number(int(word, 2), word)


def _number(number: int, word: str) -> _Bytes:
    """Its bytes, of which the first stands behind; those of its leading zeros say nothing."""
    yield from ((byte, 0, len(word)) for byte in number.to_bytes(8, "little"))


_WAYS = (_forward, _backward, _octal, _decimal, _binary)
