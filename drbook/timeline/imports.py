"""An export read back: which incident and head it names, and what it says record by record. Pure.

Nothing here trusts the file. What is compared is what the journal gives today against what the file holds,
so that whatever was taken out, put in or changed has a name.
"""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from drbook.core.events import Record
from drbook.core.values import INCIDENT_ID, plain
from drbook.timeline.jsonlines import cloud_event, record_of
from drbook.timeline.table import HEADER

_HEAD = re.compile(r"\b[0-9a-f]{64}\b")
_NAMED = re.compile(r"Incident (?:`|<code>)(" + INCIDENT_ID.pattern + r")(?:`|</code>)")
_ROWS = {
    "csv": re.compile(r"(\d+),"),
    "md": re.compile(r"\| (\d+) \|"),
    "html": re.compile(r'<tr><td class="n">(\d+)</td>'),
}
_JOURNAL = {"md": "Journal ", "html": "<p>Journal "}
"""How the line begins that says where the journal lies: it may lie somewhere else by now."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an export says of itself."""

    kind: str
    incident: str
    """Empty where it names none."""
    head: str
    """Of the journal when it was exported; empty where the file does not come to its end."""
    count: int | None
    """Records that the file says or shows it stands for."""
    text: str
    records: tuple[Record, ...] = ()
    """Those of CloudEvents lines."""
    problems: tuple[str, ...] = ()
    """What is wrong with it by itself, with the numbers of records or lines."""


def read_export(text: str, kind: str) -> Imported:
    """What is in the file; problems are said, never raised."""
    if kind in ("json", "cloudevents"):
        return _cloud_events(text, kind)
    if kind == "csv":
        return _csv(text)
    return _page(text, kind)


def rows(text: str, kind: str) -> Iterator[tuple[int, str]]:
    """The lines of the file that tell of one record, with its number; what comes behind belongs to it."""
    pattern = _ROWS[kind]
    everything = {"md": "## Everything, in order", "html": "<h2>Everything, in order</h2>"}
    _, _, body = text.partition(everything[kind]) if kind in everything else ("", "", text)
    for line in _lines(body, kind):
        if found := pattern.match(line):
            yield int(found[1]), line


def differing(expected: str, found: Imported) -> tuple[tuple[str, ...], bool]:
    """What an export differs in from what the journal gives: of CSV, Markdown and HTML, row by row.

    The second is True where only what stands around the rows differs: another drbook may have worded it so.
    """
    if found.text == expected:
        return (), False
    kind = found.kind
    wanted, there = Counter(rows(expected, kind)), Counter(rows(found.text, kind))
    said = [f"record {seq}: {_short(line)} is not in the file" for seq, line in (wanted - there)]
    said += [
        f"record {seq}: {_short(line)} is not in the journal" for seq, line in (there - wanted)
    ]
    if said:
        return tuple(sorted(said, key=_number)), False
    if list(rows(expected, kind)) != list(rows(found.text, kind)):
        return ("its rows stand in another order",), False
    marks = _JOURNAL.get(kind)
    around = [
        number
        for number, (one, other) in enumerate(_pairs(expected, found.text), 1)
        if one != other and not (marks and one.startswith(marks) and other.startswith(marks))
    ]
    if not around:
        return (), False
    return (f"line {around[0]} and {len(around) - 1} more beside the rows of records",), True


def lost(records: Sequence[Record], found: Imported, incident: str) -> tuple[str, ...]:
    """The same of CloudEvents lines, record by record."""
    there = {record.seq: record for record in found.records}
    said = [
        f"record {record.seq}: " + ("missing" if other is None else "not as in the journal")
        for record in records
        if (other := there.get(record.seq)) != record
    ]
    most = len(records)
    said += [f"record {seq}: not in the journal" for seq in there if seq > most]
    for line in found.text.splitlines()[: len(found.records)] if not found.problems else ():
        event = json.loads(line)
        made = cloud_event(incident, record_of(event))
        if {**event, "data": None} != {**made, "data": None}:
            said.append(f"record {plain(str(event.get('id')), 80)}: its attributes do not fit it")
    return tuple(said)


