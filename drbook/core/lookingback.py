"""What stands out among all copies that were found: which are damaged, and whether all are from after the loss."""

from collections.abc import Sequence
from datetime import datetime

from drbook.core.located import Located
from drbook.core.points import Judgement, Verdict
from drbook.core.values import counted, plain, show_time

NAMED = 3
"""Copies of one verdict that are named; the others are counted."""


def damaged(judgements: Sequence[Judgement]) -> tuple[str, ...]:
    """The newest damaged copies, each with its reason, and how many more there are."""
    return newest_of(judgements, Verdict.DAMAGED)


def newest_of(judgements: Sequence[Judgement], verdict: Verdict) -> tuple[str, ...]:
    """The newest copies of that verdict, each with its first reason, and how many more there are."""
    found = [each for each in judgements if each.verdict is verdict]
    found.sort(key=lambda each: each.point.taken_at, reverse=True)
    named = [
        f"{plain(each.point.location, 200)}: "
        f"{plain('; '.join(each.reasons[:1]).removeprefix(f'{verdict.value}: '), 200)}"
        for each in found[:NAMED]
    ]
    more = len(found) - len(named)
    return (*named, f"and {counted(more, 'older one', 'older ones')}") if more else tuple(named)


def all_late(result: Located, occurred: datetime) -> str:
    """That every copy is dated after the loss, which rather speaks against the time that people gave; empty
    where one is from before, or there is none."""
    points = [each.point for each in result.judgements]
    if not points or any(point.taken_at <= occurred for point in points):
        return ""
    oldest = min(points, key=lambda point: point.taken_at)
    count = "The only copy is" if len(points) == 1 else f"All {len(points)} copies are"
    return (
        f"{count} dated after the loss (occurred {show_time(occurred)}): is `occurred` right? The oldest is "
        f"from {show_time(oldest.taken_at)}: {plain(oldest.location, 200)}"
    )
