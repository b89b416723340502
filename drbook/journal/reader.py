"""Reading and verifying a journal; a writer is never in the way.

A last line without its line end is *torn*: the machine stopped while it was written. It is told
apart from every other change, which is *tampering* or damage.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drbook.core.errors import DrbookError, JournalError, UsageError
from drbook.core.events import Record
from drbook.core.fold import evolve
from drbook.core.state import IncidentState
from drbook.core.values import plain
from drbook.journal.codec import FIRST, decode, digest

_HEAD = re.compile(r"[0-9a-f]{64}", re.ASCII)


def noted_head(text: str, *, means: str) -> str:
    """A head as somebody noted it, without what copying added. Raises UsageError for what is none: it
    says nothing about a record."""
    found = text.strip().lower()
    if not _HEAD.fullmatch(found):
        raise UsageError(
            "--head is no head: 64 hexadecimal digits.",
            means=means,
            next="Copy it from the end of a run, or from an export.",
        )
    return found


@dataclass(frozen=True, slots=True)
class Verification:
    """What a journal's bytes say about themselves."""

    path: Path
    records: int
    head: str
    """SHA-256 of the last whole line; 64 zeros for an empty journal."""
    incident: str = ""
    """The one that its first line opens."""
    problem: str = ""
    """The first thing that is wrong, with its line; empty where the chain is whole."""
    torn: int = 0
    """Bytes of a last line that was not finished."""
    after_head: int = 0
    """Records that follow the head that was asked for."""

    @property
    def intact(self) -> bool:
        return not self.problem


def read(path: Path) -> tuple[Record, ...]:
    """All whole records. Raises JournalError at the first line that is damaged or out of the chain."""
    return tuple(record for record, _ in records(path))


def records(path: Path) -> Iterator[tuple[Record, str]]:
    """Each whole record with the digest of its line, the chain checked on the way."""
    previous = FIRST
    for number, line in enumerate(_lines(path), 1):
        if not line.endswith(b"\n"):
            return
        record, previous = _next(path, number, previous, line[:-1])
        yield record, previous


def verify(path: Path, head: str | None = None, incident: str = "") -> Verification:
    """Check every line, the chain, the rules of the events and, where they are known, the head, and the
    incident whose record it has to be.

    A known head (printed in every export) finds what the chain alone cannot: lines cut off at the
    end, or a chain that was written anew. Raises JournalError where the file cannot be read at all.
    """
    count, last, state = 0, FIRST, IncidentState()
    position: int | None = None
    problem = ""
    try:
        for record, line_digest in records(path):
            state = evolve(state, record)
            count, last = record.seq, line_digest
            if head is not None and line_digest == head.lower():
                position = count
    except DrbookError as error:
        if error.code == "journal-missing":
            raise
        problem = error.what
    if not problem and count == 0:
        problem = "It holds no record."
    if not problem and incident and state.incident != incident:
        problem = (
            f"It is the record of incident {plain(state.incident, 100)}, not of {incident}: another "
            "incident's was put in its place, or its folder was given another's name."
        )
    if not problem and head is not None and position is None:
        problem = (
            "64 zeros are where every chain begins, and no line's digest: that is no head."
            if head == FIRST
            else f"No line has the digest {head[:16]}…: lines were cut off at the end, "
            "or the whole chain was written anew."
        )
    return Verification(
        path=path,
        records=count,
        head=last,
        incident=state.incident,
        problem=problem,
        torn=len(torn_tail(path)),
        after_head=count - position if position is not None else 0,
    )


def torn_tail(path: Path) -> bytes:
    """The bytes after the last line end."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        block, tail, position = 65536, b"", size
        while position > 0:
            position = max(0, position - block)
            stream.seek(position)
            tail = stream.read(min(block, size - position - len(tail))) + tail
            end = tail.rfind(b"\n")
            if end >= 0:
                return tail[end + 1 :]
    return tail


class Tail:
    """A journal that is followed as it grows: each look reads what came since the last one, the chain
    checked across them. It takes no lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.head = FIRST
        """SHA-256 of the last whole line that was read."""
        self._read = 0
        self._count = 0
        self._file: tuple[int, int] | None = None

    def more(self) -> tuple[Record, ...]:
        """The whole records since the last look; none where it has not grown.

        Raises JournalError for a damaged line, and for a journal that another took the place of, or
        that lost what had been read of it: what was shown is then not what is there.
        """
        found: list[Record] = []
        try:
            with self.path.open("rb") as stream:
                self._must_be_the_same(stream.fileno())
                stream.seek(self._read)
                for line in stream:
                    if not line.endswith(b"\n"):
                        break  # it is being written, or torn: a writer will mend it
                    try:
                        found.append(self._checked(line))
                    except JournalError:
                        if not found:
                            raise
                        break  # what came before it still holds; the next look says what is wrong
        except FileNotFoundError:
            raise _missing(self.path) from None
        except OSError as error:
            raise _unreadable(self.path, error) from None
        return tuple(found)

    def _must_be_the_same(self, handle: int) -> None:
        status = os.fstat(handle)
        before, self._file = self._file, (status.st_dev, status.st_ino)
        if (before is not None and before != self._file) or status.st_size < self._read:
            raise JournalError(
                f"{self.path} is not the file that was followed any more: it was replaced or cut.",
                means="What is shown is the record as it was read before.",
                next="Run `drbook journal verify` on it, and begin to follow it again.",
                code="journal-replaced",
            )

    def _checked(self, line: bytes) -> Record:
        record, digested = _next(self.path, self._count + 1, self.head, line[:-1])
        self._count, self.head = record.seq, digested
        self._read += len(line)
        return record


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as stream:
            yield from stream
    except FileNotFoundError:
        raise _missing(path) from None
    except OSError as error:
        raise _unreadable(path, error) from None


def _missing(path: Path) -> JournalError:
    return JournalError(
        f"There is no journal at {path}.",
        next="`drbook incidents` lists the incidents of this machine.",
        code="journal-missing",
    )


def _unreadable(path: Path, error: OSError) -> JournalError:
    return JournalError(
        f"The journal {path} cannot be read: {error.strerror or error}.", code="journal-missing"
    )


def _next(path: Path, number: int, previous: str, body: bytes) -> tuple[Record, str]:
    """The record in a line, and the line's digest. Raises JournalError where it does not follow."""
    try:
        record = decode(body)
    except JournalError as error:
        raise _damaged(path, number, error.what) from None
    if record.seq != number:
        raise _damaged(path, number, f"It is numbered {record.seq}.")
    if record.prev != previous:
        raise _damaged(path, number, "It does not follow the line before it.")
    return record, digest(body)


def _damaged(path: Path, number: int, why: str) -> JournalError:
    return JournalError(
        f"{path.name}, line {number}: {why}",
        means="From this line on the record was changed or damaged after it was written.",
        next="Compare it with a copy elsewhere; the lines before this one still hold.",
        code="journal-damaged",
    )
