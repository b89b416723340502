"""The rows that were counted in the archive as what its restore is held to, where no manifest says more.

That proves that everything in the archive arrived, not that the archive holds what it should: what is
a failure against an older baseline stays one.
"""

from collections.abc import Sequence

from drbook.core.archivefacts import ArchiveFacts
from drbook.core.baseline import TableCount, TableCounts
from drbook.core.comparison import Comparison, TableComparison, TableVerdict, compare
from drbook.core.remarks import Question, Remark, worst
from drbook.core.values import counted, plain

ARCHIVE = "archive"
"""The `reference` of such a comparison."""

_NOT_TABLES = ("materialized view", "large objects")
"""What an archive has no rows of: the restore computes the first anew, and the others are not counted."""
_NO_DATA = "the archive holds no data for it"


def shown_rows(held: ArchiveFacts) -> str:
    """How many rows an archive holds, in a sentence without an end."""
    if held.rows is None:
        return f"its rows could not be counted: {plain(held.why_no_rows, 200)}"
    text = f"{counted(sum(held.rows.values()), 'row')} in {counted(len(held.rows), 'table')}"
    if held.uncounted:
        return f"{text}; {counted(len(held.uncounted), 'table')} could not be counted"
    return text


def expected_of(
    held: ArchiveFacts, restored: TableCounts, ignored: Sequence[str] = ()
) -> TableCounts | None:
    """What the archive says that the tables hold, in a manifest's shape; None where nothing was counted.

    Tables in schemas that the runbook ignores are not expected, since they are not counted. A table
    that is there without the archive having data for it has an unknown count.
    """
    if held.rows is None:
        return None
    found = restored.by_name()
    prefixes = tuple(f"{schema}." for schema in ignored)
    tables = [
        TableCount(table=table, rows=rows)
        for table, rows in held.rows.items()
        if table in found or not table.startswith(prefixes)
    ]
    tables += [
        TableCount(table=table, rows=None, why_unknown=held.uncounted.get(table, _NO_DATA))
        for table in sorted({*found, *held.uncounted} - held.rows.keys())
        if table in found or not table.startswith(prefixes)
        if table not in found or found[table].kind not in _NOT_TABLES
    ]
    return TableCounts(identity=restored.identity, taken_at=restored.taken_at, tables=tuple(tables))


def against_archive(
    without: Comparison,
    restored: TableCounts,
    held: ArchiveFacts | None,
    ignored: Sequence[str] = (),
    baseline: TableCounts | None = None,
    more: Sequence[Remark] = (),
) -> Comparison:
    """The comparison with the archive's own rows instead of none; `without` is the one that knows no
    manifest, and is the answer where the archive's rows are not known."""
    expected = expected_of(held, restored, ignored) if held is not None else None
    if expected is None:
        return without
    judged = compare(restored, expected, baseline, more=more)
    remarks = tuple(_remark(one) for one in judged.remarks)
    failed = {row.table: row for row in without.tables if row.verdict is TableVerdict.FAIL}
    rows = tuple(_row(row, failed.get(row.table)) for row in judged.tables)
    return judged.model_copy(
        update={
            "tables": rows,
            "verdict": worst(
                [worst(row.verdict for row in rows)]
                + [one.verdict for one in remarks if one.question is not Question.LOSS]
            ),
            "remarks": remarks,
            "reference": ARCHIVE,
            "expected_at": None,  # when it was dumped is not known from its rows
        }
    )


def _row(row: TableComparison, failed: TableComparison | None) -> TableComparison:
    if failed is not None and row.verdict is not TableVerdict.FAIL:
        return row.model_copy(update={"verdict": failed.verdict, "reason": failed.reason})
    if row.verdict is TableVerdict.FAIL and row.expected is not None and row.restored is not None:
        reason = f"the archive holds {row.expected} rows, {row.restored} were restored"
        return row.model_copy(update={"reason": reason})
    if row.verdict is TableVerdict.PASS:
        reason = "empty, as in the archive" if row.expected == 0 else "as many as in the archive"
        return row.model_copy(update={"reason": reason})
    return row


def _remark(one: Remark) -> Remark:
    """The archive was loaded to its end, so its structure is here: what differs from the baseline was
    changed in production between the two, or is not in the backup."""
    if one.question is not Question.FIDELITY:
        return one
    return one.model_copy(update={"question": Question.LOSS, "verdict": TableVerdict.PASS})
