"""Attempts to pass the guard by every road that boto3 offers. Nothing may reach the server."""

import copy
import io
import pickle
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from boto3.s3.transfer import S3Transfer
from botocore import UNSIGNED
from botocore.config import Config
from support.s3 import admin_keys
from support.web import WebServer, running_web

from drbook.core.errors import Refused
from drbook.providers.s3client import S3Connection
from drbook.providers.s3config import S3Place
from drbook.providers.s3guard import (
    KEEP_BASELINES,
    KEEP_RECORD,
    READ_BACKUPS,
    _elsewhere,
    _no_creation,
)


@pytest.fixture(scope="module")
def backups(s3_server: Any) -> str:
    """A bucket with one object. Every attack on it proves that it is as it was."""
    bucket: str = s3_server.bucket(versioned=True)
    s3_server.client().put_object(Bucket=bucket, Key="a.dump", Body=b"1")
    return bucket


@pytest.fixture(scope="module")
def empty(s3_server: Any) -> str:
    """A bucket in which nothing is ever stored."""
    bucket: str = s3_server.bucket()
    return bucket


@pytest.fixture(scope="module")
def one_session(backups: str, s3_server: Any) -> S3Connection:
    """Its handlers are the guard's alone; a test that adds some does so to a client of its own."""
    return connect(s3_server, backups, READ_BACKUPS)


@pytest.fixture
def guarded(
    one_session: S3Connection, backups: str, s3_server: Any
) -> Iterator[tuple[S3Connection, str]]:
    kept = one_session.client
    one_session.client = one_session.session.client("s3", endpoint_url=s3_server.endpoint)
    yield one_session, backups
    one_session.client = kept


def connect(server: Any, bucket: str, allowed: Any, prefix: str | None = None) -> S3Connection:
    place = S3Place(bucket=bucket, endpoint=server.endpoint, access_key="env:k", secret_key="env:s")
    writes = (bucket, prefix) if prefix is not None else None
    return S3Connection(place, admin_keys, allowed, writes_to=writes)


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
    "upload a stream": lambda s, c, b, e: c.upload_fileobj(io.BytesIO(b"x"), b, "x"),
    "large upload": lambda s, c, b, e: c.upload_fileobj(io.BytesIO(b"x" * 9 * 1024 * 1024), b, "x"),
    "transfer manager": lambda s, c, b, e: S3Transfer(c).upload_file(__file__, b, "x"),
    "resource upload": lambda s, c, b, e: (
        s.resource("s3", endpoint_url=e).Bucket(b).upload_file(__file__, "x")
    ),
    "resource put": lambda s, c, b, e: (
        s.resource("s3", endpoint_url=e).Object(b, "x").put(Body=b"")
    ),
    "resource's client": lambda s, c, b, e: s.resource("s3", endpoint_url=e).meta.client.put_object(
        Bucket=b, Key="x"
    ),
    "acl": lambda s, c, b, e: c.put_object_acl(Bucket=b, Key="a.dump", ACL="public-read"),
    "tags": lambda s, c, b, e: c.put_object_tagging(Bucket=b, Key="a.dump", Tagging={"TagSet": []}),
    "retention": lambda s, c, b, e: c.put_object_retention(Bucket=b, Key="a.dump", Retention={}),
    "policy": lambda s, c, b, e: c.put_bucket_policy(Bucket=b, Policy="{}"),
    "waiter": lambda s, c, b, e: (
        s.client("ec2", endpoint_url=e, region_name="us-east-1")
        .get_waiter("volume_deleted")
        .wait(VolumeIds=["v"])
    ),
    "presigned get": lambda s, c, b, e: c.generate_presigned_url(
        "get_object", Params={"Bucket": b, "Key": "a.dump"}
    ),
    "presigned delete": lambda s, c, b, e: c.generate_presigned_url(
        "delete_object", Params={"Bucket": b, "Key": "a.dump"}
    ),
    "presigned post": lambda s, c, b, e: c.generate_presigned_post(b, "x"),
    "presigned put, unsigned": lambda s, c, b, e: s.client(
        "s3", endpoint_url=e, config=Config(signature_version=UNSIGNED)
    ).generate_presigned_url("put_object", Params={"Bucket": b, "Key": "x"}),
    "presigned as of old": lambda s, c, b, e: s.client(
        "s3", endpoint_url=e, config=Config(signature_version="s3")
    ).generate_presigned_url("get_object", Params={"Bucket": b, "Key": "a.dump"}),
    "a token for a database": lambda s, c, b, e: s.client(
        "rds", endpoint_url=e, region_name="us-east-1"
    ).generate_db_auth_token("h", 1, "u"),
    "unsigned": lambda s, c, b, e: s.client(
        "s3", endpoint_url=e, config=Config(signature_version=UNSIGNED)
    ).put_object(Bucket=b, Key="x", Body=b""),
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
    "lowest level": lambda s, c, b, e: c._endpoint.make_request(
        c.meta.service_model.operation_model("DeleteObject"), _by_hand(c, b, "DeleteObject")
    ),
    "lowest level, called otherwise": lambda s, c, b, e: c._endpoint.make_request(
        c.meta.service_model.operation_model("GetObject"), _by_hand(c, b, "DeleteObject")
    ),
    "the core's client": lambda s, c, b, e: s._session.create_client(
        "s3", "us-east-1", endpoint_url=e, config=Config(s3={"addressing_style": "path"})
    ).delete_object(Bucket=b, Key="a.dump"),
    "a copied session": lambda s, c, b, e: (
        copy.copy(s).client("s3", endpoint_url=e).delete_object(Bucket=b, Key="a.dump")
    ),
    "a copied core": lambda s, c, b, e: (
        copy.copy(s._session)
        .create_client("s3", "us-east-1", endpoint_url=e)
        .delete_object(Bucket=b, Key="a.dump")
    ),
    "copied events": lambda s, c, b, e: _with_events(c, copy.copy(c.meta.events)).delete_object(
        Bucket=b, Key="a.dump"
    ),
    "access point": lambda s, c, b, e: c.put_object(
        Bucket="arn:aws:s3:us-east-1:111122223333:accesspoint/x", Key="x"
    ),
    "iam": lambda s, c, b, e: s.client("iam", endpoint_url=e).create_user(UserName="x"),
    "ec2": lambda s, c, b, e: s.client(
        "ec2", endpoint_url=e, region_name="us-east-1"
    ).describe_volumes(),
    "s3control": lambda s, c, b, e: s.client(
        "s3control", endpoint_url=e, region_name="us-east-1"
    ).get_public_access_block(AccountId="111122223333"),
}


