"""Entries that somebody else wrote: a provider's audit log, a chat's export, alerts. Text to entries, pure.

All of a file or nothing: a line that cannot be read is named, and so are all the others. A time without a
zone is refused, for a guess of hours would stand in the record as a fact.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from drbook.core.errors import UsageError
from drbook.core.values import counted, format_time, parse_time, plain, show_time

MOST = 5000
"""Entries of one file."""
LARGEST = 8 * 1024 * 1024
"""Bytes of one file."""
TEXT, NAME = 4000, 200
"""Characters that are kept of a text, and of an author or a source; the file keeps the rest."""
_COLUMNS = ("time", "actor", "text", "source")
_SHOWN = 10
Row = tuple[int, Mapping[str, object] | str]
"""A line's number, from 1, and its fields, or what is wrong with it."""


@dataclass(frozen=True, slots=True)
class External:
    """One entry as its file says it."""

    line: int
    at: datetime
    author: str
    text: str
    source: str

    @property
    def digest(self) -> str:
        """SHA-256 of what it says, in hex: two files may hold the same entry."""
        said = [format_time(self.at), self.author, self.text, self.source]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def read_external(data: bytes, name: str, now: datetime, source: str = "") -> list[External]:
    """The entries of a CSV file, or of JSON lines, in the file's order. What the file is, its name says.

    Each has `time` (ISO 8601 with its zone, not after `now`), `actor`, `text` and `source`; an actor may be
    empty or absent, and `source` stands for the entries that name none. Raises UsageError with all problems.
    """
    rows = _rows(data, name, source)
    entries, problems = [], []
    for line, row in rows:
        found = row if isinstance(row, str) else _entry(line, row, source, now)
        if isinstance(found, External):
            entries.append(found)
        else:
            problems.append(f"line {line}: {found}")
    if not entries and not problems:
        problems.append("it holds no entry")
    if len(entries) > MOST:
        problems.append(f"it holds {len(entries):,} entries; at most {MOST:,} are taken at once")
    if problems:
        left = len(problems) - _SHOWN
        more = [f"and {counted(left, 'more problem')}"] if left > 0 else []
        raise _refused(name, "\n".join([*problems[:_SHOWN], *more]))
    return entries


def unknown_of(
    entries: Iterable[External], known: frozenset[str]
) -> tuple[list[tuple[str, External]], int]:
    """Those that are not on record yet, each once and with its digest; and how many were left out."""
    fresh, count = dict[str, External](), 0
    for entry in entries:
        count += 1
        if entry.digest not in known:
            fresh.setdefault(entry.digest, entry)
    return list(fresh.items()), count - len(fresh)


def _rows(data: bytes, name: str, source: str) -> Iterator[Row]:
    if len(data) > LARGEST:
        raise _refused(name, f"it has {len(data):,} bytes; at most {LARGEST:,} are taken at once")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refused(name, f"it is not UTF-8 text, at byte {error.start}") from None
    ending = name.lower().rpartition(".")[2]
    if ending == "csv":
        return _csv(text, name, source)
    if ending in ("jsonl", "ndjson", "json"):
        return _json(text)
    raise _refused(name, "its name ends neither in .csv nor in .jsonl, .ndjson or .json")


def _csv(text: str, name: str, source: str) -> Iterator[Row]:
    """RFC 4180, with a header, or the same with the semicolons or tabs that spreadsheets write; columns of other
    names stay in the file only."""
    first = text.lstrip("\r\n").partition("\n")[0]
    between = next((one for one in ";\t" if "," not in first and one in first), ",")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=between)
    header: list[str] | None = None
    begun = 1
    try:
        for cells in reader:
            line, begun = begun, reader.line_num + 1
            if header is None:
                header = [cell.strip().lower() for cell in cells]
                if why := _unfit(header, source):
                    raise _refused(name, f"its first line names the columns: {why}")
            elif cells and len(cells) != len(header):
                yield line, f"it has {len(cells)} cells, and the header {len(header)}"
            elif cells:
                yield line, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        yield begun, f"it is no CSV: {error}"


def _unfit(header: list[str], source: str) -> str:
    """What is wrong with the names of the columns; empty where nothing is. Nobody needs an actor."""
    needed = ("time", "text") if source else ("time", "text", "source")
    lacking = [one for one in needed if one not in header]
    twice = [one for one in _COLUMNS if header.count(one) > 1]
    said = [f"{', '.join(lacking)} missing"] if lacking else []
    said += [f"{' and '.join(twice)} stands there more than once"] if twice else []
    if said and lacking:
        hint = "; --source names one for all" if "source" in lacking else ""
        said.append(f"there is {plain(', '.join(header), 200) or 'nothing'}{hint}")
    return "; ".join(said)


def _json(text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield number, f"it is no JSON: {plain(str(error), 120)}"
            continue
        yield number, found if isinstance(found, dict) else "it is no JSON object"


def _entry(line: int, row: Mapping[str, object], source: str, now: datetime) -> External | str:
    """The entry, or what is wrong with it."""
    told = {name: row.get(name) for name in _COLUMNS}
    if odd := [name for name, value in told.items() if not isinstance(value, str | None)]:
        return f"{', '.join(odd)} is no text"
    time, author, text, by = (str(value or "").strip() for value in told.values())
    by = by or source
    lacking = [name for name, value in (("text", text), ("source", by)) if not value]
    if lacking:
        hint = "; --source names one for all" if "source" in lacking else ""
        return f"{' and '.join(lacking)} is empty{hint}"
    at = _zoned(time)
    if isinstance(at, str):
        return at
    if at > now:
        return f"{show_time(at)} has not come yet; it is {show_time(now)}"
    return External(line, at, _cut(author, NAME), _cut(text, TEXT), _cut(by, NAME))


def _zoned(text: str) -> datetime | str:
    shown = repr(plain(text, 60))
    try:
        found = parse_time(text)
        bare = text.upper().removesuffix(" UTC")
        if bare == text.upper() and datetime.fromisoformat(text).tzinfo is None:
            return f"the time {shown} has no zone; write it like 2026-04-24T19:04:00Z"
    except ValueError:
        return f"{shown} is no time; write it like 2026-04-24T19:04:00Z"
    return found


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    return f"{text[:most]} … ({len(text):,} characters; the file has them all)"


def _refused(name: str, why: str) -> UsageError:
    return UsageError(
        f"{plain(name, 200)} cannot be taken into the record:\n{why}",
        means="Nothing was recorded.",
        next="Mend the file, or take out what is not meant, and enter it again.",
        code="external-file",
    )
