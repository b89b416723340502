"""The `http` action's door: which hosts, which methods, what is told, what is never told."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from drbook.core.errors import Cancelled, Interrupted, NotExercised, Refused, StepFailed, UsageError
from drbook.core.ports import Cancel
from drbook.core.values import Json
from drbook.providers import http as door
from drbook.providers.cancel import CancelToken
from drbook.providers.hiding import MASK, Secret
from drbook.providers.http import BODY, WHOLE, GuardedTransport, HttpSender, _body
from drbook.providers.httpline import Line
from drbook.providers.shell import WITHHELD

SECONDS = timedelta(seconds=5)


class Peer(ThreadingHTTPServer):
    """A server on loopback that remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.reached = threading.Event()
        self.go_on = threading.Event()

    @property
    def port(self) -> int:
        return self.server_port

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"


class _Handler(BaseHTTPRequestHandler):
    server: Peer

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.command, self.path, dict(self.headers), body))
        self.server.reached.set()
        if self.path == "/hang":
            self.server.go_on.wait(10)
            return
        if self.path.startswith("/drop"):
            return
        self.send_response(
            302 if self.path == "/redirect" else 404 if self.path == "/gone" else 200
        )
        if self.path == "/redirect":
            self.send_header("Location", self.server.url("/elsewhere"))
        text = {
            "/long": (b"x" * 1023 + b"\n") * (BODY // 1024 + 40),
            "/echo": b"you said " + self.headers.get("X-Token", "").encode(),
            "/echo-body": body,
            "/escape": b"\x1b[31mred\nsecond \xff",
        }.get(self.path, b"hello")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_HEAD = do_DELETE = do_OPTIONS = _answer

    def log_message(self, *_: object) -> None:
        """Nothing on the tests' output."""


@pytest.fixture
def peer() -> Iterator[Peer]:
    server = Peer()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.go_on.set()
    server.shutdown()
    server.server_close()


def send(  # type: ignore[no-untyped-def]
    url: str,
    method: str = "GET",
    *,
    hosts: tuple[str, ...] = ("127.0.0.1",),
    reads_only: bool = False,
    secret_headers: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    body: Json = None,
    secret_body: dict[str, str] | None = None,
    cancel: Cancel | None = None,
    timeout: timedelta = SECONDS,
    token: str = "marker-4711",
):
    sender = HttpSender(hosts, {"TOKEN": token}, cancel or CancelToken(), reads_only=reads_only)
    return sender.send(
        method,
        url,
        headers=headers or {},
        secret_headers=secret_headers or {},
        body=body,
        secret_body=secret_body,
        timeout=timeout,
    )


def test_what_is_sent_and_what_is_told(peer: Peer) -> None:
    found = send(peer.url("/a?b=1"), "POST", headers={"X-Kind": "plain"}, body={"n": 1})
    assert (found.status, found.body, found.seconds) == (200, "hello", 0)
    ((method, path, headers, body),) = peer.asked
    assert (method, path, body) == ("POST", "/a?b=1", b'{"n":1}')
    assert headers["X-Kind"] == "plain"


def test_a_bad_status_is_an_answer(peer: Peer) -> None:
    assert send(peer.url("/gone")).status == 404


def test_a_redirect_is_not_followed(peer: Peer) -> None:
    assert send(peer.url("/redirect")).status == 302
    assert [each[1] for each in peer.asked] == ["/redirect"]


_HOSTS = [
    (("127.0.0.1",), "127.0.0.1", True),
    (("127.0.0.1:{port}",), "127.0.0.1", True),
    (("LOCALHOST",), "localhost", True),
    (("localhost",), "LocalHost", True),
    (("localhost",), "127.0.0.1", False),
    (("127.0.0.1:1",), "127.0.0.1", False),
    (("127.0.0",), "127.0.0.1", False),
    ((), "127.0.0.1", False),
    (("127.0.0.1.evil.example",), "127.0.0.1", False),
]


@pytest.mark.parametrize(("hosts", "asked", "passes"), _HOSTS)
def test_only_hosts_that_the_runbook_names(
    peer: Peer, hosts: tuple[str, ...], asked: str, passes: bool
) -> None:
    named = tuple(host.format(port=peer.port) for host in hosts)
    if passes:
        assert send(peer.url(host=asked), hosts=named).status == 200
        return
    with pytest.raises(Refused) as caught:
        send(peer.url(host=asked), hosts=named)
    assert caught.value.code == "host"
    assert f"does not name the host {asked.lower()}:{peer.port}." in caught.value.what
    assert peer.asked == []


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://a.example/x", "the host a.example."),
        ("http://a.example:8080/x", "the host a.example:8080."),
        (f"http://{'a' * 300}.example/", f"the host {'a' * 200} … (308 characters)."),
    ],
)
def test_a_host_that_is_not_named_is_told_shortly(url: str, told: str) -> None:
    with pytest.raises(Refused) as caught:
        send(url)
    assert caught.value.what.endswith(told)


