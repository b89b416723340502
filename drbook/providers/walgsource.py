"""Physical copies in a store of WAL-G: listed, judged by their names, checked where they lie, laid down.

Tried against what WAL-G's documentation and source say, never against a real one (see
`drbook.providers.sources.walg`); each recovery point says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from drbook.core.baseline import Manifest
from drbook.core.holding import NO_SNAPSHOT, NO_VAULT
from drbook.core.points import ByteFact, LockFact, Observed, PointFacts, RecoveryPoint, SourceFacts
from drbook.core.signals import Milestone, Output, Progress, Working
from drbook.core.values import plain
from drbook.providers.physicalcopy import (
    no_archive,
    no_files,
    not_laid,
    not_whole,
    unlisted,
    unread,
)
from drbook.providers.sources.base import Blob, Opening, Place, WalArchive
from drbook.providers.sources.walg import UNTRIED
from drbook.providers.tool import Failed
from drbook.providers.walgcopy import lay_down, read_copy, stored, wal_of
from drbook.providers.walglist import Kept, backups_in, bare, chain
from drbook.providers.walgpoints import Seen, lacks, point_of
from drbook.providers.walgprogram import WAL, WalG
from drbook.providers.walgreach import lines_in, own_segments

if TYPE_CHECKING:
    from drbook.providers.sources.walg import WalGSource

_GONE = "WAL-G does not list it any more"
_DETAILS = re.compile(r"metadata\.json|fetch dto")
_NO_BACKUPS = "No backups found"


class WalGReader:
    """Implements `PhysicalSource`. Nothing is written in the store."""

    def __init__(self, config: WalGSource, opening: Opening) -> None:
        """Raises UsageError where its secrets cannot be read."""
        self._config = config
        self._program = WalG(config, opening.secrets, opening.cancel)
        self._seen: Seen | None = None
        self.left_out: tuple[str, ...] = ()
        """What the last listing could not see, in words."""

    def close(self) -> None:
        self._program.close()

    # --- the place, and what is in it ----------------------------------------------------------

    def survey(self) -> SourceFacts:
        source = self._config.id
        try:
            self._program.there()
            self._backups()
            local, resource = self._program.local, self._program.resource
        except Failed as error:
            return SourceFacts(source=source, reachable=False, why_unreachable=error.show())
        place = "WAL-G does not say how its store keeps what is deleted there"
        beside = Observed(value=False) if local else Observed(why=place)
        return SourceFacts(
            source=source,
            reachable=True,
            resource=resource,
            account=Observed(why="WAL-G does not say"),
            versioned=beside,
            lock_default=beside,
            deletes_replicated=Observed(why=place),
            expires_after_days=Observed(
                why="what `wal-g delete` removes is set where it runs, not in the store"
            ),
            policy_limits_deletes=beside,
        )

    def _backups(self) -> tuple[dict[str, Kept], list[str]]:
        """With their details, or without where one of them cannot be read: its loss hides no other copy.
        Raises Failed."""
        left: list[str] = []
        try:
            text = self._list("--detail", "--json")
        except Failed as error:
            if not _DETAILS.search(error.why):
                raise
            text = self._list("--json")
            left.append(f"the details of the backups cannot be read: {error.why}")
        try:
            found, more = backups_in(text)
        except ValueError as error:
            why = f"what WAL-G lists cannot be read: {plain(str(error), 200)}"
            raise Failed(why, "See which version of WAL-G is installed") from None
        return found, left + more

    def _list(self, *options: str) -> bytes:
        """Older versions print nothing where there are none, and say so beside it."""
        out = bytearray()
        complaints = self._program.ask("backup-list", *options, take=out.extend)
        if not out.strip() and _NO_BACKUPS in complaints:
            return b"[]"
        return bytes(out)

    def _look(self) -> Seen:
        """Raises Failed."""
        self._program.there()
        backups, left = self._backups()
        segment = self._program.segment
        lines, why, times = None, "", {}
        try:
            self._program.has_archive()
            lines = lines_in(
                self._program.printed("wal-show", "--detailed-json", "--without-backups"), segment
            )
        except Failed as error:
            why = error.why
        except ValueError as error:
            why = f"what WAL-G shows of it cannot be read: {plain(str(error), 200)}"
        if why:
            left.append(f"the archive of WAL cannot be listed: {why}")
        else:
            try:
                times = {bare(each.name): each.at for each in stored(self._program, None, WAL)}
            except Failed as error:
                left.append(f"when its WAL was stored cannot be listed: {error.why}")
        self._seen = Seen(backups, lines, why, times, segment)
        self.left_out = tuple(left)
        return self._seen

    def points(self) -> Working[Sequence[RecoveryPoint]]:
        yield Progress("list backups", 0, None, "backups", plain(self._config.id, 100))
        try:
            seen, where = self._look(), self._program.where
        except Failed as error:
            raise unlisted(self._config.id, error) from None
        yield Milestone(f"{self._config.id}: {UNTRIED}")
        for each in self.left_out[:10]:
            yield Output(f"left out: {each}")
        found = [point_of(kept, seen, self._config, where) for kept in seen.backups.values()]
        found.sort(key=lambda point: (point.taken_at, point.id), reverse=True)
        return found

    # --- one point -----------------------------------------------------------------------------

    def _kept(self, point: RecoveryPoint) -> tuple[Seen, Kept]:
        """As listed; a reader that was opened anew asks once more. Raises Failed."""
        seen = self._seen
        if seen is None or point.id not in seen.backups:
            seen = self._look()
        if point.id not in seen.backups:
            raise Failed(_GONE, "Look again")
        return seen, seen.backups[point.id]

    def facts(self, point: RecoveryPoint) -> PointFacts:
        """What names say of it: no bytes are read."""
        lock = LockFact(why_unknown="WAL-G does not say what locks its store has")
        gone = False
        try:
            seen, kept = self._kept(point)
            fact = lacks(kept, seen)
        except Failed as error:
            gone = error.why == _GONE
            fact = ByteFact(state="unknown", reason=error.why)
        unread_yet = ByteFact(
            state="unread", reason="all that it needs is there by name; its bytes are unread"
        )
        return PointFacts(
            point=point,
            vault=NO_VAULT,
            snapshot=NO_SNAPSHOT,
            lock=lock,
            still_there=not gone,
            bytes=fact or unread_yet,
        )

    def manifest(self, point: RecoveryPoint) -> Manifest | None:
        """drbook's own manifests describe dumps."""
        return None

    def files(self, point: RecoveryPoint) -> Sequence[tuple[str, Blob]]:
        raise no_files()

    def check(self, point: RecoveryPoint) -> Working[ByteFact]:
        """Every archive of it and of what it needs, and its own WAL, are read to their end. Content stays
        unproven: WAL-G keeps no digests."""
        try:
            seen, kept = self._kept(point)
            found = lacks(kept, seen)
            if found is None:
                needs = chain(seen.backups, kept)
                backups = [seen.backups[name] for name in (*needs, kept.name)]
                own = own_segments(kept, seen.segment)
                found = yield from read_copy(self._program, backups, own)
        except (Failed, LookupError) as error:
            failed = error if isinstance(error, Failed) else Failed(str(error), "Look again")
            raise unread(point, failed) from None
        return found.model_copy(update={"reason": f"{found.reason} ({UNTRIED})"})

    # --- the copy ------------------------------------------------------------------------------

    def lay_down(self, point: RecoveryPoint, place: Place) -> Working[WalArchive | None]:
        """By `backup-fetch`, which leaves `backup_label` and no settings for a recovery."""
        try:
            seen, kept = self._kept(point)
            yield Milestone(f"laying down {kept.name} by WAL-G; {UNTRIED}")
            try:
                needs = chain(seen.backups, kept)
            except LookupError as error:
                raise Failed(str(error), "Take another copy") from None
            yield from lay_down(self._program, kept, needs, place)
        except Failed as error:
            raise not_laid(point, error.why, error.advice) from None
        if why := not_whole(place):
            raise not_laid(point, why, "Take another copy")
        return wal_of(self._program, seen.lines or (), seen.segment)

    def wal(self, point: RecoveryPoint, scratch: Path) -> WalArchive | None:
        try:
            seen, _ = self._kept(point)
        except Failed as error:
            raise no_archive(point, error) from None
        return wal_of(self._program, seen.lines or (), seen.segment)
