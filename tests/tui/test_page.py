"""The runbook's page on the screen: as it is printed, read on where it is longer, and harmless."""

from support.incident import World
from support.screen import Seat, at_the_screen

from drbook.app.pages import page_of

STEPS = "  - {id: one, phase: contain, do: manual}\n"
HEAD = """description: |
  WHAT THIS IS FOR
  A [bold red]table[/] is gone.

  THE FIRST FIVE MINUTES
{lines}
contacts:
  - {name: "Payments [b]owner[/b]", phone: "+49 30 5550 401"}
  - {name: "Lead \\e[2J\\u202egnp", reach: behind the stage}
"""
LONG = "\n".join(f"  {number}. do this" for number in range(1, 31))


def test_the_page_is_shown_scrolls_and_obeys_nothing(world: World) -> None:
    world.start(STEPS, head=HEAD.replace("{lines}", LONG))

    async def script(seat: Seat) -> None:
        await seat.press("p")
        text = await seat.sees(
            "THE FIRST FIVE MINUTES", "A [bold red]table[/] is gone.", "1. do this"
        )
        assert "behind the stage" not in text, "it is longer than the screen"
        await seat.press("pagedown", "pagedown", "pagedown")
        text = await seat.sees("Payments [b]owner[/b]: +49 30 5550 401", "behind the stage")
        assert not {"\x1b", "\u202e"} & set(text)
        await seat.press("escape")
        await seat.sees("Enter")

    at_the_screen(world, script, (80, 24))


def test_it_says_what_is_printed(world: World) -> None:
    world.start(STEPS, head=HEAD.replace("{lines}", LONG))
    lines = page_of(world.runbook)
    assert lines[0] == world.runbook.title
    assert lines[-2] == "  call     Payments [b]owner[/b]: +49 30 5550 401"
    assert not {"\x1b", "\u202e"} & set("".join(lines))


def test_the_palette_knows_it(world: World) -> None:
    world.start(STEPS, head=HEAD.replace("{lines}", LONG))

    async def script(seat: Seat) -> None:
        await seat.press("ctrl+p")
        await seat.sees("Go on with the selected step")
        await seat.type("runbook's page")
        await seat.pilot.pause(0.5)
        await seat.press("enter")
        await seat.sees("WHAT THIS IS FOR")

    at_the_screen(world, script)
