"""The road of a bad migration: a server that archives, a base backup of it, and a runbook."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drbook.providers.pgserver import server_user
from drbook.providers.pgtools import choose, find_tools
from support.physical import Archiving, archiving

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


@contextmanager
def archiving_business() -> Iterator[tuple[Archiving, Path]]:
    """A server with six bookings and one base backup, `monday`, and the folder that both lie in."""
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
