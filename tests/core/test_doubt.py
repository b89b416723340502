"""What a look at a step in doubt saw: the words that go on record are the words that are read."""

from dataclasses import replace
from datetime import timedelta

import pytest

from drbook.core.doubt import Answer, look_words, looked_at
from drbook.core.state import IncidentState, Note, StepRun, StepState
from tests.support.evidence import LOSS as T0


def noted(text: str, minutes: int = 1, step: str | None = "a") -> Note:
    at = T0 + timedelta(minutes=minutes)
    return Note(at, "x", text, None, step)


def state(*notes: Note) -> IncidentState:
    run = StepRun("a", StepState.IN_DOUBT, planned_at=T0)
    return replace(IncidentState(), steps={"a": run}, order=("a",), notes=notes)


@pytest.mark.parametrize("answer", ["happened", "did-not-happen", "unknown"])
def test_what_is_written_is_what_is_read(answer: Answer) -> None:
    found = looked_at(state(noted(look_words("a", answer, "it is there."))), "a")
    assert found is not None
    assert found.answer == answer


@pytest.mark.parametrize(
    "note",
    [
        noted("it happened, says Carla"),
        noted(look_words("b", "happened", ""), step="b"),
        noted(look_words("a", "happened", ""), minutes=-1),
        noted("looked whether step a happened: happening. x"),
    ],
)
def test_what_is_no_look_at_this_attempt_is_none(note: Note) -> None:
    assert looked_at(state(note), "a") is None


def test_the_latest_look_counts_and_a_persons_note_does_not_hide_it() -> None:
    looks = (
        noted(look_words("a", "unknown", ""), 1), noted(look_words("a", "happened", ""), 2),
        noted("somebody else looks, too", 3),
    )  # fmt: skip
    found = looked_at(state(*looks), "a")
    assert found is not None
    assert (found.answer, found.note) == ("happened", looks[1])
