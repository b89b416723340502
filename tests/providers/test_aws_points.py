"""Tables: answers that botocore's models allow, as copies or as why they are none."""

from datetime import timedelta
from typing import Any

import pytest
from support.aws import ASKED, AT, REGION, arn, shaped

from drbook.core.holding import VaultFact
from drbook.core.points import LockFact
from drbook.core.snapshots import MOMENT
from drbook.providers.awskept import GIB, Kept, commands, fresh_name, version_number
from drbook.providers.ebspoints import in_bin, lock_of, snapshot
from drbook.providers.rdspoints import (
    cluster_backup,
    cluster_snapshot,
    db_snapshot,
    instance_backup,
)
from drbook.providers.vaultpoints import recovery_point, vault_of

KEY = arn("kms", "key/1234")
SNAPSHOT = {
    "DBSnapshotIdentifier": "nightly", "DBInstanceIdentifier": "shop", "Engine": "postgres",
    "EngineVersion": "15.4", "SnapshotCreateTime": AT, "SnapshotType": "manual",
    "Status": "available", "AllocatedStorage": 20, "Encrypted": True, "KmsKeyId": KEY,
    "DBSnapshotArn": arn("rds", "snapshot:nightly"), "DbiResourceId": "db-ABC",
}  # fmt: skip
CLUSTER = {
    "DBClusterSnapshotIdentifier": "nightly", "DBClusterIdentifier": "fleet",
    "Engine": "aurora-postgresql", "EngineVersion": "16.2", "SnapshotCreateTime": AT,
    "SnapshotType": "automated", "Status": "available", "AllocatedStorage": 1,
    "StorageEncrypted": False, "KmsKeyId": KEY, "DbClusterResourceId": "cluster-ABC",
    "DBClusterSnapshotArn": arn("rds", "cluster-snapshot:nightly"),
}  # fmt: skip
WINDOW = {"EarliestTime": AT, "LatestTime": AT + timedelta(days=5)}
BACKUP = {
    "DBInstanceArn": arn("rds", "db:shop"), "DbiResourceId": "db-ABC", "Region": REGION,
    "DBInstanceIdentifier": "shop", "RestoreWindow": WINDOW, "AllocatedStorage": 20,
    "Status": "retained", "Engine": "postgres", "EngineVersion": "15.4", "Encrypted": False,
    "DBInstanceAutomatedBackupsArn": arn("rds", "auto-backup:ab-1"),
}  # fmt: skip
CLUSTER_BACKUP = {
    "DBClusterArn": arn("rds", "cluster:fleet"), "DbClusterResourceId": "cluster-ABC",
    "DBClusterIdentifier": "fleet", "RestoreWindow": WINDOW, "Status": "active",
    "Engine": "aurora-postgresql", "EngineVersion": "16.2",
    "DBClusterAutomatedBackupsArn": arn("rds", "cluster-auto-backup:ab-2"),
}  # fmt: skip
READERS: dict[str, tuple[str, dict[str, Any], Any]] = {
    "DBSnapshots": ("DescribeDBSnapshots", SNAPSHOT, db_snapshot),
    "DBClusterSnapshots": ("DescribeDBClusterSnapshots", CLUSTER, cluster_snapshot),
    "DBInstanceAutomatedBackups": ("DescribeDBInstanceAutomatedBackups", BACKUP, instance_backup),
    "DBClusterAutomatedBackups": (
        "DescribeDBClusterAutomatedBackups", CLUSTER_BACKUP, cluster_backup,
    ),
}  # fmt: skip


def read(items: str, retained: frozenset[str] = frozenset(), **change: Any) -> Kept | str:
    """One item with these fields changed; those that are None are not told."""
    operation, good, reader = READERS[items]
    item = {name: value for name, value in (good | change).items() if value is not None}
    shaped("rds", operation, {items: [item]})
    found = reader(item, ASKED, retained) if "Snapshots" in items else reader(item, ASKED)
    assert isinstance(found, Kept | str)
    return found


def kept(items: str, retained: frozenset[str] = frozenset(), **change: Any) -> Kept:
    found = read(items, retained, **change)
    assert isinstance(found, Kept), found
    return found


