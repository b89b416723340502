"""Snapshots for everybody who looks: the newest one, and a call for each that follows."""

import threading
from collections.abc import Callable, Mapping, Sequence

from drbook.app.model import Snapshot
from drbook.app.planning import preview
from drbook.core.actions import Actions
from drbook.core.events import Plan
from drbook.core.runbook import Runbook
from drbook.core.state import IncidentState


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


class Previews:
    """What each ready step would do, worked out once per record."""

    def __init__(self, runbook: Runbook, actions: Actions) -> None:
        self._runbook = runbook
        self._actions = actions
        self._seq = -1
        self._plans: Mapping[str, Plan] = {}
        self._problems: Mapping[str, str] = {}

    def of(
        self, state: IncidentState, ready: Sequence[str]
    ) -> tuple[Mapping[str, Plan], Mapping[str, str]]:
        """The plans, and for steps that cannot be planned, why."""
        if self._seq != state.seq:
            self._plans, self._problems = preview(self._runbook, state, self._actions, ready)
            self._seq = state.seq
        return self._plans, self._problems
