"""Processes of a life before: waited for while they end, refused where they do not, never guessed."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from drbook.app.aftermath import wait_for_children
from drbook.core import events as ev
from drbook.core.errors import Refused
from drbook.core.events import Mode, Record
from drbook.providers.pids import start_ticks, still_runs


def on_record(pid: int, started: int, host: str = "here") -> list[Record]:
    event = ev.ProcessStarted(
        step="restore", attempt=1, pid=pid, started=started, argv=("pg_restore", "x")
    )
    return [
        Record(
            seq=1,
            at=datetime.now(UTC),
            mono_ns=0,
            mode=Mode.LIVE,
            actor="ops",
            host=host,
            event=event,
            prev="",
        )
    ]


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process
        process.kill()


def test_it_waits_until_the_process_has_gone(sleeper: "subprocess.Popen[bytes]") -> None:
    told: list[str] = []
    records = on_record(sleeper.pid, start_ticks(sleeper.pid))
    threading.Timer(0.3, sleeper.kill).start()
    outlived = wait_for_children(records, "here", told.append)
    assert not still_runs(sleeper.pid, start_ticks(sleeper.pid) or 1)
    assert outlived == (f"{sleeper.pid} (pg_restore x)",)
    assert told == ["1 process of the life before must end first …"]


def test_one_that_does_not_end_is_refused_and_named(sleeper: "subprocess.Popen[bytes]") -> None:
    records = on_record(sleeper.pid, start_ticks(sleeper.pid))
    with pytest.raises(Refused, match=str(sleeper.pid)) as refused:
        wait_for_children(records, "here", lambda _: None, longest=0.2)
    assert refused.value.code == "still-running"
    assert sleeper.poll() is None  # it is the operator who ends it


@pytest.mark.parametrize("case", ["another process of that number", "another host", "gone"])
def test_others_are_not_waited_for(case: str, sleeper: "subprocess.Popen[bytes]") -> None:
    ticks = start_ticks(sleeper.pid)
    records = {
        "another process of that number": on_record(sleeper.pid, ticks - 1),
        "another host": on_record(sleeper.pid, ticks, host="there"),
        "gone": on_record(2**22 + 1, 1),
    }[case]
    assert wait_for_children(records, "here", lambda _: None, longest=0.2) == ()


def test_without_start_times_a_process_of_that_number_counts(
    sleeper: "subprocess.Popen[bytes]",
) -> None:
    assert still_runs(sleeper.pid, 0)
    assert not still_runs(2**22 + 1, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says whose session it is")
def test_what_outlived_a_launcher_that_was_killed_is_found_and_named() -> None:
    """Nobody is left who would end it: the operator does, by its number."""
    script = "import subprocess, time; print(subprocess.Popen(['sleep', '600']).pid, flush=True); time.sleep(600)"  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True
    ) as launcher:
        assert launcher.stdout is not None
        member = int(launcher.stdout.readline())
        records = on_record(launcher.pid, start_ticks(launcher.pid))
        launcher.kill()
    try:
        with pytest.raises(Refused) as refused:
            wait_for_children(records, "here", lambda _: None, longest=0.2)
        assert refused.value.code == "still-running"
        assert f"{member} (sleep) of {launcher.pid} (pg_restore x)" in refused.value.what
    finally:
        os.kill(member, signal.SIGKILL)
    assert wait_for_children(records, "here", lambda _: None, longest=5) in (
        (),
        (f"{member} (sleep) of {launcher.pid} (pg_restore x)",),
    )
