"""The doors to the outside, as the core sees them. Providers implement them; modes choose which.

An action gets `Ports` and nothing else. In a dry run the doors that change anything outside the
incident folder raise `NotExercised`; which implementation stands behind a door is decided once,
where the incident is wired, never in a step.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, Protocol

from drbook.core.archivefacts import ArchiveFacts
from drbook.core.baseline import Baseline, Identity, Manifest, Place, TableCounts
from drbook.core.difference import Difference, Wish
from drbook.core.errors import UsageError
from drbook.core.globals import Globals
from drbook.core.mergeport import Merges, NoMerges
from drbook.core.pages import Pages
from drbook.core.points import ByteFact, PointFacts, RecoveryPoint, SourceConfig, SourceFacts
from drbook.core.preflight import Preflight
from drbook.core.proofs import Proofs
from drbook.core.ranges import Ranges
from drbook.core.recovery import RecoveryAim, RecoveryReport
from drbook.core.signals import Working
from drbook.core.standby import Replay
from drbook.core.structure import Depth
from drbook.core.targets import (
    DatabaseProbe,
    DatabaseRef,
    HttpResult,
    LoadReport,
    LocalCopy,
    ProcessResult,
    QueryResult,
    Target,
    TargetLook,
    TargetSpec,
)
from drbook.core.values import Json
from drbook.core.walread import WalRead


class Cancel(Protocol):
    """A request to stop, seen from the work: ask it often, or leave it something to call."""

    @property
    def requested(self) -> bool: ...

    def raise_if_requested(self) -> None:
        """Raises Cancelled (or StepFailed with code `timeout`) once a stop was asked for."""

    def on_request(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` when a stop is asked for (at once if it was); returns what unregisters it."""

    def wait(self, timeout: timedelta) -> bool:
        """Sleep at most that long; True where a stop was asked for meanwhile."""


class Clock(Protocol):
    def now(self) -> datetime:
        """The wall clock in UTC."""

    def monotonic(self) -> float:
        """Seconds that never go backwards."""


class Databases(Protocol):
    """Reading PostgreSQL: every method runs in its own guarded read-only session."""

    def probe(self, database: DatabaseRef, *, volume: Path | None = None) -> DatabaseProbe:
        """Look whether a database answers; never raises for a server that does not."""

    def count(
        self,
        database: DatabaseRef,
        *,
        ignore_schemas: Sequence[str] = (),
        content: bool = False,
        structure: Depth = "none",
    ) -> Working[TableCounts]:
        """Exact counts of every table in one snapshot; `structure` adds everything beside the rows, and
        `sound` also what takes reading rows for it. Raises CouldNotVerify where it cannot start."""

    def query(
        self,
        database: DatabaseRef,
        sql: str,
        params: Mapping[str, Json],
        *,
        limit: int,
        timeout: timedelta,
    ) -> QueryResult:
        """One operator's query behind a cursor. Raises StepFailed, or Refused by the guard."""

    def differences(
        self,
        left: DatabaseRef,
        right: DatabaseRef,
        wish: Wish,
        *,
        ignore_schemas: Sequence[str] = (),
    ) -> Working[Difference]:
        """Which rows the left one has and the right one has not, each in one snapshot. Raises
        CouldNotVerify where one of them cannot be asked."""

    def stretches(
        self,
        database: DatabaseRef,
        wanted: Mapping[str, Ranges],
        *,
        ignore_schemas: Sequence[str] = (),
    ) -> Working[Mapping[str, Ranges]]:
        """These tables, counted and hashed in the same stretches. A table that cannot be is left out."""


