"""The terminal application: one incident on one screen, led by keys."""

import asyncio
import signal
from collections.abc import Callable
from datetime import UTC, datetime

from textual.app import App

from drbook.app.model import Incident
from drbook.tui.incident import IncidentScreen
from drbook.tui.palette import IncidentCommands
from drbook.tui.terminal import Terminal


class IncidentApp(App[None]):
    """Draws one incident. It changes nothing itself: it submits commands and shows snapshots."""

    CSS_PATH = "drbook.tcss"
    COMMANDS = {IncidentCommands}  # noqa: RUF012 - Textual declares it so
    ENABLE_COMMAND_PALETTE = True
    TITLE = "drbook"
    VERTICAL_BREAKPOINTS = [(0, "low"), (30, "high")]  # noqa: RUF012 - Textual declares it so

    def __init__(
        self,
        incident: Incident,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        leaving: str = "The incident stays open; `drbook resume` goes on.",
    ) -> None:
        """`leaving` says what it means to leave while the incident is open."""
        super().__init__(driver_class=Terminal)
        self.leaving = leaving
        self.incident = incident
        self.clock = clock

    def on_mount(self) -> None:
        for number in (signal.SIGHUP, signal.SIGTERM):
            # The terminal has gone, or the machine goes down: stop what runs and put that on record.
            asyncio.get_running_loop().add_signal_handler(number, self.exit)
        self.push_screen(IncidentScreen(self.incident, self.clock, self.leaving))

    async def action_quit(self) -> None:
        """Ctrl-Q and Ctrl-C leave as `q` does: never without saying what still runs."""
        screen = next((one for one in self.screen_stack if isinstance(one, IncidentScreen)), None)
        if screen is None:
            self.exit()
        else:
            screen.action_leave()

    def action_help_quit(self) -> None:
        screen = next((one for one in self.screen_stack if isinstance(one, IncidentScreen)), None)
        if screen is not None:
            screen.action_leave()

    def _fatal_error(self) -> None:
        """Textual would print a traceback with the locals of every frame: words and values that are
        nobody's business. The error is raised again by `run_incident`, and kept in a file."""
        self._close_messages_no_wait()


def run_incident(incident: Incident, leaving: str) -> None:
    """Lead an incident until the operator leaves; it stays open unless it was closed or aborted."""
    app = IncidentApp(incident, leaving=leaving)
    app.run()
    if app._exception is not None:
        raise app._exception
