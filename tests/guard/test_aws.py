"""The guard around AWS: what lists snapshots can send nothing else, by whichever way it is tried."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.awsrequest import AWSRequest
from support.aws import ENVIRONMENT, REGION, entry, model

from drbook.core.errors import Refused
from drbook.providers.awsclient import AwsConnection
from drbook.providers.s3guard import READ_SNAPSHOTS
from drbook.providers.secrets import reader
from drbook.providers.sources.aws import RdsSource

SERVICES = ("rds", "ec2", "backup", "kms", "sts", "s3", "iam")
PASSES = {"AssumeRole", "AssumeRoleWithWebIdentity"}
"""How a profile gets its credentials."""


SIGNED_WITHIN = {"CopySnapshot"}
"""botocore presigns a request in it before anybody sees the call: it is called below."""


@pytest.fixture
def connection() -> Iterator[AwsConnection]:
    config = RdsSource.model_validate(entry("http://127.0.0.1:9", instances=["shop"]))
    made = AwsConnection(config, reader(ENVIRONMENT))
    yield made
    made.close()


def test_every_allowed_operation_is_one_of_aws_and_reads() -> None:
    for service, operation in READ_SNAPSHOTS:
        assert operation in model(service).operation_names
        assert operation.startswith(("Describe", "List", "GetCallerIdentity"))


@pytest.mark.parametrize("service", SERVICES)
def test_no_other_operation_of_these_services_gets_through(
    connection: AwsConnection, service: str
) -> None:
    events = connection.session._session.get_component("event_emitter")  # type: ignore[attr-defined]
    passed = set()
    for name in {*model(service).operation_names} - SIGNED_WITHIN:
        one = model(service).operation_model(name)
        try:
            events.emit(
                f"before-call.{service}.{name}",
                model=one, params={"headers": {}, "body": {}}, context={}, request_signer=None,
            )  # fmt: skip
        except Refused:
            continue
        passed.add(name)
    allowed = {name for of, name in READ_SNAPSHOTS if of == service}
    assert passed == (allowed | PASSES if service == "sts" else allowed)


CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("rds", "delete_db_snapshot", {"DBSnapshotIdentifier": "x"}),
    ("rds", "modify_db_snapshot_attribute", {"DBSnapshotIdentifier": "x", "AttributeName": "restore"}),
    (
        "rds", "restore_db_instance_from_db_snapshot",
        {"DBInstanceIdentifier": "x", "DBSnapshotIdentifier": "y"},
    ),
    (
        "rds", "copy_db_snapshot",
        {
            "SourceDBSnapshotIdentifier": "arn:aws:rds:us-east-1:123456789012:snapshot:x",
            "TargetDBSnapshotIdentifier": "y", "SourceRegion": "us-east-1",
        },
    ),
    ("rds", "delete_db_instance_automated_backup", {"DbiResourceId": "x"}),
    ("ec2", "copy_snapshot", {"SourceRegion": "us-east-1", "SourceSnapshotId": "snap-1"}),
    ("ec2", "delete_snapshot", {"SnapshotId": "snap-1"}),
    ("ec2", "create_volume", {"AvailabilityZone": "eu-central-1a", "SnapshotId": "snap-1"}),
    ("ec2", "restore_snapshot_from_recycle_bin", {"SnapshotId": "snap-1"}),
    ("ec2", "unlock_snapshot", {"SnapshotId": "snap-1"}),
    ("backup", "delete_recovery_point", {"BackupVaultName": "v", "RecoveryPointArn": "arn"}),
    ("backup", "delete_backup_vault_lock_configuration", {"BackupVaultName": "v"}),
    ("kms", "schedule_key_deletion", {"KeyId": "k"}),
    ("kms", "decrypt", {"CiphertextBlob": b"x"}),
]  # fmt: skip


@pytest.mark.parametrize(("service", "call", "params"), CALLS, ids=[call for _, call, _ in CALLS])
def test_a_call_that_changes_something_is_refused_before_it_is_sent(
    connection: AwsConnection, service: str, call: str, params: dict[str, Any]
) -> None:
    with pytest.raises(Refused, match="guard refused"):
        getattr(connection.client(service, REGION), call)(**params)


def test_nothing_is_presigned(connection: AwsConnection) -> None:
    client = connection.client("rds", REGION)
    with pytest.raises(Refused, match="presigned"):
        client.generate_presigned_url("describe_db_snapshots")
    with pytest.raises(Refused):
        client.generate_presigned_url("delete_db_snapshot", {"DBSnapshotIdentifier": "x"})
    with pytest.raises(Refused):
        client.generate_db_auth_token("db.example", 5432, "shop")


@pytest.mark.parametrize(
    ("service", "operation", "method", "headers", "body", "sent"),
    [
        ("rds", "DescribeDBSnapshots", "POST", {}, "Action=DescribeDBSnapshots&Version=1", True),
        ("rds", "DescribeDBSnapshots", "POST", {}, b"Action=DescribeDBSnapshots", True),
        ("rds", "DescribeDBSnapshots", "POST", {}, "Action=DeleteDBSnapshot", False),
        (
            "rds", "DescribeDBSnapshots", "POST", {},
            "Action=DescribeDBSnapshots&Action=DeleteDBSnapshot", False,
        ),
        ("rds", "DescribeDBSnapshots", "POST", {}, None, False),
        ("ec2", "DescribeSnapshots", "POST", {}, "Action=DeleteSnapshot", False),
        ("kms", "DescribeKey", "POST", {"X-Amz-Target": "TrentService.DescribeKey"}, "{}", True),
        (
            "kms", "DescribeKey", "POST", {"X-Amz-Target": "TrentService.ScheduleKeyDeletion"}, "{}",
            False,
        ),
        ("backup", "DescribeBackupVault", "GET", {}, None, True),
        ("backup", "DescribeBackupVault", "DELETE", {}, None, False),
    ],
)  # fmt: skip
def test_what_goes_over_the_wire_is_what_was_called(
    connection: AwsConnection, service: str, operation: str, method: str,
    headers: dict[str, str], body: Any, sent: bool,
) -> None:  # fmt: skip
    request = AWSRequest(method, "http://127.0.0.1:9/", headers=headers, data=body).prepare()
    events = connection.session._session.get_component("event_emitter")  # type: ignore[attr-defined]

    def send() -> None:
        events.emit(f"before-send.{service}.{operation}", request=request)

    if sent:
        send()
        request.url = "https://elsewhere.example/"
        with pytest.raises(Refused, match="goes to"):
            send()
    else:
        with pytest.raises(Refused, match="sent as"):
            send()
