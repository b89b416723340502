"""What was rolled forward to a moment, against what production had before it."""

from collections.abc import Sequence

from drbook.core.baseline import TableCounts
from drbook.core.comparison import Comparison, TableComparison, beside_rows
from drbook.core.production import compare_production
from drbook.core.remarks import Question, Remark, TableVerdict, gathered, worst

UNCOUNTED = "rows exactly: nobody counted them at the moment that it was rolled forward to"


def compare_recovered(
    restored: TableCounts,
    baseline: TableCounts | None,
    max_drop_percent: int,
    more: Sequence[Remark] = (),
    *,
    broken: str = "",
    repeats: str = "",
) -> Comparison:
    """What was rolled forward to a moment of which nobody counted the rows: held to a baseline from before,
    as living production is, for it is production as it was then. Without a baseline nothing is verified."""
    if baseline is None:
        rows = tuple(
            TableComparison(
                table=one.table,
                expected=None,
                restored=one.rows,
                before=None,
                lost=None,
                verdict=TableVerdict.COULD_NOT_VERIFY,
                reason="no baseline says how many rows there were",
                newest=one.newest,
            )
            for one in restored.tables
        )
        found = Comparison(
            tables=rows,
            verdict=TableVerdict.COULD_NOT_VERIFY,
            reference="none",
            counted_at=restored.taken_at,
            newest=max((row.newest for row in rows if row.newest), default=None),
        )
    else:
        found = compare_production(restored, baseline, max_drop_percent)
    beside, left = beside_rows(
        restored, None, baseline, younger=False, same_rows=False, facts=None, left_out=None
    )
    if broken:
        beside = [
            *beside,
            _wal(f"it was not rolled forward to where it should stop: {broken}; {ELSEWHERE}"),
        ]
    if repeats:
        beside = [*beside, _wal(f"{repeats}; what is missing since may be missing for good here")]
    remarks = gathered((*found.remarks, *beside, *more))
    return found.model_copy(
        update={
            "remarks": remarks,
            "verdict": worst([found.verdict, *(one.verdict for one in remarks)]),
            "not_compared": (*found.not_compared, UNCOUNTED, *left),
        }
    )


ELSEWHERE = "another copy or archive may lose less"


def _wal(words: str) -> Remark:
    return Remark(
        question=Question.SOUNDNESS,
        check="WAL",
        subject="",
        verdict=TableVerdict.COULD_NOT_VERIFY,
        words=words,
    )
