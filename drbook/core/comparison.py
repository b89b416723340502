"""The comparison of three sets of row counts: what the backup held, what came back, what production had.

Everything here is a function of data. A count that could not be taken is `None` with a reason and
never compares as equal to anything.
"""

from datetime import datetime
from enum import StrEnum

from drbook.core.baseline import TableCount, TableCounts
from drbook.core.values import Frozen, UtcTime


class TableVerdict(StrEnum):
    PASS = "pass"
    FAIL = "fail"
    COULD_NOT_VERIFY = "could-not-verify"


class TableComparison(Frozen):
    """One table: what the backup held, what was restored, and what production had before the loss."""

    table: str
    expected: int | None
    """Rows the backup's manifest states; None without a manifest."""
    restored: int | None
    before: int | None
    """Rows in production's baseline before the incident."""
    lost: int | None
    """`before - restored`: rows that users have lost. Negative where the restore holds more."""
    verdict: TableVerdict
    reason: str = ""
    newest: UtcTime | None = None
    """Newest row restored."""


class Comparison(Frozen):
    """The result of a verification: per table, and as a whole."""

    tables: tuple[TableComparison, ...]
    verdict: TableVerdict
    reference: str
    """What `expected` comes from: `manifest`, `baseline` or `none`."""
    expected_at: UtcTime | None = None
    baseline_at: UtcTime | None = None
    counted_at: UtcTime | None = None
    newest: UtcTime | None = None
    """Newest row restored in any table."""

    def count(self, verdict: TableVerdict) -> int:
        return sum(1 for table in self.tables if table.verdict is verdict)


def compare(
    restored: TableCounts,
    manifest: TableCounts | None,
    baseline: TableCounts | None,
    copy_taken_at: datetime | None = None,
) -> Comparison:
    """Restored counts against the manifest (fidelity) and against the baseline (loss).

    Fidelity decides the verdict. Without a manifest nothing states what the copy should hold: what
    differs from the baseline could not be verified, since rows written or deleted between the
    baseline and the backup look the same as damage. Only a table that an older baseline holds and
    that is missing or came back empty is a failure.
    """
    older = (
        baseline is not None and copy_taken_at is not None and baseline.taken_at <= copy_taken_at
    )
    held = dict(manifest.by_name()) if manifest else {}
    known = dict(baseline.by_name()) if baseline else {}
    found = restored.by_name()
    names = sorted({*held, *known, *found})
    rows = tuple(
        _compare_table(
            name, found.get(name), held.get(name), known.get(name), manifest is not None, older
        )
        for name in names
    )
    return Comparison(
        tables=rows,
        verdict=_whole({row.verdict for row in rows}),
        reference="manifest" if manifest else "baseline" if baseline else "none",
        expected_at=manifest.taken_at if manifest else None,
        baseline_at=baseline.taken_at if baseline else None,
        counted_at=restored.taken_at,
        newest=max((row.newest for row in rows if row.newest), default=None),
    )


def _whole(verdicts: set[TableVerdict]) -> TableVerdict:
    """The worst of all; of nothing at all, nobody can say that it passed."""
    for worst in (TableVerdict.FAIL, TableVerdict.COULD_NOT_VERIFY):
        if worst in verdicts:
            return worst
    return TableVerdict.PASS if verdicts else TableVerdict.COULD_NOT_VERIFY


def _compare_table(
    name: str,
    found: TableCount | None,
    held: TableCount | None,
    known: TableCount | None,
    has_manifest: bool,
    older: bool,
) -> TableComparison:
    restored = found.rows if found else None
    expected = held.rows if held else None
    before = known.rows if known else None
    lost = before - restored if before is not None and restored is not None else None
    verdict, reason = _judge(found, held, known, has_manifest, older)
    return TableComparison(
        table=name,
        expected=expected,
        restored=restored,
        before=before,
        lost=before if found is None and before is not None else lost,
        verdict=verdict,
        reason=reason,
        newest=found.newest if found else None,
    )


