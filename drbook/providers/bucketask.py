"""Asking a store about one bucket with a credential that was found: policy, access list, versions, lock and
lifecycle. Only read, under the guard; what is refused or not offered is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from drbook.core.bucketfacts import RULED, StoreFacts
from drbook.core.bucketpolicy import Caller, Ruling, rulings
from drbook.core.points import Answer
from drbook.core.values import plain
from drbook.providers.s3client import STORE_ERRORS, S3Connection, code_of
from drbook.providers.s3config import S3Place
from drbook.providers.s3guard import ASK_POWERS

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from drbook.providers.credvalues import Held

T = TypeVar("T")
POLICY_BYTES = 32 * 1024
"""What AWS takes of a bucket's policy is less."""
_WRITES = frozenset({"WRITE", "WRITE_ACP", "FULL_CONTROL"})
_ODD = (KeyError, TypeError, ValueError, AttributeError)
"""What an answer of another shape leads to."""


def ask_store(held: Held, place: S3Place) -> StoreFacts:
    """At a store of one's own, by the found keys alone. Never raises for what the store answers."""
    keys = {"env:K": held.key_id, "env:S": held.value, "env:T": held.token}
    given: dict[str, Any] = {"access_key": "env:K", "secret_key": "env:S", "profile": None}
    given["session_token"] = "env:T" if held.token.reveal() else None
    try:
        connection = S3Connection(
            place.model_copy(update=given), lambda reference: keys[reference], ASK_POWERS
        )
    except STORE_ERRORS:
        return StoreFacts()
    try:
        client, bucket = connection.client, place.bucket
        return ask_bucket(client, bucket, place.prefix, Caller(), policy_of(client, bucket))
    finally:
        connection.close()


def policy_of(s3: S3Client, bucket: str) -> str | None:
    """The text of a bucket's policy; empty where it has none, None where it was not told or is too long."""
    text = _asked(lambda: s3.get_bucket_policy(Bucket=bucket)["Policy"], NoSuchBucketPolicy="")
    return text if isinstance(text, str) and len(text) <= POLICY_BYTES else None


def ask_bucket(
    s3: S3Client,
    bucket: str,
    prefix: str,
    caller: Caller,
    policy: str | None,
    partition: str = "aws",
) -> StoreFacts:
    """Everything that the store tells of it; `policy` is as `policy_of` gives it. Never raises for what the
    store answers."""
    ruled: tuple[Ruling, ...] | None = None
    if policy is not None:
        ruled = rulings(policy, caller, bucket, prefix, RULED, partition) if policy else ()

    def rules() -> list[Any]:
        return [*s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]]

    return StoreFacts(
        rulings=ruled,
        public=_asked(
            lambda: s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"]
        ),
        versioned=_asked(lambda: _versioned(s3.get_bucket_versioning(Bucket=bucket)))
        or Answer.UNKNOWN,
        locked=_asked(
            lambda: _lock(s3.get_object_lock_configuration(Bucket=bucket)),
            ObjectLockConfigurationNotFoundError="",
        ),
        hidden_days=_hidden_days(_asked(rules), prefix),
        writers=_asked(lambda: _writers(s3.get_bucket_acl(Bucket=bucket))),
    )


def _asked(question: Callable[[], T], **absent: T) -> T | None:
    """The answer; of an error code that says that there is none, what stands for it; None for any other."""
    try:
        return question()
    except STORE_ERRORS as error:
        return absent.get(code_of(error))
    except _ODD:
        return None


def _versioned(told: Mapping[str, Any]) -> Answer:
    status = told.get("Status", "")
    return {"Enabled": Answer.PASS, "": Answer.FAIL, "Suspended": Answer.FAIL}.get(
        status, Answer.UNKNOWN
    )


def _lock(told: Mapping[str, Any]) -> str:
    rule = told["ObjectLockConfiguration"].get("Rule", {}).get("DefaultRetention", {})
    if not rule:
        return "possible, and none by default"
    length = f"{rule['Days']} days" if "Days" in rule else f"{rule['Years']} years"
    return plain(f"{str(rule['Mode']).lower()} for {length}", 60)


def _hidden_days(rules: list[Any] | None, prefix: str) -> int | None:
    """The soonest removal of hidden versions by a rule that is on and holds for something there."""
    try:
        found = [
            int(one["NoncurrentVersionExpiration"]["NoncurrentDays"])
            for one in rules or ()
            if one.get("Status") == "Enabled"
            and "NoncurrentDays" in one.get("NoncurrentVersionExpiration", {})
            and _overlap(_prefix_of(one), prefix)
        ]
    except _ODD:
        return None
    return min(found, default=None)


def _prefix_of(rule: Mapping[str, Any]) -> str:
    given = rule.get("Filter", {})
    return str(given.get("Prefix") or given.get("And", {}).get("Prefix") or rule.get("Prefix", ""))


def _overlap(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _writers(told: Mapping[str, Any]) -> tuple[str, ...]:
    owner = told.get("Owner", {}).get("ID", "")
    found = []
    for grant in told["Grants"]:
        grantee = grant["Grantee"]
        own = bool(owner) and grantee.get("ID") == owner
        if grant["Permission"] in _WRITES and not own:
            name = grantee.get("URI", "").rpartition("/")[2] or grantee.get("ID", "") or "somebody"
            found.append(plain(name, 80))
    return tuple(dict.fromkeys(found))
