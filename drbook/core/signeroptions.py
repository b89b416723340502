"""What stands between a name and its key in `allowed_signers` (ssh-keygen(1), ALLOWED SIGNERS), read as ssh-keygen
reads it: whether it takes a signature of that key at all, and from when until when.

Pure. What cannot be read here, ssh-keygen does not take either.
"""

import fnmatch
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from drbook.core.values import plain, show_time

_OPTION = re.compile(r'(?P<name>valid-after|valid-before|namespaces)="(?P<value>[^"]*)"', re.I)
_TIME = re.compile(r"(\d{8}(?:\d{4}(?:\d{2})?)?)(?:Z|UTC)?", re.I | re.ASCII)
_FORMATS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one line; a time without a zone is UTC, as drbook asks ssh-keygen."""

    after: datetime | None = None
    before: datetime | None = None
    namespaces: str | None = None
    """Patterns with commas; None where it may sign for everything."""
    flaw: str = ""
    """Why ssh-keygen reads nothing of the line; empty where it does."""

    def never(self, namespace: str) -> str:
        """Why no signature of that key is taken for the namespace at any time; empty where one may be."""
        if self.flaw:
            return self.flaw
        if self.namespaces is not None and not _permits(self.namespaces, namespace):
            return f'namespaces="{plain(self.namespaces, 60)}" leaves out {namespace}'
        return ""

    def not_at(self, at: datetime, namespace: str) -> str:
        """Why none is taken at that time; empty where one is."""
        if why := self.never(namespace):
            return why
        if self.before is not None and at > self.before:
            return f"the key expired at {show_time(self.before)}"
        if self.after is not None and at < self.after:
            return f"the key is not yet valid, but from {show_time(self.after)} on"
        return ""


EVERYTHING = Options()
"""Of a line without any: at all times, for every namespace."""


def read_options(text: str) -> Options:
    """Never raises: what is wrong is in `flaw`."""
    found: dict[str, str] = {}
    rest = text
    while rest:
        one = _OPTION.match(rest)
        if one is None:
            return Options(flaw=f"its options cannot be read from {plain(rest, 60)!r} on")
        name = one["name"].lower()
        if name in found:
            return Options(flaw=f"it has {name} twice")
        found[name] = one["value"]
        rest = rest[one.end() :]
        if rest.startswith(",") and len(rest) > 1:
            rest = rest[1:]
        elif rest:
            return Options(flaw=f"its options cannot be read from {plain(rest, 60)!r} on")
    times: dict[str, datetime] = {}
    for name in ("valid-after", "valid-before"):
        if name in found:
            at = _time(found[name])
            if at is None:
                return Options(flaw=f'{name}="{plain(found[name], 60)}" is no time as YYYYMMDD')
            times[name] = at
    after, before = times.get("valid-after"), times.get("valid-before")
    if after is not None and before is not None and before <= after:
        return Options(flaw="its valid-before is not behind its valid-after")
    return Options(after, before, found.get("namespaces"))


def _time(text: str) -> datetime | None:
    if (digits := _TIME.fullmatch(text)) is None:
        return None
    try:
        return datetime.strptime(digits[1], _FORMATS[len(digits[1])]).replace(tzinfo=UTC)
    except ValueError:
        return None


def _permits(patterns: str, namespace: str) -> bool:
    """A list as in ssh_config(5), PATTERNS: `*`, `?`, and `!` before what is left out."""
    each = [one.strip() for one in patterns.split(",") if one.strip()]
    matching = [one for one in each if _matches(one.removeprefix("!"), namespace)]
    return bool(matching) and not any(one.startswith("!") for one in matching)


def _matches(pattern: str, namespace: str) -> bool:
    return fnmatch.fnmatchcase(namespace, pattern.replace("[", "[[]"))
