"""What a picture shows, read back from its SVG: letters, their colours and their grounds, cell by cell.

Pictures are compared by this and not by their bytes: the same drawing in another version's SVG is the
same picture.
"""

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from rich.cells import cell_len

from drbook.tui.themes import PALETTES, Palette

WIDTH, HEIGHT = 12.2, 24.4
"""Of a cell, as Rich draws it."""
_CLASS = re.compile(r"\.([\w-]+-r\d+) \{([^}]*)\}")
_GROUND = re.compile(
    r'<rect fill="(#\w+)" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"[^>]*crispEdges'
)
_TEXT = re.compile(r'<text class="([\w-]+-r\d+)" x="([\d.]+)" y="([\d.]+)"[^>]*>(.*?)</text>', re.S)


@dataclass(frozen=True, slots=True)
class Look:
    """How a cell is painted."""

    letter: str
    ground: str
    bold: bool


Cell = tuple[str, Look]


class Outside(Exception):
    """Something is drawn where there is no screen."""


@dataclass(frozen=True)
class Drawn:
    """A picture's cells. A wide letter stands in its first one; the second is empty."""

    cells: tuple[tuple[Cell, ...], ...]

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple("".join(letter for letter, _ in row).rstrip() for row in self.cells)


def drawn(svg: str, width: int, height: int) -> Drawn:
    """Raises Outside."""
    looks = {name: _look(css) for name, css in _CLASS.findall(svg)}
    letters = [[" "] * width for _ in range(height)]
    how = [[("", False)] * width for _ in range(height)]
    grounds = [[""] * width for _ in range(height)]
    for fill, x, y, wide in _GROUND.findall(svg):
        row, column, cells = (
            int(float(y) / HEIGHT),
            round(float(x) / WIDTH),
            round(float(wide) / WIDTH),
        )
        if row >= height or column + cells > width:
            raise Outside(f"a ground at row {row}, columns {column} to {column + cells}")
        grounds[row][column : column + cells] = [fill] * cells
    body = svg[svg.index("-matrix") :]
    for name, x, y, text in _TEXT.findall(body):
        row, column = int((float(y) - 18) / HEIGHT), round(float(x) / WIDTH)
        for letter in html.unescape(text).replace("\xa0", " "):
            cells = cell_len(letter)
            if row >= height or column + cells > width:
                raise Outside(f"{letter!r} at row {row}, column {column}")
            if cells == 0:
                letters[row][max(0, column - 1)] += letter
                continue
            letters[row][column : column + cells] = [letter, *[""] * (cells - 1)]
            how[row][column : column + cells] = [looks[name]] * cells
            column += cells
    return Drawn(
        tuple(
            tuple(
                (
                    letter,
                    Look(colour if letter.strip() else "", ground, bold and bool(letter.strip())),
                )
                for letter, (colour, bold), ground in zip(*three, strict=True)
            )
            for three in zip(letters, how, grounds, strict=True)
        )
    )


def _look(css: str) -> tuple[str, bool]:
    fill = re.search(r"fill: (#\w+)", css)
    return (fill[1].lower() if fill else "", "bold" in css)


# --- as text ---------------------------------------------------------------------------------------


def told(pictures: Mapping[str, Drawn]) -> str:
    """The same screen in several themes as text: its lines, then how each is painted, colours by what
    the theme calls them. A theme that paints a line as the first one does is not repeated."""
    first, *others = pictures
    parts = [*pictures[first].lines]
    for name in others:
        if pictures[name].lines != pictures[first].lines:
            parts += [f"=== text in {name}", *pictures[name].lines]
    before: list[str] = []
    for name in (first, *others):
        painted = [_painted(row, PALETTES[name]) for row in pictures[name].cells]
        parts.append(f"=== colours in {name}")
        parts += _folded(painted, before)
        before = before or painted
    return "\n".join(parts) + "\n"


def _folded(painted: list[str], before: list[str]) -> Iterator[str]:
    """Line numbers from 1, those that look alike together."""
    numbered = [
        (at, text) for at, text in enumerate(painted, 1) if not before or before[at - 1] != text
    ]
    for _, alike in groupby(enumerate(numbered), key=lambda one: (one[1][1], one[1][0] - one[0])):
        rows = [row for _, row in alike]
        first, last = rows[0][0], rows[-1][0]
        yield f"{first}{f'-{last}' if last > first else ''}: {rows[0][1]}"


def _painted(row: tuple[Cell, ...], palette: Palette) -> str:
    names = {getattr(palette, field): field for field in Palette.__slots__}
    runs: list[tuple[Look, int]] = []
    for letter, look in row:
        blank = letter == " " and runs and runs[-1][0].ground == look.ground
        if runs and (blank or runs[-1][0] == look):  # a blank looks like what it stands beside
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((look, 1))
    return " ".join(f"{count}×{_named(look, names)}" for look, count in runs)


def _named(look: Look, names: Mapping[str, str]) -> str:
    letter, ground = (names.get(one, one) for one in (look.letter, look.ground))
    return f"{'*' if look.bold else ''}{letter}/{ground}"
