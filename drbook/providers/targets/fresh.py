"""Making fresh targets, and working with them: `core.ports.Targets` for drills and live incidents."""

import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from drbook.core.archivefacts import ArchiveFacts
from drbook.core.baseline import TableCounts
from drbook.core.errors import CouldNotVerify, StepFailed, UsageError
from drbook.core.freshness import Answer, prove_same_target
from drbook.core.globals import Globals
from drbook.core.pages import Pages
from drbook.core.points import ByteFact, RecoveryPoint
from drbook.core.ports import ProductionIdentity
from drbook.core.preflight import CopyFacts, PlaceFacts, Preflight
from drbook.core.preflightrules import judge
from drbook.core.recovery import RecoveryAim, RecoveryReport
from drbook.core.recoverychecks import judge_physical
from drbook.core.refusals import refused
from drbook.core.signals import Milestone, Working
from drbook.core.targets import DatabaseRef, LoadReport, LocalCopy, Target, TargetLook, TargetSpec
from drbook.core.values import plain
from drbook.providers.archive_check import read_needs
from drbook.providers.globalsfile import read_globals
from drbook.providers.pgpages import read_pages
from drbook.providers.pgserver import private_base, server_user
from drbook.providers.postgres import PostgresReader
from drbook.providers.targets.alone import isolation_of
from drbook.providers.targets.base import OpenableTarget, Workshop
from drbook.providers.targets.foresee import best_known
from drbook.providers.targets.lease import proven
from drbook.providers.targets.load import Loader