def _by_hand(client: Any, bucket: str, operation: str) -> dict[str, Any]:
    """A request as botocore would make it, without the events on the way."""
    model = client.meta.service_model.operation_model(operation)
    params, context = {"Bucket": bucket, "Key": "a.dump"}, {"client_region": "us-east-1"}
    context |= {"client_config": client.meta.config, "has_streaming_input": False}
    context |= {"auth_type": None, "signing": {"region": "us-east-1"}}
    request: dict[str, Any] = client._convert_to_request_dict(
        params, model, client.meta.endpoint_url, context
    )
    request["url"] = f"{client.meta.endpoint_url}/{bucket}/a.dump"
    return request


def _with_events(client: Any, events: Any) -> Any:
    client.meta._events = events
    return client


@pytest.mark.parametrize("road", _ROADS)
def test_nothing_but_reading_gets_through(
    road: str, guarded: tuple[S3Connection, str], s3_server: Any
) -> None:
    connection, bucket = guarded
    sent: list[str] = []
    events = connection.session._session.get_component("event_emitter")
    events.register_last("before-send", lambda request, **_: sent.append(request.url), "counts")
    fresh = connection.session.client("s3", endpoint_url=s3_server.endpoint)
    try:
        with pytest.raises(Refused) as caught:
            _ROADS[road](connection.session, fresh, bucket, s3_server.endpoint)
    finally:
        events.unregister("before-send", unique_id="counts")
    assert caught.value.code == "guard-s3"
    looks_first = {"managed copy": 1, "resource bucket": 1}
    assert len(sent) == looks_first.get(road, 0)
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
def test_the_baseline_store_refuses_every_other_put(put: str, empty: str, s3_server: Any) -> None:
    connection = connect(s3_server, empty, KEEP_BASELINES, "base/")
    with pytest.raises(Refused):
        connection.client.put_object(**({"Bucket": empty, "Body": b""} | _PUTS[put]))
    assert "Contents" not in s3_server.client().list_objects_v2(Bucket=empty)


