"""`drbook note --from`: a file of somebody else's entries in the record, and in every export."""

import hashlib
from pathlib import Path

import pytest

from drbook.app.exports import timeline_of
from drbook.app.places import JOURNAL, Home
from drbook.app.session import Session, open_incident
from drbook.app.vocabulary import vocabulary
from drbook.cli.main import main
from drbook.core import events as ev
from drbook.core.events import Mode
from drbook.core.fold import fold
from drbook.journal.reader import read, verify
from drbook.journal.writer import Writer
from drbook.language.load import load
from drbook.timeline.export import FORMATS, export

RUNBOOK = b"drbook: 1\ntitle: T\nsteps: [{id: a, phase: contain, do: manual}]\n"
EVIL = "<script>x</script> | =cmd() \x1b[2J\u202e"
FILE = f'time,actor,text,source\n2026-04-24T19:04:00Z,bot,"deleted\n{EVIL}",railway\n2026-04-24T19:05:00Z,,alert,pager\n'


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setenv("DRBOOK_HOME", str(tmp_path))
    monkeypatch.setenv("DRBOOK_OPERATOR", "carla")
    (tmp_path / "log.csv").write_text(FILE)
    return open_incident(load(RUNBOOK, "r.yaml", vocabulary()), Mode.DRILL, Home(tmp_path), {})


def entries(folder: Path) -> list[ev.ExternalEntryAdded]:
    events = [record.event for record in read(folder / JOURNAL)]
    return [event for event in events if isinstance(event, ev.ExternalEntryAdded)]


def test_a_file_is_taken_once_and_kept(
    session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with session:
        pass
    command = ["note", "--from", str(tmp_path / "log.csv")]
    assert main(command) == 0
    assert main(command) == 0
    assert "0 external entries; 2 known already" in capsys.readouterr().err
    found = entries(session.folder)
    assert [(one.author, one.source, one.line) for one in found] == [
        ("bot", "railway", 2), ("", "pager", 4),
    ]  # fmt: skip
    sha256 = hashlib.sha256(FILE.encode()).hexdigest()
    assert {one.file for one in found} == {sha256}
    assert (session.folder / f"artifacts/{sha256}.csv").read_bytes() == FILE.encode()
    assert verify(session.folder / JOURNAL).intact


def test_a_closed_incident_takes_it_and_nothing_else(session: Session, tmp_path: Path) -> None:
    with session:
        pass
    journal = session.folder / JOURNAL
    with Writer(journal, mode=Mode.DRILL, host="h") as writer:
        writer.append("ops", ev.IncidentClosed(outcome="aborted", exit_code=3))
    assert main(["note", "--from", str(tmp_path / "log.csv")]) == 0
    assert len(entries(session.folder)) == 2
    assert fold(read(journal)).outcome == "aborted"


def test_every_export_marks_it_and_none_runs_it(session: Session, tmp_path: Path) -> None:
    with session:
        pass
    assert main(["note", "--from", str(tmp_path / "log.csv")]) == 0
    told = timeline_of(session.folder)
    assert [entry.kind for entry in told.entries][-2:] == ["external", "external"]
    for kind in FORMATS:
        text = export(told, kind)
        assert "external.entry.added" in text or "EXTERNAL, railway, bot" in text, kind
        assert not any(bad in text for bad in "\x1b\u202e")
        assert "<script>" not in text or kind not in ("md", "html")


REFUSED = [
    (["--from", "log.csv", "text"], "takes text, time and author"),
    (["--from", "log.csv", "--at", "now"], "takes text, time and author"),
    (["--from", "none.csv"], "cannot be read"),
    (["--from", "bad.csv"], "no zone"),
    ([], "nothing to write"),
    (["text", "--source", "s"], "--source goes with --from"),
]


@pytest.mark.parametrize(("arguments", "why"), REFUSED)
def test_what_is_refused_leaves_the_record(
    session: Session,
    tmp_path: Path,
    arguments: list[str],
    why: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with session:
        pass
    monkeypatch.chdir(tmp_path)
    Path("bad.csv").write_text("time,actor,text,source\n2026-04-24T19:04:00,a,b,c\n")
    before = (session.folder / JOURNAL).read_bytes()
    assert main(["note", *arguments]) == 2
    assert why in capsys.readouterr().err
    assert (session.folder / JOURNAL).read_bytes() == before


def test_it_waits_for_the_drbook_that_leads(
    session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with session:
        assert main(["note", "--from", str(tmp_path / "log.csv")]) == 4
    assert "once that drbook has ended" in capsys.readouterr().err
    assert entries(session.folder) == []


def test_a_known_secret_is_not_kept(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from drbook.providers.hiding import KNOWN

    with session:
        pass
    KNOWN.add("Tr0ub4dor&3-of-the-log")
    line = r'{"time":"2026-04-24T19:04:00Z","text":"pw Tr0ub4dor\u00263-of-the-log","source":"s"}'
    (tmp_path / "s.jsonl").write_text(line)
    assert main(["note", "--from", str(tmp_path / "s.jsonl")]) == 2
    assert not (session.folder / "artifacts").exists()
    assert entries(session.folder) == []
