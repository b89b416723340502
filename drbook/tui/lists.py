"""The three lists that fill the screen: recovery points, row counts, and the whole record."""

from collections.abc import Callable
from datetime import timedelta

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Static

from drbook.app.model import Snapshot
from drbook.core.comparison import TableComparison, TableVerdict
from drbook.core.points import Answer, Judgement, Located
from drbook.core.remarks import Question, Remark
from drbook.core.values import counted, plain, show_duration
from drbook.timeline.words import as_of
from drbook.tui import axis, journal
from drbook.tui.evidence import (
    TABLE_VERDICTS,
    VERDICTS,
    backups_table,
    cost_line,
    located_in,
    summary_line,
    tables_table,
    verified_in,
)
from drbook.tui.help import Explanation, HelpScreen
from drbook.tui.paint import DIM, GOOD, PLAIN, STRONG, URGENT, WARN, cut_middle, said

Look = Callable[[], Snapshot]
"""How a list gets the newest snapshot."""


class ListScreen(Screen[None]):
    """A heading, a body that scrolls, and a line of keys. Escape goes back."""

    BINDINGS = [  # noqa: RUF012 - Textual declares it so
        Binding("escape,q", "back", "Back", priority=True, tooltip="Back to the incident"),
        Binding("question_mark", "help", "Help", priority=True, tooltip="Explain this screen"),
        Binding("pageup", "scroll(-1)", "Page up", priority=True),
        Binding("pagedown", "scroll(1)", "Page down", priority=True),
    ]
    HINTS = "Esc back"
    EXPLANATION = Explanation(
        ("What is shown is on record, and follows the incident as it goes on.",),
        keys=(("PgUp PgDn", "Scroll"),),
    )

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.look = look

    def compose(self) -> ComposeResult:
        yield Static(id="list-heading", markup=False)
        with VerticalScroll(id="list-body", can_focus=False):
            yield Static(id="list-content", markup=False)
        yield Static(Text(f" {self.HINTS}", style=DIM), id="list-keys", markup=False)

    def on_mount(self) -> None:
        self.set_interval(1.0, self.draw)
        self.draw()

    def on_resize(self) -> None:
        self.draw()

    def draw(self) -> None:
        width, height = self.size.width, self.size.height
        if width == 0:
            return
        snapshot = self.look()
        self.query_one("#list-heading", Static).update(self.heading(snapshot, width))
        self.query_one("#list-content", Static).update(self.content(snapshot, width, height))

    def heading(self, snapshot: Snapshot, width: int) -> RenderableType:
        raise AssertionError("a list has a heading")

    def content(self, snapshot: Snapshot, width: int, height: int) -> RenderableType:
        raise AssertionError("a list has content")

    def action_back(self) -> None:
        self.dismiss(None)

    def action_help(self) -> None:
        self.app.push_screen(HelpScreen(self))

    def action_scroll(self, pages: int) -> None:
        body = self.query_one("#list-body", VerticalScroll)
        body.scroll_relative(y=pages * max(1, body.size.height - 1), animate=False)


