"""A whole incident from a runbook of one's own, against servers started outside drbook: only YAML and
environment variables, and the commands of the README."""

import hashlib
import json
import secrets
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from support.pg import drain

from drbook.providers.pgserver import ClusterServer, server_user
from drbook.providers.pgtools import find_tools
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


@pytest.fixture
def shop(s3_server, tmp_path: Path) -> Iterator[Shop]:  # type: ignore[no-untyped-def]
    if server_user() == "nobody":
        tmp_path.chmod(0o711)
    tools = next(one for one in find_tools() if one.origin == "extra")
    server = ClusterServer(tools, tmp_path / "production", name="shop")
    server.make_folder()
    drain(server.create())
    drain(server.start({"fsync": "off"}))
    try:
        made = Shop(server, s3_server, tmp_path)
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
    return "occurred=" + (datetime.now(UTC) - ago).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_the_readmes_five_minutes(drbook, shop: Shop) -> None:  # type: ignore[no-untyped-def]
    runbook = str(shop.runbook)
    linted = drbook("lint", runbook)
    assert linted.code == 0, linted.err

    # Calm times: a baseline, then a dump and some more business.
    captured = drbook("baseline", "capture", runbook, "--json", **shop.environment)
    assert captured.code == 0, captured.err
    rows = {row["table"]: row["rows"] for row in captured.json()["baseline"]["counts"]["tables"]}
    assert rows == {"public.orders": 2000, "public.empty_one": 0}
    assert drbook("baseline", "show", runbook, **shop.environment).code == 0
    shop.store("shop.dump", shop.dump("-Fc"))
    backups = drbook("backups", runbook, "--json", **shop.environment)
    assert backups.code == 0, backups.err
    assert backups.json()["located"]["judgements"][0]["verdict"] == "independent"
    compared = drbook("baseline", "compare", runbook, **shop.environment)
    assert compared.code == 0, compared.err

    # A rehearsal without any target, then a drill: production stays as it is.
    dry = drbook(
        "rehearse",
        runbook,
        "--dry-run",
        "--headless",
        "--json",
        "--set",
        occurred(),
        **shop.environment,
    )
    assert dry.json()["outcome"] in ("not-exercised", "refused"), dry.err
    assert not list(drbook.home.glob("incidents/*/targets/*"))
    drill = drbook(
        "rehearse", runbook, "--headless", "--json", "--set", occurred(), **shop.environment
    )
    assert drill.code == 0, drill.err
    assert drill.json()["mode"] == "drill"

    # It happens: somebody empties a table.
    shop.execute("DELETE FROM orders WHERE id > 100")
    lost = drbook("baseline", "compare", runbook, **shop.environment)
    assert lost.code == 1
    assert "orders" in lost.out
    live = drbook("run", runbook, "--headless", "--json", "--set", occurred(), **shop.environment)
    assert live.code == 0, live.err
    told = live.json()
    assert (told["outcome"], told["mode"]) == ("pass", "live")
    tables = {row["table"]: row for row in told["tables"]}
    assert tables["public.orders"]["restored"] == 2000
    assert tables["public.orders"]["lost"] == 0

    # Whoever reads it afterwards.
    noted = drbook(
        "note", "support: three customers at the counter", "--incident", told["incident"]
    )
    assert noted.code == 0, noted.err  # notes may follow even after the end
    head = drbook("journal", "verify", told["incident"], "--json").json()["head"]
    for kind, sign in (("md", "# "), ("html", "<!doctype html>"), ("json", "{"), ("csv", "seq,")):
        exported = drbook("timeline", told["incident"], "--format", kind)
        assert exported.code == 0, exported.err
        assert exported.out.lower().lstrip("\ufeff").startswith(sign), exported.out[:100]
        assert head in exported.out
    verified = drbook(
        "journal", "verify", told["journal"]["path"], "--head", told["journal"]["head"]
    )
    assert verified.code == 0, verified.err
    assert told["incident"] in drbook("incidents").out
    for secret in shop.environment.values():
        if secret not in ("admin",):
            assert secret not in Path(told["journal"]["path"]).read_text()


def test_production_is_never_written(drbook, shop: Shop) -> None:  # type: ignore[no-untyped-def]
    """The runbook names production itself as the server to restore into."""
    shop.store("shop.dump", shop.dump("-Fc"))
    text = shop.runbook.read_text().replace(
        "target: {kind: cluster}", "target: {kind: database, server: {dsn: env:PROD_DSN}}"
    )
    shop.runbook.write_text(text)
    ran = drbook(
        "run", str(shop.runbook), "--headless", "--json", "--set", occurred(), **shop.environment
    )
    assert ran.code == 4, ran.err
    assert ran.json()["outcome"] == "refused"
    assert "production's own server" in ran.err
    with psycopg.connect(shop.dsn) as connection:
        names = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
    assert names == {"postgres", "template0", "template1", "shop"}


