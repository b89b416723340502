"""What a copy costs in rows: by captures around it, and unknown where none tells."""

from datetime import UTC, datetime, timedelta

import pytest
from support.evidence import point

from drbook.core.baseline import TableCount, TableCounts
from drbook.core.costs import dates_wanted, point_costs
from drbook.core.points import RecoveryPoint

NOON = datetime(2026, 4, 24, 12, tzinfo=UTC)


def hours(number: float) -> datetime:
    return NOON - timedelta(hours=number)


def copy(taken: datetime) -> RecoveryPoint:
    return point("offsite", 1).model_copy(update={"taken_at": taken, "id": taken.isoformat()})


def counted(at: datetime, **rows: int | None) -> TableCounts:
    tables = tuple(TableCount(table=f"public.{name}", rows=count) for name, count in rows.items())
    return TableCounts.model_construct(taken_at=at, tables=tables)


CAPTURES = {
    hours(30): counted(hours(30), bookings=100, gone=9, hidden=None),
    hours(20): counted(hours(20), bookings=150, gone=4, hidden=5),
    hours(2): counted(hours(2), bookings=190, gone=0, hidden=7, late=3),
    hours(-1): counted(hours(-1), bookings=0, gone=0, hidden=0),
}
"""The last one was taken after the loss, at noon."""


@pytest.mark.parametrize(
    ("taken", "rows", "tables", "held"),
    [
        (hours(19), 45, (("public.bookings", 40), ("public.late", 3), ("public.hidden", 2)), 20),
        (
            hours(25),
            93,
            (("public.bookings", 90), ("public.late", 3)),
            30,
        ),  # hidden: uncounted then
        (hours(1), 0, (), 2),
    ],
)
def test_the_rows_between_two_captures(  # type: ignore[no-untyped-def]
    taken: datetime, rows: int, tables, held: float
) -> None:
    (cost,) = point_costs([copy(taken)], CAPTURES, NOON)
    assert (cost.rows, cost.tables) == (rows, tables)
    assert cost.held_at == hours(held)
    assert cost.until == hours(2)


def test_what_no_capture_tells_is_left_out() -> None:
    older, after = copy(hours(40)), copy(hours(-2))
    assert point_costs([older, after], CAPTURES, NOON) == ()
    assert point_costs([copy(hours(19))], {}, NOON) == ()
    assert point_costs([copy(hours(19))], {hours(-1): CAPTURES[hours(-1)]}, NOON) == ()


def test_only_the_tables_that_lose_most_are_named() -> None:
    then = counted(hours(2), **{f"t{number:02}": number for number in range(40)})
    (cost,) = point_costs([copy(hours(19))], {hours(20): counted(hours(20)), hours(2): then}, NOON)
    assert cost.rows == sum(range(40))
    assert cost.tables[0] == ("public.t39", 39)
    assert len(cost.tables) == 12


@pytest.mark.parametrize(("most", "wanted"), [(8, (2, 20, 30)), (2, (2, 20)), (1, (2,))])
def test_the_newest_before_the_loss_is_asked_for_first(
    most: int, wanted: tuple[float, ...]
) -> None:
    copies = [copy(hours(1)), copy(hours(19)), copy(hours(25)), copy(hours(40))]
    found = dates_wanted(copies, tuple(CAPTURES), NOON, most)
    assert found == tuple(hours(number) for number in wanted)
    assert dates_wanted(copies, (), NOON, most) == ()
