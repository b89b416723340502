"""A production that lives on: users go on booking while their lost rows are brought back."""

from pathlib import Path
from typing import TypeVar

from drbook.app.places import Home, listed
from drbook.core import events as ev
from drbook.core.errors import StepFailed
from drbook.core.results import ProposeResult, RestoreResult, read_result
from drbook.core.targets import LOADER
from drbook.core.values import Frozen, plain
from drbook.demo.desk import Desk
from drbook.demo.world import Tell, World
from drbook.journal.reader import read
from drbook.providers.hiding import Secret
from drbook.providers.process import complete

R = TypeVar("R", bound=Frozen)


class LivingWorld(World):
    """Production with a desk that books, and a folder for a dump of how it is after the loss."""

    def __init__(self, folder: Path, rows: int, tell: Tell) -> None:
        super().__init__(folder, rows, tell)
        self.desk = Desk(self.connected)
        self.kept = folder / "kept"

    def keep(self) -> None:
        """Production as it is, the damage in it, before anybody mends something."""
        self.kept.mkdir(mode=0o700, exist_ok=True)
        self.dump(self.kept / "as-it-is.dump")

    def make_again(self) -> None:
        """Run the proposal's definition in production, as the runbook tells a person to."""
        self.do("psql", "-X", "-v", "ON_ERROR_STOP=1", "-f", self._definition())

    def make_again_in_drill(self) -> None:
        """Run it in the stand-in."""
        target = self._told("stand_in", RestoreResult).target
        login = target.loader
        if login is None:
            raise StepFailed(f"{plain(target.name, 100)} has no login that may make a table.")
        key = (Path(target.location) / f"{LOADER}.key").read_text(encoding="utf-8").strip()
        argv: list[str | Path] = [self.tools.path("psql"), "-X", "-v", "ON_ERROR_STOP=1"]
        argv += ["-h", login.host or "", "-U", LOADER, "-d", login.dbname or ""]
        done = complete([*argv, "-f", self._definition()], env={"PGPASSWORD": Secret(key)})
        if done.exit_code != 0:
            raise StepFailed(f"The demo's table was not made: {plain(done.stderr[-300:], 300)}")

    def _definition(self) -> Path:
        return self._incident / self._told("propose", ProposeResult).proposal.what.definition

    @property
    def _incident(self) -> Path:
        return listed(Home(self.folder / "drbook"))[-1]

    def _told(self, step: str, model: type[R]) -> R:
        """What a step of this world's incident handed back, as a person would read it on the screen."""
        ended = [
            record.event
            for record in read(self._incident / "journal.jsonl")
            if isinstance(record.event, ev.StepFinished) and record.event.step == step
        ]
        found = read_result(model, ended[-1].result) if ended else None
        if found is None:
            raise StepFailed(f"The demo's incident has no result of {step}.")
        return found

    def close(self) -> None:
        try:
            self.desk.close()
        finally:
            super().close()
