"""Python's collector of cycles, kept out of the way of a long record: it holds no cycles, and going through
all of it again and again would take longer than reading it, and stop the screen each time."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collecting() -> Iterator[None]:
    """Nothing is collected inside; what is there at its end is never gone through again."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if on:
            gc.enable()


def settle() -> None:
    """What is there now stays: a screen that is complete holds some hundred thousand objects, and to go
    through them takes as long as a key may."""
    gc.freeze()


def hold() -> None:
    """Until `let_go` nothing is collected: what is loaded for a first picture is no garbage."""
    gc.disable()


def let_go() -> None:
    gc.freeze()
    gc.enable()
