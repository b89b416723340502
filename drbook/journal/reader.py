"""Reading and verifying a journal; a writer is never in the way.

A last line without its line end is *torn*: the machine stopped while it was written. It is told
apart from every other change, which is *tampering* or damage.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from drbook.core.errors import DrbookError, JournalError, UsageError
from drbook.core.events import Record
from drbook.core.fold import drafted, evolve
from drbook.core.growing import Growing
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


@dataclass(frozen=True, slots=True)
class Held:
    """What a journal held when it was read, and what tells later whether it still begins so."""

    records: Growing[Record]
    head: str
    """SHA-256 of the last whole line."""
    size: int
    """Bytes of its whole lines."""
    sha256: str
    """Of these bytes."""


NOTHING = Held(Growing(), FIRST, 0, hashlib.sha256().hexdigest())

Told = Callable[[int, int], None]
"""Told now and then how many lines were read, and how many there are."""

_BLOCK = 1 << 20
_TELL_EVERY = 1000


def digests(records: Sequence[Record], head: str) -> list[str]:
    """Of each line of a chain that was checked: there each record says that of the line before."""
    return [*(record.prev for record in records[1:]), head] if records else []


def read(path: Path) -> tuple[Record, ...]:
    """All whole records. Raises JournalError at the first line that is damaged or out of the chain."""
    return tuple(record for record, _ in records(path))


def follow(path: Path, before: Held = NOTHING, tell: Told | None = None) -> Held:
    """All whole records. Those of an earlier reading are not decoded again where the file's bytes are
    still the same up to there; where they are not, it is read from its begin.

    Raises JournalError at the first line that is damaged or out of the chain.
    """
    with _opened(path) as stream:
        try:
            total = _count(stream) if tell is not None else 0
            seen = hashlib.sha256()
            for block in _blocks(stream, before.size):
                seen.update(block)
            if seen.hexdigest() != before.sha256:
                before, seen = NOTHING, hashlib.sha256()
                stream.seek(0)
        except OSError as error:
            raise _unreadable(path, error) from None
        head, size, fresh = before.head, before.size, []
        for record, line_digest, line in _chained(path, stream, before.records, head):
            fresh.append(record)
            head, size = line_digest, size + len(line)
            seen.update(line)
            if tell is not None and record.seq % _TELL_EVERY == 0:
                tell(record.seq, total)
    return Held(before.records.and_all(fresh), head, size, seen.hexdigest())


def records(path: Path) -> Iterator[tuple[Record, str]]:
    """Each whole record with the digest of its line, the chain checked on the way."""
    with _opened(path) as stream:
        for record, line_digest, _ in _chained(path, stream, (), FIRST):
            yield record, line_digest


def read_lines(path: Path, count: int) -> list[tuple[Record, str, bytes]]:
    """The first so many records, each with the digest of its line and the line with its end."""
    with _opened(path) as stream:
        return list(islice(_chained(path, stream, (), FIRST), count))


def _chained(
    path: Path, lines: Iterable[bytes], before: Sequence[Record], head: str
) -> Iterator[tuple[Record, str, bytes]]:
    """Each whole record that follows `head`, with the digest of its line and the line."""
    number = len(before)
    try:
        for line in lines:
            number += 1
            if not line.endswith(b"\n"):
                return
            record, head = _next(path, number, head, line[:-1])
            yield record, head, line
    except OSError as error:
        raise _unreadable(path, error) from None


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
            state = evolve(drafted(state), record)
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

    def more(self, tell: Told | None = None) -> tuple[Record, ...]:
        """The whole records since the last look; none where it has not grown. `tell` is told now and then
        how far it is.

        Raises JournalError for a damaged line, and for a journal that another took the place of, or
        that lost what had been read of it: what was shown is then not what is there.
        """
        found: list[Record] = []
        try:
            with self.path.open("rb") as stream:
                self._must_be_the_same(stream.fileno())
                total = _count(stream) if tell is not None else 0
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
                    if tell is not None and self._count % _TELL_EVERY == 0:
                        tell(self._count, total)
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


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise _missing(path) from None
    except OSError as error:
        raise _unreadable(path, error) from None


def _blocks(stream: BinaryIO, size: int) -> Iterator[bytes]:
    """The next so many bytes, or fewer where it ends before."""
    while size > 0 and (block := stream.read(min(size, _BLOCK))):
        size -= len(block)
        yield block


def _count(stream: BinaryIO) -> int:
    """How many lines there are."""
    lines = sum(block.count(b"\n") for block in iter(lambda: stream.read(_BLOCK), b""))
    stream.seek(0)
    return lines


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
