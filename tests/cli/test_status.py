"""`drbook status`: a draft from an incident's folder, for people and for machines."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from drbook.app.places import Home
from drbook.app.session import open_incident
from drbook.app.vocabulary import vocabulary
from drbook.cli.main import cli
from drbook.core.events import Mode
from drbook.language.load import load

BOOK = b"""
drbook: 1
title: Shop lost
inputs: {occurred: {type: time}}
updates: {every: 30m}
steps:
  - {id: revoke, phase: contain, do: manual, with: {instructions: Revoke it.}}
"""


@pytest.fixture
def incident(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DRBOOK_HOME", str(tmp_path))
    runbook = load(BOOK, "r.yaml", vocabulary())
    session = open_incident(runbook, Mode.DRILL, Home(tmp_path), {"occurred": "2026-04-24T19:04Z"})
    session.close()
    return session.folder.name


def run(*arguments: str) -> str:
    done = CliRunner().invoke(cli, arguments)
    assert done.exception is None, done.exception
    return done.stdout


def test_a_draft_for_people(incident: str) -> None:
    text = run("status", incident)
    assert text.startswith("REHEARSAL. Not to be sent")
    assert "An incident that began at 19:04 UTC on 24 April 2026 affects data" in text
    assert "The next update is due at" in text
    assert "Shop" not in text
    assert run("status").splitlines()[4:] == text.splitlines()[4:]


def test_its_facts_for_machines(incident: str) -> None:
    told = json.loads(run("status", incident, "--json"))
    assert told["incident"] == incident
    assert told["mode"] == "drill"
    assert told["occurred"] == "2026-04-24T19:04:00Z"
    assert (told["loss_seconds"], told["loss_at_least"]) == (None, False)
    assert told["next_update"] > told["at"]
    assert "We do not yet know whether data is lost" in told["text"]
