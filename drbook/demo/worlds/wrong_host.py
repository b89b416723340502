"""The primary is wiped in place of its broken standby; five backup methods have failed, each in its own way.

GitLab's night of 2017, in small (FACTS.md, section 1): only a copy that was made for staging by chance is left, and
it lacks what staging must not have.
"""

import gzip
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from drbook.core.errors import ExitCode, StepFailed
from drbook.core.signals import finish
from drbook.core.values import plain
from drbook.demo.story import Expected, Refused, Story
from drbook.demo.world import Bucket, Happens, Tell, World, ago
from drbook.providers.pgserver import ClusterServer, server_user
from drbook.providers.process import complete

BACKUPS = Bucket("backups", "rental-backups")
WEBHOOKS = """
CREATE TABLE webhooks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id bigint NOT NULL REFERENCES tenants,
    url text NOT NULL,
    created_at timestamptz NOT NULL
);
INSERT INTO webhooks (tenant_id, url, created_at)
SELECT 1 + n % 8, 'https://hooks.example/' || n, now() - interval '80 days'
  FROM generate_series(1, 40) n
"""


class WrongHost(World):
    """Two hosts of production, and what calls itself a backup of them."""

    file = "wrong-host-wiped.yaml"
    opens = (("BUCKET", "backups"),)
    buckets = (BACKUPS,)

    def __init__(self, folder: Path, rows: int, tell: Tell) -> None:
        super().__init__(folder, rows, tell)
        self.standby = ClusterServer(self.tools, folder / "standby", name="rental-standby")
        self._standby_address = ""

    def course(self) -> Sequence[tuple[timedelta, Happens]]:
        return (
            (timedelta(days=30), self._webhooks),
            (timedelta(hours=51), self._dump_of_nothing),
            (timedelta(hours=27), self._dump_of_nothing),
            (timedelta(hours=12), self.baseline),
            (timedelta(hours=6), self._staging_copy),
            (timedelta(hours=3), self._dump_of_nothing),
            (timedelta(hours=1), self._follow),
        )

    def _webhooks(self, moment: datetime) -> None:
        with self.connected() as connection:
            connection.execute(WEBHOOKS.encode())

    def _dump_of_nothing(self, taken: datetime) -> None:
        """What `pg_dump | gzip` leaves where pg_dump refuses the server: it is older than that."""
        self.tell(f"  dump, {ago(self.now - taken)} (pg_dump is too old, and says so to nobody)")
        folder = self.folder / "dumps"
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / f"rental-{taken:%Y%m%dT%H%M%SZ}.dump.gz").write_bytes(gzip.compress(b""))

    def _staging_copy(self, taken: datetime) -> None:
        self.tell(f"  copy for staging, {ago(self.now - taken)} (without the customers' webhooks)")
        with self.dumped(taken, ["--exclude-table=webhooks"]) as (dump, _):
            self.lay(self.folder / "staging", dump, None, taken)

    def _follow(self, moment: datetime) -> None:
        """A standby without a delay, and the place of snapshots that are taken of other hosts."""
        (self.folder / "snapshots" / "db1").mkdir(mode=0o700, parents=True)
        self.tell("  a standby follows")
        self.standby.make_folder()
        argv: list[str | Path] = [self.tools.path("pg_basebackup"), "-R", "-c", "fast"]
        argv += ["-D", self.standby.data, "-h", self.production.socket, "-U", "postgres"]
        done = complete(argv, timeout=timedelta(minutes=30), run_as=server_user())
        if done.exit_code != 0:
            raise StepFailed(f"The demo's standby failed: {plain(done.stderr[-300:], 300)}")
        finish(self.standby.start({"fsync": "off"}))
        self._standby_address = str(self.standby.socket)

    def disaster(self) -> datetime:
        """The standby was cleared to be made anew; then the primary was, by mistake."""
        self.standby.stop()
        shutil.rmtree(self.standby.data)
        self.production.stop()
        shutil.rmtree(self.production.data)
        self.tell("The standby lags and is cleared to be made anew. That was the wrong terminal.")
        return datetime.now(UTC).replace(microsecond=0)

    def places(self) -> Mapping[str, str]:
        return {
            "/var/run/postgresql/db1": self.address,
            "/var/run/postgresql/db2": self._standby_address,
            "/srv/db1/data": str(self.production.data),
            "/srv/rental/baselines": str(self.folder / "baselines"),
            "/srv/backup/dumps": str(self.folder / "dumps"),
            "/srv/snapshots/db1": str(self.folder / "snapshots" / "db1"),
            "/srv/staging/import": str(self.folder / "staging"),
            "https://storage.example.com": self.store.endpoint,
        }

    def close(self) -> None:
        try:
            self.standby.stop()
        finally:
            super().close()


STORY = Story(
    name="wrong-host-wiped",
    line="The primary is wiped in place of its standby; five backup methods have failed.",
    end="the copy for staging of 6 h ago, which lacks the webhooks: degraded, never called verified",
    world=WrongHost,
    answers={
        "freeze": ("done", "both hosts are left alone (scenario)"),
        "hands": ("done", "one terminal is left, with a red prompt (scenario)"),
        "decide": ("degraded", "without webhooks, which customers enter again (scenario)"),
        "cutover": ("done", "the application runs without webhooks (scenario)"),
    },
    accepts={"verify": "webhooks are missing, and nothing newer exists (scenario)"},
    expected=Expected(
        outcome="could-not-verify",
        code=ExitCode.COULD_NOT_VERIFY,
        chosen="staging",
        aged=timedelta(hours=6),
        refused=(
            Refused("standby", "unknown", "could not be looked at"),
            Refused("dumps", "damaged", ""),
        ),
        failing=("public.webhooks",),
    ),
)
