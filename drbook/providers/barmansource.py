"""Physical copies in Barman's home: listed, checked where they lie, laid down, and their WAL."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from drbook.core.baseline import Manifest
from drbook.core.holding import NO_SNAPSHOT, NO_VAULT
from drbook.core.points import ByteFact, LockFact, Observed, PointFacts, RecoveryPoint, SourceFacts
from drbook.core.signals import Milestone, Output, Progress, Working, finish
from drbook.core.values import counted, plain
from drbook.providers.barmanlist import (
    Catalogue,
    Kept,
    catalogue_of,
    own_segments,
)
from drbook.providers.barmanpoints import forget_archive, lacks, listed
from drbook.providers.barmanprogram import READING, Program, explained, lacks_program
from drbook.providers.physicalcopy import (
    no_archive,
    no_files,
    not_laid,
    not_whole,
    unlisted,
    unread,
)
from drbook.providers.sources.base import Blob, Opening, Place, WalArchive
from drbook.providers.tool import Failed
from drbook.providers.walfetch import FetchedWal

if TYPE_CHECKING:
    from drbook.providers.sources.barman import BarmanSource

_CLOCK = "the time of the file as Barman archived it"
_GONE = "it is not in Barman's catalogue any more"
_VERIFIED = "backup successfully verified"
_DAMAGE = re.compile(
    r"checksum mismatch|manifest but not on disk|on disk but not in the manifest|on disk but size"
    r"|manifest (?:checksum|ended|file)|could not parse"
)
_NO_WAL = re.compile(r"WAL file '[^']*' not found in server")


class BarmanReader:
    """Implements `PhysicalSource`. Barman takes its own locks while it reads."""

    def __init__(self, config: BarmanSource, opening: Opening) -> None:
        self._config = config
        self._program = Program({}, opening.cancel)
        self._catalogue: Catalogue | None = None
        self.left_out: tuple[str, ...] = ()
        """What the last listing left out, in words."""

    def close(self) -> None:
        """Nothing is held open."""

    @property
    def _place(self) -> str:
        return f"Barman's server {self._config.server}"

    def _argv(self, *arguments: str) -> list[str]:
        config = self._config.config
        return ["barman", *(["-c", str(Path(config).expanduser())] if config else []), *arguments]

    def _ask(self) -> Catalogue:
        """Raises Failed."""
        server = self._config.server
        listing = self._program.ask(*self._argv("-f", "json", "list-backups", server))
        synced = self._program.ask(*self._argv("sync-info", server))
        try:
            self._catalogue = catalogue_of(listing, synced, server)
        except ValueError as error:
            if synced.startswith(b"Skipping"):
                raise explained(0, synced.decode("utf-8", "replace")) from None
            why = f"what Barman lists cannot be read: {plain(str(error), 200)}"
            raise Failed(why, "See which version of Barman is installed") from None
        return self._catalogue

    # --- the place, and what is in it ----------------------------------------------------------

    def survey(self) -> SourceFacts:
        source = self._config.id
        try:
            catalogue = self._ask()
        except Failed as error:
            return SourceFacts(source=source, reachable=False, why_unreachable=error.show())
        place = "Barman does not know how its disk keeps what is deleted there"
        policy = (
            f"its retention policy is {plain(catalogue.policy, 100)}" if catalogue.policy else ""
        )
        return SourceFacts(
            source=source,
            reachable=True,
            resource=os.path.realpath(catalogue.place) if catalogue.place else None,
            account=Observed(why="Barman does not say"),
            versioned=Observed(value=False),
            lock_default=Observed(value=False),
            deletes_replicated=Observed(why=place),
            expires_after_days=Observed(
                why=policy or "Barman keeps everything; who runs `barman delete` is not known"
            ),
            policy_limits_deletes=Observed(value=False),
        )

    def points(self) -> Working[Sequence[RecoveryPoint]]:
        yield Progress("list backups", 0, None, "backups", plain(self._config.server, 200))
        try:
            catalogue = self._ask()
        except Failed as error:
            raise unlisted(self._place, error) from None
        found, left = listed(catalogue, self._config.id, self._place, self._config.domain, _CLOCK)
        self.left_out = tuple(left)
        for each in left[:10]:
            yield Output(f"left out: {each}")
        return found

    def _kept(self, point: RecoveryPoint) -> tuple[Catalogue, Kept]:
        """As listed; a reader that was opened anew asks once more. Raises Failed."""
        if self._catalogue is None or point.id not in self._catalogue.backups:
            self._ask()
        assert self._catalogue is not None
        if point.id not in self._catalogue.backups:
            raise Failed(_GONE, "Look again")
        return self._catalogue, self._catalogue.backups[point.id]

    def facts(self, point: RecoveryPoint) -> PointFacts:
        lock = LockFact(why_unknown="Barman does not say what locks its disk has")
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
        found = lacks(catalogue, kept)
        quick = found or ByteFact(state="unread", reason="its WAL is listed; its bytes are unread")
        return PointFacts(
            point=point,
            vault=NO_VAULT,
            snapshot=NO_SNAPSHOT,
            lock=lock,
            hidden_by_delete_marker=False,
            bytes=quick,
        )

    def manifest(self, point: RecoveryPoint) -> Manifest | None:
        """drbook's own manifests describe dumps."""
        return None

    def files(self, point: RecoveryPoint) -> Sequence[tuple[str, Blob]]:
        raise no_files()

    # --- is it whole? --------------------------------------------------------------------------

    def check(self, point: RecoveryPoint) -> Working[ByteFact]:
        """By `barman verify-backup` (pg_verifybackup and the copy's own manifest), each copy that it needs
        as well; then every WAL file without which it never becomes consistent is read to its end. Barman
        changes no catalogue for either."""
        try:
            catalogue, kept = self._kept(point)
            missing = lacks(catalogue, kept)
            if missing is not None:
                return missing
            facts = []
            for id in (*point.needs, point.id):
                if id not in catalogue.backups:
                    raise Failed(f"backup {id}, which it needs, is not there", "Look again")
                facts.append((yield from self._verify(catalogue.backups[id])))
            facts.append((yield from self._read_wal(kept)))
        except Failed as error:
            raise unread(point, error) from None
        for state in ("damaged", "unknown"):
            for fact in facts:
                if fact.state == state:
                    return fact
        return ByteFact(
            state="intact", reason="; ".join(dict.fromkeys(one.reason for one in facts))
        )

    def _verify(self, kept: Kept) -> Working[ByteFact]:
        packed = "encrypted" if kept.encryption else "compressed" if kept.compression else ""
        if packed:
            reason = f"backup {kept.id} is {packed}: what Barman verifies by cannot look into that"
            return ByteFact(state="unknown", reason=reason)
        out = bytearray()
        argv = self._argv("-f", "json", "verify-backup", self._config.server, kept.id)
        major = kept.version // 10000 if kept.version else None
        done = yield from self._program.work(argv, take=out.extend, timeout=READING, major=major)
        return verdict(kept.id, bytes(out), done.complaints)

    def _read_wal(self, kept: Kept) -> Working[ByteFact]:
        own = own_segments(kept)
        for number, name in enumerate(own):
            yield Progress("read its WAL", number, len(own), "files", name)
            count = _Count()
            argv = self._argv("get-wal", self._config.server, name)
            done = yield from self._program.work(argv, take=count.add)
            if done.code != 0:
                failed = explained(done.code, done.complaints)
                state = "damaged" if _NO_WAL.search(done.complaints) else "unknown"
                reason = f"its WAL {name} cannot be read: {failed.why}"
                return ByteFact.model_validate({"state": state, "reason": reason})
            if count.size != kept.segment and lacks_program(done.complaints):
                why = explained(0, done.complaints).why
                return ByteFact(state="unknown", reason=f"its WAL {name} cannot be read: {why}")
            if count.size != kept.segment:
                reason = (
                    f"its WAL {name} has {count.size} bytes, where {kept.segment} are a whole one"
                )
                return ByteFact(state="damaged", reason=reason)
        whole = (
            f"{counted(len(own), 'WAL file')} of its own read to the end, which no digest proves"
        )
        return ByteFact(state="intact", reason=whole)

    # --- the copy ------------------------------------------------------------------------------

    def lay_down(self, point: RecoveryPoint, place: Place) -> Working[WalArchive | None]:
        """By `barman restore --get-wal` without a target. Barman leaves `backup_label` and its notes
        (`*.origin`, `.barman-recover.info`); `recovery.signal`, and what it writes into the copy's
        settings to ask its archive, are taken out again. As on every run of its own it first moves WAL that waits in
        `incoming` into its archive; else only its locks and its log are touched, and what programs its
        configuration has it run before and after."""
        try:
            catalogue, kept = self._kept(point)
            for hook in catalogue.hooks:
                yield Milestone(f"Barman's configuration has it run a {hook}; it runs now")
            done = yield from self._program.work(
                self._restore(kept, place),
                timeout=READING,
                major=kept.version // 10000 if kept.version else None,
            )
            if done.code != 0:
                raise explained(done.code, done.complaints)
            forget_archive(place.data)
        except Failed as error:
            raise not_laid(point, error.why, error.advice) from None
        except OSError as error:
            why = f"its settings cannot be written: {error.strerror or error}"
            raise not_laid(point, why, "Run drbook as Barman's own user") from None
        if why := not_whole(place):
            raise not_laid(point, why, "Take another copy, and look into Barman's log")
        return self._wal(kept)

    def wal(self, point: RecoveryPoint, scratch: Path) -> WalArchive | None:
        try:
            return self._wal(self._kept(point)[1])
        except Failed as error:
            raise no_archive(point, error) from None

    def _wal(self, kept: Kept) -> FetchedWal:
        """A segment that Barman is still receiving is given as far as it goes (`-P`): there the last commits
        are."""
        argv = self._argv("get-wal", "-P", self._config.server)

        def fetch(name: str, into: Path) -> bool:
            with into.open("xb") as stream:

                def take(chunk: bytes) -> None:
                    stream.write(chunk)

                done = finish(self._program.work([*argv, name], take=take))
            if done.code != 0 and _NO_WAL.search(done.complaints):
                return False
            if done.code != 0 or lacks_program(done.complaints):
                raise explained(done.code, done.complaints)
            return True

        return FetchedWal(fetch, kept.segment)

    def _restore(self, kept: Kept, place: Place) -> list[str]:
        options = ["--get-wal"]
        if kept.parent or kept.compression or kept.encryption:
            options += ["--staging-path", str(place.scratch), "--staging-location", "local"]
        for space in kept.tablespaces:
            if ":" in space.name or space.name.startswith("-"):
                why = (
                    f"its tablespace {plain(space.name, 60)} has a name that Barman cannot be told"
                )
                raise Failed(why, "Restore it by hand")
            into = place.tablespaces / str(space.oid)
            options += ["--tablespace", f"{space.name}:{into}"]
        return self._argv("restore", *options, self._config.server, kept.id, str(place.data))


