"""Physical copies that `barman-cloud-backup` put into a bucket: listed, read to their end, laid down, and
their WAL.

What the bucket itself answers is asked for by drbook's own guarded client; backups and WAL are listed and
fetched by Barman's programs, which get the same credentials in their environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

from drbook.core.baseline import Manifest
from drbook.core.errors import StepFailed
from drbook.core.holding import NO_SNAPSHOT, NO_VAULT
from drbook.core.points import ByteFact, LockFact, PointFacts, RecoveryPoint, SourceFacts
from drbook.core.signals import Output, Progress, Working, finish
from drbook.core.values import plain
from drbook.providers.barmanlist import (
    Catalogue,
    Kept,
    Wal,
    cloud_catalogue,
    own_segments,
)
from drbook.providers.barmanpoints import lacks, listed
from drbook.providers.barmanprogram import READING, Program, explained
from drbook.providers.barmantar import CannotRead, NotWhole, read_tar
from drbook.providers.child import Environment
from drbook.providers.hiding import Secret
from drbook.providers.physicalcopy import (
    no_archive,
    no_files,
    not_laid,
    not_whole,
    unlisted,
    unread,
)
from drbook.providers.s3blob import S3Blob
from drbook.providers.s3client import STORE_ERRORS, S3Connection, explain
from drbook.providers.s3facts import survey
from drbook.providers.s3guard import READ_BACKUPS
from drbook.providers.s3list import stored_under
from drbook.providers.s3sieve import Stored
from drbook.providers.scratch import Scratch
from drbook.providers.sources.base import (
    Blob,
    Changed,
    Opening,
    Place,
    Unreachable,
    WalArchive,
)
from drbook.providers.tool import Failed
from drbook.providers.walfetch import FetchedWal

if TYPE_CHECKING:
    from drbook.providers.sources.barman import BarmanCloudSource

_CLOCK = "the store's time of the file"
_GONE = "it is not in the bucket any more"
_NO_WAL = "does not exist"
_FILES = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")
"""Where the operator keeps profiles; drbook's own client looks there as well."""
_TAPE = re.compile(r"(data|\d+)(?:_\d+)?\.tar(?:\.\w+)?")
_PACKED = (".gz", ".bz2", ".snappy", ".zst", ".lz4", ".xz")


