"""The driver: one thread that owns the journal, takes commands, starts steps, and shows snapshots.

Everything that changes an incident goes through the ledger: an event is appended and synced, then
folded into the state. Steps run in daemon threads of their own; what they want on record comes through the
same inbox as commands and is answered once it is on disk.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime, timedelta

from drbook.app import mailbox
from drbook.app.approvals import Approvals
from drbook.app.clockwatch import ClockWatch
from drbook.app.desk import Desk
from drbook.app.doubts import Doubts
from drbook.app.inbox import Called, Ended, Inbox, Message, Signalled, Submitted
from drbook.app.ledger import Ledger
from drbook.app.live import LiveBoard
from drbook.app.model import Command, Past, Snapshot, Trouble
from drbook.app.planning import internal_error, title_of
from drbook.app.publisher import Previews, Publisher
from drbook.app.runningon import RunningOn
from drbook.app.steps import Steps
from drbook.app.work import PortsOpener, keep_traceback
from drbook.core import events as ev
from drbook.core.actions import Actions
from drbook.core.deciding import Deciding
from drbook.core.errors import DrbookError, TakenOver
from drbook.core.events import Event, Record
from drbook.core.runbook import Runbook
from drbook.core.state import IncidentState
from drbook.journal.writer import Writer
from drbook.mirror.mirrors import Mirrors
from drbook.providers.hiding import scrub

PUBLISH_EVERY = 0.1
"""Seconds between two snapshots at least."""
STILL_EVERY = 1.0
"""Seconds between two where something runs and tells nothing."""


class Driver:
    """Implements `drbook.app.model.Incident`. Start it with `start`, end it with `stop`."""

    def __init__(
        self,
        *,
        runbook: Runbook,
        actions: Actions,
        writer: Writer,
        records: Sequence[Record],
        state: IncidentState,
        opener: PortsOpener,
        actor: str,
        people_act: bool,
        now: Callable[[], datetime],
        mirrors: Mirrors | None = None,
        unset: tuple[str, ...] = (),
    ) -> None:
        """`unset` are environment variables that the runbook's secrets stand in and nobody has set."""
        self.runbook = runbook
        self.actions = actions
        self.opener = opener
        self.actor = actor
        """Who leads; in whose name everything is recorded that nobody else is named for."""
        self.people_act = people_act
        """False in a dry run: what a person would do by hand is planned and not done."""
        self.now = now
        self.board = LiveBoard()
        self.trouble: Trouble | None = None
        self._told_broken = False
        self._closed = False
        self._past: Mapping[str, Past] = {}
        self._mirrors = mirrors or Mirrors()
        self._shown_mirrors = self._mirrors.states
        self._ledger = Ledger(writer, records, state, now, self._mirrors)
        self.error_log = writer.path.with_name("errors.log")
        self.inbox = Inbox()
        self.approvals = Approvals(self)
        self.steps = Steps(self)
        self.doubts = Doubts(self)
        self.running_on = RunningOn(self)
        self._stopping = threading.Event()
        self._clock = ClockWatch()
        self._titles = {step.id: title_of(runbook, actions, step.id) for step in runbook.steps}
        self._unset = unset
        self._deciding = Deciding(runbook)
        self._previews = Previews(runbook, actions, lambda: self.call(lambda: None))
        self._published = 0.0
        self._mail_at = 0.0
        self._read: set[str] = set()
        self._dirty = True
        self._desk = Desk(self)
        self._publisher = Publisher(self._picture())
        self._thread = threading.Thread(target=self._loop, name="driver", daemon=True)

    # --- for everybody: thread-safe ---------------------------------------------------------

    @property
    def snapshot(self) -> Snapshot:
        return self._publisher.snapshot

    def start(self) -> None:
        self._thread.start()

    def subscribe(self, callback: Callable[[Snapshot], None]) -> Callable[[], None]:
        return self._publisher.subscribe(callback)

    def submit(self, command: Command, actor: str | None = None) -> "Future[int]":
        future: Future[int] = Future()
        self.inbox.put(Submitted(command, actor or self.actor, future))
        return future

    def stop(self, last: Callable[[Callable[[Event], None]], None] = lambda put: None) -> None:
        """End what runs, and let go of the journal. `last` is called in between, with what puts an event on
        record; not where that cannot be done any more, or something did not stop."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=self.steps.grace + 5)
        try:
            if not self._thread.is_alive() and not self.broken and not self._closed:
                last(lambda event: self.put(event, "drbook"))
                self._publish(force=True)
        finally:
            self._closed = True
            self._ledger.close()

    def call(self, act: Callable[[], None]) -> None:
        """Run something in the driver's thread."""
        self.inbox.put(Called(act))

    def remember(self, past: Mapping[str, Past]) -> None:
        """Show from now on how long the steps took in earlier incidents."""
        self.call(lambda: setattr(self, "_past", past))

    @property
    def state(self) -> IncidentState:
        return self._ledger.state

    @property
    def records(self) -> Sequence[Record]:
        """The whole record so far."""
        return self._ledger.records

    @property
    def aborting(self) -> bool:
        """True from an abort that was asked for to its end."""
        return self._desk.aborting

    @property
    def broken(self) -> bool:
        """True once the journal could not be written."""
        return self._ledger.broken

    def mirrored(self, seq: int, meanwhile: Callable[[], None]) -> None:
        """Wait, a bounded time, until the mirrors that are up hold this record. Raises TakenOver."""
        self._mirrors.have(seq, meanwhile)

    # --- the driver's thread ----------------------------------------------------------------

    def _loop(self) -> None:
        try:
            self._guarded(self.doubts.look_at_all)
            while not self._stopping.is_set():
                self._take(timeout=PUBLISH_EVERY)
                self._guarded(self._ledger.check)
                self._guarded(self._watch_time)
                self._guarded(self._read_mail)
                self._guarded(self._advance)
                self._guarded(self._publish)
            self._wind_down()
        finally:
            self.inbox.close()  # nobody waits for an answer that cannot come

    def _take(self, timeout: float) -> None:
        for message in self.inbox.take(timeout):
            self._dirty = True
            self._handle(message)

    def _handle(self, message: Message) -> None:
        if isinstance(message, Called):
            self._guarded(message.act)
        elif isinstance(message, Ended):
            self._guarded(lambda: self.steps.finish(message.attempt, message.ending))
        elif isinstance(message, Signalled):
            self._answer(message.future, lambda: self.steps.record(message.attempt, message.signal))
        else:
            self._answer(
                message.future, lambda: self._desk.carry_out(message.command, message.actor)
            )

    def _answer(self, future: "Future[int]", act: Callable[[], None]) -> None:
        try:
            act()
        except DrbookError as error:
            self._note_trouble(error)
            future.set_exception(error)
        except Exception as error:  # noqa: BLE001 - a defect must not end the only driver
            future.set_exception(self._defect(error))
        else:
            future.set_result(self.state.seq)

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            act()
        except DrbookError as error:
            self._note_trouble(error)
        except Exception as error:  # noqa: BLE001 - a defect must not end the only driver
            self._defect(error)

    def _defect(self, error: Exception) -> DrbookError:
        """A failure of drbook itself: the traceback is kept in a file, a sentence is shown."""
        shown = internal_error(error)
        shown.__cause__ = error
        self._note_trouble(shown)
        return shown

    def _note_trouble(self, error: DrbookError) -> None:
        if error.code == "internal" and error.__cause__ is not None:
            keep_traceback(self.error_log, "driver", error.__cause__)
        if self._told_broken:
            return  # what broke it is what has to be read
        what, means, next = (scrub(text) for text in (error.what, error.means, error.next))
        self.trouble = Trouble(what, means, next, self.now(), error.code)
        self._dirty = True
        if self.broken:
            self._told_broken = True
            taken = isinstance(error, TakenOver)
            why = "somebody else goes on with it" if taken else "the journal cannot be written"
            self.steps.ask_all_to_stop(why)

    def must_record(self) -> None:
        """Raises JournalError or TakenOver where nothing can be put on record any more."""
        self._ledger.must_record()

    def put(self, event: Event, actor: str | None = None) -> None:
        """Put it on record. Raises JournalError; then nothing that it covers may be done."""
        self._ledger.put(event, actor or self.actor)
        self._dirty = True

    def _watch_time(self) -> None:
        now = time.monotonic()
        moved = self._clock.moved(self.now(), now)
        if moved is not None and self.state.closed_at is None:
            self.put(ev.NoteAdded(text=moved), "drbook")
        if self.steps.watch(now):
            self._dirty = True

    def _read_mail(self) -> None:
        """Notes from other seats, once a second."""
        now = time.monotonic()
        if now < self._mail_at or self.broken:
            return
        self._mail_at = now + 1.0
        for path, letter in mailbox.waiting(self._ledger.path.parent):
            if path.name in self._read:
                continue  # it is on record; only its file could not be removed
            taken = mailbox.take(path)
            if taken is None:
                continue
            self._desk.deliver(letter)
            self._read.add(taken.name)
            with suppress(OSError):  # a folder that lost its permissions keeps its letters
                taken.unlink()

    def _advance(self) -> None:
        if self.broken or self.state.closed_at is not None:
            return
        for step in self._deciding.decision(self.state).to_skip:
            event = ev.StepSkipped(step=step, reason="its condition is false", automatic=True)
            self.put(event, "runbook")
        self._desk.finish_abort()
        self._run_on()

    def _run_on(self) -> None:
        before = self.running_on.on
        try:
            self.running_on.advance()
        finally:
            self._dirty = self._dirty or before is not self.running_on.on

    # --- snapshots --------------------------------------------------------------------------

    def _publish(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if not force and now - self._published < PUBLISH_EVERY:
            return
        mirrors = self._mirrors.states
        changed = self._dirty or mirrors != self._shown_mirrors
        if not (force or changed or self.board.changed):
            # What nobody tells goes on all the same, once a second: rates, and time that is left.
            moving = self.steps.running or self.steps.cooling
            if not moving or now - self._published < STILL_EVERY:
                return
        self._shown_mirrors = mirrors
        self._published, self._dirty = now, False
        self._publisher.publish(self._picture())

    def _picture(self) -> Snapshot:
        decision = self._deciding.decision(self.state)
        previews, problems = self._previews.of(self.state, decision.ready)
        return Snapshot(
            runbook=self.runbook,
            state=self.state,
            decision=decision,
            outcome=self._deciding.outcome(self.state),
            records=self._ledger.records,
            head=self._ledger.head,
            journal=self._ledger.path,
            titles=self._titles,
            effects=self._previews.effects,
            unset=self._unset,
            live=self.board.picture(),
            previews=previews,
            preview_problems=problems,
            cooling={step: self._wall(at) for step, at in self.steps.cooling.items()},
            retrying=tuple(self.steps.retry_at),
            looking=tuple(sorted(self.doubts.looking)),
            trouble=self.trouble,
            broken=self.broken,
            past=self._past,
            running_on=self.running_on.on,
            mirrors=self._mirrors.states,
        )

    def _wall(self, monotonic: float) -> datetime:
        """A moment of the monotonic clock as the wall clock shows it now."""
        return self.now() + timedelta(seconds=monotonic - time.monotonic())

    def _wind_down(self) -> None:
        """Ask what runs to stop, wait a bounded time, record how it ended, and leave."""
        self.running_on.halt()
        self.steps.ask_all_to_stop("drbook is ending")
        until = time.monotonic() + self.steps.grace
        while self.steps.running and time.monotonic() < until and not self.broken:
            self._take(timeout=PUBLISH_EVERY)
        self._publish(force=True)
