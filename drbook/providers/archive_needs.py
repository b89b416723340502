"""What an archive wants of its server: the roles, extensions and publications that its statements name.

Statements are told from rows, bodies and comments by the scanner, as psql tells them: a line that only
looks like one, in a function's body or a comment, needs nothing.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from drbook.core.ports import Cancel
from drbook.core.signals import Working
from drbook.providers.archive import Archive, Meter, Unreadable, chunks, decompressed
from drbook.providers.sqlnames import IDENTIFIER, bare, roles_in
from drbook.providers.sqltext import Scanner, TooLong

_LEAD = re.compile(rb"(?:\s++|--[^\n]*+(?:\n|\Z)|\\[^\n]*+(?:\n|\Z))*+")
_NAMES_ROLES = re.compile(
    rb"(?:GRANT|REVOKE|ALTER DEFAULT PRIVILEGES|CREATE POLICY|CREATE USER MAPPING) "
)
_EXTENSION = re.compile(
    rf"CREATE EXTENSION (?:IF NOT EXISTS )?({IDENTIFIER})(?: WITH SCHEMA ({IDENTIFIER}))?"
)
_PUBLICATION = re.compile(
    rf"(CREATE|ALTER) PUBLICATION ({IDENTIFIER})( (?:FOR ALL|FOR TABLES IN|ADD TABLES IN) )?"
)
_NEEDY = (b"CREATE EXTENSION ", b"CREATE PUBLICATION ", b"ALTER PUBLICATION ")
_MOST = 64 * 1024 * 1024
"""Bytes of statements that name roles and extensions; more than any dump's."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What an archive wants of its server beyond what the role that loads it may create."""

    roles: frozenset[str] = frozenset()
    extensions: Mapping[str, str] = field(default_factory=dict)
    """Each with its schema; an empty text where none is named."""
    publications: frozenset[str] = frozenset()
    everything: frozenset[str] = frozenset()
    """Those of the publications that are of all tables, or of whole schemas."""


NOTHING = Needs()


def statement_of(text: bytes) -> bytes:
    """A statement without the blanks, comments and psql's commands before it."""
    lead = _LEAD.match(text)
    return text[lead.end() :] if lead else text


def needs_of(statement: bytes) -> Needs:
    """What one statement needs, that begins at its first word."""
    if _NAMES_ROLES.match(statement):
        return Needs(frozenset(roles_in(statement.decode("utf-8", "replace"))))
    if statement.startswith(_NEEDY):
        text = statement.decode("utf-8", "replace")
        if match := _EXTENSION.match(text):
            return Needs(extensions={bare(match[1]): bare(match[2] or "")})
        match = _PUBLICATION.match(text)
        if match and (match[1] == "CREATE" or match[3]):
            name = frozenset((bare(match[2]),))
            return Needs(publications=name, everything=name if match[3] else frozenset())
    return NOTHING


class NeedsReader:
    """Takes an archive's SQL in any pieces; `needs` says what was in it. Raises Unreadable."""

    def __init__(self) -> None:
        self._scanner = Scanner()
        self._roles: set[str] = set()
        self._extensions: dict[str, str] = {}
        self._publications: set[str] = set()
        self._everything: set[str] = set()
        self._size = 0

    def feed(self, piece: bytes, *, last: bool = False) -> None:
        try:
            found = self._scanner.feed(piece)
            if last:
                found += self._scanner.finish()
        except TooLong as error:
            raise Unreadable(str(error)) from None
        for text, what in found:
            if what in ("statement", "head") or (last and what == "rest"):
                self._take(needs_of(statement_of(text)), len(text))

    def _take(self, found: Needs, size: int) -> None:
        if found is NOTHING:
            return
        self._roles |= found.roles
        self._extensions |= found.extensions
        self._publications |= found.publications
        self._everything |= found.everything
        self._size += size
        if self._size > _MOST:
            raise Unreadable("it grants and creates more than any dump does")

    def needs(self) -> Needs:
        return Needs(
            frozenset(self._roles),
            self._extensions,
            frozenset(self._publications),
            frozenset(self._everything),
        )


def needs_in(text: str) -> Needs:
    """What these statements need."""
    reader = NeedsReader()
    reader.feed(text.encode("utf-8", "surrogateescape"), last=True)
    return reader.needs()


def needs_in_plain(archive: Archive, cancel: Cancel) -> Working[Needs]:
    """What a plain dump needs, outside its data; reads it once, in constant memory. Raises Unreadable."""
    meter = Meter("look for roles", archive.path.stat().st_size)
    reader = NeedsReader()
    with decompressed(archive.path, archive.compression) as reading:
        for number, chunk in enumerate(chunks(reading, meter)):
            reader.feed(chunk)
            if number % 32 == 0:
                cancel.raise_if_requested()
                yield meter.signal()
    reader.feed(b"", last=True)
    return reader.needs()
