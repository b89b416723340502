"""The actions for people and for small checks, without doors."""

from datetime import UTC, datetime
from typing import Literal, cast

import pytest
from pydantic import ValidationError

from drbook.actions.general import Ask, Assert, Choose, Manual, Note, read_answer
from drbook.core.actions import Action, Finished, StepContext
from drbook.core.errors import StepFailed, VerificationFailed
from drbook.core.events import Effect, Mode, StepEnd
from drbook.core.ports import Ports
from drbook.core.runbook import RunbookDocument
from drbook.core.values import Frozen, Json

DOCUMENT = RunbookDocument.model_validate(
    {"drbook": 1, "title": "T", "steps": [{"id": "a", "phase": "detect", "do": "x"}]}
)


def context(answer: Json = None, comment: str = "") -> StepContext:
    return StepContext(
        incident="20260424-x-7f3a",
        mode=Mode.LIVE,
        step="stop_writes",
        attempt=2,
        title="Do it",
        occurred=datetime(2026, 4, 24, tzinfo=UTC),
        document=DOCUMENT,
        answer=answer,
        comment=comment,
    )


def perform(action: Action[Frozen], values: dict[str, Json], answer: Json = None) -> Finished:
    """Run an action that signals nothing to its end."""
    params = action.params.model_validate(values)
    work = action.perform(params, context(answer, "because"), cast("Ports", None))
    with pytest.raises(StopIteration) as end:
        next(work)
    return cast("Finished", end.value.value)


def _as(action: object) -> Action[Frozen]:
    return cast("Action[Frozen]", action)


def test_manual_says_what_is_done_and_by_whom() -> None:
    manual = _as(Manual())
    params = manual.params.model_validate({"instructions": ["one", "two"], "irreversible": "gone"})
    plan = manual.plan(params, context())
    assert (plan.does, plan.damage) == (("one", "two"), "gone")
    assert plan.asks is not None
    assert plan.asks.kind == "done"
    assert manual.plan(manual.params(), context()).does == ("Do it",)


@pytest.mark.parametrize(
    ("answer", "state"),
    [("done", StepEnd.SUCCEEDED), ("not-done", StepEnd.FAILED), (None, StepEnd.FAILED)],
)
def test_manual_succeeds_only_when_somebody_says_so(answer: Json, state: StepEnd) -> None:
    found = perform(_as(Manual()), {}, answer)
    assert found.state is state
    assert "because" in found.reason


def test_choose() -> None:
    values: dict[str, Json] = {"prompt": "P", "choices": ["go", "no-go"], "stop_on": ["no-go"]}
    assert perform(_as(Choose()), values, "go").state is StepEnd.SUCCEEDED
    assert perform(_as(Choose()), values, "no-go").state is StepEnd.FAILED
    with pytest.raises(StepFailed):
        perform_raising(_as(Choose()), values, "maybe")
    with pytest.raises(ValidationError):
        Choose().params.model_validate({"prompt": "P", "choices": ["only"]})


def perform_raising(action: Action[Frozen], values: dict[str, Json], answer: Json = None) -> None:
    params = action.params.model_validate(values)
    next(action.perform(params, context(answer), cast("Ports", None)))


def test_assert_tells_both_ways() -> None:
    assert perform(_as(Assert()), {"that": True}).state is StepEnd.SUCCEEDED
    with pytest.raises(VerificationFailed) as caught:
        perform_raising(_as(Assert()), {"that": False, "message": "too few"})
    assert caught.value.what == "too few"


def test_note_and_ask() -> None:
    assert perform(_as(Note()), {"text": "x"}).reason == "x"
    assert perform(_as(Ask()), {"prompt": "P", "type": "number"}, " 12 ").result.model_dump() == {
        "value": 12
    }


Kind = Literal["text", "time", "number", "boolean"]

ANSWERS: list[tuple[Json, Kind, Json]] = [
    (" x ", "text", "x"),
    ("12", "number", 12),
    (12, "number", 12),
    ("-3", "number", -3),
    ("YES", "boolean", True),
    ("no", "boolean", False),
    (True, "boolean", True),
    ("2026-04-24 19:04", "time", "2026-04-24T19:04:00Z"),
]


@pytest.mark.parametrize(("answer", "kind", "value"), ANSWERS)
def test_answers_in_their_types(answer: Json, kind: Kind, value: Json) -> None:
    assert read_answer(answer, kind) == value


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (None, "text"),
        ("", "text"),
        ("  ", "number"),
        ("1.5", "number"),
        ("twelve", "number"),
        ("perhaps", "boolean"),
        ("yesterday", "time"),
        ("2026-13-01", "time"),
    ],
)
def test_answers_that_are_not_of_their_type(answer: Json, kind: Kind) -> None:
    with pytest.raises(StepFailed) as caught:
        read_answer(answer, kind)
    assert caught.value.next


def test_actions_without_effect_may_simply_run_again() -> None:
    for action in (Ask(), Assert(), Choose(), Note()):
        known = _as(action)
        assert known.effect is Effect.NONE
        assert known.probe(Frozen(), context(), cast("Ports", None)).answer == "did-not-happen"


def test_the_derived_name_is_known_before_and_differs_between_attempts() -> None:
    assert context().resource_name == "stop-writes-7f3a-2"
