"""`drbook note`: write into the record from any seat."""

import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import click

from drbook.app.logbook import NOTE_LENGTH, must_be_past
from drbook.app.mailbox import Letter, leave
from drbook.app.onewriter import ClaimedElsewhere
from drbook.app.places import JOURNAL, RUNBOOK, find_incident, home
from drbook.app.refusing import refuse_secret
from drbook.app.session import operator, seat
from drbook.cli.output import say
from drbook.core.errors import JournalLocked, UsageError
from drbook.core.events import NoteAdded, NoteKind
from drbook.core.fold import fold
from drbook.core.values import parse_moment
from drbook.journal.reader import read
from drbook.providers.secrets import know


@click.command("note")
@click.argument("text")
@click.option("--incident", help="The incident; the newest where absent.")
@click.option("--at", "said", help="When it happened: 22:41 (UTC), 10m ago, or a date and time.")
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in NoteKind]),
    default=NoteKind.NOTE.value,
    help="What it is; a message is something that was told to somebody.",
)
def command(text: str, incident: str | None, said: str | None, kind: str) -> None:
    """Write a note; TEXT may be `-` for what standard input says, in as many lines as it has. Where another
    drbook leads the incident, that one puts it on record."""
    if text == "-":
        typed = sys.stdin.buffer.read(NOTE_LENGTH * 8)
        text = typed.decode("utf-8", "backslashreplace").strip()
    if not text.strip() or len(text) > NOTE_LENGTH:
        raise UsageError(
            f"A note has between 1 and {NOTE_LENGTH:,} characters; this one has {len(text):,}.",
            means="Nothing was recorded.",
            next="Say it in a few words.",
        )
    happened_at = _moment(said) if said is not None else None
    folder = find_incident(home(), incident)
    state = fold(read(folder / JOURNAL))
    for path in folder.glob(f"{Path(RUNBOOK).stem}*.yaml"):  # the amended ones, too
        with suppress(OSError):  # a note is written where a runbook cannot be read any more, too
            know(path.read_text(encoding="utf-8", errors="replace"), os.environ)
    refuse_secret(text)
    who = operator()
    try:
        writer, unseen = seat(folder)
    except JournalLocked as error:
        if isinstance(error, ClaimedElsewhere):
            raise
        leave(folder, Letter(who, text, NoteKind(kind), happened_at))
        say(
            f"Left for the drbook that leads {state.incident}; it records it within a second or two."
        )
        return
    for one in unseen:
        say(f"Not asked whether another machine has taken over: {one}")
    with writer:
        event = NoteAdded(text=text, happened_at=happened_at, kind=NoteKind(kind))
        record = writer.append(who, event)
        say(f"Recorded as {record.seq} in {state.incident}.")


def _moment(said: str) -> datetime:
    """Raises UsageError for what is no time, or has not come yet."""
    now = datetime.now(UTC)
    try:
        found = parse_moment(said, now)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"--at: {error}.",
            means="Nothing was recorded.",
            next="Say it like 22:41 (UTC), 10m ago or 2026-04-24T19:04:00Z.",
        ) from None
    must_be_past(found, now)
    return found
