"""A tool with a wrong state destroys the instance, and the automated snapshots go with it.

The provider's snapshots are dumps in buckets of production's own account here: nothing of a cloud is simulated, and
what is deleted is deleted by that account's own key.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from drbook.core.errors import ExitCode
from drbook.demo.story import GO, Expected, Refused, Story
from drbook.demo.world import Bucket, Happens, World, ago

AUTOMATED = Bucket("main", "rental-automated")
MANUAL = Bucket("main", "rental-manual")
ARCHIVE = Bucket("archive", "rental-archive", locks=True)


class InstanceDestroyed(World):
    """Automated and manual snapshots in production's account, and a nightly dump in another one."""

    file = "instance-destroyed.yaml"
    opens = (
        ("MAIN", "main"),
        ("ARCHIVE", "archive"),
    )
    buckets = (AUTOMATED, MANUAL, ARCHIVE)

    def course(self) -> Sequence[tuple[timedelta, Happens]]:
        return (
            (timedelta(days=4), self._manual),
            (timedelta(hours=44), self._archived),
            (timedelta(hours=20), self._archived),
            (timedelta(hours=12), self.baseline),
            (timedelta(hours=10), self._automated),
            (timedelta(hours=2), self._automated),
        )

    def _manual(self, taken: datetime) -> None:
        self.tell(f"  snapshot by hand, {ago(self.now - taken)}")
        with self.dumped(taken) as (dump, manifest):
            self.upload(MANUAL, "before-upgrade/", dump, manifest)

    def _archived(self, taken: datetime) -> None:
        self.tell(f"  dump to another account, {ago(self.now - taken)}")
        with self.dumped(taken) as (dump, manifest):
            self.upload(ARCHIVE, "nightly/", dump, manifest)

    def _automated(self, taken: datetime) -> None:
        self.tell(f"  automated snapshot, {ago(self.now - taken)}")
        with self.dumped(taken) as (dump, manifest):
            self.upload(AUTOMATED, "", dump, manifest)

    def disaster(self) -> datetime:
        """The tool believes that the instance is not wanted any more, and takes it away with its snapshots."""
        self.lose_volume()
        client = self.store.client(AUTOMATED.owner)
        for each in client.list_objects_v2(Bucket=AUTOMATED.name).get("Contents", []):
            client.delete_object(Bucket=AUTOMATED.name, Key=each["Key"])
        self.store.client().delete_bucket(Bucket=AUTOMATED.name)
        self.tell("A tool with a wrong state has destroyed the instance and its snapshots.")
        return datetime.now(UTC).replace(microsecond=0)

    def places(self) -> Mapping[str, str]:
        return {
            "/var/run/postgresql": self.address,
            "/srv/instance/data": str(self.production.data),
            "/srv/rental/baselines": str(self.folder / "baselines"),
            "https://automated.storage.example.com": self.store.endpoint,
            "https://manual.storage.example.com": self.store.endpoint,
            "https://archive.storage.example.com": self.store.endpoint,
        }


STORY = Story(
    name="instance-destroyed",
    line="An infrastructure tool destroys the instance, and its automated snapshots with it.",
    end="the dump in another account of 20 h ago, verified",
    world=InstanceDestroyed,
    answers={
        "stop": ("done", "the pipeline is off, the state file is kept (scenario)"),
        "ticket": ("done", "ticket 4711: no snapshot is known to the provider yet (scenario)"),
        "revoke": ("done", "the deploy role cannot delete any more (scenario)"),
        **GO,
    },
    expected=Expected(
        outcome="pass",
        code=ExitCode.DONE,
        chosen="archive",
        aged=timedelta(hours=20),
        refused=(
            Refused("automated", "destroyed", "it lay in what was destroyed"),
            Refused("manual", "shared", "it is in production's own account"),
        ),
        lost=("public.reservations", "public.payments"),
    ),
)
