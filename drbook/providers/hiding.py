"""What must not be repeated: every secret of this process, and the text from outside that quotes one.

A secret's value becomes known here the moment it is read. Where text from outside enters (a program's
output, an HTTP body, a server's message), and again where anything is said on the record, on the
screen or in a log, `scrub` puts a mask in the place of each known value: as it is, quoted for a URL, a
shell, JSON, HTML or SQL, in hexadecimal or base64, and broken over lines.
"""

import base64
import html
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from drbook.core.values import Json  # the command line needs this module before pydantic

MASK = "[secret]"
SHORTEST = 6
"""Characters below which a value cannot be told from any text, even of a command that was given it."""
ODD, LETTERS = 8, 16
"""Characters from which a value is looked for in everything: fewer, or fewer letters alone, may be a
word like `rental`, and a mask in its place would damage what is true."""
TYPED = 12
"""Characters from which a value in what a person typed is no accident."""
MARGIN = 4096
"""Characters to read beyond a cut, so that the cut never leaves a part of a secret standing."""

_GAP = r"(?:[\s\x00]|\\[rnt])*"
_SPACE = r"(?:[\s\x00+]|%20|%0[ad]|&#(?:x0*20|0*32);|\\[nrt])*"
_B64 = r"[A-Za-z0-9+/_-]{0,3}"
_LONGEST = 1024
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}
_URL_PASSWORD = re.compile(r"://[^/?#\s:@]*:([^\s]*)@")
_CONNINFO = re.compile(r"\b(?:ssl)?password\s*=\s*('(?:[^'\\]|\\.)*'|[^\s&]+)", re.IGNORECASE)
_DSN = re.compile(r"://|\b(?:host|hostaddr|user|dbname|service)\s*=")
_SIGNATURE = re.compile(
    r"((?:X-Amz-)?Signature(?:Provided)?(?:[\s=:>\"']|%3D)+)[0-9A-Fa-f]{32,}", re.IGNORECASE
)


class Secret:
    """A secret's value. It is no string: printing, formatting, copying or storing it shows nothing.

    Two secrets are equal only where they are the same object, so that comparing tells nothing either.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        KNOWN.add(value)
        self._value = value

    def reveal(self) -> str:
        """The value, for the one call that needs it."""
        return self._value

    @property
    def short(self) -> bool:
        """True where the value cannot be told from ordinary text, so that no text can be cleaned of it."""
        return len("".join(self._value.split())) < SHORTEST

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "…"

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: object) -> "Secret":
        return self

    def __reduce__(self) -> str:
        raise TypeError("a secret is not written anywhere")

    def __getstate__(self) -> object:
        raise TypeError("a secret is not written anywhere")


class Known:
    """The values that must not be repeated. Safe for threads; nothing is ever forgotten."""

    def __init__(self, values: Iterable[str] = (), *, words_too: bool = False) -> None:
        """`words_too`: for texts of somebody who was given exactly these values."""
        self._words_too = words_too
        self._lock = threading.Lock()
        self._values: dict[str, None] = {}
        self._pattern: re.Pattern[str] | None = None
        self._typed: re.Pattern[str] | None = None
        self._pieces: dict[int, frozenset[str]] = {}
        for value in values:
            self.add(value)

    def add(self, value: str) -> None:
        """Remember a value, each of its lines, and the password in it where it is a URL or a DSN."""
        with self._lock:
            parts = [part for part in _parts(value) if self._words_too or _no_word(part)]
            fresh = [part for part in parts if part not in self._values]
            if not fresh:
                return
            self._values.update(dict.fromkeys(fresh))
            # The longest first: a DSN is masked as a whole, not around its password.
            values = sorted(self._values, key=len, reverse=True)
            self._pattern = re.compile("|".join(_forms(values)))
            typed = [_written(value) for value in values if len(value) >= TYPED]
            self._typed = re.compile("|".join(typed)) if typed else None
            self._pieces = _pieces(values)

    def scrub(self, text: str) -> str:
        """The text with a mask in the place of every known value, and of longer pieces of one."""
        pattern, pieces = self._pattern, self._pieces
        if pattern is not None:
            text = pattern.sub(MASK, text)
            for length, known in pieces.items():
                text = _without_pieces(text, length, known)
        return _SIGNATURE.sub(rf"\1{MASK}", text)

    def holds(self, text: str) -> bool:
        """True where a typed text holds a known value that is too long to be there by accident."""
        return self._typed is not None and self._typed.search(text) is not None


KNOWN = Known()
"""This process's."""


def scrub(text: str) -> str:
    """Text from outside, without any secret that this process knows."""
    return KNOWN.scrub(text)


