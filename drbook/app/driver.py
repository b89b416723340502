"""The driver: one thread that owns the journal, takes commands, starts steps, and shows snapshots.

Everything that changes an incident goes through `_put`: an event is appended and synced, then folded
into the state. Steps run in daemon threads of their own; what they want on record comes through the
same inbox as commands and is answered once it is on disk.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime

from drbook.app import mailbox
from drbook.app.desk import Desk
from drbook.app.live import LiveBoard
from drbook.app.model import Command, Snapshot, Trouble
from drbook.app.planning import Planned, internal_error, plan_step, preview, title_of
from drbook.app.recording import event_of
from drbook.app.work import Attempt, Ending, PortsOpener, keep_traceback
from drbook.core import events as ev
from drbook.core import signals as sig
from drbook.core.actions import Actions
from drbook.core.engine import decide, outcome
from drbook.core.errors import DrbookError, InDoubt, JournalError
from drbook.core.events import Effect, Event, IllegalEvent, Plan, Record, StepEnd
from drbook.core.runbook import Runbook
from drbook.core.state import IncidentState, StepState, evolve
from drbook.journal.writer import Writer

PUBLISH_EVERY = 0.1
"""Seconds between two snapshots at most."""
GRACE = 30.0
"""Seconds that a cancelled step gets before it is left behind."""


@dataclass(frozen=True, slots=True)
class _Submitted:
    command: Command
    actor: str
    future: "Future[None]"


@dataclass(frozen=True, slots=True)
class _Signalled:
    attempt: Attempt
    signal: sig.Recordable
    future: "Future[None]"


@dataclass(frozen=True, slots=True)
class _Ended:
    attempt: Attempt
    ending: Ending


@dataclass(frozen=True, slots=True)
class _Called:
    """Something for the driver's own thread, like the outcome of a probe."""

    act: Callable[[], None]


