"""Any course an incident can take: random runbooks, random legal moves, the promises checked on the
records alone, without the engine's own code."""

import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from drbook.core import events as ev
from drbook.core.engine import decide, may_run, may_skip, outcome, stale_after
from drbook.core.events import Effect, Event, Mode, Plan, Question, Record, StepEnd
from drbook.core.fold import evolve, fold
from drbook.core.moves import leap, may_do_elsewhere, stale_for_input
from drbook.core.runbook import CompiledStep, Runbook, RunbookDocument
from drbook.core.state import ENDED, IncidentState, StepState, lacks
from drbook.journal.codec import FIRST
from drbook.journal.reader import read, verify
from drbook.journal.writer import Writer
from drbook.language.compile import compile_tree


def runbook_of(
    needs: Mapping[str, set[str]], uses: Mapping[str, set[str]], asking: set[str]
) -> Runbook:
    """A runbook with these needs; `uses` are the needs whose output is used, `asking` the steps that
    refer to the input `day`."""
    document = RunbookDocument.model_validate(
        {
            "drbook": 1,
            "title": "T",
            "steps": [{"id": name, "phase": "restore", "do": "x"} for name in needs],
        }
    )
    steps = tuple(
        CompiledStep(
            step=step,
            arguments=compile_tree({use: f"${{{{ steps.{use} }}}}" for use in uses[step.id]}),
            when=None,
            confirm_type=None,
            needs=frozenset(needs[step.id] | uses[step.id]),
            uses=frozenset(uses[step.id]),
            inputs=frozenset({"day"} if step.id in asking else ()),
        )
        for step in document.steps
    )
    return Runbook(document=document, sha256="0" * 64, file="r", source=b"", steps=steps)


@st.composite
def runbooks(draw: st.DrawFn) -> Runbook:
    names = [f"s{number}" for number in range(draw(st.integers(1, 6)))]
    needs: dict[str, set[str]] = {}
    uses: dict[str, set[str]] = {}
    for index, name in enumerate(names):
        earlier = names[:index]
        some = st.sets(st.sampled_from(earlier)) if earlier else st.just(set())
        needs[name], uses[name] = draw(some), draw(some)
    order = draw(st.permutations(names))
    asking = draw(st.sets(st.sampled_from(names)))
    return runbook_of({n: needs[n] for n in order}, {n: uses[n] for n in order}, asking)


OPENED = ev.IncidentOpened(
    incident="i",
    mode=Mode.DRILL,
    title="T",
    runbook_sha256="0" * 64,
    runbook_file="r",
    drbook_version="0",
    steps=(),
)


