"""Events that belong to no attempt of a step, and may stand behind the close: notes, others' entries, who was
told, and what became of a drill's targets."""

from typing import Literal

from drbook.core.event import Event
from drbook.core.terms import NoteKind
from drbook.core.values import UtcTime


class ReleaseIntended(Event):
    """What a drill made is about to be taken away. Like the two that follow it, it belongs to no attempt and may
    stand behind the close."""

    kind: str
    name: str
    location: str
    proof: str
    """Why it is this incident's own, in words."""


class ResourceReleased(Event):
    """It is gone."""

    kind: str
    name: str
    location: str
    how: Literal["removed", "absent"] = "removed"
    """`absent`: nothing was there any more."""


class ResourceLeft(Event):
    """It was not taken away, or not all of it."""

    kind: str
    name: str
    location: str
    reason: str
    kept: bool = False
    """True where it was asked to stay."""
    next: str = ""


Removal = ReleaseIntended | ResourceReleased | ResourceLeft


class NoteAdded(Event):
    text: str
    happened_at: UtcTime | None = None
    """When it happened, where that is not when it was written."""
    step: str | None = None
    kind: NoteKind = NoteKind.NOTE


class ExternalFileTaken(Event):
    """A file of somebody else's entries was taken into the record; its entries follow, one by one."""

    name: str
    """As it was called where it was read."""
    sha256: str
    artifacts: tuple[str, ...]
    """The file itself, as it was."""
    entries: int
    """How many of it follow."""
    known: int = 0
    """How many were on record already, or twice in the file, and do not follow."""


class ExternalEntryAdded(Event):
    """One entry of somebody else's log, chat or alerts: their word, and none of drbook's own."""

    happened_at: UtcTime
    """By the clock of the source."""
    author: str = ""
    """Whom the source names; empty where it names nobody."""
    text: str
    source: str
    file: str
    """SHA-256 of the file that it stands in."""
    line: int
    """In that file, from 1."""
    digest: str
    """SHA-256 of time, author, text and source: the same entry is not taken twice."""


class NotificationIntended(Event):
    """Somebody is about to be told how an unattended run ended; it may follow the end of the incident."""

    number: int
    """Of the runbook's `notify:` entries, from 1."""
    kind: str
    host: str
    """As the runbook names it: the address is a secret."""
    outcome: str
    """What is told."""


class NotificationEnded(Event):
    number: int
    kind: str
    host: str
    delivery: Literal["accepted", "not-accepted", "unknown"]
    status: int | None = None
    """Of the last answer; None where there was none."""
    tries: int = 0
    said: str = ""
    """What was answered, or why nothing was; without secrets."""