def _cloud_events(text: str, kind: str) -> Imported:
    problems, records, incident, head, count = list[str](), list[Record](), "", "", None
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        try:
            event = json.loads(line)
            if not isinstance(event, dict):
                raise ValueError("it is no object")
            incident = incident or str(event.get("id")).rpartition("/")[0]
            if event.get("type") == "io.drbook.journal.head":
                data = event["data"]
                head, count = str(data["head"]), int(data["records"])
                if number != len(lines):
                    problems.append(f"line {number}: the head is not the last line")
            else:
                records.append(record_of(event))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            why = plain(str(error).splitlines()[0] if str(error) else "", 120)
            problems.append(f"line {number}: no event of a record ({why})")
    if not head:
        problems.append("the last line, which holds the journal's head, is missing")
    elif count != len(records):
        problems.append(f"it says that it holds {count} records, and holds {len(records)}")
    numbers = [record.seq for record in records]
    problems += _gaps(numbers)
    if not INCIDENT_ID.fullmatch(incident):
        incident = ""
    return Imported(kind, incident, head, count, text, tuple(records), tuple(problems))


def _gaps(numbers: Sequence[int]) -> list[str]:
    """Records that are missing, there twice, or out of their order."""
    counts = Counter(numbers)
    missing = sorted(set(range(1, max(numbers, default=0) + 1)) - counts.keys())
    said = [f"record {number}: missing" for number in missing]
    said += [
        f"record {number}: there {times} times" for number, times in counts.items() if times > 1
    ]
    if not said and list(numbers) != sorted(numbers):
        said.append("its records stand in another order")
    return said


def _csv(text: str) -> Imported:
    try:
        cells = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        return Imported("csv", "", "", None, text, problems=(f"it is no CSV: {error}",))
    problems = [
        f"line {number}: it has {len(row)} cells instead of {len(HEADER)}"
        for number, row in enumerate(cells, 1)
        if len(row) != len(HEADER)
    ]
    if not cells or tuple(cells[0]) != HEADER:
        problems.append("its first line is not the header of a timeline")
    last = cells[-1] if cells else []
    ends = len(last) == len(HEADER) and last[6] == "journal" and last[0].isdigit()
    if not ends:
        problems.append("the last line, which holds the journal's head, is missing")
        return Imported("csv", "", "", None, text, problems=tuple(problems))
    numbers = [int(row[0]) for row in cells[1:] if row and row[0].isdigit()]
    if numbers != sorted(numbers):
        problems.append("its records stand in another order")
    named = re.search(r"incident (" + INCIDENT_ID.pattern + ")", last[7])
    heads = _HEAD.findall(last[7])
    return Imported(
        "csv",
        named[1] if named else "",
        heads[-1] if heads else "",
        int(last[0]),
        text,
        problems=tuple(problems),
    )


def _page(text: str, kind: str) -> Imported:
    named = _NAMED.search(text)
    mark = r"head `" if kind == "md" else "head <code>"
    _, _, end = text.rpartition(mark)
    head = _HEAD.match(end)
    problems = [] if head else ["its last part, which holds the journal's head, is missing"]
    said = re.findall(r": ([\d,]+) records?, ", text)
    count = int(said[-1].replace(",", "")) if said else None
    incident = named[1] if named else ""
    return Imported(kind, incident, head[0] if head else "", count, text, problems=tuple(problems))


def _lines(text: str, kind: str) -> list[str]:
    """A row of HTML may have line breaks in it, and one of CSV in quotes has none."""
    if kind != "html":
        return text.splitlines()
    return [f"<tr>{row.partition('</tr>')[0]}" for row in text.split("<tr>")]


def _pairs(one: str, other: str) -> Iterator[tuple[str, str]]:
    left, right = one.splitlines(), other.splitlines()
    for number in range(max(len(left), len(right))):
        yield (
            left[number] if number < len(left) else "",
            right[number] if number < len(right) else "",
        )


def _short(line: str) -> str:
    return repr(plain(line, 120))


def _number(said: str) -> int:
    return int(said.removeprefix("record ").partition(":")[0])
