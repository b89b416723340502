"""The road of a bad migration: the copy, the moment in the WAL, a restore right before it, and what is there."""

import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from support.physical import Archiving, archiving

from drbook.core.values import format_time
from drbook.providers.pgserver import server_user
from drbook.providers.pgtools import choose, find_tools

RUNBOOK = """
drbook: 1
title: A migration deleted the bookings
inputs:
  occurred: {type: time, prompt: "When did it happen (UTC)?"}
production:
  database: {dsn: env:PROD_DSN}
  domain: {provider: here, account: prod, resource: vol-1, credentials: [deploy-token]}
credentials:
  deploy-token: {stored_in: [laptops]}
  backup-writer: {stored_in: [backup-host]}
backups:
  - id: base
    kind: basebackup
    path: FOLDER/copies
    wal: FOLDER/wal
    domain: {provider: elsewhere, account: backups, resource: disk, credentials: [backup-writer]}
steps:
  - {id: locate, phase: locate, do: backups.locate, with: {require: [account]}}
  - id: find
    phase: locate
    do: postgres.find_loss
    with: {point: "${{ steps.locate.point }}", within: 10m}
  - id: restore
    phase: restore
    do: postgres.restore
    with:
      point: "${{ steps.locate.point }}"
      target: {kind: cluster, dbname: rental}
      to: "${{ steps.find.aim }}"
  - id: there
    phase: verify
    do: sql
    with:
      database: "${{ steps.restore.target.connect }}"
      sql: "SELECT string_agg(id::text, ' ' ORDER BY id) FROM bookings"
"""


@pytest.fixture
def made() -> Iterator[tuple[Archiving, Path]]:
    with tempfile.TemporaryDirectory(prefix="drbook-test-") as name:
        folder = Path(name)
        if server_user() == "nobody":
            folder.chmod(0o711)
        (folder / "copies").mkdir()
        chosen = choose([one for one in find_tools() if one.origin == "extra"], server=True)[0]
        server = archiving(chosen, folder)
        try:
            server.execute("INSERT INTO bookings SELECT generate_series(1, 6)")
            server.base_backup(folder / "copies" / "monday")
            yield server, folder
        finally:
            server.server.stop()


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
