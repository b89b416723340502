"""What a base backup says of itself: its `backup_label`, its `backup_manifest`, and whose child it is.

Facts of PostgreSQL's manual ("Backup Manifest Format", "Making a Base Backup Using the Low Level API").
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from drbook.core.values import Frozen, UtcTime

_START = re.compile(r"^START WAL LOCATION: ([0-9A-F]+/[0-9A-F]+) \(file ([0-9A-F]{24})\)", re.M)
_TIME = re.compile(r"^START TIME: (.+?) ([A-Z]{2,5}|[+-]\d\d)$", re.M)
_FROM = re.compile(r"^INCREMENTAL FROM LSN: ([0-9A-F]+/[0-9A-F]+)$", re.M)
_LABEL = re.compile(r"^LABEL: (.*)$", re.M)


class Label(Frozen):
    """What `backup_label` says. Its times are in the server's own zone: only UTC's are read."""

    start_lsn: str
    start_segment: str
    began: UtcTime | None = None
    label: str = ""
    based_on: str | None = None
    """Of an incremental backup: where the backup that it needs began."""


def read_label(text: str) -> Label:
    """Raises ValueError where it is none."""
    start = _START.search(text)
    if start is None:
        raise ValueError("it does not say where the WAL begins that it needs")
    began = None
    if (time := _TIME.search(text)) and time[2] in ("UTC", "GMT", "+00"):
        began = datetime.strptime(time[1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    based, label = _FROM.search(text), _LABEL.search(text)
    return Label(
        start_lsn=start[1],
        start_segment=start[2],
        began=began,
        label=label[1] if label else "",
        based_on=based[1] if based else None,
    )


class Contents(Frozen):
    """What `backup_manifest` says."""

    bytes: int
    """Of all files that it names, unpacked."""
    files: int
    end_lsn: str | None = None
    """Where the WAL ends that the copy needs to be consistent."""
    timeline: int | None = None
    system_identifier: str | None = None
    """From version 2 on (PostgreSQL 17)."""
    checksums: bool = True
    """Whether it has one of every file."""


def read_contents(data: bytes) -> Contents:
    """Raises ValueError where it is none, or cut short."""
    found = json.loads(data)
    if not isinstance(found, Mapping) or "PostgreSQL-Backup-Manifest-Version" not in found:
        raise ValueError("it is no backup manifest")
    files, ranges = found.get("Files"), found.get("WAL-Ranges")
    if not isinstance(files, Sequence) or not isinstance(ranges, Sequence):
        raise ValueError("it names no files")
    last = ranges[-1] if ranges else {}
    identifier = found.get("System-Identifier")
    return Contents(
        bytes=sum(int(each["Size"]) for each in files),
        files=len(files),
        end_lsn=last.get("End-LSN"),
        timeline=last.get("Timeline"),
        system_identifier=str(identifier) if identifier is not None else None,
        checksums=all("Checksum" in each for each in files),
    )


class Kin(Frozen):
    """As much of one backup as tells whose parent it may be."""

    id: str
    system_identifier: str | None
    start_lsn: str
    based_on: str | None


def chain(one: Kin, others: Iterable[Kin]) -> tuple[str, ...] | None:
    """The ids of what it cannot be restored without, the full one first; None where one of them is not
    there."""
    by_start = {
        (each.system_identifier, each.start_lsn): each for each in others if each.id != one.id
    }
    found: list[str] = []
    now = one
    while now.based_on is not None:
        parent = by_start.pop((one.system_identifier, now.based_on), None)
        if parent is None:
            return None
        found.insert(0, parent.id)
        now = parent
    return tuple(found)
