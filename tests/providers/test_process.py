"""Processes: ended with us, bounded, fed honestly, and with nothing of our environment."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import IO

import coverage
import psutil
import pytest
from support.pg import drain
from support.waiting import eventually

from drbook.core.errors import Cancelled, StepFailed
from drbook.core.signals import Output, ProcessStarted
from drbook.providers import child as children
from drbook.providers import launcher, process
from drbook.providers.cancel import CancelToken
from drbook.providers.child import Child, environment
from drbook.providers.pgserver import ClusterServer, server_user
from drbook.providers.pgtools import PgTools
from drbook.providers.pids import start_ticks
from drbook.providers.process import TAIL, complete, run

LAUNCHER = launcher.__file__


@pytest.fixture(autouse=True)
def _measured_launchers(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where coverage is taken, the launchers of these tests are measured too. They run isolated and
    with a scrubbed environment, so that the way in has to be let through by name."""
    measuring = coverage.Coverage.current()
    if measuring is None:
        return
    settings = tmp_path_factory.mktemp("coverage") / "launcher.ini"
    settings.write_text(
        "[run]\nbranch = true\nparallel = true\npatch = _exit,execv,fork\n"
        f"include = {LAUNCHER}\ndata_file = {measuring.get_option('run:data_file')}\n"
    )
    monkeypatch.setenv("COVERAGE_PROCESS_START", str(settings))
    monkeypatch.setattr(children, "KEPT", (*children.KEPT, "COVERAGE_PROCESS_START"))


def finish(work):  # type: ignore[no-untyped-def]
    said = []
    while True:
        try:
            said.append(next(work))
        except StopIteration as end:
            return end.value, said


def gone(pid: int, within: float = 20.0) -> bool:
    until = time.monotonic() + within
    while time.monotonic() < until:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def test_exit_code_and_both_streams_are_passed_on() -> None:
    done, said = finish(run(["/bin/sh", "-c", "echo out; echo err >&2; exit 3"]))
    assert (done.exit_code, done.stdout, done.stderr) == (3, "out\n", "err\n")
    assert isinstance(said[0], ProcessStarted)
    assert said[0].pid > 0
    assert said[0].started > 0
    assert {item.text for item in said if isinstance(item, Output)} == {"out", "err"}


def test_a_signal_is_an_exit_code_above_128() -> None:
    assert complete(["/bin/sh", "-c", "kill -9 $$"]).exit_code == 128 + 9


def test_a_program_that_is_not_there_says_so() -> None:
    with pytest.raises(StepFailed, match=r"no-such-program cannot be started: .*No such file"):
        complete(["/no-such-program"])


def test_nothing_of_our_environment_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "marker-1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "marker-2")
    monkeypatch.setenv("LD_PRELOAD", "")
    text = complete(["/usr/bin/env"], env={"GIVEN": "yes"}).stdout
    assert "marker" not in text
    assert "LD_PRELOAD" not in text
    assert "GIVEN=yes" in text
    assert "TZ=UTC" in text
    assert "PGPASSWORD" not in environment()


def test_arguments_are_never_a_shell_string(tmp_path: Path) -> None:
    bad = f"$(touch {tmp_path}/x); `touch {tmp_path}/y`"
    assert complete(["/bin/echo", bad]).stdout == bad + "\n"
    assert list(tmp_path.iterdir()) == []


def test_output_is_shown_without_control_characters_and_kept_bounded() -> None:
    done, said = finish(run([sys.executable, "-c", "print('\\x1b[31mred'); print('x' * 300000)"]))
    lines = [item.text for item in said if isinstance(item, Output)]
    assert lines[0] == "\\x1b[31mred"
    assert len(done.stdout) <= TAIL


def test_a_timeout_ends_it() -> None:
    with pytest.raises(StepFailed) as caught:
        complete(["/bin/sleep", "60"], timeout=timedelta(seconds=0.3))
    assert caught.value.code == "timeout"