def test_a_snapshot_of_an_instance() -> None:
    found = kept("DBSnapshots")
    point = found.point
    assert (point.id, point.taken_at, point.taken_by) == (SNAPSHOT["DBSnapshotArn"], AT, "tool")
    assert (point.size, point.size_is, point.sized) == (20 * GIB, "allocated", "20.0 GiB allocated")
    assert (point.format, point.server_version, point.encrypted) == ("snapshot", 150004, True)
    assert (found.key, found.owner, found.snapshot.of) == (KEY, "123456789012", "shop")
    name = fresh_name(point.id)
    assert point.restored_by == (
        f"aws rds restore-db-instance-from-db-snapshot --region {REGION} --db-instance-identifier "
        f"{name} --db-snapshot-identifier nightly --no-publicly-accessible"
    )
    assert name.startswith("drbook-")
    assert "shop" not in name


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({}, "manual"),
        ({"SnapshotType": "automated"}, "automated"),
        ({"SnapshotType": "automated", "DbiResourceId": "db-GONE"}, "retained"),
        ({"SnapshotType": "awsbackup"}, "manual"),
        ({"SnapshotType": "shared"}, "manual"),
        ({"SnapshotType": "public"}, "manual"),
        ({"SnapshotType": "of another sort"}, None),
        ({"SnapshotType": None}, None),
        (
            {"SourceDBSnapshotIdentifier": arn("rds", "snapshot:x", account="999999999999")},
            "copied",
        ),
        ({"SourceDBSnapshotIdentifier": arn("rds", "snapshot:x", region="eu-west-1")}, "manual"),
        ({"SourceDBSnapshotIdentifier": "no arn"}, "manual"),
    ],
)
def test_whether_it_dies_with_its_instance(change: dict[str, Any], kind: str | None) -> None:
    fact = kept("DBSnapshots", frozenset({"db-GONE"}), **change).snapshot
    assert fact.kind == kind
    assert bool(fact.why_unknown) == (kind is None)


@pytest.mark.parametrize(
    ("items", "change", "why"),
    [
        ("DBSnapshots", {"Engine": "mysql"}, "its engine is mysql, not PostgreSQL"),
        ("DBSnapshots", {"Engine": None}, "its engine is not named, not PostgreSQL"),
        ("DBSnapshots", {"Status": "creating"}, "its status is creating"),
        ("DBSnapshots", {"Status": "failed"}, "its status is failed"),
        ("DBSnapshots", {"Status": "\x1b[2J"}, "its status is \\x1b[2J"),
        ("DBSnapshots", {"Status": None}, "its status is not told"),
        ("DBSnapshots", {"SnapshotCreateTime": None}, "does not say when it was taken"),
        ("DBSnapshots", {"DBSnapshotArn": None}, "does not say when it was taken"),
        ("DBClusterSnapshots", {"Engine": "aurora-mysql"}, "its engine is aurora-mysql"),
        ("DBClusterSnapshots", {"Status": "deleting"}, "its status is deleting"),
        ("DBInstanceAutomatedBackups", {"Status": "creating"}, "its status is creating"),
        ("DBInstanceAutomatedBackups", {"RestoreWindow": None}, "which moments they reach"),
        ("DBInstanceAutomatedBackups", {"RestoreWindow": {"LatestTime": AT}}, "which moments"),
        (
            "DBInstanceAutomatedBackups",
            {"RestoreWindow": {"EarliestTime": AT, "LatestTime": AT - timedelta(days=1)}},
            "which moments",
        ),
        ("DBClusterAutomatedBackups", {"Engine": "aurora-mysql"}, "its engine is aurora-mysql"),
    ],
)
def test_what_is_no_copy_says_why(items: str, change: dict[str, Any], why: str) -> None:
    found = read(items, **change)
    assert isinstance(found, str)
    assert why in found


@pytest.mark.parametrize(
    ("change", "size", "is_"),
    [
        ({"AllocatedStorage": 0}, 0, "unknown"),
        ({"AllocatedStorage": None}, 0, "unknown"),
        ({"FullSnapshotSizeInBytes": 12345}, 12345, "stored"),
        ({"FullSnapshotSizeInBytes": 0}, 20 * GIB, "allocated"),
    ],
)
def test_a_size_that_is_not_known_is_none(change: dict[str, Any], size: int, is_: str) -> None:
    point = kept("DBSnapshots", **change).point
    assert (point.size, point.size_is) == (size, is_)
    assert point.sized != "0 B"


def test_a_copied_snapshot_keeps_the_time_of_the_first_one_and_its_last_transaction_counts() -> (
    None
):
    earlier = AT - timedelta(days=30)
    assert kept("DBSnapshots", OriginalSnapshotCreateTime=earlier).point.taken_at == earlier
    last = AT - timedelta(minutes=7)
    point = kept("DBSnapshots", SnapshotDatabaseTime=last).point
    assert point.taken_at == last
    assert "its last transaction is older" in point.taken_note


