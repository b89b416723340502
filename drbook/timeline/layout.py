"""Boxes that do not overlap: how wide a text is at most, and which row it fits into."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

_NARROW, _BROAD = frozenset("ijl.,:;|!'()[]/ tfrI"), frozenset("mwMWOQ@%")


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle, in the units of the picture (pixels where it is not scaled)."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    def meets(self, other: "Box") -> bool:
        """Whether the two have more in common than an edge."""
        return (
            self.x < other.right
            and other.x < self.right
            and self.y < other.bottom
            and other.y < self.bottom
        )


def wide(text: str, size: float) -> float:
    """What a text takes at most in a sans-serif font of that size: none of the usual ones is broader."""
    return round(sum(_em(character) for character in text) * size, 1)


def _em(character: str) -> float:
    if character in _NARROW:
        return 0.42
    if character in _BROAD or not character.isascii():
        return _foreign(character)
    return 0.65 if character.islower() or character.isdigit() else 0.8


def _foreign(character: str) -> float:
    if unicodedata.category(character)[0] == "M":
        return 0.1
    return 1.1 if unicodedata.east_asian_width(character) in "WF" else 1.0


def fit(text: str, size: float, room: float) -> str:
    """The text, cut with an ellipsis where it does not fit; empty where not even that does."""
    if wide(text, size) <= room:
        return text
    taken = wide("…", size)
    for index, character in enumerate(text):
        taken += _em(character) * size
        if taken > room:
            return text[:index].rstrip() + "…" if index else ""
    return text


@dataclass(slots=True)
class Rows:
    """Rows that stretches are put into, each into the first one that has room for it."""

    most: int
    space: float = 6.0
    taken: list[list[tuple[float, float]]] = field(default_factory=list)

    def place(self, begin: float, end: float) -> int | None:
        """The number of its row; None where all of them are full there."""
        for number, row in enumerate(self.taken):
            if all(end + self.space <= one or other + self.space <= begin for one, other in row):
                row.append((begin, end))
                return number
        if len(self.taken) >= self.most:
            return None
        self.taken.append([(begin, end)])
        return len(self.taken) - 1


def rectangle(box: Box) -> str:
    """Its outline as the data of an SVG path."""
    x, y, w, h = (_short(one) for one in (box.x, box.y, box.width, box.height))
    return f"M{x} {y}h{w}v{h}h-{w}z"


def path(points: Sequence[tuple[float, float]]) -> str:
    """A line through these points."""
    return "M" + "L".join(f"{_short(x)} {_short(y)}" for x, y in points)


def hatched(box: Box, *, rising: bool, every: float = 6.0) -> str:
    """Slanting lines that end at the box's edges: a pattern that needs no reference to another element."""
    found, at = [], every / 2
    while at < box.width + box.height:
        ends = (max(0.0, at - box.height), min(at, box.width))
        ups = [at - across for across in ends]
        found.append(
            path(
                [
                    (box.x + across, box.y + up if rising else box.bottom - up)
                    for across, up in zip(ends, ups, strict=True)
                ]
            )
        )
        at += every
    return "".join(found)


def striped(box: Box, *, upright: bool, every: float = 4.0) -> str:
    """Straight lines across a box, or up and down in it."""
    length = box.width if upright else box.height
    places = _every(length, every)
    if upright:
        return "".join(path([(box.x + at, box.y), (box.x + at, box.bottom)]) for at in places)
    return "".join(path([(box.x, box.y + at), (box.right, box.y + at)]) for at in places)


def _every(length: float, step: float) -> Iterable[float]:
    return (number * step + step / 2 for number in range(int(length / step + 0.5)))


def _short(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
