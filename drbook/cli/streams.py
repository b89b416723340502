"""Standard output and standard error, where nobody reads them any more.

Words for people (standard error) are lost without stopping what they tell of: an incident does not
depend on who listens, and its record holds everything. Data (standard output) is never lost silently.
"""

import io
import os
import sys

from drbook.core.errors import DrbookError, ExitCode
from drbook.core.plaintext import plain


def in_browser() -> bool:
    """Whether `drbook serve` started this process: its standard output then is the browser's."""
    return "WebDriver" in os.environ.get("TEXTUAL_DRIVER", "")


class OutputLost(DrbookError):
    """What a command prints could not be written to its end."""

    exit_code = ExitCode.FAILED
    code = "output-lost"
    unread = False
    """Whoever read it stopped reading (`| head`), and wants neither more of it nor a complaint."""


class _Raw(io.FileIO):
    """A standard stream that is not closed with its object."""

    def __init__(self, number: int) -> None:
        super().__init__(number, "wb", closefd=False)
        self.lost = False


class _Words(_Raw):
    def write(self, data: object, /) -> int:
        size = memoryview(data).nbytes  # type: ignore[arg-type]
        if self.lost:
            return size
        try:
            return super().write(data) or 0  # type: ignore[arg-type]
        except OSError:
            self.lost = True  # there is nowhere left to say so
            return size


class _Data(_Raw):
    def write(self, data: object, /) -> int:
        size = memoryview(data).nbytes  # type: ignore[arg-type]
        if self.lost:  # it was said once; the flush at the end of the process has nothing to add
            return size
        try:
            return super().write(data) or 0  # type: ignore[arg-type]
        except OSError as error:
            self.lost = True
            lost = OutputLost(
                f"Standard output could not be written: {plain(error.strerror or str(error), 200)}.",
                means="What was printed is incomplete. Incidents and their records are not touched by it.",
                next="Print it again to somewhere that takes it; `drbook timeline -o FILE` exports an "
                "incident at any time.",
            )
            lost.unread = isinstance(error, BrokenPipeError)
            raise lost from None


def prepare() -> None:
    """Make all three standard streams usable, once, before anything is opened or said.

    A number that whoever started us left closed would go to the next file that is opened, and what a
    library or a child prints would end in it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False, encoding="utf-8")  # noqa: SIM115 - the process's own
    if sys.stdout is sys.__stdout__:
        sys.stdout = _text(_Data(1), sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text(_Words(2), sys.stderr)
    if in_browser():
        sys.stdout = sys.stderr  # words between the picture's packets would end the picture


def _text(raw: _Raw, before: io.TextIOBase | object) -> io.TextIOWrapper:
    encoding = getattr(before, "encoding", None) or "utf-8"
    errors = getattr(before, "errors", None) or "replace"
    live = raw.isatty() or raw.fileno() == 2
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=encoding, errors=errors, line_buffering=live
    )
