"""Which signals a run heeds, and which of two that stand in each other does."""

import os
import signal
from collections.abc import Iterator

import pytest

from drbook.app.hurry import Cut, Hurry
from drbook.cli.attended import handlers
from drbook.cli.heeding import heeding

ALL = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    with handlers(*ALL):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        yield


@pytest.mark.parametrize("number", ALL)
def test_the_second_signal_ends_a_removal_behind_the_screen(number: signal.Signals) -> None:
    outer, inner = Hurry(), Hurry()
    with heeding(outer, signal.SIGHUP, signal.SIGTERM) as kept:
        with heeding(inner) as heed:
            heed.removing()
            os.kill(os.getpid(), number)
            assert inner.asked == 1
            with pytest.raises(Cut), inner.cut():
                os.kill(os.getpid(), number)
        assert outer.asked == 0
        assert signal.getsignal(signal.SIGHUP) is kept


def test_what_is_ignored_and_what_a_demo_set_stays() -> None:
    def of_the_demo(*_: object) -> None:
        raise AssertionError

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, of_the_demo)
    with heeding(Hurry()) as heed:
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGINT) is of_the_demo
        assert signal.getsignal(signal.SIGTERM) is heed
