"""A physical copy made into a running cluster of our own: laid down, started in isolation, rolled forward
to where it should stop, and only then given logins.

Its server reads none of the settings that came with the copy, archives nothing, replicates from nobody and
loads no library: whatever production told it to do at its start, it does not do here.
"""

import hashlib
import hmac
import os
import secrets
import shutil
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from drbook.core.archivefacts import DatabaseSettings
from drbook.core.errors import StepFailed
from drbook.core.points import RecoveryPoint
from drbook.core.ports import ProductionIdentity
from drbook.core.recovery import ENDED_EARLY, LogFacts, RecoveryAim, RecoveryReport, read_log
from drbook.core.signals import Milestone, ResourceCreated, ResourceIntended, Working
from drbook.core.targets import ADMIN, READER, Target
from drbook.core.values import plain
from drbook.providers import pgsession, private
from drbook.providers.baseverify import verify
from drbook.providers.launcher import NOBODY
from drbook.providers.pgserver import CONFIG, ClusterServer, server_user
from drbook.providers.pgsession import Connection
from drbook.providers.pgtools import PgTools
from drbook.providers.sources.base import PhysicalSource, Place
from drbook.providers.targets.base import Workshop
from drbook.providers.targets.cluster import home_of, ours
from drbook.providers.targets.folder import make_fresh, still
from drbook.providers.targets.foresee import best_known, settings_of
from drbook.providers.targets.laiddown import LaidDown, settle
from drbook.providers.targets.lease import asked
from drbook.providers.targets.pool import MARKER, marker_of
from drbook.providers.targets.roles import login, make_reader
from drbook.providers.targets.waldoor import WalDoor

ISOLATION = {
    "archive_mode": "off",
    "listen_addresses": "",
    "primary_conninfo": "",
    "shared_preload_libraries": "",
    "session_preload_libraries": "",
    "local_preload_libraries": "",
    "max_logical_replication_workers": "0",
    "max_wal_senders": "0",
}
"""Settings that keep it to itself. They are asked back from the server."""

_CONFIG = """# Written by drbook. What came with the copy, in data/postgresql.conf, has no say here.
hba_file = {hba}
ident_file = {ident}
drbook.target = {nonce}
max_prepared_transactions = 1000
max_locks_per_transaction = 256
wal_level = replica
hot_standby = off
max_wal_size = '4GB'
"""
_NO_SAY = ("postgresql.conf", "pg_hba.conf", "pg_ident.conf", "tablespace_map")
"""Tools write these anew, and they are not used."""
_NOBODY_YET = "local all all reject\n"
_BY_PASSWORD = "local all all scram-sha-256\n"


@dataclass(frozen=True, slots=True)
class Recovered:
    target: Target
    report: RecoveryReport


