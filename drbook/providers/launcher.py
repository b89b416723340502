"""Runs one program and dies with drbook: started as a script of its own, with the standard library only.

    python -I launcher.py LIFELINE STOP_SIGNAL GRACE_SECONDS RUN_AS -- PROGRAM [ARGUMENT …]

LIFELINE is one end of a pair of sockets whose other end drbook holds. One byte in it says that this
launcher is on record: only then is the program started. Where it closes before, nothing runs. Why a
program could not be started is written into it, for no exit code tells that from the program's own.

When it closes later, because drbook asked for a stop or because drbook is gone, the program's group
gets STOP_SIGNAL and, after the grace, KILL; then everything else that it started ends, where Linux
says what that is. The program's
exit code is passed on (128 + signal where it was killed). What it left running when it ended by
itself, a service say, is left alone; where a signal ended it, the rest of its group ends with it.

The program stays in the launcher's session, so that what outlives a launcher that was killed can
still be told by the launcher's number.

RUN_AS is `self`, `namespace` (root becomes an unprivileged user of a new user namespace: what
PostgreSQL's servers ask for) or `nobody` (setuid, where user namespaces are forbidden). Exit codes
124 (it was never to be started), 125 (the user could not be changed) and 127 (the program could not
be started) are the launcher's own.
"""

import ctypes
import os
import select
import signal
import sys
import time
import warnings  # noqa: F401 - os.execvp wants it, and after the user changed it may be out of reach
from collections.abc import Iterable

NOBODY = 65534
NOT_STARTED = 124
_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def enter_namespace() -> None:
    """Become uid and gid 65534 of a new user namespace; outside of it still who we were."""
    uid, gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "a user namespace cannot be made")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{NOBODY} {uid} 1"),
        ("gid_map", f"{NOBODY} {gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as stream:
            stream.write(text)


def become_nobody() -> None:
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def die_with_parent() -> None:
    """Should the launcher itself be killed, the kernel ends the program (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def adopt_orphans() -> None:
    """What leaves its parent becomes ours and no stranger's: it can be ended (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def child(lifeline: int, run_as: str, argv: list[str], parent: int) -> None:
    """Never returns. `parent` is the launcher that it must not outlive."""
    code = 125
    try:
        os.setpgid(0, 0)
        if run_as == "namespace":
            enter_namespace()
        elif run_as == "nobody":
            become_nobody()
        die_with_parent()
        if os.getppid() != parent:
            return  # the launcher was killed before the kernel knew what to do then
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        code = 127
        os.execvp(argv[0], argv)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must be said before this process ends
        why = (error.strerror or error) if isinstance(error, OSError) else error
        os.write(lifeline, str(why).encode("utf-8", "replace"))
    finally:
        os._exit(code)


def watch(pid: int, lifeline: int, stop: signal.Signals, grace: float) -> int:
    """Wait for the program, or end it when the lifeline closes; returns the exit code."""
    ended, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    asked = killed = False
    kill_at: float | None = None

    def on_signal(number: int, frame: object) -> None:
        nonlocal asked
        asked = True

    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    waiting = [lifeline, ended]
    while True:
        if (code := reaped(pid)) is not None:
            if asked:
                end_descendants(stop, time.monotonic() + grace if kill_at is None else kill_at)
            if asked or code < 0:
                kill_group_of(pid)
            return code if code >= 0 else 128 - code
        timeout = None if kill_at is None or killed else max(0.0, kill_at - time.monotonic())
        readable, _, _ = select.select(waiting, [], [], timeout)
        if ended in readable:
            os.read(ended, 4096)
        if lifeline in readable and not os.read(lifeline, 1):
            asked = True
            waiting = [ended]
        if asked and kill_at is None:
            kill_at = time.monotonic() + grace
            signal_group(pid, stop)
        if kill_at is not None and not killed and time.monotonic() >= kill_at:
            killed = True
            signal_group(pid, signal.SIGKILL)
            signal_all(descendants(), signal.SIGKILL)


def reaped(pid: int) -> int | None:
    """The program's exit code, where it has ended; orphans that have are let go on the way."""
    found = None
    while True:
        try:
            done, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if done == pid:
            found = os.waitstatus_to_exitcode(status)
        if not done:
            return found


def descendants() -> dict[int, int]:
    """What comes from us and still runs → its parent; nothing where the system does not say."""
    parents: dict[int, int] = {}
    ended: set[int] = set()
    for name in filter(str.isdigit, os.listdir("/proc") if sys.platform == "linux" else ()):
        try:
            with open(f"/proc/{name}/stat", "rb") as stream:
                state, parent = stream.read().rpartition(b")")[2].split()[:2]
        except OSError:
            continue  # it has just ended
        parents[int(name)] = int(parent)
        if state == b"Z":
            ended.add(int(name))
    found: dict[int, int] = {}
    next_ = {os.getpid()}
    while next_:
        next_ = {pid for pid, parent in parents.items() if parent in next_}
        found |= {pid: parents[pid] for pid in next_ - ended}
    return found


def end_descendants(stop: signal.Signals, kill_at: float) -> None:
    """What the program left behind when it had to end: the first of each tree gets the stop signal,
    for a server knows best how to end its own; then all of them KILL, for two seconds at most."""
    ours = os.getpid()
    told: set[int] = set()
    until = max(kill_at, time.monotonic()) + 2
    while (left := descendants()) and time.monotonic() < until:
        if time.monotonic() >= kill_at:
            signal_all(left, signal.SIGKILL)
        else:
            first = {pid for pid, parent in left.items() if parent == ours} - told
            signal_all(first, stop)
            told |= first
        time.sleep(0.02)
        reaped(0)


def signal_all(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        # It has no group of its own yet. Not waited for, so that its pid is nobody else's.
        os.kill(pid, number)


def kill_group_of(pid: int) -> None:
    """What is left of the group of a program that is gone."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def main(arguments: list[str]) -> int:
    lifeline, stop, grace, run_as = arguments[:4]
    argv = arguments[5:]
    ours = os.getpid()
    if not os.read(int(lifeline), 1):
        return NOT_STARTED
    os.set_inheritable(int(lifeline), False)  # the program itself does not hold it
    adopt_orphans()
    pid = os.fork()
    if pid == 0:
        child(int(lifeline), run_as, argv, ours)
    # What the program reads and writes is not the launcher's: a pipe must end with the program.
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    return watch(pid, int(lifeline), signal.Signals[stop], float(grace))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
