"""Reading an archive's SQL as it passes: rows are counted per table, and what it needs is noted.

In constant memory but for names. Data is not looked into: line breaks are counted, for COPY's text
format has one at the end of each row and none inside one. What cannot be counted for sure is said
to be uncounted, and is never a number.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from drbook.core.archivefacts import ArchiveFacts, DatabaseSettings, Provider
from drbook.providers.archive_needs import NOTHING, needs_of, statement_of
from drbook.providers.archive_tally import Objects, Rows
from drbook.providers.sqlnames import IDENTIFIER, bare
from drbook.providers.sqltext import Piece, Scanner, TooLong

_NAME = IDENTIFIER.encode()
_TABLE = rb"(?:(" + _NAME + rb")\.)?(" + _NAME + rb")"
_VERSION = re.compile(rb"^-- Dumped (from database|by pg_dump) version (\d+(?:\.\d+)*)", re.M)
_COPY = re.compile(rb"COPY " + _TABLE + rb"\s+(?:\(.*\)\s+)?(FROM stdin;)?", re.DOTALL)
_INSERT = re.compile(
    rb"INSERT INTO " + _TABLE + rb" (?:\(" + _NAME + rb"(?>(?:, " + _NAME + rb")*)\) )?"
    rb"(?:OVERRIDING \w+ VALUE )?(VALUES \(|DEFAULT VALUES)?"
)
_CREATE = re.compile(
    rb"CREATE (?:UNLOGGED )?TABLE " + _TABLE + rb"(?: PARTITION OF " + _TABLE + rb"\s)?"
)
_ATTACH = re.compile(rb"ALTER TABLE (?:ONLY )?" + _TABLE + rb" ATTACH PARTITION " + _TABLE)
_PARTITIONED = re.compile(rb"\)\s*PARTITION BY (?:RANGE|LIST|HASH) \(")
_PATH = re.compile(rb"SET search_path = (" + _NAME + rb")[,;]")
_OWNER = re.compile(rb"ALTER .* OWNER TO (" + _NAME + rb");\Z", re.DOTALL)
_TABLESPACE = re.compile(rb"SET default_tablespace = '?(" + _NAME + rb")'?;")
_ENCODING = re.compile(rb"SET client_encoding = '(\w+)';")
_MARK = re.compile(rb"^-- PostgreSQL database dump( complete)?\s*$", re.MULTILINE)
"""The comments with which a plain dump begins and ends; patched versions put one more line behind it."""
_ENTRY = re.compile(rb"^-- Name: (.+); Type: ([A-Z][A-Z ]*); Schema: (.+); Owner: ", re.MULTILINE)
"""The comment with which each entry begins (`_printTocEntry` in pg_backup_archiver.c)."""
_NOT_NULL = re.compile(rb" ADD CONSTRAINT " + _NAME + rb" NOT NULL ")
"""A constraint whose name says nothing: it may be the server's."""
MOST_LISTED = 20_000
"""Entries of an archive that are kept by their names."""
_DATABASE = re.compile(rb"CREATE DATABASE (" + _NAME + rb") WITH ")
_OBJECT = re.compile(rb"SELECT pg_catalog\.lo_(create|open)\('(\d{1,10})'")
"""Makes a large object, and begins its bytes (`StartRestoreLO` in pg_backup_archiver.c)."""
_OPTION = re.compile(rb"([A-Z_]+) = (?:'((?:[^']|'')*)'|(\w+))")
_PROVIDERS: dict[str, Provider] = {"libc": "libc", "icu": "icu", "builtin": "builtin"}
_MOST = 64 * 1024 * 1024
"""Bytes of names that are held; those of a hundred thousand tables are fewer."""
_NO_END = (
    "it ends inside of a statement, as psql tells statements apart; a column or a parameter called `begin` "
    "in a function's body looks so"
)
_HEAD = 8192
"""Bytes at a statement's ends in which stands what is looked for."""


@dataclass(frozen=True, slots=True)
class Passed:
    """What has passed so far."""

    table: str
    """The one whose data passes now; empty between two."""
    rows: int
    tables: int
    """Those whose data has passed."""
    bytes: int


