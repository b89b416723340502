"""A real standby as a source: what it says, when it counts, its pause, and the dump that is made of it."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from support.pattern import create
from support.pg import drain, signals_of
from support.standby import ROWS, Pair, pair, rows_of, until, value

from drbook.actions.locate import Locate, LocateParams
from drbook.actions.replay import PauseParams, PauseReplay, PauseResult
from drbook.actions.restore import Restore
from drbook.app.vocabulary import vocabulary
from drbook.app.wiring import Wiring
from drbook.core.actions import Finished, StepContext
from drbook.core.errors import CouldNotVerify, Refused, StepFailed
from drbook.core.events import Mode, StepEnd
from drbook.core.located import Located
from drbook.core.points import Judgement, Verdict
from drbook.core.results import RestoreResult
from drbook.core.runbook import RunbookDocument
from drbook.core.signals import Milestone
from drbook.core.standby import PAUSE, RESUME
from drbook.core.targets import DatabaseRef
from drbook.language.load import load
from drbook.providers.cancel import CancelToken
from drbook.providers.pgserver import ClusterServer, server_user
from drbook.providers.pgtools import find_tools
from drbook.providers.targets.kinds import ClusterTarget

pytestmark = pytest.mark.xdist_group("standby")  # one worker makes the servers, once


@pytest.fixture(scope="module")
def site() -> Iterator[Pair]:
    with tempfile.TemporaryDirectory(prefix="drbook-test-") as folder:
        if server_user() == "nobody":
            Path(folder).chmod(0o711)
        tools = next(one for one in find_tools() if one.origin == "extra")
        made = pair(tools, Path(folder))
        yield made
        made.stop()


@pytest.fixture(autouse=True)
def as_before(site: Pair) -> Iterator[None]:
    yield
    while site.made:
        last = site.made.pop()
        last.stop()
        shutil.rmtree(last.folder)
    rows_of(
        site.production,
        f"INSERT INTO bookings SELECT n, 'booking ' || n FROM generate_series(1, {ROWS}) n"
        " ON CONFLICT DO NOTHING",
    )


class World:
    """One incident of a runbook whose source is a standby, with the doors of its mode."""

    def __init__(self, site: Pair, folder: Path, mode: Mode = Mode.LIVE) -> None:
        self.site, self.folder, self.mode = site, folder, mode
        self.occurred: datetime | None = None
        self.environment = {"PATH": os.environ["PATH"]}
        folder.mkdir(exist_ok=True)

    def document(self, *sources: str, production: str = "") -> bytes:
        listed = "\n".join(f"  - {each}" for each in sources)
        return (
            "drbook: 1\ntitle: T\n"
            "production: {domain: {provider: here, account: a, resource: vol-1, credentials: [p]}"
            f"{production}}}\ncredentials: {{p: {{stored_in: [db]}}, s: {{stored_in: [late]}}}}\n"
            f"backups:\n{listed}\nsteps: [{{id: a, phase: detect, do: manual}}]\n"
        ).encode()

    def source(self, server: ClusterServer, user: str = "watcher", more: str = "") -> str:
        found = self.site.ref(server, user)
        return self.entry(reach(found), more)

    def entry(self, database: str, more: str = "") -> str:
        domain = "domain: {provider: there, account: b, resource: late-1, credentials: [s]}"
        return f"{{id: late, kind: standby, database: {database}, {more}{domain}}}"

    def open(self, text: bytes) -> Any:
        runbook = load(text, "r.yaml", vocabulary())
        self.wiring = Wiring(runbook, self.folder, self.mode, self.environment)
        self.context = StepContext(
            incident="i-1", mode=self.mode, step="a", attempt=1, title="", occurred=self.occurred,
            document=cast("RunbookDocument", runbook.document),
        )  # fmt: skip
        return self.wiring.open(self.context, CancelToken())

    def located(self, text: bytes, **params: Any) -> tuple[Located, Finished, list[str]]:
        with self.open(text) as ports:
            done, said = signals_of(
                Locate().perform(LocateParams.model_validate(params), self.context, ports)
            )
        assert isinstance(done.result, Located)
        return done.result, done, [each.text for each in said if isinstance(each, Milestone)]

    def paused(self, text: bytes) -> tuple[Finished, list[str]]:
        with self.open(text) as ports:
            done, said = signals_of(
                PauseReplay().perform(PauseParams(source="late"), self.context, ports)
            )
        return done, [each.text for each in said if isinstance(each, Milestone)]

    def restored(self, text: bytes, located: Located) -> RestoreResult:
        action = Restore({"cluster": ClusterTarget})
        with self.open(text) as ports:
            params = action.params.model_validate({"point": located.point})
            done = drain(action.perform(params, self.context, ports))
            result = cast("RestoreResult", done.result)
            counts = drain(ports.targets.count(result.target))
            self.rows = {row.table: row.rows for row in counts.tables}
        self.wiring.close()
        return result


def reach(ref: DatabaseRef) -> str:
    return f"{{host: '{ref.host}', port: {ref.port}, user: {ref.user}, dbname: {ref.dbname}}}"


@pytest.fixture
def world(site: Pair, tmp_path: Path) -> World:
    return World(site, tmp_path / "incident")


def only(located: Located) -> Judgement:
    (found,) = located.judgements
    return found


# --- the road ----------------------------------------------------------------------------------


def test_a_delayed_standby_is_paused_before_the_loss_arrives_and_restored(
    site: Pair, world: World
) -> None:
    late = site.standby("late", "1h")
    world.occurred = site.loss()
    site.received(late)
    assert value(site.production, "SELECT count(*) FROM bookings") == 0
    text = world.document(
        world.source(late, more=f"control: {reach(site.ref(late))}, "),
        production=f", database: {reach(site.ref(site.production))}",
    )

    located, done, said = world.located(text)
    found = only(located)
    assert located.point is None
    assert found.verdict is Verdict.RECOVERABLE
    arrives = (world.occurred + timedelta(hours=1)).strftime("%H:%M:%S")
    assert "the loss reaches this standby at" in found.recoverable
    assert arrives in found.recoverable
    assert "s: pause its replay now" in found.recoverable
    assert "deleted here 1 h 00 m later" in " ".join(found.reasons)
    assert done.state is StepEnd.FAILED
    assert "Then run this step again" in done.next
    assert any("to be paused first" in line for line in said)
    (way,) = located.ways
    assert (way.kind, way.loss_seconds is not None) == ("promote", True)
    assert "pause its replay first" in way.risk

    done, said = world.paused(text)
    assert done.state is StepEnd.SUCCEEDED
    assert RESUME in done.reason
    assert any("to undo it" in line for line in said)
    result = cast("PauseResult", done.result)
    assert result.replay.pause in ("paused", "pause requested")
    assert result.replay.held

    located, done, _ = world.located(text)
    assert located.point is not None
    assert only(located).verdict is Verdict.INDEPENDENT
    assert located.point.taken_by == "production"
    assert done.state is StepEnd.SUCCEEDED
    assert located.local_copy is not None
    (way,) = located.ways[:1]
    assert "recovery_target_lsn" in " ".join(each.risk for each in located.ways)

    restored = world.restored(text, located)
    assert restored.copy_used is not None
    assert world.rows["public.bookings"] == ROWS
    assert value(late, "SELECT pg_is_in_recovery()") is True
    assert value(late, "SELECT count(*) FROM bookings") == ROWS
    assert value(site.production, "SELECT count(*) FROM bookings") == 0


def test_an_undelayed_standby_already_holds_the_loss(site: Pair, world: World) -> None:
    plain = site.standby("plain")
    world.occurred = site.loss()
    until(lambda: value(plain, "SELECT count(*) FROM bookings") == 0)
    located, _, _ = world.located(world.document(world.source(plain)))
    found = only(located)
    assert (located.point, found.verdict) == (None, Verdict.SHARED)
    assert "what happened is in it" in found.reasons[0]
    assert any("deleted here at once" in each for each in found.reasons)
    assert located.ways == ()


def test_without_a_pause_it_is_never_independent(site: Pair, world: World) -> None:
    """In calm times too, when nobody has said that anything was lost."""
    late = site.shared()
    located, _, _ = world.located(world.document(world.source(late)), require=["resource"])
    assert only(located).verdict is Verdict.RECOVERABLE
    assert "1 h 00 m after it was committed" in only(located).recoverable


def test_what_replay_holds_locked_is_told_and_promoted_to_where_it_stands(
    site: Pair, world: World
) -> None:
    """A TRUNCATE locks its table on the standby before its commit, so that nobody can dump it; pg_promote()
    replays it, and the way that is told does not."""
    late = site.standby("late", "1h")
    world.occurred = site.now()
    rows_of(site.production, "TRUNCATE bookings")
    site.received(late)
    until(lambda: rows_of(late, "SELECT 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock'"))
    rows_of(late, PAUSE)
    located, _, _ = world.located(world.document(world.source(late)))
    assert (located.point, only(located).verdict) == (None, Verdict.UNKNOWN)
    assert "replay holds public.bookings locked" in only(located).reasons[0]
    told = next(each.risk for each in located.ways if each.kind == "promote")
    begin = told.index("ALTER SYSTEM")
    for statement in told[begin : told.index("; then pg_ctl")].split("; "):
        rows_of(late, statement)
    late.stop()
    other = ClusterServer(late.tools, site.folder / "other", name="other")
    other.make_folder()
    shutil.copytree(late.data, other.data, symlinks=True)
    (other.data / "postgresql.auto.conf").write_text("primary_conninfo = ''\n")
    drain(late.start({"fsync": "off"}))
    until(lambda: value(late, "SELECT NOT pg_is_in_recovery()"))
    assert value(late, "SELECT count(*) FROM bookings") == ROWS
    site.made.append(other)
    drain(other.start({"fsync": "off", "recovery_min_apply_delay": "1h"}))
    rows_of(other, PAUSE)
    rows_of(other, "SELECT pg_promote()")
    assert value(other, "SELECT count(*) FROM bookings") == 0


# --- what it says and does not -----------------------------------------------------------------


def test_a_standby_that_was_promoted_is_a_finding_and_no_point(site: Pair, world: World) -> None:
    late = site.standby("late")
    rows_of(late, "SELECT pg_promote()")
    located, done, _ = world.located(world.document(world.source(late)))
    assert located.judgements == ()
    assert "no standby (any more)" in located.unreachable[0].why_unreachable
    assert done.state is StepEnd.COULD_NOT_VERIFY
    text = world.document(world.source(late, "postgres"))
    with world.open(text) as ports, pytest.raises(Refused) as caught:
        ports.standbys.pause("late")
    assert caught.value.code == "no-standby"


def test_production_itself_is_no_standby(site: Pair, world: World) -> None:
    located, _, _ = world.located(world.document(world.source(site.production)))
    assert "no standby (any more)" in located.unreachable[0].why_unreachable


def test_a_standby_of_another_system_is_never_taken(
    site: Pair, world: World, tmp_path: Path
) -> None:
    late = site.shared()
    rows_of(late, PAUSE)
    stranger = ClusterServer(late.tools, site.folder / "stranger", name="stranger")
    stranger.make_folder()
    create(stranger)
    drain(stranger.start({"fsync": "off"}))
    try:
        ref = stranger.ref("postgres")
        text = world.document(world.source(late), production=f", database: {reach(ref)}")
        located, _, _ = world.located(text)
    finally:
        stranger.stop()
        shutil.rmtree(stranger.folder)
    found = only(located)
    assert (located.point, found.verdict) == (None, Verdict.SHARED)
    assert found.reasons[0].startswith("it is a standby of another system: ")
    assert located.ways == ()


def test_a_receiver_that_is_down_is_said_and_does_not_make_it_hold_the_loss(
    site: Pair, world: World
) -> None:
    cut = site.standby("cut", primary_conninfo="")
    world.occurred = site.loss()
    located, _, _ = world.located(world.document(world.source(cut)))
    found = only(located)
    assert found.verdict is Verdict.RECOVERABLE
    assert "no WAL receiver runs" in " ".join(found.reasons)
    assert "pause its replay now" in found.recoverable


def test_replay_that_lacks_wal_stands_where_it_was_and_says_so(site: Pair, world: World) -> None:
    late = site.standby("late")
    late.stop()
    for _ in range(2):
        rows_of(site.production, "SELECT pg_switch_wal(); CHECKPOINT")
    world.occurred = site.loss()
    drain(late.start({"fsync": "off", "wal_retrieve_retry_interval": "60s"}))
    log = late.folder / "server.log"
    until(lambda: "already been removed" in log.read_text())
    until(lambda: rows_of(late, "SELECT 1 FROM pg_stat_wal_receiver") == [])
    located, _, _ = world.located(world.document(world.source(late)))
    found = only(located)
    assert found.verdict is Verdict.RECOVERABLE
    assert "has not the WAL that it needs" in " ".join(found.reasons)
    assert value(late, "SELECT count(*) FROM bookings") == ROWS


def test_what_a_login_without_rights_cannot_read_is_unknown(site: Pair, world: World) -> None:
    late = site.standby("late", "1h")
    rows_of(late, PAUSE)
    text = world.document(world.source(late, "looker"))
    with world.open(text) as ports:
        replay = ports.standbys.look("late")
        assert replay.receiver == "running"
        with pytest.raises(StepFailed) as caught:
            ports.standbys.pause("late")
    assert caught.value.code == "pause-denied"
    located, _, said = world.located(text)
    assert located.point is None
    assert any("permission denied" in line for line in said), said
    assert only(located).verdict is Verdict.UNKNOWN


def test_a_server_that_keeps_who_it_is_to_itself(site: Pair, world: World) -> None:
    rows_of(site.production, "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    late = site.standby("late", "1h")
    try:
        with world.open(world.document(world.source(late))) as ports:
            replay = ports.standbys.look("late")
        assert replay.system_identifier is None
        assert "system identifier: permission denied" in replay.unknown[0]
        located, _, _ = world.located(world.document(world.source(late)))
        assert "whose standby it is, it does not say" in " ".join(only(located).reasons)
    finally:
        rows_of(site.production, "GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC")


def test_one_that_does_not_answer_is_unknown(site: Pair, world: World) -> None:
    text = world.document(world.entry("{host: 127.0.0.1, port: 9, user: x}"))
    located, done, _ = world.located(text)
    assert "could not be asked" in located.unreachable[0].why_unreachable
    assert done.state is StepEnd.COULD_NOT_VERIFY
    with world.open(text) as ports, pytest.raises(CouldNotVerify):
        ports.standbys.look("late")


def test_one_that_hangs_is_unknown_after_its_time(site: Pair, world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        database = f"{{host: 127.0.0.1, port: {port}, user: x, connect_timeout: 2s}}"
        located, done, _ = world.located(world.document(world.entry(database, "timeout: 1s, ")))
    assert "did not answer within 1 s" in located.unreachable[0].why_unreachable
    assert done.state is StepEnd.COULD_NOT_VERIFY


# --- the guard ---------------------------------------------------------------------------------


def test_a_dump_is_refused_where_it_moved_or_goes_on(
    site: Pair, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = site.shared()
    rows_of(late, PAUSE)
    text = world.document(world.source(late))
    located, _, _ = world.located(text, check="quick")
    assert located.point is not None
    with world.open(text) as ports:
        moved = located.point.model_copy(update={"seen": "1 0/1"})
        assert "replayed on since" in drain(ports.backups.fetch(moved))[0].reason
    with monkeypatch.context() as patched, world.open(text) as ports:
        patched.setattr("drbook.providers.standbysource.find_tools", lambda: ())
        fact, copy = drain(ports.backups.fetch(located.point))
        assert (fact.state, copy) == ("unknown", None)
        assert "Install your distribution's postgresql" in fact.reason
    rows_of(late, RESUME)
    with world.open(text) as ports:
        fact, copy = drain(ports.backups.fetch(located.point))
        assert (fact.state, copy) == ("unknown", None)
        assert "not paused" in fact.reason
        assert not list((world.folder / "copies").iterdir())


def test_a_restore_refuses_what_the_loss_is_in(site: Pair, world: World) -> None:
    late = site.shared()
    rows_of(late, PAUSE)
    text = world.document(world.source(late))
    located, _, _ = world.located(text, check="quick")
    assert located.point is not None
    world.occurred = located.point.taken_at - timedelta(minutes=1)
    with pytest.raises(StepFailed) as caught:
        world.restored(text, located)
    assert caught.value.code == "standby-has-loss"


def test_a_dry_run_asks_no_strong_login(site: Pair, world: World) -> None:
    late = site.shared()
    world.mode = Mode.DRY_RUN
    located, _, _ = world.located(world.document(world.source(late, "postgres")))
    assert "superuser, and this is a dry run" in located.unreachable[0].why_unreachable


def test_control_has_to_lead_to_the_same_server(site: Pair, world: World) -> None:
    late, other = site.shared(), site.standby("second", "1h")
    text = world.document(world.source(late, more=f"control: {reach(site.ref(other))}, "))
    with world.open(text) as ports, pytest.raises(Refused) as caught:
        ports.standbys.pause("late")
    assert caught.value.code == "another-server"
    assert value(other, "SELECT pg_get_wal_replay_pause_state()") == "not paused"
