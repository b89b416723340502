"""Targets of a dry run: every verb says what it would have done, and stops."""

from collections.abc import Sequence
from pathlib import Path

from drbook.core.archivefacts import ArchiveFacts
from drbook.core.baseline import TableCounts
from drbook.core.errors import NotExercised
from drbook.core.globals import Globals
from drbook.core.pages import Pages
from drbook.core.points import ByteFact, RecoveryPoint
from drbook.core.ports import ProductionIdentity
from drbook.core.preflight import UNKNOWN, Item, Preflight
from drbook.core.recovery import RecoveryAim, RecoveryReport
from drbook.core.signals import Working
from drbook.core.targets import DatabaseRef, LoadReport, LocalCopy, Target, TargetLook, TargetSpec
from drbook.providers.globalsfile import read_globals

_NOT_LOOKED_AT = Item(
    what="target",
    verdict=UNKNOWN,
    found="not looked at",
    wanted="",
    words="a dry run does not look at the place that it would restore into",
)


class NoTargets:
    """Implements `core.ports.Targets` without ever making one."""

    def preflight(
        self,
        spec: TargetSpec,
        copy: LocalCopy,
        production: Sequence[ProductionIdentity],
        proof: str = "",
    ) -> Working[tuple[LocalCopy, Preflight]]:
        return copy, Preflight(items=(_NOT_LOOKED_AT,))
        yield

    def globals(self, path: str) -> Globals:
        return read_globals(Path(path).expanduser())

    def create(
        self,
        spec: TargetSpec,
        name: str,
        production: Sequence[ProductionIdentity],
        *,
        like: ArchiveFacts | None = None,
    ) -> Working[Target]:
        raise NotExercised(
            f"A dry run makes no target: a fresh {spec.kind} {name} would have been created here.",
            means="The copy was fetched and checked; that it can be loaded is not proven.",
            next="`drbook rehearse RUNBOOK` restores for real, into a fresh target.",
        )
        yield

    def foresee(
        self, spec: TargetSpec, point: RecoveryPoint, proof: ByteFact
    ) -> Working[Preflight]:
        return Preflight(items=(_NOT_LOOKED_AT,))
        yield

    def recover(
        self,
        spec: TargetSpec,
        name: str,
        point: RecoveryPoint,
        aim: RecoveryAim,
        production: Sequence[ProductionIdentity],
    ) -> Working[tuple[Target, RecoveryReport]]:
        raise NotExercised(
            f"A dry run makes no target: {point.location} would have been laid down here as {name}, "
            f"started in isolation and rolled forward to {aim.show()}.",
            means="That it can be started and rolled forward is not proven.",
            next="`drbook rehearse RUNBOOK` restores for real, into a fresh target.",
        )
        yield

    def load(
        self, target: Target, copy: LocalCopy, *, first: Sequence[str] = ()
    ) -> Working[LoadReport]:
        raise NotExercised(f"A dry run loads nothing into {target.name}.")
        yield

    def count(
        self, target: Target, *, ignore_schemas: Sequence[str] = (), content: bool = False
    ) -> Working[TableCounts]:
        raise NotExercised(f"A dry run has no target {target.name} to count.")
        yield

    def reach(self, target: Target) -> Working[DatabaseRef]:
        raise NotExercised(f"A dry run has no target {target.name} to ask.")
        yield

    def pages(self, target: Target) -> Working[Pages]:
        raise NotExercised(f"A dry run has no target {target.name} whose pages to read.")
        yield

    def look(self, spec: TargetSpec, name: str) -> TargetLook:
        return TargetLook(name=name, state="absent", reason="A dry run makes no target.")
