"""What cannot be opened, at a terminal: the screen goes away, and then the words and the code are there."""

import os
import signal
import time
from pathlib import Path

import pytest
from support.large import large, plug_in
from support.program import hurried

from drbook.core import events as ev
from drbook.core.events import Mode
from drbook.journal.writer import Writer


@pytest.fixture
def made(tmp_path: Path):  # type: ignore[no-untyped-def]
    return large(tmp_path, 30, 300)


def around(made, tmp_path: Path) -> dict[str, str]:  # type: ignore[no-untyped-def]
    return {"DRBOOK_HOME": str(made.home.path), "PYTHONPATH": str(plug_in(tmp_path / "plug"))}


def test_a_damaged_record(terminal, made, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    journal = made.folder / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[100] = lines[100].replace(b"step_", b"stop_")
    journal.write_bytes(b"".join(lines))
    before = journal.read_bytes()
    seat = terminal("resume", made.incident, environment=around(made, tmp_path))
    assert seat.ends() == 70
    assert "line 102: It does not follow the line before it." in seat.text
    assert "What to do" in seat.text
    assert journal.read_bytes() == before


def test_a_closed_incident(terminal, made, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with Writer(made.folder / "journal.jsonl", mode=Mode.DRILL, host="h") as writer:
        writer.append("alice", ev.IncidentClosed(outcome="pass", exit_code=0))
    seat = terminal("resume", made.incident, environment=around(made, tmp_path))
    assert seat.ends() == 2
    assert "is closed (pass)" in seat.text


def test_one_that_somebody_else_writes(terminal, made, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with Writer(made.folder / "journal.jsonl", mode=Mode.DRILL, host="h"):
        seat = terminal("resume", made.incident, environment=around(made, tmp_path))
        assert seat.ends() == 4
    assert "Another drbook is writing" in seat.text


def test_one_that_is_not_there(terminal, made, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    seat = terminal("resume", "20990101-000000-x", environment=around(made, tmp_path))
    assert seat.ends() == 2
    assert "There is no incident" in seat.text


def test_the_newest_open_one_is_found_behind_the_first_frame(
    terminal, made, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    seat = terminal("resume", environment=around(made, tmp_path))
    seat.sees("REHEARSAL", "16  Bring back part 16")
    seat.press("q")
    seat.sees("Leave drbook?")
    seat.press("\x1b[B")
    seat.press("\x1b[B")
    seat.press("\r")
    assert seat.ends() == 7
    assert f"drbook resume {made.incident}" in seat.text.replace("\n", "")


def test_a_hang_up_while_a_provider_hangs(drbook, terminal, made, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """The step hears nothing; drbook ends all the same, once its grace is over, and says so on record."""
    seat = terminal(
        *("resume", made.incident), environment=around(made, tmp_path),
        program=hurried(drbook, "drbook.app.steps:GRACE=3"),
    )  # fmt: skip
    seat.sees("16  Bring back part 16")
    seat.press("\r")
    seat.sees("running")
    begun = time.monotonic()
    seat.press("t")
    seat.sees("TIMELINE", seconds=5)
    seat.press("q")
    assert time.monotonic() - begun < 10
    os.kill(seat.child.pid, signal.SIGTERM)
    assert seat.ends(seconds=90) == 7
