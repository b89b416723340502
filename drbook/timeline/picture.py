"""An incident as pictures: the whole of it, and each phase by itself. Pure: a timeline in, shapes out.

How a step ended is told by a pattern, a sign and a word, and by colour only beside them. No two labels
overlap; what has no room for its label is drawn all the same, counted, and has its words as a title.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from drbook.core.values import counted, plain, show_duration, show_time
from drbook.timeline import words
from drbook.timeline.axis import Scale, scale, since, ticks
from drbook.timeline.gauge import gauges
from drbook.timeline.layout import Box, Rows, fit, path, rectangle, wide
from drbook.timeline.looks import LEGEND, bar, glyph, sample, waiting
from drbook.timeline.model import Attempt, Timeline
from drbook.timeline.scene import Gap, Mark, Moment, Scene, Work, scene
from drbook.timeline.shapes import SIZE, Label, Picture, Shape, View, size

WIDTH, EDGE, RIGHT = 1080.0, 104.0, 1070.0
"""Of the picture, of its names at the left, and of where the time axis ends."""
LEAST = 3.0
"""Width of a step that took no time, so that it can be seen."""
LINE, BAR, ROW = 16.0, 10.0, 30.0
"""Heights: of a line of text, of a bar, and of a row of one under the other."""
NAME = 190.0
"""Room that a step's title has at least."""
CUT = 400
"""Characters of a text that are looked at for a label; its title has all of them."""
STEPS = 40
"""Steps in one picture of a phase, so that it fits a printed page."""


@dataclass(slots=True)
class _Sheet:
    """One picture while it is drawn, from top to bottom."""

    scale: Scale
    rows: int
    """How many rows a lane may have."""
    room: float
    """How wide a step's label may be."""
    y: float = 0.0
    shapes: list[Shape] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    down: list[tuple[float, float, str, str]] = field(default_factory=list)
    """Lines from a place to where the lanes end: x, y, kind and title."""

    def write(self, x: float, y: float, text: str, room: float, kind: str = "") -> None:
        """A line of text whose box begins at `x` and `y`, cut where it does not fit into `room`."""
        shown = fit(plain(text, CUT), size(kind), room)
        if shown:
            title = text if shown != text else ""
            self.labels.append(Label(Box(x, y, wide(shown, size(kind)), LINE), shown, kind, title))

    def draw(self, data: str, kind: str, title: str = "") -> None:
        self.shapes.append(Shape(data, kind, title))


def views(timeline: Timeline) -> tuple[View, ...]:
    """The whole incident first, then a view of each phase that has a step, of one or more pictures."""
    found = scene(timeline)
    whole = View("Whole incident", (_whole(timeline, found),))
    return (whole, *(_phase(timeline, found, name, works) for name, works in found.lanes))


def _whole(timeline: Timeline, found: Scene) -> Picture:
    earlier = [one.at for one in found.moments]
    earlier += [one.at for one in found.external]
    on = scale(found.begin, found.end, earlier, EDGE, RIGHT)
    sheet = _Sheet(on, rows=8, room=400)
    _banner(sheet, timeline, "")
    for shapes, labels, height in gauges(timeline, sheet.y):
        sheet.shapes += shapes
        sheet.labels += labels
        sheet.y += height
    if found.missing:
        text = f"Not in this picture: {'; '.join(found.missing)}."
        sheet.write(12, sheet.y, text, RIGHT - 12, "soft")
        sheet.y += LINE + 4
    top = _flags(sheet, found.moments, found)
    _axis(sheet, found)
    for name, works in found.lanes:
        _lane(sheet, name, works)
    _marks(sheet, "People", "person", found.people)
    _marks(sheet, "External", "external", found.external, "others' word")
    title = f"Timeline of {timeline.incident}: {words.MODES[timeline.mode]}"
    return _finished(sheet, found.gaps, top, title, _told(timeline, found))


def _phase(timeline: Timeline, found: Scene, name: str, works: Sequence[Work]) -> View:
    parts = [works[at : at + STEPS] for at in range(0, len(works), STEPS)]
    made = []
    for number, part in enumerate(parts, 1):
        begin, end = min(one.begin for one in part), max(one.end for one in part)
        sheet = _Sheet(scale(begin, end, (), EDGE, RIGHT), rows=STEPS, room=560)
        of = f", part {number} of {len(parts)}" if len(parts) > 1 else ""
        _banner(sheet, timeline, f"Phase: {name}{of}")
        on = sheet.scale
        inside = [one for one in found.moments if on.begin <= one.at <= on.end]
        top = _flags(sheet, inside, found)
        _axis(sheet, found)
        _lane(sheet, name, part)
        steps = {work.attempt.step for work in part}
        here = [one for one in found.people if one.step in steps and on.begin <= one.at <= on.end]
        _marks(sheet, "People", "person", here)
        others = [one for one in found.external if on.begin <= one.at <= on.end]
        _marks(sheet, "External", "external", others, "others' word")
        gaps = [one for one in found.gaps if one.begin <= on.end and on.begin <= one.end]
        title = f"Phase {name}{of} of {timeline.incident}: {words.MODES[timeline.mode]}"
        made.append(_finished(sheet, gaps, top, title, _told_phase(name, part)))
    return View(name, tuple(made))


# --- what stands above the lanes -----------------------------------------------------------------


def _banner(sheet: _Sheet, timeline: Timeline, name: str) -> None:
    """The mode, which nobody can take for another one, and what it is a picture of."""
    box = Box(0, 0, WIDTH, 28)
    sheet.draw(rectangle(box), f"banner {timeline.mode}")
    sheet.write(12, 6, words.MODES[timeline.mode], WIDTH - 24, "banner")
    text = f"{name} · {timeline.title}" if name else timeline.title
    sheet.write(12, 36, text, WIDTH - 24, "headline")
    said = f"{timeline.incident} · {words.headline(timeline)}"
    sheet.write(12, 54, said, WIDTH - 24, "soft")
    sheet.y = 78


