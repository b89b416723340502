"""One table at a time: which check decides, how, and in which words."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from drbook.core.baseline import LARGE_OBJECTS, OF_AN_EXTENSION, TableCount
from drbook.core.fidelity import CHECKS, Case, content_proven, judge
from drbook.core.ranges import Ranges, Stretch
from drbook.core.remarks import TableVerdict

GOOD, BAD, UNSURE = TableVerdict.PASS, TableVerdict.FAIL, TableVerdict.COULD_NOT_VERIFY
EARLIER = datetime(2026, 4, 21, 19, 3, tzinfo=UTC)
AT = datetime(2026, 4, 22, 19, 3, tzinfo=UTC)
LATER = datetime(2026, 4, 23, 19, 3, tzinfo=UTC)
H1, H2, OTHER = "hash_record_extended/2:1", "hash_record_extended/2:2", "hashtextextended/2:1"
VIEW = {"kind": "materialized view"}
OBJECTS = {"kind": LARGE_OBJECTS}
DATED: dict[str, Any] = {"newest_column": "at"}


def t(rows: int | None, **more: Any) -> TableCount:
    return TableCount(table="public.t", rows=rows, **more)


def g(content: str | None, given: str | None, *names: str, **more: Any) -> TableCount:
    """A table with columns that the server computes, and the hash without them."""
    return t(5, content=content, content_given=given, generated=names or ("total",), **more)


def case(
    found: TableCount | None = None,
    held: TableCount | None = None,
    known: TableCount | None = None,
    **more: Any,
) -> Case:
    return Case("public.t", found, held, known, **{"has_manifest": held is not None, **more})


COUNTED: dict[str, Any] = {"has_manifest": False, "counted": True}
OLDER: dict[str, Any] = {"older": True}
MANIFEST: dict[str, Any] = {"has_manifest": True}
YOUNGER: dict[str, Any] = {"before": AT + timedelta(hours=1)}
PARTED = Ranges(
    column="id",
    kind="integer",
    width=10,
    parts=(
        Stretch(at=0, rows=4, content="1", first=EARLIER, last=AT),
        Stretch(at=1, rows=5, content="1", first=LATER, last=LATER),
    ),
)
NEWER = PARTED.model_copy(update={"parts": PARTED.parts[1:]})
HAD = (
    ", where the baseline has {} that are dated before the backup: it may be older than it claims, or "
    "another database's"
)
OLDER_THEN = (
    f"its newest row is older than others of the baseline that are dated before the backup ({AT:%Y-%m-%d}): it "
    "may be older than it claims, or another database's"
)
UNCOVERED: dict[str, Any] = {"has_manifest": True, "covers": False}
REMOVED = (
    ", where the baseline, which is older than the backup, has 8; whether the others were deleted or are "
    "missing, no manifest says"
)
STALE = (
    "its newest row is older than that of the baseline, which was captured before the backup: the backup "
    "may be older than it claims"
)
DIFFERS = "differs from the baseline, and no manifest says what the backup held"
GENERATED = (
    "all but generated columns (total) is as the backup held it; these a restore computes anew, and "
    "nothing says what their functions gave when the rows were written"
)
NOT_APART = (
    "the rows' content differs, and whether in more than generated columns (total), which a restore "
    "computes anew, a manifest of an older drbook does not say"
)
SAME: dict[str, Any] = {"versions": (180003, 180003)}
NO_WORDS = "no manifest and no baseline to compare with"

_JUDGED: list[tuple[Case, str, TableVerdict, str]] = [
    # --- is it there -----------------------------------------------------------------------------
    (case(None, t(5)), "restored", BAD, "missing in the restored database"),
    (case(None, t(None)), "restored", BAD, "missing in the restored database"),
    (case(None, None, t(8), **MANIFEST), "restored", GOOD,
     "in the baseline, and not in the backup, as its manifest says"),
    (case(None, None, t(8)), "restored", UNSURE,
     "in the baseline, not restored; nothing says whether the backup held it"),
    # --- was it counted --------------------------------------------------------------------------
    (case(t(None, why_unknown="denied"), t(5)), "counted", UNSURE, "denied"),
    (case(t(None), t(5)), "counted", UNSURE, "not counted"),
    (case(t(None), t(None)), "counted", UNSURE, "not counted"),
    # --- did the backup hold it ------------------------------------------------------------------
    (case(t(5), None, **MANIFEST), "in the backup", BAD, "not in the backup's manifest"),
    (case(t(5), None, t(5), **MANIFEST), "in the backup", BAD, "not in the backup's manifest"),
    (case(t(5, **VIEW), None, **MANIFEST), "in the backup", BAD, "not in the backup's manifest"),
    (case(t(5, **OBJECTS), None, **MANIFEST), "in the backup", BAD, "not in the backup's manifest"),
    (case(t(5), None, **MANIFEST, left_aside="a standby"), "in the backup", UNSURE,
     "the manifest left it aside: a standby"),
    (case(t(0), None, **MANIFEST, left_aside="a standby"), "in the backup", GOOD,
     "empty; the manifest left it aside"),
    (case(t(0), t(1), left_aside="a standby"), "rows", BAD, "the backup held 1 rows, 0 were restored"),
    (case(t(5, **VIEW), None, **UNCOVERED), "in the backup", GOOD,
     "computed by the restore; the manifest does not speak of it"),
    (case(t(5, **OBJECTS), None, **UNCOVERED), "in the backup", UNSURE,
     "the manifest does not speak of large objects"),
    (case(t(5), None, **UNCOVERED), "in the backup", BAD, "not in the backup's manifest"),
    (case(t(5, **VIEW), None, **COUNTED), "in the backup", GOOD,
     "computed by the restore; an archive holds no rows of it"),
    (case(t(5, **OBJECTS), None, **COUNTED), "in the backup", UNSURE,
     "large objects are not counted in an archive"),
    (case(t(5), t(None, why_unknown="odd")), "counted in the backup", UNSURE, "odd"),
    (case(t(5), t(None)), "counted in the backup", UNSURE, "not counted in the backup"),
    (case(t(5), t(None), **COUNTED), "counted in the backup", UNSURE, "not counted in the archive"),
    # --- as many rows, the same rows -------------------------------------------------------------
    (case(t(4), t(5)), "rows", BAD, "the backup held 5 rows, 4 were restored"),
    (case(t(4, content=H1), t(5, content=H1)), "rows", BAD, "the backup held 5 rows, 4 were restored"),
    (case(t(6), t(5), **COUNTED), "rows", BAD, "the archive held 5 rows, 6 were restored"),
    (case(t(6, **OBJECTS), t(5, **OBJECTS)), "rows", BAD, "the backup held 5, 6 were restored"),
    (case(t(4, **VIEW), t(5)), "rows", UNSURE, "held 5 rows; the restore computed it anew, and found 4"),
    (case(t(5, content=H1), t(5, content=H1)), "content", GOOD, "content"),
    (case(t(5, content=H1, newest=LATER), t(5, content=H1, newest=AT)), "content", GOOD, "content"),
    (case(t(5, content=H2), t(5, content=H1), versions=(180003, 180003)), "content", BAD,
     "the rows' content differs from what the backup held"),
    (case(t(5, content=H2, **VIEW), t(5, content=H1), versions=(180003, 180003)), "content", UNSURE,
     "the restore computed it anew, with another content"),
    (case(t(5, content=OTHER), t(5, content=H1), versions=(180003, 180003)), "content", UNSURE,
     "Content was hashed by another method: hash_record_extended/2 and hashtextextended/2."),
    (case(t(5, content=OTHER, **VIEW), t(5, content=H1), versions=(180003, 180003)), "content", UNSURE,
     "Content was hashed by another method: hash_record_extended/2 and hashtextextended/2."),
    (case(t(5, content=H2), t(5, content=H1), versions=(150003, 180003)), "content", UNSURE,
     "Content was hashed by PostgreSQL 15 and 18; that their hashes agree is known only of neighbouring "
     "versions."),
    # --- columns that a restore computes anew ------------------------------------------------------
    (case(g(H2, H1), g(H1, H1), **SAME), "generated", UNSURE, GENERATED),
    (case(g(H2, None), g(H1, None), **SAME), "generated", UNSURE, GENERATED),
    (case(g(H2, H1, "b", "a"), g(H1, H1, "a", "b"), **SAME), "generated", UNSURE,
     GENERATED.replace("total", "b, a")),
    (case(g(H2, H2), g(H1, H1), **SAME), "content", BAD, "the rows' content differs from what the backup held"),
    (case(g(H2, H1, "other"), g(H1, H1), **SAME), "content", BAD,
     "the rows' content differs from what the backup held"),
    (case(g(H2, H1), t(5, content=H1, generated=()), **SAME), "content", BAD,
     "the rows' content differs from what the backup held"),
    (case(t(5, content=H2, generated=()), t(5, content=H1, generated=()), **SAME), "content", BAD,
     "the rows' content differs from what the backup held"),
    (case(t(5, content=H2, generated=()), g(H1, H1), **SAME), "content", BAD,
     "the rows' content differs from what the backup held"),
    (case(g(H2, H1), t(5, content=H1), **SAME), "generated", UNSURE, NOT_APART),
    (case(t(5, content=H2, generated=()), t(5, content=H1), **SAME), "content", BAD,
     "the rows' content differs from what the backup held"),
    (case(g(H1, H1), t(5, content=H1), **SAME), "content", GOOD, "content"),
    (case(g(H1, H2), g(H1, H1), **SAME), "content", GOOD, "content"),
    (case(g(OTHER, H1), g(H1, H1), **SAME), "content", UNSURE,
     "Content was hashed by another method: hash_record_extended/2 and hashtextextended/2."),
    (case(g(H2, H1, **VIEW), g(H1, H1), **SAME), "content", UNSURE,
     "the restore computed it anew, with another content"),
    (case(g(None, None), g(H1, H1), **SAME), "as held", GOOD, "count"),
    (case(g(H1, H1), g(None, None), **SAME), "as held", GOOD, "count"),
    (case(g(None, None, newest=LATER, newest_column="total"), g(None, None, newest=AT)), "newest", UNSURE,
     "the newest row differs, by a generated column, which a restore computes anew"),
    (case(g(None, None, newest=LATER, newest_column="at"), g(None, None, newest=AT)), "newest", BAD,
     "the newest row differs from what the backup held"),
    (case(g(None, None), g(None, None, newest=AT, newest_column="total")), "newest", UNSURE,
     "the newest row differs, by a generated column, which a restore computes anew"),
    (case(g(None, None), g(None, None, newest=AT)), "newest", BAD,
     "the newest row differs from what the backup held"),
    (case(t(5, newest=LATER), t(5, newest=AT)), "newest", BAD,
     "the newest row differs from what the backup held"),
    (case(t(5), t(5, newest=AT)), "newest", BAD, "the newest row differs from what the backup held"),
    (case(t(5, newest=LATER, **VIEW), t(5, newest=AT)), "newest", UNSURE,
     "the restore computed it anew, with another newest row"),
    (case(t(5, newest=LATER, content=H1), t(5, newest=AT)), "newest", BAD,
     "the newest row differs from what the backup held"),
    (case(t(5, newest=AT), t(5)), "as held", GOOD, "count"),
    (case(t(5, newest=AT, content=H1), t(5, newest=AT)), "as held", GOOD, "count"),
    (case(t(5), t(5, content=H1)), "as held", GOOD, "count"),
    (case(t(5), t(5), **COUNTED), "as held", GOOD, "as many as in the archive"),
    (case(t(1), t(1)), "as held", GOOD, "count"),
    (case(t(0), t(0)), "as held", GOOD, "empty, as in the backup"),
    (case(t(0), t(0), **COUNTED), "as held", GOOD, "empty, as in the archive"),
    # --- where no manifest speaks, what was there before -------------------------------------------
    (case(t(5), None, t(8), **OLDER), "fewer", UNSURE, "5 rows" + REMOVED),
    (case(t(1), None, t(8), **OLDER), "fewer", UNSURE, "1 rows" + REMOVED),
    (case(t(0), None, t(8), **OLDER), "fewer", UNSURE, "empty" + REMOVED),
    (case(t(5), t(5), t(8), **COUNTED, **OLDER), "fewer", UNSURE, "5 rows" + REMOVED),
    (case(t(5), t(5), t(8), **COUNTED), "as held", GOOD, "as many as in the archive"),
    (case(t(5), t(5), t(8), **OLDER), "as held", GOOD, "count"),
    (case(t(5, newest=EARLIER, **DATED), None, t(5, newest=AT, **DATED), **OLDER), "dated", UNSURE, STALE),
    (case(t(5, **DATED), None, t(5, newest=AT, **DATED), **OLDER), "dated", UNSURE, STALE),
    (case(t(5, newest=AT, **DATED), None, t(5, newest=AT, **DATED), **OLDER), "as before", GOOD,
     "as in the baseline"),
    (case(t(5, newest=LATER, **DATED), None, t(5, newest=AT, **DATED), **OLDER), "as before", GOOD,
     "as in the baseline"),
    (case(t(5, newest=EARLIER), None, t(5, newest=AT, **DATED), **OLDER), "as before", GOOD,
     "as in the baseline"),
    (case(t(5, newest=EARLIER, **DATED), t(5, newest=EARLIER), t(5, newest=AT, **DATED), **OLDER),
     "as held", GOOD, "count"),
    (case(t(5, newest=EARLIER, **DATED), None, t(5, newest=AT, **DATED)), "as before", GOOD,
     "as in the baseline"),
    # --- a younger baseline, whose rows have dates
    (case(t(3), None, t(5, newest=AT, **DATED), **YOUNGER), "had then", UNSURE, "3 rows" + HAD.format(5)),
    (case(t(3), t(3), t(5, newest=AT, **DATED), **COUNTED, **YOUNGER), "had then", UNSURE, "3 rows" + HAD.format(5)),
    (case(t(3), None, t(9, newest=LATER, ranges=PARTED, **DATED), **YOUNGER), "had then", UNSURE, "3 rows" + HAD.format(4)),
    (case(t(5, newest=AT, **DATED), t(5), t(9, newest=LATER, ranges=PARTED, **DATED), **COUNTED, **YOUNGER),
     "as held", GOOD, "as many as in the archive"),
    (case(t(3), t(3), t(5, newest=AT, **DATED), **MANIFEST, **YOUNGER), "as held", GOOD, "count"),
    (case(t(5, newest=EARLIER, **DATED), None, t(5, newest=AT, **DATED), **YOUNGER), "newest then", UNSURE, OLDER_THEN),
    (case(t(5), None, t(5, newest=AT, **DATED), **YOUNGER), "newest then", UNSURE, OLDER_THEN),
    (case(t(5, newest=EARLIER, newest_column="b"), t(5), t(5, newest=AT, **DATED), **COUNTED, **YOUNGER),
     "as held", GOOD, "as many as in the archive"),
    (case(t(5, newest=EARLIER, **DATED), t(5), t(5, newest=LATER, **DATED), **COUNTED, **YOUNGER), "as held",
     GOOD, "as many as in the archive"),
    (case(t(99), t(99), t(1000), **COUNTED, **YOUNGER), "hardly any", UNSURE,
     "99 rows, where the baseline, captured after the backup, has 1000; whether the others came in between, "
     "nothing says"),
    (case(t(100), t(100), t(1000), **COUNTED, **YOUNGER), "as held", GOOD, "as many as in the archive"),
    (case(t(1), t(1), t(99), **COUNTED, **YOUNGER), "as held", GOOD, "as many as in the archive"),
    (case(t(0), t(0), t(1000, newest=LATER, ranges=NEWER, **DATED), **COUNTED, **YOUNGER), "as held", GOOD,
     "empty, as in the archive"),
    (case(None, t(5), not_here=OF_AN_EXTENSION + "x."), "restored", UNSURE,
     "not counted here: It belongs to the extension x."),
    (case(t(5), None, t(None, why_unknown="odd"), **OLDER), "counted before", UNSURE, "odd"),
    (case(t(5), None, t(None)), "counted before", UNSURE, "not counted in the baseline"),
    (case(t(5), t(5), t(None)), "as held", GOOD, "count"),
    (case(t(9), None, t(8), **OLDER), "as before", UNSURE, DIFFERS),
    (case(t(7), None, t(8)), "as before", UNSURE, DIFFERS),
    (case(t(8), None, t(8)), "as before", GOOD, "as in the baseline"),
    (case(t(8)), "", UNSURE, NO_WORDS),
]  # fmt: skip


@pytest.mark.parametrize(
    ("one", "check", "verdict", "words"),
    _JUDGED,
    ids=[f"{number} {row[1]}: {row[3][:40]}" for number, row in enumerate(_JUDGED)],
)
def test_the_first_check_with_an_answer_decides(
    one: Case, check: str, verdict: TableVerdict, words: str
) -> None:
    assert judge(one) == (check, verdict, words)


def test_every_check_decides_somewhere() -> None:
    assert CHECKS.keys() == {row[1] for row in _JUDGED if row[1]}


@pytest.mark.parametrize("check", CHECKS)
def test_no_check_needs_another_before_it(check: str) -> None:
    """Each looks at what it needs, and has no answer where that is missing."""
    nothing = case()
    assert judge(nothing)[0] == "restored"
    assert CHECKS[check](case(None, t(5), t(5), **OLDER)) is None or check == "restored"
    assert CHECKS[check](case(t(5), **OLDER)) is None
    if check != "restored":
        assert CHECKS[check](case(None, t(5), t(5), **COUNTED, **OLDER)) is None
        assert CHECKS[check](nothing) is None


@pytest.mark.parametrize(
    ("one", "proven"),
    [
        (case(None, t(5)), True),
        (case(t(0), t(0)), True),
        (case(t(5), t(5)), False),
        (case(t(5, **VIEW), t(5)), True),
        (case(t(5, content=H1), t(5, content=H1)), True),
        (case(t(5, content=H1), t(5), t(5, content=H1)), True),
        (case(t(5, content=H1), t(5), t(5, content=H2)), False),
        (case(t(5, content=H1)), False),
        (case(t(5), t(5), t(5)), False),
    ],
)
def test_content_is_proven_by_an_equal_hash_alone(one: Case, proven: bool) -> None:
    assert content_proven(one) is proven
