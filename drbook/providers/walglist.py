"""What WAL-G says of its backups and of its WAL, and how far the one rolls forward over the other. Pure.

The shapes were read from WAL-G's source at v3.0.9 and four commits behind it, and never from a real one:
`backup-list --detail --json` (`internal/databases/postgres/backup_detail.go`, `backup_sentinel_dto.go`,
`internal/backup_time.go`, and `cmd/pg/exporter/testdata/backup-list.json`), `st ls` (`internal/storagetools/folder_list_handler.go`), the sentinel and
`files_metadata.json`. Fields that are not known are passed over. A place in the WAL is a plain number there.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from drbook.core.values import plain

NAME = re.compile(r"base_([0-9A-F]{24})(?:_D_([0-9A-F]{24}))?(?:_[0-9A-F]{8})?")
"""`base_`, the segment that it begins in, and behind `_D_` that of the backup a delta was made upon."""
_ROW = re.compile(
    r"obj\s+(\d+)\s+(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) ([+-]\d{4}) \S+\s+(\S+)(?:\s.*)?"
)
_HEAD = re.compile(r"type\s+size\s+last modified\s+name\s*")
_LONGEST = 2**42
"""Bytes of WAL that may be written while one backup is made."""
_PACKED = re.compile(r"\.(?:lz4|lzma|zst|br|gz|lzo)$")


@dataclass(frozen=True, slots=True)
class Kept:
    """One backup that WAL-G finished."""

    name: str
    wal: str
    """The segment that it begins in."""
    upon: str | None
    """Of a delta: the segment in which the backup that it needs begins."""
    ended: datetime | None
    """By the clock of the host that WAL-G ran on; None where its details are not told, or without a zone."""
    stored: datetime | None
    """When its sentinel was stored, by the store's clock."""
    start: int | None
    finish: int | None
    """Place in the WAL at which it is consistent."""
    version: int | None
    system: str | None
    stored_bytes: int | None
    laid_bytes: int | None
    permanent: bool
    storage: str
    """Empty, or `default`: the first of its stores."""
    note: str = ""

    @property
    def timeline(self) -> int:
        return int(self.wal[:8], 16)


@dataclass(frozen=True, slots=True)
class Stored:
    """One object, as `st ls` lists it."""

    name: str
    size: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Sentinel:
    """What a backup's sentinel says that a list does not."""

    upon: str | None
    """The name of the backup that a delta needs."""
    tablespaces: tuple[str, ...]
    """Their numbers."""


def backups_in(text: bytes) -> tuple[dict[str, Kept], list[str]]:
    """By name, and what was left out, in words. Raises ValueError where it is no list of WAL-G's."""
    try:
        found = json.loads(text)
    except ValueError:
        raise ValueError("it is no JSON, or ends too early") from None
    if not isinstance(found, list):
        raise ValueError("it is no list")
    backups: dict[str, Kept] = {}
    left: list[str] = []
    for one in found:
        name = one.get("backup_name") if isinstance(one, dict) else None
        if not isinstance(name, str) or not name:
            raise ValueError("it holds something that has no backup_name")
        if not NAME.fullmatch(name):
            left.append(f"{plain(name, 80)}: this is no name of a backup of PostgreSQL's files")
            continue
        try:
            kept = _kept(name, one)
        except (ValueError, TypeError) as error:
            left.append(f"{name}: what is said of it cannot be read: {plain(str(error), 100)}")
            continue
        if name in backups:
            left.append(f"{name}: it lies in two stores; only the first is used")
        elif kept.ended is None and kept.stored is None:
            left.append(f"{name}: nothing says when it was taken, with a zone")
        else:
            backups[name] = kept
    return backups, left


def _kept(name: str, one: Mapping[str, Any]) -> Kept:
    match = NAME.fullmatch(name)
    assert match is not None
    ended, stored = _moment(one.get("finish_time")), _moment(one.get("time"))
    note = ""
    if ended is None:
        zoneless = isinstance(one.get("finish_time"), str) and not _zero(one["finish_time"])
        note = (
            f"its end is told without a zone ({plain(str(one['finish_time']), 40)})"
            if zoneless
            else "its own details are not there"
        )
    system = number(one.get("system_identifier"))
    start, finish = number(one.get("start_lsn")) or None, number(one.get("finish_lsn")) or None
    if start is not None and finish is not None and not 0 <= finish - start < _LONGEST:
        raise ValueError("it ends before it begins, or far behind it")
    return Kept(
        name=name,
        wal=match[1],
        upon=match[2],
        ended=ended,
        stored=stored,
        start=start,
        finish=finish if start is not None else None,
        version=number(one.get("pg_version")) or None,
        system=str(system) if system else None,
        stored_bytes=number(one.get("compressed_size")) or None,
        laid_bytes=number(one.get("uncompressed_size")) or None,
        permanent=one.get("is_permanent") is True,
        storage=str(one.get("storage_name") or ""),
        note=note,
    )


