"""What a search for backups came to: every copy with its verdict, the choice, and what that costs."""

from datetime import datetime

from drbook.core.points import Criterion, Judgement, RecoveryPoint, SourceFacts
from drbook.core.values import Frozen, UtcTime
from drbook.core.way import Way


class PointCost(Frozen):
    """What taking one copy loses in rows, by two baselines; what came after the later one is not in it."""

    key: str
    """The recovery point's."""
    rows: int
    tables: tuple[tuple[str, int], ...]
    """Those that lose most, with how many."""
    held_at: UtcTime
    """The capture that tells what the copy held, the newest before it."""
    until: UtcTime
    """The capture that it is held against, the newest before the loss."""


class Located(Frozen):
    """The result of `backups.locate`: what was found, what was chosen and what that costs."""

    point: RecoveryPoint | None
    """The newest independent recovery point; None where there is none."""
    newest: RecoveryPoint | None = None
    """The newest copy that could be seen, whatever its verdict."""
    judgements: tuple[Judgement, ...] = ()
    """Newest first."""
    unreachable: tuple[SourceFacts, ...] = ()
    require: tuple[Criterion, ...] = ()
    prefer: tuple[Criterion, ...] = ()
    asked_at: UtcTime
    occurred: UtcTime | None = None
    """When the loss happened, as it was known then: what can be rolled forward comes up to it."""
    loss_seconds: int | None = None
    """From the moment that the chosen point comes to to the incident: what goes back to users as lost."""
    newest_loss_seconds: int | None = None
    baselines: tuple[UtcTime, ...] = ()
    """When production was captured, newest first; at most the newest hundred."""
    others: tuple[RecoveryPoint, ...] = ()
    """Of each other source the best independent copy, those that lose least first: what may be restored beside
    the chosen one. At most ten."""
    costs: tuple[PointCost, ...] = ()
    """In rows, for the copies that baselines tell of."""
    ways: tuple[Way, ...] = ()
    """The ways back beside each other, those that lose least first; empty in records of before they were
    compared."""
    local_copy: str | None = None
    """Name of the checked copy inside the incident folder, where the check downloaded one."""
    local_digest: str | None = None

    def comes_to(self, point: RecoveryPoint) -> datetime:
        """The last moment that restoring this copy can bring back."""
        return point.holds_to(self.occurred)
