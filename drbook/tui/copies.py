"""Recovery points as rows: where each lies, what is thought of it, and which one was chosen (◀)."""

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from drbook.core.located import Located
from drbook.core.points import Judgement, SourceFacts, Verdict
from drbook.core.values import plain, show_duration
from drbook.tui.colours import DIM, GOOD, PLAIN, SELECTED, STRONG, URGENT, WARN
from drbook.tui.paint import Column, cut, said, table_of

VERDICTS = {
    Verdict.INDEPENDENT: ("■", "independent", GOOD),
    Verdict.SHARED: ("○", "shared", WARN),
    Verdict.DESTROYED: ("×", "destroyed", DIM),
    Verdict.DAMAGED: ("!", "damaged", WARN),
    Verdict.UNKNOWN: ("?", "unknown", WARN),
    Verdict.RECOVERABLE: ("~", "recoverable", WARN),
}


def not_seen(located: Located) -> list[SourceFacts]:
    """Sources that nobody could look into. What lay in what was destroyed is none of them: it is gone."""
    return [source for source in located.unreachable if not source.destroyed]


def why_not_seen(source: SourceFacts) -> str:
    return "lay in what was destroyed" if source.destroyed else source.why_unreachable


def could_not_look(located: Located) -> list[Text]:
    """Every source that did not answer, each with why, whole."""
    lines = []
    for source in located.unreachable:
        sign, _, style = VERDICTS[Verdict.DESTROYED if source.destroyed else Verdict.UNKNOWN]
        lines.append(
            Text.assemble(
                (f" {sign} ", style), said(source.source, STRONG),
                ("  could not be looked into: " if not source.destroyed else "  ", style),
                said(why_not_seen(source)),
            )
        )  # fmt: skip
    return lines


def cost_line(located: Located) -> Text:
    """Newest against newest independent, what the difference costs, and what nobody could look into."""
    newest, point, dark = located.newest, located.point, not_seen(located)
    if point is None or newest is None:
        text, style = "✗ no independent copy was found", URGENT
        if dark:
            text = "? no independent copy among those that could be seen"
            text = text if located.judgements else "? no copy could be seen"
    elif newest.key == point.key:
        text, style = "✓ the newest copy that could be seen is independent", GOOD
    elif located.comes_to(newest) == located.comes_to(point):
        text, style = "✓ it comes as far as the newest copy that could be seen", GOOD
        text += ", which is not independent"
    else:
        gap = show_duration(located.comes_to(newest) - located.comes_to(point))
        text, style = f"▲ costs {gap} of data against the newest copy that could be seen", WARN
        text += ", which is not independent"
    line = Text(text, style=style)
    if dark:
        names = ", ".join(plain(source.source, 60) for source in dark)
        know = f"nobody knows what {'it holds' if len(dark) == 1 else 'they hold'}"
        line.append(f"\n? could not look into: {names}; {know}", style=WARN)
    return line


def backups_table(
    located: Located,
    width: int,
    judgements: Sequence[Judgement],
    *,
    selected: Judgement | None = None,
) -> Table:
    """Sources that did not answer first, then the copies given. ◀ marks the chosen one; where a list has a
    cursor, ▸ marks the row under it."""
    cursor: list[Column] = [("", "left")] if selected is not None else []
    table = table_of(
        *cursor,
        ("holds to (UTC)", "left"),
        ("age", "right"),
        ("size", "right"),
        ("source", "left"),
        ("verdict", "left"),
    )
    for source in located.unreachable:
        sign, word, style = VERDICTS[Verdict.DESTROYED if source.destroyed else Verdict.UNKNOWN]
        table.add_row(
            *("" for _ in cursor),
            said("not known", DIM),
            "",
            "",
            said(cut(source.source, 12)),
            Text(f"{sign} {word}", style=style),
            said(cut(why_not_seen(source), width), DIM),
        )
    for each in judgements:
        mark = [Text("▸" if each is selected else " ", style=STRONG) for _ in cursor]
        row = _backup_row(located, each, width)
        table.add_row(*mark, *row, style=SELECTED if each is selected else None)
    return table


def is_chosen(located: Located, each: Judgement) -> bool:
    return located.point is not None and each.point.key == located.point.key


def _backup_row(located: Located, each: Judgement, width: int) -> list[RenderableType]:
    sign, word, style = VERDICTS[each.verdict]
    chosen = is_chosen(located, each)
    why = each.reasons[0] if each.reasons else ""
    mark = "" if not chosen else " ◀ chosen" if width >= 100 else " ◀"
    return [
        said(f"{located.comes_to(each.point):%m-%d %H:%M}", STRONG if chosen else PLAIN),
        said(show_duration(located.asked_at - located.comes_to(each.point))),
        said(each.point.sized),
        said(cut(each.point.source, 12)),
        Text.assemble((f"{sign} {word}", style), (mark, GOOD)),
        said(cut(why, width), DIM),
    ]
