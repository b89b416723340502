"""One database and eight kinds of backup of it, each by its own program, the oldest first."""

import os
import shutil
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from drbook.providers.pgserver import server_user
from drbook.providers.process import complete
from support import borg, restic
from support.barman import Home, user_here
from support.pg import COUNTS, ROLES, SCHEMA, Postgres, started
from support.pgbackrest import STANZA, server_tools
from support.s3 import S3Server
from support.tarpit import Tarpit

NOT_INDEPENDENT = {"base": "destroyed", "backrest": "shared"}
"""By the domains below; `barman` is damaged by the test."""

_RUNBOOK = """
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
  - {id: base, kind: basebackup, path: ROOT/base, wal: ROOT/wal, domain: {provider: here, account: prod, resource: vol-1, credentials: [token]}}
  - {id: backrest, kind: pgbackrest, stanza: rental, repository: ROOT/backrest, domain: {provider: far, account: b, resource: r2, credentials: [token]}}
  - {id: barman, kind: barman, server: main, config: ROOT/barman/barman.conf, domain: {provider: far, account: b, resource: r3, credentials: [writer]}}
  - {id: cold, kind: rclone, remote: "shop:", config: ROOT/rclone.conf, domain: {provider: far, account: b, resource: r4, credentials: [writer]}}
  - {id: offsite, kind: s3, bucket: BUCKET, endpoint: "ENDPOINT", region: us-east-1, access_key: env:KEY, secret_key: env:SECRET, domain: {provider: far, account: b, resource: BUCKET, credentials: [writer]}}
  - {id: attic, kind: borg, repository: ROOT/borg, passphrase: env:BORG_WORD, domain: {provider: far, account: b, resource: r5, credentials: [writer]}}
  - {id: vault, kind: restic, repository: ROOT/restic, password: env:RESTIC_WORD, domain: {provider: far, account: b, resource: r6, credentials: [writer]}}
  - {id: disk, kind: directory, path: ROOT/disk, domain: {provider: far, account: b, resource: r7, credentials: [writer]}}
  - {id: mute, kind: s3, bucket: mute, endpoint: "TARPIT", region: us-east-1, access_key: env:KEY, secret_key: env:SECRET, timeout: 1s, domain: {provider: far, account: b, resource: mute, credentials: [writer]}}
steps:
  - {id: locate, phase: locate, do: backups.locate}
  - {id: restore, phase: restore, do: postgres.restore, with: {point: "${{ steps.locate.point }}", target: {kind: cluster, dbname: rental}}}
  - {id: rows, phase: verify, do: postgres.verify, with: {target: "${{ steps.restore.target }}", assertions: [{name: every booking, sql: "SELECT count(*) = 3000 FROM bookings"}]}}
"""
SOURCES = ("base", "backrest", "barman", "cold", "offsite", "attic", "vault", "disk")


@dataclass
class Eight:
    root: Path
    bucket: str
    occurred: datetime = datetime.min
    rows: dict[str, int] = field(default_factory=lambda: dict(COUNTS))

    def runbook(self, server: S3Server, tarpit: Tarpit) -> Path:
        text = _RUNBOOK
        for name, value in (
            ("ROOT", str(self.root)), ("BUCKET", self.bucket), ("ENDPOINT", server.endpoint),
            ("TARPIT", tarpit.endpoint),
        ):  # fmt: skip
            text = text.replace(name, value)
        path = self.root / "runbook.yaml"
        path.write_text(text)
        return path

    @property
    def secrets(self) -> dict[str, str]:
        return {
            "KEY": "admin", "SECRET": "admin-secret", "BORG_WORD": borg.PASSPHRASE,
            "RESTIC_WORD": restic.PASSWORD,
        }  # fmt: skip


