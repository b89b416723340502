"""Waiting for what comes about by itself, with an end."""

import time
from collections.abc import Callable


def eventually(check: Callable[[], bool], within: float = 20.0) -> bool:
    """Whether it became true within so many seconds."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        if check():
            return True
        time.sleep(0.02)
    return False