class CloudReader:
    """Implements `PhysicalSource` on a guarded, reading session and Barman's reading programs."""

    def __init__(self, config: BarmanCloudSource, opening: Opening) -> None:
        """Raises UsageError where credentials or profile cannot be read."""
        self._config = config
        self._cancel = opening.cancel
        self._connection = S3Connection(config, opening.secrets, READ_BACKUPS)
        self._program = Program(_environment(config, opening), opening.cancel)
        self._catalogue: Catalogue | None = None
        self._objects: dict[str, list[Stored]] = {}
        """By backup, what it consists of."""
        self.left_out: tuple[str, ...] = ()
        """What the last listing left out, in words."""

    def close(self) -> None:
        self._connection.close()

    def survey(self) -> SourceFacts:
        return survey(self._connection, self._config.id)

    # --- what is in it -------------------------------------------------------------------------

    @property
    def _root(self) -> str:
        """The key under which the server's backups and WAL lie, as Barman makes it of its URL."""
        prefix = self._config.prefix.strip("/")
        return f"{prefix}/{self._config.server}/" if prefix else f"{self._config.server}/"

    @property
    def _where(self) -> str:
        return f"s3://{self._config.bucket}/{self._root}"

    def _argv(self, program: str, *options: str, behind: Sequence[str] = ()) -> list[str]:
        config = self._config
        common = ["--cloud-provider", "aws-s3"]
        common += ["--endpoint-url", config.endpoint] if config.endpoint else []
        common += ["--aws-profile", config.profile] if config.profile else []
        style = "path" if config.addressing == "auto" and config.endpoint else config.addressing
        common += ["--addressing-style", style]
        url = f"s3://{config.bucket}/{config.prefix.strip('/')}".rstrip("/")
        return [program, *common, *options, url, config.server, *behind]

    def _ask(self) -> Catalogue:
        """Raises Failed. What the bucket holds is listed first: its owner is checked there, too."""
        try:
            objects = finish(stored_under(self._connection, self._cancel, self._root))
        except STORE_ERRORS as error:
            refusal = explain(error)
            raise Failed(refusal.reason, refusal.next) from None
        if not objects:
            raise Failed(
                f"nothing lies under {plain(self._where, 300)}: Barman has no such server there",
                "Mend bucket, prefix or server",
            )
        out = self._program.ask(*self._argv("barman-cloud-backup-list", "--format", "json"))
        wals = []
        self._objects = {}
        for one in objects:
            kind, _, rest = one.key.removeprefix(self._root).partition("/")
            if kind == "base" and rest.count("/") == 1:
                self._objects.setdefault(rest.partition("/")[0], []).append(one)
            elif kind == "wals":
                wals.append(Wal(_bare(rest.rpartition("/")[2]), one.stored_at.astimezone(UTC)))
        sizes = {id: sum(one.size for one in each) for id, each in self._objects.items()}
        try:
            found = cloud_catalogue(out, wals)
        except ValueError as error:
            why = f"what Barman lists cannot be read: {plain(str(error), 200)}"
            raise Failed(why, "See which version of Barman is installed") from None
        sized = {id: replace(kept, size=sizes.get(id)) for id, kept in found.backups.items()}
        self._catalogue = replace(found, backups=sized)
        return self._catalogue

    def points(self) -> Working[Sequence[RecoveryPoint]]:
        yield Progress("list backups", 0, None, "backups", plain(self._config.server, 200))
        try:
            catalogue = self._ask()
        except Failed as error:
            raise unlisted(self._where, error) from None
        found, left = listed(catalogue, self._config.id, self._where, self._config.domain, _CLOCK)
        self.left_out = tuple(left)
        for each in left[:10]:
            yield Output(f"left out: {each}")
        return found

    def _kept(self, point: RecoveryPoint) -> tuple[Catalogue, Kept]:
        """As listed; a reader that was opened anew asks once more. Raises Failed."""
        catalogue = self._catalogue
        if catalogue is None or point.id not in catalogue.backups:
            catalogue = self._ask()
        if point.id not in catalogue.backups:
            raise Failed(_GONE, "Look again")
        return catalogue, catalogue.backups[point.id]

    def facts(self, point: RecoveryPoint) -> PointFacts:
        """From the listing; a copy's locks are those of many objects, which are not asked for."""
        lock = LockFact(why_unknown="the locks of its objects are not asked for one by one")
        try:
            catalogue, kept = self._kept(point)
        except Failed as error:
            return PointFacts(
                point=point,
                vault=NO_VAULT,
                snapshot=NO_SNAPSHOT,
                lock=lock,
                still_there=error.why != _GONE,
                bytes=ByteFact(state="unknown", reason=error.why),
            )
        unread_yet = ByteFact(state="unread", reason="its files are listed; their bytes are unread")
        return PointFacts(
            point=point,
            vault=NO_VAULT,
            snapshot=NO_SNAPSHOT,
            lock=lock,
            bytes=self._lacks(catalogue, kept) or unread_yet,
        )

    def _lacks(self, catalogue: Catalogue, kept: Kept) -> ByteFact | None:
        """Damage that the names in the bucket alone show."""
        there = {_tape(one.key) for one in self._objects.get(kept.id, ())}
        for name in ("data", *(str(space.oid) for space in kept.tablespaces)):
            if name not in there:
                reason = f"the bucket lacks {name}.tar of backup {kept.id}"
                return ByteFact(state="damaged", reason=reason)
        return lacks(catalogue, kept)

    def manifest(self, point: RecoveryPoint) -> Manifest | None:
        """drbook's own manifests describe dumps."""
        return None

    def files(self, point: RecoveryPoint) -> Sequence[tuple[str, Blob]]:
        raise no_files()

    # --- is it whole? --------------------------------------------------------------------------

    def check(self, point: RecoveryPoint) -> Working[ByteFact]:
        """Every archive of the copy is read to its end where it lies, and every WAL file without which it
        never becomes consistent. Barman keeps no digests in a bucket, so that content stays unproven."""
        try:
            catalogue, kept = self._kept(point)
            found = self._lacks(catalogue, kept)
            if found is None:
                found = yield from self._read_archives(kept)
            if found is None:
                found = yield from self._read_wal(kept)
        except Failed as error:
            raise unread(point, error) from None
        whole = "its archives and its own WAL read to the end; content unproven, for nothing has their digests"
        return found or ByteFact(state="structure", reason=whole)

    def _read_archives(self, kept: Kept) -> Working[ByteFact | None]:
        """None where all are whole."""
        names: set[str] = set()
        for one in self._objects.get(kept.id, ()):
            name = one.key.rpartition("/")[2]
            if not _tape(one.key):
                continue
            yield Progress("read the copy", 0, one.size, "bytes", plain(name, 100))
            try:
                names |= read_tar(name, self._bytes(one))
            except NotWhole as error:
                return ByteFact(state="damaged", reason=f"{plain(name, 100)}: {error}")
            except CannotRead as error:
                return ByteFact(state="unknown", reason=str(error))
            except (Unreachable, Changed, StepFailed) as error:
                raise Failed(
                    f"{plain(name, 100)}: {error}", "Look at the network, then again"
                ) from None
        for needed in ("PG_VERSION", "global/pg_control", "backup_label"):
            if needed not in names and f"./{needed}" not in names:
                return ByteFact(state="damaged", reason=f"its archives hold no {needed}")
        return None

    def _bytes(self, one: Stored) -> Iterator[bytes]:
        where = {"Bucket": self._config.bucket, "Key": one.key, **self._connection.owner}
        head = {"ContentLength": one.size, "ETag": one.etag}
        blob = S3Blob(self._connection, where, head, plain(one.key, 300), self._cancel)
        with blob.read(0) as chunks:
            for chunk in chunks:
                self._cancel.raise_if_requested()
                yield chunk

    def _read_wal(self, kept: Kept) -> Working[ByteFact | None]:
        """None where all of its own is whole."""
        archive = self._archive(kept)
        own = own_segments(kept)
        with Scratch("wal") as folder:
            for number, name in enumerate(own):
                yield Progress("read its WAL", number, len(own), "files", name)
                into = Path(folder, name)
                try:
                    there = archive.get(name, into)
                except StepFailed as error:
                    return ByteFact(state="unknown", reason=error.what)
                if not there:
                    return ByteFact(state="damaged", reason=f"its WAL {name} is not there")
                into.unlink()
        return None

    # --- the copy ------------------------------------------------------------------------------

    def lay_down(self, point: RecoveryPoint, place: Place) -> Working[WalArchive | None]:
        """By `barman-cloud-restore`, which leaves `backup_label` and no settings for a recovery."""
        try:
            _, kept = self._kept(point)
            options = []
            for space in kept.tablespaces:
                if ":" in space.name or space.name.startswith("-"):
                    why = f"its tablespace {plain(space.name, 60)} has a name that Barman cannot be told"
                    raise Failed(why, "Restore it by hand")
                into = place.tablespaces / str(space.oid)
                into.mkdir(mode=0o700)
                options += ["--tablespace", f"{space.name}:{into}"]
            argv = self._argv("barman-cloud-restore", *options, behind=(kept.id, str(place.data)))
            done = yield from self._program.work(argv, timeout=READING)
            if done.code != 0:
                raise explained(done.code, done.complaints)
        except Failed as error:
            raise not_laid(point, error.why, error.advice) from None
        except OSError as error:
            why = f"a tablespace's folder cannot be made: {error.strerror or error}"
            raise not_laid(point, why, "Make room there") from None
        if why := not_whole(place):
            raise not_laid(point, why, "Take another copy")
        return self._archive(kept)

    def wal(self, point: RecoveryPoint, scratch: Path) -> WalArchive | None:
        try:
            return self._archive(self._kept(point)[1])
        except Failed as error:
            raise no_archive(point, error) from None

    def _archive(self, kept: Kept) -> FetchedWal:
        return FetchedWal(self.fetch_wal, kept.segment)

    def fetch_wal(self, name: str, into: Path) -> bool:
        """False where the bucket has none of that name. Raises Failed.

        Barman's program looks into a spool first, where it may find another cluster's: it gets one of
        its own, which is not there.
        """
        spool = str(into.with_name(into.name + ".spool"))
        argv = self._argv(
            "barman-cloud-wal-restore", "--spool-dir", spool, behind=(name, str(into))
        )
        done = finish(self._program.work(argv))
        if done.code == 1 and _NO_WAL in done.complaints:
            return False
        if done.code != 0:
            raise explained(done.code, done.complaints)
        return True


