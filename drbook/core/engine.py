"""What may happen next: pure answers from a runbook and a state."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, partial

from drbook.core.errors import DrbookError, ExitCode
from drbook.core.expressions import ExpressionError, evaluate
from drbook.core.runbook import CompiledStep, Phase, Runbook
from drbook.core.state import (
    ENDED,
    RETRYABLE,
    SKIPPABLE,
    IncidentState,
    StepRun,
    StepState,
    lacks,
    said_no,
)
from drbook.core.values import Json, counted, format_time

JUDGED = frozenset({"ask", "choose"})
"""Actions by which a person judges what was done before."""


class Readiness(StrEnum):
    """Whether a step may start now."""

    READY = "ready"
    BLOCKED = "blocked"
    """A need is not satisfied."""
    SKIP = "skip"
    """Its needs are satisfied and its own condition says no."""
    AWAITING = "awaiting"
    """Planned; a person has to answer, approve or confirm."""
    RUNNING = "running"
    ENDED = "ended"
    ERROR = "error"
    """Its condition cannot be evaluated."""


@dataclass(frozen=True, slots=True)
class StepView:
    """One step, seen from what may happen next."""

    id: str
    readiness: Readiness
    reason: str = ""
    waiting_for: tuple[str, ...] = ()
    """Needs that are not satisfied."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What may happen next in the whole incident."""

    steps: tuple[StepView, ...]
    _by_id: Mapping[str, StepView] = field(init=False, repr=False, compare=False)
    _with: Mapping[Readiness, tuple[str, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        groups: dict[Readiness, list[str]] = {}
        for view in self.steps:
            groups.setdefault(view.readiness, []).append(view.id)
        object.__setattr__(self, "_by_id", {view.id: view for view in self.steps})
        object.__setattr__(self, "_with", {kind: tuple(ids) for kind, ids in groups.items()})

    @property
    def ready(self) -> tuple[str, ...]:
        return self._with.get(Readiness.READY, ())

    @property
    def to_skip(self) -> tuple[str, ...]:
        return self._with.get(Readiness.SKIP, ())

    @property
    def running(self) -> tuple[str, ...]:
        return self._with.get(Readiness.RUNNING, ())

    @property
    def awaiting(self) -> tuple[str, ...]:
        return self._with.get(Readiness.AWAITING, ())

    @property
    def unclear(self) -> tuple[str, ...]:
        """Steps whose condition cannot be evaluated."""
        return self._with.get(Readiness.ERROR, ())

    @property
    def finished(self) -> bool:
        """True where every step has ended."""
        return len(self._with.get(Readiness.ENDED, ())) == len(self.steps)

    @property
    def stuck(self) -> bool:
        """True where nothing runs, nothing may start and nobody is asked, and it is not finished."""
        moving = self.ready or self.to_skip or self.running or self.awaiting
        return not self.finished and not moving

    def view(self, step: str) -> StepView:
        """Raises KeyError where there is no such step."""
        return self._by_id[step]


def scope(runbook: Runbook, state: IncidentState) -> Mapping[str, Json]:
    """What expressions can see: `inputs`, `incident`, and `steps` that have an output."""
    outputs = {
        run.id: run.result if run.result is not None else {}
        for run in state.steps.values()
        if (
            run.result is not None
            and (run.state is StepState.SUCCEEDED or run.accepted is not None)
        )
        # What a person did elsewhere handed nothing back.
        or (run.by_hand and run.state is StepState.SUCCEEDED)
    }
    times = {"occurred": state.occurred, "detected": state.detected, "declared": state.declared}
    return {
        "inputs": dict(state.inputs),
        "steps": outputs,
        "incident": {
            "id": state.incident,
            "mode": state.mode.value,
            **{name: format_time(at) if at else None for name, at in times.items()},
        },
        "runbook": {"title": runbook.title, "sha256": runbook.sha256},
    }


def satisfied(run: StepRun, *, output_used: bool) -> bool:
    """Whether a need is met. Could-not-verify never is without a recorded decision."""
    if run.state is StepState.SUCCEEDED:
        return True
    if run.state is StepState.COULD_NOT_VERIFY:
        return run.accepted is not None
    if run.state in (StepState.SKIPPED, StepState.NOT_EXERCISED):
        return not output_used
    return False


def decide(runbook: Runbook, state: IncidentState) -> Decision:
    """What may happen next. Nothing may once the incident is closed."""
    names = cache(partial(scope, runbook, state))
    views = tuple(view_of(step, state, names) for step in runbook.steps)
    if state.closed_at is not None:
        views = tuple(
            view
            if view.readiness is Readiness.ENDED
            else StepView(view.id, Readiness.BLOCKED, "the incident is closed")
            for view in views
        )
    return Decision(views)


def view_of(
    step: CompiledStep, state: IncidentState, names: Callable[[], Mapping[str, Json]]
) -> StepView:
    """One step of an incident that is open; `names` is asked for what its condition can see."""
    run = state.steps[step.id]
    if run.state is StepState.STARTED:
        return StepView(step.id, Readiness.RUNNING)
    if run.state is StepState.AWAITING:
        return StepView(step.id, Readiness.AWAITING, " and ".join(lacks(run)))
    if run.state is StepState.STALE:
        return StepView(step.id, Readiness.BLOCKED, "stale: run it again or skip it", ())
    if run.state in ENDED:
        return StepView(step.id, Readiness.ENDED)
    return _may_start(step, state, names)


def _may_start(
    step: CompiledStep, state: IncidentState, names: Callable[[], Mapping[str, Json]]
) -> StepView:
    missing = unmet(step, state)
    if missing:
        return StepView(step.id, Readiness.BLOCKED, why_blocked(missing, state), missing)
    if step.when is not None:
        try:
            wanted = evaluate(step.when, names())
        except DrbookError as error:
            return StepView(step.id, Readiness.ERROR, error.what)
        if not isinstance(wanted, bool):
            return StepView(step.id, Readiness.ERROR, "`when` must be true or false")
        if not wanted:
            return StepView(step.id, Readiness.SKIP, "its condition is false")
    return StepView(step.id, Readiness.READY)


def unmet(step: CompiledStep, state: IncidentState) -> tuple[str, ...]:
    """The needs of a step that are not satisfied, in the runbook's order."""
    missing = {
        need
        for need in step.needs
        if need in state.steps
        and not satisfied(state.steps[need], output_used=need in step.cannot_lack)
    }
    if len(missing) < 2:
        return tuple(missing)
    return tuple(need for need in state.order if need in missing)


def why_blocked(missing: tuple[str, ...], state: IncidentState) -> str:
    """What a step waits for, in words."""
    parts = []
    for need in missing:
        run = state.steps[need]
        word = "done" if run.state is StepState.PENDING else f"mended; it is {run.state.value}"
        parts.append(f"step {need} to be {word}")
    return "waits for " + ", ".join(parts)


def may_run(runbook: Runbook, state: IncidentState, step: str) -> str:
    """Empty where the step may be planned now; otherwise the reason why not."""
    if state.closed_at is not None:
        return "the incident is closed"
    if step not in state.steps:
        return f"there is no step {step!r}"
    run = state.steps[step]
    if run.state is StepState.AWAITING:
        return "it waits for you already (Enter)"
    if run.state is StepState.STARTED:
        return "it runs already"
    if run.state is StepState.IN_DOUBT:
        return "nobody knows whether it happened; look first, and record what you saw"
    missing = unmet(runbook.step(step), state)
    if missing:
        return why_blocked(missing, state)
    if run.state is StepState.PENDING:
        view = view_of(runbook.step(step), state, partial(scope, runbook, state))
        return view.reason if view.readiness in (Readiness.SKIP, Readiness.ERROR) else ""
    if run.state in RETRYABLE or run.state is StepState.SKIPPED:
        return ""
    return f"it is {run.state.value}"


def used_by(runbook: Runbook, step: str) -> tuple[str, ...]:
    """The steps that use what this one hands back."""
    return tuple(other.id for other in runbook.steps if step in other.uses)


def may_skip(state: IncidentState, step: str) -> str:
    """Empty where the step may be skipped; otherwise the reason why not."""
    if state.closed_at is not None:
        return "the incident is closed"
    run = state.steps.get(step)
    if run is None:
        return f"there is no step {step!r}"
    if said_no(run):
        return "a person decided it; who decides otherwise runs it again (r)"
    return "" if run.state in SKIPPABLE else f"it is {run.state.value}"


def stale_after(runbook: Runbook, state: IncidentState, *steps: str) -> tuple[str, ...]:
    """Steps that used the output of one of these, directly or through others, and ended or wait for a
    person with it: another output makes them stale. What a person decides, or is about to, rests on all
    that had to be done before.

    One in doubt stays in doubt: what it may have done is there, whatever its input would be now.
    """
    affected: set[str] = set()
    while True:
        changed = {*steps, *affected}
        more = {
            other.id
            for other in runbook.steps
            if other.id not in changed
            and not changed.isdisjoint(_grounds(other, state.steps[other.id]))
            and rests_on(state.steps[other.id])
        }
        if not more:
            return tuple(step.id for step in runbook.steps if step.id in affected)
        affected |= more


def _grounds(step: CompiledStep, run: StepRun) -> frozenset[str]:
    """The steps that what it stands for rests on. "Go" is said because the restore was verified, though the
    question names no result of the verification."""
    judged = step.step.do in JUDGED or run.state is StepState.AWAITING
    return step.uses | step.needs if judged else step.uses


def rests_on(run: StepRun) -> bool:
    """Whether a step stands on what it was given: it becomes stale where that is another."""
    kept = (StepState.STALE, StepState.SKIPPED, StepState.IN_DOUBT)
    return run.state is StepState.AWAITING or (run.state in ENDED and run.state not in kept)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an incident stands: a word, an exit code and a sentence."""

    word: str
    code: ExitCode
    reason: str


_WORST: tuple[tuple[StepState, str, ExitCode], ...] = (
    (StepState.IN_DOUBT, "in-doubt", ExitCode.IN_DOUBT),
    (StepState.REFUSED, "refused", ExitCode.REFUSED),
    (StepState.FAILED, "fail", ExitCode.FAILED),
    (StepState.CANCELLED, "aborted", ExitCode.ABORTED),
    (StepState.COULD_NOT_VERIFY, "could-not-verify", ExitCode.COULD_NOT_VERIFY),
    (StepState.STALE, "could-not-verify", ExitCode.COULD_NOT_VERIFY),
)


def outcome(runbook: Runbook, state: IncidentState) -> Outcome:
    """How the incident would end if it were closed now."""
    runs = [state.steps[step.id] for step in runbook.steps]
    for kind, word, code in _WORST:
        bad = [run for run in runs if run.state is kind and not _settled(runbook, run)]
        if bad:
            return Outcome(word, code, f"{_names(bad)}: {kind.value}")
    if state.mode.value == "dry-run":
        planned = [run for run in runs if run.state is StepState.NOT_EXERCISED]
        if planned:
            return Outcome(
                "not-exercised", ExitCode.DONE, f"{counted(len(planned), 'step')} planned, not done"
            )
    open_runs = [run for run in runs if run.state not in ENDED]
    if open_runs:
        return Outcome("unfinished", ExitCode.NEEDS_HUMAN, f"{_names(open_runs)}: not done")
    return _all_ended(runbook, runs)


def _all_ended(runbook: Runbook, runs: list[StepRun]) -> Outcome:
    """The outcome where every step has ended and none badly."""
    skipped = [run for run in runs if run.state is StepState.SKIPPED and not run.skipped_by_rule]
    planned = [run for run in runs if run.state is StepState.NOT_EXERCISED]
    by_hand = [run for run in runs if run.state is StepState.SUCCEEDED and run.by_hand]
    let_pass = (
        (skipped, "skipped by a person"),
        (
            [run for run in runs if run.state is StepState.COULD_NOT_VERIFY],
            "not verified, accepted by a person",
        ),
        (planned, "planned, not done"),
        (by_hand, "done by hand, by a person's word"),
        (
            [run for run in runs if run.state is StepState.SUCCEEDED and run.break_glass],
            "BREAK-GLASS, a copy was chosen that was not known to be independent and sound",
        ),
        (
            [run for run in runs if run.state is StepState.SUCCEEDED and run.alone],
            "BREAK-GLASS, done without the approval that the runbook asks for",
        ),
    )
    unchecked = [run for run in (*skipped, *planned) if _phase(runbook, run) is Phase.VERIFY]
    told = [run for run in by_hand if _phase(runbook, run) is Phase.VERIFY]
    words = [f"{_names(unchecked)}: not checked"] if unchecked else []
    words += [f"{_names(told)}: checked by hand, by a person's word"] if told else []
    short = [run for run in runs if run.state is StepState.SUCCEEDED and rolled_wrong(run.result)]
    words += [f"{run.id}: {rolled_wrong(run.result)}" for run in short]
    if words:
        return Outcome("could-not-verify", ExitCode.COULD_NOT_VERIFY, "; ".join(words))
    words = [f"{_names(found)}: {how}" for found, how in let_pass if found]
    if words:
        return Outcome("partial", ExitCode.DONE, "; ".join(words))
    return Outcome("pass", ExitCode.DONE, "every step is done and every check passed")


def rolled_wrong(result: Json) -> str:
    """Why what a restore step made is not what it aimed at, though it ended well and others may look into it:
    its WAL was broken, or went on behind the loss. Empty for every other result."""
    found = result.get("recovery") if isinstance(result, Mapping) else None
    if not isinstance(found, Mapping):
        return ""
    words = []
    if found.get("past_loss"):
        words.append("the loss itself was replayed")
    if found.get("broken"):
        words.append("NOT rolled forward to its aim")
    return " and ".join(words)


def _settled(runbook: Runbook, run: StepRun) -> bool:
    """A check that a person accepted unverified no longer decides, unless it verifies the restore."""
    return (
        run.state is StepState.COULD_NOT_VERIFY
        and run.accepted is not None
        and _phase(runbook, run) is not Phase.VERIFY
    )


def _phase(runbook: Runbook, run: StepRun) -> Phase:
    return runbook.step(run.id).step.phase


def _names(runs: list[StepRun]) -> str:
    return ", ".join(run.id for run in runs)


def arguments(runbook: Runbook, state: IncidentState, step: str) -> Mapping[str, Json]:
    """The step's evaluated arguments. Raises ExpressionError."""
    value = evaluate(runbook.step(step).arguments, scope(runbook, state))
    if not isinstance(value, Mapping):
        raise ExpressionError(f"The arguments of step {step} are not a mapping.")
    return value
