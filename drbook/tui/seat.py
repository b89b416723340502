"""One screen over one incident: what its keys have in common."""

import asyncio
from collections.abc import Callable
from datetime import datetime, tzinfo

from textual import events
from textual.message import Message
from textual.screen import Screen
from textual.worker import Worker

from drbook.app.model import (
    Command,
    Incident,
    Snapshot,
)
from drbook.core.errors import DrbookError
from drbook.tui.dialogs import WordsDialog
from drbook.tui.heard import Heard
from drbook.tui.hints import ACTION
from drbook.tui.lists import Lists
from drbook.tui.paint import said
from drbook.tui.steps import STEP
from drbook.tui.writing import Written


class SeatKeys(Screen[None]):
    """What every key of a screen over one incident stands on: who asks whom, and how words are asked for."""

    class Left(Message):
        """The operator leaves this incident; where to is the application's."""

    incident: Incident
    clock: Callable[[], datetime]
    leaving: str
    shown: Snapshot
    selected: str
    lists: Lists
    opens_shell = False
    kept: Written | None = None
    """A note that was begun and not recorded."""
    zone: tzinfo | None = None
    """In which the operator wants times told beside UTC; None for UTC alone."""

    def submit(self, command: Command) -> Worker[None]:
        raise AssertionError("the screen submits")

    def ask(self, step: str) -> Worker[None]:
        raise AssertionError("the screen asks")

    def select(self, step: str) -> None:
        raise AssertionError("the screen selects")

    async def on_click(self, event: events.Click) -> None:
        """A step is selected, a key's hint does what its key does."""
        clicked = event.style.meta
        if clicked.get(STEP) in self.shown.state.steps:
            self.select(clicked[STEP])
        elif ACTION in clicked:
            await self.run_action(clicked[ACTION])

    async def carried_out(self, command: Command) -> DrbookError | None:
        """Wait until it is on record; what it was refused with, where it was not."""
        try:
            await asyncio.wrap_future(self.incident.submit(command))
        except DrbookError as error:
            return error
        return None

    async def words(
        self,
        title: str,
        line: str,
        initial: str = "",
        heard: Heard | None = None,
        *,
        again: bool = False,
    ) -> str | None:
        """`again`: `initial` was written here before and refused."""
        dialog = WordsDialog(title, [said(line)], initial=initial, again=again, heard=heard)
        return await self.app.push_screen_wait(dialog)
