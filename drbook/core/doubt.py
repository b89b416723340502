"""What a look at a step in doubt saw, as it stands in the record: a note with fixed first words."""

from dataclasses import dataclass
from typing import Literal

from drbook.core.state import IncidentState, Note

Answer = Literal["happened", "did-not-happen", "unknown"]
_ANSWERS: tuple[Answer, ...] = ("happened", "did-not-happen", "unknown")


@dataclass(frozen=True, slots=True)
class Look:
    """One look, and what it saw."""

    note: Note
    answer: Answer


def look_words(step: str, answer: Answer, reason: str) -> str:
    """The note of a look."""
    return f"{_begins(step)}{answer}. {reason}"


def looked_at(state: IncidentState, step: str) -> Look | None:
    """The latest look at a step's latest attempt; None where nobody has looked since it was planned."""
    planned = state.steps[step].planned_at
    for note in reversed(state.notes):
        if note.step != step or not note.text.startswith(_begins(step)):
            continue
        if planned is not None and note.at < planned:
            return None
        said = note.text.removeprefix(_begins(step))
        found = [answer for answer in _ANSWERS if said.startswith(f"{answer}.")]
        return Look(note, found[0]) if found else None
    return None


def _begins(step: str) -> str:
    return f"looked whether step {step} happened: "
