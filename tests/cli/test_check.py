"""`drbook timeline --check`: an export holds all of its journal, or what differs is named."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from drbook.app.places import JOURNAL, Home
from drbook.app.session import open_incident
from drbook.app.vocabulary import vocabulary
from drbook.cli.main import main
from drbook.core import events as ev
from drbook.core.events import Effect, Mode, Plan, StepEnd
from drbook.journal.writer import Writer
from drbook.language.load import load
from drbook.timeline.export import FORMATS

RUNBOOK = b"drbook: 1\ntitle: T\nsteps: [{id: a, phase: contain, do: manual}]\n"
EVIL = "<b>| x |</b>\n=cmd() \x1b[2J \u2028 \U0001f600"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DRBOOK_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    session = open_incident(load(RUNBOOK, "r.yaml", vocabulary()), Mode.DRILL, Home(tmp_path), {})
    with session:
        pass
    result = {"zeta": 1, "alpha": [1, None, True], "big": 2**60}
    add(
        session.folder,
        ev.StepPlanned(
            step="a", attempt=1, action="sql", effect=Effect.NONE, params={"b": 1, "a": 2},
            plan=Plan(does=("looks",)), digest="d",
        ),
        ev.StepStarted(step="a", attempt=1),
        ev.StepFinished(
            step="a", attempt=1, state=StepEnd.SUCCEEDED, duration_ms=5, result=result, reason=EVIL
        ),
        ev.NoteAdded(text=EVIL),
        ev.NoteAdded(text="carol"),
    )  # fmt: skip
    return session.folder


def add(folder: Path, *events: ev.Event) -> None:
    with Writer(folder / JOURNAL, mode=Mode.DRILL, host="h") as writer:
        for event in events:
            writer.append("ops", event)


def exported(kind: str) -> Path:
    path = Path(f"t.{'jsonl' if kind == 'cloudevents' else kind}")
    assert main(["timeline", "--format", kind, "-o", str(path)]) == 0
    return path


@pytest.mark.parametrize("kind", FORMATS)
def test_an_export_holds_all_and_a_later_record_is_missed(
    folder: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = exported(kind)
    assert main(["timeline", "--check", str(path)]) == 0
    assert "All there: 6 records" in capsys.readouterr().out
    add(folder, ev.NoteAdded(text="later"))
    assert main(["timeline", "--check", str(path)]) == 5
    assert "records 7 to 7 are not in it" in capsys.readouterr().out


@pytest.mark.parametrize("kind", FORMATS)
def test_without_the_journal_it_is_only_consistent(
    folder: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = exported(kind)
    shutil.move(folder, "elsewhere")
    assert main(["timeline", "--check", str(path)]) == 5
    assert f"The journal of {folder.name} is not on this machine" in capsys.readouterr().out
    assert main(["timeline", "elsewhere", "--check", str(path)]) == 0


def without(text: str, part: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if part not in line)


def row_less(text: str) -> str:
    """Without the row of the last note under `Everything`."""
    head, _, body = text.rpartition("verything, in order")
    body = re.sub(
        r"<tr><td class=\"n\">6</td>.*?</tr>\n|\| 6 \|[^\n]*\n", "", body, flags=re.DOTALL
    )
    return f"{head}verything, in order{body}"


def other_head(text: str) -> str:
    begin, mark, end = text.rpartition("head <code>")
    return f"{begin}{mark}{'1' if end[0] == '0' else '0'}{end[1:]}"


SPOILT: list[tuple[str, Callable[[str], str], str]] = [
    ("json", lambda text: without(text, "carol"), "record 6"),
    ("json", lambda text: text.replace("carol", "karol"), "record 6"),
    ("json", lambda text: text.replace('/6", "source"', '/9", "source"'), "record 9"),
    ("json", lambda text: "".join(text.splitlines(True)[::-1]), "another order"),
    ("json", lambda text: "".join(text.splitlines(True)[:-1]), "head, is missing"),
    ("json", lambda text: text.splitlines(True)[0] + text, "record 1: there 2 times"),
    ("json", lambda text: text.replace("note.added", "note.taken", 1), "line 5"),
    ("json", lambda text: text.replace('"intact": true', '"intact": false'), "last line"),
    ("json", lambda text: "", "head, is missing"),
    ("json", lambda text: "[" * 100_000, "line 1"),
    ("json", lambda text: text.replace('"1.0"', '"0.3"', 1), "attributes"),
    ("csv", lambda text: without(text, "carol"), "record 6"),
    ("csv", lambda text: text.replace("carol", "karol"), "record 6"),
    ("csv", lambda text: without(text, ",journal,"), "head, is missing"),
    ("csv", lambda text: "", "not the header"),
    ("csv", lambda text: text.replace("looks", "x") + '"', "CSV"),
    ("md", row_less, "record 6"),
    ("md", lambda text: text[: text.rindex("head `")], "head, is missing"),
    ("html", row_less, "record 6"),
    ("html", other_head, "no record of the journal has"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "spoil", "why"), SPOILT)
def test_what_was_changed_is_named(
    folder: Path,
    kind: str,
    spoil: Callable[[str], str],
    why: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = exported(kind)
    data = path.read_bytes().decode()
    spoilt = spoil(data)
    assert spoilt != data
    path.write_bytes(spoilt.encode())
    assert main(["timeline", folder.name, "--check", str(path)]) == 1
    assert why in capsys.readouterr().out


def test_the_chain_alone_finds_a_change_without_the_journal(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = exported("json")
    path.write_text(path.read_text().replace("carol", "karol"))
    shutil.rmtree(folder)
    assert main(["timeline", "--check", str(path)]) == 1
    assert "record 6: it does not have the head" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["md", "html"])
def test_what_stands_around_the_rows_is_not_verified_where_it_differs(
    folder: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = exported(kind)
    path.write_text(
        path.read_text().replace("## Times", "## Moments").replace("<title>", "<title>X")
    )
    assert main(["timeline", "--check", str(path)]) == 5
    assert "another version wrote it" in capsys.readouterr().out


def test_another_incidents_export_is_none_of_this(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = exported("json")
    session = open_incident(load(RUNBOOK, "r.yaml", vocabulary()), Mode.DRILL, Home(Path.cwd()), {})
    with session:
        pass
    assert main(["timeline", session.folder.name, "--check", str(path)]) == 1
    assert "not of" in capsys.readouterr().out


def test_what_is_no_export_is_refused(folder: Path) -> None:
    Path("x.txt").write_text("x")
    Path("x.md").write_bytes(b"\xff")
    for arguments in (["x.txt"], ["x.md"], ["none.md"], ["x.md", "-o", "y.md"]):
        assert main(["timeline", "--check", *arguments]) == 2


def test_cloud_events_are_one_a_record_and_lossless(folder: Path) -> None:
    lines = [json.loads(line) for line in exported("cloudevents").read_text().splitlines()]
    assert [line["id"] for line in lines[:-1]] == [f"{folder.name}/{n}" for n in range(1, 7)]
    assert list(lines[3]["data"]["event"]["result"]) == ["zeta", "alpha", "big"]