class ArchiveReader:
    """Takes an archive's SQL in any pieces; `facts` says what was in it.

    It never fails: where it cannot follow, rows are uncounted, and the reading goes on.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self.too_long = ""
        """Why psql is not given this text, where it is not: it holds a statement without an end in sight."""
        self._scanner: Scanner | None = Scanner()
        self._why = ""
        self._complete = True
        self._odd_strings = self._unfinished = False
        self._begun = self._ended = False
        self._versions: dict[bytes, str] = {}
        self._settings: DatabaseSettings | None = None
        self._encoding = ""
        self._roles: set[str] = set()
        self._owners: set[str] = set()
        self._extensions: set[str] = set()
        self._tablespaces: set[str] = set()
        self._name_of_database = ""
        self._listed: dict[str, list[tuple[str, str]]] | None = {}
        self._number_listed = 0
        self._held = 0
        self._rows = Rows()
        self._schema = b""
        self._copying = ""
        self._lines = 0
        self._objects = Objects()

    def feed(self, piece: bytes) -> None:
        self.bytes += len(piece)
        if self._scanner is None:
            return
        try:
            self._take(self._scanner.feed(piece))
        except TooLong as error:
            self.too_long = str(error)
            self._stop(self.too_long)

    @property
    def passed(self) -> Passed:
        """How far it is; where it could not follow, that stays as it was."""
        rows = self._rows.added
        if self._copying:
            rows += max(0, self._lines - 2)  # as in `_settle`: the line that ends them may be there
        return Passed(self._copying, rows, self._rows.tables, self.bytes)

    def facts(self, *, data: bool = True) -> ArchiveFacts:
        """What was read, once; `data` False where the archive's data was left out of it."""
        if (scanner := self._scanner) is not None:
            try:
                found = scanner.finish()
                self._take(found)
                self._settle()
                if found and found[-1][1] == "rest" and not scanner.cut:
                    self._between(found[-1][0])
                self._unfinished = scanner.unfinished
            except TooLong as error:
                self.too_long = str(error)
                self._stop(self.too_long)
        if self._unfinished:
            self._why = self._why or _NO_END
        why = self._why if data else "its data was not read"
        rows, uncounted = self._rows.totals() if not why else (None, {})
        encoding = DatabaseSettings(encoding=self._encoding) if self._encoding else None
        return ArchiveFacts(
            rows=rows,
            partitions=self._rows.partitions() if rows is not None else {},
            uncounted=uncounted,
            why_no_rows=why,
            large_objects=self._objects.total if rows is not None else None,
            text_bytes=self.bytes if data else None,
            source_version=self._versions.get(b"from database", ""),
            dump_version=self._versions.get(b"by pg_dump", ""),
            complete=self._complete and not self._unfinished,
            database=self._name_of_database,
            objects=self._objects_listed(),
            lies_in=self._rows.lies_in if rows is not None else {},
            settings=self._settings or encoding,
            roles=tuple(sorted(self._roles)),
            owners=tuple(sorted(self._owners)),
            extensions=tuple(sorted(self._extensions)),
            tablespaces=tuple(sorted(self._tablespaces)),
        )

    @property
    def ended(self) -> bool | None:
        """Whether a plain dump's end was seen where no statement, row or text is, which may hold the same
        line; None where that could not be followed. Asked when `facts` were."""
        return self._ended if self._complete and not self._odd_strings else None

    @property
    def lost(self) -> str:
        """What this archive has lost on its way, where it holds data at all: an archive of definitions
        alone (`--section=pre-data`) has the bytes of no large object. Asked when `facts` were."""
        read = (self._complete and not self._unfinished) and (
            self._rows.any or self._objects.any_held
        )
        return self._objects.lost if read else ""

    def _stop(self, why: str) -> None:
        """Nothing more is looked at; what was found so far is not all."""
        self._why, self._scanner = why, None
        self._complete = False

    def _take(self, found: Iterable[tuple[bytes, Piece]]) -> None:
        for text, what in found:
            if what == "rows":
                self._lines += text.count(b"\n")
            elif what != "rest":
                self._settle()
                self._statement(text)
                if self._held + self._rows.held > _MOST:
                    self._stop("it names more than any dump does")
                    return

    def _settle(self) -> None:
        """COPY's data has ended. Two line breaks are none of a row: the one behind the statement,
        and that of the line that ends the data."""
        if self._copying:
            self._rows.add(self._copying, max(0, self._lines - 2))
        self._copying, self._lines = "", 0

    # --- statements -----------------------------------------------------------------------------

    def _statement(self, text: bytes) -> None:
        if not self._begun:
            self._versions = {
                what: version.decode("ascii") for what, version in _VERSION.findall(text[:_HEAD])
            }
            self._begun = True
        text = self._between(text)
        if text.startswith(b"INSERT INTO "):
            self._insert(text[: 64 * _HEAD])
        elif text.startswith(b"COPY "):
            self._copy(text)
        elif text.startswith(b"SET "):
            self._setting(text[:_HEAD])
        elif text.startswith(b"SELECT pg_catalog.set_config('search_path', ''"):
            self._schema = b""
        elif match := _OBJECT.match(text):
            self._objects.add(match[1], int(match[2]))
        elif (found := needs_of(text)) is not NOTHING:
            self._name(self._roles, *found.roles)
            self._name(self._extensions, *found.extensions)
        elif text.startswith((b"CREATE ", b"ALTER ")):
            self._definition(text)

    def _between(self, text: bytes) -> bytes:
        """The statement without what stands before it, where a dump's first and last line are."""
        statement = statement_of(text)
        before = len(text) - len(statement)
        for mark in _MARK.finditer(text, 0, before):
            self._ended = mark[1] is not None
        for entry in _ENTRY.finditer(text, 0, before):
            name, kind, schema = (part.decode("utf-8", "replace") for part in entry.groups())
            if kind.endswith("CONSTRAINT") and _NOT_NULL.search(statement[:_HEAD]):
                kind = "NOT NULL CONSTRAINT"
            self._entry(name, kind, schema)
        return statement

    def _entry(self, name: str, kind: str, schema: str) -> None:
        self._number_listed += 1
        if self._number_listed > MOST_LISTED:
            self._listed = None
        if self._listed is not None:
            self._held += len(name) + len(schema)
            self._listed.setdefault(kind, []).append(("" if schema == "-" else schema, name))

    def _objects_listed(self) -> dict[str, tuple[tuple[str, str], ...]] | None:
        if self._listed is None or not self._number_listed or not self._complete:
            return None
        return {kind: tuple(found) for kind, found in self._listed.items()}

    def _copy(self, text: bytes) -> None:
        match = _COPY.match(text)
        if match is None:
            return
        table = self._table(match[1], match[2])
        if match[3] is None:
            self._rows.give_up(table, "its data is not in COPY's text format")
        else:
            self._copying = table

    def _insert(self, text: bytes) -> None:
        match = _INSERT.match(text)
        if match is None:
            self._why = "it holds INSERT statements of another form than pg_dump's"
        elif match[3] is None:
            table = self._table(match[1], match[2])
            self._rows.give_up(table, "its INSERT statements hold several rows each")
        else:
            self._rows.add(self._table(match[1], match[2]), 1)

    def _setting(self, text: bytes) -> None:
        if match := _PATH.match(text):
            self._schema = match[1]
        elif match := _TABLESPACE.match(text):
            self._name(self._tablespaces, bare(match[1].decode("utf-8", "replace")))
        elif match := _ENCODING.match(text):
            self._encoding = self._encoding or match[1].decode("ascii")
        elif text.startswith(b"SET standard_conforming_strings = off"):
            self._odd_strings = True
            self._why = "its strings are written in a way that is not read here"

    def _definition(self, text: bytes) -> None:
        if match := _CREATE.match(text):
            table = self._table(match[1], match[2])
            parent = self._table(match[3], match[4]) if match[4] else ""
            split = _PARTITIONED.search(text, max(0, len(text) - _HEAD)) is not None
            self._rows.created(table, parent, split)
        elif match := _ATTACH.match(text):
            self._rows.attached(self._table(match[3], match[4]), self._table(match[1], match[2]))
        elif match := _DATABASE.match(text):
            self._name_of_database = bare(match[1].decode("utf-8", "replace"))
            self._database(text)
        elif len(text) < _HEAD and (match := _OWNER.match(text)):
            self._name(self._owners, bare(match[1].decode("utf-8", "replace")))

    def _database(self, text: bytes) -> None:
        said = {
            key.decode("ascii"): (quoted.replace(b"''", b"'") or word).decode("utf-8", "replace")
            for key, quoted, word in _OPTION.findall(text[:_HEAD])
        }
        both = said.get("LOCALE", "")
        provider = _PROVIDERS.get(said.get("LOCALE_PROVIDER", "libc"), "libc")
        own = {"icu": "ICU_LOCALE", "builtin": "BUILTIN_LOCALE"}.get(provider, "")
        self._settings = DatabaseSettings(
            encoding=said.get("ENCODING", ""),
            provider=provider,
            collate=said.get("LC_COLLATE", both),
            ctype=said.get("LC_CTYPE", both),
            locale=said.get(own, both) if own else "",
            rules=said.get("ICU_RULES", ""),
        )
        if "TABLESPACE" in said:
            self._name(self._tablespaces, said["TABLESPACE"])

    def _table(self, schema: bytes | None, name: bytes) -> str:
        where = schema or self._schema
        if not where:
            self._why = "it names tables without their schema"
        parts = [bare(part.decode("utf-8", "replace")) for part in (where, name)]
        table = ".".join(parts)
        if table.count(".") > 1:
            self._rows.lies_in[table] = parts[0]
        return table

    def _name(self, names: set[str], *found: str) -> None:
        for each in found:
            if each not in names:
                self._held += len(each)
                names.add(each)
