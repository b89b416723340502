"""Jumps, steps that were done elsewhere, and inputs that change: as tables."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from core.test_engine import runbook_of, state_of
from support.evidence import LOSS, located, verified

from drbook.core.engine import may_run
from drbook.core.events import Mode, StepEnd
from drbook.core.moves import (
    consents_missing,
    leap,
    may_do_elsewhere,
    running_with,
    stale_for_input,
)
from drbook.core.occurred import dated, outdated
from drbook.core.runbook import CompiledStep, Runbook
from drbook.core.state import IncidentState, StepRun, StepState

S = StepState

CHAIN = runbook_of(
    ("d", {"c"}, set(), ""),
    ("a", set(), set(), ""),
    ("b", {"a"}, set(), ""),
    ("c", {"b"}, set(), ""),
    ("side", set(), set(), ""),
)
"""d needs c needs b needs a; the file has them in another order."""
USING = runbook_of(
    ("a", set(), set(), ""),
    ("b", {"a"}, set(), ""),
    ("c", {"b"}, {"a"}, ""),
)
"""c uses what a hands back."""


def chain(**changed: StepState) -> IncidentState:
    return state_of(**(dict.fromkeys(("d", "a", "b", "c", "side"), S.PENDING) | changed))


JUMPS: list[tuple[str, dict[str, StepState], tuple[str, ...], str]] = [
    ("d", {}, ("a", "b", "c"), ""),
    ("c", {}, ("a", "b"), ""),
    ("d", {"a": S.SUCCEEDED}, ("b", "c"), ""),
    ("d", {"a": S.FAILED}, ("a", "b", "c"), ""),
    ("d", {"b": S.SUCCEEDED}, ("c",), ""),
    ("d", {"a": S.COULD_NOT_VERIFY, "b": S.AWAITING}, ("a", "b", "c"), ""),
    ("d", {"a": S.STALE, "b": S.CANCELLED, "c": S.REFUSED}, ("a", "b", "c"), ""),
    ("d", {"d": S.FAILED, "c": S.STALE, "b": S.SUCCEEDED}, ("c",), ""),
    ("d", {"b": S.STARTED}, (), "step b cannot be skipped: it is started"),
    ("d", {"a": S.IN_DOUBT}, (), "step a cannot be skipped: it is in-doubt"),
    ("d", {"a": S.SUCCEEDED, "b": S.SUCCEEDED, "c": S.SUCCEEDED}, (), "it waits for nothing"),
    ("d", {"a": S.SUCCEEDED, "b": S.SUCCEEDED, "c": S.SKIPPED}, (), "it waits for nothing"),
    ("a", {}, (), "it waits for nothing"),
    ("d", {"d": S.STARTED}, (), "it is started"),
    ("d", {"d": S.AWAITING}, (), "it is awaiting"),
    ("d", {"d": S.IN_DOUBT}, (), "it is in-doubt"),
    ("zz", {}, (), "there is no step 'zz'"),
]


@pytest.mark.parametrize(("step", "states", "skips", "why"), JUMPS)
def test_jumps(step: str, states: dict[str, StepState], skips: tuple[str, ...], why: str) -> None:
    state = chain(**states)
    found = leap(CHAIN, state, step)
    assert found.skips == skips
    assert bool(found.why_not) is not bool(skips)
    assert why in found.why_not
    if skips:
        behind = {name: replace(state.steps[name], state=S.SKIPPED) for name in skips}
        assert may_run(CHAIN, replace(state, steps={**state.steps, **behind}), step) == ""


USED: list[tuple[dict[str, StepState], tuple[str, ...], str]] = [
    ({}, (), "step c uses what a would hand back"),
    ({"a": S.FAILED}, (), "step c uses what a would hand back"),
    ({"a": S.SUCCEEDED}, ("b",), ""),
    ({"a": S.SKIPPED}, (), "waits for step a to be mended; it is skipped"),
    ({"a": S.SKIPPED, "b": S.SUCCEEDED}, (), "waits for step a to be mended; it is skipped"),
]


@pytest.mark.parametrize(("states", "skips", "why"), USED)
def test_no_jump_over_an_output_that_is_used(
    states: dict[str, StepState], skips: tuple[str, ...], why: str
) -> None:
    state = state_of(**(dict.fromkeys("abc", S.PENDING) | states))
    found = leap(USING, state, "c")
    assert found.skips == skips
    assert why in found.why_not


def test_no_jump_over_what_a_step_that_stays_has_used() -> None:
    runbook = runbook_of(
        ("a", set(), set(), ""), ("b", set(), {"a"}, ""), ("c", {"a", "b"}, set(), "")
    )
    state = state_of(a=S.STALE, b=S.SUCCEEDED, c=S.PENDING)
    assert leap(runbook, state, "c").why_not == "step b uses what a would hand back"
    skipped = state_of(a=S.STALE, b=S.SKIPPED, c=S.PENDING)
    assert leap(runbook, skipped, "c").skips == ("a",)


def test_no_jump_to_a_step_that_its_condition_would_skip() -> None:
    runbook = runbook_of(("a", set(), set(), ""), ("b", {"a"}, set(), "false"))
    found = leap(runbook, state_of(a=S.PENDING, b=S.PENDING), "b")
    assert found.why_not == "its condition is false"


def test_nothing_of_this_after_the_close() -> None:
    closed = replace(chain(), closed_at=LOSS)
    assert leap(CHAIN, closed, "d").why_not == "the incident is closed"
    why = may_do_elsewhere(CHAIN, closed, "a", StepEnd.SUCCEEDED, hands_back=False)
    assert why == "the incident is closed"


ELSEWHERE: dict[StepState, bool] = {
    **dict.fromkeys(S, True),
    S.STARTED: False,
    S.SUCCEEDED: False,
    S.IN_DOUBT: False,
    S.NOT_EXERCISED: False,
}


@pytest.mark.parametrize("end", [StepEnd.SUCCEEDED, StepEnd.FAILED])
@pytest.mark.parametrize("own", list(S))
def test_what_may_be_done_elsewhere(own: StepState, end: StepEnd) -> None:
    state = chain(a=own)
    why = may_do_elsewhere(CHAIN, state, "a", end, hands_back=True)
    assert (why == "") is ELSEWHERE[own]
    rehearsed = replace(state, mode=Mode.DRY_RUN)
    assert may_do_elsewhere(CHAIN, rehearsed, "a", end, hands_back=True)


def test_what_waits_for_others_is_not_done_elsewhere_yet() -> None:
    why = may_do_elsewhere(CHAIN, chain(), "b", StepEnd.SUCCEEDED, hands_back=False)
    assert why == "waits for step a to be done"
    assert may_do_elsewhere(CHAIN, chain(), "zz", StepEnd.FAILED, hands_back=False)


@pytest.mark.parametrize(
    ("end", "hands_back", "allowed"),
    [
        (StepEnd.SUCCEEDED, True, False),
        (StepEnd.SUCCEEDED, False, True),
        (StepEnd.FAILED, True, True),
    ],
)
def test_nobody_records_a_result_that_later_steps_use(
    end: StepEnd, hands_back: bool, allowed: bool
) -> None:
    state = state_of(a=S.FAILED, b=S.PENDING, c=S.PENDING)
    why = may_do_elsewhere(USING, state, "a", end, hands_back=hands_back)
    assert (why == "") is allowed
    assert allowed or "it hands a result to c" in why


def asking_two() -> Runbook:
    runbook = runbook_of(("a", set(), set(), ""))
    asks = {
        "id": "a", "phase": "cutover", "do": "x",
        "confirm": {"type": "prod"}, "approve": {"by": "CTO"},
    }  # fmt: skip
    step = runbook.document.steps[0].model_validate(asks)
    return replace(runbook, steps=(replace(runbook.steps[0], step=step),))


CONSENTS: list[tuple[StepRun, tuple[str, ...]]] = [
    (StepRun("a"), ("approval by CTO", "typed confirmation")),
    (StepRun("a", S.AWAITING, approved_by="carla"), ("typed confirmation",)),
    (StepRun("a", S.AWAITING, approved_by="carla", confirmed=True), ()),
    (
        StepRun("a", S.FAILED, approved_by="carla", confirmed=True),
        ("approval by CTO", "typed confirmation"),
    ),
]
"""What was given to an attempt that ended was given to that one."""


@pytest.mark.parametrize(("run", "missing"), CONSENTS)
def test_consents_that_nobody_gave(run: StepRun, missing: tuple[str, ...]) -> None:
    state = replace(state_of(a=S.PENDING), steps={"a": run})
    assert consents_missing(asking_two(), state, "a") == missing


# --- inputs ----------------------------------------------------------------------------------


def asking(runbook: Runbook, *names: str, of: str = "day") -> Runbook:
    def with_inputs(step: CompiledStep) -> CompiledStep:
        return replace(step, inputs=frozenset({of})) if step.id in names else step

    return replace(runbook, steps=tuple(with_inputs(step) for step in runbook.steps))


INPUTS: list[tuple[dict[str, StepState], tuple[str, ...]]] = [
    ({"a": S.SUCCEEDED, "b": S.SUCCEEDED, "c": S.SUCCEEDED}, ("a", "c")),
    ({"a": S.SUCCEEDED, "b": S.SUCCEEDED, "c": S.PENDING}, ("a",)),
    ({"a": S.AWAITING}, ("a",)),
    ({"a": S.FAILED}, ("a",)),
    ({"a": S.SUCCEEDED, "b": S.SUCCEEDED, "c": S.AWAITING}, ("a", "c")),
    ({"a": S.SKIPPED}, ()),
    ({"a": S.STALE}, ()),
    ({"a": S.IN_DOUBT}, ()),
    ({"a": S.STARTED}, ()),
    ({}, ()),
]


@pytest.mark.parametrize(("states", "stale"), INPUTS)
def test_what_another_input_makes_stale(
    states: dict[str, StepState], stale: tuple[str, ...]
) -> None:
    runbook = asking(USING, "a")
    state = state_of(**(dict.fromkeys("abc", S.PENDING) | states))
    state = replace(state, inputs={"day": "friday"})
    assert stale_for_input(runbook, state, "day", "saturday", None) == stale
    assert stale_for_input(runbook, state, "day", "friday", None) == ()
    assert stale_for_input(runbook, state, "night", "saturday", None) == ()


@pytest.mark.parametrize(("value", "stale"), [("x", ("a",)), ("y", ()), (1, ())])
def test_a_condition_that_says_otherwise_now(value: str, stale: tuple[str, ...]) -> None:
    runbook = asking(runbook_of(("a", set(), set(), "inputs.day == 'x'")), "a")
    skipped = replace(state_of(a=S.SKIPPED).steps["a"], skipped_by_rule=True)
    state = replace(state_of(a=S.SKIPPED), steps={"a": skipped})
    assert stale_for_input(runbook, state, "day", value, None) == stale
    by_person = state_of(a=S.SKIPPED)
    assert stale_for_input(runbook, by_person, "day", value, None) == ()


def test_what_runs_with_an_input_now() -> None:
    runbook = asking(USING, "a")
    assert running_with(runbook, state_of(a=S.STARTED, b=S.STARTED, c=S.PENDING), "day") == ("a",)
    state = state_of(a=S.PENDING, b=S.STARTED, c=S.PENDING)
    locating = replace(state.steps["b"], action="backups.locate")
    state = replace(state, steps={**state.steps, "b": locating})
    assert running_with(runbook, state, "occurred") == ("b",)
    assert running_with(runbook, state, "day") == ()


# --- when it happened ------------------------------------------------------------------------

LOCATED = StepRun(
    "l", S.SUCCEEDED, action="backups.locate", result=located().model_dump(mode="json")
)
"""Copies 2, 11, 26 and 50 hours before LOSS."""


@pytest.mark.parametrize(
    ("before", "hours", "changes"),
    [(LOSS, -1, False), (LOSS, -3, True), (LOSS, 9, False), (None, 1, False), (None, -20, True)],
)
def test_findings_that_another_moment_makes_others(
    before: datetime | None, hours: int, changes: bool
) -> None:
    after = LOSS + timedelta(hours=hours)
    assert outdated(LOCATED, before, after) is changes
    runbook = runbook_of(("l", set(), set(), ""), ("r", set(), {"l"}, ""))
    state = state_of(l=S.SUCCEEDED, r=S.SUCCEEDED)
    state = replace(state, steps={**state.steps, "l": replace(LOCATED, id="l")}, occurred=before)
    stale = stale_for_input(runbook, state, "occurred", str(after), after)
    assert stale == (("l", "r") if changes else ())


def test_a_baseline_from_before_the_incident_stays_one() -> None:
    found = verified()
    at = found.comparison.model_copy(update={"baseline_at": LOSS - timedelta(hours=2)})
    result = found.model_copy(update={"comparison": at}).model_dump(mode="json")
    run = StepRun(
        "v", S.FAILED, action="postgres.verify", params={"baseline": "before_incident"},
        result=result,
    )  # fmt: skip
    assert outdated(run, LOSS, LOSS - timedelta(hours=3))
    assert not outdated(run, LOSS, LOSS - timedelta(hours=1))
    assert not outdated(replace(run, params={"baseline": "b1"}), LOSS, LOSS - timedelta(hours=3))
    assert not outdated(replace(run, result=None), LOSS, LOSS - timedelta(hours=3))


def test_the_loss_is_told_anew() -> None:
    later = LOSS + timedelta(hours=1)
    told = dated("backups.locate", LOCATED.result, later)
    assert isinstance(told, dict)
    assert (told["loss_seconds"], told["newest_loss_seconds"]) == (27 * 3600, 3 * 3600)
    unknown = dated("backups.locate", LOCATED.result, None)
    assert isinstance(unknown, dict)
    assert (unknown["loss_seconds"], unknown["newest_loss_seconds"]) == (None, None)
    at = datetime(2026, 4, 24, 0, 0, tzinfo=UTC)
    result = verified().model_copy(update={"consistent_at": at}).model_dump(mode="json")
    checked = dated("postgres.verify", result, at + timedelta(seconds=7))
    assert isinstance(checked, dict)
    assert checked["loss_seconds"] == 7
    for other in (None, {"value": 1}, {"loss_seconds": 1}):
        assert dated("backups.locate", other, later) == other
        assert dated("postgres.verify", other, later) == other
    assert dated("sql", {"loss_seconds": 1}, later) == {"loss_seconds": 1}
