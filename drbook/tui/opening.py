"""What is seen while an incident is opened: the mode, the title, and how far the record was read.

It is painted before anything else is loaded; this module imports nothing but Textual and plain text.
"""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Static

from drbook.core.heap import let_go
from drbook.core.plaintext import plain
from drbook.tui.colours import BUSY, DIM, DRILL_TAG, DRY_TAG, LIVE_TAG, STRONG, WARN
from drbook.tui.first import First, Told
from drbook.tui.lines import Lines

if TYPE_CHECKING:
    from drbook.app.model import Incident


Opening = Callable[[Told], "tuple[Incident, str]"]
"""Opens an incident, in a thread; also what it means to leave it. Raises DrbookError."""

_BANNERS = {
    "live": (" ● LIVE INCIDENT ", LIVE_TAG),
    "drill": (" ◇ REHEARSAL (drill) ", DRILL_TAG),
    "dry-run": (" ~ DRY RUN ", DRY_TAG),
}


class OpeningScreen(Screen[None]):
    """Opens an incident behind its first frame, and says with a message how that ended."""

    BINDINGS = [Binding("q,escape", "leave", "Leave")]  # noqa: RUF012 - Textual declares it so

    class Opened(Message):
        def __init__(self, incident: "Incident", leaving: str, told: Told) -> None:
            super().__init__()
            self.incident, self.leaving, self.told = incident, leaving, told

    class Failed(Message):
        def __init__(self, error: BaseException) -> None:
            super().__init__()
            self.error = error

    def __init__(self, opening: Opening, first: First) -> None:
        super().__init__()
        self._opening, self._first = opening, first
        self.told = Told()

    def compose(self) -> ComposeResult:
        yield Static(self._header(), id="header", markup=False)
        yield Lines(self._reading(), id="middle", markup=False)
        yield Static(Text(" q leave", style=DIM), id="hints", markup=False)

    def on_mount(self) -> None:
        self.set_interval(0.2, self._draw)
        self.call_after_refresh(self.set_timer, 0.01, self._begin)

    def _begin(self) -> None:
        let_go()
        threading.Thread(target=self._open, name="opening", daemon=True).start()

    def _open(self) -> None:
        try:
            incident, leaving = self._opening(self.told)
        except BaseException as error:  # noqa: BLE001 - raised again once the screen is gone
            self.post_message(self.Failed(error))
        else:
            self.post_message(self.Opened(incident, leaving, self.told))

    def _draw(self) -> None:
        self.query_one("#middle", Lines).show(self._reading())

    def _header(self) -> Text:
        banner, style = _BANNERS.get(self._first.mode, (" drbook ", "bold"))
        return Text.assemble((banner, style), "  ", (plain(self._first.title, 120), STRONG))

    def _reading(self) -> Text:
        done, total = self.told.done, self.told.total
        words = f" {done:,} of {total:,}" if total else ""
        lines = [Text(f"reading the record …{words}", style=BUSY)]
        lines += [Text(plain(line, 300), style=WARN) for line in self.told.lines[-8:]]
        return Text("\n").join(lines)

    def action_leave(self) -> None:
        self.app.exit()
