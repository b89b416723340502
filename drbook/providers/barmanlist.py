"""What Barman says of its backups and of its WAL, and how far the one rolls forward over the other. Pure.

The shapes are those of Barman 3.19: `list-backups` as JSON, `sync-info`, and `barman-cloud-backup-list` as
JSON, whose backups are written like those of `sync-info`. Times there are Barman's own clock.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from drbook.core import walnames
from drbook.core.values import plain
from drbook.core.walnames import HISTORY, SIZES, USUAL, row, segment, way_by_names

DONE = "DONE"

_ID = re.compile(r"\d{8}T\d{6}")
_WAITS = (
    "it waits for WAL that its archive had not when Barman looked last; without it the copy never "
    "becomes consistent (`barman check-backup` looks again)"
)


@dataclass(frozen=True, slots=True)
class Tablespace:
    name: str
    oid: int


@dataclass(frozen=True, slots=True)
class Kept:
    """One finished backup."""

    id: str
    ended: datetime
    mode: str
    version: int | None
    system: str | None
    timeline: int
    begin_wal: str
    end_wal: str
    """The last segment without which it is not consistent."""
    segment: int
    """Bytes of a WAL segment."""
    size: int | None
    encryption: str | None
    compression: str | None
    parent: str | None
    tablespaces: tuple[Tablespace, ...]
    elsewhere: bool
    """True where it is a snapshot of a disk, which its provider keeps."""


@dataclass(frozen=True, slots=True)
class Wal:
    """One file of the archive, and when it was written there."""

    name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All that one server has."""

    backups: Mapping[str, Kept]
    wals: tuple[Wal, ...]
    left_out: tuple[str, ...]
    place: str = ""
    """The folder that holds it."""
    policy: str = ""
    """What of it is deleted when, as Barman is told; empty where nothing is."""
    hooks: tuple[str, ...] = ()
    """Settings that name programs which Barman runs before or after it restores."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How far the archive takes one backup, by the names in it."""

    last: Wal | None
    """The last segment without a gap before it; None where not even the backup's own are there."""
    missing: str = ""
    """The first of its own segments that is not there: it cannot become consistent."""
    gap: str = ""
    """The first that is not there although later ones are."""
    timelines: tuple[int, ...] = ()
    """Those that are gone over after the backup's own."""


def catalogue_of(listed: bytes, synced: bytes, server: str) -> Catalogue:
    """From `list-backups` and `sync-info`. Raises ValueError where they are not what Barman prints."""
    try:
        info = _object(synced)
        backups, left = {}, []
        for one in _object(listed)[server]:
            id, status = _id(one["backup_id"]), str(one["status"])
            if status != DONE:
                left.append(_why_not(id, status))
                continue
            if id not in info["backups"]:
                left.append(f"backup {id}: Barman lists it and says nothing of it")
                continue
            backups[id] = kept_in(info["backups"][id])
        wals = tuple(Wal(str(one["name"]), _epoch(one["time"])) for one in info["wals"])
        config = info.get("config") or {}
        hooks = [
            f"{when}_recovery{again}_script" for when in ("pre", "post") for again in ("", "_retry")
        ]
        return Catalogue(
            backups=backups,
            wals=wals,
            left_out=tuple(left),
            place=str(config.get("backup_directory") or ""),
            policy=str(config.get("retention_policy") or ""),
            hooks=tuple(name for name in hooks if config.get(name)),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"Barman's list lacks {error}") from None


def cloud_catalogue(listed: bytes, wals: Iterable[Wal]) -> Catalogue:
    """From `barman-cloud-backup-list`. Raises ValueError where it is not what it prints."""
    try:
        backups, left = {}, []
        for one in _object(listed)["backups_list"]:
            id, status = _id(one["backup_id"]), str(one["status"])
            if status == DONE:
                backups[id] = kept_in(one)
            else:
                left.append(_why_not(id, status))
        return Catalogue(backups, tuple(wals), tuple(left))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"Barman's list lacks {error}") from None


