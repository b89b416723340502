"""Keys that begin with a date, as a runbook declares them: which prefixes hold the copies of which days.

A store lists by key only, so that "the newest first" is known without a whole list only where the key
says the day.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from drbook.core.values import plain

_PART = re.compile(r"\{(.*?)\}")
_LOOKS = {"%Y": r"\d{4}", "%m": "(?:0[1-9]|1[0-2])", "%d": "(?:0[1-9]|[12][0-9]|3[01])"}
_UNITS = ({"%Y"}, {"%Y", "%m"}, {"%Y", "%m", "%d"})
AHEAD = timedelta(hours=14)
"""How far a key's day may be ahead of the day in UTC: no zone is further ahead."""


@dataclass(frozen=True, slots=True)
class DatedKeys:
    """The beginning of every key, like `nightly/{%Y}/{%m}/{%d}/`."""

    pattern: str

    def __post_init__(self) -> None:
        """Raises ValueError where it is no such pattern."""
        parts = _PART.findall(self.pattern)
        rest = _PART.sub("", self.pattern)
        unknown = [part for part in parts if part not in _LOOKS]
        if unknown or "{" in rest or "}" in rest:
            raise ValueError("in braces stand {%Y}, {%m} and {%d}, and nothing else")
        if set(parts) not in _UNITS:
            raise ValueError("the parts of a date are {%Y}, {%Y} and {%m}, or all three")
        if plain(self.pattern) != self.pattern:
            raise ValueError("it holds characters that cannot be shown")

    @property
    def fixed(self) -> str:
        """What stands before the first part of a date."""
        return self.pattern.partition("{")[0]

    def at(self, day: datetime) -> str:
        """The prefix of one day's keys; a pattern without a day gives its month's or year's."""
        values = {"%Y": f"{day.year:04}", "%m": f"{day.month:02}", "%d": f"{day.day:02}"}
        return _PART.sub(lambda part: values[part[1]], self.pattern)

    def prefixes(self, now: datetime, back: timedelta) -> tuple[str, ...]:
        """Those of the newest days, the newest first, in whatever zone the days are counted."""
        newest, oldest = now + AHEAD, now - back
        days = range((newest.date() - oldest.date()).days + 1)
        return tuple(dict.fromkeys(self.at(newest - timedelta(days=each)) for each in days))

    def folders(self, start: str, now: datetime) -> tuple[str, ...]:
        """`start`, and each folder below it on the way to the keys of now."""
        way = self.at(now)
        ends = [at + 1 for at, letter in enumerate(way) if letter == "/" and at + 1 < len(way)]
        return (start, *(way[:end] for end in ends if end > len(start)))

    def explains(self, name: str) -> bool:
        """Whether a key is one of these, or a folder (`…/`) may hold such keys."""
        if re.match(_looks(self.pattern), name):
            return True
        segments = self.pattern.split("/")
        depth = name.count("/")
        if not name.endswith("/") or depth >= len(segments):
            return False
        return bool(re.fullmatch(_looks("/".join(segments[:depth]) + "/"), name))


def _looks(pattern: str) -> str:
    """The regular expression of a pattern."""
    pieces = _PART.split(pattern)
    return "".join(_LOOKS[piece] if at % 2 else re.escape(piece) for at, piece in enumerate(pieces))
