"""What an event of one step makes of that step, and of the resources of the incident."""

from collections.abc import Callable, Mapping

from drbook.core import events as ev
from drbook.core.choosing import Which, chosen_instead, judgement_of, needs_break_glass
from drbook.core.events import IllegalEvent, Mode, Record
from drbook.core.growing import appended, replace
from drbook.core.located import Located
from drbook.core.results import read_result
from drbook.core.signers import same
from drbook.core.state import (
    DONE_ELSEWHERE,
    ENDED,
    RETRYABLE,
    SKIPPABLE,
    IncidentState,
    Resource,
    StepRun,
    StepState,
    lacks,
)
from drbook.core.values import plain


class Draft(dict[str, StepRun]):
    """Marks a state that is changed in place, where all steps would be copied for each record."""

    __slots__ = ("own",)

    def __init__(self, steps: Mapping[str, StepRun]) -> None:
        super().__init__(steps)
        self.own: set[str] = set()
        """Steps whose value was made since, and is seen by nobody else either."""


def step_event(state: IncidentState, record: Record, event: ev.StepEvent) -> IncidentState:
    """The state after an event of one step. Raises IllegalEvent where it cannot follow."""
    run = state.steps.get(event.step)
    if run is None:
        raise illegal(record, f"the runbook has no step {event.step!r}")
    if isinstance(event, ev.AttemptEvent):
        anew = isinstance(event, ev.StepPlanned | ev.StepDoneElsewhere)
        expected = run.attempt + 1 if anew else run.attempt
        if event.attempt != expected:
            raise illegal(
                record, f"it names attempt {event.attempt} of step {run.id}, not {expected}"
            )
    if isinstance(event, ev.ApprovalGiven) and state.approvers and run.asked is None:
        raise illegal(record, f"nobody was asked to approve step {run.id}")
    if isinstance(event, ev.ResourceIntended | ev.ResourceCreated):
        return replace(state, resources=_resources(state, record, event, run))
    if isinstance(event, ev.StepInvalidated):
        if run.state not in ENDED and run.state is not StepState.AWAITING:
            raise illegal(record, f"step {run.id} is {run.state.value}")
        changed = replace(
            run, state=StepState.STALE, reason=event.because, means="", next="", accepted=None
        )
    elif isinstance(event, ev.PointChosen):
        changed = _point_chosen(run, record, event, state)
    else:
        changed = _run_after(run, record, event)
    if isinstance(event, ev.StepPlanned | ev.StepDoneElsewhere):
        changed = replace(changed, epoch=state.epoch)
    if type(state.steps) is Draft:
        state.steps[run.id] = changed
        state.steps.own.add(run.id)
        return state
    return replace(state, steps={**state.steps, run.id: changed})


def _run_after(run: StepRun, record: Record, event: ev.StepEvent) -> StepRun:
    def must_be(*allowed: StepState) -> None:
        if run.state not in allowed:
            raise illegal(record, f"step {run.id} is {run.state.value}")

    if isinstance(event, ev.StepPlanned):
        must_be(StepState.PENDING, StepState.AWAITING, StepState.SKIPPED, *RETRYABLE)
        return _planned(run, record, event)
    if isinstance(event, ev.ConfirmationGiven):
        must_be(StepState.AWAITING)
        return replace(run, confirmed=True)
    if isinstance(event, ev.ApprovalAsked):
        must_be(StepState.AWAITING)
        return replace(run, asked=event, approvals=(), approved_by=None)
    if isinstance(event, ev.ApprovalGiven):
        must_be(StepState.AWAITING)
        return _approved(run, record, event)
    if isinstance(event, ev.AnswerGiven):
        must_be(StepState.AWAITING)
        return replace(run, answered=True, answer=event.answer, comment=event.comment)
    if isinstance(event, ev.StepStarted):
        must_be(StepState.AWAITING)
        if lacking := lacks(run):
            raise illegal(record, f"step {run.id} still lacks {lacking[0]}")
        return replace(run, state=StepState.STARTED, started_at=record.at, starts=run.starts + 1)
    if isinstance(event, ev.ProcessStarted):
        must_be(StepState.STARTED)
        return run
    if isinstance(event, ev.MilestoneReached):
        must_be(StepState.STARTED)
        return replace(run, milestones=appended(run.milestones, event.text))
    if isinstance(event, ev.CancelRequested):
        must_be(StepState.STARTED)
        return replace(run, cancel_requested=True)
    return _run_ended(run, record, event, must_be)


def _approved(run: StepRun, record: Record, event: ev.ApprovalGiven) -> StepRun:
    """Where signatures are asked for, a name alone is none; and nobody counts twice."""
    asked = run.asked
    if event.break_glass and event.proof is not None:
        raise illegal(record, f"step {run.id} was approved by a signature, or alone, and not both")
    if event.break_glass:
        return replace(run, approved_by=event.by, alone=True)
    if asked is not None and asked.signed and event.proof is None:
        raise illegal(record, f"step {run.id} is approved by signatures, and it holds none")
    if any(same(event.by, one) for one in run.approvals):
        raise illegal(record, f"{plain(event.by, 80)} approved step {run.id} before")
    given = (*run.approvals, event.by)
    enough = len(given) >= (asked.needed if asked is not None else 1)
    return replace(run, approvals=given, approved_by=", ".join(given) if enough else None)


