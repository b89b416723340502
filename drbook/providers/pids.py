"""A process by its number and its start: the number alone is given to another one later."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path


def start_ticks(pid: int) -> int:
    """The kernel's start time of a process in clock ticks; 0 where this system does not say."""
    fields = _stat(pid)
    return int(fields[19]) if fields else 0


def still_runs(pid: int, started: int) -> bool:
    """Whether that very process is there: pids are used again, so the start time has to match.

    Where this system does not tell start times, a process of that number counts as the same one.
    """
    if started:
        fields = _stat(pid)
        # A zombie has ended; only its parent has not asked for the exit code yet.
        return bool(fields) and int(fields[19]) == started and fields[0] != "Z"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def session_of(leader: int, started: int) -> dict[int, str]:
    """What still runs in the session that the process of that number and start began, itself left
    out: number → name. Nothing where this system does not say.

    While a session has members, its number is given to no new process; so where another process has
    that number now, nothing of the session is left. Session 0 is nobody's: the kernel's own threads
    are in it, and what a container was started from outside with.
    """
    now = _stat(leader)
    if leader <= 0 or not started or (now and int(now[19]) != started):
        return {}
    found = {}
    for pid in (int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()):
        fields = _stat(pid)
        if fields and pid != leader and int(fields[3]) == leader and fields[0] != "Z":
            with suppress(OSError):
                found[pid] = Path(f"/proc/{pid}/comm").read_text("utf-8", "replace").strip()
    return found


def end_session(leader: int, started: int, grace: float = 2.0) -> None:
    """End what a killed leader left behind: TERM, after the grace KILL, and after that again nothing
    more is waited for than the grace."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        until = time.monotonic() + grace
        for pid in session_of(leader, started):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        while session_of(leader, started):
            if time.monotonic() > until:
                break
            time.sleep(0.05)


def _stat(pid: int) -> list[str]:
    """Linux's `/proc/PID/stat` behind the name: state first, start time twentieth (proc(5))."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return stat.rpartition(")")[2].split()
