"""Processes of a life before: waited for while they end, refused where they do not, never guessed."""

import os
import secrets
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.waiting import eventually

from drbook.app.aftermath import Aftermath, wait_for_children
from drbook.core import events as ev
from drbook.core.errors import Refused
from drbook.core.events import Event, Life, Mode, Record, StepEnd
from drbook.providers import life as living
from drbook.providers.child import Child
from drbook.providers.life import VARIABLE, child_token, this_life
from drbook.providers.pids import start_ticks, still_runs


def recorded(*events: Event, host: str = "here") -> list[Record]:
    return [
        Record(
            seq=number,
            at=datetime.now(UTC),
            mono_ns=0,
            mode=Mode.LIVE,
            actor="ops",
            host=host,
            event=event,
            prev="",
        )
        for number, event in enumerate(events, 1)
    ]


def begun(pid: int, started: int, token: str = "") -> ev.ProcessStarted:
    argv = ("pg_restore", "x")
    return ev.ProcessStarted(
        step="restore", attempt=1, pid=pid, started=started, argv=argv, token=token
    )


def on_record(pid: int, started: int, host: str = "here") -> list[Record]:
    """As older versions wrote it: the host's name alone says where the number means anything."""
    return recorded(begun(pid, started), host=host)


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
    assert outlived == Aftermath((f"{sleeper.pid} (pg_restore x)",))
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
    assert wait_for_children(records, "here", lambda _: None, longest=0.2).outlived == ()


def test_every_one_that_still_runs_is_named(sleeper: "subprocess.Popen[bytes]") -> None:
    with subprocess.Popen(["sleep", "600"]) as other:
        events = [begun(each, start_ticks(each)) for each in (sleeper.pid, other.pid)]
        try:
            with pytest.raises(Refused) as refused:
                wait_for_children(recorded(*events), "here", lambda _: None, longest=0.1)
        finally:
            other.kill()
    assert str(sleeper.pid) in refused.value.what
    assert str(other.pid) in refused.value.what


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
    assert wait_for_children(records, "here", lambda _: None, longest=5).outlived in (
        (),
        (f"{member} (sleep) of {launcher.pid} (pg_restore x)",),
    )


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says whose session it is")
@pytest.mark.parametrize("state", [StepEnd.SUCCEEDED, StepEnd.FAILED])
def test_a_service_in_the_session_of_a_command_that_ended_is_left_alone(
    state: StepEnd, sleeper: "subprocess.Popen[bytes]"
) -> None:
    """`nohup server &`: its launcher is gone, and its session is still the launcher's."""
    script = (
        "import subprocess,sys\n"
        "print(subprocess.Popen(['sleep', '600'], stdout=-3).pid, flush=True); sys.stdin.read()"
    )
    launcher = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert launcher.stdout is not None
    member = int(launcher.stdout.readline())
    event = begun(launcher.pid, start_ticks(launcher.pid))
    launcher.communicate()
    ended = ev.StepFinished(step="restore", attempt=1, state=state, duration_ms=1)
    try:
        with pytest.raises(Refused):
            wait_for_children(recorded(event), "here", lambda _: None, longest=0.1)
        found = wait_for_children(recorded(event, ended), "here", lambda _: None, longest=0.1)
        assert found.outlived == ()
        # What still runs is named whoever was left alone before it.
        other = begun(sleeper.pid, start_ticks(sleeper.pid)).model_copy(update={"step": "verify"})
        with pytest.raises(Refused) as refused:
            wait_for_children(recorded(event, ended, other), "here", lambda _: None, longest=0.1)
        assert str(sleeper.pid) in refused.value.what
        assert str(member) not in refused.value.what
    finally:
        os.kill(member, signal.SIGKILL)


# --- by boot and token, whatever the host is called now -------------------------------------------

HERE = Life(token="a1" * 16, boot="this boot", pids="pid:[1]")


def resumed(life: Life | None) -> ev.IncidentResumed:
    return ev.IncidentResumed(head="0" * 64, life=life)


def before(token: str = "", **other: str) -> Life:
    return HERE.model_copy(update={"token": token or secrets.token_hex(16), **other})


def test_this_life_says_which_boot_and_namespace_it_is_of() -> None:
    assert this_life() is this_life()
    life = this_life.__wrapped__()
    assert VARIABLE == "DRBOOK_CHILD"  # the README names it
    assert len(life.token) == 32
    assert child_token().startswith(this_life().token + ".")
    assert child_token() != child_token()
    if sys.platform == "linux":
        assert len(life.boot) == 36
        assert life.pids.startswith("pid:[")


