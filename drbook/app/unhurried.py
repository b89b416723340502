"""What is read behind a screen, in a thread of its own: whoever types comes first.

Python runs one thread at a time; one that only computes keeps the others waiting at every turn.
"""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

WORK, REST = 0.004, 0.002
"""Seconds of computing at most, and of a rest after them."""


def unhurried(items: Iterable[T]) -> Iterator[T]:
    """The same, with a rest now and then."""
    begun = time.monotonic()
    for item in items:
        yield item
        if time.monotonic() - begun > WORK:
            time.sleep(REST)
            begun = time.monotonic()
