"""What all events are."""

from drbook.core.values import Frozen


class Event(Frozen):
    """Base of all events; the class name is the event's name in the journal."""


class StepEvent(Event):
    step: str


class AttemptEvent(StepEvent):
    attempt: int
    """Counts from 1."""