@pytest.mark.parametrize("seen", [True, False])
def test_a_system_that_does_not_say_its_boot(
    seen: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if seen:
        (tmp_path / "boot").write_bytes(b"\xff")
    monkeypatch.setattr(living, "BOOT", tmp_path / "boot")
    monkeypatch.setattr(living, "NAMESPACE", tmp_path / "namespace")
    found = this_life.__wrapped__()
    assert (found.boot, found.pids) == ("", "")


SILENT = HERE.model_copy(update={"boot": ""})

CASES: dict[str, tuple[Life | None, str, bool, str]] = {
    "another host name": (before(), "renamed", True, ""),
    "another boot": (before(boot="another"), "here", False, ""),
    "another machine": (before(boot="another"), "there", False, "ran on there:"),
    "another container": (before(pids="pid:[2]"), "here", False, "another process namespace"),
    "an old record": (None, "here", True, ""),
    "an old record of another host": (None, "there", False, "ran on there:"),
    "a system that does not say": (before(boot=""), "here", True, ""),
}
"""The life before, its host's name → whether its numbers are looked for, and what is said."""
BY_NAME: dict[str, tuple[Life | None, str, bool, str]] = {
    "this host": (before(), "here", True, ""),
    "another host": (before(), "there", False, "ran on there:"),
    "another host that does not say either": (before(boot=""), "there", False, "ran on there:"),
    "another container that does not say either": (before(boot="", pids="?"), "here", True, ""),
}
"""The same where this system does not say its boot."""


@pytest.mark.parametrize(
    ("here", "case"), [*((HERE, each) for each in CASES), *((SILENT, each) for each in BY_NAME)]
)
def test_numbers_mean_something_in_the_same_boot_and_namespace(
    here: Life, case: str, sleeper: "subprocess.Popen[bytes]"
) -> None:
    life, host, looked_for, said = (CASES if here is HERE else BY_NAME)[case]
    event = begun(sleeper.pid, start_ticks(sleeper.pid))
    records = recorded(resumed(life), event, host=host)
    told: list[str] = []
    if looked_for:
        with pytest.raises(Refused, match=str(sleeper.pid)):
            wait_for_children(records, "here", told.append, here=here, longest=0.1)
        return
    found = wait_for_children(records, "here", told.append, here=here, longest=0.1)
    assert found.outlived == ()
    assert told == ([found.unseen] if found.unseen else [])
    assert said in found.unseen
    assert bool(said) == bool(found.unseen)


needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows environments")


@pytest.fixture
def left() -> Iterator[Callable[[str], int]]:
    """Starts what a killed launcher left behind: in a session of its own, with this token."""
    started: list[subprocess.Popen[bytes]] = []

    def start(token: str) -> int:
        environment = {**os.environ, VARIABLE: token}
        started.append(subprocess.Popen(["sleep", "600"], env=environment, start_new_session=True))
        pid = started[-1].pid
        environ = Path(f"/proc/{pid}/environ")  # empty for a moment after the program is there
        assert eventually(lambda: token.encode() in environ.read_bytes())
        return pid

    yield start
    for process in started:
        process.kill()
        process.wait()


@needs_proc
@pytest.mark.parametrize(
    ("life", "ending", "named"),
    [
        (before(), None, True),
        (before(pids="pid:[2]"), None, True),  # from outside a container its processes are seen
        (before(), "cancelled", True),
        (before(), "in-doubt", True),
        (before(), "launcher-killed", True),
        (before(), "timeout", True),
        (before(), "did-not-stop", True),
        (before(), "internal", True),
        (before(), "interrupted", True),
        (before(), "process", False),
        (before(), "ended", False),  # a service that a command left behind when it ended by itself
        (before(boot=""), None, True),  # nobody else has that token
    ],
)
def test_what_left_its_session_is_told_by_its_token(
    life: Life, ending: str | None, named: bool, left: Callable[[str], int]
) -> None:
    token = f"{life.token}.7"
    pid = left(token)
    events: list[Event] = [resumed(life), begun(2**22 + 1, 1, token)]
    if ending is not None:
        states = {"cancelled": StepEnd.CANCELLED, "in-doubt": StepEnd.IN_DOUBT}
        events.append(
            ev.StepFinished(
                step="restore",
                attempt=1,
                state=states.get(ending, StepEnd.FAILED),
                code="" if ending == "ended" else ending,
                duration_ms=1,
            )
        )
    if not named:
        found = wait_for_children(recorded(*events), "here", lambda _: None, here=HERE, longest=0.1)
        assert found.outlived == ()
        return
    with pytest.raises(Refused) as refused:
        wait_for_children(recorded(*events), "here", lambda _: None, here=HERE, longest=0.1)
    assert f"{pid} (sleep) of {2**22 + 1} (pg_restore x)" in refused.value.what


@needs_proc
@pytest.mark.parametrize("here", [SILENT, HERE])
def test_a_token_is_looked_for_where_a_boot_is_not_known(
    here: Life, left: Callable[[str], int]
) -> None:
    life = before(boot="this boot" if here is SILENT else "")
    pid = left(f"{life.token}.7")
    events = [resumed(life), begun(2**22 + 1, 1, f"{life.token}.7")]
    with pytest.raises(Refused, match=f"{pid} .sleep. of"):
        wait_for_children(recorded(*events), "here", lambda _: None, here=here, longest=0.1)


@needs_proc
def test_a_launcher_that_is_on_no_record_is_waited_for() -> None:
    """One that only looked, or that was killed for before its record: it is told by its life."""
    script = textwrap.dedent("""
        import time
        from drbook.providers.child import Child
        from drbook.providers.life import this_life
        child = Child(["/bin/sh", "-c", "trap '' TERM; echo; sleep 600; sleep 600"], grace=1.5)
        child.go()
        child.popen.stdout.readline()
        print(this_life().model_dump_json(), child.pid, flush=True)
        time.sleep(600)
    """)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as drbook:
        assert drbook.stdout is not None
        life, pid = drbook.stdout.readline().decode().rsplit(" ", 1)
        drbook.kill()
    records = recorded(resumed(Life.model_validate_json(life)))
    found = wait_for_children(records, "renamed", lambda _: None, longest=20)
    assert len(found.outlived) == 1
    assert found.outlived[0].startswith(f"{int(pid)} (")
    assert found.outlived[0].endswith(", on no record)")
    assert not still_runs(int(pid), start_ticks(int(pid)) or 1)


@needs_proc
def test_our_own_children_are_ours() -> None:
    child = Child(["/bin/sleep", "600"])
    records = recorded(resumed(this_life()))
    assert wait_for_children(records, "here", lambda _: None, longest=0.1) == Aftermath()
    child.close()


def test_a_record_that_holds_nothing_leaves_nothing() -> None:
    assert wait_for_children([], "here", lambda _: None) == Aftermath()