def scrub_json(value: "Json") -> "Json":
    """The same for every text in a document, names of fields included: those may come from outside."""
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, Mapping):
        return {scrub(name): scrub_json(each) for name, each in value.items()}
    if isinstance(value, Sequence):
        return [scrub_json(each) for each in value]
    return value


def _parts(value: str) -> Iterator[str]:
    """A value, its lines (a key file is quoted line by line), and the passwords that stand in it."""
    yield from (part for part in _whole_and_lines(value.strip()) if _long_enough(part))
    for password in (*_URL_PASSWORD.findall(value), *_CONNINFO.findall(value)):
        bare = re.sub(r"\\(.)", r"\1", password[1:-1]) if password.startswith("'") else password
        # Of a password with a bare @ or / in it libpq takes a part for the host, and quotes that.
        for each in {bare, *re.split("[@/]", bare)}:
            yield from (form for form in {each, unquote(each)} if _long_enough(form))


def _whole_and_lines(value: str) -> Iterator[str]:
    yield value
    lines = value.splitlines()
    if len(lines) > 1:
        yield from (line.strip() for line in lines if not line.startswith("-----"))


def _no_word(value: str) -> bool:
    """Long and odd enough that it stands for nothing but itself."""
    return len(value) >= (LETTERS if value.isalpha() else ODD)


def _long_enough(value: str) -> bool:
    return len("".join(value.split())) >= SHORTEST


def _forms(values: Sequence[str]) -> Iterator[str]:
    for value in values:
        yield _written(value)
        data = value.encode("utf-8", "surrogateescape")
        if len(value) <= _LONGEST:
            yield r"(?i:" + r"[\s:]*".join(f"{byte:02x}" for byte in data) + ")"
            yield from (_B64 + core + _B64 + "={0,2}" for core in _base64(data))


def _written(value: str) -> str:
    """A pattern for a value as it is or with any of its characters escaped, broken anywhere by lines."""
    if len(value) > _LONGEST:
        return re.escape(value)
    return _GAP.join(
        _SPACE if character.isspace() else _character(character) for character in value
    )


def _character(character: str) -> str:
    if character.isascii() and character.isalnum():
        return character
    forms = [rf"\\{{0,4}}{re.escape(character)}"]
    data = character.encode("utf-8", "surrogateescape")
    encoded = "".join(f"%{byte:02x}" for byte in data)
    octets = "".join(rf"\\x{byte:02x}" for byte in data)
    utf16 = character.encode("utf-16-be", "surrogatepass").hex()
    units = "".join(rf"\\u{utf16[at : at + 4]}" for at in range(0, len(utf16), 4))
    number = ord(character)
    forms += [
        f"(?i:{encoded})",
        f"(?i:{octets})",
        rf"(?i:\\{{0,3}}{units})",
        f"(?i:&#(?:x0*{number:x}|0*{number});)",
    ]
    if 128 <= number < 256:
        forms.append(rf"(?i:\\x{number:02x})")
    if character in _NAMED:
        forms.append(re.escape(_NAMED[character]))
    entity = html.escape(character)
    if entity != character:
        forms.append(re.escape(entity))
    if character == "'":
        forms += [r"'\"'\"'", r"'\\''", "''"]
    if character == '"':
        forms.append('""')
    # The longer forms first: a doubled quote is not a quote and something else.
    return "(?:" + "|".join(sorted(forms, key=len, reverse=True)) + ")"


def _base64(data: bytes) -> Iterator[str]:
    """What every base64 text around these bytes holds, for each of the three ways to stand in it."""
    if len(data) < 8:
        return
    for offset in range(3):
        text = base64.b64encode(b"\0" * offset + data).decode("ascii")
        core = text[-(-offset * 8 // 6) : (offset + len(data)) * 8 // 6]
        yield _GAP.join({"+": r"[+-]", "/": "[/_]"}.get(each, each) for each in core)


def _pieces(values: Sequence[str]) -> dict[int, frozenset[str]]:
    """By length: every piece of that length of the long values, for output that prints them in parts."""
    found: dict[int, set[str]] = {}
    for value in values:
        if 20 <= len(value) <= _LONGEST and not _DSN.search(value):  # its host is no secret
            length = max(10, -(-len(value) // 3))
            starts = range(len(value) - length + 1)
            found.setdefault(length, set()).update(value[at : at + length] for at in starts)
    return {length: frozenset(pieces) for length, pieces in found.items()}


def _without_pieces(text: str, length: int, known: frozenset[str]) -> str:
    hits = [at for at in range(len(text) - length + 1) if text[at : at + length] in known]
    if not hits:
        return text
    kept, done = [], 0
    for at in hits:
        if at >= done:
            kept += [text[done:at], MASK]
        done = max(done, at + length)
    return "".join(kept) + text[done:]
