"""Nobody reads what drbook says, or nothing can be written: the work goes on, and no data is lost unsaid."""

import os
import subprocess
import time
from pathlib import Path

import pytest

RUNBOOK = """drbook: 1
title: T
steps:
  - {id: a, phase: detect, do: note, with: {text: x}}
  - {id: b, phase: detect, do: wait, with: {for: 2s}}
  - {id: c, phase: close, do: note, with: {text: y}}
"""


def shell(drbook, line: str) -> subprocess.CompletedProcess[str]:  # type: ignore[no-untyped-def]
    """A line of bash in which `$D` is drbook."""
    around = drbook.environment | {"D": " ".join(drbook.program)}
    return subprocess.run(
        ["bash", "-c", line], env=around, capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def runbook(tmp_path: Path) -> Path:
    path = tmp_path / "t.yaml"
    path.write_text(RUNBOOK)
    return path


def closed(drbook) -> list[str]:  # type: ignore[no-untyped-def]
    """The last event of every incident."""
    return [
        path.read_text().splitlines()[-1] for path in drbook.home.glob("incidents/*/journal.jsonl")
    ]


ENDS = {
    # how the line ends: what drbook's exit code is
    "2>&1 | head -1; exit ${PIPESTATUS[0]}": 0,
    "2>&1 >/dev/null | head -1; exit ${PIPESTATUS[0]}": 0,
    "| true; exit ${PIPESTATUS[0]}": 0,
    "2>/dev/full": 0,
    "2>&-": 0,
    ">&-": 0,
    "<&- >&- 2>&-": 0,
    ">/dev/full": 1,
    "--json >/dev/full": 1,
    ">/dev/full 2>&1": 1,
}


@pytest.mark.parametrize("end", ENDS)
def test_an_incident_goes_on_without_a_listener(drbook, runbook: Path, end: str) -> None:  # type: ignore[no-untyped-def]
    ran = shell(drbook, f"$D run --headless {runbook} {end}")
    assert ran.returncode == ENDS[end], ran
    (last,) = closed(drbook)
    assert '"IncidentClosed"' in last
    assert '"pass"' in last
    assert not (drbook.home / "last-error.log").exists()


def test_a_result_that_could_not_be_written_is_said(drbook, runbook: Path) -> None:  # type: ignore[no-untyped-def]
    for command in (f"run --headless --json {runbook}", "incidents", "schema"):
        ran = shell(drbook, f"$D {command} >/dev/full")
        assert ran.returncode == 1
        assert "Standard output could not be written: No space left on device." in ran.stderr
        assert "is incomplete" in ran.stderr


def test_a_failed_incident_is_not_overruled(drbook, runbook: Path) -> None:  # type: ignore[no-untyped-def]
    runbook.write_text(
        RUNBOOK.replace("do: wait, with: {for: 2s}", "do: manual, with: {instructions: [by hand]}")
    )
    for end in ("2>&1 | head -1; exit ${PIPESTATUS[0]}", ">/dev/full"):
        assert shell(drbook, f"$D run --headless {runbook} {end}").returncode == 7


def test_who_stops_reading_hears_no_complaint(drbook) -> None:  # type: ignore[no-untyped-def]
    ran = shell(drbook, "$D schema | head -1; exit ${PIPESTATUS[0]}")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "{\n", "")


def test_watching_ends_with_its_reader(drbook, runbook: Path) -> None:  # type: ignore[no-untyped-def]
    runbook.write_text(RUNBOOK.replace("2s", "6s"))
    with subprocess.Popen(
        [*drbook.program, "run", "--headless", str(runbook)],
        env=drbook.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as leading:  # fmt: skip
        while not list(drbook.home.glob("incidents/*/journal.jsonl")):
            time.sleep(0.05)
        begun = time.monotonic()
        ran = shell(drbook, "$D watch | head -1")
        assert "T" in ran.stdout
        assert ran.stderr == ""
        assert leading.wait(timeout=30) == 0
        assert time.monotonic() - begun < 30


def test_no_file_gets_the_number_of_a_closed_stream(drbook, runbook: Path) -> None:  # type: ignore[no-untyped-def]
    """Else a library's warning, or a child's words, would end in the journal."""
    code = (
        "import os; from drbook.cli import streams; streams.prepare(); "
        f"opened = os.open({str(runbook)!r}, os.O_RDONLY); os.write(1, b'x'); "
        "import sys; print('out'); print('err', file=sys.stderr); "
        f"open({str(runbook)!r} + '.number', 'w').write(str(opened))"
    )
    python = drbook.program[0]
    around = drbook.environment | {"CODE": code, "PY": python}
    done = subprocess.run(
        ["bash", "-c", 'exec "$PY" -c "$CODE" <&- >&- 2>&-'], env=around, timeout=30
    )
    assert done.returncode == 0
    assert int(Path(f"{runbook}.number").read_text()) > 2
    assert os.path.getsize(runbook) == len(RUNBOOK)
