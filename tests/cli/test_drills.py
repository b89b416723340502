"""`drbook drills` over records that a Writer wrote."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.folded import records_of

from drbook.app.shipped import open_runbook
from drbook.cli.main import main
from drbook.core import events as ev
from drbook.core.events import Mode
from drbook.core.state import StepState
from drbook.journal.writer import Writer

BOOK = """\
drbook: 1
title: Shop lost
inputs: {where: {required: false}}
steps:
  - {id: look, phase: detect, do: note, with: {text: hello}}
  - {id: check, phase: verify, do: postgres.verify, with: {target: "${{ inputs.where }}"}}
"""


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DRBOOK_HOME", str(tmp_path / "home"))
    (tmp_path / "shop.yaml").write_text(BOOK)
    return tmp_path / "shop.yaml"


def lay(book: Path, day: int, seconds: int, mode: Mode = Mode.DRILL) -> Path:
    name = f"202601{day:02}-120000-shop-{day:04x}"
    folder = book.parent / "home" / "incidents" / name
    folder.mkdir(parents=True)
    (folder / "runbook.yaml").write_text(BOOK)
    clock = [0]
    runbook = open_runbook(str(book))
    ends = {"look": StepState.SUCCEEDED, "check": StepState.SUCCEEDED}
    with Writer(
        folder / "journal.jsonl",
        mode=mode,
        host="h",
        now=lambda: datetime(2026, 1, day, tzinfo=UTC) + timedelta(seconds=clock[0]),
        monotonic_ns=lambda: clock[0] * 10**9,
    ) as writer:
        for record in records_of(runbook, mode=mode, ends=ends):
            if isinstance(record.event, ev.StepFinished):
                clock[0] += seconds
            writer.append("ops", record.event)
        writer.append("ops", ev.IncidentClosed(outcome="pass", exit_code=0))
    return folder


def test_a_dry_run_has_an_outcome_and_is_not_compared_with_drills(
    book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay(book, 1, 50)
    lay(book, 2, 50)
    dry = book.with_name("dry.yaml")
    does = 'do: shell, with: {shell: "true", changes: outside}'
    dry.write_text(BOOK.replace('do: postgres.verify, with: {target: "${{ inputs.where }}"}', does))
    assert main(["run", str(dry), "--mode", "dry-run", "--headless"]) == 0
    capsys.readouterr()
    assert main(["drills", str(book), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [one["outcome"] for one in document["runs"]] == ["not-exercised", "pass", "pass"]
    figures = {one["name"]: one["newest_seconds"] for one in document["steps"]}
    assert set(figures.values()) == {50.0}
    assert main(["drills", str(book)]) == 0
    assert "The slowest of it: look 50 s" in capsys.readouterr().out


def test_the_trend_and_its_exit_codes(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drills", str(book)]) == 0
    assert main(["drills", str(book), "--fail-on", "1.5"]) == 5
    lay(book, 1, 50)
    assert main(["drills", str(book), "--fail-on", "1.5"]) == 5
    lay(book, 2, 52)
    lay(book, 3, 54, Mode.LIVE)
    assert main(["drills", str(book), "--fail-on", "1.5"]) == 0
    lay(book, 4, 90)
    capsys.readouterr()
    assert main(["drills", str(book), "--fail-on", "1.5", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [one["mode"] for one in told["runs"]] == ["drill", "live", "drill", "drill"]
    assert told["trend"]["verdict"] == "regressed"
    assert told["trend"]["newest_seconds"] == 180
    assert told["trend"]["median_seconds"] == 102
    assert told["runs"][0]["phases"] == {"detect": 90, "verify": 90}
    assert told["estimate"]["likely_seconds"] is None
    assert main(["drills", str(book), "--fail-on", "1.5"]) == 1
    shown = capsys.readouterr().out
    assert "REGRESSED" in shown
    assert "LIVE" in shown
    assert all(len(line) <= 80 for line in shown.splitlines() if "#" in line)


def test_a_changed_runbook_is_said_and_a_damaged_newer_record_is_unknown(
    book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay(book, 1, 50)
    lay(book, 2, 50)
    book.write_text(BOOK + "# changed\n")
    assert main(["drills", str(book), "--fail-on", "2"]) == 0
    assert "another version of the runbook" in capsys.readouterr().out
    journal = lay(book, 3, 50) / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"seq":3', b'"seq":4', 1))
    assert main(["drills", str(book), "--fail-on", "2"]) == 5
    assert "cannot be read" in capsys.readouterr().out


@pytest.mark.parametrize("factor", ["0.5", "nan", "inf"])
def test_a_limit_that_is_none(book: Path, factor: str) -> None:
    assert main(["drills", str(book), "--fail-on", factor]) == 2
