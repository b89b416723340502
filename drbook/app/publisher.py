"""Snapshots for everybody who looks: the newest one, and a call for each that follows."""

import threading
from collections.abc import Callable, Mapping
from itertools import islice

from drbook.app.model import Snapshot
from drbook.app.planning import PLAN_LATE, effects_of, internal_error, plan_step
from drbook.core.actions import Actions
from drbook.core.errors import DrbookError
from drbook.core.events import Effect, Plan
from drbook.core.runbook import Runbook
from drbook.core.state import IncidentState, StepRun, StepState


class Publisher:
    """Holds the newest snapshot. Thread-safe; callbacks are called in the publishing thread."""

    def __init__(self, first: Snapshot) -> None:
        self.snapshot = first
        self._lock = threading.Lock()
        self._subscribers: list[Callable[[Snapshot], None]] = []

    def subscribe(self, callback: Callable[[Snapshot], None]) -> Callable[[], None]:
        """Call back with the newest snapshot, then with each new one; returns how to end that."""
        with self._lock:
            self._subscribers.append(callback)
        callback(self.snapshot)

        def unsubscribe() -> None:
            with self._lock:
                if callback in self._subscribers:
                    self._subscribers.remove(callback)

        return unsubscribe

    def publish(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        with self._lock:
            subscribers = tuple(self._subscribers)
        for callback in subscribers:
            callback(snapshot)


PATIENCE = 0.05
"""Seconds that a snapshot waits for previews; what is not there by then comes with a later one."""


AHEAD = 20
"""How many of the steps that wait for others are planned beforehand, for whoever reads on."""


class Previews:
    """What each ready step would do, and the next ones, worked out anew where something changed that a plan can see.

    A thread of its own does that: planning asks nobody, but a plug-in's may, and nobody waits for it.
    """

    def __init__(self, runbook: Runbook, actions: Actions, came: Callable[[], None]) -> None:
        """`came` is called, in that thread, where a snapshot went out without them."""
        self._runbook = runbook
        self._actions = actions
        self._came = came
        self._lock = threading.Lock()
        self._asked: tuple[IncidentState, tuple[str, ...]] | None = None
        self._done = threading.Event()
        self._working = self._missed = False
        self._late: dict[str, str] = {}
        """Steps whose planning does not end; it is not begun again."""
        self._plans: dict[str, Plan] = {}
        self._problems: dict[str, str] = {}
        self.effects: Mapping[str, Effect] = effects_of(runbook, actions)
        """What each step may leave behind: as its action says, and once it was planned with its arguments."""

    def of(
        self, state: IncidentState, ready: tuple[str, ...]
    ) -> tuple[Mapping[str, Plan], Mapping[str, str]]:
        """The plans of what is ready and of the next steps whose arguments are known; for ready ones
        that cannot be planned, why. For one thread."""
        plans, problems = self._all(state, (*ready, *self._ahead(state, ready)))
        return plans, {step: why for step, why in problems.items() if step in ready}

    def _ahead(self, state: IncidentState, ready: tuple[str, ...]) -> tuple[str, ...]:
        """The next pending steps that use no other step's output."""
        later = (
            step.id
            for step in self._runbook.steps
            if not step.uses
            and state.steps[step.id].state is StepState.PENDING
            and step.id not in ready
        )
        return tuple(islice(later, AHEAD))

    def _all(
        self, state: IncidentState, ready: tuple[str, ...]
    ) -> tuple[Mapping[str, Plan], Mapping[str, str]]:
        asked = self._asked
        if asked is None or asked[1] != ready or not _plans_alike(asked[0], state):
            done = threading.Event()
            with self._lock:
                self._asked, self._done = (state, ready), done
                self._plans, self._problems = {}, {}
                begin, self._working = not self._working, True
            if begin:
                threading.Thread(target=self._work, name="previews", daemon=True).start()
            done.wait(PATIENCE)
        with self._lock:
            self._missed = not self._done.is_set()
            return dict(self._plans), dict(self._problems)

    def _work(self) -> None:
        while True:
            with self._lock:
                asked, done = self._asked, self._done
            if asked is None:
                return
            for step in asked[1]:
                if not self._look(asked, step):
                    break
            with self._lock:
                if self._done is done:
                    self._working, missed = False, self._missed
                    done.set()
                    break
        if missed:
            self._came()

    def _look(self, asked: tuple[IncidentState, tuple[str, ...]], step: str) -> bool:
        """Plan one step; False where something newer was asked for meanwhile."""
        plan, problem = None, self._late.get(step, "")
        if not problem:
            try:
                planned = plan_step(self._runbook, asked[0], self._actions, step)
                plan = planned.plan
                self.effects = {**self.effects, step: planned.effect}
            except DrbookError as error:
                problem = error.what
                if error.code == PLAN_LATE:
                    self._late[step] = problem
            except Exception as error:  # noqa: BLE001 - a defect of one plan is no reason for no plans
                problem = internal_error(error).what
        with self._lock:
            if self._asked is not asked:
                return False
            if plan is not None:
                self._plans[step] = plan
            else:
                self._problems[step] = problem
        return True


def _plans_alike(before: IncidentState, after: IncidentState) -> bool:
    """Whether no plan can come out otherwise: notes, milestones and the like change nothing of it."""
    if before is after:
        return True
    if (before.inputs, before.occurred) != (after.inputs, after.occurred):
        return False
    if before.resources is not after.resources or before.order != after.order:
        return False
    if before.steps is after.steps:
        return True
    return all(
        one is other or _seen_by_plans(one) == _seen_by_plans(other)
        for one, other in zip(before.steps.values(), after.steps.values(), strict=True)
    )


def _seen_by_plans(run: StepRun) -> tuple[object, ...]:
    return run.state, run.attempt, id(run.result), run.accepted, run.answer, run.comment
