"""Tables with what the backup held, what is back and what is lost, laid out for the width that there is.

A figure is never cut. Where it gets narrow, other things give way in this order: why, the verdict's words
(its sign stays), the bar's length, the table's name (from its middle), then whole columns.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.console import Group, RenderableType
from rich.text import Text

from drbook.core.comparison import TableComparison, TableVerdict
from drbook.core.results import VerifyResult
from drbook.core.values import counted, plain
from drbook.tui.colours import DIM, GOOD, PLAIN, SELECTED, URGENT, WARN
from drbook.tui.paint import count, cut, cut_middle, said

TABLE_VERDICTS = {
    TableVerdict.PASS: ("✓", "equal", GOOD),
    TableVerdict.FAIL: ("✗", "differs", URGENT),
    TableVerdict.COULD_NOT_VERIFY: ("?", "could not verify", WARN),
}
_SHORT = {
    TableVerdict.FAIL: "differs",
    TableVerdict.COULD_NOT_VERIFY: "unverified",
}
NAME = (16, 28, 48)
"""Cells of a table's name: the fewest, those before a verdict is said in full, and the most."""
BARS = (10, 5)
"""Cells of the bar that shows which part of a table's rows is back; the wider one where there is room."""
WHY = 12
"""Cells below which a reason says nothing."""


@dataclass(frozen=True, slots=True)
class _Figure:
    """A column of numbers: its heading, a shorter one, its numbers."""

    heading: str
    short: str
    of: Callable[[TableComparison], int | None]

    def width(self, rows: Sequence[TableComparison]) -> int:
        return max(len(self.short), *(len(count(self.of(row))) for row in rows))


