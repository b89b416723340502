"""Recovery points drawn on a time axis, one row per source, with the moment of the loss at the end."""

from datetime import datetime, timedelta

from rich.text import Text

from drbook.core.located import Located
from drbook.core.points import Verdict
from drbook.tui.colours import DIM, FAINT, GOOD, PLAIN, URGENT, WARN
from drbook.tui.copies import VERDICTS, not_seen, why_not_seen
from drbook.tui.paint import cut

_LABEL = 13


def axis(located: Located, occurred: datetime | None, width: int) -> Text:
    """Rows of signs; where two points share a column, the better known one is seen."""
    times = [located.comes_to(each.point) for each in located.judgements]
    if not times:
        if not_seen(located):
            return Text("  no recovery point could be seen: not every source answered", style=WARN)
        return Text("  no recovery point was found anywhere", style=URGENT)
    end = max([*times, occurred or located.asked_at])
    begin = min(times)
    if begin == end:
        begin = end - timedelta(hours=1)
    room = max(10, width - _LABEL - 2)
    lines = [_scale(begin, end, room, known=occurred is not None)]
    for source in dict.fromkeys(each.point.source for each in located.judgements):
        lines.append(_row(located, source, begin, end, room))
    if located.baselines:
        lines.append(_captures(located, begin, end, room))
    for facts in located.unreachable:
        verdict = Verdict.DESTROYED if facts.destroyed else Verdict.UNKNOWN
        sign, _, style = VERDICTS[verdict]
        lines.append(
            Text.assemble(
                f" {cut(facts.source, _LABEL - 2):<{_LABEL}}",
                (f"{sign} ", style),
                (cut(why_not_seen(facts), room - 3), DIM),
            )
        )
    return Text("\n").join(lines)


def legend() -> Text:
    parts = [(f" {sign} {word} ", style) for sign, word, style in VERDICTS.values()]
    return Text.assemble(*parts)


def _place(moment: datetime, begin: datetime, end: datetime, room: int) -> int:
    span = (end - begin) or timedelta(seconds=1)
    return min(room - 1, max(0, int((moment - begin) / span * (room - 1))))


_STEPS = tuple(
    timedelta(hours=hours) for hours in (1, 2, 3, 6, 12, 24, 48, 72, 168, 336, 720, 2160, 8760)
)
_APART = 11
"""Cells between two marks of the scale, at least."""


def _scale(begin: datetime, end: datetime, room: int, *, known: bool) -> Text:
    """How long before its end, in even steps: `-3 d`, `-12 h`."""
    span = (end - begin) or timedelta(seconds=1)
    right = "loss ▼" if known else "now ▼"
    step = next((one for one in _STEPS if span / one <= room / _APART), _STEPS[-1])
    cells = [" "] * room
    marks = min(int(span / step), room // _APART + 1)
    for number in range(1, marks + 1):
        hours = int(step.total_seconds() // 3600) * number
        text = f"-{hours // 24} d" if hours % 24 == 0 else f"-{hours} h"
        at = _place(end - step * number, begin, end, room)
        if at + len(text) < room - len(right):
            cells[at : at + len(text)] = text
    return Text(" " * (_LABEL + 1) + "".join(cells[: room - len(right)]) + right, style=DIM)


def _captures(located: Located, begin: datetime, end: datetime, room: int) -> Text:
    """When production was captured; the newest before the end is what losses are held against."""
    cells = [" "] * room
    for at in located.baselines:
        if begin <= at <= end:
            cells[_place(at, begin, end, room)] = "▲"
    return Text(f" {'baselines':<{_LABEL}}" + "".join(cells), style=DIM)


def _row(located: Located, source: str, begin: datetime, end: datetime, room: int) -> Text:
    order = list(VERDICTS)
    cells: dict[int, Verdict] = {}
    chosen = -1
    for each in located.judgements:
        if each.point.source != source:
            continue
        place = _place(located.comes_to(each.point), begin, end, room)
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
    if chosen == room - 1:  # taken at the very end
        line.append("◀", style=GOOD)
    return line
