"""What the steps found, read from their results, and drawn short enough for the step's pane."""

from collections.abc import Sequence
from typing import TypeVar

from pydantic import ValidationError
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from drbook.app.model import Snapshot
from drbook.core.baseline import TableComparison, TableVerdict
from drbook.core.points import Judgement, Located, Verdict
from drbook.core.results import RestoreResult, VerifyResult
from drbook.core.state import StepRun
from drbook.core.targets import DatabaseProbe
from drbook.core.values import Frozen, Json, plain, show_duration, show_size
from drbook.tui.paint import DIM, GOOD, PLAIN, STRONG, URGENT, WARN, count, cut, cut_middle, said

R = TypeVar("R", bound=Frozen)

VERDICTS = {
    Verdict.INDEPENDENT: ("■", "independent", GOOD),
    Verdict.SHARED: ("○", "shared", WARN),
    Verdict.DESTROYED: ("×", "destroyed", DIM),
    Verdict.DAMAGED: ("!", "damaged", WARN),
    Verdict.UNKNOWN: ("?", "unknown", WARN),
}
TABLE_VERDICTS = {
    TableVerdict.PASS: ("✓", "equal", GOOD),
    TableVerdict.FAIL: ("✗", "differs", URGENT),
    TableVerdict.COULD_NOT_VERIFY: ("?", "could not verify", WARN),
}


def read(model: type[R], value: Json) -> R | None:
    """A result as its model; None for one of another shape, which is then shown by its reason only."""
    if value is None:
        return None
    try:
        return model.model_validate(value)
    except ValidationError:
        return None


def _latest(snapshot: Snapshot, action: str, model: type[R]) -> R | None:
    runs = [run for run in snapshot.state.steps.values() if run.action == action and run.ended_at]
    for run in sorted(runs, key=lambda one: str(one.ended_at), reverse=True):
        found = read(model, run.result)
        if found is not None:
            return found
    return None


def located_in(snapshot: Snapshot) -> Located | None:
    return _latest(snapshot, "backups.locate", Located)


def verified_in(snapshot: Snapshot) -> VerifyResult | None:
    return _latest(snapshot, "postgres.verify", VerifyResult)


def evidence(run: StepRun, width: int, height: int) -> RenderableType | None:
    """The result of a step in at most about `height` lines."""
    if run.action == "postgres.probe":
        probe = read(DatabaseProbe, run.result)
        return _probe(probe) if probe else None
    if run.action == "backups.locate":
        located = read(Located, run.result)
        return _located(located, width, height) if located else None
    if run.action == "postgres.restore":
        restored = read(RestoreResult, run.result)
        return _restored(restored) if restored else None
    if run.action in ("postgres.verify", "postgres.compare_baseline"):
        verified = read(VerifyResult, run.result)
        return _verified(verified, width, height) if verified else None
    return None


def _probe(probe: DatabaseProbe) -> RenderableType:
    style = {"available": GOOD, "loss": URGENT}.get(probe.diagnosis, WARN)
    words = {
        "available": "✓ AVAILABLE: the database answers",
        "loss": "✗ LOSS: no answer, and the volume is gone",
        "outage": "? OUTAGE: no answer, but the volume is still there",
        "unknown": "? UNKNOWN: nobody can tell from here whether data is lost",
    }
    return Text(words[probe.diagnosis], style=style)


def _restored(result: RestoreResult) -> RenderableType:
    target = result.target
    lines = [
        Text.assemble(("✓ ", GOOD), said(f"{target.kind} {target.name}", STRONG), said(f"  {target.proof}", DIM)),
        said(f"psql -h {target.connect.host} -U {target.connect.user} {target.connect.dbname}"),
    ]
    roles = result.load.roles_standing_in
    if roles:
        lines.append(said(f"? roles that stand in without login: {', '.join(roles)}", WARN))
    return Group(*lines)


# --- backups ---------------------------------------------------------------------------------


def _located(located: Located, width: int, height: int) -> RenderableType:
    table = backups_table(located, width, located.judgements[: max(2, height - 3)])
    left = len(located.judgements) - max(2, height - 3)
    more = [said(f"{left} more: press b", DIM)] if left > 0 else []
    return Group(table, *more, cost_line(located))


