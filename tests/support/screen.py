"""Driving the terminal application in a test, and reading what it shows."""

import asyncio
import html
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from textual.pilot import Pilot

from drbook.app.model import Snapshot
from drbook.core.state import StepState
from drbook.tui.app import IncidentApp
from drbook.tui.modal import Modal
from drbook.tui.turns import HELD
from support.incident import World


@dataclass
class Seat:
    """Somebody at the keyboard."""

    world: World
    app: IncidentApp
    pilot: Pilot[None]

    async def press(self, *keys: str) -> None:
        for key in keys:
            if key == "enter" and isinstance(self.app.screen, Modal):
                await self.pilot.pause(HELD + 0.02)  # nobody reads a dialog faster
            await self.pilot.press(key)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        await self.press(*("space" if letter == " " else letter for letter in text))

    def text(self) -> str:
        return shown(self.app)

    async def sees(self, *words: str, seconds: float = 10) -> str:
        """Wait until all of these are on the screen; returns the screen."""
        for _ in range(int(seconds * 50)):
            text = self.text()
            if all(word in text for word in words):
                return text
            await self.pilot.pause(0.02)
        missing = [word for word in words if word not in self.text()]
        raise AssertionError(f"{missing} not on the screen:\n{self.text()}")

    async def until(self, what: Callable[[Snapshot], bool], seconds: float = 10) -> None:
        for _ in range(int(seconds * 50)):
            if what(self.world.driver.snapshot):
                await self.pilot.pause(0.15)  # the screen gets it a tenth of a second later
                return
            await self.pilot.pause(0.02)
        raise AssertionError("the incident did not come to that\n" + self.text())

    async def reaches(self, step: str, state: StepState) -> None:
        await self.until(lambda snapshot: snapshot.state.steps[step].state is state)

    def event(self, name: str) -> str:
        """The last event of that name, as text; empty where there is none."""
        found = [
            record.event
            for record in self.world.driver.snapshot.records
            if type(record.event).__name__ == name
        ]
        return repr(found[-1]) if found else ""


Script = Callable[[Seat], Awaitable[None]]


def at_the_screen(world: World, script: Script, size: tuple[int, int] = (120, 40)) -> None:
    """Run the application over the world's driver, and the script at its keyboard."""

    async def run() -> None:
        app = IncidentApp(world.driver)
        async with app.run_test(size=size, notifications=True) as pilot:
            await pilot.pause(0.1)
            await script(Seat(world, app, pilot))

    asyncio.run(run())


_TEXT = re.compile(r'<text class="[^"]*-r\d+" x="([\d.]+)" y="([\d.]+)"[^>]*>(.*?)</text>', re.S)


def shown(app: IncidentApp) -> str:
    """The screen as lines of text, read back from its picture."""
    picture = app.export_screenshot()
    matrix = picture[picture.index("-matrix") :]
    lines: dict[float, list[tuple[float, str]]] = {}
    for x, y, text in _TEXT.findall(matrix):
        lines.setdefault(float(y), []).append((float(x), html.unescape(text).replace("\xa0", " ")))
    cell = 12.2
    rows = []
    for y in sorted(lines):
        row = ""
        for x, text in sorted(lines[y]):
            row = row.ljust(round(x / cell)) + text
        rows.append(row.rstrip())
    return "\n".join(rows)
