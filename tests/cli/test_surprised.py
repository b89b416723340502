"""What the demo's surprises leave: nothing of the incident's own, and everything that is not proven to be."""

from pathlib import Path
from typing import Any, cast

import pytest
from support.killed import killed_drill

from drbook.app.onewriter import claim
from drbook.cli import surprised
from drbook.core.errors import StepFailed
from drbook.demo.surprised import Trial
from drbook.demo.surprises import Plan
from drbook.providers.targets.pool import MARKER


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return killed_drill(tmp_path, monkeypatch)


def test_what_an_incident_made_goes_with_it(folder: Path, tmp_path: Path) -> None:
    heard: list[str] = []
    surprised.remove_targets(tmp_path / "home", {}, heard.append)
    assert not (folder / "targets" / "a-1").exists()
    assert "ResourceReleased" in (folder / "journal.jsonl").read_text()
    assert heard == []


def test_what_is_not_proven_to_be_its_own_stays_and_is_told(folder: Path, tmp_path: Path) -> None:
    (folder / "targets" / "a-1" / MARKER).unlink()
    heard: list[str] = []
    surprised.remove_targets(tmp_path / "home", {}, heard.append)
    assert (folder / "targets" / "a-1" / "data").is_dir()
    assert any(line.startswith("STAYS cluster") for line in heard), heard


def test_what_is_led_just_now_is_left_alone(folder: Path, tmp_path: Path) -> None:
    held = claim(folder.name)
    heard: list[str] = []
    try:
        surprised.remove_targets(tmp_path / "home", {}, heard.append)
    finally:
        held.release()
    assert (folder / "targets" / "a-1").is_dir()
    assert any("is led by" in line for line in heard), heard


@pytest.mark.parametrize("error", [KeyboardInterrupt, StepFailed("the world cannot be looked at")])
@pytest.mark.parametrize("keep", [True, False])
def test_however_the_run_ends_what_it_made_is_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, keep: bool
) -> None:
    homes: list[Path] = []

    def breaks(_: Trial) -> None:
        raise error

    monkeypatch.setattr(Trial, "run", breaks)
    monkeypatch.setattr(surprised, "remove_targets", lambda home, *_: homes.append(home))
    ground = type("Ground", (), {"folder": tmp_path, "environment": lambda self: {}})()
    with pytest.raises((KeyboardInterrupt, StepFailed)):
        surprised.surprised(
            cast("Any", ground),
            "",
            Plan(0, ()),
            headless=True,
            as_json=False,
            keep=keep,
            output=None,
        )
    assert homes == ([] if keep else [tmp_path / "drbook"])
