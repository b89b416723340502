"""A home of Barman's with real backups of a real server, copies of it to damage, and a server on what was
laid down."""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg

from drbook.core.points import RecoveryPoint
from drbook.providers.cancel import CancelToken
from drbook.providers.hiding import Secret
from drbook.providers.launcher import NOBODY
from drbook.providers.pgserver import ClusterServer, server_user
from drbook.providers.pgtools import PgTools
from drbook.providers.sources.barman import BarmanCloudSource, BarmanSource
from drbook.providers.sources.base import Opening, PhysicalSource, Place, WalArchive
from support.pg import drain, started
from support.s3 import S3Server, admin_keys

PROGRAMS = str(Path(sys.executable).parent)
"""Where the test extra put Barman's programs."""


def no_secrets(reference: str) -> Secret:
    raise AssertionError(f"nobody asks for {reference}")


@dataclass(frozen=True)
class Home:
    """Barman's home with one server, `main`, and its configuration beside it."""

    folder: Path
    bin: Path

    @property
    def config(self) -> Path:
        return self.folder / "barman.conf"

    @property
    def main(self) -> Path:
        return self.folder / "home" / "main"

    def configure(self, conninfo: str, user: str, *more: str) -> None:
        lines = [
            "[barman]", f"barman_user = {user}", f"barman_home = {self.folder / 'home'}",
            f"log_file = {self.folder / 'barman.log'}",
            "[main]", "description = a small business", f"conninfo = {conninfo}",
            f"streaming_conninfo = {conninfo}", "backup_method = postgres", "archiver = on",
            "immediate_checkpoint = true", f"path_prefix = {self.bin}", *more,
        ]  # fmt: skip
        self.config.write_text("\n".join(lines) + "\n")

    def run(self, *arguments: str) -> str:
        argv = [f"{PROGRAMS}/barman", "-c", str(self.config), *arguments]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def source(self, **more: object) -> BarmanSource:
        fields = {"id": "vault", "kind": "barman", "server": "main", "config": str(self.config)}
        return BarmanSource.model_validate(fields | more)

    def open(self, **more: object) -> PhysicalSource:
        return self.source(**more).open(Opening(no_secrets, CancelToken()))

    def copy(self, folder: Path) -> "Home":
        """The same elsewhere; its files are shared until they are replaced."""
        subprocess.run(["cp", "-al", str(self.folder), str(folder)], check=True)
        made = Home(folder, self.bin)
        text = self.config.read_text().replace(str(self.folder), str(folder))
        for path in (made.config, *folder.glob("home/.*.lock")):
            path.unlink()
        made.config.write_text(text)
        for path in (*made.main.glob("wals/*xlog.db"), *made.main.glob("meta/*")):
            change(path, path.read_bytes())
        for link in made.main.glob("base/*/data/pg_tblspc/*"):
            leads = os.readlink(link).replace(str(self.folder), str(folder))
            link.unlink()
            link.symlink_to(leads)
        return made

    def wal(self, name: str) -> Path:
        return self.main / "wals" / name[:16] / name


@dataclass(frozen=True)
class Business:
    """What was done on the server whose copies Barman has."""

    home: Home
    first: str
    """The id of its first backup."""
    second: str
    waiting: str
    """One whose WAL did not arrive."""
    before_delete: datetime
    """After the last order was committed, and before all were deleted."""
    system: str


def change(path: Path, data: bytes) -> None:
    """Other bytes under a name that other homes share."""
    path.unlink()
    path.write_bytes(data)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    change(path, bytes(data))


def a_business(tools: PgTools, folder: Path) -> Business:
    """Two good backups with a delete after them, one that waits for its WAL, and a gap."""
    home = Home(folder / "barman", tools.bin)
    incoming = home.main / "incoming"
    incoming.mkdir(parents=True)
    for part in (folder, home.folder, home.folder / "home", home.main):
        part.chmod(0o755)
    incoming.chmod(0o777)
    (folder / "fast").mkdir(mode=0o777)
    (folder / "fast").chmod(0o777)
    (folder / "pg").mkdir()
    (folder / "part").mkdir(mode=0o777)
    (folder / "part").chmod(0o777)
    part = folder / "part" / "wal"
    copy = f"test -e {folder}/lost || (cp %p {part} && mv {part} {incoming}/%f)"
    postgres = started(
        tools, folder / "pg", archive_mode="on", wal_level="replica", archive_command=copy
    )
    try:
        conninfo = f"host={postgres.server.socket} user=postgres dbname=postgres"
        home.configure(conninfo, user_here())
        with postgres.connect("postgres") as connection:
            return _lived(connection, home, folder)
    finally:
        postgres.server.stop()


