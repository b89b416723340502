"""Keys that arrive all at once, as a slow line hands them over: words stay words."""

import asyncio
import threading
from concurrent.futures import Future

import pytest
from support.incident import World
from support.screen import Seat, at_the_screen
from textual import events

from drbook.app.model import Command
from drbook.core.state import StepState
from drbook.tui import turns

STEPS = (
    "  - {id: a, phase: detect, do: none, title: Look}\n"
    "  - {id: b, phase: contain, do: manual, title: Revoke, needs: []}\n"
    "  - {id: c, phase: cutover, do: manual, title: Move, needs: [], confirm: {type: app-prod, irreversible: It is final.}}\n"
)


async def burst(seat: Seat, keys: str) -> None:
    """All in one moment, and none of them waits for the screen."""
    names = {"\r": "enter", "\t": "tab", "\x1b": "escape"}
    for each in keys:
        event = events.Key(names.get(each, each), None if each in names else each)
        seat.app._driver.send_message(event)  # type: ignore[union-attr]
    await asyncio.sleep(0)


def test_the_words_of_a_note_are_not_commands(world: World) -> None:
    world.start(STEPS)

    async def script(seat: Seat) -> None:
        await burst(seat, "nrevoke a stolen token, sxqa\t10m ago\r")
        await seat.sees("note of ", "revoke a stolen token, sxqa")
        assert seat.world.driver.snapshot.state.steps["a"].state is StepState.PENDING
        assert "happened_at=datetime" in seat.event("NoteAdded")

    at_the_screen(world, script)


def test_a_name_that_is_typed_before_it_is_asked_for_aborts_nothing(world: World) -> None:
    world.start(STEPS)

    async def script(seat: Seat) -> None:
        await seat.press("down", "down")
        await burst(seat, "\rapp-prod")
        await seat.sees("Type  app-prod  to go on", "⏎ Go on")

    at_the_screen(world, script)


def test_no_letter_is_lost_where_the_dialog_comes_late(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waited long for the step's plan waits no less for the dialog's field."""
    monkeypatch.setattr(turns, "MOST", 0.3)
    world.start(STEPS)
    submit = world.driver.submit

    def late(command: Command, actor: str | None = None) -> "Future[None]":
        asked: Future[None] = Future()

        def carry_out() -> None:
            submit(command, actor).add_done_callback(lambda done: asked.set_result(done.result()))

        threading.Timer(0.29, carry_out).start()
        return asked

    async def script(seat: Seat) -> None:
        await seat.press("down", "down")
        monkeypatch.setattr(world.driver, "submit", late)
        await burst(seat, "\rapp-prod")
        await seat.sees("Type  app-prod  to go on", "⏎ Go on")

    at_the_screen(world, script)


def test_what_is_pressed_before_a_dialog_has_closed_is_no_command(world: World) -> None:
    """A paste into a terminal that does not mark it: its second line comes behind an Enter."""
    world.start(STEPS)

    async def script(seat: Seat) -> None:
        await seat.press("n")
        await seat.sees("goes on record now")
        await burst(seat, "first line\rremove the volume\r")
        await seat.sees("note (", "first line", "Keys that came before")
        assert seat.world.driver.snapshot.state.steps["a"].state is StepState.PENDING

    at_the_screen(world, script)


def test_enter_that_is_held_does_not_close_the_incident(world: World) -> None:
    world.start("  - {id: a, phase: detect, do: none, title: Look}\n")

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.reaches("a", StepState.SUCCEEDED)
        await seat.sees("⏎ close")
        for _ in range(20):
            await burst(seat, "\r")
            await asyncio.sleep(0.03)
        await seat.sees("It ends as")
        assert seat.world.driver.snapshot.state.closed_at is None
        await asyncio.sleep(0.2)
        await seat.press("enter")
        await seat.sees("CLOSED")

    at_the_screen(world, script)
