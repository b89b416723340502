"""What stands before a store: it passes everything on, but for what it was told to do."""

import hashlib
import http.server
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import IncompleteRead

import pytest

from drbook.demo import proxy as standing
from drbook.demo.proxy import Harm, Proxy
from drbook.demo.surprises import AtBody, Fault, Surprise

BODY = hashlib.sha256(b"dump").digest() * 2000
LOST = (urllib.error.URLError, ConnectionError, OSError)


class _Store(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(206 if "Range" in self.headers else 200)
        self.send_header("Content-Length", str(len(BODY)))
        self.send_header("x-said-host", self.headers["Host"])
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(BODY)

    do_HEAD = do_GET

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.send_header("ETag", hashlib.md5(data).hexdigest())
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Store)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def got(proxy: Proxy, path: str = "/b/x.dump") -> bytes:
    with urllib.request.urlopen(f"{proxy.endpoint}{path}", timeout=10) as answer:
        read: bytes = answer.read()
        return read


def test_what_passes_is_what_was_sent(store: str) -> None:
    with Proxy(store, [], lambda *_: None) as proxy:
        assert got(proxy) == BODY
        request = urllib.request.Request(f"{proxy.endpoint}/b/x", method="HEAD")
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.headers["Content-Length"] == str(len(BODY))
            assert (
                f"http://{answer.headers['x-said-host']}" == proxy.endpoint
            )  # signatures cover it
            assert answer.read() == b""
        put = urllib.request.Request(f"{proxy.endpoint}/b/y", data=b"bytes", method="PUT")
        with urllib.request.urlopen(put, timeout=10) as answer:
            assert answer.headers["ETag"] == hashlib.md5(b"bytes").hexdigest()


def test_one_bit_flips_in_the_download_that_was_meant(store: str) -> None:
    noted: list[str] = []
    flip = Fault(Surprise.FLIP, AtBody(2, 500))
    with Proxy(store, [flip], lambda fault, where: noted.append(where)) as proxy:
        first, second, third = (got(proxy) for _ in range(3))
    assert first == third == BODY
    differ = [at for at in range(len(BODY)) if second[at] != BODY[at]]
    assert differ == [len(BODY) // 2]
    assert (second[differ[0]] ^ BODY[differ[0]]).bit_count() == 1
    assert noted == [f"bit 4 of byte {differ[0]:,} of /b/x.dump"]


def test_a_download_is_cut_where_it_was_meant(store: str) -> None:
    cut = Fault(Surprise.CUT, AtBody(1, 250))
    with Proxy(store, [cut], lambda *_: None) as proxy:
        with pytest.raises(IncompleteRead) as short:
            got(proxy)
        assert short.value.partial == BODY[: len(BODY) // 4]
        assert got(proxy) == BODY


def test_a_store_that_is_down_for_a_while_comes_back(store: str) -> None:
    with Proxy(store, [], lambda *_: None) as proxy:
        proxy.pause(2)
        for _ in range(2):
            with pytest.raises(LOST):
                got(proxy)
        assert got(proxy) == BODY


def test_a_store_that_is_down_stays_so(store: str) -> None:
    with Proxy(store, [], lambda *_: None) as proxy:
        assert got(proxy) == BODY
        proxy.down()
        for _ in range(3):
            with pytest.raises(LOST):
                got(proxy)


def test_a_slow_store_gives_all_of_it_in_pieces(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "PAUSE", 0.02)
    with Proxy(store, [], lambda *_: None) as proxy:
        proxy.slow()
        begun = time.monotonic()
        assert got(proxy) == BODY
    assert time.monotonic() - begun >= 0.02 * (standing.PIECES - 1)


@pytest.mark.parametrize(
    ("harm", "pieces"),
    [
        (Harm(), [b"abc", b"def"]),
        (Harm(flips=(4,)), [b"abc", b"duf"]),
        (Harm(cut=2), [b"ab", b""]),
        (Harm(cut=3), [b"abc", b""]),
        (Harm(cut=5, flips=(0,)), [b"qbc", b"de"]),
    ],
)
def test_harm_is_done_at_bytes_of_the_whole(harm: Harm, pieces: list[bytes]) -> None:
    assert [harm.done_to(b"abc", 0), harm.done_to(b"def", 3)] == pieces
