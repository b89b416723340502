"""When it happened, said anew: the figures that follow from it, and the findings that no longer hold."""

from collections.abc import Mapping
from datetime import datetime

from drbook.core.independence import seconds_lost
from drbook.core.located import Located
from drbook.core.results import (
    COMPARE_BASELINE,
    FIND_LOSS,
    LOCATE,
    VERIFY,
    VerifyResult,
    read_result,
)
from drbook.core.state import StepRun
from drbook.core.values import Json

DATED = frozenset({LOCATE, VERIFY, COMPARE_BASELINE, FIND_LOSS})
"""Actions whose findings depend on when it happened, also where no argument of theirs says so."""


def dated(action: str, result: Json, occurred: datetime | None) -> Json:
    """A recorded result with the loss that follows from another moment of the incident."""
    if not isinstance(result, Mapping) or action not in DATED:
        return result
    if action == LOCATE:
        located = read_result(Located, result)
        if located is None:
            return result
        point, newest = located.point, located.newest
        return {
            **result,
            "loss_seconds": seconds_lost(point.taken_at if point else None, occurred),
            "newest_loss_seconds": seconds_lost(newest.taken_at if newest else None, occurred),
        }
    verified = read_result(VerifyResult, result)
    if verified is None or verified.consistent_at is None:
        return result
    return {**result, "loss_seconds": seconds_lost(verified.consistent_at, occurred)}


def outdated(run: StepRun, before: datetime | None, after: datetime | None) -> bool:
    """Whether what a step found would be another finding now.

    A copy dated after the loss is not independent of it, so one that lies between the two moments is
    judged otherwise; and a baseline captured after the loss is none from before the incident.
    """
    if run.action == LOCATE:
        located = read_result(Located, run.result)
        return located is not None and any(
            _late(each.point.taken_at, before) != _late(each.point.taken_at, after)
            for each in located.judgements
        )
    if run.action in (VERIFY, COMPARE_BASELINE):
        verified = read_result(VerifyResult, run.result)
        asked = run.params.get("baseline") if isinstance(run.params, Mapping) else None
        captured = verified.comparison.baseline_at if verified is not None else None
        return asked == "before_incident" and captured is not None and _late(captured, after)
    # What the WAL says is ranked by how near it lies to that moment.
    return run.action == FIND_LOSS and run.result is not None and before != after


def _late(moment: datetime, occurred: datetime | None) -> bool:
    return occurred is not None and moment > occurred
