"""A mode is enforced at the seam: what code can do that uses its ports and nothing else, by mode.

And a whole dry run, seen from outside: nothing changes but the incident's own folder.
"""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.footprint import footprint
from support.pg import Postgres, drain
from support.program import Drbook
from support.shop import Shop, occurred, running_shop
from support.web import WebServer, running_web

from drbook.app.vocabulary import vocabulary
from drbook.app.wiring import Wiring
from drbook.core import ports as doors
from drbook.core.actions import StepContext
from drbook.core.baseline import Baseline, Identity, TableCounts
from drbook.core.errors import DrbookError, NotExercised, Refused
from drbook.core.events import Mode
from drbook.core.fold import fold
from drbook.core.points import RecoveryPoint
from drbook.core.ports import Ports
from drbook.core.recovery import RecoveryAim
from drbook.core.reviewed import MergeWish, Proposal, Proposed
from drbook.core.targets import DatabaseRef, LocalCopy, Target
from drbook.journal.reader import read
from drbook.language.load import load
from drbook.providers.cancel import CancelToken
from drbook.providers.kinds import TARGETS
from drbook.providers.targets.kinds import ClusterTarget, DatabaseTarget

SECOND = timedelta(seconds=1)
SERVER = DatabaseRef(host="/nowhere", user="x")
IDENTITY = Identity(system_identifier="1", database="x", database_oid=1, server_version=180000)
COPY = LocalCopy(name="copies/x", size=1, sha256="0" * 64, checked="nothing")
BASELINE = Baseline(
    captured_at=datetime(2026, 11, 1, tzinfo=UTC),
    counts=TableCounts(identity=IDENTITY, taken_at=datetime(2026, 11, 1, tzinfo=UTC), tables=()),
)


def forged(**more: Any) -> Target:
    """A target that no incident made."""
    fields = {
        "kind": "cluster",
        "name": "forged",
        "nonce": "0" * 32,
        "location": "/nowhere",
        "connect": SERVER,
        "identity": IDENTITY,
        "proof": "believe me",
        "whole_server": True,
    }
    return Target.model_validate(fields | more)


@pytest.fixture
def web() -> Iterator[WebServer]:
    with running_web() as server:
        yield server


Open = Callable[[Mode], Ports]


@pytest.fixture
def opened(tmp_path: Path, web: WebServer) -> Iterator[Open]:
    """The doors of one step, in a mode. Its incident's folder is `incident`, in the test's."""
    incident = tmp_path / "incident"
    incident.mkdir()
    text = (
        f"drbook: 1\ntitle: T\nhosts: ['127.0.0.1:{web.port}']\n"
        f"baselines: {{kind: directory, path: '{tmp_path}/baselines'}}\n"
        "steps: [{id: a, phase: detect, do: manual}]\n"
    )
    (tmp_path / "baselines").mkdir()
    runbook = load(text.encode(), "r.yaml", vocabulary())
    held: list[Any] = []

    def open_(mode: Mode) -> Ports:
        wiring = Wiring(runbook, incident, mode, {"PATH": os.environ["PATH"]})
        entered = wiring.open(cast("StepContext", SimpleNamespace(resources=())), CancelToken())
        held.append((wiring, entered))
        return entered.__enter__()

    yield open_
    for wiring, entered in held:
        entered.__exit__(None, None, None)
        wiring.close()


Attempt = Callable[[Ports, WebServer], object]

