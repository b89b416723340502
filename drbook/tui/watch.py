"""The incident's screen for somebody who looks on: it shows the same, and offers nothing that changes
anything. A note can be written from here."""

from collections.abc import Callable
from datetime import datetime

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Static
from textual.worker import Worker

from drbook.app.model import Command, Incident, WriteNote
from drbook.core.values import plain, show_duration
from drbook.tui.colours import URGENT, WATCH_TAG
from drbook.tui.hints import LOOKING, hints
from drbook.tui.incident import IncidentScreen
from drbook.tui.paint import said, spread
from drbook.tui.signs import next_for_you

NOT_IN_A_BROWSER = frozenset({"note", "export"})


def _looking(bindings: list[BindingType]) -> list[BindingType]:
    return [
        one
        for one in bindings
        if isinstance(one, Binding) and one.action.partition("(")[0] in LOOKING
    ]


class WatchScreen(IncidentScreen, inherit_bindings=False):
    """One incident that is led elsewhere, or has ended."""

    BINDINGS = [  # noqa: RUF012 - Textual declares it so
        *Screen.BINDINGS,
        Binding("enter", "next", "Next", show=False),
        *_looking(IncidentScreen.BINDINGS),
    ]

    def __init__(self, incident: Incident, clock: Callable[[], datetime]) -> None:
        super().__init__(incident, clock, "")
        state = self.shown.state
        self.selected = (
            next(iter(self.shown.decision.running), None)
            or next_for_you(self.shown)
            or state.order[-1 if state.closed_at is not None else 0]
        )

    def compose(self) -> ComposeResult:
        yield Static(id="watching", markup=False)
        yield from super().compose()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """In a browser nobody has said who they are: no word of theirs goes on record, no file is
        written for them."""
        if self.app.is_web and action in NOT_IN_A_BROWSER:
            return False
        return super().check_action(action, parameters)

    def draw(self) -> None:
        super().draw()
        self.query_one("#watching", Static).update(self._banner(self.size.width))
        if self.app.is_web:
            shown, width = self.shown, self.size.width
            line = hints(shown, self.selected, width, self.clock(), without=NOT_IN_A_BROWSER)
            self.query_one("#hints", Static).update(line)

    def _banner(self, width: int) -> Text:
        shown = self.shown
        if shown.state.closed_at is not None:
            left = " ◎ CLOSED RECORD  read-only: it is looked at, nothing can be changed"
            return spread(Text(left), Text(""), width)
        if shown.left:
            left = " ‼ NOBODY LEADS IT: that drbook has ended"
            right = f"drbook resume goes on · {plain(shown.state.operator, 40)} led it "
            return spread(said(left, URGENT), said(right, WATCH_TAG), width)
        left = " ◎ WATCHING  read-only"
        left += ": nothing you press changes the incident" if width >= 120 else ""
        last = shown.records[-1]
        ago = show_duration(max(self.clock() - last.at, last.at - last.at))
        right = f"led by {plain(shown.state.operator, 40)} · last record {ago} ago "
        return spread(said(left, WATCH_TAG), said(right, WATCH_TAG), width)

    def submit(self, command: Command) -> Worker[None]:
        if isinstance(command, WriteNote) and self.shown.state.closed_at is None:
            self.notify("Your note goes to whoever leads; it appears once it is on record.")
        return super().submit(command)

    def ask(self, step: str) -> Worker[None]:
        raise AssertionError("nobody is asked who only watches")

    def _ask_what_was_wanted(self) -> None:
        pass

    def action_leave(self) -> None:  # type: ignore[override]
        """Nothing runs here, so there is nothing to be said."""
        self.post_message(self.Left())