def test_the_baseline_store_creates_in_one_place(s3_server: Any) -> None:
    bucket = s3_server.bucket()
    connection = connect(s3_server, bucket, KEEP_BASELINES, "base/")
    connection.client.put_object(Bucket=bucket, Key="base/x", Body=b"1", IfNoneMatch="*")
    with pytest.raises(connection.client.exceptions.ClientError):
        connection.client.put_object(Bucket=bucket, Key="base/x", Body=b"2", IfNoneMatch="*")
    with pytest.raises(Refused):
        connection.client.delete_object(Bucket=bucket, Key="base/x")


def test_a_mirror_creates_locks_and_lists_in_one_place(s3_server: Any) -> None:
    bucket = s3_server.bucket(locked=True)
    connection = connect(s3_server, bucket, KEEP_RECORD, "record/")
    put: dict[str, Any] = {"Bucket": bucket, "Body": b"1", "IfNoneMatch": "*"}
    put |= {"ChecksumAlgorithm": "SHA256", "ObjectLockMode": "COMPLIANCE"}
    put |= {"ObjectLockRetainUntilDate": datetime.now(UTC) + timedelta(seconds=2)}
    connection.client.put_object(**put, Key="record/x")
    for more in ({"ACL": "public-read"}, {"ObjectLockLegalHoldStatus": "ON"}):
        with pytest.raises(Refused):
            connection.client.put_object(**put, **more, Key="record/y")
    found = connection.client.list_object_versions(Bucket=bucket)["Versions"]
    assert [each["Key"] for each in found] == ["record/x"]
    for allowed in (KEEP_BASELINES, KEEP_BASELINES | {("s3", "HeadObject")}):
        with pytest.raises(Refused, match="ObjectLockMode, ObjectLockRetainUntilDate"):
            connect(s3_server, bucket, allowed, "record/").client.put_object(**put, Key="record/z")


def test_who_asks_may_be_asked(elsewhere: WebServer, s3_server: Any) -> None:
    """Its request is a POST, as all of that service's are."""
    connection = connect(s3_server, "some-bucket", READ_BACKUPS)
    client = connection.session.client("sts", endpoint_url=elsewhere.url(), region_name="us-east-1")
    elsewhere.body = (
        b"<a><GetCallerIdentityResult><Account>1</Account></GetCallerIdentityResult></a>"
    )
    assert client.get_caller_identity()["Account"] == "1"
    with pytest.raises(Refused):
        client.get_session_token()
    assert len(elsewhere.got) == 1


def test_a_handler_that_changes_a_put_is_seen(empty: str, s3_server: Any) -> None:
    bucket = empty
    connection = connect(s3_server, bucket, KEEP_BASELINES, "base/")

    def elsewhere(params: dict[str, Any], **_: object) -> None:
        params["Key"] = "nightly/x"

    connection.client.meta.events.register("before-parameter-build.s3.PutObject", elsewhere)
    with pytest.raises(Refused):
        connection.client.put_object(Bucket=bucket, Key="base/x", Body=b"1", IfNoneMatch="*")


def test_machine_identities_are_not_used(s3_server: Any) -> None:
    connection = connect(s3_server, "some-bucket", READ_BACKUPS)
    resolver = connection.session._session.get_component("credential_provider")
    names = {provider.METHOD for provider in resolver.providers}
    assert not names & {"iam-role", "container-role"}


# --- a request that changes on its way ----------------------------------------------------------


@pytest.fixture
def elsewhere() -> Iterator[WebServer]:
    with running_web() as server:
        yield server


def _deletes(params: dict[str, Any], **_: object) -> None:
    params["method"] = "DELETE"


def _deletes_request(request: Any, **_: object) -> None:
    request.method = "DELETE"


CHANGES: dict[str, tuple[str, Callable[..., None]]] = {
    "after the call was looked at": ("before-call", _deletes),
    "once it is made": ("request-created", _deletes_request),
    "before it is signed": ("before-sign", _deletes_request),
    "before it is sent": ("before-send", _deletes_request),
}


