"""Reading backups from what a tool keeps: the dumps in its snapshots, their manifests and bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from drbook.core.baseline import Manifest
from drbook.core.errors import CouldNotVerify, StepFailed
from drbook.core.holding import NO_SNAPSHOT, NO_VAULT
from drbook.core.points import ByteFact, LockFact, Observed, PointFacts, RecoveryPoint, SourceFacts
from drbook.core.signals import Output, Progress, Working
from drbook.core.values import plain
from drbook.providers.dumptree import Dump, Entry, Snapshot, newest_first
from drbook.providers.naming import MAX_MANIFEST, Taken, read_manifest
from drbook.providers.sources.base import Blob, seen_of
from drbook.providers.tool import Failed, Tool
from drbook.providers.toolblob import Reading, ToolBlob

if TYPE_CHECKING:
    from drbook.providers.sources.base import OpenableSource

MANIFESTS_READ = 50
"""Manifests that a listing reads, those of the newest copies; older ones are read when asked for."""

Pairs = list[tuple[Snapshot, Dump]]


class ToolReader(ABC):
    """Implements `Source` over a tool. A kind says what its tool lists and how it gives out one file."""

    kept: ClassVar[str] = "snapshot"
    """The tool's word for what it puts away at one time."""
    lock_unknown: ClassVar[str]
    """Why nothing is known of a copy's lock."""

    def __init__(self, config: OpenableSource, tool: Tool) -> None:
        self._config = config
        self._tool = tool
        self._manifests: dict[Entry, Manifest] = {}
        """By file: one of the same path, size and last write is the same in every snapshot to a tool too."""
        self.left_out: tuple[str, ...] = ()
        """What the last listing could not see, in words."""

    def close(self) -> None:
        """Nothing is held open; what was read is forgotten."""
        self._manifests.clear()

    # --- what a kind says ----------------------------------------------------------------------

    @abstractmethod
    def _pairs(self, left: list[str]) -> Working[Pairs]:
        """Every dump with its snapshot; what cannot be seen goes into `left`, in words. Raises Failed."""

    @abstractmethod
    def _look_up(self, point: RecoveryPoint) -> tuple[Snapshot, Dump]:
        """The same for one point, as it is now. Raises Failed."""

    @abstractmethod
    def _is_gone(self, error: Failed) -> bool:
        """Whether `_look_up` failed because the copy is not there any more."""

    @abstractmethod
    def _reading(self, snapshot: Snapshot, path: str) -> Reading:
        """How one file of a snapshot is read."""

    @abstractmethod
    def _taken(self, snapshot: Snapshot, dump: Dump, manifest: Manifest | None) -> Taken:
        """When it was taken, and by whose clock."""

    def _seen(self, entry: Entry) -> str:
        """What tells the file's bytes from later ones under its name; empty where the snapshot pins them."""
        return ""

    def _encrypted(self) -> bool | None:
        return None

    def _location(self, snapshot: Snapshot, path: str) -> str:
        return f"{self._tool.where} {self.kept} {snapshot.short}: {path}"

    def _facts_of_place(self, *, expires: str, keyed: bool) -> SourceFacts:
        """Of a place that answered; `expires` is why nothing is known of the age at which copies go, `keyed`
        whether it answered only to its password."""
        name = self._tool.name
        place = f"{name} does not know how its place keeps what is deleted there"
        beside = Observed(value=False) if self._tool.local else Observed(why=place)
        return SourceFacts(
            source=self._config.id,
            reachable=True,
            resource=self._tool.resource,
            account=Observed(why=f"{name} does not say"),
            versioned=beside,
            lock_default=beside,
            deletes_replicated=Observed(why=place),
            expires_after_days=Observed(why=expires),
            policy_limits_deletes=beside,
            opened=Observed(value=True) if keyed else Observed(why=f"{name} needs no key for it"),
        )

    # --- points --------------------------------------------------------------------------------

    def points(self) -> Working[Sequence[RecoveryPoint]]:
        left: list[str] = []
        try:
            pairs = yield from self._pairs(left)
        except Failed as error:
            raise CouldNotVerify(
                f"{plain(self._tool.where, 300)} cannot be listed: {error.why}.",
                means="Recovery points there are unknown; this is not the same as none.",
                next=f"{error.advice}.",
                code="list-failed",
            ) from None
        self.left_out = tuple(left)
        for each in left[:10]:
            yield Output(f"left out: {each}")
        found = yield from self._with_manifests(newest_first(pairs))
        found.sort(key=lambda point: (point.taken_at, point.key), reverse=True)
        return found

    def _each(self, snapshots: Sequence[Snapshot], left: list[str], label: str) -> Working[Pairs]:
        """The dumps of all of them. A snapshot that is damaged is left out, aloud, and hides no other."""
        pairs: Pairs = []
        for number, snapshot in enumerate(snapshots):
            yield Progress(label, number, len(snapshots), f"{self.kept}s", snapshot.short)
            try:
                pairs += [(snapshot, dump) for dump in self._in(snapshot, left)]
            except Failed as error:
                if error.fact is None:
                    raise
                left.append(f"{self.kept} {snapshot.short}: {error.why}")
        yield Progress(label, len(snapshots), len(snapshots), f"{self.kept}s")
        return pairs

    def _in(self, snapshot: Snapshot, left: list[str]) -> Sequence[Dump]:
        """The dumps of one snapshot. Raises Failed."""
        raise AssertionError("a kind with snapshots says what is in each")

    def _with_manifests(self, pairs: Pairs) -> Working[list[RecoveryPoint]]:
        found: list[RecoveryPoint] = []
        read: set[Entry] = set()
        for snapshot, dump in pairs:
            manifest: Manifest | None = None
            note = ""
            beside = dump.manifest
            if beside is not None and (beside in read or len(read) < MANIFESTS_READ):
                read.add(beside)
                yield Progress(
                    "read manifests", len(read), None, "manifests", plain(beside.path, 200)
                )
                try:
                    manifest = self._load(snapshot, beside)
                except CouldNotVerify as error:
                    note = error.what
            elif beside is not None:
                note = f"its manifest was not read: only those of the newest {MANIFESTS_READ} are"
            found.append(self._point(snapshot, dump, manifest, note))
        return found

    def _point(
        self, snapshot: Snapshot, dump: Dump, manifest: Manifest | None, note: str
    ) -> RecoveryPoint:
        taken = self._taken(snapshot, dump, manifest)
        signed = manifest if not dump.folder else None
        stored = dump.files[0].sha256 if not dump.folder else None
        return RecoveryPoint(
            source=self._config.id,
            id=dump.path,
            version=snapshot.id or None,
            taken_at=taken.at,
            taken_by=taken.by,
            taken_note="; ".join(filter(None, (taken.note, note))),
            size=dump.size,
            seen=self._seen_of(dump),
            format=self._config.format,
            digest=signed.sha256 if signed else stored,
            digest_by="manifest" if signed else "store" if stored else "none",
            manifest=dump.manifest.path if dump.manifest else None,
            manifest_version=(snapshot.id or None) if dump.manifest else None,
            location=plain(self._location(snapshot, dump.path)),
            domain=self._config.domain,
            encrypted=self._encrypted(),
        )

    def _seen_of(self, dump: Dump) -> str:
        return seen_of([(_name_in(dump, each), self._seen(each)) for each in dump.files])

    # --- one point -----------------------------------------------------------------------------

    def facts(self, point: RecoveryPoint) -> PointFacts:
        """What the listing said, held against a manifest that was read: a look at each copy's first bytes
        would start a program for each."""
        described = PointFacts(
            point=point,
            lock=LockFact(why_unknown=self.lock_unknown),
            vault=NO_VAULT,
            snapshot=NO_SNAPSHOT,
        )
        try:
            _, dump = self._look_up(point)
        except Failed as error:
            fact = ByteFact(state="unknown", reason=error.why)
            there = not self._is_gone(error)
            return described.model_copy(update={"still_there": there, "bytes": fact})
        manifest = self._manifests.get(dump.manifest) if dump.manifest else None
        return described.model_copy(update={"bytes": _quick(point, dump, manifest)})

    def manifest(self, point: RecoveryPoint) -> Manifest | None:
        if point.manifest is None:
            return None
        try:
            snapshot, dump = self._look_up(point)
        except Failed as error:
            raise _unreadable(point.manifest, error.why, f"{error.advice}.") from None
        if dump.manifest is None:
            raise _unreadable(point.manifest, f"it is not in the {self.kept}", "Look again.")
        return self._load(snapshot, dump.manifest)

    def _load(self, snapshot: Snapshot, beside: Entry) -> Manifest:
        if beside in self._manifests:
            return self._manifests[beside]
        out = bytearray()
        try:
            if beside.size > MAX_MANIFEST:
                raise ValueError("it is larger than any manifest")
            reading = self._reading(snapshot, beside.path)
            self._tool.ask(*reading.arguments(0), take=out.extend)
            manifest = read_manifest(bytes(out))
        except Failed as error:
            raise _unreadable(beside.path, error.why, f"{error.advice}.") from None
        except ValueError as error:
            advice = "See who wrote it; the dump may be good."
            raise _unreadable(beside.path, str(error), advice) from None
        self._manifests[beside] = manifest
        return manifest

    def files(self, point: RecoveryPoint) -> Sequence[tuple[str, Blob]]:
        try:
            snapshot, dump = self._look_up(point)
        except Failed as error:
            raise StepFailed(
                f"{point.location} cannot be read: {error.why}.",
                means="Nothing was downloaded by this attempt; what arrived before is kept.",
                next=f"{error.advice}.",
                code="download",
            ) from None
        return [
            (_name_in(dump, each), self._blob(snapshot, each, point.location))
            for each in dump.files
        ]

    def _blob(self, snapshot: Snapshot, entry: Entry, location: str) -> ToolBlob:
        seen = self._seen(entry)
        return ToolBlob(
            self._tool,
            self._reading(snapshot, entry.path),
            entry.size,
            location,
            f"{snapshot.id} {entry.path} {seen or entry.size}",
            seen=seen,
            sha256=entry.sha256,
        )


