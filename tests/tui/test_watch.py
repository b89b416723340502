"""The seat that only watches: it shows the same, and nothing that it does reaches the incident."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.incident import World
from support.screen import Seat, at_the_screen, shown

from drbook.app import follower as following
from drbook.app import notes
from drbook.app.follower import Follower
from drbook.app.model import Abort, Run, WriteNote
from drbook.app.stored import store
from drbook.core.errors import JournalError, UsageError
from drbook.core.state import StepState
from drbook.language.check import Vocabulary
from drbook.tui.app import WatchApp
from drbook.tui.incident import IncidentScreen
from drbook.tui.operations import Operations
from drbook.tui.watch import WatchScreen

TWO = "  - {id: a, phase: detect, do: none, title: Look}\n  - {id: b, phase: restore, do: once, title: Act}\n"


@pytest.fixture
def followed(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """An incident that a driver leads, with the runbook stored beside its record."""
    world.start(TWO)
    store(world.folder / "runbook.yaml", world.runbook.source)
    fake = Vocabulary(world.actions, {}, {})
    monkeypatch.setattr(following, "vocabulary", lambda: fake)
    monkeypatch.setattr("drbook.app.stored.vocabulary", lambda: fake)
    monkeypatch.setattr(following, "LOOK_EVERY", 0.02)
    return world


class Watcher(Seat):
    """Somebody who looks on."""


def watching(
    world: World,
    script: Callable[[Watcher, Follower], Awaitable[None]],
    size: tuple[int, int] = (80, 24),
) -> None:
    async def run() -> None:
        follower = Follower(world.folder)
        follower.start()
        app = WatchApp(follower)
        async with app.run_test(size=size, notifications=True) as pilot:
            await pilot.pause(0.1)
            await script(Watcher(world, app, pilot), follower)
        follower.stop()

    asyncio.run(run())


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (120, 40), (200, 60)])
def test_it_says_that_it_only_watches_and_follows(followed: World, size: tuple[int, int]) -> None:
    async def script(seat: Watcher, follower: Follower) -> None:
        text = await seat.sees("WATCHING", "read-only", "REHEARSAL", "Look")
        assert "run step" not in text
        assert "press Enter" not in text
        await asyncio.to_thread(followed.ask, Run("a"))
        followed.reaches("a", StepState.SUCCEEDED)
        await seat.sees("✓ done")

    watching(followed, script, size)


def test_no_copy_is_chosen_by_who_looks_on(followed: World) -> None:
    async def script(seat: Watcher, follower: Follower) -> None:
        await seat.press("b")
        text = await seat.sees("BACKUPS", "more reasons")
        assert "take this copy" not in text
        await seat.press("enter")
        assert seat.app.screen.check_action("choose", ()) is False
        await seat.press("q")
        await seat.sees("WATCHING")

    watching(followed, script)


CHANGING = ("r", "s", "c", "d", "i", "x", "a")


@pytest.mark.parametrize("key", CHANGING)
def test_a_key_that_would_change_something_is_none_here(followed: World, key: str) -> None:
    async def script(seat: Watcher, follower: Follower) -> None:
        await seat.sees("WATCHING")
        await seat.press("enter", key, "enter")
        await seat.pilot.pause(0.1)
        assert isinstance(seat.app.screen, WatchScreen)
        assert followed.driver.snapshot.state.seq == 1

    watching(followed, script)


def test_whatever_is_bound_here_only_looks() -> None:
    harmless = {
        "back", "backups", "export", "help", "journal", "leave", "local", "move", "next", "note", "overview", "page",
        "scroll", "search", "tables", "take_back", "timeline",
    }  # fmt: skip
    own = {one.action.partition("(")[0] for one in WatchScreen.BINDINGS if hasattr(one, "action")}
    assert {one for one in own if "." not in one} <= harmless
    led = {one.action for one in IncidentScreen.BINDINGS if hasattr(one, "action")}
    assert {"go_on", "again", "skip", "abort", "close"} <= led
    assert issubclass(IncidentScreen, Operations)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("p", "Esc goes back"),
        ("b", "BACKUPS"),
        ("v", "ROW COUNTS"),
        ("t", "TIMELINE"),
        ("question_mark", "KEYS"),
    ],
)
def test_the_lists_are_there(followed: World, key: str, words: str) -> None:
    async def script(seat: Watcher, follower: Follower) -> None:
        await seat.sees("WATCHING")
        await seat.press(key)
        await seat.sees(words)
        await seat.press("escape")
        await seat.sees("WATCHING")

    watching(followed, script)


def test_arrows_select_and_leaving_asks_nothing(followed: World) -> None:
    async def script(seat: Watcher, follower: Follower) -> None:
        await seat.sees("WATCHING", "1  Look")
        await seat.press("down")
        await seat.sees("2  Act")
        await seat.press("g")
        await seat.sees("1  Look")
        await seat.press("q")
        await seat.pilot.pause(0.1)
        assert seat.app._exit

    watching(followed, script)


def test_a_note_goes_to_whoever_leads(followed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRBOOK_OPERATOR", "maria")

    async def script(seat: Watcher, follower: Follower) -> None:
        await seat.sees("WATCHING")
        await seat.press("n")
        await seat.sees("It goes on record now")
        await seat.type("customers call")
        await seat.press("enter")
        await seat.sees("note (maria): customers call")

    watching(followed, script, (120, 40))
    assert followed.driver.snapshot.state.notes[-1].actor == "maria"


def test_a_command_is_refused_in_words(followed: World) -> None:
    follower = Follower(followed.folder)
    for command in (Run("a"), Abort("no")):
        with pytest.raises(UsageError, match="only watches"):
            follower.submit(command).result(timeout=5)
    assert follower.snapshot.trouble is not None
    assert followed.driver.snapshot.state.seq == 1


def test_a_note_that_cannot_be_written_is_said(
    followed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(folder: Path, text: str, *_: object) -> notes.Written:
        raise JournalError("The disk is full.", next="Make room.")

    monkeypatch.setattr(following, "write_note", full)
    follower = Follower(followed.folder)
    with pytest.raises(JournalError, match="full"):
        follower.submit(WriteNote("x")).result(timeout=5)
    assert follower.snapshot.trouble is not None
    assert follower.snapshot.trouble.what == "The disk is full."


def test_a_record_that_was_replaced_is_said_and_what_was_read_stays(followed: World) -> None:
    async def script(seat: Watcher, follower: Follower) -> None:
        await seat.sees("WATCHING", "Look")
        followed.driver.stop()
        other = followed.folder / "other"
        other.write_bytes(followed.journal.read_bytes())
        other.replace(followed.journal)
        await seat.sees("was replaced or cut", "Look")

    watching(followed, script, (120, 40))


def test_a_click_selects_a_step_and_does_what_a_hint_says(world: World) -> None:
    world.start(TWO)

    async def script(seat: Seat) -> None:
        text = await seat.sees("run step 1", "Act")
        lines = text.splitlines()
        row = next(at for at, line in enumerate(lines) if "Act" in line)
        await seat.pilot.click(offset=(8, row))
        await seat.sees("2  Act")
        await seat.pilot.click(offset=(8, row - 2))
        await seat.sees("1  Look")
        hints = lines[-1]
        await seat.pilot.click(offset=(hints.index("note"), len(lines) - 1))
        await seat.sees("It goes on record now")

    at_the_screen(world, script, (120, 40))


def test_the_time_of_the_last_record_is_told(followed: World) -> None:
    async def script(seat: Watcher, follower: Follower) -> None:
        await seat.sees("led by ops", "last record")
        assert datetime.now(UTC) >= followed.driver.snapshot.records[-1].at
        assert "WATCHING" in shown(seat.app)

    watching(followed, script, (120, 40))


@pytest.mark.parametrize("key", ["n", "e"])
def test_a_browser_writes_neither_notes_nor_files(
    followed: World, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setattr(WatchApp, "is_web", True)

    async def script(seat: Watcher, follower: Follower) -> None:
        text = await seat.sees("WATCHING", "b backups")
        assert "n note" not in text
        assert "e export" not in text
        await seat.press(key)
        await seat.pilot.pause(0.1)
        assert isinstance(seat.app.screen, WatchScreen)

    watching(followed, script)


def test_a_leader_that_is_gone_is_missed(followed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed, say: its record ends in the middle, and nothing else tells the second seat."""
    led = [True]
    monkeypatch.setattr(following, "written_now", lambda incident: led[0])

    async def script(seat: Watcher, follower: Follower) -> None:
        await seat.sees("WATCHING", "led by")
        led[0] = False
        await seat.sees("NOBODY LEADS IT", "drbook resume goes on")
        led[0] = True
        await seat.sees("WATCHING", "led by")

    watching(followed, script)
