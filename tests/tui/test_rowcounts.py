"""Tables of row counts at every width: no figure is ever cut."""

import re

import pytest
from rich.cells import cell_len
from support.evidence import table

from drbook.core.comparison import TableComparison, TableVerdict
from drbook.tui.rowcounts import tables_table

MOST = 9_999_999_999
WIDE = "public." + "予約台帳" * 40
NAMES = ("public.t", "public." + "reservations_of_" * 12, WIDE)
PASS, FAIL, UNSURE = TableVerdict.PASS, TableVerdict.FAIL, TableVerdict.COULD_NOT_VERIFY


def rows(most: int) -> list[TableComparison]:
    return [
        table(NAMES[0], None, most, most, PASS, "as in the baseline"),
        table(NAMES[1], most, 0, most, FAIL, "nothing came back, and nobody knows why"),
        table(NAMES[2], most, most, 0, UNSURE, "permission denied for reporting_ro"),
        table("public.ends", most, None, None, UNSURE, "not counted"),
    ]


@pytest.mark.parametrize("most", [0, 838_123, MOST])
@pytest.mark.parametrize("width", [36, 56, 60, 76, 80, 100, 120, 200])
def test_no_figure_is_cut(width: int, most: int) -> None:
    shown = rows(most)
    lines = tables_table(shown, width, selected=shown[1]).plain.split("\n")
    assert len(lines) == len(shown) + 1
    assert all(cell_len(line) <= width for line in lines)
    for row, line in zip(shown, lines[1:], strict=True):
        cells = line.split()
        for value in (row.restored, row.lost):
            assert ("unknown" if value is None else f"{value:,}") in cells
        assert not re.search(r"\d…|…\d", line)
        assert {"✓", "✗", "?"} & set(cells)


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_every_figure_and_a_bar_stand_beside_a_name_that_can_be_told(width: int) -> None:
    for most in (838_123, MOST):
        shown = rows(most)[:2]
        first, second = tables_table(shown, width).plain.split("\n")[1:]
        for row, line in zip(shown, (first, second), strict=True):
            for value in (row.expected, row.restored, row.before, row.lost):
                assert ("unknown" if value is None else f"{value:,}") in line.split()
        assert "█" in first
        assert "░░░" in second
        assert cell_len(second.split()[0]) >= 15


def test_words_come_before_long_names_and_reasons_last() -> None:
    narrow = tables_table(rows(838_123), 80).plain
    assert "✓ as many" in narrow
    assert "? unverified" in narrow
    wide = tables_table(rows(838_123), 200).plain
    assert "✓ as in the baseline" in wide
    assert "? could not verify" in wide
    assert "permission denied for reporting_ro" in wide


def test_what_was_chosen_is_marked_over_the_whole_line() -> None:
    shown = rows(5)
    line = tables_table(shown, 120, selected=shown[0]).plain.split("\n")[1]
    assert cell_len(line) == 120