class Course:
    """One incident: every event goes to a list and through the fold."""

    def __init__(self, runbook: Runbook) -> None:
        self.runbook = runbook
        self.state = IncidentState()
        self.records: list[Record] = []
        self.put(OPENED.model_copy(update={"steps": tuple(step.id for step in runbook.steps)}))

    def put(self, event: Event) -> None:
        record = Record(
            seq=len(self.records) + 1,
            at=datetime(2026, 4, 24, tzinfo=UTC),
            mono_ns=0,
            mode=Mode.DRILL,
            actor="ops",
            host="h",
            event=event,
            prev=FIRST,
        )
        self.state = evolve(self.state, record)
        self.records.append(record)

    def moves(self) -> list[tuple[str, str]]:
        """Everything that is allowed now."""
        if self.state.closed_at is not None:
            return [("note", "")]
        found = [("note", ""), ("resume", ""), ("hand-over", ""), ("input", "")]
        found.append(("shell", ""))
        if decide(self.runbook, self.state).finished:
            found.append(("close", ""))
        for name, run in self.state.steps.items():
            if not may_run(self.runbook, self.state, name):
                found.append(("run", name))
            if not may_skip(self.state, name):
                found.append(("skip", name))
            if leap(self.runbook, self.state, name).skips:
                found.append(("jump", name))
            for word, end in (("did", StepEnd.SUCCEEDED), ("failed", StepEnd.FAILED)):
                if not may_do_elsewhere(self.runbook, self.state, name, end, hands_back=True):
                    found.append((word, name))
            if run.state is StepState.AWAITING:
                found.append(("go-on", name))
                found.append(("take-back", name))
            if run.state is StepState.STARTED:
                found += [("finish", name)] * 3 + [("cancel", name)]
            if run.state is StepState.COULD_NOT_VERIFY:
                found.append(("accept", name))
            if run.state is StepState.IN_DOUBT:
                found.append(("resolve", name))
        return found

    def move(self, draw: st.DrawFn, kind: str, name: str) -> None:
        if kind == "note":
            return self.put(ev.NoteAdded(text="n"))
        if kind == "resume":
            return self.put(ev.IncidentResumed(head=FIRST))
        if kind == "hand-over":
            return self.put(ev.HandedOver(to="carla"))
        if kind == "shell":
            self.put(ev.ShellOpened())
            return self.put(ev.ShellClosed(duration_ms=1, exit_code=0))
        if kind == "input":
            value = draw(st.sampled_from(["friday", "saturday"]))
            for stale in stale_for_input(self.runbook, self.state, "day", value, None):
                self.put(ev.StepInvalidated(step=stale, because="input day changed"))
            return self.put(ev.InputChanged(name="day", value=value))
        if kind == "jump":
            for skipped in leap(self.runbook, self.state, name).skips:
                self.put(ev.StepSkipped(step=skipped, reason=f"jumped to {name}: r"))
            assert may_run(self.runbook, self.state, name) == ""
            return None
        if kind in ("did", "failed"):
            return self.done_elsewhere(name, kind == "did")
        if kind == "close":
            ends = outcome(self.runbook, self.state)
            return self.put(ev.IncidentClosed(outcome=ends.word, exit_code=int(ends.code)))
        if kind == "skip":
            return self.put(ev.StepSkipped(step=name, reason="r"))
        if kind == "accept":
            return self.put(ev.DecisionRecorded(step=name, decision="accept", reason="r"))
        if kind == "run":
            return self.plan(draw, name)
        attempt = self.state.steps[name].attempt
        if kind == "go-on":
            return self.go_on(name, attempt)
        if kind == "cancel":
            return self.put(ev.CancelRequested(step=name, attempt=attempt, reason="r"))
        if kind == "resolve":
            end = draw(st.sampled_from([StepEnd.SUCCEEDED, StepEnd.FAILED]))
            event = ev.StepResolved.model_validate(
                {"step": name, "attempt": attempt, "state": end, "reason": "r", "result": {"v": 1}}
            )
            return self.put(event)
        end = StepEnd.CANCELLED if kind == "take-back" else draw(st.sampled_from(StepEnd))
        result = {"v": 1} if end is StepEnd.SUCCEEDED else None
        return self.put(
            ev.StepFinished(step=name, attempt=attempt, state=end, result=result, duration_ms=0)
        )

    def done_elsewhere(self, name: str, well: bool) -> None:
        if self.state.steps[name].state in ENDED:
            for stale in stale_after(self.runbook, self.state, name):
                self.put(ev.StepInvalidated(step=stale, because=name))
        self.put(
            ev.StepDoneElsewhere.model_validate(
                {
                    "step": name,
                    "attempt": self.state.steps[name].attempt + 1,
                    "state": StepEnd.SUCCEEDED if well else StepEnd.FAILED,
                    "reason": "r",
                }
            )
        )

    def plan(self, draw: st.DrawFn, name: str) -> None:
        if self.state.steps[name].state in ENDED:
            for stale in stale_after(self.runbook, self.state, name):
                self.put(ev.StepInvalidated(step=stale, because=name))
        asks = draw(st.sampled_from([None, Question(kind="text", prompt="P")]))
        plan = Plan(
            does=("x",),
            asks=asks,
            confirm=draw(st.sampled_from([None, "prod"])),
            approve=draw(st.sampled_from([None, "CTO"])),
        )
        self.put(
            ev.StepPlanned(
                step=name,
                attempt=self.state.steps[name].attempt + 1,
                action="x",
                effect=draw(st.sampled_from(Effect)),
                params={},
                plan=plan,
                digest="0",
            )
        )

    def go_on(self, name: str, attempt: int) -> None:
        """One more of the things that are lacking, or the start."""
        missing = lacks(self.state.steps[name])
        if not missing:
            self.put(ev.StepStarted(step=name, attempt=attempt))
        elif missing[0] == "an answer":
            self.put(ev.AnswerGiven(step=name, attempt=attempt, answer="x"))
        elif missing[0] == "an approval":
            self.put(ev.ApprovalGiven(step=name, attempt=attempt, by="carla"))
        else:
            self.put(ev.ConfirmationGiven(step=name, attempt=attempt, typed="prod"))