def test_a_transport_that_is_closed_keeps_no_connection(peer: Peer) -> None:
    transport = GuardedTransport(("127.0.0.1",), reads_only=True)
    with httpx.Client(transport=transport) as client:
        client.send(client.build_request("GET", peer.url()), stream=True)  # never read to its end
        assert len(transport._inner._pool.connections) == 1
    assert transport._inner._pool.connections == []


def test_a_named_host_does_not_cover_the_one_behind_an_at_sign(peer: Peer) -> None:
    with pytest.raises(Refused, match=r"127\.0\.0\.1"):
        send(f"http://api.example@127.0.0.1:{peer.port}/", hosts=("api.example",))
    assert peer.asked == []


@pytest.mark.parametrize(
    ("method", "passes"),
    [("GET", True), ("HEAD", True), ("POST", False), ("DELETE", False), ("OPTIONS", False)],
)  # fmt: skip
def test_outside_a_live_incident_only_reading_is_sent(
    peer: Peer, method: str, passes: bool
) -> None:
    if passes:
        assert send(peer.url(), method, reads_only=True).status == 200
        assert [each[0] for each in peer.asked] == [method]
        return
    with pytest.raises(NotExercised, match=f"{method} to 127"):
        send(peer.url(), method, reads_only=True)
    assert peer.asked == []


def test_proxies_of_the_environment_have_no_say(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert send(peer.url()).status == 200


def test_netrc_gives_no_password_away(
    peer: Peer, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password marker-netrc\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    send(peer.url())
    assert "Authorization" not in peer.asked[0][2]


def test_a_secret_header_is_sent_and_never_told(peer: Peer) -> None:
    found = send(
        peer.url("/echo"), headers={"X-Token": "open"}, secret_headers={"X-Token": "env:TOKEN"}
    )
    assert peer.asked[0][2]["X-Token"] == "marker-4711"
    assert found.body == "you said [secret]"


@pytest.mark.parametrize(
    ("token", "method", "body"),
    [
        ("rental", "GET", "you said [secret]"),  # a word elsewhere, and a secret in this answer
        ("abc", "GET", WITHHELD),
        ("abc", "HEAD", ""),
    ],
)
def test_a_secret_that_looks_like_a_word_is_not_told_either(
    peer: Peer, token: str, method: str, body: str
) -> None:
    found = send(peer.url("/echo"), method, secret_headers={"X-Token": "env:TOKEN"}, token=token)
    assert found.body == body


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        (None, {"password": "marker-4711", "auth": {"token": "marker-4711"}}),
        (
            {"user": "app", "auth": {"kind": "x"}},
            {
                "user": "app",
                "auth": {"kind": "x", "token": "marker-4711"},
                "password": "marker-4711",
            },
        ),
    ],
)
def test_a_secret_is_put_into_a_body_as_it_is_sent(peer: Peer, body: Json, sent: Json) -> None:
    kept = json.dumps(body)
    found = send(
        peer.url("/echo-body"),
        "POST",
        body=body,
        secret_body={"password": "env:TOKEN", "auth.token": "env:TOKEN"},
    )
    assert json.loads(peer.asked[0][3]) == sent
    assert json.dumps(body) == kept
    assert "marker-4711" not in found.body
    assert MASK in found.body


