"""The catalogue of backups: every configured source behind one door, and checked local copies."""

import tempfile
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from drbook.core.baseline import Manifest
from drbook.core.errors import CouldNotVerify, UsageError
from drbook.core.points import (
    ByteFact,
    Observed,
    PointFacts,
    RecoveryPoint,
    SourceConfig,
    SourceFacts,
)
from drbook.core.ports import Cancel
from drbook.core.signals import Working
from drbook.core.values import plain
from drbook.core.walread import WalRead
from drbook.providers.contained import no_facts
from drbook.providers.copies import Fetched
from drbook.providers.fetching import CheckStructure, Fetching
from drbook.providers.opened import OpenSources
from drbook.providers.secrets import Secrets
from drbook.providers.sources.base import PhysicalSource
from drbook.providers.waltrail import read_wal

Tried = Callable[[SourceConfig], Observed]
"""Whether a place was seen to keep its locks, by attempts that are on record."""


def not_tried(_: SourceConfig) -> Observed:
    return Observed(why="not tried")


ONLY_RESTORED = "only its provider reads a snapshot, and nothing but restoring it verifies it"


class BackupCatalog:
    """Implements `core.ports.Backups`. Sources are opened when first asked, and only read.

    `folder` is the incident's; nothing outside its `copies/` is written. `secrets` resolves a
    reference to its value, `check_structure` reads a dump to its end, `tried` tells what is on record of
    a place's locks; with `readers_only` databases are asked by readers' logins alone.
    """

    def __init__(
        self,
        configs: Sequence[SourceConfig],
        folder: Path,
        cancel: Cancel,
        *,
        secrets: Secrets,
        check_structure: CheckStructure,
        tried: Tried = not_tried,
        readers_only: bool = False,
    ) -> None:
        self._order = tuple(configs)
        self._folder = folder
        self._cancel = cancel
        self._tried = tried
        self._open = OpenSources(configs, secrets, cancel, readers_only=readers_only)
        self._fetching = Fetching(folder, cancel, self._open, secrets, check_structure)

    def close(self) -> None:
        self._open.close()

    def sources(self) -> Sequence[SourceConfig]:
        return self._order

    def survey(self, source: str) -> SourceFacts:
        """A place that cannot even be opened, for want of a credential, is unreachable."""
        config = self._open.config(source)
        try:
            facts = self._open(source).survey()
            return facts if facts.lock_enforced.known else self._with_lock(facts, config)
        except (UsageError, CouldNotVerify) as error:
            return SourceFacts(
                source=source, reachable=False, why_unreachable=f"{error.what} {error.next}".strip()
            )

    def _with_lock(self, facts: SourceFacts, config: SourceConfig) -> SourceFacts:
        """With what earlier attempts on objects of one's own showed of this place's locks."""
        return facts.model_copy(update={"lock_enforced": self._tried(config)})

    def points(self, source: str) -> Working[Sequence[RecoveryPoint]]:
        self._open.config(source)
        try:
            opened = self._open(source)
        except UsageError as error:
            raise CouldNotVerify(
                error.what,
                means="Recovery points there are unknown; this is not the same as none.",
                next=error.next,
                code="list-failed",
            ) from None
        return (yield from opened.points())

    def facts(self, point: RecoveryPoint) -> PointFacts:
        try:
            return self._open(point.source).facts(point)
        except (UsageError, CouldNotVerify) as error:
            return no_facts(point, error.what)

    def left_out(self, source: str) -> Sequence[str]:
        return self._open(source).left_out

    def widen(self, source: str) -> bool:
        try:
            return self._open(source).widen()
        except (UsageError, CouldNotVerify):
            return False  # it is unreachable, which its survey says

    def give_up(self, source: str) -> None:
        self._open.give_up(source)

    def manifest(self, point: RecoveryPoint) -> Manifest | None:
        return self._open(point.source).manifest(point)

    def physical(self, point: RecoveryPoint) -> PhysicalSource:
        """The source of a physical copy. Raises UsageError where it cannot be opened, or has none."""
        return self._open(point.source).physical()

    def check(self, point: RecoveryPoint) -> Working[Fetched]:
        """See `core.ports.Backups.check`."""
        if point.format == "physical":
            return (yield from self.physical(point).check(point)), None
        if point.format == "snapshot":
            return ByteFact(state="unknown", reason=ONLY_RESTORED), None
        return (yield from self.fetch(point))

    def read_wal(
        self, point: RecoveryPoint, *, segments: int, longest: timedelta
    ) -> Working[WalRead]:
        """See `core.ports.Backups.read_wal`."""
        source = self.physical(point)
        with tempfile.TemporaryDirectory(prefix="archive-", dir=self._folder) as scratch:
            archive = source.wal(point, Path(scratch))
            if archive is None:
                raise CouldNotVerify(
                    f"The source {plain(point.source, 100)} has no archive of WAL for {plain(point.id, 200)}.",
                    means="Which transaction was the loss cannot be read anywhere.",
                    next="Give the time of the loss instead, or name the archive in the runbook "
                    "(`wal:` of `kind: basebackup`).",
                    code="no-wal",
                )
            try:
                return (
                    yield from read_wal(
                        archive,
                        point,
                        self._folder,
                        self._cancel,
                        segments=segments,
                        longest=longest,
                    )
                )
            finally:
                archive.close()

    def fetch(self, point: RecoveryPoint) -> Working[Fetched]:
        """See `core.ports.Backups.fetch`. Raises UsageError where the source cannot be opened."""
        return (yield from self._fetching.fetch(point))
