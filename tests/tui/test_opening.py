"""What is seen while an incident is opened, and what becomes of one that cannot be."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable

import pytest
from support.incident import World
from support.nasty import NASTY, unsafe
from support.screen import shown
from textual.pilot import Pilot

from drbook.cli.attended import first_of
from drbook.core.errors import JournalError
from drbook.tui.app import IncidentApp
from drbook.tui.first import First, Told
from drbook.tui.opening import Opening

STEPS = "  - {id: one, phase: detect, do: none, title: Look at it}\n"


def opening_app(
    opening: Opening, first: First, script: Callable[[IncidentApp, Pilot[None]], Awaitable[None]]
) -> IncidentApp:
    app = IncidentApp(opening=opening, first=first)

    async def run() -> None:
        async with app.run_test(size=(80, 24), notifications=True) as pilot:
            await script(app, pilot)

    asyncio.run(run())
    return app


async def sees(app: IncidentApp, pilot: Pilot[None], *words: str) -> str:
    for _ in range(500):
        if all(word in shown(app) for word in words):
            return shown(app)
        await pilot.pause(0.02)
    raise AssertionError(f"{words} not on the screen:\n{shown(app)}")


def test_mode_title_and_progress_are_seen_and_then_the_incident(world: World) -> None:
    driver, go = world.start(STEPS), threading.Event()

    def opening(told: Told):  # type: ignore[no-untyped-def]
        told.reading(43_000, 100_000)
        told.say("Not asked: the mirror is down")
        assert go.wait(20)
        return driver, "It stays open."

    async def script(app: IncidentApp, pilot: Pilot[None]) -> None:
        text = await sees(app, pilot, "43,000 of 100,000", "the mirror is down")
        assert "REHEARSAL" in text
        assert "Volume deleted" in text
        go.set()
        text = await sees(app, pilot, "Look at it", "the mirror is down")
        assert "reading the record" not in text
        assert app.leaving == "It stays open."

    app = opening_app(opening, First("drill", "Volume deleted"), script)
    assert app.failed is None


def test_a_terminal_too_small_from_the_start_says_so_and_nothing_else(world: World) -> None:
    driver = world.start(STEPS)
    app = IncidentApp(opening=lambda told: (driver, "It stays open."), first=First())

    async def run() -> None:
        async with app.run_test(size=(20, 5)) as pilot:
            await pilot.pause(0.5)
            text = await sees(app, pilot, "20×5 is too", "goes on.")
            assert " ".join(text.split()) == (
                "20×5 is too small. Make it 80×24 or larger. What runs goes on."
            )
            await pilot.resize_terminal(80, 24)
            await sees(app, pilot, "Look at it", "run step 1")

    asyncio.run(run())


def test_what_cannot_be_opened_is_said_once_the_screen_is_gone() -> None:
    def opening(told: Told):  # type: ignore[no-untyped-def]
        raise JournalError("line 7: it is not JSON")

    async def script(app: IncidentApp, pilot: Pilot[None]) -> None:
        for _ in range(200):
            if app.failed is not None:
                return
            await pilot.pause(0.02)

    app = opening_app(opening, First(), script)
    assert isinstance(app.failed, JournalError)


@pytest.mark.parametrize("key", ["q", "escape", "ctrl+q", "ctrl+c"])
def test_it_can_be_left_while_it_hangs(key: str) -> None:
    go = threading.Event()

    def opening(told: Told):  # type: ignore[no-untyped-def]
        go.wait(60)
        raise JournalError("nobody is there to read it")

    async def script(app: IncidentApp, pilot: Pilot[None]) -> None:
        await sees(app, pilot, "reading the record")
        await pilot.press(key)
        await pilot.pause(0.1)

    app = opening_app(opening, First(), script)
    assert app._exit
    go.set()


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
def test_hostile_titles_and_words(text: str) -> None:
    go = threading.Event()

    def opening(told: Told):  # type: ignore[no-untyped-def]
        told.say(text)
        go.wait(20)
        raise JournalError("x")

    async def script(app: IncidentApp, pilot: Pilot[None]) -> None:
        await pilot.pause(0.3)
        assert unsafe(shown(app)) == []
        go.set()

    opening_app(opening, First("live", text), script)


def test_the_first_line_says_mode_and_title(world: World) -> None:
    world.start(STEPS)
    assert first_of(world.folder) == First("drill", "T")


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[]\n", b"7\n", b'{"data":[]}\n', b'{"data":{}}\n', b"\xff\n"]
)
def test_a_first_line_that_says_nothing(world: World, line: bytes) -> None:
    world.journal.write_bytes(line)
    assert first_of(world.folder) == First()


def test_no_record_no_first_line(world: World) -> None:
    assert first_of(world.folder / "nowhere") == First()


HEAVY = (
    "pydantic",
    "yaml",
    "jinja2",
    "boto3",
    "botocore",
    "httpx",
    "psycopg",
    "graphql",
    "zstandard",
)


def test_the_first_frame_pays_for_no_library_but_textual() -> None:
    code = (
        "import sys, drbook.cli.main, drbook.cli.resume, drbook.tui.app\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
