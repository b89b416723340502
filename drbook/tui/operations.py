"""What each key of the incident's screen asks for: a command, with the words that it needs first."""

from textual import work

from drbook.app.model import (
    Accept,
    CancelStep,
    Command,
    DoneElsewhere,
    Halt,
    Jump,
    Probe,
    Resolve,
    Run,
    RunOn,
    Skip,
)
from drbook.core.doubt import looked_at
from drbook.core.engine import Readiness, may_run, may_skip, used_by
from drbook.core.events import StepEnd
from drbook.core.moves import freed_by_skip, leap, may_accept, may_do_elsewhere
from drbook.core.state import StepState
from drbook.tui.colours import WARN
from drbook.tui.desk import DeskKeys
from drbook.tui.dialogs import WHY, ChoiceDialog, Chosen, labelled
from drbook.tui.paint import said
from drbook.tui.signs import named, next_for_you, plan_of, refusal, runs_again
from drbook.tui.writing import Elsewhere, ElsewhereDialog


class Operations(DeskKeys):
    """The keys for the selected step; `IncidentScreen` draws and submits."""

    def action_next(self) -> None:
        raise AssertionError("the screen moves")

    @property
    def _state(self) -> StepState:
        return self.shown.state.steps[self.selected].state

    def _may_close(self) -> bool:
        """Whether closing is all that is left to do."""
        done = self.shown.decision.finished and self.shown.state.closed_at is None
        return done and next_for_you(self.shown) is None

    def action_go_on(self) -> None:
        """Enter: answer what it needs, run it, or go where the operator is needed."""
        if self._state is StepState.AWAITING and self.selected not in self.shown.cooling:
            self.ask(self.selected)
        elif self.shown.decision.view(self.selected).readiness is Readiness.READY or runs_again(
            self.shown, self.selected
        ):
            self.submit(Run(self.selected))
        elif self._state is StepState.IN_DOUBT:
            self.action_doubt()
        elif self._may_close():
            self.action_close()
        else:
            self.action_next()

    def action_run_on(self) -> None:
        """Run all until something needs the operator; the same key ends that."""
        self.submit(Halt() if self.shown.running_on else RunOn())

    @work
    async def action_again(self) -> None:
        step = self.selected
        why_not = may_run(self.shown.runbook, self.shown.state, step)
        if self._state is StepState.SUCCEEDED and not why_not:
            lines = [said("It succeeded. What used its result becomes stale and has to run again.")]
            choices = [("stay", "Leave it as it is"), ("run", "Run it again")]
            dialog = ChoiceDialog(named(self.shown, step), lines, choices, comment=False)
            ended = await self.app.push_screen_wait(dialog)
            if ended is None or ended.choice != "run":
                return
        self.submit(Run(step))

    @work
    async def action_skip(self) -> None:
        step = self.selected
        if may_skip(self.shown.state, step):
            self.submit(Skip(step, "(not asked)"))  # the driver says why not, in its words
            return
        freed = freed_by_skip(self.shown.runbook, self.shown.state, step)
        words = "Why? What it would have done is not done."
        if freed:
            names = ", ".join(named(self.shown, one) for one in freed)
            words += f" ▲ Nothing holds back any more: {names}."
        reason = await self.words(f"Skip {named(self.shown, step)}", words)
        if reason is not None:
            self.submit(Skip(step, reason))

    @work
    async def action_jump(self) -> None:
        """Make the selected step the next one: what it waits for is skipped, with one reason."""
        step = self.selected
        waits = self.shown.decision.view(step).waiting_for
        cannot = leap(self.shown.runbook, self.shown.state, step).why_not
        if self._state is not StepState.PENDING or not waits or cannot:
            self.submit(Jump(step, "(not asked)"))  # the driver says why not, in its words
            return
        before = ", ".join(named(self.shown, one) for one in waits)
        reason = await self.words(
            f"Jump to {named(self.shown, step)}",
            f"It waits for {before}. That, and what that waits for, is skipped. Why?",
        )
        if reason is not None:
            self.submit(Jump(step, reason))

    @work
    async def action_elsewhere(self) -> None:
        """I'll do this myself: the exact command to copy, then how it ended."""
        step = self.selected
        why = may_do_elsewhere(
            self.shown.runbook, self.shown.state, step, StepEnd.FAILED, hands_back=False
        )
        if why:  # whatever the end is
            self.submit(DoneElsewhere(step, "failed", "(not asked)"))  # the driver says why not
            return
        plan = plan_of(self.shown, step)
        command = "\n".join(plan.runs) if plan else ""
        lines = [labelled("Runs", line, WARN) for line in (plan.runs if plan else ())]
        if plan is not None and not lines:
            lines = [said(line) for line in plan.does]
        lines.append(
            said("Do it in another terminal. drbook runs nothing; your word goes on record.")
        )
        refused, given = "", None
        while True:
            dialog = ElsewhereDialog(
                f"Do it yourself: {named(self.shown, step)}",
                lines, command, refused=refused, initial=given,
            )  # fmt: skip
            given = await self.app.push_screen_wait(dialog)
            if given is None:
                return
            error = await self.carried_out(_by_hand(step, given))
            if error is None:
                return
            refused = refusal(self.shown, error)

    @work
    async def action_cancel(self) -> None:
        step = self.selected
        if step in self.shown.cooling or self._state is StepState.AWAITING:
            self.submit(CancelStep(step, "taken back before it started"))
            return
        if self._state is not StepState.STARTED:
            self.submit(CancelStep(step))  # the driver says why not, in its words
            return
        reason = await self.words(
            f"Cancel {named(self.shown, step)}",
            "It is asked to stop; what it began is recorded. Why?",
            initial="the operator cancelled it",
        )
        if reason is not None:
            self.submit(CancelStep(step, reason))

    @work
    async def action_accept(self) -> None:
        step = self.selected
        if may_accept(self.shown.runbook, self.shown.state, step):
            self.submit(Accept(step, "(not asked)"))  # the driver says why not, in its words
            return
        run = self.shown.state.steps[step]
        reason = await self.words(
            f"Go on unverified: {named(self.shown, step)}",
            f"{run.reason} Nobody knows whether it is well. Why do you go on all the same?",
        )
        if reason is not None:
            self.submit(Accept(step, reason))

    @work
    async def action_doubt(self) -> None:
        step = self.selected
        if self._state is not StepState.IN_DOUBT:
            self.submit(Probe(step))  # the driver says why not, in its words
            return
        run = self.shown.state.steps[step]
        lines = [said(run.reason or "It was interrupted.", WARN)]
        if (seen := looked_at(self.shown.state, step)) is not None:
            lines.append(labelled("Seen", f"{seen.note.at:%H:%M:%S}  {seen.note.text}", WARN))
        if run.plan is not None:
            into = (f"into {run.plan.into}",) if run.plan.into else ()
            intended = (*run.plan.does, *into, *run.plan.runs)
            lines += [labelled("Intended", line) for line in intended]
        choices = [
            ("look", "Look again: let drbook check whether it happened"),
            ("failed", "It did not happen, or not to its end (then r runs it again)"),
        ]
        if used_by(self.shown.runbook, step):
            words = "It cannot be settled as happened: later steps use its result, which nobody recorded."
            lines.insert(1, said(words, WARN))
        else:
            choices.append(("succeeded", "It happened (say in the comment how you know)"))
        dialog = ChoiceDialog(
            f"In doubt: {named(self.shown, step)}",
            lines,
            choices,
            needing={"succeeded": WHY, "failed": WHY},
        )
        ended = await self.app.push_screen_wait(dialog)
        if isinstance(ended, Chosen):
            self.submit(_settled(step, ended))


def _by_hand(step: str, given: Elsewhere) -> Command:
    state = "succeeded" if given.happened else "failed"
    return DoneElsewhere(
        step, "succeeded" if state == "succeeded" else "failed", given.reason, given.evidence
    )


def _settled(step: str, ended: Chosen) -> Command:
    if ended.choice == "look":
        return Probe(step)
    return Resolve(step, "succeeded" if ended.choice == "succeeded" else "failed", ended.comment)
