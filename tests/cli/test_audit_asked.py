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
from drbook.app.inspect import Inspection
from drbook.cli.main import cli
from drbook.core.baseline import Identity
from drbook.core.bucketfacts import StoreFacts
from drbook.core.bucketpolicy import Effect, Ruling
from drbook.core.errors import CouldNotVerify
from drbook.core.iampowers import BUCKET_ACTIONS, OBJECT_ACTIONS, WIDER_ACTIONS, Decision, Simulated
from drbook.core.logins import Asked as LoginAsked
from drbook.core.logins import Login
from drbook.core.railwaypowers import Holder, Project
from drbook.core.roles import RoleFacts
from drbook.providers.credvalues import Held
from drbook.providers.hiding import Secret
from drbook.providers.s3config import S3Place

ACCOUNT = "111122223333"
RUNBOOK = """
drbook: 1
title: Shop database lost
production:
  database: {host: db.example, port: 1, dbname: shop, user: app}
  domain: {provider: railway, account: shop, project: rental, resource: vol-1, credentials: [deploy-token]}
credentials:
  deploy-token: {stored_in: [laptops]}
  writer: {stored_in: [backup-host]}
backups:
  - {id: offsite, kind: s3, format: pg_dump, bucket: acme-offsite, prefix: nightly/, profile: offsite,
     domain: {provider: aws, account: "111122223333", resource: acme-offsite, credentials: [writer]}}
  - {id: cellar, kind: s3, format: pg_dump, bucket: cellar, prefix: nightly/, endpoint: "http://127.0.0.1:1",
     access_key: "env:STORE_KEY_ID", secret_key: "env:STORE_SECRET",
     domain: {provider: own, account: cellar, resource: cellar, credentials: [writer]}}
steps:
  - {id: locate, phase: locate, do: backups.locate, with: {check: quick}}
"""


@dataclass
class Asked:
    """Answers by value, and what was asked."""

    deadly: str
    account: str
    seen: list[str] = field(default_factory=list)
    owners: tuple[str, ...] = ()
    refused: str = ""
    open_store: bool = False
    logins: list[tuple[str, str, str]] = field(default_factory=list)
    stores: list[tuple[str, str]] = field(default_factory=list)

    def aws(self, held: Held, stores: Sequence[S3Place]) -> Sequence[Simulated]:
        self.seen.append(held.value.reveal())
        allowed = {"s3:DeleteObjectVersion"} if held.value.reveal() == self.deadly else set()
        every = (*OBJECT_ACTIONS, *BUCKET_ACTIONS, *WIDER_ACTIONS)
        decisions = tuple(Decision(action=one, allowed=one in allowed) for one in every)
        return [Simulated(account=ACCOUNT, decisions=decisions, policy_known=True) for _ in stores]

    def store(self, held: Held, place: S3Place) -> StoreFacts:
        self.stores.append((held.value.reveal(), place.bucket))
        allowed = Ruling(
            action="s3:DeleteObjectVersion", effect=Effect.ALLOWED, everybody=True, why="it allows"
        )
        return StoreFacts(rulings=(allowed,) if self.open_store else ())

    def postgres(self, login: Login, password: Secret) -> LoginAsked:
        """Every login of production's address is a reader, but for the given ones."""
        self.logins.append((password.reveal(), login.user, login.where))
        if password.reveal() == self.refused:
            why = "password authentication failed"
            return LoginAsked(login=login, outcome="refused", why=why)
        bare = dict.fromkeys((name for name in RoleFacts.model_fields if name != "database"), False)
        owns = password.reveal() in self.owners
        facts = RoleFacts(database=login.database, **bare | {"owns_database": owns})
        at = "7" if login.host == "db.example" and login.port == "1" else "8"
        who = Identity(system_identifier=at, database=login.database, database_oid=5)
        return LoginAsked(login=login, outcome="told", facts=facts, identity=who)

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
    monkeypatch.setattr(asking, "ask_postgres", made.postgres)
    monkeypatch.setattr(asking, "ask_store", made.store)
    nobody = "connection refused"
    monkeypatch.setattr(Inspection, "identities", lambda _: [])
    monkeypatch.setattr(
        Inspection, "query", lambda *_: (_ for _ in ()).throw(CouldNotVerify(nobody))
    )
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
    assert found["aws long-lived key offsite"] == ("unknown", "destroys", "unknown")
    assert found["aws session key old"] == ("unknown", "cannot", "unknown")
    account = "railway account or workspace token RAILWAY_API_TOKEN"
    assert found[account] == ("destroys", "unknown", "unknown")
    assert found["railway login token"] == ("destroys", "unknown", "unknown")
    assert found["railway project token RAILWAY_TOKEN"] == ("cannot", "unknown", "unknown")
    wanted = [planted.values[name] for name in ("deploy", "project", "writer", "session")]
    assert sorted(asked.seen) == sorted(wanted), "each value once, and nothing but these kinds"


def test_nobody_is_asked_unasked(planted: Planted, asked: Asked) -> None:
    found = mights(audit(planted, "--json"))
    assert asked.seen == asked.logins == asked.stores == []
    assert found["aws session key old"] == ("unknown", "unknown", "unknown")


