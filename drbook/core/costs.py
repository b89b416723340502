"""What choosing a recovery point would cost in rows, as far as baselines tell.

A copy is never opened for this: what it held is taken from the newest baseline that was captured before
the copy was, and held against the newest one before the loss. So a figure says how many rows came
between those two captures; what came after the last one nobody has counted.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from drbook.core.baseline import TableCounts
from drbook.core.located import PointCost
from drbook.core.points import RecoveryPoint

SHOWN = 12
"""Tables that are named of each copy, those that lose most."""


def dates_wanted(
    points: Sequence[RecoveryPoint],
    captured: Sequence[datetime],
    until: datetime | None,
    most: int,
) -> tuple[datetime, ...]:
    """The captures that tell most: the newest before the loss, then those that tell what each copy
    held, newest copies first; at most `most` of them, for each is a document to be fetched."""
    newest = _before(captured, until)
    if newest is None:
        return ()
    wanted = [newest]
    for point in points:
        held = _before(captured, point.holds_to(until))
        if held is not None and held not in wanted:
            wanted.append(held)
    return tuple(wanted[:most])


def point_costs(
    points: Sequence[RecoveryPoint],
    counts: Mapping[datetime, TableCounts],
    until: datetime | None,
) -> tuple[PointCost, ...]:
    """For each copy that baselines tell of: the rows, table by table, that came after it."""
    reference = _before(tuple(counts), until)
    if reference is None:
        return ()
    costs = []
    for point in points:
        held = _before(tuple(counts), point.taken_at)
        if held is None or held > reference:
            continue
        lost = _between(counts[held], counts[reference])
        most = sorted(lost.items(), key=lambda item: (-item[1], item[0]))
        costs.append(
            PointCost(
                key=point.key,
                rows=sum(lost.values()),
                tables=tuple(most[:SHOWN]),
                held_at=held,
                until=reference,
            )
        )
    return tuple(costs)


def _before(captured: Sequence[datetime], moment: datetime | None) -> datetime | None:
    return max((at for at in captured if moment is None or at <= moment), default=None)


def _between(held: TableCounts, then: TableCounts) -> dict[str, int]:
    """Rows that each table gained; a table that lost some, or that nobody counted, is left out."""
    before = held.by_name()
    gained = {}
    for table in then.tables:
        known = before.get(table.table)
        was = known.rows if known is not None else 0
        if table.rows is not None and was is not None and table.rows > was:
            gained[table.table] = table.rows - was
    return gained
