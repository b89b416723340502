"""From a scene to its pictures: the application runs without a terminal and is painted as SVG."""

import asyncio
import os
import re
from collections.abc import Mapping, Sequence
from unittest import mock

from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from drbook.tui.app import DrbookApp
from pictures.drawn import Drawn, drawn
from pictures.scenes import Scene

Size = tuple[int, int]
SIZES: tuple[Size, ...] = ((80, 24), (120, 40), (200, 60))
THEMES = ("dark", "light")


def paint(scene: Scene, size: Size, themes: Sequence[str] = THEMES) -> Mapping[str, str]:
    """The scene as SVG, once for each theme. Nothing of this machine's settings is heard."""
    around = {
        name: value
        for name, value in os.environ.items()
        if name not in ("NO_COLOR", "DRBOOK_BELL") and not name.startswith("TEXTUAL")
    }
    around |= {"DRBOOK_HOME": "/nowhere", "DRBOOK_THEME": themes[0], "DRBOOK_REDUCED_MOTION": "1"}
    with mock.patch.dict(os.environ, around, clear=True):
        return asyncio.run(_painted(scene, size, themes))


async def _painted(scene: Scene, size: Size, themes: Sequence[str]) -> Mapping[str, str]:
    app = scene.app()
    found = {}
    async with app.run_test(size=size, notifications=True) as pilot:
        await _settled(app, pilot)
        for key in scene.keys:
            await pilot.press({" ": "space", ".": "full_stop"}.get(key, key))
        for theme in themes:
            app._wear(theme)
            found[theme] = _tidied(await _settled(app, pilot), f"{scene.name}-{size[0]}")
    return found


async def _settled(app: DrbookApp, pilot: Pilot[None]) -> str:
    """The picture once it does not change any more: the screen draws itself each second, and nobody
    waits for that here. No cursor blinks."""
    before = ""
    for _ in range(100):
        await pilot.pause()
        for field in app.screen.query(Input):
            field.cursor_blink = False
        for area in app.screen.query(TextArea):
            area.cursor_blink = False
        for screen in app.screen_stack:
            if hasattr(screen, "draw"):
                screen.draw()
        await pilot.pause(0.02)
        now = app.export_screenshot(title="drbook")
        if now == before:
            return now
        before = now
    raise AssertionError("the screen does not come to rest")


def _tidied(svg: str, name: str) -> str:
    """The same under a name that does not change with what is drawn, without blanks at line ends."""
    named = re.sub(r"terminal-\d+", name, svg)
    return "\n".join(line.rstrip() for line in named.splitlines()) + "\n"


def seen(scene: Scene, size: Size, themes: Sequence[str] = THEMES) -> Mapping[str, Drawn]:
    """What the scene shows. Raises Outside."""
    return {theme: drawn(svg, *size) for theme, svg in paint(scene, size, themes).items()}
