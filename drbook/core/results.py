"""What the actions with a meaning of their own hand back; the timeline and the screen read these."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import ValidationError

from drbook.core.comparison import Comparison
from drbook.core.difference import Difference
from drbook.core.isolation import Isolation
from drbook.core.merged import Outcome
from drbook.core.points import RecoveryPoint
from drbook.core.preflight import Preflight
from drbook.core.recovery import RecoveryReport
from drbook.core.reviewed import ConflictShown, Proposal
from drbook.core.targets import LoadReport, LocalCopy, Target
from drbook.core.tried import Tried
from drbook.core.values import Frozen, Json, UtcTime

R = TypeVar("R", bound=Frozen)

LOCATE, RESTORE, VERIFY = "backups.locate", "postgres.restore", "postgres.verify"
COMPARE, COMPARE_BASELINE = "postgres.difference", "postgres.compare_baseline"
FIND_LOSS, PROBE = "postgres.find_loss", "postgres.probe"
PROPOSE, REHEARSE, APPLY = (
    "postgres.propose",
    "postgres.rehearse_reviewed",
    "postgres.apply_reviewed",
)
SHELL, SQL, HTTP = "shell", "sql", "http"
"""The actions whose results are read here, by name."""


class RestoreResult(Frozen):
    """`postgres.restore`: what was restored, from where, and where it is now."""

    point: RecoveryPoint
    copy_used: LocalCopy | None = None
    """None for a physical copy, which is laid down where it runs."""
    target: Target
    load: LoadReport | None = None
    """None for a physical copy, which is not loaded."""
    recovery: RecoveryReport | None = None
    """What rolling it forward came to; None for a dump."""
    preflight: Preflight | None = None
    """What was looked at before the load; None in records of before that was done."""
    beside: tuple[Tried, ...] = ()
    """Where several copies were restored side by side: what came of each, this one among them."""
    first_verified: tuple[str, ...] = ()
    """Tables that were asked for first and were counted as soon as they were loaded."""

    @property
    def alone(self) -> Isolation | None:
        """Whether the target keeps to itself, as its server answered; None where it was not asked."""
        told = self.load or self.recovery
        return told.alone if told is not None else None


class VerifyResult(Frozen):
    """`postgres.verify` and `postgres.compare_baseline`."""

    comparison: Comparison
    point: RecoveryPoint | None = None
    baseline: str = ""
    """Where the baseline came from."""
    manifest: str = ""
    """Where the manifest came from."""
    loss_seconds: int | None = None
    """From the moment that the copy is consistent at to the incident."""
    loss_at_least: bool = False
    """True where that moment is only known from when the copy was stored: it is older than that."""
    consistent_at: UtcTime | None = None
    loss_replayed: bool = False
    """True where what was restored was rolled forward behind the loss: no figure tells what is lost."""


class DifferenceResult(Frozen):
    """`postgres.difference`: two databases that are both alive, row by row where they differ."""

    difference: Difference


class ProposeResult(Frozen):
    """`postgres.propose`: lost rows for a production that is alive, by digest."""

    proposal: Proposal
    conflicts: Mapping[str, tuple[ConflictShown, ...]] = {}
    """Table → rows that both have with other values, as many as were asked for."""


class RehearseResult(Frozen):
    """`postgres.rehearse_reviewed`: what a merge would come to; it was rolled back."""

    rehearsal: Outcome


class ApplyResult(Frozen):
    """`postgres.apply_reviewed`: what was merged, and what takes it back."""

    outcome: Outcome
    undo: str
    """The artifact with the SQL."""


class SqlResult(Frozen):
    """`sql`: what a query answered."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    value: str | None
    """The first value of the first row."""
    count: int
    truncated: bool


def read_result(model: type[R], value: Json) -> R | None:
    """A recorded result as its model; None for nothing, or for one of another shape.

    A journal outlives the program that wrote it: what cannot be read is then shown by its recorded
    reason only.
    """
    if value is None:
        return None
    try:
        return model.model_validate(value)
    except ValidationError:
        return None
