"""Row counts as the screens draw them: what the backup held, what is restored, what is lost."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from drbook.core.comparison import TableComparison, TableVerdict
from drbook.core.results import VerifyResult
from drbook.core.values import counted, plain
from drbook.tui.colours import DIM, GOOD, PLAIN, SELECTED, URGENT, WARN
from drbook.tui.paint import Column, count, cut, cut_middle, said, table_of

TABLE_VERDICTS = {
    TableVerdict.PASS: ("✓", "equal", GOOD),
    TableVerdict.FAIL: ("✗", "differs", URGENT),
    TableVerdict.COULD_NOT_VERIFY: ("?", "could not verify", WARN),
}


def verified_rows(result: VerifyResult, width: int, height: int) -> RenderableType:
    rows = sorted(
        result.comparison.tables,
        key=lambda row: (row.verdict is TableVerdict.PASS, -(row.lost or 0)),
    )
    shown = rows[: max(2, height - 3)]
    more = [said(f"{len(rows) - len(shown)} more: press v", DIM)] if len(rows) > len(shown) else []
    return Group(summary_line(result), tables_table(shown, width), *more)


def summary_line(result: VerifyResult) -> Text:
    comparison = result.comparison
    counts = {verdict: comparison.count(verdict) for verdict in TableVerdict}
    sign, _, style = TABLE_VERDICTS[comparison.verdict]
    manifest = comparison.reference == "manifest"
    equal = "equal" if comparison.content_compared and manifest else "as many rows"
    text = f"{sign} {counted(len(comparison.tables), 'table')} · {counts[TableVerdict.PASS]} {equal} · "
    text += f"{counts[TableVerdict.FAIL]} differ · {counts[TableVerdict.COULD_NOT_VERIFY]} could not verify"
    bad = [one for one in comparison.remarks if one.verdict is not TableVerdict.PASS]
    text += f" · {counted(len(bad), 'other thing')} not as it should be" if bad else ""
    left = "" if comparison.content_compared else "; content not compared"
    return Text(f"{text}  (against the {comparison.reference}{left})", style=style)


SHARE = 10
"""Cells of the bar that shows which part of a table's rows is back."""


def share_bar(row: TableComparison) -> Text:
    """Which part of what production had before the loss is back; nothing where nobody knows."""
    if row.before is None or row.restored is None:
        return Text("?".ljust(SHARE), style=DIM)
    if row.before == 0:
        return Text("–".ljust(SHARE), style=DIM)
    lacks = row.restored < row.before
    cells = min(SHARE, row.restored * SHARE // row.before)
    cells = min(cells, SHARE - 1) if lacks else cells  # full only where nothing lacks
    return Text.assemble(("█" * cells, GOOD), ("░" * (SHARE - cells), WARN))


def tables_table(
    rows: Sequence[TableComparison], width: int, *, selected: TableComparison | None = None
) -> Table:
    """Numbers and, where there is room, bars: what the backup held, what is back, what is lost."""
    wide = width >= 110
    back: list[Column] = [("back", "left")] if wide else []
    table = table_of(
        ("table", "left"),
        ("backup held", "right"),
        ("restored", "right"),
        ("fidelity", "left"),
        ("before", "right"),
        *back,
        ("lost", "right"),
    )
    for row in rows:
        sign, word, style = TABLE_VERDICTS[row.verdict]
        cells: list[RenderableType] = [
            said(cut_middle(row.table, max(20, min(48, width - 60)))),
            said(count(row.expected)),
            said(count(row.restored)),
            Text(
                f"{sign} {word}"
                if row.verdict is not TableVerdict.PASS
                else f"{sign} {plain(row.reason, 14)}",
                style=style,
            ),
            said(count(row.before)),
            *([share_bar(row)] if wide else []),
            said(count(row.lost), WARN if row.lost else PLAIN),
        ]
        reason = row.reason if row.verdict is not TableVerdict.PASS else ""
        chosen = SELECTED if row is selected else None
        table.add_row(*cells, said(cut(reason, width), DIM), style=chosen)
    return table