def _bare(name: str) -> str:
    """A WAL file's name without how it is packed."""
    for ending in _PACKED:
        name = name.removesuffix(ending)
    return name


def _tape(key: str) -> str:
    """Which part of a copy an archive holds: `data` or a tablespace's oid; empty where it is none."""
    found = _TAPE.fullmatch(key.rpartition("/")[2])
    return found[1] if found else ""


def _environment(config: BarmanCloudSource, opening: Opening) -> Environment:
    """The credentials that drbook's own client uses, and never a machine's metadata service."""
    found: dict[str, str | Secret] = {"AWS_EC2_METADATA_DISABLED": "true"}
    found |= {name: os.environ[name] for name in _FILES if name in os.environ}
    found |= {"AWS_DEFAULT_REGION": config.region} if config.region else {}
    found |= {"AWS_CA_BUNDLE": config.ca_bundle} if config.ca_bundle else {}
    if config.profile is not None:
        return found
    for name, reference in (
        ("AWS_ACCESS_KEY_ID", config.access_key),
        ("AWS_SECRET_ACCESS_KEY", config.secret_key),
        ("AWS_SESSION_TOKEN", config.session_token),
    ):
        if reference is not None:
            found[name] = opening.secrets(reference)
        elif config.access_key is None and os.environ.get(name):
            found[name] = Secret(os.environ[name])
    return found