def test_a_shared_snapshot_is_named_by_its_arn_and_a_cluster_gets_an_instance() -> None:
    shared = kept("DBSnapshots", SnapshotType="shared").point
    assert f"--db-snapshot-identifier {shared.id} " in shared.restored_by
    aurora = kept("DBClusterSnapshots")
    first, second = aurora.point.restored_by.split(" && ")
    assert "restore-db-cluster-from-snapshot" in first
    assert "--engine aurora-postgresql" in first
    assert "create-db-instance" in second
    assert f"{fresh_name(aurora.point.id)}-1" in second
    assert aurora.point.sized == "size unknown"
    assert aurora.key == "", "it is not encrypted, whatever key its cluster would have"
    multi = kept("DBClusterSnapshots", Engine="postgres").point.restored_by
    assert " && " not in multi
    assert "--db-cluster-instance-class" in multi


def test_automated_backups_reach_to_any_moment_of_their_window() -> None:
    found = kept("DBInstanceAutomatedBackups")
    point = found.point
    assert (point.taken_at, point.rolls_to) == (AT, AT + timedelta(days=5))
    assert found.snapshot.kind == "retained"
    assert (
        f"--source-dbi-resource-id db-ABC --target-db-instance-identifier {fresh_name(point.id)}"
        in (point.restored_by)
    )
    assert f"--restore-time {MOMENT}" in point.restored_by
    running = kept("DBInstanceAutomatedBackups", Status="active")
    assert running.snapshot.kind == "automated"
    abroad = arn("rds", "db:shop", region="us-east-1")
    replica = kept("DBInstanceAutomatedBackups", Status="active", DBInstanceArn=abroad)
    assert replica.snapshot.kind is None
    assert "replicated" in replica.snapshot.why_unknown
    assert "--source-db-instance-automated-backups-arn" in replica.point.restored_by
    nameless = kept("DBInstanceAutomatedBackups", DBInstanceAutomatedBackupsArn=None)
    assert nameless.point.id == f"automated:{REGION}:db-ABC"
    assert nameless.owner == "123456789012"
    cluster = kept("DBClusterAutomatedBackups").point
    assert "--source-db-cluster-resource-id cluster-ABC" in cluster.restored_by
    assert f"--restore-to-time {MOMENT}" in cluster.restored_by


# --- EBS -------------------------------------------------------------------------------------------

VOLUME = {
    "SnapshotId": "snap-0123456789abcdef0", "VolumeId": "vol-0123456789abcdef0", "StartTime": AT,
    "State": "completed", "OwnerId": "123456789012", "VolumeSize": 8, "Encrypted": True,
    "KmsKeyId": KEY, "StorageTier": "standard",
}  # fmt: skip


def ebs(locks: dict[str, LockFact] | str = "denied", **change: Any) -> Kept | str:
    item = {name: value for name, value in (VOLUME | change).items() if value is not None}
    shaped("ec2", "DescribeSnapshots", {"Snapshots": [item]})
    return snapshot(item, ASKED, locks, "123456789012")


def test_a_snapshot_of_a_volume() -> None:
    found = ebs({})
    assert isinstance(found, Kept)
    assert (found.point.size, found.point.size_is) == (8 * GIB, "allocated")
    assert found.lock == LockFact(), "asked, and none is locked"
    assert "aws ec2 create-volume" in found.point.restored_by
    denied = ebs("access is denied")
    assert isinstance(denied, Kept)
    assert denied.lock.why_unknown == "access is denied"
    cold = ebs({}, StorageTier="archive")
    assert isinstance(cold, Kept)
    assert "restore-snapshot-tier" in cold.point.restored_by
    theirs = ebs({}, OwnerId="999999999999")
    assert isinstance(theirs, Kept)
    assert "can take that back" in theirs.point.taken_note
    assert theirs.owner == "999999999999"
    assert "its state is pending" in str(ebs({}, State="pending"))
    assert "its state is error" in str(ebs({}, State="error"))
    assert "does not say when" in str(ebs({}, StartTime=None))


@pytest.mark.parametrize(
    ("state", "mode", "known"),
    [
        ("compliance", "COMPLIANCE", True),
        ("compliance-cooloff", "GOVERNANCE", True),
        ("governance", "GOVERNANCE", True),
        ("expired", None, True),
        ("of another sort", None, False),
    ],
)
def test_locks(state: str, mode: str | None, known: bool) -> None:
    ends = AT + timedelta(days=365)
    item = {"SnapshotId": "snap-1", "LockState": state, "LockExpiresOn": ends}
    shaped("ec2", "DescribeLockedSnapshots", {"Snapshots": [item]})
    fact = lock_of(item)
    assert (fact.mode, fact.until) == (mode, ends if mode else None)
    assert (fact.why_unknown == "") == known


