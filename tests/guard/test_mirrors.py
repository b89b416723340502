"""Whoever can write a mirror, against the machine that takes over from it."""

import hashlib
from pathlib import Path

import pytest

from drbook.app import onewriter
from drbook.app import takeover as taking
from drbook.app.places import Home
from drbook.app.session import Session, open_incident
from drbook.app.takeover import take_over
from drbook.app.vocabulary import vocabulary
from drbook.app.vouching import Vouch
from drbook.core import events as ev
from drbook.core.errors import Refused
from drbook.core.events import Mode
from drbook.journal.writer import Writer
from drbook.language.load import load

RUNBOOK = """
drbook: 1
title: T
mirrors:
  - {{kind: directory, path: {share}}}
steps:
  - {{id: change, phase: restore, do: shell, with: {{shell: "{command}", changes: outside}}}}
"""


class Stage:
    """A lost machine's incident in a mirror, and what an intruder left there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.share = folder / "share"
        self.share.mkdir()
        self.ran = folder / "ran"
        self.own = folder / "own.yaml"
        self.own.write_bytes(self.runbook("true"))
        lost = open_incident(
            load(self.own.read_bytes(), "r.yaml", vocabulary()), Mode.LIVE, Home(folder / "a"), {},
            environment={},
        )  # fmt: skip
        with lost:
            self.head = lost.driver.snapshot.head
        self.incident = lost.folder.name
        self.sessions: list[Session] = []

    def runbook(self, command: str) -> bytes:
        return RUNBOOK.format(share=self.share, command=command).encode()

    def forge(self, runbook: bytes) -> None:
        """A record and a runbook that fit each other, in place of those that drbook wrote."""
        place = self.share / self.incident
        forged = self.folder / "forged.jsonl"
        with Writer(forged, mode=Mode.LIVE, host="a") as writer:
            opened = ev.IncidentOpened(
                incident=self.incident, mode=Mode.LIVE, title="T", runbook_file="r.yaml",
                runbook_sha256=hashlib.sha256(runbook).hexdigest(), drbook_version="0",
                steps=("change",),
            )  # fmt: skip
            writer.append("a", opened)
        (place / "runbook.yaml").write_bytes(runbook)
        (place / "records" / "00000001.jsonl").write_bytes(forged.read_bytes())

    def take(self, vouch: Vouch) -> tuple[ev.IncidentTakenOver, list[str]]:
        told: list[str] = []
        session, event = take_over(
            f"{self.share}/{self.incident}", Home(self.folder / "b"), "gone", environment={},
            vouch=vouch, tell=told.append,
        )  # fmt: skip
        session.driver.stop()
        return event, told


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr(onewriter, "places", lambda: [tmp_path / "writing"])
    return Stage(tmp_path)


@pytest.mark.parametrize("known", ["the head", "the runbook", "nothing, and nobody reads"])
def test_a_forged_runbook_does_not_run_where_anything_is_known(stage: Stage, known: str) -> None:
    """Not even the secrets of its own mirrors, which commands may give."""
    secret = f"  - {{kind: s3, bucket: their-own, secret_key: 'env:X', access_key: 'cmd:touch {stage.ran}'}}\n"
    stage.forge(
        stage.runbook(f"touch {stage.ran}").replace(b"mirrors:\n", b"mirrors:\n" + secret.encode())
    )
    vouch = {
        "the head": Vouch(head=stage.head),
        "the runbook": Vouch(runbook=stage.own),
        "nothing, and nobody reads": Vouch(unattended=True),
    }[known]
    with pytest.raises(Refused):
        stage.take(vouch)
    assert not stage.ran.exists()
    assert not (stage.share / stage.incident / "fence").exists()


def test_what_stays_possible_is_a_forged_record_that_only_the_mirror_vouches_for(
    stage: Stage,
) -> None:
    """It is told how much would run, and by which digest to know it; and that goes on record."""
    stage.forge(stage.runbook(f"touch {stage.ran}"))
    event, told = stage.take(Vouch(trusted=True, unattended=True))
    assert event.vouched == ()
    assert hashlib.sha256(stage.runbook(f"touch {stage.ran}")).hexdigest() in told[0]
    assert "1 run commands" in told[0]
    assert any("Nothing but the mirror vouches" in line for line in taking.told(event))


def test_a_record_that_is_what_was_known_is_gone_on_with(stage: Stage) -> None:
    event, told = stage.take(Vouch(stage.head, stage.own, unattended=True))
    assert event.vouched == ("head", "runbook")
    assert told == []
