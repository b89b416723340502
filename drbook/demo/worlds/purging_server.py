"""A site is lost, and nine days later its backup server comes back, whose retention job removes what has expired.

That job is real: where nobody pauses it, starting the server deletes every copy on it (FACTS.md, section 1: 2021).
"""

import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from drbook.core.errors import ExitCode, StepFailed
from drbook.core.values import plain
from drbook.demo.story import GO, Expected, Refused, Story
from drbook.demo.world import Happens, Tell, World, ago
from drbook.providers.process import complete

OUTAGE = timedelta(days=9)
"""How long ago the site was lost; copies expire after seven days."""

START = """#!/bin/sh
# What the backup server does when it comes up: its jobs first, then the share.
cd "$(dirname "$0")" || exit 1
[ -e retention.paused ] || find disk -name 'rental-*' -mtime +6 -exec rm {} +
ln -sfn disk mounted
"""


class PurgingServer(World):
    """A replica beside production, and a backup server at another site that is still off."""

    file = "purging-backup-server.yaml"

    def __init__(self, folder: Path, rows: int, tell: Tell) -> None:
        super().__init__(folder, rows, tell)
        self.now -= OUTAGE
        self.server = folder / "backup-server"

    def course(self) -> Sequence[tuple[timedelta, Happens]]:
        return (
            (timedelta(hours=44), self._backup),
            (timedelta(hours=20), self._backup),
            (timedelta(hours=12), self.baseline),
            (timedelta(hours=1), self._replica),
        )

    def _backup(self, taken: datetime) -> None:
        self.tell(f"  dump to the backup server, {ago(self.now - taken)} before the loss")
        with self.dumped(taken) as (dump, manifest):
            self.lay(self.server / "disk", dump, manifest, taken)
        for one in (self.server / "disk").iterdir():
            shutil.copystat(self.server / "disk" / dump.name, one)

    def _replica(self, taken: datetime) -> None:
        self.tell(f"  copy beside production, {ago(self.now - taken)} before the loss")
        with self.dumped(taken) as (dump, manifest):
            self.lay(self.volume / "replica", dump, manifest, taken)

    def disaster(self) -> datetime:
        """The site burns. The backup server is brought to another place, switched off."""
        self.lose_volume()
        (self.server / "start").write_text(START, encoding="utf-8")
        (self.server / "start").chmod(0o700)
        self.tell("The site is lost. Nine days later its backup server may be switched on again.")
        return self.now

    def hand(self, step: str) -> None:
        if step == "pause":
            (self.server / "retention.paused").touch()
        if step == "start":
            self.switch_on()

    def switch_on(self) -> None:
        """The backup server comes up, and does what it does then."""
        done = complete(["/bin/sh", self.server / "start"])
        if done.exit_code != 0:
            raise StepFailed(f"The demo's backup server failed: {plain(done.stderr[-300:], 300)}")

    def places(self) -> Mapping[str, str]:
        return {
            "/var/run/postgresql": self.address,
            "/srv/site/db/data": str(self.production.data),
            "/srv/site/replica": str(self.volume / "replica"),
            "/srv/recovery/baselines": str(self.folder / "baselines"),
            "/srv/backup/mounted": str(self.server / "mounted"),
            "/srv/backup/retention.paused": str(self.server / "retention.paused"),
            "/srv/backup/start": str(self.server / "start"),
        }


STORY = Story(
    name="purging-backup-server",
    line="A site is lost; its backup server comes back and would purge all copies when it starts.",
    end="the copy of 20 h before the loss, verified, for its purge was paused before the start",
    world=PurgingServer,
    answers={
        "pause": ("done", "retention is paused, a second person looked (scenario)"),
        "start": ("done", "the share is there, and its copies are (scenario)"),
        "fence": ("done", "the site's hosts are unplugged (scenario)"),
        **GO,
    },
    expected=Expected(
        outcome="pass",
        code=ExitCode.DONE,
        chosen="server",
        aged=timedelta(hours=20),
        refused=(Refused("replica", "destroyed", "it lay in what was destroyed"),),
        lost=("public.reservations", "public.payments"),
        said=("pause before you mount or restore anything of server",),
    ),
)
