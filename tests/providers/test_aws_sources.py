"""The kinds rds, ebs and aws-backup: over moto where it has the operation, else on botocore's Stubber, which
holds question and answer to the service's model."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.stub import Stubber
from providers.test_aws_points import BACKUP, KEY, RECOVERY, SNAPSHOT, VOLUME
from support.aws import ACCOUNT, AT, ENVIRONMENT, REGION, a_shop, arn, entry, moto, operator

from drbook.core.errors import Cancelled, CouldNotVerify, StepFailed
from drbook.core.points import RecoveryPoint
from drbook.core.signals import Output, finish
from drbook.providers.awsreader import AwsReader
from drbook.providers.sources.aws import AwsBackupSource, AwsSnapshots, EbsSource, RdsSource
from drbook.testing.sources import cancelled_opening, opening

SOURCES: dict[str, tuple[type[AwsSnapshots], dict[str, Any]]] = {
    "rds": (RdsSource, {"instances": ["shop"]}),
    "ebs": (EbsSource, {"volumes": [VOLUME["VolumeId"]]}),
    "backup": (AwsBackupSource, {"vault": "vault", "resources": [RECOVERY["ResourceArn"]]}),
}

pytestmark = pytest.mark.xdist_group("aws")  # one worker makes what all of them read, once


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[str, str]]:
    with moto() as endpoint:
        yield endpoint, a_shop(endpoint)


def reader(kind: str, endpoint: str = "http://127.0.0.1:9", **more: object) -> AwsReader:
    model, fields = SOURCES[kind]
    config = model.model_validate(entry(endpoint, **(fields | more)))
    found = config.open(opening(ENVIRONMENT))
    assert isinstance(found, AwsReader)
    return found


@contextmanager
def stubbed(source: AwsReader, service: str, region: str = REGION) -> Iterator[Stubber]:
    with Stubber(source._connection.client(service, region)) as stub:
        yield stub
        stub.assert_no_pending_responses()


def whose(source: AwsReader, account: str = ACCOUNT) -> None:
    stub = Stubber(source._connection.client("sts", REGION))
    stub.add_response("get_caller_identity", {"Account": account})
    stub.activate()


def points(source: AwsReader) -> list[RecoveryPoint]:
    return list(finish(source.points()))


# --- moto ------------------------------------------------------------------------------------------


def test_snapshots_of_rds_are_listed_and_others_are_not_meant(world: tuple[str, str]) -> None:
    source = reader("rds", world[0], clusters=["fleet"], expected_account=ACCOUNT)
    found = source.survey()
    assert (found.reachable, found.account.value, found.region.value) == (True, ACCOUNT, REGION)
    names = {point.id.rpartition(":")[2]: point for point in points(source)}
    assert {"first", "second", "c1"} <= names.keys()
    assert "others" not in names
    assert names["first"].server_version == 150004
    kinds = {source.facts(point).snapshot.kind for point in names.values()}
    assert kinds == {"manual", "automated"}
    # What moto does not have is said, and is no empty list.
    assert any("automated backups of clusters" in each for each in source.left_out)


def test_snapshots_of_ebs_are_listed_where_locks_and_bin_do_not_answer(
    world: tuple[str, str],
) -> None:
    endpoint, volume = world
    made = operator(endpoint, "ec2").create_snapshot(VolumeId=volume)["SnapshotId"]
    source = reader("ebs", endpoint, volumes=[volume])
    assert [point.id for point in points(source)] == [made]
    facts = source.facts(points(source)[0])
    assert facts.lock.why_unknown
    assert (facts.owner, facts.bytes.state) == (ACCOUNT, "unknown")
    assert any("Recycle Bin" in each for each in source.left_out)


@pytest.mark.parametrize(
    ("change", "state"),
    [("", "enabled"), ("disable_key", "disabled"), ("schedule_key_deletion", "pending_deletion")],
)
def test_the_state_of_its_key(world: tuple[str, str], change: str, state: str) -> None:
    endpoint, _ = world
    kms, ec2 = operator(endpoint, "kms"), operator(endpoint, "ec2")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    other = ec2.create_volume(
        AvailabilityZone=f"{REGION}a", Size=1, Encrypted=True, KmsKeyId=key
    )["VolumeId"]  # fmt: skip
    ec2.create_snapshot(VolumeId=other)
    if change:
        when = {"PendingWindowInDays": 7} if change == "schedule_key_deletion" else {}
        getattr(kms, change)(KeyId=key.rpartition("/")[2], **when)
    source = reader("ebs", endpoint, volumes=[other])
    (point,) = points(source)
    assert source._kept is not None
    # Moto does not tell a snapshot's key.
    source._kept[point.id] = replace(source._kept[point.id], key=key)
    fact = source.facts(point).key
    assert (fact.name, fact.state, fact.account) == (key, state, ACCOUNT)
    assert (fact.deleted_at is not None) == (state == "pending_deletion")


def test_another_account_than_the_expected_one_lists_nothing(world: tuple[str, str]) -> None:
    source = reader("rds", world[0], expected_account="999999999999")
    found = source.survey()
    assert not found.reachable
    assert f"of account {ACCOUNT}, not 999999999999" in found.why_unreachable
    with pytest.raises(CouldNotVerify, match="not 999999999999"):
        points(source)


def test_a_vault_whose_recovery_points_moto_cannot_list_is_no_empty_one(
    world: tuple[str, str],
) -> None:
    operator(world[0], "backup").create_backup_vault(BackupVaultName="vault")
    source = reader("backup", world[0])
    assert "does not offer it" in source.survey().why_unreachable
    with pytest.raises(CouldNotVerify) as caught:
        points(source)
    assert caught.value.next


def test_one_region_that_does_not_answer_hides_no_other(world: tuple[str, str]) -> None:
    source = reader("rds", world[0], regions=[REGION, "us-east-1"])
    with stubbed(source, "rds", "us-east-1") as stub:
        stub.add_client_error("describe_db_instance_automated_backups", "AccessDenied")
        stub.add_client_error("describe_db_snapshots", "Throttling", http_status_code=400)
        assert points(source)
    assert any("us-east-1: AWS asks to slow down" in each for each in source.left_out)


# --- on botocore's Stubber ------------------------------------------------------------------------------


def test_on_the_stubber_pages_are_followed_to_their_end() -> None:
    source = reader("rds")
    whose(source)
    names = ["a", "b", "c"]
    with stubbed(source, "rds") as stub:
        stub.add_response(
            "describe_db_instance_automated_backups", {"DBInstanceAutomatedBackups": [BACKUP]}
        )
        for number, name in enumerate(names):
            item = SNAPSHOT | {
                "DBSnapshotArn": arn("rds", f"snapshot:{name}"),
                "DBSnapshotIdentifier": name,
            }
            marker = {"Marker": f"m{number}"} if number else {}
            more = {"Marker": f"m{number + 1}"} if number < 2 else {}
            stub.add_response(
                "describe_db_snapshots",
                {"DBSnapshots": [item], **more},
                {"MaxRecords": 100, **marker},
            )
        stub.add_response(
            "describe_db_snapshots", {}, {"MaxRecords": 100, "SnapshotType": "awsbackup"}
        )
        found = points(source)
    assert [each.id.rpartition(":")[2] for each in found] == ["c", "b", "a", "ab-1"]
    retained = source.facts(found[-1])
    assert retained.snapshot.kind == "retained"
    assert found[-1].rolls_to == AT + timedelta(days=5)


def test_on_the_stubber_pages_without_an_end_are_no_list() -> None:
    source = reader("rds")
    whose(source)
    page = {"DBSnapshots": [SNAPSHOT], "Marker": "again"}
    with stubbed(source, "rds") as stub:
        stub.add_response("describe_db_instance_automated_backups", {})
        stub.add_response("describe_db_snapshots", page)
        stub.add_response("describe_db_snapshots", page)
        with pytest.raises(CouldNotVerify, match="no end"):
            points(source)


@pytest.mark.parametrize(
    ("kind", "service", "operation", "code", "status", "said"),
    [
        ("rds", "rds", "describe_db_snapshots", "AccessDenied", 403, "access is denied"),
        ("ebs", "ec2", "describe_snapshots", "UnauthorizedOperation", 403, "access is denied"),
        ("rds", "rds", "describe_db_snapshots", "Throttling", 400, "slow down"),
        ("ebs", "ec2", "describe_snapshots", "RequestLimitExceeded", 503, "slow down"),
        ("rds", "rds", "describe_db_snapshots", "ExpiredToken", 403, "have expired"),
        (
            "backup", "backup", "list_recovery_points_by_backup_vault", "AccessDeniedException",
            403, "access is denied",
        ),
        (
            "rds", "rds", "describe_db_snapshots", "InternalFailure\x1b[2J", 500,
            "AWS answered InternalFailure\\x1b[2J (500)",
        ),
    ],
)  # fmt: skip
def test_on_the_stubber_a_list_that_is_refused_is_no_empty_one(
    kind: str, service: str, operation: str, code: str, status: int, said: str
) -> None:
    source = reader(kind)
    whose(source)
    with stubbed(source, service) as stub:
        if kind == "rds":
            stub.add_response("describe_db_instance_automated_backups", {})
        if kind == "backup":
            stub.add_response("describe_backup_vault", {})
        stub.add_client_error(operation, code, http_status_code=status)
        with pytest.raises(CouldNotVerify) as caught:
            points(source)
    assert said in caught.value.what
    assert caught.value.next


def test_on_the_stubber_snapshots_locks_and_bin_of_ebs() -> None:
    source = reader("ebs")
    whose(source)
    binned = {
        "SnapshotId": "snap-b", "VolumeId": VOLUME["VolumeId"], "RecycleBinEnterTime": AT,
        "RecycleBinExitTime": AT + timedelta(days=7),
    }  # fmt: skip
    lock = {
        "SnapshotId": VOLUME["SnapshotId"], "LockState": "compliance",
        "LockExpiresOn": AT + timedelta(days=365),
    }  # fmt: skip
    young = VOLUME | {"SnapshotId": "snap-y", "State": "pending"}
    with stubbed(source, "ec2") as stub:
        stub.add_response(
            "describe_snapshots",
            {"Snapshots": [VOLUME, young]},
            {
                "OwnerIds": ["self"], "MaxResults": 1000,
                "Filters": [{"Name": "volume-id", "Values": [VOLUME["VolumeId"]]}],
            },
        )  # fmt: skip
        stub.add_response("describe_locked_snapshots", {"Snapshots": [lock]})
        others = binned | {"SnapshotId": "snap-o", "VolumeId": "vol-0000000000000000f"}
        stub.add_response("list_snapshots_in_recycle_bin", {"Snapshots": [binned, others]})
        work, said = source.points(), []
        try:
            while True:
                said.append(next(work))
        except StopIteration as done:
            found = {point.id: point for point in done.value}
    assert found.keys() == {VOLUME["SnapshotId"], "snap-b"}
    assert source.left_out == ()
    assert Output("no copy: snap-y: its state is pending") in said
    assert source.facts(found[str(VOLUME["SnapshotId"])]).lock.mode == "COMPLIANCE"
    facts = source.facts(found["snap-b"])
    assert "restore-snapshot-from-recycle-bin" in (facts.recoverable or "")
    assert facts.hidden_by_delete_marker


def test_on_the_stubber_a_vault_its_points_and_a_key_that_may_not_be_asked_for() -> None:
    source = reader("backup")
    whose(source, "999999999999")
    with stubbed(source, "backup") as stub, stubbed(source, "kms") as kms:
        stub.add_response(
            "describe_backup_vault",
            {"VaultType": "BACKUP_VAULT", "Locked": True, "LockDate": AT},
            {"BackupVaultName": "vault"},
        )
        stub.add_response(
            "list_recovery_points_by_backup_vault", {"RecoveryPoints": [RECOVERY]},
            {"BackupVaultName": "vault", "ByResourceArn": RECOVERY["ResourceArn"], "MaxResults": 1000},
        )  # fmt: skip
        kms.add_client_error("describe_key", "AccessDeniedException", http_status_code=400)
        (point,) = points(source)
        facts = source.facts(point)
        assert source.facts(point) == facts, "a key is asked for once"
    assert (facts.vault.locked, facts.vault.fixed_at) == (True, AT)
    assert facts.owner == ACCOUNT, "the vault's own, whoever asks"
    assert (facts.key.name, facts.key.state) == (KEY, None)
    assert "access is denied" in facts.key.why_unknown


def test_on_the_stubber_a_vault_that_may_not_be_described_is_unknown() -> None:
    source = reader("backup")
    whose(source)
    with stubbed(source, "backup") as stub:
        stub.add_client_error("describe_backup_vault", "AccessDeniedException")
        stub.add_response(
            "list_recovery_points_by_backup_vault",
            {"RecoveryPoints": [RECOVERY | {"EncryptionKeyArn": "", "IsEncrypted": False}]},
        )
        (point,) = points(source)
    fact = source.facts(point).vault
    assert (fact.kind, "access is denied" in fact.why_unknown) == (None, True)


# --- whatever answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SOURCES)
def test_a_place_that_is_not_there_is_no_empty_one(kind: str) -> None:
    source = reader(kind)
    assert not source.survey().reachable
    with pytest.raises(CouldNotVerify):
        points(source)


def test_a_copy_that_is_not_listed_is_gone_and_no_files_are_handed_out(
    world: tuple[str, str],
) -> None:
    source = reader("rds", world[0])
    point = points(source)[0]
    gone = source.facts(point.model_copy(update={"id": "arn:aws:rds:x:1:snapshot:no"}))
    assert not gone.still_there
    with pytest.raises(StepFailed) as caught:
        source.files(point)
    assert caught.value.next == point.restored_by
    assert source.manifest(point) is None


def test_a_cancel_ends_the_list(world: tuple[str, str]) -> None:
    model, fields = SOURCES["rds"]
    config = model.model_validate(entry(world[0], **fields))
    with pytest.raises(Cancelled):
        finish(config.open(cancelled_opening(ENVIRONMENT)).points())


@pytest.mark.parametrize(
    ("model", "fields", "said"),
    [
        (RdsSource, {}, "name the instances or clusters"),
        (RdsSource, {"instances": ["x;y"]}, "instances"),
        (RdsSource, {"instances": ["a"], "regions": []}, "regions"),
        (RdsSource, {"instances": ["a"], "regions": ["eu-central-1.evil.example"]}, "regions"),
        (RdsSource, {"instances": ["a"], "format": "pg_dump"}, "format"),
        (EbsSource, {}, "volumes"),
        (EbsSource, {"volumes": ["snap-1"]}, "volumes"),
        (AwsBackupSource, {"vault": "a/b", "resources": ["arn:aws:rds:x"]}, "vault"),
        (AwsBackupSource, {"vault": "a"}, "resources"),
        (RdsSource, {"instances": ["a"], "access_key": None}, "given together"),
        (RdsSource, {"instances": ["a"], "profile": "x"}, "not both"),
        (RdsSource, {"instances": ["a"], "expected_account": "12"}, "expected_account"),
    ],
)
def test_what_a_runbook_may_not_say(
    model: type[AwsSnapshots], fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        model.model_validate(entry("https://aws.example", **fields))
