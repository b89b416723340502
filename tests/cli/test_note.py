"""`drbook note`: what it takes, what it refuses, and what goes on record."""

import io
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from drbook.app.places import JOURNAL, Home
from drbook.app.session import Session, open_incident
from drbook.app.vocabulary import vocabulary
from drbook.cli.main import main
from drbook.core.events import Mode, NoteAdded, NoteKind
from drbook.journal.reader import read
from drbook.language.load import load

RUNBOOK = b"drbook: 1\ntitle: T\nsteps: [{id: a, phase: contain, do: manual}]\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An open incident that nobody leads right now."""
    monkeypatch.setenv("DRBOOK_HOME", str(tmp_path))
    monkeypatch.setenv("DRBOOK_OPERATOR", "carla")
    runbook = load(RUNBOOK, "r.yaml", vocabulary())
    session: Session = open_incident(runbook, Mode.DRILL, Home(tmp_path), {})
    with session:
        pass
    # In this process, whose limit could not be raised again for the tests behind this one.
    return session.folder


def said(folder: Path) -> NoteAdded:
    event = read(folder / JOURNAL)[-1].event
    assert isinstance(event, NoteAdded)
    return event


def test_a_note_of_a_kind_and_of_its_time(folder: Path) -> None:
    assert main(["note", "told support", "--kind", "message", "--at", "10m ago"]) == 0
    found = said(folder)
    assert (found.text, found.kind) == ("told support", NoteKind.MESSAGE)
    assert found.happened_at is not None
    late = datetime.now(UTC) - found.happened_at - timedelta(minutes=10)
    assert timedelta() <= late < timedelta(minutes=1)
    assert read(folder / JOURNAL)[-1].actor == "carla"


def test_what_was_understood_of_a_time_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["note", "told support", "--at", "10 min ago"]) == 0
    told = capsys.readouterr()
    at = said(folder).happened_at
    assert f"It happened at {at:%Y-%m-%d %H:%M:%S} UTC, 10 m 0" in told.out + told.err


def test_a_plain_note_is_as_before(folder: Path) -> None:
    assert main(["note", "it is back"]) == 0
    assert said(folder) == NoteAdded(text="it is back")


def typing(monkeypatch: pytest.MonkeyPatch, typed: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed)))


def test_several_lines_come_from_standard_input(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typing(monkeypatch, b"df -h\n/dev/sda 100%\xff\n\n")
    assert main(["note", "-"]) == 0
    assert said(folder).text == "df -h\n/dev/sda 100%\\xff"


@pytest.mark.parametrize(
    ("arguments", "typed", "why"),
    [
        (("n", "--at", "2999-01-01"), b"", "has not come yet"),
        (("n", "--at", "soon"), b"", "--at: "),
        (("n", "--at", "9999999d ago"), b"", "--at: "),
        (("n", "--kind", "rumour"), b"", "rumour"),
        (("-",), b"", "between 1 and 4,000"),
        (("-",), b"x" * 90_000, "between 1 and 4,000 characters; this one has more than 32,000"),
        (("-",), b"x" * 9_000, "this one has 9,000"),
    ],
)
def test_what_is_refused_is_not_recorded(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    typed: bytes,
    why: str,
) -> None:
    size = (folder / JOURNAL).stat().st_size
    typing(monkeypatch, typed)
    assert main(["note", *arguments]) == 2
    assert why in "".join(capfd.readouterr())
    assert (folder / JOURNAL).stat().st_size == size
