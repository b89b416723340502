"""The allow-lists of the S3 guard, operation by operation: all that botocore knows, and what may pass."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import botocore.session
import pytest
from botocore.hooks import HierarchicalEmitter

from drbook.core.errors import Refused
from drbook.providers.s3guard import KEEP_BASELINES, READ_BACKUPS, guard

CREDENTIALS = {
    ("sso", "GetRoleCredentials"),
    ("sso-oidc", "CreateToken"),
    ("sts", "AssumeRole"),
    ("sts", "AssumeRoleWithWebIdentity"),
}
READING = CREDENTIALS | {
    ("sts", "GetCallerIdentity"),
    ("s3", "GetBucketLifecycleConfiguration"),
    ("s3", "GetBucketLocation"),
    ("s3", "GetBucketPolicy"),
    ("s3", "GetBucketReplication"),
    ("s3", "GetBucketVersioning"),
    ("s3", "GetObject"),
    ("s3", "GetObjectLegalHold"),
    ("s3", "GetObjectLockConfiguration"),
    ("s3", "GetObjectRetention"),
    ("s3", "HeadBucket"),
    ("s3", "HeadObject"),
    ("s3", "ListObjectVersions"),
    ("s3", "ListObjectsV2"),
}
KEEPING = CREDENTIALS | {("s3", "GetObject"), ("s3", "ListObjectsV2"), ("s3", "PutObject")}
SERVICES = ("s3", "sts", "sso", "sso-oidc", "iam", "s3control", "rds")


def operations(session: botocore.session.Session) -> Iterator[tuple[str, str]]:
    for service in SERVICES:
        model = session.get_service_model(service)
        yield from ((model.service_id.hyphenize(), name) for name in model.operation_names)


def watched(allowed: Any, writes_to: tuple[str, str] | None = None) -> HierarchicalEmitter:
    """Only the guard's own handlers, so that nothing has to be a whole request."""
    events = HierarchicalEmitter()
    session: Any = SimpleNamespace(get_component={"event_emitter": events}.__getitem__)
    guard(session, allowed, writes_to=writes_to)
    return events


def passes(events: Any, stage: str, service: str, operation: str, **more: Any) -> bool:
    named = SimpleNamespace(service_id=SimpleNamespace(hyphenize=lambda: service))
    given: dict[str, Any] = {
        "model": SimpleNamespace(service_model=named, name=operation),
        "params": {"headers": {"If-None-Match": "*"}},
        "context": {"drbook-put-checked": True},
        "operation_name": operation,
        "signature_version": "v4",
    }
    try:
        events.emit(f"{stage}.{service}.{operation}", **(given | more))
    except Refused:
        return False
    return True


@pytest.mark.parametrize("stage", ["before-call", "before-sign"])
@pytest.mark.parametrize(
    ("allowed", "expected"), [(READ_BACKUPS, READING), (KEEP_BASELINES, KEEPING)]
)
def test_what_is_on_no_list_is_not_called_and_not_signed(
    stage: str, allowed: Any, expected: set[tuple[str, str]]
) -> None:
    events = watched(allowed, ("b", "p/"))
    known = set(operations(botocore.session.Session()))
    assert expected <= known
    assert {each for each in known if passes(events, stage, *each)} == expected


@pytest.mark.parametrize(
    ("signature", "signed"),
    [("v4", True), ("s3v4", True), ("v4-query", False), ("s3v4-query", False), ("s3-query", False), ("s3v4-presign-post", False)],
)  # fmt: skip
def test_what_is_allowed_is_still_not_presigned(signature: str, signed: bool) -> None:
    found = passes(
        watched(READ_BACKUPS), "before-sign", "s3", "GetObject", signature_version=signature
    )
    assert found is signed


@pytest.mark.parametrize(
    ("context", "header", "called"),
    [(True, "*", True), (None, "*", False), (True, None, False), (True, '"etag"', False)],
)
def test_a_put_that_was_not_checked_or_lost_its_condition_is_not_called(
    context: Any, header: Any, called: bool
) -> None:
    found = passes(
        watched(KEEP_BASELINES, ("b", "p/")),
        "before-call",
        "s3",
        "PutObject",
        context={"drbook-put-checked": context},
        params={"headers": {"If-None-Match": header} if header else {}},
    )
    assert found is called


def put(writes_to: tuple[str, str] | None, **params: Any) -> dict[str, Any]:
    """The context after the look at a put's parameters. Raises Refused."""
    context: dict[str, Any] = {}
    given = {"Bucket": "b", "Key": "p/x", "IfNoneMatch": "*"} | params
    watched(KEEP_BASELINES, writes_to).emit(
        "before-parameter-build.s3.PutObject",
        params={name: value for name, value in given.items() if value is not None},
        context=context,
        model=SimpleNamespace(name="PutObject"),
    )
    return context


@pytest.mark.parametrize(
    "field",
    ["Body", "ContentType", "ExpectedBucketOwner", "ChecksumSHA256", "ChecksumAlgorithm", "ContentLength"],
)  # fmt: skip
def test_what_a_put_may_say(field: str) -> None:
    assert put(("b", "p/"), **{field: "x"}) == {"drbook-put-checked": True}


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"Bucket": "other"}, "s3:PutObject to other/p/x"),
        ({"Bucket": None}, "s3:PutObject to None/p/x"),
        ({"Key": "q/x"}, "s3:PutObject to b/q/x"),
        ({"Key": "p/"}, "s3:PutObject to b/p/"),
        ({"Key": None}, "s3:PutObject to b/"),
        ({"Key": "q\x1b"}, "s3:PutObject to b/q\\x1b"),
        ({"IfNoneMatch": None}, "s3:PutObject that could overwrite"),
        ({"IfNoneMatch": "x"}, "s3:PutObject that could overwrite"),
        ({"Tagging": "a=b", "ACL": "public-read"}, "s3:PutObject with ACL, Tagging"),
    ],
)
def test_what_a_put_may_not_say(params: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused) as caught:
        put(("b", "p/"), **params)
    assert caught.value.what.startswith(f"The guard refused {said}: ")


def test_without_a_place_nothing_is_put() -> None:
    with pytest.raises(Refused, match="refused s3:PutObject: ") as caught:
        put(None)
    assert caught.value.code == "guard-s3"