_Message = _Submitted | _Signalled | _Ended | _Called


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
    ) -> None:
        self.runbook = runbook
        self.actions = actions
        self.opener = opener
        self.actor = actor
        self.people_act = people_act
        """False in a dry run: what a person would do by hand is planned and not done."""
        self.now = now
        self.state = state
        self.board = LiveBoard()
        self.attempts: dict[str, Attempt] = {}
        self.planned: dict[str, Planned] = {}
        self.cooling: dict[str, datetime] = {}
        self.retry_at: dict[str, float] = {}
        self.trouble: Trouble | None = None
        self.broken = False
        self._writer = writer
        self._error_log = writer.path.with_name("errors.log")
        self._records = list(records)
        self._inbox: queue.SimpleQueue[_Message] = queue.SimpleQueue()
        self._subscribers: list[Callable[[Snapshot], None]] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._ended_for_good = threading.Event()
        self._titles = {step.id: title_of(runbook, actions, step.id) for step in runbook.steps}
        self._previews: tuple[int, dict[str, Plan], dict[str, str]] = (-1, {}, {})
        self._published = 0.0
        self._mail_at = 0.0
        self._dirty = True
        self._desk = Desk(self)
        self._snapshot = self._picture()
        self._thread = threading.Thread(target=self._loop, name="driver", daemon=True)

    # --- for everybody: thread-safe ---------------------------------------------------------

    @property
    def snapshot(self) -> Snapshot:
        return self._snapshot

    def start(self) -> None:
        self._thread.start()

    def subscribe(self, callback: Callable[[Snapshot], None]) -> Callable[[], None]:
        with self._lock:
            self._subscribers.append(callback)
        callback(self._snapshot)

        def unsubscribe() -> None:
            with self._lock:
                if callback in self._subscribers:
                    self._subscribers.remove(callback)

        return unsubscribe

    def submit(self, command: Command, actor: str | None = None) -> "Future[None]":
        future: Future[None] = Future()
        self._inbox.put(_Submitted(command, actor or self.actor, future))
        if self._ended_for_good.is_set():
            self._turn_away()
        return future

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=GRACE + 5)
        self._writer.close()

    def call(self, act: Callable[[], None]) -> None:
        """Run something in the driver's thread."""
        self._inbox.put(_Called(act))

    # --- the driver's thread ----------------------------------------------------------------

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._take(timeout=PUBLISH_EVERY)
            self._guarded(self._watch_time)
            self._guarded(self._read_mail)
            self._guarded(self._advance)
            self._guarded(self._publish)
        self._wind_down()
        self._ended_for_good.set()
        self._turn_away()

    def _take(self, timeout: float) -> None:
        try:
            message = self._inbox.get(timeout=timeout)
        except queue.Empty:
            return
        while True:
            self._dirty = True
            self._handle(message)
            try:
                message = self._inbox.get_nowait()
            except queue.Empty:
                return

    def _handle(self, message: _Message) -> None:
        if isinstance(message, _Called):
            self._guarded(message.act)
        elif isinstance(message, _Ended):
            self._guarded(lambda: self._finish(message.attempt, message.ending))
        elif isinstance(message, _Signalled):
            self._answer(
                message.future, lambda: self._record_signal(message.attempt, message.signal)
            )
        else:
            self._answer(
                message.future, lambda: self._desk.carry_out(message.command, message.actor)
            )

    def _answer(self, future: "Future[None]", act: Callable[[], None]) -> None:
        try:
            act()
        except DrbookError as error:
            self._note_trouble(error)
            future.set_exception(error)
        except Exception as error:  # noqa: BLE001 - a defect must not end the only driver
            future.set_exception(self._defect(error))
        else:
            future.set_result(None)

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

    def _turn_away(self) -> None:
        """Answer what came too late."""
        while True:
            try:
                message = self._inbox.get_nowait()
            except queue.Empty:
                return
            if isinstance(message, _Submitted | _Signalled):
                message.future.set_exception(
                    JournalError(
                        "This incident is not led here any more.",
                        means="What was asked for was not done.",
                        next="Resume the incident.",
                        code="stopped",
                    )
                )

    def _note_trouble(self, error: DrbookError) -> None:
        if error.code == "internal" and error.__cause__ is not None:
            keep_traceback(self._error_log, "driver", error.__cause__)
        if self.broken:
            return  # what broke it is what has to be read
        self.trouble = Trouble(error.what, error.means, error.next, self.now())
        self._dirty = True
        # An event that was refused before it was written has broken nothing.
        if isinstance(error, JournalError) and not isinstance(error, IllegalEvent):
            self.broken = True
            for attempt in self.attempts.values():
                attempt.request_cancel("the journal cannot be written", GRACE)

    def put(self, event: Event, actor: str | None = None) -> None:
        """Append, sync, fold. Raises JournalError; then nothing that it covers may be done."""
        if self.broken:
            raise JournalError(
                "The journal of this incident cannot be written any more.",
                means="Nothing is done that cannot be recorded.",
                next="Make room or mend the disk, then resume the incident.",
            )
        self._must_follow(event)
        record = self._writer.append(actor or self.actor, event)
        self._records.append(record)
        self.state = evolve(self.state, record)
        self._dirty = True

    def _must_follow(self, event: Event) -> None:
        """Raises IllegalEvent for what may not stand next: once written, it could not be unwritten."""
        trial = Record(
            seq=self.state.seq + 1,
            at=self.now(),
            mono_ns=0,
            mode=self.state.mode,
            actor=self.actor,
            host="",
            event=event,
            prev="",
        )
        evolve(self.state, trial)

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
        future: Future[None] = Future()
        self._inbox.put(_Signalled(attempt, signal, future))
        future.result()

    def _ended(self, attempt: Attempt, ending: Ending) -> None:
        self._inbox.put(_Ended(attempt, ending))

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

    def _plan_retry(self, attempt: Attempt, ending: Ending) -> None:
        retry = self.runbook.step(attempt.step).step.retry
        if retry is None or ending.state is not StepEnd.FAILED or self._desk.aborting:
            return
        if attempt.planned.effect is Effect.ONCE or attempt.attempt > retry.times:
            return
        self.retry_at[attempt.step] = time.monotonic() + retry.wait.total_seconds()

    def _watch_time(self) -> None:
        now, wall = time.monotonic(), self.now()
        for attempt in list(self.attempts.values()):
            if attempt.deadline is not None and now >= attempt.deadline:
                attempt.deadline = None
                self._desk.cancel_running(attempt, "timeout")
            elif attempt.give_up_at is not None and now >= attempt.give_up_at:
                self._leave_behind(attempt)
        for step, moment in list(self.cooling.items()):
            if wall >= moment:
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
        for path, letter in mailbox.waiting(self._writer.path.parent):
            self.put(ev.NoteAdded(text=letter.text), letter.actor)
            path.unlink()

    def _leave_behind(self, attempt: Attempt) -> None:
        harmless = attempt.planned.effect is Effect.NONE
        ending = Ending(
            StepEnd.CANCELLED if harmless else StepEnd.IN_DOUBT,
            reason=f"It did not stop within {GRACE:.0f} s after it was asked to.",
            means="It changes nothing." if harmless else "Nobody knows how far it came.",
            next="" if harmless else "Look (p), then settle it (i).",
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
        if not (self._dirty or self.board.changed or self.attempts or self.cooling):
            return
        self._published, self._dirty = now, False
        self._snapshot = self._picture()
        with self._lock:
            subscribers = tuple(self._subscribers)
        for callback in subscribers:
            callback(self._snapshot)

    def _picture(self) -> Snapshot:
        decision = decide(self.runbook, self.state)
        if self._previews[0] != self.state.seq:
            self._previews = (
                self.state.seq,
                *preview(self.runbook, self.state, self.actions, decision.ready),
            )
        return Snapshot(
            runbook=self.runbook,
            state=self.state,
            decision=decision,
            outcome=outcome(self.runbook, self.state),
            records=tuple(self._records),
            head=self._writer.head,
            journal=self._writer.path,
            titles=self._titles,
            live=self.board.picture(),
            previews=self._previews[1],
            preview_problems=self._previews[2],
            cooling=dict(self.cooling),
            retrying=tuple(self.retry_at),
            trouble=self.trouble,
            broken=self.broken,
        )

    def _wind_down(self) -> None:
        """Ask what runs to stop, wait a bounded time, record how it ended, and leave."""
        for attempt in self.attempts.values():
            attempt.request_cancel("drbook is ending", GRACE)
        until = time.monotonic() + GRACE
        while self.attempts and time.monotonic() < until and not self.broken:
            self._take(timeout=PUBLISH_EVERY)
        self._publish(force=True)
