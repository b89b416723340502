"""Every usual way in which text from outside quotes a value as a whole, as one regular expression.

Characters that are escaped one by one are for `readings`, the dumps of `xxd` and its like for `dumps`.

The text may be hostile, so no pattern here goes back over what it has read: each run of line breaks,
blanks and escapes is read once and never given back (possessive repeats), and has an end: a value
may begin with what stands in such a run, `n` say, and would be looked for at each of its places.
"""

import base64
import re
from collections.abc import Callable, Iterator

SHORTEST = 6
"""Characters below which a value cannot be told from any text, even of a command that was given it."""
LONGEST = 1024
"""Characters up to which a value is looked for in any other form than its own."""

FARTHEST = 100
"""Blanks, line ends and escapes of one between two characters of a value that is still seen as one."""
_GAP = rf"(?:[\s\x00]|\\[rnt]){{0,{FARTHEST}}}+"
_BLANKS = rf"(?:[\s\x00+]|\\{{1,4}}+[nrt \t]){{1,{FARTHEST}}}+"
_PARTS = re.compile(r"\s+|\\+|.", re.DOTALL)
_HEX_GAP = r"(?:[\s:,-]|0x|00)*+"
"""Between two bytes: blanks, what lists of them hold, and the other half of a UTF-16 character."""
_UTF16 = ("utf-16-le", "utf-16-be")
_FOR_URLS = str.maketrans("+/", "-_")
_QUOTED = {
    "&": ("&amp;",),
    "<": ("&lt;",),
    ">": ("&gt;",),
    '"': ("&quot;", '""'),
    "'": ("&apos;", "&#x27;", "''", r"'\''", "'\"'\"'"),
}
"""How HTML, SQL, CSV and a shell write one character of a value that is otherwise as it is."""


def forms(value: str) -> Iterator[str]:
    """Patterns for a value: as it is or quoted, in hexadecimal, as a list of numbers
    with anything but letters between them."""
    yield written(value)
    data = value.encode("utf-8", "surrogateescape")
    if len(value) <= LONGEST:
        yield "(?i:" + _HEX_GAP.join(f"{byte:02x}" for byte in data) + ")"
        yield r"[\W_]{1,100}+".join(str(byte) for byte in data) + r"(?!\d)"


def cores(value: str) -> Iterator[str]:
    """What every base64 text around a value holds, as it is and in UTF-16, and every base32 text."""
    if not SHORTEST <= len(value) <= LONGEST:
        return
    data = value.encode("utf-8", "surrogateescape")
    for each in (data, *(value.encode(one, "surrogatepass") for one in _UTF16)):
        for core in _encoded(each, base64.b64encode, 6, 3):
            yield from {core, core.translate(_FOR_URLS)}
    yield from _encoded(data, base64.b32encode, 5, 5)


def written(value: str) -> str:
    """A pattern for a value as it is, and with its quotes and blanks in a usual form, broken by lines."""
    value = value.replace("\x00", "") or value  # it may stand in every gap, or be dropped there
    as_it_is = re.escape(value)
    told = value.strip()  # blanks and backslashes alone tell nothing, and stand everywhere
    if len(value) > LONGEST or not told.strip("\\"):
        return as_it_is
    return f"(?:{as_it_is}|{''.join(_elements(told))})"


def _elements(value: str) -> Iterator[str]:
    """No gap beside a backslash, whose letter would be taken for a line end."""
    gap = ""
    for part in _PARTS.findall(value):
        if part.isspace():
            yield _BLANKS
            gap = ""
        elif part[0] == "\\":
            yield rf"\\{{{len(part)},{4 * len(part)}}}+"
            gap = ""
        else:
            yield gap + _character(part)
            gap = _GAP


def _character(character: str) -> str:
    found = [re.escape(character), *(re.escape(each) for each in _QUOTED.get(character, ()))]
    if 128 <= ord(character) < 256:
        found.append(rf"(?i:\\x{ord(character):02x})")
    # The longer forms first: a doubled quote is not a quote and something else.
    return "(?:" + "|".join(sorted(found, key=len, reverse=True)) + ")" if found[1:] else found[0]


def _encoded(data: bytes, encode: Callable[[bytes], bytes], bits: int, ways: int) -> Iterator[str]:
    """The characters that hold nothing but these bytes, for each way to stand in a longer text."""
    for offset in range(ways):
        text = encode(b"\0" * offset + data).decode("ascii")
        yield text[-(-offset * 8 // bits) : (offset + len(data)) * 8 // bits]
