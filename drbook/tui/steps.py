"""The step list: phases and steps with state and time; a one-line strip where it is narrow."""

from datetime import datetime
from heapq import nlargest

from rich.cells import set_cell_size
from rich.style import Style
from rich.text import Text

from drbook.app.model import Snapshot
from drbook.core.engine import Readiness
from drbook.core.runbook import Phase
from drbook.tui.colours import DIM, PLAIN, SELECTED, STRONG
from drbook.tui.paint import cut
from drbook.tui.signs import number_of, status_of, time_column, title_of, wanting

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
    """Steps in one line: signs and numbers, the selected one marked. It and those that need somebody are shown
    first, then those around it; … stands for the others."""
    steps = snapshot.runbook.steps
    shown = _shown_in(snapshot, max(0, number_of(snapshot, selected) - 1), width - 2)
    line = Text(" " if 0 in shown else "")
    last = -1
    for at in shown:
        if at > last + 1:
            line.append("…", style=DIM)
        last = at
        step = steps[at].id
        status = status_of(snapshot, step)
        here = step == selected
        text = f"[{status.sign}{at + 1}]" if here else f" {status.sign}{at + 1} "
        part = Text(text, style=f"{status.style} {SELECTED}" if here else status.style)
        part.stylize(Style(meta={STEP: step}))
        line.append_text(part)
    line.append("…" if last + 1 < len(steps) else "", style=DIM)
    return line


def _shown_in(snapshot: Snapshot, at: int, room: int) -> list[int]:
    """Places of the steps that the strip has room for, with the marks between them."""
    places = snapshot.runbook.places
    most = room // _cells(0)
    wanted = [places[step] for step in wanting(snapshot)]
    ranked = {place: (not _is_ready(snapshot, place), -abs(place - at)) for place in wanted}
    first = nlargest(most, wanted, key=ranked.__getitem__)
    end = len(snapshot.runbook.steps)
    around = sorted(range(max(0, at - most), min(end, at + most)), key=lambda one: abs(one - at))
    shown, used = {-1, end}, 1  # the two ends; between them lies one gap
    for place in (at, *first, *around):
        if place in shown:
            continue
        more = _cells(place) + 1 - (place - 1 in shown) - (place + 1 in shown)
        if used + more <= room or place == at:
            shown.add(place)
            used += more
    return sorted(shown - {-1, end})


def _is_ready(snapshot: Snapshot, place: int) -> bool:
    step = snapshot.runbook.steps[place].id
    return snapshot.decision.view(step).readiness is Readiness.READY


def _cells(at: int) -> int:
    """What the step at this place takes of the strip."""
    return 3 + len(str(at + 1))
