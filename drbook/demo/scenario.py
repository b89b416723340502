"""Who answers in a demo without a person: the scenario, in its own name, on record as such."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from drbook.app.model import Accept, Answer, Approve, Confirm
from drbook.core.state import StepRun, StepState, lacks
from drbook.core.values import Json
from drbook.demo.worlds import DEFAULT, story


def _default() -> Mapping[str, tuple[Json, str]]:
    return story(DEFAULT).answers


@dataclass(frozen=True, slots=True)
class Scenario:
    """Implements `app.autopilot.Responder`."""

    answers: Mapping[str, tuple[Json, str]] = field(default_factory=_default)
    """By step: the answer and its comment."""
    accepts: Mapping[str, str] = field(default_factory=dict)
    """By step that could not be verified: why it goes on all the same."""
    hand: Callable[[str], None] = lambda step: None
    """Does in the world what a step asks of a person, before it is said to be done."""
    actor: str = "scenario"

    def respond(self, run: StepRun) -> Answer | Approve | Confirm | None:
        """What the scenario says to the first thing that the step lacks; None where it says nothing."""
        missing = lacks(run)[:1]
        if missing == ("an answer",) and run.id in self.answers:
            answer, comment = self.answers[run.id]
            self.hand(run.id)
            return Answer(run.id, answer, comment)
        if missing == ("a confirmation",) and run.plan is not None and run.plan.confirm is not None:
            return Confirm(run.id, run.plan.confirm)
        if missing == ("an approval",) and run.plan is not None and run.plan.approve is not None:
            return Approve(run.id, run.plan.approve)
        return None

    def accept(self, run: StepRun) -> Accept | None:
        """Why it goes on although this could not be verified; None where it does not."""
        if run.state is StepState.COULD_NOT_VERIFY and run.id in self.accepts:
            return Accept(run.id, self.accepts[run.id])
        return None
