"""What stores answer that the test server does not: rules, policies, refusals, missing functions."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from drbook.core.errors import CouldNotVerify
from drbook.core.points import Observed
from drbook.providers.s3facts import _expiry, _limits, _replicated, lock_of

HERE = "nightly/"
_RULES: list[tuple[str, list[dict[str, Any]], int | None]] = [
    ("none", [], None),
    ("all", [{"Status": "Enabled", "Filter": {}, "Expiration": {"Days": 30}}], 30),
    ("off", [{"Status": "Disabled", "Filter": {}, "Expiration": {"Days": 30}}], None),
    ("old style", [{"Status": "Enabled", "Prefix": "", "Expiration": {"Days": 9}}], 9),
    ("elsewhere", [{"Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 1}}], None),
    ("deeper", [{"Status": "Enabled", "Filter": {"Prefix": "nightly/a"}, "Expiration": {"Days": 2}}], 2),
    ("with tags", [{"Status": "Enabled", "Filter": {"And": {"Prefix": "night", "Tags": []}}, "Expiration": {"Days": 3}}], 3),
    ("old versions", [{"Status": "Enabled", "Filter": {}, "NoncurrentVersionExpiration": {"NoncurrentDays": 7}}], 7),
    ("a date", [{"Status": "Enabled", "Filter": {}, "Expiration": {"Date": datetime(2027, 1, 1, tzinfo=UTC)}}], 0),
    ("markers only", [{"Status": "Enabled", "Filter": {}, "Expiration": {"ExpiredObjectDeleteMarker": True}}], None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rules", "days"), [row[1:] for row in _RULES], ids=[row[0] for row in _RULES]
)
def test_lifecycle_rules(rules: list[dict[str, Any]], days: int | None) -> None:
    assert _expiry({"Rules": rules}, HERE) == days


@pytest.mark.parametrize(
    ("rule", "answer"),
    [
        (
            {"Status": "Enabled", "Filter": {}, "DeleteMarkerReplication": {"Status": "Enabled"}},
            True,
        ),
        (
            {"Status": "Enabled", "Filter": {}, "DeleteMarkerReplication": {"Status": "Disabled"}},
            False,
        ),
        ({"Status": "Enabled", "Filter": {}}, False),
        ({"Status": "Enabled", "Prefix": ""}, True),
        ({"Status": "Disabled", "Prefix": ""}, False),
    ],
)
def test_replication_rules(rule: dict[str, Any], answer: bool) -> None:
    assert _replicated({"ReplicationConfiguration": {"Rules": [rule]}}) is answer


DENY: dict[str, Any] = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": ["s3:DeleteObject", "s3:DeleteObjectVersion"],
    "Resource": "arn:aws:s3:::b/*",
}
_POLICIES: list[tuple[str, dict[str, Any], bool]] = [
    ("both to everybody", {}, True),
    ("by wildcard", {"Action": "s3:Delete*"}, True),
    ("everything", {"Action": "s3:*"}, True),
    ("objects only", {"Action": "s3:DeleteObject"}, False),
    ("allowed", {"Effect": "Allow"}, False),
    ("to one principal", {"Principal": {"AWS": "arn:aws:iam::1:root"}}, False),
    ("a part", {"Resource": "arn:aws:s3:::b/x/*"}, False),
    ("another bucket", {"Resource": "arn:aws:s3:::c/*"}, False),
    (
        "but one",
        {"Condition": {"ArnNotEquals": {"aws:PrincipalArn": "arn:aws:iam::1:role/x"}}},
        True,
    ),
    ("only over http", {"Condition": {"Bool": {"aws:SecureTransport": "false"}}}, False),
    ("only from outside", {"Condition": {"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}}, False),
    ("no principal", {"Principal": None}, False),
]


@pytest.mark.parametrize(
    ("change", "answer"), [row[1:] for row in _POLICIES], ids=[row[0] for row in _POLICIES]
)
def test_policies(change: dict[str, Any], answer: bool) -> None:
    assert _limits({"Policy": json.dumps({"Statement": [DENY | change]})}, "b") is answer
    assert _limits({"Policy": json.dumps({"Statement": DENY | change})}, "b") is answer


# --- answers put in place of the server's ------------------------------------------------------


class Body:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def stream(self, **_: object) -> Any:
        yield self._data


def answer(status: int, code: str, request: Any) -> AWSResponse:
    data = f"<Error><Code>{code}</Code><Message>no \x1b[31m</Message></Error>".replace("\x1b", "")
    headers: Any = {"Content-Type": "application/xml"}
    body: Any = Body(data.encode())
    return AWSResponse(request.url, status, headers, body)


def replace(catalog: Any, operation: str, status: int, code: str, *, after: int = 0) -> list[int]:
    """Answer an operation ourselves, from its n-th request on; returns the list of requests seen."""
    seen: list[int] = []

    def instead(request: Any, **_: object) -> AWSResponse | None:
        seen.append(1)
        return answer(status, code, request) if len(seen) > after else None

    client = catalog._open("offsite")._source._connection.client
    client.meta.events.register(f"before-send.s3.{operation}", instead)
    return seen


@pytest.mark.parametrize(
    ("status", "code"), [(501, "NotImplemented"), (405, "MethodNotAllowed"), (403, "AccessDenied")]
)
def test_without_versions_the_current_objects_are_listed(
    status: int, code: str, s3_server: Any, catalog_of: Any, drain: Any
) -> None:
    bucket = s3_server.bucket(versioned=True)
    client = s3_server.client()
    client.put_object(Bucket=bucket, Key="a.dump", Body=b"PGDMP1")
    client.put_object(Bucket=bucket, Key="a.dump", Body=b"PGDMP22")
    catalog = catalog_of(bucket)
    replace(catalog, "ListObjectVersions", status, code)
    (point,), _ = drain(catalog.points("offsite"))
    assert (point.version, point.size) == (None, 7)
    assert catalog.facts(point).hidden_by_delete_marker is None


@pytest.mark.parametrize("operation", ["ListObjectVersions"])
@pytest.mark.parametrize(("status", "code"), [(500, "InternalError"), (400, "ExpiredToken")])
def test_half_a_list_is_no_list(
    operation: str, status: int, code: str, s3_server: Any, catalog_of: Any, drain: Any
) -> None:
    bucket = s3_server.bucket(versioned=True)
    for number in range(4):
        s3_server.client().put_object(Bucket=bucket, Key=f"{number}.dump", Body=b"PGDMP1")
    catalog = catalog_of(bucket)
    events = catalog._open("offsite")._source._connection.client.meta.events
    events.register(
        f"provide-client-params.s3.{operation}",
        lambda params, **_: params.update(MaxKeys=2),
    )
    seen = replace(catalog, operation, status, code, after=1)
    with pytest.raises(CouldNotVerify) as caught:
        drain(catalog.points("offsite"))
    assert len(seen) > 1
    assert caught.value.code == "list-failed"


@pytest.mark.parametrize(
    ("operation", "field"),
    [
        ("GetBucketVersioning", "versioned"),
        ("GetObjectLockConfiguration", "lock_default"),
        ("GetBucketReplication", "deletes_replicated"),
        ("GetBucketLifecycleConfiguration", "expires_after_days"),
        ("GetBucketPolicy", "policy_limits_deletes"),
    ],
)
@pytest.mark.parametrize(
    ("status", "code"), [(501, "NotImplemented"), (403, "AccessDenied"), (500, "InternalError")]
)
def test_what_a_store_does_not_answer_is_unknown(
    operation: str, field: str, status: int, code: str, s3_server: Any, catalog_of: Any
) -> None:
    catalog = catalog_of(s3_server.bucket())
    replace(catalog, operation, status, code)
    facts = catalog.survey("offsite")
    assert facts.reachable
    found: Observed = getattr(facts, field)
    assert not found.known
    assert found.value is None


class Client:
    """Answers retention and legal hold as told; an exception is raised."""

    def __init__(self, retention: Any, hold: Any) -> None:
        self._retention, self._hold = retention, hold

    def get_object_retention(self, **_: object) -> Any:
        return self._say(self._retention)

    def get_object_legal_hold(self, **_: object) -> Any:
        return self._say(self._hold)

    @staticmethod
    def _say(found: Any) -> Any:
        if isinstance(found, str):
            from botocore.exceptions import ClientError

            raise ClientError({"Error": {"Code": found, "Message": ""}}, "X")
        return found


UNTIL = datetime.now(UTC) + timedelta(days=9)
KEPT = {"Retention": {"Mode": "COMPLIANCE", "RetainUntilDate": UNTIL}}
NO_RETENTION, NO_HOLD = "NoSuchObjectLockConfiguration", "NoSuchObjectLegalHold"
LOCKS, PLAIN, UNASKED = Observed(value=True), Observed(value=False), Observed(why="denied")
_LOCKS: list[tuple[str, Any, Any, Observed, dict[str, Any], str | None, bool]] = [
    # what, retention, legal hold, the bucket's lock, HEAD, mode, known
    ("locked", KEPT, NO_HOLD, LOCKS, {}, "COMPLIANCE", True),
    ("bare", NO_RETENTION, NO_HOLD, LOCKS, {}, None, True),
    ("bucket without locks", "InvalidRequest", "InvalidRequest", PLAIN, {}, None, True),
    ("the same answer elsewhere", "InvalidRequest", "InvalidRequest", LOCKS, {}, None, False),
    ("the same, bucket unknown", "InvalidRequest", "InvalidRequest", UNASKED, {}, None, False),
    ("denied", "AccessDenied", "AccessDenied", LOCKS, {}, None, False),
    ("denied, HEAD shows it", "AccessDenied", "AccessDenied", LOCKS, {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": UNTIL}, "GOVERNANCE", True),
    ("hold denied only", NO_RETENTION, "AccessDenied", LOCKS, {}, None, False),
    ("a new kind", {"Retention": {"Mode": "ETERNAL"}}, NO_HOLD, LOCKS, {}, None, False),
    ("server error", "InternalError", NO_HOLD, LOCKS, {}, None, False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("retention", "hold", "bucket", "head", "mode", "known"),
    [row[1:] for row in _LOCKS],
    ids=[row[0] for row in _LOCKS],
)
def test_locks(
    retention: Any, hold: Any, bucket: Observed, head: dict[str, Any], mode: str | None, known: bool
) -> None:
    client: Any = Client(retention, hold)
    found = lock_of(client, {}, bucket, head)
    assert found.mode == mode
    assert (found.why_unknown == "") is known


# --- answers that cannot be understood -----------------------------------------------------------

ODD = {
    "a time that no year holds": "<LastModified>9999-12-31T23:59:59-14:00</LastModified><Size>1</Size>",
    "a year too far": "<LastModified>10000-01-01T00:00:00Z</LastModified><Size>1</Size>",
    "no time": "<LastModified>then</LastModified><Size>1</Size>",
    "a moment without end": "<LastModified>9e99</LastModified><Size>1</Size>",
    "no number": "<LastModified>2026-01-01T00:00:00Z</LastModified><Size>much</Size>",
}


@pytest.mark.parametrize("name", ODD)
def test_an_answer_that_cannot_be_understood_is_the_store_s_failure(
    name: str, s3_server: Any, catalog_of: Any, drain: Any
) -> None:
    catalog = catalog_of(s3_server.bucket())
    text = (
        '<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        "<IsTruncated>false</IsTruncated><Version><Key>a.dump</Key><VersionId>1</VersionId>"
        f"<IsLatest>true</IsLatest>{ODD[name]}</Version></ListVersionsResult>"
    )

    def instead(request: Any, **_: object) -> AWSResponse:
        body: Any = Body(text.encode())
        headers: Any = {"Content-Type": "application/xml"}
        return AWSResponse(request.url, 200, headers, body)

    client = catalog._open("offsite")._source._connection.client
    client.meta.events.register("before-send.s3.ListObjectVersions", instead)
    with pytest.raises(CouldNotVerify, match="its answer cannot be understood") as caught:
        drain(catalog.points("offsite"))
    assert caught.value.code == "list-failed"


def test_times_of_a_store_are_in_utc(s3_server: Any, catalog_of: Any, drain: Any) -> None:
    bucket = s3_server.bucket()
    s3_server.client().put_object(Bucket=bucket, Key="a.dump", Body=b"PGDMP1")
    (point,), _ = drain(catalog_of(bucket).points("offsite"))
    assert point.taken_at.tzinfo is UTC
