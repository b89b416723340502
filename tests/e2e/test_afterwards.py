"""After an incident, by commands in processes of their own: a log is taken in, exports are checked, a review."""

import json
import subprocess
from pathlib import Path

RUNBOOK = """drbook: 1
title: T
steps:
  - {id: a, phase: detect, do: note, with: {text: x}}
  - {id: b, phase: close, do: note, with: {text: y}}
"""


def test_a_closed_drill_is_added_to_checked_and_reviewed(drbook, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*drbook.program, *arguments],
            cwd=tmp_path, env=drbook.environment, capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    (tmp_path / "t.yaml").write_text(RUNBOOK)
    entry = {
        "time": "2026-04-24T21:04:00+02:00",
        "actor": "bot",
        "text": "deleted",
        "source": "log",
    }
    (tmp_path / "log.jsonl").write_text(json.dumps(entry) + "\n")
    assert run("run", "--headless", "--mode", "drill", "t.yaml").returncode == 0
    taken = run("note", "--from", "log.jsonl")
    assert taken.returncode == 0, taken.stderr
    assert "1 external entry; 0 known already" in taken.stderr
    written = run("timeline", "--format", "cloudevents", "-o", "t.jsonl")
    assert written.returncode == 0, written.stderr
    held = run("timeline", "--check", "t.jsonl")
    assert (held.returncode, held.stderr) == (0, "")
    assert "All there" in held.stdout
    lines = (tmp_path / "t.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "less.jsonl").write_text("".join(lines[:-2] + lines[-1:]))
    less = run("timeline", "--check", "less.jsonl")
    assert less.returncode == 1
    assert f"record {len(lines) - 1}: missing" in less.stdout
    drafted = run("review", "-o", "review.md")
    assert drafted.returncode == 0, drafted.stderr
    text = (tmp_path / "review.md").read_text()
    assert "REHEARSAL" in text
    assert "EXTERNAL, log, bot" in text
    assert run("review", "-o", "review.md").returncode == 2
