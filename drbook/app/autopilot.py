"""Running an incident without a person: every ready step in order, until one needs somebody."""

import queue
from collections.abc import Callable, Sequence
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Protocol

from drbook.app.model import (
    Abort,
    Accept,
    Answer,
    Approve,
    Close,
    Command,
    Confirm,
    Incident,
    Resolve,
    Run,
    Snapshot,
)
from drbook.core.engine import Outcome, may_run
from drbook.core.errors import DrbookError, ExitCode, JournalError, TakenOver
from drbook.core.events import Effect, Mode
from drbook.core.moves import next_ready
from drbook.core.state import StepRun, StepState


class Responder(Protocol):
    """Answers in place of a person, in its own name; what it does not answer stays unanswered."""

    @property
    def actor(self) -> str: ...

    def respond(self, run: StepRun) -> "Answer | Approve | Confirm | None":
        """An answer to the first thing that the planned step lacks."""

    def accept(self, run: StepRun) -> "Accept | None":
        """Why a rehearsal goes on although the step could not be verified. In a live incident, nobody but a
        person says so."""


class Nobody:
    """No answers: an unattended run ends where a person is needed."""

    actor = "nobody"

    def respond(self, run: StepRun) -> Answer | Approve | Confirm | None:
        return None

    def accept(self, run: StepRun) -> Accept | None:
        return None


def failed_before(snapshot: Snapshot) -> list[str]:
    """Steps that did not come to a good end and may simply be run again."""
    states = {StepState.FAILED, StepState.REFUSED, StepState.CANCELLED, StepState.COULD_NOT_VERIFY}
    if snapshot.state.mode is Mode.DRILL:  # its targets were removed when it was left
        states.add(StepState.STALE)
    return [
        run.id
        for run in snapshot.state.steps.values()
        if run.state in states and run.accepted is None and run.effect is not Effect.ONCE
    ]


def run_unattended(
    incident: Incident,
    responder: Responder,
    tell: Callable[[Snapshot], None],
    *,
    settle: Sequence[Resolve] = (),
    again: Callable[[Snapshot], Sequence[str]] = lambda before: (),
) -> Outcome:
    """Drive until everything has ended, something stops it, or a person is needed.

    First steps in doubt are settled as `settle` says, once they were looked at; then the steps that `again`
    names are run once more: whoever resumes has mended what made them fail.

    An incident that ends is closed; one that needs a person, or is in doubt, stays open for
    `drbook resume`. `tell` gets every snapshot.
    """
    inbox: queue.SimpleQueue[Snapshot] = queue.SimpleQueue()
    unsubscribe = incident.subscribe(inbox.put)
    try:
        done = 0
        before = _settled(incident, settle, inbox) if settle else incident.snapshot
        for step in again(before):
            if not may_run(before.runbook, before.state, step):
                done = _do(incident, Run(step))
        inbox.put(incident.snapshot)
        while True:
            snapshot = inbox.get()
            while not inbox.empty():
                snapshot = inbox.get_nowait()
            tell(snapshot)
            if snapshot.state.seq < done:
                continue  # taken before the last command was carried out
            if snapshot.broken:
                raise _broken(snapshot)
            ended = _move(incident, snapshot, responder)
            if isinstance(ended, Outcome):
                tell(incident.snapshot)
                return ended
            done = ended
    finally:
        unsubscribe()


def _settled(
    incident: Incident, settle: Sequence[Resolve], inbox: "queue.SimpleQueue[Snapshot]"
) -> Snapshot:
    """The incident with these steps settled; whoever settles one stands behind it, and its own look stands
    on record before. Raises what the driver refused."""
    while (snapshot := incident.snapshot).looking and not snapshot.broken:
        inbox.get()
    done = 0
    for each in settle:
        done = _do(incident, each)
    while (snapshot := incident.snapshot).state.seq < done and not snapshot.broken:
        inbox.get()
    return snapshot