def _lived(connection: psycopg.Connection, home: Home, folder: Path) -> Business:
    run = connection.execute
    run(f"CREATE TABLESPACE fast LOCATION '{folder / 'fast'}'")
    run("CREATE TABLE orders (id int PRIMARY KEY) TABLESPACE fast")
    run("INSERT INTO orders SELECT generate_series(1, 100)")
    ids = [_backed_up(home)]
    run("INSERT INTO orders VALUES (101)")
    ids.append(_backed_up(home))
    run("INSERT INTO orders VALUES (102)")
    before = run("SELECT clock_timestamp()").fetchone()
    time.sleep(0.02)
    run("DELETE FROM orders")
    _switched(connection, home)
    (folder / "lost").touch()
    ids.append(_backed_up(home))
    (folder / "lost").unlink()
    run("CREATE TABLE later (id int)")
    _switched(connection, home)
    system = run("SELECT system_identifier FROM pg_control_system()").fetchone()
    assert before is not None
    assert system is not None
    return Business(home, *ids, before_delete=before[0], system=str(system[0]))


def _backed_up(home: Home) -> str:
    """A backup, and its WAL archived as far as it has arrived. Ids are of a second."""
    before = {path.name for path in (home.main / "base").glob("*T*")}
    while time.strftime("%Y%m%dT%H%M%S") in before:
        time.sleep(0.05)
    home.run("backup", "main")
    (id,) = {path.name for path in (home.main / "base").glob("*T*")} - before
    time.sleep(0.2)
    home.run("archive-wal", "main")
    home.run("check-backup", "main", id)
    return id


def _switched(connection: psycopg.Connection, home: Home) -> None:
    row = connection.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone()
    assert row is not None
    until = time.monotonic() + 20
    while not (home.main / "incoming" / row[0]).exists():
        assert time.monotonic() < until, f"{row[0]} was not archived"
        time.sleep(0.02)
    home.run("archive-wal", "main")


def user_here() -> str:
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name


def a_place(folder: Path) -> Place:
    """Three empty folders; the data's parent is where a server of the tests has it."""
    folder.mkdir()
    place = Place(folder / "data", folder / "tablespaces", folder / "scratch")
    for each in (place.data, place.tablespaces, place.scratch):
        each.mkdir(mode=0o700)
    return place


