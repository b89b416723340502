"""How the copies off the machine stand, in the corner of the screen, at every size."""

from datetime import UTC, datetime, timedelta

import pytest
from support.incident import World
from support.screen import Seat, at_the_screen

from drbook.core.errors import TakenOver
from drbook.mirror.mirrors import Mirrors, superseded
from drbook.mirror.status import MirrorState, Standing

NOTE = "  - {id: a, phase: close, do: note, title: Say it, with: {text: x}}\n"
AGO = datetime.now(UTC) - timedelta(minutes=3)


class Fixed(Mirrors):
    """Mirrors whose state a test decides."""

    def __init__(self, *states: MirrorState) -> None:
        super().__init__()
        self.fixed = states
        self.lost: TakenOver | None = None

    @property
    def states(self) -> tuple[MirrorState, ...]:
        return self.fixed

    @property
    def taken_over(self) -> TakenOver | None:
        return self.lost


GOOD = MirrorState("/mnt/nas", 5, 5)
BEHIND = MirrorState("s3://b/p", 3, 15, Standing.DOWN, AGO, "no route to host")
DIFFERS = MirrorState("s3://b/p", 3, 5, Standing.DIFFERS, AGO, "other bytes")


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (120, 40)])
@pytest.mark.parametrize(
    ("states", "says"),
    [
        ((GOOD,), "mirror ✓"),
        ((GOOD, BEHIND), "mirror 12 behind"),
        ((DIFFERS, GOOD), "mirror ✗ differs"),
    ],
)
def test_the_worst_one_is_shown(
    world: World, states: tuple[MirrorState, ...], says: str, size: tuple[int, int]
) -> None:
    world.mirrors = Fixed(*states)
    world.start(NOTE)

    async def script(seat: Seat) -> None:
        text = await seat.sees(says, "run step 1", "✓ 1")
        assert all(len(line) <= size[0] for line in text.splitlines())

    at_the_screen(world, script, size)


def test_without_mirrors_nothing_is_said(world: World) -> None:
    world.start(NOTE)

    async def script(seat: Seat) -> None:
        assert "mirror" not in await seat.sees("run step 1")

    at_the_screen(world, script, (80, 24))


def test_a_take_over_is_shown_and_nothing_can_be_run(world: World) -> None:
    mirrors = Fixed(GOOD)
    world.mirrors = mirrors
    world.start(NOTE)

    async def script(seat: Seat) -> None:
        await seat.sees("run step 1")
        mirrors.lost = superseded("bob on spare at 21:30 (the host is gone)", "s3://b/p")
        text = await seat.sees("✗ TAKEN OVER", "bob on spare", "Go on there")
        assert "run step 1" not in text
        await seat.press("enter")
        assert world.events() == ["IncidentOpened"]

    at_the_screen(world, script, (80, 24))


@pytest.mark.parametrize(
    ("state", "short", "long"),
    [
        (GOOD, "✓", "/mnt/nas: up to date"),
        (BEHIND, "12 behind", "s3://b/p: 12 records behind since "),
        (DIFFERS, "✗ differs", "s3://b/p: 2 records behind since "),
        (MirrorState("m", 4, 5, since=AGO + timedelta(minutes=3)), "✓", "m: 1 record behind since"),
        (MirrorState("m", 4, 5, since=AGO), "1 behind", "m: 1 record behind since"),
        (MirrorState("m", 5, 5, Standing.DOWN, None, "down"), "down", "m: up to date. down"),
        (MirrorState("m", 5, 5, note="not locked"), "✓", "m: up to date (not locked)"),
    ],
)
def test_in_words(state: MirrorState, short: str, long: str) -> None:
    now = AGO + timedelta(minutes=3, seconds=1)
    assert state.short(now) == short
    assert state.long(now).startswith(long)