def _run_ended(
    run: StepRun, record: Record, event: ev.StepEvent, must_be: Callable[..., None]
) -> StepRun:
    if isinstance(event, ev.StepFinished):
        must_be(StepState.STARTED, StepState.AWAITING)
        return replace(
            run,
            state=StepState(event.state.value),
            ended_at=record.at,
            result=event.result,
            reason=event.reason,
            means=event.means,
            next=event.next,
            code=event.code,
        )
    if isinstance(event, ev.StepResolved):
        must_be(StepState.IN_DOUBT)
        return replace(
            run,
            state=StepState(event.state.value),
            ended_at=run.ended_at or record.at,
            settled_at=record.at,
            result=event.result,
            found=run.result,
            reason=event.reason,
            means="",
            next="",
        )
    if isinstance(event, ev.StepSkipped):
        must_be(*SKIPPABLE)
        return replace(
            run,
            state=StepState.SKIPPED,
            ended_at=record.at,
            reason=event.reason,
            means="",
            next="",
            skipped_by_rule=event.automatic,
            result=None,
            found=run.result if run.result is not None else run.found,
            by_hand=False,
            break_glass=False,
        )
    if isinstance(event, ev.StepDoneElsewhere):
        must_be(*DONE_ELSEWHERE)
        return StepRun(
            id=run.id,
            state=StepState(event.state.value),
            attempt=event.attempt,
            starts=run.starts,
            action=run.action,
            ended_at=record.at,
            reason=event.reason,
            by_hand=True,
            evidence=event.evidence,
        )
    if isinstance(event, ev.DecisionRecorded):
        must_be(StepState.COULD_NOT_VERIFY)
        return replace(run, accepted=event.reason)
    raise illegal(record, "nobody knows what it means")


def _point_chosen(
    run: StepRun, record: Record, event: ev.PointChosen, state: IncidentState
) -> StepRun:
    """The located result with another point; one that is not known to be independent only by a glass
    that was broken, and then the step is usable although it had found none."""
    if run.state not in (StepState.SUCCEEDED, StepState.FAILED, StepState.COULD_NOT_VERIFY):
        raise illegal(record, f"step {run.id} is {run.state.value}")
    which = Which(event.source, event.id, event.version)
    located = read_result(Located, run.result)
    judgement = judgement_of(located, which) if located is not None else None
    if judgement is None:
        raise illegal(record, f"step {run.id} located no such recovery point")
    broken = event.break_glass and event.typed == event.source
    if needs_break_glass(judgement) and not broken:
        raise illegal(
            record, "the copy is not known to be independent and sound, and no glass was broken"
        )
    where = plain(judgement.point.location, 300)
    return replace(
        run,
        state=StepState.SUCCEEDED,
        result=chosen_instead(run.result, which, state.occurred),
        reason=f"{where}, chosen by {plain(record.actor, 80)}: {event.reason}",
        means="",
        next="",
        code="",
        accepted=None,
        break_glass=event.break_glass,
    )


def _planned(run: StepRun, record: Record, event: ev.StepPlanned) -> StepRun:
    return StepRun(
        id=run.id,
        state=StepState.AWAITING,
        attempt=event.attempt,
        starts=run.starts,
        action=event.action,
        effect=event.effect,
        params=event.params,
        plan=event.plan,
        digest=event.digest,
        planned_at=record.at,
    )


def _resources(
    state: IncidentState,
    record: Record,
    event: ev.ResourceIntended | ev.ResourceCreated,
    run: StepRun,
) -> tuple[Resource, ...]:
    if isinstance(event, ev.ResourceIntended):
        if run.state is not StepState.STARTED:
            raise illegal(record, f"step {run.id} is {run.state.value}")
        if any(known.name == event.name for known in state.resources):
            raise illegal(record, f"a resource named {event.name!r} was intended before")
        intended = Resource(
            event.kind,
            event.name,
            event.nonce,
            event.location,
            event.step,
            event.attempt,
            host=record.host,
            epoch=state.epoch,
        )
        return (*state.resources, intended)
    if not any(known.name == event.name for known in state.resources):
        raise illegal(record, f"resource {event.name!r} was never intended")
    return tuple(
        known
        if known.name != event.name
        else replace(known, created=True, identity=event.identity, location=event.location)
        for known in state.resources
    )


def released(state: IncidentState, record: Record, event: ev.Removal) -> IncidentState:
    """The state after what a drill made was taken away, or was not. Raises IllegalEvent for what was never
    intended, and for what a live incident made."""
    if state.mode is not Mode.DRILL:
        raise illegal(record, f"nothing that a {state.mode.value} incident made is taken away")
    if not any(known.name == event.name for known in state.resources):
        raise illegal(record, f"resource {event.name!r} was never intended")
    if isinstance(event, ev.ReleaseIntended):
        return state
    gone = isinstance(event, ev.ResourceReleased)
    left = "" if isinstance(event, ev.ResourceReleased) else event.reason
    resources = tuple(
        known if known.name != event.name else replace(known, released=gone, left=left)
        for known in state.resources
    )
    return replace(state, resources=resources)


def illegal(record: Record, why: str) -> IllegalEvent:
    """What to raise for a record that cannot stand where it stands, and why it cannot."""
    name = type(record.event).__name__
    return IllegalEvent(
        f"Record {record.seq} ({name}) cannot stand there: {why}.",
        means="The journal was not written by this program's rules; its chain may still be whole.",
        next="Run `drbook journal verify` on it, and export what is readable.",
    )
