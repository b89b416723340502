"""Dark, light and high contrast: the css takes a theme's colours as variables, and what is painted in
the dark theme's colours (see `paint`) gets the others' as the lines leave for the terminal."""

from dataclasses import dataclass
from functools import lru_cache

from rich.color import Color
from rich.color_triplet import ColorTriplet
from rich.segment import Segment
from rich.style import Style
from textual.color import Color as CssColor
from textual.filter import LineFilter
from textual.theme import Theme


@dataclass(frozen=True, slots=True)
class Palette:
    """Every colour of a theme by what it is for."""

    ground: str
    bar: str
    strip: str
    line: str
    alarm: str
    """The ground under something that went wrong."""
    selected: str
    plain: str
    strong: str
    dim: str
    faint: str
    busy: str
    good: str
    warn: str
    urgent: str


DARK = Palette(
    ground="#11161d", bar="#1b222c", strip="#161c25", line="#2c3644", alarm="#2a1a1d",
    selected="#26415c", plain="#d7dce2", strong="#ffffff", dim="#8b95a5", faint="#3b4654",
    busy="#5cc8ff", good="#8bd649", warn="#ffb454", urgent="#ff6b6b",
)  # fmt: skip
"""The colours that `paint` names."""
LIGHT = Palette(
    ground="#f7f8fa", bar="#e6e9ee", strip="#eef0f4", line="#b9c2cd", alarm="#fbe3e3",
    selected="#c9def5", plain="#1f2630", strong="#05080c", dim="#56606c", faint="#b6bec9",
    busy="#0a56a5", good="#2a660e", warn="#804500", urgent="#b3161e",
)  # fmt: skip
CONTRAST = Palette(
    ground="#000000", bar="#000000", strip="#000000", line="#f2f2f2", alarm="#000000",
    selected="#003a8c", plain="#fefefe", strong="#ffffff", dim="#dadada", faint="#8c8c8c",
    busy="#7fdcff", good="#7dff4d", warn="#ffe14d", urgent="#ff8f8f",
)  # fmt: skip
PALETTES = {"dark": DARK, "light": LIGHT, "high-contrast": CONTRAST}

_PAINTED = ("plain", "strong", "dim", "faint", "busy", "good", "warn", "urgent")
"""Those that letters have; of grounds, only the selected line's is painted."""


def css_variables(name: str) -> dict[str, str]:
    """The theme's colours under the names that the css uses."""
    palette = PALETTES[name]
    return {field: getattr(palette, field) for field in Palette.__slots__}


def theme(name: str) -> Theme:
    """As Textual's own widgets want it: inputs, lists, the palette, scroll bars."""
    palette = PALETTES[name]
    return Theme(
        name=name,
        primary=palette.busy,
        secondary=palette.dim,
        accent=palette.busy,
        warning=palette.warn,
        error=palette.urgent,
        success=palette.good,
        foreground=palette.plain,
        background=palette.ground,
        surface=palette.bar,
        panel=palette.strip,
        dark=name != "light",
        variables=css_variables(name)
        | {
            "block-cursor-background": palette.selected,
            "block-cursor-foreground": palette.strong,
            "block-cursor-text-style": "bold",
            "input-cursor-background": palette.strong,
            "input-cursor-foreground": palette.ground,
            "scrollbar": palette.line,
            "scrollbar-background": palette.bar,
            "scrollbar-hover": palette.dim,
            "scrollbar-active": palette.busy,
        },
    )


class Recolour(LineFilter):
    """Puts the theme's colours in the place of the dark ones."""

    def __init__(self) -> None:
        super().__init__(enabled=False)
        self._letters: dict[ColorTriplet | None, Color] = {}
        self._grounds: dict[ColorTriplet | None, Color] = {}
        self._style = lru_cache(4096)(self._changed)

    def use(self, name: str) -> None:
        palette = PALETTES[name]
        self.enabled = palette is not DARK
        self._letters = {
            Color.parse(getattr(DARK, field)).triplet: Color.parse(getattr(palette, field))
            for field in _PAINTED
        }
        self._grounds = {Color.parse(DARK.selected).triplet: Color.parse(palette.selected)}
        self._style.cache_clear()

    def apply(self, segments: list[Segment], background: CssColor) -> list[Segment]:
        return [
            Segment(text, style if style is None else self._style(style), control)
            for text, style, control in segments
        ]

    def _changed(self, style: Style) -> Style:
        letters = self._letters.get(style.color.triplet) if style.color else None
        ground = self._grounds.get(style.bgcolor.triplet) if style.bgcolor else None
        if letters is None and ground is None:
            return style
        return style + Style(color=letters, bgcolor=ground)
