"""One file as a tool writes it to its standard output: only its exit code says that what came is whole."""

import os
import selectors
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta

from drbook.core.errors import StepFailed
from drbook.core.signals import Signal
from drbook.core.values import show_duration
from drbook.providers.child import Child
from drbook.providers.sources.base import Spoilt, Unreachable
from drbook.providers.tool import Complaints, Confirm, Failed, Tool

STALL = timedelta(minutes=5)
"""After so long without a byte or a word it is stopped; the retries of restic take less."""
_CHUNK = 256 * 1024
_LOOK = 0.25


@dataclass(frozen=True, slots=True)
class Reading:
    """How a tool gives out one file."""

    arguments: Callable[[int], tuple[str, ...]]
    """What it is asked, for an offset."""
    seeks: bool = False
    """Whether it begins there; else it begins at the start, and what lies before is dropped."""
    confirm: Confirm | None = None
    """Runs when all came, and before the last of it is handed on."""


class ToolBlob:
    """A file's bytes. What is cut never looks whole."""

    def __init__(
        self,
        tool: Tool,
        reading: Reading,
        size: int,
        location: str,
        identity: str,
        *,
        seen: str = "",
        sha256: str | None = None,
    ) -> None:
        self._tool = tool
        self._reading = reading
        self._location = location
        self.size = size
        self.identity = identity
        self.seen = seen
        self.sha256 = sha256

    @contextmanager
    def read(self, offset: int) -> Iterator[Iterator[bytes | Signal]]:
        """What lies before `offset` is read and dropped where the tool cannot seek. The last piece is
        handed on only when it has ended well."""
        with ExitStack() as stack:
            try:
                asked = self._tool.at_hand(*self._reading.arguments(offset))
                argv, env = stack.enter_context(asked)
            except Failed as error:
                raise self._failed(error) from None
            child = Child(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            stack.callback(child.close)
            stack.callback(self._tool.cancel.on_request(child.ask_to_stop))
            yield self._pieces(child, offset)

    def _pieces(self, child: Child, offset: int) -> Iterator[bytes | Signal]:
        yield child.started()
        child.go()
        complaints = self._tool.complaints()
        came, last = (offset if self._reading.seeks else 0), b""
        try:
            for piece in _streams(child, complaints, self._tool.name):
                if not isinstance(piece, bytes):
                    yield piece
                    continue
                self._tool.cancel.raise_if_requested()
                skipped = max(0, min(len(piece), offset - came))
                came += len(piece)
                if last:
                    yield last
                last = piece[skipped:]
            self._ended(child, complaints, came)
        except Failed as error:
            raise self._failed(error) from None
        if last:
            yield last

    def _ended(self, child: Child, complaints: Complaints, came: int) -> None:
        """Raises where it did not end well, or too early."""
        name = self._tool.name
        try:
            code = child.popen.wait(timeout=STALL.total_seconds())
        except subprocess.TimeoutExpired:
            raise _stalled(name) from None
        self._tool.cancel.raise_if_requested()
        if why := child.why_not_started():
            raise Failed(f"{name} cannot be started: {why}", f"Install {self._tool.package}")
        if child.lost() or code > 128:
            raise Unreachable(f"{name} was ended from outside after {came} bytes")
        if code != 0:
            raise self._tool.failure(code, complaints.text)
        if came < self.size:
            raise Unreachable(
                f"{name} gave {came} bytes of {self.size}, and ended as if it were well"
            )
        if self._reading.confirm is not None:
            self._reading.confirm()

    def _failed(self, error: Failed) -> Exception:
        if error.fact is not None:
            return Spoilt(error.fact)
        return StepFailed(
            f"{self._location} cannot be read: {error.why}.",
            means="What arrived before is kept, and the next attempt goes on from there.",
            next=f"{error.advice}.",
            code="download",
        )


def _streams(child: Child, complaints: Complaints, name: str) -> Iterator[bytes | Signal]:
    """Its output in pieces and what it says between them, until both streams end. Raises Failed."""
    assert child.popen.stdout is not None
    assert child.popen.stderr is not None
    heard, rest = time.monotonic(), b""
    with selectors.DefaultSelector() as both:
        both.register(child.popen.stdout, selectors.EVENT_READ, "out")
        both.register(child.popen.stderr, selectors.EVENT_READ, "err")
        while both.get_map():
            ready = both.select(timeout=_LOOK)
            if not ready and time.monotonic() - heard > STALL.total_seconds():
                raise _stalled(name)
            for key, _ in ready:
                heard = time.monotonic()
                piece = os.read(key.fd, _CHUNK)
                if not piece:
                    both.unregister(key.fileobj)
                elif key.data == "out":
                    yield piece
                else:
                    *lines, rest = (rest + piece)[-65536:].split(b"\n")
                    yield from _said(lines, complaints)
    yield from _said([rest], complaints)


def _said(lines: list[bytes], complaints: Complaints) -> Iterator[Signal]:
    for line in lines:
        signal = complaints.take(line.decode("utf-8", "replace"))
        if signal is not None:
            yield signal


def _stalled(name: str) -> Failed:
    return Failed(
        f"{name} said nothing for {show_duration(STALL)} and was stopped",
        "Look at the repository's place and its network",
    )
