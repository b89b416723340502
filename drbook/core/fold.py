"""State as a fold over events: `evolve(state, record)` is the only way that anything changes."""

from collections.abc import Iterable

from drbook.core import events as ev
from drbook.core.events import Effect, Mode, Record
from drbook.core.foldsteps import Draft, illegal, released, step_event
from drbook.core.growing import altered, appended, replace
from drbook.core.occurred import dated
from drbook.core.state import IncidentState, Note, StepRun, StepState, has_begun
from drbook.core.values import plain, time_in

_BESIDE = (
    ev.ExternalFileTaken,
    ev.ExternalEntryAdded,
    ev.NotificationIntended,
    ev.NotificationEnded,
)
"""What changes nothing of the incident, and may follow its end."""


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
        note = Note(record.at, record.actor, event.text, event.happened_at, event.step, event.kind)
        altered(draft, seq=record.seq, host=record.host, notes=appended(draft.notes, note))
        if note.kind is ev.NoteKind.MESSAGE:
            altered(draft, messages=appended(draft.messages, note))
        return True
    steps = draft.steps
    if not isinstance(event, ev.MilestoneReached) or not isinstance(steps, Draft):
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
    if type(state.steps) is Draft:
        return state
    return replace(state, steps=Draft(state.steps))


def _next(state: IncidentState, **changes: object) -> IncidentState:
    """The state with these fields; a draft is changed in place."""
    return (altered if type(state.steps) is Draft else replace)(state, **changes)


def evolve(state: IncidentState, record: Record) -> IncidentState:
    """The state after one more record. Raises IllegalEvent where it cannot follow."""
    event = record.event
    if record.seq != state.seq + 1:
        raise illegal(record, f"its number should be {state.seq + 1}")
    state = _next(state, seq=record.seq, host=record.host)
    if isinstance(event, ev.IncidentOpened):
        return _opened(state, record, event)
    if state.opened_at is None:
        raise illegal(record, "the incident was not opened")
    _of_mode(record, state.mode)
    if isinstance(event, ev.NoteAdded):
        note = Note(record.at, record.actor, event.text, event.happened_at, event.step, event.kind)
        state = _next(state, notes=appended(state.notes, note))
        told = note.kind is ev.NoteKind.MESSAGE
        return _next(state, messages=appended(state.messages, note)) if told else state
    if isinstance(event, _BESIDE):
        return state
    if isinstance(event, ev.Removal):
        return released(state, record, event)
    if state.closed_at is not None:
        raise illegal(
            record,
            "the incident is closed; only notes, external entries, notifications and removals may "
            "follow",
        )
    if isinstance(event, ev.StepEvent):
        return step_event(state, record, event)
    if isinstance(event, ev.ApprovalRefused):
        return state
    if isinstance(event, ev.ApproversTaken):
        if state.approvers is not None:
            raise illegal(record, "who may approve was taken before")
        return replace(state, approvers=event)
    if isinstance(event, ev.IncidentResumed):
        return _interrupted(state, "drbook ended while this step was running")
    if isinstance(event, ev.IncidentTakenOver):
        return _taken_over(state, record, event)
    if isinstance(event, ev.InputChanged):
        return _input_changed(state, event)
    if isinstance(event, ev.RunbookAmended):
        return _amended(state, record, event)
    if isinstance(event, ev.HandedOver):
        return replace(state, operator=event.to)
    if isinstance(event, ev.ShellOpened):
        return replace(state, shell_since=record.at)
    if isinstance(event, ev.ShellClosed):
        if state.shell_since is None:
            raise illegal(record, "no shell was open")
        return replace(state, shell_since=None)
    if isinstance(event, ev.IncidentClosed):
        return replace(state, closed_at=record.at, outcome=event.outcome, exit_code=event.exit_code)
    raise illegal(record, "nobody knows what it means")


def _input_changed(state: IncidentState, event: ev.InputChanged) -> IncidentState:
    """When it happened also says how much is lost, wherever that is on record."""
    state = _timed(replace(state, inputs={**state.inputs, event.name: event.value}))
    if event.name != "occurred":
        return state
    steps = {
        name: replace(run, result=dated(run.action, run.result, event.occurred))
        for name, run in state.steps.items()
    }
    return replace(state, occurred=event.occurred, steps=steps)


def _opened(state: IncidentState, record: Record, event: ev.IncidentOpened) -> IncidentState:
    if state.opened_at is not None:
        raise illegal(record, "the incident was opened already")
    _of_mode(record, event.mode)
    opened = replace(
        state,
        incident=event.incident,
        mode=event.mode,
        keep_targets=event.keep_targets,
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
    return _timed(opened)


def _timed(state: IncidentState) -> IncidentState:
    """What the inputs say of when it was detected and declared; the clocks run from these."""
    declared = time_in(state.inputs, "declared") or state.opened_at
    return replace(state, detected=time_in(state.inputs, "detected"), declared=declared)


def _of_mode(record: Record, mode: Mode) -> None:
    """A line of a rehearsal among those of a live incident, or the other way round, is forged."""
    if record.mode is not mode:
        raise illegal(record, f"it is marked {record.mode.value} in a {mode.value} incident")


def _taken_over(state: IncidentState, record: Record, event: ev.IncidentTakenOver) -> IncidentState:
    """What ran on the other machine is in doubt; what it made is there, not here."""
    if event.epoch <= state.epoch:
        raise illegal(record, f"take-over {state.epoch} came before it")
    if (event.head, event.records) != (record.prev, record.seq - 1):
        raise illegal(record, "it says that it hangs on another record")
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
    return replace(state, steps=steps, resumed=state.resumed + 1, shell_since=None)


def _amended(state: IncidentState, record: Record, event: ev.RunbookAmended) -> IncidentState:
    for name, run in state.steps.items():
        if has_begun(run) and (name not in event.steps or name in event.changed):
            raise illegal(record, f"it changes step {name}, which is {run.state.value}")
    steps = {name: state.steps.get(name, StepRun(name)) for name in event.steps}
    return replace(state, order=event.steps, steps=steps, runbook_sha256=event.runbook_sha256)