def cost_line(located: Located) -> Text:
    """Newest against newest independent, and what the difference costs."""
    newest, point = located.newest, located.point
    if point is None or newest is None:
        return Text("✗ no independent copy was found", style=URGENT)
    if newest.key == point.key:
        return Text("✓ the newest copy of all is independent", style=GOOD)
    gap = show_duration(newest.taken_at - point.taken_at)
    return Text(f"▲ costs {gap} of data against the newest copy of all, which is not independent", style=WARN)


def backups_table(located: Located, width: int, judgements: Sequence[Judgement]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), expand=False, header_style=DIM, show_edge=False)
    for name, align in (("", "left"), ("taken (UTC)", "left"), ("age", "right"), ("size", "right"), ("source", "left"), ("verdict", "left"), ("why", "left")):
        table.add_column(name, justify=align, no_wrap=True)  # type: ignore[arg-type]
    for source in located.unreachable:
        sign, word, style = VERDICTS[Verdict.DESTROYED if source.destroyed else Verdict.UNKNOWN]
        why = "lay in what was destroyed" if source.destroyed else source.why_unreachable
        table.add_row("", said("not known", DIM), "", "", said(cut(source.source, 12)), Text(f"{sign} {word}", style=style), said(cut(why, max(10, width - 62)), DIM))
    for each in judgements:
        table.add_row(*_backup_row(located, each, width))
    return table


def _backup_row(located: Located, each: Judgement, width: int) -> list[RenderableType]:
    sign, word, style = VERDICTS[each.verdict]
    chosen = located.point is not None and each.point.key == located.point.key
    why = each.reasons[0] if each.reasons else ""
    return [
        Text("▸" if chosen else " ", style=GOOD),
        said(f"{each.point.taken_at:%m-%d %H:%M}", STRONG if chosen else PLAIN),
        said(show_duration(located.asked_at - each.point.taken_at)),
        said(show_size(each.point.size)),
        said(cut(each.point.source, 12)),
        Text(f"{sign} {word}{' ◀ chosen' if chosen and width >= 100 else ''}", style=style),
        said(cut(why, max(10, width - (72 if width >= 100 else 62))), DIM),
    ]


# --- row counts ------------------------------------------------------------------------------


def _verified(result: VerifyResult, width: int, height: int) -> RenderableType:
    rows = sorted(
        result.comparison.tables, key=lambda row: row.verdict is TableVerdict.PASS
    )
    shown = rows[: max(2, height - 3)]
    more = [said(f"{len(rows) - len(shown)} more: press v", DIM)] if len(rows) > len(shown) else []
    return Group(summary_line(result), tables_table(shown, width), *more)


def summary_line(result: VerifyResult) -> Text:
    comparison = result.comparison
    counts = {verdict: comparison.count(verdict) for verdict in TableVerdict}
    sign, _, style = TABLE_VERDICTS[comparison.verdict]
    text = f"{sign} {len(comparison.tables)} tables · {counts[TableVerdict.PASS]} equal · "
    text += f"{counts[TableVerdict.FAIL]} differ · {counts[TableVerdict.COULD_NOT_VERIFY]} could not verify"
    return Text(f"{text}  (against the {comparison.reference})", style=style)


def tables_table(rows: Sequence[TableComparison], width: int) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), expand=False, header_style=DIM, show_edge=False)
    table.add_column("table", no_wrap=True)
    for name in ("backup held", "restored"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("fidelity", no_wrap=True)
    for name in ("before", "lost"):
        table.add_column(name, justify="right", no_wrap=True)
    wide = width >= 100
    if wide:
        table.add_column("why", no_wrap=True)
    for row in rows:
        sign, word, style = TABLE_VERDICTS[row.verdict]
        cells: list[RenderableType] = [
            said(cut_middle(row.table, 30 if wide else 22)),
            said(count(row.expected)),
            said(count(row.restored)),
            Text(f"{sign} {word}" if row.verdict is not TableVerdict.PASS else f"{sign} {plain(row.reason, 14)}", style=style),
            said(count(row.before)),
            said(count(row.lost), WARN if row.lost else PLAIN),
        ]
        if wide:
            reason = row.reason if row.verdict is not TableVerdict.PASS else ""
            cells.append(said(cut(reason, max(10, width - 88)), DIM))
        table.add_row(*cells)
    return table
