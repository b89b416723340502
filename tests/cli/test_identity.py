"""Where a runbook's author meets production's identity: lint, doctor, baseline."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from drbook.cli.main import cli
from drbook.core.baseline import Baseline, Identity, TableCounts
from drbook.providers.baselines import DirectoryBaselines

RUNBOOK = """
drbook: 1
title: Shop
production:
  database: {host: 127.0.0.1, port: 1, dbname: shop, user: reader}
  domain: {DOMAIN}
baselines: {kind: directory, path: STORE}
steps:
  - {id: locate, phase: locate, do: backups.locate}
  - id: restore
    phase: restore
    do: postgres.restore
    with: {point: "${{ steps.locate.point }}", target: {kind: database, server: {host: staging}}}
"""


@pytest.fixture
def runbook(tmp_path: Path) -> Path:
    (tmp_path / "store").mkdir()
    return write(tmp_path, "resource: vol-1")


def write(folder: Path, domain: str) -> Path:
    path = folder / "shop.yaml"
    text = RUNBOOK.replace("DOMAIN", domain).replace("STORE", str(folder / "store"))
    path.write_text(text)
    return path


def stored(folder: Path, resource: str) -> None:
    who = Identity(
        system_identifier="7000000000000000001", database="shop", database_oid=5,
        dialled="127.0.0.1:1/shop", resource=resource,
    )  # fmt: skip
    at = datetime(2026, 11, 20, tzinfo=UTC)
    counts = TableCounts(identity=who, taken_at=at, tables=())
    store = DirectoryBaselines(path=str(folder / "store")).open(lambda reference: "")
    store.save(Baseline(captured_at=at, counts=counts))


def run(*arguments: object) -> str:
    done = CliRunner().invoke(cli, [str(one) for one in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.stdout


@pytest.mark.parametrize(("resource", "known"), [("vol-1", True), ("vol-2", False), ("", False)])
def test_doctor_says_what_identifies_production(
    runbook: Path, tmp_path: Path, resource: str, known: bool
) -> None:
    stored(tmp_path, resource)
    told = json.loads(run("doctor", runbook, "--json"))
    assert [
        (one["basis"], one["system_identifier"], one["identifies_production"])
        for one in told["production"]
    ] == [("baseline", "7000000000000000001", known)]
    text = run("doctor", runbook)
    assert ("a given server is refused as a target" in text) is not known
    assert "production" not in json.loads(run("doctor", "--json"))


def test_a_baseline_shows_whose_it_is(runbook: Path, tmp_path: Path) -> None:
    stored(tmp_path, "vol-1")
    text = run("baseline", "show", runbook)
    assert "reached as         127.0.0.1:1/shop" in text
    assert "declared to be     vol-1" in text


def test_lint_says_what_a_given_server_as_target_needs(runbook: Path, tmp_path: Path) -> None:
    def said() -> str:
        told = json.loads(run("lint", "--json", runbook))
        assert told["problems"] == []
        return "; ".join(one["found"] for one in told["advice"])

    assert "`domain.resource`" not in said()
    write(tmp_path, "account: a")
    assert "no `domain.resource`" in said()
    text = runbook.read_text()
    lines = [line for line in text.splitlines() if not line.startswith("baselines:")]
    runbook.write_text("\n".join(lines))
    assert "a given server as target, and no `baselines`" in said()
    runbook.write_text(
        runbook.read_text().replace("{kind: database, server: {host: staging}}", "{kind: cluster}")
    )
    assert "a given server" not in said()
