"""What a person may do beside running steps: jump over some, say that one was done elsewhere, edit an
input. Pure: a runbook and a state in; what follows, or the reason why not, out."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime

from drbook.core.engine import (
    JUDGED,
    Readiness,
    decide,
    may_run,
    may_skip,
    rests_on,
    satisfied,
    scope,
    stale_after,
    unmet,
    used_by,
    why_blocked,
)
from drbook.core.errors import DrbookError
from drbook.core.events import Effect, Mode, StepEnd
from drbook.core.expressions import evaluate
from drbook.core.located import Located
from drbook.core.occurred import DATED, outdated
from drbook.core.results import LOCATE, read_result
from drbook.core.runbook import CompiledStep, Runbook
from drbook.core.state import DONE_ELSEWHERE, IncidentState, StepRun, StepState
from drbook.core.values import Json

# --- running on ------------------------------------------------------------------------------


def next_ready(runbook: Runbook, state: IncidentState) -> tuple[str, ...]:
    """What running on starts now: what is ready, and what is stale and may simply run again.

    A stale step that may have changed something outside (`effect: once`) is left to a person.
    """
    ready = decide(runbook, state).ready
    stale = tuple(
        name
        for name in state.order
        if state.steps[name].state is StepState.STALE
        and state.steps[name].effect is not Effect.ONCE
        and not may_run(runbook, state, name)
    )
    return ready + stale


# --- skipping --------------------------------------------------------------------------------


def freed_by_skip(runbook: Runbook, state: IncidentState, step: str) -> tuple[str, ...]:
    """The steps that may start once `step` is skipped, and may not before."""
    skipped = {**state.steps, step: StepRun(step, StepState.SKIPPED)}
    before = decide(runbook, state).ready
    after = decide(runbook, replace(state, steps=skipped)).ready
    return tuple(one for one in after if one not in before and one != step)


# --- jumping ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Leap:
    """What a jump to a step skips, in the runbook's order; or why it cannot be."""

    skips: tuple[str, ...] = ()
    why_not: str = ""


def leap(runbook: Runbook, state: IncidentState, step: str) -> Leap:
    """A jump to `step`: everything that it waits for, directly or through others, is skipped.

    It is all or nothing, and the step is ready behind it. A skipped step hands nothing back, so what
    uses an output cannot be reached by jumping over the step that makes it.
    """
    if why := _no_goal(state, step):
        return Leap(why_not=why)
    skips, stays = _closure(runbook, state, step)
    if not skips:
        why = may_run(runbook, state, step) or "it waits for nothing: run it"
        return Leap(why_not=why)
    used = _used(runbook, skips, {step} | {one for one in stays if _stands(state, one)})
    if why := _unskippable(state, skips) or used:
        return Leap(why_not=why)
    behind = replace(
        state,
        steps={
            name: StepRun(name, StepState.SKIPPED) if name in skips else run
            for name, run in state.steps.items()
        },
    )
    if why := may_run(runbook, behind, step):
        return Leap(why_not=why)
    return Leap(tuple(name for name in state.order if name in skips))


def _no_goal(state: IncidentState, step: str) -> str:
    if state.closed_at is not None:
        return "the incident is closed"
    run = state.steps.get(step)
    if run is None:
        return f"there is no step {step!r}"
    busy = (StepState.STARTED, StepState.AWAITING, StepState.IN_DOUBT, StepState.SUCCEEDED)
    return f"it is {run.state.value}" if run.state in busy else ""


def _closure(runbook: Runbook, state: IncidentState, step: str) -> tuple[set[str], set[str]]:
    """What a step waits for through all others, and what is met among the needs of these."""
    skips: set[str] = set()
    stays: set[str] = set()
    waiting = [step]
    while waiting:
        compiled = runbook.step(waiting.pop())
        missing = {
            need
            for need in unmet(compiled, state)
            # A skipped one whose output is used cannot be mended by skipping it.
            if not satisfied(state.steps[need], output_used=False)
        }
        stays |= compiled.needs - missing
        waiting += sorted(missing - skips)
        skips |= missing
    return skips, stays - skips


def _unskippable(state: IncidentState, skips: Set[str]) -> str:
    found = [(name, may_skip(state, name)) for name in state.order if name in skips]
    return "; ".join(f"step {name} cannot be skipped: {why}" for name, why in found if why)


def _stands(state: IncidentState, step: str) -> bool:
    return state.steps[step].state is not StepState.SKIPPED


def _used(runbook: Runbook, skips: Set[str], stays: Set[str]) -> str:
    found = [
        f"step {step.id} uses what {', '.join(sorted(step.cannot_lack & skips))} would hand back"
        for step in runbook.steps
        if step.id in stays and step.cannot_lack & skips
    ]
    return "; ".join(found)


# --- done elsewhere --------------------------------------------------------------------------


