"""The home screen: what is open, what can be started, what was. Letters filter, arrows move, Enter acts.

It shows what the shelf has read and asks the application to open things; it opens nothing itself.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.message import Message
from textual.screen import Screen

from drbook.app.library import own_folder
from drbook.app.places import Home
from drbook.app.shelf import Contents, Shelf
from drbook.core.heap import settle
from drbook.core.values import counted, plain
from drbook.tui import shelfrows
from drbook.tui.colours import BUSY, DIM, GOOD, PLAIN, STRONG, URGENT, WARN
from drbook.tui.help import Explanation, HelpScreen
from drbook.tui.hints import ACTION, Hint, key_line
from drbook.tui.lines import Lines
from drbook.tui.modal import is_seen
from drbook.tui.paint import cut_middle, said, spread
from drbook.tui.shelfrows import ROW, Row

SECTIONS = ("OPEN INCIDENTS", "RUNBOOKS", "HISTORY")
LONGEST = 200
"""Characters of a filter."""


class HomeScreen(Screen[None]):
    """Incidents and runbooks of this machine."""

    BINDINGS = [  # noqa: RUF012 - Textual declares it so
        Binding("enter", "act", "Open", tooltip="Resume, start or look at the chosen one"),
        Binding("up", "move(-1)", "Up", show=False),
        Binding("down", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "move(-1000000)", "First", show=False),
        Binding("end", "move(1000000)", "Last", show=False),
        Binding("tab", "section(1)", "Section", tooltip="The next section"),
        Binding("shift+tab", "section(-1)", "Section", show=False),
        Binding("escape", "clear", "Clear", tooltip="Clear the filter"),
        Binding("ctrl+r", "refresh", "Refresh", tooltip="Look again now"),
        Binding("question_mark", "help", "Help", tooltip="Explain this screen", priority=True),
    ]
    EXPLANATION = Explanation(
        keys=(("letters", "Filter: each word must stand in the row"), ("↑ ↓ PgUp PgDn", "Move")),
        signs=(
            ("‼ in doubt", URGENT, "a step was broken off and nobody knows whether it happened"),
            ("▶ open", BUSY, "an incident that was left; Enter resumes it"),
            ("◐ led right now", GOOD, "a drbook on this machine leads it; Enter watches it"),
            ("✗ damaged", URGENT, "its record was changed or cannot be read; Enter says how"),
            (
                "✓ / ✗ runbook",
                WARN,
                "without a problem / with problems; Enter shows them with places",
            ),
            ("RTO ✓ / ▲", PLAIN, "measured from declared to verified: within / over the objective"),
        ),
        words=(
            "Runbooks are those that came with drbook, YAML files with a line `drbook:` in the",
            "folder you are in (here), and in `runbooks` under the state directory (yours).",
            "Leaving an incident brings you back here; it stays open until it is closed.",
        ),
    )

    class Opened(Message):
        """Enter on a row."""

        def __init__(self, row: Row) -> None:
            super().__init__()
            self.row = row

    class Fresh(Message):
        """The shelf has read something new."""

    def __init__(self, home: Home, here: Path, clock: Callable[[], datetime]) -> None:
        super().__init__()
        self.home, self.clock = home, clock
        self.contents = Contents()
        self.filter = ""
        self._arrived = self.contents
        self._told = False
        self._rows: list[Row] = []
        self._made_of: tuple[Contents, str] | None = None
        """What the rows were made of."""
        self._key = ""
        self.shelf = Shelf(home, here, self._arrive)

    def compose(self) -> ComposeResult:
        for name in ("head", "banner", "filter", "list", "detail", "keys"):
            yield Lines(id=f"home-{name}", markup=False)

    def on_mount(self) -> None:
        settle()
        self.shelf.start()
        self.set_interval(1.0, self._look_again)
        self.draw()

    def _look_again(self) -> None:
        """Nobody draws what an incident's screen covers."""
        if is_seen(self):
            self.draw()

    def on_unmount(self) -> None:
        self.shelf.stop()

    def on_resize(self) -> None:
        self.call_after_refresh(self.draw)

    def on_screen_resume(self) -> None:
        self.shelf.again()
        self.call_after_refresh(self.draw)

    def _arrive(self, contents: Contents) -> None:
        """In the shelf's thread: keep the newest, and tell the screen once."""
        self._arrived = contents
        if not self._told:
            self._told = True
            self.post_message(self.Fresh())

    def on_home_screen_fresh(self) -> None:
        self._told = False
        if self.contents.reading and not self._arrived.reading:
            settle()
        self.contents = self._arrived
        self._look_again()

    # --- what is chosen -----------------------------------------------------------------------

    @property
    def _at(self) -> int:
        """The chosen row's place. What was chosen stays chosen while rows come and go around it."""
        keys = [row.key for row in self._rows]
        return keys.index(self._key) if self._key in keys else 0

    @property
    def chosen(self) -> Row | None:
        return self._rows[self._at] if self._rows else None

    def choose(self, at: int) -> None:
        if self._rows:
            self._key = self._rows[max(0, min(at, len(self._rows) - 1))].key
            self.draw()

    def filter_by(self, text: str) -> None:
        self.filter = text[:LONGEST]
        self._key = ""
        self.draw()

    def on_key(self, event: events.Key) -> None:
        if event.is_printable and event.character and (event.character != " " or self.filter):
            self.filter_by(self.filter + event.character)
        elif event.key == "backspace":
            self.filter_by(self.filter[:-1])
        elif event.key == "ctrl+u":
            self.filter_by("")
        else:
            return
        event.stop()
        event.prevent_default()

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        self.filter_by(self.filter + " ".join(event.text.split()))

    async def on_click(self, event: events.Click) -> None:
        """A first click chooses, one on the chosen row acts; a key's hint does what its key does."""
        clicked = event.style.meta
        if ACTION in clicked:
            await self.run_action(clicked[ACTION])
        elif ROW in clicked and clicked[ROW] == self._key:
            self.action_act()
        elif ROW in clicked:
            self._key = clicked[ROW]
            self.draw()

    def on_mouse_scroll_down(self) -> None:
        self.action_move(3)

    def on_mouse_scroll_up(self) -> None:
        self.action_move(-3)

    def action_move(self, by: int) -> None:
        self.choose(self._at + by)

    def action_page(self, by: int) -> None:
        self.choose(self._at + by * max(1, self.query_one("#home-list").size.height - 2))

    def action_section(self, by: int) -> None:
        """To the first row of the next section that has any."""
        there = [one for one in SECTIONS if any(row.section == one for row in self._rows)]
        if self.chosen is None or not there:
            return
        name = there[(there.index(self.chosen.section) + by) % len(there)]
        self.choose(next(at for at, row in enumerate(self._rows) if row.section == name))

    def action_clear(self) -> None:
        self.filter_by("")

    def action_refresh(self) -> None:
        self.shelf.again()

    def action_help(self) -> None:
        self.app.push_screen(HelpScreen(self))

    def action_act(self) -> None:
        if self.chosen is not None:
            self.post_message(self.Opened(self.chosen))

    # --- drawing ------------------------------------------------------------------------------

    def draw(self) -> None:
        width = self.size.width
        if width == 0 or not self.is_mounted:
            return
        now = self.clock()
        if self._made_of != (self.contents, self.filter):
            self._made_of = self.contents, self.filter
            self._rows = shelfrows.rows(self.contents, self.filter)
        self._draw_banner(width)
        self.query_one("#home-head", Lines).show(self._head(now, width))
        self.query_one("#home-filter", Lines).show(self._filter_line(width))
        place = self.query_one("#home-list", Lines)
        size = width, max(1, place.size.height)
        place.show(shelfrows.shelf(self._rows, self._at, now, size, self._notes()))
        self.query_one("#home-detail", Lines).show(shelfrows.detail(self.chosen, now, width))
        self.query_one("#home-keys", Lines).show(self._keys(width))

    def _draw_banner(self, width: int) -> None:
        banner = self.query_one("#home-banner", Lines)
        doubtful = self.contents.in_doubt
        banner.display = bool(doubtful or self.contents.trouble)
        if self.contents.trouble:
            banner.show(said(f" ✗ {plain(self.contents.trouble, 300)}"))
        elif doubtful:
            count = counted(len(doubtful), "open incident")
            text = f" ‼ IN DOUBT: {count}, and nobody knows whether a step happened. "
            text += "Enter resumes it; look first." if width >= 120 else ""
            banner.show(Text(text, no_wrap=True, overflow="ellipsis"))

    def _head(self, now: datetime, width: int) -> Text:
        left = Text.assemble((" drbook ", STRONG), said(f" {self.home.path}", DIM))
        return spread(left, Text(f"{now:%H:%M:%S} UTC ", style=STRONG), width)

    def _filter_line(self, width: int) -> Text:
        if not self.filter:
            return Text(" Type to filter", style=DIM)
        shown = cut_middle(self.filter, max(10, width - 30))
        left = Text.assemble((" filter: ", DIM), said(shown, STRONG), ("▏", STRONG))
        return spread(left, Text(f"{len(self._rows)} found, Esc clears ", style=DIM), width)

    def _notes(self) -> dict[str, str]:
        more = "reading …" if self.contents.reading else ""
        filtered = "none that the filter finds" if self.filter else "none"
        return {
            "OPEN INCIDENTS": more,
            "HISTORY": more,
            "no OPEN INCIDENTS": more or filtered,
            "no RUNBOOKS": more or filtered,
            "no HISTORY": more
            or (filtered if self.filter else "none yet; `drbook demo` makes one"),
            "RUNBOOKS": f"(your own: here, and in {plain(str(own_folder(self.home)), 200)})"
            if self.size.width >= 100
            else "",
        }

    def _keys(self, width: int) -> Text:
        does = shelfrows.enter_does(self.chosen)
        keys = [Hint("⏎", does, "act")] if does else []
        keys += [Hint("Esc", "clear", "clear")] if self.filter else []
        keys += [
            Hint("↑↓", "move", "move(1)"),
            Hint("?", "help", "help"),
            Hint("^q", "leave", "app.quit"),
            Hint("Tab", "section", "section(1)"),
            Hint("^p", "commands", "app.command_palette"),
        ]
        return key_line(keys, Text(""), width)
