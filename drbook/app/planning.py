"""From a runbook, a state and the actions to one planned attempt; nothing is asked or done here."""

import hashlib
import json
import threading
from collections.abc import Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass

from pydantic import ValidationError

from drbook.core.actions import Action, Actions, AnyAction, StepContext
from drbook.core.engine import arguments, scope
from drbook.core.errors import DrbookError, StepFailed
from drbook.core.events import Effect, Plan
from drbook.core.expressions import evaluate
from drbook.core.runbook import Runbook
from drbook.core.state import IncidentState
from drbook.core.values import Frozen, Json, plain
from drbook.language.problems import expected_in
from drbook.providers.hiding import scrub


@dataclass(frozen=True, slots=True)
class Planned:
    """One attempt, ready to be put on record."""

    action: AnyAction
    params: Frozen
    context: StepContext
    effect: Effect
    plan: Plan
    digest: str

    @property
    def recorded_params(self) -> Json:
        return self.params.model_dump(mode="json", by_alias=True)


def title_of(runbook: Runbook, actions: Actions, step: str) -> str:
    """The step's title, or its action's."""
    written = runbook.step(step).step
    action = actions.get(written.do)
    return written.title or (action.title if action else written.do)


def effects_of(runbook: Runbook, actions: Actions) -> Mapping[str, Effect]:
    """Each step's effect, where its action has it whatever its arguments are."""
    found = ((step.id, actions.get(step.step.do)) for step in runbook.steps)
    return {
        step: action.effect
        for step, action in found
        if action is not None and type(action).effect_of is Action.effect_of
    }


def context_of(
    runbook: Runbook, state: IncidentState, actions: Actions, step: str, attempt: int
) -> StepContext:
    """What an attempt of the step knows."""
    run = state.steps[step]
    outputs = scope(runbook, state)["steps"]
    return StepContext(
        incident=state.incident,
        mode=state.mode,
        step=step,
        attempt=attempt,
        title=title_of(runbook, actions, step),
        occurred=state.occurred,
        document=runbook.document,
        answer=run.answer,
        comment=run.comment,
        resources=state.resources,
        outputs=outputs if isinstance(outputs, dict) else {},
    )


def elsewhere(runbook: Runbook, state: IncidentState, actions: Actions) -> Mapping[str, str]:
    """Names of resources that attempts on another machine made, or may have made, before it was
    taken over → that machine. The mirror may lack what was recorded of them."""
    found = {
        name: "another machine"
        for run in state.steps.values()
        if run.attempt and run.epoch < state.epoch
        for name in context_of(runbook, state, actions, run.id, run.attempt).resource_names()
    }
    return found | {one.name: one.host for one in state.resources if one.epoch < state.epoch}


def plan_step(runbook: Runbook, state: IncidentState, actions: Actions, step: str) -> Planned:
    """The next attempt of a step. Raises StepFailed where its arguments do not fit."""
    compiled = runbook.step(step)
    written = compiled.step
    action = actions[written.do]
    values = arguments(runbook, state, step)
    try:
        params = action.params.model_validate(values)
    except ValidationError as error:
        raise StepFailed(
            f"The arguments of step {step} do not fit {written.do}: {_in_words(error)}",
            means="The step was not started.",
            next="Look at the outputs that its expressions use, or mend the runbook.",
            code="arguments",
        ) from None
    attempt = state.steps[step].attempt + 1
    context = context_of(runbook, state, actions, step, attempt)
    try:
        plan = in_time(action, params, context)
    except DrbookError:
        raise
    except Exception as error:
        raise internal_error(error) from error
    confirm, approve = written.confirm, written.approve
    if confirm is not None and compiled.confirm_type is not None:
        plan = plan.model_copy(
            update={
                "confirm": str(evaluate(compiled.confirm_type, scope(runbook, state))),
                "cool_off_seconds": int(confirm.cool_off.total_seconds()),
                "damage": confirm.irreversible or plan.damage,
            }
        )
    if approve is not None:
        how = ", by signature" if state.approvers is not None else ""
        plan = plan.model_copy(update={"approve": approve.who + how})
    digest = _digest(action.name, params, plan)
    return Planned(action, params, context, action.effect_of(params), plan, digest)


def internal_error(error: Exception) -> DrbookError:
    """A defect of drbook or of a plug-in, in words for the operator."""
    return DrbookError(
        f"drbook itself failed: {type(error).__name__}: {plain(scrub(str(error)), 300)}",
        means="This is a defect of drbook; what was asked for was not done.",
        next="The details are in `errors.log` in the incident folder. Go on with another step, "
        "or do this one by hand and skip it.",
    )


PLAN_SECONDS = 5.0
"""How long a plug-in may take to say what it will do."""
PLAN_LATE = "plan-late"


def in_time(action: AnyAction, params: Frozen, context: StepContext) -> Plan:
    """The action's plan. Planning asks nobody and takes no time; a plug-in's may do otherwise, and the
    incident does not stand still for it."""
    if type(action).__module__.startswith("drbook."):
        return action.plan(params, context)
    outcome: Future[Plan] = Future()

    def plan() -> None:
        try:
            outcome.set_result(action.plan(params, context))
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            outcome.set_exception(error)

    threading.Thread(target=plan, name=f"plan-{context.step}", daemon=True).start()
    done, _ = wait([outcome], timeout=PLAN_SECONDS)
    if not done:
        raise StepFailed(
            f"The plug-in's {action.name} did not say within {PLAN_SECONDS:.0f} s what it would do.",
            means="The step was not started.",
            next="Run it again, or do it by hand and skip it.",
            code=PLAN_LATE,
        )
    return outcome.result()


def _digest(action: str, params: Frozen, plan: Plan) -> str:
    document = {
        "action": action,
        "params": params.model_dump(mode="json", by_alias=True),
        "plan": plan.model_dump(mode="json"),
    }
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def _in_words(error: ValidationError) -> str:
    parts = []
    for detail in error.errors(include_url=False)[:5]:
        where = ".".join(str(part) for part in detail["loc"])
        parts.append(f"{where}: expected {plain(expected_in(detail), 200)}")
    return "; ".join(parts)
