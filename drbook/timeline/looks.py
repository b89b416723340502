"""How a bar tells what came of a step without colour, and the signs of people and of other systems."""

from collections.abc import Iterator

from drbook.timeline.layout import Box, hatched, path, rectangle, striped
from drbook.timeline.shapes import Shape

_PATTERNS = {
    "succeeded": "solid",
    "failed": "crossed",
    "failed by hand": "crossed",
    "refused": "crossed",
    "in-doubt": "upright",
    "could-not-verify": "level",
    "cancelled": "struck",
    "not-exercised": "dashed",
    "succeeded by hand": "dotted",
}
"""By the state of the attempt; one that has not ended is a frame that is open to the right."""
LEGEND = (
    "✓ succeeded", "✗ failed or ⊘ refused", "‼ in doubt", "? could not verify", "✗ cancelled",
    "~ not exercised", "✎ by hand", "not ended", "waiting for people", "person",
    "external: others' word", "no record",
)  # fmt: skip
_SAMPLES = dict(
    zip(
        LEGEND,
        ("succeeded", "failed", "in-doubt", "could-not-verify", "cancelled", "not-exercised",
         "succeeded by hand", "", "waits", "person", "external", "gap"),
        strict=True,
    )
)  # fmt: skip


def bar(box: Box, state: str, title: str, *, open_end: bool) -> Iterator[Shape]:
    """A step at work."""
    pattern = _PATTERNS.get(state, "frame")
    if open_end or pattern == "frame":
        edge = [(box.right, box.y), (box.x, box.y), (box.x, box.bottom), (box.right, box.bottom)]
        yield Shape(rectangle(box), "under", title)
        yield Shape(path(edge), f"bar {pattern} open", title)
    else:
        yield Shape(rectangle(box), f"bar {pattern}", title)
    if inside := _inside(box, pattern):
        yield Shape(inside, f"lines {pattern}", title)


def _inside(box: Box, pattern: str) -> str:
    if pattern == "crossed":
        return hatched(box, rising=True) + hatched(box, rising=False)
    if pattern == "upright":
        return striped(box, upright=True)
    if pattern == "level":
        return striped(box, upright=False, every=3.4)
    if pattern == "struck":
        middle = box.y + box.height / 2
        return path([(box.x, middle), (box.right, middle)])
    return ""


def waiting(box: Box, title: str) -> Iterator[Shape]:
    """A step that waits for people, hatched."""
    yield Shape(rectangle(box), "waits", title)
    yield Shape(hatched(box, rising=True), "lines waits", title)


def glyph(x: float, y: float, kind: str, title: str, *, urgent: bool = False) -> Shape:
    """A head with shoulders for a person, an empty lozenge for other systems; `x` is its middle."""
    if kind == "person":
        data = (
            f"M{x - 2.5:.1f} {y + 3:.1f}a2.5 2.5 0 1 1 5 0a2.5 2.5 0 1 1 -5 0z"
            f"M{x - 5:.1f} {y + 12:.1f}a5 5.5 0 0 1 10 0z"
        )
    else:
        data = f"M{x:.1f} {y:.1f}l5.5 6l-5.5 6l-5.5 -6z"
    return Shape(data, f"{kind} urgent" if urgent else kind, title)


def sample(x: float, y: float, word: str) -> Iterator[Shape]:
    """What a word of the legend looks like."""
    kind, box = _SAMPLES[word], Box(x, y, 20, 10)
    if kind == "waits":
        yield from waiting(box, "")
    elif kind in ("person", "external"):
        yield glyph(x + 14, y - 1, kind, "")
    elif kind == "gap":
        yield Shape(rectangle(box), "gap")
    else:
        yield from bar(box, kind, "", open_end=not kind)
