"""What every list that fills the screen has: a heading, rows with a cursor, what the row means, keys.

Only the rows that are seen are made ready, so that ten thousand of them cost what forty do.
"""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from rich.console import RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Static

from drbook.app.model import Snapshot
from drbook.tui.colours import BUSY, DIM, PLAIN
from drbook.tui.help import Explanation, HelpScreen
from drbook.tui.lines import Block, Lines
from drbook.tui.modal import is_seen

Look = Callable[[], Snapshot]
"""How a list gets the newest snapshot."""

Row = TypeVar("Row")


class Rows(Static):
    """The rows that are seen. Where what stands below takes or gives back room, others are seen."""

    drawn_for = 0
    """Lines that there were room for when they were drawn."""

    def on_resize(self) -> None:
        screen = self.screen
        if self.size.height != self.drawn_for and isinstance(screen, ListScreen):
            screen.draw()


class ListScreen(Screen[None], Generic[Row]):
    """A heading, a table with a cursor, and below it what is known of the row under the cursor."""

    BINDINGS = [  # noqa: RUF012 - Textual declares it so
        Binding("escape,q", "back", "Back", tooltip="Go back to the incident", key_display="Esc"),
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "end(0)", "First", show=False),
        Binding("end", "end(1)", "Last", show=False),
        Binding("space", "more", "More", tooltip="Scroll what is said of the selected row"),
        Binding("question_mark", "help", "Help", tooltip="Explain this screen", key_display="?"),
    ]
    EXPLANATION = Explanation(
        ("What is shown is on record, and follows the incident as it goes on.",),
        keys=(("↑ ↓ PgUp PgDn", "Move"), ("Home End", "First, last")),
    )
    AUTO_FOCUS = ""
    """Nothing takes the keys away from the list."""
    FOLLOWS = False
    """Whether a cursor on the last row goes on with rows that come after it."""
    KEYS: tuple[tuple[str, str], ...] = ()
    """Beside those that every list has: the key as it is shown, and what it does in a word."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.look = look
        self.at: int | None = None
        """The row under the cursor; None until there was one to choose."""
        self._were = 0

    def compose(self) -> ComposeResult:
        yield Block(id="list-heading", markup=False)
        yield Rows(id="list-rows", markup=False)
        with VerticalScroll(id="list-detail", can_focus=False):
            yield Block(id="list-about", markup=False)
        yield Lines(id="list-keys", markup=False)

    def on_mount(self) -> None:
        self.set_interval(1.0, self._look_again)
        self.draw()

    def _look_again(self) -> None:
        if is_seen(self):
            self.draw()

    def on_resize(self) -> None:
        self.call_after_refresh(self.draw)

    def on_screen_resume(self) -> None:
        if self.size == self.app.size:  # otherwise it is drawn once it is laid out
            self.draw()

    # --- before it is seen, and again each time -----------------------------------------------

    async def get_ready(self) -> None:
        """Do what takes long, in pieces, while nobody waits for it."""

    def begin(self) -> None:
        """It is about to be shown, as it is the first time."""
        self.at, self._were = None, 0
        if self.is_mounted:
            self.query_one("#list-detail", VerticalScroll).scroll_home(animate=False)

    # --- what a list says ---------------------------------------------------------------------

    def heading(self, snapshot: Snapshot, width: int) -> RenderableType:
        raise AssertionError("a list has a heading")

    def rows(self, snapshot: Snapshot) -> Sequence[Row]:
        raise AssertionError("a list has rows")

    def table(self, snapshot: Snapshot, rows: Sequence[Row], at: int, width: int) -> RenderableType:
        """The rows that are seen, as a table; `at` is the selected one's place among them."""
        raise AssertionError("a list draws its rows")

    def about(self, snapshot: Snapshot, row: Row, width: int) -> RenderableType | None:
        """What is known of the selected row; None where the table says it all."""
        return None

    def nothing(self, snapshot: Snapshot) -> RenderableType:
        """What stands there where there are no rows."""
        raise AssertionError("a list says why it is empty")

    def reserved(self, snapshot: Snapshot) -> int:
        """Lines of the table that are no rows: its head, and what always stands first."""
        return 1

    def first(self, snapshot: Snapshot, rows: Sequence[Row]) -> int:
        """Where the cursor stands at first."""
        return 0

    # --- drawing ------------------------------------------------------------------------------

    def draw(self) -> None:
        width, height = self.size.width, self.size.height
        if width == 0 or not self.is_mounted:
            return
        snapshot = self.look()
        rows = self.rows(snapshot)
        self.query_one("#list-heading", Block).show(self.heading(snapshot, width))
        listed, detail = self.query_one("#list-rows", Rows), self.query_one("#list-detail")
        if not rows:
            detail.display = False
            listed.update(self.nothing(snapshot), layout=False)
            self.query_one("#list-keys", Lines).show(self._keys(snapshot, 0, width))
            return
        at = self._within(snapshot, rows)
        about = self.about(snapshot, rows[at], width)
        detail.display = about is not None
        if about is not None:
            self.query_one("#list-about", Block).show(about)
        listed.drawn_for = listed.size.height
        room = max(1, (listed.size.height or height // 2) - self.reserved(snapshot))
        begin = max(0, min(at - room // 2, len(rows) - room))
        seen = self.table(snapshot, rows[begin : begin + room], at - begin, width)
        listed.update(seen, layout=False)
        self.query_one("#list-keys", Lines).show(self._keys(snapshot, len(rows), width))

    def _within(self, snapshot: Snapshot, rows: Sequence[Row]) -> int:
        if self.at is None:
            self.at = self.first(snapshot, rows)
        elif self.FOLLOWS and self.at == self._were - 1:
            self.at = len(rows) - 1
        self._were = len(rows)
        return max(0, min(self.at, len(rows) - 1))

    def keys(self, snapshot: Snapshot) -> Sequence[tuple[str, str]]:
        """Those of its own that do something now."""
        return self.KEYS

    def _keys(self, snapshot: Snapshot, count: int, width: int) -> Text:
        line = Text(" ")
        own = self.keys(snapshot)
        for key, words in (("↑↓", "select"), *own, ("Esc", "back"), ("?", "help")):
            part = Text.assemble((key, f"bold {BUSY}"), (f" {words}   ", PLAIN))
            if line.cell_len + part.cell_len <= width:
                line.append_text(part)
        place = f"{min((self.at or 0) + 1, count):,} of {count:,}" if count else ""
        line.pad_right(max(0, width - line.cell_len - len(place) - 1))
        return line.append(place, style=DIM) if line.cell_len + len(place) <= width else line

    # --- keys ---------------------------------------------------------------------------------

    @property
    def selected(self) -> Row | None:
        snapshot = self.look()
        rows = self.rows(snapshot)
        return rows[self._within(snapshot, rows)] if rows else None

    def action_move(self, by: int) -> None:
        snapshot = self.look()
        rows = self.rows(snapshot)
        if rows:
            self.at = max(0, min(self._within(snapshot, rows) + by, len(rows) - 1))
            self.query_one("#list-detail", VerticalScroll).scroll_home(animate=False)
            self.draw()

    def action_page(self, pages: int) -> None:
        room = self.query_one("#list-rows", Rows).size.height - 2
        self.action_move(pages * max(1, room))

    def action_end(self, last: int) -> None:
        count = len(self.rows(self.look()))
        self.action_move(count if last else -count)

    def action_more(self) -> None:
        """Down by a page; from the end back to the beginning."""
        detail = self.query_one("#list-detail", VerticalScroll)
        if detail.scroll_y >= detail.max_scroll_y:
            detail.scroll_home(animate=False)
        else:
            detail.scroll_relative(y=max(1, detail.size.height - 1), animate=False)

    def on_mouse_scroll_down(self) -> None:
        self.action_move(1)

    def on_mouse_scroll_up(self) -> None:
        self.action_move(-1)

    def action_help(self) -> None:
        self.app.push_screen(HelpScreen(self))

    def action_back(self) -> None:
        self.dismiss(None)
