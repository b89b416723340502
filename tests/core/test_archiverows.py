"""A restore held to the rows of its own archive: what passes, what fails, and what nobody can say."""

from datetime import UTC, datetime, timedelta

import pytest

from drbook.core.archivefacts import ArchiveFacts
from drbook.core.archiverows import expected_of, shown_rows
from drbook.core.baseline import LARGE_OBJECTS, Identity, TableCount, TableCounts
from drbook.core.comparison import ARCHIVE, Comparison, TableVerdict, compare

GOOD, BAD, UNSURE = TableVerdict.PASS, TableVerdict.FAIL, TableVerdict.COULD_NOT_VERIFY
AT = datetime(2026, 4, 22, 19, 3, tzinfo=UTC)
WHO = Identity(system_identifier="7412345678901234567", database="shop", database_oid=5)


def counts(rows: int | None, table: str = "public.t") -> TableCounts:
    counted = TableCount(table=table, rows=rows, why_unknown="" if rows is not None else "denied")
    return TableCounts(identity=WHO, taken_at=AT, tables=(counted,))


def objects(number: int | None) -> TableCounts:
    found = TableCount(
        table=LARGE_OBJECTS, rows=number, why_unknown="" if number else "denied", kind=LARGE_OBJECTS
    )
    return TableCounts(identity=WHO, taken_at=AT, tables=(found,))


NOTHING = TableCounts(identity=WHO, taken_at=AT, tables=())
HELD = ArchiveFacts(rows={"public.t": 5})


def judged(
    restored: TableCounts,
    held: ArchiveFacts | None,
    baseline: TableCounts | None = None,
    ignored: tuple[str, ...] = (),
) -> Comparison:
    taken = AT + timedelta(hours=1)
    archive = expected_of(held, restored, ignored) if held is not None else None
    return compare(restored, None, baseline, taken, archive=archive)


_CASES: list[
    tuple[str, TableCounts, ArchiveFacts | None, TableCounts | None, TableVerdict, str, str]
] = [
    # what, restored, archive, older baseline, verdict, reference, reason
    ("as many", counts(5), HELD, None, GOOD, ARCHIVE, "as many as in the archive"),
    ("one fewer", counts(4), HELD, None, BAD, ARCHIVE, "the archive held 5 rows, 4 were"),
    ("one more", counts(6), HELD, None, BAD, ARCHIVE, "the archive held 5 rows, 6 were"),
    ("missing", NOTHING, HELD, None, BAD, ARCHIVE, "missing"),
    ("not counted", counts(None), HELD, None, UNSURE, ARCHIVE, "denied"),
    ("both empty", counts(0), ArchiveFacts(rows={"public.t": 0}), None, GOOD, ARCHIVE, "empty, as"),
    ("without a data entry", counts(0), ArchiveFacts(rows={}), None, UNSURE, ARCHIVE, "no data"),
    ("rows from nowhere", counts(3), ArchiveFacts(rows={}), None, UNSURE, ARCHIVE, "no data"),
    ("of several rows each", counts(5),
     ArchiveFacts(rows={}, uncounted={"public.t": "several rows each"}), None, UNSURE, ARCHIVE,
     "several rows each"),
    ("not read", counts(5), None, None, UNSURE, "none", "no manifest"),
    ("not countable", counts(5), ArchiveFacts(why_no_rows="odd"), None, UNSURE, "none", "no manif"),
    ("not countable, but as before", counts(5), ArchiveFacts(why_no_rows="odd"), counts(5), GOOD,
     "baseline", "as in the baseline"),
    ("fewer than before: deleted, or missing", counts(5), HELD, counts(9), UNSURE, ARCHIVE, "older than the backup"),
    ("empty in both, and was full", counts(0), ArchiveFacts(rows={"public.t": 0}), counts(9), UNSURE,
     ARCHIVE, "empty, where the baseline, which is older than the backup, has 9"),
    ("large objects, as many", objects(2), ArchiveFacts(rows={}, large_objects=2), None, GOOD, ARCHIVE,
     "as many as in the archive"),
    ("large objects, one fewer", objects(1), ArchiveFacts(rows={}, large_objects=2), None, BAD, ARCHIVE,
     "the archive held 2, 1 were"),
    ("large objects, all lost", NOTHING, ArchiveFacts(rows={}, large_objects=2), None, BAD, ARCHIVE, "missing"),
    ("large objects from nowhere", objects(1), ArchiveFacts(rows={}, large_objects=0), None, BAD, ARCHIVE,
     "the archive held 0, 1 were"),
    ("large objects, not counted", objects(1), ArchiveFacts(rows={}), None, UNSURE, ARCHIVE,
     "not known that the archive holds all of them"),
    ("large objects that cannot be read", objects(None), ArchiveFacts(rows={}, large_objects=2), None,
     UNSURE, ARCHIVE, "denied"),
    ("in neither, and was there", NOTHING, ArchiveFacts(rows={}), counts(9), UNSURE, ARCHIVE, "nothing says"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("restored", "held", "baseline", "verdict", "reference", "reason"),
    [row[1:] for row in _CASES],
    ids=[row[0] for row in _CASES],
)
def test_a_restore_without_a_manifest(
    restored: TableCounts,
    held: ArchiveFacts | None,
    baseline: TableCounts | None,
    verdict: TableVerdict,
    reference: str,
    reason: str,
) -> None:
    found = judged(restored, held, baseline)
    (row,) = found.tables
    assert (row.verdict, found.verdict, found.reference) == (verdict, verdict, reference)
    assert reason in row.reason


def test_loss_is_told_beside_it() -> None:
    (row,) = judged(counts(5), HELD, counts(9)).tables
    assert (row.expected, row.restored, row.before, row.lost) == (5, 5, 9, 4)


def test_what_the_runbook_ignores_is_not_expected() -> None:
    held = ArchiveFacts(rows={"public.t": 5, "scratch.x": 1}, uncounted={"scratch.y": "odd"})
    assert judged(counts(5), held).verdict is BAD
    assert judged(counts(5), held, ignored=("scratch",)).verdict is GOOD
    # What is there is compared, whatever the runbook says of its schema.
    assert judged(counts(4), held, ignored=("public", "scratch")).verdict is BAD


def test_nothing_at_all_is_no_pass() -> None:
    assert judged(NOTHING, ArchiveFacts(rows={})).verdict is UNSURE


def test_no_large_objects_are_no_entry() -> None:
    for none in (0, None):
        expected = expected_of(ArchiveFacts(rows={"public.t": 5}, large_objects=none), counts(5))
        assert expected is not None
        assert [one.table for one in expected.tables] == ["public.t"]


def test_nothing_counted_is_nothing_expected() -> None:
    assert expected_of(ArchiveFacts(), counts(5)) is None


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (HELD, "5 rows in 1 table"),
        (ArchiveFacts(rows={"a.b": 1, "a.c": 0}), "1 row in 2 tables"),
        (ArchiveFacts(rows={"a.b": 1}, large_objects=2), "1 row in 1 table, 2 large objects"),
        (ArchiveFacts(rows={}, uncounted={"a.b": "x"}), "1 table could not be counted"),
        (ArchiveFacts(why_no_rows="a\x1b"), "could not be counted: a\\x1b"),
    ],
)
def test_in_words(held: ArchiveFacts, words: str) -> None:
    assert words in shown_rows(held)


