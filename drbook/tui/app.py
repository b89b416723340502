"""The terminal application: one incident on one screen, led by keys."""

import asyncio
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, cast

from textual.app import App

from drbook.tui.opening import First, Opening, OpeningScreen
from drbook.tui.palette import IncidentCommands
from drbook.tui.terminal import Terminal

if TYPE_CHECKING:
    from drbook.app.model import Incident


class _Leavable(Protocol):
    def action_leave(self) -> object: ...


class IncidentApp(App[None]):
    """Draws one incident. It changes nothing itself: it submits commands and shows snapshots.

    Where it is still to be opened, that is done behind the first frame: what the incident's own screen
    needs is loaded after it.
    """

    CSS_PATH = "drbook.tcss"
    COMMANDS = {IncidentCommands}  # noqa: RUF012 - Textual declares it so
    ENABLE_COMMAND_PALETTE = True
    TITLE = "drbook"
    VERTICAL_BREAKPOINTS = [(0, "low"), (30, "high")]  # noqa: RUF012 - Textual declares it so

    def __init__(
        self,
        incident: "Incident | None" = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        leaving: str = "The incident stays open; `drbook resume` goes on.",
        opening: Opening | None = None,
        first: First | None = None,
    ) -> None:
        """`leaving` says what it means to leave while the incident is open. `opening` opens one, where
        none is given; `first` is what is known of it until then."""
        super().__init__(driver_class=Terminal)
        self.leaving = leaving
        self.incident = incident
        self.clock = clock
        self.failed: BaseException | None = None
        """Why the incident could not be opened."""
        self._opening, self._first = opening, first or First()

    def on_mount(self) -> None:
        for number in (signal.SIGHUP, signal.SIGTERM):
            # The terminal has gone, or the machine goes down: stop what runs and put that on record.
            asyncio.get_running_loop().add_signal_handler(number, self.exit)
        if self.incident is not None:
            self._show(self.incident)
        elif self._opening is not None:
            self.push_screen(OpeningScreen(self._opening, self._first))

    def _show(self, incident: "Incident") -> None:
        from drbook.tui.incident import IncidentScreen

        self.push_screen(IncidentScreen(incident, self.clock, self.leaving))

    def on_opening_screen_opened(self, message: OpeningScreen.Opened) -> None:
        self.incident, self.leaving = message.incident, message.leaving
        self.pop_screen()
        self._show(message.incident)
        for line in message.told.lines[-3:]:
            self.notify(line, timeout=15, markup=False)

    def on_opening_screen_failed(self, message: OpeningScreen.Failed) -> None:
        self.failed = message.error
        self.exit()

    async def action_quit(self) -> None:
        """Ctrl-Q and Ctrl-C leave as `q` does: never without saying what still runs."""
        self.action_help_quit()

    def action_help_quit(self) -> None:
        screen = next((one for one in self.screen_stack if hasattr(one, "action_leave")), None)
        if screen is None:
            self.exit()
        else:
            cast("_Leavable", screen).action_leave()

    def _fatal_error(self) -> None:
        """Textual would print a traceback with the locals of every frame: words and values that are
        nobody's business. The error is raised again by `run_incident`, and kept in a file."""
        self._close_messages_no_wait()


def run_incident(opening: Opening, first: First) -> None:
    """Lead an incident until the operator leaves; it stays open unless it was closed or aborted. Raises
    what `opening` raises."""
    app = IncidentApp(opening=opening, first=first)
    app.run()
    if (error := app._exception or app.failed) is not None:
        raise error
