"""Tables for the comparisons: what passes, what fails, and what nobody can say."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from drbook.core.baseline import Baseline, Identity, TableCount, TableCounts
from drbook.core.comparison import Comparison, TableVerdict, compare, compare_production

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


H1, H2, OTHER = "hash_record_extended:1", "hash_record_extended:2", "hashtextextended:1"
_RESTORED: list[tuple[str, Any, Any, Any, TableVerdict, int | None]] = [
    # what, restored, manifest, baseline, verdict, lost
    ("as the manifest says", table(5), of(table(5)), None, GOOD, None),
    ("one row fewer", table(4), of(table(5)), None, BAD, None),
    ("one row more", table(6), of(table(5)), None, BAD, None),
    ("missing", None, of(table(5)), None, BAD, None),
    ("missing though empty", None, of(table(0)), None, BAD, None),
    ("empty as in the backup", table(0), of(table(0)), None, GOOD, None),
    ("empty, was full", table(0), of(table(5)), None, BAD, None),
    ("not in the manifest", table(5), counts(), None, BAD, None),
    ("not counted", table(None, why_unknown="denied"), of(table(5)), None, UNSURE, None),
    ("not counted in the manifest", table(5), of(table(None)), None, UNSURE, None),
    ("neither counted", table(None), of(table(None)), None, UNSURE, None),
    ("same content", table(5, content=H1), of(table(5, content=H1)), None, GOOD, None),
    ("other content", table(5, content=H1), of(table(5, content=H2)), None, BAD, None),
    ("hashed otherwise", table(5, content=H1), of(table(5, content=OTHER)), None, UNSURE, None),
    ("same newest", table(5, newest=AT), of(table(5, newest=AT)), None, GOOD, None),
    ("other newest", table(5, newest=LATER), of(table(5, newest=AT)), None, BAD, None),
    ("newest is gone", table(5), of(table(5, newest=AT)), None, BAD, None),
    ("content beats newest", table(5, content=H2, newest=AT), of(table(5, content=H1, newest=AT)), None, BAD, None),
    ("loss is no failure", table(5), of(table(5)), of(table(8)), GOOD, 3),
    ("more than before", table(9), of(table(9)), of(table(8)), GOOD, -1),
    ("baseline like restored, backup not", table(8), of(table(5)), of(table(8)), BAD, 0),
    ("only in the baseline", None, counts(), of(table(8)), UNSURE, 8),
    ("no manifest, as before", table(8), None, of(table(8)), GOOD, 0),
    ("no manifest, fewer", table(5), None, of(table(8)), UNSURE, 3),
    ("no manifest, more", table(9), None, of(table(8)), UNSURE, -1),
    ("no manifest, emptied", table(0), None, of(table(8)), UNSURE, 8),
    ("no manifest, missing", None, None, of(table(8)), UNSURE, 8),
    ("no manifest, was not counted", table(5), None, of(table(None)), UNSURE, None),
    ("no manifest, not in the baseline", table(5), None, counts(), UNSURE, None),
    ("nothing to compare with", table(5), None, None, UNSURE, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("found", "manifest", "baseline", "verdict", "lost"),
    [row[1:] for row in _RESTORED],
    ids=[row[0] for row in _RESTORED],
)
def test_restored(
    found: Any, manifest: Any, baseline: Any, verdict: TableVerdict, lost: int | None
) -> None:
    result = compare(of(found), manifest, baseline)
    (row,) = result.tables
    assert (row.verdict, row.lost) == (verdict, lost)
    assert row.reason
    assert result.verdict is verdict


@pytest.mark.parametrize(
    ("found", "known", "later", "earlier"),
    [
        (None, table(8), BAD, UNSURE),
        (table(0), table(8), BAD, UNSURE),
        (table(0), table(0), GOOD, GOOD),
        (table(5), table(8), UNSURE, UNSURE),
    ],
)
def test_without_a_manifest_only_an_older_baseline_can_fail_a_copy(
    found: Any, known: Any, later: TableVerdict, earlier: TableVerdict
) -> None:
    """A table that is younger than the copy cannot have been in it."""
    baseline = of(known)
    for hours, verdict in ((1, later), (0, later), (-1, earlier)):
        taken = baseline.taken_at + timedelta(hours=hours)
        assert compare(of(found), None, baseline, taken).verdict is verdict


def test_one_bad_table_spoils_the_whole() -> None:
    names = ("a", "b", "c")
    held = counts(*(TableCount(table=name, rows=5) for name in names))
    for broken, verdict in ((4, BAD), (None, UNSURE), (5, GOOD)):
        rows = [TableCount(table=name, rows=5 if name != "b" else broken) for name in names]
        result = compare(counts(*rows), held, None)
        assert result.verdict is verdict
        assert result.count(GOOD) == (3 if broken == 5 else 2)


def test_failing_outranks_not_knowing() -> None:
    held = counts(TableCount(table="a", rows=5), TableCount(table="b", rows=5))
    found = counts(TableCount(table="a", rows=None), TableCount(table="b", rows=4))
    assert compare(found, held, None).verdict is BAD


@pytest.mark.parametrize("manifest", [None, counts()])
def test_no_tables_at_all_is_no_pass(manifest: TableCounts | None) -> None:
    assert compare(counts(), manifest, None).verdict is UNSURE
    assert compare_production(counts(), counts()).verdict is UNSURE


def test_what_was_compared_is_named() -> None:
    some = of(table(5, newest=AT))
    assert compare(some, some, some).reference == "manifest"
    assert compare(some, None, some).reference == "baseline"
    assert compare(some, None, None).reference == "none"
    assert compare(some, some, None).newest == AT


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


# --- the seal ----------------------------------------------------------------------------------


def test_a_sealed_baseline_comes_back() -> None:
    original = Baseline(captured_at=AT, counts=of(table(5, content=H1, newest=AT)))
    assert Baseline.unseal(original.sealed()) == original


def test_every_single_changed_byte_breaks_the_seal() -> None:
    document = Baseline(captured_at=AT, counts=of(table(5))).sealed()
    for position in range(len(document)):
        changed = bytearray(document)
        changed[position] ^= 0x01
        try:
            found = Baseline.unseal(bytes(changed))
        except ValueError:
            continue
        # White space in the second line means nothing; what was sealed is untouched.
        assert found.sealed() == document, position


@pytest.mark.parametrize(
    "document", [b"", b"\n\n", b"{}\n{}\n", b"{}", b"\xff\n\xff\n", b"[]\n[]\n"]
)
def test_other_documents_are_refused(document: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Baseline.unseal(document)
