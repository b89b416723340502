"""Which tables are looked at more closely, and what the answer adds: places, and never a verdict."""

from datetime import UTC, datetime

from support.identities import who

from drbook.core.baseline import TableCount, TableCounts
from drbook.core.comparison import compare
from drbook.core.explaining import MOST_TABLES, explained, wanted
from drbook.core.ranges import Ranges, Stretch
from drbook.core.remarks import TableVerdict

AT = datetime(2026, 4, 24, tzinfo=UTC)


def ranges(*contents: int, rows: int = 10) -> Ranges:
    parts = tuple(Stretch(at=n, rows=rows, content=str(each)) for n, each in enumerate(contents))
    return Ranges(column="id", kind="integer", width=10, parts=parts)


def count(
    table: str, rows: int, content: int | None = None, cut: Ranges | None = None, method: str = ""
) -> TableCount:
    hashed = None if content is None else f"{method or 'hash_record_extended/2'}:{content}"
    return TableCount(table=table, rows=rows, content=hashed, ranges=cut)


def counts(*tables: TableCount, version: int = 180000) -> TableCounts:
    identity = who().model_copy(update={"server_version": version})
    return TableCounts(identity=identity, taken_at=AT, tables=tables)


HELD = counts(
    count("a.same", 20, 3, ranges(1, 2)),
    count("b.fewer", 20, 3, ranges(1, 2)),
    count("c.changed", 20, 3, ranges(1, 2)),
    count("d.tiny", 2, 3),
    count("e.gone", 20, 3, ranges(1, 2)),
)
RESTORED = counts(
    count("a.same", 20, 3), count("b.fewer", 10, 1), count("c.changed", 20, 4), count("d.tiny", 1, 1)
)  # fmt: skip


def test_only_tables_that_differ_are_read_again_and_the_worst_first() -> None:
    compared = compare(RESTORED, HELD, None)
    assert list(wanted(compared, "held", HELD)) == ["b.fewer", "c.changed"]
    assert wanted(compared, "before", HELD) == {}
    many = counts(*(count(f"t{n:02}", 100, 1, ranges(1)) for n in range(30)))
    few = counts(*(count(f"t{n:02}", n, 1) for n in range(30)))
    chosen = list(wanted(compare(few, many, None), "held", many))
    assert chosen == [f"t{n:02}" for n in range(MOST_TABLES)]


def test_each_gets_its_places_and_keeps_its_verdict() -> None:
    compared = compare(RESTORED, HELD, None)
    found = {"b.fewer": ranges(1), "c.changed": ranges(1, 3)}
    told = explained(compared, "held", HELD, RESTORED, found)
    where = {row.table: row.where for row in told.tables}
    assert where == {
        "a.same": (),
        "b.fewer": ("id 10 to 19: 10 rows fewer",),
        "c.changed": ("id 10 to 19: other content in as many rows (10)",),
        "d.tiny": (),
        "e.gone": (),
    }
    assert [row.verdict for row in told.tables] == [row.verdict for row in compared.tables]
    assert told.verdict is TableVerdict.FAIL
    assert all(row.lost_where == () for row in told.tables)


def test_hashes_that_cannot_be_compared_give_no_place() -> None:
    other = counts(count("c.changed", 19, 4, method="hashtextextended/2"))
    told = explained(
        compare(other, HELD, None), "held", HELD, other, {"c.changed": ranges(9, 9, rows=10)}
    )
    assert {row.where for row in told.tables} == {()}


def test_of_production_only_rows_that_are_lost_have_a_place() -> None:
    baseline = counts(
        count("b.fewer", 30, 3, ranges(1, 2, 3)), count("c.more", 5, 1, ranges(1, rows=5))
    )
    restored = counts(count("b.fewer", 20, 9), count("c.more", 10, 9))
    compared = compare(restored, None, baseline)
    assert list(wanted(compared, "before", baseline)) == ["b.fewer"]
    told = explained(compared, "before", baseline, restored, {"b.fewer": ranges(5, 2)})
    rows = {row.table: row for row in told.tables}
    assert rows["b.fewer"].lost_where == ("id 20 to 29: 10 rows fewer",)
    assert rows["b.fewer"].where == ()
