"""Reading behind a screen, with rests."""

import time

import pytest

from drbook.app import unhurried as module
from drbook.app.unhurried import REST, WORK, unhurried


def test_it_rests_after_each_stretch_of_work(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, rests = [0.0], []
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(module.time, "sleep", rests.append)
    found = []
    for one in unhurried(range(20)):
        found.append(one)
        clock[0] += WORK / 4
    assert found == list(range(20))
    assert rests == [REST] * 4


def test_what_takes_no_time_takes_no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.time, "monotonic", lambda: 7.0)
    monkeypatch.setattr(module.time, "sleep", lambda _: pytest.fail("it rested"))
    assert list(unhurried("abc")) == ["a", "b", "c"]
    assert time.monotonic() == 7.0
