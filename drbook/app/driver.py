"""The driver: one thread that owns the journal, takes commands, starts steps, and shows snapshots.

Everything that changes an incident goes through the ledger: an event is appended and synced, then
folded into the state. Steps run in daemon threads of their own; what they want on record comes through the
same inbox as commands and is answered once it is on disk.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from drbook.app import mailbox
from drbook.app.clockwatch import ClockWatch
from drbook.app.desk import Desk
from drbook.app.inbox import Called, Ended, Inbox, Message, Signalled, Submitted
from drbook.app.ledger import Ledger
from drbook.app.live import LiveBoard
from drbook.app.model import Command, Snapshot, Trouble
from drbook.app.planning import Planned, internal_error, plan_step, title_of
from drbook.app.publisher import Previews, Publisher
from drbook.app.recording import event_of
from drbook.app.work import Attempt, Ending, PortsOpener, keep_traceback
from drbook.core import events as ev
from drbook.core import signals as sig
from drbook.core.actions import Actions
from drbook.core.engine import decide, outcome
from drbook.core.errors import DrbookError, InDoubt, TakenOver
from drbook.core.events import Effect, Event, Record, StepEnd
from drbook.core.runbook import Runbook
from drbook.core.state import IncidentState, StepState
from drbook.journal.writer import Writer
from drbook.mirror.mirrors import Mirrors
from drbook.providers.hiding import scrub

PUBLISH_EVERY = 0.1
"""Seconds between two snapshots at most."""
GRACE = 30.0
"""Seconds that a cancelled step gets before it is left behind."""


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
    ) -> None:
        self.runbook = runbook
        self.actions = actions
        self.opener = opener
        self.actor = actor
        self.people_act = people_act
        """False in a dry run: what a person would do by hand is planned and not done."""
        self.now = now
        self.board = LiveBoard()
        self.attempts: dict[str, Attempt] = {}
        self.planned: dict[str, Planned] = {}
        self.cooling: dict[str, float] = {}
        """Confirmed steps, and when they start by the monotonic clock: nobody sets that one."""
        self.retry_at: dict[str, float] = {}
        self.looking = {run.id for run in state.steps.values() if run.state is StepState.IN_DOUBT}
        """Steps in doubt that are being looked at; those of a life before first."""
        self.trouble: Trouble | None = None
        self._told_broken = False
        self._mirrors = mirrors or Mirrors()
        self._shown_mirrors = self._mirrors.states
        self._ledger = Ledger(writer, records, state, now, self._mirrors)
        self._error_log = writer.path.with_name("errors.log")
        self._inbox = Inbox()
        self._stopping = threading.Event()
        self._clock = ClockWatch()
        self._titles = {step.id: title_of(runbook, actions, step.id) for step in runbook.steps}
        self._previews = Previews(runbook, actions)
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
        self._inbox.put(Submitted(command, actor or self.actor, future))
        return future

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=GRACE + 5)
        self._ledger.close()

    def call(self, act: Callable[[], None]) -> None:
        """Run something in the driver's thread."""
        self._inbox.put(Called(act))

    @property
    def state(self) -> IncidentState:
        return self._ledger.state

    @property
    def broken(self) -> bool:
        """True once the journal could not be written."""
        return self._ledger.broken

    # --- the driver's thread ----------------------------------------------------------------

    def _loop(self) -> None:
        try:
            self._guarded(self._desk.look_into_doubts)
            while not self._stopping.is_set():
                self._take(timeout=PUBLISH_EVERY)
                self._guarded(self._ledger.check)
                self._guarded(self._watch_time)
                self._guarded(self._read_mail)
                self._guarded(self._advance)
                self._guarded(self._publish)
            self._wind_down()
        finally:
            self._inbox.close()  # nobody waits for an answer that cannot come

    def _take(self, timeout: float) -> None:
        for message in self._inbox.take(timeout):
            self._dirty = True
            self._handle(message)

    def _handle(self, message: Message) -> None:
        if isinstance(message, Called):
            self._guarded(message.act)
        elif isinstance(message, Ended):
            self._guarded(lambda: self._finish(message.attempt, message.ending))
        elif isinstance(message, Signalled):
            self._answer(
                message.future, lambda: self._record_signal(message.attempt, message.signal)
            )
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
            keep_traceback(self._error_log, "driver", error.__cause__)
        if self._told_broken:
            return  # what broke it is what has to be read
        what, means, next = (scrub(text) for text in (error.what, error.means, error.next))
        self.trouble = Trouble(what, means, next, self.now(), error.code)
        self._dirty = True
        if self.broken:
            self._told_broken = True
            taken = isinstance(error, TakenOver)
            why = "another machine took over" if taken else "the journal cannot be written"
            for attempt in self.attempts.values():
                attempt.request_cancel(why, GRACE)

    def put(self, event: Event, actor: str | None = None) -> None:
        """Put it on record. Raises JournalError; then nothing that it covers may be done."""
        self._ledger.put(event, actor or self.actor)
        self._dirty = True

    # --- steps ------------------------------------------------------------------------------

    def plan(self, step: str, actor: str) -> None:
        """Put the next attempt on record, and start it where nothing is lacking."""
        planned = plan_step(self.runbook, self.state, self.actions, step)
        self._desk.invalidate_after(step)
        self.put(
            ev.StepPlanned(
                step=step,
                attempt=planned.context.attempt,
                action=planned.action.name,
                effect=planned.effect,
                params=planned.recorded_params,
                plan=planned.plan,
                digest=planned.digest,
            ),
            actor,
        )
        self.planned[step] = planned
        self._desk.go_on(step, actor)

    def begin(self, step: str, actor: str) -> None:
        """Record the start, then start the attempt's thread."""
        planned = self.planned[step]
        run = self.state.steps[step]
        self.put(ev.StepStarted(step=step, attempt=run.attempt), actor)
        planned = replace(
            planned, context=replace(planned.context, answer=run.answer, comment=run.comment)
        )
        attempt = Attempt(
            planned, self.opener, self.board, self._from_step, self._ended, self._error_log
        )
        timeout = self.runbook.step(step).step.timeout
        if timeout is not None:
            attempt.deadline = time.monotonic() + timeout.total_seconds()
        self.attempts[step] = attempt
        attempt.start()

    def _from_step(self, attempt: Attempt, signal: sig.Recordable) -> None:
        future: Future[int] = Future()
        self._inbox.put(Signalled(attempt, signal, future))
        future.result()

    def _ended(self, attempt: Attempt, ending: Ending) -> None:
        self._inbox.put(Ended(attempt, ending))

    def _record_signal(self, attempt: Attempt, signal: sig.Recordable) -> None:
        if self.attempts.get(attempt.step) is not attempt:
            raise InDoubt(f"Step {attempt.step} was left behind; what it does now is not recorded.")
        self.put(event_of(attempt.step, attempt.attempt, signal))

    def _finish(self, attempt: Attempt, ending: Ending) -> None:
        if self.attempts.get(attempt.step) is not attempt:
            return  # left behind earlier; its end is on record as in doubt
        del self.attempts[attempt.step]
        self.put(
            ev.StepFinished(
                step=attempt.step,
                attempt=attempt.attempt,
                state=ending.state,
                result=ending.result,
                reason=ending.reason,
                means=ending.means,
                next=ending.next,
                code=ending.code,
                duration_ms=attempt.duration_ms(),
            )
        )
        self._plan_retry(attempt, ending)
        if ending.state is StepEnd.IN_DOUBT and ending.code != "did-not-stop":
            self._desk.look(attempt.step, "drbook")  # one that still runs has nothing to show yet

    def _plan_retry(self, attempt: Attempt, ending: Ending) -> None:
        retry = self.runbook.step(attempt.step).step.retry
        if retry is None or ending.state is not StepEnd.FAILED or self._desk.aborting:
            return
        if attempt.planned.effect is Effect.ONCE or attempt.attempt > retry.times:
            return
        self.retry_at[attempt.step] = time.monotonic() + retry.wait.total_seconds()

    def _watch_time(self) -> None:
        now = time.monotonic()
        moved = self._clock.moved(self.now(), now)
        if moved is not None and self.state.closed_at is None:
            self.put(ev.NoteAdded(text=moved), "drbook")
        for attempt in list(self.attempts.values()):
            if attempt.deadline is not None and now >= attempt.deadline:
                attempt.deadline = None
                self._desk.cancel_running(attempt, "timeout")
            elif attempt.give_up_at is not None and now >= attempt.give_up_at:
                self._leave_behind(attempt)
        for step, moment in list(self.cooling.items()):
            if now >= moment:
                del self.cooling[step]
                self._dirty = True
                self._desk.go_on(step, self.actor)
        for step, at in list(self.retry_at.items()):
            if now >= at:
                del self.retry_at[step]
                self._dirty = True
                if self.state.steps[step].state is StepState.FAILED and not self.state.closed_at:
                    self.plan(step, self.actor)

    def _read_mail(self) -> None:
        """Notes from other seats, once a second."""
        now = time.monotonic()
        if now < self._mail_at or self.broken:
            return
        self._mail_at = now + 1.0
        for path, letter in mailbox.waiting(self._ledger.path.parent):
            if path.name in self._read:
                continue  # it is on record; only its file could not be removed
            self.put(ev.NoteAdded(text=letter.text), letter.actor)
            self._read.add(path.name)
            with suppress(OSError):  # a folder that lost its permissions keeps its letters
                path.unlink()

    def _leave_behind(self, attempt: Attempt) -> None:
        harmless = attempt.planned.effect is Effect.NONE
        ending = Ending(
            StepEnd.CANCELLED if harmless else StepEnd.IN_DOUBT,
            reason=f"It did not stop within {GRACE:.0f} s after it was asked to.",
            means="It changes nothing." if harmless else "Nobody knows how far it came.",
            next="" if harmless else "Look at what is there, then settle it (i).",
            code="did-not-stop",
        )
        self._finish(attempt, ending)

    def _advance(self) -> None:
        if self.broken or self.state.closed_at is not None:
            return
        for step in decide(self.runbook, self.state).to_skip:
            event = ev.StepSkipped(step=step, reason="its condition is false", automatic=True)
            self.put(event, "runbook")
        self._desk.finish_abort()

    # --- snapshots --------------------------------------------------------------------------

    def _publish(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if not force and now - self._published < PUBLISH_EVERY:
            return
        mirrors = self._mirrors.states
        changed = self._dirty or mirrors != self._shown_mirrors
        if not (changed or self.board.changed or self.attempts or self.cooling):
            return
        self._shown_mirrors = mirrors
        self._published, self._dirty = now, False
        self._publisher.publish(self._picture())

    def _picture(self) -> Snapshot:
        decision = decide(self.runbook, self.state)
        previews, problems = self._previews.of(self.state, decision.ready)
        return Snapshot(
            runbook=self.runbook,
            state=self.state,
            decision=decision,
            outcome=outcome(self.runbook, self.state),
            records=self._ledger.records,
            head=self._ledger.head,
            journal=self._ledger.path,
            titles=self._titles,
            live=self.board.picture(),
            previews=previews,
            preview_problems=problems,
            cooling={step: self._wall(at) for step, at in self.cooling.items()},
            retrying=tuple(self.retry_at),
            looking=tuple(sorted(self.looking)),
            trouble=self.trouble,
            broken=self.broken,
            mirrors=self._mirrors.states,
        )

    def _wall(self, monotonic: float) -> datetime:
        """A moment of the monotonic clock as the wall clock shows it now."""
        return self.now() + timedelta(seconds=monotonic - time.monotonic())

    def _wind_down(self) -> None:
        """Ask what runs to stop, wait a bounded time, record how it ended, and leave."""
        for attempt in self.attempts.values():
            attempt.request_cancel("drbook is ending", GRACE)
        until = time.monotonic() + GRACE
        while self.attempts and time.monotonic() < until and not self.broken:
            self._take(timeout=PUBLISH_EVERY)
        self._publish(force=True)
