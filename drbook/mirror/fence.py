"""Who may go on with an incident: numbered tokens in the mirror, each created once.

The first writer has no token and epoch 0. Whoever takes over creates the next one; two at once
cannot both create it. A writer that meets a higher one than its own is superseded.
"""

import secrets
from dataclasses import dataclass

from pydantic import Field, ValidationError

from drbook.core.values import Frozen, UtcTime, plain
from drbook.mirror.place import FENCES, PROBE, MirrorConflict, Place, fence_name, number_in

_LARGEST = 64 * 1024


LAST = 99_999_999
"""The greatest number that a fence's name can hold."""


class Fence(Frozen):
    """One take-over, as it stands in the mirror."""

    epoch: int = Field(ge=1, le=LAST)
    incident: str = Field(max_length=200)
    token: str = Field(max_length=200)
    host: str = Field(max_length=300)
    actor: str = Field(max_length=300)
    at: UtcTime
    head: str = Field(max_length=200)
    records: int
    reason: str = Field(max_length=4000)

    def show(self) -> str:
        return (
            f"{plain(self.actor, 100)} on {plain(self.host, 100)} at {self.at:%Y-%m-%d %H:%M:%S} UTC "
            f"({plain(self.reason, 300)})"
        )


@dataclass(frozen=True, slots=True)
class Held:
    """The newest fence in a place: its number counts, even where its words cannot be read."""

    epoch: int
    fence: Fence | None

    def show(self) -> str:
        return self.fence.show() if self.fence else "somebody whose words there cannot be read"


def newest(place: Place) -> Held | None:
    """The fence with the highest number; None where there is none. Raises MirrorDown."""
    numbered = [
        (number, stored)
        for stored in place.listed(FENCES)
        if (number := number_in(stored.name)) is not None and stored.name == fence_name(number)
    ]
    if not numbered:
        return None
    epoch, stored = max(numbered, key=lambda pair: pair[0])
    data = place.read(stored, _LARGEST) if stored.size <= _LARGEST else b""
    try:
        fence = Fence.model_validate_json(data)
    except ValidationError:
        fence = None
    return Held(epoch, fence if fence is not None and fence.epoch == epoch else None)


def lay(place: Place, fence: Fence) -> None:
    """Create it. Raises MirrorConflict where somebody else was first, MirrorDown where nobody knows."""
    place.create(fence_name(fence.epoch), fence.model_dump_json(indent=1).encode() + b"\n")


def supersedes(held: Held | None, epoch: int, token: str) -> bool:
    """Whether a writer of this epoch and token has lost its incident."""
    if held is None:
        return False
    return held.epoch > epoch or (
        held.epoch == epoch and held.fence is not None and held.fence.token != token
    )


def keeps_conditions(place: Place) -> bool:
    """Whether the place refuses to overwrite, proved by an attempt on an object of its own.

    Some stores accept `If-None-Match: *` and overwrite all the same (FACTS: `rclone serve s3`).
    """
    for word in (b"first", secrets.token_hex(8).encode()):
        try:
            place.create(PROBE, word)
        except MirrorConflict:
            return True
    return False