@pytest.mark.parametrize("script", ["sleep 60", "trap '' TERM; sleep 60 & wait; sleep 60"])
def test_a_cancel_ends_the_whole_group(script: str) -> None:
    token = CancelToken()
    work = run(["/bin/sh", "-c", script], cancel=token, tick=lambda: Output("runs"))
    started = next(work)
    assert isinstance(started, ProcessStarted)
    assert next(work) == Output("runs")
    assert eventually(lambda: len(psutil.Process(started.pid).children(recursive=True)) >= 1)
    family = [each.pid for each in psutil.Process(started.pid).children(recursive=True)]
    token.request("cancel")
    with pytest.raises(Cancelled):
        finish(work)
    assert all(gone(pid) for pid in (started.pid, *family))


def test_a_cancel_that_came_before_the_start_still_ends_it() -> None:
    token = CancelToken()
    token.request("timeout")
    with pytest.raises(StepFailed) as caught:
        finish(run(["/bin/sleep", "60"], cancel=token))
    assert caught.value.code == "timeout"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_children_die_with_us(how: signal.Signals) -> None:
    """We are killed without a chance to clean up, and the child is gone soon after."""
    script = textwrap.dedent("""
        import sys, time
        from drbook.providers.child import Child
        child = Child(["/bin/sleep", "600"], grace=0.5)
        child.go()
        print(child.pid, flush=True)
        time.sleep(600)
    """)
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    launcher = int(parent.stdout.readline())
    assert eventually(lambda: bool(psutil.Process(launcher).children()))
    sleeper = psutil.Process(launcher).children()[0].pid
    parent.send_signal(how)
    parent.wait(5)
    parent.stdout.close()
    assert gone(launcher)
    assert gone(sleeper)


def test_a_killed_launcher_takes_its_program_along() -> None:
    child = Child(["/bin/sleep", "600"])
    child.go()
    assert eventually(lambda: bool(psutil.Process(child.pid).children()))
    sleeper = psutil.Process(child.pid).children()[0].pid
    os.kill(child.pid, signal.SIGKILL)
    assert gone(sleeper)
    child.close()


@pytest.mark.parametrize("alive", [True, False])
def test_a_program_is_not_started_for_a_launcher_that_is_gone(alive: bool, tmp_path: Path) -> None:
    """It may be killed between the fork and the moment when the kernel knows to end its program."""
    script = textwrap.dedent("""
        import os, sys
        from drbook.providers import launcher
        reading, _ = os.pipe()
        parent = os.getppid() if sys.argv[1] == "True" else 0
        launcher.child(reading, "self", ["/usr/bin/touch", sys.argv[2]], parent)
    """)
    marker = tmp_path / "ran"
    done = subprocess.run([sys.executable, "-c", script, str(alive), str(marker)], check=False)
    assert (done.returncode, marker.exists()) == ((0, True) if alive else (125, False))


def test_a_feed_reaches_the_program_whole() -> None:
    def feed(stream: IO[bytes]) -> None:
        for _ in range(100):
            stream.write(b"x" * 100_000)

    done, _ = finish(run(["/usr/bin/wc", "-c"], feed=feed))
    assert done.stdout.strip() == "10000000"


def test_a_feed_that_breaks_never_looks_like_an_end(tmp_path: Path) -> None:
    """The program is killed before its input ends, so that it cannot take half for a whole."""
    marker = tmp_path / "took-it"

    def feed(stream: IO[bytes]) -> None:
        stream.write(b"half")
        stream.flush()
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        finish(run(["/bin/sh", "-c", f"cat > /dev/null; touch {marker}"], feed=feed))
    assert not marker.exists()


def test_a_program_that_stops_reading_decides_by_its_exit_code() -> None:
    def feed(stream: IO[bytes]) -> None:
        for _ in range(1000):
            stream.write(b"x" * 100_000)

    done, _ = finish(run(["/bin/sh", "-c", "exit 4"], feed=feed))
    assert done.exit_code == 4


