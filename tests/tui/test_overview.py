"""The list of all steps: how each stands, what it waits for, and the way to it."""

import io

import pytest
from rich.cells import cell_len
from rich.console import Console
from support.folded import T0, loaded, records_of, snapshot_of
from support.incident import World
from support.screen import Seat, at_the_screen

from drbook.core.state import StepState
from drbook.tui.overview import StepsScreen

STEPS = (
    "  - {id: look, phase: detect, do: none, title: Look, why: Nobody knows yet}\n"
    "  - {id: act, phase: restore, do: once, title: Act}\n"
    "  - {id: check, phase: verify, do: none, title: Check, why: Trust nothing}\n"
    "  - {id: tell, phase: reconcile, do: manual, title: Tell, needs: []}\n"
)
SIZES = [(80, 24), (120, 40), (200, 60)]


@pytest.mark.parametrize("size", SIZES)
def test_all_steps_with_state_and_what_the_selected_one_waits_for(
    world: World, size: tuple[int, int]
) -> None:
    world.start(STEPS)

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.reaches("look", StepState.SUCCEEDED)
        await seat.press("o")
        text = await seat.sees("STEPS", "1 of 4 steps ended", "▸", "1 of 4")
        rows = [line for line in text.splitlines() if line[:2] in ("▸ ", "  ") and line.strip()]
        for row, words in zip(
            rows[:4],
            (("detect", "✓", "1 Look", "done"), ("restore", "▶", "2 Act", "ready"),
             ("verify", "○", "3 Check", "pending"), ("reconcile", "▶", "4 Tell", "ready")),
            strict=True,
        ):  # fmt: skip
            assert all(word[:8] in row for word in words)
        await seat.sees("Nobody knows yet", "ENDED")
        await seat.press("down", "down")
        await seat.sees("3 of 4", "Trust nothing", "for 2 Act")
        await seat.press("enter")
        await seat.sees("REHEARSAL", "3  Check" if size[0] < 100 else "Check")
        assert seat.app.screen.selected == "check"  # type: ignore[attr-defined]
        await seat.press("o")
        await seat.sees("3 of 4")
        await seat.press("up", "escape")
        await seat.sees("REHEARSAL")
        assert seat.app.screen.selected == "check"  # type: ignore[attr-defined]

    at_the_screen(world, script, size)


def test_what_needs_somebody_is_found_among_many(world: World) -> None:
    world.start(STEPS)

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.reaches("look", StepState.SUCCEEDED)
        await seat.press("o", "f")
        text = await seat.sees("[need somebody]", "1 of 2")
        assert "Act" in text
        assert "Check" not in text
        await seat.press("f", "f")
        text = await seat.sees("[ended]", "1 of 1")
        assert "Act" not in text
        await seat.press("f", "question_mark")
        await seat.sees("KEYS", "Go to the selected step")
        await seat.press("escape", "escape", "ctrl+p")
        await seat.type("list")
        await seat.sees("All steps in a list; Enter goes to one  (o)")

    at_the_screen(world, script)


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_every_row_takes_one_line_whatever_its_title(width: int) -> None:
    text = "drbook: 1\ntitle: T\nsteps:\n" + "".join(
        f'  - {{id: s{number}, phase: contain, do: once, title: "手順 {number} {"復旧" * 60}"}}\n'
        for number in range(1, 13)
    )
    runbook = loaded(text)
    ends = {f"s{number}": StepState.SUCCEEDED for number in range(1, 12)}
    ends["s4"] = StepState.COULD_NOT_VERIFY
    shown = snapshot_of(runbook, records_of(runbook, ends=ends))
    screen = StepsScreen(lambda: shown, lambda: T0, lambda: "s4", lambda step: None)
    rows = screen.rows(shown)
    assert screen.first(shown, rows) == 3
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(screen.table(shown, rows, 3, width))
    lines = out.getvalue().splitlines()
    assert len(lines) == 12
    assert all(cell_len(line) <= width for line in lines)
    assert "could not verify" in lines[3]
    assert all("1:00" in line for line in lines[:11])
