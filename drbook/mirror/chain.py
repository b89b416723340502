"""Reading an incident's records back from a mirror: bounded, and nothing is believed unread."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from drbook.core import events as ev
from drbook.core.errors import JournalError
from drbook.core.events import Record
from drbook.core.values import counted, plain, show_size
from drbook.journal.codec import decode, digest
from drbook.mirror.compare import Copy, Line
from drbook.mirror.place import (
    MAX_OBJECT,
    MAX_TOTAL,
    RECORDS,
    MirrorDown,
    Place,
    Stored,
    number_in,
    record_name,
)

_AT_ONCE = 8
_BYTES_AT_ONCE = 8 * 1024 * 1024
_REMARKS = 5


@dataclass(slots=True)
class _Reading:
    """What the records say on the way."""

    incident: str = ""
    takeovers: dict[int, str] = field(default_factory=dict)
    hosts: dict[int, tuple[str, str]] = field(default_factory=dict)

    def line(self, stored: Stored, data: bytes) -> Line:
        seq = number_in(stored.name) or 0
        try:
            record = line_of(data)
        except JournalError as error:
            return Line(seq, problem=error.what)
        if record.seq != seq:
            return Line(seq, problem=f"it is numbered {record.seq}")
        if isinstance(record.event, ev.IncidentOpened) and seq == 1:
            self.incident = record.event.incident
        if isinstance(record.event, ev.IncidentTakenOver):
            self.takeovers[seq] = who_took_over(record)
            self.hosts[seq] = (record.event.from_host, record.host)
        return Line(seq, digest(data[:-1]), record.prev)


def read_copy(place: Place, keep: dict[int, bytes] | None = None) -> Copy:
    """Everything that a place holds of an incident; `keep` gets each usable line's exact bytes.

    Raises MirrorDown where it cannot be read to its end.
    """
    names, strange = _records(place)
    reading, lines = _Reading(), []
    for stored, data in _contents(place, names):
        if stored.size > MAX_OBJECT or len(data) > stored.size:
            lines.append(Line(number_in(stored.name) or 0, problem="it is larger than any record"))
            continue
        line = reading.line(stored, data)
        lines.append(line)
        if keep is not None and not line.problem:
            keep[line.seq] = data
    changed = [f"{plain(one.name, 60)} was {one.remark}" for one in names if one.remark]
    remarks = [*_few(changed, "object"), *_few(strange, "name that drbook does not write")]
    return Copy(
        place.location,
        tuple(lines),
        reading.incident,
        reading.takeovers,
        tuple(remarks),
        reading.hosts,
    )


def line_of(data: bytes) -> Record:
    """The record in an object's bytes. Raises JournalError for what is not one whole line."""
    if not data.endswith(b"\n") or data.count(b"\n") != 1:
        raise JournalError("it is not one line", code="journal-line")
    return decode(data[:-1])


def who_took_over(record: Record) -> str:
    reason = record.event.reason if isinstance(record.event, ev.IncidentTakenOver) else ""
    return (
        f"{plain(record.actor, 100)} on {plain(record.host, 100)} ({record.at:%Y-%m-%d %H:%M:%S} "
        f"UTC: {plain(reason, 200)})"
    )


def _records(place: Place) -> tuple[list[Stored], list[str]]:
    good, strange, total = [], [], 0
    for stored in place.listed(RECORDS):
        seq = number_in(stored.name)
        if seq is None or stored.name != record_name(seq):
            strange.append(plain(stored.name, 100))
            continue
        good.append(stored)
        total += min(stored.size, MAX_OBJECT + 1)
    if total > MAX_TOTAL:
        raise MirrorDown(
            f"{place.location} holds {show_size(total)} of records, more than any incident writes.",
            means="It was not read.",
            next="Look who writes there.",
        )
    return good, strange


def _contents(place: Place, names: list[Stored]) -> Iterator[tuple[Stored, bytes]]:
    """In order, a few at once, and never more than those in memory."""

    def read(stored: Stored) -> bytes:
        return place.read(stored, stored.size) if stored.size <= MAX_OBJECT else b""

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="mirror-read") as pool:
        for some in _few_at_once(names):
            yield from zip(some, pool.map(read, some), strict=True)


def _few_at_once(names: list[Stored]) -> Iterator[list[Stored]]:
    """Groups that fit into memory together: a few, and not many bytes."""
    some: list[Stored] = []
    for stored in names:
        if some and (len(some) == _AT_ONCE or sum(one.size for one in some) > _BYTES_AT_ONCE):
            yield some
            some = []
        some.append(stored)
    if some:
        yield some


def _few(found: list[str], noun: str) -> list[str]:
    if len(found) <= _REMARKS:
        return found
    return [*found[:_REMARKS], f"and {counted(len(found) - _REMARKS, 'other ' + noun)}"]
