"""A cluster that archives its WAL, a base backup of it, and a source of physical copies over folders."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from drbook.core.points import ByteFact, PointFacts, RecoveryPoint, SourceFacts
from drbook.core.signals import Milestone, Working
from drbook.providers.pgcontrol import system_identifier_in
from drbook.providers.pgserver import ClusterServer
from drbook.providers.pgtools import PgTools
from drbook.providers.process import complete
from drbook.providers.sources.base import Place, WalArchive
from support.pg import drain


@dataclass
class Archiving:
    """A server with a table `bookings`, whose WAL goes to `wal`."""

    server: ClusterServer
    tools: PgTools
    wal: Path

    def connect(self, dbname: str = "rental") -> psycopg.Connection:
        return psycopg.connect(
            host=str(self.server.socket), user="postgres", dbname=dbname, autocommit=True
        )

    def execute(self, statement: str, dbname: str = "rental") -> None:
        with self.connect(dbname) as connection:
            connection.execute(statement)

    def now(self) -> datetime:
        with self.connect() as connection:
            row = connection.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        found: datetime = row[0]
        return found.astimezone(UTC)

    def archived(self) -> None:
        """Everything that was committed is in the archive."""
        with self.connect() as connection:
            connection.execute("SELECT pg_create_restore_point('something to archive')")
            row = connection.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone()
        assert row is not None
        until = time.monotonic() + 20
        while not (self.wal / row[0]).exists():
            assert time.monotonic() < until, f"{row[0]} does not arrive in {self.wal}"
            time.sleep(0.02)

    def base_backup(self, into: Path, *options: str) -> Path:
        argv: list[str | Path] = [
            self.tools.path("pg_basebackup"),
            "-D",
            into,
            "-c",
            "fast",
            *options,
        ]
        argv += ["-h", self.server.socket, "-U", "postgres"]
        done = complete(argv)
        assert done.exit_code == 0, done.stderr
        return into

    def point(self, folder: Path, **more: object) -> RecoveryPoint:
        found = {
            "source": "base",
            "id": folder.name,
            "taken_at": self.now(),
            "taken_by": "tool",
            "size": 1000,
            "format": "physical",
            "location": str(folder),
            "server_version": self.tools.major * 10000,
            "system_identifier": system_identifier_in(folder),
            "rolls_to": self.now(),
        }
        return RecoveryPoint.model_validate(found | more)


def archiving(tools: PgTools, folder: Path) -> Archiving:
    """Made and started; the caller stops it."""
    wal = folder / "wal"
    wal.mkdir()
    server = ClusterServer(tools, folder / "production", name="archiving")
    server.make_folder()
    drain(server.create())
    drain(
        server.start(
            {
                "fsync": "off",
                "archive_mode": "on",
                "archive_command": f'cp "%p" {wal}/.%f && mv {wal}/.%f {wal}/%f',
                "wal_level": "replica",
                "max_wal_senders": "4",
            }
            | ({"summarize_wal": "on"} if tools.major >= 17 else {})
        )
    )
    made = Archiving(server, tools, wal)
    made.execute("CREATE DATABASE rental", "postgres")
    made.execute(
        "CREATE TABLE bookings (id int PRIMARY KEY, at timestamptz DEFAULT clock_timestamp())"
    )
    return made


@dataclass
class Folder:
    """An archive of WAL: a folder."""

    wal: Path
    asked: list[str] = field(default_factory=list)
    fails: Callable[[str], None] = lambda name: None
    closed: int = 0

    def get(self, name: str, into: Path) -> bool:
        self.asked.append(name)
        self.fails(name)
        if not (self.wal / name).is_file():
            return False
        shutil.copyfile(self.wal / name, into)
        return True

    def close(self) -> None:
        self.closed += 1


@dataclass
class Trees:
    """Implements `PhysicalSource` over copied data directories."""

    folder: Path
    archive: WalArchive | None = None
    change: Callable[[Place], None] = lambda place: None
    """What is done to a copy after it was laid down."""
    left_out: tuple[str, ...] = ()

    def survey(self) -> SourceFacts:
        return SourceFacts(source="base", reachable=True)

    def points(self) -> Working[list[RecoveryPoint]]:
        return []
        yield

    def facts(self, point: RecoveryPoint) -> PointFacts:
        return PointFacts(point=point)

    def manifest(self, point: RecoveryPoint) -> None:
        return None

    def files(self, point: RecoveryPoint) -> list[tuple[str, object]]:
        return []

    def close(self) -> None:
        return None

    def check(self, point: RecoveryPoint) -> Working[ByteFact]:
        return ByteFact(state="structure", reason="its files are there")
        yield

    def lay_down(self, point: RecoveryPoint, place: Place) -> Working[WalArchive | None]:
        yield Milestone("laying down")
        shutil.copytree(self.folder / point.id, place.data, symlinks=True, dirs_exist_ok=True)
        self.change(place)
        return self.archive

    def wal(self, point: RecoveryPoint, scratch: Path) -> WalArchive | None:
        return self.archive
