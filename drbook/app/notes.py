"""A note from any seat: put on record here, or left for the drbook that leads the incident."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from drbook.app.logbook import NOTE_LENGTH, must_be_past
from drbook.app.mailbox import Letter, leave
from drbook.app.onewriter import ClaimedElsewhere
from drbook.app.places import JOURNAL, RUNBOOK
from drbook.app.refusing import refuse_secret
from drbook.app.writing import operator, seat
from drbook.core.errors import JournalLocked, UsageError
from drbook.core.events import NoteAdded, NoteKind
from drbook.core.fold import fold
from drbook.journal.reader import read
from drbook.providers.secrets import know


@dataclass(frozen=True, slots=True)
class Written:
    """Where a note went."""

    incident: str
    seq: int | None
    """Its record; None where it was left for another drbook, which records it within a second or two."""
    unasked: tuple[str, ...] = ()
    """Mirrors that did not say whether another machine leads the incident."""


def write_note(
    folder: Path,
    text: str,
    happened_at: datetime | None = None,
    kind: NoteKind = NoteKind.NOTE,
    *,
    environment: Mapping[str, str] = os.environ,
) -> Written:
    """Put a note on record, or leave it for whoever leads the incident.

    Raises UsageError for one that is empty, too long, of a time that has not come yet, or holds a known
    secret; JournalError where it can be neither recorded nor left.
    """
    if not text.strip() or len(text) > NOTE_LENGTH:
        raise UsageError(
            f"A note has between 1 and {NOTE_LENGTH:,} characters; this one has {len(text):,}.",
            means="Nothing was recorded.",
            next="Say it in a few words.",
        )
    must_be_past(happened_at, datetime.now(UTC))
    state = fold(read(folder / JOURNAL))
    for path in folder.glob(f"{Path(RUNBOOK).stem}*.yaml"):  # the amended ones, too
        with suppress(OSError):  # a note is written where a runbook cannot be read any more, too
            know(path.read_text(encoding="utf-8", errors="replace"), environment)
    refuse_secret(text)
    who = operator()
    try:
        writer, unseen = seat(folder, environment=environment)
    except JournalLocked as error:
        if isinstance(error, ClaimedElsewhere):
            raise
        leave(folder, Letter(who, text, kind, happened_at))
        return Written(state.incident, None)
    with writer:
        record = writer.append(who, NoteAdded(text=text, happened_at=happened_at, kind=kind))
    return Written(state.incident, record.seq, unseen)
