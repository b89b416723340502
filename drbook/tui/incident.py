"""The incident's screen: header, steps, the selected step, the record as it grows, and the keys.

It draws snapshots and submits commands; nothing is decided here. The operator moves the selection;
a step that ends keeps it, so that its result is read before the next one starts.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Static

from drbook.app.model import CancelStep, Command, Incident, Run, Snapshot
from drbook.core.errors import DrbookError
from drbook.core.heap import settle
from drbook.core.state import StepState
from drbook.tui import hints, journal, steps
from drbook.tui.asking import Asking, asking
from drbook.tui.dialogs import ChoiceDialog, WordsDialog
from drbook.tui.header import header, lines_for
from drbook.tui.lines import Block, Lines
from drbook.tui.modal import is_seen
from drbook.tui.now import beside, panel
from drbook.tui.operations import Operations
from drbook.tui.pane import pane
from drbook.tui.signs import named, next_for_you, refusal, status_of

MIDDLE = 116
"""Columns from which the list has room for most titles."""
WIDE = 140
"""Columns from which the list has room for whole titles."""
VAST = (170, 40)
"""Columns and rows from which what runs, what needs the operator and the notes have a column of their own."""
SMALLEST = (60, 16)
SETTLED = 0.3
"""Seconds after its first picture until the lists are made ready."""


class IncidentScreen(Operations):
    """One incident, led by keys."""

    BINDINGS = [  # noqa: RUF012 - Textual declares it so
        Binding("enter", "go_on", "Go on", tooltip="Go on with the selected step", key_display="⏎"),
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("g,home", "next", "Next", tooltip="Select what needs you next"),
        Binding(
            "backspace",
            "go_back",
            "Back",
            tooltip="Back to the step selected before",
            key_display="⌫",
        ),
        Binding("r", "again", "Again", tooltip="Run the selected step again"),
        Binding(
            "R", "run_on", "Run on", tooltip="Run all until something needs me; again: stop that"
        ),
        Binding(
            "m", "elsewhere", "Do it myself", tooltip="Do the step with other means, and record it"
        ),
        Binding("s", "skip", "Skip", tooltip="Skip the selected step, with a reason"),
        Binding("J", "jump", "Jump", tooltip="Jump to the selected step: skip what it waits for"),
        Binding("n", "note", "Note", tooltip="Write a note into the record"),
        Binding("u", "status", "Status", tooltip="Draft a status update, and record what you sent"),
        Binding(
            "l",
            "local",
            "Local time",
            tooltip="Times of the header and the record in UTC, or in this host's own zone",
        ),
        Binding("c", "cancel", "Cancel", tooltip="Cancel the selected step"),
        Binding("d", "accept", "Accept", tooltip="Go on although it could not be verified"),
        Binding("i", "doubt", "In doubt", tooltip="Settle a step that is in doubt"),
        Binding("I", "input", "Input", tooltip="Edit an input, then retry what used it"),
        Binding("o", "overview", "Steps", tooltip="All steps in a list; Enter goes to one"),
        Binding("p", "page", "Page", tooltip="The runbook's page: what to do first, who to call"),
        Binding("b", "backups", "Backups", tooltip="Recovery points with their verdicts"),
        Binding("v", "tables", "Row counts", tooltip="Row counts: held, restored, lost"),
        Binding("t", "timeline", "Timeline", tooltip="The whole record"),
        Binding("e", "export", "Export", tooltip="Export the timeline to a file"),
        Binding("h", "hand_over", "Hand over", tooltip="Hand over to another operator"),
        Binding(
            "exclamation_mark",
            "shell",
            "Shell",
            tooltip="A shell on this host, on record",
            key_display="!",
        ),
        Binding("x", "close", "Close", tooltip="Close the incident"),
        Binding("a", "abort", "Abort", tooltip="Abort the incident, with a reason"),
        Binding("question_mark", "help", "Help", tooltip="Explain this screen", key_display="?"),
        Binding("q", "leave", "Leave", tooltip="Leave; an open incident stays open"),
        Binding("escape", "take_back", "Take back", show=False),
        Binding("pageup", "scroll(-1)", "Page up", show=False),
        Binding("pagedown", "scroll(1)", "Page down", show=False),
    ]

    class Fresh(Message):
        """There is a newer snapshot."""

    def __init__(self, incident: Incident, clock: Callable[[], datetime], leaving: str) -> None:
        super().__init__()
        self.leaving = leaving
        self.incident = incident
        self.clock = clock
        self.shown: Snapshot = incident.snapshot
        last = -1 if self.shown.state.closed_at is not None else 0
        self.selected = next_for_you(self.shown) or self.shown.state.order[last]
        self._arrived = self.shown
        self._told = False
        self._wanted: set[str] = set()
        self._open: tuple[str, int, Asking] | None = None
        """A dialog that is to be kept true while it is open, its step and attempt."""
        self._half_written = ""
        """What stood in a dialog whose place another one takes."""
        self._expects_until = 0.0
        self._news: set[str] = set()
        self._came_from: list[str] = []
        self._dismissed: datetime | None = None
        self._unsubscribe: Callable[[], None] = lambda: None

    def compose(self) -> ComposeResult:
        yield Lines(id="header", markup=False)
        yield Lines(id="strip", markup=False)
        with Horizontal(id="middle"):
            yield Lines(id="steps", markup=False)
            with VerticalScroll(id="scroll", can_focus=False):
                yield Block(id="pane", markup=False)
            yield Static(id="now", markup=False)
        with Vertical(id="bottom"):
            yield Block(id="beside", markup=False)
            yield Block(id="trouble", markup=False)
            yield Lines(id="journal", markup=False)
            yield Lines(id="hints", markup=False)

    def on_mount(self) -> None:
        self.lists = self.make_lists()
        self._unsubscribe = self.incident.subscribe(self._arrive)
        self.set_interval(1.0, self._look_again)
        self.set_timer(SETTLED, self._get_ready)
        self.draw()

    @work
    async def _get_ready(self) -> None:
        await self.lists.get_ready()
        settle()

    def on_unmount(self) -> None:
        self._unsubscribe()
        self.lists.end()

    def on_screen_resume(self) -> None:
        self._look_again()

    def _look_again(self) -> None:
        """Nobody draws what a list covers."""
        self._keep_true()
        if is_seen(self):
            self.draw()

    def on_resize(self) -> None:
        self.set_class(self.size.width < hints.NARROW, "narrow")
        self.set_class(self.size.width >= MIDDLE, "middling")
        self.set_class(self.size.width >= WIDE, "wide")
        self.set_class(self.size.width >= VAST[0] and self.size.height >= VAST[1], "vast")
        self.set_class(lines_for(*self.size) == 3, "roomy")
        self.call_after_refresh(self.draw)

    # --- snapshots --------------------------------------------------------------------------

    def _arrive(self, snapshot: Snapshot) -> None:
        """In the driver's thread: keep the newest, and tell the screen once."""
        self._arrived = snapshot
        if not self._told:
            self._told = True
            self.post_message(self.Fresh())

    def on_incident_screen_fresh(self) -> None:
        self._told = False
        before, self.shown = self.shown, self._arrived
        self._announce(before)
        if self.selected not in self.shown.state.steps:
            self.selected = next_for_you(self.shown) or self.shown.state.order[0]
        self._look_again()
        self._ask_what_was_wanted()

    def _keep_true(self) -> None:
        """Say in the open dialog what is so by now, or take it away: where somebody at another seat has
        answered it, and where another dialog has to take its place."""
        if self._open is None:
            return
        step, attempt, question = self._open
        if self.app.screen is not question.dialog:
            return
        run = self.shown.state.steps.get(step)
        over = run is None or run.attempt != attempt or run.approved_by is not None
        if over and question.elsewhere:
            self.app.notify("It was answered from another seat.", markup=False)
        elif over or question.follow is None or question.follow(self.shown):
            return
        self._open = None
        self._half_written = "" if over else question.typed
        question.dialog.dismiss(None)

    def _announce(self, before: Snapshot) -> None:
        """Say which steps have ended meanwhile, and take neither the focus nor the selection."""
        for step, run in self.shown.state.steps.items():
            was = before.state.steps.get(step)
            if was is None or was.state is not StepState.STARTED or run.state is StepState.STARTED:
                continue
            if step != self.selected:
                self._news.add(step)
            if self.app.screen is not self:  # here its line at the bottom says so
                status = status_of(self.shown, step)
                good = run.state in (StepState.SUCCEEDED, StepState.NOT_EXERCISED)
                self.app.notify(
                    f"{status.sign} {status.word}: {named(self.shown, step)}",
                    severity="information" if good else "error",
                    markup=False,
                )

    def _ask_what_was_wanted(self) -> None:
        """A step that the operator ran and that needs something asks for it at once."""
        for step in sorted(self._wanted):
            run = self.shown.state.steps[step]
            if step in self.shown.cooling:
                continue
            if run.state is not StepState.AWAITING:
                if run.state is not StepState.PENDING:
                    self._wanted.discard(step)
            elif self.app.screen is self:
                self._wanted.discard(step)
                self.ask(step)

    def draw(self) -> None:
        """Paint everything from the newest snapshot; cheap enough for every second."""
        width, height = self.size.width, self.size.height
        if width == 0 or not self.is_mounted:
            return
        now, shown = self.clock(), self.shown
        if width < SMALLEST[0] or height < SMALLEST[1]:
            text = f"{width}×{height} is too small. Make it 80×24 or larger. What runs goes on."
            self.query_one("#header", Lines).show(Text(text))
            return
        top = header(shown, now, width, lines=lines_for(width, height), zone=self.zone)
        self.query_one("#header", Lines).show(top)
        listed = self.query_one("#steps", Lines)
        room = self.query_one("#scroll", VerticalScroll).size
        if listed.display:
            listed.show(steps.step_list(shown, self.selected, now, listed.size.width, room.height))
        else:
            self.query_one("#strip", Lines).show(steps.strip(shown, self.selected, width))
        content = pane(shown, self.selected, now, max(20, room.width - 2), room.height)
        self.query_one("#pane", Block).show(content)
        lines = self.query_one("#journal", Lines)
        lines.show(journal.strip(shown, width, max(1, lines.size.height), self.zone))
        self._draw_beside(now, width, height)
        self._draw_trouble()
        self.query_one("#hints", Lines).show(hints.hints(shown, self.selected, width, now))

    def _draw_beside(self, now: datetime, width: int, height: int) -> None:
        """What runs or ended beside the selected step: a column where there is room, else lines."""
        column = self.query_one("#now", Static)
        if column.display:
            size = column.size
            content = panel(self.shown, now, max(20, size.width - 1), size.height, self.zone)
            column.update(content, layout=False)
        lines = beside(self.shown, self.selected, self._news, now, width, 2 if height < 30 else 3)
        place = self.query_one("#beside", Block)
        place.display = bool(lines)
        if lines:
            place.show(lines)

    def _draw_trouble(self) -> None:
        trouble = self.shown.trouble
        seen = trouble is None or (self._dismissed is not None and trouble.at <= self._dismissed)
        place = self.query_one("#trouble", Block)
        place.display = not seen
        if trouble is not None and not seen:
            place.show(hints.trouble_text(self.shown, trouble))

    # --- for the operations -----------------------------------------------------------------

    @property
    def expecting(self) -> bool:
        """Whether what was just asked for may open at any moment: a step's dialog, or a shell."""
        wanted = self._wanted - self.shown.cooling.keys()
        return self.opens_shell or (bool(wanted) and time.monotonic() < self._expects_until)

    @work
    async def submit(self, command: Command) -> None:
        """Ask the driver. What it refuses comes back as the snapshot's trouble."""
        self._dismissed = self.clock()
        if isinstance(command, Run):
            self._want(command.step)
        try:
            await asyncio.wrap_future(self.incident.submit(command))
        except DrbookError:
            if isinstance(command, Run):
                self._wanted.discard(command.step)

    @work
    async def ask(self, step: str) -> None:
        """Open the dialog for the first thing that a planned step lacks, then for the next. Words that
        were refused come back with the reason, for nobody types them twice."""
        refused, typed = "", ""
        while (question := asking(self.shown, step, self.clock)) is not None:
            dialog = question.dialog
            if typed and isinstance(dialog, WordsDialog | ChoiceDialog):
                dialog.begin_with(typed, refused)
            attempt = self.shown.state.steps[step].attempt
            kept = question.elsewhere or question.follow is not None
            self._open = (step, attempt, question) if kept else None
            ended = await self.app.push_screen_wait(dialog)
            taken_away, self._open = kept and self._open is None, None
            if taken_away:
                refused, typed = "", self._half_written
                continue
            command = question.command(ended)
            if command is None:
                return
            self._want(step)
            self._dismissed = self.clock()
            error = await self.carried_out(command)
            if error is None or not isinstance(dialog, WordsDialog):
                return
            self._wanted.discard(step)
            self._dismissed = self.clock()  # the dialog says it
            refused, typed = refusal(self.shown, error), str(ended)

    def _want(self, step: str) -> None:
        self._wanted.add(step)
        self._expects_until = time.monotonic() + 1.0

    def select(self, step: str) -> None:
        if step != self.selected:
            self._came_from = [*self._came_from[-50:], self.selected]
        self.selected = step
        self._news.discard(step)
        self.query_one("#scroll", VerticalScroll).scroll_home(animate=False)
        self.draw()

    def action_move(self, by: int) -> None:
        order = self.shown.state.order
        at = order.index(self.selected) + by
        self.select(order[max(0, min(at, len(order) - 1))])

    def action_next(self) -> None:
        wanted = next_for_you(self.shown)
        if wanted is not None:
            self.select(wanted)

    def action_local(self) -> None:
        self.zone = self.clock().astimezone().tzinfo if self.zone is None else None
        self.draw()

    def action_go_back(self) -> None:
        """To the step that was selected before this one; r runs it again."""
        while self._came_from:
            step = self._came_from.pop()
            if step in self.shown.state.steps and step != self.selected:
                self.select(step)
                self._came_from.pop()
                return

    def action_scroll(self, pages: int) -> None:
        body = self.query_one("#scroll", VerticalScroll)
        body.scroll_relative(y=pages * max(1, body.size.height - 1), animate=False)

    def action_take_back(self) -> None:
        """Escape: what is about to start does not; without that, a message goes away."""
        if self.shown.cooling:
            for step in self.shown.cooling:
                self.submit(CancelStep(step, "taken back before it started"))
        else:
            self._dismissed = self.clock()
            self.draw()
