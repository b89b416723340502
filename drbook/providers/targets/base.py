"""What every kind of fresh target offers, and what it is made with."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from drbook.core.archivefacts import ArchiveFacts
from drbook.core.ports import Cancel, ProductionIdentity
from drbook.core.preflight import PlaceFacts
from drbook.core.signals import Working
from drbook.core.targets import Target, TargetLook, TargetSpec
from drbook.core.values import Json

if TYPE_CHECKING:
    from drbook.core.points import RecoveryPoint
    from drbook.providers.pgtools import PgTools
    from drbook.providers.sources.base import PhysicalSource
    from drbook.providers.targets.pool import ServerPool
    from drbook.providers.targets.recover import RecoveryMaker


def free_bytes(path: Path) -> int | None:
    """Bytes that we may still write at a path, or where it will be made; None where nobody says."""
    for place in (path, *path.parents):
        try:
            found = os.statvfs(place)
        except FileNotFoundError:
            continue
        except OSError:
            return None
        return found.f_bavail * found.f_frsize
    return None


def shared(free: int | None, shares: int) -> int | None:
    """One's part of the free bytes, where so many will be written side by side."""
    return free // shares if free is not None else None


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where and with what targets are made. `folder` is the incident's."""

    folder: Path
    environment: Mapping[str, str]
    cancel: Cancel
    pool: ServerPool
    tools: Callable[[], tuple[PgTools, ...]]
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """Names of targets that were made before another machine took over, with the machine they are
    on: what is local there is not here, even where a path is the same."""
    like: ArchiveFacts | None = None
    """The archive that the target is made for: it is made like that database, where it can be."""
    free: Callable[[Path], int | None] = free_bytes
    """How many bytes are free where something is or will be."""
    physical: Callable[[RecoveryPoint], PhysicalSource] | None = None
    """The opened source of a physical copy."""
    mode: str = ""
    """The incident's, for the marks of what is made; a target whose mark tells none is no drill's to remove."""
    made: Mapping[str, Json] = field(default_factory=dict)
    """Names of what is on record as created → the identity that it had then."""


class TargetMaker(Protocol):
    """One kind of fresh target, ready to be made."""

    def create(
        self, name: str, nonce: str, production: Sequence[ProductionIdentity]
    ) -> Working[Target]:
        """Make it. Yields its intent before anything is created, and what was created after.

        Raises Refused where it is not proven to be fresh and not production, StepFailed where it
        cannot be made.
        """

    def look(self, name: str) -> TargetLook:
        """Whether something exists under a derived name."""


class OpenableTarget(TargetSpec):
    """A `target:` that can be made; plug-ins derive from this."""

    @abstractmethod
    def maker(self, workshop: Workshop) -> TargetMaker:
        """What makes it. Raises DrbookError where the fields cannot be used."""
        raise AssertionError("each kind makes itself")

    def foresee(
        self, workshop: Workshop, production: Sequence[ProductionIdentity]
    ) -> Working[PlaceFacts]:
        """What is known of the place before anything is made there; writes nothing. A kind that does
        not say leaves everything unknown."""
        return PlaceFacts()
        yield

    def recoverer(self, workshop: Workshop) -> RecoveryMaker | None:
        """What makes it of a physical copy; None where that kind of place cannot be."""
        return None

    @classmethod
    def ready(cls, target: Target, workshop: Workshop) -> Working[Target]:
        """Make sure that a target of this kind answers, after a resume too, and return it as it is
        reached now; most stay where they are and answer by themselves."""
        return target
        yield
