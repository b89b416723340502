"""All steps in a list: how each stands, how long it took or still takes; below, why, what it waits for, how
it ended. Enter goes to the selected one."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from statistics import median

from rich.cells import cell_len, set_cell_size
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text
from textual.binding import Binding

from drbook.app.model import Snapshot
from drbook.app.rates import time_left
from drbook.core.engine import Readiness
from drbook.core.state import ENDED, StepRun, StepState, lacks
from drbook.core.values import counted, plain, plain_lines
from drbook.tui.clocks import past_words
from drbook.tui.colours import DIM, PLAIN, SELECTED, STRONG, WARN
from drbook.tui.listing import ListScreen, Look
from drbook.tui.paint import cut, fields, progress_line, said
from drbook.tui.signs import (
    named,
    number_of,
    short_clock,
    status_of,
    title_of,
    took,
    wanting,
    with_numbers,
)

FILTERS = ("all", "need somebody", "to come", "ended")
_PHASE = 10
"""Cells of the longest phase's name, and a blank."""
_OVER = ENDED | {StepState.IN_DOUBT}
_TITLE = 20
"""Cells of a title below which states are said in fewer words."""


class StepsScreen(ListScreen[str]):
    """Every step of the runbook, in its order."""

    BINDINGS = [  # noqa: RUF012 - Textual declares it so
        Binding("enter", "go", "Go there", tooltip="Go to the selected step", key_display="⏎"),
        Binding(
            "f",
            "filter",
            "Filter",
            tooltip="All, who need somebody, what is to come, what has ended",
        ),
    ]
    KEYS = (("⏎", "go there"), ("f", "filter"), ("Space", "more"))

    def __init__(
        self,
        look: Look,
        clock: Callable[[], datetime],
        selected: Callable[[], str],
        go: Callable[[str], None],
    ) -> None:
        """`selected` is the step that the incident's screen shows, and `go` makes it show another."""
        super().__init__(look)
        self._clock, self._shown, self._go = clock, selected, go
        self._filter = 0

    def begin(self) -> None:
        super().begin()
        self._filter = 0

    def heading(self, snapshot: Snapshot, width: int) -> RenderableType:
        title = Text(" STEPS ", style=STRONG)
        done = sum(run.state in _OVER for run in snapshot.state.steps.values())
        title.append(f" {done:,} of {counted(len(snapshot.state.order), 'step')} ended   ", DIM)
        for number, name in enumerate(FILTERS):
            chosen = number == self._filter
            title.append(f"[{name}] " if chosen else f" {name}  ", style=STRONG if chosen else DIM)
        title.truncate(width, overflow="ellipsis")
        return title

    def rows(self, snapshot: Snapshot) -> Sequence[str]:
        order = snapshot.state.order
        if self._filter == 0:
            return order
        if self._filter == 1:
            wanted = set(wanting(snapshot))
            return [step for step in order if step in wanted]
        steps = snapshot.state.steps
        return [step for step in order if (steps[step].state in _OVER) == (self._filter == 3)]

    def first(self, snapshot: Snapshot, rows: Sequence[str]) -> int:
        shown = self._shown()
        return rows.index(shown) if shown in rows else 0

    def table(self, snapshot: Snapshot, rows: Sequence[str], at: int, width: int) -> RenderableType:
        now = self._clock()
        words = [status_of(snapshot, step).word for step in rows]
        times = [_time(snapshot, step, now, width) for step in rows]
        digits = max(2, len(str(len(snapshot.state.order))))
        word, time = max(map(cell_len, words)), max(map(cell_len, times))
        room = width - 2 - _PHASE - 2 - digits - 1 - time - 3
        word = min(word, max(10, room - _TITLE))
        lines, before = [], ""
        for place, step in enumerate(rows):
            status, phase = status_of(snapshot, step), snapshot.runbook.step(step).step.phase.value
            here = place == at
            title = cut(title_of(snapshot, step), room - word)
            line = Text.assemble(
                ("▸ " if here else "  ", STRONG),
                (f"{phase if phase != before else '':<{_PHASE}}", DIM),
                (f"{status.sign} ", status.style),
                (f"{number_of(snapshot, step):>{digits}} ", DIM),
                (set_cell_size(title, max(1, room - word)), STRONG if here else PLAIN),
                (f" {set_cell_size(cut(status.word, word), word)}", status.style),
                (f" {times[place]:>{time}} ", PLAIN),
            )
            if here:
                line.pad_right(max(0, width - line.cell_len))
                line.stylize(SELECTED)
            lines.append(line)
            before = phase
        return Text("\n", no_wrap=True, overflow="crop").join(lines)

    def reserved(self, snapshot: Snapshot) -> int:
        return 0

    def about(self, snapshot: Snapshot, row: str, width: int) -> RenderableType:
        run, status = snapshot.state.steps[row], status_of(snapshot, row)
        attempt = f", attempt {run.attempt}" if run.attempt > 1 else ""
        head = Text.assemble(
            (f" {status.sign} {status.word}{attempt}  ", status.style),
            said(named(snapshot, row), STRONG),
        )
        live = snapshot.live.get(row) if run.state is StepState.STARTED else None
        goes = [progress_line(view, width - 2) for view in live.progress[-2:]] if live else []
        rows = [*_begins(snapshot, row, run, self._clock()), *_ended(run)]
        return Group(head, Padding(Group(*goes, fields(rows)), (0, 1)))

    def nothing(self, snapshot: Snapshot) -> RenderableType:
        return said(f" No step here: the filter is [{FILTERS[self._filter]}].", DIM)

    def action_filter(self) -> None:
        self._filter = (self._filter + 1) % len(FILTERS)
        self.at = None
        self.draw()

    def action_go(self) -> None:
        step = self.selected
        self.dismiss(None)
        if step is not None:
            self._go(step)


