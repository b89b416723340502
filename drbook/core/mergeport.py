"""The door to a database that is alive: reviewed rows go through it, and nothing else."""

from typing import Protocol

from drbook.core.errors import UsageError
from drbook.core.merged import Outcome
from drbook.core.reviewed import MergeLook, MergeWish, Proposal, ProposalWish, Review
from drbook.core.signals import Working
from drbook.core.targets import (
    DatabaseRef,
    Target,
)


class Merges(Protocol):
    """Reviewed rows into a database that is alive. Every write goes through a lease of its own kind: for one
    proposal by its digest, on a connection that is proven to be the database that was reviewed."""

    def propose(
        self,
        target: Target,
        restored: DatabaseRef,
        living: DatabaseRef,
        wish: ProposalWish,
        stand_in: Target | None = None,
    ) -> Working[Review]:
        """Which rows the target has that the living database lacks or has with other values; both are only
        read. Raises CouldNotVerify where a table cannot be compared."""

    def rehearse(self, proposal: Proposal, wish: MergeWish) -> Working[Outcome]:
        """Merge it and roll it back. Raises NotExercised where the mode lets nobody, Refused where something
        else answers than was reviewed, StepFailed where it cannot be tried."""

    def apply(
        self, proposal: Proposal, wish: MergeWish, name: str, rehearsed: Outcome | None = None
    ) -> Working[Outcome]:
        """Merge it in one transaction, where it comes out as it was rehearsed; without a rehearsal it is
        rehearsed first, and must come out as it was reviewed. Raises as `rehearse` does, and Interrupted where
        the server is lost with the commit. `name` is how `look` finds it again."""

    def undo(self, name: str) -> str:
        """The artifact that takes a merge of that name back; empty where it never came to its commit."""

    def look(self, proposal: Proposal, wish: MergeWish, name: str) -> MergeLook:
        """Whether a merge of that name took hold; asks the server for its transaction."""


class NoMerges:
    """Where nothing was wired: nothing is merged."""

    def propose(
        self,
        target: Target,
        restored: DatabaseRef,
        living: DatabaseRef,
        wish: ProposalWish,
        stand_in: Target | None = None,
    ) -> Working[Review]:
        raise _no_merges()
        yield

    def rehearse(self, proposal: Proposal, wish: MergeWish) -> Working[Outcome]:
        raise _no_merges()
        yield

    def apply(
        self, proposal: Proposal, wish: MergeWish, name: str, rehearsed: Outcome | None = None
    ) -> Working[Outcome]:
        raise _no_merges()
        yield

    def undo(self, name: str) -> str:
        return ""

    def look(self, proposal: Proposal, wish: MergeWish, name: str) -> MergeLook:
        raise _no_merges()


def _no_merges() -> UsageError:
    return UsageError("Nothing is merged here.", code="no-merges")
