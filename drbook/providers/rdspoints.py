"""What RDS answers of snapshots and automated backups, as copies; a string says why something is none.

Pure. The fields are those of RDS's API reference: DBSnapshot, DBClusterSnapshot, DBInstanceAutomatedBackup and
DBClusterAutomatedBackup. AllocatedStorage is in GiB; Aurora's is no size of anything.
"""

from collections.abc import Set
from datetime import datetime
from typing import Any, Literal

from drbook.core.holding import SnapshotFact, VaultFact
from drbook.core.points import RecoveryPoint
from drbook.core.snapshots import MOMENT
from drbook.core.values import plain, show_time
from drbook.providers.awskept import (
    GIB,
    Asked,
    Item,
    Kept,
    account_in,
    commands,
    fresh_name,
    region_in,
    version_number,
)

POSTGRES = frozenset({"postgres", "aurora-postgresql"})
CLASS = "INSTANCE-CLASS"
"""Stands in a command for what the operator has to choose."""
_BY_BACKUP = VaultFact(
    why_unknown="AWS Backup made it; its vault answers in a source of `aws-backup`"
)


def db_snapshot(item: Item, asked: Asked, retained: Set[str]) -> Kept | str:
    """One of an instance. `retained` are the resource ids of deleted instances whose backups were kept."""
    arn = _text(item, "DBSnapshotArn")
    name = _text(item, "DBSnapshotIdentifier")
    target = fresh_name(arn)
    shared = _text(item, "SnapshotType") in ("shared", "public")
    way = commands(
        (
            "rds", "restore-db-instance-from-db-snapshot", "--region", asked.region,
            "--db-instance-identifier", target,
            "--db-snapshot-identifier", arn if shared else name, "--no-publicly-accessible",
        )
    )  # fmt: skip
    kind = _kind(item, arn, _text(item, "SourceDBSnapshotIdentifier"), "DbiResourceId", retained)
    return _snapshot(item, asked, arn, way, kind, item.get("Encrypted"))


def cluster_snapshot(item: Item, asked: Asked, retained: Set[str]) -> Kept | str:
    """The same of a cluster."""
    arn = _text(item, "DBClusterSnapshotArn")
    name = _text(item, "DBClusterSnapshotIdentifier")
    shared = _text(item, "SnapshotType") in ("shared", "public")
    restore = (
        "rds", "restore-db-cluster-from-snapshot", "--region", asked.region,
        "--db-cluster-identifier", fresh_name(arn),
        "--snapshot-identifier", arn if shared else name, "--engine", _text(item, "Engine"),
    )  # fmt: skip
    way = _with_instance(restore, item, asked, fresh_name(arn))
    kind = _kind(
        item, arn, _text(item, "SourceDBClusterSnapshotArn"), "DbClusterResourceId", retained
    )
    return _snapshot(item, asked, arn, way, kind, item.get("StorageEncrypted"))


def instance_backup(item: Item, asked: Asked) -> Kept | str:
    """The automated backups of one instance: whatever moment of their window is wanted."""
    arn, resource = _text(item, "DBInstanceAutomatedBackupsArn"), _text(item, "DbiResourceId")
    id = arn or f"automated:{asked.region}:{resource}"
    elsewhere = region_in(_text(item, "DBInstanceArn")) not in (None, asked.region)
    source = (
        ("--source-db-instance-automated-backups-arn", arn)
        if elsewhere and arn
        else ("--source-dbi-resource-id", resource)
    )
    way = commands(
        (
            "rds", "restore-db-instance-to-point-in-time", "--region", asked.region, *source,
            "--target-db-instance-identifier", fresh_name(id), "--restore-time", MOMENT,
            "--no-publicly-accessible",
        )
    )  # fmt: skip
    of, encrypted = _text(item, "DBInstanceIdentifier"), item.get("Encrypted")
    return _automated(item, asked, id, of, way, encrypted, _text(item, "DBInstanceArn"), elsewhere)


def cluster_backup(item: Item, asked: Asked) -> Kept | str:
    """The same of a cluster."""
    arn, resource = _text(item, "DBClusterAutomatedBackupsArn"), _text(item, "DbClusterResourceId")
    id = arn or f"automated:{asked.region}:{resource}"
    elsewhere = region_in(_text(item, "DBClusterArn")) not in (None, asked.region)
    restore = (
        "rds", "restore-db-cluster-to-point-in-time", "--region", asked.region,
        "--source-db-cluster-resource-id", resource,
        "--db-cluster-identifier", fresh_name(id), "--restore-to-time", MOMENT,
    )  # fmt: skip
    way = _with_instance(restore, item, asked, fresh_name(id))
    of, encrypted = _text(item, "DBClusterIdentifier"), item.get("StorageEncrypted")
    return _automated(item, asked, id, of, way, encrypted, _text(item, "DBClusterArn"), elsewhere)


# --- what both have in common ------------------------------------------------------------------


def _with_instance(restore: tuple[str, ...], item: Item, asked: Asked, name: str) -> str:
    """Aurora restores storage, and wants an instance beside it; a Multi-AZ cluster brings its own."""
    if not _text(item, "Engine").startswith("aurora"):
        return commands((*restore, "--db-cluster-instance-class", CLASS))
    beside = (
        "rds", "create-db-instance", "--region", asked.region, "--db-cluster-identifier", name,
        "--db-instance-identifier", f"{name}-1", "--engine", _text(item, "Engine"),
        "--db-instance-class", CLASS, "--no-publicly-accessible",
    )  # fmt: skip
    return commands(restore, beside)