_HELD = _Figure("backup held", "held", lambda row: row.expected)
_RESTORED = _Figure("restored", "restored", lambda row: row.restored)
_BEFORE = _Figure("before", "before", lambda row: row.before)
_LOST = _Figure("lost", "lost", lambda row: row.lost)
_FEWER = (
    (_HELD, _RESTORED, _BEFORE, _LOST),
    (_HELD, _RESTORED, _LOST),
    (_RESTORED, _LOST),
)
"""What is left out where not even the numbers have room: first what the others tell."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """Cells of each column; 0: it is left out."""

    figures: tuple[tuple[_Figure, int], ...]
    name: int
    verdict: int
    bar: int
    why: int


def tables_table(
    rows: Sequence[TableComparison], width: int, *, selected: TableComparison | None = None
) -> Text:
    """Numbers and bars: what the backup held, what is back, what is lost. One line for each table."""
    if not rows:
        return Text()
    layout = _laid_out(rows, width)
    lines = [_head(layout)]
    for row in rows:
        line = _line(row, layout)
        line.truncate(width)
        if row is selected:
            line.pad_right(max(0, width - line.cell_len))
            line.stylize(SELECTED)
        lines.append(line)
    return Text("\n", no_wrap=True, overflow="crop").join(lines)


def _laid_out(rows: Sequence[TableComparison], width: int) -> _Layout:
    """Numbers first, then the name, then the rest, as the module says."""
    figures, spare = _numbers(rows, width)
    longest = max(cell_len(plain(row.table, 400)) for row in rows)
    name = min(longest, NAME[0], spare)
    spare -= name
    bar = BARS[1] if spare > BARS[1] else 0
    spare -= bar + 1 if bar else 0
    verdict = 0
    for short, wanted in ((True, NAME[1]), (False, NAME[2])):
        words = max(cell_len(_word(row, short=short)) for row in rows)
        more = words - verdict + (0 if verdict else 1)
        if words > verdict and spare >= more:
            verdict, spare = words, spare - more
        more = max(0, min(longest - name, wanted - name, spare))
        name, spare = name + more, spare - more
    if bar and spare >= BARS[0] - BARS[1]:
        bar, spare = BARS[0], spare - BARS[0] + BARS[1]
    held, cells = figures[0]
    more = len(held.heading) - cells
    if 0 < more <= spare:
        figures, spare = ((held, cells + more), *figures[1:]), spare - more
    return _Layout(figures, name, verdict, bar, spare - 1 if spare > WHY else 0)


def _numbers(
    rows: Sequence[TableComparison], width: int
) -> tuple[tuple[tuple[_Figure, int], ...], int]:
    """Columns of numbers that have room beside a name and a sign, each with its cells; and what is left."""
    for columns in _FEWER:
        figures = tuple((each, each.width(rows)) for each in columns)
        spare = width - sum(cells + 1 for _, cells in figures) - 2
        if spare >= NAME[0]:
            break
    return figures, max(1, spare)


def _parts(layout: _Layout, figure: Callable[[_Figure, int], Text], *others: Text) -> Text:
    """One line: the name, the verdict after what was restored, the bar before what was lost."""
    name, verdict, bar, why = others
    cells = [name]
    for column, width in layout.figures:
        if column is _LOST and layout.bar:
            cells.append(bar)
        cells.append(figure(column, width))
        if column is _RESTORED:
            cells.append(verdict)
    return Text(" ").join([*cells, why] if layout.why else cells)


def _head(layout: _Layout) -> Text:
    def figure(column: _Figure, cells: int) -> Text:
        words = column.heading if len(column.heading) <= cells else column.short
        return Text(words.rjust(cells))

    verdict = layout.verdict and layout.verdict + 2
    others = (
        ("table", layout.name), ("fidelity" if verdict > 8 else "", verdict or 1),
        ("back", layout.bar), ("why", layout.why),
    )  # fmt: skip
    line = _parts(layout, figure, *(Text(word.ljust(cells)) for word, cells in others))
    line.stylize(DIM)
    return line


def _line(row: TableComparison, layout: _Layout) -> Text:
    def figure(column: _Figure, cells: int) -> Text:
        value = column.of(row)
        return Text(count(value).rjust(cells), WARN if column is _LOST and value else PLAIN)

    sign, _, style = TABLE_VERDICTS[row.verdict]
    word = _word(row, short=False)
    if cell_len(word) > layout.verdict:
        word = _word(row, short=True) if layout.verdict else ""
    verdict = Text(f"{sign} {set_cell_size(word, layout.verdict)}" if layout.verdict else sign)
    verdict.stylize(style)
    name = said(set_cell_size(cut_middle(row.table, layout.name), layout.name))
    reason = row.reason if row.verdict is not TableVerdict.PASS else ""
    bar = share_bar(row, layout.bar)
    return _parts(layout, figure, name, verdict, bar, said(cut(reason, layout.why), DIM))


def _word(row: TableComparison, *, short: bool) -> str:
    """What stands beside the sign. Of what passed: by what it is known."""
    if row.verdict is not TableVerdict.PASS:
        return _SHORT[row.verdict] if short else TABLE_VERDICTS[row.verdict][1]
    if not short:
        return cut(row.reason, 24)
    first = cut(row.reason, 24).split(" ")[0].rstrip(",;")
    return "as many" if first == "as" else first if 3 < cell_len(first) <= 10 else "equal"


def share_bar(row: TableComparison, cells: int) -> Text:
    """Which part of what production had before the loss is back; nothing where nobody knows."""
    if row.before is None or row.restored is None:
        return Text("?".ljust(cells)[:cells], style=DIM)
    if row.before == 0:
        return Text("–".ljust(cells)[:cells], style=DIM)
    lacks = row.restored < row.before
    full = min(cells, row.restored * cells // row.before)
    full = min(full, cells - 1) if lacks else full  # full only where nothing lacks
    return Text.assemble(("█" * full, GOOD), ("░" * (cells - full), WARN))


def verified_rows(result: VerifyResult, width: int, height: int) -> RenderableType:
    """What a verification found, the worst first, in at most about `height` lines."""
    rows = sorted(
        result.comparison.tables,
        key=lambda row: (row.verdict is TableVerdict.PASS, -(row.lost or 0)),
    )
    shown = rows[: max(2, height - 3)]
    more = [said(f"{len(rows) - len(shown)} more: press v", DIM)] if len(rows) > len(shown) else []
    return Group(summary_line(result), tables_table(shown, width), *more)


def summary_line(result: VerifyResult) -> Text:
    """How many tables are equal, differ, or could not be verified, and against what."""
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
