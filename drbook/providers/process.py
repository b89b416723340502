"""A program run to its end: what it prints, what it is fed, its time-out and its cancellation."""

import fcntl
import os
import queue
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import IO, Literal

from drbook.core.errors import Interrupted, StepFailed
from drbook.core.ports import Cancel
from drbook.core.signals import Output, Signal, Working, finish
from drbook.core.values import counted, plain, show_duration
from drbook.providers.child import Child, Environment, RunAs
from drbook.providers.hiding import scrub
from drbook.providers.pids import names

TAIL = 64 * 1024
"""Bytes kept of each stream."""

_PIECE = 256 * 1024

_QUIET = 4
"""Quarters of a second without a word, after which streams that outlive their program are left."""

LAST_WORDS = 2.0
"""Seconds in which a program that was asked to stop is still listened to. What it had printed before may
be a thousand lines without an end, and each takes its time."""

Feed = Callable[[IO[bytes]], None]
"""Writes a child's standard input, in a thread of its own."""
Take = Callable[[bytes], None]
"""Takes a child's standard output as it comes, in the thread that reads it."""
OnLine = Callable[[Literal["out", "err"], str], Signal | None]


@dataclass(frozen=True, slots=True)
class Completed:
    """How a process ended. The texts are the last 64 KiB of each stream."""

    exit_code: int
    stdout: str
    stderr: str
    seconds: float


@dataclass(slots=True)
class _Stream:
    """Reads one stream to its end: lines into the queue, and the tail kept."""

    name: Literal["out", "err"]
    source: IO[bytes]
    lines: "queue.Queue[tuple[Literal['out', 'err'], str] | None]"
    tail: bytearray = field(default_factory=bytearray)
    deaf: bool = False
    """Nobody listens any more: what still comes is read, so that its writer does not wait, and lost."""
    take: Take | None = None
    error: Exception | None = None
    """Of `take`; raised again by `run`, in the step's own thread."""

    def run(self) -> None:
        rest = b""
        try:
            if self.take is not None:
                self._hand_on(self.take)
            while chunk := os.read(self.source.fileno(), 65536):
                self.tail += chunk
                del self.tail[:-TAIL]
                if self.deaf:
                    continue
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    self.lines.put((self.name, line.decode("utf-8", "replace")))
                if len(rest) > TAIL:  # a line without an end must not fill the memory
                    self.lines.put((self.name, rest.decode("utf-8", "replace")))
                    rest = b""
        finally:
            if self.deaf:
                self.source.close()
            else:
                if rest:
                    self.lines.put((self.name, rest.decode("utf-8", "replace")))
                self.lines.put(None)

    def _hand_on(self, take: Take) -> None:
        """All of it in large pieces, for programs write small ones; after an error the rest is read,
        so that the writer ends, and lost."""
        _widen(self.source.fileno())
        while chunk := self.source.read(_PIECE):
            if self.error is None and not self.deaf:
                try:
                    take(chunk)
                except Exception as error:  # noqa: BLE001 - raised again by `run`
                    self.error = error

    def text(self) -> str:
        return bytes(self.tail).decode("utf-8", "replace")


