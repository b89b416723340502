"""What may follow what: every state against every event, as tables."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from drbook.core import events as ev
from drbook.core.events import Effect, Event, IllegalEvent, Mode, Plan, Question, Record, StepEnd
from drbook.core.fold import evolve, fold
from drbook.core.state import IncidentState, StepState, lacks

START = datetime(2026, 4, 24, 21, 0, tzinfo=UTC)

OPENED = ev.IncidentOpened(
    incident="i",
    mode=Mode.LIVE,
    title="T",
    runbook_sha256="0" * 64,
    runbook_file="r",
    drbook_version="0",
    inputs={"day": "friday"},
    steps=("a", "b"),
)


def record(seq: int, event: Event) -> Record:
    return Record(
        seq=seq,
        at=START + timedelta(seconds=seq),
        mono_ns=seq,
        mode=Mode.LIVE,
        actor="ops",
        host="h",
        event=event,
        prev="0" * 64,
    )


def after(*events: Event) -> IncidentState:
    return fold(record(seq, event) for seq, event in enumerate((OPENED, *events), 1))


def then(state: IncidentState, event: Event) -> IncidentState:
    return evolve(state, record(state.seq + 1, event))


def planned(
    effect: Effect = Effect.ONCE, attempt: int = 1, more: Mapping[str, object] | None = None
) -> ev.StepPlanned:
    return ev.StepPlanned(
        step="a",
        attempt=attempt,
        action="x",
        effect=effect,
        params={},
        plan=Plan.model_validate({"does": ("x",), **(more or {})}),
        digest="0",
    )


STARTED = ev.StepStarted(step="a", attempt=1)


def finished(end: StepEnd) -> ev.StepFinished:
    return ev.StepFinished(step="a", attempt=1, state=end, duration_ms=1)


REACH: dict[StepState, tuple[Event, ...]] = {
    StepState.PENDING: (),
    StepState.AWAITING: (planned(),),
    StepState.STARTED: (planned(), STARTED),
    **{StepState(end.value): (planned(), STARTED, finished(end)) for end in StepEnd},
    StepState.SKIPPED: (planned(), ev.StepSkipped(step="a", reason="r")),
    StepState.STALE: (
        planned(),
        STARTED,
        finished(StepEnd.SUCCEEDED),
        ev.StepInvalidated(step="a", because="b"),
    ),
}
"""How each state is reached, with attempt 1 where there is one."""

ENDS = set(StepState) - {StepState.PENDING, StepState.AWAITING, StepState.STARTED}
S = StepState

LEGAL: list[tuple[str, Callable[[int], Event], set[StepState]]] = [
    ("StepPlanned", lambda n: planned(attempt=n + 1), set(S) - {S.STARTED, S.IN_DOUBT}),
    ("StepStarted", lambda n: ev.StepStarted(step="a", attempt=n), {S.AWAITING}),
    ("Answer", lambda n: ev.AnswerGiven(step="a", attempt=n, answer="x"), {S.AWAITING}),
    ("Approval", lambda n: ev.ApprovalGiven(step="a", attempt=n, by="c"), {S.AWAITING}),
    ("Confirmation", lambda n: ev.ConfirmationGiven(step="a", attempt=n, typed="p"), {S.AWAITING}),
    ("Milestone", lambda n: ev.MilestoneReached(step="a", attempt=n, text="m"), {S.STARTED}),
    (
        "Process",
        lambda n: ev.ProcessStarted(step="a", attempt=n, pid=1, started=1, argv=()),
        {S.STARTED},
    ),
    ("Cancel", lambda n: ev.CancelRequested(step="a", attempt=n, reason="r"), {S.STARTED}),
    (
        "Intended",
        lambda n: ev.ResourceIntended(
            step="a", attempt=n, kind="k", name="n", nonce="x", location="l"
        ),
        {S.STARTED},
    ),
    (
        "Finished",
        lambda n: ev.StepFinished(step="a", attempt=n, state=StepEnd.FAILED, duration_ms=1),
        {S.AWAITING, S.STARTED},
    ),
    (
        "Resolved",
        lambda n: ev.StepResolved(step="a", attempt=n, state=StepEnd.FAILED, reason="r"),
        {S.IN_DOUBT},
    ),
    (
        "Skipped",
        lambda n: ev.StepSkipped(step="a", reason="r"),
        {S.PENDING, S.AWAITING, S.FAILED, S.COULD_NOT_VERIFY, S.REFUSED, S.CANCELLED, S.STALE},
    ),
    ("Invalidated", lambda n: ev.StepInvalidated(step="a", because="b"), ENDS | {S.AWAITING}),
    (
        "DoneElsewhere",
        lambda n: ev.StepDoneElsewhere(
            step="a", attempt=n + 1, state=StepEnd.SUCCEEDED, reason="by hand"
        ),
        {S.PENDING, S.AWAITING, S.FAILED, S.REFUSED, S.CANCELLED, S.COULD_NOT_VERIFY, S.STALE}
        | {S.SKIPPED},
    ),
    (
        "Decision",
        lambda n: ev.DecisionRecorded(step="a", decision="accept", reason="r"),
        {S.COULD_NOT_VERIFY},
    ),
]


@pytest.mark.parametrize("state", list(S))
@pytest.mark.parametrize(("name", "event", "legal"), LEGAL, ids=[row[0] for row in LEGAL])
def test_each_event_in_each_state(
    name: str, event: Callable[[int], Event], legal: set[StepState], state: StepState
) -> None:
    before = after(*REACH[state])
    assert before.steps["a"].state is state
    following = event(before.steps["a"].attempt)
    if state in legal:
        assert then(before, following).seq == before.seq + 1
    else:
        with pytest.raises(IllegalEvent) as caught:
            then(before, following)
        assert type(following).__name__ in caught.value.what


ALWAYS_WRONG: list[Event] = [
    OPENED,
    ev.StepStarted(step="zz", attempt=1),
    ev.StepSkipped(step="zz", reason="r"),
    planned(attempt=3),
    planned(attempt=1),
    ev.StepFinished(step="a", attempt=2, state=StepEnd.FAILED, duration_ms=1),
    ev.ResourceCreated(step="a", attempt=1, kind="k", name="never", location="l"),
    ev.ResourceReleased(kind="k", name="never", location="l"),
    ev.StepDoneElsewhere(step="b", attempt=0, state=StepEnd.SUCCEEDED, reason="r"),
    ev.StepDoneElsewhere(step="zz", attempt=1, state=StepEnd.SUCCEEDED, reason="r"),
    ev.PointChosen(step="a", source="s", id="i", reason="r"),
    ev.ShellClosed(duration_ms=1, exit_code=0),
]


@pytest.mark.parametrize("event", ALWAYS_WRONG, ids=lambda event: type(event).__name__)
def test_what_cannot_follow(event: Event) -> None:
    before = after(planned(), STARTED)
    with pytest.raises(IllegalEvent):
        then(before, event)
    assert before == after(planned(), STARTED)


def test_nothing_comes_before_the_opening() -> None:
    for event in (ev.NoteAdded(text="n"), planned(), ev.IncidentResumed(head="0" * 64)):
        with pytest.raises(IllegalEvent):
            evolve(IncidentState(), record(1, event))


@pytest.mark.parametrize("seq", [0, 1, 3, -1])
def test_numbers_have_no_gaps(seq: int) -> None:
    with pytest.raises(IllegalEvent):
        evolve(after(), record(seq, ev.NoteAdded(text="n")))


def test_only_notes_follow_the_close() -> None:
    closed = after(ev.IncidentClosed(outcome="pass", exit_code=0))
    assert then(closed, ev.NoteAdded(text="n")).notes[0].text == "n"
    others: list[Event] = [
        planned(),
        ev.IncidentClosed(outcome="fail", exit_code=1),
        ev.IncidentResumed(head="0" * 64),
        ev.InputChanged(name="day", value="x"),
        ev.HandedOver(to="carla"),
        ev.ShellOpened(),
        ev.StepDoneElsewhere(step="a", attempt=1, state=StepEnd.FAILED, reason="r"),
    ]
    for event in others:
        with pytest.raises(IllegalEvent):
            then(closed, event)


LACKING: list[tuple[dict[str, object], tuple[str, ...]]] = [
    ({}, ()),
    ({"asks": Question(kind="done", prompt="P")}, ("an answer",)),
    ({"approve": "CTO"}, ("an approval",)),
    ({"confirm": "prod"}, ("a confirmation",)),
    (
        {"asks": Question(kind="text", prompt="P"), "approve": "CTO", "confirm": "p"},
        ("an answer", "an approval", "a confirmation"),
    ),
]


@pytest.mark.parametrize(("plan", "missing"), LACKING, ids=range(len(LACKING)))
def test_a_step_starts_only_with_all_that_its_plan_asks_for(
    plan: dict[str, object], missing: tuple[str, ...]
) -> None:
    state = after(planned(more=plan))
    giving: dict[str, Event] = {
        "an answer": ev.AnswerGiven(step="a", attempt=1, answer="x"),
        "an approval": ev.ApprovalGiven(step="a", attempt=1, by="c"),
        "a confirmation": ev.ConfirmationGiven(step="a", attempt=1, typed="p"),
    }
    assert lacks(state.steps["a"]) == missing
    for word in missing:
        with pytest.raises(IllegalEvent):
            then(state, STARTED)
        state = then(state, giving[word])
    assert then(state, STARTED).steps["a"].state is StepState.STARTED


def test_a_new_attempt_needs_everything_again() -> None:
    state = after(
        planned(more={"confirm": "p"}),
        ev.ConfirmationGiven(step="a", attempt=1, typed="p"),
        STARTED,
        finished(StepEnd.FAILED),
        planned(attempt=2, more={"confirm": "p"}),
    )
    assert lacks(state.steps["a"]) == ("a confirmation",)


INTERRUPTED = [
    (Effect.NONE, StepState.PENDING),
    (Effect.IDEMPOTENT, StepState.IN_DOUBT),
    (Effect.ONCE, StepState.IN_DOUBT),
]


@pytest.mark.parametrize(("effect", "state"), INTERRUPTED)
def test_resuming_an_interrupted_step(effect: Effect, state: StepState) -> None:
    resumed = after(planned(effect), STARTED, ev.IncidentResumed(head="0" * 64))
    assert resumed.steps["a"].state is state
    assert resumed.steps["a"].reason == "drbook ended while this step was running"
    assert resumed.resumed == 1


@pytest.mark.parametrize("state", sorted(ENDS | {S.PENDING}))
def test_resuming_leaves_what_had_ended(state: StepState) -> None:
    before = after(*REACH[state])
    assert then(before, ev.IncidentResumed(head="0" * 64)).steps == before.steps


def test_resuming_asks_again_for_what_waited() -> None:
    resumed = after(planned(more={"confirm": "p"}), ev.IncidentResumed(head="0" * 64))
    assert resumed.steps["a"].state is StepState.PENDING


def taken_over(records: int, **more: object) -> ev.IncidentTakenOver:
    given = {
        "from_host": "lost", "head": "0" * 64, "records": records, "epoch": 1, "fence": "t",
        "reason": "gone", "mirrors": ("m",),
    }  # fmt: skip
    return ev.IncidentTakenOver.model_validate(given | more)


@pytest.mark.parametrize(("effect", "state"), INTERRUPTED)
def test_what_ran_when_another_machine_took_over(effect: Effect, state: StepState) -> None:
    intended = ev.ResourceIntended(
        step="a", attempt=1, kind="cluster", name="r-1", nonce="n", location="/x"
    )
    before = after(planned(effect), STARTED, intended)
    taken = then(before, taken_over(before.seq))
    assert taken.steps["a"].state is state
    assert "ran on lost when another machine took over" in taken.steps["a"].reason
    assert (taken.epoch, taken.resumed) == (1, 1)
    assert (taken.resources[0].epoch, taken.steps["a"].epoch) == (0, 0)  # there, not here
    settled = (
        taken
        if state is StepState.PENDING
        else then(taken, ev.StepResolved(step="a", attempt=1, state=StepEnd.FAILED, reason="r"))
    )
    again = then(
        settled, ev.StepPlanned.model_validate(planned(effect).model_dump() | {"attempt": 2})
    )
    assert again.steps["a"].epoch == 1


@pytest.mark.parametrize("wrong", [{"records": 9}, {"head": "1" * 64}, {"epoch": 0}, {"epoch": -1}])
def test_a_take_over_hangs_on_the_last_record_and_counts_on(wrong: dict[str, object]) -> None:
    before = after()
    assert then(before, taken_over(before.seq)).epoch == 1
    with pytest.raises(IllegalEvent):
        then(before, taken_over(**{"records": before.seq} | wrong))  # type: ignore[arg-type]


def test_a_resource_from_its_intent_to_its_creation() -> None:
    intended = ev.ResourceIntended(
        step="a", attempt=1, kind="cluster", name="n", nonce="x", location="l"
    )
    state = after(planned(), STARTED, intended)
    assert [(r.created, r.released) for r in state.resources] == [(False, False)]
    with pytest.raises(IllegalEvent):
        then(state, intended)
    made = ev.ResourceCreated(
        step="a", attempt=1, kind="cluster", name="n", location="m", identity={"oid": 5}
    )
    state = then(state, made)
    assert (state.resources[0].created, state.resources[0].location) == (True, "m")
    assert state.resources[0].identity == {"oid": 5}


def test_facts_about_the_incident() -> None:
    state = after(
        ev.InputChanged(name="occurred", value="x", occurred=START),
        ev.InputChanged(name="other", value=1),
        ev.HandedOver(to="carla"),
        ev.NoteAdded(text="n", happened_at=START, step="a"),
        ev.IncidentClosed(outcome="partial", exit_code=0),
    )
    assert state.occurred == START
    assert state.inputs == {"day": "friday", "occurred": "x", "other": 1}
    assert state.operator == "carla"
    assert (state.notes[0].step, state.notes[0].actor) == ("a", "ops")
    assert (state.outcome, state.exit_code) == ("partial", 0)
    assert state.opened_at == START + timedelta(seconds=1)
    assert state.closed_at == START + timedelta(seconds=6)


def test_amending_keeps_what_steps_have_and_adds_new_ones() -> None:
    amended = ev.RunbookAmended(runbook_sha256="1" * 64, changed=("c",), steps=("a", "c"))
    state = after(planned(), STARTED, finished(StepEnd.SUCCEEDED), amended)
    assert state.order == ("a", "c")
    assert state.steps["a"].state is StepState.SUCCEEDED
    assert state.steps["c"].state is StepState.PENDING


def test_a_decision_does_not_outlive_its_attempt() -> None:
    accepted = ev.DecisionRecorded(step="a", decision="accept", reason="r")
    state = after(planned(), STARTED, finished(StepEnd.COULD_NOT_VERIFY), accepted)
    assert state.steps["a"].accepted == "r"
    assert then(state, planned(attempt=2)).steps["a"].accepted is None
    assert then(state, ev.StepInvalidated(step="a", because="b")).steps["a"].accepted is None


def test_what_a_person_did_elsewhere_is_an_attempt_of_its_own() -> None:
    before = after(planned(), STARTED, finished(StepEnd.FAILED))
    event = ev.StepDoneElsewhere(
        step="a", attempt=2, state=StepEnd.SUCCEEDED, reason="in the console", evidence="OK"
    )
    run = then(before, event).steps["a"]
    assert (run.state, run.by_hand, run.attempt, run.starts) == (S.SUCCEEDED, True, 2, 1)
    assert (run.reason, run.evidence, run.result, run.plan) == ("in the console", "OK", None, None)
    again = then(then(before, event), planned(attempt=3)).steps["a"]
    assert (again.by_hand, again.evidence) == (False, "")


def test_a_shell_is_left_once_and_forgotten_by_a_resume() -> None:
    inside = after(ev.ShellOpened(step="a"))
    assert inside.shell_since == START + timedelta(seconds=2)
    assert then(inside, ev.ShellClosed(duration_ms=1, exit_code=0)).shell_since is None
    assert then(inside, ev.IncidentResumed(head="0" * 64)).shell_since is None


def test_a_note_keeps_its_kind() -> None:
    noted = after(ev.NoteAdded(text="n", kind=ev.NoteKind.HYPOTHESIS)).notes[0]
    assert noted.kind is ev.NoteKind.HYPOTHESIS
