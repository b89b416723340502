"""A process that is found again by its number and its start, or is another one."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from drbook.providers import pids
from drbook.providers.pids import end_session, session_of, start_ticks, still_runs

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

    def kill(pid: int, number: int) -> None:
        asked.append((pid, number))
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(pids.os, "kill", kill)
        assert still_runs(4711, 0) is True  # somebody else's
    assert asked == [(4711, 0)]


# --- a session whose leader was killed ------------------------------------------------------------


@pytest.fixture
def killed_leader() -> Iterator[tuple[int, int, int]]:
    """Number and start of a session's leader that was killed, and its member that runs on."""
    script = "import subprocess, time; print(subprocess.Popen(['sleep', '600']).pid, flush=True); time.sleep(600)"  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True
    ) as leader:
        assert leader.stdout is not None
        started, member = start_ticks(leader.pid), int(leader.stdout.readline())
        leader.kill()
    yield leader.pid, started, member
    if psutil.pid_exists(member):
        os.kill(member, signal.SIGKILL)


needs_proc = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux says whose session it is"
)


@needs_proc
def test_what_runs_on_in_a_session_is_told_by_its_leaders_number(
    killed_leader: tuple[int, int, int],
) -> None:
    leader, started, member = killed_leader
    assert not still_runs(leader, started)
    assert session_of(leader, started) == {member: "sleep"}
    assert session_of(leader, 0) == {}  # a start that nobody knows is nobody's
    assert session_of(member, start_ticks(member)) == {}


@needs_proc
def test_another_process_of_that_number_has_another_session() -> None:
    script = "sleep 600 & echo $!; wait"
    with subprocess.Popen(
        ["/bin/sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True
    ) as leader:
        assert leader.stdout is not None
        member = int(leader.stdout.readline())
        ticks = start_ticks(leader.pid)
        try:
            while _comm(member) != b"sleep\n":  # between fork and exec it still has the shell's name
                time.sleep(0.01)
            assert session_of(leader.pid, ticks) == {member: "sleep"}
            assert session_of(leader.pid, ticks + 1) == {}
        finally:
            os.kill(member, signal.SIGKILL)


@needs_proc
def test_the_kernels_own_session_is_nobodys() -> None:
    """Its threads are in session 0; so is what a container was started with from outside."""
    assert session_of(0, 1) == {}


@needs_proc
def test_a_session_is_ended_and_the_deaf_are_killed(killed_leader: tuple[int, int, int]) -> None:
    leader, started, _ = killed_leader
    end_session(leader, started)
    assert session_of(leader, started) == {}
    end_session(leader, started)  # nothing is left, and nothing is waited for


@needs_proc
def test_one_that_cannot_be_ended_is_not_waited_for_without_end(
    killed_leader: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    leader, started, member = killed_leader
    sent = []

    def kill(pid: int, number: int) -> None:
        sent.append((pid, number))
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(pids.os, "kill", kill)
        end_session(leader, started, grace=0.1)
    assert sent == [(member, signal.SIGTERM), (member, signal.SIGKILL)]
    assert session_of(leader, started) == {member: "sleep"}
