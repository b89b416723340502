"""When the next status update is due, and the notifications that the runbook says are owed.

These are reminders: nothing stops and nothing starts by them. What was told is what the record holds as
a message; drbook cannot know more.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from drbook.core.events import Mode
from drbook.core.runbook import Deadline, Runbook, RunbookDocument
from drbook.core.state import IncidentState

Times = Mapping[str, datetime | None]
"""`occurred`, `detected` and `declared`."""


@dataclass(frozen=True, slots=True)
class Message:
    """Something that was told to somebody, and when."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Owed:
    """A deadline of the runbook in one incident."""

    name: str
    after: timedelta
    counts_from: str
    at: datetime | None
    """When it is over; None where even the declaration is unknown."""
    at_latest: bool
    """True where the time that it counts from is unknown: it is over then, or before."""
    told: datetime | None
    """When the first message on record was sent that begins with its name."""


@dataclass(frozen=True, slots=True)
class Due:
    """Something to tell somebody, and until when."""

    name: str
    kind: Literal["update", "deadline"]
    at: datetime
    left: timedelta
    """Negative once it is over."""
    at_latest: bool = False

    @property
    def overdue(self) -> bool:
        return self.left < timedelta(0)


def times_of(state: IncidentState) -> Times:
    return {"occurred": state.occurred, "detected": state.detected, "declared": state.declared}


def message(recorded: datetime, happened: datetime | None, text: str) -> Message:
    """Nothing was told later than it was recorded: a slip of the date silences no reminder."""
    return Message(min(happened or recorded, recorded), text)


def messages_of(state: IncidentState) -> tuple[Message, ...]:
    """What was told, by the time it was told at, oldest first."""
    told = [message(note.at, note.happened_at, note.text) for note in state.messages]
    return tuple(sorted(told, key=lambda one: one.at))


def owed(document: RunbookDocument, times: Times, messages: Sequence[Message]) -> tuple[Owed, ...]:
    """Every deadline of the runbook, in its order."""
    return tuple(
        Owed(
            name=one.name,
            after=one.after,
            counts_from=one.from_,
            at=_over_at(one, times),
            at_latest=times.get(one.from_) is None,
            told=next((each.at for each in messages if about(document, each) is one), None),
        )
        for one in document.deadlines
    )


def about(document: RunbookDocument, message: Message) -> Deadline | None:
    """The deadline that a message is about: the one with the longest name that it begins with."""
    text = " ".join(message.text.split()).casefold()
    named = [one for one in document.deadlines if text.startswith(_folded(one.name))]
    return max(named, key=lambda one: len(_folded(one.name)), default=None)


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


def _over_at(deadline: Deadline, times: Times) -> datetime | None:
    """What it counts from lies before the declaration, so that is the latest that it can count from."""
    base = times.get(deadline.from_) or times.get("declared")
    return None if base is None else base + deadline.after


def updates_sent(document: RunbookDocument, messages: Iterable[Message]) -> list[datetime]:
    """When the audience of the updates was told something; what is about a deadline is not for them."""
    return [one.at for one in messages if about(document, one) is None]


def next_update(
    document: RunbookDocument, declared: datetime | None, messages: Iterable[Message]
) -> datetime | None:
    """One interval after the last update, or after the declaration; None where none are asked for."""
    if document.updates is None or declared is None:
        return None
    return max([declared, *updates_sent(document, messages)]) + document.updates.every


def due(state: IncidentState, runbook: Runbook, now: datetime) -> tuple[Due, ...]:
    """What is still to be told, the soonest first. Nothing once the incident is closed but deadlines,
    and nothing in a dry run, which tells nobody anything."""
    if state.mode is Mode.DRY_RUN:
        return ()
    document, messages = runbook.document, messages_of(state)
    found = [
        Due(one.name, "deadline", one.at, one.at - now, one.at_latest)
        for one in owed(document, times_of(state), messages)
        if one.told is None and one.at is not None
    ]
    at = next_update(document, state.declared, messages)
    if at is not None and document.updates is not None and state.closed_at is None:
        found.append(Due(document.updates.audience, "update", at, at - now))
    return tuple(sorted(found, key=lambda one: one.at))
