"""Recovery points drawn on a time axis, one row per source, with the moment of the loss at the end."""

from datetime import datetime, timedelta

from rich.text import Text

from drbook.core.points import Located, Verdict
from drbook.core.values import show_duration
from drbook.tui.evidence import VERDICTS
from drbook.tui.paint import DIM, FAINT, GOOD, PLAIN, URGENT, cut

_LABEL = 13


def axis(located: Located, occurred: datetime | None, width: int) -> Text:
    """Rows of signs; where two points share a column, the better known one is seen."""
    times = [each.point.taken_at for each in located.judgements]
    if not times:
        return Text("  no recovery point was found anywhere", style=URGENT)
    end = max([*times, occurred or located.asked_at])
    begin = min(times)
    room = max(10, width - _LABEL - 2)
    lines = [_scale(begin, end, room, known=occurred is not None)]
    for source in dict.fromkeys(each.point.source for each in located.judgements):
        lines.append(_row(located, source, begin, end, room))
    for facts in located.unreachable:
        verdict = Verdict.DESTROYED if facts.destroyed else Verdict.UNKNOWN
        sign, _, style = VERDICTS[verdict]
        why = "lay in what was destroyed" if facts.destroyed else facts.why_unreachable
        lines.append(
            Text.assemble(
                f" {cut(facts.source, _LABEL - 2):<{_LABEL}}",
                (f"{sign} ", style),
                (cut(why, room - 3), DIM),
            )
        )
    return Text("\n").join(lines)


def legend() -> Text:
    parts = [(f" {sign} {word} ", style) for sign, word, style in VERDICTS.values()]
    return Text.assemble(*parts)


def _place(moment: datetime, begin: datetime, end: datetime, room: int) -> int:
    span = (end - begin) or timedelta(seconds=1)
    return min(room - 1, max(0, int((moment - begin) / span * (room - 1))))


def _scale(begin: datetime, end: datetime, room: int, *, known: bool) -> Text:
    left = f"-{show_duration(end - begin)}"
    right = "loss ▼" if known else "now ▼"
    gap = max(1, room - len(left) - len(right) + 1)
    return Text(" " * (_LABEL + 1) + left + " " * gap + right, style=DIM)


def _row(located: Located, source: str, begin: datetime, end: datetime, room: int) -> Text:
    order = list(VERDICTS)
    cells: dict[int, Verdict] = {}
    chosen = -1
    for each in located.judgements:
        if each.point.source != source:
            continue
        place = _place(each.point.taken_at, begin, end, room)
        cells[place] = min(cells.get(place, each.verdict), each.verdict, key=order.index)
        if located.point is not None and each.point.key == located.point.key:
            chosen = place
            cells[place] = each.verdict
    line = Text(f" {cut(source, _LABEL - 2):<{_LABEL}}", style=PLAIN)
    for place in range(room):
        if place in cells:
            sign, _, style = VERDICTS[cells[place]]
            line.append(sign, style=f"{style} reverse" if place == chosen else style)
        elif place == chosen + 1 and chosen >= 0:
            line.append("◀", style=GOOD)
        else:
            line.append("·", style=FAINT)
    return line
