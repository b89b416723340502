"""What must not be repeated: every secret of this process, and the text from outside that quotes one.

A secret's value becomes known here the moment it is read. Where text from outside enters (a program's
output, an HTTP body, a server's message), and again where anything is said on the record, on the
screen or in a log, `scrub` puts a mask in the place of each known value: as it is, quoted for a URL, a
shell, JSON, HTML or SQL, character by character, in hexadecimal or base64, in a dump, and broken over
lines.
"""

import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING
from urllib.parse import unquote

from drbook.providers.dumps import dumped
from drbook.providers.forms import LONGEST, SHORTEST, cores, forms
from drbook.providers.readings import (
    Reading,
    Span,
    as_said,
    deeper,
    is_escaped,
    may_quote,
    undone,
    unescaped,
    without_quoting,
)

if TYPE_CHECKING:
    from drbook.core.values import Json  # the command line needs this module before pydantic

MASK = "[secret]"
ODD, LETTERS = 8, 16
"""Characters from which a value is looked for in everything: fewer, or fewer letters alone, may be a
word like `rental`, and a mask in its place would damage what is true."""
TYPED = 12
"""Characters from which a value in what a person typed is no accident."""
PIECE, WORDY = 8, 10
"""Characters of a longer value, or of it letters alone, that are masked without the rest of it."""
MARGIN = 4096
"""Characters to read beyond a cut, so that the cut never leaves a part of a secret standing."""

