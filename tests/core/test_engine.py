"""What may happen next, as tables: needs, conditions, staleness, outcomes and exit codes."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from drbook.core.engine import (
    Readiness,
    arguments,
    decide,
    may_run,
    may_skip,
    outcome,
    satisfied,
    scope,
    stale_after,
)
from drbook.core.events import Mode
from drbook.core.expressions import ExpressionError
from drbook.core.runbook import CompiledStep, Phase, Runbook, RunbookDocument
from drbook.core.state import IncidentState, StepRun, StepState
from drbook.core.values import Json
from drbook.language.compile import compile_text, compile_tree

S = StepState
Row = tuple[str, set[str], set[str], str]
"""Id, needs without their output, needs whose output is used, a condition or nothing."""


def runbook_of(*rows: Row, phase: Phase = Phase.RESTORE) -> Runbook:
    document = RunbookDocument.model_validate(
        {
            "drbook": 1,
            "title": "T",
            "steps": [{"id": row[0], "phase": phase.value, "do": "x"} for row in rows],
        }
    )
    steps = tuple(
        CompiledStep(
            step=step,
            arguments=compile_tree({use: f"${{{{ steps.{use}.v }}}}" for use in uses}),
            when=compile_text(f"${{{{ {when} }}}}") if when else None,
            confirm_type=None,
            needs=frozenset(needs | uses),
            uses=frozenset(uses),
        )
        for step, (_, needs, uses, when) in zip(document.steps, rows, strict=True)
    )
    return Runbook(document=document, sha256="0" * 64, file="r", source=b"", steps=steps)


def state_of(mode: Mode = Mode.LIVE, **states: StepState) -> IncidentState:
    runs = {
        name: StepRun(name, state, result={"v": 1} if state is S.SUCCEEDED else None)
        for name, state in states.items()
    }
    return replace(IncidentState(mode=mode), order=tuple(states), steps=runs)


PLAIN = runbook_of(("a", set(), set(), ""), ("b", {"a"}, set(), ""))
USING = runbook_of(("a", set(), set(), ""), ("b", set(), {"a"}, ""))

SATISFIES: dict[StepState, tuple[bool, bool]] = {
    S.PENDING: (False, False),
    S.AWAITING: (False, False),
    S.STARTED: (False, False),
    S.SUCCEEDED: (True, True),
    S.FAILED: (False, False),
    S.COULD_NOT_VERIFY: (False, False),
    S.REFUSED: (False, False),
    S.CANCELLED: (False, False),
    S.NOT_EXERCISED: (True, False),
    S.IN_DOUBT: (False, False),
    S.SKIPPED: (True, False),
    S.STALE: (False, False),
}
"""Whether a need in this state is met where its output is not used, and where it is."""


@pytest.mark.parametrize("need", list(S))
def test_what_satisfies_a_need(need: StepState) -> None:
    unused, used = SATISFIES[need]
    assert satisfied(StepRun("a", need), output_used=False) is unused
    assert satisfied(StepRun("a", need), output_used=True) is used
    state = state_of(a=need, b=S.PENDING)
    assert (may_run(PLAIN, state, "b") == "") is unused
    assert (may_run(USING, state, "b") == "") is used
    assert ("b" in decide(PLAIN, state).ready) is unused
    assert ("b" in decide(USING, state).ready) is used


@pytest.mark.parametrize("need", list(S))
def test_an_output_that_something_stands_in_for_may_be_missing(need: StepState) -> None:
    """It is waited for all the same, and nothing that failed is passed over."""
    unused, _ = SATISFIES[need]
    a, b = USING.steps
    may_lack = replace(USING, steps=(a, replace(b, may_lack=frozenset({"a"}))))
    state = state_of(a=need, b=S.PENDING)
    assert (may_run(may_lack, state, "b") == "") is unused
    assert ("b" in decide(may_lack, state).ready) is unused


def test_could_not_verify_satisfies_with_a_recorded_decision_only() -> None:
    state = state_of(a=S.COULD_NOT_VERIFY, b=S.PENDING)
    assert may_run(PLAIN, state, "b") == "waits for step a to be mended; it is could-not-verify"
    accepted = replace(state.steps["a"], accepted="counted by hand")
    state = replace(state, steps={**state.steps, "a": accepted})
    assert may_run(PLAIN, state, "b") == ""


MAY_RUN: dict[StepState, bool] = {
    **dict.fromkeys(S, True),
    S.STARTED: False,
    S.AWAITING: False,
    S.IN_DOUBT: False,
}
MAY_SKIP = {
    S.PENDING,
    S.AWAITING,
    S.FAILED,
    S.COULD_NOT_VERIFY,
    S.REFUSED,
    S.CANCELLED,
    S.STALE,
}


@pytest.mark.parametrize("own", list(S))
def test_what_may_run_and_be_skipped(own: StepState) -> None:
    state = state_of(a=own, b=S.PENDING)
    assert (may_run(PLAIN, state, "a") == "") is MAY_RUN[own]
    assert (may_skip(state, "a") == "") is (own in MAY_SKIP)
    closed = replace(state, closed_at=datetime(2026, 4, 24, tzinfo=UTC))
    assert may_run(PLAIN, closed, "a") == "the incident is closed"
    assert may_skip(closed, "a") == "the incident is closed"


def test_steps_that_are_not_there() -> None:
    state = state_of(a=S.PENDING, b=S.PENDING)
    assert may_run(PLAIN, state, "zz") == "there is no step 'zz'"
    assert may_skip(state, "zz") == "there is no step 'zz'"


WHEN: list[tuple[str, Readiness]] = [
    ("true", Readiness.READY),
    ("false", Readiness.SKIP),
    ("steps.a.v == 1", Readiness.READY),
    ("steps.a.v == 2", Readiness.SKIP),
    ("incident.mode == 'live'", Readiness.READY),
    ("steps.a.v", Readiness.ERROR),
    ("steps.a.nothing", Readiness.ERROR),
    ("not steps.a.v", Readiness.ERROR),
]


@pytest.mark.parametrize(("when", "readiness"), WHEN)
def test_conditions(when: str, readiness: Readiness) -> None:
    runbook = runbook_of(("a", set(), set(), ""), ("b", {"a"}, set(), when))
    state = state_of(a=S.SUCCEEDED, b=S.PENDING)
    assert decide(runbook, state).view("b").readiness is readiness
    assert (may_run(runbook, state, "b") == "") is (readiness is Readiness.READY)
    waiting = state_of(a=S.PENDING, b=S.PENDING)
    assert decide(runbook, waiting).view("b").readiness is Readiness.BLOCKED


def test_finished_and_stuck() -> None:
    assert decide(PLAIN, state_of(a=S.SUCCEEDED, b=S.FAILED)).finished
    stuck = decide(PLAIN, state_of(a=S.FAILED, b=S.PENDING))
    assert (stuck.finished, stuck.stuck) == (False, True)
    assert stuck.view("b").waiting_for == ("a",)
    stale = decide(PLAIN, state_of(a=S.SUCCEEDED, b=S.STALE))
    assert (stale.finished, stale.stuck) == (False, True)
    assert not decide(PLAIN, state_of(a=S.STARTED, b=S.PENDING)).stuck
    assert decide(PLAIN, state_of(a=S.STARTED, b=S.PENDING)).running == ("a",)


CHAIN = runbook_of(
    ("a", set(), set(), ""),
    ("b", set(), {"a"}, ""),
    ("c", set(), {"b"}, ""),
    ("d", {"a"}, set(), ""),
)


@pytest.mark.parametrize(
    ("b", "c", "stale"),
    [
        (S.SUCCEEDED, S.SUCCEEDED, ("b", "c")),
        (S.SUCCEEDED, S.PENDING, ("b",)),
        (S.PENDING, S.SUCCEEDED, ()),
        (S.SKIPPED, S.SUCCEEDED, ()),
        (S.STALE, S.STALE, ()),
        (S.FAILED, S.IN_DOUBT, ("b",)),
        (S.AWAITING, S.PENDING, ("b",)),
    ],
)
def test_what_a_new_run_makes_stale(b: StepState, c: StepState, stale: tuple[str, ...]) -> None:
    state = state_of(a=S.SUCCEEDED, b=b, c=c, d=S.SUCCEEDED)
    assert stale_after(CHAIN, state, "a") == stale


def test_expressions_see_only_outputs_that_count() -> None:
    state = state_of(a=S.SUCCEEDED, b=S.FAILED)
    failed = replace(state.steps["b"], result={"v": 2})
    state = replace(state, steps={**state.steps, "b": failed}, inputs={"day": "x"})
    names = scope(PLAIN, state)
    assert names["steps"] == {"a": {"v": 1}}
    assert names["inputs"] == {"day": "x"}
    assert arguments(USING, state, "b") == {"a": 1}
    with pytest.raises(ExpressionError):
        arguments(USING, state_of(a=S.STALE, b=S.PENDING), "b")


OUTCOMES: list[tuple[StepState, StepState, str, int]] = [
    (S.SUCCEEDED, S.SUCCEEDED, "pass", 0),
    (S.SUCCEEDED, S.PENDING, "unfinished", 7),
    (S.SUCCEEDED, S.AWAITING, "unfinished", 7),
    (S.STARTED, S.PENDING, "unfinished", 7),
    (S.SUCCEEDED, S.FAILED, "fail", 1),
    (S.SUCCEEDED, S.CANCELLED, "aborted", 3),
    (S.SUCCEEDED, S.REFUSED, "refused", 4),
    (S.SUCCEEDED, S.COULD_NOT_VERIFY, "could-not-verify", 5),
    (S.SUCCEEDED, S.STALE, "could-not-verify", 5),
    (S.SUCCEEDED, S.IN_DOUBT, "in-doubt", 6),
    (S.FAILED, S.IN_DOUBT, "in-doubt", 6),
    (S.FAILED, S.REFUSED, "refused", 4),
    (S.FAILED, S.COULD_NOT_VERIFY, "fail", 1),
    (S.SUCCEEDED, S.SKIPPED, "partial", 0),
]


@pytest.mark.parametrize(("a", "b", "word", "code"), OUTCOMES)
def test_outcome(a: StepState, b: StepState, word: str, code: int) -> None:
    found = outcome(PLAIN, state_of(a=a, b=b))
    assert (found.word, int(found.code)) == (word, code)
    assert found.reason


Change = Callable[[StepRun], StepRun]
ACCEPTED: Change = lambda run: replace(run, accepted="r")  # noqa: E731
BY_RULE: Change = lambda run: replace(run, skipped_by_rule=True)  # noqa: E731
BY_HAND: Change = lambda run: replace(run, by_hand=True)  # noqa: E731
BROKEN: Change = lambda run: replace(run, break_glass=True)  # noqa: E731

SPECIAL: list[tuple[Phase, StepState, Change | None, str, int]] = [
    (Phase.DETECT, S.COULD_NOT_VERIFY, ACCEPTED, "partial", 0),
    (Phase.VERIFY, S.COULD_NOT_VERIFY, ACCEPTED, "could-not-verify", 5),
    (Phase.VERIFY, S.SKIPPED, None, "could-not-verify", 5),
    (Phase.VERIFY, S.SKIPPED, BY_RULE, "pass", 0),
    (Phase.CONTAIN, S.SKIPPED, BY_RULE, "pass", 0),
    (Phase.VERIFY, S.SUCCEEDED, BY_HAND, "could-not-verify", 5),
    (Phase.CUTOVER, S.SUCCEEDED, BY_HAND, "partial", 0),
    (Phase.CUTOVER, S.FAILED, BY_HAND, "fail", 1),
    (Phase.LOCATE, S.SUCCEEDED, BROKEN, "partial", 0),
    (Phase.LOCATE, S.FAILED, BROKEN, "fail", 1),
]


@pytest.mark.parametrize(("phase", "own", "change", "word", "code"), SPECIAL)
def test_outcome_of_what_a_person_let_pass(
    phase: Phase, own: StepState, change: Change | None, word: str, code: int
) -> None:
    runbook = runbook_of(("a", set(), set(), ""), phase=phase)
    state = state_of(a=own)
    if change is not None:
        state = replace(state, steps={"a": change(state.steps["a"])})
    found = outcome(runbook, state)
    assert (found.word, int(found.code)) == (word, code)


def test_what_was_done_by_hand_is_never_plainly_passed() -> None:
    state = state_of(a=S.SUCCEEDED, b=S.SUCCEEDED)
    state = replace(state, steps={**state.steps, "b": BY_HAND(state.steps["b"])})
    found = outcome(PLAIN, state)
    assert (found.word, found.reason) == ("partial", "b: done by hand, by a person's word")


def test_what_was_done_by_hand_handed_nothing_back() -> None:
    state = state_of(a=S.SUCCEEDED, b=S.PENDING)
    by_hand = replace(state.steps["a"], by_hand=True, result=None)
    state = replace(state, steps={**state.steps, "a": by_hand})
    assert scope(PLAIN, state)["steps"] == {"a": {}}
    assert may_run(PLAIN, state, "b") == ""


def test_staleness_follows_the_outputs_and_not_the_order_of_the_file() -> None:
    runbook = runbook_of(("c", set(), {"b"}, ""), ("b", set(), {"a"}, ""), ("a", set(), set(), ""))
    state = state_of(c=S.SUCCEEDED, b=S.SUCCEEDED, a=S.SUCCEEDED)
    assert stale_after(runbook, state, "a") == ("c", "b")


@pytest.mark.parametrize("go", [S.AWAITING, S.SUCCEEDED])
def test_go_does_not_outlive_the_check_that_it_was_said_on(go: StepState) -> None:
    """The question only waits for the check and uses nothing of it, and the cutover waits for its answer."""
    made = runbook_of(
        ("restore", set(), set(), ""),
        ("verify", set(), {"restore"}, ""),
        ("decide", {"verify"}, set(), ""),
        ("cutover", {"decide"}, set(), ""),
        ("told", {"cutover"}, set(), ""),
    )
    asks = made.step("decide").step.model_copy(update={"do": "choose"})
    steps = tuple(replace(one, step=asks) if one.id == "decide" else one for one in made.steps)
    runbook = replace(made, steps=steps)
    state = state_of(
        restore=S.SUCCEEDED, verify=S.SUCCEEDED, decide=go, cutover=S.AWAITING, told=S.SUCCEEDED
    )
    assert stale_after(runbook, state, "restore") == ("verify", "decide", "cutover")
    done = replace(state, steps={**state.steps, "cutover": StepRun("cutover", S.SUCCEEDED)})
    assert stale_after(runbook, done, "restore") == ("verify", "decide")  # what was done stays done


def test_outcome_of_a_dry_run_never_says_pass() -> None:
    found = outcome(PLAIN, state_of(Mode.DRY_RUN, a=S.SUCCEEDED, b=S.NOT_EXERCISED))
    assert (found.word, int(found.code)) == ("not-exercised", 0)
    failed = outcome(PLAIN, state_of(Mode.DRY_RUN, a=S.FAILED, b=S.NOT_EXERCISED))
    assert (failed.word, int(failed.code)) == ("fail", 1)


def test_what_was_not_exercised_is_never_a_pass_in_a_drill_either() -> None:
    found = outcome(PLAIN, state_of(Mode.DRILL, a=S.SUCCEEDED, b=S.NOT_EXERCISED))
    assert (found.word, found.reason) == ("partial", "b: planned, not done")
    checks = runbook_of(("a", set(), set(), ""), phase=Phase.VERIFY)
    unchecked = outcome(checks, state_of(Mode.DRILL, a=S.NOT_EXERCISED))
    assert (unchecked.word, int(unchecked.code)) == ("could-not-verify", 5)


def test_json_of_a_scope_is_plain() -> None:
    names: Json = dict(scope(PLAIN, state_of(a=S.PENDING, b=S.PENDING)))
    assert names == {
        "inputs": {},
        "steps": {},
        "incident": {
            "id": "",
            "mode": "live",
            "occurred": None,
            "detected": None,
            "declared": None,
        },
        "runbook": {"title": "T", "sha256": "0" * 64},
    }
