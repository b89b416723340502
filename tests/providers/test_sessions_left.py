"""A load on a given server that did not end well: nothing of the archive runs on there, and it is said."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from support.given import SERVERS, Given, given_server
from support.pg import drain, signals_of
from support.waiting import eventually

from drbook.core.errors import Cancelled, DrbookError, Refused, StepFailed
from drbook.core.signals import Milestone, ProcessStarted, Signal, Working
from drbook.core.targets import LocalCopy, Target
from drbook.providers import pgsession
from drbook.providers.cancel import CancelToken
from drbook.providers.kinds import TARGETS
from drbook.providers.pgtools import PgTools
from drbook.providers.targets import load as load_module
from drbook.providers.targets import sessions as sessions_module
from drbook.providers.targets.base import Workshop
from drbook.providers.targets.fresh import FreshTargets
from drbook.providers.targets.kinds import DatabaseTarget
from drbook.providers.targets.lease import lease
from drbook.providers.targets.pool import ServerPool
from drbook.providers.targets.sessions import Remains

HEAD = (
    "-- PostgreSQL database dump\n-- Dumped from database version 15.1\nCREATE TABLE t (n int);\n"
)
STUBBORN = (
    "DO $$ BEGIN LOOP BEGIN PERFORM pg_catalog.pg_sleep(100);"
    " EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$;\n"
)
UNSEEN = "SET client_connection_check_interval = 0;\n"
SHUT = "COMMIT;\nALTER DATABASE restore_1 CONNECTION LIMIT 0;\n"
ALONE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE usename = 'restorer' AND datname = 'restore_1' AND pid <> pg_backend_pid();\n"
)
BODIES = {
    "asleep": "SELECT pg_sleep(100);\n",
    "in a loop": "DO $$ BEGIN LOOP PERFORM 1; END LOOP; END $$;\n",
    "deaf to a cancel, blind for its client": UNSEEN + STUBBORN,
    "in a database that it shut": UNSEEN + SHUT + STUBBORN,
    "having ended who watches": UNSEEN + SHUT + ALONE + STUBBORN,
}


class Busy(Given):
    """It tells what the loading login does in the target."""

    def running(self) -> int:
        """Sessions of the loading login in the target."""
        rows = self.run(
            "SELECT 1 FROM pg_stat_activity WHERE usename = 'restorer' AND datname = 'restore_1'"
        )
        return len(rows)

    def active(self) -> bool:
        return bool(
            self.run(
                "SELECT 1 FROM pg_stat_activity WHERE datname = 'restore_1' AND state = 'active'"
                " AND (wait_event = 'PgSleep' OR query ~ '^DO .. BEGIN LOOP')"
            )
        )


@pytest.fixture(scope="module", params=sorted(SERVERS))
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Busy]:
    major: int = request.param
    with given_server(SERVERS[major], tmp_path_factory.mktemp(f"given-{major}")) as made:
        yield Busy(made.server, made.major)


@pytest.fixture
def given(server: Busy) -> Iterator[Busy]:
    server.run("CREATE ROLE restorer LOGIN CREATEDB")
    server.run("CREATE ROLE neighbour LOGIN")
    yield server
    server.run("DROP DATABASE IF EXISTS restore_1 WITH (FORCE)")
    server.run("DROP ROLE restorer")
    server.run("DROP ROLE neighbour")


class Room:
    """An incident folder with one copy, and the doors of one attempt."""

    def __init__(self, folder: Path, given: Busy, tools: tuple[PgTools, ...]) -> None:
        self.cancel = CancelToken()
        self.folder = folder
        self.tools = tools
        self.given = given
        (folder / "copies").mkdir()
        self.spec = DatabaseTarget(server=given.ref())

    def targets(self, **more: object) -> FreshTargets:
        shop = Workshop(
            self.folder, os.environ, self.cancel, ServerPool(), lambda: self.tools, **more
        )  # type: ignore[arg-type]
        return FreshTargets(shop, TARGETS())

    def made(self) -> Target:
        return drain(self.targets().create(self.spec, "restore-1", self.given.elsewhere()))

    def copy(self, body: str) -> LocalCopy:
        (self.folder / "copies" / "dump.sql").write_text(HEAD + body)
        return LocalCopy(name="copies/dump.sql", size=1, sha256="", checked="structure")


@pytest.fixture
def room(tmp_path: Path, given: Busy, tools: tuple[PgTools, ...]) -> Room:
    return Room(tmp_path, given, tools)


def broken(
    work: Working[object], ready: Callable[[], bool], end: Callable[[list[Signal]], None]
) -> tuple[DrbookError, list[Signal]]:
    """Work that is ended from outside once it is ready for that: its error, and what it said."""
    said: list[Signal] = []

    def wait() -> None:
        if eventually(ready):
            end(said)

    threading.Thread(target=wait, daemon=True).start()
    with pytest.raises(DrbookError) as caught:
        follow(work, said)
    return caught.value, said


def follow(work: Working[object], said: list[Signal]) -> None:
    for each in work:
        said.append(each)


def told(error: DrbookError, said: list[Signal]) -> str:
    """What the record and the step say of the sessions, which is the same."""
    milestone = [each for each in said if isinstance(each, Milestone)][-1]
    assert milestone.data == {"none_left": True}
    assert milestone.text.lower() in error.means.lower()
    return milestone.text


@pytest.mark.parametrize("reason", ["timeout", "the operator"])
@pytest.mark.parametrize("body", BODIES)
def test_nothing_of_an_archive_runs_on_when_its_load_is_stopped(
    room: Room, given: Busy, body: str, reason: str
) -> None:
    target, copy = room.made(), room.copy(BODIES[body])
    with (
        given.connect("neighbour", "template1") as another,
        given.connect("restorer", "postgres") as elsewhere,
        given.connect("postgres", "postgres") as third,
    ):
        error, said = broken(
            room.targets().load(target, copy), given.active, lambda _: room.cancel.request(reason)
        )
        assert eventually(
            lambda: given.running() == 0, 5
        )  # the session that looked ends a moment later
        for each in (another, elsewhere, third):
            assert each.execute("SELECT 1").fetchone() == (1,)
    assert isinstance(error, StepFailed if reason == "timeout" else Cancelled)
    words = told(error, said)
    if body in ("asleep", "in a loop"):  # the server may have seen it before it was asked
        assert "session of the load" in words
    else:
        assert words.startswith("1 session of the load still ran in restore_1 on ")
        assert words.endswith("was ended; none is left")


@pytest.mark.parametrize("who", ["the program", "its group", "the launcher's group"])
def test_nothing_of_an_archive_runs_on_when_the_loading_program_is_killed(
    room: Room, given: Busy, who: str
) -> None:
    target, copy = room.made(), room.copy(UNSEEN + STUBBORN)

    def kill(said: list[Signal]) -> None:
        launcher = [each.pid for each in said if isinstance(each, ProcessStarted)][-1]
        program = next(iter(psutil.Process(launcher).children()))
        if who == "the program":
            program.kill()
        else:
            of = program.pid if who == "its group" else launcher
            os.killpg(os.getpgid(of), signal.SIGKILL)

    error, said = broken(room.targets().load(target, copy), given.active, kill)
    assert eventually(
        lambda: given.running() == 0, 5
    )  # the session that looked ends a moment later
    assert error.code in ("load", "launcher-killed")
    assert "was ended" in told(error, said)


def test_the_server_itself_notices_that_its_client_is_gone(
    room: Room, given: Busy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody is left to ask it: so it ends after a crash of drbook."""
    target, copy = room.made(), room.copy(BODIES["in a loop"])
    monkeypatch.setattr(Remains, "end", lambda self, held: self.unknown("nobody asked"))

    def kill(said: list[Signal]) -> None:
        launcher = [each.pid for each in said if isinstance(each, ProcessStarted)][-1]
        next(iter(psutil.Process(launcher).children())).kill()

    error, _ = broken(room.targets().load(target, copy), given.active, kill)
    assert "is unknown: nobody asked" in error.means
    assert error.next.startswith("Run there, as the login that loaded: SELECT pg_terminate")
    assert eventually(lambda: not given.active(), 5)


