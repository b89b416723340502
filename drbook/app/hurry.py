"""Whether somebody who ends a run wants less waited for, from the end of its last step to the end of drbook."""

from collections.abc import Iterator
from contextlib import contextmanager

ENOUGH = 2
"""Signals after which a removal that has begun is cut short."""


class Cut(KeyboardInterrupt):
    """A removal was cut short."""


class Hurry:
    """How often it was asked for. A signal handler asks, so that nothing in here waits for a lock."""

    def __init__(self) -> None:
        self.asked = 0
        self._open = False

    def ask(self) -> None:
        """Once more. Raises Cut in the main thread where `cut` lets it."""
        self.asked += 1
        if self._open and self.asked >= ENOUGH:
            self._open = False
            raise Cut

    def forget(self) -> None:
        """What was asked so far was about something that is over."""
        self.asked = 0

    @property
    def enough(self) -> bool:
        return self.asked >= ENOUGH

    @contextmanager
    def cut(self) -> Iterator[None]:
        """A block that may be ended in its middle, or before it. Raises Cut, at most once."""
        if self.enough:
            raise Cut
        try:
            self._open = True
            yield
        finally:
            self._open = False