def test_what_was_asked_is_never_said(planted: Planted, asked: Asked, tmp_path: Path) -> None:
    said = [audit(planted, "--ask", "-o", "audit.html").output]
    said += [audit(planted, "--ask", "--json").output, Path("audit.html").read_text()]
    assert all("Railway says it is" in " ".join(each.split()) for each in said)
    for name, form in planted.forms():
        for each in said:
            assert form not in each, name


def test_a_machine_with_both_answers_is_said_to_take_all(planted: Planted, asked: Asked) -> None:
    asked.open_store = True
    with_store(planted)
    (kill,) = json.loads(audit(planted, "--ask", "--json").stdout)["kills"]
    assert kill["what"] == "this machine"
    assert len(kill["fingerprints"]) == 3


def with_store(planted: Planted) -> None:
    """The runbook's own key of its second store lies in the environment too."""
    os.environ.update(STORE_KEY_ID="store-writer", STORE_SECRET=planted.values["store"])


def reasons(ran: Result) -> dict[str, tuple[str, str]]:
    """By place and line: what each can do to production, and why."""
    assert ran.exception is None, ran.output
    return {
        f"{Path(one['found']['place']).name}:{one['found']['line']}": (
            one["powers"][0]["might"],
            one["powers"][0]["reason"],
        )
        for one in json.loads(ran.stdout)["credentials"]
        if one["found"]["kind"] == "postgres password"
    }


def test_every_login_of_postgres_is_asked_at_its_own_server_and_told_right(
    planted: Planted, asked: Asked
) -> None:
    value = planted.values
    asked.owners, asked.refused = (value["beside-host"],), value["service"]
    found = reasons(audit(planted, "--ask", "--json"))
    assert {place: might for place, (might, _) in found.items()} == {
        ".env.railway:6": "destroys",
        ".env.railway:1": "unknown",  # nobody knows whose server that is
        ".env.container:3": "unknown",
        ".env.container:2": "unknown",
        ".pgpass:2": "unknown",
        ".pgpass:3": "cannot",
        ".pgpass:4": "unknown",
        "services.conf:5": "cannot",
        ".bash_history:2": "unknown",
        ".bash_history:3": "unknown",
    }
    for place, words in {
        ".env.railway:6": "can drop the database shop, which it owns",
        ".env.railway:1": "it can read only: it owns nothing there and may change no row, at proxy",
        ".env.container:2": "not asked: the place of this password names no server",
        ".bash_history:3": "not asked: the place of this password names no server",
        ".pgpass:4": "not asked: it holds for servers that neither the runbook nor a service names",
        "services.conf:5": "does not open db.example:1/ops: password authentication failed",
    }.items():
        assert words in found[place][1], place
    assert sorted(asked.logins) == sorted(
        [
            (value["beside-host"], "app", "db.example:1/shop"),
            (value["proxied"], "postgres", "proxy.example:7777/railway"),
            (value["conninfo"], "ops", "old.example:5432/shop"),
            (value["pgpass"], "ops", "db.example:5432/shop"),
            (value["anywhere"], "night", "db.example:1/shop"),
            (value["anywhere"], "night", "db.example:1/ops"),
            (
                value["anywhere"],
                "night",
                "db.example:1/shop",
            ),  # as the service's server is production's
            (value["service"], "ops", "db.example:1/ops"),
            (value["url"], "ops", "other.example:5432/shop"),
        ]
    )


def test_the_store_is_asked_only_with_the_key_that_the_runbook_opens_it_with(
    planted: Planted, asked: Asked
) -> None:
    audit(planted, "--ask", "--json")
    assert asked.stores == [], "no found key is one of the store's, as far as anybody says"
    with_store(planted)
    found = mights(audit(planted, "--ask", "--json"))
    assert asked.stores == [(planted.values["store"], "cellar")]
    assert found["s3 key STORE_SECRET"] == ("unknown", "unknown", "unknown")
    asked.open_store = True
    found = mights(audit(planted, "--ask", "--json"))
    assert found["s3 key STORE_SECRET"] == ("unknown", "unknown", "destroys")


def test_one_login_of_postgres_that_takes_all_is_said_first_everywhere(
    planted: Planted, asked: Asked
) -> None:
    """Whoever holds production reads the host where the backups' credential lies."""
    runbook = planted.root / "shop.yaml"
    text = runbook.read_text().replace("project: rental,", "project: rental, reads: [backup-host],")
    runbook.write_text(text)
    asked.owners = (planted.values["beside-host"],)
    asked.account = ""
    ran = audit(planted, "--ask", "-o", "audit.html")
    assert ran.stdout.startswith("!! ONE LOSS TAKES ALL: one credential")
    assert "can drop the database shop" in " ".join(ran.stdout.split())
    document = json.loads(audit(planted, "--ask", "--json").stdout)
    assert document["exit_code"] == ran.return_value == 1
    (kill,) = document["kills"]
    assert kill["what"] == "one credential"
    assert ".env.railway:6" in kill["where"]
    assert kill["things"] == ["production data", "offsite", "cellar"]
    graph = Path("audit.html").read_text().split("<svg", 1)[1].split("</svg>")[0]
    names = [line for line in graph.splitlines() if line.startswith("<text")]
    assert "takes all: " in names[0]
    assert "PGPASSWORD" in names[0]
    assert graph.count('class="destroys kills"') == 3
