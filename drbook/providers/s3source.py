"""Reading backups from an S3 bucket: points, their facts, their manifests and their bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from drbook.core.baseline import Manifest
from drbook.core.errors import CouldNotVerify, StepFailed
from drbook.core.holding import NO_SNAPSHOT, NO_VAULT
from drbook.core.points import (
    ByteFact,
    LockFact,
    Observed,
    PointFacts,
    RecoveryPoint,
    SourceFacts,
)
from drbook.core.signals import Milestone, Progress, Working
from drbook.core.values import counted, plain
from drbook.providers import bytefacts
from drbook.providers.datedkeys import DatedKeys
from drbook.providers.naming import MAX_MANIFEST, read_manifest, taken
from drbook.providers.s3beside import beside, called
from drbook.providers.s3blob import S3Blob, seen_at
from drbook.providers.s3client import STORE_ERRORS, S3Connection, code_of, explain, status_of
from drbook.providers.s3cold import cold
from drbook.providers.s3facts import lock_default, lock_of, survey, unhiding
from drbook.providers.s3guard import READ_BACKUPS
from drbook.providers.s3list import Wanted, list_bucket
from drbook.providers.s3sieve import Listing, Stored
from drbook.providers.sources.base import Blob, Opening
from drbook.providers.sources.sealed import seal_of

if TYPE_CHECKING:
    from drbook.providers.sources.s3 import S3Source

MANIFESTS_READ = 50
"""Manifests that a listing reads, those of the newest copies; older ones are read when asked for."""


class _Broken(Exception):
    """What came of a manifest is none, or broke off: in words, and what to do."""

    def __init__(self, reason: str, next_: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.next = next_


class S3Reader:
    """Implements `Source` on a guarded, reading session."""

    left_out: tuple[str, ...] = ()

    def __init__(
        self,
        config: S3Source,
        opening: Opening,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Raises UsageError where credentials or profile cannot be read."""
        self._config = config
        self._now = now
        self._keys = DatedKeys(config.date_keys) if config.date_keys is not None else None
        self._whole = False
        self._cancel = opening.cancel
        self._connection = S3Connection(config, opening.secrets, READ_BACKUPS)
        self._listing: Listing | None = None
        self._manifests: dict[tuple[str, str | None], Manifest] = {}
        self._bucket_lock: Observed | None = None

    def close(self) -> None:
        self._connection.close()

    def survey(self) -> SourceFacts:
        facts = survey(self._connection, self._config.id)
        self._bucket_lock = facts.lock_default
        return facts

    # --- points --------------------------------------------------------------------------------

    def widen(self) -> bool:
        """Let the next `points` list everything; False where that is what the last one did."""
        narrowed = self._keys is not None and not self._whole
        self._whole = True
        return narrowed

    def points(self) -> Working[Sequence[RecoveryPoint]]:
        listing, self.left_out = yield from self._listed()
        self._listing = listing
        if others := _other_objects(listing):
            yield Milestone(f"{self._config.id}: {others}")
        found: list[RecoveryPoint] = []
        read = 0
        for dump in listing.dumps:
            stored = listing.manifest_of(dump)
            manifest: Manifest | None = None
            note = ""
            if stored is not None and read < MANIFESTS_READ:
                self._cancel.raise_if_requested()
                read += 1
                yield Progress("read manifests", read, None, "manifests", plain(stored.key, 200))
                manifest, note = self._try_manifest(stored)
            elif stored is not None:
                note = f"its manifest was not read: only those of the newest {MANIFESTS_READ} are"
            found.append(self._point(dump, stored, manifest, note))
        found.sort(key=lambda point: (point.taken_at, point.id), reverse=True)
        return found

    def _listed(self) -> Working[tuple[Listing, tuple[str, ...]]]:
        """The list, and what it lacks. Declared keys that hold nothing are no proof that there is
        nothing: then everything is listed."""
        config = self._config
        if self._keys is not None and not self._whole:
            now = self._now()
            wanted = Wanted(self._keys.prefixes(now, config.look_back), config.newest)
            listing = yield from list_bucket(self._connection, self._cancel, wanted)
            first, last = listing.prefixes[-1], listing.prefixes[0]
            span = (
                f"{plain(first, 200)} … {plain(last, 200)}" if first != last else plain(first, 200)
            )
            if listing.dumps:
                around = beside(self._connection, self._keys, now, self._cancel)
                only = f"other keys than {span}, as `date_keys` declares"
                return listing, (only, *around, *_missing(listing, config.newest))
            yield Milestone(f"{config.id}: no copy under {span}, so everything is listed")
        wanted = Wanted((config.prefix,), config.newest)
        listing = yield from list_bucket(self._connection, self._cancel, wanted)
        return listing, _missing(listing, config.newest)

    def _try_manifest(self, stored: Stored) -> tuple[Manifest | None, str]:
        try:
            return self._load_manifest(stored.key, stored.version), ""
        except CouldNotVerify as error:
            return None, error.what

    def _point(
        self, dump: Stored, stored: Stored | None, manifest: Manifest | None, note: str
    ) -> RecoveryPoint:
        when = taken(dump.key, dump.stored_at, manifest, "store")
        version = f"?versionId={dump.version}" if dump.version else ""
        return RecoveryPoint(
            source=self._config.id,
            id=dump.key,
            version=dump.version,
            taken_at=when.at,
            taken_by=when.by,
            taken_note="; ".join(part for part in (when.note, note) if part),
            size=dump.size,
            seen=seen_at(dump.version, dump.size, dump.stored_at),
            format=self._config.format,
            digest=manifest.sha256 if manifest else None,
            digest_by="manifest" if manifest else "none",
            manifest=stored.key if stored else None,
            manifest_version=stored.version if stored else None,
            location=plain(f"s3://{self._config.bucket}/{dump.key}{version}"),
            domain=self._config.domain,
        )

    # --- facts ---------------------------------------------------------------------------------

    def facts(self, point: RecoveryPoint) -> PointFacts:
        hidden, unhide = self._hidden(point)
        described = PointFacts(
            point=point,
            hidden_by_delete_marker=hidden,
            unhide=unhide,
            vault=NO_VAULT,
            snapshot=NO_SNAPSHOT,
        )
        try:
            head = self._connection.client.head_object(**self._where(point))
        except STORE_ERRORS as error:
            gone = code_of(error) in ("404", "NoSuchKey", "NoSuchVersion", "405")
            why = "it is not there any more" if gone else explain(error).reason
            lock, fact = LockFact(why_unknown=why), ByteFact(state="unknown", reason=why)
            update = {"lock": lock, "still_there": not gone, "bytes": fact}
            return described.model_copy(update=update)
        if (found := cold(head)) is not None:
            return described.model_copy(
                update={
                    "lock": self._lock(point, head),
                    "recoverable": found.way(self._config, point.id, point.version),
                    "readable_in": int(found.tier.within.total_seconds()),
                }
            )
        quick = self._quick(point, int(head["ContentLength"]))
        return described.model_copy(update={"lock": self._lock(point, head), "bytes": quick})

    def _hidden(self, point: RecoveryPoint) -> tuple[bool | None, str]:
        """Whether a delete marker hides the copy, and how it is brought back for everybody."""
        listing = self._listing
        if listing is None or not listing.holds(point.id, point.version):
            wanted = Wanted((point.id,), self._config.newest, only=point.id)
            try:
                listing = _drained(list_bucket(self._connection, self._cancel, wanted))
            except CouldNotVerify:
                return None, ""
        hidden = listing.hidden(point.id)
        return hidden, unhiding(self._config, point.id, listing.markers) if hidden else ""

    def _lock(self, point: RecoveryPoint, head: Mapping[str, Any]) -> LockFact:
        client = self._connection.client
        if self._bucket_lock is None:
            ask = {"Bucket": self._config.bucket, **self._connection.owner}
            self._bucket_lock = lock_default(client, ask)
        return lock_of(client, self._where(point), self._bucket_lock, head)

    def _quick(self, point: RecoveryPoint, size: int) -> ByteFact:
        try:
            manifest = self.manifest(point)
            return bytefacts.quick(
                point,
                size,
                manifest.size if manifest else None,
                lambda: self._head(point),
                seal_of(self._config),
            )
        except CouldNotVerify as error:
            return ByteFact(state="unknown", reason=error.what)
        except STORE_ERRORS as error:
            return ByteFact(state="unknown", reason=explain(error).reason)

    def _head(self, point: RecoveryPoint) -> bytes:
        answer = self._connection.client.get_object(
            **self._where(point), Range=f"bytes=0-{bytefacts.HEAD - 1}"
        )
        with answer["Body"] as body:
            return body.read(bytefacts.HEAD)

    def _where(self, point: RecoveryPoint) -> dict[str, Any]:
        return self._address(point.id, point.version)

    def _address(self, key: str, version: str | None) -> dict[str, Any]:
        pinned = {"VersionId": version} if version else {}
        return {"Bucket": self._config.bucket, "Key": key, **pinned, **self._connection.owner}

    # --- manifests -----------------------------------------------------------------------------

    def manifest(self, point: RecoveryPoint) -> Manifest | None:
        if point.manifest is None:
            return None
        return self._load_manifest(point.manifest, point.manifest_version)

    def _load_manifest(self, key: str, version: str | None) -> Manifest:
        known = self._manifests.get((key, version))
        if known is not None:
            return known
        try:
            manifest = self._read_manifest(key, version)
        except _Broken:
            # What broke off or was hurt on the way is read once more; no copy is unknown for that.
            try:
                manifest = self._read_manifest(key, version)
            except _Broken as again:
                raise _unreadable(key, again.reason, again.next) from None
        self._manifests[(key, version)] = manifest
        return manifest

    def _read_manifest(self, key: str, version: str | None) -> Manifest:
        """One reading. Raises CouldNotVerify where the store refuses, _Broken where what came is no manifest."""
        try:
            answer = self._connection.client.get_object(**self._address(key, version))
        except STORE_ERRORS as error:
            why = explain(error)
            raise _unreadable(key, why.reason, why.next) from None
        try:
            with answer["Body"] as body:
                return read_manifest(body.read(MAX_MANIFEST + 1))
        except STORE_ERRORS as error:
            why = explain(error)
            raise _Broken(why.reason, why.next) from None
        except ValueError as error:
            raise _Broken(str(error), "See who wrote it; the dump may be good.") from None

    # --- bytes ---------------------------------------------------------------------------------

    def files(self, point: RecoveryPoint) -> Sequence[tuple[str, Blob]]:
        try:
            head = self._connection.client.head_object(**self._where(point), ChecksumMode="ENABLED")
        except STORE_ERRORS as error:
            why = explain(error)
            reason = "it is not there any more" if status_of(error) == 404 else why.reason
            raise StepFailed(
                f"{point.location} cannot be read: {reason}.",
                means="Nothing was downloaded by this attempt; what arrived before is kept.",
                next=why.next,
                code="download",
            ) from None
        where = self._where(point)
        return [("", S3Blob(self._connection, where, head, point.location, self._cancel))]


