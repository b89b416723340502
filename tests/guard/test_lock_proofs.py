"""The guard's exception for a lock's proof: one object of drbook's own, and nothing beside it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.s3 import admin_keys

from drbook.core.errors import Refused
from drbook.providers.s3client import S3Connection
from drbook.providers.s3config import S3Place
from drbook.providers.s3guard import ASK_POWERS, PROVE_LOCKS, READ_BACKUPS
from drbook.providers.s3own import OwnObject

UNTIL = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
KEY = "nightly/drbook-lock-proof-20261128T030000Z-00ff"


class Bed:
    """A bucket with a copy and one object of drbook's own, and the session that may try it."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.bucket: str = server.bucket(locked=True)
        self.copy = server.client().put_object(Bucket=self.bucket, Key="nightly/a.dump", Body=b"1")
        self.theirs = server.client().put_object(Bucket=self.bucket, Key=KEY, Body=b"theirs")
        self.own = OwnObject(self.bucket, KEY, UNTIL)
        self.connection = self.connect(PROVE_LOCKS, self.own)
        made = server.client().put_object(Bucket=self.bucket, Key=KEY, Body=b"2")
        self.own.versions.add(made["VersionId"])
        self.version = made["VersionId"]

    def connect(self, allowed: Any, own: OwnObject | None) -> S3Connection:
        place = S3Place(
            bucket=self.bucket,
            endpoint=self.server.endpoint,
            access_key="env:k",
            secret_key="env:s",
        )
        return S3Connection(
            place, admin_keys, allowed, writes_to=(self.bucket, "nightly/"), own=own
        )

    def versions(self) -> set[tuple[str, str]]:
        listed = self.server.client().list_object_versions(Bucket=self.bucket)
        found = {(each["Key"], each["VersionId"]) for each in listed["Versions"]}
        return found | {(each["Key"], "marker") for each in listed.get("DeleteMarkers", ())}


@pytest.fixture(scope="module")
def bed(s3_server: Any) -> Bed:
    return Bed(s3_server)


KEEP = {"Mode": "GOVERNANCE", "RetainUntilDate": UNTIL - timedelta(hours=1)}

_ATTACKS: dict[str, Callable[[Any, Bed], Any]] = {
    "another key": lambda c, b: c.delete_object(
        Bucket=b.bucket, Key="nightly/a.dump", VersionId=b.copy["VersionId"]
    ),
    "another key by its own version": lambda c, b: c.delete_object(
        Bucket=b.bucket, Key="nightly/a.dump", VersionId=b.version
    ),
    "another key without a version": lambda c, b: c.delete_object(
        Bucket=b.bucket, Key="nightly/a.dump"
    ),
    "another version": lambda c, b: c.delete_object(
        Bucket=b.bucket, Key=KEY, VersionId=b.theirs["VersionId"]
    ),
    "another bucket": lambda c, b: c.delete_object(Bucket="somebody-elses", Key=KEY),
    "another bucket by its address": lambda c, b: c.delete_object(
        Bucket=f"arn:aws:s3:us-east-1:111122223333:accesspoint/{b.bucket}", Key=KEY
    ),
    "in somebody's name": lambda c, b: c.delete_object(
        Bucket=b.bucket, Key=KEY, VersionId=b.version, MFA="1 2"
    ),
    "many": lambda c, b: c.delete_objects(Bucket=b.bucket, Delete={"Objects": [{"Key": KEY}]}),
    "the lock of another key": lambda c, b: c.put_object_retention(
        Bucket=b.bucket, Key="nightly/a.dump", VersionId=b.copy["VersionId"], Retention=KEEP
    ),
    "the lock of another version": lambda c, b: c.put_object_retention(
        Bucket=b.bucket, Key=KEY, VersionId=b.theirs["VersionId"], Retention=KEEP
    ),
    "the lock of no version": lambda c, b: c.put_object_retention(
        Bucket=b.bucket, Key=KEY, Retention=KEEP
    ),
    "a lock for longer": lambda c, b: c.put_object_retention(
        Bucket=b.bucket,
        Key=KEY,
        VersionId=b.version,
        Retention={"Mode": "COMPLIANCE", "RetainUntilDate": UNTIL + timedelta(days=4000)},
    ),
    "a lock for ever": lambda c, b: c.put_object_legal_hold(
        Bucket=b.bucket, Key=KEY, VersionId=b.version, LegalHold={"Status": "ON"}
    ),
    "the bucket's lock": lambda c, b: c.put_object_lock_configuration(
        Bucket=b.bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"}
    ),
    "an overwrite of another key": lambda c, b: c.put_object(
        Bucket=b.bucket, Key="nightly/a.dump", Body=b""
    ),
    "an overwrite made public": lambda c, b: c.put_object(
        Bucket=b.bucket, Key=KEY, Body=b"", ACL="public-read"
    ),
    "a creation elsewhere": lambda c, b: c.put_object(
        Bucket=b.bucket, Key="other/x", Body=b"", IfNoneMatch="*"
    ),
    "a copy over another key": lambda c, b: c.copy_object(
        Bucket=b.bucket, Key="nightly/a.dump", CopySource=f"{b.bucket}/{KEY}"
    ),
    "the bucket": lambda c, b: c.delete_bucket(Bucket=b.bucket),
    "presigned": lambda c, b: c.generate_presigned_url(
        "delete_object", Params={"Bucket": b.bucket, "Key": KEY, "VersionId": b.version}
    ),
    "a renamed operation": lambda c, b: c._endpoint.make_request(
        c.meta.service_model.operation_model("GetObject"), _by_hand(c, b, "DeleteObject")
    ),
    "below the checks": lambda c, b: c._endpoint.make_request(
        c.meta.service_model.operation_model("DeleteObject"), _by_hand(c, b, "DeleteObject")
    ),
    "retention below the checks": lambda c, b: c._endpoint.make_request(
        c.meta.service_model.operation_model("PutObjectRetention"),
        _by_hand(c, b, "PutObjectRetention", Retention=KEEP),
    ),
}


