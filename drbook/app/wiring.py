"""Which implementation stands behind each door: decided here, once, by the incident's mode.

`dry-run`: no targets, no new baselines, no commands or requests but reading ones, and no login that is
more than a reader.
`drill`: fresh targets and commands that change them; nothing outside, and rows are merged into a stand-in
only. `live`: all of it.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from drbook.core.actions import StepContext
from drbook.core.baseline import Baseline
from drbook.core.errors import CouldNotVerify, NotExercised, UsageError
from drbook.core.events import Mode
from drbook.core.points import ByteFact
from drbook.core.ports import Apart, Baselines, Cancel, Ports, Targets
from drbook.core.proofs import Proofs
from drbook.core.runbook import Runbook
from drbook.core.signals import Working
from drbook.providers import secrets
from drbook.providers.archive_check import check_structure
from drbook.providers.artifacts import ArtifactFolder
from drbook.providers.backups import BackupCatalog, Tried, not_tried
from drbook.providers.baselines import open_store
from drbook.providers.cancel import BranchToken, CancelToken
from drbook.providers.hiding import Secret
from drbook.providers.kinds import TARGETS
from drbook.providers.pgtools import PgTools, find_tools
from drbook.providers.shell import Change, DeclaredProcesses
from drbook.providers.targets.base import Workshop, free_bytes, shared
from drbook.providers.targets.nothing import NoTargets
from drbook.providers.targets.pool import ServerPool

if TYPE_CHECKING:
    from drbook.providers.postgres import PostgresReader

COMMANDS: Mapping[Mode, frozenset[Change]] = {
    Mode.DRY_RUN: frozenset({"reads"}),
    Mode.DRILL: frozenset({"reads", "target"}),
    Mode.LIVE: frozenset({"reads", "target", "outside"}),
}
"""What a runbook's commands may change, by mode."""


