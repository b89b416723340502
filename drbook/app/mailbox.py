"""Notes and approvals from other seats: a file dropped into the incident folder, put on record by the writer.

Only one process writes a journal; anybody with access to the folder may leave a note for it.
"""

import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from drbook.core.errors import JournalError
from drbook.core.events import NoteKind
from drbook.core.values import format_time, parse_time, plain
from drbook.providers import private
from drbook.providers.hiding import scrub

_TAKEN = ".taken"
_LONGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class Letter:
    actor: str
    text: str
    kind: NoteKind = NoteKind.NOTE
    happened_at: datetime | None = None
    approval: str = ""
    """A signature that approves a step; then the text is for a drbook that knows of none."""


def leave(folder: Path, letter: Letter) -> Path:
    """Drop a letter, and say where; it is complete before it can be seen. Raises JournalError where it
    cannot be."""
    box = folder / "inbox"
    name = f"{time.time_ns():020}-{secrets.token_hex(4)}"
    draft = box / f".{name}"
    try:
        box.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as stream:
            json.dump(_document(letter), stream)
            stream.flush()
            os.fsync(stream.fileno())
        return draft.rename(box / f"{name}.json")
    except OSError as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise JournalError(
            f"Nothing could be left in {box}: {error.strerror or error}.",
            means="What was to be left is not on record.",
            next="Make room or mend the permissions there, or tell it to whoever leads the incident.",
            code="note-left",
        ) from None


def waiting(folder: Path) -> Iterator[tuple[Path, Letter]]:
    """Notes that wait, oldest first. One that cannot be read becomes a note that says so."""
    box = folder / "inbox"
    if not box.is_dir():
        return
    for path in sorted([*box.glob("*.json"), *box.glob(f"*.json{_TAKEN}")]):
        try:
            document = json.loads(private.read(path, _LONGEST))
            # Whoever wrote it is not here any more to be asked for another wording.
            letter = Letter(
                str(document["actor"]),
                scrub(str(document["text"])),
                _kind(document.get("kind")),
                _moment(document.get("happened_at")),
                str(document.get("approval", "")),
            )
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            letter = Letter(
                "unknown", f"a note could not be read ({plain(str(error), 120)}): {path.name}"
            )
        yield path, letter


def take(path: Path) -> Path | None:
    """Take a letter out of reach of whoever left it, who could not tell any more that it came to nothing; None
    where it was taken back. One that a killed driver had taken waits again."""
    if path.name.endswith(_TAKEN):
        return path
    try:
        return path.rename(path.with_name(path.name + _TAKEN))
    except FileNotFoundError:
        return None
    except OSError:  # a folder that lost its permissions keeps its letters; nobody takes one back
        return path


def _document(letter: Letter) -> dict[str, str]:
    """What an older drbook reads, and beside it what is not as usual."""
    document = {"actor": letter.actor, "text": letter.text, "kind": letter.kind.value}
    if letter.approval:
        document["approval"] = letter.approval
    if letter.happened_at is not None:
        document["happened_at"] = format_time(letter.happened_at)
    return document


def _kind(said: object) -> NoteKind:
    """What is said is worth more than how it is filed: an unknown kind is a note."""
    try:
        return NoteKind(str(said))
    except ValueError:
        return NoteKind.NOTE


def _moment(said: object) -> datetime | None:
    try:
        return None if said is None else parse_time(str(said))
    except ValueError:
        return None
