"""Stretches of a table: cut, compared, joined and put into words."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drbook.core.ranges import Differing, Ranges, Stretch, apart, differing, in_words, parts_of

DAY = datetime(2026, 4, 24, 12, tzinfo=UTC)


def part(at: int | None, rows: int, content: int, day: int = 0) -> Stretch:
    when = DAY.replace(day=day) if day else None
    return Stretch(at=at, rows=rows, content=str(content), first=when, last=when)


def ids(*parts: Stretch, width: int = 100) -> Ranges:
    return Ranges(column="id", kind="integer", width=width, parts=parts)


HELD = ids(part(0, 100, 5), part(1, 100, 6, 20), part(2, 100, 7, 21), part(4, 10, 8))


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (HELD, ()),
        # Other order, same rows.
        (ids(*reversed(HELD.parts)), ()),
        (ids(), ("id 0 to 299: 300 rows fewer, of 2026-04-20 to 2026-04-21", "id 400 to 499: 10 rows fewer")),
        (ids(*HELD.parts[:1], *HELD.parts[2:]), ("id 100 to 199: 100 rows fewer, of 2026-04-20",)),
        (
            ids(part(0, 100, 99), part(1, 101, 6, 20), part(2, 99, 7, 21), part(4, 10, 8)),
            (
                "id 0 to 99: other content in as many rows (100)",
                "id 100 to 199: 1 row more, of 2026-04-20",
                "id 200 to 299: 1 row fewer, of 2026-04-21",
            ),
        ),
        (ids(*HELD.parts, part(None, 2, 1)), ("id without a value: 2 rows more",)),
        (
            ids(*HELD.parts, part(3, 1, 1), part(None, 2, 1)),
            ("id 300 to 399: 1 row more", "id without a value: 2 rows more"),
        ),
        (
            ids(*HELD.parts, part(5, 1, 1, 23), part(6, 2, 1, 22)),
            ("id 500 to 699: 3 rows more, of 2026-04-22 to 2026-04-23",),
        ),
        # A table without rows has stretches of no width.
        (
            ids(width=1),
            ("id 0 to 299: 300 rows fewer, of 2026-04-20 to 2026-04-21", "id 400 to 499: 10 rows fewer"),
        ),
    ],
)  # fmt: skip
def test_what_differs_has_a_place(found: Ranges, words: tuple[str, ...]) -> None:
    assert in_words(HELD, apart(HELD, found)) == words


def test_where_hashes_cannot_be_compared_only_rows_count() -> None:
    found = ids(part(0, 100, 99), part(1, 99, 6), *HELD.parts[2:])
    assert [one.change for one in apart(HELD, found, content=False)] == ["fewer"]
    assert [one.change for one in apart(HELD, found)] == ["changed", "fewer"]


def test_a_key_by_itself_and_days_and_what_is_no_date() -> None:
    single = Ranges(column="id", kind="integer", width=1, parts=(part(7, 1, 1), part(-3, 1, 1)))
    none = single.model_copy(update={"parts": ()})
    assert in_words(single, apart(single, none)) == ("id -3: 1 row fewer", "id 7: 1 row fewer")
    days = Ranges(
        column="made", kind="days", width=2, parts=(part(10_283, 3, 1), part(10**7, 1, 1))
    )
    gone = days.model_copy(update={"parts": ()})
    assert in_words(days, apart(days, gone)) == (
        "made 2026-04-23 to 2026-04-24: 3 rows fewer",
        "made day 20000000 from 1970-01-01 to day 20000001 from 1970-01-01: 1 row fewer",
    )


def test_many_stretches_are_counted_and_the_heaviest_named() -> None:
    held = ids(*(part(2 * n, 10 + n, 1) for n in range(12)))
    said = in_words(held, apart(held, ids()), most=3)
    assert said == (
        "id 1800 to 1899: 19 rows fewer",
        "id 2000 to 2099: 20 rows fewer",
        "id 2200 to 2299: 21 rows fewer",
        "and 9 stretches more",
    )


@pytest.mark.parametrize(
    "other",
    [
        ids(*HELD.parts, width=50),
        Ranges(column="number", kind="integer", width=100),
        Ranges(column="id", kind="days", width=100),
    ],
)
def test_other_stretches_are_not_compared(other: Ranges) -> None:
    with pytest.raises(ValueError, match="not the same"):
        differing(HELD, other)


@given(
    st.dictionaries(
        st.one_of(st.none(), st.integers(-(10**6), 10**6)), st.integers(1, 9), min_size=1
    )
)
def test_coarser_stretches_lose_no_row(rows: dict[int | None, int]) -> None:
    fine = ids(*(part(at, count, count * 3) for at, count in rows.items()), width=1)
    few = fine.at_most(8)
    assert len(few.parts) <= 8
    assert sum(one.rows for one in few.parts) == sum(rows.values())
    assert sum(int(one.content) for one in few.parts) == 3 * sum(rows.values())
    for at in rows:
        home = None if at is None else at // few.width
        assert any(one.at == home for one in few.parts)


@pytest.mark.parametrize(
    ("tables", "each"), [(0, 64), (1, 64), (1562, 64), (2000, 50), (10_000, 10), (10**6, 4)]
)
def test_many_tables_have_fewer_stretches_each(tables: int, each: int) -> None:
    assert parts_of(tables) == each


def test_differing_tells_both_sides() -> None:
    assert differing(HELD, ids(*HELD.parts[1:])) == (Differing(at=0, held=100, found=0),)


def test_a_table_that_held_nothing_is_told_in_the_stretches_of_the_other() -> None:
    none = ids(width=1)
    assert in_words(none, apart(none, ids(part(2, 5, 1)))) == ("id 200 to 299: 5 rows more",)


def test_stretches_come_in_the_order_of_the_keys() -> None:
    held = ids(part(None, 1, 1), part(8, 1, 1), part(1, 1, 1), part(0, 1, 1), part(-2, 1, 1))
    assert [one.at for one in differing(held, ids())] == [-2, 0, 1, 8, None]


def test_other_content_differs_unless_only_rows_are_asked_for() -> None:
    found = ids(part(0, 100, 99), *HELD.parts[1:])
    assert differing(HELD, found) == (Differing(at=0, held=100, found=100),)
    assert differing(HELD, found, content=False) == ()


_CUT: list[tuple[str, tuple[int | None, ...], int, tuple[int | None, ...], int]] = [
    # what, stretches, how many at most, what becomes of them, keys in each
    ("as many as may be", (0, 1, 2, 3, 4, 5, 6, 7), 8, (0, 1, 2, 3, 4, 5, 6, 7), 100),
    ("one too many", (0, 1, 2, 3, 4, 5, 6, 7, 8), 8, (0, 1, 2, 3, 4), 200),
    ("four are more than three", (0, 1, 2, 3), 3, (0, 1), 200),
    ("below zero, above and without a key never meet", (-1, 0, None), 1, (-1, 0, None), 100),
    ("not far below zero either", (-2, -1, 0, 1, None), 1, (-1, 0, None), 200),
]


@pytest.mark.parametrize(
    ("parts", "most", "left", "width"), [row[1:] for row in _CUT], ids=[row[0] for row in _CUT]
)
def test_stretches_are_doubled_until_they_are_few_enough(
    parts: tuple[int | None, ...], most: int, left: tuple[int | None, ...], width: int
) -> None:
    few = ids(*(part(at, 1, 1) for at in parts)).at_most(most)
    assert tuple(one.at for one in few.parts) == left
    assert few.width == width


def test_a_doubled_stretch_reaches_from_the_earliest_day_to_the_latest() -> None:
    coarser = ids(part(0, 2, 5, 21), part(1, 3, 6, 20), part(2, 1, 7), part(3, 1, 8, 22)).coarser()
    both = Stretch(at=0, rows=5, content="11", first=DAY.replace(day=20), last=DAY.replace(day=21))
    one = Stretch(at=1, rows=2, content="15", first=DAY.replace(day=22), last=DAY.replace(day=22))
    assert coarser == ids(both, one, width=200)


def test_the_times_are_those_of_the_side_that_has_more_of_the_rows() -> None:
    early, late = DAY, DAY.replace(year=2031)
    held = ids(Stretch(at=0, rows=5, content="1", first=early, last=early))
    for rows, first, last, times in (
        (6, early, late, (early, late)),  # the extra one may be of any time up to the last
        (4, late, late, (early, early)),
        (5, late, late, (early, late)),
    ):
        found = ids(Stretch(at=0, rows=rows, content="2", first=first, last=last))
        (one,) = differing(held, found)
        assert (one.first, one.last) == times
    (one,) = differing(ids(), ids(Stretch(at=0, rows=1, content="1", first=late, last=late)))
    assert (one.first, one.last) == (late, late)


def test_eight_stretches_are_named_and_other_content_comes_last() -> None:
    lost = tuple(part(2 * n, 1, 1) for n in range(8))
    held = ids(*lost, part(20, 1000, 5))
    lines = in_words(held, apart(held, ids(part(20, 1000, 6))))
    assert lines == (
        *(f"id {200 * n} to {200 * n + 99}: 1 row fewer" for n in range(8)),
        "and 1 stretch more",
    )


def test_a_column_is_named_so_that_no_terminal_obeys_it() -> None:
    held = Ranges(column="id\x1b[2J", kind="integer", width=1, parts=(part(7, 1, 1),))
    none = held.model_copy(update={"parts": ()})
    assert in_words(held, apart(held, none)) == ("id\\x1b[2J 7: 1 row fewer",)


@pytest.mark.parametrize(("first", "last"), [(DAY, None), (None, DAY)], ids=["last", "first"])
def test_days_of_which_one_is_infinity_are_not_told(
    first: datetime | None, last: datetime | None
) -> None:
    held = ids(Stretch(at=0, rows=1, content="1", first=first, last=last))
    assert in_words(held, apart(held, ids())) == ("id 0 to 99: 1 row fewer",)
