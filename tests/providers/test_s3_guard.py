"""Attempts to pass the guard by every road that boto3 offers. Nothing may reach the server."""

from collections.abc import Callable
from typing import Any

import pytest

from drbook.core.errors import Refused
from drbook.providers.hiding import Secret
from drbook.providers.s3client import S3Connection
from drbook.providers.s3config import S3Place
from drbook.providers.s3guard import KEEP_BASELINES, READ_BACKUPS


@pytest.fixture
def guarded(s3_server: Any) -> tuple[S3Connection, str]:
    bucket = s3_server.bucket(versioned=True)
    s3_server.client().put_object(Bucket=bucket, Key="a.dump", Body=b"1")
    return connect(s3_server, bucket, READ_BACKUPS), bucket


def connect(server: Any, bucket: str, allowed: Any, prefix: str | None = None) -> S3Connection:
    place = S3Place(bucket=bucket, endpoint=server.endpoint, access_key="env:k", secret_key="env:s")
    values = {"env:k": "admin", "env:s": "admin-secret"}
    writes = (bucket, prefix) if prefix is not None else None
    return S3Connection(place, lambda name: Secret(values[name]), allowed, writes_to=writes)


_ROADS: dict[str, Callable[[Any, Any, str, str], Any]] = {
    "put": lambda s, c, b, e: c.put_object(Bucket=b, Key="x", Body=b""),
    "put if none match": lambda s, c, b, e: c.put_object(Bucket=b, Key="x", IfNoneMatch="*"),
    "delete": lambda s, c, b, e: c.delete_object(Bucket=b, Key="a.dump"),
    "delete many": lambda s, c, b, e: c.delete_objects(
        Bucket=b, Delete={"Objects": [{"Key": "a.dump"}]}
    ),
    "copy": lambda s, c, b, e: c.copy_object(Bucket=b, Key="x", CopySource=f"{b}/a.dump"),
    "multipart": lambda s, c, b, e: c.create_multipart_upload(Bucket=b, Key="x"),
    "lifecycle": lambda s, c, b, e: c.delete_bucket_lifecycle(Bucket=b),
    "versioning": lambda s, c, b, e: c.put_bucket_versioning(
        Bucket=b, VersioningConfiguration={"Status": "Suspended"}
    ),
    "select": lambda s, c, b, e: c.restore_object(Bucket=b, Key="a.dump", RestoreRequest={}),
    "list buckets": lambda s, c, b, e: c.list_buckets(),
    "upload manager": lambda s, c, b, e: c.upload_file(__file__, b, "x"),
    "managed copy": lambda s, c, b, e: c.copy({"Bucket": b, "Key": "a.dump"}, b, "x"),
    "paginator": lambda s, c, b, e: list(
        c.get_paginator("list_multipart_uploads").paginate(Bucket=b)
    ),
    "presigned get": lambda s, c, b, e: c.generate_presigned_url(
        "get_object", Params={"Bucket": b, "Key": "a.dump"}
    ),
    "presigned delete": lambda s, c, b, e: c.generate_presigned_url(
        "delete_object", Params={"Bucket": b, "Key": "a.dump"}
    ),
    "presigned post": lambda s, c, b, e: c.generate_presigned_post(b, "x"),
    "another client": lambda s, c, b, e: s.client("s3", endpoint_url=e).delete_bucket(Bucket=b),
    "another region": lambda s, c, b, e: s.client(
        "s3", endpoint_url=e, region_name="eu-west-1"
    ).delete_object(Bucket=b, Key="a.dump"),
    "resource": lambda s, c, b, e: s.resource("s3", endpoint_url=e).Object(b, "a.dump").delete(),
    "resource bucket": lambda s, c, b, e: (
        s.resource("s3", endpoint_url=e).Bucket(b).object_versions.delete()
    ),
    "low level": lambda s, c, b, e: c._make_api_call(
        "DeleteObject", {"Bucket": b, "Key": "a.dump"}
    ),
    "iam": lambda s, c, b, e: s.client("iam", endpoint_url=e).create_user(UserName="x"),
    "ec2": lambda s, c, b, e: s.client(
        "ec2", endpoint_url=e, region_name="us-east-1"
    ).describe_volumes(),
    "s3control": lambda s, c, b, e: s.client(
        "s3control", endpoint_url=e, region_name="us-east-1"
    ).get_public_access_block(AccountId="111122223333"),
}


