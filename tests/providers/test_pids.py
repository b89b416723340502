"""A process that is found again by its number and its start, or is another one."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from support.waiting import eventually

from drbook.providers import pids
from drbook.providers.life import VARIABLE
from drbook.providers.pids import Ended, Table, end_left, names, start_ticks, still_runs

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


def session_of(leader: int, started: int) -> dict[int, str]:
    return names(Table.now().session(leader, started))


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
            while (
                _comm(member) != b"sleep\n"
            ):  # between fork and exec it still has the shell's name
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
def test_we_are_in_the_table_with_our_parent_session_and_start() -> None:
    ours = pids._Process(os.getppid(), os.getsid(0), start_ticks(os.getpid()))
    assert Table.now().processes[os.getpid()] == ours
    with subprocess.Popen(["sleep", "600"], process_group=0) as child:
        found = Table.now().processes[child.pid]
        child.kill()
    assert (found.parent, found.session) == (os.getpid(), os.getsid(0))


def test_the_first_process_may_lead_a_session_too() -> None:
    table = Table({1: pids._Process(0, 1, 7), 5: pids._Process(1, 1, 9), 6: pids._Process(2, 0, 9)})
    assert table.session(1, 7) == {5}
    assert table.session(0, 7) == set()


@needs_proc
def test_a_session_is_ended_and_the_deaf_are_killed(killed_leader: tuple[int, int, int]) -> None:
    leader, started, _ = killed_leader
    ended = end_left(leader, started, "")
    assert (ended.seen, ended.left) == (True, ())
    assert session_of(leader, started) == {}
    assert end_left(leader, started, "").left == ()  # nothing is left, and nothing is waited for


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
        assert end_left(leader, started, "", grace=0.1).left == (member,)
    assert sent == [(member, signal.SIGTERM), (member, signal.SIGKILL)]
    assert session_of(leader, started) == {member: "sleep"}


# --- what carries a token in its environment ------------------------------------------------------

TOKEN = secrets.token_hex(16)


@pytest.fixture
def carriers() -> Iterator[Callable[..., int]]:
    """Starts what carries a token, in a session of its own; ended with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(script: str, token: str = f"{TOKEN}.1", argv: list[str] | None = None) -> int:
        process = subprocess.Popen(
            argv or ["/bin/sh", "-c", script],
            env={**os.environ, VARIABLE: token},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        started.append(process)
        return process.pid

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@needs_proc
def test_a_token_is_found_in_any_session_and_with_all_that_came_of_it(
    carriers: Callable[..., int],
) -> None:
    """What cleaned its environment is found through those that it comes of."""
    one = carriers("env -i sleep 600 & sleep 600; :")
    other = carriers("sleep 600; :", f"{TOKEN}.2")
    assert eventually(lambda: len(psutil.Process(one).children()) == 2)
    assert eventually(lambda: len(psutil.Process(other).children()) == 1)
    family = {one, *(each.pid for each in psutil.Process(one).children())}
    assert Table.now().carrying(f"{TOKEN}.1") == family
    assert other not in family
    for nobodys in ("", TOKEN, f"{TOKEN}.", f"{TOKEN}.3"):
        assert Table.now().carrying(nobodys) == set()


@needs_proc
def test_what_carries_a_token_is_ended_and_the_deaf_are_killed(
    carriers: Callable[..., int],
) -> None:
    deaf = carriers("trap '' TERM; sleep 600; sleep 600")
    assert eventually(lambda: len(psutil.Process(deaf).children()) == 1)
    assert end_left(0, 0, f"{TOKEN}.1", grace=2) == Ended()
    assert Table.now().carrying(f"{TOKEN}.1") == set()


@needs_proc
def test_a_life_is_told_by_its_launchers_alone(
    carriers: Callable[..., int], tmp_path: Path
) -> None:
    """An agent that a helper left behind carries the token too, and is nobody's to wait for."""
    script = tmp_path / "launcher.py"
    script.write_text("import time; time.sleep(600)")
    carriers("sleep 600; :")
    one = carriers("", argv=[sys.executable, "-I", str(script), "7"])
    carriers("", f"{'c8' * 16}.1", argv=[sys.executable, "-I", str(script), "7"])
    carriers("", argv=[sys.executable, "-I", "-c", "import time; time.sleep(600)"])
    assert eventually(lambda: Table.now().launchers(TOKEN) == {one})
    assert Table.now().launchers("") == set()


@needs_proc
def test_we_do_not_wait_for_our_own_end() -> None:
    """Who resumes may sit in what a step had left behind."""
    script = (
        "import subprocess, sys\n"
        "from drbook.providers.pids import Table\n"
        "inner = subprocess.Popen(['sleep', '600'])\n"
        "print(Table.now().carrying(sys.argv[1]) == {inner.pid})\n"
        "inner.kill()"
    )
    done = subprocess.run(
        ["/bin/sh", "-c", '"$@"; :', "sh", sys.executable, "-c", script, f"{TOKEN}.1"],
        env={**os.environ, VARIABLE: f"{TOKEN}.1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "True\n", done.stderr


@needs_proc
def test_what_may_not_be_looked_into_is_counted(
    carriers: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = carriers("sleep 600; :")
    since = start_ticks(one)
    read = Path.read_bytes

    def forbidden(path: Path) -> bytes:
        if path.name == "environ" and path.parent.name == str(one):
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    table = Table.now()
    assert table.carrying(f"{TOKEN}.1") <= {each.pid for each in psutil.Process(one).children()}
    assert (table.unreadable(since), table.unreadable(since + 10**6)) == (1, 0)
    assert end_left(NOBODY, since, "x.1", grace=0.1) == Ended(unreadable=1)


def test_a_system_without_a_process_table_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pids, "PROC", tmp_path / "none")
    assert Table.now().sees is False
    assert end_left(1, 1, f"{TOKEN}.1") == Ended(seen=False)
    assert names([1]) == {}


# --- a table as it might be -----------------------------------------------------------------------


def table_of(**carried: tuple[int, str | None]) -> Table:
    """Processes `p7=(parent, token)`, all begun at tick 100."""
    rows = {int(name[1:]): row for name, row in carried.items()}
    return Table(
        {pid: pids._Process(parent, 1, 100) for pid, (parent, _) in rows.items()},
        {pid: token for pid, (_, token) in rows.items()},
    )


def test_we_and_what_we_come_of_are_never_among_the_found() -> None:
    us = f"p{os.getpid()}"
    table = table_of(**{us: (5, "t.1"), "p5": (6, "t.1"), "p6": (5, "t.1"), "p7": (1, "t.1")})
    assert table.carrying("t.1") == {7}


def test_the_kernel_s_own_threads_are_not_counted_as_closed_to_us() -> None:
    table = table_of(p8=(2, None), p9=(3, None), p10=(3, ""), p11=(3, "t.1"), p12=(4, None))
    assert (table.unreadable(100), table.unreadable(101)) == (2, 0)


def test_what_shows_nothing_carries_nothing() -> None:
    table = table_of(p8=(3, None), p9=(3, ""))
    assert table.carrying("X") == set()
    assert table.launchers("X") == set()


def test_one_that_has_just_ended_is_not_closed_to_us() -> None:
    assert pids._token_of(NOBODY) == ""


@needs_proc
def test_a_name_that_is_no_text_is_shown_as_such(sleeper: subprocess.Popen[bytes]) -> None:
    assert names([sleeper.pid, NOBODY]) == {sleeper.pid: "a) Z 1 �"}


def test_a_token_is_read_from_the_environment_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pids, "PROC", tmp_path)
    (tmp_path / "7").mkdir()
    name = VARIABLE.encode()
    for variables, token in (
        (b"A=b\0" + name + b"=t.1\0", "t.1"),
        (name + b"=\xff", "�"),
        (b"A=" + name + b"=t.1\0", ""),
        (b"", ""),
    ):
        (tmp_path / "7" / "environ").write_bytes(variables)
        assert pids._token_of(7) == token


@pytest.mark.parametrize(
    ("argv", "is_one"),
    [
        (["python", "-I", "/x/launcher.py", "7"], True),
        (["python", "-I", "/x/launcher.py"], False),
        (["python", "-S", "/x/launcher.py", "7"], False),
        (["python", "-I", "launcher.py", "7"], False),
        (["python", "-I", "/x/other.py", "7"], False),
        ([], False),
    ],
)
def test_what_a_launcher_looks_like(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argv: list[str], is_one: bool
) -> None:
    monkeypatch.setattr(pids, "PROC", tmp_path)
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cmdline").write_bytes("\0".join(argv).encode())
    assert pids._is_launcher(7) is is_one
