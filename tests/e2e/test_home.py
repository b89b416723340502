"""`drbook` alone, through a pseudo-terminal: from home into an incident, back, and in again."""

import json
from pathlib import Path

from support.terminal import ENTER, ESCAPE

RUNBOOK = """\
drbook: 1
title: By hand
objectives: {rto: 1h}
inputs:
  occurred: {type: time, prompt: When did it happen?}
steps:
  - {id: a, phase: contain, do: manual, title: Revoke}
  - {id: b, phase: close, do: note, with: {text: Call the provider.}}
"""
TITLE, NO_TITLE = b"\x1b]2;", b"\x1b]2;\x07\x1b[23;2t"


def test_from_home_into_an_incident_and_back(terminal, drbook, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "hand.yaml").write_text(RUNBOOK)
    (tmp_path / "broken.yaml").write_text(RUNBOOK.replace("manual", "manul"))
    seat = terminal()
    seat.sees("OPEN INCIDENTS 0", "✓ hand.yaml", "✗ broken.yaml", "1 problem")
    seat.is_titled("drbook")
    seat.press("broken" + ENTER)
    seat.sees("broken.yaml:7:", "manul")
    seat.press(ESCAPE)
    seat.press(ESCAPE)
    seat.sees("Type to filter")
    seat.press("hand")
    seat.sees("1 found")
    seat.press(ENTER)
    seat.sees("1  LIVE", "2  drill", "When did it happen?")
    seat.press("2")
    seat.press("20m ago")
    seat.sees("20 m 0")
    seat.press(ENTER)
    seat.sees("REHEARSAL", "run step 1")
    seat.is_titled("REHEARSAL · By hand · needs you: 1 Revoke")
    seat.press(ENTER)
    seat.sees("It is done")
    seat.press("1")
    seat.sees("go to step 2")
    seat.press("q")
    seat.sees("Leave drbook?")
    seat.press("2")
    seat.sees("OPEN INCIDENTS 1", "filter: hand")  # which stays as it was
    seat.press(ESCAPE)
    seat.sees("OPEN INCIDENTS 1", "Type to filter")
    seat.is_titled("drbook")
    seat.press("\x1b[H" + ENTER)  # Home, then Enter
    seat.sees("run step 2", "✓1")
    seat.press(ENTER)
    seat.sees("Call the provider.", "close")
    seat.press("x")
    seat.sees("It ends as PASS")
    seat.press(ENTER)
    seat.sees("CLOSED: PASS")
    seat.press("q")
    seat.sees("HISTORY 1", "✓ pass", "RTO")
    seat.press("\x1b[F" + ENTER)  # End, then Enter
    seat.sees("CLOSED RECORD", "read-only")
    seat.press("q")
    seat.sees("HISTORY 1")
    seat.resize(120, 40)
    seat.sees("RTO not measured")
    seat.press("\x11")  # Ctrl-Q
    assert seat.ends() == 0
    assert NO_TITLE in seat.sent
    assert seat.sent.rindex(NO_TITLE) == seat.sent.rindex(TITLE)  # the last word on the title
    found = json.loads(drbook("incidents", "--json").out)
    assert [one["outcome"] for one in found] == ["pass"]


def test_an_incident_that_is_open_when_home_is_left_stays_open(
    terminal, drbook, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "hand.yaml").write_text(RUNBOOK)
    seat = terminal()
    seat.sees("✓ hand.yaml")
    seat.press("hand")
    seat.sees("1 found")
    seat.press(ENTER)
    seat.sees("1  LIVE")
    seat.press("3")
    seat.press("now" + ENTER)
    seat.sees("DRY RUN", "run step 1")
    seat.vanishes()  # the window is closed
    found = json.loads(drbook("incidents", "--json").out)
    assert [one["outcome"] for one in found] == ["open"]
    again = drbook("resume", "--headless")
    assert "Another drbook" not in again.err


def test_without_a_terminal_it_prints(drbook) -> None:  # type: ignore[no-untyped-def]
    ran = drbook()
    assert ran.code == 0
    assert "drbook demo" in ran.out


def test_watching_in_a_terminal(terminal, drbook, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "hand.yaml").write_text(RUNBOOK)
    leader = terminal("rehearse", "hand.yaml", "--set", "occurred=20m ago")
    leader.sees("run step 1")
    watcher = terminal("watch")
    watcher.sees("WATCHING", "By hand", "ready")
    watcher.press("n")
    watcher.sees("goes on record now")
    watcher.press("the phone rings" + ENTER)
    leader.press("\x0c")
    leader.sees("the phone rings")
    watcher.sees("note (alice): the phone rings")
    leader.press(ENTER)
    leader.sees("It is done")
    leader.press("1")
    leader.sees("go to step 2")
    watcher.sees("[✓1]")
    watcher.press("q")
    assert watcher.ends() == 0
    lines = drbook("watch", "--once").out
    assert "the phone rings" in lines
    assert "a: SUCCEEDED" in lines


def test_a_terminal_of_sixteen_colours_gets_no_others(terminal, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    seat = terminal(environment={"TERM": "xterm"})
    seat.sees("RUNBOOKS ")
    assert b"\x1b[38;2;" not in seat.sent
    assert b";48;2;" not in seat.sent
    assert b"38;5;" not in seat.sent
    seat.press("\x11")
    assert seat.ends() == 0