class RecoveryMaker:
    """Makes clusters out of physical copies, in `targets/` inside the incident's folder."""

    def __init__(self, workshop: Workshop, dbname: str | None) -> None:
        self._workshop = workshop
        self._dbname = dbname

    def recover(
        self,
        name: str,
        nonce: str,
        source: PhysicalSource,
        point: RecoveryPoint,
        aim: RecoveryAim,
        production: Sequence[ProductionIdentity],
    ) -> Working[Recovered]:
        """Raises Refused where the place is not proven to be fresh, StepFailed where the copy cannot be laid
        down, started or rolled forward to its aim."""
        begun = time.monotonic()
        shop = self._workshop
        home = home_of(shop, name, nonce)
        tools = exact_tools(shop.tools(), point)
        yield ResourceIntended("cluster", name, nonce, str(home))
        server = ClusterServer(
            tools, home, name=f"drbook-{name}", key=nonce, superuser=ADMIN, passwords=True
        )
        made = make_fresh(server, production)
        with private.replace(home / MARKER) as stream:
            stream.write(marker_of(name, nonce))
        place = Place(home / "data", home / "tablespaces", home / "scratch")
        for folder in (place.data, place.tablespaces, place.scratch):
            folder.mkdir(mode=0o700)
        archive = yield from source.lay_down(point, place)
        still(home, made)
        laid = settle(home, place.data, place.tablespaces, owner())
        _fits(laid, tools, point)
        yield from self._whole(place.data, tools)
        yield Milestone(
            f"laid down: {laid.bytes:,} bytes of PostgreSQL {laid.major}, system identifier "
            f"{laid.system_identifier}" + _another(laid, production),
            {"set_aside": list(laid.aside), "labelled": laid.labelled},
        )
        self._configure(home, nonce, _NOBODY_YET)
        user = owner()[0] if owner()[0] != os.geteuid() else None
        with WalDoor(archive, home / "wal", user) as door:
            facts, early = yield from self._roll(server, door, aim, laid)
        shutil.rmtree(home / "wal", ignore_errors=True)
        shutil.rmtree(place.scratch, ignore_errors=True)
        server.stop()
        target, isolation = yield from self._open(server, name, nonce, production)
        report = RecoveryReport(
            aim=aim,
            stopped=facts.stopped,
            stopped_at=facts.stopped_at,
            last_commit=facts.last_commit,
            ended_before_aim=early,
            redo_done=facts.redo_done,
            timeline=facts.timeline,
            wal_files=door.served,
            isolation=isolation,
            set_aside=laid.aside,
            server_version=tools.version,
            seconds=int(time.monotonic() - begun),
        )
        yield Milestone(f"recovered: {report.show()}", report.model_dump(mode="json"))
        return Recovered(target, report)

    def _whole(self, data: Path, tools: PgTools) -> Working[None]:
        """What was laid down against its own manifest, where it has one: what the copy's place holds may have
        been read an hour ago, and its way here is one more. Raises StepFailed."""
        if not (data / "backup_manifest").is_file():
            return
        fact = yield from verify(data, tools.major, self._workshop.cancel, ignore=_NO_SAY)
        if fact.state == "damaged":
            raise StepFailed(
                f"What was laid down is not what its manifest says: {fact.reason}",
                means="Nothing was started. The target's folder is not used again.",
                next="Run the locate step again: it reads the copy anew, and passes over one that is damaged.",
                code="copy-damaged",
            )
        yield Milestone(f"laid down as its manifest says: {fact.reason}")

    # --- rolling forward -----------------------------------------------------------------------

    def _roll(
        self, server: ClusterServer, door: WalDoor, aim: RecoveryAim, laid: LaidDown
    ) -> Working[tuple[LogFacts, bool]]:
        """Until it is a server of its own; True where the WAL ended before the time that was aimed at: all
        of it lies before that moment then, and all of it is taken."""
        if not laid.labelled:
            yield from self._by_itself(server, aim)
            return read_log(_log(server)), False
        settings = {**ISOLATION, "restore_command": door.command}
        wanted = {**settings, **aim.settings(), "recovery_target_action": "promote"}
        (server.data / "recovery.signal").touch(mode=0o600)
        os.chown(server.data / "recovery.signal", *owner())
        try:
            yield from server.start(wanted, self._workshop.cancel, watch=door.moved)
        except StepFailed as error:
            door.raise_error()
            facts = read_log(_log(server))
            if aim.time is None or not facts.ended_early:
                raise _not_rolled(facts, aim, error) from None
            yield Milestone(
                f"{ENDED_EARLY}: nothing in the WAL is as late as {aim.show()}; all of it is taken"
            )
            yield from server.start(settings, self._workshop.cancel, watch=door.moved)
            door.raise_error()
            return read_log(_log(server)), True
        door.raise_error()
        return read_log(_log(server)), False

    def _by_itself(self, server: ClusterServer, aim: RecoveryAim) -> Working[None]:
        """A copy of a server that was shut down has nothing to roll back or forward."""
        state = yield from control_state(server, self._workshop)
        if state not in ("shut down", "shut down in recovery") or not (aim.consistent or aim.end):
            raise StepFailed(
                f"The copy has no backup_label, and its server was {plain(state, 60)}: where its recovery "
                "would have to begin is not known.",
                means="Files of a running server that were copied without a backup's begin and end belong "
                "to different moments. Nothing was started.",
                next="Choose another copy; of one of a server that was shut down, aim at its own end "
                "(`to: {consistent: true}`).",
                code="copy-unfit",
            )
        yield from server.start(ISOLATION, self._workshop.cancel)

    def _configure(self, home: Path, nonce: str, hba: str) -> None:
        files = {
            CONFIG: _CONFIG.format(
                hba=_quoted(home / "pg_hba.conf"),
                ident=_quoted(home / "pg_ident.conf"),
                nonce=_quoted(nonce),
            ),
            "pg_hba.conf": hba,
            "pg_ident.conf": "",
        }
        for name, text in files.items():
            with private.replace(home / name) as stream:
                stream.write(text)
            os.chown(home / name, *owner())

    # --- making it reachable -------------------------------------------------------------------

    def _open(
        self, server: ClusterServer, name: str, nonce: str, production: Sequence[ProductionIdentity]
    ) -> Working[tuple[Target, Mapping[str, str]]]:
        shop = self._workshop
        key = server.make_key(ADMIN).read_text(encoding="ascii").strip()
        yield from server.single(_admin(scram(key)), shop.cancel)
        self._configure(server.folder, nonce, _BY_PASSWORD)
        yield from server.start(ISOLATION, shop.cancel)
        shop.pool.add(name, server)
        like = best_known(production)
        with _session(server, "template1", shop) as connection:
            isolation = _kept_to_itself(connection)
            dbname = _database(connection, self._dbname, like.database if like else "")
        admin = login(server, ADMIN, dbname)
        with _session(server, dbname, shop) as connection:
            answer = asked(connection, admin.show())
            ours(answer, server)
            settings: DatabaseSettings | None = settings_of(connection)
        make_reader(server, dbname, shop.environment)
        identity = answer.identity
        yield ResourceCreated("cluster", name, str(server.folder), identity.model_dump(mode="json"))
        target = Target(
            kind="cluster",
            name=name,
            nonce=nonce,
            location=str(server.folder),
            connect=login(server, READER, dbname),
            admin=admin,
            identity=identity,
            settings=settings,
            marked="setting",
            proof="made by this incident in an empty folder out of a physical copy, on a private socket; "
            "it archives nothing and follows nobody",
            whole_server=True,
        )
        return target, isolation


