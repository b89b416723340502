"""What stands before the S3 server of a demo, and does to what passes what networks and stores do:
slow it, cut it off, flip a bit in it, refuse it.

It passes heads on as they came, so that signatures hold. The process under test knows nothing of it but
an address.
"""

import http.client
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from drbook.demo.surprises import AtBody, Fault, Surprise

PIECES = 12
"""Pieces that a slow store gives a download in."""
PAUSE = 0.25
"""Seconds between them."""
AT_ONCE = 64 * 1024
"""Bytes that are passed on at once otherwise."""
_ALONE = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})

Note = Callable[[Fault, str], None]
"""Takes what was done and where; called once for each time that it is done."""


@dataclass(frozen=True, slots=True)
class Harm:
    """What is done to one body on its way."""

    flips: tuple[int, ...] = ()
    """Bytes in which a bit flips, counted from 0."""
    cut: int | None = None
    """Bytes behind which the connection ends."""
    piece: int | None = None
    """Bytes that come at once, with time between them; None for no waiting."""

    def done_to(self, piece: bytes, at: int) -> bytes:
        """This piece, which begins at that byte of the body, as it goes on."""
        harmed = bytearray(piece)
        for flip in self.flips:
            if at <= flip < at + len(piece):
                harmed[flip - at] ^= 0x10
        if self.cut is not None:
            del harmed[max(0, self.cut - at) :]
        return bytes(harmed)


class Proxy:
    """One address before one server. A context manager."""

    def __init__(self, endpoint: str, faults: Sequence[Fault], note: Note) -> None:
        """`faults` are those of bodies; what begins at a record is begun by the methods."""
        self.upstream = urlsplit(endpoint).netloc
        self._faults = tuple(faults)
        self._note = note
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._bodies: Counter[str] = Counter()
        self._refusals = 0
        self._slow = self._down = False
        self._server = _Server(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Proxy":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._drop()

    # --- what begins at a record ---------------------------------------------------------------

    def slow(self) -> None:
        """From now on every download comes in pieces, with time between them."""
        self._slow = True

    def pause(self, connections: int) -> None:
        """End all connections, and the next ones as they come; then all is as it was."""
        with self._lock:
            self._refusals = connections
        self._drop()

    def down(self) -> None:
        """End all connections, and all that come, for good."""
        self._down = True
        self._drop()

    # --- what a connection asks ------------------------------------------------------------------

    def admits(self, connection: socket.socket) -> bool:
        """Whether a new connection is served. It is remembered until it is forgotten."""
        with self._lock:
            if self._down or self._refusals > 0:
                self._refusals = max(0, self._refusals - 1)
                return False
            self._open.add(connection)
            return True

    def forget(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)

    def begun(self, size: int, where: str) -> "Harm":
        """What is done to a body of that size; nothing to one that is no download."""
        kind = AtBody.kind(where, size)
        if kind is None:
            return Harm()
        with self._lock:
            self._bodies[kind] += 1
            number = self._bodies[kind]
        flips, cut = [], None
        for fault in self._faults:
            moment = fault.moment
            if (
                not isinstance(moment, AtBody)
                or moment.of != kind
                or not moment.nth <= number < moment.nth + fault.amount
            ):
                continue
            at = size * moment.share // 1000
            if fault.surprise is Surprise.FLIP:
                flips.append(at)
                self._note(fault, f"bit 4 of byte {at:,} of {where}")
            elif fault.surprise is Surprise.CUT:
                cut = at
                self._note(fault, f"after {at:,} of {size:,} bytes of {where}")
        return Harm(tuple(flips), cut, -(-size // PIECES) if self._slow else None)

    def _drop(self) -> None:
        with self._lock:
            dropped, self._open = self._open, set()
        for connection in dropped:
            end(connection)


def end(connection: socket.socket) -> None:
    """End a connection in both directions, whatever is under way on it."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request_thread(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        try:
            if self.proxy.admits(request):
                super().process_request_thread(request, client_address)
            else:
                end(request)
        finally:
            self.proxy.forget(request)
            self.shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that broke is what this is for; it is nobody's news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self._pass
        raise AttributeError(name)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged: an address may hold a signature."""

    def _pass(self) -> None:
        """One request there and its answer back."""
        proxy = self.server.proxy
        given = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        upstream = http.client.HTTPConnection(proxy.upstream, timeout=60)
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "expect"):
                    upstream.putheader(name, value)
            upstream.endheaders(given or None)
            self._answer(upstream.getresponse())
        finally:
            upstream.close()

    def _answer(self, answer: http.client.HTTPResponse) -> None:
        stated, whole = answer.getheader("Content-Length"), b""
        if stated is None and self.command != "HEAD":
            whole = answer.read()
            stated = str(len(whole))
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in _ALONE:
                self.send_header(name, value)
        if stated is not None:
            self.send_header("Content-Length", stated)
        self.end_headers()
        if whole:
            self.wfile.write(whole)
        elif self.command != "HEAD":
            self._body(answer, int(stated or 0))

    def _body(self, answer: http.client.HTTPResponse, size: int) -> None:
        """The body as it comes, with what is done to it."""
        get = self.command == "GET"
        harm = self.server.proxy.begun(size, urlsplit(self.path).path) if get else Harm()
        at = 0
        while piece := answer.read(harm.piece or AT_ONCE):
            if at and harm.piece is not None:
                time.sleep(PAUSE)
            passed = harm.done_to(piece, at)
            self.wfile.write(passed)
            at += len(piece)
            if len(passed) < len(piece) or at == harm.cut:
                self.close_connection = True
                return
