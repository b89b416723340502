"""Three copies restored side by side by the program itself: a newer one that is not whole does not win, the
next takes its place, and nothing is left running."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.pg import SCHEMA, Postgres, started

from drbook.app.places import JOURNAL
from drbook.core.fold import fold
from drbook.core.results import RestoreResult
from drbook.journal.reader import read
from drbook.providers.pgtools import choose, find_tools

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
  - {id: newest, kind: directory, path: ROOT/newest, domain: {provider: far, account: b, resource: r1, credentials: [writer]}}
  - {id: older, kind: directory, path: ROOT/older, domain: {provider: far, account: b, resource: r2, credentials: [writer]}}
  - {id: oldest, kind: directory, path: ROOT/oldest, domain: {provider: far, account: b, resource: r3, credentials: [writer]}}
steps:
  - {id: locate, phase: locate, do: backups.locate}
  - id: restore
    phase: restore
    do: postgres.restore
    with:
      point: "${{ steps.locate.point }}"
      target: {kind: cluster, dbname: rental}
      beside:
        points: "${{ steps.locate.others }}"
        verify: {assertions: [{name: every booking, sql: "SELECT count(*) = 3000 FROM bookings"}]}
  - {id: rows, phase: verify, do: postgres.verify, with: {target: "${{ steps.restore.target }}"}}
"""
SOURCES = ("oldest", "older", "newest")


@pytest.fixture
def rental(tmp_path: Path) -> Iterator[Postgres]:
    made = started(choose(find_tools(), server=True)[0], tmp_path)
    yield made
    made.server.stop()


def dump(pg: Postgres, folder: Path) -> None:
    """Named by its second, and no two in one."""
    time.sleep(1.1)
    folder.mkdir(exist_ok=True)
    pg.dump(folder / time.strftime("rental-%Y-%m-%dT%H-%M-%SZ.dump", time.gmtime()), "-Fc")


def test_the_first_that_is_verified_is_handed_on(  # type: ignore[no-untyped-def]
    drbook, rental: Postgres, tmp_path: Path
) -> None:
    with rental.connect("postgres") as connection:
        connection.execute("CREATE DATABASE rental")
    with rental.connect() as connection:
        connection.execute(SCHEMA)
    for source in SOURCES:
        if source == "newest":
            with rental.connect() as connection:
                connection.execute("DELETE FROM bookings WHERE id > 100")
        dump(rental, tmp_path / source)
    rental.server.stop()
    path = tmp_path / "runbook.yaml"
    path.write_text(RUNBOOK.replace("ROOT", str(tmp_path)))
    assert drbook("lint", str(path)).code == 0
    occurred = f"occurred={time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() + 5))}"
    dry = drbook("rehearse", str(path), "--dry-run", "--headless", "--json", "--set", occurred)
    assert (dry.code, dry.json()["outcome"]) == (0, "not-exercised"), dry.err
    ran = drbook("run", str(path), "--headless", "--json", "--set", occurred)
    told = ran.json()
    assert (ran.code, told["outcome"]) == (0, "pass"), ran.err
    folder = drbook.home / "incidents" / told["incident"]
    state = fold(read(folder / JOURNAL))
    restored = RestoreResult.model_validate(state.steps["restore"].result)
    ends = {one.source: one.ended for one in restored.beside}
    assert ends["newest"] in ("failed", "stopped")  # whichever came first
    assert restored.point.source in ("older", "oldest")
    assert ends[restored.point.source] == "verified"
    assert len({one.target for one in restored.beside}) == 3
    assert restored.target.name in {one.name for one in state.resources}
    assert Path(told["chosen"]["point"]["location"]).parent.name == restored.point.source
    page = drbook("timeline", told["incident"], "--format", "md").out
    assert "Restored side by side" in page
    assert "stopped" in page or "every booking" in page  # whichever came first
    assert "which was verified first" in page
    assert "a person chose otherwise" not in page
