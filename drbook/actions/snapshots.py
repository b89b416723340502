"""What `postgres.restore` does with a copy that only its provider can read: it says who restores it, and how."""

from typing import NoReturn

from drbook.core.actions import StepContext
from drbook.core.errors import StepFailed
from drbook.core.events import Plan
from drbook.core.points import RecoveryPoint
from drbook.core.snapshots import restored_by
from drbook.core.values import plain, show_time


def plan_snapshot(point: RecoveryPoint, context: StepContext) -> Plan:
    """It is refused: the plan says so beforehand, with what a person runs instead."""
    way = plain(restored_by(point, context.occurred), 1500)
    return Plan(
        does=("nothing: a snapshot is restored by its provider", f"a person runs: {way}"),
        source=f"{point.source} · {plain(point.id, 200)} · {point.sized} · "
        f"taken {show_time(point.taken_at)}",
        touches="nothing",
        expects="to be refused",
    )


def refuse_snapshot(point: RecoveryPoint, context: StepContext) -> NoReturn:
    """Raises StepFailed, with the commands."""
    raise StepFailed(
        f"{plain(point.location, 300)} is a snapshot, which only its provider can restore.",
        means="Nothing was created, at the provider or here.",
        next="Have it restored into something new, and point the following steps there: "
        + plain(restored_by(point, context.occurred), 1500),
        code="snapshot",
    )
