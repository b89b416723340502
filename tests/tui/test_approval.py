"""The dialog that waits for somebody else's signature."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.approving import People, approvers, asked
from support.incident import World
from support.screen import Seat, at_the_screen
from textual import events

from drbook.app.mailbox import Letter, leave
from drbook.core.events import Mode
from drbook.core.state import StepState
from drbook.tui.incident import IncidentScreen

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


@pytest.mark.parametrize("size", SIZES)
def test_an_open_dialog_follows_the_record_and_the_clock(
    world: World, keys: People, size: tuple[int, int]
) -> None:
    step = STEP.replace("by: 2", "by: 3").replace("WAIT", "4s")
    world.start(step, Mode.LIVE, head=approvers(keys.line("maria"), keys.line("ben")))

    later = timedelta(0)

    async def script(seat: Seat) -> None:
        nonlocal later
        below = seat.app.screen
        assert isinstance(below, IncidentScreen)
        below.clock = lambda: datetime.now(UTC) + later
        await seat.press("enter")
        await seat.sees("So far  0 of 2: nobody", "May sign  maria, ben", "possible in")
        await seat.type("half a word")
        first = seat.app.screen
        block = keys.sign("maria", asked(world.journal).text)
        leave(world.folder, Letter("maria", "x", approval=block))
        await seat.sees("So far  1 of 2: maria", "May sign  ben", "half a word")
        await seat.sees("possible in 1 s")
        assert seat.app.screen is first
        await seat.sees("1  Somebody else approves", "2  BREAK-GLASS", "half a word")
        assert "possible in" not in seat.text()
        await seat.type(" more")
        later = timedelta(hours=1)
        text = await seat.sees("half a word more", "Expired", "a new text is", "anew")
        assert "May sign" not in text
        await seat.press("shift+tab", "2")
        await seat.reaches("a", StepState.SUCCEEDED)
        assert "reason='half a word more'" in seat.event("ApprovalGiven")

    at_the_screen(world, script, size)


@pytest.mark.parametrize(
    ("signed", "wanted"), [(True, "Paste the signature"), (False, "Write the approver's name")]
)
def test_beside_break_glass_it_asks_for_what_approves(
    world: World, keys: People, signed: bool, wanted: str
) -> None:
    head = approvers(keys.line("maria")) if signed else ""
    world.start(STEP.replace("WAIT", "0s"), Mode.LIVE, head=head)

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.sees("1  Somebody else approves")
        await seat.press("1")
        text = await seat.sees(wanted)
        assert "why" not in text
        if signed:
            block = keys.sign("maria", asked(world.journal).text).strip()
            for line in block.split("\n"):
                await paste(seat, line)
                await seat.press("enter")
        else:
            await seat.type("maria")
            await seat.press("enter")
        await seat.reaches("a", StepState.SUCCEEDED)

    at_the_screen(world, script)


def test_nobody_can_sign_where_the_list_is_not_well(world: World, tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    world.start(STEP.replace("WAIT", "15m"), Mode.LIVE, head=f"approvers: {{file: {missing}}}\n")

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.sees("Nobody can sign", "cannot be read", "possible in")
        await seat.press("escape")

    at_the_screen(world, script)


@pytest.mark.parametrize("size", SIZES)
def test_where_nobody_can_sign_it_says_what_helps(
    world: World, keys: People, size: tuple[int, int]
) -> None:
    step = STEP.replace(", break_glass_after: WAIT", "")
    head = approvers(keys.line("maria", options='valid-before="20200101"'))
    world.start(step, Mode.LIVE, head=head)

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        text = await seat.sees(
            "Nobody can sign", "Cannot sign  maria: the key expired", "What helps", "--amend"
        )
        assert "run it again" not in text
        assert "Or paste" not in text
        await seat.press("escape")

    at_the_screen(world, script, size)