def eight(root: Path, server: S3Server) -> Eight:
    """Made once; what damages it damages a copy of its folder."""
    tools = server_tools()
    assert tools is not None
    root.chmod(0o755)
    made = Eight(root, server.bucket("nightly"))
    conf, barman = root / "backrest.conf", Home(root / "barman", tools.bin)
    for name in ("backrest", "own", "wal", "disk", "dumps", "cold", "base", "pg"):
        (root / name).mkdir()
        (root / name).chmod(0o777)
    (barman.main / "incoming").mkdir(parents=True)
    for part in (barman.folder, barman.folder / "home", barman.main):
        part.chmod(0o755)
    (barman.main / "incoming").chmod(0o777)
    archive = " && ".join(
        [
            f"pgbackrest --config={conf} --stanza={STANZA} archive-push %p",
            *(
                f"cp %p {where}/.%f && mv {where}/.%f {where}/%f"
                for where in (barman.main / "incoming", root / "wal")
            ),
        ]
    )
    pg = started(
        tools, root / "pg", archive_mode="on", wal_level="replica", archive_command=archive
    )
    try:
        conf.write_text(
            f"[global]\nrepo1-path={root}/backrest\nrepo1-retention-full=9\nlog-path={root}/own\n"
            f"lock-path={root}/own\nspool-path={root}/own\nlog-level-file=off\nstart-fast=y\n"
            f"compress-level=1\n[{STANZA}]\npg1-path={pg.server.data}\n"
            f"pg1-socket-path={pg.server.socket}\npg1-user=postgres\n"
        )
        conf.chmod(0o644)
        _live(made, pg, server, barman, conf)
    finally:
        pg.server.stop()
    return made


def _live(made: Eight, pg: Postgres, server: S3Server, barman: Home, conf: Path) -> None:
    root = made.root

    def backrest(*command: str) -> None:
        argv = ["pgbackrest", f"--config={conf}", f"--stanza={STANZA}", *command]
        done = complete(argv, run_as=server_user())
        assert done.exit_code == 0, done.stdout + done.stderr

    backrest("stanza-create")
    with pg.connect("postgres") as connection:
        connection.execute("CREATE DATABASE rental")
        connection.execute(ROLES)
    with pg.connect() as connection:
        connection.execute(SCHEMA)
    _dump(pg, root / "disk")
    vault = restic.Repository(root / "restic")
    vault.backup(_dump(pg, root / "dumps"))
    attic = borg.Repository(root / "borg")
    attic.backup("nightly-1", _dump(pg, root / "dumps"))
    offsite = _dump(pg, root / "dumps")
    server.client().put_object(Bucket=made.bucket, Key=offsite.name, Body=offsite.read_bytes())
    _dump(pg, root / "cold")
    (root / "rclone.conf").write_text(f"[shop]\ntype = alias\nremote = {root / 'cold'}\n")
    conninfo = f"host={pg.server.socket} user=postgres dbname=postgres"
    barman.configure(conninfo, user_here())
    barman.run("backup", "main")
    backrest("backup", "--type=full")
    argv: list[str | Path] = [pg.tools.path("pg_basebackup"), "-D", root / "base" / "nightly"]
    done = complete([*argv, "-c", "fast", "-h", pg.server.socket, "-U", "postgres"])
    assert done.exit_code == 0, done.stderr
    with pg.connect() as connection:
        connection.execute("INSERT INTO customers VALUES (501, 'the last one', now())")
        made.rows["public.customers"] = 501
        _passes()
        row = connection.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        made.occurred = row[0]
        _passes()
        connection.execute("DELETE FROM bookings")
        row = connection.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone()
        assert row is not None
    until = time.monotonic() + 30
    while not (root / "wal" / row[0]).exists():
        assert time.monotonic() < until, f"{row[0]} was not archived"
        time.sleep(0.05)
    barman.run("archive-wal", "main")


def _dump(pg: Postgres, folder: Path) -> Path:
    """Named by its second, and no two in one."""
    _passes(1.1)
    name = time.strftime("rental-%Y-%m-%dT%H-%M-%SZ.dump", time.gmtime())
    return pg.dump(folder / name, "-Fc")


def _passes(seconds: float = 0.05) -> None:
    time.sleep(seconds)


def damaged(made: Eight, folder: Path) -> Eight:
    """The same, with one flipped bit in what Barman keeps."""
    shutil.copytree(made.root / "barman", folder / "barman")
    for part in (folder / "barman" / "barman.conf",):
        part.write_text(part.read_text().replace(str(made.root), str(folder)))
    for name in os.listdir(made.root):
        if name != "barman" and name != "runbook.yaml":
            (folder / name).symlink_to(made.root / name)
    files = [
        each
        for each in (folder / "barman").glob("home/main/base/*/data/base/*/*")
        if each.is_file() and each.stat().st_size > 100_000
    ]
    spoilt = max(files, key=lambda each: each.stat().st_size)
    data = bytearray(spoilt.read_bytes())
    data[len(data) // 2] ^= 1
    spoilt.write_bytes(data)
    return Eight(folder, made.bucket, made.occurred, made.rows)
