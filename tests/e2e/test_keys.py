"""The demo's whole incident by keys alone, through a pseudo-terminal, on a terminal emulator's screen."""

import shutil
from pathlib import Path

import pytest
from support.terminal import ENTER, ESCAPE


def test_the_demo_by_keys_alone(terminal, drbook, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    seat = terminal("demo", "--rows", "4000")
    seat.sees("REHEARSAL", "Is the data really gone?", "run step 1", seconds=120)
    seat.press(ENTER)
    seat.sees("LOSS", "go to step 2")
    seat.press(ENTER + ENTER)
    seat.sees("It is done")
    seat.press("1")
    seat.sees("go to step 3")
    seat.press(ENTER + ENTER)
    seat.sees("independent", "shared", "damaged", "go to step 4")
    seat.press("b")
    seat.sees("BACKUPS", "credential *")
    seat.press(ESCAPE)
    seat.sees("go to step 4")
    seat.resize(120, 40)
    seat.sees("LOCATE", "go to step 4")  # the step list is there again
    seat.press(ENTER + ENTER)
    seat.sees("go to step 5", seconds=120)
    seat.press("n")
    seat.sees("goes on record now")
    seat.press("three customers at the counter" + ENTER)
    seat.sees("three customers at the counter")
    seat.press(ENTER + ENTER)
    seat.sees("9 tables equal what the backup held", "go to step 6")
    seat.press("v")
    seat.sees("ROW COUNTS", "public.reservations")
    seat.press(ESCAPE)
    seat.resize(80, 24)
    seat.press(ENTER + ENTER)
    seat.sees("Send users to the restored database?", "1  go")
    seat.press("1")
    seat.sees("go to step 7")
    seat.press(ENTER + ENTER)
    seat.sees("Type  rental  to go on")
    seat.press("rental" + ENTER)
    seat.sees("Escape takes it back")
    seat.sees("It is done")  # once the cooling-off is over
    seat.press("1")
    seat.sees("go to step 8")
    seat.press(ENTER + ENTER)
    seat.sees("close")
    seat.press(ENTER)
    seat.sees("It ends as PASS")
    seat.press(ENTER)
    seat.sees("CLOSED: PASS")
    seat.press("e")
    seat.sees("Export the timeline")
    seat.press(ENTER)
    seat.sees("Written")
    seat.press("q")
    assert seat.ends() == 0
    (exported,) = tmp_path.glob("*.html")
    page = exported.read_text()
    assert "three customers at the counter" in page
    assert "rental-offsite" in page


def test_an_incident_that_is_left_goes_on_where_it_was(terminal, drbook, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    runbook = tmp_path / "r.yaml"
    runbook.write_text(
        "drbook: 1\ntitle: By hand\nsteps:\n"
        "  - {id: a, phase: contain, do: manual, title: Revoke}\n"
        "  - {id: b, phase: close, do: note, with: {text: Call the provider.}}\n"
    )
    seat = terminal("rehearse", str(runbook))
    seat.sees("REHEARSAL", "run step 1")
    seat.press(ENTER)
    seat.sees("It is done")
    seat.press("1")
    seat.sees("go to step 2")
    seat.press("q")
    seat.sees("Leave drbook?", "stays open")
    seat.press("2")
    assert seat.ends() == 7

    again = terminal("resume")
    again.sees("run step 2", "✓1")
    again.press(ENTER)
    again.sees("Call the provider.", "close")
    again.press("x")
    again.sees("It ends as PASS")
    again.press(ENTER)
    again.sees("CLOSED: PASS")
    again.press("q")
    assert again.ends() == 0
    assert "pass" in drbook("incidents").out


def test_a_shell_that_is_killed_hands_the_terminal_back(terminal, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """An interactive shell has the terminal for itself; one that is killed cannot hand it back."""
    runbook = tmp_path / "r.yaml"
    runbook.write_text(
        "drbook: 1\ntitle: By hand\nsteps:\n"
        "  - {id: a, phase: contain, do: manual, title: Revoke}\n"
    )
    shell = shutil.which("bash") or pytest.skip("there is no bash")
    seat = terminal("rehearse", str(runbook), environment={"SHELL": shell, "PS1": "ready> "})
    seat.sees("run step 1")
    seat.press("!")
    seat.sees("drbook waits")
    seat.press("echo so it $((40 + 2)) is" + ENTER)
    seat.sees("so it 42 is")
    seat.press("kill -9 $$" + ENTER)
    seat.sees("REHEARSAL", "run step 1")
    seat.press("n")
    seat.sees("goes on record now")
    seat.press(ESCAPE)
    seat.sees("run step 1")
    seat.press("q")
    seat.sees("Leave drbook?")
    seat.press("2")
    assert seat.ends() == 7
