"""The clocks of an incident: pure answers from a state about the times that matter.

Occurred, detected and declared are three times. The RTO runs from *declared*, outage and loss are
told by *occurred*; what nobody said is unknown, and stays so.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from drbook.core.located import Located
from drbook.core.results import PROPOSE, VerifyResult
from drbook.core.runbook import Input, Phase, Runbook
from drbook.core.state import IncidentState, StepRun, StepState

VERIFIES = "postgres.verify"
"""The action at whose success the RTO's clock stops."""
TIMES = ("occurred", "detected")
"""Inputs of type time that the clocks and deadlines need from a person."""
PROMPTS = {
    "occurred": "When did it happen (UTC)?",
    "detected": "When did somebody notice it (UTC)?",
    "declared": "When was it called an incident (UTC)?",
}


def editable(runbook: Runbook) -> dict[str, Input]:
    """What an operator may give or mend while the incident is open: the declared inputs, and the three
    times also where the runbook does not ask for them."""
    times = {
        name: Input(type="time", prompt=words, required=False) for name, words in PROMPTS.items()
    }
    return {
        **runbook.document.inputs,
        **{k: v for k, v in times.items() if k not in runbook.document.inputs},
    }


def unasked(state: IncidentState, runbook: Runbook) -> tuple[str, ...]:
    """The times that the runbook asks for and nobody has given yet, the most wanted first."""
    declared = runbook.document.inputs
    known = {"occurred": state.occurred, "detected": state.detected}
    return tuple(
        name
        for name in TIMES
        if name in declared and declared[name].type == "time" and known[name] is None
    )


def outage(state: IncidentState, runbook: Runbook, now: datetime) -> timedelta | None:
    """Since it occurred; it stops when users were sent to the restored data, or the incident closed.

    None where nobody knows when it occurred, and where that is said to lie ahead; and where the runbook merges
    into a production that lives on and never sends users elsewhere: that one is up.
    """
    if state.occurred is None or merges(runbook):
        return None
    lasted = (_cut_over(state, runbook) or state.closed_at or now) - state.occurred
    return lasted if lasted >= timedelta(0) else None


def merges(runbook: Runbook) -> bool:
    """Whether lost rows go back into a production that lives on, and users stay where they are."""
    steps = [one.step for one in runbook.steps]
    cut_over = any(one.phase is Phase.CUTOVER for one in steps)
    return not cut_over and any(one.do == PROPOSE for one in steps)


def _cut_over(state: IncidentState, runbook: Runbook) -> datetime | None:
    """When the last step of the cutover succeeded, where no other one is still to be done."""
    runs = [
        state.steps[step.id]
        for step in runbook.steps
        if step.step.phase is Phase.CUTOVER and step.id in state.steps
    ]
    wanted = [run for run in runs if run.state is not StepState.SKIPPED]
    return _last_success(wanted)


def verified_at(state: IncidentState, runbook: Runbook) -> datetime | None:
    """When the last verification succeeded, where no other one is still to be done; the RTO's clock
    stops there. A person's word that they checked it is no verification."""
    runs = [run for run in verifying(state, runbook) if run.state is not StepState.SKIPPED]
    return None if any(run.by_hand for run in runs) else _last_success(runs)


def verifying(state: IncidentState, runbook: Runbook) -> Iterator[StepRun]:
    """The steps that verify a restore."""
    for step in runbook.steps:
        if step.step.do == VERIFIES and step.id in state.steps:
            yield state.steps[step.id]


def _last_success(runs: list[StepRun]) -> datetime | None:
    ends = [run.settled_at or run.ended_at for run in runs if run.state is StepState.SUCCEEDED]
    known = [end for end in ends if end is not None]
    return max(known) if known and len(known) == len(runs) else None


def spent(state: IncidentState, runbook: Runbook, now: datetime) -> timedelta | None:
    """Of the RTO: since the declaration, to the verified restore, the close, or now."""
    if state.declared is None:
        return None
    until = verified_at(state, runbook) or state.closed_at or now
    return max(until - state.declared, timedelta(0))


def loss(
    occurred: datetime | None, located: Located | None, verified: VerifyResult | None
) -> tuple[int | None, bool]:
    """Seconds from the chosen copy to the loss, and whether it may be more.

    What was verified says best what the copy is consistent at. Where `occurred` was learnt or mended
    after a step had told its figure, the figure moves with it. Where the loss was replayed, no time tells what
    is lost.
    """
    if verified is not None and verified.loss_replayed:
        return None, False
    if verified is not None:
        seconds = _between(verified.consistent_at, occurred)
        seconds = verified.loss_seconds if seconds is None else seconds
        if seconds is not None:
            return seconds, verified.loss_at_least
    if located is None or located.point is None:
        return None, False
    seconds = _between(located.point.holds_to(occurred), occurred)
    seconds = located.loss_seconds if seconds is None else seconds
    return (None, False) if seconds is None else (seconds, located.point.dated_late)


def _between(taken: datetime | None, occurred: datetime | None) -> int | None:
    if taken is None or occurred is None:
        return None
    return max(0, int((occurred - taken).total_seconds()))
