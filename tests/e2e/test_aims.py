"""Where a physical copy stops, by commands alone: without its archive, behind the loss, and as it is written."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from support.physical import Archiving
from support.program import Drbook, heeding_permissions
from support.road import RUNBOOK

from drbook.core.values import format_time

_FIND = RUNBOOK.index("  - id: find\n")
_RESTORE = RUNBOOK.index("  - id: restore\n")
ROAD = RUNBOOK[:_FIND] + RUNBOOK[_RESTORE:]
TO = 'to: "${{ steps.find.aim }}"'
AIMLESS = ROAD.replace(f"      {TO}\n", "")


def _written(text: str, tmp_path: Path, folder: Path) -> str:
    path = tmp_path / "road.yaml"
    path.write_text(text.replace("FOLDER", str(folder)))
    return str(path)


def _environment(server: Archiving) -> dict[str, str]:
    return {"PROD_DSN": f"postgresql:///rental?host={server.server.socket}&user=postgres"}


@pytest.fixture(params=["gone", "unreadable"])
def without_wal(request: pytest.FixtureRequest, made: tuple[Archiving, Path]) -> Iterator[str]:
    wal = made[1] / "wal"
    if request.param == "gone":
        away = wal.rename(wal.with_name("elsewhere"))
        yield "No such file or directory"
        away.rename(wal)
        return
    wal.chmod(0)
    yield "Permission denied"
    wal.chmod(0o755)


def test_a_consistent_copy_needs_no_archive(
    drbook: Drbook, made: tuple[Archiving, Path], tmp_path: Path, without_wal: str
) -> None:
    server, folder = made
    runbook = _written(AIMLESS, tmp_path, folder)
    ran = heeding_permissions(drbook)(
        *("rehearse", runbook, "--headless", "--json", "--set", "occurred=now"),
        **_environment(server),
    )
    assert ran.code == 0, ran.err
    assert without_wal in ran.err
    assert "restore: SUCCEEDED" in ran.err
    assert "there: SUCCEEDED" in ran.err
    out = tmp_path / "told.md"
    assert drbook("timeline", ran.json()["incident"], "-o", str(out)).code == 0
    assert "1 2 3 4 5 6" in out.read_text()
    assert "cannot be listed" in out.read_text()


def test_the_end_of_the_wal_behind_the_loss_repeats_it_and_says_so(
    drbook: Drbook, made: tuple[Archiving, Path], tmp_path: Path
) -> None:
    server, folder = made
    occurred = f"occurred={format_time(server.now() - timedelta(milliseconds=1))}"
    server.execute("DELETE FROM bookings WHERE id < 6")
    server.archived()
    runbook = _written(ROAD.replace(TO, "to: {end: true}"), tmp_path, folder)
    ran = drbook(
        *("rehearse", runbook, "--headless", "--json", "--set", occurred), **_environment(server)
    )
    assert ran.code == 5, ran.err
    assert "WARNING: stops at the end of the WAL, behind the loss" in ran.err
    assert "THE LOSS ITSELF WAS REPLAYED" in ran.err
    told = ran.json()
    assert told["outcome"] == "could-not-verify"
    assert any("THE LOSS ITSELF WAS REPLAYED" in one for one in told["warnings"])


def test_a_loss_before_every_copy_is_questioned(
    drbook: Drbook, made: tuple[Archiving, Path], tmp_path: Path
) -> None:
    server, folder = made
    runbook = _written(AIMLESS, tmp_path, folder)
    early = f"occurred={format_time(server.now() - timedelta(hours=1))}"
    ran = drbook("rehearse", runbook, "--headless", "--set", early, **_environment(server))
    assert "The only copy is dated after the loss (occurred" in ran.err
    assert "--set occurred=TIME" in ran.err


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("tomorrow", "expected exactly one of time, lsn, xid, name, end or consistent"),
        ("{tiem: 2026-01-01T00:00:00Z}", "did you mean `time`?"),
        ("{time: 2026-01-01T00:00:00Z, end: true}", "expected exactly one of time, lsn"),
        ("{time: 2026-01-01T00:00:00}", "expected a time with its zone, like"),
        ("{time: tomorrow}", "expected a time with its zone, like"),
    ],
)
def test_lint_finds_an_aim_of_a_wrong_shape(
    drbook: Drbook, tmp_path: Path, written: str, expected: str
) -> None:
    linted = drbook("lint", _written(ROAD.replace(TO, f"to: {written}"), tmp_path, tmp_path))
    assert linted.code == 2
    assert expected in linted.out + linted.err


def test_the_restore_says_it_in_the_same_words(
    drbook: Drbook, made: tuple[Archiving, Path], tmp_path: Path
) -> None:
    server, folder = made
    text = ROAD.replace(TO, 'to: "${{ inputs.aim }}"')
    text = text.replace("inputs:\n", "inputs:\n  aim: {type: text, default: tomorrow}\n")
    runbook = _written(text, tmp_path, folder)
    ran = drbook(
        *("rehearse", runbook, "--headless", "--set", "occurred=now"), **_environment(server)
    )
    assert ran.code != 0
    assert "to: expected exactly one of time, lsn, xid, name, end or consistent" in ran.err


def test_lint_finds_a_default_of_another_type(drbook: Drbook, tmp_path: Path) -> None:
    text = AIMLESS.replace('prompt: "When did it happen (UTC)?"', "default: tomorrow")
    linted = drbook("lint", _written(text, tmp_path, tmp_path))
    assert linted.code == 2
    assert (
        "inputs.occurred.default: found the text 'tomorrow'; expected a time"
        in linted.out + linted.err
    )
