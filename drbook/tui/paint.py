"""Text made ready for the terminal: colours, fixed widths, numbers and bars.

Everything shown goes through `rich.text.Text`, which never interprets markup, and text from outside
through `values.plain` first. Colour only repeats what a sign and a word already say. The colours are the dark
theme's; `themes` puts another theme's in their place, so every colour that is used stands here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

from rich.cells import cell_len, set_cell_size
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from drbook.app.model import ProgressView
from drbook.app.rates import amount, is_finished, percent, rate, time_left
from drbook.core.values import plain
from drbook.tui.colours import BUSY, DIM, GOOD, PLAIN


def cut(text: str, width: int) -> str:
    """Plain text in at most `width` terminal cells, ending in … where something is left out."""
    shown = plain(text)
    if cell_len(shown) <= width:
        return shown
    return set_cell_size(shown, max(0, width - 1)).rstrip() + "…" if width > 0 else ""


def cut_middle(text: str, width: int) -> str:
    """Like `cut`, but keeps both ends: keys and paths differ at their ends."""
    shown = plain(text)
    if cell_len(shown) <= width or width < 8:
        return cut(shown, width)
    tail = (width - 1) * 3 // 5
    # A wide letter that would be cut in two leaves a blank.
    end = set_cell_size(shown[::-1], tail)[::-1].lstrip()
    return set_cell_size(shown, width - tail - 1).rstrip() + "…" + end


def said(text: str, style: str = PLAIN) -> Text:
    """Text from anywhere as one plain span."""
    return Text(plain(text), style=style)


def spread(left: Text, right: Text, width: int) -> Text:
    """One line: `left` cut to what `right` leaves."""
    room = max(0, width - right.cell_len - 1)
    line = left.copy()
    line.truncate(room, overflow="ellipsis")
    gap = max(1, width - line.cell_len - right.cell_len)
    return Text.assemble(line, " " * gap, right, no_wrap=True, overflow="crop", end="")


def fields(rows: Iterable[tuple[str, RenderableType]], label_width: int = 8) -> Table:
    """Labels on the left, wrapped text on the right."""
    grid = Table.grid(padding=(0, 1, 0, 0), expand=True)
    grid.add_column(width=label_width, no_wrap=True, style=f"bold {DIM}")
    grid.add_column(ratio=1, overflow="fold")
    for label, value in rows:
        grid.add_row(Text(label, style=f"bold {DIM}"), value)
    return grid


def numbered(lines: Sequence[str]) -> Text:
    """Several sentences, numbered where there is more than one."""
    if len(lines) == 1:
        return said(lines[0])
    return Text("\n").join(said(f"{number} {line}") for number, line in enumerate(lines, 1))


def count(value: int | None) -> str:
    """A figure with separators; what nobody knows is said in a word."""
    return "unknown" if value is None else f"{value:,}"


def bar(done: int, total: int, width: int) -> str:
    """A bar of `width` cells; full only when everything is done."""
    if total <= 0 or width <= 0:
        return "░" * max(0, width)
    filled = min(width, done * width // total)
    return "█" * filled + "░" * (width - filled)


def progress_lines(views: Sequence[ProgressView], width: int) -> list[Text]:
    """A line for each, their labels as wide as there is room for; what is worked on gets one of its own
    below where it does not fit."""
    longest = max((cell_len(plain(view.label)) for view in views), default=0)
    room = max(12, min(longest, 32, width - 60))
    lines: list[Text] = []
    for view in views:
        lines.append(line := progress_line(view, width, room))
        now = plain(view.now)
        if now and not is_finished(view) and not line.plain.endswith(now):
            lines[-1:] = [
                progress_line(replace(view, now=""), width, room),
                said(f"  {cut_middle(now, width - 2)}", DIM),
            ]
    return lines


def _label(text: str, room: int) -> str:
    """What is done in full, and what it is done to cut in its middle: names of files differ at their end."""
    word, space, rest = plain(text).partition(" ")
    left = room - cell_len(word) - 1
    shown = f"{word}{space}{cut_middle(rest, left)}" if left >= 8 else cut(text, room)
    return shown + " " * (room - cell_len(shown))


def progress_line(view: ProgressView, width: int, label_room: int = 12) -> Text:
    """One bar with percent, amount, rate and time left, as far as they are known and fit."""
    label = _label(view.label, label_room)
    tail = [percent(view.done, view.total)] if view.total else []
    tail.append(amount(view))
    finished = is_finished(view)
    if finished:
        tail.append("done")
    else:
        tail += [part for part in (rate(view), time_left(view)) if part]
    words = "  ".join(tail)
    while len(tail) > 1 and label_room + 1 + cell_len(words) > width:
        del tail[-2]  # how far and how long still matter most
        words = "  ".join(tail)
    room = width - label_room - cell_len(words) - 4
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"{label} ", style=f"bold {DIM}")
    sizes = (24, 12, 6) if width >= 100 else (12, 6)  # the same for bars below each other
    cells = next((size for size in sizes if room >= size), 0)
    if view.total and cells:
        line.append(bar(view.done, view.total, cells), style=GOOD if finished else BUSY)
        line.append("  ")
    line.append(words, style=PLAIN)
    room = width - line.cell_len - 2
    if view.now and not finished and (room >= 20 or room >= cell_len(plain(view.now))):
        line.append(f"  {cut_middle(view.now, room)}", style=DIM)
    line.truncate(width, overflow="ellipsis")
    return line


Column = tuple[str, Literal["left", "right"]]


def table_of(*columns: Column) -> Table:
    """A plain table whose last column, `why`, takes what room is left."""
    table = Table(box=None, padding=(0, 1, 0, 0), expand=True, header_style=DIM, show_edge=False)
    for name, align in columns:
        table.add_column(name, justify=align, no_wrap=True)
    table.add_column("why", no_wrap=True, overflow="ellipsis", ratio=1)
    return table