class Backups(Protocol):
    """Backup sources. Nothing here writes outside the incident folder. Different sources may be asked from
    different threads at the same time."""

    def sources(self) -> Sequence[SourceConfig]: ...

    def survey(self, source: str) -> SourceFacts:
        """The facts of the place; a place that does not answer is a fact too, not an error."""

    def points(self, source: str) -> Working[Sequence[RecoveryPoint]]:
        """Every restorable copy, newest first. Raises CouldNotVerify where the list is not whole."""

    def give_up(self, source: str) -> None:
        """Ask what still works at this source to end, and nothing else; nobody hears it any more. May take
        its time, and may come from any thread."""

    def facts(self, point: RecoveryPoint) -> PointFacts:
        """Lock, delete marker and quick byte facts of one copy; what fails is recorded as unknown."""

    def left_out(self, source: str) -> Sequence[str]:
        """What the last `points` of a source could not list, in words: a folder that may not be read."""

    def widen(self, source: str) -> bool:
        """Let the next `points` of a source list what it leaves out for speed; False where there is nothing
        of that kind."""

    def manifest(self, point: RecoveryPoint) -> Manifest | None:
        """What the copy says it holds. Raises CouldNotVerify where a manifest exists and cannot be read."""

    def check(self, point: RecoveryPoint) -> Working[tuple[ByteFact, LocalCopy | None]]:
        """Read a copy to its end: a dump is fetched for that, a physical copy is read where it lies. Damage is
        an answer, not an error. Raises StepFailed or CouldNotVerify where it cannot be read."""

    def read_wal(
        self, point: RecoveryPoint, *, segments: int, longest: timedelta
    ) -> Working[WalRead]:
        """What the archive of WAL behind a physical copy says of every transaction, from the copy's beginning on,
        for at most so many segments and so long; where it breaks off is in the answer. Raises CouldNotVerify
        where it cannot be read at all, StepFailed where this disk is full."""

    def fetch(self, point: RecoveryPoint) -> Working[tuple[ByteFact, LocalCopy | None]]:
        """Download into the incident folder (resuming), then check digest or structure.

        A damaged copy is an answer (`ByteFact.state == "damaged"`), not an error. A copy that is
        already there and still matches is not downloaded again. Raises StepFailed where it cannot
        be read to its end, with what arrived kept for the next attempt.
        """


class Baselines(Protocol):
    def listed(self, *, suspect: bool = False) -> Sequence[tuple[str, datetime]]:
        """Ids and capture times, newest first: of the good ones, or of those kept apart as suspect."""

    def load(self, id: str) -> Baseline:
        """Raises CouldNotVerify where it is missing or does not match its seal."""

    def save(self, baseline: Baseline, *, suspect: bool = False) -> str:
        """Store away from production; returns the id. Never overwrites. A suspect one is stored
        apart: it can be loaded by its id and is never among the good ones."""

    def location(self) -> str: ...


@dataclass(frozen=True, slots=True)
class ProductionIdentity:
    """One thing that is known about production's identity, and where it is known from."""

    basis: Literal["live", "baseline", "declared"]
    described: str
    identity: Identity | None = None
    """Who it is; None where only its directory is declared."""
    ours: bool = False
    """Of a baseline: it is known to be of this very production, and not only stored beside its own."""
    directory: Place | None = None
    """The data directory that the runbook declares, as it was found on this host."""

    @property
    def proves(self) -> bool:
        """Whether a server that differs from this one is thereby not production. Anything that is
        known refuses what equals it; only production's own identity proves a difference."""
        return self.identity is not None and (self.basis == "live" or self.ours)

    @property
    def place(self) -> Place | None:
        """Production's data directory, where it is known."""
        return self.identity.place if self.identity is not None else self.directory


