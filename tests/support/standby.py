"""Production and a real standby of it, as late as a test wants it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from drbook.core.targets import DatabaseRef
from drbook.providers.pgserver import ClusterServer, server_user
from drbook.providers.pgtools import PgTools
from drbook.providers.process import complete
from support.pattern import create
from support.pg import drain

ROWS = 3000


def rows_of(server: ClusterServer, statement: str, dbname: str = "rental") -> list[Any]:
    with psycopg.connect(
        host=str(server.socket), user="postgres", dbname=dbname, autocommit=True
    ) as connection:
        done = connection.execute(statement.encode())
        return done.fetchall() if done.description else []


def value(server: ClusterServer, statement: str, dbname: str = "rental") -> Any:
    return rows_of(server, statement, dbname)[0][0]


@dataclass
class Pair:
    """Production with a table of 3,000 bookings, and standbys that follow it."""

    production: ClusterServer
    folder: Path
    made: list[ClusterServer] = field(default_factory=list)
    kept: ClusterServer | None = None
    """One that is an hour late, for tests that change nothing but its pause."""

    def standby(self, name: str, delay: str = "0", **settings: str) -> ClusterServer:
        """A new one, which has replayed all that production holds before it is late."""
        server = ClusterServer(self.production.tools, self.folder / name, name=name)
        server.make_folder()
        argv: list[str | Path] = [server.tools.path("pg_basebackup"), "-R", "-c", "fast"]
        argv += ["-D", server.data, "-h", self.production.socket, "-U", "postgres"]
        done = complete(argv, run_as=server_user())
        assert done.exit_code == 0, done.stderr
        self.made.append(server)
        drain(server.start({"fsync": "off", "recovery_min_apply_delay": delay} | settings))
        return server

    def shared(self) -> ClusterServer:
        """That one, replaying: it shows what there was when it was made."""
        if self.kept is None:
            self.kept = self.standby("shared", "1h")
            self.made.remove(self.kept)
            # At this commit it waits, and so before every lock that a later one takes.
            rows_of(self.production, "CREATE TABLE IF NOT EXISTS waited_for ()")
        rows_of(self.kept, "SELECT pg_wal_replay_resume()")
        return self.kept

    def ref(self, server: ClusterServer, user: str = "postgres") -> DatabaseRef:
        return server.ref("rental").model_copy(update={"user": user})

    def now(self) -> datetime:
        found: datetime = value(self.production, "SELECT clock_timestamp()")
        return found.astimezone(UTC)

    def loss(self) -> datetime:
        """Every booking is deleted; when that began, by production's clock."""
        began = self.now()
        rows_of(self.production, "DELETE FROM bookings")
        return began

    def received(self, server: ClusterServer) -> None:
        """The standby holds all of production's WAL, replayed or not."""
        end = value(self.production, "SELECT pg_current_wal_flush_lsn()::text")
        until(lambda: value(server, f"SELECT pg_last_wal_receive_lsn() >= '{end}'") is True)

    def stop(self) -> None:
        for server in (*self.made, *([self.kept] if self.kept else []), self.production):
            server.stop()


def until(true: Callable[[], object], seconds: float = 20) -> None:
    """Waits for it."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.05)


def pair(tools: PgTools, folder: Path) -> Pair:
    """Made and started; the caller stops it."""
    if server_user() == "nobody":
        for part in (folder, *folder.parents[:2]):
            part.chmod(0o711)
    production = ClusterServer(tools, folder / "production", name="production")
    production.make_folder()
    create(production)
    drain(production.start({"fsync": "off"}))
    rows_of(production, "CREATE DATABASE rental", "postgres")
    rows_of(
        production,
        "CREATE TABLE bookings (id int PRIMARY KEY, note text);"
        f"INSERT INTO bookings SELECT n, 'booking ' || n FROM generate_series(1, {ROWS}) n;"
        "CREATE ROLE looker LOGIN; CREATE ROLE watcher LOGIN;"
        "GRANT pg_read_all_data, pg_monitor TO watcher",
    )
    return Pair(production, folder)
