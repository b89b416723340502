"""The terminal as Textual writes to it, and what happens once it is gone.

Textual's writing thread ends at the first error, and whoever writes then waits for ever for a place in
its queue, the end of the application too. So errors end here: what nobody can see any more is dropped,
and the application is told to leave, as by the hang-up that the kernel sends.
"""

import os
import signal
from typing import Any, TextIO, cast

from textual.app import App
from textual.drivers.linux_driver import LinuxDriver


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
