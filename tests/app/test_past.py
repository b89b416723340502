"""Earlier incidents of a runbook, as their journals on disk tell them."""

import os
import shutil
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.folded import loaded, records_of
from support.incident import World

from drbook.app import past
from drbook.app.model import Past, Run
from drbook.app.past import Recall, past_of
from drbook.core import events as ev
from drbook.core.events import Mode
from drbook.core.runbook import Runbook
from drbook.core.state import StepState
from drbook.journal.writer import Writer

BOOK = """
drbook: 1
title: Shop lost
steps:
  - {id: a, phase: detect, do: once}
  - {id: b, phase: restore, do: again}
  - {id: v, phase: verify, do: postgres.verify}
"""
S = StepState
DONE = {"a": S.SUCCEEDED, "b": S.SUCCEEDED, "v": S.SUCCEEDED}


def lay(
    home: Path,
    number: int,
    runbook: Runbook,
    ends: Mapping[str, StepState] = DONE,
    mode: Mode = Mode.DRILL,
    seconds: int = 60,
) -> Path:
    """An incident's folder with a journal that a Writer wrote; each step took so long."""
    folder = home / f"20260{number:03}-120000-shop-{number:04x}"
    folder.mkdir(parents=True)
    mono = [0]
    writer = Writer(
        folder / "journal.jsonl",
        mode=mode,
        host="h",
        now=lambda: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number, seconds=mono[0]),
        monotonic_ns=lambda: mono[0] * 10**9,
    )
    with writer:
        for record in records_of(runbook, mode=mode, ends=ends):
            if isinstance(record.event, ev.StepFinished):
                mono[0] += seconds
            writer.append("ops", record.event)
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "incidents"


@pytest.fixture
def runbook() -> Runbook:
    return loaded(BOOK)


def test_each_success_of_an_earlier_incident_is_a_figure(home: Path, runbook: Runbook) -> None:
    lay(home, 1, runbook, seconds=70)
    lay(home, 2, runbook, seconds=50, mode=Mode.LIVE)
    found = past_of(runbook, home / "20261231-000000-now-ffff")
    assert set(found) == {"a", "b", "v"}
    assert found["b"].seconds == (70, 50)
    assert found["b"].live == 1
    assert found["b"].last.date() == datetime(2026, 1, 3, tzinfo=UTC).date()


LEFT_OUT: list[tuple[dict[str, StepState], Mode, set[str]]] = [
    (DONE, Mode.DRY_RUN, set()),
    ({"a": S.SUCCEEDED, "b": S.FAILED}, Mode.DRILL, {"a"}),
    ({"a": S.COULD_NOT_VERIFY, "b": S.SKIPPED}, Mode.LIVE, set()),
    ({"a": S.REFUSED, "b": S.CANCELLED, "v": S.IN_DOUBT}, Mode.LIVE, set()),
]


@pytest.mark.parametrize(("ends", "mode", "counted"), LEFT_OUT)
def test_what_did_not_succeed_and_dry_runs_are_no_figures(
    home: Path, runbook: Runbook, ends: dict[str, StepState], mode: Mode, counted: set[str]
) -> None:
    lay(home, 1, runbook, ends, mode)
    assert set(past_of(runbook, home / "now")) == counted


OTHERS = [
    (BOOK.replace("Shop lost", "Shop is lost"), {"a", "b", "v"}),
    (BOOK.replace("id: a", "id: look"), {"b", "v"}),
    (BOOK.replace("do: again", "do: once"), {"a", "v"}),
    (BOOK.replace("Shop lost", "Other").replace("id: a", "id: look"), set()),
]
"""Runbooks of the earlier incident → the steps that count for ours."""


@pytest.mark.parametrize(("book", "counted"), OTHERS)
def test_the_same_title_or_the_same_steps_and_the_same_actions(
    home: Path, runbook: Runbook, book: str, counted: set[str]
) -> None:
    lay(home, 1, loaded(book))
    assert set(past_of(runbook, home / "now")) == counted


def test_an_incident_does_not_count_for_itself(home: Path, runbook: Runbook) -> None:
    assert past_of(runbook, lay(home, 1, runbook)) == {}


def test_what_is_damaged_says_nothing_and_stops_nobody(home: Path, runbook: Runbook) -> None:
    good = lay(home, 1, runbook)
    journal = lay(home, 2, runbook) / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"duration_ms":0', b'"duration_ms":9', 1))
    (lay(home, 3, runbook) / "journal.jsonl").write_bytes(b"\xff\x00{")
    (lay(home, 4, runbook) / "journal.jsonl").write_bytes(b"")
    (lay(home, 5, runbook) / "journal.jsonl").unlink()
    (home / "20260006-120000-x").write_text("no folder")
    torn = lay(home, 7, runbook) / "journal.jsonl"
    torn.write_bytes(torn.read_bytes()[:-9])
    shutil.copytree(good, home / "somebody's notes")
    found = past_of(runbook, home / "now")
    assert len(found["a"].seconds) == 2
    assert len(found["v"].seconds) == 1  # the torn one had not finished it


def test_the_newest_are_read_and_no_more(
    home: Path, runbook: Runbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past, "NEWEST", 3)
    for number in range(1, 7):
        lay(home, number, runbook, seconds=number)
    assert past_of(runbook, home / "now")["a"].seconds == (4, 5, 6)
    monkeypatch.setattr(past, "LOOKED_INTO", 2)
    assert past_of(runbook, home / "now")["a"].seconds == (5, 6)
    size = (home / os.listdir(home)[0] / "journal.jsonl").stat().st_size
    monkeypatch.setattr(past, "LARGEST", size * 3 // 2)
    assert past_of(runbook, home / "now")["a"].seconds == (6,)


def test_nothing_before(tmp_path: Path, runbook: Runbook) -> None:
    assert past_of(runbook, tmp_path / "nowhere" / "now") == {}


def test_the_snapshot_gets_it_beside_the_incident(world: World, home: Path) -> None:
    steps = BOOK[BOOK.index("  - {id: a") :]
    driver = world.start(steps)
    lay(home, 1, world.runbook, seconds=42)
    assert driver.snapshot.past == {}
    recall = Recall(world.runbook, home / "now", driver.remember, wait=0.05)
    recall.start()
    shown = world.until(lambda snapshot: bool(snapshot.past))
    assert shown.past["v"].seconds == (42,)
    world.ask(Run("a"))
    assert world.reaches("a", StepState.SUCCEEDED).past == shown.past


def test_it_waits_for_the_first_frame_and_stops_with_the_session(
    home: Path, runbook: Runbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(home, 1, runbook)
    told: list[Mapping[str, Past]] = []
    recall = Recall(runbook, home / "now", told.append, wait=30)
    recall.start()
    recall.stop()
    time.sleep(0.1)
    assert told == []
    assert not [one for one in threading.enumerate() if one.name == "past"]
