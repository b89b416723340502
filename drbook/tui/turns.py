"""Keys take turns: each one is heard only once what the one before it opened is on the screen.

A slow line, or a busy moment, hands over several keys at once. Without turns, the words of a note that was just
asked for would be commands of the screen behind it: run, export, abort.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from textual import events
from textual.app import App
from textual.message_pump import MessagePump

from drbook.tui.modal import Modal

HELD = 0.15
"""Seconds from one Enter to the next below which nobody has read what the first one opened."""
MOST = 1.0
"""Seconds that a key waits at most for what was pressed before it."""


class Turns(App[None]):
    """What was typed ahead of a dialog goes into the dialog; what was typed ahead of its end goes nowhere."""

    def __init__(self, *, driver_class: type | None = None) -> None:
        super().__init__(driver_class=driver_class)
        self._typed: deque[events.Key | events.Paste] = deque()
        self._turn: asyncio.Task[None] | None = None
        self._opened_by: events.Key | None = None

    async def on_event(self, event: events.Event) -> None:
        if not isinstance(event, (events.Key, events.Paste)) or event.is_forwarded:
            await super().on_event(event)
            return
        self._typed.append(event)
        if self._turn is None or self._turn.done():
            self._turn = asyncio.create_task(self._take_turns())

    async def _take_turns(self) -> None:
        while self._typed:
            before = self.screen
            heard: MessagePump = self.focused or before
            event = self._typed.popleft()
            if self._is_held(event):
                continue
            try:
                await super().on_event(event)
            except Exception as error:  # noqa: BLE001 - as the application does with its own messages
                self._handle_exception(error)
                return
            await self._settled(heard)
            if isinstance(before, Modal) and before not in self.screen_stack:
                self.forget_keys()
            elif isinstance(event, events.Key) and isinstance(self.screen, Modal):
                self._opened_by = event if self.screen is not before else None

    def _is_held(self, event: events.Key | events.Paste) -> bool:
        """Whether it is a held Enter that opened the dialog: it must not give the dialog's answer, too."""
        first = self._opened_by
        if first is None or not isinstance(event, events.Key):
            return False
        held = event.key == first.key == "enter" and event.time - first.time < HELD
        self._opened_by = event if held else None
        return held

    @contextmanager
    def suspend(self) -> Iterator[None]:
        """What was typed ahead of the program that gets the terminal was meant for it, and is no command.

        Textual takes the terminal back only where nothing was raised: an error has to wait until it has,
        else nobody would ever see a screen or be heard again.
        """
        self._typed.clear()
        failed: BaseException | None = None
        with super().suspend():
            try:
                yield
            except BaseException as error:  # noqa: BLE001 - it is raised again below
                failed = error
        if failed is not None:
            raise failed

    def forget_keys(self) -> None:
        """Of what was pressed before the screen behind was seen nothing is a command."""
        if self._typed:
            self._typed.clear()
            self.notify(
                "Keys that came before the dialog had closed were not taken.", severity="warning"
            )

    async def _settled(self, heard: MessagePump) -> None:
        """Until the key was heard by all that hear it, and what it opened can hear the next one."""
        until = time.monotonic() + MOST
        chain: list[MessagePump] = [heard]
        while (parent := chain[-1]._parent) is not None:
            chain.append(parent)
        for one in (*chain, *chain):  # what a field says of a key goes the same way, behind it
            await _idle(one, until)
        for _ in range(5):  # a worker that the key began opens its dialog
            await asyncio.sleep(0)
        for _ in range(round(MOST * 100)):
            if not getattr(self.screen, "expecting", False):
                break
            await asyncio.sleep(0.01)
        until = time.monotonic() + MOST  # what was waited for so far is not the dialog's delay
        for one in (self.screen, self, self.screen):  # it is composed, then its field has the focus
            await _idle(one, until)


async def _idle(pump: MessagePump, until: float) -> None:
    """Until it has heard what was posted to it so far, or hears nothing any more."""
    heard = asyncio.Event()
    if not pump.call_later(heard.set):
        return
    for _ in range(3):
        await asyncio.sleep(0)  # mostly it is that near
    for _ in range(round(MOST * 1000)):
        if heard.is_set() or not pump.is_running or pump._closing or time.monotonic() > until:
            return
        await asyncio.sleep(0.001)
