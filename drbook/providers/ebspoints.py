"""What EC2 answers of snapshots, their locks and its Recycle Bin, as copies; a string says why one is none.

Pure. The fields are those of EC2's API reference: Snapshot, LockedSnapshotsInfo and SnapshotRecycleBinInfo.
VolumeSize is in GiB.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from drbook.core.holding import SnapshotFact
from drbook.core.points import LockFact, RecoveryPoint
from drbook.core.values import plain, show_time
from drbook.providers.awskept import GIB, Asked, Item, Kept, commands, fresh_name

Locks = Mapping[str, LockFact] | str
"""Snapshot id → its lock, of those that have one; or why nobody knows."""

READABLE_DAYS = "7"
"""For how long an archived snapshot is brought back to the tier that volumes are made from."""


def lock_of(item: Item) -> LockFact:
    """A snapshot's lock. In its cooling-off period a compliance lock can be lifted like one of governance;
    an expired one holds nothing, and is still listed."""
    state, until = item.get("LockState"), item.get("LockExpiresOn")
    if state == "expired":
        return LockFact()
    if state not in ("compliance", "compliance-cooloff", "governance"):
        return LockFact(why_unknown="EC2 names a kind of lock that is not known here")
    mode: Literal["COMPLIANCE", "GOVERNANCE"]
    mode = "COMPLIANCE" if state == "compliance" else "GOVERNANCE"
    return LockFact(mode=mode, until=until if isinstance(until, datetime) else None)


def snapshot(item: Item, asked: Asked, locks: Locks, account: str | None) -> Kept | str:
    """One of a volume. `account` is whose the credentials are, where that is known."""
    id, of, taken = item.get("SnapshotId"), item.get("VolumeId"), item.get("StartTime")
    shown = plain(str(id or "a snapshot without an id"), 100)
    if item.get("State") != "completed":
        return f"{shown}: its state is {plain(str(item.get('State') or 'not told'), 60)}"
    if not isinstance(id, str) or not isinstance(of, str) or not isinstance(taken, datetime):
        return f"{shown}: EC2 does not say when or of what it was taken"
    zone = f"{asked.region}a"
    make = (
        "ec2", "create-volume", "--region", asked.region, "--availability-zone", zone,
        "--snapshot-id", id, "--tag-specifications",
        f"ResourceType=volume,Tags=[{{Key=Name,Value={fresh_name(id)}}}]",
    )  # fmt: skip
    archived = item.get("StorageTier") == "archive"
    thaw = (
        "ec2", "restore-snapshot-tier", "--region", asked.region, "--snapshot-id", id,
        "--temporary-restore-days", READABLE_DAYS,
    )  # fmt: skip
    notes = (
        ["it lies in the archive tier: bringing it back takes up to 72 hours"] if archived else []
    )
    owner = item.get("OwnerId")
    foreign = isinstance(owner, str) and account is not None and owner != account
    if foreign:
        notes.append(f"account {plain(str(owner), 20)} shares it, and can take that back")
    return Kept(
        _point(item, asked, id, taken, commands(thaw, make) if archived else commands(make), notes),
        asked.region,
        SnapshotFact(kind="manual", of=of, why_unknown=""),
        lock=LockFact(why_unknown=locks) if isinstance(locks, str) else locks.get(id, LockFact()),
        key=str(item.get("KmsKeyId") or ""),
        owner=owner if isinstance(owner, str) else None,
    )


def in_bin(item: Item, asked: Asked, account: str | None) -> Kept | str:
    """One in the Recycle Bin. When it was taken is not told any more: it was before it came there."""
    id, of, came = item.get("SnapshotId"), item.get("VolumeId"), item.get("RecycleBinEnterTime")
    shown = plain(str(id or "a snapshot without an id"), 100)
    if not isinstance(id, str) or not isinstance(of, str) or not isinstance(came, datetime):
        return f"{shown}, in the Recycle Bin: EC2 does not say since when or of what"
    back = commands(
        ("ec2", "restore-snapshot-from-recycle-bin", "--region", asked.region, "--snapshot-id", id)
    )
    ends = item.get("RecycleBinExitTime")
    ends = ends if isinstance(ends, datetime) else None
    until = f" until {show_time(ends)}" if ends else ""
    note = f"in the Recycle Bin{until}: taken at an unknown time before it came there"
    point = _point(item, asked, id, came, back, [note]).model_copy(update={"taken_by": "store"})
    return Kept(
        point,
        asked.region,
        SnapshotFact(kind="manual", of=of, why_unknown=""),
        lock=LockFact(why_unknown="the Recycle Bin does not say"),
        owner=account,
        expires_at=ends,
        recoverable=back,
    )


def _point(
    item: Item, asked: Asked, id: str, taken: datetime, way: str, notes: list[str]
) -> RecoveryPoint:
    full, allocated = item.get("FullSnapshotSizeInBytes"), item.get("VolumeSize")
    size, size_is = 0, "unknown"
    if isinstance(full, int) and full > 0:
        size, size_is = full, "stored"
    elif isinstance(allocated, int) and allocated > 0:
        size, size_is = allocated * GIB, "allocated"
    return RecoveryPoint.model_validate(
        {
            "source": asked.source,
            "id": id,
            "taken_at": taken,
            "taken_by": "tool",
            "taken_note": "; ".join(notes),
            "size": size,
            "size_is": size_is,
            "format": "snapshot",
            "location": plain(f"ebs {asked.region} {id}"),
            "domain": asked.domain,
            "encrypted": item.get("Encrypted"),
            "restored_by": way,
        }
    )
