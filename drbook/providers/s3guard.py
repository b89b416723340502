"""The guard around S3: a session may make the calls on its allow-list, and no other.

It stands on the session's event system, so that every client, resource, paginator, waiter and
transfer of that session meets it. `before-call` sees every request; presigning never gets there,
so `before-sign` is watched as well. HTTP verbs say nothing about effects (many reading calls of AWS
are POST), therefore operations are named one by one. CRT-based transfers bypass these events, and
the clients here never use them. Whoever unregisters handlers is trusted code and can pass.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from drbook.core.errors import Refused
from drbook.core.values import plain

if TYPE_CHECKING:
    from botocore.session import Session

Allowed = frozenset[tuple[str, str]]
"""(service id, operation name), like `("s3", "GetObject")`."""

READ_BACKUPS: Allowed = frozenset(
    ("s3", name)
    for name in (
        "GetBucketLifecycleConfiguration",
        "GetBucketLocation",
        "GetBucketPolicy",
        "GetBucketReplication",
        "GetBucketVersioning",
        "GetObject",
        "GetObjectLegalHold",
        "GetObjectLockConfiguration",
        "GetObjectRetention",
        "HeadBucket",
        "HeadObject",
        "ListObjectVersions",
        "ListObjectsV2",
    )
) | {("sts", "GetCallerIdentity")}

KEEP_BASELINES: Allowed = frozenset(
    {("s3", "GetObject"), ("s3", "ListObjectsV2"), ("s3", "PutObject")}
)
"""For the baseline store, whose `PutObject` is bound to one bucket and prefix as well."""

KEEP_RECORD: Allowed = KEEP_BASELINES | {("s3", "ListObjectVersions")}
"""For a mirror of the record: its own session, whose `PutObject` is bound to one incident's prefix.
It may set a retention on what it creates; it can neither delete nor overwrite."""

_CREDENTIALS: Allowed = frozenset(
    {
        ("sso", "GetRoleCredentials"),
        ("sso-oidc", "CreateToken"),
        ("sts", "AssumeRole"),
        ("sts", "AssumeRoleWithWebIdentity"),
    }
)
"""How a profile gets its credentials. Nothing is changed by it but the session itself."""


def guard(
    session: "Session", allowed: Allowed, *, writes_to: tuple[str, str] | None = None
) -> None:
    """Put the guard on a session. `writes_to` is the (bucket, prefix) that PutObject may create in.

    From then on every other call of that session raises Refused before anything is sent.
    """
    permitted = allowed | _CREDENTIALS

    def check(service: str, operation: str) -> None:
        if (service, operation) not in permitted:
            raise _refusal(f"{service}:{operation}")

    def before_call(
        model: Any, params: Mapping[str, Any], context: Mapping[str, Any], **_: object
    ) -> None:
        check(model.service_model.service_id.hyphenize(), model.name)
        if model.name == "PutObject" and not (
            context.get(_CHECKED) and params["headers"].get("If-None-Match") == "*"
        ):
            raise _refusal("s3:PutObject that was not checked")

    fields = _PUT_FIELDS | _LOCK_FIELDS if allowed >= KEEP_RECORD else _PUT_FIELDS

    def before_put(params: Mapping[str, Any], context: dict[str, Any], **_: object) -> None:
        _check_put(params, writes_to, fields)
        context[_CHECKED] = True

    def before_sign(
        operation_name: str, signature_version: object, event_name: str, **_: object
    ) -> None:
        check(event_name.split(".")[1], operation_name)
        # A presigned request is sent later by somebody else, where nothing watches it.
        if str(signature_version).endswith(("-query", "-presign-post")):
            raise _refusal(f"a presigned {operation_name}")

    events = session.get_component("event_emitter")
    events.register_first("before-call", before_call, unique_id="drbook-guard-call")
    events.register_first("before-sign", before_sign, unique_id="drbook-guard-sign")
    # Last, so that no other handler changes the parameters after the look at them.
    events.register_last(
        "before-parameter-build.s3.PutObject", before_put, unique_id="drbook-guard-put"
    )


_CHECKED = "drbook-put-checked"
_PUT_FIELDS = frozenset({"Bucket", "Key", "Body", "IfNoneMatch", "ContentType"}) | {
    "ExpectedBucketOwner",
    "ChecksumSHA256",
    "ChecksumAlgorithm",
    "ContentLength",
}
_LOCK_FIELDS = frozenset({"ObjectLockMode", "ObjectLockRetainUntilDate"})


def _check_put(
    params: Mapping[str, Any], writes_to: tuple[str, str] | None, fields: frozenset[str]
) -> None:
    """A put creates a new object in one place, and overwrites nothing."""
    if writes_to is None:
        raise _refusal("s3:PutObject")
    bucket, prefix = writes_to
    key = str(params.get("Key", ""))
    if params.get("Bucket") != bucket or not key.startswith(prefix) or key == prefix:
        raise _refusal(f"s3:PutObject to {params.get('Bucket')}/{key}")
    if params.get("IfNoneMatch") != "*":
        raise _refusal("s3:PutObject that could overwrite")
    others = params.keys() - fields
    if others:
        raise _refusal(f"s3:PutObject with {', '.join(sorted(others))}")


def _refusal(what: str) -> Refused:
    return Refused(
        f"The guard refused {plain(what, 300)}: backups are read, never changed.",
        means="The request was not sent; nothing was changed.",
        next="This is an error in drbook or a plug-in: report it with the incident's journal.",
        code="guard-s3",
    )
