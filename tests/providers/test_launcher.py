"""What a launcher knows of its own descendants, and in which order it ends them: in this process."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from types import SimpleNamespace

import pytest

from drbook.providers import launcher

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says who started whom")
GONE = str(2**22 + 1)
"""Above every number that Linux gives."""


def test_what_comes_of_us_and_runs_is_found_with_its_parent() -> None:
    with subprocess.Popen(
        ["/bin/sh", "-c", "sleep 600 & echo $!; wait"], stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        grandchild = int(child.stdout.readline())
        found = launcher.descendants()
        assert found[child.pid] == os.getpid()
        assert found[grandchild] == child.pid
        assert os.getpid() not in found
        assert os.getppid() not in found
        os.kill(child.pid, signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
        assert child.pid not in launcher.descendants()
        os.kill(grandchild, signal.SIGKILL)


def test_what_ended_while_it_was_looked_at_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    there = os.listdir("/proc")
    monkeypatch.setattr(launcher.os, "listdir", lambda path: [GONE, *there])
    with subprocess.Popen(["sleep", "600"]) as child:
        there.append(str(child.pid))
        assert launcher.descendants()[child.pid] == os.getpid()
        assert int(GONE) not in launcher.descendants()
        child.kill()


def test_a_system_that_does_not_say_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with subprocess.Popen(["sleep", "600"]) as child:
        assert launcher.descendants() == {}
        child.kill()


class Clock:
    """Half a second for each look; and what was sent when, to descendants that do not end by it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, left: dict[int, int]) -> None:
        self.now, self.left, self.reaped = 0.0, left, 0
        self.sent: list[tuple[float, str, list[int]]] = []
        clock = SimpleNamespace(monotonic=lambda: self.now, sleep=self.sleep)
        monkeypatch.setattr(launcher, "time", clock)
        monkeypatch.setattr(launcher, "descendants", lambda: dict(self.left))
        monkeypatch.setattr(launcher, "signal_all", self.signal_all)
        monkeypatch.setattr(launcher, "reaped", self.reap)

    def sleep(self, seconds: float) -> None:
        assert seconds < 0.1
        assert self.now < 60, "it does not end"
        self.now += 0.5

    def reap(self, pid: int) -> None:
        assert pid == 0  # nobody's: none of them is the program itself
        self.reaped += 1

    def signal_all(self, pids: Iterable[int], number: signal.Signals) -> None:
        if pids := sorted(pids):
            self.sent.append((self.now, number.name, pids))


def test_the_first_of_each_tree_gets_a_word_and_all_of_them_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = os.getpid()
    clock = Clock(monkeypatch, {11: ours, 12: 11})
    launcher.end_descendants(signal.SIGINT, kill_at=3.0)
    assert clock.sent == [
        (0.0, "SIGINT", [11]),
        *((at, "SIGKILL", [11, 12]) for at in (3.0, 3.5, 4.0, 4.5)),
    ]
    assert clock.now == 5.0  # two seconds, and no longer
    assert clock.reaped == 10


def test_a_grace_that_is_over_is_not_given_again(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, {11: os.getpid()})
    clock.now = 10.0
    launcher.end_descendants(signal.SIGTERM, kill_at=3.0)
    assert {name for _, name, _ in clock.sent} == {"SIGKILL"}
    assert clock.now == 12.0


def test_what_becomes_ours_later_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = os.getpid()
    clock = Clock(monkeypatch, {11: ours, 12: 11})

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        clock.left = {0.5: {12: ours}, 1.0: {12: ours}}.get(clock.now, {})

    monkeypatch.setattr(launcher.time, "sleep", sleep)
    launcher.end_descendants(signal.SIGTERM, kill_at=9.0)
    assert clock.sent == [(0.0, "SIGTERM", [11]), (0.5, "SIGTERM", [12])]
    assert clock.now == 1.5


def test_with_nothing_left_nothing_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, {})
    launcher.end_descendants(signal.SIGTERM, kill_at=9.0)
    assert (clock.now, clock.sent, clock.reaped) == (0.0, [], 0)


@pytest.mark.parametrize("error", [ProcessLookupError, PermissionError])
def test_one_that_cannot_be_told_keeps_no_other_from_it(
    monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    sent: list[tuple[int, int]] = []

    def kill(pid: int, number: int) -> None:
        if pid == 1:
            raise error
        sent.append((pid, number))

    monkeypatch.setattr(launcher.os, "kill", kill)
    launcher.signal_all([1, 2, 3], signal.SIGTERM)
    assert sent == [(2, signal.SIGTERM), (3, signal.SIGTERM)]
