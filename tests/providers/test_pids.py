"""A process that is found again by its number and its start, or is another one."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from drbook.providers import pids
from drbook.providers.pids import start_ticks, still_runs

NOBODY = 2**22 + 1
"""Above every number that Linux gives."""


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process whose name looks like the end of its own entry, and is no text."""
    program = os.fsencode(tmp_path) + b"/a) Z 1 \xff"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    with subprocess.Popen([program, "60"]) as child:
        # Between fork and exec it still has our name.
        while sys.platform == "linux" and b"a) Z" not in _comm(child.pid):
            time.sleep(0.01)
        yield child
        child.kill()


def _comm(pid: int) -> bytes:
    return Path(f"/proc/{pid}/comm").read_bytes()


def test_its_start_is_the_kernel_s(sleeper: subprocess.Popen[bytes]) -> None:
    ticks = start_ticks(sleeper.pid)
    if sys.platform != "linux":
        assert ticks == 0
        return
    since_boot = psutil.Process(sleeper.pid).create_time() - psutil.boot_time()
    assert abs(ticks / os.sysconf("SC_CLK_TCK") - since_boot) < 2
    assert start_ticks(NOBODY) == 0


def test_it_is_the_same_one_only_with_the_same_start(sleeper: subprocess.Popen[bytes]) -> None:
    ticks = start_ticks(sleeper.pid)
    assert still_runs(sleeper.pid, ticks) is True
    if ticks:
        assert still_runs(sleeper.pid, ticks + 1) is False
        assert still_runs(sleeper.pid, 1) is False
    assert still_runs(NOBODY, 4711) is False


def test_one_that_ended_and_was_not_asked_for_does_not_run(
    sleeper: subprocess.Popen[bytes],
) -> None:
    ticks = start_ticks(sleeper.pid)
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
    if ticks:
        assert start_ticks(sleeper.pid) == ticks
        assert still_runs(sleeper.pid, ticks) is False


def test_where_the_start_is_unknown_the_number_counts(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert still_runs(sleeper.pid, 0) is True
    assert still_runs(NOBODY, 0) is False
    asked = []

    def kill(pid: int, signal: int) -> None:
        asked.append((pid, signal))
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(pids.os, "kill", kill)
        assert still_runs(4711, 0) is True  # somebody else's
    assert asked == [(4711, 0)]
