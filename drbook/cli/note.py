"""`drbook note`: write into the record from any seat."""

import os
from contextlib import suppress
from pathlib import Path

import click

from drbook.app.desk import NOTE_LENGTH
from drbook.app.mailbox import Letter, leave
from drbook.app.onewriter import ClaimedElsewhere
from drbook.app.places import JOURNAL, RUNBOOK, find_incident, home
from drbook.app.refusing import refuse_secret
from drbook.app.session import operator, seat
from drbook.cli.output import say
from drbook.core.errors import JournalLocked, UsageError
from drbook.core.events import NoteAdded
from drbook.core.fold import fold
from drbook.journal.reader import read
from drbook.providers.secrets import know


@click.command("note")
@click.argument("text")
@click.option("--incident", help="The incident; the newest where absent.")
def command(text: str, incident: str | None) -> None:
    """Write a note. Where another drbook leads the incident, that one puts it on record."""
    if not text.strip() or len(text) > NOTE_LENGTH:
        raise UsageError(
            f"A note has between 1 and {NOTE_LENGTH:,} characters; this one has {len(text):,}.",
            means="Nothing was recorded.",
            next="Say it in a few words.",
        )
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
        leave(folder, Letter(who, text))
        say(
            f"Left for the drbook that leads {state.incident}; it records it within a second or two."
        )
        return
    for one in unseen:
        say(f"Not asked whether another machine has taken over: {one}")
    with writer:
        record = writer.append(who, NoteAdded(text=text))
        say(f"Recorded as {record.seq} in {state.incident}.")
