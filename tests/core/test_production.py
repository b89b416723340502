"""Tables for production against its baseline: what is gone, and what nobody can say."""

from datetime import UTC, datetime
from typing import Any

import pytest

from drbook.core.baseline import Identity, TableCount, TableCounts
from drbook.core.comparison import Comparison
from drbook.core.production import compare_production, dwindled
from drbook.core.remarks import TableVerdict

GOOD, BAD, UNSURE = TableVerdict.PASS, TableVerdict.FAIL, TableVerdict.COULD_NOT_VERIFY
AT = datetime(2026, 4, 22, 19, 3, tzinfo=UTC)
LATER = datetime(2026, 4, 23, 19, 3, tzinfo=UTC)
IDENTITY = Identity(system_identifier="7412345678901234567", database="rental", database_oid=16384)


def table(rows: int | None, **more: Any) -> TableCount:
    return TableCount(table="public.t", rows=rows, **more)


def counts(*tables: TableCount) -> TableCounts:
    return TableCounts(identity=IDENTITY, taken_at=AT, tables=tables)


def of(found: TableCount | None) -> TableCounts:
    return counts(*([] if found is None else [found]))


_PRODUCTION: list[tuple[str, Any, Any, TableVerdict, int | None]] = [
    # what, baseline, now, verdict, lost
    ("the same", table(100), table(100), GOOD, 0),
    ("grown", table(100), table(150), GOOD, -50),
    ("at the limit", table(100), table(95), GOOD, 5),
    ("below the limit", table(100), table(94), BAD, 6),
    ("emptied", table(100), table(0), BAD, 100),
    ("one row, emptied", table(1), table(0), BAD, 1),
    ("empty before", table(0), table(0), GOOD, 0),
    ("missing", table(100), None, BAD, 100),
    ("new", None, table(7), GOOD, None),
    ("not counted now", table(100), table(None), UNSURE, None),
    ("not counted then", table(None), table(100), UNSURE, None),
    ("missing, never counted", table(None), None, BAD, None),
]


@pytest.mark.parametrize(
    ("before", "now", "verdict", "lost"),
    [row[1:] for row in _PRODUCTION],
    ids=[row[0] for row in _PRODUCTION],
)
def test_production(before: Any, now: Any, verdict: TableVerdict, lost: int | None) -> None:
    result: Comparison = compare_production(of(now), of(before))
    (row,) = result.tables
    assert (row.verdict, row.lost) == (verdict, lost)
    assert row.reason


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        (table(5), None, "missing"),
        (table(5), table(None, why_unknown="denied"), "denied"),
        (table(5), table(None), "not counted"),
        (None, table(5), "newer than the baseline"),
        (table(None, why_unknown="odd"), table(5), "odd"),
        (table(None), table(5), "not counted in the baseline"),
        (table(1), table(0), "empty, where the baseline has 1 rows"),
        (table(100), table(94), "6 rows fewer than in the baseline"),
        (table(100), table(96), "4 rows fewer (4.0 %, within the 5 % that are allowed)"),
        (
            table(9999),
            table(9998),
            "1 row fewer (less than 0.1 %, within the 5 % that are allowed)",
        ),
        (
            table(100, newest=LATER, newest_column="at"),
            table(96, newest=AT, newest_column="at"),
            "4 rows fewer (4.0 %, within the 5 % that are allowed); and its newest row is older than the "
            "baseline's",
        ),
        (
            table(5, newest=AT, newest_column="at"),
            table(6, newest=LATER, newest_column="at"),
            "no fewer than in the baseline",
        ),
        (
            table(5, newest=LATER, newest_column="at"),
            table(6, newest=AT, newest_column="b"),
            "no fewer than in the baseline",
        ),
        (table(0), table(0), "no fewer than in the baseline"),
        (table(1), table(1), "no fewer than in the baseline"),
    ],
)
def test_production_in_words(before: Any, now: Any, words: str) -> None:
    assert compare_production(of(now), of(before)).tables[0].reason == words


def test_each_table_that_dwindled_is_named_though_it_passed() -> None:
    names = [f"t{number}" for number in range(7)]
    before = counts(*(TableCount(table=name, rows=1000) for name in names))
    now = counts(*(TableCount(table=name, rows=1000 - n) for n, name in enumerate(names)))
    said = dwindled(compare_production(now, before))
    assert said == "t6 6 (0.6 %), t5 5 (0.5 %), t4 4 (0.4 %), t3 3 (0.3 %), t2 2 (0.2 %), 1 more"
    assert dwindled(compare_production(before, before)) == ""
    assert dwindled(compare_production(now, before, 0)) == ""  # then it is a loss


def test_production_is_held_to_its_baseline_and_dated() -> None:
    now = counts(
        TableCount(table="a", rows=1, newest=AT),
        TableCount(table="b", rows=1, newest=LATER),
        TableCount(table="c", rows=1),
    ).model_copy(update={"taken_at": LATER})
    found = compare_production(now, counts(TableCount(table="a", rows=1)))
    assert (found.reference, found.baseline_at, found.counted_at) == ("baseline", AT, LATER)
    assert found.newest == LATER
    assert [row.newest for row in found.tables] == [AT, LATER, None]
    nothing = compare_production(counts(), counts())
    assert (nothing.newest, nothing.verdict) == (None, UNSURE)


@pytest.mark.parametrize(("rows", "verdict"), [(5, UNSURE), (0, BAD)], ids=["as many", "emptied"])
def test_figures_of_another_server_say_nothing_of_production(
    rows: int, verdict: TableVerdict
) -> None:
    who = IDENTITY.model_copy(update={"system_identifier": "1", "database": "other"})
    result = compare_production(of(table(rows)).model_copy(update={"identity": who}), of(table(5)))
    (said,) = result.remarks
    assert (result.verdict, said.check, said.verdict) == (verdict, "identity", UNSURE)
    assert said.words == (
        "production is database other on server 1, the baseline of rental on 7412345678901234567: what "
        "it had nobody can say; capture a baseline of it"
    )
    assert compare_production(of(table(5)), of(table(5))).remarks == ()