_URL_PASSWORD = re.compile(r"://[^/?#\s:@]*:([^\s]*)@")
_CONNINFO = re.compile(r"\b(?:ssl)?password\s*=\s*('(?:[^'\\]|\\.)*'|[^\s&]+)", re.IGNORECASE)
_DSN = re.compile(r"://|\b(?:host|hostaddr|user|dbname|service)\s*=")
_QUOTED = re.compile(r"[^A-Za-z0-9]")
"""What of a value somebody may quote."""
_BEFORE = re.compile(r"[A-Za-z0-9+/_-]{0,3}\Z")
_BEHIND = re.compile(r"[A-Za-z0-9+/_-]{0,3}+(?:=|%3d){0,6}+", re.IGNORECASE)
"""What may stand around the core of an encoded value and hold a part of it."""
_SIGNATURE = re.compile(
    r"((?:X-Amz-)?Signature(?:Provided)?(?:[\s=:>\"']|%3D)++)[0-9A-Fa-f]{32,}+", re.IGNORECASE
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
        self._typed: tuple[str, ...] = ()
        self._typed_said: tuple[str, ...] = ()
        self._typed_bare: tuple[str, ...] = ()
        self._pieces: tuple[dict[int, frozenset[str]], frozenset[str]] = ({}, frozenset())
        self._said: tuple[str, ...] = ()
        self._bare: tuple[str, ...] = ()
        self._cores: tuple[str, ...] = ()
        for value in values:
            self.add(value)

    def add(self, value: str) -> None:
        """Remember a value, each of its lines, and the password in it where it is a URL or a DSN."""
        self.add_all((value,))

    def add_all(self, several: Iterable[str]) -> None:
        """The same of many: what is looked for is made anew once, not once for each."""
        with self._lock:
            parts = [
                part
                for value in several
                for part in _parts(value)
                if self._words_too or _no_word(part)
            ]
            fresh = [part for part in parts if part not in self._values]
            if not fresh:
                return
            self._values.update(dict.fromkeys(fresh))
            # The longest first: a DSN is masked as a whole, not around its password.
            values = sorted(self._values, key=len, reverse=True)
            self._pattern = re.compile("|".join(each for value in values for each in forms(value)))
            self._typed = tuple(value for value in values if len(value) >= TYPED)
            self._typed_said = tuple({each for value in self._typed for each in _read(value)})
            self._typed_bare = tuple({each for value in self._typed for each in _bare(value)})
            pieces = _pieces(values)
            starts = frozenset(each[:PIECE] for known in pieces.values() for each in known)
            self._pieces = (pieces, starts)
            self._said = tuple({each for value in values for each in _read(value)})
            self._bare = tuple({each for value in values for each in _bare(value)})
            self._cores = tuple(each for value in values for each in cores(value))

    def scrub(self, text: str) -> str:
        """The text with a mask in the place of every known value, and of longer pieces of one."""
        pattern, pieces = self._pattern, self._pieces
        if pattern is not None:
            as_they_stand = (found.span() for found in pattern.finditer(text))
            text = _masked(text, chain(as_they_stand, self._read_in(text)))
            text = _masked(text, _pieces_in(text, *pieces))
        return _SIGNATURE.sub(rf"\1{MASK}", text)

    def holds(self, text: str) -> bool:
        """True where a typed text holds a known value that is too long to be there by accident."""
        return any(value in text for value in self._typed) or any(
            value in said
            for reading in undone(text)
            for values, said in (
                (self._typed_said, reading.said),
                (self._typed_bare, without_quoting(reading).said),
            )
            for value in values
        )

    def _read_in(self, text: str) -> Iterator[Span]:
        """Where known values are written otherwise than in one of their forms."""
        in_one = "".join(text.replace("\\n", "").replace("\\r", "").split())
        cores = [core for core in self._cores if core in in_one]
        quoted = bool(self._bare) and may_quote(text)
        if cores or quoted or is_escaped(text):
            for reading in undone(text):
                yield from self._said_in(reading)
                yield from self._bare_in(reading)
                for core in cores:
                    for found in _all(core, reading.said):
                        yield from (_widened(text, span) for span in reading.spans(found))
        for reading in dumped(text):
            yield from self._said_in(reading)

    def _bare_in(self, reading: Reading) -> Iterator[Span]:
        if not self._bare:
            return
        bare = without_quoting(reading)
        yield from _each_in(self._bare, bare)
        if is_escaped(bare.said):  # a backslash inside of an entity
            yield from _each_in(self._bare, without_quoting(deeper(bare)))

    def _said_in(self, reading: Reading) -> Iterator[Span]:
        yield from _each_in(self._said, reading)
        for found in _pieces_in(reading.said, *self._pieces):
            yield from reading.spans(found)


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


def _read(value: str) -> Iterator[str]:
    """What a reading says of a value: as it is meant, and where a reading takes a part of it for an escape."""
    if len(value) <= LONGEST:
        yield from (
            each for each in {as_said(value), unescaped(value).said} if len(each) >= SHORTEST
        )


def _bare(value: str) -> Iterator[str]:
    """What is left of it without what may only quote; of a value that nothing has to quote, nothing."""
    if len(value) <= LONGEST and _QUOTED.search(value):
        for said in (unescaped(value), unescaped(value.replace("\\", ""))):
            bare = without_quoting(said).said
            if len(bare) >= (LETTERS if bare.isalpha() and bare != said.said else SHORTEST):
                yield bare


def _each_in(values: Iterable[str], reading: Reading) -> Iterator[Span]:
    for value in values:
        for found in _all(value, reading.said):
            yield from reading.spans(found)


def _all(wanted: str, text: str) -> Iterator[Span]:
    at = text.find(wanted)
    while at >= 0:
        yield at, at + len(wanted)
        at = text.find(wanted, at + len(wanted))


def _widened(text: str, core: Span) -> Span:
    at, end = core
    before, behind = _BEFORE.search(text, max(0, at - 3), at), _BEHIND.match(text, end)
    return before.start() if before else at, behind.end() if behind else end


def _pieces(values: Sequence[str]) -> dict[int, frozenset[str]]:
    """By length: every piece of that length of the longer values, for output that prints them in parts.

    A third of the value, but no fewer than PIECE characters, or WORDY where those are letters alone.
    """
    found: dict[int, set[str]] = {}
    for value in values:
        if not LETTERS <= len(value) <= LONGEST or _DSN.search(value):  # its host is no secret
            continue
        third = -(-len(value) // 3)
        for length in sorted({max(PIECE, third), max(WORDY, third)}):
            pieces = (
                each[at : at + length]
                for each in {value, as_said(value)}
                for at in range(len(each) - length + 1)
            )
            wanted = {each for each in pieces if length >= WORDY or not each.isalpha()}
            if wanted:
                found.setdefault(length, set()).update(wanted)
    return {length: frozenset(pieces) for length, pieces in found.items()}


def _pieces_in(
    text: str, pieces: Mapping[int, frozenset[str]], starts: frozenset[str]
) -> Iterator[Span]:
    """Only where the text goes on as a piece begins are the pieces themselves looked for."""
    for at in range(len(text) - PIECE + 1):
        if text[at : at + PIECE] in starts:
            ends = [
                at + length for length, known in pieces.items() if text[at : at + length] in known
            ]
            if ends:
                yield at, max(ends)


def _masked(text: str, spans: Iterable[Span]) -> str:
    """The text with a mask in the place of each span; those that overlap are one."""
    kept, done = [], 0
    for at, end in sorted(spans):
        if at >= done:
            kept += [text[done:at], MASK]
        done = max(done, end)
    return "".join(kept) + text[done:]
