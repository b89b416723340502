"""The terminal as Textual writes to it, and what happens once it is gone.

Textual's writing thread ends at the first error, and whoever writes then waits for ever for a place in
its queue, the end of the application too. So errors end here: what nobody can see any more is dropped,
and the application is told to leave, as by the hang-up that the kernel sends.
"""

import os
import signal
from collections.abc import Mapping
from typing import Any, TextIO, cast

from textual.app import App
from textual.drivers.linux_driver import LinuxDriver

from drbook.core.plaintext import plain

_KEEP_TITLE, _TITLE_BACK = "\x1b[22;2t", "\x1b[23;2t"
"""XTWINOPS, xterm's stack of titles; tmux, foot, kitty, VTE and others have it, the rest pass it over."""
_NO_TITLE = "\x1b]2;\x07"
"""What is left where there is no such stack: the terminal's own, and nothing that says LIVE."""


def title_sequence(text: str) -> str:
    """OSC 2; tmux takes it as the pane's title, and shows it where `set-titles` is on."""
    return f"\x1b]2;{plain(text, 200)}\x07"


def notice_sequence(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """The bell, and a desktop notification: OSC 777 where it is known to be understood, else OSC 9.

    A terminal that knows neither passes it over. tmux rings the bell, and lets the notification through
    where `allow-passthrough` is on.
    """
    words = plain(text, 200)
    knows_777 = "VTE_VERSION" in environment or environment.get("TERM", "").startswith(
        ("rxvt", "foot")
    )
    notice = f"\x1b]777;notify;drbook;{words}\x07" if knows_777 else f"\x1b]9;{words}\x07"
    if environment.get("TMUX"):
        notice = "\x1bPtmux;" + notice.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    return f"\x07{notice}"


class Output:
    """A terminal's file that never raises. Written to by one thread at a time."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.gone = False

    def write(self, text: str) -> None:
        if self.gone:
            return
        try:
            self._file.write(text)
        except (OSError, ValueError):  # ValueError: somebody closed it
            self._lose()

    def flush(self) -> None:
        if self.gone:
            return
        try:
            self._file.flush()
        except (OSError, ValueError):
            self._lose()

    def fileno(self) -> int:
        return self._file.fileno()

    def _lose(self) -> None:
        self.gone = True
        os.kill(os.getpid(), signal.SIGHUP)


class Terminal(LinuxDriver):
    """Textual's own driver over such a file."""

    def __init__(self, app: "App[None]", **given: object) -> None:
        super().__init__(app, **given)  # type: ignore[arg-type]
        self._file = cast("Any", Output(cast("TextIO", self._file)))
        self._title = ""

    def title(self, text: str) -> None:
        """The window's title, until the application leaves the terminal."""
        self._title = title_sequence(text)
        self.write(self._title)

    def start_application_mode(self) -> None:
        super().start_application_mode()  # type: ignore[no-untyped-call]
        self.write(_KEEP_TITLE + self._title)

    def stop_application_mode(self) -> None:
        self.write(_NO_TITLE + _TITLE_BACK)
        super().stop_application_mode()
