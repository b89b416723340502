"""What signals do to a run until what it made is gone: they end it, and nothing leaves a target behind unsaid.

While steps run, the first one stops them. From then on none ends drbook: those who are told are not waited for any
longer, and a removal goes on until a second one.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from drbook.app.hurry import ENOUGH, Hurry
from drbook.cli.attended import handlers

_STOPPING = "Stopping already; what runs gets its time to stop."
_TELLING = "Those who are told are not waited for any longer."
_REMOVING = "What the drill made is being removed; once more leaves it behind."
_LEAVING = "The removal is ended."
_CLOSING = "Ending already."


class HungUp(KeyboardInterrupt):
    """The terminal went away: what runs is stopped and recorded, and the incident stays open."""


class Heed:
    """One run's. Signals that arrive before it runs count for its beginning."""

    def __init__(self, hurry: Hurry) -> None:
        self._hurry = hurry
        self._raises = False
        self._words = _STOPPING

    @contextmanager
    def running(self) -> Iterator[None]:
        """The block ends by KeyboardInterrupt, or by HungUp, at the first signal; there is no second."""
        self._raises = True
        try:
            if self._hurry.asked:
                raise KeyboardInterrupt
            yield
            self._raises = False
        finally:
            self._raises = False
            self._hurry.forget()

    def telling(self) -> None:
        """From now on those who are told are waited for."""
        self._turn(_TELLING)

    def removing(self) -> None:
        """From now on what was made is taken away."""
        self._turn(_REMOVING)

    def closing(self) -> None:
        """From now on nothing is left to do that a signal could spoil."""
        self._turn(_CLOSING)

    def _turn(self, words: str) -> None:
        self._words = words
        self._hurry.forget()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self._raises:
            self._raises = False
            raise HungUp if number == signal.SIGHUP else KeyboardInterrupt
        last = self._words == _REMOVING and self._hurry.asked + 1 >= ENOUGH
        with suppress(OSError):  # the terminal may be what went away
            os.write(2, f"{_LEAVING if last else self._words}\n".encode())
        self._hurry.ask()


@contextmanager
def heeding(hurry: Hurry, *numbers: signal.Signals) -> Iterator[Heed]:
    """These signals until the end of the block; SIGINT, SIGTERM and SIGHUP where none is named. What another one
    heeds is taken over from it. What is ignored, as under nohup, stays ignored, and a handler that a demo set
    for its world stays too, but for SIGTERM."""
    heed = Heed(hurry)
    usual = (signal.SIG_DFL, signal.default_int_handler)
    every = numbers or (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {one: signal.getsignal(one) for one in every}
    taken = [
        one
        for one, handler in before.items()
        if one == signal.SIGTERM or handler in usual or isinstance(handler, Heed)
    ]
    with handlers(*taken) as previous:
        for number in previous:
            signal.signal(number, heed)
        yield heed


def as_interrupt(number: int, frame: FrameType | None) -> None:
    """A signal handler: whoever ends us this way wants what Ctrl-C does."""
    raise KeyboardInterrupt