def table(name: str, kind: str = "table") -> TableCount:
    return TableCount(table=name, rows=1, kind=kind)


def unknown(name: str, why: str = "the archive holds no data for it") -> TableCount:
    return TableCount(table=name, rows=None, why_unknown=why)


ODD = ArchiveFacts(rows={}, uncounted={"scratch.x": "odd"})
_EXPECTED: list[tuple[str, ArchiveFacts, list[TableCount], tuple[str, ...], list[TableCount]]] = [
    # what, archive, restored, ignored schemas, expected
    ("a table", HELD, [table("public.t")], (), [TableCount(table="public.t", rows=5)]),
    ("a view that is computed anew", ArchiveFacts(rows={}), [table("public.v", "materialized view")],
     (), []),
    ("large objects, counted", ArchiveFacts(rows={}, large_objects=2), [table(LARGE_OBJECTS, LARGE_OBJECTS)],
     (), [TableCount(table=LARGE_OBJECTS, rows=2, kind=LARGE_OBJECTS)]),
    ("large objects, not counted", ArchiveFacts(rows={}), [table(LARGE_OBJECTS, LARGE_OBJECTS)], (),
     [TableCount(table=LARGE_OBJECTS, rows=None, kind=LARGE_OBJECTS,
                 why_unknown="it is not known that the archive holds all of them with their bytes")]),
    ("no data, and there", ArchiveFacts(rows={}), [table("scratch.x")], (), [unknown("scratch.x")]),
    ("no data, ignored and there", ArchiveFacts(rows={}), [table("scratch.x")], ("scratch",),
     [unknown("scratch.x")]),
    ("uncountable, and there", ODD, [table("scratch.x")], (), [unknown("scratch.x", "odd")]),
    ("uncountable, and missing", ODD, [], (), [unknown("scratch.x", "odd")]),
    ("uncountable, missing and ignored", ODD, [], ("scratch",), []),
    ("uncountable, ignored and there", ODD, [table("scratch.x")], ("scratch",), [unknown("scratch.x", "odd")]),
    ("uncountable, another schema ignored", ODD, [], ("scratch.x", "scrat"), [unknown("scratch.x", "odd")]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("held", "restored", "ignored", "tables"),
    [row[1:] for row in _EXPECTED],
    ids=[row[0] for row in _EXPECTED],
)
def test_what_is_expected_of_a_restore(
    held: ArchiveFacts,
    restored: list[TableCount],
    ignored: tuple[str, ...],
    tables: list[TableCount],
) -> None:
    found = TableCounts(identity=WHO, taken_at=AT, tables=tuple(restored))
    assert expected_of(held, found, ignored) == found.model_copy(update={"tables": tuple(tables)})