@pytest.mark.parametrize(
    "run_as",
    [
        pytest.param(
            "namespace",
            marks=pytest.mark.skipif(
                server_user() == "nobody", reason="no user namespace can be made here"
            ),
        ),
        "nobody",
    ],
)
def test_root_can_run_a_server_as_somebody_else(run_as: str) -> None:
    """Both ways are tried as root; an ordinary user stays who they are."""
    if os.geteuid() == 0:
        assert complete(["/usr/bin/id", "-u"], run_as=run_as).stdout.strip() == "65534"  # type: ignore[arg-type]
    else:
        assert complete(["/usr/bin/id", "-u"]).stdout.strip() == str(os.geteuid())


def test_a_machine_without_room_for_processes_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left open by what was never started."""
    before = set(os.listdir("/proc/self/fd"))

    def full(*_: object, **__: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", full)
    with pytest.raises(
        StepFailed, match="/bin/true cannot be started: Resource temporarily"
    ) as caught:
        Child(["/bin/true"])
    assert caught.value.code == "process"
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_launcher_that_does_not_end_is_killed() -> None:
    """A stopped launcher hears nothing; the wait for it is bounded all the same."""
    child = Child(["/bin/sleep", "600"], grace=-4.8)
    child.go()
    assert eventually(lambda: bool(psutil.Process(child.pid).children()))
    sleeper = psutil.Process(child.pid).children()[0].pid
    os.kill(child.pid, signal.SIGSTOP)
    assert child.stop() == -signal.SIGKILL
    assert gone(sleeper)
    child.close()


def test_a_feed_to_a_program_that_ended_unread_is_no_error() -> None:
    """What still lies in the pipe's buffer at the end breaks the pipe only when it is closed."""

    def feed(stream: IO[bytes]) -> None:
        assert eventually(lambda: ended.popen.poll() is not None)
        stream.write(b"late")

    work = run(["/bin/sh", "-c", "exec 0<&-; exit 5"], feed=feed)
    started = next(work)
    assert isinstance(started, ProcessStarted)
    ended = work.gi_frame.f_locals["child"]  # type: ignore[attr-defined]
    done, _ = finish(work)
    assert done.exit_code == 5


def test_a_line_without_an_end_does_not_fill_the_memory() -> None:
    script = f"import sys; sys.stdout.write('x' * {TAIL * 3}); sys.stdout.flush()"
    seen: list[int] = []

    def count(stream: str, line: str) -> None:
        seen.append(len(line))

    finish(run([sys.executable, "-c", script], on_line=count))
    assert sum(seen) == TAIL * 3
    assert max(seen) <= TAIL + 65536
    assert len(seen) > 1


def test_a_timeout_lets_the_readers_of_a_flood_go() -> None:
    """The queue is full and nobody takes from it any more: the readers must not hang on it."""
    before = threading.active_count()
    with pytest.raises(StepFailed) as caught:
        finish(run(["/usr/bin/yes"], timeout=timedelta(seconds=0.3), on_line=lambda *_: time.sleep(0.01)))  # fmt: skip
    assert caught.value.code == "timeout"
    assert eventually(lambda: threading.active_count() <= before)