def _zero(text: str) -> bool:
    """Go's time of nothing."""
    return text.startswith("0001-01-01")


def _moment(value: object) -> datetime | None:
    """None where nothing is told, or no zone with it. Raises ValueError where it is no time."""
    if value is None or value == "" or (isinstance(value, str) and _zero(value)):
        return None
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no time")
    found = datetime.fromisoformat(value)
    try:
        return found.astimezone(UTC) if found.tzinfo is not None else None
    except OverflowError:
        raise ValueError(f"{plain(value, 40)} is no time that a clock can show") from None


def number(value: object) -> int | None:
    """As JSON has one of 64 bits; None where it is not told. Raises ValueError."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**64:
        raise ValueError(f"{plain(str(value), 40)} is no number that can stand here")
    return value


# --- one backup ----------------------------------------------------------------------------------------


class Lost(LookupError):
    """A backup that another one needs is not there."""


def chain(backups: Mapping[str, Kept], kept: Kept) -> tuple[str, ...]:
    """The names that a delta needs, the oldest first. Raises Lost where one is not there, LookupError where
    it cannot be told from another, in words."""
    found: list[str] = []
    now = kept
    while now.upon is not None:
        parents = [each for each in backups.values() if each.wal == now.upon and each != now]
        if not parents:
            raise Lost(f"it was made upon a backup at {now.upon}, which is not there")
        if len(parents) > 1 or parents[0].name in found:
            raise LookupError(f"which of the backups at {now.upon} it was made upon is not told")
        now = parents[0]
        found.append(now.name)
    return tuple(reversed(found))


def sentinel_in(text: bytes) -> Sentinel:
    """Raises ValueError where it is none."""
    found = json.loads(text)
    if not isinstance(found, dict) or "LSN" not in found or "PgVersion" not in found:
        raise ValueError("it is no sentinel of WAL-G's")
    upon = found.get("DeltaFrom")
    spec = found.get("Spec") or found.get("spec") or {}
    names = spec.get("tablespaces") or [] if isinstance(spec, dict) else None
    if names is None or not isinstance(names, list):
        raise ValueError("its tablespaces are no list")
    if any(not isinstance(each, str) or not re.fullmatch(r"\d{1,10}", each) for each in names):
        raise ValueError("it names a tablespace by something else than its number")
    if upon is not None and (not isinstance(upon, str) or not NAME.fullmatch(upon)):
        raise ValueError("it names no backup that it was made upon")
    return Sentinel(upon, tuple(names))


def restore_spec(data: str, tablespaces: Mapping[str, str]) -> str:
    """Where WAL-G shall put each tablespace (`--restore-spec`; `tablespace_spec.go`)."""
    found: dict[str, object] = {"base_prefix": data, "tablespaces": list(tablespaces)}
    for name, place in tablespaces.items():
        found[name] = {"loc": place, "link": f"pg_tblspc/{name}"}
    return json.dumps(found)


def archives_in(text: bytes) -> frozenset[str] | None:
    """The names of the tar archives that `files_metadata.json` says a backup consists of; None where it says
    nothing of that. Raises ValueError where it is none."""
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("it is no object")
    sets = found.get("TarFileSets") or {}
    if not isinstance(sets, dict):
        raise ValueError("its TarFileSets are none")
    return frozenset(str(each) for each in sets) or None


def objects_in(text: str) -> tuple[Stored, ...]:
    """From `st ls`. Times are shown in the zone that the row names. Raises ValueError."""
    head, *rows = text.splitlines() or [""]
    if not _HEAD.fullmatch(head):
        raise ValueError("it does not begin with the heads of its columns")
    found = []
    for row in rows:
        match = _ROW.fullmatch(row.rstrip())
        if match is None:
            if row.startswith("dir") or not row.strip():
                continue
            raise ValueError(f"a row is none: {plain(row, 80)}")
        at = datetime.fromisoformat(f"{match[2]}{match[3]}").astimezone(UTC)
        found.append(Stored(match[4], int(match[1]), at))
    return tuple(found)


def bare(name: str) -> str:
    """A name without how it is packed."""
    return _PACKED.sub("", name)
