"""The whole record as a list that scrolls: only the lines that are seen are made, so that its length costs
nothing."""

from collections.abc import Sequence

from rich.text import Text
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from drbook.app.model import Snapshot
from drbook.core.events import Record
from drbook.tui import journal


class RecordLog(ScrollView, can_focus=False):
    """One line per record, oldest first. It stays at its end while it grows, if it is there."""

    def __init__(self, **given: object) -> None:
        super().__init__(**given)  # type: ignore[arg-type]
        self._snapshot: Snapshot | None = None
        self._records: Sequence[Record] = ()
        self.made = 0
        """How many lines were made so far."""

    def show(self, snapshot: Snapshot, records: Sequence[Record]) -> None:
        """Show these records of the snapshot's incident."""
        first = self._snapshot is None
        same = len(records) == len(self._records) and records[-1:] == self._records[-1:]
        self._snapshot, self._records = snapshot, records
        if same and not first:
            return
        follows = first or self.is_vertical_scroll_end
        self.virtual_size = Size(self.size.width, len(records))
        if follows:
            self.scroll_end(animate=False)
        self.refresh()

    def on_resize(self) -> None:
        self.virtual_size = Size(self.size.width, len(self._records))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width, at = self.size.width, y + self.scroll_offset.y
        text = Text()
        if self._snapshot is not None and at < len(self._records):
            self.made += 1
            text = journal.each(self._snapshot, self._records[at], width)
        line = Strip(text.render(self.app.console, end=""))
        return line.adjust_cell_length(width).apply_style(self.rich_style)
