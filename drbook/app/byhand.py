"""Steps that are passed by: jumped over, or done by a person with other means than drbook."""

from typing import TYPE_CHECKING

from drbook.app import model as cmd
from drbook.app.refusing import need_reason, refuse
from drbook.core import events as ev
from drbook.core.events import StepEnd
from drbook.core.moves import consents_missing, leap, may_do_elsewhere
from drbook.core.state import ENDED

if TYPE_CHECKING:
    from drbook.app.driver import Driver

EVIDENCE_LENGTH = 20_000
"""Characters of pasted evidence at most."""


class ByHand:
    """Runs in the driver's thread only."""

    def __init__(self, driver: "Driver") -> None:
        self._driver = driver

    def jump(self, step: str, reason: str, actor: str) -> None:
        """Skip all that a step waits for, or nothing at all."""
        need_reason(reason, "jumping over steps")
        driver = self._driver
        found = leap(driver.runbook, driver.state, step)
        if found.why_not:
            refuse(
                f"There is no jump to step {step}: {found.why_not}.",
                "Run it again (r) where it has ended; else run, settle or skip what stands in the way.",
            )
        for skipped in found.skips:
            driver.put(ev.StepSkipped(step=skipped, reason=f"jumped to {step}: {reason}"), actor)
            driver.steps.forget(skipped)

    def done_elsewhere(self, command: cmd.DoneElsewhere, actor: str) -> None:
        """Put on record what a person says they did. The record says which consents were passed by: to
        refuse it would only leave out of the record what has happened."""
        driver, step = self._driver, command.step
        need_reason(command.reason, "what was done elsewhere")
        if len(command.evidence) > EVIDENCE_LENGTH:
            refuse(
                f"The evidence has {len(command.evidence):,} characters.",
                f"At most {EVIDENCE_LENGTH:,} fit: paste what shows how it ended.",
            )
        if step in driver.steps.cooling:
            refuse(f"Step {step} is about to start.", "Cancel it (c) first.")
        why = may_do_elsewhere(
            driver.runbook,
            driver.state,
            step,
            StepEnd(command.state),
            hands_back=self._hands_back(step),
        )
        if why:
            refuse(
                f"Step {step} cannot be recorded as done elsewhere: {why}.",
                "Write a note about what was done, or let drbook run the step.",
            )
        event = ev.StepDoneElsewhere.model_validate(
            {
                "step": step,
                "attempt": driver.state.steps[step].attempt + 1,
                "state": StepEnd(command.state),
                "reason": command.reason,
                "evidence": command.evidence,
                "without": consents_missing(driver.runbook, driver.state, step),
            }
        )
        if driver.state.steps[step].state in ENDED:
            driver.steps.invalidate_after(step, f"{step} was done elsewhere")
        driver.put(event, actor)
        driver.steps.forget(step)

    def _hands_back(self, step: str) -> bool:
        """Whether the step's action has a result of its own."""
        for compiled in self._driver.runbook.steps:
            if compiled.id == step:
                return bool(self._driver.actions[compiled.step.do].result.model_fields)
        return False
