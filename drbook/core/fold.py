"""State as a fold over events: `evolve(state, record)` is the only way that anything changes."""

from collections.abc import Callable, Iterable, Mapping

from drbook.core import events as ev
from drbook.core.events import Effect, IllegalEvent, Mode, Record
from drbook.core.growing import altered, appended, replace
from drbook.core.state import (
    ENDED,
    RETRYABLE,
    SKIPPABLE,
    IncidentState,
    Note,
    Resource,
    StepRun,
    StepState,
    has_begun,
    lacks,
)
from drbook.core.values import plain


def fold(records: Iterable[Record], state: IncidentState | None = None) -> IncidentState:
    """The state after all records. Raises IllegalEvent at the first that cannot follow."""
    current = drafted(state if state is not None else IncidentState())
    for record in records:
        if not _told(current, record):
            current = evolve(drafted(current), record)
    return replace(current, steps=dict(current.steps))


def _told(draft: IncidentState, record: Record) -> bool:
    """Take in a note or a milestone, which are most of a long record, as `evolve` would; False for every
    other record, and for one that may not stand there."""
    event = record.event
    kind = type(event)
    if kind is not ev.NoteAdded and kind is not ev.MilestoneReached:
        return False
    if record.seq != draft.seq + 1 or draft.opened_at is None or record.mode is not draft.mode:
        return False
    if isinstance(event, ev.NoteAdded):
        note = Note(record.at, record.actor, event.text, event.happened_at, event.step)
        altered(draft, seq=record.seq, host=record.host, notes=appended(draft.notes, note))
        return True
    steps = draft.steps
    if not isinstance(event, ev.MilestoneReached) or not isinstance(steps, _Draft):
        return False
    run = steps.get(event.step)
    if run is None or event.step not in steps.own or draft.closed_at is not None:
        return False
    if run.state is not StepState.STARTED or run.attempt != event.attempt:
        return False
    altered(run, milestones=appended(run.milestones, event.text))
    altered(draft, seq=record.seq, host=record.host)
    return True


def drafted(state: IncidentState) -> IncidentState:
    """A copy that `evolve` may change in place: for a state that nobody else sees, and that is not looked
    at again once another has followed it."""
    if type(state.steps) is _Draft:
        return state
    return replace(state, steps=_Draft(state.steps))


class _Draft(dict[str, StepRun]):
    """Marks a state that is changed in place, where all steps would be copied for each record."""

    __slots__ = ("own",)

    def __init__(self, steps: Mapping[str, StepRun]) -> None:
        super().__init__(steps)
        self.own: set[str] = set()
        """Steps whose value was made since, and is seen by nobody else either."""


def _next(state: IncidentState, **changes: object) -> IncidentState:
    """The state with these fields; a draft is changed in place."""
    return (altered if type(state.steps) is _Draft else replace)(state, **changes)


def evolve(state: IncidentState, record: Record) -> IncidentState:
    """The state after one more record. Raises IllegalEvent where it cannot follow."""
    event = record.event
    if record.seq != state.seq + 1:
        raise _illegal(record, f"its number should be {state.seq + 1}")
    state = _next(state, seq=record.seq, host=record.host)
    if isinstance(event, ev.IncidentOpened):
        return _opened(state, record, event)
    if state.opened_at is None:
        raise _illegal(record, "the incident was not opened")
    _of_mode(record, state.mode)
    if isinstance(event, ev.NoteAdded):
        note = Note(record.at, record.actor, event.text, event.happened_at, event.step)
        return _next(state, notes=appended(state.notes, note))
    if state.closed_at is not None:
        raise _illegal(record, "the incident is closed; only notes may follow")
    if isinstance(event, ev.StepEvent):
        return _step_event(state, record, event)
    if isinstance(event, ev.IncidentResumed):
        return _interrupted(state, "drbook ended while this step was running")
    if isinstance(event, ev.IncidentTakenOver):
        return _taken_over(state, record, event)
    if isinstance(event, ev.InputChanged):
        occurred = event.occurred if event.name == "occurred" else state.occurred
        return replace(state, inputs={**state.inputs, event.name: event.value}, occurred=occurred)
    if isinstance(event, ev.RunbookAmended):
        return _amended(state, record, event)
    if isinstance(event, ev.HandedOver):
        return replace(state, operator=event.to)
    if isinstance(event, ev.IncidentClosed):
        return replace(state, closed_at=record.at, outcome=event.outcome, exit_code=event.exit_code)
    raise _illegal(record, "nobody knows what it means")


def _opened(state: IncidentState, record: Record, event: ev.IncidentOpened) -> IncidentState:
    if state.opened_at is not None:
        raise _illegal(record, "the incident was opened already")
    _of_mode(record, event.mode)
    return replace(
        state,
        incident=event.incident,
        mode=event.mode,
        title=event.title,
        runbook_sha256=event.runbook_sha256,
        opened_at=record.at,
        occurred=event.occurred,
        rpo_seconds=event.rpo_seconds,
        rto_seconds=event.rto_seconds,
        operator=record.actor,
        inputs=dict(event.inputs),
        order=event.steps,
        steps={name: StepRun(name) for name in event.steps},
    )


def _of_mode(record: Record, mode: Mode) -> None:
    """A line of a rehearsal among those of a live incident, or the other way round, is forged."""
    if record.mode is not mode:
        raise _illegal(record, f"it is marked {record.mode.value} in a {mode.value} incident")


