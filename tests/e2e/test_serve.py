"""The screen in a browser: what the page loads, what arrives over its socket, and whom it turns away."""

import asyncio
import json
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import httpx
import pytest
from support.program import Drbook

RUNBOOK = """\
drbook: 1
title: "By hand <script>alert(1)</script>"
steps:
  - {id: a, phase: contain, do: manual, title: Revoke}
"""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Served:
    """`drbook serve` in a process of its own."""

    def __init__(self, drbook: Drbook, *arguments: str, **environment: str) -> None:
        self.port = free_port()
        self.process = drbook.start("serve", "--port", str(self.port), *arguments, **environment)
        self.address = f"http://127.0.0.1:{self.port}"
        deadline = time.monotonic() + 60
        while True:
            try:
                self.page = httpx.get(self.address, timeout=5)
                return
            except httpx.TransportError:
                assert self.process.poll() is None, self.process.communicate()[1]
                assert time.monotonic() < deadline
                time.sleep(0.1)

    def end(self) -> str:
        self.process.send_signal(signal.SIGINT)
        _, err = self.process.communicate(timeout=30)
        return err

    async def _read(self, keys: str, wanted: str, seconds: float) -> str:
        text = ""
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{self.address}/ws?width=100&height=30") as ws,
        ):
            for key in keys:
                await asyncio.sleep(2)
                await ws.send_str(json.dumps(["stdin", key]))
            until = time.monotonic() + seconds
            while wanted not in text and time.monotonic() < until:
                message = await ws.receive(timeout=seconds)
                if message.type is aiohttp.WSMsgType.BINARY:
                    text += re.sub(r"\x1b\[[\d;:?<>=$]*[a-zA-Z]", "", message.data.decode())
                elif message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE):
                    break
        return text

    def shows(self, wanted: str, keys: str = "", seconds: float = 60) -> str:
        return asyncio.run(self._read(keys, wanted, seconds))


@pytest.fixture
def incident(drbook: Drbook, tmp_path: Path) -> str:
    path = tmp_path / "r.yaml"
    path.write_text(RUNBOOK)
    drbook("rehearse", str(path), "--headless")
    return str(drbook("incidents", "--json").json()[0]["incident"])


@pytest.fixture
def served(drbook: Drbook, incident: str) -> Iterator[Served]:
    one = Served(drbook, incident)
    yield one
    one.process.kill()
    one.process.communicate()


def test_the_page_loads_nothing_from_elsewhere(served: Served) -> None:
    page = served.page
    assert page.status_code == 200
    assert "<script>alert(1)</script>" not in page.text
    assert "By hand &lt;script&gt;" in page.text
    assert re.findall(r"https?://[^\s\"'<>]+", page.text) == []
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for path in re.findall(r"/static/[\w./-]+", page.text):
        found = httpx.get(served.address + path)
        assert found.status_code == 200, path
        if not path.endswith(".ttf"):
            assert not re.search(r"(src|href|url\(|fetch\(|import)\W*https?://", found.text), path


def test_the_incident_is_seen_and_only_watched(
    served: Served, drbook: Drbook, incident: str
) -> None:
    text = served.shows("WATCHING")
    assert "WATCHING" in text
    assert "By hand" in served.shows("By hand", keys="r")
    events = drbook("watch", incident, "--once").out
    assert "started" not in events
    err = served.end()
    assert "read-only" in err
    assert f":{served.port}/" in err
    assert "WARNING" not in err


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
    ],
)
def test_strangers_pages_are_turned_away(served: Served, headers: dict[str, str]) -> None:
    for path in ("/", "/ws"):
        assert httpx.get(served.address + path, headers=headers).status_code == 403


def test_it_is_led_only_where_that_is_asked_for(drbook: Drbook, incident: str) -> None:
    one = Served(drbook, "--writable", incident)
    try:
        assert "REHEARSAL" in one.shows("journal")  # once it is opened, behind its first frame
        assert "led at" in one.end()
    finally:
        one.process.kill()
    resumed = drbook("watch", incident, "--once", "--json").out
    assert "IncidentResumed" in resumed


def test_whoever_listens_for_all_is_warned(drbook: Drbook, incident: str) -> None:
    one = Served(drbook, "--host", "0.0.0.0", incident)
    try:
        err = one.end()
    finally:
        one.process.kill()
    assert "WARNING" in err
    assert "no password and no encryption" in err


def test_a_port_that_is_taken_is_said(drbook: Drbook, incident: str) -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        ran = drbook("serve", "--port", str(one.getsockname()[1]), incident)
    assert ran.code == 2
    assert "cannot be listened at" in ran.err


def test_without_its_part_it_says_what_to_install(
    drbook: Drbook, incident: str, tmp_path: Path
) -> None:
    hidden = tmp_path / "hidden" / "textual_serve"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ModuleNotFoundError('no', name='textual_serve')\n")
    ran = drbook("serve", incident, PYTHONPATH=str(hidden.parent))
    assert ran.code == 2
    assert "pip install 'drbook[serve]'" in ran.err
