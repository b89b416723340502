"""A migration without a WHERE overwrites a column and deletes rows; it is noticed an hour later, after good writes.

What customers and desks wrote meanwhile stands in the same tables, some of it in the same rows: no copy may simply go
over them.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from drbook.core.errors import ExitCode
from drbook.demo.living import LivingWorld
from drbook.demo.story import Expected, Merged, Refused, Story
from drbook.demo.world import Bucket, Happens, ago

OFFSITE = Bucket("offsite", "rental-offsite", locks=True)
NOTICED = timedelta(hours=1)
"""How long it went on."""
BEFORE = timedelta(minutes=15)
"""How long before the migration somebody took a dump for it."""

MIGRATE = """
BEGIN;
UPDATE customers SET email = lower(replace(name, ' ', '.')) || '@import.example';
DELETE FROM payments p USING reservations r WHERE r.id = p.reservation_id AND r.state = 'cancelled';
DELETE FROM reservations WHERE state = 'cancelled';
COMMIT
"""


class RowsOverwritten(LivingWorld):
    """Nightly dumps off site, and one that was taken before the migration."""

    file = "rows-overwritten.yaml"
    opens = (("OFFSITE", "offsite"),)
    buckets = (OFFSITE,)

    def course(self) -> Sequence[tuple[timedelta, Happens]]:
        return (
            (timedelta(hours=26), self._backup),
            (timedelta(hours=12), self.baseline),
            (NOTICED + BEFORE, self._backup),
            (NOTICED, self._migrate),
        )

    def _backup(self, taken: datetime) -> None:
        self.tell(f"  dump off site, {ago(self.now - taken)}")
        with self.dumped(taken) as (dump, manifest):
            self.upload(OFFSITE, "nightly/", dump, manifest)

    def _migrate(self, moment: datetime) -> None:
        self.tell(f"  a migration runs, {ago(self.now - moment)}; users go on")
        with self.connected() as connection:
            connection.execute(MIGRATE.encode())

    def disaster(self) -> datetime:
        """Somebody notices it; by then users have written for an hour, and they go on."""
        self.desk.open(datetime.now(UTC))
        self.tell("Mail to customers comes back: their addresses were overwritten an hour ago.")
        return self.now - NOTICED

    def hand(self, step: str) -> None:
        if step == "keep":
            self.keep()

    def places(self) -> Mapping[str, str]:
        return {
            "/var/run/postgresql": self.address,
            "/srv/rental/volume/data": str(self.production.data),
            "/srv/rental/baselines": str(self.folder / "baselines"),
            "/srv/rental/kept": str(self.kept),
            "https://storage.offsite.example.com": self.store.endpoint,
        }


STORY = Story(
    name="rows-overwritten",
    line="A migration overwrites a column and deletes rows; it is noticed an hour later, after good writes.",
    end="rows merged as people decide each table (here into a stand-in); newer writes are kept",
    world=RowsOverwritten,
    answers={
        "keep": ("done", "a dump of it as it is, is kept (scenario)"),
        "contain": ("done", "the migration is taken out of the pipeline (scenario)"),
        "customers": ("restore", "each conflict is an address that the migration wrote (scenario)"),
        "reservations": ("keep", "each conflict is a car that was handed over since (scenario)"),
        "decide": ("go", "the owner has looked at what was rehearsed (scenario)"),
    },
    expected=Expected(
        outcome="pass",
        code=ExitCode.DONE,
        chosen="offsite",
        aged=BEFORE,
        refused=(
            Refused("kept", "unknown", "after the loss"),
            Refused("offsite", "independent", "older than the chosen copy"),
        ),
        merged=(
            Merged("public.customers", put_back=True),
            Merged("public.payments", inserted=True),
            Merged("public.reservations", inserted=True, left=True),
        ),
    ),
)
