"""A small business as somebody else runs it: production in PostgreSQL, dumps in a bucket, a runbook."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from drbook.providers.pgserver import ClusterServer, server_user
from drbook.providers.pgtools import find_tools
from drbook.providers.process import complete
from support.pattern import create
from support.pg import drain

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

    def fill(self, mebibytes: int) -> None:
        """Rows of a KiB, so that an uncompressed dump has about this size."""
        rows = mebibytes * 1024 * 1024 // 1040
        self.execute(
            "CREATE TABLE documents (id int PRIMARY KEY, body text STORAGE EXTERNAL);"
            f"INSERT INTO documents SELECT n, repeat(md5(n::text), 32) FROM generate_series(1, {rows}) n"
        )

    def dump_to(self, path: Path, *options: str) -> Path:
        argv: list[str | Path] = [self.server.tools.path("pg_dump"), *options]
        argv += [f"--dbname={self.dsn}", f"--file={path}"]
        done = complete(argv, timeout=timedelta(minutes=10))
        assert done.exit_code == 0, done.stderr
        return path

    def dump(self, *options: str) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            return self.dump_to(Path(folder) / "dump", *options).read_bytes()

    def store(self, name: str, data: bytes) -> None:
        self.s3.client().put_object(Bucket=self.bucket, Key=f"nightly/{name}", Body=data)

    def store_file(self, name: str, path: Path) -> None:
        self.s3.client().upload_file(str(path), self.bucket, f"nightly/{name}")


@contextmanager
def running_shop(s3, folder: Path) -> Iterator[Shop]:  # type: ignore[no-untyped-def]
    """Open it, with a few orders; its production is stopped at the end."""
    if server_user() == "nobody":
        folder.chmod(0o711)
    tools = next(one for one in find_tools() if one.origin == "extra")
    server = ClusterServer(tools, folder / "production", name="shop")
    server.make_folder()
    create(server)
    drain(server.start({"fsync": "off"}))
    try:
        made = Shop(server, s3, folder)
        made.execute("CREATE DATABASE shop", "postgres")
        made.execute(
            "CREATE TABLE orders (id int PRIMARY KEY, created_at timestamptz NOT NULL);"
            "CREATE TABLE empty_one (id int);"
            "INSERT INTO orders SELECT n, now() - n * interval '1 minute'"
            " FROM generate_series(1, 2000) n"
        )
        yield made
    finally:
        server.stop()


def occurred(ago: timedelta = timedelta(0)) -> str:
    return "occurred=" + (datetime.now(UTC) - ago).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
