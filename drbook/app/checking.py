"""An export held against the journal that it was made of, or where that is not here, against itself."""

from dataclasses import dataclass
from pathlib import Path

from drbook.app.exports import kind_of, timeline_of
from drbook.app.places import JOURNAL, Home, listed
from drbook.core.errors import ExitCode, UsageError
from drbook.core.events import Record
from drbook.core.values import counted, plain
from drbook.journal.codec import FIRST, digest, encode
from drbook.journal.reader import digests, read, verify
from drbook.providers import private
from drbook.timeline.export import export
from drbook.timeline.imports import Imported, differing, lost, read_export

LARGEST = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of it."""

    code: ExitCode
    """DONE only where the journal was there and all of it is in the file."""
    words: str
    problems: tuple[str, ...] = ()


def check_export(path: Path, where: Home, folder: Path | None = None, kind: str = "") -> Checked:
    """`folder` is the incident's; None: the one that the file names, if it is in the home.

    Raises UsageError for a file that cannot be read, JournalError where the journal itself is damaged.
    """
    found = read_export(_text(path), kind or kind_of(path))
    if folder is None and found.incident:
        folder = next((one for one in listed(where) if one.name == found.incident), None)
    if folder is None:
        return _by_itself(found)
    return _against(found, folder)


def _against(found: Imported, folder: Path) -> Checked:
    journal = folder / JOURNAL
    whole = timeline_of(folder)  # raises where the journal is not whole
    heads = digests(read(journal), verify(journal).head)
    total = len(heads)
    if found.incident and found.incident != whole.incident:
        words = f"It is an export of {found.incident}, not of {whole.incident}."
        return Checked(ExitCode.FAILED, words)
    known = found.head in heads
    count = heads.index(found.head) + 1 if known else total
    told = timeline_of(folder, count)
    problems = list(found.problems)
    if found.head and not known:
        problems.append(f"no record of the journal has the head {found.head[:16]}…")
    around = False
    if found.kind in ("json", "cloudevents"):
        problems += lost(told.records, found, told.incident)
        last = found.text.splitlines()[-1:]
        if not problems and last != export(told, found.kind).splitlines()[-1:]:
            problems.append("its last line, of the head, is not what the journal says")
    else:
        rows, around = differing(export(told, found.kind), found)
        problems += rows
    problems = list(dict.fromkeys(problems))
    if problems and not (around and len(problems) == 1):
        return Checked(ExitCode.FAILED, "It is not what the journal holds.", tuple(problems))
    said = f"{counted(count, 'record')} of {told.incident}, up to head {found.head}"
    if around:
        words = (
            f"Every row of {said} is there; what stands around them is not what this drbook writes: it "
            "was changed, or another version wrote it."
        )
        return Checked(ExitCode.COULD_NOT_VERIFY, words, tuple(problems))
    if count < total:
        words = f"All there: {said}. But the journal went on: records {count + 1} to {total} are not in it."
        return Checked(ExitCode.COULD_NOT_VERIFY, words)
    return Checked(ExitCode.DONE, f"All there: {said}.")


def _by_itself(found: Imported) -> Checked:
    """Nothing here proves that the file is what was exported: without the journal it is never a pass."""
    problems = [*found.problems, *(_chain(found.records, found.head) if not found.problems else ())]
    if problems:
        return Checked(ExitCode.FAILED, "It contradicts itself.", tuple(problems))
    what = {
        "json": "the chain of its records, computed from them, ends in the head that it names",
        "csv": "its rows are in order up to the head that it names",
    }
    held = what.get(found.kind.replace("cloudevents", "json"), "it names a head")
    words = (
        f"The journal of {found.incident or 'its incident'} is not on this machine. By itself the file is "
        f"consistent, and that is all: {held}. Whether that head is the record's is not known: {found.head}"
    )
    return Checked(ExitCode.COULD_NOT_VERIFY, words)


def _chain(records: tuple[Record, ...], head: str) -> list[str]:
    """Where the digest of a record is not the one that the next names, or the head's at the end."""
    said, before = [], FIRST
    for record in records:
        if record.prev != before:
            said.append(f"record {record.seq}: it does not follow the one before it")
        before = digest(encode(record))
    if records and before != head:
        said.append(f"record {records[-1].seq}: it does not have the head that the file names")
    return said


def _text(path: Path) -> str:
    try:
        data = private.read(path, LARGEST)
        return data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(
            f"{plain(str(path), 200)} cannot be read: {why}.",
            means="Nothing was checked.",
            next="Give an export that `drbook timeline` wrote.",
        ) from None
