"""What leaves its group, and launchers that are killed: no process runs on that nobody knows of."""

import os
import re
import secrets
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from support.waiting import eventually

from drbook.core.errors import StepFailed
from drbook.core.signals import Output, ProcessStarted, finish
from drbook.providers import child as children
from drbook.providers.child import Child
from drbook.providers.pids import Ended
from drbook.providers.process import complete, run

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says who started whom")


def _runs(marker: str) -> list[int]:
    """Processes whose command line holds the marker, launchers left out."""
    return [
        each.pid
        for each in psutil.process_iter(["cmdline", "status"])
        if marker in (each.info["cmdline"] or [])
        and each.info["status"] != psutil.STATUS_ZOMBIE
        and not any("launcher.py" in part for part in each.info["cmdline"])
    ]


@pytest.fixture
def marker() -> Iterator[str]:
    """A number of seconds that nobody else sleeps; nothing that sleeps so outlives the test."""
    made = f"{secrets.randbelow(10**6) + 10**5}.{secrets.randbelow(10**6)}"
    yield made
    for pid in _runs(made):
        os.kill(pid, signal.SIGKILL)


LEAVERS = {
    "a session of its own": "setsid sleep {m} & sleep {m}",
    "an orphan in a session of its own": "(setsid sleep {m} &) & sleep {m}",
    "deaf": "(trap '' TERM; setsid sh -c 'trap \"\" TERM; sleep {m}; :' &) ; sleep {m}",
    "a group of its own": "set -m; sleep {m} & sleep {m}",
}


@needs_proc
@pytest.mark.parametrize("how", LEAVERS)
def test_what_leaves_its_group_ends_with_a_cancel(how: str, marker: str) -> None:
    child = Child(["/bin/sh", "-c", LEAVERS[how].format(m=marker)], grace=0.5)
    child.go()
    assert eventually(lambda: len(_runs(marker)) == 2)
    child.stop()
    assert eventually(lambda: _runs(marker) == [], 3)
    child.close()


@needs_proc
def test_what_leaves_its_group_ends_with_us(marker: str) -> None:
    script = textwrap.dedent("""
        import sys, time
        from drbook.providers.child import Child
        Child(["/bin/sh", "-c", sys.argv[1]], grace=0.5).go()
        time.sleep(600)
    """)
    command = LEAVERS["an orphan in a session of its own"].format(m=marker)
    with subprocess.Popen([sys.executable, "-c", script, command]) as parent:
        assert eventually(lambda: len(_runs(marker)) == 2)
        parent.kill()
    assert eventually(lambda: _runs(marker) == [])


@needs_proc
def test_what_left_its_group_gets_a_word_first(tmp_path: Path) -> None:
    """A server that was started in its own session may shut down before it is killed."""
    said = tmp_path / "said"
    inner = f"trap 'echo stopped > {said}; exit' TERM; touch {tmp_path}/up; while :; do sleep 0.05; done"
    child = Child(["/bin/sh", "-c", '(setsid sh -c "$0" &) ; sleep 600', inner], grace=10)
    child.go()
    assert eventually((tmp_path / "up").exists)
    child.stop()
    assert said.read_text() == "stopped\n"
    child.close()


@needs_proc
def test_a_service_that_a_command_started_stays_when_the_command_has_ended(marker: str) -> None:
    script = f"setsid sleep {marker} >/dev/null 2>&1 & sleep 0.5"
    assert complete(["/bin/sh", "-c", script]).exit_code == 0
    assert eventually(lambda: len(_runs(marker)) == 1)
    assert not eventually(lambda: _runs(marker) == [], 0.5)


@needs_proc
def test_orphans_that_ended_are_not_kept_as_zombies() -> None:
    child = Child(["/bin/sh", "-c", "for i in 1 2 3; do (setsid true &); done; echo; sleep 600"])
    child.go()
    assert child.popen.stdout is not None
    assert child.popen.stdout.readline() == b"\n"
    launched = psutil.Process(child.pid)
    assert eventually(lambda: len(launched.children()) == 1)
    child.close()


@needs_proc
@pytest.mark.parametrize(
    "script",
    [
        "sleep {m}; echo done",
        "trap '' TERM; sleep {m}; sleep {m}",
        "trap '' TERM; sleep {m} & while sleep 0.1; do echo talks; done",
    ],
)
def test_a_launcher_that_is_killed_leaves_nothing_and_says_so(script: str, marker: str) -> None:
    """The machine without memory kills whom it likes; what was started must not run on alone."""
    work = run(["/bin/sh", "-c", script.format(m=marker)], tick=lambda: Output("runs"))
    started = next(work)
    assert isinstance(started, ProcessStarted)
    assert isinstance(next(work), Output)
    assert eventually(lambda: len(_runs(marker)) == 1)
    os.kill(started.pid, signal.SIGKILL)
    with pytest.raises(StepFailed) as caught:
        finish(work)
    assert caught.value.code == "launcher-killed"
    assert "The launcher of sh was killed from outside (signal 9)" in caught.value.what
    assert _runs(marker) == []


@needs_proc
@pytest.mark.parametrize("how", LEAVERS)
def test_what_left_its_session_ends_when_its_launcher_is_killed(how: str, marker: str) -> None:
    script = LEAVERS[how].format(m=marker)
    work = run(["/bin/sh", "-c", script], tick=lambda: Output("runs"))
    started = next(work)
    assert isinstance(started, ProcessStarted)
    assert isinstance(next(work), Output)
    assert eventually(lambda: len(_runs(marker)) == 2)
    os.kill(started.pid, signal.SIGKILL)
    with pytest.raises(StepFailed) as caught:
        finish(work)
    assert "was ended" in caught.value.what
    assert "cleaned its environment" in caught.value.means
    assert _runs(marker) == []


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Ended(seen=False), "does not say what it had started: that may still run"),
        (Ended(left=(1,)), r"this still runs and could not be ended: 1 \(.+\)\."),
        (Ended(unreadable=2), "2 processes of others, begun since, cannot be looked into"),
    ],
)
def test_no_more_is_said_of_a_killed_launcher_than_is_known(
    found: Ended, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "end_left", lambda *_: found)
    work = run(["/bin/sh", "-c", "sleep 600"])
    started = next(work)
    assert isinstance(started, ProcessStarted)
    os.kill(started.pid, signal.SIGKILL)
    with pytest.raises(StepFailed) as caught:
        finish(work)
    assert re.search(said, f"{caught.value.what} {caught.value.means}")
    assert ("was ended" in caught.value.what) == (found.seen and not found.left)


@needs_proc
def test_a_service_that_holds_the_output_is_not_waited_for(marker: str) -> None:
    script = f"(setsid sleep {marker} &); sleep 0.3; echo done"
    done = complete(["/bin/sh", "-c", script], timeout=timedelta(seconds=20))
    assert (done.exit_code, done.stdout) == (0, "done\n")
    assert done.seconds < 15
    assert len(_runs(marker)) == 1


@needs_proc
def test_a_service_that_goes_on_talking_does_not_wait_for_a_listener(tmp_path: Path) -> None:
    said = tmp_path / "said"
    talks = f"for i in $(seq 40); do sleep 0.1; seq 2000; done; touch {said}"
    script = f"(setsid sh -c '{talks.replace('0.1', '1.6', 1)}' &); sleep 0.2; echo done"
    before = threading.active_count()
    done = complete(["/bin/sh", "-c", script.replace("seq 40", "seq 3")])
    assert (done.exit_code, done.stdout) == (0, "done\n")
    assert eventually(said.exists)
    assert eventually(lambda: threading.active_count() <= before)
