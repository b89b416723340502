"""A small business as somebody else runs it: production in PostgreSQL, dumps in a bucket, a runbook."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from drbook.providers.pgserver import ClusterServer
from drbook.providers.process import complete

RUNBOOK = """
drbook: 1
title: Shop database lost
objectives: {rpo: 24h, rto: 4h}
inputs:
  occurred: {type: time, prompt: "When did it happen (UTC)?"}
production:
  database: {dsn: env:PROD_DSN}
  domain: {provider: here, account: prod, resource: vol-1, credentials: [deploy-token]}
credentials:
  deploy-token: {stored_in: [laptops]}
  backup-writer: {stored_in: [backup-host]}
baselines: {kind: directory, path: BASELINES}
backups:
  - id: offsite
    kind: s3
    bucket: BUCKET
    prefix: nightly/
    endpoint: ENDPOINT
    region: us-east-1
    access_key: env:OFFSITE_KEY_ID
    secret_key: env:OFFSITE_SECRET
    domain: {provider: elsewhere, account: backups, resource: BUCKET, credentials: [backup-writer]}
steps:
  - {id: loss, phase: detect, do: postgres.probe}
  - {id: locate, phase: locate, needs: [], do: backups.locate}
  - id: restore
    phase: restore
    do: postgres.restore
    with: {point: "${{ steps.locate.point }}", target: {kind: cluster}}
  - id: verify
    phase: verify
    do: postgres.verify
    with: {target: "${{ steps.restore.target }}", baseline: before_incident}
"""


class Shop:
    """Production and its bucket, as somebody else runs them."""

    def __init__(self, server: ClusterServer, s3, folder: Path) -> None:  # type: ignore[no-untyped-def]
        self.server = server
        self.s3 = s3
        self.folder = folder
        self.bucket = s3.bucket("shop")
        self.runbook = folder / "shop.yaml"
        text = RUNBOOK.replace("BASELINES", str(folder / "baselines"))
        text = text.replace("BUCKET", self.bucket).replace("ENDPOINT", s3.endpoint)
        self.runbook.write_text(text, encoding="utf-8")
        key, secret = s3.keys()
        self.dsn = f"postgresql:///shop?host={server.socket}&user=postgres"
        self.environment = {
            "PROD_DSN": self.dsn,
            "OFFSITE_KEY_ID": key,
            "OFFSITE_SECRET": secret,
        }

    def execute(self, sql: str, dbname: str = "shop") -> None:
        with psycopg.connect(
            host=str(self.server.socket), user="postgres", dbname=dbname, autocommit=True
        ) as connection:
            connection.execute(sql)

    def dump(self, *options: str) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "dump"
            argv: list[str | Path] = [self.server.tools.path("pg_dump"), *options]
            argv += [f"--dbname={self.dsn}", f"--file={path}"]
            done = complete(argv)
            assert done.exit_code == 0, done.stderr
            return path.read_bytes()

    def store(self, name: str, data: bytes) -> None:
        self.s3.client().put_object(Bucket=self.bucket, Key=f"nightly/{name}", Body=data)


def occurred(ago: timedelta = timedelta(0)) -> str:
    return "occurred=" + (datetime.now(UTC) - ago).strftime("%Y-%m-%dT%H:%M:%SZ")
