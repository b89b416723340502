"""The dialog that waits for somebody else's signature."""

import shutil
from pathlib import Path

import pytest
from support.approving import People, approvers, asked
from support.incident import World
from support.screen import Seat, at_the_screen
from textual import events

from drbook.app.mailbox import Letter, leave
from drbook.core.events import Mode
from drbook.core.state import StepState

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is missing")
STEP = "  - {id: a, phase: cutover, title: Send users, do: once, approve: {by: 2, break_glass_after: WAIT}}\n"
SIZES = [(80, 24), (120, 40)]


@pytest.fixture
def keys(tmp_path: Path) -> People:
    folder = tmp_path / "keys"
    folder.mkdir()
    return People(folder)


def begin(world: World, keys: People, wait: str = "15m") -> None:
    world.start(STEP.replace("WAIT", wait), Mode.LIVE, head=approvers(keys.line("maria")))


async def paste(seat: Seat, text: str) -> None:
    seat.app.post_message(events.Paste(text))
    await seat.pilot.pause(0.1)


@pytest.mark.parametrize("size", SIZES)
def test_it_says_who_how_and_until_when_and_takes_what_is_pasted(
    world: World, keys: People, size: tuple[int, int]
) -> None:
    begin(world, keys)

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        text = await seat.sees(
            "needed by another person, by signature", "May sign  maria", "Until", "Or paste the signature",
            "possible in 1", "Enter: write it down",
        )  # fmt: skip
        assert "drbook approve" in text
        assert "more line" not in text
        await paste(seat, "let me in")
        await seat.press("enter")
        await seat.sees("approves nothing: it is no signature", "May sign  maria")
        await seat.press("ctrl+u")
        block = keys.sign("maria", asked(world.journal).text)
        await paste(seat, block.replace("\n", "\r"))
        await seat.press("enter")
        await seat.reaches("a", StepState.SUCCEEDED)

    at_the_screen(world, script, size)
    assert world.events().count("ApprovalRefused") == 1


def test_lines_that_come_as_keys_are_one_block(world: World, keys: People) -> None:
    begin(world, keys)

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.sees("paste the signature")
        block = keys.sign("maria", asked(world.journal).text).strip()
        for line in block.split("\n"):
            await paste(seat, line)
            await seat.press("enter")
        await seat.reaches("a", StepState.SUCCEEDED)

    at_the_screen(world, script)
    assert "ApprovalRefused" not in world.events()


def test_it_closes_where_it_was_answered_from_another_seat(world: World, keys: People) -> None:
    begin(world, keys)

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.sees("May sign  maria")
        block = keys.sign("maria", asked(world.journal).text)
        leave(world.folder, Letter("maria", "x", approval=block))
        await seat.reaches("a", StepState.SUCCEEDED)
        await seat.sees("answered from another seat")
        assert "May sign" not in seat.text()

    at_the_screen(world, script)


@pytest.mark.parametrize("size", SIZES)
def test_break_glass_wants_a_reason(world: World, keys: People, size: tuple[int, int]) -> None:
    begin(world, keys, "0s")

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.sees("1  Somebody else approves", "2  BREAK-GLASS")
        await seat.press("2")
        await seat.sees("Say why in a few words")
        await seat.type("nobody answers")
        await seat.press("enter")
        await seat.reaches("a", StepState.SUCCEEDED)
        await seat.sees("BREAK-GLASS, without approval by another person")
        assert "reason='nobody answers'" in seat.event("ApprovalGiven")

    at_the_screen(world, script, size)


def test_nobody_can_sign_where_the_list_is_not_well(world: World, tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    world.start(STEP.replace("WAIT", "15m"), Mode.LIVE, head=f"approvers: {{file: {missing}}}\n")

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.sees("Nobody can sign", "cannot be read", "possible in")
        await seat.press("escape")

    at_the_screen(world, script)