class Targets(Protocol):
    """Fresh places. Every write goes through a lease that proves the target again on its connection."""

    def preflight(
        self,
        spec: TargetSpec,
        copy: LocalCopy,
        production: Sequence[ProductionIdentity],
        proof: str = "",
    ) -> Working[tuple[LocalCopy, Preflight]]:
        """What can be known before anything is made: the copy, with what it holds, and the page of
        findings. Nothing is written; `proof` says how the copy's bytes are proven. Raises
        CouldNotVerify where a given server cannot be asked."""

    def globals(self, path: str) -> Globals:
        """The roles in a file that `pg_dumpall --globals-only` wrote, on this machine. Raises StepFailed."""

    def create(
        self,
        spec: TargetSpec,
        name: str,
        production: Sequence[ProductionIdentity],
        *,
        like: ArchiveFacts | None = None,
    ) -> Working[Target]:
        """Make a fresh target under this name, as the archive's database was where that is possible.
        Raises Refused, with a code of `core.refusals`, where rule 2 is not proven."""

    def recover(
        self,
        spec: TargetSpec,
        name: str,
        point: RecoveryPoint,
        aim: RecoveryAim,
        production: Sequence[ProductionIdentity],
    ) -> Working[tuple[Target, RecoveryReport]]:
        """Lay down a physical copy as a fresh target under this name, and roll it forward to the aim. Raises
        Refused where rule 2 is not proven, StepFailed where it does not come that far."""

    def foresee(
        self, spec: TargetSpec, point: RecoveryPoint, proof: ByteFact
    ) -> Working[Preflight]:
        """What can be known before a physical copy is laid down. Nothing is written."""

    def load(
        self, target: Target, copy: LocalCopy, *, first: Sequence[str] = ()
    ) -> Working[LoadReport]:
        """Load an archive; errors of the tool raise StepFailed with all of them kept."""

    def count(
        self, target: Target, *, ignore_schemas: Sequence[str] = (), content: bool = False
    ) -> Working[TableCounts]:
        """Exact counts and structure of the target, whose server is started again where it had stopped."""

    def reach(self, target: Target) -> Working[DatabaseRef]:
        """How to ask the target, whose server is started again where it had stopped."""

    def pages(self, target: Target) -> Working[Pages]:
        """Every page of the target's tables and indexes, read and held against each other; nothing
        stays of what that takes. Raises CouldNotVerify where the server goes away."""

    def look(self, spec: TargetSpec, name: str) -> TargetLook: ...


class Standbys(Protocol):
    """Sources of `kind: standby`. Nothing but their replay is ever touched."""

    def look(self, source: str) -> Replay:
        """How its replay stands. Raises CouldNotVerify where it does not answer or is no standby (any more),
        UsageError where the runbook has no such standby."""

    def pause(self, source: str) -> None:
        """Ask it to pause its replay; whether that has taken hold is asked with `look`. Raises Refused where
        it is no standby, StepFailed where the login may not."""


class NoStandbys:
    """Where nothing was wired: there is no standby to ask."""

    def look(self, source: str) -> Replay:
        raise UsageError("No standby is known here.", code="no-such-source")

    def pause(self, source: str) -> None:
        self.look(source)


class Processes(Protocol):
    """The one place that starts a process."""

    def run(
        self,
        argv: Sequence[str],
        *,
        declared: Literal["reads", "target", "outside"],
        secrets: Mapping[str, str] | None = None,
        timeout: timedelta | None = None,
    ) -> Working[ProcessResult]:
        """Run to its end and return its exit code, whatever it is.

        `declared` is the runbook's word on what it changes; `secrets` maps environment names to
        secret references. Raises StepFailed where it cannot be started or does not end in time.
        """


class Http(Protocol):
    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        secret_headers: Mapping[str, str],
        body: Json = None,
        secret_body: Mapping[str, str] | None = None,
        timeout: timedelta,
    ) -> HttpResult:
        """One request, no redirects, only to hosts the runbook names. Raises StepFailed or Refused."""


class Artifacts(Protocol):
    def keep(self, data: bytes, suffix: str) -> str:
        """Store evidence under its SHA-256, synced; returns the relative name."""

    def folder(self) -> Path:
        """The incident folder."""


@dataclass(frozen=True, slots=True)
class Apart:
    """The doors of one piece of work among several of the same attempt."""

    ports: "Ports"
    stop: Callable[[], None]
    """Asks this piece of work alone to end; may come from any thread."""


def not_apart(shares: int) -> AbstractContextManager[Apart]:
    """Where nothing opens doors for work side by side."""
    raise UsageError(f"Nothing here opens doors for {shares} pieces of work side by side.")


@dataclass(frozen=True, slots=True)
class Ports:
    """All doors of one step. Opened for one attempt, closed at its end."""

    clock: Clock
    cancel: Cancel
    databases: Databases
    backups: Backups
    baselines: Baselines
    targets: Targets
    processes: Processes
    http: Http
    artifacts: Artifacts
    standbys: Standbys = field(default_factory=NoStandbys)
    merges: Merges = field(default_factory=NoMerges)
    earlier: Callable[[], Proofs] = Proofs
    """What records of earlier drills and incidents prove of copies; reading them may take seconds."""
    apart: Callable[[int], AbstractContextManager[Apart]] = not_apart
    """The same doors once more for one of so many pieces of work that go side by side, each with its share of
    the disk; all of them stop with the attempt."""