def test_sessions_of_other_logins_are_left_alone_and_said(room: Room, given: Busy) -> None:
    target, copy = room.made(), room.copy(UNSEEN + STUBBORN)
    with given.connect("neighbour", "restore_1") as another:
        error, said = broken(
            room.targets().load(target, copy),
            given.active,
            lambda _: room.cancel.request("timeout"),
        )
        assert another.execute("SELECT 1").fetchone() == (1,)
    assert "left alone: 1 session of other logins" in told(error, said)


def test_a_login_with_one_connection_can_load(room: Room, given: Busy) -> None:
    target = room.made()
    # A session that was closed counts until its process has gone; making a target opens several in a row.
    assert eventually(lambda: given.running() == 0)
    given.run("ALTER ROLE restorer CONNECTION LIMIT 1")
    report, said = signals_of(room.targets().load(target, room.copy("SELECT 1;\n")))
    assert report.errors == ()
    told = [each.text for each in said if isinstance(each, Milestone)]
    assert all(one.startswith("NOT known to be isolated") for one in told)
    assert eventually(lambda: given.running() == 0)


def test_what_the_guard_refuses_has_run_nothing_to_be_ended(
    room: Room, given: Busy, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = room.made()
    wrong = target.model_copy(update={"nonce": "another"})
    monkeypatch.setattr(load_module, "lease", lambda made, *rest: lease(target, *rest))
    said: list[Signal] = []
    with pytest.raises(Refused) as caught:
        follow(room.targets().load(wrong, room.copy(STUBBORN)), said)
    assert caught.value.code == "target-changed"
    told = [each.text for each in said if isinstance(each, Milestone)]
    assert all(one.startswith("NOT known to be isolated") for one in told)
    assert eventually(lambda: given.running() == 0)


# --- after a crash ---------------------------------------------------------------------------


@pytest.fixture
def left(room: Room, given: Busy) -> Iterator[Target]:
    """A target in which a session still runs, of a load that nobody leads any more."""
    target = room.made()
    running = given.connect("restorer", "restore_1")

    def run() -> None:
        with pytest.raises(psycopg.OperationalError, match="terminating connection"):
            running.execute(STUBBORN.encode())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert eventually(given.active)
    yield target
    given.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'restorer'")
    thread.join(5)
    assert not thread.is_alive()
    running.close()


def test_a_look_after_a_crash_ends_what_still_runs(room: Room, given: Busy, left: Target) -> None:
    made = {"restore-1": left.identity.model_dump(mode="json")}
    look = room.targets(made=made).look(room.spec, "restore-1")
    assert look.state == "present"
    assert "1 session of the load still ran in restore_1" in look.reason
    assert eventually(
        lambda: given.running() == 0, 5
    )  # the session that looked ends a moment later
    again = room.targets(made=made).look(room.spec, "restore-1")
    assert "No session of the load runs in restore_1" in again.reason


@pytest.mark.parametrize("change", [{"system_identifier": "1"}, {"database_oid": 1}])
def test_another_servers_or_databases_sessions_are_not_ended(
    room: Room, given: Busy, left: Target, change: dict[str, object]
) -> None:
    other = left.identity.model_copy(update=change)
    look = room.targets(made={"restore-1": other.model_dump(mode="json")}).look(
        room.spec, "restore-1"
    )
    assert given.running() == 1
    if "system_identifier" in change:
        assert "answers there now" in look.reason
        assert "datname = 'restore_1'" in look.reason


def test_what_is_not_on_record_as_made_is_not_touched(
    room: Room, given: Busy, left: Target
) -> None:
    look = room.targets().look(room.spec, "restore-1")
    assert "not on record" in look.reason
    assert given.running() == 1


def test_a_server_that_cannot_be_asked_is_said(room: Room, given: Busy, tmp_path: Path) -> None:
    target = room.made()
    gone = given.ref().model_copy(update={"host": str(tmp_path)})
    targets = room.targets(made={"restore-1": target.identity.model_dump(mode="json")})
    look = targets.look(DatabaseTarget(server=gone), "restore-1")
    assert look.state == "unknown"
    assert look.reason.startswith("Whether the archive's code still runs in restore_1 on ")
    assert "pg_terminate_backend" in look.reason
    found = Remains(gone, os.environ, target.identity, "there").end()
    assert not found.good
    assert "is unknown" in found.words


def test_a_server_that_does_not_answer_is_not_waited_for_long(
    room: Room, given: Busy, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = room.made()
    wait = threading.Event()

    def late(*rest: object) -> pgsession.Connection:
        wait.wait(20)
        raise psycopg.OperationalError("timeout expired")

    monkeypatch.setattr(sessions_module, "LONGEST", 0.3)
    monkeypatch.setattr(sessions_module, "connected", late)
    found = Remains(given.ref(), os.environ, target.identity, "there").end()
    wait.set()
    assert not found.good
    assert "no answer within" in found.words
