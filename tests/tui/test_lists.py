"""Recovery points and row counts on the screen: sign and word, reasons, and what nobody knows."""

import io
from datetime import timedelta

import pytest
from rich.console import Console
from support.evidence import LOSS, located, verified
from support.incident import World
from support.screen import Seat, at_the_screen

from drbook.core.actions import Finished, StepContext
from drbook.core.events import StepEnd
from drbook.core.points import Judgement, SourceFacts
from drbook.core.ports import Ports
from drbook.core.signals import Working
from drbook.core.state import StepState
from drbook.core.values import Frozen
from drbook.tui import axis, copies

STEPS = (
    "  - {id: find, phase: locate, do: backups.locate}\n"
    "  - {id: count, phase: verify, do: postgres.verify, needs: []}\n"
)


def _found(params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
    return Finished(located(), reason="found")
    yield


def _none(params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
    return Finished(located(chosen=False), StepEnd.FAILED, "none is independent")
    yield


def _counted(params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
    return Finished(verified(), StepEnd.FAILED, "1 table differs")
    yield


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_backups_with_verdicts_and_the_reasons_of_one(world: World, size: tuple[int, int]) -> None:
    world.start(STEPS, occurred=LOSS)
    world.locate.courses["find"] = _found

    async def script(seat: Seat) -> None:
        await seat.press("b")
        await seat.sees("Nothing was located yet")
        await seat.press("escape", "enter")
        await seat.reaches("find", StepState.SUCCEEDED)
        await seat.sees("○ shared", "! damaged", "■ independent", "× destroyed", "? unknown")
        await seat.sees("costs 24 h 00 m of data", "LOSS", "26 h 00 m")
        await seat.press("b")
        text = await seat.sees("BACKUPS", "loss ▼", "3 of 4", "credential *", "✓ pass")
        assert "connection refused" in text
        assert "lay in what was destroyed" in text
        chosen = next(line for line in text.splitlines() if line.startswith("▸"))
        assert "26 h" in chosen
        await seat.press("up", "up")
        await seat.sees("1 of 4", "○ shared  s3://app", "✗ fail", "declared")
        await seat.press("pagedown")
        await seat.press("escape")
        await seat.sees("REHEARSAL")

    at_the_screen(world, script, size)


def test_no_independent_copy_is_said_in_the_list(world: World) -> None:
    world.start(STEPS)
    world.locate.courses["find"] = _none

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.sees("✗ failed", "? no independent copy among those that could be seen")
        await seat.sees("could not look into: attic")
        assert "◀ chosen" not in seat.text()

    at_the_screen(world, script)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_row_counts_with_what_differs_first(world: World, size: tuple[int, int]) -> None:
    world.start(STEPS)
    world.verify.courses["count"] = _counted

    async def script(seat: Seat) -> None:
        await seat.press("v")
        await seat.sees("Nothing was counted yet")
        await seat.press("escape", "down", "enter")
        await seat.reaches("count", StepState.FAILED)
        await seat.sees("✗ 4 tables · 2 equal · 1 differ · 1 could not verify · 2 other things")
        await seat.press("v")
        text = await seat.sees("ROW COUNTS", "✗ differs", "? could not verify", "✓ content")
        rows = [line.split()[0] for line in text.splitlines() if line.startswith("public.")]
        assert rows[:4] == [  # what is wrong first, then what lost most
            "public.payments", "public.reports", "public.reservations", "public.branches",
        ]  # fmt: skip
        unsure = next(line for line in text.splitlines() if line.startswith("public.reports"))
        assert unsure.split()[1:3] == ["unknown", "unknown"]
        assert "✓" not in unsure
        assert "4,913" in text
        assert "✗ differs" in text.split("index public.reservations_day: missing <b>")[0]
        for _ in range(10):  # what lies beside the rows comes first
            if "✗ differs  public.payments" in seat.text():
                break
            await seat.press("down")
        await seat.sees("✗ differs  public.payments", "one row fewer than held")
        await seat.press("f")
        only = await seat.sees("[differ]")
        assert "public.branches" not in only
        assert "public.reservations_day" in only
        assert "somebody paid" not in only
        await seat.press("f", "f")
        only = await seat.sees("[unverified]", "public.reports")
        assert "public.payments" not in only

    at_the_screen(world, script, size)


def test_the_whole_record_is_listed(world: World) -> None:
    world.start(STEPS)

    async def script(seat: Seat) -> None:
        await seat.press("t")
        await seat.sees("TIMELINE", "1 record, head", "drill opened by ops")

    at_the_screen(world, script)


def test_the_axis_puts_each_point_at_its_time() -> None:
    lines = axis.axis(located(), LOSS, 113).plain.splitlines()
    assert lines[0].rstrip().endswith("loss ▼")
    app = next(line for line in lines if line.startswith(" app"))
    offsite = next(line for line in lines if line.startswith(" offsite"))
    assert app.index("○") > offsite.index("!") > offsite.rindex("■") > offsite.index("■")
    room = 113 - 15
    assert offsite.index("■") == 14  # the oldest, at the very left
    assert abs(app.index("○") - 14 - room * (50 - 2) / 50) <= 2
    assert offsite[offsite.rindex("■") + 1] == "◀"


def test_the_axis_of_points_at_one_moment_and_of_none() -> None:
    one = located().model_copy(update={"judgements": located().judgements[:1]})
    assert "○" in axis.axis(one, LOSS - timedelta(hours=2), 80).plain
    dark = located().model_copy(update={"judgements": ()})
    assert "no recovery point could be seen" in axis.axis(dark, LOSS, 80).plain
    none = dark.model_copy(update={"unreachable": ()})
    assert "no recovery point was found anywhere" in axis.axis(none, LOSS, 80).plain


def test_what_nobody_could_look_into_is_never_said_to_hold_nothing() -> None:
    there = located().model_copy(update={"judgements": (), "point": None, "newest": None})
    assert "nobody knows what it holds" in copies.cost_line(there).plain
    assert "found" not in copies.cost_line(there).plain
    assert "could not look into: attic" in copies.cost_line(located()).plain
    none = there.model_copy(update={"unreachable": there.unreachable[:1]})  # it was destroyed
    assert copies.cost_line(none).plain == "✗ no independent copy was found"


def _dark(params: Frozen, context: StepContext, ports: Ports) -> Working[Finished]:
    why = "the credential APP_KEY_ID is not set on this host: set it, and run this step again"
    dark = located(chosen=False).model_copy(
        update={
            "judgements": (),
            "newest": None,
            "unreachable": tuple(
                SourceFacts(source=name, reachable=False, why_unreachable=why)
                for name in ("app", "offsite")
            ),
        }
    )
    yield from ()
    return Finished(dark, StepEnd.FAILED, "nothing could be asked")


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_every_source_that_was_not_seen_is_listed_with_why(
    world: World, size: tuple[int, int]
) -> None:
    world.start(STEPS, occurred=LOSS)
    world.locate.courses["find"] = _dark

    async def script(seat: Seat) -> None:
        await seat.press("enter")
        await seat.reaches("find", StepState.FAILED)
        for key in ("up", "b"):
            await seat.press(key)
            text = " ".join((await seat.sees("could not look into: app, offsite")).split())
            assert "nobody knows what they hold" in text.replace("│ ", "")
        assert text.count("run this step again") >= 2
        assert "no independent copy was found" not in text
        assert "found anywhere" not in text

    at_the_screen(world, script, size)


@pytest.mark.parametrize("width", [76, 80, 120])
def test_one_sign_for_the_chosen_copy_and_one_for_the_cursor(width: int) -> None:
    found = located()

    def lines(selected: Judgement | None) -> list[str]:
        out = io.StringIO()
        table = copies.backups_table(found, width, found.judgements, selected=selected)
        Console(file=out, width=width, color_system=None).print(table)
        return out.getvalue().splitlines()

    chosen = [line for line in lines(found.judgements[0]) if "◀" in line]
    assert len(chosen) == 1
    assert "▸" not in chosen[0]
    assert "26 h" in chosen[0]
    assert not any("▸" in line for line in lines(None))
    assert sum("◀" in line for line in lines(None)) == 1
