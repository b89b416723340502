"""What `drbook drill clean` says of what nobody can tell, and its exit codes."""

import io
import json
import shutil
import sys
from pathlib import Path

import pytest
from support.killed import killed_drill

from drbook.app.cleaning import told_before
from drbook.app.onewriter import claim
from drbook.app.places import home
from drbook.cli.main import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return killed_drill(tmp_path, monkeypatch)


def spoil(folder: Path, how: str) -> None:
    journal = folder / "journal.jsonl"
    if how == "a changed byte":
        written = journal.read_bytes()
        at = written.index(b'"title":"T"') + 9
        journal.write_bytes(written[:at] + b"U" + written[at + 1 :])
    elif how == "emptied":
        journal.write_bytes(b"")
    elif how == "a folder":
        journal.unlink()
        journal.mkdir()
    else:
        journal.unlink()


@pytest.mark.parametrize("how", ["a changed byte", "emptied", "a folder", "deleted"])
@pytest.mark.parametrize(
    "asked", [[], ["--all", "--yes"], ["NAME", "--yes"], ["--all", "--dry-run"]]
)
def test_what_no_record_tells_is_named_refused_and_left(
    folder: Path, how: str, asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(folder, how)
    arguments = [one.replace("NAME", folder.name) for one in asked]
    for _ in range(2):
        assert main(["drill", "clean", *arguments]) == 4
        told = capsys.readouterr().out
        assert "its record cannot be read" in told
        assert f"look at it: ls -la {folder}" in told
        assert "Nothing that a drill left" not in told
    assert main(["drill", "clean", *arguments, "--json"]) == 4
    (unread,) = json.loads(capsys.readouterr().out)["unread"]
    assert unread["folder"] == str(folder)
    assert (folder / "targets" / "a-1").is_dir()
    assert told_before(home()) == [
        f"Targets in {folder}, whose record cannot be read. drbook drill clean"
    ]


def test_what_waits_for_a_person(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drill", "clean"]) == 7
    assert main(["drill", "clean", folder.name]) == 7
    held = claim(folder.name)
    try:
        capsys.readouterr()
        for asked in ([], ["--all", "--yes"], [folder.name, "--yes"]):
            assert main(["drill", "clean", *asked]) == 7
            told = capsys.readouterr().out
            assert "left alone" in told
            assert "Nothing else that a drill left was found." in told
    finally:
        held.release()
    assert main(["drill", "clean", folder.name, "--yes"]) == 0
    capsys.readouterr()
    for asked in ([], ["--all", "--yes"]):
        assert main(["drill", "clean", *asked]) == 0
        assert "Nothing that a drill left was found." in capsys.readouterr().out


def test_a_folder_without_targets_and_without_a_record_is_nothing(folder: Path) -> None:
    shutil.rmtree(folder)
    (home().incidents / "notes").mkdir()
    (home().incidents / "file").write_text("x")
    assert main(["drill", "clean"]) == 0


def test_somebody_s_folder_that_looks_like_drbook_s_is_not_proven_and_stays(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(folder)
    theirs = tmp_path / "drbook-list.01234567.abcdefgh"
    theirs.mkdir(mode=0o700)
    assert main(["drill", "clean"]) == 4
    assert "NOT PROVEN: it carries no mark" in " ".join(capsys.readouterr().out.split())
    assert main(["drill", "clean", "--all", "--yes"]) == 4
    assert f"ls -la {theirs}" in capsys.readouterr().out
    assert theirs.is_dir()


def _at_a_terminal(monkeypatch: pytest.MonkeyPatch, answer: bool) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    for stream in (sys.stdin, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.confirm", lambda *_, **__: answer)


@pytest.mark.parametrize("answer", [True, False])
def test_the_question_and_its_list_are_no_data(
    folder: Path, answer: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _at_a_terminal(monkeypatch, answer)
    assert main(["drill", "clean", "--all", "--json"]) == (0 if answer else 7)
    told = capsys.readouterr()
    document = json.loads(told.out)
    assert [one["name"] for one in document["removed"]] == (["a-1"] if answer else [])
    assert "a-1" in told.err
    assert folder.name in told.err


def test_where_nobody_can_be_asked_it_is_told_all_the_same(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["drill", "clean", "--all", "--json"]) == 7
    (one,) = json.loads(capsys.readouterr().out)["leftovers"]
    assert one["name"] == "a-1"
    assert main(["drill", "clean", "--all"]) == 7
    told = capsys.readouterr()
    assert folder.name in told.out
    assert "Nothing was removed" in told.err


def test_whoever_said_no_has_seen_the_list_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _at_a_terminal(monkeypatch, answer=False)
    assert main(["drill", "clean", "--all"]) == 7
    told = capsys.readouterr()
    assert told.out == ""
    assert folder.name in told.err
