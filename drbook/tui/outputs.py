"""What commands, queries and requests handed back, as the lines of a step's pane.

A pane is painted at every key and every second: the lines are made once for a result and a width, and no
more than `LINES` of a text or a table are drawn. The exports hold all that is on record.
"""

from collections.abc import Iterable, Sequence

from rich.cells import cell_len, chop_cells
from rich.console import RenderableType
from rich.segment import Segment, Segments
from rich.style import Style

from drbook.core.outputs import Part, Printed, Rows, cell, parts_of
from drbook.core.state import StepRun, StepState
from drbook.core.values import counted, plain
from drbook.tui.colours import DIM, PLAIN, STRONG
from drbook.tui.paint import cut

LINES = 400
"""Lines of one text or table that are drawn."""
WIDEST = 40
"""Cells of a column of a table, where it has to be cut."""

Line = tuple[tuple[str, str], ...]
"""Texts that are plain already, each with its style."""

_MADE: dict[tuple[int, int, bool], tuple[object, Segments | None]] = {}
"""Lines that were made lately, by what was recorded."""


def printed(run: StepRun, width: int) -> RenderableType | None:
    """What the step's command, query or request handed back; None where nothing of that kind is on record."""
    failed = run.state is not StepState.SUCCEEDED
    result = run.result if run.result is not None else run.found
    key = (id(result), width, failed)
    known = _MADE.get(key)
    if known is None or known[0] is not result:
        if len(_MADE) > 16:
            _MADE.clear()
        known = _MADE[key] = (
            result,
            _made(parts_of(run.action, result, failed=failed), width),
        )
    return known[1]


def _made(parts: Sequence[Part], width: int) -> Segments | None:
    lines: list[Line] = []
    for part in parts:
        lines += _text(part, width) if isinstance(part, Printed) else _rows(part, width)
    if not lines:
        return None
    pieces: list[Segment] = []
    for line in lines:
        pieces += [Segment(text, Style.parse(style)) for text, style in line if text]
        pieces.append(Segment.line())
    return Segments(pieces)


def _label(words: str, width: int) -> Line:
    shown = cut(words, width - 4)
    return ((f"── {shown}", f"bold {DIM}"),)


def _text(part: Printed, width: int) -> list[Line]:
    lines = part.lines
    size = f", {counted(len(lines), 'line')}" if lines else ""
    drawn: list[str] = []
    left = len(lines)
    for line in reversed(lines):
        folded = _folded(line, width)
        if drawn and len(drawn) + len(folded) > LINES:
            break
        drawn += reversed(folded)
        left -= 1
    head = [_label(f"{part.label}{size}", width)]
    if left:
        head.append(_before(f"{counted(left, 'line')} before these: e exports them all", width))
    return [*head, *(((line, PLAIN),) for line in reversed(drawn))]


def _before(words: str, width: int) -> Line:
    return ((cut(words, width), DIM),)


def _folded(line: str, width: int) -> list[str]:
    if cell_len(line) <= width:
        return [line]
    return chop_cells(line, width)


# --- tables -----------------------------------------------------------------------------------


def _rows(part: Rows, width: int) -> list[Line]:
    """As a table where it fits, else each value on a line of its own."""
    names = [plain(name, 63) for name in part.columns]
    rows = [[(cell(value), _style(value)) for value in row] for row in part.rows[:LINES]]
    widths = [
        max([cell_len(name), *(cell_len(row[at][0]) for row in rows if at < len(row))])
        for at, name in enumerate(names)
    ]
    if sum(widths) + 2 * len(widths) > width:
        widths = [min(WIDEST, each) for each in widths]
    if sum(widths) + 2 * len(widths) <= width:
        shown = [_row(((name, f"bold {DIM}") for name in names), widths)]
        shown += [_row(row, widths) for row in rows]
        drawn = len(rows)
    else:
        shown, drawn = _one_by_one(names, rows, width)
    lines = [_label(part.label, width), *shown]
    if left := len(part.rows) - drawn:
        lines.append(_before(f"{counted(left, 'row')} more: e exports them", width))
    return lines


def _style(value: str | None) -> str:
    return DIM if value in (None, "") else PLAIN


def _row(cells: Iterable[tuple[str, str]], widths: Sequence[int]) -> Line:
    pieces: list[tuple[str, str]] = []
    for (text, style), width in zip(cells, widths, strict=False):
        shown = cut(text, width)
        pieces.append((shown + " " * (width - cell_len(shown) + 2), style))
    return tuple(pieces)


def _one_by_one(
    names: Sequence[str], rows: Sequence[Sequence[tuple[str, str]]], width: int
) -> tuple[list[Line], int]:
    """Lines, and the rows of which they are."""
    wide = min(max(map(cell_len, names), default=0), max(8, width // 3))
    lines: list[Line] = []
    for number, row in enumerate(rows, 1):
        if len(lines) > LINES:
            return lines, number - 1
        lines.append(((f"row {number}", STRONG),))
        for name, (text, style) in zip(names, row, strict=False):
            shown = cut(name, wide)
            head = f"  {shown}{' ' * (wide - cell_len(shown) + 2)}"
            first, *more = _folded(text, max(8, width - wide - 4))
            lines.append(((head, f"bold {DIM}"), (first, style)))
            lines += [((" " * (wide + 4), PLAIN), (line, style)) for line in more]
    return lines, len(rows)
