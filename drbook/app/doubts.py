"""Steps in doubt: what their own probe sees, and how a person settles them."""

import threading
from typing import TYPE_CHECKING

from drbook.app.planning import context_of, internal_error
from drbook.app.refusing import need_reason, refuse
from drbook.core import events as ev
from drbook.core.actions import Probed
from drbook.core.doubt import look_words
from drbook.core.engine import used_by
from drbook.core.errors import DrbookError
from drbook.core.events import StepEnd
from drbook.core.state import StepRun, StepState
from drbook.providers.hiding import scrub

if TYPE_CHECKING:
    from drbook.app.driver import Driver


LOOK_SECONDS, STOP_SECONDS = 60, 10
"""How long a look may take, and then how long it may take to stop."""


class Doubts:
    """Runs in the driver's thread only; a probe has a thread of its own."""

    def __init__(self, driver: "Driver") -> None:
        self._driver = driver
        runs = driver.state.steps.values()
        self.looking = {run.id for run in runs if run.state is StepState.IN_DOUBT}
        """Steps that are being looked at; those of a life before first."""

    def look_at_all(self) -> None:
        """Look at every step in doubt, in drbook's own name: whoever settles it reads that first."""
        for step in sorted(self.looking):
            self.look(step, "drbook")

    def look(self, step: str, actor: str) -> None:
        """Run the action's own probe in a thread; what it saw becomes a note."""
        driver = self._driver
        run = self._in_doubt(step, "There is nothing to look for.")
        context = context_of(driver.runbook, driver.state, driver.actions, step, run.attempt)

        switch = driver.opener.switch()
        claimed = threading.Lock()
        """Taken by what is said first: what was seen, or that it took too long."""

        def look() -> None:
            try:
                action = driver.actions[run.action]
                params = action.params.model_validate(run.params)
                with driver.opener.open(context, switch) as ports:
                    found = action.probe(params, context, ports)
            except DrbookError as error:
                found = Probed("unknown", error.what)
            except Exception as error:  # noqa: BLE001 - a look that broke has seen nothing
                found = Probed("unknown", internal_error(error).what)
            say(found)

        def say(found: Probed) -> None:
            if not claimed.acquire(blocking=False):
                return
            text = look_words(step, found.answer, scrub(found.reason))

            def seen() -> None:
                self.looking.discard(step)
                driver.put(ev.NoteAdded(text=text, step=step), actor)

            driver.call(seen)

        def watch(thread: threading.Thread) -> None:
            """Everybody waits for a look, so it has an end: it is asked to stop, and then left behind."""
            thread.join(LOOK_SECONDS)
            if thread.is_alive():
                switch.request("timeout")
                thread.join(STOP_SECONDS)
            if thread.is_alive():
                say(Probed("unknown", f"the look did not end within {LOOK_SECONDS} seconds"))

        self.looking.add(step)
        looking = threading.Thread(target=look, name=f"probe-{step}", daemon=True)
        looking.start()
        threading.Thread(target=watch, args=(looking,), name=f"watch-{step}", daemon=True).start()

    def resolve(self, step: str, state: StepEnd, reason: str, actor: str) -> None:
        """Put on record how a person settled it."""
        need_reason(reason, "settling a step in doubt")
        run = self._in_doubt(step, "Nothing is to be settled.")
        users = used_by(self._driver.runbook, step)
        if state is StepEnd.SUCCEEDED and users:
            refuse(
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

    def _in_doubt(self, step: str, next: str) -> StepRun:
        run = self._driver.state.steps.get(step)
        if run is None or run.state is not StepState.IN_DOUBT:
            refuse(f"Step {step} is not in doubt.", next)
        return run
