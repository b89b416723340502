"""A text read otherwise than it stands: with its escapes undone, and without what only moves or colours it.

A value can be escaped in so many ways, each character in its own, that no pattern of reasonable size
holds them all. So the text is read once from its beginning to its end, into what it says as bytes, and
a value's bytes are looked for in that. Blanks and control characters say nothing, here or in a value.
"""

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Span = tuple[int, int]
"""Where something begins in a text, and where it has ended."""

_COLOUR = r"(?:\x1b|\\{1,4}(?:x1b|u001b|033|e)|\^\[)\[[0-9;:<=>?]{0,40}+[ -/]{0,4}+[@-~]"
_TITLE = (
    r"\x1b\][^\x07\x1b\n]{0,300}+(?:\x07|\x1b\\)|\x1b[()#%][0-9A-Za-z]|\x9b[0-9;:?]{0,40}+[@-~]"
)
_PLACE = r"^[0-9a-f]{7,8}(?=[ ]{1,80}+\S)"
_SAID = (
    r"%(?P<url>[0-9a-f]{2})"
    r"|\\{1,4}(?:x(?P<byte>[0-9a-f]{2})|(?P<octal>[0-3][0-7]{2}))"
    r"|\\{1,4}u(?P<high>d[89ab][0-9a-f]{2})\\{1,4}u(?P<low>d[c-f][0-9a-f]{2})"
    r"|\\{1,4}(?-i:u)(?:(?P<unit>[0-9a-f]{4})|\{0{0,6}+(?P<braced>[0-9a-f]{1,6})\})"
    r"|\\{1,4}(?-i:U)00(?P<wide>[0-9a-f]{6})"
    r"|&#(?:x0{0,9}+(?P<hex>[0-9a-f]{1,6})|0{0,9}+(?P<number>[0-9]{1,7}));"
    r"|&(?P<named>amp|lt|gt|quot|apos);"
    r"|\\{1,4}(?P<quoted>[\"'/])"
)
_FLAGS = re.IGNORECASE | re.MULTILINE
_ESCAPED = re.compile(rf"{_COLOUR}|{_TITLE}|{_PLACE}|{_SAID}", _FLAGS)
_TOKEN = re.compile(
    rf"(?P<nothing>{_COLOUR}|{_TITLE}|{_PLACE}|[\x00-\x20\x7f]++|\\{{1,4}}[rnt])"
    rf"|(?P<plain>[!-$'-\[\]_-~]++)|{_SAID}|(?P<other>.)",
    _FLAGS | re.DOTALL,
)
_NAMES = {"amp": b"&", "lt": b"<", "gt": b">", "quot": b'"', "apos": b"'"}
SILENT = bytes((*range(0x21), 0x7F))
"""Bytes that say nothing."""


@dataclass(frozen=True)
class Row:
    """A line of a dump, or all of a text that has no lines."""

    first: int
    """Where it begins in what the text says."""
    beside: Span = (0, 0)
    """What stands beside the bytes and shows them once more."""


@dataclass(frozen=True)
class Reading:
    """What a text says, each byte as one character, and from where to where each of them is written."""

    said: str
    begins: "array[int]"
    ends: "array[int]"
    rows: Sequence[Row] = (Row(0),)

    def spans(self, found: Span) -> Iterator[Span]:
        """Where that part of what is said is written: one stretch in each row, and what is beside it."""
        at, end = found
        number = bisect_right(self.rows, at, key=lambda row: row.first) - 1
        while at < end:
            row, number = self.rows[number], number + 1
            until = min(end, self.rows[number].first) if number < len(self.rows) else end
            yield min(self.begins[at:until]), max(self.ends[at:until])
            if row.beside[0] < row.beside[1]:
                yield row.beside
            at = until


def as_said(value: str) -> str:
    """A value's bytes without those that say nothing, each as one character."""
    return _spoken(value.encode("utf-8", "surrogateescape"))


def _spoken(data: bytes) -> str:
    """The bytes that say something, each as one character."""
    return data.translate(None, SILENT).decode("latin-1")


def is_escaped(text: str) -> bool:
    """True where the text says anything in another way than by its own characters."""
    return _ESCAPED.search(text) is not None


def unescaped(text: str) -> Reading:
    """The text with every escape undone."""
    said: list[str] = []
    begins, ends = array("L"), array("L")
    for token in _TOKEN.finditer(text):
        at, end, kind = token.start(), token.end(), token.lastgroup
        if kind == "plain":
            said.append(token[0])
            begins.extend(range(at, end))
            ends.extend(range(at + 1, end + 1))
        elif kind != "nothing":
            found = _spoken(_meant(token))
            said.append(found)
            begins.extend([at] * len(found))
            ends.extend([end] * len(found))
    return Reading("".join(said), begins, ends)


def _meant(token: re.Match[str]) -> bytes:
    """The bytes that one escape stands for."""
    kind = token.lastgroup or ""
    text = token[kind]
    if kind in ("url", "byte"):
        return bytes.fromhex(text)
    if kind == "octal":
        return bytes((int(text, 8),))
    if kind == "named":
        return _NAMES[text.lower()]
    if kind in ("quoted", "other"):
        return text.encode(
            "utf-8", "surrogateescape" if "\udc80" <= text <= "\udcff" else "surrogatepass"
        )
    if kind == "low":
        return bytes.fromhex(token["high"] + text).decode("utf-16-be").encode()
    number = int(text, 10 if kind == "number" else 16)
    return chr(number).encode("utf-8", "surrogatepass") if number <= 0x10FFFF else b""
