"""A runbook and the state of an incident of it, by records that a test writes down."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from drbook.app.model import LiveStep, Past, Snapshot
from drbook.core import events as ev
from drbook.core.engine import decide, outcome
from drbook.core.events import Effect, Event, Mode, Plan, Record, StepEnd
from drbook.core.fold import fold
from drbook.core.runbook import Runbook
from drbook.core.state import IncidentState, StepState
from drbook.core.values import Json, parse_time
from drbook.language.check import Vocabulary
from drbook.language.load import load
from support.incident import World

T0 = datetime(2026, 4, 24, 19, 19, tzinfo=UTC)
"""When the incident was opened."""


def loaded(text: str) -> Runbook:
    """The runbook, with the actions of a test's world: `once`, `manual`, `postgres.verify`, …"""
    actions = World(Path("/nowhere")).actions
    return load(text.lstrip("\n").encode(), "r.yaml", Vocabulary(actions, {}, {}))


def record(seq: int, seconds: float, event: Event, mode: Mode = Mode.LIVE) -> Record:
    return Record(
        seq=seq,
        at=T0 + timedelta(seconds=seconds),
        mono_ns=int(seconds * 10**9),
        mode=mode,
        actor="ops",
        host="here",
        event=event,
        prev="0" * 64,
    )


def said(name: str, moment: datetime) -> ev.InputChanged:
    """Somebody gives a time."""
    text = moment.isoformat()
    occurred = moment if name == "occurred" else None
    return ev.InputChanged(name=name, value=text, occurred=occurred)


def message(text: str, happened: datetime | None = None) -> ev.NoteAdded:
    """Something was told to somebody."""
    return ev.NoteAdded(text=text, kind=ev.NoteKind.MESSAGE, happened_at=happened)


def planned(step: str, action: str = "once", attempt: int = 1) -> ev.StepPlanned:
    return ev.StepPlanned(
        step=step,
        attempt=attempt,
        action=action,
        effect=Effect.ONCE,
        params=None,
        plan=Plan(does=("acts",)),
        digest="0",
    )


def ended(step: str, state: StepState, attempt: int = 1, result: Json = None) -> Event:
    if state is StepState.SKIPPED:
        return ev.StepSkipped(step=step, reason="r")
    return ev.StepFinished(
        step=step,
        attempt=attempt,
        state=StepEnd(state.value),
        duration_ms=0,
        reason="r",
        result=result,
    )


def records_of(
    runbook: Runbook,
    *events: tuple[float, Event],
    mode: Mode = Mode.LIVE,
    inputs: Mapping[str, Json] | None = None,
    ends: Mapping[str, StepState] | None = None,
    rto: int | None = 4 * 3600,
) -> list[Record]:
    """An incident of it: steps that ended (the first at minute 10, the next at 20, …), then these
    events, each at its second."""
    given = inputs or {}
    occurred = given.get("occurred")
    opened = ev.IncidentOpened(
        incident="20260424-191900-t-7f3a",
        mode=mode,
        title=runbook.title,
        runbook_sha256=runbook.sha256,
        runbook_file="r.yaml",
        drbook_version="0",
        inputs=given,
        occurred=parse_time(occurred) if isinstance(occurred, str) else None,
        rpo_seconds=24 * 3600,
        rto_seconds=rto,
        steps=tuple(step.id for step in runbook.steps),
    )
    every: list[tuple[float, Event]] = [(0, opened)]
    for number, step in enumerate(runbook.steps, 1):
        if ends and step.id in ends:
            if ends[step.id] is not StepState.SKIPPED:
                every.append((number * 600 - 60, planned(step.id, step.step.do)))
                every.append((number * 600 - 60, ev.StepStarted(step=step.id, attempt=1)))
            every.append((number * 600, ended(step.id, ends[step.id])))
    every += events
    return [record(seq, at, event, mode) for seq, (at, event) in enumerate(every, 1)]


def snapshot_of(
    runbook: Runbook,
    records: Sequence[Record],
    past: Mapping[str, Past] | None = None,
    live: Mapping[str, LiveStep] | None = None,
) -> Snapshot:
    """What the screen would be shown after these records."""
    state = fold(records)
    return Snapshot(
        runbook=runbook,
        state=state,
        decision=decide(runbook, state),
        outcome=outcome(runbook, state),
        records=tuple(records),
        head="0" * 64,
        journal=Path("/nowhere/journal.jsonl"),
        past=past or {},
        live=live or {},
    )


def folded(
    text: str,
    *events: tuple[float, Event],
    mode: Mode = Mode.LIVE,
    inputs: Mapping[str, Json] | None = None,
    ends: Mapping[str, StepState] | None = None,
    rto: int | None = 4 * 3600,
) -> tuple[Runbook, IncidentState]:
    """The runbook and the state after these records (as `records_of` makes them)."""
    runbook = loaded(text)
    return runbook, fold(records_of(runbook, *events, mode=mode, inputs=inputs, ends=ends, rto=rto))
