"""Somebody else's entries taken into an incident's record, with the file that they stood in."""

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from drbook.app.onewriter import ClaimedElsewhere
from drbook.app.places import RUNBOOK
from drbook.app.refusing import refuse_secret
from drbook.app.writing import operator, seat
from drbook.core.errors import JournalLocked, UsageError
from drbook.core.events import ExternalEntryAdded, ExternalFileTaken
from drbook.core.external import LARGEST, read_external, unknown_of
from drbook.core.fold import fold
from drbook.core.values import plain
from drbook.journal.writer import Writer
from drbook.providers import private
from drbook.providers.artifacts import ArtifactFolder
from drbook.providers.secrets import know


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of it."""

    incident: str
    entered: int
    known: int
    """Left out: they were on record already, or stood twice in the file."""
    artifact: str
    """Where the file lies now, in the incident's folder; empty where nothing of it was new."""
    unasked: tuple[str, ...] = ()
    """Mirrors that did not say whether another machine leads the incident."""


def take_external(
    folder: Path, path: Path, source: str = "", *, environment: Mapping[str, str] = os.environ
) -> Taken:
    """Enter what is new in the file, all of it or nothing.

    Raises UsageError for a file that cannot be taken or holds a known secret, JournalLocked while another
    drbook leads the incident, JournalError where it cannot be recorded.
    """
    data = _bytes(path)
    entries = read_external(data, path.name, datetime.now(UTC), source)
    for runbook in folder.glob(f"{Path(RUNBOOK).stem}*.yaml"):  # the amended ones, too
        with suppress(OSError):  # the record takes it where a runbook cannot be read any more, too
            know(runbook.read_text(encoding="utf-8", errors="replace"), environment)
    refuse_secret(data.decode("utf-8", "replace"), "The file")
    # Escapes of JSON and quotes of CSV may hide it from the bytes.
    refuse_secret(
        f"{path.name}\n{source}\n" + "\n".join(f"{e.author} {e.text} {e.source}" for e in entries),
        "The file",
    )
    try:
        writer, unasked = seat(folder, environment=environment)
    except ClaimedElsewhere:
        raise
    except JournalLocked as error:
        raise JournalLocked(
            error.what,
            means="Only one drbook writes a record. Nothing of the file was entered.",
            next="Enter it once that drbook has ended; a closed incident takes it, too.",
        ) from None
    with writer:
        events = [record.event for record in writer.records]
        incident = fold(writer.records).incident
        known = frozenset(one.digest for one in events if isinstance(one, ExternalEntryAdded))
        fresh, left = unknown_of(entries, known)
        if not fresh:
            return Taken(incident, 0, left, "", unasked)
        sha256 = hashlib.sha256(data).hexdigest()
        artifact = ArtifactFolder(folder).keep(data, path.suffix.lower())
        _enter(
            writer,
            ExternalFileTaken(
                name=path.name,
                sha256=sha256,
                artifacts=(artifact,),
                entries=len(fresh),
                known=left,
            ),
            [
                ExternalEntryAdded(
                    happened_at=one.at,
                    author=one.author,
                    text=one.text,
                    source=one.source,
                    file=sha256,
                    line=one.line,
                    digest=digest,
                )
                for digest, one in fresh
            ],
        )
    return Taken(incident, len(fresh), left, artifact, unasked)


def _enter(writer: Writer, file: ExternalFileTaken, entries: list[ExternalEntryAdded]) -> None:
    """The file first, so that each entry hangs on it; a crash in between leaves the rest for another try."""
    who = operator()
    writer.append(who, file)
    for entry in entries:
        writer.append(who, entry)


def _bytes(path: Path) -> bytes:
    try:
        return private.read(path, LARGEST + 1)
    except OSError as error:
        raise UsageError(
            f"{plain(str(path), 200)} cannot be read: {error.strerror or error}.",
            means="Nothing was recorded.",
            next="Give a regular file that you may read.",
        ) from None