@pytest.mark.parametrize("first", [True, False], ids=["first", "late"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_handler_that_makes_of_reading_something_else(
    change: str, first: bool, guarded: tuple[S3Connection, str], s3_server: Any
) -> None:
    connection, bucket = guarded
    event, handler = CHANGES[change]
    events = connection.client.meta.events
    (events.register_first if first else events.register)(f"{event}.s3.GetObject", handler)
    with pytest.raises(Refused) as caught:
        connection.client.get_object(Bucket=bucket, Key="a.dump")
    assert "sent as DELETE" in caught.value.what
    assert s3_server.client().get_object(Bucket=bucket, Key="a.dump")["Body"].read() == b"1"


def test_a_handler_that_sends_it_elsewhere(
    guarded: tuple[S3Connection, str], elsewhere: WebServer
) -> None:
    connection, bucket = guarded

    def divert(request: Any, **_: object) -> None:
        request.url = elsewhere.url(urlsplit(request.url).path)

    connection.client.meta.events.register("before-send.s3.GetObject", divert)
    with pytest.raises(Refused):
        connection.client.get_object(Bucket=bucket, Key="a.dump")
    other = connection.session.client("s3", endpoint_url=elsewhere.url())
    with pytest.raises(Refused):
        other.get_object(Bucket=bucket, Key="a.dump")
    assert elsewhere.got == []


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_store_that_redirects_is_not_followed_elsewhere(
    status: int, elsewhere: WebServer, s3_server: Any
) -> None:
    with running_web() as store:
        store.status = status
        store.headers = {"Location": elsewhere.url("/b/x"), "x-amz-bucket-region": "x/../evil"}
        place = S3Place(
            bucket="some-bucket", endpoint=store.url(), access_key="env:k", secret_key="env:s"
        )
        connection = S3Connection(place, admin_keys, READ_BACKUPS)
        with pytest.raises((connection.client.exceptions.ClientError, Refused, ValueError)):
            connection.client.get_object(Bucket="some-bucket", Key="x")
        assert {got.method for got in store.got} <= {"GET", "HEAD"}
    assert elsewhere.got == []


_LATE: dict[str, Callable[[dict[str, Any], dict[str, Any]], None]] = {
    "another key": lambda params, context: params.update(Key="nightly/x"),
    "above": lambda params, context: params.update(Key="base/../nightly/x"),
    "no condition": lambda params, context: params.pop("IfNoneMatch"),
    "the mark forged": lambda params, context: context.update({"drbook-put-checked": True}),
}


@pytest.mark.parametrize("change", _LATE)
def test_a_put_that_changes_after_the_look_at_it(change: str, empty: str, s3_server: Any) -> None:
    """Handlers of a client come after those of its session, even where those asked to be last."""
    bucket = empty
    connection = connect(s3_server, bucket, KEEP_BASELINES, "base/")
    key = "nightly/x" if change == "the mark forged" else "base/x"

    def late(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
        _LATE[change](params, context)

    connection.client.meta.events.register_last("before-parameter-build.s3.PutObject", late)
    with pytest.raises(Refused):
        connection.client.put_object(Bucket=bucket, Key=key, Body=b"1", IfNoneMatch="*")
    assert "Contents" not in s3_server.client().list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize("key", ["base/../x", "base/./x", "base//x", "base/a/../../x", "base/.."])
def test_a_key_that_leaves_its_prefix(key: str, empty: str, s3_server: Any) -> None:
    bucket = empty
    connection = connect(s3_server, bucket, KEEP_BASELINES, "base/")
    with pytest.raises(Refused):
        connection.client.put_object(Bucket=bucket, Key=key, Body=b"1", IfNoneMatch="*")
    assert "Contents" not in s3_server.client().list_objects_v2(Bucket=bucket)


PLACES = [
    (None, "https://my-bucket.s3.eu-central-1.amazonaws.com/base/x", True),
    (None, "https://s3.eu-central-1.amazonaws.com/my-bucket/base/x", True),
    (None, "https://other.s3.eu-central-1.amazonaws.com/base/x", False),
    (None, "https://my-bucket.s3.eu-central-1.amazonaws.com/nightly/x", False),
    (None, "https://my-bucket.s3.eu-central-1.amazonaws.com/base/x?acl", False),
    (None, "https://my-bucket.s3.eu-central-1.amazonaws.com/base/%2e%2e/x", False),
    ("https://store.example/s3", "https://store.example/s3/my-bucket/base/x", True),
    ("https://store.example/s3", "https://store.example/my-bucket/base/x", False),
    ("https://my-bucket.example", "https://my-bucket.example/other/base/x", False),
    ("https://store.example", "https://my-bucket.store.example/base/x", True),
    ("https://my-bucket.example", "https://my-bucket.example/my-bucket/base/x", True),
    ("https://store.example/s3/", "https://store.example/s3/my-bucket/base/x", True),
    ("https://store.example/X", "https://store.example/X/my-bucket/base/x", True),
]


@pytest.mark.parametrize(("endpoint", "url", "well"), PLACES)
def test_where_a_put_goes_is_read_from_its_address(
    endpoint: str | None, url: str, well: bool
) -> None:
    class Request:
        def __init__(self) -> None:
            self.url, self.headers = url, {"If-None-Match": b"*"}

    assert (_no_creation(Request(), ("my-bucket", "base/"), endpoint) == "") is well


@pytest.mark.parametrize(
    ("condition", "well"), [("*", True), (b"*", True), ('"abc"', False), (None, False), ("", False)]
)
def test_a_put_is_a_creation_by_its_header(condition: str | bytes | None, well: bool) -> None:
    class Request:
        url = "https://s3.eu-central-1.amazonaws.com/my-bucket/base/x"

        def __init__(self) -> None:
            self.headers = {} if condition is None else {"If-None-Match": condition}

    assert (_no_creation(Request(), ("my-bucket", "base/"), None) == "") is well
    assert _no_creation(Request(), None, None) == "that has no place"


ENDPOINTS = [
    ("https://store.example", "https://store.example/b/x", True),
    ("https://store.example", "https://b.store.example/x", True),
    ("https://store.example", "http://store.example/b/x", False),
    ("https://store.example", "https://store.example:8443/b/x", False),
    ("https://store.example", "https://store.example.evil.test/b/x", False),
    ("https://store.example", "https://store.example@evil.test/b/x", False),
    ("https://store.example", "https://evil.test@store.example/b/x", False),
    ("https://store.example", "https://evilstore.example/b/x", False),
    ("https://store.example", "https://evil.test@b.store.example/x", False),
    (None, "https://b.s3.eu-central-1.amazonaws.com/x", True),
]


@pytest.mark.parametrize(("endpoint", "url", "well"), ENDPOINTS)
def test_requests_go_to_the_endpoint(endpoint: str | None, url: str, well: bool) -> None:
    assert (_elsewhere(url, endpoint) == "") is well


# --- what stays possible ------------------------------------------------------------------------


def test_a_deep_copy_or_a_pickle_of_the_session_is_none(
    guarded: tuple[S3Connection, str], s3_server: Any
) -> None:
    connection, _ = guarded
    for attempt in (copy.deepcopy, pickle.dumps):
        with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
            attempt(connection.session)


def test_what_stays_possible_is_code_that_takes_the_guard_away(s3_server: Any) -> None:
    """Plug-ins are trusted code in the same process: what holds a client can also take it apart."""
    bucket = s3_server.bucket()
    connection = connect(s3_server, bucket, READ_BACKUPS)
    for name in ("call", "sign", "send"):
        connection.client.meta.events.unregister(f"before-{name}", unique_id=f"drbook-guard-{name}")
    connection.client.meta.events.unregister(
        "before-parameter-build.s3.PutObject", unique_id="drbook-guard-put"
    )
    connection.client.put_object(Bucket=bucket, Key="unregistered", Body=b"")
    keys = connection.session.get_credentials().get_frozen_credentials()
    boto3.Session(keys.access_key, keys.secret_key).client(
        "s3", endpoint_url=s3_server.endpoint, region_name="us-east-1"
    ).put_object(Bucket=bucket, Key="another-session", Body=b"")
    found = s3_server.client().list_objects_v2(Bucket=bucket)["Contents"]
    assert {each["Key"] for each in found} == {"unregistered", "another-session"}


def test_what_stays_possible_is_an_address_without_authority(
    guarded: tuple[S3Connection, str], s3_server: Any
) -> None:
    """Without a signature a URL opens only what everybody may read."""
    connection, bucket = guarded
    client = connection.session.client(
        "s3", endpoint_url=s3_server.endpoint, config=Config(signature_version=UNSIGNED)
    )
    url = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a.dump"})
    assert "Signature" not in url
    assert "AWSAccessKeyId" not in url