@contextmanager
def _session(server: ClusterServer, dbname: str, shop: Workshop) -> Iterator[Connection]:
    """Raises StepFailed where the recovered server does not answer as it should."""
    try:
        with pgsession.connect(login(server, ADMIN, dbname), shop.environment) as connection:
            yield connection
            connection.rollback()
    except psycopg.Error as error:
        raise StepFailed(
            f"The recovered server does not answer in {plain(dbname, 63)}: {pgsession.said(error)}",
            means="It was recovered; nothing was read from it.",
            next="See server.log in the target's folder, then run the step again.",
            code="target-unread",
        ) from None


def owner() -> tuple[int, int]:
    """The user and group that a server here runs as."""
    return (NOBODY, NOBODY) if server_user() == "nobody" else (os.geteuid(), os.getegid())


def exact_tools(tools: Sequence[PgTools], point: RecoveryPoint) -> PgTools:
    """A data directory is read by its own major version alone. Raises StepFailed where that is not here."""
    servers = [one for one in tools if one.has_server]
    major = (point.server_version or 0) // 10000
    fitting = [one for one in servers if one.major == major] if major else servers
    if not fitting:
        seen = ", ".join(one.show() for one in servers) or "none"
        wanted = f"PostgreSQL {major}" if major else "a PostgreSQL server"
        raise StepFailed(
            f"This copy needs the programs of {wanted}, and this machine has: {seen}.",
            means="A data directory can only be started by its own major version. Nothing was created.",
            next=f"Install postgresql-{major or '<version>'} here, or point DRBOOK_PG_BIN at its programs, "
            "then run the step again.",
            code="pg-tools",
        )
    return max(fitting, key=lambda one: one.version)


def _fits(laid: LaidDown, tools: PgTools, point: RecoveryPoint) -> None:
    if laid.major != tools.major:
        raise StepFailed(
            f"The copy is of PostgreSQL {laid.major}, and was to be started with {tools.show()}.",
            means="Nothing was started.",
            next=f"Install postgresql-{laid.major}, then run the step again.",
            code="pg-tools",
        )
    if point.system_identifier not in (None, laid.system_identifier):
        raise StepFailed(
            f"The copy says that it is of system {point.system_identifier}, and what was laid down is of "
            f"{laid.system_identifier}.",
            means="It is another cluster's. Nothing was started.",
            next="See what the backup tool has stored there, and choose another copy.",
            code="copy-unfit",
        )


