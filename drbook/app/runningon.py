"""Running on: every step that is ready is started, until something needs a person."""

from typing import TYPE_CHECKING

from drbook.app.refusing import refuse
from drbook.core.engine import decide
from drbook.core.errors import DrbookError
from drbook.core.moves import next_ready
from drbook.core.state import ended_badly

if TYPE_CHECKING:
    from drbook.app.driver import Driver


class RunningOn:
    """Runs in the driver's thread only. It confirms nothing, answers nothing, and runs nothing
    again but what is stale and can be repeated without harm."""

    def __init__(self, driver: "Driver") -> None:
        self._driver = driver
        self._actor: str | None = None
        self._known: frozenset[tuple[str, int, str]] = frozenset()
        """What had ended badly before: whoever runs on has seen it."""

    @property
    def on(self) -> bool:
        driver = self._driver
        ended = driver.broken or driver.aborting or driver.state.closed_at is not None
        return self._actor is not None and not ended

    def start(self, actor: str) -> None:
        """From now on, in this person's name."""
        if self._driver.state.closed_at is not None:
            refuse("The incident is closed.", "Nothing was started.")
        if not self._moves():
            refuse(
                "Nothing is ready to run.",
                "Answer what waits for you, or settle what ended badly, then run on.",
            )
        self._actor = actor
        self._known = ended_badly(self._driver.state)

    def halt(self) -> None:
        self._actor = None

    def advance(self) -> None:
        """Plan what is ready; stop where a person is needed. Raises DrbookError where a step cannot be
        planned, and runs on no longer then."""
        if self._actor is None or not self.on or self._ended_badly():
            return self.halt()
        driver = self._driver
        # What becomes ready by these is seen in the next round.
        for step in next_ready(driver.runbook, driver.state):
            try:
                driver.steps.plan(step, self._actor)
            except DrbookError:
                self.halt()
                raise
        if not self._moves():
            self.halt()
        return None

    def _ended_badly(self) -> bool:
        """One that runs again by itself has not ended yet."""
        new = ended_badly(self._driver.state) - self._known
        return any(step not in self._driver.steps.retry_at for step, _, _ in new)

    def _moves(self) -> bool:
        """Whether anything goes on without a person."""
        steps = self._driver.steps
        runbook, state = self._driver.runbook, self._driver.state
        decision = decide(runbook, state)
        goes_on = next_ready(runbook, state) or decision.running or decision.to_skip
        return bool(goes_on or steps.cooling or steps.retry_at)