def _taken_over(state: IncidentState, record: Record, event: ev.IncidentTakenOver) -> IncidentState:
    """What ran on the other machine is in doubt; what it made is there, not here."""
    if event.epoch <= state.epoch:
        raise _illegal(record, f"take-over {state.epoch} came before it")
    if (event.head, event.records) != (record.prev, record.seq - 1):
        raise _illegal(record, "it says that it hangs on another record")
    interrupted = f"it ran on {plain(event.from_host, 100)} when another machine took over"
    return replace(_interrupted(state, interrupted), epoch=event.epoch)


def _interrupted(state: IncidentState, interrupted: str) -> IncidentState:
    """An interrupted step without effect is pending again; any other is in doubt."""
    steps = dict(state.steps)
    for name, run in steps.items():
        if run.state is StepState.STARTED:
            if run.effect is Effect.NONE:
                steps[name] = replace(run, state=StepState.PENDING, reason=interrupted)
            else:
                steps[name] = replace(run, state=StepState.IN_DOUBT, reason=interrupted)
        elif run.state is StepState.AWAITING:
            steps[name] = replace(run, state=StepState.PENDING)
    return replace(state, steps=steps, resumed=state.resumed + 1)


def _amended(state: IncidentState, record: Record, event: ev.RunbookAmended) -> IncidentState:
    for name, run in state.steps.items():
        if has_begun(run) and (name not in event.steps or name in event.changed):
            raise _illegal(record, f"it changes step {name}, which is {run.state.value}")
    steps = {name: state.steps.get(name, StepRun(name)) for name in event.steps}
    return replace(state, order=event.steps, steps=steps, runbook_sha256=event.runbook_sha256)


def _step_event(state: IncidentState, record: Record, event: ev.StepEvent) -> IncidentState:
    run = state.steps.get(event.step)
    if run is None:
        raise _illegal(record, f"the runbook has no step {event.step!r}")
    if isinstance(event, ev.AttemptEvent):
        expected = run.attempt + 1 if isinstance(event, ev.StepPlanned) else run.attempt
        if event.attempt != expected:
            raise _illegal(
                record, f"it names attempt {event.attempt} of step {run.id}, not {expected}"
            )
    if isinstance(event, ev.ResourceIntended | ev.ResourceCreated | ev.ResourceReleased):
        return replace(state, resources=_resources(state, record, event, run))
    if isinstance(event, ev.StepInvalidated):
        if run.state not in ENDED:
            raise _illegal(record, f"step {run.id} is {run.state.value}")
        changed = replace(run, state=StepState.STALE, reason=event.because, accepted=None)
    else:
        changed = _run_after(run, record, event)
    if isinstance(event, ev.StepPlanned):
        changed = replace(changed, epoch=state.epoch)
    if type(state.steps) is _Draft:
        state.steps[run.id] = changed
        state.steps.own.add(run.id)
        return state
    return replace(state, steps={**state.steps, run.id: changed})


def _run_after(run: StepRun, record: Record, event: ev.StepEvent) -> StepRun:
    def must_be(*allowed: StepState) -> None:
        if run.state not in allowed:
            raise _illegal(record, f"step {run.id} is {run.state.value}")

    if isinstance(event, ev.StepPlanned):
        must_be(StepState.PENDING, StepState.AWAITING, StepState.SKIPPED, *RETRYABLE)
        return _planned(run, record, event)
    if isinstance(event, ev.ConfirmationGiven):
        must_be(StepState.AWAITING)
        return replace(run, confirmed=True)
    if isinstance(event, ev.ApprovalGiven):
        must_be(StepState.AWAITING)
        return replace(run, approved_by=event.by)
    if isinstance(event, ev.AnswerGiven):
        must_be(StepState.AWAITING)
        return replace(run, answered=True, answer=event.answer, comment=event.comment)
    if isinstance(event, ev.StepStarted):
        must_be(StepState.AWAITING)
        if lacking := lacks(run):
            raise _illegal(record, f"step {run.id} still lacks {lacking[0]}")
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
            ended_at=record.at,
            result=event.result,
            reason=event.reason,
        )
    if isinstance(event, ev.StepSkipped):
        must_be(*SKIPPABLE)
        return replace(
            run,
            state=StepState.SKIPPED,
            ended_at=record.at,
            reason=event.reason,
            skipped_by_rule=event.automatic,
            result=None,
        )
    if isinstance(event, ev.DecisionRecorded):
        must_be(StepState.COULD_NOT_VERIFY)
        return replace(run, accepted=event.reason)
    raise _illegal(record, "nobody knows what it means")


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
        planned_at=record.at,
    )


def _resources(
    state: IncidentState,
    record: Record,
    event: ev.ResourceIntended | ev.ResourceCreated | ev.ResourceReleased,
    run: StepRun,
) -> tuple[Resource, ...]:
    if isinstance(event, ev.ResourceIntended):
        if run.state is not StepState.STARTED:
            raise _illegal(record, f"step {run.id} is {run.state.value}")
        if any(known.name == event.name for known in state.resources):
            raise _illegal(record, f"a resource named {event.name!r} was intended before")
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
        raise _illegal(record, f"resource {event.name!r} was never intended")
    return tuple(
        known
        if known.name != event.name
        else replace(known, created=True, identity=event.identity, location=event.location)
        if isinstance(event, ev.ResourceCreated)
        else replace(known, released=True)
        for known in state.resources
    )


def _illegal(record: Record, why: str) -> IllegalEvent:
    name = type(record.event).__name__
    return IllegalEvent(
        f"Record {record.seq} ({name}) cannot stand there: {why}.",
        means="The journal was not written by this program's rules; its chain may still be whole.",
        next="Run `drbook journal verify` on it, and export what is readable.",
    )
