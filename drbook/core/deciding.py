"""What may happen next, kept up to date: after each record only the steps that it can concern are
looked at again. The answers are those of `engine.decide`, which looks at all of them."""

from functools import cache, partial

from drbook.core.engine import Decision, Outcome, decide, outcome, scope, view_of
from drbook.core.runbook import Runbook
from drbook.core.state import IncidentState


class Deciding:
    """Follows one incident. For one thread."""

    def __init__(self, runbook: Runbook) -> None:
        self._runbook = runbook
        self._state: IncidentState | None = None
        self._decision = Decision(())
        self._outcome: tuple[IncidentState | None, Outcome | None] = (None, None)
        self.evaluated = 0
        """How many steps were looked at so far."""
        self._waiting: dict[str, list[int]] = {step.id: [] for step in runbook.steps}
        """Where the steps stand that need this one."""
        for place, step in enumerate(runbook.steps):
            for need in step.needs:
                self._waiting[need].append(place)
        self._order = tuple(self._waiting)
        self._conditional = [
            place for place, step in enumerate(runbook.steps) if step.when is not None
        ]

    def decision(self, state: IncidentState) -> Decision:
        """The same as `decide(runbook, state)`."""
        before, self._state = self._state, state
        if before is state:
            return self._decision
        known = before is not None and before.order == state.order == self._order
        if before is None or not known or before.closed_at or state.closed_at:
            self.evaluated += len(self._runbook.steps)
            self._decision = decide(self._runbook, state)
        elif places := self._concerned(before, state):
            self.evaluated += len(places)
            names = cache(partial(scope, self._runbook, state))
            views = list(self._decision.steps)
            for place in places:
                views[place] = view_of(self._runbook.steps[place], state, names)
            if views != list(self._decision.steps):
                self._decision = Decision(tuple(views))
        return self._decision

    def outcome(self, state: IncidentState) -> Outcome:
        """The same as `outcome(runbook, state)`."""
        known, found = self._outcome
        if known is None or found is None or known.steps is not state.steps:
            found = outcome(self._runbook, state)
            self._outcome = (state, found)
        return found

    def _concerned(self, before: IncidentState, state: IncidentState) -> set[int]:
        """The places of steps that may stand otherwise: those that changed, those that wait for one of
        them, and those with a condition, which can see every result and input."""
        changed = (
            [name for name in state.order if state.steps[name] is not before.steps[name]]
            if state.steps is not before.steps
            else []
        )
        if not changed and state.inputs is before.inputs and state.occurred is before.occurred:
            return set()
        places = {self._runbook.places[name] for name in changed}
        for name in changed:
            places.update(self._waiting[name])
        return places.union(self._conditional)
