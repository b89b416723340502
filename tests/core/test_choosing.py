"""Another copy than the proposed one: which may be chosen, what has to be typed, and what comes of it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from core.test_state import record
from support.evidence import LOSS, judgement, located, point

from drbook.core import events as ev
from drbook.core.choosing import (
    Which,
    against,
    chosen_instead,
    judgement_of,
    needs_break_glass,
    restored_instead,
    standing,
    why_not,
)
from drbook.core.criteria import GONE
from drbook.core.events import IllegalEvent
from drbook.core.fold import evolve
from drbook.core.located import Located
from drbook.core.points import Answer, Basis, Criterion, Finding, Judgement, Verdict
from drbook.core.results import RestoreResult
from drbook.core.state import IncidentState, StepRun, StepState
from drbook.core.targets import Target
from drbook.core.tried import Tried
from drbook.core.values import Json

NEWEST, BROKEN, GOOD, OLDER = located().judgements


def which(found: Judgement) -> Which:
    return Which(found.point.source, found.point.id, found.point.version)


CHOICES: list[tuple[Verdict, bool, bool]] = [
    (Verdict.INDEPENDENT, True, False),
    (Verdict.SHARED, True, True),
    (Verdict.UNKNOWN, True, True),
    (Verdict.DESTROYED, True, True),
    (Verdict.DAMAGED, False, True),
    (Verdict.RECOVERABLE, False, True),
]
"""Verdict, whether a person may choose it, and whether only by break-glass."""


@pytest.mark.parametrize(("verdict", "allowed", "glass"), CHOICES)
def test_what_may_be_chosen(verdict: Verdict, allowed: bool, glass: bool) -> None:
    found = judgement(point("s", 1), verdict, "it is cut short")
    assert (why_not(found) == "") is allowed
    assert needs_break_glass(found) is glass
    said = {Verdict.DAMAGED: "it is cut short", Verdict.RECOVERABLE: "Bring it back"}
    assert allowed or said[verdict] in why_not(found)


def test_what_is_gone_cannot_be_chosen() -> None:
    gone = Finding(
        criterion=Criterion.RESOURCE, answer=Answer.FAIL, basis=Basis.OBSERVED, reason=GONE
    )
    found = judgement(point("s", 1), Verdict.DESTROYED, GONE)
    assert why_not(found.model_copy(update={"findings": (gone,)})) == GONE


def test_what_is_not_known_of_a_copy_is_said() -> None:
    assert standing(NEWEST) == "its verdict is shared; app-key can delete it"
    unread = Finding(
        criterion=Criterion.BYTES, answer=Answer.UNKNOWN, basis=Basis.NONE, reason="not looked at"
    )
    older = OLDER.model_copy(update={"findings": (unread,)})
    assert standing(older) == "its verdict is independent; not looked at"
    assert needs_break_glass(older)  # nobody has verified it
    assert needs_break_glass(OLDER.model_copy(update={"findings": ()}))
    assert not needs_break_glass(OLDER)


def test_what_speaks_for_a_copy_is_no_reason_against_it() -> None:
    reasons = ("app-key can delete it", "preferred: why locked", "why account",
               "preferred but not met (versioned): it keeps no versions")  # fmt: skip
    found = NEWEST.model_copy(update={"reasons": reasons})
    assert against(found) == (reasons[0], reasons[3])
    assert "why" not in standing(found)


def test_a_copy_is_named_by_source_id_and_version() -> None:
    assert judgement_of(located(), which(OLDER)) == OLDER
    assert judgement_of(located(), replace(which(OLDER), version="v1")) is None
    assert judgement_of(located(), replace(which(OLDER), source="app")) is None


def test_the_chosen_point_takes_the_place_of_the_proposed_one() -> None:
    before = located().model_copy(update={"local_copy": "copies/a", "local_digest": "ab"})
    result = chosen_instead(before.model_dump(mode="json"), which(OLDER), LOSS)
    after = Located.model_validate(result)
    assert after.point == OLDER.point
    assert after.loss_seconds == 50 * 3600
    assert (after.local_copy, after.local_digest) == (None, None)
    assert after.judgements == before.judgements
    assert after.newest == before.newest
    unknown = chosen_instead(before.model_dump(mode="json"), which(OLDER), None)
    assert Located.model_validate(unknown).loss_seconds is None


@pytest.mark.parametrize("result", [None, {}, {"point": None}, [1], "x"])
def test_what_is_no_located_result_stays_nothing(result: Json) -> None:
    assert chosen_instead(result, which(OLDER), LOSS) is None


def state_with(state: StepState, result: Json) -> IncidentState:
    run = StepRun("a", state, attempt=1, action="backups.locate", result=result)
    opened = ev.IncidentOpened(
        incident="i", mode=ev.Mode.LIVE, title="T", runbook_sha256="0", runbook_file="r",
        drbook_version="0", occurred=LOSS, steps=("a",),
    )  # fmt: skip
    return replace(evolve(IncidentState(), record(1, opened)), steps={"a": run})


def chose(found: Judgement, typed: str = "") -> ev.PointChosen:
    return ev.PointChosen(
        step="a", source=found.point.source, id=found.point.id, reason="the newest is ruined",
        break_glass=bool(typed), typed=typed,
    )  # fmt: skip


@pytest.mark.parametrize(
    "state", [StepState.SUCCEEDED, StepState.FAILED, StepState.COULD_NOT_VERIFY]
)
def test_a_locate_step_that_found_nothing_independent_becomes_usable(state: StepState) -> None:
    none = located(chosen=False).model_dump(mode="json")
    after = evolve(state_with(state, none), record(2, chose(NEWEST, "app")))
    run = after.steps["a"]
    assert (run.state, run.break_glass, run.accepted) == (StepState.SUCCEEDED, True, None)
    assert isinstance(run.result, Mapping)
    assert run.result["point"] == NEWEST.point.model_dump(mode="json")
    assert "chosen by ops: the newest is ruined" in run.reason


def test_an_independent_one_needs_no_glass_and_takes_the_broken_one_back() -> None:
    result = located().model_dump(mode="json")
    broken = evolve(state_with(StepState.SUCCEEDED, result), record(2, chose(NEWEST, "app")))
    after = evolve(broken, record(3, chose(OLDER))).steps["a"]
    assert not after.break_glass
    moved = ev.InputChanged(name="occurred", value="x", occurred=LOSS + timedelta(hours=1))
    later = evolve(evolve(broken, record(3, chose(OLDER))), record(4, moved)).steps["a"]
    assert isinstance(later.result, Mapping)
    assert later.result["loss_seconds"] == 51 * 3600


ILLEGAL: list[tuple[StepState, ev.PointChosen]] = [
    *((state, chose(OLDER)) for state in StepState if state.value not in
      ("succeeded", "failed", "could-not-verify")),
    (StepState.SUCCEEDED, chose(NEWEST)),
    (StepState.SUCCEEDED, chose(NEWEST, "offsite")),
    (StepState.SUCCEEDED, chose(OLDER).model_copy(update={"version": "v9"})),
]  # fmt: skip


@pytest.mark.parametrize(("state", "event"), ILLEGAL)
def test_choices_that_cannot_stand_on_record(state: StepState, event: ev.PointChosen) -> None:
    with pytest.raises(IllegalEvent):
        evolve(state_with(state, located().model_dump(mode="json")), record(2, event))


def test_the_copy_that_won_side_by_side_is_the_one_that_counts() -> None:
    first, second = GOOD.point, OLDER.point
    one = Tried(
        source=second.source, location=second.location, taken_at=second.taken_at,
        comes_to=second.taken_at, target="t", ended="verified", seconds=1,
    )  # fmt: skip
    target = Target.model_construct()
    won = RestoreResult.model_construct(point=second, target=target, beside=(one,))
    alone = RestoreResult.model_construct(point=second, target=target, beside=())
    found_by_locate = located().model_copy(update={"point": first, "local_copy": "x"})
    found = restored_instead(found_by_locate, won)
    assert (found.point, found.local_copy) == (second, None)
    assert restored_instead(found_by_locate, alone) == found_by_locate
    assert restored_instead(found_by_locate, None) == found_by_locate
