"""What both kinds of Barman share: a backup as a recovery point, and its settings without Barman's."""

from pathlib import Path

from drbook.core.points import ByteFact, FailureDomain, RecoveryPoint
from drbook.core.values import plain
from drbook.providers.barmanlist import Catalogue, Kept, chain, reach, show_reach


def listed(
    catalogue: Catalogue, source: str, place: str, domain: FailureDomain, clock: str
) -> tuple[list[RecoveryPoint], list[str]]:
    """The points, newest first, and what was left out, in words. `clock` says whose the WAL's times are."""
    found, left = [], list(catalogue.left_out)
    for kept in catalogue.backups.values():
        try:
            found.append(_point(catalogue, kept, source, place, domain, clock))
        except ValueError as error:
            left.append(f"backup {kept.id}: {error}")
    found.sort(key=lambda point: (point.taken_at, point.id), reverse=True)
    return found, left


def _point(
    catalogue: Catalogue, kept: Kept, source: str, place: str, domain: FailureDomain, clock: str
) -> RecoveryPoint:
    """Raises ValueError where it cannot be restored from here."""
    if kept.elsewhere:
        raise ValueError("it is a snapshot of a disk, which its provider keeps")
    if kept.size is None:
        raise ValueError("nothing says how large it is")
    needs = chain(catalogue.backups, kept)
    found = reach(kept, catalogue.wals)
    on = found.last if found.last is not None and found.last.name != kept.end_wal else None
    return RecoveryPoint(
        source=source,
        id=kept.id,
        taken_at=kept.ended,
        taken_by="tool",
        taken_note="when Barman finished it: a physical copy is consistent from there on",
        size=kept.size,
        seen=f"{kept.size} {int(kept.ended.timestamp())}",
        format="physical",
        location=plain(f"{place} backup {kept.id}"),
        domain=domain,
        needs=needs,
        encrypted=kept.encryption is not None,
        database_bytes=None if kept.compression or kept.encryption or needs else kept.size,
        server_version=kept.version,
        system_identifier=kept.system,
        rolls_to=on.at if on else None,
        rolls_note=show_reach(found, clock) if on or found.missing or found.gap else "",
        wal_from=kept.begin_wal,
    )


def lacks(catalogue: Catalogue, kept: Kept) -> ByteFact | None:
    """Damage that the names in the archive alone show."""
    missing = reach(kept, catalogue.wals).missing
    if not missing:
        return None
    reason = f"the archive lacks WAL {missing}, without which this copy never becomes consistent"
    return ByteFact(state="damaged", reason=reason)


def forget_archive(data: Path) -> None:
    """Take the command that would ask the archive, and a target, out of the copy's own settings: who
    starts it says where its WAL comes from, and that it recovers. Raises OSError."""
    (data / "recovery.signal").unlink(missing_ok=True)
    path = data / "postgresql.auto.conf"
    if not path.is_file():
        return
    lines = path.read_bytes().splitlines(keepends=True)
    keep = [
        line
        for line in lines
        if not line.strip().startswith((b"restore_command", b"recovery_target"))
        and b"'barman get-wal'" not in line
    ]
    if keep != lines:
        path.write_bytes(b"".join(keep))