def _kind(item: Item, arn: str, origin: str, resource: str, retained: Set[str]) -> SnapshotFact:
    of = _text(item, "DBInstanceIdentifier") or _text(item, "DBClusterIdentifier")
    kind = _text(item, "SnapshotType")
    if kind == "automated":
        kept = _text(item, resource) in retained
        return SnapshotFact(kind="retained" if kept else "automated", of=of, why_unknown="")
    came_from, owner = account_in(origin), account_in(arn)
    if came_from and owner and came_from != owner:
        return SnapshotFact(kind="copied", of=of, why_unknown="")
    if kind in ("manual", "awsbackup", "shared", "public"):
        return SnapshotFact(kind="manual", of=of, why_unknown="")
    return SnapshotFact(of=of, why_unknown=f"RDS calls it {plain(kind, 60) or 'nothing'}")


def _snapshot(
    item: Item, asked: Asked, arn: str, way: str, kind: SnapshotFact, encrypted: bool | None
) -> Kept | str:
    shown = plain(arn, 300) or "a snapshot without a name"
    if why := _no_copy(item, "available"):
        return f"{shown}: {why}"
    created = item.get("OriginalSnapshotCreateTime") or item.get("SnapshotCreateTime")
    if not arn or not isinstance(created, datetime):
        return f"{shown}: RDS does not say when it was taken"
    taken, notes = created, []
    last = item.get("SnapshotDatabaseTime")
    if isinstance(last, datetime) and last < created:
        taken = last
        notes.append(f"completed {show_time(created)}; its last transaction is older")
    if kind.kind == "copied":
        notes.append("copied from another account")
    point = _point(item, asked, arn, taken, way, encrypted, "; ".join(notes))
    by_backup = _text(item, "SnapshotType") == "awsbackup"
    more: dict[str, Any] = {"vault": _BY_BACKUP} if by_backup else {}
    return Kept(point, asked.region, kind, key=_key(item, encrypted), owner=account_in(arn), **more)


def _automated(
    item: Item, asked: Asked, id: str, of: str, way: str, encrypted: bool | None, made_of: str,
    elsewhere: bool,
) -> Kept | str:  # fmt: skip
    shown = f"automated backups of {plain(of, 100)} ({plain(id, 200)})"
    if why := _no_copy(item, "active", "retained"):
        return f"{shown}: {why}"
    window = item.get("RestoreWindow") or {}
    first, last = window.get("EarliestTime"), window.get("LatestTime")
    if not isinstance(first, datetime) or not isinstance(last, datetime) or first > last:
        return f"{shown}: RDS does not say which moments they reach"
    kept = _text(item, "Status") == "retained"
    kind: Literal["retained", "automated"] | None = "retained" if kept else "automated"
    if elsewhere and not kept:
        kind = None
    why_unknown = "" if kind else "they are replicated from another region"
    whose = "of a deleted one, kept after it" if kept else "they follow the running one"
    note = f"the first moment that they reach ({whose})"
    point = _point(item, asked, id, first, way, encrypted, note).model_copy(
        update={"rolls_to": last, "rolls_note": "by RDS's own word, the last restorable moment"}
    )
    fact = SnapshotFact(kind=kind, of=of, why_unknown=why_unknown)
    owner = account_in(id) or account_in(made_of)
    return Kept(point, asked.region, fact, key=_key(item, encrypted), owner=owner)


def _no_copy(item: Item, *usable: str) -> str:
    """Why it is none that can be restored; empty where it can."""
    engine, status = _text(item, "Engine"), _text(item, "Status")
    if engine not in POSTGRES:
        return f"its engine is {plain(engine, 60) or 'not named'}, not PostgreSQL"
    return "" if status in usable else f"its status is {plain(status, 60) or 'not told'}"


def _point(
    item: Item, asked: Asked, id: str, taken: datetime, way: str, encrypted: bool | None, note: str
) -> RecoveryPoint:
    size, size_is = _size(item)
    return RecoveryPoint(
        source=asked.source,
        id=id,
        taken_at=taken,
        taken_by="tool",
        taken_note=note,
        size=size,
        size_is=size_is,
        format="snapshot",
        location=plain(id if id.startswith("arn:") else f"rds {id}"),
        domain=asked.domain,
        encrypted=encrypted,
        server_version=version_number(_text(item, "EngineVersion")),
        restored_by=way,
    )


def _key(item: Item, encrypted: bool | None) -> str:
    return "" if encrypted is False else _text(item, "KmsKeyId")


def _size(item: Item) -> tuple[int, Literal["stored", "allocated", "unknown"]]:
    full, allocated = item.get("FullSnapshotSizeInBytes"), item.get("AllocatedStorage")
    if isinstance(full, int) and full > 0:
        return full, "stored"
    if isinstance(allocated, int) and allocated > 0 and _text(item, "Engine") == "postgres":
        return allocated * GIB, "allocated"
    return 0, "unknown"


def _text(item: Item, name: str) -> str:
    value = item.get(name)
    return value if isinstance(value, str) else ""
