"""What AWS Backup answers of a vault and its recovery points, as copies; a string says why one is none.

Pure. The fields are those of AWS Backup's API reference: DescribeBackupVault and
RecoveryPointByBackupVault.
"""

from datetime import datetime

from drbook.core.holding import SnapshotFact, VaultFact
from drbook.core.points import RecoveryPoint
from drbook.core.values import plain
from drbook.providers.awskept import Asked, Item, Kept, account_in, commands, fresh_name

RESTORABLE = {
    "COMPLETED": "",
    "AVAILABLE": "",
    "STOPPED": "continuous, and stopped: it grows no further",
    "EXPIRED": "its time is over, and AWS Backup could not remove it yet",
}
"""Statuses of recovery points that are there, and what is to be said of them."""
ROLE = "ROLE-ARN"


def vault_of(answer: Item) -> VaultFact:
    """How the vault holds what is in it. Its LockDate is when nobody can lift the lock any more; a lock
    without one is of governance."""
    kind, locked = answer.get("VaultType"), answer.get("Locked")
    if kind == "LOGICALLY_AIR_GAPPED_BACKUP_VAULT":
        held = locked if isinstance(locked, bool) else None
        return VaultFact(kind="air_gapped", locked=held, why_unknown="")
    if kind not in (None, "BACKUP_VAULT", "RESTORE_ACCESS_BACKUP_VAULT"):
        return VaultFact(why_unknown="AWS Backup names a kind of vault that is not known here")
    fixed = answer.get("LockDate")
    return VaultFact(
        kind="vault",
        locked=locked if isinstance(locked, bool) else None,
        fixed_at=fixed if isinstance(fixed, datetime) else None,
        why_unknown="",
    )


def recovery_point(item: Item, asked: Asked, vault_name: str, vault: VaultFact) -> Kept | str:
    """One recovery point. AWS Backup does not say of which version the server was."""
    arn, of = str(item.get("RecoveryPointArn") or ""), str(item.get("ResourceArn") or "")
    status, taken = str(item.get("Status") or ""), item.get("CreationDate")
    shown = plain(arn, 300) or "a recovery point without a name"
    if status not in RESTORABLE:
        return f"{shown}: its status is {plain(status, 60) or 'not told'}"
    if not arn or not isinstance(taken, datetime):
        return f"{shown}: AWS Backup does not say when it was taken"
    continuous = ":continuous:" in arn
    notes = [RESTORABLE[status]] if RESTORABLE[status] else []
    if continuous:
        notes.append("continuous: which moments it reaches is told by its instance's `rds` source")
    owner = account_in(str(item.get("BackupVaultArn") or "")) or None
    return Kept(
        _point(item, asked, arn, taken, _way(item, asked, arn, vault_name), notes),
        asked.region,
        _kind(of, owner, continuous),
        vault,
        key=str(item.get("EncryptionKeyArn") or ""),
        owner=owner,
        expires_at=_ends(item),
    )


def _kind(of: str, owner: str | None, continuous: bool) -> SnapshotFact:
    name = of.rpartition(":")[2].rpartition("/")[2]
    if continuous:
        return SnapshotFact(of=name, why_unknown="a continuous backup; AWS Backup does not say")
    made_in = account_in(of)
    copied = made_in is not None and owner is not None and made_in != owner
    return SnapshotFact(kind="copied" if copied else "manual", of=name, why_unknown="")


def _ends(item: Item) -> datetime | None:
    ends = (item.get("CalculatedLifecycle") or {}).get("DeleteAt")
    return ends if isinstance(ends, datetime) else None


def _way(item: Item, asked: Asked, arn: str, vault: str) -> str:
    """What the restore is made of is asked first and has to be edited: it holds production's own names."""
    file = f"{fresh_name(arn)}.json"
    what = commands(
        (
            "backup", "get-recovery-point-restore-metadata", "--region", asked.region,
            "--backup-vault-name", vault, "--recovery-point-arn", arn,
            "--query", "RestoreMetadata",
        )
    )  # fmt: skip
    start = commands(
        (
            "backup", "start-restore-job", "--region", asked.region, "--recovery-point-arn", arn,
            "--iam-role-arn", str(item.get("IamRoleArn") or ROLE), "--metadata", f"file://{file}",
        )
    )  # fmt: skip
    if not (what.startswith("aws ") and start.startswith("aws ")):
        return what
    return (
        f"{what} > {file}; change its identifiers in that file to {fresh_name(arn)}; then {start}"
    )


def _point(
    item: Item, asked: Asked, arn: str, taken: datetime, way: str, notes: list[str]
) -> RecoveryPoint:
    size = item.get("BackupSizeInBytes")
    known = isinstance(size, int) and size > 0
    return RecoveryPoint(
        source=asked.source,
        id=arn,
        taken_at=taken,
        taken_by="tool",
        taken_note="; ".join(notes),
        size=size if isinstance(size, int) and known else 0,
        size_is="stored" if known else "unknown",
        format="snapshot",
        location=plain(arn),
        domain=asked.domain,
        encrypted=item.get("IsEncrypted"),
        restored_by=way,
    )
