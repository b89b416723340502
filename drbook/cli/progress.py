"""What a command is at, on standard error: one line that is rewritten on a terminal, else milestones."""

import sys
import time

from drbook.core.signals import Milestone, Progress, Signal
from drbook.core.values import plain, show_size


class Teller:
    """Shows signals; on a terminal about ten times a second, elsewhere only milestones."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._shown = 0.0
        self._width = 0

    def __call__(self, signal: Signal) -> None:
        if isinstance(signal, Milestone):
            self.clear()
            print(f"  {plain(signal.text, 400)}", file=sys.stderr, flush=True)
        elif isinstance(signal, Progress) and self._live:
            now = time.monotonic()
            if now - self._shown >= 0.1:
                self._shown = now
                self._rewrite(_line(signal))

    def clear(self) -> None:
        """Take the rewritten line away."""
        if self._width:
            self._rewrite("")
            self._width = 0

    def _rewrite(self, text: str) -> None:
        print(
            "\r" + text.ljust(self._width),
            end="\r" if not text else "",
            file=sys.stderr,
            flush=True,
        )
        self._width = len(text)


def _line(progress: Progress) -> str:
    if progress.unit == "bytes":
        done = show_size(progress.done)
        total = f" of {show_size(progress.total)}" if progress.total is not None else ""
    else:
        done = str(progress.done)
        total = f" of {progress.total}" if progress.total is not None else ""
        total += f" {progress.unit}"
    now = f" · {plain(progress.now, 40)}" if progress.now else ""
    return f"  {progress.label}: {done}{total}{now}"[:100]
