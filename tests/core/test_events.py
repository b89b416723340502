"""The events themselves: every kind is registered, immutable, and refuses what it does not know."""

import pytest
from pydantic import ValidationError

from drbook.core import events as ev
from drbook.core.events import EVENT_TYPES, AttemptEvent, Event, StepEvent


def _kinds(kind: type[Event]) -> set[type[Event]]:
    return {kind} | {inner for child in kind.__subclasses__() for inner in _kinds(child)}


def test_every_event_is_registered_under_its_own_name() -> None:
    abstract = {Event, StepEvent, AttemptEvent}
    real = {kind for kind in _kinds(Event) - abstract if kind.__module__.startswith("drbook.")}
    assert set(EVENT_TYPES.values()) == real
    assert all(name == kind.__name__ for name, kind in EVENT_TYPES.items())


def test_every_event_is_immutable_and_closed() -> None:
    note = ev.NoteAdded(text="n")
    with pytest.raises(ValidationError):
        note.text = "other"  # type: ignore[misc]
    for kind in EVENT_TYPES.values():
        with pytest.raises(ValidationError) as caught:
            kind.model_validate({"nobody_knows": 1})
        assert "extra_forbidden" in {error["type"] for error in caught.value.errors()}


@pytest.mark.parametrize("state", ["refused", "in-doubt", "pending", "could-not-verify"])
def test_a_step_in_doubt_is_settled_with_yes_or_no_only(state: str) -> None:
    with pytest.raises(ValidationError):
        ev.StepResolved.model_validate({"step": "a", "attempt": 1, "state": state, "reason": "r"})
