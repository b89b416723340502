"""YAML to plain values with a position for every one of them, checked before anything is built.

A runbook is at most 1 MiB and 50 levels deep, one document, without tags, anchors, aliases or
duplicate keys. Plain scalars follow YAML 1.2's core schema: `no`, `on` and `22:30` are texts.
"""

import difflib
import errno
import math
import os
import re
import select
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from drbook.core.errors import Problem, RunbookInvalid
from drbook.core.values import Json, plain

PIPE_SECONDS = 10
MAX_BYTES = 1024 * 1024
MAX_DEPTH = 50

Where = tuple[str | int, ...]
"""A path of keys and positions from the top of the document."""

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_NULL = re.compile(r"(?:~|null|Null|NULL|)")
_TRUE = re.compile(r"(?:true|True|TRUE)")
_FALSE = re.compile(r"(?:false|False|FALSE)")
_INT = re.compile(r"[-+]?[0-9]{1,30}", re.ASCII)
_OCT = re.compile(r"0o[0-7]{1,30}")
_HEX = re.compile(r"0x[0-9a-fA-F]{1,30}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?", re.ASCII)


@dataclass(slots=True)
class Source:
    """A parsed document: its value, and where each part of it stands."""

    file: str
    value: Json = None
    places: dict[Where, tuple[int, int]] = field(default_factory=dict)
    """Line and column of each value, from 1."""
    keys: dict[Where, tuple[int, int]] = field(default_factory=dict)
    """Line and column of each key."""
    problems: list[Problem] = field(default_factory=list)

    def place(self, where: Where, *, key: bool = False) -> tuple[int, int]:
        """The position of a value (or of its key), or of the nearest part around it."""
        if key and where in self.keys:
            return self.keys[where]
        while where and where not in self.places:
            where = where[:-1]
        return self.places.get(where, (1, 1))

    def problem(self, where: Where, found: str, expected: str, *, key: bool = False) -> Problem:
        line, column = self.place(where, key=key)
        return Problem(self.file, line, column, show_path(where), found, expected)


def show_path(where: Where) -> str:
    """`steps[2].with.target` for a person."""
    shown = ""
    for part in where:
        shown += f"[{part}]" if isinstance(part, int) else f".{plain(part, 80)}"
    return shown.lstrip(".")


def read_file(path: Path) -> bytes:
    """The file's bytes. Raises RunbookInvalid where it is missing, not a file, or too large."""
    name = str(path)
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise _whole(name, f"{size:,} bytes", "a runbook of at most 1 MiB")
        if stat.S_ISFIFO(path.stat().st_mode):
            data = _read_pipe(path)
        else:
            with path.open("rb") as stream:
                data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _whole(
            name, "no such file", "the path of a runbook, or the name of a shipped one"
        ) from None
    except OSError as error:
        raise _whole(name, error.strerror or str(error), "a file that can be read") from None
    except ValueError as error:  # a NUL in the path
        raise _whole(plain(name), plain(str(error)), "the path of a runbook") from None
    if len(data) > MAX_BYTES:
        raise _whole(name, "more than 1 MiB", "a runbook of at most 1 MiB")
    return data


