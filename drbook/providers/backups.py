"""The catalogue of backups: every configured source behind one door, and checked local copies."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from drbook.core.baseline import Manifest
from drbook.core.errors import CouldNotVerify, StepFailed, UsageError
from drbook.core.points import (
    ByteFact,
    Observed,
    PointFacts,
    RecoveryPoint,
    SourceConfig,
    SourceFacts,
)
from drbook.core.ports import Cancel
from drbook.core.signals import Output, Working
from drbook.core.values import plain
from drbook.core.walread import WalRead
from drbook.providers.contained import Contained, no_facts
from drbook.providers.copies import Copies, Fetched, remove, sha256_of
from drbook.providers.download import Received, download
from drbook.providers.opened import OpenSources
from drbook.providers.sealed import SEALED, Unsealer, unsealer_of
from drbook.providers.secrets import Secrets
from drbook.providers.sources.base import Blob, PhysicalSource, Spoilt, same_bytes, seen_of
from drbook.providers.waltrail import read_wal

CheckStructure = Callable[[Path, Cancel], Working[ByteFact]]
Tried = Callable[[SourceConfig], Observed]
"""Whether a place was seen to keep its locks, by attempts that are on record."""


def not_tried(_: SourceConfig) -> Observed:
    return Observed(why="not tried")


_WRITTEN_AGAIN = (
    "it was written again since it was found: time and size on record are those of other bytes"
)

ONLY_RESTORED = "only its provider reads a snapshot, and nothing but restoring it verifies it"
_SAME = "its SHA-256 is the one that its manifest states"
_OTHER = "its SHA-256 is not the one that its manifest states"
MADE = ".made"
"""Ends the name of a dump that is still being made or read."""
_NOT_AS_STORED = "its SHA-256 is not the store's own"
_UNSTEADY = (
    "two readings of it gave two other SHA-256 than is stated: the network, this machine or the place damages "
    "what passes"
)


class BackupCatalog:
    """Implements `core.ports.Backups`. Sources are opened when first asked, and only read.

    `folder` is the incident's; nothing outside its `copies/` is written. `secrets` resolves a
    reference to its value, `check_structure` reads a dump to its end, `tried` tells what is on record of
    a place's locks; with `readers_only` databases are asked by readers' logins alone.
    """

    def __init__(
        self,
        configs: Sequence[SourceConfig],
        folder: Path,
        cancel: Cancel,
        *,
        secrets: Secrets,
        check_structure: CheckStructure,
        tried: Tried = not_tried,
        readers_only: bool = False,
    ) -> None:
        self._order = tuple(configs)
        self._folder = folder
        self._cancel = cancel
        self._secrets = secrets
        self._check = check_structure
        self._tried = tried
        self._open = OpenSources(configs, secrets, cancel, readers_only=readers_only)
        self._copies = Copies(folder, cancel)

    def close(self) -> None:
        self._open.close()

    def sources(self) -> Sequence[SourceConfig]:
        return self._order

    def survey(self, source: str) -> SourceFacts:
        """A place that cannot even be opened, for want of a credential, is unreachable."""
        config = self._open.config(source)
        try:
            facts = self._open(source).survey()
            return facts if facts.lock_enforced.known else self._with_lock(facts, config)
        except (UsageError, CouldNotVerify) as error:
            return SourceFacts(
                source=source, reachable=False, why_unreachable=f"{error.what} {error.next}".strip()
            )

    def _with_lock(self, facts: SourceFacts, config: SourceConfig) -> SourceFacts:
        """With what earlier attempts on objects of one's own showed of this place's locks."""
        return facts.model_copy(update={"lock_enforced": self._tried(config)})

    def points(self, source: str) -> Working[Sequence[RecoveryPoint]]:
        self._open.config(source)
        try:
            opened = self._open(source)
        except UsageError as error:
            raise CouldNotVerify(
                error.what,
                means="Recovery points there are unknown; this is not the same as none.",
                next=error.next,
                code="list-failed",
            ) from None
        return (yield from opened.points())

    def facts(self, point: RecoveryPoint) -> PointFacts:
        try:
            return self._open(point.source).facts(point)
        except (UsageError, CouldNotVerify) as error:
            return no_facts(point, error.what)

    def left_out(self, source: str) -> Sequence[str]:
        return self._open(source).left_out

    def widen(self, source: str) -> bool:
        try:
            return self._open(source).widen()
        except (UsageError, CouldNotVerify):
            return False  # it is unreachable, which its survey says

    def give_up(self, source: str) -> None:
        self._open.give_up(source)

    def manifest(self, point: RecoveryPoint) -> Manifest | None:
        return self._open(point.source).manifest(point)

    def physical(self, point: RecoveryPoint) -> PhysicalSource:
        """The source of a physical copy. Raises UsageError where it cannot be opened, or has none."""
        return self._open(point.source).physical()

    def check(self, point: RecoveryPoint) -> Working[Fetched]:
        """See `core.ports.Backups.check`."""
        if point.format == "physical":
            return (yield from self.physical(point).check(point)), None
        if point.format == "snapshot":
            return ByteFact(state="unknown", reason=ONLY_RESTORED), None
        return (yield from self.fetch(point))

    def read_wal(
        self, point: RecoveryPoint, *, segments: int, longest: timedelta
    ) -> Working[WalRead]:
        """See `core.ports.Backups.read_wal`."""
        source = self.physical(point)
        with tempfile.TemporaryDirectory(prefix="archive-", dir=self._folder) as scratch:
            archive = source.wal(point, Path(scratch))
            if archive is None:
                raise CouldNotVerify(
                    f"The source {plain(point.source, 100)} has no archive of WAL for {plain(point.id, 200)}.",
                    means="Which transaction was the loss cannot be read anywhere.",
                    next="Give the time of the loss instead, or name the archive in the runbook "
                    "(`wal:` of `kind: basebackup`).",
                    code="no-wal",
                )
            try:
                return (
                    yield from read_wal(
                        archive,
                        point,
                        self._folder,
                        self._cancel,
                        segments=segments,
                        longest=longest,
                    )
                )
            finally:
                archive.close()

    # --- fetching ------------------------------------------------------------------------------

    def fetch(self, point: RecoveryPoint) -> Working[Fetched]:
        """See `core.ports.Backups.fetch`. Raises UsageError where the source cannot be opened."""
        try:
            return (yield from self._fetch(point))
        except OSError as error:
            raise StepFailed(
                f"The copies in {plain(str(self._folder), 200)} cannot be written: "
                f"{error.strerror or error}.",
                means="What arrived is kept as far as the disk holds it.",
                next="Look at the disk and its free space, then run the step again.",
                code="disk",
            ) from error

    def _fetch(self, point: RecoveryPoint) -> Working[Fetched]:
        target = self._copies.target(point)
        here = yield from self._copies.here(point, target)
        if here is not None:
            return here
        source = self._open(point.source)
        if point.standby:
            return (yield from self._make(source, point, target))
        try:
            manifest = source.manifest(point)
        except CouldNotVerify:
            # A dump is worth having without its manifest; nothing is then proven by it.
            manifest = None
        files = source.files(point)
        now = seen_of([(name, blob.seen) for name, blob in files])
        if point.seen and not same_bytes(point.seen, now):
            return ByteFact(state="unknown", reason=_WRITTEN_AGAIN), None
        total = sum(blob.size for _, blob in files)
        damage = _too_short(manifest, total)
        if damage is not None:
            return damage, None
        try:
            if len(files) == 1 and not files[0][0]:
                return (yield from self._fetch_file(point, files[0][1], target, manifest))
            return (yield from self._fetch_folder(point, files, target, manifest))
        except Spoilt as error:
            if target.exists():
                remove(target)
            return error.fact, None

    def _make(self, source: Contained, point: RecoveryPoint, target: Path) -> Working[Fetched]:
        """A copy that is no file until it is dumped; the dump is checked as any other."""
        made = target.with_name(target.name + MADE)
        made.unlink(missing_ok=True)
        try:
            yield from source.dump(point, made)
            size, digest = made.stat().st_size, sha256_of(made)
            fact, proven = yield from self._by_structure(made, same=False)
            if fact.state == "damaged":
                return fact, None
            made.replace(target)
        except Spoilt as error:
            return error.fact, None
        finally:
            made.unlink(missing_ok=True)
        return self._copies.keep(point, fact, target, size, digest, proven)

    def _fetch_file(
        self, point: RecoveryPoint, blob: Blob, target: Path, manifest: Manifest | None
    ) -> Working[Fetched]:
        """Bring it here, hold its bytes to what is stated of them, decrypt it where it is encrypted and its
        source says how, and read it to its end where nothing says what it holds."""
        unsealer = unsealer_of(self._open.config(point.source), self._secrets, self._cancel)
        if unsealer is not None and (why := unsealer.unavailable()):
            return ByteFact(state="unknown", reason=why), None
        came = target if unsealer is None else target.with_name(target.name + SEALED)
        received = yield from self._received(point, blob, came, target)
        expected = manifest.sha256 if manifest is not None else point.digest
        stated = expected if expected is not None else blob.sha256
        if stated is not None and received.sha256 != stated:
            # The way here, this memory or this disk may have hurt it: a copy is not given up for one reading.
            first = "" if received.resumed else received.sha256
            yield Output(
                f"{point.location}: other bytes came than are stated; reading it once more"
            )
            came.unlink()
            received = yield from self._download(point, blob, came)
            if received.sha256 != stated:
                came.unlink()
                other = _OTHER if expected else _NOT_AS_STORED
                return _twice_read(first, received.sha256, other), None
        opened: Received = received
        if unsealer is not None:
            found = yield from self._unseal(unsealer, point, received, target)
            if isinstance(found, ByteFact):
                return found, None
            opened = found
        if expected is not None:
            fact, proven = yield from self._by_manifest(opened.path, manifest)
        else:
            fact, proven = yield from self._by_structure(opened.path, stated is not None)
        if opened.sha256 != received.sha256:
            fact = fact.model_copy(update={"reason": f"decrypted; {fact.reason}"})
        if fact.state == "damaged":
            opened.path.unlink()
            return fact, None
        return self._copies.keep(
            point,
            fact,
            opened.path,
            opened.size,
            opened.sha256,
            proven,
            manifest if expected is not None else None,
            stored=received.sha256,
        )

    def _by_manifest(self, path: Path, manifest: Manifest | None) -> Working[tuple[ByteFact, str]]:
        """Of a copy whose bytes are those that its manifest states."""
        fact = ByteFact(state="intact", reason=_SAME)
        if manifest is None or manifest.counts is None:
            # Nothing says how many rows it holds: they are counted here, which is one more reading.
            read = yield from self._check(path, self._cancel)
            if read.state == "damaged":
                return read.model_copy(update={"reason": f"{_SAME}, but {read.reason}"}), "nothing"
            fact = fact.model_copy(update={"held": read.held})
        return fact, "digest"

    def _by_structure(self, path: Path, same: bool) -> Working[tuple[ByteFact, str]]:
        """Without a manifest: the store's checksum shows what was uploaded, not that it is whole."""
        fact = yield from self._check(path, self._cancel)
        if same and fact.state == "structure":
            reason = f"its SHA-256 is the one the store took at upload, and it was {fact.reason}"
            reason = reason.removesuffix("; content unproven")
            return ByteFact(state="intact", reason=reason, held=fact.held), "digest"
        return fact, _proven(fact)

    def _received(
        self, point: RecoveryPoint, blob: Blob, sealed: Path, target: Path
    ) -> Working[Received]:
        """The bytes as stored; those of an attempt that could not decrypt them are not fetched again."""
        if sealed != target:
            here = yield from self._copies.here(point, sealed)
            if here is not None and here[1] is not None:
                return Received(sealed, here[1].size, here[1].sha256, resumed=True)
        return (yield from self._download(point, blob, sealed))

    def _unseal(
        self, unsealer: Unsealer, point: RecoveryPoint, received: Received, target: Path
    ) -> Working[Received | ByteFact]:
        """What is inside, under the copy's own name; the encrypted file stays where that is not known."""
        sealed = received.path
        if not unsealer.fits(sealed):
            sealed.replace(target)
            return Received(target, received.size, received.sha256, received.resumed)
        found = yield from unsealer.open(sealed, target)
        if isinstance(found, ByteFact) and found.state != "damaged":
            self._copies.keep(point, found, sealed, received.size, received.sha256, "nothing")
        else:
            self._copies.drop(sealed)
        return found

    def _fetch_folder(
        self,
        point: RecoveryPoint,
        files: Sequence[tuple[str, Blob]],
        target: Path,
        manifest: Manifest | None,
    ) -> Working[Fetched]:
        """A manifest states the digest of the lines `SHA256  NAME` of its files, in their order."""
        names = [name for name, _ in files]
        if any(name != Path(name).name or name in ("", ".", "..") for name in names):
            return ByteFact(state="damaged", reason="it holds a file with a path for a name"), None
        self._copies.begin(target, names)
        total = hashlib.sha256()
        size = 0
        for name, blob in files:
            received = yield from self._download_of(point, blob, target, name)
            total.update(f"{received.sha256}  {name}\n".encode())
            size += received.size
        digest = total.hexdigest()
        if manifest is not None and manifest.sha256 != digest:
            shutil.rmtree(target)
            reason = "its files' SHA-256 is not the one that its manifest states"
            return ByteFact(state="damaged", reason=reason), None
        fact = yield from self._check(target, self._cancel)
        if fact.state == "damaged":
            shutil.rmtree(target)
            return fact, None
        if manifest is None:
            return self._copies.keep(point, fact, target, size, digest, _proven(fact))
        reason = "its files' SHA-256 is the one that its manifest states"
        fact = ByteFact(state="intact", reason=reason, held=fact.held)
        return self._copies.keep(point, fact, target, size, digest, "digest", manifest)

    def _download_of(
        self, point: RecoveryPoint, blob: Blob, folder: Path, name: str
    ) -> Working[Received]:
        """One file of several: where it has changed, what came of the others belongs to other bytes too."""
        try:
            return (yield from self._download(point, blob, folder / name))
        except StepFailed as error:
            if error.code == "changed":
                shutil.rmtree(folder)
            raise

    def _download(self, point: RecoveryPoint, blob: Blob, target: Path) -> Working[Received]:
        label = f"download {plain(target.name, 100)}"
        return (
            yield from download(blob, target, self._cancel, label=label, location=point.location)
        )


def _proven(fact: ByteFact) -> str:
    return "structure" if fact.state == "structure" else "nothing"


def _twice_read(first: str, second: str, other: str) -> ByteFact:
    """What two readings say that both were not what is stated: damage where they agree. `first` is empty for
    one that held bytes of an earlier attempt."""
    if first and first != second:
        return ByteFact(state="unknown", reason=_UNSTEADY)
    return ByteFact(state="damaged", reason=other)


def _too_short(manifest: Manifest | None, size: int) -> ByteFact | None:
    if size == 0:
        return ByteFact(state="damaged", reason="it is empty")
    if manifest is None or manifest.size == size:
        return None
    kind = "cut short" if size < manifest.size else "too long"
    return ByteFact(
        state="damaged",
        reason=f"it is {kind}: {size} bytes, where its manifest says {manifest.size}",
    )