@st.composite
def courses(draw: st.DrawFn) -> Course:
    course = Course(draw(runbooks()))
    for _ in range(draw(st.integers(0, 50))):
        kind, name = draw(st.sampled_from(course.moves()))
        course.move(draw, kind, name)
    return course


def standing(records: list[Record]) -> dict[str, str]:
    """How each step stands, told from the events alone: a second, naive fold."""
    found: dict[str, str] = {}
    effects: dict[str, Effect] = {}
    for record in records:
        event = record.event
        if isinstance(event, ev.StepPlanned):
            found[event.step], effects[event.step] = "awaiting", event.effect
        elif isinstance(event, ev.StepStarted):
            found[event.step] = "started"
        elif isinstance(event, ev.StepFinished | ev.StepResolved | ev.StepDoneElsewhere):
            found[event.step] = event.state.value
        elif isinstance(event, ev.StepSkipped):
            found[event.step] = "skipped"
        elif isinstance(event, ev.StepInvalidated):
            found[event.step] = "stale"
        elif isinstance(event, ev.DecisionRecorded):
            found[event.step] = "accepted"
        elif isinstance(event, ev.IncidentResumed):
            for name, word in found.items():
                if word == "started":
                    harmless = effects[name] is Effect.NONE
                    found[name] = "pending" if harmless else "in-doubt"
                elif word == "awaiting":
                    found[name] = "pending"
    return found


LONG = settings(max_examples=150, deadline=None)


@LONG
@given(courses())
def test_no_step_is_planned_before_its_needs_hold(course: Course) -> None:
    for index, record in enumerate(course.records):
        if not isinstance(record.event, ev.StepPlanned):
            continue
        before = standing(course.records[:index])
        step = course.runbook.step(record.event.step)
        for need in step.needs:
            good = {"succeeded", "accepted"}
            if need not in step.uses:
                good |= {"skipped", "not-exercised"}
            assert before.get(need, "pending") in good


@LONG
@given(courses())
def test_every_start_follows_all_that_its_plan_asked_for(course: Course) -> None:
    for index, record in enumerate(course.records):
        start = record.event
        if not isinstance(start, ev.StepStarted):
            continue
        mine = [
            r.event
            for r in course.records[:index]
            if isinstance(r.event, ev.AttemptEvent)
            and (r.event.step, r.event.attempt) == (start.step, start.attempt)
        ]
        plan = next(e.plan for e in mine if isinstance(e, ev.StepPlanned))
        assert plan.asks is None or any(isinstance(e, ev.AnswerGiven) for e in mine)
        assert plan.approve is None or any(isinstance(e, ev.ApprovalGiven) for e in mine)
        assert plan.confirm is None or any(
            isinstance(e, ev.ConfirmationGiven) and e.typed == plan.confirm for e in mine
        )