def _flags(sheet: _Sheet, moments: Sequence[Moment], found: Scene) -> float:
    """Moments with both clocks, each at the top of its line; returns where the lines begin."""
    on, rows, top = sheet.scale, Rows(most=len(moments)), sheet.y
    for one in sorted(moments, key=lambda moment: (moment.at, moment.text)):
        x, elapsed = on.x(one.at), since(one.at, found.declared)
        day = "" if one.at.date() == found.begin.date() else f"{one.at.day} {one.at:%b} "
        behind = " →" if one.at > on.end else ""
        shown = fit(f"{one.text} {day}{one.at:%H:%M:%S} · {elapsed}{behind}", SIZE, 640)
        width = wide(shown, SIZE)
        ends = x + 4 + width > RIGHT
        left = x - 4 - width if ends else x + 4
        row = rows.place(left, left + width) or 0
        title = f"{one.text}: {show_time(one.at)}, {elapsed}"
        box = Box(left, top + row * LINE, width, LINE)
        sheet.labels.append(Label(box, shown, one.kind, title, ends))
        sheet.down.append((x, box.y + 2, f"flag {one.kind}", title))
    sheet.y += len(rows.taken) * LINE + 6
    return top


def _axis(sheet: _Sheet, found: Scene) -> None:
    """Both clocks on two lines, and a thin line down from each tick."""
    on, y = sheet.scale, sheet.y
    sheet.write(12, y, "UTC", EDGE - 16, "lane")
    sheet.write(12, y + LINE, "T+", EDGE - 16, "lane")
    free = on.edge
    if on.left > on.edge:
        sheet.write(on.edge, y, "before it", on.left - on.edge - 12, "soft")
        sheet.write(on.edge, y + LINE, "not to scale", on.left - on.edge - 12, "soft")
        free = on.left - 4
        x = on.left - 7
        zigzag = [(x + (3 if number % 2 else -3), y + number * 8) for number in range(5)]
        sheet.draw(
            path(zigzag), "break", "The axis is broken here: what is left of it is not to scale."
        )
        sheet.down.append((x, y + 32, "break", ""))
    for x, utc, elapsed in ticks(on, found.declared):
        sheet.down.append((x, y + 2 * LINE, "tick", ""))
        width = max(wide(utc, SIZE), wide(elapsed, SIZE))
        left = min(max(x - width / 2, free), RIGHT - width)
        if left < free:
            continue
        sheet.write(left, y, utc, width, "tick")
        sheet.write(left, y + LINE, elapsed, width, "tick")
        free = left + width + 6
    sheet.y += 2 * LINE + 6


# --- lanes ---------------------------------------------------------------------------------------


def _lane(sheet: _Sheet, name: str, works: Sequence[Work]) -> None:
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


def _named(sheet: _Sheet, name: str, top: float, bare: int, word: str = "") -> None:
    sheet.write(12, top + 4, name, EDGE - 16, "lane")
    said = f"+ {bare} more" if bare else word
    if said:
        sheet.write(12, top + 4 + LINE, said, EDGE - 16, "soft")


def _bars(sheet: _Sheet, work: Work, y: float) -> None:
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


def _marks(sheet: _Sheet, name: str, kind: str, marks: Sequence[Mark], word: str = "") -> None:
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


# --- words ---------------------------------------------------------------------------------------


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


def _told(timeline: Timeline, found: Scene) -> str:
    moments = "; ".join(
        f"{one.text} {show_time(one.at)}" for one in sorted(found.moments, key=lambda one: one.at)
    )
    steps = sum(len(works) for _, works in found.lanes)
    return (
        f"{counted(steps, 'attempt')} in {counted(len(found.lanes), 'phase')}. {moments}. "
        f"RPO {words.met(timeline.rpo)}; RTO {words.met(timeline.rto)}. "
        "The tables below hold all of it as text."
    )


def _told_phase(name: str, works: Sequence[Work]) -> str:
    ends = "; ".join(f"{one.attempt.title}: {words.signed(one.attempt.state)}" for one in works)
    return f"{counted(len(works), 'attempt')} of the phase {name}: {ends}"


# --- the end -------------------------------------------------------------------------------------


def _gap_shapes(sheet: _Sheet, gaps: Sequence[Gap], top: float) -> Iterator[Shape]:
    """A gap lies over the lanes: whatever is drawn through it was not seen."""
    on = sheet.scale
    for gap in gaps:
        left, right = on.x(max(gap.begin, on.begin)), on.x(min(gap.end, on.end))
        box = Box(left, top, max(right - left, LEAST), sheet.y - top)
        yield Shape(rectangle(box), "gap", gap.text)


def _gap_lane(sheet: _Sheet, gaps: Sequence[Gap]) -> None:
    marks = [Mark(max(gap.begin, sheet.scale.begin), gap.text) for gap in gaps]
    _marks(sheet, "Gaps", "gapped", marks)


def _legend(sheet: _Sheet) -> None:
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


def _finished(sheet: _Sheet, gaps: Sequence[Gap], top: float, title: str, told: str) -> Picture:
    """The gaps, the legend, and lines that go down to where the lanes end."""
    _gap_lane(sheet, gaps)
    lines = [Shape(path([(x, y), (x, sheet.y)]), kind, said) for x, y, kind, said in sheet.down]
    sheet.shapes = [*lines, *sheet.shapes, *_gap_shapes(sheet, gaps, top)]
    _legend(sheet)
    return Picture(title, told, WIDTH, round(sheet.y, 1), tuple(sheet.shapes), tuple(sheet.labels))
