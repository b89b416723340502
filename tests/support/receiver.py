"""A receiver of notifications on loopback that answers, by turns, as a test says."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answering = Callable[["Asked"], None]


class Asked(BaseHTTPRequestHandler):
    """One request, and the ways to answer it."""

    protocol_version = "HTTP/1.1"
    body: bytes
    gone: threading.Event

    def says(self, status: int, text: str = "ok", **headers: str) -> None:
        """A whole answer."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def hangs(self) -> None:
        """No answer until the test ends."""
        self.gone.wait(20)
        self.close_connection = True

    def trickles(self) -> None:
        """An answer whose end does not come: a byte now and then."""
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        while not self.gone.wait(0.05):
            self.wfile.write(b".")
            self.wfile.flush()

    def drips(self) -> None:
        """Not even its head comes to an end."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not self.gone.wait(0.05):
            self.wfile.write(b"X-More: 1\r\n")
            self.wfile.flush()

    def drops(self) -> None:
        """The connection ends without a word."""
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@dataclass(frozen=True)
class Got:
    """What arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def json(self):  # type: ignore[no-untyped-def]
        """As a receiver reads it."""
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)


@dataclass
class Receiver:
    """Each request takes the next of `turns`; the last one answers all that follow."""

    port: int = 0
    turns: list[Answering] = field(default_factory=lambda: [lambda asked: asked.says(200)])
    got: list[Got] = field(default_factory=list)

    @property
    def host(self) -> str:
        """As a runbook names it."""
        return f"127.0.0.1:{self.port}"

    def url(self, path: str) -> str:
        return f"http://{self.host}{path}"


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves is one of the things that are tried."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    made, gone = Receiver(), threading.Event()

    class Handler(Asked):
        def _take(self) -> None:
            self.gone = gone
            self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            turn = made.turns[min(len(made.got), len(made.turns) - 1)]
            made.got.append(Got(self.command, self.path, headers, self.body, time.monotonic()))
            turn(self)

        do_GET = do_POST = do_PUT = do_PATCH = _take

    server = _Quiet(("127.0.0.1", 0), Handler)
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        gone.set()
        server.shutdown()
        server.server_close()
        thread.join()