@pytest.mark.parametrize(
    "body", [[1], "text", {"password": "x"}, {"password": {"a": 1}}, {"auth": 1}]
)
def test_a_body_without_a_place_for_a_secret_is_not_sent(peer: Peer, body: Json) -> None:
    with pytest.raises(StepFailed) as caught:
        send(
            peer.url(),
            "POST",
            body=body,
            secret_body={"password": "env:TOKEN", "auth.token": "env:TOKEN"},
        )
    assert caught.value.code == "http-request"
    assert "marker" not in caught.value.explain()
    assert peer.asked == []


def test_an_answer_to_a_short_secret_in_a_body_is_withheld(peer: Peer) -> None:
    found = send(peer.url("/echo-body"), "POST", secret_body={"password": "env:TOKEN"}, token="abc")
    assert found.body == WITHHELD


def test_a_secret_that_cannot_be_read_sends_nothing(peer: Peer) -> None:
    with pytest.raises(UsageError):
        send(peer.url(), secret_headers={"X-Token": "env:MISSING"})
    assert peer.asked == []


def test_a_long_answer_is_cut_and_made_safe(peer: Peer) -> None:
    lines = send(peer.url("/long")).body.splitlines()
    assert lines == ["x" * 1023] * (BODY // 1024)
    assert send(peer.url("/escape")).body == "\\x1b[31mred\nsecond \ufffd"


@pytest.mark.parametrize(
    ("method", "means", "code"),
    [
        ("GET", "Nothing was changed.", "http"),
        ("HEAD", "Nothing was changed.", "http"),
        ("POST", "Whether the request was carried out is not known.", "http-unanswered"),
        ("DELETE", "Whether the request was carried out is not known.", "http-unanswered"),
    ],
)
def test_no_answer_is_no_result(peer: Peer, method: str, means: str, code: str) -> None:
    with pytest.raises(StepFailed) as caught:
        send(peer.url("/drop") + "?key=marker-1#marker-2", method)
    assert (caught.value.code, caught.value.means) == (code, means)
    assert f"{method} http://127.0.0.1:{peer.port}/drop got no answer: " in caught.value.what
    assert "marker" not in caught.value.explain()


def test_what_was_never_sent_was_not_carried_out() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(StepFailed) as caught:
        send(f"http://127.0.0.1:{port}/pay", "POST")
    assert (caught.value.code, caught.value.means) == ("http", "Nothing was sent.")


@contextmanager
def raw(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that takes one request and then does what it is told."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            client, _ = listening.accept()
            with client, suppress(OSError):
                client.recv(65536)
                answer(client)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/pay"
        thread.join(10)


def test_an_answer_that_breaks_off_says_what_had_come() -> None:
    def cut(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\nhalf a")

    with raw(cut) as url, pytest.raises(StepFailed) as caught:
        send(url, "POST")
    assert caught.value.code == "http-unanswered"
    assert "was answered with 201, and the answer broke off" in caught.value.what


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"])
def test_an_answer_that_drips_ends_with_the_timeout(head: bytes) -> None:
    """Each byte comes in time, and the whole never does."""

    def drip(client: socket.socket) -> None:
        client.sendall(head)
        for byte in b"HTTP/1.1 200 OK" * 100:
            client.sendall(bytes([byte]))
            time.sleep(0.1)

    begun = time.monotonic()
    with raw(drip) as url, pytest.raises(StepFailed, match="timed out") as caught:
        send(url, "POST", timeout=timedelta(seconds=0.6))
    assert time.monotonic() - begun < 5
    assert caught.value.code == "http-unanswered"


def test_a_peer_that_says_nothing_is_given_up_in_time(peer: Peer) -> None:
    begun = time.monotonic()
    with pytest.raises(StepFailed, match=r"got no answer: .*timed out"):
        send(peer.url("/hang"), timeout=timedelta(seconds=0.2))
    assert time.monotonic() - begun < 4, "the step's own time-out, not the library's five seconds"


def test_a_long_address_is_told_shortly(peer: Peer) -> None:
    with pytest.raises(StepFailed, match=r"x … \(\d{3} characters\) got no answer"):
        send(peer.url("/drop" + "x" * 300))


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://127.0.0.1:99999/", "http"),
        ("http:///x", "http-request"),
        ("https://:80/", "http-request"),
    ],
)
def test_an_address_that_is_none_is_said(url: str, code: str) -> None:
    with pytest.raises(StepFailed) as caught:
        send(url, hosts=("127.0.0.1", "x"))
    assert caught.value.code == code


def test_a_body_that_is_no_json_is_said(peer: Peer) -> None:
    for odd in (date(2026, 4, 1), float("nan")):
        with pytest.raises(StepFailed) as caught:
            send(peer.url(), "POST", body={"at": odd})  # type: ignore[dict-item]
        assert caught.value.code == "http-request"
    assert peer.asked == []


def test_an_answer_without_an_end_is_read_no_further_than_it_is_told() -> None:
    given = 0

    def endless() -> Iterator[bytes]:
        nonlocal given
        while given < 2 * WHOLE:
            given += 1024
            yield b"x" * 1023 + b"\n"

    assert len(_body(httpx.Response(200, content=endless()))) == BODY - 1
    assert WHOLE < given <= WHOLE + 16 * 1024


@pytest.mark.parametrize("headers", [{}, {"content-encoding": "gzip"}])
def test_an_answer_that_breaks_off_behind_what_is_shown_is_not_whole(
    headers: dict[str, str],
) -> None:
    def broken() -> Iterator[bytes]:
        for _ in range(4):
            yield b"x" * BODY
        raise httpx.RemoteProtocolError("peer closed connection")

    with pytest.raises(httpx.RemoteProtocolError):
        _body(httpx.Response(200, headers=headers, content=broken()))


@pytest.mark.parametrize("coding", ["identity", "Identity", ""])
def test_an_answer_that_is_said_to_be_plain_is_read(coding: str) -> None:
    assert _body(httpx.Response(200, headers={"content-encoding": coding}, content=[b"a"])) == "a"


def test_a_cancel_ends_the_wait(peer: Peer) -> None:
    token = CancelToken()

    def cancel() -> None:
        peer.reached.wait(5)
        token.request("cancel")
        peer.go_on.set()

    waiting = threading.Thread(target=cancel)
    waiting.start()
    with pytest.raises(Cancelled):
        send(peer.url("/hang"), cancel=token)
    waiting.join()
    assert token._callbacks == {}


def test_a_cancel_does_not_wait_for_a_server_that_says_nothing(peer: Peer) -> None:
    token = CancelToken()
    threading.Timer(0.3, token.request, args=("cancel",)).start()
    begun = time.monotonic()
    with pytest.raises(Cancelled):
        send(peer.url("/hang"), cancel=token)
    assert time.monotonic() - begun < 5  # it hangs for ten seconds
    peer.go_on.set()


class Broken(httpx.BaseTransport):
    """A transport that fails as it is told, and keeps what it was given."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self.given: list[httpx.Request] = []
        self.timers: list[bool] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.given.append(request)
        self.timers = [each.daemon for each in timers()]
        raise self._error


def timers() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if isinstance(each, threading.Timer)]


@pytest.mark.parametrize(
    ("error", "method", "said", "code"),
    [
        (
            httpx.ReadError("it broke\x1b"),
            "POST",
            "got no answer: it broke\\x1b",
            "http-unanswered",
        ),
        (httpx.ReadError(""), "POST", "got no answer: ReadError", "http-unanswered"),
        (httpx.WriteError(""), "GET", "got no answer: WriteError", "http"),
        (httpx.StreamClosed(), "POST", "the stream has been closed", "http-unanswered"),
        (httpx.ConnectError("x"), "POST", "got no answer: x", "http"),
        (httpx.ConnectTimeout("x"), "POST", "got no answer: x", "http"),
        (httpx.PoolTimeout("x"), "POST", "got no answer: x", "http"),
        (httpx.UnsupportedProtocol("x"), "POST", "got no answer: x", "http"),
        (httpx.LocalProtocolError("x"), "POST", "got no answer: x", "http"),
    ],
)
def test_what_each_error_of_the_line_says(
    error: Exception, method: str, said: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Broken(error)
    monkeypatch.setattr(door, "GuardedTransport", lambda *_, **__: broken)
    before = len(timers())
    with pytest.raises(StepFailed) as caught:
        send("http://127.0.0.1:9/", method, timeout=timedelta(seconds=600))
    assert said in caught.value.what
    assert (caught.value.code, isinstance(caught.value, Interrupted)) == (
        code,
        code == "http-unanswered",
    )
    (request,) = broken.given
    assert request.extensions["timeout"] == dict.fromkeys(("connect", "read", "write", "pool"), 600)
    assert "trace" in request.extensions
    assert len(broken.timers) == before + 1
    assert all(broken.timers), "it must not keep the program from its end"
    for each in timers()[before:]:
        each.join(5)
    assert len(timers()) == before


@pytest.mark.parametrize(
    ("token", "said"), [("hunter2", MASK), ("rental", MASK), ("ab1", "the text is withheld")]
)
def test_an_error_that_quotes_the_requests_own_secret_says_none(token: str, said: str) -> None:
    """A server that repeats a header in a malformed one: the library quotes that in its error."""

    def echo(client: socket.socket) -> None:
        client.sendall(f"HTTP/1.1 200 OK\r\nBad Header {token}\r\n\r\n".encode())

    with raw(echo) as url, pytest.raises(StepFailed) as caught:
        send(url, "POST", secret_headers={"X-Token": "env:TOKEN"}, token=token)
    assert token not in caught.value.explain()
    assert (said if said == MASK else WITHHELD) in caught.value.what


@contextmanager
def line() -> Iterator[tuple[socket.socket, dict[str, Any]]]:
    """The other end of a connection, and what httpx says of it."""
    ours, other = socket.socketpair()
    with ours, other:
        other.settimeout(0.2)
        stream = SimpleNamespace(get_extra_info={"socket": ours}.get)
        yield other, {"return_value": stream}


def is_open(other: socket.socket) -> bool:
    try:
        return other.recv(1) != b""
    except TimeoutError:
        return True


TOLD = ("connection.connect_tcp.complete", "connection.start_tls.complete")


@pytest.mark.parametrize("event", [*TOLD, "connection.connect_tcp.started", "http11.x.complete"])
@pytest.mark.parametrize("first", ["told", "cut"])
def test_a_line_is_cut_however_early(event: str, first: str) -> None:
    cut = Line()
    with line() as (other, info):
        if first == "cut":
            cut.cut()
        cut.note(event, info)
        assert is_open(other) == (first == "told" or event not in TOLD)
        cut.cut()
        assert is_open(other) == (event not in TOLD)
        cut.cut()  # what has ended by itself is no error


def test_of_a_secret_at_the_end_of_what_is_shown_nothing_stands() -> None:
    Secret("hunter2hunter2-7f3a9c51")
    text = b"x\n" * (BODY // 2 - 6) + b"hunter2hunter2-7f3a9c51\n" + b"y\n" * BODY
    shown = _body(httpx.Response(200, content=[text]))
    assert shown == "x\n" * (BODY // 2 - 6) + f"{MASK}\ny\ny"


def test_a_request_leaves_nothing_to_cancel_behind(peer: Peer) -> None:
    token = CancelToken()
    send(peer.url(), cancel=token)
    assert token._callbacks == {}
