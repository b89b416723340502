"""Production as it is now against its baseline: is something gone?

A function of data, like the comparison of a restore; but here rows come and go, and more of them are well.
"""

from drbook.core.baseline import TableCount, TableCounts
from drbook.core.comparison import Comparison, TableComparison, two_databases, unsure_whose
from drbook.core.remarks import TableVerdict, worst
from drbook.core.values import counted


def compare_production(
    current: TableCounts, baseline: TableCounts, max_drop_percent: int = 5
) -> Comparison:
    """Production as it is now against its baseline: is something gone?

    Rows come and go in a living database, so more rows are well, and fewer pass as long as the drop
    stays within the stated share; each is said. A table that is missing or empty is a loss. Figures of another
    server or database say nothing about it.
    """
    remarks = []
    if words := two_databases(current.identity, baseline.identity):
        remarks.append(
            unsure_whose(
                f"production is {words}: what it had nobody can say; capture a baseline of it"
            )
        )
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
        verdict=worst([*(row.verdict for row in rows), *(one.verdict for one in remarks)]),
        reference="baseline",
        baseline_at=baseline.taken_at,
        counted_at=current.taken_at,
        newest=max((row.newest for row in rows if row.newest), default=None),
        remarks=tuple(remarks),
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
        return TableVerdict.FAIL, f"{drop} rows fewer than in the baseline{_older(before, now)}"
    if drop > 0:
        within = f"{share(drop, before.rows)}, within the {max_drop_percent} % that are allowed"
        return TableVerdict.PASS, f"{counted(drop, 'row')} fewer ({within}){_older(before, now)}"
    return TableVerdict.PASS, f"no fewer than in the baseline{_older(before, now)}"


def share(drop: int, of: int) -> str:
    """In per cent, never rounded to nothing."""
    tenths = drop * 1000 // of if of else 0
    return f"{tenths // 10}.{tenths % 10} %" if tenths else "less than 0.1 %"


def _older(before: TableCount, now: TableCount) -> str:
    """Rows are seldom deleted from the newest end."""
    same = before.newest_column == now.newest_column
    if (
        before.newest is None
        or not same
        or (now.newest is not None and now.newest >= before.newest)
    ):
        return ""
    return "; and its newest row is older than the baseline's"


def dwindled(comparison: Comparison) -> str:
    """Every table that has fewer rows and passed, in words; empty where none has."""
    rows = [
        row for row in comparison.tables if row.verdict is TableVerdict.PASS and (row.lost or 0) > 0
    ]
    rows.sort(key=lambda row: (-(row.lost or 0), row.table))
    shown = [
        f"{row.table} {row.lost} ({share(row.lost or 0, row.before or 0)})" for row in rows[:5]
    ]
    more = [f"{len(rows) - 5} more"] if len(rows) > 5 else []
    return ", ".join([*shown, *more])
