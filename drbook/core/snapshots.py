"""Copies that only their provider can read: how a person has them restored, and to which moment."""

from datetime import datetime, timedelta

from drbook.core.points import PointFacts, RecoveryPoint
from drbook.core.standby import to_hold

MOMENT = "A-MOMENT-BEFORE-THE-LOSS"
"""Stands in a command for the moment to restore to, until somebody has said when the loss was."""

BY_ITS_PROVIDER = "have its provider restore it into a new instance or volume"


def way_back(facts: PointFacts, occurred: datetime | None) -> str:
    """The step that brings a copy back which cannot be read as it is; empty for one that can be."""
    if facts.replay is not None:
        return to_hold(facts.replay, occurred)
    if facts.recoverable:
        return at_moment(facts.recoverable, facts.point, occurred)
    if facts.point.format != "snapshot":
        return ""
    return restored_by(facts.point, occurred)


def restored_by(point: RecoveryPoint, occurred: datetime | None) -> str:
    """How the provider restores a snapshot: its commands, or words where its kind gives none."""
    return at_moment(point.restored_by or BY_ITS_PROVIDER, point, occurred)


def at_moment(words: str, point: RecoveryPoint, occurred: datetime | None) -> str:
    """The same with the moment in it: a second before the loss, or the last that there is before it. A loss
    that lies before all that the copy holds leaves the gap, for then there is no such moment."""
    if occurred is None or point.rolls_to is None:
        return words
    before = min(occurred - timedelta(seconds=1), point.rolls_to)
    if before < point.taken_at:
        return words
    return words.replace(MOMENT, before.strftime("%Y-%m-%dT%H:%M:%SZ"))