def test_a_cancel_does_not_wait_for_all_that_was_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand lines are in the queue when it comes, and masking one may take its time."""
    token = CancelToken()
    monkeypatch.setattr(process, "LAST_WORDS", 0.5)
    heard = 0

    def slow(stream: str, line: str) -> None:
        nonlocal heard
        heard += 1
        time.sleep(0.01)
        if heard == 20:
            token.request("cancel")

    with pytest.raises(Cancelled):
        finish(run(["/usr/bin/yes"], cancel=token, on_line=slow))
    assert 20 < heard <= 20 + 50  # its last words, half a second of them


def test_what_a_child_inherits_is_on_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "USER", "LOGNAME")
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name in (*kept, "TZ", "OTHER"):
        monkeypatch.setenv(name, "/ours")
    assert environment() == {**dict.fromkeys(kept, "/ours"), "TZ": "UTC"}
    assert environment({"TZ": "CET", "A": "b"})["TZ"] == "CET"
    for name in (*kept, "TZ"):
        monkeypatch.delenv(name)
    assert environment().get("HOME") is None


def test_a_child_has_no_terminal_and_no_open_file_of_ours(tmp_path: Path) -> None:
    """Its input is empty, its session its own, its folder the one that is given."""
    with (tmp_path / "ours").open("wb") as ours:
        os.set_inheritable(ours.fileno(), True)
        script = "cat; readlink /proc/self/fd/*; pwd; cut -d' ' -f6 /proc/self/stat"
        done, said = finish(run(["/bin/sh", "-c", script], cwd=tmp_path))
    *files, folder, session = done.stdout.splitlines()
    assert str(tmp_path / "ours") not in files
    assert files[0] == "/dev/null"
    assert folder == str(tmp_path)
    assert session == str(said[0].pid), (
        "a terminal would be nobody's; and it is told by its launcher"
    )


def test_what_is_kept_of_a_long_output_is_its_end() -> None:
    assert TAIL == 64 * 1024
    done = complete([sys.executable, "-c", "print('a' * 100_000 + 'b' * 65_535)"])
    assert done.stdout == "b" * 65_535 + "\n"


def test_lines_come_one_by_one_and_empty_ones_are_no_output() -> None:
    seen: list[tuple[str, str]] = []
    done, said = finish(
        run(
            ["/bin/sh", "-c", "printf 'a\n\nb'; printf c >&2"],
            on_line=lambda *line: seen.append(line),
        )
    )
    assert [text for stream, text in seen if stream == "out"] == ["a", "", "b"]
    assert [text for stream, text in seen if stream == "err"] == ["c"]
    assert (done.stdout, done.stderr) == ("a\n\nb", "c")
    assert len(said) == 1
    _, said = finish(run(["/bin/sh", "-c", f"echo; echo ' '; printf '%0{1000}d' 0"]))
    (line,) = [item.text for item in said if isinstance(item, Output)]
    assert line.startswith("0" * 500 + " …")


def test_a_tick_may_speak_while_nothing_is_printed() -> None:
    ticks = iter([None, Output("tick")])
    _, said = finish(run(["/bin/sleep", "0.7"], tick=lambda: next(ticks, None)))
    assert [item.text for item in said if isinstance(item, Output)] == ["tick"]


def test_a_program_that_cannot_start_is_named_and_an_exit_code_of_127_is_not_taken_for_it() -> None:
    with pytest.raises(StepFailed) as caught:
        complete(["/no/such"])
    assert caught.value.what == "/no/such cannot be started: No such file or directory."
    assert caught.value.code == "process"
    assert complete(["/bin/sh", "-c", "echo said; exit 127"]).exit_code == 127
    assert complete(["/bin/sh", "-c", "printf '%01000d' 0 >&2; exit 127"]).exit_code == 127
    assert complete(["/bin/sh", "-c", "exit 126"]).exit_code == 126
    for text in (
        "exit 127",
        "nosuchcommand",
        "nosuchcommand 2>/dev/null",
        "echo /bin/sh: x >&2; exit 125",
    ):
        assert complete(["/bin/sh", "-c", text]).exit_code == (125 if "125" in text else 127)


def test_what_was_started_can_be_found_again() -> None:
    child = Child(["/bin/sleep", "600\x1b"])
    child.go()
    started = child.started()
    assert started.argv == ("/bin/sleep", "600\\x1b")
    assert started.pid == child.pid == child.popen.pid
    boot = psutil.boot_time() + started.started / os.sysconf("SC_CLK_TCK")
    assert abs(boot - psutil.Process(child.pid).create_time()) < 2
    child.close()
    child.close()
    assert start_ticks(child.pid) == 0
    assert child.popen.stdout is not None
    assert child.popen.stdout.closed


def test_a_stop_signal_and_a_grace_of_ones_own(tmp_path: Path) -> None:
    """The program is asked with its signal first, and has the grace to end in."""
    script = f"trap 'touch {tmp_path}/asked; exit 7' INT; echo ready; while :; do sleep 0.02; done"
    child = Child(["/bin/sh", "-c", script], stop_signal=signal.SIGINT, grace=5.0)
    child.go()
    assert child.popen.stdout is not None
    assert child.popen.stdout.readline() == b"ready\n"
    assert child.stop() == 7
    assert (tmp_path / "asked").exists()
    child.close()


def test_a_program_that_does_not_hear_is_killed_after_its_grace() -> None:
    script = "trap '' TERM; echo ready; while :; do sleep 0.02; done"
    child = Child(["/bin/sh", "-c", script], grace=0.2)
    child.go()
    assert child.popen.stdout is not None
    assert child.popen.stdout.readline() == b"ready\n"
    assert child.stop() == 128 + signal.SIGKILL
    child.close()


_LEAVES = "sleep 600 >/dev/null 2>&1 & echo $!"


@pytest.mark.parametrize("code", [0, 3])
def test_a_service_that_a_program_leaves_behind_runs_on(code: int) -> None:
    done = complete(["/bin/sh", "-c", f"{_LEAVES}; exit {code}"])
    left = int(done.stdout)
    try:
        assert done.exit_code == code
        assert not gone(left, within=0.5)
    finally:
        os.kill(left, signal.SIGKILL)


def test_what_a_program_leaves_behind_that_a_signal_ended_goes_with_it() -> None:
    done = complete(["/bin/sh", "-c", f"{_LEAVES}; kill -9 $$"])
    assert done.exit_code == 128 + signal.SIGKILL
    assert gone(int(done.stdout))


def test_a_program_starts_with_signals_as_they_are() -> None:
    """Python ignores SIGPIPE, a launcher SIGINT, and whoever started us may ignore more (`nohup`, a job
    in a shell's background); what it starts must not inherit that."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        done = complete(["/bin/sh", "-c", "grep SigIgn /proc/self/status"])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    ignored = int(done.stdout.split()[1], 16)
    for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM):
        assert not ignored & (1 << (number - 1))