def _another(laid: LaidDown, production: Sequence[ProductionIdentity]) -> str:
    """An upgrade gives production another identifier, so that this is told and decides nothing."""
    known = best_known(production)
    if known is None or known.system_identifier == laid.system_identifier:
        return ""
    return f", which is not production's {known.system_identifier}"


def _not_rolled(facts: LogFacts, aim: RecoveryAim, error: StepFailed) -> StepFailed:
    said = plain(facts.fatal[-1], 300) if facts.fatal else error.what
    reached = (
        f" The last commit that was replayed is of {facts.last_commit}."
        if facts.last_commit
        else ""
    )
    return StepFailed(
        f"It could not be rolled forward to {aim.show()}: {said}.{reached}",
        means="The target is never used again.",
        next="Choose another aim or another copy: an aim has to lie after the copy's own end and within the "
        "WAL of its archive.",
        code="recovery",
    )


def _log(server: ClusterServer) -> Iterator[str]:
    with (server.folder / "server.log").open(encoding="utf-8", errors="replace") as stream:
        yield from stream


def control_state(server: ClusterServer, shop: Workshop) -> Working[str]:
    """What the control file says of how its server ended."""
    from drbook.providers.process import run

    argv: list[str | Path] = [server.tools.path("pg_controldata"), "-D", server.data]
    done = yield from run(argv, env={"LC_ALL": "C"}, cancel=shop.cancel)
    for line in done.stdout.splitlines():
        label, _, value = line.partition(":")
        if label == "Database cluster state":
            return value.strip()
    return "in a state that pg_controldata does not say"


def scram(password: str) -> str:
    """What a server stores instead of a password (RFC 5803), so that the password is in no log."""
    salt, rounds = secrets.token_bytes(16), 4096
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    checked = hmac.digest(salted, b"Server Key", "sha256")
    shown = [b64encode(each).decode() for each in (salt, stored, checked)]
    return f"SCRAM-SHA-256${rounds}:{shown[0]}${shown[1]}:{shown[2]}"


def _admin(verifier: str) -> tuple[str, ...]:
    """It may be there already, where production itself was once restored by drbook."""
    return (
        f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = '{ADMIN}') "
        f"THEN CREATE ROLE {ADMIN}; END IF; END $$",
        f"ALTER ROLE {ADMIN} RESET ALL",
        f"ALTER ROLE {ADMIN} SUPERUSER LOGIN CONNECTION LIMIT -1 VALID UNTIL 'infinity' "
        f"PASSWORD '{verifier}'",
    )


def _kept_to_itself(connection: Connection) -> Mapping[str, str]:
    """Raises StepFailed where the server is not set as it was told to be."""
    found: dict[str, str] = {}
    for name in ISOLATION:
        row = connection.execute(
            "SELECT pg_catalog.current_setting(%s::text, true)", (name,)
        ).fetchone()
        found[name] = str(row[0]) if row is not None and row[0] is not None else "not known"
    wrong = [
        f"{name} is {plain(value, 60)!r}"
        for name, value in found.items()
        if value != ISOLATION[name]
    ]
    if wrong:
        raise StepFailed(
            f"The recovered server is not isolated: {'; '.join(wrong)}.",
            means="It might archive into production's backups or follow production. It is stopped.",
            next="Report this: it should not be possible.",
            code="not-isolated",
        )
    return found


def _database(connection: Connection, wanted: str | None, known: str) -> str:
    """The database that counts: as the runbook says, else as production's is called, else the only one."""
    rows = connection.execute(
        "SELECT datname::text FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate"
        " ORDER BY 1"
    ).fetchall()
    names = [str(row[0]) for row in rows]
    own = [name for name in names if name != "postgres"]
    for name in (wanted, known):
        if name and name in names:
            return name
    if not wanted and len(own) == 1:
        return own[0]
    missing = f"has no database {plain(wanted, 63)}" if wanted else "has several databases"
    raise StepFailed(
        f"The recovered server {missing}; it has: {', '.join(plain(name, 63) for name in names)}.",
        means="All of them were recovered; which one is production's is not known.",
        next="Name it in the runbook as `target: {kind: cluster, dbname: NAME}`, then run the step again.",
        code="target-database",
    )


def _quoted(value: Path | str) -> str:
    """A text in postgresql.conf."""
    return "'" + str(value).replace("\\", "\\\\").replace("'", "''") + "'"
