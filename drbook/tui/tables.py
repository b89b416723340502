"""Row counts: what the backup held, what was restored, and what users have lost, worst first."""

from collections.abc import Sequence
from datetime import timedelta

from rich.console import Group, RenderableType
from rich.text import Text
from textual.binding import Binding

from drbook.app.model import Snapshot
from drbook.core.comparison import TableComparison, TableVerdict
from drbook.core.remarks import Question, Remark
from drbook.core.results import VerifyResult
from drbook.core.values import plain, show_duration
from drbook.timeline.comparing import as_of
from drbook.tui.colours import DIM, SELECTED, STRONG, WARN
from drbook.tui.evidence import verified_in
from drbook.tui.listing import ListScreen, Look
from drbook.tui.paint import count, said
from drbook.tui.rowcounts import TABLE_VERDICTS, summary_line, tables_table

FILTERS = ("all", "differ", "lost", "unverified")


class TablesScreen(ListScreen[TableComparison | Remark]):
    """Tables and what else was compared; below, what is known of the selected one."""

    BINDINGS = [  # noqa: RUF012 - Textual declares it so
        Binding(
            "f", "filter", "Filter", tooltip="All, what differs, what is lost, what is unverified"
        ),
    ]
    KEYS = (("f", "filter"), ("Space", "more"))

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._filter = 0
        self._made: tuple[object, int, list[TableComparison | Remark]] | None = None

    def begin(self) -> None:
        super().begin()
        self._filter = 0

    def heading(self, snapshot: Snapshot, width: int) -> RenderableType:
        title = Text(" ROW COUNTS ", style=STRONG)
        verified = verified_in(snapshot)
        if verified is None:
            return title
        lost = verified.loss_seconds
        gone = "unknown" if lost is None else show_duration(timedelta(seconds=lost))
        gone = f"at least {gone}" if verified.loss_at_least else gone
        title.append(f" {gone}{' of data' if width >= 100 else ''} lost   ", style=DIM)
        for number, name in enumerate(FILTERS):
            chosen = number == self._filter
            title.append(f"[{name}] " if chosen else f" {name}  ", style=STRONG if chosen else DIM)
        title.truncate(width, overflow="ellipsis")
        against = said(f" {as_of(verified.comparison.baseline_at)}", DIM)
        left = [said(f" not compared: {one}", WARN) for one in verified.comparison.not_compared[:2]]
        return Group(title, Text.assemble(" ", summary_line(verified)), against, *left)

    def rows(self, snapshot: Snapshot) -> Sequence[TableComparison | Remark]:
        verified = verified_in(snapshot)
        if verified is None:
            return ()
        if self._made is None or self._made[0] is not verified or self._made[1] != self._filter:
            self._made = (verified, self._filter, self._sorted(verified))
        return self._made[2]

    def _sorted(self, verified: VerifyResult) -> list[TableComparison | Remark]:
        remarks = [one for one in verified.comparison.remarks if self._asked(one)]
        tables = sorted(
            (row for row in verified.comparison.tables if self._wanted(row)),
            key=lambda row: (row.verdict is TableVerdict.PASS, -(row.lost or 0), row.table),
        )
        bad = [one for one in remarks if one.verdict is not TableVerdict.PASS]
        known = [one for one in remarks if one.verdict is TableVerdict.PASS]
        return [*bad, *tables, *known]

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
            bool(row.lost) or row.rewritten,
            row.verdict is TableVerdict.COULD_NOT_VERIFY,
        )[self._filter]

    def table(
        self,
        snapshot: Snapshot,
        rows: Sequence[TableComparison | Remark],
        at: int,
        width: int,
    ) -> RenderableType:
        """Tables in columns, remarks as lines of their own, in the order of the list."""
        parts: list[RenderableType] = []
        group: list[TableComparison] = []
        for place, row in enumerate(rows):
            if isinstance(row, TableComparison):
                group.append(row)
                continue
            if group:
                parts.append(tables_table(group, width, selected=_one(rows, at)))
                group = []
            line = beside(row)
            line.truncate(width, overflow="ellipsis")
            if place == at:
                line.stylize(SELECTED)
            parts.append(line)
        if group:
            parts.append(tables_table(group, width, selected=_one(rows, at)))
        return Group(*parts)

    def about(
        self, snapshot: Snapshot, row: TableComparison | Remark, width: int
    ) -> RenderableType:
        if isinstance(row, Remark):
            return beside(row)
        sign, word, style = TABLE_VERDICTS[row.verdict]
        lines = [
            Text.assemble((f" {sign} {word}  ", style), said(plain(row.table, 200), STRONG)),
            said(
                f" backup held {count(row.expected)} · restored {count(row.restored)} · "
                f"before the loss {count(row.before)} · lost {count(row.lost)}"
            ),
        ]
        if row.reason:
            lines.append(
                said(f" {row.reason}", style if row.verdict is not TableVerdict.PASS else DIM)
            )
        lines += [said(f"   differs: {where}") for where in row.where]
        lines += [said(f"   lost: {where}", WARN) for where in row.lost_where]
        if row.rewritten:
            lines.append(said("   rows were changed or replaced since the copy was taken", WARN))
        if row.newest is not None:
            lines.append(said(f"   newest row restored: {row.newest:%Y-%m-%d %H:%M:%S} UTC", DIM))
        return Group(*lines)

    def nothing(self, snapshot: Snapshot) -> RenderableType:
        if verified_in(snapshot) is None:
            return said(" Nothing was counted yet: run the step that does `postgres.verify`.", WARN)
        return said(f" Nothing here: the filter is [{FILTERS[self._filter]}].", DIM)

    def action_filter(self) -> None:
        self._filter = (self._filter + 1) % len(FILTERS)
        self.at = None
        self.draw()


def _one(rows: Sequence[TableComparison | Remark], at: int) -> TableComparison | None:
    row = rows[at]
    return row if isinstance(row, TableComparison) else None


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