def _widen(pipe: int) -> None:
    """A pipe that holds a megabyte, where the kernel lets us: its two ends wait less for each other."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 1024 * 1024)


@dataclass(slots=True)
class _Feeder:
    """Writes a child's input in a thread; an error of the feed ends the child before its input ends,
    so that half an input is never taken for a whole one."""

    feed: Feed
    child: Child
    error: Exception | None = None

    def run(self) -> None:
        stream = self.child.popen.stdin
        assert stream is not None
        try:
            self.feed(stream)
        except BrokenPipeError:
            return  # the child stopped reading; its exit code says why
        except Exception as error:  # noqa: BLE001 - raised again by `run`, in the step's own thread
            self.error = error
            self.child.stop()
            return
        finally:
            if self.error is None:
                with suppress(BrokenPipeError):
                    stream.close()


def run(
    argv: Sequence[str | Path],
    *,
    env: Environment | None = None,
    cwd: Path | None = None,
    cancel: Cancel | None = None,
    timeout: timedelta | None = None,
    feed: Feed | None = None,
    take: Take | None = None,
    on_line: OnLine | None = None,
    tick: Callable[[], Signal | None] | None = None,
    run_as: RunAs = "self",
) -> Working[Completed]:
    """Run a program to its end. Raises Cancelled, or StepFailed where it cannot be started or does
    not end in time; an error of `feed` or `take` is raised as it is. `tick` may add a signal now and
    then. With `take`, nothing of its standard output is kept, nor seen by `on_line`.
    """
    begun = time.monotonic()
    child = Child(
        argv,
        env=env,
        cwd=cwd,
        run_as=run_as,
        stdin=subprocess.PIPE if feed else subprocess.DEVNULL,
    )
    unregister = cancel.on_request(child.ask_to_stop) if cancel else (lambda: None)
    try:
        yield child.started()  # on record when we are asked for more
        child.go()
        feeder = _Feeder(feed, child) if feed else None
        if feeder is not None:
            threading.Thread(target=feeder.run, name="feed", daemon=True).start()
        out, err = yield from _drain(
            child, begun, timeout, cancel, on_line or _as_output, tick, take
        )
        code = child.popen.wait()
        if cancel is not None:
            cancel.raise_if_requested()
        if child.lost():
            raise _killed(child)
        if feeder is not None and feeder.error is not None:
            raise feeder.error
        if out.error is not None:
            raise out.error
        if why := child.why_not_started():
            raise _not_started(Path(argv[0]), why, run_as)
        return Completed(code, out.text(), err.text(), time.monotonic() - begun)
    finally:
        unregister()
        child.close()


def _not_started(program: Path, why: str, run_as: RunAs) -> StepFailed:
    """Where the user that it should run as may not go there, says so: PostgreSQL refuses root."""
    closed = [one for one in reversed(program.parents) if run_as == "nobody" and _is_closed(one)]
    next_ = "Look whether the program is installed where drbook looks for it."
    if closed:
        next_ = (
            f"{plain(str(closed[0]), 200)} lets only its owner in, and root's servers run as `nobody` "
            "here: install drbook or PostgreSQL where everybody may read, or run drbook as another user."
        )
    return StepFailed(
        f"{plain(str(program), 200)} cannot be started: {plain(scrub(why), 300)}.",
        next=next_,
        code="process",
    )


def _is_closed(folder: Path) -> bool:
    return folder.is_dir() and not folder.stat().st_mode & stat.S_IXOTH


def _killed(child: Child) -> Interrupted:
    """Says no more than is known of what the launcher had started."""
    name, found = plain(Path(child.argv[0]).name, 100), child.leavings
    what = f"The launcher of {name} was killed from outside (signal {-child.popen.returncode})"
    means = "How far it came is not known."
    if not found.seen:
        what += ". This system does not say what it had started: that may still run."
    elif found.left:
        still = ", ".join(f"{pid} ({plain(name, 60)})" for pid, name in names(found.left).items())
        what += f". Of what it had started, this still runs and could not be ended: {still}."
    else:
        what += ", and what was found of all that it had started was ended."
        means += " What had also cleaned its environment would not be found."
    if found.unreadable:
        means += (
            f" {counted(found.unreadable, 'process', 'processes')} of others, begun since, cannot be "
            "looked into."
        )
    return Interrupted(
        what,
        means=means,
        next="Look why it was killed (a machine without memory does that), whether anything of it "
        "runs, then at what it changed.",
        code="launcher-killed",
    )


def _drain(
    child: Child,
    begun: float,
    timeout: timedelta | None,
    cancel: Cancel | None,
    on_line: OnLine,
    tick: Callable[[], Signal | None] | None,
    take: Take | None,
) -> Working[tuple[_Stream, _Stream]]:
    """Everything that the child prints, until both streams end; or until the program has ended and
    is quiet, where a service that it started holds them open."""
    lines: queue.Queue[tuple[Literal["out", "err"], str] | None] = queue.Queue(maxsize=1000)
    assert child.popen.stdout is not None
    assert child.popen.stderr is not None
    streams = (
        _Stream("out", child.popen.stdout, lines, take=take),
        _Stream("err", child.popen.stderr, lines),
    )
    for stream in streams:
        threading.Thread(target=stream.run, name=f"read-{stream.name}", daemon=True).start()
    open_streams, quiet, lost = 2, 0, False
    until: float | None = None
    try:
        while open_streams:
            if timeout is not None and time.monotonic() - begun > timeout.total_seconds():
                raise Interrupted(
                    f"{plain(Path(child.argv[0]).name, 100)} did not end within "
                    f"{show_duration(timeout)} and was stopped.",
                    code="timeout",
                )
            # Without its launcher, its program would hold the streams open for as long as it likes.
            lost = lost or child.lost()
            if until is None and cancel is not None and cancel.requested:
                until = time.monotonic() + LAST_WORDS
            signal_now: Signal | None = None
            try:
                item = lines.get(timeout=0.25)
            except queue.Empty:
                quiet = 0 if child.popen.poll() is None else quiet + 1
                if quiet > _QUIET:
                    open_streams = 0
                    child.leave_streams()
                    streams[0].deaf = streams[1].deaf = True
                    break
            else:
                if item is None:
                    open_streams -= 1
                    continue
                if until is None or time.monotonic() < until:
                    signal_now = on_line(*item)
            if signal_now is not None:
                yield signal_now
            if tick is not None and (ticked := tick()) is not None:
                yield ticked
    finally:
        if open_streams:
            child.stop()
            _empty(lines, open_streams)
    return streams


def _empty(
    lines: "queue.Queue[tuple[Literal['out', 'err'], str] | None]", open_streams: int
) -> None:
    """Let the readers come to their end."""
    until = time.monotonic() + 5
    while open_streams and time.monotonic() < until:
        try:
            if lines.get(timeout=0.1) is None:
                open_streams -= 1
        except queue.Empty:
            continue


def _as_output(stream: str, line: str) -> Signal | None:
    return Output(plain(scrub(line), 500)) if line.strip() else None


def complete(
    argv: Sequence[str | Path],
    *,
    env: Environment | None = None,
    timeout: timedelta = timedelta(seconds=30),
    run_as: RunAs = "self",
) -> Completed:
    """Run a short program where nobody listens to its signals."""
    return finish(run(argv, env=env, timeout=timeout, run_as=run_as))