def _by_hand(client: Any, bed: Bed, operation: str, **more: Any) -> dict[str, Any]:
    """A request on a copy, as botocore would make it, without the events on the way."""
    model = client.meta.service_model.operation_model(operation)
    params = {"Bucket": bed.bucket, "Key": "nightly/a.dump", **more}
    context = {"client_region": "us-east-1", "client_config": client.meta.config}
    context |= {"has_streaming_input": False, "auth_type": None, "signing": {}}
    request: dict[str, Any] = client._convert_to_request_dict(
        params, model, client.meta.endpoint_url, context
    )
    request["url"] = f"{client.meta.endpoint_url}/{bed.bucket}/nightly/a.dump"
    return request


@pytest.mark.parametrize("attack", _ATTACKS)
def test_a_lock_is_tried_on_ones_own_object_and_nothing_else(attack: str, bed: Bed) -> None:
    before = bed.versions()
    with pytest.raises(Refused) as caught:
        _ATTACKS[attack](bed.connection.client, bed)
    assert caught.value.code == "guard-s3"
    assert bed.versions() == before


@pytest.mark.parametrize(
    ("change", "event"),
    [
        (lambda r: setattr(r, "url", r.url.replace(KEY, "nightly/a.dump")), "DeleteObject"),
        (lambda r: setattr(r, "url", r.url.split("?")[0] + "?tagging"), "DeleteObject"),
        (lambda r: setattr(r, "url", r.url + "&versionId=x"), "DeleteObject"),
        (lambda r: setattr(r, "url", r.url.split("?")[0] + "?versionId=x"), "DeleteObject"),
        (lambda r: setattr(r, "method", "POST"), "DeleteObject"),
        (lambda r: setattr(r, "url", r.url.replace("127.0.0.1", "localhost")), "DeleteObject"),
        (lambda r: setattr(r, "url", r.url.replace(KEY, "nightly/a.dump")), "PutObjectRetention"),
        (lambda r: setattr(r, "url", r.url.replace("retention", "acl")), "PutObjectRetention"),
        (lambda r: setattr(r, "url", r.url.split("?")[0] + "?retention"), "PutObjectRetention"),
        (lambda r: setattr(r, "url", r.url.replace(KEY, "nightly/a.dump")), "PutObject"),
    ],
)
def test_a_handler_that_turns_an_attempt_elsewhere(
    change: Callable[[Any], None], event: str, bed: Bed
) -> None:
    """It changes the request after everything was checked, right before it is sent."""
    connection = bed.connect(PROVE_LOCKS, bed.own)
    before = bed.versions()
    calls: dict[str, Callable[[Any], Any]] = {
        "DeleteObject": lambda c: c.delete_object(
            Bucket=bed.bucket, Key=KEY, VersionId=bed.version
        ),
        "PutObjectRetention": lambda c: c.put_object_retention(
            Bucket=bed.bucket, Key=KEY, VersionId=bed.version, Retention=KEEP
        ),
        "PutObject": lambda c: c.put_object(Bucket=bed.bucket, Key=KEY, Body=b"3"),
    }

    def turn(request: Any, **_: object) -> None:
        change(request)

    connection.client.meta.events.register_first(f"before-send.s3.{event}", turn)
    with pytest.raises(Refused):
        calls[event](connection.client)
    assert bed.versions() == before


def test_before_it_was_created_nothing_is_its_own(s3_server: Any) -> None:
    bed = Bed(s3_server)
    bed.own.versions.clear()
    client = bed.connection.client
    before = bed.versions()
    for call in (
        lambda: client.delete_object(Bucket=bed.bucket, Key=KEY),
        lambda: client.put_object(Bucket=bed.bucket, Key=KEY, Body=b"3"),
    ):
        with pytest.raises(Refused):
            call()
    assert bed.versions() == before


@pytest.mark.parametrize("allowed", [READ_BACKUPS, ASK_POWERS, PROVE_LOCKS])
def test_a_session_without_an_object_of_its_own_tries_nothing(allowed: Any, bed: Bed) -> None:
    client = bed.connect(allowed, None).client
    for call in (
        lambda: client.delete_object(Bucket=bed.bucket, Key=KEY, VersionId=bed.version),
        lambda: client.put_object_retention(
            Bucket=bed.bucket, Key=KEY, VersionId=bed.version, Retention=KEEP
        ),
    ):
        with pytest.raises(Refused):
            call()


def test_its_own_object_is_tried(s3_server: Any) -> None:
    bed = Bed(s3_server)
    client = bed.connection.client
    where = {"Bucket": bed.bucket, "Key": KEY, "VersionId": bed.version}
    client.put_object_retention(**where, Retention=KEEP)
    client.put_object(Bucket=bed.bucket, Key=KEY, Body=b"3")
    with pytest.raises(client.exceptions.ClientError):
        client.delete_object(**where)
    client.delete_object(**where, BypassGovernanceRetention=True)
    assert (KEY, bed.version) not in bed.versions()
    assert (KEY, bed.theirs["VersionId"]) in bed.versions()
