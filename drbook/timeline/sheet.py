"""A picture while it is drawn, and the measures that all of them share."""

from dataclasses import dataclass, field

from drbook.core.values import plain
from drbook.timeline.axis import Scale
from drbook.timeline.layout import Box, fit, wide
from drbook.timeline.shapes import Label, Shape, size

WIDTH, EDGE, RIGHT = 1080.0, 104.0, 1070.0
"""Of the picture, of its names at the left, and of where the time axis ends."""
LEAST = 3.0
"""Width of a step that took no time, so that it can be seen."""
LINE, BAR, ROW = 16.0, 10.0, 30.0
"""Heights: of a line of text, of a bar, and of a row of one under the other."""
CUT = 400
"""Characters of a text that are looked at for a label; its title has all of them."""


@dataclass(slots=True)
class Sheet:
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
