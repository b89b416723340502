"""The provider's account is closed with all that is in it: production, backups, baselines, the registry of keys.

The newest copy elsewhere cannot be opened, since its only key lay in the account; the one whose key is on the stick
can. What production held, the go-bag alone knows.
"""

import os
import secrets
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from drbook.app.pack import Order, pack
from drbook.app.places import Home
from drbook.app.shipped import open_runbook
from drbook.core.errors import ExitCode
from drbook.core.gobag import MANIFEST, Manifest
from drbook.demo.story import GO, Expected, Refused, Story
from drbook.demo.world import Bucket, Happens, World, ago

INSIDE = Bucket("inside", "rental-inside")
MIRROR = Bucket("mirror", "rental-mirror")
VAULT = Bucket("vault", "rental-vault", locks=True)


class AccountLost(World):
    """An account with a registry of keys, two places elsewhere, and a stick."""

    file = "account-lost.yaml"
    buckets = (INSIDE, MIRROR, VAULT)

    @property
    def stick(self) -> Path:
        return self.folder / "stick"

    @property
    def bag(self) -> Path:
        return self.stick / "rental.zip"

    @property
    def baselines(self) -> Path:
        return self.folder / "baselines"

    def course(self) -> Sequence[tuple[timedelta, Happens]]:
        return (
            (timedelta(days=5), self._keys),
            (timedelta(hours=50), self._vault),
            (timedelta(hours=26), self._vault),
            (timedelta(hours=20), self.baseline),
            (timedelta(hours=19), self._pack),
            (timedelta(hours=3), self._mirror),
            (timedelta(hours=1), self._inside),
        )

    def _keys(self, moment: datetime) -> None:
        for folder, owner in (("registry", "mirror"), ("stick", "vault")):
            place = self.folder / folder
            place.mkdir(mode=0o700)
            key = place / owner
            key.touch(mode=0o600)
            key.write_text(self.store.keys(owner)[1], encoding="utf-8")

    def _vault(self, taken: datetime) -> None:
        self.tell(f"  dump to another provider, {ago(self.now - taken)} (its key is on the stick)")
        with self.dumped(taken) as (dump, manifest):
            self.upload(VAULT, "nightly/", dump, manifest)

    def _mirror(self, taken: datetime) -> None:
        self.tell(
            f"  dump to another provider, {ago(self.now - taken)} (its key is in the account)"
        )
        with self.dumped(taken) as (dump, manifest):
            self.upload(MIRROR, "", dump, manifest)

    def _inside(self, taken: datetime) -> None:
        self.tell(f"  dump within the account, {ago(self.now - taken)}")
        with self.dumped(taken) as (dump, manifest):
            self.upload(INSIDE, "", dump, manifest)

    def _pack(self, moment: datetime) -> None:
        self.tell(f"  go-bag packed, {ago(self.now - moment)}")
        order = Order(
            open_runbook(str(self.runbook())),
            self.bag,
            {**os.environ, **self.environment()},
            moment,
            no_wheels=True,
        )
        pack(order, Home(self.folder / "packed"), replace=False)

    def disaster(self) -> datetime:
        """The account is closed, with the servers, buckets and keys in it."""
        self.lose_volume()
        shutil.rmtree(self.folder / "registry")
        shutil.rmtree(self.baselines)
        self.baselines.mkdir(mode=0o700)
        self.tell("The account at the provider is closed, with everything in it.")
        return datetime.now(UTC).replace(microsecond=0)

    def hand(self, step: str) -> None:
        """Lay the go-bag's baseline into its folder, under the name that it says."""
        if step != "bag":
            return
        with zipfile.ZipFile(self.bag) as bag:
            manifest = Manifest.model_validate_json(bag.read(MANIFEST))
            document = bag.read("baseline.json")
        laid = self.baselines / manifest.baseline
        laid.touch(mode=0o600)
        laid.write_bytes(document)

    def environment(self) -> dict[str, str]:
        # A closed account's keys are keys that the store does not know any more.
        return {
            "INSIDE_KEY_ID": secrets.token_urlsafe(15),
            "INSIDE_SECRET": secrets.token_urlsafe(24),
            "MIRROR_KEY_ID": self.store.keys("mirror")[0],
            "VAULT_KEY_ID": self.store.keys("vault")[0],
        }

    def places(self) -> Mapping[str, str]:
        return {
            "/var/run/postgresql": self.address,
            "/srv/rental/volume/data": str(self.production.data),
            "/srv/recovery/baselines": str(self.baselines),
            "/media/stick/rental.zip": str(self.bag),
            "file:/run/key-registry/mirror": f"file:{self.folder / 'registry' / 'mirror'}",
            "file:/media/stick/vault": f"file:{self.stick / 'vault'}",
            "https://inside.storage.example.com": self.store.endpoint,
            "https://mirror.storage.example.com": self.store.endpoint,
            "https://vault.storage.example.com": self.store.endpoint,
        }


STORY = Story(
    name="account-lost",
    line="The provider's account is closed: production, its backups, its registry of keys.",
    end="the copy of 26 h ago whose key is on the stick, verified against the go-bag's baseline",
    world=AccountLost,
    answers={
        "call": ("done", "reference 0815, a hold is promised (scenario)"),
        "bag": ("done", "the go-bag's baseline lies in its folder (scenario)"),
        "cut": ("done", "single sign-on is disconnected elsewhere (scenario)"),
        **GO,
    },
    expected=Expected(
        outcome="pass",
        code=ExitCode.DONE,
        chosen="vault",
        aged=timedelta(hours=26),
        refused=(
            Refused("inside", "unknown", "could not be looked at"),
            Refused("mirror", "unknown", "could not be looked at"),
        ),
        lost=("public.reservations", "public.payments"),
    ),
)
