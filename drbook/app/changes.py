"""What other steps rest on, changed by a person: an input, or the recovery point that is restored."""

from typing import TYPE_CHECKING

from drbook.app import model as cmd
from drbook.app.inputs import read_input
from drbook.app.refusing import need_reason, refuse
from drbook.core import events as ev
from drbook.core.choosing import Which, judgement_of, needs_break_glass, standing, why_not
from drbook.core.clocks import editable
from drbook.core.engine import stale_after
from drbook.core.located import Located
from drbook.core.moves import running_on, running_with, stale_for_input
from drbook.core.results import LOCATE, read_result
from drbook.core.state import StepState
from drbook.core.values import parse_time, plain

if TYPE_CHECKING:
    from drbook.app.driver import Driver


class Changes:
    """Runs in the driver's thread only. What rests on the old value is made stale before the new one is
    on record: a crash between the two leaves nothing that passes for good."""

    def __init__(self, driver: "Driver") -> None:
        self._driver = driver

    def set_input(self, command: cmd.SetInput, actor: str) -> None:
        driver, name = self._driver, command.name
        self._must_be_open()
        declared = editable(driver.runbook)
        if name not in declared:
            known = ", ".join(declared) or "none"
            refuse(f"There is no input {name!r}.", f"Declared are: {known}.")
        try:
            value = read_input(name, command.value, declared[name].type, driver.now())
        except ValueError as error:
            refuse(str(error), "Nothing was changed; give it again.")
        occurred = parse_time(str(value)) if name == "occurred" else None
        stale = stale_for_input(driver.runbook, driver.state, name, value, occurred)
        running = {
            *running_with(driver.runbook, driver.state, name),
            *running_on(driver.runbook, driver.state, stale),
        }
        self._must_not_run(running, f"input {name}")
        driver.steps.invalidate(stale, f"input {name} changed")
        driver.put(ev.InputChanged(name=name, value=value, occurred=occurred), actor)

    def choose_point(self, command: cmd.ChoosePoint, actor: str) -> None:
        """Take another copy than the proposed one; one that is not known to be independent only where its
        source is typed."""
        driver, step = self._driver, command.step
        need_reason(command.reason, "choosing another copy than the proposed one")
        located = self._located(step)
        found = judgement_of(located, Which(command.source, command.id, command.version))
        if found is None:
            refuse(
                f"Step {step} located no copy {plain(command.source, 60)}: {plain(command.id, 300)}.",
                "Choose one that it lists.",
            )
        where = plain(found.point.location, 300)
        if located.point is not None and located.point.key == found.point.key:
            refuse(f"{where} is the chosen copy already.", "Nothing was changed.")
        if why := why_not(found):
            refuse(
                f"{where} cannot be chosen: {plain(why, 400)}.",
                "Choose another copy. What can be saved of this one, a person has to save by hand.",
            )
        glass = needs_break_glass(found)
        if glass and command.typed != found.point.source:
            refuse(
                f"{where} is not known to be independent and sound: {plain(standing(found), 400)}.",
                f"Type its source, {found.point.source}, exactly: break-glass, in red in every export.",
            )
        stale = stale_after(driver.runbook, driver.state, step)
        self._must_not_run({*running_on(driver.runbook, driver.state, (step, *stale))}, "that copy")
        driver.steps.invalidate(stale, f"another copy was chosen in {step}")
        driver.put(
            ev.PointChosen(
                step=step,
                source=command.source,
                id=command.id,
                version=command.version,
                reason=command.reason,
                break_glass=glass,
                typed=command.typed if glass else "",
            ),
            actor,
        )

    def _located(self, step: str) -> Located:
        driver = self._driver
        self._must_be_open()
        run = driver.state.steps.get(step)
        located = read_result(Located, run.result) if run and run.action == LOCATE else None
        usable = (StepState.SUCCEEDED, StepState.FAILED, StepState.COULD_NOT_VERIFY)
        if run is None or located is None or run.state not in usable:
            refuse(f"Step {step} has no located copies to choose from.", "Run it first (Enter).")
        return located

    def _must_be_open(self) -> None:
        if self._driver.state.closed_at is not None:
            refuse("The incident is closed.", "Nothing was changed; notes may still be written.")

    def _must_not_run(self, running: set[str], what: str) -> None:
        if running:
            names = ", ".join(sorted(running))
            refuse(
                f"{names} runs right now with {what} as it was.",
                "Cancel it (c), or wait until it has ended.",
            )
