"""Plain values: JSON, aware UTC times, durations and sizes with units; and text made safe to show."""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, TypeAlias, Union

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer
from typing_extensions import TypeAliasType

from drbook.core.plaintext import INCIDENT_ID as INCIDENT_ID
from drbook.core.plaintext import counted as counted
from drbook.core.plaintext import plain as plain
from drbook.core.plaintext import plain_lines as plain_lines

if TYPE_CHECKING:
    Json: TypeAlias = "None | bool | int | float | str | Sequence[Json] | Mapping[str, Json]"
else:
    # pydantic needs a name that it can resolve late.
    Json = TypeAliasType(
        "Json", Union[None, bool, int, float, str, Sequence["Json"], Mapping[str, "Json"]]
    )
"""What JSON can say. Sequences and mappings are read, never changed in place."""


class Frozen(BaseModel):
    """Base of every value that crosses a room: immutable, and unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


# --- times -----------------------------------------------------------------------------------

_TIME_FORMATS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")


def parse_time(text: str) -> datetime:
    """An aware UTC time from ISO 8601 text; a time without a zone is read as UTC.

    Raises ValueError where the text is not a time, or none between the years 1 and 9999 in UTC.
    """
    cleaned = text.strip()
    if cleaned.upper().endswith(" UTC"):
        cleaned = cleaned[:-4] + "+00:00"
    try:
        found = datetime.fromisoformat(cleaned)
    except ValueError:
        for pattern in _TIME_FORMATS:
            try:
                found = datetime.strptime(cleaned, pattern)
                break
            except ValueError:
                continue
        else:
            raise ValueError(
                f"{text!r} is not a time; write it like 2026-04-24T19:04:00Z"
            ) from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    return _in_utc(found)


def _in_utc(found: datetime) -> datetime:
    """Raises ValueError where UTC has no such year: zones lead beyond the first and the last day."""
    try:
        return found.astimezone(UTC)
    except OverflowError:
        raise ValueError(
            f"{found.replace(tzinfo=None).isoformat()} is no time between the years 1 and 9999 in UTC"
        ) from None


def parse_moment(text: str, now: datetime) -> datetime:
    """What a person says of the past: a time as in `parse_time`, `now`, `20m ago`, `an hour ago`, or a
    time of day like `19:04`, which is the last one in UTC that is not after `now`.

    Raises ValueError where the text is none of these.
    """
    cleaned = " ".join(text.split()).lower()
    if cleaned == "now":
        return now.astimezone(UTC)
    gone = _said_duration(cleaned.removesuffix(" ago"))
    if gone is not None:
        return now.astimezone(UTC) - gone
    clock = _time_of_day(cleaned)
    if clock is not None:
        today = datetime.combine(now.astimezone(UTC).date(), clock.time(), UTC)
        return today if today <= now else today - timedelta(days=1)
    if cleaned.endswith(" ago"):
        raise ValueError(f"{text!r} is not a time; write it like 20m ago or 2 hours ago")
    return parse_time(text)


def is_time_of_day(text: str) -> bool:
    """Whether a moment says no day: `19:04`."""
    return _time_of_day(" ".join(text.split()).lower()) is not None


def _time_of_day(cleaned: str) -> datetime | None:
    for pattern in ("%H:%M", "%H:%M:%S"):
        try:
            return datetime.strptime(cleaned.removesuffix(" utc").removesuffix("z"), pattern)
        except ValueError:
            continue
    return None


_SAID_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
    **dict.fromkeys(("w", "week", "weeks"), 604800),
}
_SAID_PART = re.compile(
    r"(?:(\d+(?:\.\d+)?)\s*|an?\s+)([a-z]+)\.?(?:\s*,?\s+and\s+|\s*,\s*|\s*)", re.ASCII
)


def _said_duration(cleaned: str) -> timedelta | None:
    """How long ago, as people say it: `10 min`, `an hour`, `1h 30m`, `2 hours and 5 minutes`. What a
    runbook says is read more strictly, by `parse_duration`."""
    position, seconds = 0, 0.0
    while match := _SAID_PART.match(cleaned, position):
        if match[2] not in _SAID_UNITS:
            return None
        seconds += float(match[1] or 1) * _SAID_UNITS[match[2]]
        position = match.end()
    whole = bool(cleaned) and position == len(cleaned) and seconds <= _LONGEST
    return timedelta(seconds=seconds) if whole else None


def format_time(value: datetime) -> str:
    """ISO 8601 in UTC with microseconds where there are any, ending in Z."""
    utc = value.astimezone(UTC)
    spec = "microseconds" if utc.microsecond else "seconds"
    return utc.replace(tzinfo=None).isoformat(timespec=spec) + "Z"


def time_in(values: Mapping[str, Json], name: str) -> datetime | None:
    """The value of that name as a time; None where there is none, or it is something else."""
    value = values.get(name)
    if not isinstance(value, str):
        return None
    try:
        return parse_time(value)
    except ValueError:
        return None


def show_time(value: datetime) -> str:
    """A time for a person: `2026-11-21 19:03:05 UTC`."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _read_time(value: object) -> object:
    if isinstance(value, str):
        return parse_time(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a time needs a zone")
        return _in_utc(value)
    raise ValueError("expected a time like 2026-04-24T19:04:00Z")


UtcTime = Annotated[
    datetime,
    BeforeValidator(_read_time, json_schema_input_type=str),
    PlainSerializer(format_time, return_type=str),
]

# --- durations -------------------------------------------------------------------------------

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_LONGEST = 3_153_600_000
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)\s*", re.ASCII)


