"""Reading a pgBackRest repository: its backups, how far its WAL leads, and whether they are whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from drbook.core.baseline import Manifest
from drbook.core.errors import CouldNotVerify, StepFailed
from drbook.core.holding import NO_SNAPSHOT, NO_VAULT
from drbook.core.points import ByteFact, LockFact, Observed, PointFacts, RecoveryPoint, SourceFacts
from drbook.core.signals import Milestone, Output, Progress, Signal, Working
from drbook.core.values import counted, plain
from drbook.providers.backrestcopy import ArchivedWal, ReadWal, lay_down
from drbook.providers.backrestlist import (
    Archive,
    Backup,
    Stanza,
    archives_in,
    details_in,
    folders_in,
    newest_first,
    stanza_in,
)
from drbook.providers.backrestprogram import LISTING, Failed, Lies, PgBackRest, status
from drbook.providers.backrestseen import Seen, by_names
from drbook.providers.backrestverify import Damage, damage_in, judged, segments, verified
from drbook.providers.backrestwal import (
    missing_of_its_own,
)
from drbook.providers.sources.base import Blob, Opening, Place

if TYPE_CHECKING:
    from drbook.providers.sources.pgbackrest import PgBackRestSource

_NO_LIST = (
    "its files verify, and pgBackRest tells nothing of where they go: its backup.manifest is missing. It may "
    "restore it by the copy of that: `pgbackrest --set={} --type=immediate restore`, by hand, into an empty folder"
)
_GONE = "the repository does not list it any more"
_DAMAGES = 1000
"""Damaged files that are remembered by name."""


class PgBackRestReader:
    """Implements `PhysicalSource`. Nothing is written in the repository, and no lock is taken."""

    def __init__(self, config: PgBackRestSource, opening: Opening) -> None:
        """Raises UsageError where its secrets cannot be read."""
        self._config = config
        self._program = PgBackRest(config, opening.secrets, opening.cancel)
        self._seen: Seen | None = None
        self.left_out: tuple[str, ...] = ()
        """What the last listing could not see, in words."""

    def close(self) -> None:
        self._program.close()

    def survey(self) -> SourceFacts:
        source = self._config.id
        try:
            self._program.can_be_asked()
            self._stanza()
            lies = self._program.lies()
        except Failed as error:
            return SourceFacts(source=source, reachable=False, why_unreachable=error.show())
        place = "pgBackRest does not know how its place keeps what is deleted there"
        beside = Observed(value=False) if lies.folder is not None else Observed(why=place)
        return SourceFacts(
            source=source,
            reachable=True,
            resource=lies.resource,
            account=Observed(why="pgBackRest does not say"),
            versioned=beside,
            lock_default=beside,
            deletes_replicated=Observed(why=place),
            expires_after_days=Observed(
                why="what `pgbackrest expire` keeps is set where it runs, not in the repository"
            ),
            policy_limits_deletes=beside,
        )

    # --- points --------------------------------------------------------------------------------

    def points(self) -> Working[Sequence[RecoveryPoint]]:
        try:
            yield Progress("list backups", 0, None, "backups", self._config.stanza)
            seen, lies = self._look(), self._program.lies()
        except Failed as error:
            raise CouldNotVerify(
                f"The backups of {self._config.stanza} cannot be listed: {error.why}.",
                means="Recovery points there are unknown; this is not the same as none.",
                next=f"{error.advice}.",
                code="list-failed",
            ) from None
        if seen.stanza.busy:
            yield Milestone(
                f"{self._config.id}: a backup or an expire of this stanza runs on this machine. An expire "
                "takes what is being recovered: see that none begins."
            )
        for each in self.left_out[:10]:
            yield Output(f"left out: {each}")
        found = newest_first(seen.stanza.backups)
        yield Progress("list backups", len(found), len(found), "backups")
        return [self._point(one, seen, lies) for one in found]

    def _stanza(self) -> Stanza:
        """Raises Failed where the stanza cannot be listed."""
        try:
            found = stanza_in(
                self._program.ask("info", "--output=json"), self._config.stanza, self._config.repo
            )
        except ValueError as error:
            raise _not_understood(error) from None
        failed = status(found.code, found.message, encrypted=found.encrypted)
        if failed is not None:
            raise failed
        return found

    def _look(self) -> Seen:
        """All there is to see without reading any copy. Raises Failed."""
        self._program.can_be_asked()
        stanza, name = self._stanza(), self._config.stanza
        try:
            folders = folders_in(self._program.ask("repo-ls", "--output=json", f"backup/{name}"))
            archives = archives_in(
                self._program.ask(
                    "repo-ls", "--output=json", "--recurse", f"archive/{name}", timeout=LISTING
                )
            )
        except ValueError as error:
            raise _not_understood(error) from None
        listed = {one.label for one in stanza.backups}
        self.left_out = tuple(
            f"{label}: its folder is there, and it is not listed: it runs, or was broken off"
            for label in sorted(folders - listed)
        )
        self._seen = Seen(stanza, folders, archives, self._histories(archives))
        return self._seen

    def _histories(self, archives: dict[str, Archive]) -> dict[tuple[str, int], str]:
        """The history of each cluster's newest timeline. One that cannot be read leaves the row of WAL on a
        backup's own timeline, and that is said."""
        found: dict[tuple[str, int], str] = {}
        for id_, archive in archives.items():
            if not archive.histories:
                continue
            newest = max(archive.histories)
            path = f"archive/{self._config.stanza}/{id_}/{newest:08X}.history"
            try:
                text = self._program.ask("repo-get", path).decode("utf-8", "replace")
            except Failed as error:
                self.left_out += (f"timeline {newest}: its history cannot be read: {error.why}",)
            else:
                found[id_, newest] = text
        return found

    def _point(self, one: Backup, seen: Seen, lies: Lies) -> RecoveryPoint:
        cluster = seen.stanza.cluster_of(one)
        far, notes = seen.reach(one), seen.way(one)[1]
        if far.last:
            notes.insert(
                0,
                f"the repository's clock says when {far.last} was stored; what is in it was committed before",
            )
        if far.gap:
            notes.append(far.broken())
        return RecoveryPoint(
            source=self._config.id,
            id=one.label,
            taken_at=one.stop,
            taken_by="tool",
            taken_note="when it ended; the clock of the host that pgBackRest ran on",
            size=one.size,
            database_bytes=one.laid_down,
            format=self._config.format,
            seen=f"{one.start:%Y%m%dT%H%M%S}-{one.stop:%Y%m%dT%H%M%S} {one.lsn_stop}".strip(),
            location=plain(f"{lies.show()} stanza {self._config.stanza}: {one.label}"),
            domain=self._config.domain,
            needs=one.needs,
            encrypted=seen.stanza.encrypted,
            server_version=cluster.number if cluster is not None else None,
            system_identifier=cluster.system_identifier if cluster is not None else None,
            rolls_to=far.at,
            rolls_note="; ".join(notes),
            wal_from=one.wal_start or None,
        )

    # --- one point -----------------------------------------------------------------------------

    def facts(self, point: RecoveryPoint) -> PointFacts:
        """What the names in the repository say of it: no bytes are read."""
        lock = LockFact(why_unknown="pgBackRest does not say what locks its place has")
        try:
            seen = self._seen or self._look()
        except Failed as error:
            fact = ByteFact(state="unknown", reason=error.why)
            return PointFacts(
                point=point, vault=NO_VAULT, snapshot=NO_SNAPSHOT, lock=lock, bytes=fact
            )
        one = seen.backup(point.id)
        if one is None:
            fact = ByteFact(state="unknown", reason=_GONE)
            return PointFacts(
                point=point,
                vault=NO_VAULT,
                snapshot=NO_SNAPSHOT,
                lock=lock,
                still_there=False,
                bytes=fact,
            )
        return PointFacts(
            point=point, vault=NO_VAULT, snapshot=NO_SNAPSHOT, lock=lock, bytes=by_names(one, seen)
        )

    def manifest(self, point: RecoveryPoint) -> Manifest | None:
        return None

    def files(self, point: RecoveryPoint) -> Sequence[tuple[str, Blob]]:
        raise StepFailed(
            f"{point.location} is a copy of a data directory: it has no files to fetch.",
            means="Nothing was read.",
            next="Restore it into a cluster, where it is laid down and started.",
            code="physical",
        )

    def check(self, point: RecoveryPoint) -> Working[ByteFact]:
        """See `PhysicalSource`. pgBackRest reads the whole stanza: it cannot verify one backup alone."""
        damages: list[Damage] = []

        def listen(_: str, line: str) -> Signal | None:
            found = damage_in(line)
            if found is not None and len(damages) < _DAMAGES:
                damages.append(found)
            return Output(f"pgBackRest: {found.show()}") if found is not None else None

        out = bytearray()
        try:
            seen = self._look()
            one = seen.backup(point.id)
            if one is None:
                return ByteFact(state="unknown", reason=_GONE)
            quick = by_names(one, seen)
            if quick.state == "damaged":
                return quick
            count = counted(len(seen.stanza.backups), "backup")
            yield Progress("verify", 0, None, "backups", f"{count} and the WAL of the stanza")
            argv = self._program.argv(
                "verify", "--output=text", "--verbose", "--log-level-stderr=info"
            )
            yield from self._program.working(argv, take=out.extend, on_line=listen)
        except Failed as error:
            raise _not_verified(point, error) from None
        archive = seen.stanza.archive_of(one)
        found = verified(out.decode("utf-8", "replace"), one.label, archive)
        if found.stopped:
            raise _not_verified(point, Failed(f"pgBackRest says: {found.stopped}", "Look again"))
        size = seen.size(one)
        missing = missing_of_its_own(one, seen.archive(one), size)
        fact = judged(one, found, damages, missing=missing, archive=archive, size=size)
        if fact.state == "intact" and not self._listed(one):
            return ByteFact(state="unknown", reason=_NO_LIST.format(one.label))
        bad = segments(damages, archive)
        return seen.cut(fact, one, bad) if bad and fact.state == "intact" else fact

    def _listed(self, one: Backup) -> bool:
        """Whether pgBackRest says where its tablespaces and links go, without which nothing is laid down here.
        Raises StepFailed."""
        try:
            details_in(
                self._program.ask("info", f"--set={one.label}", "--output=json", timeout=LISTING)
            )
        except ValueError:
            return False
        except Failed as error:
            raise StepFailed(
                f"{one.label} was verified, and its list of files cannot be asked: {error.why}.",
                means="Whether it can be laid down is not known.",
                next=f"{error.advice}.",
                code="copy-unread",
            ) from None
        return True

    def lay_down(self, point: RecoveryPoint, place: Place) -> Working[ArchivedWal]:
        """See `PhysicalSource`."""
        try:
            seen = self._seen or self._look()
            one = seen.backup(point.id)
            if one is None:
                raise Failed(_GONE, "Look again")
            return (yield from lay_down(self._program, one, seen.archive(one), place))
        except Failed as error:
            raise StepFailed(
                f"{point.location} cannot be laid down: {error.why}.",
                means="What arrived is no database; nothing was started.",
                next=f"{error.advice}; a new try makes another target.",
                code="lay-down",
            ) from None

    def wal(self, point: RecoveryPoint, scratch: Path) -> ReadWal:
        """See `PhysicalSource`."""
        try:
            seen = self._seen or self._look()
            one = seen.backup(point.id)
            if one is None:
                raise Failed(_GONE, "Look again")
        except Failed as error:
            raise CouldNotVerify(
                f"The archive of WAL behind {point.location} cannot be opened: {error.why}.",
                means="What it holds is unknown; this is not the same as nothing.",
                next=f"{error.advice}.",
                code="wal-archive",
            ) from None
        return ReadWal(self._program, seen.stanza.archive_of(one), seen.archive(one))


def _not_verified(point: RecoveryPoint, error: Failed) -> CouldNotVerify:
    return CouldNotVerify(
        f"{point.location} could not be verified: {error.why}.",
        means="Whether it is whole is unknown.",
        next=f"{error.advice}.",
        code="verify-copy",
    )


def _not_understood(error: ValueError) -> Failed:
    why = f"what pgBackRest lists cannot be read: {plain(str(error), 200)}"
    return Failed(why, "See which version of pgbackrest is installed")