def test_what_lies_in_the_recycle_bin_is_gone_and_can_be_brought_back() -> None:
    ends = AT + timedelta(days=14)
    item = {
        "SnapshotId": "snap-1", "VolumeId": "vol-1", "RecycleBinEnterTime": AT,
        "RecycleBinExitTime": ends,
    }  # fmt: skip
    shaped("ec2", "ListSnapshotsInRecycleBin", {"Snapshots": [item]})
    found = in_bin(item, ASKED, "123456789012")
    assert isinstance(found, Kept)
    back = f"aws ec2 restore-snapshot-from-recycle-bin --region {REGION} --snapshot-id snap-1"
    assert found.recoverable == found.point.restored_by == back
    assert found.expires_at == ends
    assert found.point.dated_late, "its own time is not told any more"
    assert found.point.sized == "size unknown"
    assert isinstance(in_bin({"SnapshotId": "snap-1"}, ASKED, None), str)


# --- AWS Backup --------------------------------------------------------------------------------------

RECOVERY = {
    "RecoveryPointArn": arn("backup", "recovery-point:1"), "BackupVaultName": "vault",
    "BackupVaultArn": arn("backup", "backup-vault:vault"), "ResourceArn": arn("rds", "db:shop"),
    "ResourceType": "RDS", "Status": "COMPLETED", "CreationDate": AT, "BackupSizeInBytes": 4096,
    "IsEncrypted": True, "EncryptionKeyArn": KEY, "IamRoleArn": "arn:aws:iam::123456789012:role/b",
    "CalculatedLifecycle": {"DeleteAt": AT + timedelta(days=35)},
}  # fmt: skip
LOCKED = VaultFact(kind="vault", locked=True, fixed_at=AT, why_unknown="")


def recovery(**change: Any) -> Kept | str:
    item = {name: value for name, value in (RECOVERY | change).items() if value is not None}
    shaped("backup", "ListRecoveryPointsByBackupVault", {"RecoveryPoints": [item]})
    return recovery_point(item, ASKED, "vault", LOCKED)


def test_a_recovery_point() -> None:
    found = recovery()
    assert isinstance(found, Kept)
    assert (found.point.size, found.point.size_is) == (4096, "stored")
    assert (found.vault, found.key) == (LOCKED, KEY)
    assert found.expires_at == AT + timedelta(days=35)
    assert (found.snapshot.kind, found.snapshot.of) == ("manual", "shop")
    way = found.point.restored_by
    assert "get-recovery-point-restore-metadata" in way
    assert "start-restore-job" in way
    assert "--iam-role-arn arn:aws:iam::123456789012:role/b" in way
    other = recovery(BackupVaultArn=arn("backup", "backup-vault:vault", account="999999999999"))
    assert isinstance(other, Kept)
    assert (other.snapshot.kind, other.owner) == ("copied", "999999999999")
    nothing = recovery(BackupSizeInBytes=0, CalculatedLifecycle=None)
    assert isinstance(nothing, Kept)
    assert (nothing.point.size_is, nothing.expires_at) == ("unknown", None)
    flow = recovery(RecoveryPointArn=arn("backup", "recovery-point:continuous:db-1"))
    assert isinstance(flow, Kept)
    assert flow.snapshot.kind is None


@pytest.mark.parametrize("status", ["PARTIAL", "DELETING", "CREATING", None, "NEW"])
def test_a_recovery_point_that_is_not_there_is_none(status: str | None) -> None:
    assert "its status is" in str(recovery(Status=status))


@pytest.mark.parametrize(
    ("answer", "fact"),
    [
        ({"Locked": False}, ("vault", False, None)),
        ({}, ("vault", None, None)),
        ({"VaultType": "BACKUP_VAULT", "Locked": True}, ("vault", True, None)),
        ({"VaultType": "BACKUP_VAULT", "Locked": True, "LockDate": AT}, ("vault", True, AT)),
        ({"VaultType": "LOGICALLY_AIR_GAPPED_BACKUP_VAULT", "Locked": True}, ("air_gapped", True, None)),
        ({"VaultType": "OF_ANOTHER_SORT", "Locked": True}, (None, None, None)),
    ],
)  # fmt: skip
def test_vaults(answer: dict[str, Any], fact: tuple[Any, ...]) -> None:
    found = vault_of(shaped("backup", "DescribeBackupVault", answer))
    assert (found.kind, found.locked, found.fixed_at) == fact


# --- names ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("15.4", 150004),
        ("9.6.24", 90624),
        ("16.2-R1", 160002),
        ("17", None),
        ("", None),
        ("x", None),
    ],
)
def test_versions(text: str, number: int | None) -> None:
    assert version_number(text) == number


def test_a_hostile_name_stands_in_no_command() -> None:
    assert commands(("rds", "x; rm -rf /")) == "aws rds 'x; rm -rf /'"
    assert "console" in commands(("rds", "a\x1b[2Jb"))
    evil = kept("DBSnapshots", DBSnapshotIdentifier="$(id)\u202e").point
    assert "$(id)" not in evil.restored_by
