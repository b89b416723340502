"""The list of steps and its one-line form, with titles and numbers that take more cells than letters."""

import re

import pytest
from rich.cells import cell_len
from support.incident import World

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