def _judge(
    found: TableCount | None,
    held: TableCount | None,
    known: TableCount | None,
    has_manifest: bool,
    older: bool,
) -> tuple[TableVerdict, str]:
    unsure, fail, good = TableVerdict.COULD_NOT_VERIFY, TableVerdict.FAIL, TableVerdict.PASS
    if found is None:
        if has_manifest and held is None:
            return unsure, "in the baseline, but neither in the backup nor restored"
        if not has_manifest and not older:
            return unsure, "in the baseline, not restored; nothing says whether the backup held it"
        return fail, "missing in the restored database"
    if found.rows is None:
        return unsure, found.why_unknown or "not counted"
    if has_manifest:
        return _judge_fidelity(found, held)
    if known is None:
        return unsure, "no manifest and no baseline to compare with"
    if known.rows is None:
        return unsure, known.why_unknown or "not counted in the baseline"
    if found.rows == 0 and known.rows > 0 and older:
        return fail, f"empty, where the baseline has {known.rows} rows"
    if found.rows == known.rows:
        return good, "as in the baseline"
    return unsure, "differs from the baseline, and no manifest says what the backup held"


def _judge_fidelity(found: TableCount, held: TableCount | None) -> tuple[TableVerdict, str]:
    if held is None:
        return TableVerdict.FAIL, "not in the backup's manifest"
    if held.rows is None:
        return TableVerdict.COULD_NOT_VERIFY, held.why_unknown or "not counted in the manifest"
    if found.rows != held.rows:
        return TableVerdict.FAIL, f"the backup held {held.rows} rows, {found.rows} were restored"
    if held.content is not None and found.content is not None:
        if held.content.split(":")[0] != found.content.split(":")[0]:
            return TableVerdict.COULD_NOT_VERIFY, "content was hashed by another method"
        if held.content != found.content:
            return TableVerdict.FAIL, "the rows' content differs from what the backup held"
        return TableVerdict.PASS, "content"
    if held.newest is not None and found.newest != held.newest:
        return TableVerdict.FAIL, "the newest row differs from what the backup held"
    return TableVerdict.PASS, "empty, as in the backup" if found.rows == 0 else "count"


def compare_production(
    current: TableCounts, baseline: TableCounts, max_drop_percent: int = 5
) -> Comparison:
    """Production as it is now against its baseline: is something gone?

    Rows come and go in a living database, so more rows are well, and fewer are as long as the drop
    stays within the stated share. A table that is missing or empty is a loss.
    """
    known, found = baseline.by_name(), current.by_name()
    rows = []
    for name in sorted({*known, *found}):
        before, now = known.get(name), found.get(name)
        verdict, reason = _judge_production(before, now, max_drop_percent)
        counts = (before.rows if before else None, now.rows if now else None)
        gone = counts[0] if now is None else None
        rows.append(
            TableComparison(
                table=name,
                expected=counts[0],
                restored=counts[1],
                before=counts[0],
                lost=counts[0] - counts[1] if None not in counts else gone,  # type: ignore[operator]
                verdict=verdict,
                reason=reason,
                newest=now.newest if now else None,
            )
        )
    return Comparison(
        tables=tuple(rows),
        verdict=_whole({row.verdict for row in rows}),
        reference="baseline",
        baseline_at=baseline.taken_at,
        counted_at=current.taken_at,
        newest=max((row.newest for row in rows if row.newest), default=None),
    )


def _judge_production(
    before: TableCount | None, now: TableCount | None, max_drop_percent: int
) -> tuple[TableVerdict, str]:
    if now is None:
        return TableVerdict.FAIL, "missing"
    if now.rows is None:
        return TableVerdict.COULD_NOT_VERIFY, now.why_unknown or "not counted"
    if before is None:
        return TableVerdict.PASS, "newer than the baseline"
    if before.rows is None:
        return TableVerdict.COULD_NOT_VERIFY, before.why_unknown or "not counted in the baseline"
    if now.rows == 0 and before.rows > 0:
        return TableVerdict.FAIL, f"empty, where the baseline has {before.rows} rows"
    drop = before.rows - now.rows
    if drop * 100 > before.rows * max_drop_percent:
        return TableVerdict.FAIL, f"{drop} rows fewer than in the baseline"
    return TableVerdict.PASS, "not fewer than expected"