@pytest.mark.parametrize(
    ("options", "pack"), [(("-Fc",), ""), (("-Ft",), ""), (("-Fp",), ""), (("-Fp",), "gz")]
)
def test_a_manifest_holds_a_copy_to_what_it_says(  # type: ignore[no-untyped-def]
    drbook, shop: Shop, options: tuple[str, ...], pack: str
) -> None:
    import gzip

    data = shop.dump(*options)
    name = (
        "shop.sql.gz"
        if pack
        else {"-Fc": "shop.dump", "-Ft": "shop.tar", "-Fp": "shop.sql"}[options[0]]
    )
    data = gzip.compress(data) if pack else data
    shop.store(name, data)
    counts = drbook("baseline", "capture", str(shop.runbook), "--json", **shop.environment).json()
    manifest = {
        "drbook_manifest": 1,
        "name": name,
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "taken_at": (datetime.now(UTC) - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "counts": counts["baseline"]["counts"],
    }
    manifest["counts"]["tables"][1]["rows"] += int(name == "shop.tar")
    shop.store(f"{name}.manifest.json", json.dumps(manifest).encode())
    ran = drbook(
        "rehearse",
        str(shop.runbook),
        "--headless",
        "--json",
        "--set",
        occurred(),
        **shop.environment,
    )
    if name == "shop.tar":  # its manifest states a row more than it holds
        assert ran.code == 1, ran.err
        assert ran.json()["outcome"] == "fail"
        failed = [row for row in ran.json()["tables"] if row["verdict"] == "fail"]
        assert len(failed) == 1
        assert failed[0]["expected"] == failed[0]["restored"] + 1
    else:
        assert ran.code == 0, ran.err


# --- bad input, each a clear message and the right exit code -----------------------------------


def test_wrong_password_and_no_such_bucket_and_bad_credentials(  # type: ignore[no-untyped-def]
    drbook, shop: Shop, tmp_path: Path
) -> None:
    shop.store("shop.dump", shop.dump("-Fc"))
    runbook = str(shop.runbook)
    arguments = ("backups", runbook)

    def broken(code: int, said: str, text: str | None = None, **environment: str) -> None:
        path = tmp_path / f"broken-{secrets.token_hex(4)}.yaml"
        path.write_text(text or shop.runbook.read_text())
        ran = drbook(arguments[0], str(path), **(shop.environment | environment))
        assert ran.code == code, ran.err
        assert said in ran.err, ran.err
        assert "Traceback" not in ran.err

    text = shop.runbook.read_text()
    broken(5, "", OFFSITE_SECRET="not-the-secret")
    broken(5, "", text.replace(shop.bucket, "no-such-bucket-here"))
    broken(5, "does not answer", text.replace(shop.s3.endpoint, "http://127.0.0.1:9"))
    empty = shop.s3.bucket("empty")
    broken(1, "no copies", text.replace(shop.bucket, empty))
    ran = drbook(
        "backups", runbook, **{k: v for k, v in shop.environment.items() if k != "OFFSITE_SECRET"}
    )
    assert ran.code == 5
    assert "OFFSITE_SECRET" in ran.err

    ran = drbook(
        "baseline",
        "capture",
        runbook,
        **(shop.environment | {"PROD_DSN": shop.dsn + "&dbname=absent"}),
    )
    assert ran.code == 5
    assert "does not exist" in ran.err


@pytest.mark.parametrize("name", ["truncated", "empty", "html"])
def test_a_newest_copy_that_is_not_what_it_claims_is_passed_over(  # type: ignore[no-untyped-def]
    drbook, shop: Shop, name: str
) -> None:
    good = shop.dump("-Fc")
    shop.store("shop-20260101T000000Z.dump", good)
    bad = {"truncated": good[: len(good) // 2], "empty": b"", "html": b"<html>504 Gateway</html>"}[
        name
    ]
    shop.store("shop-20260102T000000Z.dump", bad)
    ran = drbook(
        "rehearse",
        str(shop.runbook),
        "--headless",
        "--json",
        "--set",
        occurred(),
        **shop.environment,
    )
    told = ran.json()
    assert told["chosen"]["point"]["id"].endswith("20260101T000000Z.dump"), ran.err
    rejected = told["rejected"][0]
    assert rejected["verdict"] == "damaged"
    assert rejected["reasons"]


def test_a_disk_that_fills_while_downloading_keeps_what_arrived(drbook, shop: Shop) -> None:  # type: ignore[no-untyped-def]
    """A file size limit stands in for a full disk; a second attempt without it goes on."""
    shop.execute("INSERT INTO orders SELECT n, now() FROM generate_series(3000, 900000) n")
    shop.store("shop.dump", shop.dump("-Fc", "-Z0"))
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4 * 1024 * 1024, before[1]))
    try:
        arguments = ("rehearse", str(shop.runbook), "--headless", "--json", "--set", occurred())
        ran = drbook(*arguments, **shop.environment)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert ran.code == 1, ran.err
    assert "What arrived is kept" in ran.err
    assert "Traceback" not in ran.err
    parts = list(drbook.home.glob("incidents/*/copies/*.part"))
    assert len(parts) == 1
    assert parts[0].stat().st_size >= 1024 * 1024
