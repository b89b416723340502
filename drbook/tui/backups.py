"""All recovery points on a time axis, the reasons of one, and what choosing it would cost."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual import work
from textual.binding import Binding

from drbook.app.model import ChoosePoint, Command, Snapshot
from drbook.core.choosing import against, needs_break_glass
from drbook.core.engine import stale_after
from drbook.core.errors import DrbookError
from drbook.core.located import Located
from drbook.core.points import Answer, Judgement, Verdict
from drbook.core.purging import pause
from drbook.core.values import plain, show_duration
from drbook.tui import axis
from drbook.tui.colours import DIM, GOOD, PLAIN, STRONG, URGENT, WARN
from drbook.tui.confirming import ConfirmDialog
from drbook.tui.copies import VERDICTS, backups_table, cost_line, could_not_look
from drbook.tui.dialogs import WordsDialog, labelled
from drbook.tui.evidence import located_in, located_step
from drbook.tui.listing import ListScreen, Look
from drbook.tui.paint import cut_middle, said
from drbook.tui.signs import refusal

Submit = Callable[[Command], Awaitable[DrbookError | None]]
"""Asks the driver; what it refused with, where it was not carried out."""


class BackupsScreen(ListScreen[Judgement]):
    """All recovery points on a time axis, and the reasons of one, criterion by criterion."""

    BINDINGS = [  # noqa: RUF012 - Textual declares it so
        Binding("enter", "choose", "Choose", tooltip="Take the selected copy", key_display="⏎"),
    ]
    KEYS = (("⏎", "take this copy"), ("Space", "more reasons"))
    LOOKING_KEYS = (("Space", "more reasons"),)
    """From a seat that only watches: nothing is chosen there."""

    def __init__(self, look: Look, submit: Submit) -> None:
        super().__init__(look)
        self._submit = submit

    def heading(self, snapshot: Snapshot, width: int) -> RenderableType:
        located = located_in(snapshot)
        title = Text(" BACKUPS ", style=STRONG)
        if located is None:
            return title
        if width >= 100:
            title.append(f" as asked at {located.asked_at:%m-%d %H:%M} UTC  ", style=DIM)
        title.append_text(axis.legend())
        title.truncate(width, overflow="ellipsis")
        return Group(title, axis.axis(located, snapshot.state.occurred, width))

    def keys(self, snapshot: Snapshot) -> Sequence[tuple[str, str]]:
        return self.LOOKING_KEYS if snapshot.watching else self.KEYS

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "choose" and self.look().watching:
            return False
        return super().check_action(action, parameters)

    def rows(self, snapshot: Snapshot) -> Sequence[Judgement]:
        located = located_in(snapshot)
        return located.judgements if located is not None else ()

    def first(self, snapshot: Snapshot, rows: Sequence[Judgement]) -> int:
        located = located_in(snapshot)
        keys = [each.point.key for each in rows]
        chosen = located.point.key if located is not None and located.point else ""
        return keys.index(chosen) if chosen in keys else 0

    def table(
        self, snapshot: Snapshot, rows: Sequence[Judgement], at: int, width: int
    ) -> RenderableType:
        located = located_in(snapshot)
        assert located is not None
        return backups_table(located, width, rows, selected=rows[at])

    def reserved(self, snapshot: Snapshot) -> int:
        """Sources that did not answer stand first, and do not scroll away."""
        located = located_in(snapshot)
        return 1 + (len(located.unreachable) if located is not None else 0)

    def about(self, snapshot: Snapshot, row: Judgement, width: int) -> RenderableType:
        located = located_in(snapshot)
        assert located is not None
        return Group(costs(row, located, snapshot), criteria(row, located, width))

    def nothing(self, snapshot: Snapshot) -> RenderableType:
        located = located_in(snapshot)
        if located is None:
            return said(" Nothing was located yet: run the step that does `backups.locate`.", WARN)
        return Group(*could_not_look(located), Text(), cost_line(located))

    @work
    async def action_choose(self) -> None:
        """Another copy than the proposed one: with a reason; with broken glass where it is not known to
        be out of reach, or sound."""
        snapshot, row = self.look(), self.selected
        located, step = located_in(snapshot), located_step(snapshot)
        if row is None or located is None or step is None:
            return
        if located.point is not None and row.point.key == located.point.key:
            self.app.notify("This copy is the chosen one.", markup=False)
            return
        refused = ""
        while True:
            chosen = await self._asked(row, located, snapshot, refused)
            if chosen is None:
                return
            reason, typed = chosen
            point, now = row.point, self.look()
            stale = stale_after(now.runbook, now.state, step)
            error = await self._submit(
                ChoosePoint(step, point.source, point.id, point.version, reason, typed)
            )
            if error is None:
                more = " Steps that used the other copy have to run again." if stale else ""
                self.app.notify(f"Chosen.{more}", markup=False)
                self.draw()
                return
            refused = refusal(snapshot, error)

    async def _asked(
        self, row: Judgement, located: Located, snapshot: Snapshot, refused: str
    ) -> tuple[str, str] | None:
        """The reason, and the source's name where the glass is to be broken; None: not chosen."""
        lines = [*([said(refused, URGENT)] if refused else []), costs(row, located, snapshot)]
        glass_breaks = needs_break_glass(row)
        lines += [said(one) for one in (against(row) if glass_breaks else row.reasons)[:4]]
        title = f"Take {plain(row.point.id, 100)}"
        lines.append(said("Why this copy, and not the proposed one? It goes on record."))
        reason = await self.app.push_screen_wait(WordsDialog(title, lines))
        if reason is None:
            return None
        if not glass_breaks:
            return reason, ""
        sign, word, style = VERDICTS[row.verdict]
        unread = "nobody has read it to its end; the restore does, before it makes anything"
        known = word if row.verdict is not Verdict.INDEPENDENT else f"{word}, and {unread}"
        glass = [
            labelled("Break-glass", f"{sign} {known}", style),
            *(said(line) for line in against(row)),
            said("Every export will say in red that you took it.", URGENT),
        ]
        dialog = ConfirmDialog(title, glass, row.point.source, go="Take it", cool_off_seconds=0)
        typed = await self.app.push_screen_wait(dialog)
        return None if typed is None else (reason, typed)


