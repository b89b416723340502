"""Appending to a journal: one writer at a time, and nothing is done before its line is on disk."""

import itertools
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from drbook.core.errors import JournalError, JournalLocked
from drbook.core.events import Event, Mode, Record
from drbook.core.growing import Growing
from drbook.journal.codec import FIRST, decode, digest, encode
from drbook.journal.disk import Disk, OsDisk
from drbook.journal.reader import NOTHING, Held, follow, torn_tail


class Writer:
    """The only writer of one journal; holds its lock until `close`.

    `at` never goes backwards: where the wall clock does, the last time is repeated, and `mono_ns`
    keeps the order.
    """

    def __init__(
        self,
        path: Path,
        *,
        mode: Mode,
        host: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        disk: Disk | None = None,
        known: Held = NOTHING,
    ) -> None:
        """`known` is what was read of it before; where it still begins so, that is not read again."""
        self.path = path
        self.mode = mode
        self.host = host
        self._disk = disk or OsDisk()
        self.release: Callable[[], None] = lambda: None
        """Gives up what was claimed beside the journal's own lock, and is called with it."""
        self._now = now
        self._monotonic_ns = monotonic_ns
        self.repaired = ""
        """What was mended when it was opened, in words."""
        self.records: Growing[Record] = Growing()
        """Every record that it found and wrote."""
        self.head = FIRST
        self._last = datetime.min.replace(tzinfo=UTC)
        self._file = self._open()
        self._size = 0
        """Bytes that the file holds where nobody else has changed it."""
        try:
            self._catch_up(known)
            self._size = self._disk.size(self._file)
        except OSError as error:
            self.close()
            raise self._not_opened(error) from None
        except BaseException:
            self.close()
            raise

    def _open(self) -> int:
        try:
            handle = self._disk.open(self.path)
        except OSError as error:
            raise self._not_opened(error) from None
        try:
            self._disk.lock(handle)
        except BlockingIOError:
            self._disk.close(handle)
            raise JournalLocked(
                f"Another drbook is writing {self.path}.",
                means="One incident has one writer, so that its record stays in order.",
                next="Use `drbook watch` to follow it, or `drbook note` to write a note into it.",
            ) from None
        except OSError as error:
            self._disk.close(handle)
            raise JournalError(
                f"The journal {self.path} cannot be locked: {error.strerror or error}.",
                means="Nobody could keep a second drbook from writing it, so nothing is done. Network "
                "file systems often have no locks.",
                next="Copy the incident's folder to a disk of this machine and resume it there; "
                "DRBOOK_HOME says where new incidents go.",
                code="journal-no-lock",
            ) from None
        return handle

    def _not_opened(self, error: OSError) -> JournalError:
        return JournalError(
            f"The journal {self.path} cannot be opened: {error.strerror or error}.",
            means="Nothing is done that cannot be recorded.",
            next="Make room or mend the permissions, then resume the incident. Or move the "
            "incident's folder to another disk and go on there: `drbook resume FOLDER`.",
            code="journal-open",
        )

    @property
    def _seq(self) -> int:
        return len(self.records)

    def _took(self, record: Record, line: bytes) -> None:
        self.records = self.records.and_then(record)
        self.head, self._last = digest(line), record.at

    def _catch_up(self, known: Held) -> None:
        found = follow(self.path, known)
        self.records, self.head = found.records, found.head
        if found.records:
            self._last = found.records[-1].at
        torn = torn_tail(self.path)
        if torn:
            self._mend(torn)
        _sync_folder(self.path.parent)

    def _mend(self, torn: bytes) -> None:
        """A whole record that lacks only its line end gets it; anything else is kept aside and cut."""
        try:
            record = decode(torn)
        except JournalError:
            record = None
        if record is not None and record.prev == self.head and record.seq == self._seq + 1:
            self._write(b"\n")
            self._took(record, torn)
            self.repaired = "the last record lacked its line end"
            return
        handle, aside = self._new_file_aside()
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(torn)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError:
            aside.unlink(missing_ok=True)  # a disk without room keeps an empty one
            raise
        self._disk.cut(self._file, self._disk.size(self._file) - len(torn))
        self._disk.sync(self._file)
        self.repaired = f"{len(torn)} bytes of an unfinished record were moved to {aside.name}"

    def _new_file_aside(self) -> tuple[int, Path]:
        """A file that was not there before, so that nothing kept earlier is lost and no link followed."""
        for number in itertools.count(1):
            name = f"torn-after-{self._seq}{f'-{number}' if number > 1 else ''}.bin"
            aside = self.path.with_name(name)
            try:
                return os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), aside
            except FileExistsError:
                continue
        raise AssertionError("the numbers have ended")

    def append(self, actor: str, event: Event) -> Record:
        """Write one record and sync it; returns it as a reader will see it.

        Raises JournalError where it is not on disk; then the file ends where it ended before, and
        nothing may be done that the record would have covered.
        """
        if self._file < 0:
            raise JournalError(
                f"The journal {self.path} is closed.",
                means="Nothing is done that cannot be recorded.",
                next="Resume the incident.",
                code="journal-write",
            )
        if not self._disk.stands(self._file, self.path):
            raise JournalError(
                f"{self.path} is not the journal any more: its folder was moved, removed or replaced.",
                means="What would be written now would be found by nobody, so nothing is done. What "
                "was recorded before is wherever that folder is now.",
                next="Find the folder, or its copy, and go on there: `drbook resume FOLDER`.",
                code="journal-gone",
            )
        if (size := self._size_now()) != self._size:
            raise JournalError(
                f"{self.path} was changed by somebody else: it holds {size} bytes, and {self._size} were "
                "written.",
                means="Records were cut off or put in. What would be written now would follow something "
                "else than was recorded, so nothing is done.",
                next="Keep it as it is, as evidence. `drbook journal verify --mirrors` says what a "
                "mirror holds; where one is whole, move this folder aside and take over from it: "
                "drbook resume --from PLACE --take-over REASON.",
                code="journal-changed",
            )
        at = max(self._now(), self._last)
        line = encode(
            Record(
                seq=self._seq + 1,
                at=at,
                mono_ns=self._monotonic_ns(),
                mode=self.mode,
                actor=actor,
                host=self.host,
                event=event,
                prev=self.head,
            )
        )
        record = decode(line)
        self._write(line + b"\n")
        self._took(record, line)
        return record

    def _size_now(self) -> int:
        try:
            return self._disk.size(self._file)
        except OSError as error:
            raise self._not_opened(error) from None

    def _write(self, data: bytes) -> None:
        before = self._disk.size(self._file)
        try:
            written = 0
            while written < len(data):
                written += self._disk.write(self._file, data[written:])
            self._disk.sync(self._file)
        except OSError as error:
            self._cut_back(before)
            raise JournalError(
                f"The record could not be written to {self.path}: {error.strerror or error}.",
                means="Nothing is begun that is not on record. What a step has done whose end is what "
                "could not be written, is in doubt when the incident is resumed.",
                next="Make room on that disk, then resume the incident. Or move the incident's folder "
                "to another disk and go on there: `drbook resume FOLDER`.",
                code="journal-write",
            ) from error
        self._size = before + len(data)

    def _cut_back(self, size: int) -> None:
        """Take back a half-written line. Where even that fails, no line may follow it any more: the
        half one is then a torn tail, which the next opening mends."""
        try:
            self._disk.cut(self._file, size)
        except OSError:
            self.close()

    def close(self) -> None:
        """Give up the lock."""
        if self._file >= 0:
            self._disk.close(self._file)
            self._file = -1
            self.release()

    def __enter__(self) -> "Writer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
