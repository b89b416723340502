"""The lists over one incident: made once, mounted while nobody waits, and shown as often as anybody likes.

To mount a screen and to work out its styles takes longer than a key may take.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from textual.app import App

from drbook.tui.listing import ListScreen


class Lists:
    """By name. To be ended with the incident's screen."""

    def __init__(self, app: App[Any], screens: Mapping[str, ListScreen[Any]]) -> None:
        self._app, self._screens = app, screens
        for name, screen in screens.items():
            app.install_screen(screen, f"{name} {id(self)}")

    async def get_ready(self) -> None:
        """Mount them and lay them out, one after the other."""
        for screen in self._screens.values():
            if not screen.is_running:
                self._app._get_screen(screen)
            await screen.get_ready()
            await asyncio.sleep(PAUSE)
            if not screen.size and self._app.is_running:
                screen._refresh_layout(self._app.size)

    def show(self, name: str) -> None:
        screen = self._screens[name]
        if screen not in self._app.screen_stack:
            screen.begin()
            self._app.push_screen(screen)

    def end(self) -> None:
        """Not while one of them is seen."""
        if self._app.is_running:
            self._app.call_later(self._remove)

    async def _remove(self) -> None:
        for screen in self._screens.values():
            self._app.uninstall_screen(screen)
            if screen.is_running:
                await screen.remove()


PAUSE = 0.05
"""Seconds between two of them: keys come first."""
