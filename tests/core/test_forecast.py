"""How long it still takes: along the needs, from earlier runs and progress, and never made up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.folded import T0, ended, folded, loaded, planned

from drbook.core import events as ev
from drbook.core.events import Event, Mode
from drbook.core.forecast import Forecast, forecast
from drbook.core.state import StepState

HEAD = "drbook: 1\ntitle: T\nsteps:\n"
ROW = HEAD + (
    "  - {id: revoke, phase: contain, do: manual, needs: [], with: {instructions: I}}\n"
    "  - {id: locate, phase: locate, do: once, needs: []}\n"
    "  - {id: restore, phase: restore, do: once, needs: [locate]}\n"
    "  - {id: verify, phase: verify, do: postgres.verify, needs: [restore]}\n"
    "  - {id: decide, phase: decide, do: once, needs: [revoke, verify]}\n"
)
"""`revoke` runs beside the rest, `decide` comes after the verification."""
SIDES = HEAD + (
    "  - {id: a, phase: restore, do: once, needs: []}\n"
    "  - {id: b, phase: restore, do: once, needs: []}\n"
    "  - {id: verify, phase: verify, do: postgres.verify, needs: [a, b]}\n"
)
WHEN = HEAD + (
    "  - {id: a, phase: restore, do: once, needs: []}\n"
    '  - {id: b, phase: restore, do: once, needs: [a], when: "${{ steps.a.value == 1 }}"}\n'
    "  - {id: verify, phase: verify, do: postgres.verify, needs: [b]}\n"
)
PAST = {"locate": (10,), "restore": (400, 420, 600), "verify": (60, 50), "revoke": (9999,), "decide": (7777,)}  # fmt: skip
S = StepState


@dataclass
class Case:
    """What is known → likely, least, most, unknown."""

    book: str
    wanted: tuple[int, int, int, Sequence[str]]
    past: Mapping[str, Sequence[int]] = field(default_factory=lambda: PAST)
    progress: Mapping[str, int] = field(default_factory=dict)
    ends: Mapping[str, StepState] = field(default_factory=dict)
    events: Sequence[tuple[float, Event]] = ()
    at: float = 0


def started(step: str, at: float, action: str = "once") -> list[tuple[float, Event]]:
    return [(at, planned(step, action)), (at, ev.StepStarted(step=step, attempt=1))]


DONE = {"locate": S.SUCCEEDED}
RUNS = started("restore", 1300)
CASES = {
    "nothing has begun: the way to the verification, and only that": Case(
        ROW, (10 + 420 + 55, 10 + 400 + 50, 10 + 600 + 60, ())
    ),
    "what is done counts nothing": Case(ROW, (475, 450, 660, ()), ends=DONE),
    "what is skipped counts nothing": Case(
        ROW, (55, 50, 60, ()), ends=DONE | {"restore": S.SKIPPED}
    ),
    "what runs counts what is left of it": Case(
        ROW, (320 + 55, 300 + 50, 500 + 60, ()), ends=DONE, events=RUNS, at=1400
    ),
    "what takes longer than some counts by the others": Case(
        ROW, (190 + 55, 190 + 50, 190 + 60, ()), ends=DONE, events=RUNS, at=1300 + 410,
        past=PAST | {"restore": (350, 300, 600)},
    ),
    "what takes longer than ever is unknown": Case(
        ROW, (55, 50, 60, ("restore",)), ends=DONE, events=RUNS, at=2400
    ),
    "what takes a little longer than ever is about to end": Case(
        ROW, (55, 50, 60, ()), ends=DONE, events=RUNS, at=1300 + 640
    ),
    "progress moves it up": Case(
        ROW, (500 + 55, 500 + 50, 500 + 60, ()), ends=DONE, events=RUNS, at=1400,
        progress={"restore": 500},
    ),
    "progress is the least, earlier runs know what comes after it": Case(
        ROW, (320 + 55, 15 + 50, 500 + 60, ()), ends=DONE, events=RUNS, at=1400,
        progress={"restore": 15},
    ),
    "progress alone is a lower bound": Case(
        ROW, (15 + 55, 15 + 50, 15 + 60, ("restore",)), ends=DONE, events=RUNS, at=1400,
        progress={"restore": 15}, past={"verify": (60, 50)},
    ),
    "nobody knows": Case(ROW, (0, 0, 0, ("locate", "restore", "verify")), past={}),
    "half is known": Case(ROW, (55, 50, 60, ("locate", "restore")), past={"verify": (60, 50)}),
    "a failure has to be mended first, by somebody": Case(
        ROW, (475, 450, 660, ("restore",)), ends=DONE | {"restore": S.FAILED}
    ),
    "in doubt": Case(ROW, (475, 450, 660, ("restore",)), ends=DONE | {"restore": S.IN_DOUBT}),
    "a verification that failed is not one": Case(
        ROW, (55, 50, 60, ("verify",)),
        ends=DONE | {"restore": S.SUCCEEDED, "verify": S.COULD_NOT_VERIFY},
    ),
    "nor one that was accepted": Case(
        ROW, (55, 50, 60, ("verify",)),
        ends=DONE | {"restore": S.SUCCEEDED, "verify": S.COULD_NOT_VERIFY},
        events=[(3000, ev.DecisionRecorded(step="verify", decision="accept", reason="r"))],
    ),
    "another step that was accepted is gone on from": Case(
        ROW, (55, 50, 60, ()), ends=DONE | {"restore": S.COULD_NOT_VERIFY},
        events=[(3000, ev.DecisionRecorded(step="restore", decision="accept", reason="r"))],
    ),
    "side by side is not summed": Case(
        SIDES, (100 + 5, 100 + 5, 100 + 5, ()), past={"a": (100,), "b": (70,), "verify": (5,)}
    ),
    "each end of the range has its own way": Case(
        SIDES, (90, 80, 500, ()), past={"a": (80, 90, 100), "b": (10, 20, 500), "verify": (0, 0)}
    ),
    "what may be skipped may take nothing": Case(
        WHEN, (16, 11, 16, ()), past={"a": (10,), "b": (5,), "verify": (1,)}
    ),
    "waiting for a person counts from when it was asked": Case(
        ROW.replace("needs: [locate]", "needs: [locate, revoke]"), (200 + 475, 200 + 450, 200 + 660, ()),
        past=PAST | {"revoke": (300,)}, ends=DONE, events=[(1300, planned("revoke", "manual"))], at=1400,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_forecast(name: str) -> None:
    case = CASES[name]
    runbook, state = folded(case.book, *case.events, ends=case.ends)
    now = T0 + timedelta(seconds=case.at)
    found = forecast(runbook, state, now, case.past, case.progress)
    assert found is not None
    seconds = tuple(int(one.total_seconds()) for one in (found.left, found.least, found.most))
    assert (*seconds, tuple(found.unknown)) == (*case.wanted[:3], tuple(case.wanted[3]))
    assert found.at_least is bool(case.wanted[3])


VERIFIED = {"locate": S.SUCCEEDED, "restore": S.SUCCEEDED, "verify": S.SUCCEEDED}
NONE = {
    "verified": (ROW, VERIFIED, (), Mode.LIVE),
    "closed": (ROW, {}, [(5, ev.IncidentClosed(outcome="aborted", exit_code=3))], Mode.LIVE),
    "nothing verifies": (HEAD + "  - {id: a, phase: restore, do: once}\n", {}, (), Mode.LIVE),
    "the verification is skipped": (ROW, {"verify": S.SKIPPED}, (), Mode.LIVE),
    "a dry run restores nothing": (ROW, {}, (), Mode.DRY_RUN),
}


@pytest.mark.parametrize("name", NONE)
def test_where_there_is_nothing_to_forecast(name: str) -> None:
    book, ends, events, mode = NONE[name]
    runbook, state = folded(book, *events, ends=ends, mode=mode)
    assert forecast(runbook, state, T0, PAST, {}) is None


def test_how_many_earlier_runs_it_rests_on() -> None:
    runbook, state = folded(ROW)

    def found(past: Mapping[str, Sequence[int]]) -> Forecast:
        told = forecast(runbook, state, T0, past, {})
        assert told is not None
        return told

    assert found(PAST).runs == 1
    assert found(PAST | {"locate": (9, 10, 11)}).runs == 2
    nothing = found({})
    assert (nothing.runs, nothing.known, nothing.timed) == (0, False, ())
    assert found({"verify": (1,)}).known


def test_many_runs_leave_the_outermost_out() -> None:
    runbook, state = folded(HEAD + "  - {id: verify, phase: verify, do: postgres.verify}\n")
    found = forecast(runbook, state, T0, {"verify": (1, 9000, *range(100, 118))}, {})
    assert found is not None
    assert (found.least.total_seconds(), found.most.total_seconds()) == (101, 116)
    assert found.left.total_seconds() == 108


def test_a_thousand_steps_in_a_row_are_no_depth() -> None:
    rows = "".join(f"  - {{id: s{n}, phase: restore, do: once}}\n" for n in range(1500))
    runbook, state = folded(HEAD + rows + "  - {id: v, phase: verify, do: postgres.verify}\n")
    found = forecast(runbook, state, T0, {f"s{n}": (1,) for n in range(1500)}, {})
    assert found is not None
    assert (found.left, found.unknown) == (timedelta(seconds=1500), ("v",))


@st.composite
def worlds(draw: st.DrawFn) -> tuple[str, dict[str, list[int]], dict[str, StepState]]:
    """A runbook of any shape, what is known of some steps, and some that ended."""
    count = draw(st.integers(1, 8))
    names = [f"s{n}" for n in range(count)]
    lines, past, ends = [], {}, {}
    for number, name in enumerate(names):
        needs = draw(st.sets(st.sampled_from(names[:number]), max_size=3)) if number else set()
        action = (
            "postgres.verify" if number == count - 1 or draw(st.integers(0, 5)) == 0 else "once"
        )
        lines.append(f"  - {{id: {name}, phase: verify, do: {action}, needs: [{', '.join(sorted(needs))}]}}\n")  # fmt: skip
        if draw(st.booleans()):
            past[name] = draw(st.lists(st.integers(0, 10_000), min_size=1, max_size=15))
        if draw(st.integers(0, 3)) == 0:
            ends[name] = draw(st.sampled_from([S.SUCCEEDED, S.SKIPPED, S.FAILED, S.IN_DOUBT]))
    return HEAD + "".join(lines), past, ends


@given(worlds())
@settings(max_examples=60, deadline=None)
def test_it_is_in_order_bounded_by_the_sum_and_names_what_it_does_not_know(
    world: tuple[str, dict[str, list[int]], dict[str, StepState]],
) -> None:
    book, past, ends = world
    runbook, state = folded(book, ends=ends)
    found = forecast(runbook, state, T0, past, {})
    if found is None:
        return
    assert timedelta(0) <= found.least <= found.left <= found.most
    over = (S.SUCCEEDED, S.SKIPPED)
    still = [step.id for step in runbook.steps if state.steps[step.id].state not in over]
    assert found.most.total_seconds() <= sum(max(past.get(name, (0,))) for name in still)
    for name in found.unknown:
        assert name not in past or state.steps[name].state in (S.FAILED, S.IN_DOUBT)
        assert name in still
    assert set(found.timed) <= set(past) & set(still)
    for step in runbook.steps:
        if step.step.do == "postgres.verify" and step.id in still:
            assert step.id in {*found.unknown, *found.timed}


@given(worlds(), st.integers(0, 7))
@settings(max_examples=40, deadline=None)
def test_knowing_more_never_makes_it_shorter_and_doing_more_never_longer(
    world: tuple[str, dict[str, list[int]], dict[str, StepState]], which: int
) -> None:
    book, past, _ = world
    runbook = loaded(book)
    name = runbook.steps[which % len(runbook.steps)].id
    _, state = folded(book)
    before = forecast(runbook, state, T0, past, {})
    assert before is not None
    more = forecast(runbook, state, T0, {name: [50], **past}, {})
    assert more is not None
    assert more.left >= before.left
    _, later = folded(book, (1, planned(name, runbook.step(name).step.do)), *[(2, e) for e in (ev.StepStarted(step=name, attempt=1), ended(name, S.SUCCEEDED))])  # fmt: skip
    after = forecast(runbook, later, T0, past, {})
    assert after is None or (after.left <= before.left and after.most <= before.most)
