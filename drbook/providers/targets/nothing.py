"""Targets of a dry run: every verb says what it would have done, and stops."""

from collections.abc import Sequence
from pathlib import Path

from drbook.core.archivefacts import ArchiveFacts
from drbook.core.baseline import TableCounts
from drbook.core.errors import NotExercised
from drbook.core.globals import Globals
from drbook.core.pages import Pages
from drbook.core.ports import ProductionIdentity
from drbook.core.preflight import UNKNOWN, Item, Preflight
from drbook.core.signals import Working
from drbook.core.targets import DatabaseRef, LoadReport, LocalCopy, Target, TargetLook, TargetSpec
from drbook.providers.globalsfile import read_globals


class NoTargets:
    """Implements `core.ports.Targets` without ever making one."""

    def preflight(
        self,
        spec: TargetSpec,
        copy: LocalCopy,
        production: Sequence[ProductionIdentity],
        proof: str = "",
    ) -> Working[tuple[LocalCopy, Preflight]]:
        words = "a dry run does not look at the place that it would restore into"
        item = Item(what="target", verdict=UNKNOWN, found="not looked at", wanted="", words=words)
        return copy, Preflight(items=(item,))
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