def _broken(snapshot: Snapshot) -> JournalError:
    """Why nothing more can be recorded here, with the code of what broke it."""
    trouble = snapshot.trouble
    if trouble is None:
        return JournalError("The journal cannot be written.")
    kind = TakenOver if trouble.code == TakenOver.code else JournalError
    return kind(trouble.what, means=trouble.means, next=trouble.next, code=trouble.code)


def _move(incident: Incident, snapshot: Snapshot, responder: Responder) -> Outcome | int:
    """One move, and the number of the record behind it; an outcome once there is none left."""
    state, decision = snapshot.state, snapshot.decision
    if state.closed_at is not None:
        return Outcome(state.outcome, ExitCode(state.exit_code or 0), snapshot.outcome.reason)
    waiting = [step for step in decision.awaiting if step not in snapshot.cooling]
    if waiting:
        return _respond(incident, snapshot, responder, waiting[0])
    if decision.running or decision.to_skip or snapshot.cooling:
        return state.seq
    if snapshot.retrying or snapshot.looking:
        return state.seq
    stopped = _stopped_by(snapshot)
    if stopped is not None and state.mode is not Mode.LIVE:
        goes_on = responder.accept(state.steps[stopped])
        if goes_on is not None:
            return _do(incident, goes_on, responder.actor)
    # What a drill's steps handed on may be gone since; they are run again into another target.
    drill = state.mode is Mode.DRILL and bool(state.resumed)
    ready = next_ready(snapshot.runbook, state) if drill else decision.ready
    if ready and stopped is None:
        return _do(incident, Run(ready[0]))
    if decision.finished and snapshot.outcome.code is not ExitCode.IN_DOUBT:
        return _do(incident, Close())
    if stopped is None and snapshot.outcome.code is ExitCode.NEEDS_HUMAN:
        blocked = "; ".join(f"{view.id} {view.reason}" for view in decision.steps if view.reason)
        return Outcome("needs-human", ExitCode.NEEDS_HUMAN, f"nothing may start: {blocked}")
    return snapshot.outcome


def _stopped_by(snapshot: Snapshot) -> str | None:
    """The first step whose end stops an unattended run."""
    bad = (
        StepState.FAILED,
        StepState.REFUSED,
        StepState.CANCELLED,
        StepState.IN_DOUBT,
        StepState.COULD_NOT_VERIFY,
    )
    for step in snapshot.runbook.steps:
        run = snapshot.state.steps[step.id]
        if run.state in bad and run.accepted is None and step.step.on_failure == "stop":
            return step.id
    return None


def _respond(
    incident: Incident, snapshot: Snapshot, responder: Responder, step: str
) -> Outcome | int:
    command = responder.respond(snapshot.state.steps[step])
    live = snapshot.state.mode is Mode.LIVE
    asked = snapshot.state.steps[step].asked
    signed = asked is not None and asked.signed and isinstance(command, Approve)
    if command is None or signed or (live and isinstance(command, Confirm | Approve)):
        lacking = snapshot.decision.view(step).reason
        return Outcome(
            "needs-human", ExitCode.NEEDS_HUMAN, f"step {step} needs {lacking} by a person"
        )
    return _do(incident, command, responder.actor)


def _do(incident: Incident, command: Command, actor: str | None = None) -> int:
    """Submit and wait until it is on record; returns the number of the last record then.

    Raises what the driver refused.
    """
    future = incident.submit(command, actor)
    try:
        return future.result(timeout=60)
    except FutureTimeout:
        raise JournalError("The driver did not answer within a minute.") from None


def abort(incident: Incident, reason: str) -> None:
    """End the incident as aborted; used where the process is interrupted. Where a step is in doubt, it
    is stopped and stays open."""
    try:
        _do(incident, Abort(reason, leave_doubt=True))
    except DrbookError as error:
        if error.code != "not-now":
            raise
