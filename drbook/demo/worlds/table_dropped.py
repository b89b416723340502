"""Somebody drops a table in a production that goes on booking; all WAL since the base backup is kept elsewhere."""

import shlex
import shutil
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from drbook.core.errors import ExitCode, StepFailed
from drbook.demo.living import LivingWorld
from drbook.demo.story import Expected, Merged, Refused, Story
from drbook.demo.world import Bucket, Happens, Tell, ago
from drbook.providers.launcher import NOBODY
from drbook.providers.pgserver import server_user

OFFSITE = Bucket("offsite", "rental-offsite", locks=True)
ARCHIVE_SECONDS = 30.0


def archiving(folder: Path) -> str:
    """The command that copies a file of WAL into that folder, whole or not at all. The server takes `%%` for a
    percent sign (PostgreSQL's documentation, archive_command)."""
    place = shlex.quote(str(folder)).replace("%", "%%")
    return f'cp "%p" {place}/.%f && mv {place}/.%f {place}/%f'


class TableDropped(LivingWorld):
    """Nightly dumps off site, and a backup host with a base backup and the WAL since."""

    file = "table-dropped.yaml"
    opens = (("OFFSITE", "offsite"),)
    buckets = (OFFSITE,)

    def __init__(self, folder: Path, rows: int, tell: Tell) -> None:
        super().__init__(folder, rows, tell)
        self.copies, self.wal = folder / "base-backups", folder / "wal"
        self.settings = {
            "archive_mode": "on",
            "archive_command": archiving(self.wal),
        }

    def course(self) -> Sequence[tuple[timedelta, Happens]]:
        return (
            (timedelta(hours=50), self._nightly),
            (timedelta(hours=26), self._nightly),
            (timedelta(hours=12), self.baseline),
            (timedelta(hours=2), self._base_backup),
        )

    def _start_production(self) -> None:
        self.wal.mkdir(mode=0o700)
        if server_user() == "nobody":
            shutil.chown(self.wal, NOBODY, NOBODY)
        super()._start_production()

    def _nightly(self, taken: datetime) -> None:
        self.tell(f"  dump off site, {ago(self.now - taken)}")
        with self.dumped(taken) as (dump, manifest):
            self.upload(OFFSITE, "nightly/", dump, manifest)

    def _base_backup(self, taken: datetime) -> None:
        """Dated by the server's own clock, as its WAL is."""
        self.tell("  base backup to the backup host, which gets all WAL from then on")
        self.copies.mkdir(mode=0o700)
        self.do("pg_basebackup", "--checkpoint=fast", "-D", self.copies / "base")

    def disaster(self) -> datetime:
        """A table is gone; bookings go on."""
        with self.connected() as connection:
            connection.execute("DROP TABLE payments")
        self.tell("Somebody has dropped the table `payments`. The desks go on booking.")
        said = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
        self.desk.open(said)
        return said

    def hand(self, step: str) -> None:
        if step == "keep":
            self.keep()
            self._archive()
        if step == "table":
            self.make_again()
        if step == "table_in_drill":
            self.make_again_in_drill()

    def _archive(self) -> None:
        """The segment that production still writes goes to the archive."""
        with self.connected() as connection:
            row = connection.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone()
        name = row[0] if row else ""
        until = time.monotonic() + ARCHIVE_SECONDS
        while not (self.wal / name).exists():
            if time.monotonic() > until:
                raise StepFailed(f"The demo's archive of WAL did not get {name}.")
            time.sleep(0.05)

    def places(self) -> Mapping[str, str]:
        return {
            "/var/run/postgresql": self.address,
            "/srv/rental/volume/data": str(self.production.data),
            "/srv/rental/baselines": str(self.folder / "baselines"),
            "/srv/backup/base": str(self.copies),
            "/srv/backup/wal": str(self.wal),
            "/srv/rental/kept": str(self.kept),
            "https://storage.offsite.example.com": self.store.endpoint,
        }


STORY = Story(
    name="table-dropped",
    line="Somebody drops a table in a production that lives on: its users go on writing.",
    end="its rows of right before the drop, merged (here into a stand-in); newer bookings are kept",
    world=TableDropped,
    answers={
        "keep": ("done", "a dump of it as it is, and the last WAL, are kept (scenario)"),
        "contain": ("done", "the migration's login is locked (scenario)"),
        "table": ("done", "the table is made again (scenario)"),
        "table_in_drill": ("done", "the table is made again in the stand-in (scenario)"),
        "decide": ("go", "every lost payment, and nothing else (scenario)"),
    },
    expected=Expected(
        outcome="pass",
        code=ExitCode.DONE,
        chosen="base",
        refused=(
            Refused("kept", "unknown", "after the loss"),
            Refused("offsite", "independent", "older than the chosen copy"),
        ),
        merged=(Merged("public.payments", inserted=True, newer=False),),
    ),
)
