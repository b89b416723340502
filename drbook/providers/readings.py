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
_QUOTING = re.compile(r"[\"'\\+]")
_SPEAKING = re.compile(r"[^\"'\\+]+")
LAYERS = 3
"""How often a text may have been escaped as a whole: a URL in a URL, a JSON text in a JSON text."""
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


def without_quoting(reading: Reading) -> Reading:
    """Only what can do nothing but speak: a shell, SQL, CSV and JSON each double or escape quotes and
    backslashes in another way, and a form's plus may be a blank. To be looked for in it is a value that
    was read so too."""
    said: list[str] = []
    begins, ends = array("L"), array("L")
    for run in _SPEAKING.finditer(reading.said):
        said.append(run[0])
        begins.extend(reading.begins[run.start() : run.end()])
        ends.extend(reading.ends[run.start() : run.end()])
    return Reading("".join(said), begins, ends)


def may_quote(text: str) -> bool:
    """True where `without_quoting` would leave something out of it, however it is written."""
    return _QUOTING.search(text) is not None


def is_escaped(text: str) -> bool:
    """True where the text says anything in another way than by its own characters."""
    return _ESCAPED.search(text) is not None


def undone(text: str) -> Iterator[Reading]:
    """The text with its escapes undone, and again while that still holds some, `LAYERS` times at most."""
    reading = unescaped(text)
    yield reading
    for _ in range(LAYERS - 1):
        if not is_escaped(reading.said):
            return
        reading = deeper(reading)
        yield reading


def deeper(reading: Reading) -> Reading:
    """What a text says, with the escapes in that undone."""
    inner = unescaped(reading.said, "latin-1")
    begins = array("L", (reading.begins[at] for at in inner.begins))
    ends = array("L", (reading.ends[end - 1] for end in inner.ends))
    return Reading(inner.said, begins, ends)


def unescaped(text: str, encoding: str = "utf-8") -> Reading:
    """The text with every escape undone once; its other characters as this encoding writes them."""
    said: list[str] = []
    begins, ends = array("L"), array("L")
    for token in _TOKEN.finditer(text):
        at, end, kind = token.start(), token.end(), token.lastgroup
        if kind == "plain":
            said.append(token[0])
            begins.extend(range(at, end))
            ends.extend(range(at + 1, end + 1))
        elif kind != "nothing":
            found = _spoken(_meant(token, encoding))
            said.append(found)
            begins.extend([at] * len(found))
            ends.extend([end] * len(found))
    return Reading("".join(said), begins, ends)


def _meant(token: re.Match[str], encoding: str) -> bytes:
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
            encoding, "surrogateescape" if "\udc80" <= text <= "\udcff" else "surrogatepass"
        )
    if kind == "low":
        return bytes.fromhex(token["high"] + text).decode("utf-16-be").encode()
    number = int(text, 10 if kind == "number" else 16)
    return chr(number).encode("utf-8", "surrogatepass") if number <= 0x10FFFF else b""