class _Count:
    def __init__(self) -> None:
        self.size = 0

    def add(self, chunk: bytes) -> None:
        self.size += len(chunk)


def verdict(id: str, printed: bytes, complaints: str) -> ByteFact:
    """What `barman -f json verify-backup` says of one copy."""
    try:
        found = json.loads(printed)
        good, bad = found.get("_INFO", ()), [str(one) for one in found.get("_ERROR", ())]
        bad += [str(one) for one in found.get("_EXCEPTION", ())]
    except (ValueError, AttributeError):
        good, bad = (), [complaints]
    if not bad and _VERIFIED in good:
        return ByteFact(state="intact", reason="each file matches its manifest (pg_verifybackup)")
    lines = [line for one in bad for line in one.splitlines() if line.strip()]
    if lacks_program("\n".join(lines)):
        reason = f"backup {id} could not be verified: {explained(0, chr(10).join(lines)).show()}"
        return ByteFact(state="unknown", reason=reason)
    for line in lines:
        if _DAMAGE.search(line) and "could not open" not in line:
            reason = f"backup {id}: {plain(line.removeprefix('pg_verifybackup: error: '), 300)}"
            return ByteFact(state="damaged", reason=reason)
    if any("backup_manifest" in line and "No such file" in line for line in lines):
        return ByteFact(state="unknown", reason=f"backup {id} has no manifest to verify it by")
    why = plain("; ".join(lines), 300) or "Barman says neither that it is whole nor that it is not"
    return ByteFact(state="unknown", reason=f"backup {id} could not be verified: {why}")