def _read_pipe(path: Path) -> bytes:
    """What a pipe gives, as of a shell's `<(…)`; one that gives nothing is not waited for for ever."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    data = b""
    try:
        while len(data) <= MAX_BYTES:
            if not select.select([handle], [], [], PIPE_SECONDS)[0]:
                raise OSError(errno.ETIMEDOUT, f"nothing came out of it for {PIPE_SECONDS} s")
            chunk = os.read(handle, 65536)
            if not chunk:
                break
            data += chunk
    finally:
        os.close(handle)
    return data


def parse(data: bytes, file: str) -> Source:
    """Parse and check. Raises RunbookInvalid where it is no YAML at all; lists every other problem."""
    if len(data) > MAX_BYTES:
        raise _whole(file, f"{len(data):,} bytes", "a runbook of at most 1 MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _whole(
            file, f"a byte that is not UTF-8 at offset {error.start}", "UTF-8 text"
        ) from None
    if not text.strip():
        raise _whole(file, "an empty file", "a mapping that starts with `drbook: 1`")
    source = Source(file)
    try:
        _Builder(source, yaml.parse(text, Loader=_Loader)).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        said = error.problem or error.context or "something that is not YAML"
        found = plain(said.removeprefix("found "), 200)
        raise RunbookInvalid(
            [*source.problems, Problem(file, line, column, "", found, "YAML")]
        ) from None
    except yaml.YAMLError as error:
        found = plain(str(error).splitlines()[0], 200)
        raise _whole(file, found, "YAML without control characters") from None
    return source


def _whole(file: str, found: str, expected: str) -> RunbookInvalid:
    return RunbookInvalid([Problem(file, 0, 0, "", found, expected)])


class _Builder:
    """Consumes YAML events, never building what was not checked first."""

    def __init__(self, source: Source, events: Iterator[yaml.Event]) -> None:
        self.source = source
        self.events = events
        self.documents = 0

    def document(self) -> None:
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                self.documents += 1
                if self.documents > 1:
                    self._problem(event, (), "a second document", "one document in a file")
                    return
            elif isinstance(event, yaml.NodeEvent):
                self.source.value = self._node(event, (), 1)

    def _node(self, event: yaml.Event, where: Where, depth: int) -> Json:
        line, column = _position(event)
        self.source.places[where] = (line, column)
        if depth > MAX_DEPTH:
            problem = Problem(
                self.source.file,
                line,
                column,
                "",
                "nesting deeper than 50 levels",
                "at most 50 levels",
            )
            raise RunbookInvalid([*self.source.problems, problem])
        if isinstance(event, yaml.AliasEvent):
            self._problem(
                event, where, f"the alias *{plain(str(event.anchor), 40)}", "the value written out"
            )
            return None
        anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if anchor:
            self._problem(event, where, f"the anchor &{plain(str(anchor), 40)}", "no anchors")
        if tag:
            self._problem(event, where, f"the tag {plain(str(tag), 60)}", "no tags")
        if isinstance(event, yaml.ScalarEvent):
            return event.value if event.style else resolve(event.value)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(where, depth)
        return self._mapping(where, depth)

    def _sequence(self, where: Where, depth: int) -> list[Json]:
        items: list[Json] = []
        for event in self.events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self._node(event, (*where, len(items)), depth + 1))
        return items

    def _mapping(self, where: Where, depth: int) -> dict[str, Json]:
        items: dict[str, Json] = {}
        for event in self.events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._key(event, where, depth)
            place = (*where, key)
            if key in items:
                first = self.source.keys[place][0]
                self._problem(
                    event,
                    place,
                    f"`{plain(key, 60)}` a second time",
                    f"it once; the first is on line {first}",
                )
                self._node(next(self.events), (*where, "\0duplicate"), depth + 1)
                continue
            self.source.keys[place] = _position(event)
            items[key] = self._node(next(self.events), place, depth + 1)
        return items

    def _key(self, event: yaml.Event, where: Where, depth: int) -> str:
        if isinstance(event, yaml.ScalarEvent):
            if event.anchor or event.tag:
                self._problem(event, where, "a key with an anchor or a tag", "a plain key")
            return str(event.value)
        self._problem(event, where, "a key that is not a text", "a plain key")
        self._node(event, (*where, "\0key"), depth + 1)
        return "\0key"

    def _problem(self, event: yaml.Event, where: Where, found: str, expected: str) -> None:
        line, column = _position(event)
        self.source.problems.append(
            Problem(self.source.file, line, column, show_path(where), found, expected)
        )


def _position(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)


def resolve(text: str) -> Json:
    """A plain scalar by YAML 1.2's core schema.

    Infinity, not-a-number, and numbers that could only be kept by rounding them stay texts.
    """
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text):
        return True
    if _FALSE.fullmatch(text):
        return False
    if _INT.fullmatch(text):
        return int(text)
    if _OCT.fullmatch(text):
        return int(text[2:], 8)
    if _HEX.fullmatch(text):
        return int(text, 16)
    if _FLOAT.fullmatch(text) and not text.lstrip("+-").isdigit():
        number = float(text)
        return number if math.isfinite(number) else text
    return text


def describe(value: Json) -> str:
    """What was found, for a message."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text '{plain(value, 60)}'"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, Sequence):
        return "a list"
    return f"the number {value}"


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """`, did you mean …?` or nothing."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean `{close[0]}`?" if close else ""
