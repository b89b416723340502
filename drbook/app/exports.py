"""The timeline of an incident's folder or of a running incident, and where it is written."""

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from drbook.app.model import Snapshot
from drbook.app.places import JOURNAL
from drbook.app.planning import title_of
from drbook.app.stored import stored_runbook
from drbook.app.vocabulary import vocabulary
from drbook.core.errors import DrbookError, JournalError, UsageError
from drbook.core.events import Record
from drbook.core.fold import fold
from drbook.core.runbook import Runbook
from drbook.core.values import plain
from drbook.journal.reader import read, verify
from drbook.timeline.build import build
from drbook.timeline.export import FORMATS, export
from drbook.timeline.model import JournalFacts, Timeline
from drbook.timeline.status import draft


def timeline_of(folder: Path, count: int | None = None) -> Timeline:
    """From the journal on disk, or from its first `count` records. Raises JournalError where it cannot be
    read as a whole."""
    path = folder / JOURNAL
    found = verify(path)
    if not found.intact:
        raise JournalError(
            f"The journal {path} is not intact: {found.problem}",
            means="A timeline of it would claim more than the record proves.",
            next="Compare it with a copy of the journal from before; keep this one as evidence.",
            code="journal-damaged",
        )
    records, head = read(path), found.head
    if count is not None and count < len(records):
        records, head = records[:count], records[count].prev
    try:
        runbook: Runbook | None = stored_runbook(folder, fold(records).runbook_sha256)
    except DrbookError:
        runbook = None  # the record alone still tells everything but titles and phases
    facts = JournalFacts(str(path), head, found.intact, found.problem)
    return build_with(records, facts, runbook)


def build_with(
    records: Sequence[Record], journal: JournalFacts, runbook: Runbook | None
) -> Timeline:
    if not records:
        raise JournalError(f"The journal {journal.path} holds no record yet.")
    if runbook is None:
        return build(records, journal=journal)
    actions = vocabulary().actions
    return build(
        records,
        journal=journal,
        phases={step.id: step.step.phase.value for step in runbook.steps},
        titles={step.id: title_of(runbook, actions, step.id) for step in runbook.steps},
        document=runbook.document,
    )


def status_text(snapshot: Snapshot, now: datetime) -> str:
    """A status text for people outside, drafted from a running incident's record."""
    facts = JournalFacts(str(snapshot.journal), snapshot.head, intact=True)
    return draft(build_with(snapshot.records, facts, snapshot.runbook), now)


def kind_of(path: Path) -> str:
    """The format that a file's name asks for. Raises UsageError for one that is none."""
    kind = path.suffix.lstrip(".").lower()
    kind = {"markdown": "md", "jsonl": "json", "ndjson": "json", "htm": "html"}.get(kind, kind)
    if kind not in FORMATS:
        raise UsageError(
            f"Nobody knows what format {plain(path.name, 200)!r} should have.",
            means="Nothing was written.",
            next="Let its name end in one of: " + ", ".join(f".{one}" for one in sorted(FORMATS)),
        )
    return kind


def may_write(path: Path) -> None:
    """Raises UsageError where a timeline could not be written there later."""
    kind_of(path)
    if path.exists() or not os.access(path.parent, os.W_OK | os.X_OK):
        why = "it exists already" if path.exists() else "its folder cannot be written to"
        raise UsageError(
            f"{plain(str(path), 200)} cannot be written: {why}.",
            means="Nothing was started.",
            next="Give another name, in a folder that is there.",
        )


def write_timeline(folder: Path, path: Path) -> None:
    """The incident's timeline as a new file, in the format that its name asks for."""
    kind = kind_of(path)
    write_new(path, export(timeline_of(folder), kind))


def write_new(path: Path, text: str) -> None:
    """A new file, readable for its owner only; an existing one is not overwritten, and half of one is
    not left behind."""
    made = False
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        made = True
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
    except FileExistsError:
        raise UsageError(
            f"{plain(str(path), 200)} exists already.",
            means="Nothing was written: an export may be evidence.",
            next="Give another name, or move that file away.",
        ) from None
    except OSError as error:
        left = _taken_away(path) if made else ""
        raise UsageError(
            f"{plain(str(path), 200)} cannot be written: {error.strerror or error}.",
            means=left or "Nothing was written.",
            next="Give a place that you may write to.",
        ) from None


def _taken_away(path: Path) -> str:
    """Remove half a file; what is left where that fails too."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        return f"A part of it was written, and could not be removed: {error.strerror or error}."
    return ""