def test_what_a_child_is_given_does_not_change_its_launcher(tmp_path: Path) -> None:
    """A PYTHONPATH for the program must not bring code into the launcher."""
    (tmp_path / "ctypes.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    done = complete(["/usr/bin/env"], env={"PYTHONPATH": str(tmp_path)})
    assert f"PYTHONPATH={tmp_path}" in done.stdout
    assert not (tmp_path / "ran").exists()


def test_a_launcher_does_not_hear_our_terminal() -> None:
    child = Child(["/bin/sleep", "600"])
    child.go()
    assert os.getsid(child.pid) == child.pid != os.getsid(0)
    child.close()


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    seen: list[str] = []
    script = "printf 'a\\377\\n'; printf 'b\\377'"
    done, _ = finish(run(["/bin/sh", "-c", script], on_line=lambda _, line: seen.append(line)))
    assert seen[:1] == ["a\ufffd"]
    assert "b\ufffd" in seen
    assert done.stdout == "a\ufffd\nb\ufffd"


def test_a_pipe_ends_when_the_program_closes_it_and_not_when_its_launcher_ends() -> None:
    script = "exec 0<&- 1>&- 2>&-; while :; do sleep 0.02; done"
    child = Child(["/bin/sh", "-c", script], stdin=subprocess.PIPE)
    child.go()
    assert child.popen.stdin is not None
    assert child.popen.stdout is not None
    assert child.popen.stderr is not None
    assert child.popen.stdout.read() == b""
    assert child.popen.stderr.read() == b""

    def broken() -> bool:
        try:
            os.write(child.popen.stdin.fileno(), b"x")  # type: ignore[union-attr]
        except BrokenPipeError:
            return True
        return False

    assert eventually(broken)
    assert child.popen.poll() is None
    child.close()


def test_a_launcher_is_not_interrupted_by_its_operator() -> None:
    """An interrupt is drbook's to hear; what runs is asked to stop through the lifeline only."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:  # whoever started the tests may ignore it, and then what they start does too
        child = Child(["/bin/sh", "-c", "while :; do sleep 0.02; done"])
    finally:
        signal.signal(signal.SIGINT, before)
    child.go()

    def ignores() -> bool:
        status = Path(f"/proc/{child.pid}/status").read_text()
        ignored = next(line for line in status.splitlines() if line.startswith("SigIgn"))
        return bool(int(ignored.split()[1], 16) & (1 << (signal.SIGINT - 1)))

    assert eventually(ignores)
    os.kill(child.pid, signal.SIGINT)
    assert child.stop() == 128 + signal.SIGTERM
    child.close()


@pytest.mark.skipif(server_user() == "nobody", reason="no user namespace can be made here")
def test_a_namespace_maps_one_user_and_no_groups() -> None:
    script = "cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups"
    if os.geteuid() == 0:
        said = complete(["/bin/sh", "-c", script], run_as="namespace").stdout.split()
        assert said == ["65534", "0", "1", "65534", "0", "1", "deny"]


def test_a_namespace_that_is_forbidden_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}

    def library(name: object, **more: object) -> object:
        asked.update(more)
        return SimpleNamespace(unshare=lambda flags: asked.update(flags=flags) or -1)

    monkeypatch.setattr(launcher.ctypes, "CDLL", library)
    monkeypatch.setattr(launcher.ctypes, "get_errno", lambda: 1)
    with pytest.raises(PermissionError, match="a user namespace cannot be made"):
        launcher.enter_namespace()
    assert asked == {"use_errno": True, "flags": 0x10000000}


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that everybody may enter; pytest closes its own whenever one begins."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


def test_a_program_that_nobody_may_reach_says_what_is_in_the_way(reachable: Path) -> None:
    """As a virtual environment in root's home."""
    closed = reachable / "closed"
    (closed / "bin").mkdir(parents=True)
    (closed / "bin").chmod(0o755)  # whatever the umask is
    shutil.copy("/bin/true", closed / "bin")
    closed.chmod(0o700)
    if os.geteuid() == 0:
        with pytest.raises(StepFailed, match="cannot be started: Permission denied") as caught:
            complete([closed / "bin" / "true"], run_as="nobody")
        assert caught.value.next.startswith(f"{closed} lets only its owner in")
        closed.chmod(0o711)
        assert complete([closed / "bin" / "true"], run_as="nobody").exit_code == 0
        with pytest.raises(StepFailed, match="No such file") as caught:
            complete([closed / "bin" / "false"], run_as="nobody")
        assert caught.value.next.startswith("Look whether the program is installed")


def test_programs_that_nobody_may_reach_are_copied_beside_the_cluster(reachable: Path) -> None:
    closed = reachable / "closed"
    (closed / "pg" / "bin").mkdir(parents=True)
    for folder in (closed / "pg", closed / "pg" / "bin"):
        folder.chmod(0o755)  # whatever the umask is
    program = closed / "pg" / "bin" / "postgres"
    program.write_text("#!/bin/sh\nid -u\n")
    program.chmod(0o755)
    closed.chmod(0o700)
    if os.geteuid() == 0:
        for name, mode, copied in (("a", 0o700, True), ("b", 0o711, False)):
            closed.chmod(mode)
            tools = PgTools(program.parent, 180006, "extra")
            server = ClusterServer(tools, reachable / name, name=name, run_as="nobody")
            server.make_folder()
            place = reachable / name / "programs"
            assert place.exists() is copied
            found = place / "bin" / "postgres" if copied else program
            assert complete([found], run_as="nobody").stdout == "65534\n"


@pytest.mark.skipif(server_user() == "nobody", reason="no user namespace can be made here")
def test_where_no_namespace_can_be_made_servers_run_as_nobody() -> None:
    """As in most containers, where root may not make one."""
    asks = "from drbook.providers.pgserver import server_user; print(server_user())"
    forbids = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$0" -c "$1"'
    argv = ["unshare", "--user", "--map-root-user", "/bin/sh", "-c", forbids, sys.executable, asks]
    if os.geteuid() == 0:
        done = complete(argv, env=dict(os.environ))
        assert (done.stdout, done.stderr) == ("nobody\n", "")


def test_nobody_keeps_no_group_of_ours() -> None:
    script = (
        "from drbook.providers.process import complete;"
        "print(complete(['/bin/sh', '-c', 'id -u; id -g; id -G'], run_as='nobody').stdout)"
    )
    if os.geteuid() == 0:
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, extra_groups=[4242], capture_output=True, check=True)
        assert done.stdout.split() == [b"65534"] * 3


