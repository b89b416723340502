"""One mirror's thread: copies the journal's synced lines, and never stands in the incident's way.

It holds no queue. It re-reads the journal file from where it is, so a mirror that is down costs a
number, and catching up after an outage, a crash or a resume is the same as copying.
"""

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from drbook.core import events as ev
from drbook.core.errors import DrbookError, JournalError
from drbook.core.events import Record
from drbook.core.values import counted, plain
from drbook.mirror.chain import line_of, who_took_over
from drbook.mirror.fence import keeps_conditions, newest, supersedes
from drbook.mirror.place import (
    ARTIFACTS,
    MAX_OBJECT,
    RECORDS,
    RUNBOOK,
    RUNBOOKS,
    MirrorConflict,
    MirrorDown,
    Place,
    number_in,
    record_name,
)
from drbook.mirror.status import MirrorState, Standing

POLL = 5.0
"""Seconds between two looks at the fence."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds before the next attempt at a mirror that is down; doubled each time."""


@dataclass(frozen=True, slots=True)
class Writing:
    """Whose record is copied: where it lies, and the right to go on with it."""

    journal: Path
    runbook: Path
    epoch: int
    token: str
    """Of the fence with that number; empty for the first writer."""


class Copier:
    """Thread-safe; `written` only stores a number."""

    def __init__(
        self,
        where: str,
        opener: Callable[[], Place],
        writing: Writing,
        now: Callable[[], datetime],
        *,
        poll: float = POLL,
        first_wait: float = FIRST_WAIT,
    ) -> None:
        self._opener = opener
        self._writing = writing
        self._now = now
        self._poll = poll
        self._first_wait = first_wait
        self._place: Place | None = None
        self._offset = 0
        self._look_at = 0.0
        """When, by the monotonic clock, the fence is looked at next."""
        self._wanted = self._looked = -1.0
        """Since when a look is asked for, and when the last one that came to its end began."""
        self._brought = 0
        """The newest record that the mirror has held in this life."""
        self._there: set[int] = set()
        """Numbers that the mirror held when it was opened and that need not be sent."""
        self._kept: set[str] = set()
        """Artifacts and runbooks that are known to be there."""
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._state = MirrorState(where, 0, 0)
        self._previous = self._line = b""
        """The last line that is there, and the one that is being brought."""
        self.taken_by = ""
        """Who took over, in words, once that is known."""
        self.beside = ""
        """Who else writes this incident, in words, once that is known."""
        self._thread = threading.Thread(target=self._run, name="mirror", daemon=True)

    # --- for others: thread-safe -------------------------------------------------------------

    @property
    def state(self) -> MirrorState:
        with self._lock:
            return self._state

    def start(self) -> None:
        self._thread.start()

    def written(self, seq: int) -> None:
        """So many records are on disk here."""
        with self._lock:
            since = self._state.since or self._now()
            self._state = replace(self._state, written=seq, since=since)
        self._wake.set()

    def look(self, now: float) -> None:
        """Look at the fence, whether or not it is time; `now` is the monotonic clock's moment."""
        self._wanted = now
        self._wake.set()

    def may_still_say(self, seq: int, asked: float) -> bool:
        """Whether it is up and, since that moment, has neither brought this record nor looked who may
        write at all."""
        state = self.state
        if state.standing is not Standing.COPYING or not self._thread.is_alive():
            return False
        return state.records < seq or self._looked < asked

    def close(self) -> None:
        """Try once more to bring what is lacking, then end; `join` waits for that."""
        self._closing.set()
        self._wake.set()

    def join(self, until: float) -> None:
        """Wait for the thread's end, at most until this moment of the monotonic clock."""
        if self._thread.is_alive():
            self._thread.join(max(0.0, until - time.monotonic()))

    # --- the thread --------------------------------------------------------------------------

    def _run(self) -> None:
        failures = 0
        while True:
            last = self._closing.is_set()
            self._wake.clear()
            try:
                self._bring()
                failures = 0
            except MirrorConflict as error:
                self._differs(error)
            except DrbookError as error:
                failures += 1
                self._let_go()
                self._failed(error.what)
            except Exception as error:  # noqa: BLE001 - a defect here must not reach the incident
                failures += 1
                self._let_go()
                self._failed(f"drbook itself failed: {type(error).__name__}: {plain(str(error))}")
            if last or self.state.standing in (Standing.DIFFERS, Standing.SUPERSEDED):
                break
            if failures:
                wait = min(self._first_wait * 2 ** (failures - 1), LONGEST_WAIT)
                self._closing.wait(wait)
            else:
                self._wake.wait(self._poll)
        self._let_go()

    def _let_go(self) -> None:
        """What it holds is known no more: the next attempt opens it, and looks, anew."""
        if self._place is not None:
            self._place.close()
            self._place = None

    def _bring(self) -> None:
        """A look now and then at who may write at all, then everything that is not there yet."""
        place = self._opened()
        now = time.monotonic()
        if now >= self._look_at or self._wanted > self._looked:
            held = newest(place)
            if supersedes(held, self._writing.epoch, self._writing.token):
                self._superseded(held.show() if held else "")
                return
            self._looked, self._look_at = now, time.monotonic() + self._poll
        for seq, line in self._lines():
            self._keep_files(place)
            self._line = line
            if seq not in self._there:
                place.create(record_name(seq), line)
            self._there.discard(seq)
            self._previous = line
            self._arrived(seq, len(line), place)
        self._settled(place)

    def _opened(self) -> Place:
        """The place, with what it holds already. Raises DrbookError; then it is opened again later."""
        if self._place is not None:
            return self._place
        place = self._opener()
        try:
            there = {
                seq
                for stored in place.listed(RECORDS)
                if (seq := number_in(stored.name)) is not None and not stored.remark
            }
            if self._brought and 1 not in there:
                raise MirrorDown(
                    f"{place.location} no longer holds this incident's first record, though "
                    f"{counted(self._brought, 'record')} were brought there: is it mounted?"
                )
            honest = keeps_conditions(place)
        except BaseException:
            place.close()
            raise
        # The newest one without a gap before it is compared when it is reached: it names all that
        # came before. What lies behind a gap is compared one by one.
        newest_whole = next(seq for seq in range(1, len(there) + 2) if seq not in there) - 1
        there = set(range(1, newest_whole))
        with self._lock:
            note = "" if honest else "not protected: this store overwrites what it should not"
            # A place that was away may have come back without what was brought meanwhile, or last.
            self._state = replace(self._state, where=place.location, note=note, records=0)
        self._offset, self._previous = 0, b""
        self._kept.clear()
        self._there, self._place = there, place
        return place

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """The synced lines behind the last one that is known to be there, one at a time."""
        state = self.state
        seq, offset = state.records, self._offset
        if seq >= state.written:
            return
        try:
            with self._writing.journal.open("rb") as stream:
                stream.seek(offset)
                while seq < self.state.written:
                    line = stream.readline(MAX_OBJECT + 1)
                    if len(line) > MAX_OBJECT:
                        raise JournalError(
                            f"Record {seq + 1} is longer than {MAX_OBJECT // 2**20} MiB: it, and what "
                            "follows it, cannot be mirrored."
                        )
                    if not line.endswith(b"\n"):
                        raise JournalError(
                            f"Record {seq + 1} cannot be read back from {self._writing.journal}."
                        )
                    seq += 1
                    yield seq, line
        except OSError as error:
            raise JournalError(
                f"The journal cannot be read back: {error.strerror or error}."
            ) from None

    def _arrived(self, seq: int, size: int, place: Place) -> None:
        self._offset += size
        self._brought = max(self._brought, seq)
        with self._lock:
            note = place.note or self._state.note
            self._state = replace(
                self._state, records=seq, standing=Standing.COPYING, error="", note=note
            )

    def _settled(self, place: Place) -> None:
        """Nothing failed; where nothing is lacking any more, the clock of the lag stops."""
        with self._lock:
            since = self._state.since if self._state.behind else None
            self._state = replace(self._state, standing=Standing.COPYING, since=since, error="")

    def _keep_files(self, place: Place) -> None:
        """The runbook as run, and evidence, before a record that names it."""
        runbook = self._writing.runbook
        if RUNBOOK not in self._kept:
            _keep_runbook(place, runbook)
            self._kept.add(RUNBOOK)
        folder = self._writing.journal.parent / ARTIFACTS.rstrip("/")
        if not folder.is_dir():
            return
        for entry in sorted(os.scandir(folder), key=lambda one: one.name):
            if entry.name.startswith(".") or entry.name in self._kept:
                continue  # a dotted one is a draft: it is named once it is whole
            if not entry.is_file(follow_symlinks=False):
                continue
            if entry.stat().st_size <= MAX_OBJECT:
                data = Path(entry.path).read_bytes()
                if not entry.name.startswith(hashlib.sha256(data).hexdigest()):
                    continue  # it is being written; the record that names it comes later
                place.create(ARTIFACTS + entry.name, data)
            self._kept.add(entry.name)

    # --- how it ends or fails ----------------------------------------------------------------

    def _failed(self, why: str) -> None:
        with self._lock:
            since = self._state.since or (self._now() if self._state.behind else None)
            self._state = replace(
                self._state, standing=Standing.DOWN, since=since, error=plain(why, 400)
            )

    def _differs(self, error: MirrorConflict) -> None:
        try:
            record = line_of(error.theirs)
        except JournalError:
            record = None
        if record is not None and isinstance(record.event, ev.IncidentTakenOver):
            self._superseded(who_took_over(record))
            return
        if record is not None and self._follows_ours(record):
            self.beside = (
                f"{plain(record.actor, 100)} on {plain(record.host, 100)} put another record "
                f"{record.seq} behind this journal's"
            )
        with self._lock:
            self._state = replace(
                self._state,
                standing=Standing.DIFFERS,
                error=f"{error.what} Nothing more is copied there; compare them with "
                "`drbook journal verify --mirrors`.",
            )

    def _follows_ours(self, theirs: Record) -> bool:
        """Whether another writer went on from this journal's own line. Whoever was taken over from may
        have had one more record in; that one is behind, and its writer stops."""
        if not (self._previous and self._line):
            return False
        ours = line_of(self._line)
        if isinstance(ours.event, ev.IncidentTakenOver):
            return False
        return theirs.seq == ours.seq and theirs.prev == ours.prev

    def _superseded(self, by: str) -> None:
        self.taken_by = by
        with self._lock:
            self._state = replace(
                self._state,
                standing=Standing.SUPERSEDED,
                error=f"Another machine has taken over: {by}.",
            )


def _keep_runbook(place: Place, path: Path) -> None:
    """As `runbook.yaml`, or under its digest where an amended one is run."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise JournalError(f"{path} cannot be read: {error.strerror or error}.") from None
    try:
        place.create(RUNBOOK, data)
    except MirrorConflict:
        place.create(f"{RUNBOOKS}{hashlib.sha256(data).hexdigest()}.yaml", data)
