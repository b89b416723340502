"""`drbook audit --prove-locks` on real buckets: asked before, recorded before, and believed afterwards."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support import lockliars

from drbook.app import locks
from drbook.app.places import Home
from drbook.cli.main import cli
from drbook.core.errors import DrbookError, UsageError
from drbook.core.lockproofs import NAME

RUNBOOK = """
drbook: 1
title: Shop database lost
production: {{domain: {{provider: railway, account: shop, resource: vol-1, credentials: [deploy-token]}}}}
credentials: {{deploy-token: {{stored_in: [laptops]}}, writer: {{stored_in: [backup-host]}}}}
backups:
  - {{id: offsite, kind: s3, format: pg_dump, bucket: {bucket}, prefix: nightly/, endpoint: "{endpoint}",
     access_key: "env:SHOP_KEY_ID", secret_key: "env:SHOP_SECRET",
     domain: {{provider: aws, account: "1", resource: {bucket}, credentials: [writer]}}}}
steps:
  - {{id: locate, phase: locate, do: backups.locate, with: {{check: quick, require: [resource, account]}}}}
"""
Audit = Callable[..., Result]


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    path = os.environ["PATH"]
    for name in list(os.environ):
        monkeypatch.delenv(name)
    around = {"PATH": path, "HOME": str(tmp_path / "mine"), "DRBOOK_HOME": str(tmp_path / "state")}
    around |= {"SHOP_KEY_ID": "admin", "SHOP_SECRET": "admin-secret"}
    for name, value in around.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")

    def run(endpoint: str, bucket: str, *more: str, **options: Any) -> Result:
        book = tmp_path / "shop.yaml"
        book.write_text(RUNBOOK.format(bucket=bucket, endpoint=endpoint))
        arguments = ["audit", str(book), "--quick", *more]
        return CliRunner().invoke(cli, arguments, standalone_mode=False, **options)

    return run


def lines(ran: Result) -> dict[str, tuple[str, str]]:
    assert ran.exception is None, ran.output
    assert "admin-secret" not in ran.output
    told = json.loads(ran.stdout)["copies"]
    return {line["name"]: (line["answer"], line["reason"]) for line in told}


def keep(client: Any, bucket: str) -> None:
    client.put_object(
        Bucket=bucket,
        Key="nightly/a.dump",
        Body=b"PGDMP" + b"x" * 2000,
        ObjectLockMode="COMPLIANCE",
        ObjectLockRetainUntilDate=datetime.now(UTC) + timedelta(days=40),
        ChecksumAlgorithm="SHA256",
    )


def test_a_lock_that_was_tried_is_believed_from_then_on(
    audit: Audit, s3_server: Any, tmp_path: Path
) -> None:
    bucket = s3_server.bucket(locked=True)
    keep(s3_server.client(), bucket)
    at = (s3_server.endpoint, bucket)
    assert lines(audit(*at, "--json"))["1 immutable"][0] == "unknown"
    ran = audit(*at, "--prove-locks", "--yes", "--json")
    found = lines(ran)
    assert found["lock offsite"][0] == found["1 immutable"][0] == "pass"
    assert "this will be written" in ran.stderr
    assert json.loads(ran.stdout)["locks"][0]["attempts"][4]["name"] == "delete"
    assert lines(audit(*at, "--json"))["1 immutable"][0] == "pass", "it is on record"
    record = (tmp_path / "state" / locks.RECORD).read_text().splitlines()
    assert [next(iter(json.loads(line))) for line in record] == ["begun", "ended"]


def test_a_liar_is_found_out(audit: Audit, tmp_path: Path) -> None:
    with lockliars.rclone(tmp_path) as endpoint:
        client = lockliars.client(endpoint)
        client.create_bucket(Bucket="liar")
        keep(client, "liar")
        ran = audit(endpoint, "liar", "--prove-locks", "--yes", "--json", "-o", "audit.html")
        found = lines(ran)
        assert ran.return_value == 1
        assert found["lock offsite"][0] == "fail"
        assert "FOUND OUT" in found["lock offsite"][1]
        assert found["1 immutable"] == ("fail", "no usable copy is locked")
        assert "FOUND OUT" in Path("audit.html").read_text()
        shown = audit(endpoint, "liar", "--prove-locks", "--yes")
        assert "ALLOWED  shorten" in shown.stdout
        assert max(map(len, shown.stdout.splitlines())) <= 80


def test_nothing_is_written_where_nobody_agreed(
    audit: Audit, s3_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = s3_server.bucket(locked=True)
    ran = audit(s3_server.endpoint, bucket, "--prove-locks")
    assert isinstance(ran.exception, UsageError)
    assert ran.exception.code == "prove-locks-yes"
    assert NAME in ran.stderr
    monkeypatch.setattr("drbook.cli.audit.may_ask", lambda: True)
    ran = audit(s3_server.endpoint, bucket, "--prove-locks", input="n\n")
    assert isinstance(ran.exception, DrbookError)
    assert ran.exception.code == "aborted"
    assert "Versions" not in s3_server.client().list_object_versions(Bucket=bucket)
    assert not (tmp_path / "state" / locks.RECORD).exists()


def test_nothing_is_written_that_cannot_be_recorded(
    audit: Audit, s3_server: Any, tmp_path: Path
) -> None:
    bucket = s3_server.bucket(locked=True)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / locks.RECORD).mkdir()
    ran = audit(s3_server.endpoint, bucket, "--prove-locks", "--yes")
    assert isinstance(ran.exception, DrbookError)
    assert ran.exception.code == "lock-proof-record"
    assert "Versions" not in s3_server.client().list_object_versions(Bucket=bucket)


def test_a_bucket_without_locks_is_left_alone(audit: Audit, s3_server: Any) -> None:
    bucket = s3_server.bucket(versioned=True)
    ran = audit(s3_server.endpoint, bucket, "--prove-locks", "--json")
    assert not [name for name in lines(ran) if name.startswith("lock")]
    assert "Not tried: offsite" in ran.stderr
    assert "Versions" not in s3_server.client().list_object_versions(Bucket=bucket)


@pytest.mark.parametrize("text", ["{", "[]", '{"ended": {}}', '{"other": 1}', "\x00", "{}", "1"])
def test_a_record_that_cannot_be_read_proves_nothing_and_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / locks.RECORD).write_text(text + "\n")
    known = locks.known(Home(tmp_path))
    assert known.ended == known.begun == []
    assert known.doubts == [f"1 lines of {locks.RECORD} cannot be read"]
