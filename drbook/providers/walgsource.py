"""Physical copies in a store of WAL-G: listed, judged by their names, checked where they lie, laid down.

Tried against what WAL-G's documentation and source say, never against a real one (see
`drbook.providers.sources.walg`); each recovery point says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
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
from drbook.providers.walgcopy import WalGWal, lay_down, read_copy, stored
from drbook.providers.walglist import (
    Kept,
    Line,
    Reach,
    backups_in,
    bare,
    chain,
    fits,
    lines_in,
    own_segments,
    reach,
)
from drbook.providers.walgprogram import WAL, WalG

if TYPE_CHECKING:
    from drbook.providers.sources.walg import WalGSource

_GONE = "WAL-G does not list it any more"
_NO_BACKUPS = "No backups found"


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one look at the store found."""

    backups: dict[str, Kept]
    lines: tuple[Line, ...] | None
    """None where the archive of WAL could not be listed."""
    why_no_lines: str
    times: dict[str, datetime]
    """When each file of WAL was stored, by its name; empty where that could not be listed."""
    segment: int


class WalGReader:
    """Implements `PhysicalSource`. Nothing is written in the store."""

    def __init__(self, config: WalGSource, opening: Opening) -> None:
        """Raises UsageError where its secrets cannot be read."""
        self._config = config
        self._program = WalG(config, opening.secrets, opening.cancel)
        self._seen: _Seen | None = None
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

    def _look(self) -> _Seen:
        """Raises Failed."""
        self._program.there()
        backups, left = self._backups()
        segment = self._program.segment
        lines, why, times = None, "", {}
        try:
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
        self._seen = _Seen(backups, lines, why, times, segment)
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
        found = [self._point(kept, seen, where) for kept in seen.backups.values()]
        found.sort(key=lambda point: (point.taken_at, point.id), reverse=True)
        return found

    def _point(self, kept: Kept, seen: _Seen, where: str) -> RecoveryPoint:
        taken = kept.ended or kept.stored
        assert taken is not None
        by = "by the clock of the host that WAL-G ran on" if kept.ended else "by its store's clock"
        notes = [UNTRIED, f"when WAL-G finished it, {by}", kept.note]
        notes.append("kept by WAL-G's `delete` (permanent)" if kept.permanent else "")
        needs, lost = _needs(kept, seen)
        notes.append(lost)
        sizes = [seen.backups[name].stored_bytes for name in (*needs, kept.name)]
        size = sum(each or 0 for each in sizes)
        far, rolls_note = _far(kept, seen)
        at = seen.times.get(far.last.name(seen.segment)) if far and far.last else None
        beyond = far is not None and far.last is not None and _beyond(kept, far, seen)
        return RecoveryPoint(
            source=self._config.id,
            id=kept.name,
            taken_at=taken,
            taken_by="tool" if kept.ended else "store",
            taken_note="; ".join(filter(None, notes)),
            size=size,
            size_is="stored" if all(sizes) else "unknown",
            format="physical",
            seen=f"{int(taken.timestamp())} {kept.start}-{kept.finish} {kept.stored_bytes}",
            location=plain(f"{where} {kept.name}"),
            domain=self._config.domain,
            needs=needs,
            encrypted=None,
            database_bytes=None if kept.upon else kept.laid_bytes,
            server_version=kept.version,
            system_identifier=kept.system,
            rolls_to=at if beyond else None,
            rolls_note=rolls_note,
            wal_from=kept.wal,
        )

    # --- one point -----------------------------------------------------------------------------

    def _kept(self, point: RecoveryPoint) -> tuple[_Seen, Kept]:
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
            fact = lacks(kept, seen.backups, seen.lines, seen.segment, seen.why_no_lines)
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
            found = lacks(kept, seen.backups, seen.lines, seen.segment, seen.why_no_lines)
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
        return WalGWal(self._program, seen.lines or (), seen.segment)

    def wal(self, point: RecoveryPoint, scratch: Path) -> WalArchive | None:
        try:
            seen, _ = self._kept(point)
        except Failed as error:
            raise no_archive(point, error) from None
        return WalGWal(self._program, seen.lines or (), seen.segment)


def _needs(kept: Kept, seen: _Seen) -> tuple[tuple[str, ...], str]:
    try:
        return chain(seen.backups, kept), ""
    except LookupError as error:
        return (), str(error)


def _far(kept: Kept, seen: _Seen) -> tuple[Reach | None, str]:
    """How far it leads, and in words whose word that is and what speaks against it."""
    if seen.lines is None:
        return None, f"how far its WAL leads is not known: {seen.why_no_lines}"
    if not fits(kept, seen.segment):
        return None, f"how far its WAL leads is not known: {_MISFIT}"
    far = reach(kept, seen.lines, seen.segment)
    if far.last is None:
        return far, f"the archive lacks WAL {far.missing}: the copy cannot become consistent"
    last = far.last.name(seen.segment)
    when = "the store's time of" if last in seen.times else "nothing tells when it was stored:"
    parts = [f"{when} its last segment {last}; what is in it was committed before"]
    if far.timelines:
        parts.append(f"over timeline {', '.join(map(str, far.timelines))}")
    if far.gap:
        parts.append(f"WAL {far.gap} is missing, so that what lies behind it is out of reach")
    return far, "; ".join(parts)


def _beyond(kept: Kept, far: Reach, seen: _Seen) -> bool:
    """Whether there is more than what the copy itself needs."""
    own = own_segments(kept, seen.segment)
    return far.last is not None and (not own or far.last.name(seen.segment) != own[-1])


_MISFIT = (
    "its name and its place in the WAL mean different segments; see whether WALG_PG_WAL_SIZE is what the server "
    "has"
)


def lacks(
    kept: Kept,
    backups: dict[str, Kept],
    lines: Sequence[Line] | None,
    segment: int,
    why_no_lines: str,
) -> ByteFact | None:
    """What names alone say against it."""
    try:
        needs = chain(backups, kept)
    except LookupError as error:
        state = "damaged" if "is not there" in str(error) else "unknown"
        return ByteFact.model_validate({"state": state, "reason": str(error)})
    if lines is None:
        reason = f"whether its WAL is there is not known: {why_no_lines}"
        return ByteFact(state="unknown", reason=reason)
    if not fits(kept, segment):
        return ByteFact(state="unknown", reason=_MISFIT)
    systems = {backups[name].system for name in (*needs, kept.name)}
    if len(systems) > 1:
        return ByteFact(state="damaged", reason="what it was made upon is another cluster's")
    missing = reach(kept, lines, segment).missing
    if missing:
        reason = f"the archive lacks WAL {missing}, without which it never becomes consistent"
        return ByteFact(state="damaged", reason=reason)
    return None
