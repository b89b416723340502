"""The two objectives, each as a bar of what was measured beside the line of what was wanted."""

from collections.abc import Iterator

from drbook.timeline import words
from drbook.timeline.layout import Box, fit, hatched, path, rectangle, wide
from drbook.timeline.model import Measured, Timeline
from drbook.timeline.shapes import Label, Shape, size

_LEFT, _WIDTH, _HEIGHT = 210.0, 420.0, 24.0
_TEXT = 660.0


def gauges(timeline: Timeline, y: float) -> Iterator[tuple[list[Shape], list[Label], float]]:
    """Shapes, labels and height of each; what is unknown has no bar, and says so."""
    for name, value in (
        ("RPO: data lost", timeline.rpo),
        ("RTO: declared to verified", timeline.rto),
    ):
        yield _shapes(value, y), _labels(name, value, y), _HEIGHT
        y += _HEIGHT


def _labels(name: str, value: Measured, y: float) -> list[Label]:
    said = words.met(value)
    if value.measured is not None:
        said += f": {words.measured(value)}"
    if value.objective is not None:
        said += f", objective {words.duration(value.objective)}"
    kind = "bad" if value.met is False else "step"
    return [
        Label(Box(x, y, wide(shown, size(style)), 16), shown, style)
        for x, text, style in ((12.0, name, "step"), (_TEXT, said, kind))
        if (shown := fit(text, size(style), (_LEFT if x < _TEXT else 1070) - x - 6))
    ]


def _shapes(value: Measured, y: float) -> list[Shape]:
    known = [one.total_seconds() for one in (value.objective, value.measured) if one is not None]
    most = max(known, default=0.0) * 1.1 or 1.0
    frame = Box(_LEFT, y + 3, _WIDTH, 10)
    kind = "gauge unknown" if value.measured is None else "gauge"
    found = [Shape(rectangle(frame), kind, words.met(value))]
    if value.measured is not None:
        share = value.measured.total_seconds() / most
        box = Box(_LEFT, y + 3, max(share * _WIDTH, 2), 10)
        kind = {True: "solid", False: "crossed", None: "frame"}[value.met]
        found.append(Shape(rectangle(box), f"bar {kind}", words.measured(value)))
        if value.met is False:
            lines = hatched(box, rising=True) + hatched(box, rising=False)
            found.append(Shape(lines, "lines crossed"))
    if value.objective is not None:
        x = _LEFT + value.objective.total_seconds() / most * _WIDTH
        title = f"objective {words.duration(value.objective)}"
        found.append(Shape(path([(x, y - 1), (x, y + 17)]), "objective", title))
    return found
