"""An incident as pictures: the whole of it, and each phase by itself. Pure: a timeline in, shapes out.

How a step ended is told by a pattern, a sign and a word, and by colour only beside them. No two labels
overlap; what has no room for its label is drawn all the same, counted, and has its words as a title.
"""

from collections.abc import Sequence

from drbook.core.values import counted, show_time
from drbook.timeline import words
from drbook.timeline.axis import scale, since, ticks
from drbook.timeline.gauge import gauges
from drbook.timeline.lanes import gap_lane, gap_shapes, lane, legend, marks_lane
from drbook.timeline.layout import Box, Rows, fit, path, rectangle, wide
from drbook.timeline.model import Timeline
from drbook.timeline.scene import Gap, Moment, Scene, Work, scene
from drbook.timeline.shapes import SIZE, Label, Picture, Shape, View
from drbook.timeline.sheet import EDGE, LINE, RIGHT, WIDTH, Sheet

STEPS = 40
"""Steps in one picture of a phase, so that it fits a printed page."""


def views(timeline: Timeline) -> tuple[View, ...]:
    """The whole incident first, then a view of each phase that has a step, of one or more pictures."""
    found = scene(timeline)
    whole = View("Whole incident", (_whole(timeline, found),))
    return (whole, *(_phase(timeline, found, name, works) for name, works in found.lanes))


def _whole(timeline: Timeline, found: Scene) -> Picture:
    earlier = [one.at for one in found.moments]
    earlier += [one.at for one in found.external]
    on = scale(found.begin, found.end, earlier, EDGE, RIGHT)
    sheet = Sheet(on, rows=8, room=400)
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
        lane(sheet, name, works)
    marks_lane(sheet, "People", "person", found.people)
    marks_lane(sheet, "External", "external", found.external, "others' word")
    title = f"Timeline of {timeline.incident}: {words.MODES[timeline.mode]}"
    return _finished(sheet, found.gaps, top, title, _told(timeline, found))


def _phase(timeline: Timeline, found: Scene, name: str, works: Sequence[Work]) -> View:
    parts = [works[at : at + STEPS] for at in range(0, len(works), STEPS)]
    made = []
    for number, part in enumerate(parts, 1):
        begin, end = min(one.begin for one in part), max(one.end for one in part)
        sheet = Sheet(scale(begin, end, (), EDGE, RIGHT), rows=STEPS, room=560)
        of = f", part {number} of {len(parts)}" if len(parts) > 1 else ""
        _banner(sheet, timeline, f"Phase: {name}{of}")
        on = sheet.scale
        inside = [one for one in found.moments if on.begin <= one.at <= on.end]
        top = _flags(sheet, inside, found)
        _axis(sheet, found)
        lane(sheet, name, part)
        steps = {work.attempt.step for work in part}
        here = [one for one in found.people if one.step in steps and on.begin <= one.at <= on.end]
        marks_lane(sheet, "People", "person", here)
        others = [one for one in found.external if on.begin <= one.at <= on.end]
        marks_lane(sheet, "External", "external", others, "others' word")
        gaps = [one for one in found.gaps if one.begin <= on.end and on.begin <= one.end]
        title = f"Phase {name}{of} of {timeline.incident}: {words.MODES[timeline.mode]}"
        made.append(_finished(sheet, gaps, top, title, _told_phase(name, part)))
    return View(name, tuple(made))


# --- what stands above the lanes -----------------------------------------------------------------


def _banner(sheet: Sheet, timeline: Timeline, name: str) -> None:
    """The mode, which nobody can take for another one, and what it is a picture of."""
    box = Box(0, 0, WIDTH, 28)
    sheet.draw(rectangle(box), f"banner {timeline.mode}")
    sheet.write(12, 6, words.MODES[timeline.mode], WIDTH - 24, "banner")
    text = f"{name} · {timeline.title}" if name else timeline.title
    sheet.write(12, 36, text, WIDTH - 24, "headline")
    said = f"{timeline.incident} · {words.headline(timeline)}"
    sheet.write(12, 54, said, WIDTH - 24, "soft")
    sheet.y = 78


def _flags(sheet: Sheet, moments: Sequence[Moment], found: Scene) -> float:
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


def _axis(sheet: Sheet, found: Scene) -> None:
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


# --- words ---------------------------------------------------------------------------------------


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


def _finished(sheet: Sheet, gaps: Sequence[Gap], top: float, title: str, told: str) -> Picture:
    """The gaps, the legend, and lines that go down to where the lanes end."""
    gap_lane(sheet, gaps)
    lines = [Shape(path([(x, y), (x, sheet.y)]), kind, said) for x, y, kind, said in sheet.down]
    sheet.shapes = [*lines, *sheet.shapes, *gap_shapes(sheet, gaps, top)]
    legend(sheet)
    return Picture(title, told, WIDTH, round(sheet.y, 1), tuple(sheet.shapes), tuple(sheet.labels))