PHYSICAL = RecoveryPoint(
    source="nowhere", id="x", taken_at=datetime(2026, 1, 1, tzinfo=UTC), taken_by="tool", size=1,
    format="physical", location="/nowhere",
)  # fmt: skip
WHAT = Proposed(
    made_at=datetime(2026, 1, 1, tzinfo=UTC), source=IDENTITY, production=IDENTITY, tables=()
)
REVIEWED, FORGED = (
    Proposal(artifact=f"artifacts/{sha256(one.bytes()).hexdigest()}.proposal.json", what=one)
    for one in (WHAT, WHAT.model_copy(update={"stand_in": forged()}))
)
ATTEMPTS: dict[str, Attempt] = {
    "Targets.create a cluster": lambda p, w: drain(p.targets.create(ClusterTarget(), "x", ())),
    "Targets.create a database": lambda p, w: drain(
        p.targets.create(DatabaseTarget(server=SERVER), "x", ())
    ),
    "Targets.create above": lambda p, w: drain(p.targets.create(ClusterTarget(), "../../evil", ())),
    "Targets.create anywhere": lambda p, w: drain(
        p.targets.create(ClusterTarget(), "/tmp/drbook-guard-evil", ())
    ),
    "Targets.recover": lambda p, w: drain(
        p.targets.recover(ClusterTarget(), "x", PHYSICAL, RecoveryAim(consistent=True), ())
    ),
    "Targets.recover anywhere": lambda p, w: drain(
        p.targets.recover(ClusterTarget(), "../../evil", PHYSICAL, RecoveryAim(end=True), ())
    ),
    "Targets.load": lambda p, w: drain(p.targets.load(forged(), COPY)),
    "Targets.load of production": lambda p, w: drain(
        p.targets.load(forged(kind="database", whole_server=False), COPY)
    ),
    "Targets.count": lambda p, w: drain(p.targets.count(forged())),
    "Targets.reach": lambda p, w: drain(p.targets.reach(forged())),
    "Targets.pages": lambda p, w: drain(p.targets.pages(forged())),
    "Processes.run outside": lambda p, w: drain(
        p.processes.run(["/bin/sh", "-c", "touch never"], declared="outside")
    ),
    "Processes.run the target": lambda p, w: drain(
        p.processes.run(["/bin/sh", "-c", "touch never"], declared="target")
    ),
    "Merges.rehearse": lambda p, w: drain(p.merges.rehearse(REVIEWED, MergeWish(SERVER))),
    "Merges.apply": lambda p, w: drain(p.merges.apply(REVIEWED, MergeWish(SERVER), "x")),
    "Merges.apply anywhere": lambda p, w: drain(
        p.merges.apply(REVIEWED, MergeWish(SERVER), "../../evil")
    ),
    "Merges.apply to a stand-in": lambda p, w: drain(
        p.merges.apply(FORGED, MergeWish(SERVER), "x")
    ),
    "Standbys.pause": lambda p, w: p.standbys.pause("late"),
    "Http.send POST": lambda p, w: sent(p, "POST", w.url()),
    "Http.send DELETE": lambda p, w: sent(p, "DELETE", w.url()),
    "Http.send elsewhere": lambda p, w: sent(p, "GET", "http://127.0.0.1:9/"),
    "Baselines.save": lambda p, w: p.baselines.save(BASELINE),
    "Artifacts.keep above": lambda p, w: p.artifacts.keep(b"x", "/../../evil"),
    "Artifacts.keep beside": lambda p, w: p.artifacts.keep(b"x", "/x"),
    "Artifacts.keep odd": lambda p, w: p.artifacts.keep(b"x", ".json\0"),
}


def sent(ports: Ports, method: str, url: str) -> object:
    return ports.http.send(method, url, headers={}, secret_headers={}, timeout=SECOND)


