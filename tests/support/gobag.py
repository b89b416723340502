"""A runbook with everything that a go-bag takes from it, and planted secrets of every kind."""

import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from drbook.core.baseline import Baseline, Identity, TableCount, TableCounts
from drbook.providers.baselines import DirectoryBaselines
from drbook.providers.secrets import reader
from support.planted import Planted

BOOK = """
drbook: 1
title: Shop database <b>lost</b>
description: Read me first.
objectives: {rpo: 24h, rto: 4h}
inputs:
  occurred: {type: time, prompt: "When did it happen (UTC)?"}
updates: {every: 30m}
deadlines: [{name: GDPR notification, after: 72h}]
contacts:
  - {name: Ada Night, role: approves the cutover, phone: "+49 30 1234567", reach: "bell at Dock 4, ask for Ada"}
  - {name: The provider, reach: "https://status.example.com, account 4711"}
pack: {path: BAG, max_age: 7d}
production:
  database: {host: db.example, user: ops, password: "file:ROOT/db-password"}
  volume: ROOT/volume
  domain: {provider: here, account: prod, resource: vol-1, credentials: [deploy-token]}
credentials:
  deploy-token: {stored_in: [laptops], reads: ["ROOT/shared"]}
  backup-writer: {stored_in: ["safe in the office, second shelf"]}
baselines: {kind: directory, path: ROOT/baselines}
backups:
  - id: vault
    kind: restic
    repository: ROOT/repository
    password: env:RESTIC_WORD
    environment: {AWS_SECRET_ACCESS_KEY: env:VAULT_SECRET}
    domain: {account: backups, resource: vault, credentials: [backup-writer, restic-password]}
  - id: offsite
    kind: directory
    path: ROOT/copies
    decrypt: {program: age, identity: "cmd:cat ROOT/age-key"}
steps:
  - {id: loss, phase: detect, title: Is it gone?, why: "An outage is no loss.", do: postgres.probe}
  - id: revoke
    phase: contain
    needs: []
    do: shell
    with: {shell: "curl -H \\"Authorization: $TOKEN\\" https://api.example/revoke", changes: outside, secrets: {TOKEN: env:API_TOKEN}}
  - {id: locate, phase: locate, needs: [], do: backups.locate}
  - id: restore
    phase: restore
    do: postgres.restore
    with: {point: "${{ steps.locate.point }}", target: {kind: cluster, dbname: shop}, globals: ROOT/globals.sql}
  - id: cutover
    phase: cutover
    do: manual
    with: {instructions: [Point the application there.]}
    confirm: {type: shop, irreversible: "Users write there from now on."}
    approve: {by: the head of operations}
"""
GLOBALS = """--
-- PostgreSQL database cluster dump
--

CREATE ROLE app;
ALTER ROLE app WITH NOSUPERUSER LOGIN PASSWORD 'HASH';
ALTER ROLE app SET search_path TO 'shop';
ALTER ROLE app SET app.token TO 'SETTING';
"""


def baseline_of(at: datetime) -> Baseline:
    identity = Identity(system_identifier="7412345678901234567", database="r", database_oid=16384)
    counts = TableCounts(
        identity=identity, taken_at=at, tables=(TableCount(table="public.t", rows=5),)
    )
    return Baseline(captured_at=at, counts=counts)


@dataclass(frozen=True)
class Office:
    """Where the runbook lies, and what was planted."""

    planted: Planted
    runbook: Path
    bag: Path
    environment: dict[str, str]
    baseline: str


def office(root: Path) -> Office:
    planted = Planted(root)
    value = planted.value
    planted.put(root / "db-password", value("database") + "\n")
    planted.put(root / "age-key", value("age", "AGE-SECRET-KEY-1"))
    hash_, setting = value("hash", "SCRAM-SHA-256$4096:"), value("setting")
    planted.put(root / "globals.sql", GLOBALS.replace("HASH", hash_).replace("SETTING", setting))
    bag = root / "stick" / "bag.zip"
    bag.parent.mkdir()
    runbook = root / "shop.yaml"
    runbook.write_text(BOOK.replace("ROOT", str(root)).replace("BAG", str(bag)))
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(root / "home"),
        "DRBOOK_HOME": str(root / "state"),
        "RESTIC_WORD": value("restic", hard=True),
        "VAULT_SECRET": value("vault", hard=True),
        "API_TOKEN": value("token"),
    }
    baseline = baseline_of(datetime(2026, 11, 20, tzinfo=UTC))
    store = DirectoryBaselines(path=str(root / "baselines")).open(reader({}))
    return Office(planted, runbook, bag, environment, store.save(baseline))


def wheel(folder: Path, name: str, *requires: str) -> Path:
    """An installable one with nothing in it (the specification of the binary distribution format)."""
    package, number = name.split("-")[:2]
    info = f"{package}-{number}.dist-info"
    path = folder / f"{name}-py3-none-any.whl"
    needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
    with zipfile.ZipFile(path, "w") as made:
        made.writestr(
            f"{info}/METADATA",
            f"Metadata-Version: 2.1\nName: {package}\nVersion: {number}\n{needs}",
        )
        made.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        made.writestr(f"{info}/RECORD", "")
    return path
