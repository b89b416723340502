"""Servers that repeat what they were given in confidence: an HTTP server, an S3 store and a PostgreSQL."""

import base64
import html
import json
import socket
import struct
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

HEADER = "X-Canary"
HOOK = "/hook/"
"""Before what is secret in a webhook's path."""


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *arguments: object) -> None:
        """Nobody listens."""

    def do_GET(self) -> None:
        signed = self.headers.get("Authorization", "")
        if signed.startswith("AWS4"):
            self._as_s3(signed)
            return
        given = self.headers.get(HEADER, "")
        if self.path.startswith(HOOK):
            self._hook(self.path.removeprefix(HOOK))
            return
        way = {
            "/forms": self._forms,
            "/chunks": self._chunks,
            "/cut": self._cut,
            "/broken": self._broken,
            "/headers": self._headers,
            "/v2/enqueue": self._hook,
        }[self.path.partition("?")[0]]
        way(given)

    do_HEAD = do_PUT = do_POST = do_GET

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _hook(self, given: str) -> None:
        """A notification; PagerDuty's key stands in its body."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._forms(body.get("routing_key", given))

    def _forms(self, given: str) -> None:
        raw = given.encode()
        body = [
            given,
            quote(given, safe=""),
            json.dumps({"error": json.dumps({"header": given})}),
            html.escape(given),
            raw.hex(),
            *(
                base64.b64encode(before + raw).decode()
                for before in (b"", b"x", b"user:", b"a user:")
            ),
            f"{given[:17]}\n{given[17:]}",
            given[: len(given) // 2],
            given[len(given) // 2 :],
            f"https://user:{quote(given, safe='')}@example.com/?token={quote(given, safe='')}",
        ]
        self._answer(200, "\n".join(body).encode() + given.encode("utf-16-le"))

    def _chunks(self, given: str) -> None:
        self.send_response(500)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for at in range(0, len(given), 5):
            piece = given[at : at + 5].encode()
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def _cut(self, given: str) -> None:
        """The end of what drbook keeps falls into the middle of it."""
        self._answer(200, b"x" * (65536 - len(given) // 2) + given.encode() + b"y" * 9000)

    def _broken(self, given: str) -> None:
        self.wfile.write(f"{given} is no status line\r\n\r\n".encode())
        self.close_connection = True

    def _headers(self, given: str) -> None:
        self._answer(302, b"", Location=f"/forms?token={quote(given)}", X_Echo=quote(given))

    def _as_s3(self, signed: str) -> None:
        token = self.headers.get("X-Amz-Security-Token", "")
        message = html.escape(f"{signed} {token} {signed[40:]}")
        body = f"<?xml version='1.0'?><Error><Code>Liar</Code><Message>{message}</Message></Error>"
        self._answer(418, body.encode(), Content_Type="application/xml")


class HttpLiar:
    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class PostgresLiar:
    """Asks for the password in clear text, then refuses and quotes it."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self.asked = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, suppress(ConnectionError):  # a client without a password goes away
                self._lie(connection)

    def _lie(self, connection: socket.socket) -> None:
        while True:
            length, code = struct.unpack("!ii", _exactly(connection, 8))
            _exactly(connection, length - 8)
            if code == 196608:  # the startup message of protocol 3.0
                break
            connection.sendall(b"N")  # neither TLS nor GSS here
        connection.sendall(b"R" + struct.pack("!ii", 8, 3))
        _exactly(connection, 1)
        (length,) = struct.unpack("!i", _exactly(connection, 4))
        password = _exactly(connection, length - 4).rstrip(b"\0")
        self.asked += 1
        coded = base64.b64encode(b"user:" + password)
        said = (
            b"no: " + password + b" " + coded + b" postgresql://app:" + password + b"@liar/rental"
        )
        fields = b"SFATAL\0VFATAL\0C28P01\0M" + said + b"\0D" + password + b"\0\0"
        connection.sendall(b"E" + struct.pack("!i", len(fields) + 4) + fields)


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise ConnectionError("the client has gone")
        data += piece
    return data