def _name_in(dump: Dump, entry: Entry) -> str:
    return entry.path.rpartition("/")[2] if dump.folder else ""


def _quick(point: RecoveryPoint, dump: Dump, manifest: Manifest | None) -> ByteFact:
    if any(not each.healthy for each in dump.files):
        reason = "pieces of it are lost, and a repair put zeros in their place"
        return ByteFact(state="damaged", reason=reason)
    size = dump.size
    if size == 0:
        return ByteFact(state="damaged", reason="it is empty")
    if size != point.size:
        reason = f"it has {size} bytes now, {point.size} when it was listed"
        return ByteFact(state="damaged", reason=reason)
    if manifest is not None and manifest.size != size:
        kind = "cut short" if size < manifest.size else "too long"
        reason = f"it is {kind}: {size} bytes, where its manifest says {manifest.size}"
        return ByteFact(state="damaged", reason=reason)
    same = "its size matches its manifest; " if manifest is not None else ""
    return ByteFact(state="unread", reason=f"{same}its bytes are unread")


def not_understood(tool: Tool, error: ValueError) -> Failed:
    """A list that is none."""
    why = f"what {tool.name} lists cannot be read: {plain(str(error), 200)}"
    return Failed(why, f"See which version of {tool.name} is installed")


def _unreadable(path: str, reason: str, advice: str) -> CouldNotVerify:
    return CouldNotVerify(
        f"The manifest {plain(path, 300)} cannot be read: {plain(reason, 300)}.",
        means="What the copy should hold is unknown, so it cannot be compared.",
        next=advice,
        code="manifest",
    )
