"""What lies between drbook and a server: a proxy for connections, a pooler for transactions."""

import socket
import struct
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

Address = str | tuple[str, int]
"""A Unix socket's path, or host and port."""


def open_to(address: Address) -> socket.socket:
    if isinstance(address, tuple):
        return socket.create_connection(address, timeout=30)
    end = socket.socket(socket.AF_UNIX)
    end.connect(address)
    return end


class Between:
    """Listens and serves every connection in a thread; `with` closes it."""

    def __init__(self, listen: Path | None = None) -> None:
        """`listen` is a Unix socket's path; else a free port of the loopback."""
        if listen is None:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.port = int(self._listener.getsockname()[1])
        else:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(listen))
            self._listener.listen()
            self.port = 0
        self.served = 0
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "Between":
        return self

    def __exit__(self, *_: object) -> None:
        for end in (self._listener, *self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            number, self.served = self.served, self.served + 1
            threading.Thread(target=self._serve, args=(client, number), daemon=True).start()

    def _serve(self, client: socket.socket, number: int) -> None:
        self._ends.append(client)
        with suppress(OSError, EOFError):
            self.serve(client, number)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

    def serve(self, client: socket.socket, number: int) -> None:
        raise NotImplementedError

    def backend(self, address: Address) -> socket.socket:
        end = open_to(address)
        self._ends.append(end)
        return end


class Proxy(Between):
    """Hands each connection on, byte by byte, to the address that `to` names for its number."""

    def __init__(self, to: Callable[[int], Address], listen: Path | None = None) -> None:
        self._to = to
        super().__init__(listen)

    def serve(self, client: socket.socket, number: int) -> None:
        server = self.backend(self._to(number))
        threading.Thread(target=self._copy, args=(server, client), daemon=True).start()
        self._copy(client, server)

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)


class Pooler(Between):
    """A pooler in transaction mode: a cancel key of its own, and after each transaction the next of
    its servers (PostgreSQL's frontend/backend protocol 3.0)."""

    def __init__(self, servers: Sequence[Address]) -> None:
        self._servers = servers
        super().__init__()

    def serve(self, client: socket.socket, number: int) -> None:
        startup = self._startup(client)
        backends = [self.backend(address) for address in self._servers]
        for index, server in enumerate(backends):
            server.sendall(startup)
            self._answer(server, client if index == 0 else None)
        turn = 0
        while True:
            kind, body = _message(client)
            server = backends[turn % len(backends)]
            server.sendall(kind + body)
            if kind == b"X":
                return
            if kind in (b"Q", b"S", b"c", b"f") and self._answer(server, client) == b"I":
                turn += 1

    def _startup(self, client: socket.socket) -> bytes:
        while True:
            head = _exactly(client, 8)
            length, code = struct.unpack("!II", head)
            if code not in (80877103, 80877104):  # SSLRequest, GSSENCRequest
                return head + _exactly(client, length - 8)
            client.sendall(b"N")

    def _answer(self, server: socket.socket, client: socket.socket | None) -> bytes:
        """Hand on what a server says until it is ready, or wants to be sent a copy's data."""
        while True:
            kind, body = _message(server)
            if kind == b"K":
                body = body[:4] + struct.pack("!I", 7) + body[8:]
            if client is not None:
                client.sendall(kind + body)
            if kind in (b"Z", b"G"):
                return body[4:5] if kind == b"Z" else b""


def _exactly(end: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        if not (more := end.recv(size - len(data))):
            raise EOFError
        data += more
    return data


def _message(end: socket.socket) -> tuple[bytes, bytes]:
    """One message: its kind, and its length with what follows."""
    kind = _exactly(end, 1)
    length = _exactly(end, 4)
    return kind, length + _exactly(end, struct.unpack("!I", length)[0] - 4)
