"""What a bucket and one version in it answer about locks, versions, rules and ownership."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from drbook.core.points import LockFact, Observed, SourceFacts
from drbook.core.values import Json, plain
from drbook.providers.s3client import STORE_ERRORS, S3Connection, code_of, explain
from drbook.providers.s3config import S3Place

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NO_LOCK = frozenset({"ObjectLockConfigurationNotFoundError", "ObjectLockConfigurationNotFound"})
_NO_RETENTION = NO_LOCK | {"NoSuchObjectLockConfiguration"}
_NO_HOLD = _NO_RETENTION | {"NoSuchObjectLegalHold"}


def survey(connection: S3Connection, source: str) -> SourceFacts:
    """Ask the bucket. One that does not answer is described as unreachable, not raised."""
    client, place = connection.client, connection.place
    try:
        listed = client.list_objects_v2(
            Bucket=place.bucket, Prefix=place.prefix, MaxKeys=1, **connection.owner
        )
    except STORE_ERRORS as error:
        why = explain(error)
        return SourceFacts(
            source=source, reachable=False, why_unreachable=f"{why.reason}. {why.next}"
        )
    ask: Mapping[str, Any] = {"Bucket": place.bucket, **connection.owner}
    return SourceFacts(
        source=source,
        reachable=True,
        resource=place.bucket,
        account=_account(connection),
        versioned=_observe(lambda: client.get_bucket_versioning(**ask), _versioned),
        lock_default=lock_default(client, ask),
        deletes_replicated=_observe(
            lambda: client.get_bucket_replication(**ask),
            _replicated,
            {"ReplicationConfigurationNotFoundError": False},
        ),
        expires_after_days=_observe(
            lambda: client.get_bucket_lifecycle_configuration(**ask),
            lambda answer: _expiry(answer, place.prefix),
            {"NoSuchLifecycleConfiguration": None},
        ),
        policy_limits_deletes=_observe(
            lambda: client.get_bucket_policy(**ask),
            lambda answer: _limits(answer, place.bucket),
            {"NoSuchBucketPolicy": False},
        ),
        region=_region(listed),
    )


def lock_default(client: S3Client, ask: Mapping[str, Any]) -> Observed:
    """True where Object Lock is on for the bucket, False where the bucket says it has none."""
    return _observe(
        lambda: client.get_object_lock_configuration(**ask),
        lambda answer: (
            answer.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled"
        ),
        dict.fromkeys(NO_LOCK, False),
    )


def _observe(
    ask: Callable[[], Mapping[str, Any]],
    read: Callable[[Mapping[str, Any]], Json],
    meanings: Mapping[str, Json] | None = None,
) -> Observed:
    """The answer; `meanings` are error codes that are answers. Any other error leaves it unknown."""
    try:
        answer = ask()
    except STORE_ERRORS as error:
        code = code_of(error)
        if meanings is not None and code in meanings:
            return Observed(value=meanings[code])
        return Observed(why=explain(error).reason)
    try:
        return Observed(value=read(answer))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return Observed(why=f"its answer cannot be read ({type(error).__name__})")


def _account(connection: S3Connection) -> Observed:
    """The account of the credentials; who owns the bucket is proven where `expected_owner` holds."""
    place = connection.place
    if place.expected_owner is not None and place.endpoint is None:
        return Observed(value=place.expected_owner)
    if place.endpoint is not None:
        return Observed(why="an endpoint other than AWS does not say")
    try:
        sts = connection.sts()
        return Observed(
            why=f"the credentials are of account {sts.get_caller_identity()['Account']}; whose the "
            "bucket is, is not proven without expected_owner"
        )
    except STORE_ERRORS as error:
        return Observed(why=explain(error).reason)


def _region(listed: Mapping[str, Any]) -> Observed:
    """The region that AWS names in the header of every answer; other stores name none."""
    headers = listed.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region = headers.get("x-amz-bucket-region")
    return Observed(value=region) if region else Observed(why="its answers name no region")


def _versioned(answer: Mapping[str, Any]) -> bool:
    return answer.get("Status") == "Enabled"


def _replicated(answer: Mapping[str, Any]) -> bool:
    """Replication *from* here with delete markers; into here, nobody but the other side can say."""
    for rule in answer["ReplicationConfiguration"]["Rules"]:
        if rule.get("Status") != "Enabled":
            continue
        # Rules of the first generation (without Filter) always replicate delete markers.
        if (
            "Filter" not in rule
            or rule.get("DeleteMarkerReplication", {}).get("Status") == "Enabled"
        ):
            return True
    return False


def _expiry(answer: Mapping[str, Any], prefix: str) -> int | None:
    """The fewest days after which an enabled rule that may cover the prefix removes data.

    A rule for noncurrent versions counts as well: those are what an overwrite leaves behind.
    """
    days: list[int] = []
    for rule in answer.get("Rules", ()):
        if rule.get("Status") != "Enabled":
            continue
        condition = rule.get("Filter", {})
        covered = condition.get("Prefix", condition.get("And", {}).get("Prefix"))
        covered = rule.get("Prefix", "") if covered is None else covered
        if not (covered.startswith(prefix) or prefix.startswith(covered)):
            continue
        expiration = rule.get("Expiration", {})
        if "Days" in expiration:
            days.append(int(expiration["Days"]))
        elif "Date" in expiration:
            days.append(0)
        noncurrent = rule.get("NoncurrentVersionExpiration", {})
        if "NoncurrentDays" in noncurrent:
            days.append(int(noncurrent["NoncurrentDays"]))
    return min(days, default=None)


_DELETES = ("s3:deleteobject", "s3:deleteobjectversion")


def _limits(answer: Mapping[str, Any], bucket: str) -> bool:
    """True where the policy denies deletes of objects *and* versions to everybody unconditionally,
    or to everybody but the principals that one condition names."""
    statements = json.loads(answer["Policy"])["Statement"]
    denied: set[str] = set()
    for statement in [statements] if isinstance(statements, dict) else statements:
        if statement.get("Effect") == "Deny" and _everybody(statement) and _all(statement, bucket):
            denied |= {name for name in _DELETES if _names(statement.get("Action"), name)}
    return denied == set(_DELETES)


_EXCEPT = frozenset({"aws:principalarn", "aws:userid", "aws:principalaccount", "aws:username"})


def _everybody(statement: Mapping[str, Any]) -> bool:
    principal = statement.get("Principal")
    if principal not in ("*", {"AWS": "*"}, {"AWS": ["*"]}):
        return False
    for operator, keys in statement.get("Condition", {}).items():
        if operator not in ("ArnNotLike", "ArnNotEquals", "StringNotLike", "StringNotEquals"):
            return False
        if any(key.lower() not in _EXCEPT for key in keys):
            return False
    return True


def _all(statement: Mapping[str, Any], bucket: str) -> bool:
    resources = statement.get("Resource", ())
    listed = [resources] if isinstance(resources, str) else list(resources)
    return any(each in ("*", f"arn:aws:s3:::{bucket}/*", "arn:aws:s3:::*") for each in listed)


def _names(actions: object, wanted: str) -> bool:
    listed = [actions] if isinstance(actions, str) else list(actions or ())  # type: ignore[call-overload]
    for action in listed:
        text = str(action).lower()
        if text in ("*", wanted) or (text.endswith("*") and wanted.startswith(text[:-1])):
            return True
    return False


# --- one version -------------------------------------------------------------------------------


def lock_of(
    client: S3Client, where: Mapping[str, Any], bucket_lock: Observed, head: Mapping[str, Any]
) -> LockFact:
    """Retention and legal hold of one version.

    `head` is the version's HEAD answer: it shows a lock to whoever may see it, and its silence
    says nothing. `bucket_lock` False makes `InvalidRequest` the answer of a bucket without locks.
    """
    mode, until = head.get("ObjectLockMode"), head.get("ObjectLockRetainUntilDate")
    hold = head.get("ObjectLockLegalHoldStatus") == "ON"
    none = {"InvalidRequest"} if bucket_lock.known and bucket_lock.value is False else set()
    if mode is None:
        try:
            found = client.get_object_retention(**where).get("Retention", {})
            mode, until = found.get("Mode"), found.get("RetainUntilDate")
        except STORE_ERRORS as error:
            if code_of(error) not in _NO_RETENTION | none:
                return LockFact(legal_hold=hold, why_unknown=explain(error).reason)
    if not hold and "ObjectLockLegalHoldStatus" not in head:
        try:
            hold = client.get_object_legal_hold(**where).get("LegalHold", {}).get("Status") == "ON"
        except STORE_ERRORS as error:
            if code_of(error) not in _NO_HOLD | none and mode is None:
                return LockFact(why_unknown=f"legal hold: {explain(error).reason}")
    if mode not in (None, "COMPLIANCE", "GOVERNANCE"):
        return LockFact(why_unknown="the store names a kind of lock that is not known here")
    return LockFact(mode=mode, until=until, legal_hold=hold)


def unhiding(place: S3Place, key: str, markers: Mapping[str, str]) -> str:
    """The command that takes the delete marker off a key: the version below it is the current one again.

    In words where the key holds what cannot stand in a command line, or the marker has no id.
    """
    marker = markers.get(key, "")
    if not marker or plain(key) != key or plain(marker) != marker:
        return "remove the delete marker that is the newest version of its key"
    endpoint = ["--endpoint-url", place.endpoint] if place.endpoint is not None else []
    where = ["--bucket", place.bucket, "--key", key, "--version-id", marker]
    return shlex.join(["aws", "s3api", "delete-object", *endpoint, *where])
