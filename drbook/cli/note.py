"""`drbook note`: write into the record from any seat."""

import os
import socket
from contextlib import suppress

import click

from drbook.app.desk import NOTE_LENGTH
from drbook.app.mailbox import Letter, leave
from drbook.app.places import JOURNAL, RUNBOOK, find_incident, home
from drbook.app.refusing import refuse_secret
from drbook.app.session import operator
from drbook.cli.output import say
from drbook.core.errors import JournalError, UsageError
from drbook.core.events import NoteAdded
from drbook.core.fold import fold
from drbook.journal.reader import read
from drbook.journal.writer import Writer
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
    with suppress(OSError):  # a note is written where there is no runbook any more, too
        know((folder / RUNBOOK).read_text(encoding="utf-8", errors="replace"), os.environ)
    refuse_secret(text)
    who = operator()
    try:
        with Writer(folder / JOURNAL, mode=state.mode, host=socket.gethostname()) as writer:
            record = writer.append(who, NoteAdded(text=text))
            say(f"Recorded as {record.seq} in {state.incident}.")
    except JournalError as error:
        if error.code != "journal-locked":
            raise
        leave(folder, Letter(who, text))
        say(
            f"Left for the drbook that leads {state.incident}; it records it within a second or two."
        )
