"""The step list: phases and steps with state and time; a one-line strip where it is narrow."""

from datetime import datetime

from rich.cells import set_cell_size
from rich.style import Style
from rich.text import Text

from drbook.app.model import Snapshot
from drbook.core.runbook import Phase
from drbook.tui.colours import DIM, PLAIN, SELECTED, STRONG
from drbook.tui.paint import cut
from drbook.tui.signs import number_of, status_of, time_column, title_of

STEP = "drbook.step"
"""The mark of a text that stands for a step, for whoever clicks on it."""


def step_list(snapshot: Snapshot, selected: str, now: datetime, width: int, height: int) -> Text:
    """Phases and steps; scrolled so that the selected step is seen. Only what is seen is made."""
    rows: list[Phase | str] = []
    at = 0
    phase = None
    for compiled in snapshot.runbook.steps:
        if compiled.step.phase is not phase:
            phase = compiled.step.phase
            rows.append(phase)
        if compiled.step.id == selected:
            at = len(rows)
        rows.append(compiled.step.id)
    first = max(0, min(at - height // 2, len(rows) - height))
    return Text("\n").join(
        Text(f" {row.value.upper()}", style=f"bold {DIM}")
        if isinstance(row, Phase)
        else _line(snapshot, row, selected, now, width)
        for row in rows[first : first + height]
    )


def _line(snapshot: Snapshot, step: str, selected: str, now: datetime, width: int) -> Text:
    status = status_of(snapshot, step)
    right = time_column(snapshot, step, now)
    number = number_of(snapshot, step)
    digits = max(2, len(str(len(snapshot.runbook.steps))))
    room = width - len(right) - 6 - digits
    title = cut(title_of(snapshot, step), max(4, room))
    strong = STRONG if step == selected else PLAIN
    line = Text.assemble(
        ("▌" if step == selected else " ", strong),
        (f"{status.sign} ", status.style),
        (f"{number:>{digits}} ", DIM),
        (set_cell_size(title, max(4, room)), strong),
        " ",
        (right, status.style),
    )
    line.pad_right(max(0, width - line.cell_len))
    if step == selected:
        line.stylize(SELECTED)
    line.stylize(Style(meta={STEP: step}))
    return line


def strip(snapshot: Snapshot, selected: str, width: int) -> Text:
    """Steps in one line: signs and numbers, the selected one marked and near the middle; … stands for more."""
    steps = snapshot.runbook.steps
    at = max(0, number_of(snapshot, selected) - 1)
    first, last, used = at, at + 1, _cells(at)
    while True:  # as many as fit whole, on both sides
        left, right = first > 0, last < len(steps)
        if left and (at - first <= last - 1 - at or not right):
            more, wider = _cells(first - 1), (first - 1, last)
        elif right:
            more, wider = _cells(last), (first, last + 1)
        else:
            break
        if used + more > width - 2:
            break
        (first, last), used = wider, used + more
    line = Text("…" if first else " ", style=DIM)
    for number, compiled in enumerate(steps[first:last], first + 1):
        status = status_of(snapshot, compiled.id)
        here = compiled.id == selected
        text = f"[{status.sign}{number}]" if here else f" {status.sign}{number} "
        part = Text(text, style=f"{status.style} {SELECTED}" if here else status.style)
        part.stylize(Style(meta={STEP: compiled.id}))
        line.append_text(part)
    line.append("…" if last < len(steps) else "", style=DIM)
    return line


def _cells(at: int) -> int:
    """What the step at this place takes of the strip."""
    return 3 + len(str(at + 1))
