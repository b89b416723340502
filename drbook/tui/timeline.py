"""The record so far, oldest first: every line, and all that the selected one says; searchable."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, tzinfo

from rich.console import Group, RenderableType
from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Input

from drbook.app.model import Snapshot
from drbook.core import events as ev
from drbook.core.events import Record
from drbook.core.values import counted, plain, plain_lines, show_duration, show_time
from drbook.tui import journal
from drbook.tui.clocks import zone_name
from drbook.tui.colours import DIM, SELECTED, STRONG, WARN
from drbook.tui.fields import Line
from drbook.tui.listing import ListScreen, Look
from drbook.tui.paint import fields, said

SILENT = frozenset({ev.ProcessStarted})
"""Events that say nothing to a person who reads along; exports have them."""
_AT_ONCE = 2000
"""Records that are searched between two looks at the keyboard."""


class TimelineScreen(ListScreen[Record]):
    """The whole record; `/` searches in it, notes included."""

    BINDINGS = [  # noqa: RUF012 - Textual declares it so
        Binding("slash", "search", "Search", tooltip="Search in the record", key_display="/"),
    ]
    FOLLOWS = True
    KEYS = (("/", "search"), ("Space", "more"))

    def __init__(self, look: Look, zone: Callable[[], tzinfo | None] = lambda: None) -> None:
        """`zone` says in which one the times are told; UTC where it says none."""
        super().__init__(look)
        self._zone = zone
        self._told: list[Record] = []
        self._read = 0
        self._found: list[Record] | None = None
        self._wanted = ""

    def compose(self) -> ComposeResult:
        yield from super().compose()
        yield Line(placeholder="search: Enter shows what was found, Esc all", id="list-search",
                    max_length=200)  # fmt: skip

    def on_mount(self) -> None:
        self.query_one("#list-search").display = False
        super().on_mount()

    async def get_ready(self) -> None:
        while self._read < len(self.look().records):
            self._read_on(self.look(), _AT_ONCE)
            await asyncio.sleep(0)

    def begin(self) -> None:
        super().begin()
        self._found, self._wanted = None, ""
        if self.is_mounted:
            self._close_field()

    def heading(self, snapshot: Snapshot, width: int) -> RenderableType:
        head = f" {snapshot.head[:16]}…" if snapshot.head else ""
        line = Text.assemble(
            (" TIMELINE ", STRONG),
            (f" {counted(len(snapshot.records), 'record')}, head{head}   {snapshot.journal}", DIM),
        )
        line.truncate(width, overflow="ellipsis")
        if self._found is None:
            return line
        found = (
            f" {counted(len(self._found), 'record')} with {plain(self._wanted, 60)!r}   Esc: all"
        )
        return Group(line, Text(found, style=WARN))

    def rows(self, snapshot: Snapshot) -> Sequence[Record]:
        if self._found is not None:
            return self._found
        self._read_on(snapshot, len(snapshot.records))
        return self._told

    def _read_on(self, snapshot: Snapshot, most: int) -> None:
        """What came, at most so many records of it: there may be a hundred thousand at first."""
        came = snapshot.records[self._read : self._read + most]
        self._told += [record for record in came if type(record.event) not in SILENT]
        self._read += len(came)

    def first(self, snapshot: Snapshot, rows: Sequence[Record]) -> int:
        return len(rows) - 1

    def table(
        self, snapshot: Snapshot, rows: Sequence[Record], at: int, width: int
    ) -> RenderableType:
        lines, zone = [], self._zone()
        for place, record in enumerate(rows):
            line = journal.line(snapshot, record, width, zone) or Text(" ")
            if place == at:
                line.pad_right(max(0, width - line.cell_len))
                line.stylize(SELECTED)
            lines.append(line)
        return Text("\n").join(lines)

    def about(self, snapshot: Snapshot, row: Record, width: int) -> RenderableType:
        zone = self._zone()
        text, style = journal.words(row, zone)
        parts = [
            ("RECORD", said(f"{row.seq} · {_there(row.at, zone)} · {row.actor} on {row.host}", DIM)),
            ("SAYS", Text(plain_lines(text, 4000) or type(row.event).__name__, style=style)),
        ]  # fmt: skip
        for label, more in _more(row.event, zone):
            if more:
                parts.append((label, Text(plain_lines(more, 4000))))
        return fields(parts)

    def nothing(self, snapshot: Snapshot) -> RenderableType:
        return said(" Nothing was found. Esc shows the whole record.", WARN)

    # --- searching ----------------------------------------------------------------------------

    def action_search(self) -> None:
        field = self.query_one("#list-search", Line)
        field.display = True
        field.value = self._wanted
        field.select_all()
        field.focus()

    @on(Input.Submitted)
    def _search(self, message: Input.Submitted) -> None:
        self._close_field()
        wanted = " ".join(message.value.split()).casefold()
        if wanted:
            self._look_for(wanted)
        else:
            self._show_all()

    @work(exclusive=True)
    async def _look_for(self, wanted: str) -> None:
        """Through the whole record, in pieces, so that keys are heard meanwhile."""
        self._found = None
        snapshot = self.look()
        every, found = list(self.rows(snapshot)), []
        for begin in range(0, len(every), _AT_ONCE):
            found += [one for one in every[begin : begin + _AT_ONCE] if wanted in _searched(one)]
            await asyncio.sleep(0)
        self._found, self._wanted = found, wanted
        self.at = len(found) - 1 if found else None
        self.draw()

    def _show_all(self) -> None:
        self._found, self._wanted, self.at, self._were = None, "", None, 0
        self.draw()

    def _close_field(self) -> None:
        field = self.query_one("#list-search", Input)
        field.display = False
        self.set_focus(None)

    def action_back(self) -> None:
        """Escape closes the search first, then what was found, then the list."""
        if self.query_one("#list-search").display:
            self._close_field()
        elif self._found is not None:
            self._show_all()
        else:
            super().action_back()


def _searched(record: Record) -> str:
    """What is looked in: what the line says, who said it, and the step."""
    text, _ = journal.words(record)
    more = " ".join(words for _, words in _more(record.event))
    step = getattr(record.event, "step", "") or ""
    return " ".join((f"{record.at:%Y-%m-%d %H:%M:%S}", step, record.actor, text, more)).casefold()


def _there(at: datetime, zone: tzinfo | None) -> str:
    """With its date; in another zone with UTC behind it."""
    if zone is None:
        return show_time(at)
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S} {zone_name(at, zone)} = {show_time(at)}"


def _more(event: ev.Event, zone: tzinfo | None = None) -> list[tuple[str, str]]:
    """What an event says beside its line."""
    if isinstance(event, ev.StepFinished):
        return [("MEANS", event.means), ("DO NEXT", event.next)]
    if isinstance(event, ev.StepPlanned):
        return [("DOES", "\n".join(event.plan.does)), ("RAN", "\n".join(event.plan.runs)),
                ("TOUCHES", event.plan.touches)]  # fmt: skip
    if isinstance(event, ev.StepDoneElsewhere):
        return [("PASTED", event.evidence)]
    if isinstance(event, ev.ShellClosed):
        return [("TOOK", show_duration(timedelta(milliseconds=event.duration_ms)))]
    if isinstance(event, ev.NoteAdded) and event.happened_at is not None:
        return [("HAPPENED", _there(event.happened_at, zone))]
    return []
