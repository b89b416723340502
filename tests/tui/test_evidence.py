"""What the pane of a restore shows of the page before it."""

import io

import pytest
from rich.console import Console
from support.evidence import restored

from drbook.core.preflight import PreflightVerdict
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
