"""What runs, line by line: whose bar it is, and what it is at."""

import pytest
from rich.cells import cell_len

from drbook.app.model import ProgressView
from drbook.tui.paint import progress_lines

FILE = "nightly-2026-04-24T03-00.dump"


def view(label: str, done: int, total: int | None, unit: str, now: str = "") -> ProgressView:
    left = None if total is None else 14
    return ProgressView(label, done, total, unit, now, rate=25_000.0, seconds_left=left)


DOWNLOAD = view(f"download {FILE}", 1_200_000_000, 3_400_000_000, "bytes")
NOW = "public.payments · 2 of 7 tables done · 120 MiB written"
LOAD = view("load", 300_000, 660_000, "rows", NOW)


def said(width: int, *views: ProgressView) -> list[str]:
    lines = [line.plain for line in progress_lines(views, width)]
    assert all(cell_len(line) <= width for line in lines)
    return lines


@pytest.mark.parametrize(
    ("width", "label"),
    [
        (60, "download ni…"),
        (78, "download nigh…dump"),
        (100, "download nightly-2…24T03-00.dump"),
    ],
)
def test_a_download_names_its_file_as_far_as_there_is_room(width: int, label: str) -> None:
    (line,) = said(width, DOWNLOAD)
    assert line.startswith(label + " ")
    assert "1.1 GiB of 3.2 GiB" in line


@pytest.mark.parametrize("width", [60, 78, 100, 140])
def test_a_load_says_rows_and_time_and_below_it_table_tables_and_bytes(width: int) -> None:
    line, below = said(width, LOAD)
    assert " 45 %" in line
    assert "0:00:14 left" in line
    assert below.strip() == NOW
    if width >= 78:
        assert "300,000 of 660,000 rows" in line
        assert "25,000/s" in line


def test_what_fits_stays_on_its_line_and_what_is_done_is_at_nothing() -> None:
    assert len(said(140, view("count rows", 1, 9, "tables", "public.a"))) == 1
    assert len(said(78, view("load", 9, 9, "rows", NOW))) == 1


def test_figures_stand_below_each_other() -> None:
    lines = said(118, DOWNLOAD, view("load", 9, 9, "rows"))
    assert {line.index("█") for line in lines} == {33}
