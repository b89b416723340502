"""The list of steps and its one-line form, with titles and numbers that take more cells than letters."""

import re
from itertools import pairwise

import pytest
from rich.cells import cell_len
from support.folded import loaded, records_of, snapshot_of
from support.incident import World

from drbook.core.state import StepState
from drbook.tui.signs import wanting
from drbook.tui.steps import step_list, strip

SIXTY = "".join(
    f'  - {{id: s{number}, phase: contain, do: manual, title: "手順 {number} 本番データベースを復旧する", needs: []}}\n'
    for number in range(1, 61)
)


@pytest.mark.parametrize("width", [36, 52, 60])
def test_a_title_of_wide_letters_takes_one_line(world: World, width: int) -> None:
    world.start(SIXTY)
    shown = world.driver.snapshot
    lines = step_list(shown, "s30", shown.records[0].at, width, 20).plain.split("\n")
    assert {cell_len(line) for line in lines if "手順" in line} == {width}


@pytest.mark.parametrize("width", [60, 80, 99])
def test_the_strip_cuts_no_number_in_two(world: World, width: int) -> None:
    world.start(SIXTY)
    for at in (1, 2, 8, 9, 10, 30, 52, 59, 60):
        line = strip(world.driver.snapshot, f"s{at}", width)
        assert line.cell_len <= width
        numbers = [int(each) for each in re.findall(r"\d+", line.plain)]
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        assert f"{at}]" in line.plain
        assert line.plain.startswith("…") == (numbers[0] > 1)
        assert line.plain.endswith("…") == (numbers[-1] < 60)
        assert line.cell_len > width - 8


LONG = "drbook: 1\ntitle: T\nsteps:\n" + "".join(
    f"  - {{id: s{number}, phase: contain, do: once}}\n" for number in range(1, 41)
)


@pytest.mark.parametrize("width", [60, 80, 99])
def test_a_step_that_needs_somebody_never_leaves_the_strip(width: int) -> None:
    runbook = loaded(LONG)
    ends = {f"s{number}": StepState.SUCCEEDED for number in range(1, 40)}
    ends |= {"s2": StepState.FAILED, "s9": StepState.COULD_NOT_VERIFY, "s30": StepState.IN_DOUBT}
    shown = snapshot_of(runbook, records_of(runbook, ends=ends))
    assert set(wanting(shown)) >= {"s2", "s9", "s30"}
    for at in (1, 2, 5, 20, 31, 40):
        line = strip(shown, f"s{at}", width)
        assert line.cell_len <= width
        for part in ("✗2", "?9", "‼30", f"{at}]"):
            assert part in line.plain
        numbers = [int(each) for each in re.findall(r"\d+", line.plain)]
        assert numbers == sorted(numbers)
        gaps = sum(b > a + 1 for a, b in pairwise([0, *numbers, 41]))
        assert line.plain.count("…") == gaps
