"""An editor that goes wrong, at a real terminal: the terminal comes back, and the text that was typed stays."""

from pathlib import Path

import pytest
from support.terminal import ENTER, ESCAPE

RUNBOOK = "drbook: 1\ntitle: T\nsteps:\n  - {id: a, phase: close, do: note, with: {text: x}}\n"
EDITOR = "\x05"

FAILING = {
    "exits with 1": ("false", "exit code 1"),
    "is not there": ("/nonexistent/ed", "cannot be started"),
    "has no name": ("' '", "cannot be started"),
    "has a quote too few": ('"unbalanced', "no command line"),
    "is killed": ("sh -c 'kill -SEGV $$'", "signal 11"),
    "deletes its file": ("rm", "left no file"),
    "empties its file": ("truncate -s 0", "left the file empty"),
    "puts a pipe there": ("sh -c 'rm $0; mkfifo $0'", "left no file"),
    "writes without end": ("truncate -s 300000", "more than 200,000"),
    "takes its folder away": ("sh -c 'rm -r ${0%/*}'", "left no file"),
}


@pytest.mark.parametrize("name", FAILING)
def test_an_editor_that_fails_gives_the_terminal_back(
    terminal, tmp_path: Path, name: str  # type: ignore[no-untyped-def]
) -> None:  # fmt: skip
    command, reason = FAILING[name]
    (tmp_path / "own.yaml").write_text(RUNBOOK)
    seat = terminal("rehearse", "own.yaml", environment={"EDITOR": command})
    seat.sees("run step 1")
    seat.press("n")
    seat.sees("It goes on record now")
    seat.press("half a sentence")
    seat.press(EDITOR)
    seat.sees("half a sentence", reason)
    seat.press(" and its end")
    seat.sees("half a sentence and its end")
    seat.press(ENTER)
    seat.sees("run step 1", "half a sentence and its end")
    seat.press("q")
    seat.sees("Leave drbook?")
    seat.press("2")
    assert seat.ends() >= 0


def test_an_editor_that_stops_itself_goes_on(terminal, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """As `vi` does at Ctrl-Z, with all of its group."""
    (tmp_path / "own.yaml").write_text(RUNBOOK)
    command = "sh -c 'kill -TSTP 0; echo behind it >>$0'"
    seat = terminal("rehearse", "own.yaml", environment={"EDITOR": command})
    seat.sees("run step 1")
    seat.press("n")
    seat.sees("It goes on record now")
    seat.press("before" + EDITOR)
    seat.sees("before", "behind it")
    seat.press(ESCAPE)
    seat.sees("run step 1")


SHELLS = {
    "is not there": ("/nonexistent/sh", "cannot be started"),
    "is a folder": ("/tmp", "cannot be started"),
    "ends at once": ("/bin/false", "back from a shell"),
}


@pytest.mark.parametrize("name", SHELLS)
def test_a_shell_that_fails_gives_the_terminal_back(
    terminal, tmp_path: Path, name: str  # type: ignore[no-untyped-def]
) -> None:  # fmt: skip
    shell, reason = SHELLS[name]
    (tmp_path / "own.yaml").write_text(RUNBOOK)
    seat = terminal("rehearse", "own.yaml", environment={"SHELL": shell})
    seat.sees("run step 1")
    seat.press("!")
    seat.sees("run step 1", reason)
    seat.press("n")
    seat.sees("It goes on record now")
    seat.press(ESCAPE)
    seat.sees("run step 1")