def _missing(listing: Listing, newest: int) -> tuple[str, ...]:
    """Copies that were seen and are no points, in words."""
    said: list[str] = []
    if listing.older:
        said.append(
            f"{counted(listing.older, 'older copy', 'older copies')}, as `newest: {newest}` says"
        )
    if listing.directories:
        named = ", ".join(plain(name, 100) for name in listing.directories)
        more = listing.directory_count - len(listing.directories)
        named += f" and {more:,} more" if more else ""
        said.append(f"dumps in directory format, which are not read from a bucket: {named}")
    return tuple(said)


def _other_objects(listing: Listing) -> str:
    counts = [f"{count:,} in {called(folder)}" for folder, count in listing.others.items()]
    if listing.elsewhere:
        counts.append(f"{listing.elsewhere:,} elsewhere")
    return "objects that are not named like dumps: " + ", ".join(counts) if counts else ""


def _drained(work: Working[Listing]) -> Listing:
    """Run work to its end where nobody shows its progress."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            result: Listing = done.value
            return result


def _unreadable(key: str, reason: str, advice: str) -> CouldNotVerify:
    return CouldNotVerify(
        f"The manifest {plain(key, 300)} cannot be read: {plain(reason, 300)}.",
        means="What the copy should hold is unknown, so it cannot be compared.",
        next=advice,
        code="manifest",
    )
