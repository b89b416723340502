"""What a command is at, on standard error: one line that is rewritten on a terminal; elsewhere
milestones, and now and then how far it is."""

import shutil
import sys
import time
from collections.abc import Callable, Sequence

from drbook.app.live import LiveBoard
from drbook.app.model import ProgressView
from drbook.app.rates import is_finished, progress_words
from drbook.core.signals import Milestone, Progress, Signal
from drbook.core.values import plain

_REWRITE_SECONDS = 0.1
_LINE_SECONDS = 10.0
"""Between two lines where nothing can be rewritten: a log is read afterwards."""


class ProgressLine:
    """The newest unfinished progress in a line."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._live = sys.stderr.isatty()
        self._next = monotonic() + (0.0 if self._live else _LINE_SECONDS)
        self._width = 0

    def show(self, views: Sequence[ProgressView], prefix: str = "") -> None:
        """Show it where it is time to."""
        now = self._monotonic()
        moving = [view for view in views if not is_finished(view)]
        if now < self._next or not moving:
            return
        text = f"  {prefix}{progress_words(moving[-1])}"
        if self._live:
            self._next = now + _REWRITE_SECONDS
            self._rewrite(text[: shutil.get_terminal_size().columns - 1])
        else:
            self._next = now + _LINE_SECONDS
            print(text, file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Take the rewritten line away."""
        if self._width:
            self._rewrite("")
            self._width = 0

    def _rewrite(self, text: str) -> None:
        end = "" if text else "\r"
        print("\r" + text.ljust(self._width), end=end, file=sys.stderr, flush=True)
        self._width = len(text)


class Teller:
    """Shows the signals of work that runs in this thread."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._board = LiveBoard(monotonic)
        self._line = ProgressLine(monotonic)

    def __call__(self, signal: Signal) -> None:
        if isinstance(signal, Milestone):
            self.clear()
            print(f"  {plain(signal.text, 400)}", file=sys.stderr, flush=True)
        elif isinstance(signal, Progress):
            self._board.show("", signal)
            self._line.show(self._board.picture()[""].progress)

    def clear(self) -> None:
        """Take the rewritten line away."""
        self._line.clear()
