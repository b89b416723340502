"""The line of keys, and the lines about a runbook: what has no room is left out whole."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.text import Text
from support.folded import T0, loaded, records_of, snapshot_of

from drbook.app.history import _of
from drbook.app.library import Checked, Entry
from drbook.core.fold import fold
from drbook.core.state import StepState
from drbook.tui.hints import Hint, hints, key_line
from drbook.tui.shelfrows import Row, detail

FAILED = (
    "drbook: 1\ntitle: T\nsteps:\n"
    "  - {id: a, phase: contain, do: once, needs: []}\n"
    "  - {id: b, phase: contain, do: manual, needs: []}\n"
)


@pytest.mark.parametrize("width", [60, 70, 80, 99])
def test_help_is_the_last_key_that_is_dropped(width: int) -> None:
    runbook = loaded(FAILED)
    shown = snapshot_of(runbook, records_of(runbook, ends={"a": StepState.FAILED}))
    line = hints(shown, "a", width, T0)
    assert line.cell_len <= width
    assert "? help" in line.plain
    assert "⏎ " in line.plain
    assert "r again" in line.plain
    assert ("o steps" in line.plain) or width < 80


def test_where_nothing_can_be_recorded_the_way_out_is_offered_and_nothing_else() -> None:
    runbook = loaded(FAILED)
    shown = snapshot_of(runbook, records_of(runbook, ends={"a": StepState.FAILED}))
    line = hints(replace(shown, broken=True), "a", 80, T0).plain
    assert "NOT WRITTEN" in line
    assert line.startswith(" q leave   ? help")
    assert "again" not in line
    assert "note" not in line


def test_the_list_of_steps_is_offered_where_it_is_not_seen() -> None:
    runbook = loaded(FAILED)
    shown = snapshot_of(runbook, records_of(runbook))
    assert "o steps" in hints(shown, "a", 80, T0).plain
    assert "o steps" not in hints(shown, "a", 120, T0).plain


def test_keys_stand_in_their_order_and_no_word_is_cut() -> None:
    keys = [Hint("⏎", "復旧を始める", "go"), Hint("x", "close", "close"), Hint("?", "help", "help")]
    for width in range(16, 60):
        line = key_line(keys, Text("ok"), width)
        assert line.cell_len <= width
        words = [word for word in line.plain.split() if word not in ("⏎", "x", "?", "ok")]
        assert words == [one.words for one in keys if one.words in words]
        assert "help" in words


BOOK = (
    "drbook: 1\ntitle: T\nobjectives: {rpo: 24h, rto: 4h}\n"
    "steps:\n  - {id: a, phase: contain, do: manual}\n"
)


@pytest.mark.parametrize("width", [60, 80, 100, 200])
@pytest.mark.parametrize("name", ["r.yaml", "a/very/long/" * 12 + "r.yaml", "/予約" * 60 + ".yaml"])
def test_no_figure_of_a_runbook_is_cut(width: int, name: str) -> None:
    entry = Entry("r.yaml", Path("/home/ana") / name, "here")
    row = Row("RUNBOOKS", Checked(entry, "T", loaded(BOOK)), "k", "w")
    line = detail(row, T0, width).plain.split("\n")[1]
    assert cell_len(line) <= width - 2
    assert "1 step · RPO 24 h 00 m · RTO 4 h 00 m" in line
    assert line.endswith(".yaml") or "/" not in line


@pytest.mark.parametrize("width", [60, 80, 100])
def test_no_figure_of_an_incident_is_cut(width: int) -> None:
    runbook = loaded(FAILED)
    summary = _of(fold(records_of(runbook)), Path("/x"), led=False)
    closed = replace(
        summary, incident="20260424-191900-" + "long-" * 20, closed_at=T0 + timedelta(hours=2)
    )
    line = detail(Row("HISTORY", closed, "k", "w"), T0, width).plain.split("\n")[1]
    assert cell_len(line) <= width - 2
    assert "opened 2026-04-24 19:19:00 UTC" in line
    assert "closed after 2 h 00 m" in line
