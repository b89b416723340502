"""The desk: what each command means, and the reasons for which one is not carried out."""

import threading
import time
from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, NoReturn

from drbook.app import model as cmd
from drbook.app.inputs import read_input
from drbook.app.planning import context_of, internal_error
from drbook.app.work import Attempt
from drbook.core import events as ev
from drbook.core.actions import Probed
from drbook.core.engine import decide, may_run, may_skip, outcome, stale_after, used_by
from drbook.core.errors import DrbookError, ExitCode, UsageError
from drbook.core.events import StepEnd
from drbook.core.state import ENDED, StepState, lacks
from drbook.core.values import parse_time
from drbook.providers.hiding import KNOWN, scrub

if TYPE_CHECKING:
    from drbook.app.driver import Driver

GRACE = 30.0
NOTE_LENGTH = 4000


class Desk:
    """Runs in the driver's thread only."""

    def __init__(self, driver: "Driver") -> None:
        self._driver = driver
        self._aborting: tuple[str, str] | None = None

    @property
    def aborting(self) -> bool:
        """True from an abort that was asked for to its end."""
        return self._aborting is not None

    def carry_out(self, command: cmd.Command, actor: str) -> None:
        """Do what was asked, or raise a DrbookError that says why not."""
        driver = self._driver
        self._no_secret(command)
        if self.aborting and isinstance(command, cmd.Run | cmd.Answer | cmd.Confirm | cmd.Approve):
            _no("The incident is being aborted.", "It ends as soon as nothing runs any more.")
        match command:
            case cmd.Run(step):
                self._refuse(may_run(driver.runbook, driver.state, step), f"Step {step} cannot run")
                driver.plan(step, actor)
            case cmd.Answer():
                self._answer(command, actor)
            case cmd.Confirm(step, typed):
                self._confirm(step, typed, actor)
            case cmd.Approve():
                self._approve(command, actor)
            case cmd.CancelStep(step, reason):
                self._cancel(step, reason, actor)
            case cmd.Skip(step, reason):
                self._need_reason(reason, "skipping a step")
                self._refuse(may_skip(driver.state, step), f"Step {step} cannot be skipped")
                driver.put(ev.StepSkipped(step=step, reason=reason), actor)
                driver.cooling.pop(step, None)
            case cmd.Accept(step, reason):
                self._accept(step, reason, actor)
            case cmd.Probe(step):
                self.look(step, actor)
            case cmd.Resolve(step, state, reason):
                self._resolve(step, StepEnd(state), reason, actor)
            case cmd.WriteNote(text, happened_at, step):
                self._need_reason(text, "a note")
                if len(text) > NOTE_LENGTH:
                    _no(f"The note has {len(text):,} characters.", f"At most {NOTE_LENGTH:,} fit.")
                driver.put(ev.NoteAdded(text=text, happened_at=happened_at, step=step), actor)
            case cmd.SetInput():
                self._set_input(command, actor)
            case cmd.Close(reason):
                self._close(reason, actor)
            case cmd.Abort(reason):
                self._need_reason(reason, "aborting the incident")
                self._abort(reason, actor)

    # --- before a step starts ---------------------------------------------------------------

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
            return
        if not lacks(run):
            driver.begin(step, actor)

    def _awaiting(self, step: str) -> ev.Plan:
        run = self._driver.state.steps.get(step)
        if run is None or run.state is not StepState.AWAITING or run.plan is None:
            _no(f"Step {step} is not waiting for anybody.", "Run it first (Enter).")
        if step in self._driver.cooling:
            _no(
                f"Step {step} is about to start.", "Cancel it (c) where you have changed your mind."
            )
        return run.plan

    def _answer(self, command: cmd.Answer, actor: str) -> None:
        plan = self._awaiting(command.step)
        if plan.asks is None:
            _no(f"Step {command.step} asks nothing.", "Confirm or approve it.")
        if plan.asks.choices and command.answer not in plan.asks.choices:
            _no(
                f"{command.answer!r} is none of the answers.",
                "Answer one of: " + ", ".join(plan.asks.choices) + ".",
            )
        self._must_be_next(command.step, "an answer")
        if plan.asks.kind == "text":
            try:
                read_input("the answer", command.answer, plan.asks.type)
            except ValueError as error:
                _no(str(error), "Answer again.")
        self._driver.put(
            ev.AnswerGiven(
                step=command.step,
                attempt=self._attempt(command.step),
                answer=command.answer,
                comment=command.comment,
            ),
            actor,
        )
        self.go_on(command.step, actor)

    def _confirm(self, step: str, typed: str, actor: str) -> None:
        plan = self._awaiting(step)
        if plan.confirm is None:
            _no(f"Step {step} needs no confirmation.", "Run it (Enter).")
        if typed != plan.confirm:
            _no("What was typed is not that name.", f"Type {plan.confirm} exactly, or cancel.")
        self._must_be_next(step, "a confirmation")
        self._driver.put(
            ev.ConfirmationGiven(step=step, attempt=self._attempt(step), typed=typed), actor
        )
        if plan.cool_off_seconds:
            self._driver.cooling[step] = time.monotonic() + plan.cool_off_seconds
            return
        self.go_on(step, actor)

    def _must_be_next(self, step: str, what: str) -> None:
        missing = lacks(self._driver.state.steps[step])
        if missing and missing[0] != what:
            before = missing[: missing.index(what)] if what in missing else missing
            _no(f"Step {step} still lacks {' and '.join(before)}.", f"Give {what} after that.")

    def _approve(self, command: cmd.Approve, actor: str) -> None:
        plan = self._awaiting(command.step)
        if plan.approve is None:
            _no(f"Step {command.step} needs no approval.", "Run it (Enter).")
        if command.break_glass:
            self._break_glass_allowed(command.step)
        elif not command.by.strip() or command.by.strip().lower() == self._driver.actor.lower():
            _no("The approver must be somebody else than the operator.", "Name who approves.")
        self._driver.put(
            ev.ApprovalGiven(
                step=command.step,
                attempt=self._attempt(command.step),
                by=command.by.strip() or actor,
                break_glass=command.break_glass,
            ),
            actor,
        )
        self.go_on(command.step, actor)

    def _break_glass_allowed(self, step: str) -> None:
        approve = self._driver.runbook.step(step).step.approve
        planned_at = self._driver.state.steps[step].planned_at
        wait = approve.break_glass_after if approve else None
        if wait is None or planned_at is None:
            _no("The runbook allows no break-glass here.", "Ask the approver.")
        if self._driver.now() < planned_at + wait:
            until = (planned_at + wait).strftime("%H:%M:%S UTC")
            _no(f"Break-glass is possible from {until}.", "Ask the approver until then.")

    # --- a step that runs, or ended -----------------------------------------------------------

    def _cancel(self, step: str, reason: str, actor: str) -> None:
        driver = self._driver
        attempt = driver.attempts.get(step)
        if attempt is not None:
            self.cancel_running(attempt, reason, actor)
            return
        run = driver.state.steps.get(step)
        if run is None or run.state is not StepState.AWAITING:
            _no(f"Step {step} does not run.", "There is nothing to cancel.")
        driver.cooling.pop(step, None)
        driver.put(
            ev.StepFinished(
                step=step,
                attempt=run.attempt,
                state=StepEnd.CANCELLED,
                reason=reason,
                means="It was not started.",
                code="cancelled",
                duration_ms=0,
            ),
            actor,
        )

    def cancel_running(self, attempt: Attempt, reason: str, actor: str | None = None) -> None:
        """Record the request, then ask the attempt to stop."""
        if attempt.give_up_at is not None:
            return
        self._driver.put(
            ev.CancelRequested(step=attempt.step, attempt=attempt.attempt, reason=reason), actor
        )
        attempt.request_cancel(reason, GRACE)

    def _accept(self, step: str, reason: str, actor: str) -> None:
        self._need_reason(reason, "going on unverified")
        run = self._driver.state.steps.get(step)
        if run is None or run.state is not StepState.COULD_NOT_VERIFY:
            _no(f"Step {step} is not one that could not be verified.", "Nothing is to be accepted.")
        self._driver.put(ev.DecisionRecorded(step=step, decision="accept", reason=reason), actor)

    def look_into_doubts(self) -> None:
        """Look at every step in doubt, in drbook's own name: whoever settles it reads that first."""
        for step in sorted(self._driver.looking):
            self.look(step, "drbook")

    def look(self, step: str, actor: str) -> None:
        """Run the action's own probe in a thread; what it saw becomes a note."""
        driver = self._driver
        run = driver.state.steps.get(step)
        if run is None or run.state is not StepState.IN_DOUBT:
            _no(f"Step {step} is not in doubt.", "There is nothing to look for.")
        context = context_of(driver.runbook, driver.state, driver.actions, step, run.attempt)

        def look() -> None:
            switch = driver.opener.switch()
            try:
                action = driver.actions[run.action]
                params = action.params.model_validate(run.params)
                with driver.opener.open(context, switch) as ports:
                    found = action.probe(params, context, ports)
            except DrbookError as error:
                found = Probed("unknown", error.what)
            except Exception as error:  # noqa: BLE001 - a look that broke has seen nothing
                found = Probed("unknown", internal_error(error).what)
            text = f"looked whether step {step} happened: {found.answer}. {scrub(found.reason)}"

            def seen() -> None:
                driver.looking.discard(step)
                driver.put(ev.NoteAdded(text=text, step=step), actor)

            driver.call(seen)

        driver.looking.add(step)
        threading.Thread(target=look, name=f"probe-{step}", daemon=True).start()

    def _resolve(self, step: str, state: StepEnd, reason: str, actor: str) -> None:
        self._need_reason(reason, "settling a step in doubt")
        run = self._driver.state.steps.get(step)
        if run is None or run.state is not StepState.IN_DOUBT:
            _no(f"Step {step} is not in doubt.", "Nothing is to be settled.")
        users = used_by(self._driver.runbook, step)
        if state is StepEnd.SUCCEEDED and users:
            _no(
                f"Step {step} hands a result to {', '.join(users)}, and nobody recorded one.",
                "Settle it as not happened, then run it again: it makes something fresh.",
            )
        if state is StepEnd.SUCCEEDED:
            settled = ev.StepResolved(
                step=step, attempt=run.attempt, state=StepEnd.SUCCEEDED, reason=reason
            )
        else:
            settled = ev.StepResolved(
                step=step, attempt=run.attempt, state=StepEnd.FAILED, reason=reason
            )
        self._driver.put(settled, actor)

    def invalidate_after(self, step: str) -> None:
        """A step that runs again makes stale what used its output."""
        driver = self._driver
        if driver.state.steps[step].state not in ENDED:
            return
        for stale in stale_after(driver.runbook, driver.state, step):
            driver.put(ev.StepInvalidated(step=stale, because=f"{step} runs again"), "runbook")

    # --- the incident -------------------------------------------------------------------------

    def _set_input(self, command: cmd.SetInput, actor: str) -> None:
        declared = self._driver.runbook.document.inputs
        if command.name not in declared:
            known = ", ".join(declared) or "none"
            _no(f"There is no input {command.name!r}.", f"Declared are: {known}.")
        try:
            kind = declared[command.name].type
            value = read_input(command.name, command.value, kind, self._driver.now())
        except ValueError as error:
            _no(str(error), "Nothing was changed; give it again.")
        occurred = parse_time(str(value)) if command.name == "occurred" else None
        event = ev.InputChanged(name=command.name, value=value, occurred=occurred)
        self._driver.put(event, actor)

    def _close(self, reason: str, actor: str) -> None:
        driver = self._driver
        if driver.state.closed_at is not None:
            _no("The incident is closed already.", "Notes may still be written.")
        if not decide(driver.runbook, driver.state).finished:
            _no("Not every step has ended.", "Run or skip the others, or abort the incident (a).")
        ends = outcome(driver.runbook, driver.state)
        driver.put(
            ev.IncidentClosed(
                outcome=ends.word, exit_code=int(ends.code), reason=reason or ends.reason
            ),
            actor,
        )

    def _abort(self, reason: str, actor: str) -> None:
        driver = self._driver
        if driver.state.closed_at is not None:
            _no("The incident is closed already.", "Notes may still be written.")
        self._aborting = (reason, actor)
        driver.cooling.clear()
        driver.retry_at.clear()
        for attempt in list(driver.attempts.values()):
            self.cancel_running(attempt, "the incident is aborted", actor)

    def finish_abort(self) -> None:
        """Close an aborted incident once nothing runs any more."""
        if self._aborting is None or self._driver.attempts:
            return
        (reason, actor), self._aborting = self._aborting, None
        self._driver.put(
            ev.IncidentClosed(outcome="aborted", exit_code=int(ExitCode.ABORTED), reason=reason),
            actor,
        )

    def _attempt(self, step: str) -> int:
        return self._driver.state.steps[step].attempt

    def _no_secret(self, command: cmd.Command) -> None:
        """What a person types goes on record as it is, but not where it holds a known secret."""
        for each in _typed_in(command):
            if isinstance(each, str):
                refuse_secret(each)

    def _refuse(self, why: str, what: str) -> None:
        if why:
            _no(f"{what}: {why}.", "Nothing was changed.")

    def _need_reason(self, reason: str, of_what: str) -> None:
        if not reason.strip():
            _no(f"A reason is needed for {of_what}.", "Say it in a few words; it goes on record.")


def refuse_secret(typed: str) -> None:
    """Raises UsageError where a typed text holds the value of a known secret."""
    if KNOWN.holds(typed):
        raise UsageError(
            "What was typed holds the value of a secret that this incident uses.",
            means="It was not recorded; whoever sees this screen may have read it.",
            next="Write it again without the value.",
            code="secret-typed",
        )


def _typed_in(command: cmd.Command) -> Iterator[object]:
    """What a command carries, but the name that a confirmation must repeat."""
    if not isinstance(command, cmd.Confirm):
        yield from (getattr(command, each.name) for each in fields(command))


def _no(what: str, next: str) -> NoReturn:
    raise UsageError(
        what,
        means="" if next.startswith("Nothing was") else "Nothing was changed.",
        next=next,
        code="not-now",
    )