@pytest.mark.parametrize("road", _ROADS)
def test_nothing_but_reading_gets_through(
    road: str, guarded: tuple[S3Connection, str], s3_server: Any
) -> None:
    connection, bucket = guarded
    sent: list[str] = []
    connection._core.get_component("event_emitter").register(
        "before-send", lambda request, **_: sent.append(request.url)
    )
    fresh = connection.session.client("s3", endpoint_url=s3_server.endpoint)
    with pytest.raises(Refused) as caught:
        _ROADS[road](connection.session, fresh, bucket, s3_server.endpoint)
    assert caught.value.code == "guard-s3"
    allowed_first = {"managed copy": 1, "resource bucket": 1}
    assert len(sent) <= allowed_first.get(road, 0)
    listed = s3_server.client().list_object_versions(Bucket=bucket)
    assert [each["Key"] for each in listed["Versions"]] == ["a.dump"]
    assert "DeleteMarkers" not in listed


def test_reading_gets_through(guarded: tuple[S3Connection, str]) -> None:
    connection, bucket = guarded
    client = connection.client
    assert client.get_object(Bucket=bucket, Key="a.dump")["Body"].read() == b"1"
    assert client.head_object(Bucket=bucket, Key="a.dump")["ContentLength"] == 1
    client.get_waiter("object_exists").wait(Bucket=bucket, Key="a.dump")
    assert list(client.get_paginator("list_object_versions").paginate(Bucket=bucket))


_PUTS: dict[str, dict[str, Any]] = {
    "no condition": {"Key": "base/x"},
    "other condition": {"Key": "base/x", "IfNoneMatch": '"abc"'},
    "other prefix": {"Key": "nightly/x", "IfNoneMatch": "*"},
    "the prefix itself": {"Key": "base/", "IfNoneMatch": "*"},
    "other bucket": {"Key": "base/x", "IfNoneMatch": "*", "Bucket": "another-bucket"},
    "made public": {"Key": "base/x", "IfNoneMatch": "*", "ACL": "public-read"},
    "locked away": {"Key": "base/x", "IfNoneMatch": "*", "ObjectLockMode": "COMPLIANCE"},
}


@pytest.mark.parametrize("put", _PUTS)
def test_the_baseline_store_creates_in_one_place(put: str, s3_server: Any) -> None:
    bucket = s3_server.bucket()
    connection = connect(s3_server, bucket, KEEP_BASELINES, "base/")
    with pytest.raises(Refused):
        connection.client.put_object(**({"Bucket": bucket, "Body": b""} | _PUTS[put]))
    assert "Contents" not in s3_server.client().list_objects_v2(Bucket=bucket)
    connection.client.put_object(Bucket=bucket, Key="base/x", Body=b"1", IfNoneMatch="*")
    with pytest.raises(connection.client.exceptions.ClientError):
        connection.client.put_object(Bucket=bucket, Key="base/x", Body=b"2", IfNoneMatch="*")
    with pytest.raises(Refused):
        connection.client.delete_object(Bucket=bucket, Key="base/x")


def test_a_handler_that_changes_a_put_is_seen(s3_server: Any) -> None:
    bucket = s3_server.bucket()
    connection = connect(s3_server, bucket, KEEP_BASELINES, "base/")

    def elsewhere(params: dict[str, Any], **_: object) -> None:
        params["Key"] = "nightly/x"

    connection.client.meta.events.register("before-parameter-build.s3.PutObject", elsewhere)
    with pytest.raises(Refused):
        connection.client.put_object(Bucket=bucket, Key="base/x", Body=b"1", IfNoneMatch="*")


def test_machine_identities_are_not_used(s3_server: Any) -> None:
    connection = connect(s3_server, "some-bucket", READ_BACKUPS)
    resolver = connection._core.get_component("credential_provider")
    names = {provider.METHOD for provider in resolver.providers}
    assert not names & {"iam-role", "container-role"}