def parse_duration(text: str) -> timedelta:
    """A duration from text with units, like `90s`, `24h` or `1h 30m`. Raises ValueError."""
    cleaned = text.strip().lower()
    position = 0
    seconds = 0.0
    while match := _DURATION_PART.match(cleaned, position):
        seconds += float(match[1]) * _SECONDS[match[2]]
        position = match.end()
    if not cleaned or position != len(cleaned) or seconds > _LONGEST:
        raise ValueError(
            f"{text!r} is not a duration; write it with a unit, like 90s, 45m, 24h or 7d"
        )
    return timedelta(seconds=seconds)


def format_duration(value: timedelta) -> str:
    """The text that `parse_duration` reads back, like `1h 30m`; `0s` for nothing."""
    milliseconds = round(value.total_seconds() * 1000)
    parts = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, milliseconds = divmod(milliseconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts) or "0s"


def show_duration(value: timedelta) -> str:
    """A duration for a person, in at most two units: `26 h 01 m`, `2 m 05 s`, `41 s`, `3 d 04 h`."""
    seconds = int(abs(value.total_seconds()))
    sign = "-" if value.total_seconds() <= -1 else ""
    if seconds < 60:
        return f"{sign}{seconds} s"
    if seconds < 3600:
        return f"{sign}{seconds // 60} m {seconds % 60:02} s"
    if seconds < 172_800:
        return f"{sign}{seconds // 3600} h {seconds % 3600 // 60:02} m"
    return f"{sign}{seconds // 86400} d {seconds % 86400 // 3600:02} h"


def clock_duration(value: timedelta) -> str:
    """A running clock: `0:28:12`, hours not limited to a day."""
    seconds = max(0, int(value.total_seconds()))
    return f"{seconds // 3600}:{seconds % 3600 // 60:02}:{seconds % 60:02}"


def _read_duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        return parse_duration(value)
    raise ValueError("expected a duration with a unit, like 90s, 45m, 24h or 7d")


Duration = Annotated[
    timedelta,
    BeforeValidator(_read_duration, json_schema_input_type=str),
    PlainSerializer(format_duration, return_type=str),
]

# --- sizes -----------------------------------------------------------------------------------

_BYTES = {"b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "tb": 1000**4}
_BYTES |= {"kib": 1024, "mib": 1024**2, "gib": 1024**3, "tib": 1024**4}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]i?b|b)", re.ASCII)


def parse_size(text: str) -> int:
    """Bytes from text with a unit, like `64 MiB` or `2GB`. Raises ValueError."""
    match = _SIZE.fullmatch(text.strip().lower())
    count = float(match[1]) * _BYTES[match[2]] if match is not None else math.inf
    if math.isinf(count):
        raise ValueError(f"{text!r} is not a size; write it with a unit, like 512 MiB or 2 GB")
    return int(count)


def show_size(count: int) -> str:
    """Bytes for a person, in binary units: `1.9 GiB`."""
    if count < 1024:
        return f"{count} B"
    value, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.1f} {unit}" if value < 100 else f"{value:.0f} {unit}"


def _read_size(value: object) -> object:
    if isinstance(value, str):
        return parse_size(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError("expected a size with a unit, like 512 MiB or 2 GB")


Size = Annotated[int, BeforeValidator(_read_size, json_schema_input_type=str)]
