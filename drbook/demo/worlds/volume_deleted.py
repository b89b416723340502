"""One call deletes the production volume; a copy on it goes along, another can be deleted by the same token."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from drbook.core.errors import ExitCode
from drbook.demo.story import GO, Expected, Refused, Story
from drbook.demo.world import Bucket, Happens, World, ago

APP = Bucket("app", "rental-app")
OFFSITE = Bucket("offsite", "rental-offsite", locks=True)


class VolumeDeleted(World):
    """Backups on the volume itself, beside the application's files, and off site; the newest one there was cut."""

    file = "rental-business.yaml"
    opens = (
        ("APP_STORAGE", "app"),
        ("OFFSITE", "offsite"),
    )
    buckets = (APP, OFFSITE)

    def course(self) -> Sequence[tuple[timedelta, Happens]]:
        return (
            (timedelta(days=3), self._offsite_backup),
            (timedelta(days=2), self._offsite_backup),
            (timedelta(hours=26), self._offsite_backup),
            (timedelta(hours=11), self._truncated_backup),
            (timedelta(hours=3), self.baseline),
            (timedelta(hours=2), self._app_backup),
            (timedelta(hours=1), self._volume_backup),
        )

    def _offsite_backup(self, taken: datetime) -> None:
        self.tell(f"  backup off site, {ago(self.now - taken)}")
        with self.dumped(taken) as (dump, manifest):
            self.upload(OFFSITE, "nightly/", dump, manifest)

    def _truncated_backup(self, taken: datetime) -> None:
        """An upload that broke off: its manifest says what it should have been."""
        self.tell(f"  backup off site, {ago(self.now - taken)} (its upload breaks off)")
        with self.dumped(taken) as (dump, manifest):
            with dump.open("r+b") as stream:
                stream.truncate(manifest.size * 2 // 3)
            self.upload(OFFSITE, "nightly/", dump, manifest)

    def _app_backup(self, taken: datetime) -> None:
        self.tell(f"  backup beside the application's files, {ago(self.now - taken)}")
        with self.dumped(taken) as (dump, manifest):
            self.upload(APP, "db/", dump, manifest)

    def _volume_backup(self, taken: datetime) -> None:
        self.tell(f"  backup on the volume itself, {ago(self.now - taken)}")
        with self.dumped(taken) as (dump, manifest):
            self.lay(self.volume / "backups", dump, manifest, taken)

    def disaster(self) -> datetime:
        """One call deletes the production volume, and the copies on it with it. Returns when."""
        self.lose_volume()
        self.tell("A leaked token has deleted the production volume, in one call.")
        return datetime.now(UTC).replace(microsecond=0)

    def places(self) -> Mapping[str, str]:
        return {
            "/var/run/postgresql": self.address,
            "/srv/rental/volume/data": str(self.volume / "data"),
            "/srv/rental/volume/backups": str(self.volume / "backups"),
            "/srv/rental/baselines": str(self.folder / "baselines"),
            "https://storage.app.example.com": self.store.endpoint,
            "https://storage.offsite.example.com": self.store.endpoint,
        }


STORY = Story(
    name="volume-deleted",
    line="A leaked token deletes the production volume, and the copies on it.",
    end="the copy off site of 26 h ago, verified",
    world=VolumeDeleted,
    answers=GO | {"revoke": ("done", "railway-token and app-storage-key were revoked (scenario)")},  # type: ignore[operator]
    expected=Expected(
        outcome="pass",
        code=ExitCode.DONE,
        chosen="offsite",
        aged=timedelta(hours=26),
        refused=(
            Refused("volume", "destroyed", "it lay in what was destroyed"),
            Refused("app", "shared", "stored in staging-repository, where railway-token is"),
            Refused("offsite", "damaged", "cut short"),
        ),
        lost=("public.reservations", "public.payments"),
    ),
)
