"""Copies that were restored and verified: what records of drills and incidents prove of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from drbook.core.points import RecoveryPoint
from drbook.core.values import Frozen, UtcTime, show_time


class Proof(Frozen):
    """A copy that was restored and verified, in a drill or an incident of this machine."""

    bytes_key: str
    """Which bytes it was, as `RecoveryPoint.bytes_key` has it."""
    location: str
    verified_at: UtcTime
    mode: str

    def show(self) -> str:
        return f"restored and verified at {show_time(self.verified_at)} ({self.mode})"


class Pace(Frozen):
    """How long one restore took here, from its start until its database answered."""

    format: str
    bytes: int
    """Of the copy, as stored."""
    seconds: int


@dataclass(frozen=True, slots=True)
class Proofs:
    """What is known of earlier restores, and why not all of it."""

    known: Sequence[Proof] = ()
    unread: str = "records of earlier drills were not looked through"
    """Why earlier restores are not known in full; empty where they are."""
    paces: Sequence[Pace] = ()


def proof_of(proofs: Sequence[Proof], point: RecoveryPoint) -> Proof | None:
    """The newest proof of these very bytes in this very place."""
    same = [
        proof
        for proof in proofs
        if proof.bytes_key == point.bytes_key and proof.location == point.location
    ]
    return max(same, key=lambda proof: proof.verified_at, default=None)
