"""A process by its number and its start: the number alone is given to another one later."""

import os
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


def _stat(pid: int) -> list[str]:
    """Linux's `/proc/PID/stat` behind the name: state first, start time twentieth (proc(5))."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return stat.rpartition(")")[2].split()
