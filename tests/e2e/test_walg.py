"""The whole road over a store of WAL-G: listed, chosen, laid down, rolled forward to right before the DELETE
and verified. WAL-G itself is a stand-in here; PostgreSQL, its copies and its WAL are real."""

import os
from pathlib import Path

import pytest
from support.walg import KEY, World, program

from drbook.core.located import Located
from drbook.providers.sources.walg import UNTRIED

pytestmark = pytest.mark.xdist_group("wal-g")
RUNBOOK = """
drbook: 1
title: Bookings deleted by a migration
inputs:
  occurred: {type: time, prompt: "When was it?"}
production:
  domain: {provider: here, account: prod, resource: vol-1, credentials: [token]}
credentials:
  token: {stored_in: [laptops]}
  writer: {stored_in: [backup-host]}
backups:
  - id: archive
    kind: wal-g
    settings: {WALG_FILE_PREFIX: ROOT}
    environment: {WALG_LIBSODIUM_KEY: "env:WORD"}
    domain: {provider: far, account: b, resource: r1, credentials: [writer]}
steps:
  - {id: locate, phase: locate, do: backups.locate}
  - {id: restore, phase: restore, do: postgres.restore, with: {point: "${{ steps.locate.point }}", target: {kind: cluster, dbname: rental}}}
  - {id: rows, phase: verify, do: postgres.verify, with: {target: "${{ steps.restore.target }}", pages: true, assertions: [{name: every booking, sql: "SELECT count(*) = 5 FROM bookings"}]}}
"""


def test_the_whole_road(drbook, walg_world: World, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "runbook.yaml"
    path.write_text(RUNBOOK.replace("ROOT", str(walg_world.store.root)))
    around = {"WORD": KEY, "PATH": f"{program(tmp_path / 'bin')}{os.pathsep}{os.environ['PATH']}"}
    when = f"occurred={walg_world.before_delete.isoformat()}"
    ran = drbook("backups", str(path), "--json", "--set", when, **around)
    found = Located.model_validate(ran.json()["located"])
    assert found.point is not None
    assert found.point.id == walg_world.delta
    assert all(any(UNTRIED in why for why in each.reasons) for each in found.judgements)
    ran = drbook(
        "rehearse", str(path), "--headless", "--json", "--set", when, timeout=240, **around
    )
    assert ran.code == 5, ran.out + ran.err  # no baseline says how many rows there were
    assert "recovery stopping before commit" in ran.err
    assert UNTRIED in ran.err
    assert KEY not in ran.out + ran.err
    rows = {each["table"]: each["restored"] for each in ran.json()["tables"]}
    assert rows == {"public.bookings": 5, "public.notes": 50}
    told = drbook("timeline", ran.json()["incident"], "--format", "md").out
    assert "never been run against a real WAL" in told
    assert KEY not in told
