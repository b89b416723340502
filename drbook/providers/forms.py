"""Every usual way in which text from outside quotes a value as a whole, as one regular expression.

Characters that are escaped one by one are for `readings`, the dumps of `xxd` and its like for `dumps`.

The text may be hostile, so no pattern here goes back over what it has read: each run of line breaks,
blanks and escapes is read once and never given back (possessive repeats), and has an end: a value
may begin with what stands in such a run, `n` say, and would be looked for at each of its places. Where the value itself holds
what such a run may hold, they are matched as one run, which masks rather more than less.
"""

import base64
import html
import re
from collections.abc import Callable, Iterator

LONGEST = 1024
"""Characters up to which a value is looked for in any other form than its own."""

FARTHEST = 100
"""Blanks, line ends and escapes of one between two characters of a value that is still seen as one."""
_ANY = f"{{0,{FARTHEST}}}+"
_SOME = f"{{1,{FARTHEST}}}+"
_GAP = r"(?:[\s\x00]|\\[rnt])" + _ANY
_BLANKS = (r"[\s\x00+]", r"\\{1,4}+[nrt \t]")
_BACKSLASHES = tuple(
    each + r"(?:[\r\n\x00]{0,3}+[rnt])?+"
    for each in (r"\\", "%5c", r"\\x5c", r"&#(?:x0*+5c|0*+92);")
)
_PLUSES = (r"%2b", r"\\x2b", r"\\u002b", r"&#(?:x0*+2b|0*+43);")
_RUN = re.compile(r"(?:\\[rnt]?|\s|\+(?=[\s+\\]*\s)|(?<=\s)\+|(?<=\+)\+)+")
_HEX_GAP = r"(?:[\s:,-]|0x|00)*+"
"""Between two bytes: blanks, what lists of them hold, and the other half of a UTF-16 character."""
_B64 = r"[A-Za-z0-9+/_-]{0,3}"
_FOR_URLS = str.maketrans("+/", "-_")
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}


def forms(value: str) -> Iterator[str]:
    """Patterns for a value: as it is or escaped, in hexadecimal, as a list of numbers, in base64."""
    yield written(value)
    data = value.encode("utf-8", "surrogateescape")
    if len(value) <= LONGEST:
        yield "(?i:" + _HEX_GAP.join(f"{byte:02x}" for byte in data) + ")"
        yield r"[\s,]{1,100}+".join(str(byte) for byte in data) + r"(?!\d)"
        yield from (_B64 + core + _B64 + "={0,2}" for core in _base64(data))


def cores(value: str) -> Iterator[str]:
    """What every base64 text around a value in UTF-16 holds, and every base32 text around it as it is."""
    if not 8 <= len(value) <= LONGEST:
        return
    for encoding in ("utf-16-le", "utf-16-be"):
        data = value.encode(encoding, "surrogatepass")
        for core in _encoded(data, base64.b64encode, 6, 3):
            yield from {core, core.translate(_FOR_URLS)}
    yield from _encoded(value.encode("utf-8", "surrogateescape"), base64.b32encode, 5, 5)


def written(value: str) -> str:
    """A pattern for a value as it is or with any of its characters escaped, broken anywhere by lines."""
    if len(value) > LONGEST:
        return re.escape(value)
    value = value.replace("\x00", "") or value  # it may stand in every gap, or be dropped there
    head = _RUN.match(value)  # blanks and backslashes alone tell nothing, and stand everywhere
    rest = value[head.end() :] if head is not None else value
    return "".join(_elements(rest)) if rest else re.escape(value)


def _elements(value: str) -> Iterator[str]:
    at, gap = 0, ""
    while at < len(value):
        run = _RUN.match(value, at)
        if run is None or not (any(each.isspace() for each in run[0]) or "\\" in run[0]):
            yield gap + _character(value[at])
            at, gap = at + 1, _GAP
        else:
            # It reads the gaps around it too.
            yield _run(run[0], value[run.end() :])
            at, gap = run.end(), _GAP


def _run(run: str, behind: str) -> str:
    """What stands for blanks, and for backslashes and pluses among them, read to its end at once."""
    last = f"{run[-1]}?" if len(run) > 1 and run[-2] == "\\" and run[-1] in "rnt" else ""
    if not any(each.isspace() for each in run):
        first, more = "|".join(_BACKSLASHES), "|".join((*_BACKSLASHES, r"[\s\x00]"))
        return rf"[\s\x00]{_ANY}(?i:{first})(?i:{more}){_ANY}{last}"
    parts = [*_BLANKS]
    parts += _BACKSLASHES if "\\" in run else ()
    parts += _PLUSES if "+" in run else ()
    at_least_one = "\\" in run or "+" in run
    return "(?i:" + "|".join(parts) + ")" + (_SOME if at_least_one else _ANY) + last


def _character(character: str) -> str:
    if character.isascii() and character.isalnum():
        return character
    found = [rf"\\{{0,4}}{re.escape(character)}"]
    data = character.encode("utf-8", "surrogateescape")
    encoded = "".join(f"%{byte:02x}" for byte in data)
    octets = "".join(rf"\\x{byte:02x}" for byte in data)
    utf16 = character.encode("utf-16-be", "surrogatepass").hex()
    units = "".join(rf"\\u{utf16[at : at + 4]}" for at in range(0, len(utf16), 4))
    number = ord(character)
    found += [
        f"(?i:{encoded})",
        f"(?i:{octets})",
        rf"(?i:\\{{0,3}}{units})",
        f"(?i:&#(?:x0*+{number:x}|0*+{number});)",
    ]
    if 128 <= number < 256:
        found.append(rf"(?i:\\x{number:02x})")
    if character in _NAMED:
        found.append(re.escape(_NAMED[character]))
    entity = html.escape(character)
    if entity != character:
        found.append(re.escape(entity))
    if character == "'":
        found += [r"'\"'\"'", r"'\\''", "''"]
    if character == '"':
        found.append('""')
    # The longer forms first: a doubled quote is not a quote and something else.
    return "(?:" + "|".join(sorted(found, key=len, reverse=True)) + ")"


def _base64(data: bytes) -> Iterator[str]:
    """What every base64 text around these bytes holds, for each of the three ways to stand in it."""
    if len(data) < 8:
        return
    for core in _encoded(data, base64.b64encode, 6, 3):
        yield _GAP.join({"+": r"[+-]", "/": "[/_]"}.get(each, each) for each in core)


def _encoded(data: bytes, encode: Callable[[bytes], bytes], bits: int, ways: int) -> Iterator[str]:
    """The characters that hold nothing but these bytes, for each way to stand in a longer text."""
    for offset in range(ways):
        text = encode(b"\0" * offset + data).decode("ascii")
        yield text[-(-offset * 8 // bits) : (offset + len(data)) * 8 // bits]
