"""Faults that come over an incident from outside: its record is watched, and at the moments of a plan the
world or a process is hurt.

Nothing here is asked by the process under test. What was done is noted with the record that it came
behind; a fault that found nothing to hurt says so and counts as not done.
"""

import contextlib
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from drbook.core.errors import DrbookError, StepFailed
from drbook.core.events import ProcessStarted, Record
from drbook.core.values import counted, plain
from drbook.demo.proxy import Proxy
from drbook.demo.shelf import Shelf
from drbook.demo.surprises import Due, Fault, Plan, Surprise, named, of_step
from drbook.journal.codec import decode
from drbook.providers.pids import Table

LOOK = 0.003
"""Seconds between two looks at the record."""


@dataclass(frozen=True, slots=True)
class Injected:
    """One fault, done or not."""

    fault: Fault
    where: str
    """The record or the bytes that it came behind, and what exactly was done."""
    done: bool = True


@dataclass(slots=True)
class Prey:
    """The process under test."""

    pids: Callable[[], Sequence[int]] = tuple
    """Its numbers now; none while none runs."""
    _killed: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def killed(self) -> bool:
        """Whether a fault has killed it. Where one is about to, this waits until it has."""
        with self._lock:
            return self._killed

    def begins(self) -> None:
        """Another process takes its place."""
        with self._lock:
            self._killed = False

    def kill(self) -> Sequence[int]:
        """SIGKILL for each of them; the numbers of those that were still there. Raises StepFailed where none was."""
        hit = []
        with self._lock:
            for pid in self.found():
                with contextlib.suppress(ProcessLookupError):  # it may end by itself meanwhile
                    os.kill(pid, signal.SIGKILL)
                    hit.append(pid)
            self._killed = self._killed or bool(hit)
        if not hit:
            raise StepFailed("drbook does not run any more")
        return hit

    def found(self) -> Sequence[int]:
        """Raises StepFailed where none runs."""
        pids = self.pids()
        if not pids:
            raise StepFailed("drbook does not run")
        return pids


@dataclass
class Injector:
    """Watches the record below a state directory and does what the plan says. A context manager."""

    plan: Plan
    home: Path
    proxy: Proxy
    shelf: Shelf
    prey: Prey
    tell: Callable[[str], None]
    injected: list[Injected] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._due = Due(self.plan.of_records())
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._servers: list[ProcessStarted] = []
        self._thread = threading.Thread(target=self._watch, name="surprises", daemon=True)

    def __enter__(self) -> "Injector":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(timeout=30)

    @property
    def all(self) -> tuple[Injected, ...]:
        """What was done, in its order, then what was not."""
        with self._lock:
            noted = tuple(self.injected)
        left = [one for one in self.plan.faults if one not in {each.fault for each in noted}]
        return (*noted, *(Injected(one, "its moment never came", done=False) for one in left))

    def note(self, fault: Fault, where: str, *, done: bool = True) -> None:
        """Put on the list what was done, and say it."""
        with self._lock:
            self.injected.append(Injected(fault, where, done))
        self.tell(f"SURPRISE {fault.surprise.value}: {plain(where, 300)}")

    # --- watching ------------------------------------------------------------------------------

    def _watch(self) -> None:
        read = 0
        while True:
            last = self._end.is_set()
            lines = self._lines(read)
            for line in lines:
                read += len(line) + 1
                self._heed(decode(line))
            if last:
                return
            if not lines:
                self._end.wait(LOOK)

    def _lines(self, read: int) -> Sequence[bytes]:
        """The whole lines of the newest record file behind that byte."""
        found = sorted(self.home.glob("incidents/*/journal.jsonl"))
        if not found:
            return ()
        with found[-1].open("rb") as stream:
            stream.seek(read)
            return stream.read().split(b"\n")[:-1]

    def _heed(self, record: Record) -> None:
        event = record.event
        if isinstance(event, ProcessStarted) and named(event) == "postgres":
            self._servers.append(event)
        for fault in self._due.after(event):
            behind = f"behind record {record.seq} ({of_step(event)})"
            try:
                what = self._do(fault)
            except (OSError, DrbookError, BotoCoreError, ClientError) as error:
                why = plain(str(error), 300)
                self.note(fault, f"{behind}: could not be done: {why}", done=False)
            else:
                self.note(fault, f"{behind}: {what}")

    # --- doing ---------------------------------------------------------------------------------

    def _do(self, fault: Fault) -> str:
        """Do it; what was done, in words. Raises OSError, DrbookError or an error of the store's client
        where it cannot be."""
        match fault.surprise:
            case Surprise.SLOW:
                self.proxy.slow()
                return "every download comes in pieces from now on"
            case Surprise.PAUSE:
                self.proxy.pause(fault.amount)
                return f"{counted(fault.amount, 'connection')} will end without an answer"
            case Surprise.DOWN:
                self.proxy.down()
                return "no connection is answered any more"
            case Surprise.KEY:
                return self.shelf.revoke()
            case Surprise.CORRUPT:
                return self.shelf.corrupt()
            case Surprise.DELETE:
                return self.shelf.delete()
            case Surprise.SERVER:
                return self._kill_server()
            case Surprise.FULL:
                return self._fill(fault)
            case Surprise.KILL:
                return self._kill_drbook()
            case Surprise.CUT | Surprise.FLIP:
                raise StepFailed("a download's fault has no record to come behind")

    def _kill_drbook(self) -> str:
        return f"drbook (pid {', '.join(map(str, self.prey.kill()))}) got SIGKILL"

    def _server_pids(self) -> list[int]:
        """The restored server's processes, the first one first. Raises StepFailed."""
        if not self._servers:
            raise StepFailed("no restored server is on record")
        newest = self._servers[-1]
        found = sorted(Table.now().session(newest.pid, newest.started))
        if not found:
            raise StepFailed("the restored server does not run any more")
        return found

    def _kill_server(self) -> str:
        killed = 0
        for pid in self._server_pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:  # its parent's end took it along
                continue
            killed += 1
        return f"{counted(killed, 'process', 'processes')} of the restored server got SIGKILL"

    def _fill(self, fault: Fault) -> str:
        """From outside, for one process and what it starts: a file that grows further is refused."""
        of_server = fault.amount <= SERVERS and self._servers
        for pid in self._server_pids() if of_server else self.prey.found():
            bound(pid, fault.amount)
        whose = "the restored server" if of_server else "drbook and what it starts"
        return f"no file of {whose} grows beyond {fault.amount:,} bytes"


SERVERS = 64 * 1024
"""Bytes up to which a bound is the server's, where one runs: what starts servers needs files of a segment of
WAL at least."""


def bound(pid: int, size: int) -> None:
    """No file of that process, nor of what it starts, grows beyond so many bytes (Linux: prlimit(2)).

    Raises OSError, or StepFailed where this system has no such call.
    """
    if sys.platform != "linux":
        raise StepFailed("this system lets nobody bound another process's files")
    _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, most))
