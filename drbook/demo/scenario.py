"""Who answers in a demo without a person: the scenario, in its own name, on record as such."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from drbook.app.model import Answer, Approve, Confirm
from drbook.core.state import StepRun, lacks
from drbook.core.values import Json

ANSWERS: Mapping[str, tuple[Json, str]] = {
    "revoke": ("done", "railway-token and app-storage-key were revoked (scenario)"),
    "decide": ("go", "every table equals what the backup held (scenario)"),
    "cutover": ("done", "the application points at the restored cluster (scenario)"),
}
"""By step: the answer and its comment."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Implements `app.autopilot.Responder`."""

    answers: Mapping[str, tuple[Json, str]] = field(default_factory=lambda: ANSWERS)
    actor: str = "scenario"

    def respond(self, run: StepRun) -> Answer | Approve | Confirm | None:
        """What the scenario says to the first thing that the step lacks; None where it says nothing."""
        missing = lacks(run)[:1]
        if missing == ("an answer",) and run.id in self.answers:
            answer, comment = self.answers[run.id]
            return Answer(run.id, answer, comment)
        if missing == ("a confirmation",) and run.plan is not None and run.plan.confirm is not None:
            return Confirm(run.id, run.plan.confirm)
        if missing == ("an approval",) and run.plan is not None and run.plan.approve is not None:
            return Approve(run.id, run.plan.approve)
        return None
