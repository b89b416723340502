"""The desk: what each command means, and the reasons for which one is not carried out."""

import time
from typing import TYPE_CHECKING

from drbook.app import model as cmd
from drbook.app.byhand import ByHand
from drbook.app.changes import Changes
from drbook.app.inputs import read_input
from drbook.app.logbook import Logbook
from drbook.app.mailbox import Letter
from drbook.app.refusing import need_reason, refuse, refuse_secrets_in
from drbook.core import events as ev
from drbook.core.engine import decide, may_run, may_skip, outcome
from drbook.core.errors import ExitCode
from drbook.core.events import StepEnd
from drbook.core.moves import may_accept
from drbook.core.state import StepState, in_doubt, lacks

if TYPE_CHECKING:
    from drbook.app.driver import Driver

STARTS = (
    cmd.Run
    | cmd.Answer
    | cmd.Confirm
    | cmd.Approve
    | cmd.HandIn
    | cmd.RunOn
    | cmd.Jump
    | cmd.DoneElsewhere
    | cmd.ChoosePoint
)
"""What makes no sense any more once the incident is being aborted."""


class Desk:
    """Runs in the driver's thread only."""

    def __init__(self, driver: "Driver") -> None:
        self._driver = driver
        self._by_hand = ByHand(driver)
        self._changes = Changes(driver)
        self._logbook = Logbook(driver)
        self._aborting: tuple[str, str, bool] | None = None

    @property
    def aborting(self) -> bool:
        """True from an abort that was asked for to its end."""
        return self._aborting is not None

    def carry_out(self, command: cmd.Command, actor: str) -> None:
        """Do what was asked, or raise a DrbookError that says why not."""
        driver = self._driver
        driver.must_record()
        refuse_secrets_in(command)
        if self.aborting and isinstance(command, STARTS):
            refuse("The incident is being aborted.", "It ends as soon as nothing runs any more.")
        match command:
            case cmd.Run(step):
                self._unless(may_run(driver.runbook, driver.state, step), f"Step {step} cannot run")
                driver.steps.plan(step, actor)
            case cmd.Answer():
                self._answer(command, actor)
            case cmd.Confirm(step, typed):
                self._confirm(step, typed, actor)
            case cmd.Approve():
                self._approve(command, actor)
            case cmd.HandIn(block):
                self._go_on_if_it_may(driver.approvals.hand_in(block, actor))
            case cmd.CancelStep(step, reason):
                self._cancel(step, reason, actor)
            case cmd.Skip(step, reason):
                need_reason(reason, "skipping a step")
                self._unless(may_skip(driver.state, step), f"Step {step} cannot be skipped")
                driver.put(ev.StepSkipped(step=step, reason=reason), actor)
                driver.steps.forget(step)
            case cmd.Accept(step, reason):
                self._accept(step, reason, actor)
            case cmd.Probe(step):
                driver.doubts.look(step, actor)
            case cmd.Resolve(step, state, reason):
                driver.doubts.resolve(step, StepEnd(state), reason, actor)
            case cmd.Close(reason):
                self._close(reason, actor)
            case cmd.Abort(reason, leave_doubt):
                need_reason(reason, "aborting the incident")
                self._abort(reason, actor, leave_doubt)
            case _:
                self._beside_steps(command, actor)

    def _beside_steps(self, command: cmd.Command, actor: str) -> None:
        """What is asked for beside running, answering and settling one step."""
        match command:
            case cmd.RunOn():
                self._driver.running_on.start(actor)
            case cmd.Halt():
                self._driver.running_on.halt()
            case cmd.Jump(step, reason):
                self._by_hand.jump(step, reason, actor)
            case cmd.DoneElsewhere():
                self._by_hand.done_elsewhere(command, actor)
            case cmd.ChoosePoint():
                self._changes.choose_point(command, actor)
            case cmd.SetInput():
                self._changes.set_input(command, actor)
            case cmd.WriteNote():
                self._logbook.note(command, actor)
            case cmd.RecordNotification(event):
                self._driver.put(event, actor)
            case cmd.HandOver():
                self._logbook.hand_over(command, actor)
            case cmd.OpenShell(step):
                self._logbook.open_shell(step, actor)
            case cmd.CloseShell(duration_ms, exit_code):
                self._logbook.close_shell(duration_ms, exit_code, actor)
            case _:
                raise TypeError(f"nobody carries out {type(command).__name__}")

    def deliver(self, letter: Letter) -> None:
        """Put a note from another seat on record, or take an approval from there."""
        if not letter.approval:
            self._logbook.letter(letter)
        elif step := self._driver.approvals.letter(letter):
            self._go_on_if_it_may(step)

    def _go_on_if_it_may(self, step: str) -> None:
        """Behind an approval. One that came while the incident is being aborted starts nothing."""
        if not self.aborting and step not in self._driver.steps.cooling:
            self._driver.steps.go_on(step, self._driver.actor)

    # --- before a step starts ---------------------------------------------------------------

    def _awaiting(self, step: str) -> ev.Plan:
        run = self._driver.state.steps.get(step)
        if run is None or run.state is not StepState.AWAITING or run.plan is None:
            refuse(f"Step {step} is not waiting for anybody.", "Run it first (Enter).")
        if step in self._driver.steps.cooling:
            refuse(
                f"Step {step} is about to start.", "Cancel it (c) where you have changed your mind."
            )
        return run.plan

    def _answer(self, command: cmd.Answer, actor: str) -> None:
        plan = self._awaiting(command.step)
        if plan.asks is None:
            refuse(f"Step {command.step} asks nothing.", "Confirm or approve it.")
        if plan.asks.choices and command.answer not in plan.asks.choices:
            refuse(
                f"{command.answer!r} is none of the answers.",
                "Answer one of: " + ", ".join(plan.asks.choices) + ".",
            )
        self._must_be_next(command.step, "an answer")
        answer = command.answer
        if plan.asks.kind == "text":
            try:
                read = read_input("the answer", answer, plan.asks.type, self._driver.now())
            except (ValueError, OverflowError) as error:
                refuse(f"{error}.", "Answer again.")
            if plan.asks.type == "time":
                answer = str(read)  # `10m ago` means nothing to whoever reads it later
        self._driver.put(
            ev.AnswerGiven(
                step=command.step,
                attempt=self._attempt(command.step),
                answer=answer,
                comment=command.comment,
            ),
            actor,
        )
        self._driver.steps.go_on(command.step, actor)

    def _confirm(self, step: str, typed: str, actor: str) -> None:
        plan = self._awaiting(step)
        if plan.confirm is None:
            refuse(f"Step {step} needs no confirmation.", "Run it (Enter).")
        if typed != plan.confirm:
            refuse("What was typed is not that name.", f"Type {plan.confirm} exactly, or cancel.")
        self._must_be_next(step, "a confirmation")
        self._driver.put(
            ev.ConfirmationGiven(step=step, attempt=self._attempt(step), typed=typed), actor
        )
        if plan.cool_off_seconds:
            self._driver.steps.cooling[step] = time.monotonic() + plan.cool_off_seconds
            return
        self._driver.steps.go_on(step, actor)

    def _must_be_next(self, step: str, what: str) -> None:
        missing = lacks(self._driver.state.steps[step])
        if missing and missing[0] != what:
            before = missing[: missing.index(what)] if what in missing else missing
            refuse(f"Step {step} still lacks {' and '.join(before)}.", f"Give {what} after that.")

    def _approve(self, command: cmd.Approve, actor: str) -> None:
        plan = self._awaiting(command.step)
        if plan.approve is None:
            refuse(f"Step {command.step} needs no approval.", "Run it (Enter).")
        self._driver.approvals.name(command, actor)
        self._driver.steps.go_on(command.step, actor)

    # --- a step that runs, or ended -----------------------------------------------------------

    def _cancel(self, step: str, reason: str, actor: str) -> None:
        driver = self._driver
        attempt = driver.steps.running.get(step)
        if attempt is not None:
            driver.steps.cancel(attempt, reason, actor)
            return
        run = driver.state.steps.get(step)
        if run is None or run.state is not StepState.AWAITING:
            refuse(f"Step {step} does not run.", "There is nothing to cancel.")
        driver.steps.cooling.pop(step, None)
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

    def _accept(self, step: str, reason: str, actor: str) -> None:
        need_reason(reason, "going on unverified")
        if why := may_accept(self._driver.runbook, self._driver.state, step):
            refuse(
                f"Step {step} cannot be gone on from: {why}.",
                "Run it again once what it could not ask is there, or choose a copy (b).",
            )
        self._driver.put(ev.DecisionRecorded(step=step, decision="accept", reason=reason), actor)

    # --- the incident -------------------------------------------------------------------------

    def _close(self, reason: str, actor: str) -> None:
        driver = self._driver
        if driver.state.closed_at is not None:
            refuse("The incident is closed already.", "Notes may still be written.")
        if not decide(driver.runbook, driver.state).finished:
            refuse(
                "Not every step has ended.", "Run or skip the others, or abort the incident (a)."
            )
        ends = outcome(driver.runbook, driver.state)
        driver.put(
            ev.IncidentClosed(
                outcome=ends.word, exit_code=int(ends.code), reason=reason or ends.reason
            ),
            actor,
        )

    def _abort(self, reason: str, actor: str, leave_doubt: bool) -> None:
        driver = self._driver
        if driver.state.closed_at is not None:
            refuse("The incident is closed already.", "Notes may still be written.")
        self._aborting = (reason, actor, leave_doubt)
        driver.running_on.halt()
        driver.steps.cooling.clear()
        driver.steps.retry_at.clear()
        for attempt in list(driver.steps.running.values()):
            driver.steps.cancel(attempt, "the incident is aborted", actor)

    def finish_abort(self) -> None:
        """Close an aborted incident once nothing runs any more. One that is interrupted with a step in
        doubt stays open: a closed one could not be settled."""
        if self._aborting is None or self._driver.steps.running:
            return
        (reason, actor, leave_doubt), self._aborting = self._aborting, None
        if leave_doubt and in_doubt(self._driver.state):
            return
        self._driver.put(
            ev.IncidentClosed(outcome="aborted", exit_code=int(ExitCode.ABORTED), reason=reason),
            actor,
        )

    def _attempt(self, step: str) -> int:
        return self._driver.state.steps[step].attempt

    def _unless(self, why: str, what: str) -> None:
        if why:
            refuse(f"{what}: {why}.", "Nothing was changed.")