def _time(snapshot: Snapshot, step: str, now: datetime, width: int) -> str:
    """How long it took, or runs and still takes; how long it took before, where it is to come."""
    run = snapshot.state.steps[step]
    spent = took(run, now)
    if run.state is StepState.PENDING:
        past = snapshot.past.get(step)
        if past is None or not past.seconds or width < 100:
            return ""
        return f"~{short_clock(timedelta(seconds=median(past.seconds)))}"
    if spent is None:
        return ""
    live = snapshot.live.get(step) if run.state is StepState.STARTED else None
    known = [view for view in live.progress if view.seconds_left is not None] if live else []
    left = f", {time_left(known[-1])}" if known else ""
    return f"{short_clock(spent)}{left}"


def _begins(
    snapshot: Snapshot, step: str, run: StepRun, now: datetime
) -> list[tuple[str, RenderableType]]:
    """Why it is done, and what it waits for before it may begin."""
    written, view = snapshot.runbook.step(step).step, snapshot.decision.view(step)
    rows: list[tuple[str, RenderableType]] = []
    if written.why:
        rows.append(("WHY", said(plain(written.why, 1000))))
    if run.state is StepState.AWAITING:
        rows.append(("WAITS", said(f"for {' and '.join(lacks(run)) or 'its start'}", WARN)))
    elif run.state is StepState.PENDING and view.readiness is not Readiness.READY:
        waits = ", ".join(named(snapshot, one) for one in view.waiting_for[:5])
        more = f" and {len(view.waiting_for) - 5} more" if len(view.waiting_for) > 5 else ""
        words = f"for {waits}{more}" if waits else with_numbers(snapshot, view.reason)
        rows.append(("WAITS", said(words, DIM)))
    if run.state is StepState.PENDING and (before := past_words(snapshot.past.get(step), now)):
        rows.append(("EXPECT", said(before, DIM)))
    return rows


def _ended(run: StepRun) -> list[tuple[str, RenderableType]]:
    if run.state not in _OVER:
        return []
    found = (("ENDED", run.reason), ("MEANS", run.means), ("DO NEXT", run.next),
             ("ACCEPTED", run.accepted or ""))  # fmt: skip
    return [(label, Text(plain_lines(words, 600), style=PLAIN)) for label, words in found if words]