class BackupsScreen(ListScreen):
    """All recovery points on a time axis, and the reasons of one, criterion by criterion."""

    BINDINGS = [  # noqa: RUF012 - Textual declares it so
        Binding("up,k", "move(-1)", "Up", priority=True, tooltip="The copy above"),
        Binding("down,j", "move(1)", "Down", priority=True, tooltip="The copy below"),
    ]
    HINTS = "↑↓ another copy   PgUp PgDn scroll   Esc back"

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._at: int | None = None

    def heading(self, snapshot: Snapshot, width: int) -> RenderableType:
        located = located_in(snapshot)
        title = Text(" BACKUPS ", style=STRONG)
        if located is None:
            return title
        if width >= 100:
            title.append(f" as asked at {located.asked_at:%m-%d %H:%M} UTC  ", style=DIM)
        title.append_text(axis.legend())
        return Group(title, axis.axis(located, snapshot.state.occurred, width))

    def content(self, snapshot: Snapshot, width: int, height: int) -> RenderableType:
        located = located_in(snapshot)
        if located is None:
            return said(" Nothing was located yet: run the step that does `backups.locate`.", WARN)
        if not located.judgements:
            return cost_line(located)
        at = self._selected(located)
        sources = len({each.point.source for each in located.judgements})
        room = max(3, height - 18 - sources - len(located.unreachable))
        first = max(0, min(at - room // 2, len(located.judgements) - room))
        window = located.judgements[first : first + room]
        return Group(
            backups_table(located, width, window, selected=located.judgements[at]),
            Text(f" {at + 1} of {len(located.judgements)}", style=DIM),
            _criteria(located.judgements[at], located, width),
            cost_line(located),
        )

    def _selected(self, located: Located) -> int:
        if self._at is None:
            keys = [each.point.key for each in located.judgements]
            self._at = keys.index(located.point.key) if located.point is not None else 0
        return max(0, min(self._at, len(located.judgements) - 1))

    def action_move(self, by: int) -> None:
        located = located_in(self.look())
        if located is not None and located.judgements:
            self._at = max(0, min(self._selected(located) + by, len(located.judgements) - 1))
            self.draw()


_ANSWERS = {
    Answer.PASS: ("✓ pass", GOOD),
    Answer.FAIL: ("✗ fail", URGENT),
    Answer.UNKNOWN: ("? unknown", WARN),
}


def _criteria(judgement: Judgement, located: Located, width: int) -> RenderableType:
    sign, word, style = VERDICTS[judgement.verdict]
    head = Text.assemble(
        (f" {sign} {word}  ", style),
        said(cut_middle(judgement.point.location, max(20, width - 18)), STRONG),
    )
    table = Table(box=None, padding=(0, 1), show_edge=False, header_style=DIM)
    table.add_column("criterion", no_wrap=True)
    table.add_column("answer", no_wrap=True)
    table.add_column("known by", no_wrap=True)
    table.add_column("why", overflow="fold")
    for finding in judgement.findings:
        answer, colour = _ANSWERS[finding.answer]
        name = finding.criterion.value.replace("_", " ")
        needed = finding.criterion in located.require
        table.add_row(
            said(f"{name} *" if needed else name, STRONG if needed else PLAIN),
            Text(answer, style=colour),
            said(finding.basis.value, DIM),
            said(finding.reason, PLAIN),
        )
    return Group(head, table, Text("  * required by the runbook", style=DIM))


_FILTERS = ("all", "differ", "lost", "unverified")


class TablesScreen(ListScreen):
    """Row counts: what the backup held, what was restored, and what users have lost."""

    BINDINGS = [  # noqa: RUF012 - Textual declares it so
        Binding(
            "f", "filter", "Filter", priority=True, tooltip="Filter: all, differ, lost, unverified"
        )
    ]
    HINTS = "f filter   PgUp PgDn scroll   Esc back"

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._filter = 0

    def heading(self, snapshot: Snapshot, width: int) -> RenderableType:
        title = Text(" ROW COUNTS ", style=STRONG)
        verified = verified_in(snapshot)
        if verified is None:
            return title
        lost = verified.loss_seconds
        gone = "unknown" if lost is None else show_duration(timedelta(seconds=lost))
        gone = f"at least {gone}" if verified.loss_at_least else gone
        title.append(f" lost: {gone} of data   filter: ", style=DIM)
        for number, name in enumerate(_FILTERS):
            chosen = number == self._filter
            title.append(f"[{name}] " if chosen else f" {name}  ", style=STRONG if chosen else DIM)
        return Group(title, Text.assemble(" ", summary_line(verified)))

    def content(self, snapshot: Snapshot, width: int, height: int) -> RenderableType:
        verified = verified_in(snapshot)
        if verified is None:
            return said(" Nothing was counted yet: run the step that does `postgres.verify`.", WARN)
        rows = [row for row in verified.comparison.tables if self._wanted(row)]
        remarks = [one for one in verified.comparison.remarks if self._asked(one)]
        bad = [beside(one) for one in remarks if one.verdict is not TableVerdict.PASS]
        known = [beside(one) for one in remarks if one.verdict is TableVerdict.PASS]
        if not rows and not remarks:
            return said(f" Nothing here: the filter is [{_FILTERS[self._filter]}].", DIM)
        worst = sorted(rows, key=lambda row: (row.verdict is TableVerdict.PASS, row.table))
        notes = [
            Text.assemble((f" {plain(row.table, 120)}: ", STRONG), said(row.reason, WARN))
            for row in worst
            if row.verdict is not TableVerdict.PASS and row.reason
        ]
        notes += [
            said(f"   {plain(row.table, 80)}: {where}") for row in worst for where in row.where
        ] + [
            said(f"   {plain(row.table, 80)}, lost: {where}", WARN)
            for row in worst
            for where in row.lost_where
        ]
        against = said(f" {as_of(verified.comparison.baseline_at)}", DIM)
        left = [said(f" not compared: {one}", WARN) for one in verified.comparison.not_compared]
        return Group(*bad, tables_table(worst, width), Text(""), against, *notes, *left, *known)

    def _asked(self, one: Remark) -> bool:
        return (
            True,
            one.verdict is TableVerdict.FAIL,
            one.question is Question.LOSS,
            one.verdict is TableVerdict.COULD_NOT_VERIFY,
        )[self._filter]

    def _wanted(self, row: TableComparison) -> bool:
        return (
            True,
            row.verdict is TableVerdict.FAIL,
            bool(row.lost),
            row.verdict is TableVerdict.COULD_NOT_VERIFY,
        )[self._filter]

    def action_filter(self) -> None:
        self._filter = (self._filter + 1) % len(_FILTERS)
        self.draw()


def beside(one: Remark) -> Text:
    """One remark in a line: sign and word, what it is about, what is said of it."""
    sign, word, style = TABLE_VERDICTS[one.verdict]
    if one.verdict is TableVerdict.PASS:
        holds = one.question is Question.ASSERTION
        sign, word, style = (sign, "holds", style) if holds else ("·", "worth knowing", DIM)
    about = f"{one.check} {one.subject}".strip()
    return Text.assemble(
        (f" {sign} {word:<16} ", style), (f"{plain(about, 120)}: ", STRONG), said(one.words)
    )


class TimelineScreen(ListScreen):
    """The record so far, oldest first."""

    HINTS = "PgUp PgDn scroll   Esc back   `drbook timeline` exports it"

    def heading(self, snapshot: Snapshot, width: int) -> RenderableType:
        head = f" {snapshot.head[:16]}…" if snapshot.head else ""
        return Text.assemble(
            (" TIMELINE ", STRONG),
            (f" {counted(len(snapshot.records), 'record')}, head{head}   {snapshot.journal}", DIM),
            no_wrap=True,
            overflow="ellipsis",
        )

    def content(self, snapshot: Snapshot, width: int, height: int) -> RenderableType:
        return journal.everything(snapshot, snapshot.records[-2000:], width)

    def on_mount(self) -> None:
        super().on_mount()
        self.call_after_refresh(
            self.query_one("#list-body", VerticalScroll).scroll_end, animate=False
        )
