"""One file of a snapshot, as `restic dump` writes it: it cannot seek, and only its exit code says that
what came is whole."""

import os
import selectors
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from drbook.core.errors import StepFailed
from drbook.core.signals import Signal
from drbook.core.values import show_duration
from drbook.providers.child import Child
from drbook.providers.resticprogram import Complaints, Failed, Restic
from drbook.providers.sources.base import Spoilt, Unreachable

STALL = timedelta(minutes=5)
"""After so long without a byte or a word it is stopped; restic's own retries take less."""
_CHUNK = 256 * 1024
_LOOK = 0.25


class ResticBlob:
    """A file's bytes, pinned by the snapshot's id. restic checks each piece before it writes it."""

    def __init__(self, restic: Restic, snapshot: str, path: str, size: int, location: str) -> None:
        self._restic = restic
        self._where = (snapshot, path)
        self._location = location
        self.size = size
        self.identity = f"{snapshot} {path} {size}"
        self.seen = ""
        self.sha256: str | None = None

    @contextmanager
    def read(self, offset: int) -> Iterator[Iterator[bytes | Signal]]:
        """What lies before `offset` is read and dropped. The last piece is handed on only when restic has
        ended well: what is cut never looks whole."""
        try:
            argv = self._restic.argv("dump", *self._where)
        except Failed as error:
            raise self._failed(error) from None
        child = Child(argv, env=self._restic.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        forget = self._restic.cancel.on_request(child.ask_to_stop)
        try:
            yield self._pieces(child, offset)
        finally:
            forget()
            child.close()

    def _pieces(self, child: Child, offset: int) -> Iterator[bytes | Signal]:
        yield child.started()
        child.go()
        complaints = Complaints(self._restic.local)
        came, last = 0, b""
        try:
            for piece in _streams(child, complaints):
                if not isinstance(piece, bytes):
                    yield piece
                    continue
                self._restic.cancel.raise_if_requested()
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
        try:
            code = child.popen.wait(timeout=STALL.total_seconds())
        except subprocess.TimeoutExpired:
            raise _stalled() from None
        self._restic.cancel.raise_if_requested()
        if why := child.why_not_started():
            raise Failed(f"restic cannot be started: {why}", "Install restic")
        if child.lost() or code > 128:
            raise Unreachable(f"restic was ended from outside after {came} bytes")
        if code != 0:
            raise self._restic.failure(code, complaints.text)
        if came < self.size:
            raise Unreachable(
                f"restic gave {came} bytes of {self.size}, and ended as if it were well"
            )

    def _failed(self, error: Failed) -> Exception:
        if error.fact is not None:
            return Spoilt(error.fact)
        return StepFailed(
            f"{self._location} cannot be read: {error.why}.",
            means="What arrived before is kept, and the next attempt goes on from there.",
            next=f"{error.advice}.",
            code="download",
        )


def _streams(child: Child, complaints: Complaints) -> Iterator[bytes | Signal]:
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
                raise _stalled()
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


def _stalled() -> Failed:
    return Failed(
        f"restic said nothing for {show_duration(STALL)} and was stopped",
        "Look at the repository's place and its network",
    )
