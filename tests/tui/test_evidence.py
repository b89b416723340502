"""What the pane of a restore shows of the page before it."""

import io

import pytest
from rich.console import Console
from support.evidence import restored
from support.identities import who

from drbook.core.difference import Difference, RowDifference, TableDifference
from drbook.core.preflight import PreflightVerdict
from drbook.tui.difference import compared_databases
from drbook.tui.evidence import _restored, preflight_table


def shown(width: int) -> list[str]:
    out = io.StringIO()
    page = restored().preflight
    assert page is not None
    Console(file=out, width=width, color_system=None).print(preflight_table(page, width))
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 140])
def test_every_finding_has_a_line_with_sign_and_word(width: int) -> None:
    lines = shown(width)
    page = restored().preflight
    assert page is not None
    assert len(lines) == len(page.items) + 1
    for item in page.items:
        assert any(item.what in line and item.verdict.value in line for line in lines)
    # What is as it was comes last.
    order = ["ok" in line.split() for line in lines[1:]]
    assert order == sorted(order)
    assert page.count(PreflightVerdict.OK) == sum(order)


def test_it_stands_with_the_rest_of_the_restore() -> None:
    out = io.StringIO()
    Console(file=out, width=100, color_system=None).print(_restored(restored(), 100))
    text = out.getvalue()
    assert "before loading" in text
    assert "cluster restore-1" in text


def compared(width: int, height: int) -> str:
    orders = TableDifference(
        table="public.orders",
        left=40_001,
        right=32_660,
        missing=7346,
        changed=1,
        where=("id 5000 to 12499: 7,345 rows fewer, of 2026-02-04 to 2026-03-28",),
        sample=(
            RowDifference(key={"id": "5001"}, change="missing", left={"total": "5001"}),
            RowDifference(key={"id": "7"}, change="changed", left={"t": None}, right={"t": "[b]1"}),
        ),
    )
    lines = TableDifference(
        table="public.lines", left=None, right=None, why_unknown="no such table"
    )
    found = Difference(left=who(), right=who(), tables=(lines, orders))
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(compared_databases(found, height))
    return out.getvalue()


@pytest.mark.parametrize("width", [40, 80, 140])
def test_rows_that_differ_are_said_whole_at_every_width(width: int) -> None:
    text = " ".join(compared(width, 40).split())
    for words in (
        "? public.lines: could not be compared: no such table",
        "✗ public.orders: 7,346 rows missing, 1 row changed",
        "id 5000 to 12499: 7,345 rows fewer, of 2026-02-04 to 2026-03-28",
        "missing: id 5001 (total 5001 → none)",
        "changed: id 7 (t NULL → t [b]1)",  # no markup in what comes from outside
    ):
        assert words in text


def test_what_has_no_room_is_counted() -> None:
    assert compared(80, 3).splitlines()[-1] == "3 more lines in the timeline (e exports it)"
