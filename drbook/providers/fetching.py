"""A copy brought here and looked at: what its bytes are held to, and when they are called damaged."""

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from drbook.core.baseline import Manifest
from drbook.core.errors import CouldNotVerify, StepFailed
from drbook.core.points import ByteFact, RecoveryPoint
from drbook.core.ports import Cancel
from drbook.core.signals import Output, Working
from drbook.core.values import plain
from drbook.providers.contained import Contained
from drbook.providers.copies import Copies, Fetched, remove, sha256_of
from drbook.providers.download import Received, download
from drbook.providers.opened import OpenSources
from drbook.providers.sealed import SEALED, Unsealer, unsealer_of
from drbook.providers.secrets import Secrets
from drbook.providers.sources.base import Blob, Spoilt, same_bytes, seen_of

CheckStructure = Callable[[Path, Cancel], Working[ByteFact]]
"""Reads a dump to its end."""
MADE = ".made"
"""Ends the name of a dump that is still being made or read."""
_WRITTEN_AGAIN = (
    "it was written again since it was found: time and size on record are those of other bytes"
)
_SAME = "its SHA-256 is the one that its manifest states"
_OTHER = "its SHA-256 is not the one that its manifest states"
_NOT_AS_STORED = "its SHA-256 is not the store's own"
_UNSTEADY = (
    "two readings of it gave two other SHA-256 than is stated: the network, this machine or the place damages "
    "what passes"
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of bringing a copy here once."""

    fact: ByteFact
    kept: Fetched | None = None
    sha256: str = ""
    """Of what came, where the bytes themselves are doubted; empty where they are those that are stated, or where
    none came: another reading would show the same."""
    resumed: bool = False
    """Whether some of it is of an earlier attempt."""


class Fetching:
    """Brings copies into the `copies/` of an incident's folder, and writes nowhere else."""

    def __init__(
        self,
        folder: Path,
        cancel: Cancel,
        sources: OpenSources,
        secrets: Secrets,
        check_structure: CheckStructure,
    ) -> None:
        self._folder = folder
        self._cancel = cancel
        self._open = sources
        self._secrets = secrets
        self._check = check_structure
        self._copies = Copies(folder, cancel)

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

        def read() -> Working[Reading]:
            if len(files) == 1 and not files[0][0]:
                return (yield from self._read_file(point, files[0][1], target, manifest))
            return (yield from self._read_folder(point, files, target, manifest))

        try:
            return (yield from self._settled(point, read))
        except Spoilt as error:
            if target.exists():
                remove(target)
            return error.fact, None

    def _settled(
        self, point: RecoveryPoint, read: Callable[[], Working[Reading]]
    ) -> Working[Fetched]:
        """The way here, this memory or this disk may hurt what passes: a copy is called damaged where two
        whole readings agree, and nobody knows where they do not."""
        earlier = ""
        while True:
            found = yield from read()
            if found.kept is not None:
                return found.kept
            if found.fact.state != "damaged" or not found.sha256:
                return found.fact, None
            if not found.resumed:
                if earlier:
                    agree = earlier == found.sha256
                    unsteady = ByteFact(state="unknown", reason=_UNSTEADY)
                    return (found.fact if agree else unsteady), None
                earlier = found.sha256
            yield Output(
                f"{point.location}: {found.fact.reason}; reading it once more, for the way here may "
                "have hurt it"
            )

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

    # --- one file --------------------------------------------------------------------------------

    def _read_file(
        self, point: RecoveryPoint, blob: Blob, target: Path, manifest: Manifest | None
    ) -> Working[Reading]:
        """Bring it here, hold its bytes to what is stated of them, decrypt it where it is encrypted and its
        source says how, and read it to its end where nothing says what it holds."""
        unsealer = unsealer_of(self._open.config(point.source), self._secrets, self._cancel)
        if unsealer is not None and (why := unsealer.unavailable()):
            return Reading(ByteFact(state="unknown", reason=why))
        came = target if unsealer is None else target.with_name(target.name + SEALED)
        received = yield from self._received(point, blob, came, target)
        expected = manifest.sha256 if manifest is not None else point.digest
        stated = expected if expected is not None else blob.sha256
        if stated is not None and received.sha256 != stated:
            came.unlink()
            reason = _OTHER if expected else _NOT_AS_STORED
            return _doubted(ByteFact(state="damaged", reason=reason), received)
        opened: Received = received
        if unsealer is not None:
            found = yield from self._unseal(unsealer, point, received, target)
            if isinstance(found, ByteFact):
                return Reading(found) if stated else _doubted(found, received)
            opened = found
        if expected is not None:
            fact, proven = yield from self._by_manifest(opened.path, manifest)
        else:
            fact, proven = yield from self._by_structure(opened.path, stated is not None)
        if opened.sha256 != received.sha256:
            fact = fact.model_copy(update={"reason": f"decrypted; {fact.reason}"})
        if fact.state == "damaged":
            opened.path.unlink()
            return Reading(fact) if stated else _doubted(fact, received)
        kept = self._copies.keep(
            point,
            fact,
            opened.path,
            opened.size,
            opened.sha256,
            proven,
            manifest if expected is not None else None,
            stored=received.sha256,
        )
        return Reading(fact, kept)

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

    # --- several ---------------------------------------------------------------------------------

    def _read_folder(
        self,
        point: RecoveryPoint,
        files: Sequence[tuple[str, Blob]],
        target: Path,
        manifest: Manifest | None,
    ) -> Working[Reading]:
        """A manifest states the digest of the lines `SHA256  NAME` of its files, in their order."""
        names = [name for name, _ in files]
        if any(name != Path(name).name or name in ("", ".", "..") for name in names):
            reason = "it holds a file with a path for a name"
            return Reading(ByteFact(state="damaged", reason=reason))
        self._copies.begin(target, names)
        total = hashlib.sha256()
        size, resumed = 0, False
        for name, blob in files:
            received = yield from self._download_of(point, blob, target, name)
            total.update(f"{received.sha256}  {name}\n".encode())
            size += received.size
            resumed |= received.resumed
        whole = Received(target, size, total.hexdigest(), resumed)
        if manifest is not None and manifest.sha256 != whole.sha256:
            shutil.rmtree(target)
            reason = "its files' SHA-256 is not the one that its manifest states"
            return _doubted(ByteFact(state="damaged", reason=reason), whole)
        fact = yield from self._check(target, self._cancel)
        if fact.state == "damaged":
            shutil.rmtree(target)
            return Reading(fact) if manifest is not None else _doubted(fact, whole)
        proven = _proven(fact)
        if manifest is not None:
            reason, proven = "its files' SHA-256 is the one that its manifest states", "digest"
            fact = ByteFact(state="intact", reason=reason, held=fact.held)
        kept = self._copies.keep(point, fact, target, size, whole.sha256, proven, manifest)
        return Reading(fact, kept)

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


def _doubted(fact: ByteFact, received: Received) -> Reading:
    """Bytes that nothing states are as they came, and may have been hurt on the way."""
    return Reading(fact, None, received.sha256, received.resumed)


def _proven(fact: ByteFact) -> str:
    return "structure" if fact.state == "structure" else "nothing"


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
