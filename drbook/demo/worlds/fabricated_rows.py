"""An agent loses rows and fills the tables with as many of its own: counts are right, and nothing in them is.

The copy of after that is whole, independent and equal to its own manifest, so that only the runbook's assertions
tell: what is restored from it must not be verified (FACTS.md, section 1: 2025).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from drbook.core.errors import ExitCode
from drbook.demo.story import GO, Expected, Refused, Story
from drbook.demo.world import Bucket, Happens, World, ago

OFFSITE = Bucket("offsite", "rental-offsite", locks=True)

FABRICATE = """
DO $$
DECLARE
    customers_then bigint := (SELECT count(*) FROM customers);
    reservations_then bigint := (SELECT count(*) FROM reservations);
    payments_then bigint := (SELECT count(*) FROM payments);
BEGIN
    TRUNCATE customers, reservations, payments RESTART IDENTITY;
    INSERT INTO customers (tenant_id, name, email, created_at)
    SELECT 1 + n % 8, 'Jane Doe ' || n, 'jane.doe' || n || '@mail.example', now() - interval '20 days' * (n % 3)
      FROM generate_series(1, customers_then) n;
    INSERT INTO reservations (vehicle_id, customer_id, state, pickup_at, return_at, total_cents, created_at)
    SELECT 1 + n % (SELECT count(*) FROM vehicles), 1 + n % customers_then, 'confirmed',
           now() + interval '1 day', now() + interval '3 days', 9900, now() - interval '1 hour' * (n % 500)
      FROM generate_series(1, reservations_then) n;
    INSERT INTO payments (reservation_id, provider_id, amount_cents, created_at)
    SELECT 1 + n % reservations_then, 'pi_test_' || n, 10000, now() - interval '1 hour' * (n % 500)
      FROM generate_series(1, payments_then) n;
END $$
"""


class FabricatedRows(World):
    """Nightly dumps off site, the newest of them of what was made up."""

    file = "fabricated-rows.yaml"
    opens = (("OFFSITE", "offsite"),)
    buckets = (OFFSITE,)

    def course(self) -> Sequence[tuple[timedelta, Happens]]:
        return (
            (timedelta(hours=52), self._backup),
            (timedelta(hours=28), self._backup),
            (timedelta(hours=12), self.baseline),
            (timedelta(hours=5), self._fabricate),
            (timedelta(hours=4), self._backup),
        )

    def _backup(self, taken: datetime) -> None:
        self.tell(f"  backup off site, {ago(self.now - taken)}")
        with self.dumped(taken) as (dump, manifest):
            self.upload(OFFSITE, "nightly/", dump, manifest)

    def _fabricate(self, moment: datetime) -> None:
        self.tell(f"  an agent deletes rows and makes up as many, {ago(self.now - moment)}")
        with self.connected() as connection:
            connection.execute(FABRICATE.encode())

    def disaster(self) -> datetime:
        """Customers call. Nobody knows that it began hours ago: what is said is when it was noticed."""
        self.tell("Customers call: their bookings are not theirs. The counts look right.")
        return datetime.now(UTC).replace(microsecond=0)

    def places(self) -> Mapping[str, str]:
        return {
            "/var/run/postgresql": self.address,
            "/srv/rental/volume/data": str(self.production.data),
            "/srv/rental/baselines": str(self.folder / "baselines"),
            "https://storage.offsite.example.com": self.store.endpoint,
        }


STORY = Story(
    name="fabricated-rows",
    line="Rows are lost, and as many are made up in their place; the newest backup holds those.",
    end="verification FAILS for the newest copy; the one of 28 h ago is the honest choice",
    world=FabricatedRows,
    answers={
        "keep": ("done", "a dump of the false rows is kept (scenario)"),
        "revoke": ("done", "agent-token is revoked (scenario)"),
        **GO,
    },
    expected=Expected(
        outcome="fail",
        code=ExitCode.FAILED,
        chosen="offsite",
        aged=timedelta(hours=4),
        refused=(Refused("offsite", "independent", "older than the chosen copy"),),
        failing=(
            "customers came one after the other",
            "the oldest customer is older than two months",
            "every payment has an id of the provider",
            "what was paid is what the reservation costs",
        ),
    ),
)
