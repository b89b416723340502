"""What is looked at again after a record is enough: the answers are those of a look at everything."""

from hypothesis import given, settings
from hypothesis import strategies as st
from support.large import events_of, runbook_of

from drbook.app.vocabulary import vocabulary
from drbook.core import events as ev
from drbook.core.deciding import Deciding
from drbook.core.engine import decide, may_skip, outcome
from drbook.core.errors import DrbookError
from drbook.core.events import Effect, Event, Mode, Plan, Record, StepEnd
from drbook.core.fold import evolve
from drbook.core.runbook import Runbook
from drbook.core.state import IncidentState
from drbook.journal.codec import FIRST
from drbook.language.load import load

RUNBOOK = b"""
drbook: 1
title: T
inputs: {careful: {type: boolean, default: true}, day: {required: false}}
steps:
  - {id: a, phase: detect, do: note, with: {text: x}}
  - {id: b, phase: contain, needs: [], do: manual, when: "${{ inputs.careful }}"}
  - {id: c, phase: locate, do: ask, with: {prompt: which}, needs: [a, b]}
  - {id: d, phase: restore, do: note, with: {text: "${{ steps.c.value }}"}, when: "${{ steps.c.value != 1 }}"}
  - {id: e, phase: verify, do: manual, when: "${{ steps.c.value == 'x' }}", needs: [b]}
  - {id: f, phase: close, do: manual, when: "${{ incident.occurred }}", needs: []}
  - {id: g, phase: close, do: manual, needs: [a, b, c, d, e, f]}
"""


def loaded(source: bytes) -> Runbook:
    return load(source, "r.yaml", vocabulary())


def opened(runbook: Runbook) -> Event:
    steps = tuple(step.id for step in runbook.steps)
    return ev.IncidentOpened(
        incident="i",
        mode=Mode.DRILL,
        title="T",
        runbook_sha256=runbook.sha256,
        runbook_file="r",
        drbook_version="0",
        inputs={"careful": True},
        steps=steps,
    )


def after(state: IncidentState, event: Event) -> IncidentState:
    at = "2026-04-24T19:04:00Z"
    return evolve(
        state,
        Record(
            seq=state.seq + 1,
            at=at,  # type: ignore[arg-type]
            mono_ns=0,
            mode=Mode.DRILL,
            actor="a",
            host="h",
            event=event,
            prev=FIRST,
        ),
    )


STEPS = st.sampled_from("abcdefg")


@st.composite
def moves(draw: st.DrawFn) -> Event:
    step, attempt = draw(STEPS), draw(st.integers(1, 2))
    kind = draw(st.integers(0, 11))
    value = draw(st.sampled_from(["x", "y", 1, None]))
    return [
        ev.NoteAdded(text="n"),
        ev.InputChanged(name="careful", value=draw(st.sampled_from([True, False, "no"]))),
        ev.InputChanged(name="occurred", value="x", occurred="2026-04-24T18:00:00Z"),
        ev.StepSkipped(step=step, reason="r"),
        ev.StepPlanned(
            step=step,
            attempt=attempt,
            action="x",
            effect=draw(st.sampled_from(Effect)),
            params={},
            plan=Plan(does=("x",)),
            digest="0",
        ),
        ev.StepStarted(step=step, attempt=attempt),
        ev.StepFinished(
            step=step,
            attempt=attempt,
            state=draw(st.sampled_from(StepEnd)),
            result={"value": value},
            duration_ms=1,
        ),
        ev.StepInvalidated(step=step, because="b"),
        ev.DecisionRecorded(step=step, decision="accept", reason="r"),
        ev.StepResolved(step=step, attempt=attempt, state=StepEnd.FAILED, reason="r"),
        ev.IncidentResumed(head=FIRST),
        ev.IncidentClosed(outcome="x", exit_code=0),
    ][kind]


@given(st.lists(moves(), max_size=60), st.booleans())
@settings(max_examples=300, deadline=None)
def test_every_answer_is_that_of_a_look_at_everything(events: list[Event], often: bool) -> None:
    runbook = loaded(RUNBOOK)
    deciding = Deciding(runbook)
    state = after(IncidentState(), opened(runbook))
    for event in events:
        try:
            state = after(state, event)
        except DrbookError:
            continue
        if often or state.seq % 3 == 0:
            assert deciding.decision(state) == decide(runbook, state)
            assert deciding.outcome(state) == outcome(runbook, state)
    assert deciding.decision(state) == decide(runbook, state)
    assert deciding.decision(state) is deciding.decision(state)


def test_a_record_concerns_few_steps() -> None:
    """Of a thousand steps, a note concerns none, and the end of one those that wait for it and those with
    a condition."""
    source = runbook_of(1000, hanging=False)
    runbook = loaded(source)
    deciding = Deciding(runbook)
    state = IncidentState()
    looked = []
    for event in events_of(1000, 5000, runbook.sha256):
        state = after(state, event)
        before = deciding.evaluated
        deciding.decision(state)
        looked.append((type(event), deciding.evaluated - before))
    assert looked[0] == (ev.IncidentOpened, 1000)
    assert max(count for kind, count in looked if kind is ev.NoteAdded) == 0
    assert max(count for _, count in looked[1:]) <= 45  # forty have a condition
    assert deciding.decision(state) == decide(runbook, state)


def test_groups_and_views_are_those_of_the_steps() -> None:
    runbook = loaded(RUNBOOK)
    decision = decide(runbook, after(IncidentState(), opened(runbook)))
    assert decision.ready == ("a", "b")
    assert decision.unclear == ("f",)
    assert [decision.view(view.id) for view in decision.steps] == list(decision.steps)
    assert not decision.finished
    assert not decision.stuck
    assert may_skip(after(IncidentState(), opened(runbook)), "a") == ""