def fetched(archive: WalArchive, first: str, into: Path, segment: int = 16 * 2**20) -> list[str]:
    """Every segment from this one until the archive has no more."""
    into.mkdir()
    found: list[str] = []
    name = first
    while archive.get(name, into / name):
        found.append(name)
        number = int(name[8:16], 16) * (2**32 // segment) + int(name[16:], 16) + 1
        log, low = divmod(number, 2**32 // segment)
        name = f"{first[:8]}{log:08X}{low:08X}"
    return found


def rolled_forward(tools: PgTools, place: Place, wal: Path, until: datetime) -> ClusterServer:
    """A server that was started on the copy and stopped its recovery there; whoever asks stops it."""
    folder = place.data.parent
    (place.data / "recovery.signal").touch()
    server = ClusterServer(tools, folder, name="rolled")
    if server_user() == "nobody":
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, NOBODY, NOBODY)
    drain(
        server.start(
            {
                "restore_command": f"cp {wal}/%f %p",
                "recovery_target_time": until.isoformat(),
                "recovery_target_action": "promote",
                "hot_standby": "off",
                "fsync": "off",
            }
        )
    )
    return server


def orders(server: ClusterServer) -> list[int]:
    with psycopg.connect(
        host=str(server.socket), user="postgres", dbname="postgres", autocommit=True
    ) as connection:
        return [row[0] for row in connection.execute("SELECT id FROM orders ORDER BY id")]


def point(points: list[RecoveryPoint], id: str) -> RecoveryPoint:
    (found,) = [one for one in points if one.id == id]
    return found


@dataclass(frozen=True)
class Cloud:
    """A server's copy and its WAL in a bucket, by `barman-cloud-*`."""

    server: S3Server
    bucket: str
    backup: str
    before_delete: datetime

    def source(self, **more: object) -> BarmanCloudSource:
        fields = {
            "id": "offsite", "kind": "barman-cloud", "server": "main", "bucket": self.bucket,
            "prefix": "pg/", "endpoint": self.server.endpoint, "region": "us-east-1",
            "access_key": "env:k", "secret_key": "env:s",
        }  # fmt: skip
        return BarmanCloudSource.model_validate(fields | more)

    def open(self, **more: object) -> PhysicalSource:
        return self.source(**more).open(Opening(admin_keys, CancelToken()))

    def keys(self, under: str) -> list[str]:
        answer = self.server.client().list_objects_v2(Bucket=self.bucket, Prefix=f"pg/main/{under}")
        return [one["Key"] for one in answer.get("Contents", ())]

    def copy(self) -> "Cloud":
        """The same in a bucket of its own."""
        made = Cloud(self.server, self.server.bucket("copy"), self.backup, self.before_delete)
        for key in self.keys(""):
            made.put(key, self.get(key))
        return made

    def get(self, key: str) -> bytes:
        return self.server.client().get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def put(self, key: str, data: bytes) -> None:
        self.server.client().put_object(Bucket=self.bucket, Key=key, Body=data)

    def drop(self, key: str) -> None:
        self.server.client().delete_object(Bucket=self.bucket, Key=key)


def a_cloud(tools: PgTools, folder: Path, server: S3Server) -> Cloud:
    """One packed copy with a tablespace, and the WAL until after a delete."""
    bucket = server.bucket("barman")
    (folder / "fast").mkdir()
    (folder / "fast").chmod(0o777)
    (folder / "pg").mkdir()
    folder.chmod(0o755)
    postgres = started(
        tools, folder / "pg", archive_mode="on", wal_level="replica", archive_command="true"
    )
    url = f"s3://{bucket}/pg"
    around = {
        "PATH": f"{tools.bin}:{os.environ['PATH']}", "HOME": str(folder), "TZ": "UTC",
        "AWS_ACCESS_KEY_ID": "admin", "AWS_SECRET_ACCESS_KEY": "admin-secret",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
    }  # fmt: skip

    def barman(program: str, *arguments: str) -> None:
        argv = [f"{PROGRAMS}/{program}", f"--endpoint-url={server.endpoint}"]
        argv += ["--addressing-style=path", *arguments]
        done = subprocess.run(argv, env=around, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr

    try:
        with postgres.connect("postgres") as connection:
            run = connection.execute
            run(f"CREATE TABLESPACE fast LOCATION '{folder / 'fast'}'")
            run("CREATE TABLE orders (id int PRIMARY KEY) TABLESPACE fast")
            run("INSERT INTO orders SELECT generate_series(1, 100)")
            login = ("-h", str(postgres.server.socket), "-U", "postgres", "--immediate-checkpoint")
            barman("barman-cloud-backup", *login, "-z", url, "main")
            run("INSERT INTO orders VALUES (101)")
            before = run("SELECT clock_timestamp()").fetchone()
            time.sleep(0.02)
            run("DELETE FROM orders")
            last = run("SELECT pg_walfile_name(pg_switch_wal())").fetchone()
            assert before is not None
            assert last is not None
            wal = postgres.server.data / "pg_wal"
            for path in sorted(wal.glob("0*")):
                if len(path.name) == 24 and path.name <= last[0]:
                    barman("barman-cloud-wal-archive", url, "main", str(path))
    finally:
        postgres.server.stop()
    made = Cloud(server, bucket, "", before[0])
    id = made.keys("base/")[0].split("/")[3]
    return Cloud(server, bucket, id, before[0])
