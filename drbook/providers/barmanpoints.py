"""What both kinds of Barman share: a backup as a recovery point, and a copy that was laid down, looked over."""

import os
from collections.abc import Sequence
from pathlib import Path

from drbook.core.errors import CouldNotVerify, DrbookError, StepFailed
from drbook.core.points import ByteFact, FailureDomain, RecoveryPoint
from drbook.core.values import plain
from drbook.providers.barmanlist import Catalogue, Kept, chain, reach, show_reach
from drbook.providers.barmanprogram import Failed
from drbook.providers.sources.base import Place


def no_files() -> StepFailed:
    return StepFailed(
        "A physical copy has no files to fetch one by one.",
        means="Nothing was downloaded.",
        next="Restore it into a fresh cluster, which lays it down whole.",
        code="physical",
    )


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
    )


def lacks(catalogue: Catalogue, kept: Kept) -> ByteFact | None:
    """Damage that the names in the archive alone show."""
    missing = reach(kept, catalogue.wals).missing
    if not missing:
        return None
    reason = f"the archive lacks WAL {missing}, without which this copy never becomes consistent"
    return ByteFact(state="damaged", reason=reason)


def unlisted(place: str, failed: Failed) -> CouldNotVerify:
    return CouldNotVerify(
        f"{plain(place, 300)} cannot be listed: {failed.why}.",
        means="Recovery points there are unknown; this is not the same as none.",
        next=f"{failed.advice}.",
        code="list-failed",
    )


def unread(point: RecoveryPoint, failed: Failed) -> CouldNotVerify:
    return CouldNotVerify(
        f"{point.location} could not be read to its end: {failed.why}.",
        means="Whether this copy is whole is not known.",
        next=f"{failed.advice}.",
        code="copy-unread",
    )


def not_laid(point: RecoveryPoint, why: str, advice: str) -> DrbookError:
    return StepFailed(
        f"{point.location} was not laid down: {plain(why, 400).rstrip('.')}.",
        means="What was written lies in the fresh folder and is not to be started.",
        next=f"{advice.rstrip('.')}.",
        code="lay-down",
    )


def wal_failed(name: str, failed: Failed) -> StepFailed:
    return StepFailed(
        f"WAL {plain(name, 60)} cannot be had from the archive: {failed.why}.",
        means="This is not the end of the WAL: more may be there.",
        next=f"{failed.advice}.",
        code="wal-archive",
    )


def not_whole(place: Place) -> str:
    """Why what lies there is no copy that may be started, and nothing but one; empty where it is."""
    for name in ("PG_VERSION", "backup_label", "global/pg_control"):
        if not (place.data / name).is_file():
            return f"it has no {name}"
    if not (place.data / "pg_wal").is_dir() or (place.data / "pg_wal").is_symlink():
        return "its pg_wal is no folder of its own"
    for link in _entries(place.data / "pg_tblspc"):
        leads = Path(os.path.realpath(link))
        if place.tablespaces.resolve() not in leads.parents:
            return f"its tablespace {plain(link.name, 40)} leads out of the fresh folder"
    return ""


def _entries(folder: Path) -> Sequence[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else ()


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