@LONG
@given(courses())
def test_the_fold_agrees_with_the_records(course: Course) -> None:
    assert fold(course.records) == course.state
    told = standing(course.records)
    for name, run in course.state.steps.items():
        word = told.get(name, "pending")
        if word == "accepted":
            assert (run.state, run.accepted) == (StepState.COULD_NOT_VERIFY, "r")
        else:
            assert run.state.value == word


@LONG
@given(courses())
def test_an_outcome_is_never_better_than_the_worst_step(course: Course) -> None:
    ends = outcome(course.runbook, course.state)
    told = set(standing(course.records).values())
    bad = {"in-doubt": 6, "refused": 4, "failed": 1, "cancelled": 3, "could-not-verify": 5}
    codes = {code for word, code in bad.items() if word in told}
    if "stale" in told:
        codes.add(5)
    if codes:
        assert int(ends.code) in codes
    if ends.word == "pass":
        assert told <= {"succeeded"}
        assert not any(run.by_hand for run in course.state.steps.values())
        assert len(standing(course.records)) == len(course.runbook.steps)


@LONG
@given(courses())
def test_what_is_decided_is_allowed(course: Course) -> None:
    decision = decide(course.runbook, course.state)
    for name in decision.ready:
        assert may_run(course.runbook, course.state, name) == ""
    assert {view.id for view in decision.steps} == set(course.state.steps)
    if course.state.closed_at is not None:
        assert not decision.ready
        assert not decision.to_skip


@settings(max_examples=40, deadline=None)
@given(courses())
def test_a_journey_through_the_file_changes_nothing(course: Course) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.jsonl"
        with Writer(path, mode=Mode.DRILL, host="h") as writer:
            written = [writer.append("ops", record.event) for record in course.records]
        assert read(path) == tuple(written)
        assert [record.event for record in read(path)] == [r.event for r in course.records]
        assert verify(path).intact
        replayed, remembered = fold(read(path)), fold(written)
        assert replayed == remembered
        assert outcome(course.runbook, replayed) == outcome(course.runbook, course.state)


def by_hand(records: list[Record]) -> set[str]:
    """The steps whose last end was a person's word."""
    found: set[str] = set()
    for record in records:
        if isinstance(record.event, ev.StepDoneElsewhere):
            found.add(record.event.step)
        elif isinstance(record.event, ev.StepPlanned):
            found.discard(record.event.step)
    return found


@LONG
@given(courses())
def test_a_persons_word_is_never_plainly_passed_and_hands_nothing_on(course: Course) -> None:
    told = {
        name
        for name in by_hand(course.records)
        if standing(course.records).get(name) == "succeeded"
    }
    if told:
        assert outcome(course.runbook, course.state).word != "pass"
    for record in course.records:
        event = record.event
        if isinstance(event, ev.StepDoneElsewhere) and event.state is StepEnd.SUCCEEDED:
            assert not any(event.step in step.uses for step in course.runbook.steps)


@LONG
@given(courses())
def test_nothing_that_was_given_an_older_input_stands(course: Course) -> None:
    """A step that refers to the input succeeded after its last change, or is stale."""
    changed, value = 0, None
    for record in course.records:
        if isinstance(record.event, ev.InputChanged) and record.event.value != value:
            changed, value = record.seq, record.event.value
    planned = {r.event.step: r.seq for r in course.records if isinstance(r.event, ev.StepPlanned)}
    hands = by_hand(course.records)
    for step in course.runbook.steps:
        run = course.state.steps[step.id]
        stands = run.state in (StepState.SUCCEEDED, StepState.AWAITING, StepState.NOT_EXERCISED)
        if step.inputs and stands and step.id not in hands:
            late = planned[step.id] < changed
            # What ran, or was in doubt, while it changed is the driver's to refuse, or a person's.
            assert not late or _was_open(course.records, step.id, changed)


def _was_open(records: list[Record], step: str, seq: int) -> bool:
    return standing(records[: seq - 1]).get(step) in ("started", "in-doubt")
