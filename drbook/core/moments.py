"""What a person says of the past, understood; and what is doubtful about it before anybody takes it.

Times are UTC here, and whoever types a local one is hours off without noticing: a time of day that would
still lie ahead is taken for yesterday's, and clocks that contradict each other look like any other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from drbook.core.values import is_time_of_day, parse_moment, show_duration, show_time

LONG_AGO = timedelta(hours=12)
"""A time of day that was moved to the day before by more than this is hardly what was meant."""
ORDER = {"occurred": "it occurred", "detected": "it was detected", "declared": "it was declared"}
"""The three times in the order in which they can only have been."""

Times = Mapping[str, datetime | None]


@dataclass(frozen=True, slots=True)
class Understood:
    """A time as it was understood."""

    words: str
    """`2026-11-26 22:41:00 UTC, 23 h 42 m ago`; or what is wrong, where it is no time."""
    at: datetime | None
    doubt: str = ""
    """Why it is hardly what was meant; it has to be said twice then."""


def understand(
    text: str, now: datetime, name: str = "", times: Times | None = None
) -> Understood | None:
    """What `text` says, for the time of that name beside the others that are known; None for nothing."""
    if not text.strip():
        return None
    try:
        at = parse_moment(text, now)
    except (ValueError, OverflowError) as error:
        return Understood(str(error), None)
    words = f"{show_time(at)}, {ago(at, now)}"
    doubts = [f"that is {show_duration(now - at)} ago"] if _was_moved(text, at, now) else []
    doubts += contradictions(name, {**(times or {}), name: at}, now)
    return Understood(words, at, f"{'; '.join(doubts)}; times are UTC" if doubts else "")


def ago(at: datetime, now: datetime) -> str:
    """`23 h 42 m ago`; `in 5 m 00 s`, which is the future."""
    gone = now - at
    return f"{show_duration(gone)} ago" if gone >= timedelta(0) else f"in {show_duration(-gone)}"


def contradictions(name: str, times: Times, now: datetime) -> list[str]:
    """What cannot be of the time of that name, beside the other two; nothing for any other time."""
    at = times.get(name)
    if name not in ORDER or at is None:
        return []
    found = ["that is in the future"] if at > now else []
    place = list(ORDER).index(name)
    for number, (other, words) in enumerate(ORDER.items()):
        there = times.get(other)
        if there is None or number == place:
            continue
        if (at < there) if number < place else (at > there):
            side = "before" if number < place else "after"
            found.append(f"that is {side} {words} ({there:%m-%d %H:%M:%S})")
    return found


def _was_moved(text: str, at: datetime, now: datetime) -> bool:
    return (
        is_time_of_day(text)
        and at.date() < now.astimezone(at.tzinfo).date()
        and (now - at > LONG_AGO)
    )