def may_do_elsewhere(
    runbook: Runbook, state: IncidentState, step: str, end: StepEnd, *, hands_back: bool
) -> str:
    """Empty where a person may say that they did the step by other means; otherwise why not.

    `hands_back`: whether its action has a result of its own, which nobody would have recorded.
    """
    if state.closed_at is not None:
        return "the incident is closed"
    if state.mode is Mode.DRY_RUN:
        return "a dry run does nothing, here or elsewhere"
    run = state.steps.get(step)
    if run is None:
        return f"there is no step {step!r}"
    if run.state is StepState.IN_DOUBT:
        return "nobody knows whether it happened; look first, and settle it"
    if runbook.step(step).step.do in JUDGED:
        return "it is a question, which is answered here (Enter; r answers it anew)"
    if run.state not in DONE_ELSEWHERE:
        return f"it is {run.state.value}"
    if run.state is StepState.PENDING:
        view = decide(runbook, state).view(step)
        if view.readiness not in (Readiness.READY, Readiness.ERROR):
            return view.reason
    elif missing := unmet(runbook.step(step), state):
        return why_blocked(missing, state)
    users = used_by(runbook, step)
    if end is StepEnd.SUCCEEDED and hands_back and users:
        return f"it hands a result to {', '.join(users)}, and nobody would have recorded one"
    return ""


def consents_missing(runbook: Runbook, state: IncidentState, step: str) -> tuple[str, ...]:
    """What the runbook asks people for before this step, and nobody gave to drbook, in words."""
    written, run = runbook.step(step).step, state.steps[step]
    asked = run.state is StepState.AWAITING
    missing = []
    if written.approve is not None and not (asked and run.approved_by is not None):
        missing.append(f"approval by {written.approve.who}")
    if written.confirm is not None and not (asked and run.confirmed):
        missing.append("typed confirmation")
    return tuple(missing)


# --- going on unverified -----------------------------------------------------------------------


def may_accept(runbook: Runbook, state: IncidentState, step: str) -> str:
    """Empty where a person may go on with a step that could not be verified; otherwise why not. What
    others use has to be there: a decision makes no recovery point."""
    run = state.steps.get(step)
    if run is None or run.state is not StepState.COULD_NOT_VERIFY:
        return "it is not one that could not be verified"
    users = ", ".join(used_by(runbook, step))
    located = read_result(Located, run.result) if run.action == LOCATE else None
    nothing = run.result is None or (located is not None and located.point is None)
    return f"it found nothing that {users} could go on with" if users and nothing else ""


# --- another input ---------------------------------------------------------------------------


def stale_for_input(
    runbook: Runbook, state: IncidentState, name: str, value: Json, occurred: datetime | None
) -> tuple[str, ...]:
    """Steps that ended, or wait for a person, with another value of this input than `value`, and what
    used their output. `occurred` is the value as a time where the input is that one.

    A step that its condition had skipped is among them where the condition says otherwise now.
    """
    if name in state.inputs and state.inputs[name] == value:
        return ()
    after = replace(state, inputs={**state.inputs, name: value})
    after = replace(after, occurred=occurred) if name == "occurred" else after
    first = tuple(
        step.id
        for step in runbook.steps
        if _rests_on_input(step, state, name) or _not_skipped(step, runbook, after, name)
        or (
            name == "occurred"
            and rests_on(state.steps[step.id])
            and outdated(state.steps[step.id], state.occurred, occurred)
        )
    )  # fmt: skip
    affected = {*first, *stale_after(runbook, state, *first)}
    return tuple(step.id for step in runbook.steps if step.id in affected)


def _rests_on_input(step: CompiledStep, state: IncidentState, name: str) -> bool:
    return name in step.inputs and rests_on(state.steps[step.id])


def _not_skipped(step: CompiledStep, runbook: Runbook, after: IncidentState, name: str) -> bool:
    run = after.steps[step.id]
    if not run.skipped_by_rule or run.state is not StepState.SKIPPED or name not in step.inputs:
        return False
    if step.when is None:
        return False
    try:
        return evaluate(step.when, scope(runbook, after)) is not False
    except DrbookError:
        return True


def running_on(runbook: Runbook, state: IncidentState, changed: Sequence[str]) -> tuple[str, ...]:
    """Running steps that use the output of one of these: its change would come too late for them."""
    return tuple(
        step.id
        for step in runbook.steps
        if state.steps[step.id].state is StepState.STARTED and step.uses & set(changed)
    )


def running_with(runbook: Runbook, state: IncidentState, name: str) -> tuple[str, ...]:
    """Running steps that were given this input: its change would come too late for them."""
    return tuple(
        step.id
        for step in runbook.steps
        if state.steps[step.id].state is StepState.STARTED
        and (name in step.inputs or (name == "occurred" and state.steps[step.id].action in DATED))
    )