class SystemClock:
    """Implements `core.ports.Clock`."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class NoBaselines:
    """A runbook without `baselines:`. Asking for one could not be verified; there is none to ask."""

    def listed(self, *, suspect: bool = False) -> Sequence[tuple[str, datetime]]:
        return ()

    def load(self, id: str) -> Baseline:
        raise CouldNotVerify(
            "The runbook does not say where baselines are kept.",
            means="Nothing states what was known good.",
            next="Add `baselines: {kind: directory, path: …}` and capture one in calm times.",
        )

    def save(self, baseline: Baseline, *, suspect: bool = False) -> str:
        raise no_store()

    def location(self) -> str:
        return "nowhere: the runbook names no `baselines:`"


def no_store() -> UsageError:
    return UsageError(
        "The runbook does not say where baselines are kept.",
        means="Nothing was captured.",
        next="Add `baselines: {kind: directory, path: …}` to it.",
    )


class ReadBaselines:
    """The baselines of a dry run: what is stored away from here is read and not added to."""

    def __init__(self, store: Baselines) -> None:
        self._store = store

    def listed(self, *, suspect: bool = False) -> Sequence[tuple[str, datetime]]:
        return self._store.listed(suspect=suspect)

    def load(self, id: str) -> Baseline:
        return self._store.load(id)

    def save(self, baseline: Baseline, *, suspect: bool = False) -> str:
        raise NotExercised(
            f"A dry run stores no baseline in {self.location()}.",
            means="What it would hold was counted and is not kept.",
        )

    def location(self) -> str:
        return self._store.location()


class Wiring:
    """Opens the doors of one attempt; implements `app.work.PortsOpener`."""

    def __init__(
        self,
        runbook: Runbook,
        folder: Path,
        mode: Mode,
        environment: Mapping[str, str],
        elsewhere: Mapping[str, str] | None = None,
        earlier: Callable[[], Proofs] = Proofs,
        tried: Tried = not_tried,
    ) -> None:
        """`elsewhere`: names of targets that were made on another machine, with that machine. `earlier`
        looks through the records of this one, `tried` through its attempts on locks."""
        self._runbook = runbook
        self._folder = folder
        self._mode = mode
        self._environment = environment
        self._elsewhere = elsewhere or {}
        self._earlier = earlier
        self._tried = tried
        self.pool = ServerPool()
        secrets.know(runbook.source.decode(), environment)
        self.tools = cache(lambda: find_tools(environment))

    def switch(self) -> CancelToken:
        return CancelToken()

    @contextmanager
    def open(self, context: StepContext, cancel: Cancel, *, shares: int = 1) -> Iterator[Ports]:
        """The doors of one attempt, or of one of `shares` pieces of its work; closed with the block."""
        # These libraries load when a step first needs a door, not when drbook starts.
        from drbook.providers.http import HttpSender
        from drbook.providers.merge.door import MergeDoor
        from drbook.providers.standbydoor import StandbyDoor

        live, dry = self._mode is Mode.LIVE, self._mode is Mode.DRY_RUN
        backups = self.backups(cancel)
        try:
            yield Ports(
                clock=SystemClock(),
                cancel=cancel,
                databases=self.reader(cancel),
                backups=backups,
                baselines=ReadBaselines(self.baselines()) if dry else self.baselines(),
                targets=NoTargets() if dry else self._targets(context, cancel, backups, shares),
                processes=DeclaredProcesses(
                    self._environment, cancel, allowed=COMMANDS[self._mode]
                ),
                http=HttpSender(
                    self._runbook.document.hosts, self._environment, cancel, reads_only=not live
                ),
                artifacts=ArtifactFolder(self._folder),
                standbys=StandbyDoor(
                    self._runbook.sources, self.secret, cancel, may_pause=live, readers_only=dry
                ),
                merges=MergeDoor(
                    self._mode,
                    self._runbook.document.production.database,
                    self._folder,
                    self._environment,
                    cancel,
                    self.tools,
                    self._elsewhere,
                ),
                earlier=self._earlier,
                apart=lambda shares: self._apart(context, cancel, shares),
            )
        finally:
            backups.close()

    @contextmanager
    def _apart(self, context: StepContext, cancel: Cancel, shares: int) -> Iterator[Apart]:
        """See `core.ports.Ports.apart`."""
        branch = BranchToken(cancel)
        try:
            with self.open(context, branch, shares=shares) as ports:
                yield Apart(ports, lambda: branch.request("cancel"))
        finally:
            branch.detach()

    def reader(self, cancel: Cancel) -> "PostgresReader":
        """The door to PostgreSQL, in its own type: a capture does more there than a step can."""
        from drbook.providers.postgres import PostgresReader

        dry = self._mode is Mode.DRY_RUN
        return PostgresReader(self._environment, cancel, refuse_strong=dry)

    def close(self) -> None:
        """Stop the servers of restored clusters; their data stays."""
        self.pool.close()

    def _targets(
        self, context: StepContext, cancel: Cancel, backups: BackupCatalog, shares: int
    ) -> Targets:
        from drbook.providers.targets.fresh import FreshTargets

        workshop = Workshop(
            self._folder,
            self._environment,
            cancel,
            self.pool,
            self.tools,
            self._elsewhere,
            free=lambda path: shared(free_bytes(path), shares),
            physical=backups.physical,
            mode=self._mode.value,
            made={one.name: one.identity for one in context.resources if one.created},
        )
        return FreshTargets(workshop, TARGETS())

    def backups(self, cancel: Cancel) -> BackupCatalog:
        def check(path: Path, asked: Cancel) -> Working[ByteFact]:
            tools: tuple[PgTools, ...] = self.tools()
            return (yield from check_structure(path, tools, asked))

        return BackupCatalog(
            self._runbook.sources,
            self._folder,
            cancel,
            secrets=self.secret,
            check_structure=check,
            tried=self._tried,
            readers_only=self._mode is Mode.DRY_RUN,
        )

    def baselines(self) -> Baselines:
        store = self._runbook.baseline_store
        return NoBaselines() if store is None else open_store(store, secrets=self.secret)

    def must_keep_baselines(self) -> None:
        """Raises UsageError where the runbook names no place for them."""
        if self._runbook.baseline_store is None:
            raise no_store()

    def secret(self, reference: str) -> Secret:
        return secrets.resolve(reference, self._environment)
