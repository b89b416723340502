"""The short form of the surprises' campaign, the command itself, and the road at the terminal."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from campaigns.ended import short_scratch, worlds
from campaigns.surprises import Field, a_field
from support.terminal import ENTER

from drbook.demo.surprises import Surprise, plan

pytestmark = pytest.mark.xdist_group("surprises")
"""One worker: one world serves several seeds."""

ROWS = 4000
COVERED = {
    Surprise.CORRUPT, Surprise.KILL, Surprise.DOWN, Surprise.SERVER, Surprise.FLIP, Surprise.FULL,
}  # fmt: skip
LED, IN_ONE_WORLD = 44, (5, 7)
"""Seeds that between them bring these."""


@pytest.fixture(scope="module")
def there() -> Iterator[Field]:
    with a_field(ROWS) as made:
        yield made


@pytest.fixture
def scratch() -> Iterator[Path]:
    with short_scratch() as folder:
        yield folder


def test_these_seeds_bring_what_is_to_be_seen() -> None:
    seeds = (LED, *IN_ONE_WORLD)
    assert {fault.surprise for seed in seeds for fault in plan(seed).faults} == COVERED


@pytest.mark.parametrize("seed", IN_ONE_WORLD)
def test_what_surprised_it_ends_honestly(there: Field, seed: int) -> None:
    ended = there.run(plan(seed))
    assert ended.judged.honest, (ended.judged, there.heard)
    assert ended.judged.ended == "failed"
    assert any(one.done for one in ended.injected)
    assert there.left == []


def test_a_demo_that_was_killed_goes_on_and_is_verified(drbook, scratch: Path) -> None:  # type: ignore[no-untyped-def]
    asked = ("demo", "--surprise", "--seed", str(LED), "--headless", "--json", "--rows", str(ROWS))
    ran = drbook(*asked, TMPDIR=str(scratch))
    assert ran.code == 0, ran.err
    told = ran.json()
    assert (told["ended"], told["honest"], told["false"]) == ("verified", True, [])
    assert told["seed"] == LED
    assert told["lives"] == 2
    assert [one["surprise"] for one in told["injected"] if one["done"]] == ["corrupt", "kill"]
    assert all("behind record" in one["where"] for one in told["injected"])
    assert worlds(scratch) == []


KILLED_AT_ONCE = 2
"""A seed whose `kill` comes behind the first record."""


def test_at_the_terminal_enter_goes_on(terminal, drbook, scratch: Path) -> None:  # type: ignore[no-untyped-def]
    asked = ("--surprise", "--seed", str(KILLED_AT_ONCE), "--surprises", "kill")
    seat = terminal("demo", "--rows", str(ROWS), *asked, environment={"TMPDIR": str(scratch)})
    seat.sees("drbook was killed", "Enter goes on", "Ctrl-D ends the demo", seconds=90)
    seat.press(ENTER)
    seat.sees("REHEARSAL", "Is the data really gone?", seconds=60)
    seat.press("q")
    seat.sees("Leave drbook?")
    seat.press("2")
    seat.sees("in 2 lives", "the truth", "HONEST: it failed, and said so", seconds=60)
    assert seat.ends() == 0
    assert worlds(scratch) == []
