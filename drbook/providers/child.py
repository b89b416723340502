"""The one place that starts a process: under a launcher that dies with us, with a scrubbed environment.

A child's arguments are a list and never a shell string. It inherits nothing of our environment but
what names its language, its home and its programs, and no open file; secrets reach it in an
environment of its own. Programs are looked for in absolute folders only, never in the one that we
happen to stand in.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Literal

from drbook.core.errors import StepFailed
from drbook.core.signals import ProcessStarted
from drbook.core.values import plain
from drbook.providers.hiding import Secret, scrub
from drbook.providers.life import VARIABLE, child_token
from drbook.providers.pids import Ended, end_left, start_ticks

RunAs = Literal["self", "namespace", "nobody"]
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "USER", "LOGNAME")

Environment = Mapping[str, str | Secret]
"""Variables for one child; its secrets are revealed in the call that starts it."""


def environment(given: Environment | None = None) -> dict[str, str]:
    """What a child gets: the few harmless variables, times in UTC, and what is given for it."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    own = {
        name: value.reveal() if isinstance(value, Secret) else value
        for name, value in (given or {}).items()
    }
    found = {**kept, "TZ": "UTC", **own}
    return {**found, "PATH": os.pathsep.join(program_folders(found.get("PATH", "")))}


def program_folders(path: str) -> list[str]:
    """The folders of a PATH that mean the same wherever one stands; the system's where none is left.

    An empty entry, `.` or `bin` would run what somebody put into the current folder.
    """
    found = [folder for folder in path.split(os.pathsep) if os.path.isabs(folder)]
    return found or os.defpath.split(os.pathsep)


class Child:
    """A program under its launcher, which starts it only when told to `go`: until then it can be put
    on record, and where drbook ends before, nothing was run."""

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        env: Environment | None = None,
        cwd: Path | None = None,
        run_as: RunAs = "self",
        stop_signal: signal.Signals = signal.SIGTERM,
        grace: float = 5.0,
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        stdout: int | IO[bytes] = subprocess.PIPE,
        stderr: int | IO[bytes] = subprocess.PIPE,
    ) -> None:
        self.argv = tuple(str(part) for part in argv)
        self._grace = grace
        theirs, ours = socket.socketpair()
        reading, self._lifeline = theirs.detach(), ours.detach()
        self._lock = threading.Lock()
        self._left = False
        self._token = child_token()
        self.leavings = Ended()
        """What came of ending what a killed launcher had started."""
        launcher = str(Path(__file__).with_name("launcher.py"))
        command = [sys.executable, "-I", launcher, str(reading), stop_signal.name]
        command += [str(grace), run_as, "--", *self.argv]
        try:
            self.popen = subprocess.Popen(
                command,
                env=environment(env) | {VARIABLE: self._token},
                cwd=cwd,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                pass_fds=(reading,),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            os.close(self._lifeline)
            # Python refuses a NUL, half a surrogate pair and names like A=B before it starts anything.
            why, next_ = "an argument or a variable's name is none", "Mend the step in the runbook."
            if isinstance(error, OSError):
                why = error.strerror or str(error)
                next_ = "Look whether this machine has processes and memory left."
            raise StepFailed(
                f"{plain(self.argv[0], 200)} cannot be started: {why}.",
                means="Nothing was run.",
                next=next_,
                code="process",
            ) from None
        finally:
            os.close(reading)
        self._started = start_ticks(self.popen.pid)

    @property
    def pid(self) -> int:
        """The launcher's; it ends after the program."""
        return self.popen.pid

    def started(self) -> ProcessStarted:
        argv = tuple(plain(scrub(part), 300) for part in self.argv)
        return ProcessStarted(self.pid, self._started, argv, self._token)

    def go(self) -> None:
        """Let it run. Nothing happens where it was asked to stop before."""
        with self._lock:
            if self._lifeline >= 0:
                with suppress(BrokenPipeError, ConnectionResetError):  # killed; `lost` says so
                    os.write(self._lifeline, b"g")

    def why_not_started(self) -> str:
        """Why the program of an ended launcher could not be started; empty where it was, or where it was
        asked to stop."""
        with self._lock:
            if self._lifeline < 0:
                return ""
            os.set_blocking(self._lifeline, False)
            with suppress(BlockingIOError, ConnectionResetError):
                return os.read(self._lifeline, 500).decode("utf-8", "replace")
            return ""

    def ask_to_stop(self) -> None:
        """Close the lifeline: the launcher sends the stop signal and, after the grace, KILL."""
        with self._lock:
            if self._lifeline >= 0:
                os.close(self._lifeline)
                self._lifeline = -1

    def stop(self) -> int:
        """Stop it and wait until it is gone; the wait is bounded. Returns the exit code."""
        self.ask_to_stop()
        try:
            self.popen.wait(timeout=self._grace + 5)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait(timeout=5)
        return self._ended()

    def _ended(self) -> int:
        """Its exit code. A launcher that was killed could not end its program; that is done here."""
        if self.popen.returncode < 0:
            self.leavings = end_left(self.pid, self._started, self._token)
        return self.popen.returncode

    def lost(self) -> bool:
        """Whether the launcher was killed; then what is found of its program is ended (`leavings`)."""
        return self.popen.poll() is not None and self._ended() < 0

    def leave_streams(self) -> None:
        """Another process holds them open, and somebody reads them to their end."""
        self._left = True

    def close(self) -> None:
        """Stop it where it still runs, and give back what it held."""
        self.stop()
        if self._left:
            return
        for stream in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
