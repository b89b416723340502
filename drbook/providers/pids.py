"""Processes by number and start, for the number alone is given to another one later; by the session that
a launcher began; and by the token that all which comes of it carries in its environment.

What is not found here: a process that cleaned its environment, left its session and lost its parents,
or that belongs to somebody else; and on a system without `/proc` anything but the number.
"""

import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from drbook.providers.life import VARIABLE

PROC = Path("/proc")
_LAUNCHER = b"/launcher.py"


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


@dataclass(frozen=True, slots=True)
class _Process:
    parent: int
    session: int
    started: int


@dataclass(slots=True)
class Table:
    """The processes of one moment, without those that have ended and were not asked for."""

    processes: dict[int, _Process] = field(default_factory=dict)
    _carried: dict[int, str | None] = field(default_factory=dict)

    @staticmethod
    def now() -> "Table":
        table = Table()
        with suppress(OSError):  # no `/proc`: `sees` says so
            for name in filter(str.isdigit, os.listdir(PROC)):
                fields = _stat(int(name))
                if fields and fields[0] != "Z":
                    table.processes[int(name)] = _Process(
                        int(fields[1]), int(fields[3]), int(fields[19])
                    )
        return table

    @property
    def sees(self) -> bool:
        """Whether this system shows processes at all."""
        return os.getpid() in self.processes

    def session(self, leader: int, started: int) -> set[int]:
        """What still runs in the session that the process of that number and start began, itself left
        out.

        While a session has members, its number is given to no new process; so where another process
        has that number now, nothing of the session is left. Session 0 is nobody's: the kernel's own
        threads are in it, and what a container was started from outside with.
        """
        now = self.processes.get(leader)
        if leader <= 0 or not started or (now and now.started != started):
            return set()
        return {
            pid for pid, each in self.processes.items() if each.session == leader and pid != leader
        }

    def carrying(self, token: str) -> set[int]:
        """What has this child's token in its environment, and all that comes of it."""
        return self._family(self._with(token.__eq__)) if token else set()

    def launchers(self, life: str) -> set[int]:
        """The launchers of that life, those too that are on no record."""
        found = self._with(lambda carried: carried.startswith(f"{life}.")) if life else set()
        return {pid for pid in found if _is_launcher(pid)}

    def unreadable(self, since: int) -> int:
        """How many processes that began since that tick do not show us their environment."""
        return sum(
            1
            for pid, each in self.processes.items()
            if each.started >= since and each.parent != 2 and self._carries(pid) is None
        )

    def _with(self, fits: Callable[[str], bool]) -> set[int]:
        return {pid for pid in self.processes if fits(self._carries(pid) or "")} - self._ours()

    def _carries(self, pid: int) -> str | None:
        """The token in its environment, or nothing; None where we may not look."""
        if pid not in self._carried:
            self._carried[pid] = _token_of(pid)
        return self._carried[pid]

    def _family(self, roots: set[int]) -> set[int]:
        found, next_ = set(roots), roots
        while next_:
            next_ = {pid for pid, each in self.processes.items() if each.parent in next_} - found
            found |= next_
        return found - self._ours()

    def _ours(self) -> set[int]:
        """We ourselves, and what we come of: nobody waits for his own end."""
        pid, found = os.getpid(), set[int]()
        while pid in self.processes and pid not in found:
            found.add(pid)
            pid = self.processes[pid].parent
        return found


def names(pids: Iterable[int]) -> dict[int, str]:
    """Number → name, of those that are still there."""
    found = {}
    for pid in sorted(pids):
        if name := _read(pid, "comm"):
            found[pid] = name.decode("utf-8", "replace").strip()
    return found


@dataclass(frozen=True, slots=True)
class Ended:
    """How it went to end what a killed launcher had left behind."""

    seen: bool = True
    """False where this system shows no processes, so that nothing could be looked for."""
    left: tuple[int, ...] = ()
    """What was found and could not be ended."""
    unreadable: int = 0
    """Processes that began since and could not be looked into."""


def end_left(leader: int, started: int, token: str, grace: float = 2.0) -> Ended:
    """End what a killed leader left behind: TERM, after the grace KILL, and after that again nothing
    more is waited for than the grace."""

    def found() -> tuple[Table, set[int]]:
        table = Table.now()
        return table, table.session(leader, started) | table.carrying(token)

    table, left = found()
    for number in (signal.SIGTERM, signal.SIGKILL):
        until = time.monotonic() + grace
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        while left:
            table, left = found()
            if not left or time.monotonic() > until:
                break
            time.sleep(0.05)
    return Ended(table.sees, tuple(sorted(left)), table.unreadable(started) if started else 0)


def _stat(pid: int) -> list[str]:
    """Linux's `/proc/PID/stat` behind the name: state first, start time twentieth (proc(5))."""
    return _read(pid, "stat").decode("utf-8", "replace").rpartition(")")[2].split()


def _read(pid: int, name: str) -> bytes:
    """Nothing where it has ended, or the system does not say."""
    try:
        return (PROC / str(pid) / name).read_bytes()
    except OSError:
        return b""


def _token_of(pid: int) -> str | None:
    try:
        variables = (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except PermissionError:
        return None
    except OSError:
        return ""  # it has just ended
    start = f"{VARIABLE}=".encode()
    return next(
        (
            each[len(start) :].decode("utf-8", "replace")
            for each in variables
            if each.startswith(start)
        ),
        "",
    )


def _is_launcher(pid: int) -> bool:
    """As `Child` starts it: an interpreter, -I, the script."""
    argv = _read(pid, "cmdline").split(b"\0")
    return len(argv) > 3 and argv[1] == b"-I" and argv[2].endswith(_LAUNCHER)
