"""The steps of an incident that are planned, wait, run, end, and run again."""

import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from drbook.app.inbox import Ended, Signalled
from drbook.app.planning import Planned, plan_step
from drbook.app.recording import event_of
from drbook.app.work import Attempt, Ending
from drbook.core import events as ev
from drbook.core import signals as sig
from drbook.core.engine import stale_after
from drbook.core.errors import InDoubt
from drbook.core.events import Effect, StepEnd
from drbook.core.state import ENDED, StepState, lacks

if TYPE_CHECKING:
    from drbook.app.driver import Driver

GRACE = 30.0
"""Seconds that a cancelled step gets before it is left behind."""


class Steps:
    """Runs in the driver's thread only, but for what an attempt's own thread hands in."""

    def __init__(self, driver: "Driver") -> None:
        self._driver = driver
        self.grace = GRACE
        self.running: dict[str, Attempt] = {}
        self.cooling: dict[str, float] = {}
        """Confirmed steps, and when they start by the monotonic clock: nobody sets that one."""
        self.retry_at: dict[str, float] = {}
        self._planned: dict[str, Planned] = {}

    # --- to its start -----------------------------------------------------------------------

    def plan(self, step: str, actor: str) -> None:
        """Put the next attempt on record, and start it where nothing is lacking."""
        driver = self._driver
        planned = plan_step(driver.runbook, driver.state, driver.actions, step)
        if driver.state.steps[step].state in ENDED:
            self.invalidate_after(step, f"{step} runs again")
        driver.put(
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
        self._planned[step] = planned
        driver.approvals.ask(step)
        self.go_on(step, actor)

    def invalidate_after(self, step: str, because: str) -> None:
        """Make stale what used a step's output, or waits with it: it will have another."""
        self.invalidate(stale_after(self._driver.runbook, self._driver.state, step), because)

    def invalidate(self, steps: Sequence[str], because: str) -> None:
        """Make steps stale. One that waited, or was about to start or to run again, does not any more."""
        for step in steps:
            self._driver.put(ev.StepInvalidated(step=step, because=because), "runbook")
            self.forget(step)

    def forget(self, step: str) -> None:
        """Let a step neither start after its cooling-off nor run again by itself."""
        self.cooling.pop(step, None)
        self.retry_at.pop(step, None)

    def go_on(self, step: str, actor: str) -> None:
        """Start a planned step once nothing is lacking; in a dry run people are not asked to act."""
        driver = self._driver
        run = driver.state.steps[step]
        plan = run.plan
        if plan is None:
            return
        by_hand = plan.asks is not None and plan.asks.kind == "done"
        if not driver.people_act and (by_hand or plan.confirm or plan.approve):
            asked = plan.confirm or plan.approve or "to do it by hand"
            driver.put(
                ev.StepFinished(
                    step=step,
                    attempt=run.attempt,
                    state=StepEnd.NOT_EXERCISED,
                    reason=f"A person would be asked ({asked}); a dry run does not.",
                    code="not-exercised",
                    duration_ms=0,
                ),
                actor,
            )
        elif not lacks(run):
            self._begin(step, actor)

    def _begin(self, step: str, actor: str) -> None:
        """Record the start, then start the attempt's thread; what has an effect first waits there until
        the mirrors that are up have that record."""
        driver = self._driver
        planned = self._planned[step]
        run = driver.state.steps[step]
        driver.put(ev.StepStarted(step=step, attempt=run.attempt), actor)
        planned = replace(
            planned, context=replace(planned.context, answer=run.answer, comment=run.comment)
        )
        attempt = Attempt(
            planned,
            driver.opener,
            driver.board,
            self._from_step,
            self._ended,
            driver.error_log,
            # Who took over meanwhile must find this start, or this machine their fence.
            None if planned.effect is Effect.NONE else partial(driver.mirrored, driver.state.seq),
        )
        timeout = driver.runbook.step(step).step.timeout
        if timeout is not None:
            attempt.deadline = time.monotonic() + timeout.total_seconds()
        self.running[step] = attempt
        attempt.start()

    # --- while it runs, and its end ---------------------------------------------------------

    def _from_step(self, attempt: Attempt, signal: sig.Recordable) -> None:
        future: Future[int] = Future()
        self._driver.inbox.put(Signalled(attempt, signal, future))
        future.result()

    def _ended(self, attempt: Attempt, ending: Ending) -> None:
        self._driver.inbox.put(Ended(attempt, ending))

    def record(self, attempt: Attempt, signal: sig.Recordable) -> None:
        """Put on record what an attempt tells. Raises InDoubt where it was left behind."""
        if self.running.get(attempt.step) is not attempt:
            raise InDoubt(f"Step {attempt.step} was left behind; what it does now is not recorded.")
        self._driver.put(event_of(attempt.step, attempt.attempt, signal))

    def finish(self, attempt: Attempt, ending: Ending) -> None:
        """Put an attempt's end on record, and see to what follows from it."""
        if self.running.get(attempt.step) is not attempt:
            return  # left behind earlier; its end is on record as in doubt
        del self.running[attempt.step]
        self._driver.put(
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
                artifacts=ending.artifacts,
            )
        )
        self._plan_retry(attempt, ending)
        if ending.state is StepEnd.IN_DOUBT and ending.code != "did-not-stop":
            # One that still runs has nothing to show yet.
            self._driver.doubts.look(attempt.step, "drbook")

    def _plan_retry(self, attempt: Attempt, ending: Ending) -> None:
        retry = self._driver.runbook.step(attempt.step).step.retry
        if retry is None or ending.state is not StepEnd.FAILED or self._driver.aborting:
            return
        if attempt.planned.effect is Effect.ONCE or attempt.attempt > retry.times:
            return
        self.retry_at[attempt.step] = time.monotonic() + retry.wait.total_seconds()

    # --- an early end -----------------------------------------------------------------------

    def cancel(self, attempt: Attempt, reason: str, actor: str | None = None) -> None:
        """Record the request, then ask the attempt to stop."""
        if attempt.give_up_at is not None:
            return
        self._driver.put(
            ev.CancelRequested(step=attempt.step, attempt=attempt.attempt, reason=reason), actor
        )
        attempt.request_cancel(reason, self.grace)

    def ask_all_to_stop(self, reason: str) -> None:
        """Without a record: for a journal that cannot be written, and for drbook's own end."""
        for attempt in self.running.values():
            attempt.request_cancel(reason, self.grace)

    def _leave_behind(self, attempt: Attempt) -> None:
        harmless = attempt.planned.effect is Effect.NONE
        ending = Ending(
            StepEnd.CANCELLED if harmless else StepEnd.IN_DOUBT,
            reason=f"It did not stop within {self.grace:.0f} s after it was asked to.",
            means="It changes nothing." if harmless else "Nobody knows how far it came.",
            next="" if harmless else "Look at what is there, then settle it (i).",
            code="did-not-stop",
        )
        self.finish(attempt, ending)

    # --- time -------------------------------------------------------------------------------

    def watch(self, now: float) -> bool:
        """Do what is due at this moment of the monotonic clock; whether a wait came to its end."""
        for attempt in list(self.running.values()):
            if attempt.deadline is not None and now >= attempt.deadline:
                attempt.deadline = None
                self.cancel(attempt, "timeout")
            elif attempt.give_up_at is not None and now >= attempt.give_up_at:
                self._leave_behind(attempt)
        cooled = _due(self.cooling, now)
        for step in cooled:
            del self.cooling[step]
            self.go_on(step, self._driver.actor)
        again = _due(self.retry_at, now)
        for step in again:
            del self.retry_at[step]
            state = self._driver.state
            if state.steps[step].state is StepState.FAILED and not state.closed_at:
                self.plan(step, self._driver.actor)
        return bool(cooled or again)


def _due(waiting: dict[str, float], now: float) -> list[str]:
    return [step for step, at in waiting.items() if now >= at]