def _object(text: bytes) -> Mapping[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("Barman prints no object")
    return found


def _why_not(id: str, status: str) -> str:
    why = (
        _WAITS if status == "WAITING_FOR_WALS" else f"its status is {plain(status, 40)}, not {DONE}"
    )
    return f"backup {id}: {why}"


def _id(text: object) -> str:
    """It becomes an argument, so that it must be one."""
    if not isinstance(text, str) or not _ID.fullmatch(text):
        raise ValueError("Barman names a backup by something else than the time of its start")
    return text


def _epoch(value: object) -> datetime:
    if not isinstance(value, (int, float, str)):
        raise ValueError("Barman's time of a file is no number")
    try:
        return datetime.fromtimestamp(float(value), UTC)
    except (OverflowError, OSError):
        raise ValueError("Barman's time of a file is none") from None


def kept_in(one: Mapping[str, object]) -> Kept:
    """One backup as `sync-info` and the cloud's list write it. Raises ValueError, KeyError, TypeError."""
    spaces = one.get("tablespaces") or ()
    if not isinstance(spaces, list | tuple):
        raise ValueError("Barman's tablespaces are no list")
    parent = one.get("parent_backup_id")
    size = _segment_size(one.get("xlog_segment_size"))
    return Kept(
        id=_id(one["backup_id"]),
        ended=datetime.fromisoformat(str(one["end_time_iso"])).astimezone(UTC),
        mode=str(one.get("mode") or ""),
        version=_number(one.get("version")),
        system=_word(one.get("systemid")),
        timeline=_number(one["timeline"]) or 1,
        begin_wal=_segment(one["begin_wal"], size),
        end_wal=_segment(one["end_wal"], size),
        segment=size,
        size=_number(one.get("deduplicated_size") or one.get("size")),
        encryption=_word(one.get("encryption")),
        compression=_word(one.get("compression")),
        parent=_id(parent) if parent else None,
        tablespaces=tuple(Tablespace(str(name), int(oid)) for name, oid, *_ in spaces),
        elsewhere=bool(one.get("snapshots_info")),
    )


def _word(value: object) -> str | None:
    return plain(str(value), 100) if value else None


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, (int, str)) and value != "" else None


def _segment(value: object, size: int) -> str:
    if not isinstance(value, str) or segment(value, size) is None:
        raise ValueError(f"Barman names a WAL segment as none of {size} bytes is named")
    return value


def _segment_size(value: object) -> int:
    size = _number(value) or USUAL
    if size not in SIZES:
        raise ValueError(f"Barman says that a WAL segment has {size} bytes")
    return size


def chain(backups: Mapping[str, Kept], kept: Kept) -> tuple[str, ...]:
    """The ids that an incremental backup needs, the oldest first. Raises ValueError where one is not there."""
    found: list[str] = []
    parent = kept.parent
    while parent is not None:
        if parent not in backups or parent in found:
            raise ValueError(f"it needs backup {parent}, which is not there whole")
        found.append(parent)
        parent = backups[parent].parent
    return tuple(reversed(found))


def own_segments(kept: Kept) -> list[str]:
    """Those without which a backup never becomes consistent, in order."""
    first, last = segment(kept.begin_wal, kept.segment), segment(kept.end_wal, kept.segment)
    assert first is not None, "it was read by `kept_in`"
    assert last is not None
    return [one.name(kept.segment) for one in row(first, last)]


def reach(kept: Kept, wals: Sequence[Wal]) -> Reach:
    """From the backup's first segment on, along the timelines whose histories are in the archive; which one
    grew out of which is in the histories' text, which nobody reads here."""
    by_name = {one.name: one for one in wals}
    for name in own_segments(kept):
        if name not in by_name:
            return Reach(None, missing=name)
    end = segment(kept.end_wal, kept.segment)
    assert end is not None
    held = [one for name in by_name if (one := segment(name, kept.segment)) is not None]
    histories = {int(told[1], 16) for name in by_name if (told := HISTORY.fullmatch(name))}
    way = way_by_names(end, held, histories)
    found = walnames.reach(end.number, held, way)
    assert found.last is not None, "its own are all there"
    over = (span.timeline for span in way[1:] if span.first <= found.last.number)
    gap = found.missing.name(kept.segment) if found.missing is not None else ""
    return Reach(by_name[found.last.name(kept.segment)], gap=gap, timelines=tuple(over))


def show_reach(found: Reach, clock: str) -> str:
    """In words, whose word it is and what speaks against it."""
    if found.missing:
        return f"the archive lacks WAL {found.missing}: the copy cannot become consistent"
    parts = [f"{clock}, of its last segment {found.last.name}" if found.last else ""]
    if found.timelines:
        parts.append(f"over timeline {', '.join(map(str, found.timelines))}")
    if found.gap:
        parts.append(f"WAL {found.gap} is missing, so that what lies behind it is out of reach")
    return "; ".join(filter(None, parts))
