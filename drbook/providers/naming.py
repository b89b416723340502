"""What a backup's name, manifest and store say about it: is it a dump, and when was it taken?"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import ValidationError

from drbook.core.baseline import Manifest
from drbook.core.points import Clock
from drbook.core.values import plain, show_duration, show_time

MANIFEST = ".manifest.json"
MAX_MANIFEST = 16 * 1024 * 1024
"""Bytes; a manifest of many thousand tables stays far below."""

_DUMPS = (".dump", ".pgdump", ".sql", ".tar", ".backup")
_PACKED = (".gz", ".zst", ".xz", ".bz2", ".lz4", ".zip", ".age", ".gpg", ".pgp", ".asc", ".enc")
"""What may stand behind it, also what nothing here unpacks: such a copy is there, and is listed."""


def is_dump(name: str) -> bool:
    """True for a name that pg_dump's files commonly have, packed and encrypted or not; other files
    count with a manifest only."""
    lowered = name.lower()
    while packed := next((one for one in _PACKED if lowered.endswith(one)), ""):
        lowered = lowered.removesuffix(packed)
    return lowered.endswith(_DUMPS)


def is_manifest(name: str) -> bool:
    return name.endswith(MANIFEST)


_STAMP = re.compile(
    r"(?<!\d)(20\d\d)([-_.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])"
    r"(?:[T_\-. ]?([01]\d|2[0-3])[-_:.]?([0-5]\d)(?:[-_:.]?([0-5]\d))?)?(Z)?(?!\d)"
)


@dataclass(frozen=True, slots=True)
class NameTime:
    """A moment read from a name; `exact` False where only a day was written."""

    at: datetime
    exact: bool
    zone: bool


def time_in(name: str) -> NameTime | None:
    """The last date in a name, read as UTC; None where there is none that exists."""
    for match in reversed(list(_STAMP.finditer(name))):
        year, _, month, day, hour, minute, second, zone = match.groups()
        try:
            at = datetime(
                int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0),
                tzinfo=UTC,
            )  # fmt: skip
        except ValueError:
            continue
        return NameTime(at, hour is not None, zone is not None)
    return None


@dataclass(frozen=True, slots=True)
class Taken:
    at: datetime
    by: Clock
    note: str = ""


_SKEW = timedelta(minutes=5)
_COPIED = timedelta(hours=24)
_ZONES = timedelta(hours=14)
"""No zone is further ahead of UTC."""


def taken(
    name: str, stored: datetime, manifest: Manifest | None, where: Literal["store", "file"]
) -> Taken:
    """When a copy was taken and whose clock says so: manifest, then the name, then the store.

    A copy cannot be taken after it was stored: a later claim is noted and not believed. Nor is it
    younger than the figures that its own manifest states of it.
    """
    kept = "stored" if where == "store" else "last written"
    if manifest is not None:
        said = manifest.taken_at
        counted_at = manifest.counts.taken_at if manifest.counts is not None else said
        older = ""
        if said - counted_at > _SKEW:
            older = f"its manifest says {show_time(said)}, and its rows were counted before"
            said = counted_at
        if said - stored > _SKEW:
            late = show_time(said)
            return Taken(stored, where, f"its manifest says {late}, after it was {kept}")
        notes = (older, _late(said, stored, kept))
        return Taken(said, "manifest", "; ".join(note for note in notes if note))
    named = time_in(name)
    if named is None:
        return Taken(stored, where, f"the time at which it was {kept}: it was taken before")
    if named.at - stored > _SKEW:
        if named.at - stored <= _ZONES and not named.zone:
            note = "its name's time is in a zone east of UTC, or its clock was ahead"
        else:
            note = f"its name says {show_time(named.at)}, after it was {kept}"
        return Taken(stored, where, note)
    if not named.exact and stored - named.at < _COPIED + _COPIED / 2:
        return Taken(stored, where, f"its name gives only the day; the time is when it was {kept}")
    zone = "" if named.zone or not named.exact else "its name's time is read as UTC"
    late_note = _late(named.at, stored, kept)
    return Taken(named.at, "name", "; ".join(part for part in (zone, late_note) if part))


def _late(at: datetime, stored: datetime, kept: str) -> str:
    if stored - at <= _COPIED:
        return ""
    return f"it was {kept} {show_duration(stored - at)} later, on {show_time(stored)}"


def read_manifest(data: bytes) -> Manifest:
    """Raises ValueError, in words for a person, where the bytes are no manifest."""
    if len(data) > MAX_MANIFEST:
        raise ValueError("it is larger than any manifest")
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        at = ".".join(str(part) for part in first["loc"])
        raise ValueError(plain(f"{at}: {first['msg']}" if at else first["msg"], 200)) from None
    if manifest.drbook_manifest != 1:
        raise ValueError(f"it is of version {manifest.drbook_manifest}, which is not known here")
    if not re.fullmatch(r"[0-9a-f]{64}", manifest.sha256):
        raise ValueError("its sha256 is not 64 lower-case hexadecimal digits")
    if manifest.size < 0:
        raise ValueError("its size is negative")
    return manifest
