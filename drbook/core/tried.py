"""Copies that are restored side by side: which of them wins, and how what came of each is said.

The first that is verified wins. Only where the runbook allows a while for it, one that comes further
and is verified within that while takes its place: what is verified and loses less is better.
"""

from collections.abc import Sequence
from typing import Literal

from drbook.core.events import StepEnd
from drbook.core.values import Frozen, UtcTime, plain, show_duration, show_time

Ending = Literal[
    "verified", "failed", "could not verify", "not restored", "stopped", "left", "not begun"
]


class Tried(Frozen):
    """One of the copies, and what came of it. All texts are safe to show."""

    source: str
    location: str
    taken_at: UtcTime
    comes_to: UtcTime
    """The last moment that restoring it can bring back."""
    target: str
    """The name of its fresh target; nothing need be there where it was not restored."""
    ended: Ending
    """`left`: it was asked to stop and has not ended."""
    seconds: int
    """From its own start to its end."""
    words: str = ""

    def show(self) -> str:
        said = f": {self.words}" if self.words else ""
        return f"{self.source}, {plain(self.location, 200)}: {self.ended}{said}"


WORDS: dict[StepEnd, Ending] = {
    StepEnd.SUCCEEDED: "verified",
    StepEnd.FAILED: "failed",
    StepEnd.COULD_NOT_VERIFY: "could not verify",
}
"""How a verification that ran is told."""
_RANK: tuple[Ending, ...] = ("verified", "could not verify", "failed")


def best(tried: Sequence[Tried]) -> int | None:
    """Where the one is that the step hands on: verified before what could not be verified, that before
    what is wrong, and among equals the one that comes furthest. None where none was restored."""
    restored = [index for index, one in enumerate(tried) if one.ended in _RANK]
    if not restored:
        return None
    return min(
        restored, key=lambda index: (_RANK.index(tried[index].ended), -_when(tried[index]), index)
    )


def worth_waiting(verified: Tried, other: Tried) -> bool:
    """Whether another one, once verified, would be better than one that is."""
    return other.comes_to > verified.comes_to


def outcome(tried: Sequence[Tried], chosen: int) -> str:
    """Of the chosen one against the others, for the step's reason."""
    won = tried[chosen]
    parts = []
    for index, one in enumerate(tried):
        if index == chosen:
            continue
        said = f"{one.source} {_short(one)}"
        if one.comes_to > won.comes_to and one.ended in ("stopped", "left", "not begun"):
            further = show_duration(one.comes_to - won.comes_to)
            said += f" (it comes {further} further, to {show_time(one.comes_to)})"
        parts.append(said)
    return "; ".join(parts)


def _short(one: Tried) -> str:
    if one.ended in ("verified", "stopped", "left", "not begun"):
        words = {"verified": "was verified too", "left": "was asked to stop and has not ended"}
        return words.get(one.ended, f"was {one.ended}")
    return f"{one.ended}: {one.words}" if one.words else one.ended


def _when(one: Tried) -> float:
    return one.comes_to.timestamp()
