"""The lanes of a picture: the steps of a phase, what people and other systems did, gaps, and the legend.

What did not go well is placed first; what has no room for its label is drawn all the same, and counted.
"""

from collections.abc import Iterator, Sequence

from drbook.core.values import plain, show_duration, show_time
from drbook.timeline import words
from drbook.timeline.layout import Box, Rows, fit, path, rectangle, wide
from drbook.timeline.looks import LEGEND, bar, glyph, sample, waiting
from drbook.timeline.model import Attempt
from drbook.timeline.scene import Gap, Mark, Work
from drbook.timeline.shapes import SIZE, Label, Shape, size
from drbook.timeline.sheet import BAR, CUT, EDGE, LEAST, LINE, RIGHT, ROW, WIDTH, Sheet

NAME = 190.0
"""Room that a step's title has at least."""


def lane(sheet: Sheet, name: str, works: Sequence[Work]) -> None:
    """The steps of one phase: those that did not go well get their rows first, then the longest."""
    rows, on, top = Rows(most=sheet.rows), sheet.scale, sheet.y
    bare: list[Work] = []
    for work in sorted(works, key=_urgency):
        left, right = on.x(work.begin), max(on.x(work.end), on.x(work.begin) + LEAST)
        shown, kind = _step_label(work.attempt, sheet.room), _kind(work.attempt)
        width = wide(shown, size(kind))
        ends = left + width > RIGHT
        start = max(right - width, EDGE) if ends else left
        row = rows.place(min(left, start), max(right, start + width))
        if row is None:
            bare.append(work)
            continue
        y = top + 3 + row * ROW
        title = _step_title(work)
        box = Box(start, y, width, LINE)
        sheet.labels.append(Label(box, shown, kind, title, ends))
        _bars(sheet, work, y + LINE)
    height = len(rows.taken) * ROW
    for work in reversed(bare):
        _bars(sheet, work, top + 5 + height)
    _named(sheet, name, top, len(bare))
    sheet.y = top + max(height + (LINE if bare else 0) + 8, 2 * LINE)
    sheet.draw(path([(0, top), (WIDTH, top)]), "lane")


def _urgency(work: Work) -> tuple[bool, float, float, str]:
    fine = work.attempt.state in ("succeeded", "not-exercised", "succeeded by hand")
    return fine, -(work.end - work.begin).total_seconds(), work.begin.timestamp(), work.attempt.step


def _named(sheet: Sheet, name: str, top: float, bare: int, word: str = "") -> None:
    sheet.write(12, top + 4, name, EDGE - 16, "lane")
    said = f"+ {bare} more" if bare else word
    if said:
        sheet.write(12, top + 4 + LINE, said, EDGE - 16, "soft")


def _bars(sheet: Sheet, work: Work, y: float) -> None:
    on, title = sheet.scale, _step_title(work)
    if work.waits is not None:
        left, right = (on.x(one) for one in work.waits)
        box = Box(left, y, max(right - left, LEAST), BAR)
        sheet.shapes += waiting(box, title)
    if work.works is not None:
        left, right = (on.x(one) for one in work.works)
        left = min(left, RIGHT - LEAST)
        box = Box(left, y, max(right - left, LEAST), BAR)
        sheet.shapes += bar(box, work.attempt.state, title, open_end=work.open_end)


def marks_lane(sheet: Sheet, name: str, kind: str, marks: Sequence[Mark], word: str = "") -> None:
    """A lane of single moments, each a sign with its words beside it."""
    if not marks:
        return
    rows, on, top, bare = Rows(most=sheet.rows), sheet.scale, sheet.y, list[Mark]()
    for mark in sorted(marks, key=lambda one: (not one.urgent, one.at, one.text)):
        x = min(on.x(mark.at), RIGHT - 12)
        style = "urgent" if mark.urgent else kind
        shown = fit(plain(mark.text, CUT), size(style), sheet.room)
        width = wide(shown, size(style))
        after = x + 9 + width <= RIGHT
        begin = x + 9 if after else x - 9 - width
        row = rows.place(min(begin, x - 6), max(begin + width, x + 6)) if begin >= EDGE else None
        if row is None:
            bare.append(mark)
            continue
        y = top + 3 + row * LINE
        title = f"{show_time(mark.at)}: {mark.text}"
        box = Box(begin, y, width, LINE)
        sheet.labels.append(Label(box, shown, style, title, ends=not after))
        sheet.shapes.append(glyph(x, y + 2, kind, title, urgent=mark.urgent))
    height = len(rows.taken) * LINE
    for mark in bare:
        title = f"{show_time(mark.at)}: {mark.text}"
        x = min(on.x(mark.at), RIGHT - 12)
        sheet.shapes.append(glyph(x, top + 5 + height, kind, title, urgent=mark.urgent))
    _named(sheet, name, top, len(bare), word)
    sheet.y = top + max(height + (LINE if bare else 0) + 8, 2 * LINE + 8)
    sheet.draw(path([(0, top), (WIDTH, top)]), "lane")


def _kind(attempt: Attempt) -> str:
    return "bad" if attempt.state in words.BAD else "step"


def _step_label(attempt: Attempt, room: float) -> str:
    """The title, cut if need be, and how it ended, which never is."""
    sign, _, state = words.signed(attempt.state).partition(" ")
    tail = f" · {state}"
    if attempt.duration is not None:
        tail += f" · {show_duration(attempt.duration)}"
    if attempt.waited is not None:
        tail += f" + {show_duration(attempt.waited)} waiting"
    name = plain(attempt.title, 200) + (f" ({attempt.number})" if attempt.number > 1 else "")
    left = max(room - wide(sign + tail, SIZE) - 6, NAME)
    return f"{sign} {fit(name, SIZE, left)}{tail}"


def _step_title(work: Work) -> str:
    attempt = work.attempt
    said = f"{attempt.title}, attempt {attempt.number}: {words.signed(attempt.state)}"
    if work.works is not None:
        said += f"; worked from {show_time(work.works[0])}, {words.duration(attempt.duration)}"
    if work.waits is not None:
        said += f"; waited {show_duration(work.waits[1] - work.waits[0])} for people"
    if work.open_end:
        said += "; nobody recorded its end"
    return said


def gap_shapes(sheet: Sheet, gaps: Sequence[Gap], top: float) -> Iterator[Shape]:
    """A gap lies over the lanes: whatever is drawn through it was not seen."""
    on = sheet.scale
    for gap in gaps:
        left, right = on.x(max(gap.begin, on.begin)), on.x(min(gap.end, on.end))
        box = Box(left, top, max(right - left, LEAST), sheet.y - top)
        yield Shape(rectangle(box), "gap", gap.text)


def gap_lane(sheet: Sheet, gaps: Sequence[Gap]) -> None:
    """Where each gap begins, and what came behind it, in words."""
    marks = [Mark(max(gap.begin, sheet.scale.begin), gap.text) for gap in gaps]
    marks_lane(sheet, "Gaps", "gapped", marks)


def legend(sheet: Sheet) -> None:
    """What each pattern and sign means."""
    x, y = 12.0, sheet.y + 6
    sheet.draw(path([(0, sheet.y), (WIDTH, sheet.y)]), "lane")
    for word in LEGEND:
        width = wide(word, SIZE)
        if x + 26 + width > RIGHT:
            x, y = 12.0, y + LINE + 2
        sheet.shapes += sample(x, y + 3, word)
        sheet.labels.append(Label(Box(x + 26, y, width, LINE), word, "soft"))
        x += 26 + width + 16
    sheet.y = y + LINE + 6
