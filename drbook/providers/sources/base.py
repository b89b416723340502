"""What every kind of backup source offers, and what a plug-in's configuration must be able to do."""

import hashlib
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from drbook.core.baseline import Manifest
from drbook.core.capabilities import Capabilities
from drbook.core.points import ByteFact, PointFacts, RecoveryPoint, SourceConfig, SourceFacts
from drbook.core.ports import Cancel
from drbook.core.signals import Signal, Working
from drbook.providers.secrets import Secrets


class Unreachable(Exception):
    """The place broke off in the middle of a read; trying again later may go on where it stopped."""


class Changed(Exception):
    """The place holds other bytes under this name than when the copy was listed."""


class Spoilt(Exception):
    """The place says itself that it cannot give these bytes whole: trying again does not help, another
    copy may. `fact` is what is known of them."""

    def __init__(self, fact: ByteFact) -> None:
        super().__init__(fact.reason)
        self.fact = fact


class Blob(Protocol):
    """One file's bytes at its place, readable from any offset."""

    @property
    def size(self) -> int:
        """Bytes, as the place says now."""

    @property
    def identity(self) -> str:
        """Changes when the bytes may have changed: an ETag with its version, or inode and mtime."""

    @property
    def seen(self) -> str:
        """What a list says of these bytes too, and tells them from others under the same name; it is the
        same on every machine. Empty where nothing does."""

    @property
    def sha256(self) -> str | None:
        """The place's own digest of these bytes (hex), made when they were stored; None without."""

    def read(self, offset: int) -> AbstractContextManager[Iterator[bytes | Signal]]:
        """Chunks of at most 1 MiB from `offset` to the end. Where a program reads them, it is among them
        as a signal before it runs, and so is what it says.

        Raises Unreachable where the connection breaks, Changed where the bytes are others now, Spoilt
        where the place cannot give them whole, StepFailed where trying again cannot help.
        """


def seen_of(files: Sequence[tuple[str, str]]) -> str:
    """What was seen of each file of a copy, in one text; several are told by a digest of all."""
    if len(files) == 1 and not files[0][0]:
        return files[0][1]
    return hashlib.sha256(repr(sorted(files)).encode("utf-8", "backslashreplace")).hexdigest()


def same_bytes(then: str, now: str) -> bool:
    """Whether what was seen then is still what is there. A list and a HEAD may round the second in which
    an object was stored in different ways, and that must keep nobody from a good copy."""
    if then == now:
        return True
    (size, _, at), (size_now, _, at_now) = then.partition(" "), now.partition(" ")
    both = at.isdecimal() and at_now.isdecimal()
    return size == size_now and both and abs(int(at) - int(at_now)) <= 1


class Source(Protocol):
    """One opened backup source. It reads, and never changes anything."""

    def survey(self) -> SourceFacts:
        """The facts of the place; never raises for a place that does not answer."""

    def points(self) -> Working[Sequence[RecoveryPoint]]:
        """Every restorable copy, newest first. Raises CouldNotVerify where the list is not whole."""

    # A kind whose lists may lack something has `left_out: tuple[str, ...]`: what the last one lacks. One
    # that lists a part for speed has `widen() -> bool`: the next list is whole; False where it was.

    def facts(self, point: RecoveryPoint) -> PointFacts:
        """Lock, delete marker and quick byte facts; what fails is recorded as unknown."""

    def manifest(self, point: RecoveryPoint) -> Manifest | None:
        """Raises CouldNotVerify where a manifest exists and cannot be read."""

    def files(self, point: RecoveryPoint) -> Sequence[tuple[str, Blob]]:
        """The files to fetch: one with an empty name, or a folder's files by relative path.

        Raises StepFailed where the copy cannot be reached or is not there any more.
        """

    def close(self) -> None: ...


WAL_DAMAGED = "wal-damaged"
"""The code of what `WalArchive.get` raises for a file that the archive gave and that is damaged for sure: nothing
behind it can be replayed, and asking again changes nothing."""


class WalArchive(Protocol):
    """The log of changes that a source keeps beside its physical copies."""

    def get(self, name: str, into: Path) -> bool:
        """Put one file of it, whole, at `into`, which does not exist; False where the archive, which was
        asked, has none of that name.

        `name` is a segment (24 hexadecimal digits) or a timeline's history (`0000000A.history`). Raises
        DrbookError where the archive cannot be asked: that is not the end of the WAL.
        """

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where a physical copy is laid down. All three exist, are empty and are the incident's own."""

    data: Path
    """Becomes the data directory."""
    tablespaces: Path
    """Each tablespace gets a folder in it, and its link in `pg_tblspc` leads there."""
    scratch: Path
    """For what a tool needs while it works (its configuration, locks, logs): it does not stay."""


@runtime_checkable
class PhysicalSource(Source, Protocol):
    """A source whose copies have the format `physical`. Its `files` raise StepFailed `physical`."""

    def check(self, point: RecoveryPoint) -> Working[ByteFact]:
        """Read the copy where it lies, and all that it needs, as deeply as its tool can. Damage is an answer;
        raises StepFailed or CouldNotVerify where it cannot be read to its end."""

    def lay_down(self, point: RecoveryPoint, place: Place) -> Working[WalArchive | None]:
        """Write the copy into the place, and hand out its archive of WAL; None where it has none, and all
        that it needs came with it. Starts no server, and writes nothing elsewhere.

        Raises StepFailed where it cannot be done, or not whole.
        """

    def wal(self, point: RecoveryPoint, scratch: Path) -> WalArchive | None:
        """The same archive without laying the copy down, for who only reads it; None where there is none.
        `scratch` exists, is empty and does not stay. Raises DrbookError where it cannot be opened."""


@runtime_checkable
class MadeSource(Source, Protocol):
    """A source whose copies (`standby` in a recovery point) are no files: each is dumped when it is fetched.
    Its `files` raise StepFailed `standby`."""

    def dump(self, point: RecoveryPoint, into: Path) -> Working[None]:
        """Write a dump of the very copy that was listed to `into`, which does not exist.

        Raises Spoilt where that is not to be had (any more), Cancelled on request; what is at `into` then is
        no copy.
        """


@dataclass(frozen=True, slots=True)
class Opening:
    """What a source is opened with."""

    secrets: Secrets
    cancel: Cancel
    readers_only: bool = False
    """In a dry run: a database's login that is, or may become, more than a reader is refused."""


class OpenableSource(SourceConfig):
    """A `backups:` entry that can be opened; plug-ins derive from this."""

    can: ClassVar[Capabilities] = Capabilities()
    """What the kind claims; `drbook.testing` holds it to that."""

    @abstractmethod
    def open(self, opening: Opening) -> Source:
        """Open it. Raises DrbookError where the configuration cannot be used."""
        raise AssertionError("each kind opens itself")
