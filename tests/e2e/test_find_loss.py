"""The road of a bad migration: the copy, the moment in the WAL, a restore right before it, and what is there."""

from datetime import timedelta
from pathlib import Path

from support.physical import Archiving
from support.road import RUNBOOK

from drbook.core.values import format_time


def test_locate_find_restore_verify(drbook, made: tuple[Archiving, Path], tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    server, folder = made
    server.execute("DELETE FROM bookings WHERE id = 1")
    server.execute("INSERT INTO bookings VALUES (7)")
    server.execute("DELETE FROM bookings")
    at = server.now()
    server.execute("INSERT INTO bookings VALUES (99)")
    server.archived()
    runbook = tmp_path / "migration.yaml"
    runbook.write_text(RUNBOOK.replace("FOLDER", str(folder)))
    environment = {"PROD_DSN": f"postgresql:///rental?host={server.server.socket}&user=postgres"}
    occurred = f"occurred={format_time(at + timedelta(seconds=1))}"
    linted = drbook("lint", str(runbook), **environment)
    assert linted.code == 0, linted.err
    ran = drbook(
        *("rehearse", str(runbook), "--headless", "--json", "--set", occurred), **environment
    )
    assert "find: SUCCEEDED" in ran.err, ran.err
    assert "deleted 6 rows: bookings; stopping right before it leaves out 1 later commit" in ran.err
    assert "there: SUCCEEDED" in ran.err, ran.err
    for form in ("md", "html", "json"):
        out = tmp_path / f"told.{form}"
        told = drbook("timeline", ran.json()["incident"], "-o", str(out))
        assert told.code == 0, told.err
        text = out.read_text().replace("\\", "")
        assert "deleted 6 rows: bookings" in text
        assert "2 3 4 5 6 7" in text
        assert "at the WAL" not in text
