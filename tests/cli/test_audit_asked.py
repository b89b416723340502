"""`drbook audit --ask` on planted credentials: who is asked, what is believed, and that no value is said."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.planted import Planted, plant

from drbook.app import asking
from drbook.cli.main import cli
from drbook.core.iampowers import BUCKET_ACTIONS, OBJECT_ACTIONS, WIDER_ACTIONS, Decision, Simulated
from drbook.core.railwaypowers import Holder, Project
from drbook.providers.credvalues import Held
from drbook.providers.hiding import Secret
from drbook.providers.s3config import S3Place

ACCOUNT = "111122223333"
RUNBOOK = """
drbook: 1
title: Shop database lost
production:
  domain: {provider: railway, account: shop, project: rental, resource: vol-1, credentials: [deploy-token]}
credentials:
  deploy-token: {stored_in: [laptops]}
  writer: {stored_in: [backup-host]}
backups:
  - {id: offsite, kind: s3, format: pg_dump, bucket: acme-offsite, prefix: nightly/, profile: offsite,
     domain: {provider: aws, account: "111122223333", resource: acme-offsite, credentials: [writer]}}
steps:
  - {id: locate, phase: locate, do: backups.locate, with: {check: quick}}
"""


@dataclass
class Asked:
    """Answers by value, and what was asked."""

    deadly: str
    account: str
    seen: list[str] = field(default_factory=list)

    def aws(self, held: Held, stores: Sequence[S3Place]) -> Sequence[Simulated]:
        self.seen.append(held.value.reveal())
        allowed = {"s3:DeleteObjectVersion"} if held.value.reveal() == self.deadly else set()
        every = (*OBJECT_ACTIONS, *BUCKET_ACTIONS, *WIDER_ACTIONS)
        decisions = tuple(Decision(action=one, allowed=one in allowed) for one in every)
        return [Simulated(account=ACCOUNT, decisions=decisions, policy_known=True) for _ in stores]

    def railway(self, token: Secret, kind: str) -> Holder:
        self.seen.append(token.reveal())
        if token.reveal() == self.account:
            seen = (Project(id="p-1", name="rental"),)
            return Holder(kind="account", projects=seen)
        other = (Project(id="p-2", name="blog"),)
        return Holder(kind="project", projects=other, whole=True, environment="production")


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planted:
    made = plant(tmp_path)
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    # No name of a bucket is looked up: whoever answers, it is nobody.
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "shop.yaml").write_text(RUNBOOK)
    return made


@pytest.fixture
def asked(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> Asked:
    made = Asked(planted.values["writer"], planted.values["deploy"])
    monkeypatch.setattr(asking, "ask_aws", made.aws)
    monkeypatch.setattr(asking, "ask_railway", made.railway)
    return made


def audit(planted: Planted, *more: str) -> Result:
    arguments = ["audit", str(planted.root / "shop.yaml"), str(planted.repo), "--quick", *more]
    return CliRunner().invoke(cli, arguments, standalone_mode=False)


def mights(ran: Result) -> dict[str, tuple[str, ...]]:
    assert ran.exception is None, ran.output
    return {
        f"{one['found']['kind']} {one['found']['name']}": tuple(
            power["might"] for power in one["powers"]
        )
        for one in json.loads(ran.stdout)["credentials"]
    }


def test_what_each_may_is_what_was_answered(planted: Planted, asked: Asked) -> None:
    found = mights(audit(planted, "--ask", "--json"))
    assert found["aws long-lived key offsite"] == ("unknown", "destroys")
    assert found["aws session key old"] == ("unknown", "cannot")
    assert found["railway account or workspace token RAILWAY_API_TOKEN"] == ("destroys", "unknown")
    assert found["railway login token"] == ("destroys", "unknown")
    assert found["railway project token RAILWAY_TOKEN"] == ("cannot", "unknown")
    wanted = [planted.values[name] for name in ("deploy", "project", "writer", "session")]
    assert sorted(asked.seen) == sorted(wanted), "each value once, and nothing but these kinds"


def test_nobody_is_asked_unasked(planted: Planted, asked: Asked) -> None:
    found = mights(audit(planted, "--json"))
    assert asked.seen == []
    assert found["aws session key old"] == ("unknown", "unknown")


def test_what_was_asked_is_never_said(planted: Planted, asked: Asked, tmp_path: Path) -> None:
    said = [audit(planted, "--ask", "-o", "audit.html").output]
    said += [audit(planted, "--ask", "--json").output, Path("audit.html").read_text()]
    assert all("Railway says it is" in " ".join(each.split()) for each in said)
    for name, form in planted.forms():
        for each in said:
            assert form not in each, name


def test_a_machine_with_both_answers_is_said_to_take_all(planted: Planted, asked: Asked) -> None:
    (kill,) = json.loads(audit(planted, "--ask", "--json").stdout)["kills"]
    assert kill["what"] == "this machine"
    assert len(kill["fingerprints"]) == 2
