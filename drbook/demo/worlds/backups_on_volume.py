"""The provider keeps a volume's backups within the volume: one call takes all, and a copy of three months is left.

The incident that drbook answers, as its customer met it (FACTS.md, section 1).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from drbook.core.errors import ExitCode
from drbook.demo.story import Expected, Refused, Story
from drbook.demo.world import Bucket, Happens, World, ago

STAGING = Bucket("staging", "rental-staging")
ARCHIVE = Bucket("archive", "rental-archive")


class BackupsOnVolume(World):
    """Daily backups on the volume, one copy for staging, and one for the books."""

    file = "backups-on-the-volume.yaml"
    opens = (
        ("STAGING", "staging"),
        ("ARCHIVE", "archive"),
    )
    buckets = (STAGING, ARCHIVE)

    def course(self) -> Sequence[tuple[timedelta, Happens]]:
        return (
            (timedelta(days=85), self._archive),
            (timedelta(days=35), self._staging),
            (timedelta(hours=25), self._volume_backup),
            (timedelta(hours=3), self.baseline),
            (timedelta(hours=1), self._volume_backup),
        )

    def _archive(self, taken: datetime) -> None:
        self.tell(f"  copy for the books, {ago(self.now - taken)}")
        with self.dumped(taken) as (dump, manifest):
            self.upload(ARCHIVE, "quarter/", dump, manifest)

    def _staging(self, taken: datetime) -> None:
        self.tell(f"  copy for staging, {ago(self.now - taken)}")
        with self.dumped(taken) as (dump, manifest):
            self.upload(STAGING, "", dump, manifest)

    def _volume_backup(self, taken: datetime) -> None:
        self.tell(f"  the provider's backup of the volume, within it, {ago(self.now - taken)}")
        with self.dumped(taken) as (dump, manifest):
            self.lay(self.volume / "backups", dump, manifest, taken)

    def disaster(self) -> datetime:
        self.lose_volume()
        self.tell("One call has deleted the production volume, and every backup of it.")
        return datetime.now(UTC).replace(microsecond=0)

    def places(self) -> Mapping[str, str]:
        return {
            "/var/run/postgresql": self.address,
            "/srv/rental/volume/data": str(self.production.data),
            "/srv/rental/volume/backups": str(self.volume / "backups"),
            "/srv/rental/baselines": str(self.folder / "baselines"),
            "https://staging.storage.example.com": self.store.endpoint,
            "https://archive.storage.example.com": self.store.endpoint,
        }


STORY = Story(
    name="backups-on-the-volume",
    line="The volume is deleted, and its provider kept its backups within it.",
    end="the copy of 85 days ago is whole, and what it lacks is told in rows before anybody decides",
    world=BackupsOnVolume,
    answers={
        "escalate": ("done", "reference 2604, no answer yet (scenario)"),
        "revoke": ("done", "railway-token and staging-storage-key were revoked (scenario)"),
        "decide": ("go", "customers stand at the counters, and the provider is silent (scenario)"),
        "cutover": ("done", "customers know what is missing (scenario)"),
    },
    expected=Expected(
        outcome="pass",
        code=ExitCode.DONE,
        chosen="archive",
        aged=timedelta(days=85),
        refused=(
            Refused("volume", "destroyed", "it lay in what was destroyed"),
            Refused("staging", "shared", "stored in staging-repository, where railway-token is"),
        ),
        lost=("public.customers", "public.reservations", "public.payments"),
    ),
)