def test_a_program_does_not_hold_the_lifeline() -> None:
    done = complete(["/bin/sh", "-c", "ls /proc/$$/fd"])
    assert done.stdout.split() == ["0", "1", "2"]


def test_a_launcher_that_is_asked_to_end_asks_its_program() -> None:
    """By whoever shuts the machine down: the program gets its own signal and its grace."""
    script = "trap 'exit 7' INT; echo ready; while :; do sleep 0.02; done"
    child = Child(["/bin/sh", "-c", script], stop_signal=signal.SIGINT)
    child.go()
    assert child.popen.stdout is not None
    assert child.popen.stdout.readline() == b"ready\n"

    def hears() -> bool:
        status = Path(f"/proc/{child.pid}/status").read_text()
        caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
        return bool(int(caught.split()[1], 16) & (1 << (signal.SIGTERM - 1)))

    assert eventually(hears)
    os.kill(child.pid, signal.SIGTERM)
    assert child.popen.wait(5) == 7
    child.close()


# --- nothing runs that is not on record -----------------------------------------------------------


def test_a_program_is_started_only_when_it_is_on_record(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    work = run(["/usr/bin/touch", str(marker)])
    assert isinstance(next(work), ProcessStarted)
    assert not eventually(marker.exists, 0.5)
    done, _ = finish(work)
    assert (done.exit_code, marker.exists()) == (0, True)


def test_what_could_not_be_recorded_is_not_run(tmp_path: Path) -> None:
    """The journal broke: the signal is thrown back, or never asked for again."""
    marker = tmp_path / "ran"
    for refuse in ("throw", "close"):
        work = run(["/usr/bin/touch", str(marker)])
        started = next(work)
        assert isinstance(started, ProcessStarted)
        if refuse == "close":
            work.close()
        else:
            with pytest.raises(OSError, match="no record"):
                work.throw(OSError("no record"))
        assert gone(started.pid)
        assert not marker.exists()


def test_a_launcher_whose_drbook_died_before_the_record_runs_nothing(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import sys, time
        from drbook.providers.child import Child
        child = Child(["/usr/bin/touch", sys.argv[1]])
        print(child.pid, flush=True)
        time.sleep(600)
    """)
    marker = tmp_path / "ran"
    command = [sys.executable, "-c", script, str(marker)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        launched = int(parent.stdout.readline())
        parent.kill()
    assert gone(launched)
    assert not marker.exists()


def test_one_that_was_stopped_before_it_ran_says_so_and_cannot_be_started() -> None:
    child = Child(["/bin/sleep", "600"])
    assert child.stop() == launcher.NOT_STARTED == 124
    child.go()
    child.close()


def test_a_launcher_that_was_killed_before_it_ran_anything_is_lost(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    work = run(["/usr/bin/touch", str(marker)])
    started = next(work)
    assert isinstance(started, ProcessStarted)
    os.kill(started.pid, signal.SIGKILL)
    assert gone(started.pid)
    with pytest.raises(StepFailed) as caught:
        finish(work)
    assert caught.value.code == "launcher-killed"
    assert not marker.exists()


def test_output_that_is_taken_is_whole_and_not_kept() -> None:
    pieces: list[bytes] = []
    argv = ["/bin/sh", "-c", "head -c 3000000 /dev/zero; echo said >&2"]
    done = drain(run(argv, take=pieces.append))
    assert sum(map(len, pieces)) == 3_000_000
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "said\n")


def test_an_error_of_what_takes_it_is_raised_after_the_programs_end() -> None:
    def take(piece: bytes) -> None:
        raise ValueError("cannot be taken")

    with pytest.raises(ValueError, match="cannot be taken"):
        drain(run(["/bin/sh", "-c", "head -c 3000000 /dev/zero"], take=take))