_ANSWERS = {
    Answer.PASS: ("✓ pass", GOOD),
    Answer.FAIL: ("✗ fail", URGENT),
    Answer.UNKNOWN: ("? unknown", WARN),
}


def costs(row: Judgement, located: Located, snapshot: Snapshot) -> Text:
    """What taking this copy loses, in time, against the loss and against the newest copy."""
    occurred, newest = snapshot.state.occurred, located.newest
    late = "at least " if row.point.dated_late else ""
    if occurred is None:
        text = "costs  unknown: nobody has said when the loss happened"
    elif row.point.taken_at > occurred:
        text = f"▲ taken {show_duration(row.point.taken_at - occurred)} after the loss: it may hold the damage"
    else:
        text = f"costs  {late}{show_duration(occurred - row.point.holds_to(occurred))} of data"
    if newest is not None and newest.key != row.point.key:
        gap = max(newest.holds_to(occurred) - row.point.holds_to(occurred), timedelta(0))
        text += f"; {show_duration(gap)} more than the newest copy that could be seen"
    lines = [said(f" {text}", WARN)]
    known = next((one for one in located.costs if one.key == row.point.key), None)
    if known is not None:
        most = ", ".join(f"{count:,} of {plain(table, 60)}" for table, count in known.tables[:3])
        more = f" and {len(known.tables) - 3} tables more" if len(known.tables) > 3 else ""
        rows = f"{most}{more}" if most else "no row"
        lines.append(
            said(
                f"   {rows} by the baselines of {known.held_at:%m-%d %H:%M} and "
                f"{known.until:%m-%d %H:%M}; what came later nobody has counted",
                WARN,
            )
        )
    return Text("\n").join(lines)


def criteria(judgement: Judgement, located: Located, width: int) -> RenderableType:
    """Every criterion's answer, by whose word, and why."""
    sign, word, style = VERDICTS[judgement.verdict]
    head = Text.assemble(
        (f" {sign} {word}  ", style),
        said(cut_middle(judgement.point.location, max(20, width - 18)), STRONG),
    )
    table = Table(box=None, padding=(0, 1), show_edge=False, header_style=DIM)
    table.add_column("criterion", no_wrap=True)
    table.add_column("answer", no_wrap=True)
    table.add_column("known by" if width >= 100 else "by", no_wrap=True)
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
    foot = Text("  * required by the runbook", style=DIM)
    return Group(head, *_beside(judgement), table, foot)


def _beside(judgement: Judgement) -> list[Text]:
    """What stands before the criteria: the way back, what to pause, what is not as the runbook states."""
    lines = [f" to bring it back: {judgement.recoverable}"] if judgement.recoverable else []
    lines += [f" ▲ {pause(judgement.point.source, one)}" for one in judgement.pause]
    lines += [f" ▲ not as stated: {one.words}" for one in judgement.disagreements]
    return [said(line, WARN) for line in lines]