class FreshTargets:
    """`kinds` are those that can be made here, by name."""

    def __init__(self, workshop: Workshop, kinds: Mapping[str, type[OpenableTarget]]) -> None:
        self._workshop = workshop
        self._kinds = kinds

    def preflight(
        self,
        spec: TargetSpec,
        copy: LocalCopy,
        production: Sequence[ProductionIdentity],
        proof: str = "",
    ) -> Working[tuple[LocalCopy, Preflight]]:
        """See `core.ports.Targets.preflight`."""
        shop = self._workshop
        held, unreadable = copy.held, ""
        if held is None:
            held, unreadable = yield from read_needs(
                shop.folder / copy.name, shop.tools(), shop.cancel
            )
        copy = copy.model_copy(update={"held": held})
        place = yield from self._openable(spec).foresee(replace(shop, like=held), production)
        place = place.model_copy(update={"unreadable": unreadable})
        like = best_known(production)
        facts = CopyFacts(
            size=copy.size,
            proven=copy.checked,
            reason=proof,
            held=held,
            database_bytes=copy.database_bytes,
            roles=copy.globals.names if copy.globals is not None else frozenset(),
        )
        return copy, judge(facts, place, like.server_version if like is not None else 0)

    def globals(self, path: str) -> Globals:
        """See `core.ports.Targets.globals`."""
        return read_globals(Path(path).expanduser(), self._workshop.cancel.raise_if_requested)

    def create(
        self,
        spec: TargetSpec,
        name: str,
        production: Sequence[ProductionIdentity],
        *,
        like: ArchiveFacts | None = None,
    ) -> Working[Target]:
        """Make a fresh target. Its name and nonce are on record before anything is created."""
        _named(name)
        nonce = secrets.token_hex(16)
        maker = self._openable(spec).maker(replace(self._workshop, like=like))
        return (yield from maker.create(name, nonce, production))

    def foresee(
        self, spec: TargetSpec, point: RecoveryPoint, proof: ByteFact
    ) -> Working[Preflight]:
        """See `core.ports.Targets.foresee`."""
        shop = self._workshop
        servers = [one.version for one in shop.tools() if one.has_server]
        base = private_base(server_user(), shop.folder / "targets")
        place = PlaceFacts(free=shop.free(base), record_free=shop.free(shop.folder))
        return judge_physical(point, proof, place, servers)
        yield

    def recover(
        self,
        spec: TargetSpec,
        name: str,
        point: RecoveryPoint,
        aim: RecoveryAim,
        production: Sequence[ProductionIdentity],
    ) -> Working[tuple[Target, RecoveryReport]]:
        """See `core.ports.Targets.recover`. Its name and nonce are on record before anything is created."""
        _named(name)
        maker = self._openable(spec).recoverer(self._workshop)
        if maker is None or self._workshop.physical is None:
            raise StepFailed(
                f"A physical copy cannot be restored into a {plain(spec.kind, 60)}.",
                means="Nothing was created. A copied data directory is started as a server of its own.",
                next="Write `target: {kind: cluster}` in the runbook.",
                code="target-kind",
            )
        source = self._workshop.physical(point)
        found = yield from maker.recover(
            name, secrets.token_hex(16), source, point, aim, production
        )
        return found.target, found.report

    def load(
        self, target: Target, copy: LocalCopy, *, first: Sequence[str] = ()
    ) -> Working[LoadReport]:
        """Load an archive under a lease. Raises StepFailed with the tool's own errors."""
        begun = time.monotonic()
        target = yield from self._ready(target)
        shop = self._workshop
        loader = Loader(target, shop.environment, shop.cancel, shop.tools())
        report = yield from loader.load(shop.folder / copy.name, first, copy.globals, copy.held)
        seconds = int(time.monotonic() - begun)
        alone = isolation_of(target, shop.environment, shop.cancel)
        yield Milestone(alone.show(), alone.model_dump(mode="json"))
        return report.model_copy(update={"seconds": seconds, "alone": alone})

    def count(
        self, target: Target, *, ignore_schemas: Sequence[str] = (), content: bool = False
    ) -> Working[TableCounts]:
        """Exact counts on the target. Raises Refused where something else answers there."""
        target = yield from self._ready(target)
        reader = PostgresReader(self._workshop.environment, self._workshop.cancel)
        counts = yield from reader.count(
            target.connect, ignore_schemas=ignore_schemas, content=content, structure="sound"
        )
        # Counted in one snapshot of one server: a pooler cannot come in between.
        prove_same_target(target, Answer(counts.identity, pooled=False))
        return counts

    def reach(self, target: Target) -> Working[DatabaseRef]:
        """How to ask the target, whose server is started again where it had stopped."""
        return (yield from self._ready(target)).connect

    def pages(self, target: Target) -> Working[Pages]:
        """Every page, by the login that may. Raises Refused where something else answers there."""
        target = yield from self._ready(target)
        shop = self._workshop
        login = target.admin or target.loader or target.connect
        with proven(target, shop.environment, shop.cancel, login) as connection:
            return (yield from read_pages(connection, shop.cancel))

    def look(self, spec: TargetSpec, name: str) -> TargetLook:
        """Whether something exists under a derived name."""
        return self._openable(spec).maker(self._workshop).look(name)

    def _openable(self, spec: TargetSpec) -> OpenableTarget:
        if not isinstance(spec, OpenableTarget):
            raise UsageError(
                f"Nothing here makes a target of kind {plain(spec.kind, 60)}.",
                means="Nothing was created.",
                next=f"Kinds are: {', '.join(sorted(self._kinds))}.",
                code="target-kind",
            )
        return spec

    def _ready(self, target: Target) -> Working[Target]:
        kind = self._kinds.get(target.kind)
        if kind is None:
            raise CouldNotVerify(
                f"The target {target.name} is of kind {plain(target.kind, 60)}, which this "
                "installation does not know any more.",
                means="What was restored into it cannot be looked at from here.",
                next="Install the plug-in that made it, then run the step again.",
                code="target-kind",
            )
        return (yield from kind.ready(target, self._workshop))


def _named(name: str) -> None:
    """Raises Refused for what could lie outside the incident folder."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,120}", name):
        raise refused(
            "target-name",
            f"{plain(name, 100)!r} is no name of a target.",
            compared="its letters; it could lie outside the incident folder",
            means="Nothing was created.",
        )
