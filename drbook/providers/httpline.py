"""The connection of one HTTP request, and the time that the whole exchange may take."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import httpx


class Line:
    """The connection of one request, which can be cut from another thread: closing it there would not
    wake whoever waits for its answer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._cut = False

    def note(self, event: str, info: Mapping[str, Any]) -> None:
        """Called by httpx at each step of a request (its `trace` extension)."""
        if event not in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            return
        with self._lock:
            self._socket = info["return_value"].get_extra_info("socket")
        if self._cut:
            self.cut()

    def cut(self) -> None:
        with self._lock:
            self._cut, line = True, self._socket
        if line is not None:
            with suppress(OSError):  # it has ended by itself
                # Of the socket below TLS, whose own farewell would wait for an answer.
                socket.socket.shutdown(line, socket.SHUT_RDWR)


@contextmanager
def bounded(request: httpx.Request, timeout: timedelta, line: Line) -> Iterator[threading.Event]:
    """The exchange in the block ends with the timeout, which httpx itself takes for each wait by itself. The
    event says that it was the timeout."""
    late = threading.Event()
    request.extensions = {**request.extensions, "trace": line.note}

    def end() -> None:
        late.set()
        line.cut()

    timer = threading.Timer(timeout.total_seconds(), end)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()
