"""From a runbook to what is printed of it. Nothing is asked or done: a plan that needs an incident stays out."""

import json
from collections.abc import Mapping
from datetime import datetime

from pydantic import ValidationError

from drbook import __version__
from drbook.app.planning import in_time, title_of
from drbook.app.vocabulary import vocabulary
from drbook.core.actions import StepContext
from drbook.core.errors import DrbookError
from drbook.core.events import Mode, Plan
from drbook.core.expressions import evaluate, is_constant
from drbook.core.gobag import keys_of
from drbook.core.points import FailureDomain
from drbook.core.runbook import CompiledStep, Runbook
from drbook.core.targets import TargetSpec
from drbook.core.values import Json, format_duration, plain_lines
from drbook.providers.kinds import TARGETS
from drbook.timeline.packpage import Paper, PaperSource, PaperStep

INCIDENT = "INCIDENT-ID"
"""Stands where an incident's own id will."""
COPY = "COPY"
"""Stands where the chosen copy's file will."""


def paper_of(runbook: Runbook, at: datetime) -> Paper:
    document = runbook.document
    production = document.production
    facts = [("database", production.database.show())] if production.database else []
    facts += [("volume", production.volume)] if production.volume else []
    return Paper(
        runbook=runbook,
        packed_at=at,
        drbook=__version__,
        production=(*facts, *_domain(production.domain)),
        sources=tuple(_source(entry) for entry in runbook.document.backups),
        steps=tuple(_step(runbook, number, step) for number, step in enumerate(runbook.steps, 1)),
        keys=keys_of(runbook),
        places=places(runbook),
        people=people(runbook),
    )


def people(runbook: Runbook) -> tuple[str, ...]:
    """Who approves and who is told, as the runbook says."""
    document = runbook.document
    found = [
        f"{step.id} is approved by {step.approve.who}."
        for step in document.steps
        if step.approve is not None
    ]
    if document.updates is not None:
        every = format_duration(document.updates.every)
        found.append(f"{document.updates.audience} are told every {every} how things stand.")
    return tuple(found)


def places(runbook: Runbook) -> tuple[tuple[str, str, str], ...]:
    """Each credential, where it is kept and what its holder can read, as the runbook states it. One that
    something depends on and that has no entry is there, too."""
    document = runbook.document
    names = list(document.credentials)
    for domain in (document.production.domain, *(one.domain for one in runbook.sources)):
        names += domain.credentials or ()
    found = []
    for name in dict.fromkeys(names):
        stated = document.credentials.get(name)
        kept = "NOT STATED" if stated is None or stated.stored_in is None else ""
        kept = kept or ", ".join(stated.stored_in or ("nowhere",) if stated else ())
        found.append((name, kept, ", ".join(stated.reads) if stated else ""))
    return tuple(found)


def _domain(domain: FailureDomain) -> tuple[tuple[str, str], ...]:
    found = domain.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    return tuple((name, _word(value)) for name, value in found.items())


def _source(entry: Mapping[str, Json]) -> PaperSource:
    fields = [
        (name, _word(value))
        for name, value in entry.items()
        if name not in ("id", "kind", "domain")
    ]
    domain = entry.get("domain")
    if isinstance(domain, Mapping):
        fields += [(name, _word(value)) for name, value in domain.items()]
    return PaperSource(str(entry.get("id", "?")), str(entry.get("kind", "?")), tuple(fields))


def _word(value: Json) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
        return ", ".join(map(str, value))
    return json.dumps(value, ensure_ascii=False, default=dict)


def _step(runbook: Runbook, number: int, step: CompiledStep) -> PaperStep:
    written = step.step
    plan, given = _plan(runbook, step)
    facts = [("after", ", ".join(sorted(step.needs)) or "nothing")]
    for name, said in (("only if", written.when), ("reads", plan.source), ("makes", plan.into)):
        facts += [(name, str(said))] if said not in (None, "", True) else []
    facts += [("touches", plan.touches)] if plan.does else []
    facts += [("expects", plan.expects)] if plan.expects else []
    facts += [("asks", plan.asks.prompt)] if plan.asks is not None else []
    facts += [("at most", format_duration(written.timeout))] if written.timeout else []
    facts += [("approved by", written.approve.who)] if written.approve else []
    confirm = written.confirm
    return PaperStep(
        number=number,
        id=step.id,
        phase=written.phase.value,
        title=title_of(runbook, vocabulary().actions, step.id),
        action=written.do,
        why=written.why,
        facts=tuple(facts),
        does=plan.does,
        runs=_lines(plan.runs),
        given=given,
        damage=confirm.irreversible if confirm and confirm.irreversible else plan.damage,
        confirm=confirm.type if confirm else "",
        fails=written.if_fails,
        notes=written.notes,
    )


def _plan(runbook: Runbook, step: CompiledStep) -> tuple[Plan, tuple[str, ...]]:
    """The step's plan where it depends on nothing that only an incident knows; else what of it is known,
    and its arguments."""
    action = vocabulary().actions[step.step.do]
    context = StepContext(
        incident=INCIDENT,
        mode=Mode.LIVE,
        step=step.id,
        attempt=1,
        title=title_of(runbook, vocabulary().actions, step.id),
        occurred=None,
        document=runbook.document,
    )
    if is_constant(step.arguments):
        try:
            params = action.params.model_validate(evaluate(step.arguments, {}))
            return in_time(action, params, context), ()
        except (ValidationError, DrbookError) as error:
            why = getattr(error, "what", "its arguments do not fit")
            return Plan(does=()), _lines([f"its plan cannot be made here: {why}"])
    target = _target(step.step.with_.get("target"))
    runs = target.runs(f"{step.id.replace('_', '-')}-ID-1", COPY) if target is not None else ()
    given = [f"{name}: {_word(value)}" for name, value in step.step.with_.items()]
    return Plan(does=(), runs=runs), _lines(given)


def _target(written: Json) -> TargetSpec | None:
    """A fresh place that the runbook spells out."""
    kind = TARGETS().get(str(written.get("kind"))) if isinstance(written, Mapping) else None
    try:
        return kind.model_validate(written) if kind is not None else None
    except ValidationError:
        return None  # an expression stands in it


def _lines(texts: "tuple[str, ...] | list[str]") -> tuple[str, ...]:
    """Each line by itself: on the page, a value loses its line breaks."""
    return tuple(line for text in texts for line in plain_lines(text, 4000).split("\n"))
