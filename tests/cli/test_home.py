"""The home screen's signals: the application's own while it runs, and nothing ends the removal behind it."""

import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from drbook.cli import home
from drbook.cli.attended import handlers
from drbook.tui import homeapp

BOTH = (signal.SIGHUP, signal.SIGTERM)


def test_no_signal_ends_it_while_seats_are_given_up(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def run_home(*given: Any) -> tuple[str, ...]:
        running: Callable[[], AbstractContextManager[object]] = given[-1]
        with running():
            for number in BOTH:  # as asyncio leaves them when its loop closes
                signal.signal(number, signal.SIG_DFL)
        for number in BOTH:
            os.kill(os.getpid(), number)
        return ("a-drill",)

    monkeypatch.setattr(homeapp, "run_home", run_home)
    with handlers(*BOTH):
        before = {one: signal.getsignal(one) for one in BOTH}
        home._on_the_screen()
        assert {one: signal.getsignal(one) for one in BOTH} == before
    said = capfd.readouterr().err
    assert said.count("Stopping already") == 2
    assert "drbook resume a-drill" in said
