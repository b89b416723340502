"""`drbook note`: write into the record from any seat."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import click

from drbook.app.external import take_external
from drbook.app.logbook import NOTE_LENGTH, must_be_past
from drbook.app.notes import write_note
from drbook.app.places import find_incident, home
from drbook.cli.output import say
from drbook.core.errors import UsageError
from drbook.core.events import NoteKind
from drbook.core.moments import ago
from drbook.core.values import counted, parse_moment, show_time


@click.command("note")
@click.argument("text", required=False)
@click.option("--incident", help="The incident; the newest where absent.")
@click.option("--at", "said", help="When it happened: 22:41 (UTC), 10m ago, or a date and time.")
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in NoteKind]),
    default=NoteKind.NOTE.value,
    help="What it is; a message is something that was told to somebody.",
)
@click.option(
    "--from",
    "file",
    type=click.Path(path_type=Path),
    help="Enter somebody else's entries: CSV or JSON lines with time, actor, text and source.",
)
@click.option("--source", help="With --from: the source of entries that name none.")
def command(
    text: str | None,
    incident: str | None,
    said: str | None,
    kind: str,
    file: Path | None,
    source: str | None,
) -> None:
    """Write a note; TEXT may be `-` for what standard input says, in as many lines as it has. Where another
    drbook leads the incident, that one puts it on record.

    With --from, a provider's audit log, a chat's export or alerts go on record as external entries, marked
    as such in every export; the file is kept with the incident. An entry that is on record is not entered
    again. Times need a zone.
    """
    if file is not None:
        _refuse_both(text, said, kind)
        _take(find_incident(home(), incident), file, source or "")
        return
    if text is None or source is not None:
        raise UsageError(
            "There is nothing to write." if text is None else "--source goes with --from.",
            means="Nothing was recorded.",
            next="Give a text, `-` for standard input, or --from FILE with or without --source.",
        )
    if text == "-":
        text = _read_in(sys.stdin.buffer)
    happened_at = _moment(said) if said is not None else None
    written = write_note(find_incident(home(), incident), text, happened_at, NoteKind(kind))
    for one in written.unasked:
        say(f"Not asked whether another machine has taken over: {one}")
    if happened_at is not None:
        say(f"It happened at {show_time(happened_at)}, {ago(happened_at, datetime.now(UTC))}.")
    if written.seq is None:
        say(
            f"Left for the drbook that leads {written.incident}; it records it within a second or two."
        )
    else:
        say(f"Recorded as {written.seq} in {written.incident}.")


def _refuse_both(text: str | None, said: str | None, kind: str) -> None:
    if text is not None or said is not None or kind != NoteKind.NOTE.value:
        raise UsageError(
            "--from takes text, time and author of each entry from the file.",
            means="Nothing was recorded.",
            next="Leave TEXT, --at and --kind away, or write the note by itself.",
        )


def _take(folder: Path, file: Path, source: str) -> None:
    taken = take_external(folder, file, source)
    for one in taken.unasked:
        say(f"Not asked whether another machine has taken over: {one}")
    entered = counted(taken.entered, "external entry", "external entries")
    say(f"Entered in {taken.incident}: {entered}; {taken.known:,} known already.")
    if taken.artifact:
        say(f"The file is kept as {taken.artifact}.")


def _read_in(stream: IO[bytes]) -> str:
    """What standard input says. Raises UsageError for far more than a note may have."""
    most = NOTE_LENGTH * 8
    typed = stream.read(most + 1)
    if len(typed) > most:
        raise UsageError(
            f"A note has between 1 and {NOTE_LENGTH:,} characters; this one has more than {most:,} bytes.",
            means="Nothing was recorded.",
            next="Say it in a few words, and keep the rest beside the record.",
        )
    return typed.decode("utf-8", "backslashreplace").strip()


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
