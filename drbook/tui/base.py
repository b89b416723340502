"""What every application here has, whichever screen it shows: colours, title, bell, size, leaving."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, cast

from textual import constants
from textual.app import App
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.theme import Theme
from textual.timer import Timer

from drbook.app.preferences import BELL_AFTER, THEMES, preferences, remember
from drbook.tui.palette import Commands
from drbook.tui.small import TooSmall, fits
from drbook.tui.terminal import Terminal, notice_sequence, title_sequence
from drbook.tui.themes import Recolour, css_variables, theme
from drbook.tui.turns import Turns

if TYPE_CHECKING:
    from drbook.app.model import Incident
    from drbook.tui.attention import Attention

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


class _Leavable(Protocol):
    def action_leave(self) -> object: ...


class DrbookApp(Turns):
    """Colours, title, bell and leaving. It changes nothing itself: its screens submit commands."""

    CSS_PATH = Path(__file__).with_name("drbook.tcss")
    COMMANDS = {Commands}  # noqa: RUF012 - Textual declares it so
    ENABLE_COMMAND_PALETTE = True
    TITLE = "drbook"
    VERTICAL_BREAKPOINTS = [(0, "low"), (30, "high")]  # noqa: RUF012 - Textual declares it so
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "ctrl+t", "next_theme", "Theme", tooltip="Theme: dark, light, high contrast", show=False
        ),
        Binding("f9", "ring", "Bell", tooltip="Bell when a long step ends: on or off", show=False),
        Binding("ctrl+q", "quit", "Quit", tooltip="Leave drbook", show=False, priority=True),
    ]

    def __init__(self, clock: Clock = utc_now) -> None:
        # A browser's driver is named by `drbook serve`.
        super().__init__(driver_class=None if constants.DRIVER else Terminal)
        self.clock = clock
        self.liked = preferences()
        self.bell_after = self.liked.bell
        if self.liked.still:
            self.animation_level = "none"
        self._recolour = Recolour()
        self._filters.insert(1, self._recolour)  # before NO_COLOR's, which goes by brightness
        for name in [*self.available_themes]:
            self.unregister_theme(name)
        for name in THEMES:
            self.register_theme(theme(name))
        self._begin_in(self.liked.theme)
        self._attention: Attention | None = None
        self._reminding: Timer | None = None
        self.told_to_end = False
        """True once a signal said so, and not the operator."""

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return css_variables(THEMES[0])

    def on_mount(self) -> None:
        for number in (signal.SIGHUP, signal.SIGTERM):
            # The terminal has gone, or the machine goes down: stop what runs and put that on record.
            asyncio.get_running_loop().add_signal_handler(number, self._end_from_outside)

    def _end_from_outside(self) -> None:
        self.told_to_end = True
        self.exit()

    def on_resize(self) -> None:
        self.call_later(self._cover)  # at the start, behind what is pushed when it begins

    def _cover(self) -> None:
        if not fits(self.size) and not isinstance(self.screen, TooSmall):
            self.push_screen(TooSmall())

    def uncover(self) -> None:
        """Before a screen takes another's place; `attend` covers the new one."""
        while isinstance(self.screen, TooSmall):
            self.pop_screen()

    def get_theme(self, theme_name: str) -> Theme | None:
        """Asked for at every style; Textual would copy them all each time."""
        return self._registered_themes.get(theme_name) or super().get_theme(theme_name)

    # --- what they like -------------------------------------------------------------------------

    def _begin_in(self, name: str) -> None:
        """What `_wear` does to an application that runs, before any style is worked out by it: Textual
        would work out all of them twice."""
        self._recolour.use(name)
        self.set_reactive(App.theme, name)
        dark = self.current_theme.dark
        self.set_class(dark, "-dark-mode", update=False)
        self.set_class(not dark, "-light-mode", update=False)
        self.add_class(f"-theme-{name}", update=False)
        self._refresh_truecolor_filter(self.ansi_theme)
        self.stylesheet.set_variables(self.get_css_variables())

    def _wear(self, name: str) -> None:
        self._recolour.use(name)
        self.theme = name

    def action_next_theme(self) -> None:
        name = THEMES[(THEMES.index(self.theme) + 1) % len(THEMES)]
        self._wear(name)
        self._told(f"Theme: {name}", kept=remember(theme=name))

    def action_ring(self) -> None:
        self.bell_after = 0 if self.bell_after else self.liked.bell or BELL_AFTER
        if self._attention is not None:
            self._attention.bell = self.bell_after
        word = f"after steps of {self.bell_after} s and more" if self.bell_after else "off"
        self._told(f"Bell: {word}", kept=remember(bell=self.bell_after))

    def _told(self, text: str, *, kept: bool) -> None:
        self.notify(text if kept else f"{text} (for now: it could not be kept)", markup=False)

    # --- the terminal around the screen ---------------------------------------------------------

    def attend(self, incident: "Incident", *, watching: bool = False) -> None:
        """Keep the window's title, and ring when a long step ends, until `unattend`."""
        from drbook.tui.attention import Attention

        self.unattend()
        self._attention = Attention(incident, self._tell, watching=watching)
        self._attention.bell = self.bell_after
        self.call_later(self._cover)
        if self._reminding is None:
            self._reminding = self.set_interval(1.0, self._remind)

    def _remind(self) -> None:
        """Ring, and say on any screen, what has become due to be told; the bell can be switched off."""
        due = self._attention.remind(self.clock()) if self._attention is not None else []
        if not due:
            return
        self.notify(
            "\n".join(due), title="To be told", severity="warning", timeout=15, markup=False
        )
        if self.bell_after:
            self.write_out(notice_sequence("; ".join(due), os.environ))

    def unattend(self, title: str = "drbook") -> None:
        if self._attention is not None:
            self._attention.end()
            self._attention = None
        self.set_window_title(title)

    def _tell(self, title: str, ended: list[str]) -> None:
        """In the driver's thread."""
        self.call_later(self.set_window_title, title)
        if ended:
            self.call_later(self.write_out, notice_sequence("; ".join(ended), os.environ))

    def set_window_title(self, text: str) -> None:
        if isinstance(self._driver, Terminal):
            self._driver.title(text)
        else:
            self.write_out(title_sequence(text))

    def write_out(self, sequence: str) -> None:
        """Something for the terminal that is no part of the picture."""
        if self._driver is not None and not self.is_headless:
            self._driver.write(sequence)

    # --- leaving --------------------------------------------------------------------------------

    async def action_quit(self) -> None:
        """Ctrl-Q and Ctrl-C leave as `q` does: never without saying what still runs."""
        self.action_help_quit()

    def action_help_quit(self) -> None:
        screen = next((one for one in self.screen_stack if hasattr(one, "action_leave")), None)
        if screen is None:
            self.exit()
        else:
            cast("_Leavable", screen).action_leave()

    def on_seat_keys_left(self, message: Message) -> None:
        self.left()

    def left(self) -> None:
        """An incident's screen is left."""
        self.exit()

    def _fatal_error(self) -> None:
        """Textual would print a traceback with the locals of every frame: words and values that are
        nobody's business. The error is raised again by `run`, and kept in a file."""
        self._close_messages_no_wait()


TURN = 0.001
"""Seconds that a thread which computes keeps the screen waiting at a turn; Python's own are five times that."""


def run(app: App[None]) -> None:
    """Until the operator leaves."""
    sys.setswitchinterval(TURN)
    app.run()
    if app._exception is not None:
        raise app._exception
