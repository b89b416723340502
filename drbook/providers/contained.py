"""A source whose code may be anybody's, held to what `Source` promises.

A plug-in that fails in a way of its own, or answers for another source than itself, must neither stop
the look at the others nor be believed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from drbook.core.baseline import Manifest
from drbook.core.errors import CouldNotVerify, DrbookError, UsageError
from drbook.core.points import ByteFact, LockFact, PointFacts, RecoveryPoint, SourceFacts
from drbook.core.signals import Working
from drbook.core.values import plain
from drbook.providers.hiding import scrub
from drbook.providers.sources.base import (
    Blob,
    MadeSource,
    OpenableSource,
    Opening,
    PhysicalSource,
    Place,
    Source,
    Spoilt,
    WalArchive,
)


class Contained:
    """Implements `Source` by another one. A DrbookError passes as it is; everything else that is raised
    becomes one."""

    def __init__(self, id: str, source: Source) -> None:
        self._id = id
        self._source = source

    @classmethod
    def open(cls, config: OpenableSource, opening: Opening) -> Contained:
        """Raises DrbookError where it cannot be opened."""
        with _only_ours(config.id):
            return cls(config.id, config.open(opening))

    @property
    def left_out(self) -> tuple[str, ...]:
        """What the last listing lacks, in words."""
        return tuple(getattr(self._source, "left_out", ()))

    def widen(self) -> bool:
        """Let the next `points` list everything; False where the last one did, as with most kinds."""
        widen = getattr(self._source, "widen", None)
        with _only_ours(self._id):
            return bool(widen()) if widen is not None else False

    def survey(self) -> SourceFacts:
        with _only_ours(self._id):
            found = self._source.survey()
        if not isinstance(found, SourceFacts) or found.source != self._id:
            raise _wrong(self._id, "it described something else than itself")
        return found

    def points(self) -> Working[Sequence[RecoveryPoint]]:
        with _only_ours(self._id):
            found = list((yield from self._source.points()))
        if not all(isinstance(each, RecoveryPoint) and each.source == self._id for each in found):
            raise _wrong(self._id, "it listed something else than copies of its own")
        twice = [key for key, count in Counter(each.key for each in found).items() if count > 1]
        if twice:
            raise _wrong(self._id, f"it listed {plain(twice[0], 200)} twice")
        return found

    def facts(self, point: RecoveryPoint) -> PointFacts:
        with _only_ours(self._id):
            found = self._source.facts(point)
        if not isinstance(found, PointFacts) or found.point != point:
            raise _wrong(self._id, "it described another copy than it was asked for")
        return found

    def manifest(self, point: RecoveryPoint) -> Manifest | None:
        with _only_ours(self._id):
            return self._source.manifest(point)

    def files(self, point: RecoveryPoint) -> Sequence[tuple[str, Blob]]:
        with _only_ours(self._id):
            return self._source.files(point)

    def physical(self) -> PhysicalSource:
        """Itself, as a source of physical copies. Raises UsageError where it holds none."""
        if not isinstance(self._source, PhysicalSource):
            raise UsageError(
                f"The source {plain(self._id, 100)} holds no physical copies.",
                next="Set its `format` in the runbook to what it holds.",
            )
        return ContainedPhysical(self._id, self._source)

    def dump(self, point: RecoveryPoint, into: Path) -> Working[None]:
        """Raises Spoilt where this copy is not to be had, CouldNotVerify where it makes none."""
        if not isinstance(self._source, MadeSource):
            raise _wrong(self._id, "it listed a standby, and cannot dump one")
        spoilt: Spoilt | None = None
        with _only_ours(self._id):
            try:
                yield from self._source.dump(point, into)
            except Spoilt as error:
                spoilt = error
        if spoilt is not None:
            raise spoilt

    def close(self) -> None:
        self._source.close()


class ContainedPhysical(Contained):
    """Implements `PhysicalSource` in the same way."""

    def __init__(self, id: str, source: PhysicalSource) -> None:
        super().__init__(id, source)
        self._physical = source

    def check(self, point: RecoveryPoint) -> Working[ByteFact]:
        with _only_ours(self._id):
            found = yield from self._physical.check(point)
        if not isinstance(found, ByteFact):
            raise _wrong(self._id, "it did not say what reading the copy showed")
        return found

    def lay_down(self, point: RecoveryPoint, place: Place) -> Working[WalArchive | None]:
        with _only_ours(self._id):
            return (yield from self._physical.lay_down(point, place))

    def wal(self, point: RecoveryPoint, scratch: Path) -> WalArchive | None:
        with _only_ours(self._id):
            archive = self._physical.wal(point, scratch)
        return None if archive is None else ContainedWal(self._id, archive)


class ContainedWal:
    """Implements `WalArchive` in the same way."""

    def __init__(self, id: str, archive: WalArchive) -> None:
        self._id = id
        self._archive = archive

    def get(self, name: str, into: Path) -> bool:
        with _only_ours(self._id):
            found = self._archive.get(name, into)
            if found is not into.is_file():
                raise _wrong(self._id, "it did not bring the WAL that it said it has")
        return found

    def close(self) -> None:
        self._archive.close()


def no_facts(point: RecoveryPoint, why: str) -> PointFacts:
    """What is known of a copy that could not be looked at."""
    return PointFacts(
        point=point, lock=LockFact(why_unknown=why), bytes=ByteFact(state="unknown", reason=why)
    )


@contextmanager
def _only_ours(source: str) -> Iterator[None]:
    """Raises a DrbookError in the place of whatever else is raised, OSError of a place included."""
    try:
        yield
    except DrbookError:
        raise
    except Exception as error:
        words = f"{type(error).__name__}: {plain(scrub(str(error)), 200)}"
        raise _wrong(source, f"its own code failed ({words})") from error


def _wrong(source: str, why: str) -> CouldNotVerify:
    return CouldNotVerify(
        f"The source {plain(source, 100)} cannot be believed: {why}.",
        means="Recovery points there are unknown; this is not the same as none.",
        next="Report it to whoever wrote this kind of source; the others were looked at.",
        code="source-broken",
    )
