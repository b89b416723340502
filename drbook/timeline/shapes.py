"""What a picture is made of: outlines with a kind, and lines of text in boxes. No colours, no markup."""

from dataclasses import dataclass

from drbook.timeline.layout import Box

SIZE, BOLD = 12.0, 13.5
"""Of the text, and what bold text takes as much room as, in pixels where the picture is not scaled."""
_BOLD = frozenset({"banner", "lane", "headline", "bad", "urgent"})


def size(kind: str) -> float:
    """What a text of this kind is measured by."""
    return BOLD if kind in _BOLD else SIZE


@dataclass(frozen=True, slots=True)
class Shape:
    """One outline."""

    data: str
    """As in the attribute `d` of an SVG path."""
    kind: str
    title: str = ""
    """What is said where somebody points at it."""


@dataclass(frozen=True, slots=True)
class Label:
    """One line of text; its box is at least as wide as the text."""

    box: Box
    text: str
    kind: str
    title: str = ""
    ends: bool = False
    """The text ends at the right edge of its box, instead of beginning at the left one."""

    @property
    def baseline(self) -> float:
        return round(self.box.y + self.box.height - 4, 1)

    @property
    def x(self) -> float:
        return round(self.box.right if self.ends else self.box.x, 1)


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture, with what it shows in words."""

    title: str
    told: str
    width: float
    height: float
    shapes: tuple[Shape, ...]
    labels: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class View:
    """What is seen at one zoom."""

    name: str
    pictures: tuple[Picture, ...]
