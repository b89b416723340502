"""A drill that was killed, and what it left, below a state directory of a test's own."""

import os
from pathlib import Path

import pytest

from drbook.app import onewriter
from drbook.app.places import Home
from drbook.app.session import open_incident
from drbook.app.vocabulary import vocabulary
from drbook.core import events as ev
from drbook.core.events import Mode
from drbook.journal.writer import Writer
from drbook.language.load import load
from drbook.providers.targets.pool import MARKER, marker_of

RUNBOOK = b"drbook: 1\ntitle: T\nsteps: [{id: a, phase: close, do: manual}]\n"
NONCE = "0123456789abcdef" * 2


def killed_drill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a drill that was killed while it made a target."""
    monkeypatch.setenv("DRBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(onewriter, "places", lambda: [tmp_path / "writing"])
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    runbook = load(RUNBOOK, "r.yaml", vocabulary())
    session = open_incident(runbook, Mode.DRILL, Home(tmp_path / "home"), {}, environment={})
    session.driver.stop()
    target = session.folder / "targets" / "a-1"
    plan = ev.Plan(does=("x",))
    with Writer(
        session.folder / "journal.jsonl", mode=Mode.DRILL, host=os.uname().nodename
    ) as writer:
        for event in (
            ev.StepPlanned(
                step="a", attempt=1, action="x", effect=ev.Effect.IDEMPOTENT, params={}, plan=plan,
                digest="0",
            ),
            ev.StepStarted(step="a", attempt=1),
            ev.ResourceIntended(
                step="a", attempt=1, kind="cluster", name="a-1", nonce=NONCE, location=str(target)
            ),
        ):  # fmt: skip
            writer.append("ops", event)
    target.mkdir(parents=True)
    (target / MARKER).write_text(marker_of("a-1", NONCE, "drill"))
    (target / "data").mkdir()
    return session.folder