IN_A_DRILL = {"Processes.run the target", "Targets.create a cluster", "Baselines.save"}
"""What a drill lets pass: a fresh target and what fills it, and the named exception of a capture."""


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_nothing_passes_in_a_dry_run(
    attempt: str, opened: Open, web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ports = opened(Mode.DRY_RUN)
    before = footprint(tmp_path)
    with pytest.raises((NotExercised, Refused)):
        ATTEMPTS[attempt](ports, web)
    assert footprint(tmp_path) == before
    assert web.got == []


@pytest.mark.parametrize("attempt", sorted(ATTEMPTS.keys() - IN_A_DRILL))
def test_what_does_not_pass_in_a_drill(
    attempt: str, opened: Open, web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ports = opened(Mode.DRILL)
    before = footprint(tmp_path)
    with pytest.raises(DrbookError) as caught:
        ATTEMPTS[attempt](ports, web)
    assert caught.value.what
    assert footprint(tmp_path) == before
    assert web.got == []


@pytest.mark.parametrize("attempt", ["Processes.run outside", "Http.send POST", "Http.send DELETE"])
def test_what_passes_in_a_live_incident(
    attempt: str, opened: Open, web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other direction: these attempts are good ones, it is the mode that stops them."""
    monkeypatch.chdir(tmp_path)
    ATTEMPTS[attempt](opened(Mode.LIVE), web)
    assert web.got or (tmp_path / "never").exists()


READING = {
    "Artifacts.folder",
    "Backups.check",
    "Backups.facts",
    "Backups.fetch",
    "Backups.give_up",
    "Backups.left_out",
    "Backups.manifest",
    "Backups.points",
    "Backups.read_wal",
    "Backups.sources",
    "Backups.survey",
    "Backups.widen",
    "Baselines.listed",
    "Baselines.load",
    "Baselines.location",
    "Databases.count",
    "Databases.differences",
    "Databases.probe",
    "Databases.query",
    "Databases.stretches",
    "Merges.look",
    "Merges.propose",
    "Merges.undo",
    "Standbys.look",
    "Targets.foresee",
    "Targets.globals",
    "Targets.look",
    "Targets.preflight",
}
"""What reads in every mode; `Databases` is attacked in test_sql.py. `Backups.fetch` writes into the
incident's folder, which the dry run below shows, and so does `Merges.propose`."""


def test_every_verb_of_every_door_is_attacked_or_only_reads() -> None:
    """A new verb makes this fail until somebody says what it may do in which mode."""
    names = {"Databases", "Backups", "Baselines", "Targets", "Processes", "Http", "Artifacts"}
    names |= {"Standbys", "Merges"}
    verbs = {
        f"{name}.{verb}"
        for name in names
        for verb in vars(getattr(doors, name))
        if not verb.startswith("_")
    }
    attacked = {attempt.split(" ")[0] for attempt in ATTEMPTS}
    assert verbs == attacked | READING
    assert not attacked & READING
    assert {field.title() for field in Ports.__dataclass_fields__} == names | {
        "Clock",
        "Cancel",
        "Earlier",
        "Apart",
    }


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_doors_for_work_side_by_side_let_no_more_pass(
    attempt: str, opened: Open, web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one piece of a step's work is given is what the step has."""
    monkeypatch.chdir(tmp_path)
    before = footprint(tmp_path)
    with opened(Mode.DRY_RUN).apart(2) as apart, pytest.raises((NotExercised, Refused)):
        ATTEMPTS[attempt](apart.ports, web)
    if attempt not in IN_A_DRILL:
        with opened(Mode.DRILL).apart(2) as apart, pytest.raises(DrbookError):
            ATTEMPTS[attempt](apart.ports, web)
    assert footprint(tmp_path) == before
    assert web.got == []


def test_what_is_opened_apart_can_be_stopped_alone_and_stops_with_all(opened: Open) -> None:
    ports = opened(Mode.DRY_RUN)
    with ports.apart(2) as one, ports.apart(2) as other:
        one.stop()
        assert (one.ports.cancel.requested, other.ports.cancel.requested) == (True, False)
        assert not ports.cancel.requested
        cast(CancelToken, ports.cancel).request("cancel")
        assert other.ports.cancel.requested


def test_a_dry_run_asks_no_superuser(opened: Open, postgres: Postgres) -> None:
    ports = opened(Mode.DRY_RUN)
    with pytest.raises(Refused) as caught:
        ports.databases.query(postgres.ref, "SELECT 1", {}, limit=1, timeout=SECOND)
    assert caught.value.code == "superuser"
    reader = postgres.ref.model_copy(update={"user": "reader"})
    assert ports.databases.query(reader, "SELECT 1", {}, limit=1, timeout=SECOND).rows == (("1",),)


def test_a_forged_target_is_no_key_to_a_server(opened: Open, postgres: Postgres) -> None:
    """Everything about production is known to an action but the mark, which production does not carry."""
    ports = opened(Mode.DRILL)
    identity = ports.databases.probe(postgres.ref).identity
    assert identity is not None
    target = forged(kind="database", whole_server=True, connect=postgres.ref, identity=identity)
    (ports.artifacts.folder() / "copies").mkdir()
    postgres.dump(ports.artifacts.folder() / "copies" / "x", "--format=custom")
    with pytest.raises(Refused) as caught:
        drain(ports.targets.load(target, COPY))
    assert caught.value.code == "target-changed"


def test_a_live_incident_merges_nothing_that_is_no_artifact_of_its_own(opened: Open) -> None:
    """A proposal that fits its digest, and lies in no folder; and one against what is called a stand-in."""
    for proposal, code in ((REVIEWED, "merge-digest"), (FORGED, "merge-stand-in")):
        with pytest.raises(Refused) as caught:
            drain(opened(Mode.LIVE).merges.apply(proposal, MergeWish(SERVER), "x"))
        assert caught.value.code == code


def test_no_lease_of_a_restore_opens_what_a_merge_may_write_to(
    opened: Open, postgres: Postgres
) -> None:
    """And the other way about: production carries no mark, and a target is no production."""
    identity = opened(Mode.LIVE).databases.probe(postgres.ref).identity
    assert identity is not None
    what = WHAT.model_copy(update={"production": identity})
    ports = opened(Mode.LIVE)
    name = ports.artifacts.keep(what.bytes(), ".proposal.json")
    with pytest.raises(DrbookError) as caught:
        drain(ports.merges.apply(Proposal(artifact=name, what=what), MergeWish(postgres.ref), "x"))
    assert caught.value.code == "no-production"  # this runbook names none, whatever a proposal says
    target = forged(kind="database", connect=postgres.ref, identity=identity)
    (ports.artifacts.folder() / "copies").mkdir()
    postgres.dump(ports.artifacts.folder() / "copies" / "x", "--format=custom")
    with pytest.raises(Refused) as refused:
        drain(ports.targets.load(target, COPY))
    assert refused.value.code == "target-changed"


def test_no_server_is_started_on_a_folder_that_no_incident_made(
    opened: Open, tmp_path: Path
) -> None:
    """Such as the volume of a production that is down."""
    volume = tmp_path / "volume"
    (volume / "data").mkdir(parents=True)
    (volume / "data" / "PG_VERSION").write_text("18\n")
    ports = opened(Mode.DRILL)
    before = footprint(volume)
    for marker in ("", '{"target": "forged", "nonce": "another"}\n', "\xff"):
        if marker:
            (volume / "drbook-target.json").write_bytes(marker.encode("latin-1"))
            before = footprint(volume)
        for verb in (
            lambda: drain(ports.targets.count(forged(location=str(volume)))),
            lambda: drain(ports.targets.reach(forged(location=str(volume)))),
            lambda: drain(ports.targets.load(forged(location=str(volume)), COPY)),
        ):
            with pytest.raises(Refused) as caught:
                verb()
            assert caught.value.code == "target-changed"
    assert footprint(volume) == before


def test_kinds_of_target_are_those_that_were_tried() -> None:
    assert set(TARGETS()) == {"cluster", "database"}


# --- a whole dry run, seen from outside --------------------------------------------------------

STEPS = """
  - id: rows
    phase: detect
    needs: []
    do: sql
    with: {sql: "SELECT count(*) FROM orders"}
  - id: attack
    phase: detect
    needs: []
    do: sql
    with: {sql: "SELECT 1; DELETE FROM orders"}
    on_failure: continue
  - id: status
    phase: detect
    needs: []
    do: http
    with: {url: "http://127.0.0.1:WEB/status"}
  - id: stop
    phase: contain
    needs: []
    do: http
    with: {url: "http://127.0.0.1:WEB/stop", method: POST}
  - id: touch
    phase: contain
    needs: []
    do: shell
    with: {shell: "touch NEVER"}
  - id: fill
    phase: contain
    needs: []
    do: shell
    with: {shell: "touch NEVER", changes: target}
  - id: look
    phase: contain
    needs: []
    do: shell
    with: {shell: "ls -l", changes: nothing}
"""


@pytest.fixture
def shop(s3_server: Any, tmp_path: Path) -> Iterator[Shop]:
    with running_shop(s3_server, tmp_path) as made:
        yield made


def _production(shop: Shop) -> bytes:
    """What production holds, to the byte."""
    return shop.dump("--format=plain", "--restrict-key=same")


def _store(shop: Shop) -> object:
    client = shop.s3.client()
    listed = client.list_object_versions(Bucket=shop.bucket)
    return [
        (each["Key"], each["VersionId"], each["ETag"], each["LastModified"])
        for each in listed["Versions"]
    ], listed.get("DeleteMarkers")


def test_a_dry_run_changes_nothing_but_its_incident(
    shop: Shop, web: WebServer, tmp_path: Path
) -> None:
    """Everything that the test has on disk, before and after: files, database, bucket, requests."""
    shop.execute("CREATE ROLE reader LOGIN; GRANT pg_read_all_data TO reader")
    shop.environment["PROD_DSN"] = shop.dsn.replace("user=postgres", "user=reader")
    shop.store("shop.dump", shop.dump("-Fc"))
    text = shop.runbook.read_text() + STEPS + f"hosts: ['127.0.0.1:{web.port}']\n"
    text = text.replace("WEB", str(web.port)).replace("NEVER", str(tmp_path / "never"))
    shop.runbook.write_text(text)
    program = Drbook(tmp_path / "state")
    for name in ("state", "home", "scratch", "baselines", "cwd"):
        (tmp_path / name).mkdir()
    around = shop.environment | {
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "scratch"),
    }

    server = [shop.server.folder]  # a running server writes there by itself; it is asked instead
    before = footprint(tmp_path, without=server), _production(shop), _store(shop)
    ran = program(
        *("rehearse", str(shop.runbook), "--dry-run", "--headless", "--json", "--set", occurred()),
        cwd=tmp_path / "cwd",
        **around,
    )
    incident = tmp_path / "state" / "incidents" / ran.json()["incident"]
    after = footprint(tmp_path, without=[*server, incident]), _production(shop), _store(shop)

    new = after[0].keys() - before[0].keys()
    assert new == {"state/incidents"}
    assert {path: after[0][path] for path in before[0]} == before[0]
    assert after[1:] == before[1:]
    assert [(got.method, got.target) for got in web.got] == [("GET", "/status")]
    # And it did look: the copy was fetched into the incident, the query ran, the list was printed.
    assert any((incident / "copies").iterdir())
    steps = fold(read(incident / "journal.jsonl")).steps
    states = {name: step.state.value for name, step in steps.items()}
    reading = {name: states[name] for name in ("rows", "status", "look", "locate", "attack")}
    assert reading == {
        "rows": "succeeded",
        "status": "succeeded",
        "look": "succeeded",
        "locate": "succeeded",
        "attack": "failed",
    }
    writing = {states[name] for name in ("stop", "touch", "fill", "restore")}
    assert writing == {"not-exercised"}


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "new").write_text("x"),
        lambda root: (root / "old").write_text("y"),
        lambda root: (root / "old").chmod(0o600),
        lambda root: (root / "old").unlink(),
        lambda root: (root / "folder").rmdir(),
        lambda root: ((root / "link").unlink(), (root / "link").symlink_to("elsewhere")),
        lambda root: os.utime(root / "old", ns=(1, 1)),
    ],
)
def test_a_footprint_would_show_a_change(change: Callable[[Path], object], tmp_path: Path) -> None:
    (tmp_path / "old").write_text("x")
    (tmp_path / "old").chmod(0o644)
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("old")
    before = footprint(tmp_path)
    assert footprint(tmp_path) == before
    change(tmp_path)
    assert footprint(tmp_path) != before
