"""Two living databases: the tables that differ, which rows, and what they hold."""

from rich.console import Group, RenderableType
from rich.text import Text

from drbook.core.difference import Difference, RowDifference
from drbook.tui.colours import DIM, GOOD, WARN
from drbook.tui.paint import said


def compared_databases(found: Difference, height: int) -> RenderableType:
    """Table by table, and then some of the rows, as many as there is room for."""
    lines: list[Text] = []
    for one in found.tables:
        sign, style = ("?", WARN) if one.why_unknown else ("✓", GOOD) if one.equal else ("✗", WARN)
        lines.append(Text.assemble((f"{sign} ", style), said(one.in_words())))
        lines += [said(f"    {where}", DIM) for where in one.where]
        lines += [said(f"    {_row_said(row)}") for row in one.sample]
    room = max(2, height)
    if len(lines) > room:
        left = len(lines) - room + 1
        lines = [*lines[: room - 1], said(f"{left} more lines in the timeline (e exports it)", DIM)]
    return Group(*lines)


def _row_said(row: RowDifference) -> str:
    key = ", ".join(f"{name} {value}" for name, value in row.key.items())
    sides = [
        ", ".join(f"{name} {'NULL' if value is None else value}" for name, value in side.items())
        for side in (row.left, row.right)
    ]
    shown = f"  ({' → '.join(side or 'none' for side in sides)})" if any(sides) else ""
    return f"{row.change}: {key}{shown}"
