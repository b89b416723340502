"""A store is asked about its own bucket: moto as AWS, the real S3 server, and answers that are odd."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import Stubber
from support.aws import moto, operator
from support.s3 import S3Server

from drbook.core.bucketfacts import StoreFacts, all_denied, power_of
from drbook.core.bucketpolicy import Caller, Effect
from drbook.core.credentials import Might
from drbook.core.errors import Refused
from drbook.core.points import Answer
from drbook.providers.bucketask import ask_bucket, ask_store, policy_of
from drbook.providers.credvalues import Held
from drbook.providers.hiding import Secret
from drbook.providers.iamask import open_asker
from drbook.providers.s3client import S3Connection
from drbook.providers.s3config import S3Place
from drbook.providers.s3guard import ASK_POWERS

USER = "arn:aws:iam::123456789012:user/writer"
CALLER = Caller(account="123456789012", arns=(USER,))


def policy(bucket: str, principal: object, *actions: str, effect: str = "Deny") -> str:
    there = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    statement = {"Effect": effect, "Principal": principal, "Action": list(actions)}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement | {"Resource": there}]})


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with moto() as endpoint:
        yield endpoint


def held(key: str, secret: str) -> Held:
    return Held("12345678", "s3 key", Secret(secret), Secret(key), Secret(""))


def place(endpoint: str, bucket: str) -> S3Place:
    return S3Place(endpoint=endpoint, bucket=bucket, prefix="nightly/", region="us-east-1")


def test_what_moto_tells_of_a_bucket_that_is_well_kept(aws: str) -> None:
    s3 = operator(aws, "s3")
    s3.create_bucket(
        Bucket="kept",
        CreateBucketConfiguration={"LocationConstraint": "eu-central-1"},
        ObjectLockEnabledForBucket=True,
    )
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 30}}
    lock = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    s3.put_object_lock_configuration(Bucket="kept", ObjectLockConfiguration=lock)
    s3.put_bucket_lifecycle_configuration(
        Bucket="kept",
        LifecycleConfiguration={
            "Rules": [
                rule_of("nightly/", 14),
                rule_of("weekly/", 2),
                rule_of("", 9) | {"Status": "Disabled"},
            ]
        },
    )
    s3.put_bucket_policy(Bucket="kept", Policy=policy("kept", "*", "s3:*"))
    text = policy_of(s3, "kept")
    told = ask_bucket(s3, "kept", "nightly/", CALLER, text)
    assert told.versioned is Answer.PASS
    assert told.locked == "compliance for 30 days"
    assert told.hidden_days == 14
    assert told.writers == ()
    denied = all_denied(told, Answer.PASS)
    assert denied
    assert all(one.everybody for one in denied)


def rule_of(prefix: str, days: int) -> dict[str, Any]:
    gone = {"NoncurrentVersionExpiration": {"NoncurrentDays": days}}
    return {"ID": prefix or "all", "Status": "Enabled", "Filter": {"Prefix": prefix}} | gone


def test_what_moto_tells_of_a_bucket_that_is_not(aws: str) -> None:
    s3 = operator(aws, "s3")
    s3.create_bucket(
        Bucket="open", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    everybody = 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'
    s3.put_bucket_acl(Bucket="open", GrantWrite=everybody, GrantRead=everybody)
    told = ask_store(held("operator", "operator"), place(aws, "open"))
    assert (told.versioned, told.rulings, told.hidden_days) == (Answer.FAIL, (), None)
    assert told.writers == ("AllUsers",)
    assert told.locked == ""


ACTIONS = ("s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObject")


@pytest.mark.parametrize("identity", ["admin", "reader", "stranger"])
def test_at_a_real_store_no_policy_makes_a_key_harmless(identity: str, s3_server: S3Server) -> None:
    """What SeaweedFS tells each of them; a denial is told, and is no proof there."""
    bucket = s3_server.bucket("asked", versioned=True)
    s3_server.client().put_bucket_policy(Bucket=bucket, Policy=policy(bucket, "*", *ACTIONS))
    told = ask_store(held(*s3_server.keys(identity)), place(s3_server.endpoint, bucket))
    power = power_of("offsite", told, versioned=Answer.UNKNOWN, lock=Answer.FAIL)
    assert power.might is Might.UNKNOWN, power.reason
    if identity == "admin":
        assert told.versioned is Answer.PASS
        ruling = told.ruling("s3:DeleteObjectVersion")
        assert ruling is not None
        assert ruling.effect is Effect.DENIED


def test_at_a_real_store_what_everybody_may_delete_is_said(s3_server: S3Server) -> None:
    bucket = s3_server.bucket("asked")
    text = policy(bucket, "*", *ACTIONS, effect="Allow")
    s3_server.client().put_bucket_policy(Bucket=bucket, Policy=text)
    told = ask_store(held(*s3_server.keys()), place(s3_server.endpoint, bucket))
    power = power_of("offsite", told, versioned=Answer.UNKNOWN, lock=Answer.FAIL)
    assert power.might is Might.DESTROYS, power.reason


def test_a_store_that_is_not_there_tells_nothing() -> None:
    told = ask_store(held("k" * 16, "s" * 40), place("http://127.0.0.1:1", "nowhere"))
    assert told == StoreFacts()


QUESTIONS = (
    "get_bucket_policy",
    "get_bucket_policy_status",
    "get_bucket_versioning",
    "get_object_lock_configuration",
    "get_bucket_lifecycle_configuration",
    "get_bucket_acl",
)


@pytest.mark.parametrize(
    "code", ["AccessDenied", "NotImplemented", "InternalError", "NoSuchBucket"]
)
def test_what_is_refused_is_unknown(code: str) -> None:
    s3 = open_asker("AKIA" + "Q" * 16, "s" * 40, "").s3
    with Stubber(s3) as stub:
        for name in QUESTIONS:
            stub.add_client_error(name, code, http_status_code=403)
        told = ask_bucket(s3, "b" * 3, "", CALLER, policy_of(s3, "b" * 3))
        stub.assert_no_pending_responses()
    assert told == StoreFacts()


def test_it_can_change_nothing_at_a_store(aws: str) -> None:
    given = {"access_key": "env:K", "secret_key": "env:S"}
    asked = place(aws, "kept").model_copy(update=given)
    connection = S3Connection(asked, lambda _: Secret("operator"), ASK_POWERS)
    for call in (
        lambda: connection.client.delete_bucket_policy(Bucket="kept"),
        lambda: connection.client.put_bucket_acl(Bucket="kept", ACL="private"),
        lambda: connection.client.get_object(Bucket="kept", Key="x"),
        lambda: connection.client.list_objects_v2(Bucket="kept"),
    ):
        with pytest.raises(Refused):
            call()
