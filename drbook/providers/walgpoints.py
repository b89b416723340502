"""A backup of WAL-G as a recovery point, and what names alone say against it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from drbook.core.points import ByteFact, RecoveryPoint
from drbook.core.values import plain
from drbook.providers.sources.walg import UNTRIED
from drbook.providers.walglist import Kept, Lost, chain
from drbook.providers.walgreach import Line, Reach, fits, own_segments, reach

if TYPE_CHECKING:
    from drbook.providers.sources.walg import WalGSource

_MISFIT = (
    "its name and its place in the WAL mean different segments; see whether WALG_PG_WAL_SIZE is what the server "
    "has"
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at the store found."""

    backups: Mapping[str, Kept]
    lines: tuple[Line, ...] | None
    """None where the archive of WAL could not be listed."""
    why_no_lines: str
    times: Mapping[str, datetime]
    """When each file of WAL was stored, by its name; empty where that could not be listed."""
    segment: int


def point_of(kept: Kept, seen: Seen, config: WalGSource, where: str) -> RecoveryPoint:
    """`where` is its store, for people."""
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
        source=config.id,
        id=kept.name,
        taken_at=taken,
        taken_by="tool" if kept.ended else "store",
        taken_note="; ".join(filter(None, notes)),
        size=size,
        size_is="stored" if all(sizes) else "unknown",
        format="physical",
        seen=f"{int(taken.timestamp())} {kept.start}-{kept.finish} {kept.stored_bytes}",
        location=plain(f"{where} {kept.name}"),
        domain=config.domain,
        needs=needs,
        encrypted=None,
        database_bytes=None if kept.upon else kept.laid_bytes,
        server_version=kept.version,
        system_identifier=kept.system,
        rolls_to=at if beyond else None,
        rolls_note=rolls_note,
        wal_from=kept.wal,
    )


def _needs(kept: Kept, seen: Seen) -> tuple[tuple[str, ...], str]:
    try:
        return chain(seen.backups, kept), ""
    except LookupError as error:
        return (), str(error)


def _far(kept: Kept, seen: Seen) -> tuple[Reach | None, str]:
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


def _beyond(kept: Kept, far: Reach, seen: Seen) -> bool:
    """Whether there is more than what the copy itself needs."""
    own = own_segments(kept, seen.segment)
    return far.last is not None and (not own or far.last.name(seen.segment) != own[-1])


def lacks(kept: Kept, seen: Seen) -> ByteFact | None:
    """What names alone say against it."""
    try:
        needs = chain(seen.backups, kept)
    except Lost as error:
        return ByteFact(state="damaged", reason=str(error))
    except LookupError as error:
        return ByteFact(state="unknown", reason=str(error))
    if seen.lines is None:
        reason = f"whether its WAL is there is not known: {seen.why_no_lines}"
        return ByteFact(state="unknown", reason=reason)
    if not fits(kept, seen.segment):
        return ByteFact(state="unknown", reason=_MISFIT)
    systems = {seen.backups[name].system for name in (*needs, kept.name)}
    if len(systems) > 1:
        return ByteFact(state="damaged", reason="what it was made upon is another cluster's")
    missing = reach(kept, seen.lines, seen.segment).missing
    if missing:
        reason = f"the archive lacks WAL {missing}, without which it never becomes consistent"
        return ByteFact(state="damaged", reason=reason)
    return None
