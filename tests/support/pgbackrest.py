"""A small business that pgBackRest backs up into two repositories: bundled, and encrypted file by file.

Made once; what damages a repository takes a copy of it.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from drbook.providers.launcher import NOBODY
from drbook.providers.pgserver import ClusterServer, server_user
from drbook.providers.pgtools import PgTools, find_tools
from drbook.providers.process import complete
from drbook.providers.sources.base import PhysicalSource, Place
from drbook.providers.sources.pgbackrest import PgBackRestSource
from drbook.testing import opening
from support.pg import Postgres, drain

PASSWORD = "correct horse 4b1d7e20 battery"
STANZA = "rental"
_NEWEST = ((2, 57, 18), (2, 54, 17), (2, 48, 16), (2, 41, 15), (2, 36, 14))
"""The newest PostgreSQL that pgBackRest knows, by its version."""


def server_tools() -> PgTools | None:
    """Programs of a server that the installed pgBackRest knows."""
    program = shutil.which("pgbackrest")
    if program is None:
        return None
    said = subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout
    major, minor = (int(part) for part in said.split()[1].split(".")[:2])
    known = next((pg for a, b, pg in _NEWEST if (major, minor) >= (a, b)), 13)
    fitting = [one for one in find_tools() if one.has_server and one.major <= known]
    return max(fitting, key=lambda one: one.version, default=None)


needs_pgbackrest = pytest.mark.skipif(
    server_tools() is None,
    reason="pgbackrest, or a PostgreSQL that it knows, is not installed (apt-get install pgbackrest "
    "postgresql)",
)


def owned(folder: Path) -> Path:
    """A new folder that the server's user may write to."""
    folder.mkdir(mode=0o755)
    if server_user() == "nobody":
        os.chown(folder, NOBODY, NOBODY)
    return folder


@dataclass
class Business:
    """What was backed up, and what happened when."""

    root: Path
    tools: PgTools
    plain: Path
    """Bundled: a full, a differential and an incremental backup, and the WAL to the end."""
    sealed: Path
    """Encrypted, one file each: a full backup."""
    conf: Path
    full: str = ""
    differential: str = ""
    incremental: str = ""
    before_delete: datetime = datetime.min
    """Between the last row's commit and the commit that deletes all."""
    system_identifier: str = ""

    def run(self, *command: str) -> str:
        argv = ["pgbackrest", f"--config={self.conf}", f"--stanza={STANZA}", *command]
        done = complete(argv, run_as=server_user())
        assert done.exit_code == 0, done.stdout + done.stderr
        return done.stdout


def _configuration(root: Path, data: Path, socket: Path) -> str:
    return f"""[global]
repo1-path={root}/plain
repo1-bundle=y
repo1-retention-full=9
repo2-path={root}/sealed
repo2-cipher-type=aes-256-cbc
repo2-cipher-pass={PASSWORD}
repo2-retention-full=9
log-path={root}/own
lock-path={root}/own
spool-path={root}/own
log-level-file=off
start-fast=y
compress-level=1

[{STANZA}]
pg1-path={data}
pg1-socket-path={socket}
pg1-user=postgres
"""


def made(root: Path) -> Business:
    tools = server_tools()
    assert tools is not None
    if server_user() == "nobody":
        for part in (root, *root.parents[:2]):
            part.chmod(0o755)
    for name in ("plain", "sealed", "own", "space"):
        owned(root / name)
    business = Business(root, tools, root / "plain", root / "sealed", root / "pgbackrest.conf")
    server = ClusterServer(tools, root / "server", name="production")
    server.make_folder()
    drain(server.create())
    push = f"pgbackrest --config={business.conf} --stanza={STANZA} archive-push %p"
    drain(
        server.start(
            {"fsync": "off", "archive_mode": "on", "archive_command": push, "wal_level": "replica"}
        )
    )
    try:
        business.conf.write_text(_configuration(root, server.data, server.socket))
        business.conf.chmod(0o644)
        _live(business, Postgres(server, tools))
    finally:
        server.stop()
    return business


def _live(business: Business, pg: Postgres) -> None:
    business.run("stanza-create")
    with pg.connect("postgres") as connection:

        def run(text: str) -> object:
            cursor = connection.execute(text)
            return cursor.fetchone()[0] if cursor.description else None  # type: ignore[index]

        def back_up(kind: str, repo: int = 1) -> str:
            business.run("backup", f"--type={kind}", f"--repo={repo}")
            folders = (business.root / "plain" / "backup" / STANZA).glob("2*")
            return max(folder.name for folder in folders) if repo == 1 else ""

        run(f"CREATE TABLESPACE \"a/../b 'c'\" LOCATION '{business.root}/space'")
        run("CREATE TABLE bookings (id int PRIMARY KEY, at timestamptz DEFAULT clock_timestamp())")
        run("CREATE TABLE rooms (id int) TABLESPACE \"a/../b 'c'\"")
        run("INSERT INTO rooms SELECT generate_series(1, 70)")
        run("INSERT INTO bookings SELECT generate_series(1, 1000)")
        business.full = back_up("full")
        back_up("full", 2)
        run("INSERT INTO bookings SELECT generate_series(1001, 1100)")
        business.differential = back_up("diff")
        run("INSERT INTO bookings SELECT generate_series(1101, 1150)")
        business.incremental = back_up("incr")
        run("INSERT INTO bookings VALUES (2000)")
        run("SELECT pg_switch_wal()")
        run("INSERT INTO bookings VALUES (2001)")
        run("SELECT pg_sleep(0.01)")
        business.before_delete = run("SELECT clock_timestamp()")  # type: ignore[assignment]
        run("SELECT pg_sleep(0.01)")
        run("DELETE FROM bookings")
        run("SELECT pg_switch_wal()")
        run("CHECKPOINT")
        business.run("check")  # waits until all WAL is archived
        business.system_identifier = str(run("SELECT system_identifier FROM pg_control_system()"))


def source(business: Business, **fields: object) -> PgBackRestSource:
    given = {"id": "vault", "stanza": STANZA, "repository": str(business.plain)} | fields
    return PgBackRestSource.model_validate({k: v for k, v in given.items() if v is not None})


def opened(config: PgBackRestSource, password: str = PASSWORD) -> PhysicalSource:
    found = config.open(opening({"WORD": password}))
    assert isinstance(found, PhysicalSource)
    return found


def place_in(folder: Path, server: ClusterServer | None = None) -> Place:
    """Where a copy is laid down; with a server, its data directory is that server's."""
    if server is not None:
        server.make_folder()
        folder = server.folder
    place = Place(folder / "data", folder / "tablespaces", folder / "scratch")
    for part in (place.data, place.tablespaces, place.scratch):
        part.mkdir(parents=True, mode=0o700)
        if server_user() == "nobody":
            os.chown(part, NOBODY, NOBODY)
    return place


def segments(repository: Path) -> list[Path]:
    return sorted(
        path
        for path in (repository / "archive" / STANZA).rglob("*-*")
        if path.is_file() and len(path.name) > 64
    )


def spoil(path: Path) -> None:
    """Other bytes in the middle, as a bad disk gives."""
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    for at in range(max(middle - 40, 20), min(middle + 40, len(data))):
        data[at] ^= 0x5A
    path.write_bytes(data)


def picture(folder: Path) -> Sequence[object]:
    """All that lies in a folder: names, modes, times of the last write, and digests."""
    return [
        (
            str(path.relative_to(folder)),
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in sorted(folder.rglob("*"))
    ]
