"""Reading backups from a restic repository: the dumps in its snapshots, their manifests and bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from drbook.core.baseline import Manifest
from drbook.core.errors import CouldNotVerify, StepFailed
from drbook.core.holding import NO_SNAPSHOT, NO_VAULT
from drbook.core.points import ByteFact, LockFact, Observed, PointFacts, RecoveryPoint, SourceFacts
from drbook.core.signals import Milestone, Output, Progress, Working
from drbook.core.values import counted, plain
from drbook.providers.naming import MAX_MANIFEST, read_manifest
from drbook.providers.resticblob import ResticBlob
from drbook.providers.resticlist import (
    Dump,
    Entry,
    Listing,
    Snapshot,
    newest_first,
    snapshots_in,
    when,
)
from drbook.providers.resticprogram import LISTING, Failed, Restic
from drbook.providers.sources.base import Blob, Opening

if TYPE_CHECKING:
    from drbook.providers.sources.restic import ResticSource

MANIFESTS_READ = 50
"""Manifests that a listing reads, those of the newest copies; older ones are read when asked for."""

_GONE = "its snapshot is not in the repository any more"


class ResticReader:
    """Implements `Source`. It reads without a lock and without a cache, so that nothing is written."""

    def __init__(self, config: ResticSource, opening: Opening) -> None:
        """Raises UsageError where its secrets cannot be read."""
        self._config = config
        self._restic = Restic(config, opening.secrets, opening.cancel)
        self._snapshots: dict[str, Snapshot] | None = None
        self._dumps: dict[tuple[str, ...], list[Dump]] = {}
        """By tree and paths: snapshots that share both hold the same."""
        self._manifests: dict[Entry, Manifest] = {}
        """By file: one of the same path, size and last write is the same in every snapshot to restic too."""
        self.left_out: tuple[str, ...] = ()
        """What the last listing could not see, in words."""

    def close(self) -> None:
        """Nothing is held open."""

    def survey(self) -> SourceFacts:
        source = self._config.id
        try:
            self._restic.ask("cat", "config", take=lambda chunk: None)
        except Failed as error:
            return SourceFacts(source=source, reachable=False, why_unreachable=error.show())
        place = "restic does not know how its place keeps what is deleted there"
        beside = Observed(value=False) if self._restic.local else Observed(why=place)
        return SourceFacts(
            source=source,
            reachable=True,
            resource=self._restic.resource,
            account=Observed(why="restic does not say"),
            versioned=beside,
            lock_default=beside,
            deletes_replicated=Observed(why=place),
            expires_after_days=Observed(
                why="who runs `restic forget`, and what it keeps, is not stored in the repository"
            ),
            policy_limits_deletes=beside,
            opened=Observed(value=True),
        )

    # --- points --------------------------------------------------------------------------------

    def points(self) -> Working[Sequence[RecoveryPoint]]:
        left: list[str] = []
        try:
            snapshots = self._list(left)
            yield from self._say_locks()
            pairs: list[tuple[Snapshot, Dump]] = []
            for number, snapshot in enumerate(snapshots):
                label = "list snapshots"
                yield Progress(label, number, len(snapshots), "snapshots", snapshot.short)
                pairs += [(snapshot, dump) for dump in self._look(snapshot, left)]
            yield Progress("list snapshots", len(snapshots), len(snapshots), "snapshots")
        except Failed as error:
            raise CouldNotVerify(
                f"{plain(self._restic.repository, 300)} cannot be listed: {error.why}.",
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

    def _list(self, left: list[str]) -> list[Snapshot]:
        """All that are meant, newest first. restic ends well where it cannot read one, and where the folder
        that they lie in is gone."""
        out = bytearray()
        said = self._restic.ask("snapshots", "--json", *self._restic.filters(), take=out.extend)
        try:
            found = snapshots_in(bytes(out))
        except ValueError as error:
            raise _not_understood(error) from None
        if self._restic.local and not Path(self._restic.repository, "snapshots").is_dir():
            raise Failed("its folder of snapshots is gone", "Keep what is left of it as it is")
        left += [plain(line, 300) for line in said.splitlines() if line.strip()]
        self._snapshots = {each.id: each for each in found}
        return found

    def _look(self, snapshot: Snapshot, left: list[str]) -> Sequence[Dump]:
        """The dumps of one snapshot. One that is damaged is left out, aloud, and hides no other."""
        try:
            return self._in(snapshot, left)
        except Failed as error:
            if error.fact is None:
                raise
            left.append(f"snapshot {snapshot.short}: {error.why}")
            return ()

    def _in(self, snapshot: Snapshot, left: list[str]) -> list[Dump]:
        """Raises Failed."""
        key = (snapshot.tree, *snapshot.paths)
        if key in self._dumps:
            return self._dumps[key]
        listing = Listing(snapshot.paths, self._config.files)
        try:
            self._restic.ask("ls", "--json", snapshot.id, take=listing.take, timeout=LISTING)
            found = listing.end()
        except ValueError as error:
            raise _not_understood(error) from None
        if not listing.seen:
            raise Failed(_GONE, "Look again", ByteFact(state="unknown", reason=_GONE))
        left += [f"snapshot {snapshot.short}: {each}" for each in listing.left]
        self._dumps[key] = found
        return found

    def _say_locks(self) -> Working[None]:
        """A prune that runs there takes what is being recovered: that is said, and nothing is unlocked."""
        out = bytearray()
        self._restic.ask("list", "locks", take=out.extend)
        if count := len(out.split()):
            yield Milestone(
                f"{self._config.id}: the repository holds {counted(count, 'lock')}: a backup, a check or a "
                "prune runs there, or was broken off. It is read without a lock; see that nothing prunes it."
            )

    def _with_manifests(
        self, pairs: Sequence[tuple[Snapshot, Dump]]
    ) -> Working[list[RecoveryPoint]]:
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
                    manifest = self._load(snapshot.id, beside)
                except CouldNotVerify as error:
                    note = error.what
            elif beside is not None:
                note = f"its manifest was not read: only those of the newest {MANIFESTS_READ} are"
            found.append(self._point(snapshot, dump, manifest, note))
        return found

    def _point(
        self, snapshot: Snapshot, dump: Dump, manifest: Manifest | None, note: str
    ) -> RecoveryPoint:
        taken = when(dump, snapshot, manifest)
        signed = manifest if not dump.folder else None
        return RecoveryPoint(
            source=self._config.id,
            id=dump.path,
            version=snapshot.id,
            taken_at=taken.at,
            taken_by=taken.by,
            taken_note="; ".join(filter(None, (taken.note, note))),
            size=dump.size,
            format=self._config.format,
            digest=signed.sha256 if signed else None,
            digest_by="manifest" if signed else "none",
            manifest=dump.manifest.path if dump.manifest else None,
            manifest_version=snapshot.id if dump.manifest else None,
            location=plain(f"{self._restic.repository} snapshot {snapshot.short}: {dump.path}"),
            domain=self._config.domain,
        )

    # --- one point -----------------------------------------------------------------------------

    def facts(self, point: RecoveryPoint) -> PointFacts:
        """What the listing said, held against a manifest that was read: a look at each copy's first bytes
        would start a program for each."""
        lock = LockFact(why_unknown="restic does not say what locks its place has")
        described = PointFacts(point=point, lock=lock, vault=NO_VAULT, snapshot=NO_SNAPSHOT)
        try:
            dump = self._dump_of(point)
        except Failed as error:
            gone = error.why == _GONE
            fact = ByteFact(state="unknown", reason=error.why)
            return described.model_copy(update={"still_there": not gone, "bytes": fact})
        manifest = self._manifests.get(dump.manifest) if dump.manifest else None
        return described.model_copy(update={"bytes": _quick(dump.size, manifest)})

    def manifest(self, point: RecoveryPoint) -> Manifest | None:
        if point.manifest is None:
            return None
        try:
            beside = self._dump_of(point).manifest
        except Failed as error:
            raise _unreadable(point.manifest, error.why, f"{error.advice}.") from None
        if beside is None:
            raise _unreadable(point.manifest, "it is not in the snapshot", "Look again.")
        return self._load(point.version or "", beside)

    def _load(self, snapshot: str, beside: Entry) -> Manifest:
        if beside in self._manifests:
            return self._manifests[beside]
        out = bytearray()
        try:
            if beside.size > MAX_MANIFEST:
                raise ValueError("it is larger than any manifest")
            self._restic.ask("dump", snapshot, beside.path, take=out.extend)
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
            dump = self._dump_of(point)
        except Failed as error:
            raise StepFailed(
                f"{point.location} cannot be read: {error.why}.",
                means="Nothing was downloaded by this attempt; what arrived before is kept.",
                next=f"{error.advice}.",
                code="download",
            ) from None
        return [
            (
                each.path.rpartition("/")[2] if dump.folder else "",
                ResticBlob(self._restic, point.version or "", each.path, each.size, point.location),
            )
            for each in dump.files
        ]

    def _dump_of(self, point: RecoveryPoint) -> Dump:
        """As the snapshot lists it; a catalogue that was opened anew asks once more. Raises Failed."""
        if self._snapshots is None or point.version not in self._snapshots:
            self._list([])
        snapshot = (self._snapshots or {}).get(point.version or "")
        if snapshot is None:
            raise Failed(_GONE, "Look again")
        for dump in self._in(snapshot, []):
            if dump.path == point.id:
                return dump
        raise Failed("its snapshot holds no such dump", "Look again")


def _quick(size: int, manifest: Manifest | None) -> ByteFact:
    if size == 0:
        return ByteFact(state="damaged", reason="it is empty")
    if manifest is not None and manifest.size != size:
        kind = "cut short" if size < manifest.size else "too long"
        reason = f"it is {kind}: {size} bytes, where its manifest says {manifest.size}"
        return ByteFact(state="damaged", reason=reason)
    same = "its size matches its manifest; " if manifest is not None else ""
    return ByteFact(state="unread", reason=f"{same}its bytes are unread")


def _not_understood(error: ValueError) -> Failed:
    why = f"what restic lists cannot be read: {plain(str(error), 200)}"
    return Failed(why, "See which version of restic is installed")


def _unreadable(path: str, reason: str, advice: str) -> CouldNotVerify:
    return CouldNotVerify(
        f"The manifest {plain(path, 300)} cannot be read: {plain(reason, 300)}.",
        means="What the copy should hold is unknown, so it cannot be compared.",
        next=advice,
        code="manifest",
    )
