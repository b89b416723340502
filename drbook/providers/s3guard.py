"""The guard around AWS and stores that speak S3: a session may make the calls on its allow-list, and no other.

It stands on the session's event system, so that every client, resource, paginator, waiter and
transfer of that session meets it. `before-call` sees every request; presigning never gets there,
so `before-sign` is watched as well; and `before-send` looks at what goes over the wire, for handlers
in between may change a request that was well. HTTP verbs say nothing about effects (many reading
calls of AWS are POST), therefore operations are named one by one, and the verb only has to fit.
CRT-based transfers bypass these events, and the clients here never use them. Whoever unregisters
handlers, or makes a session of its own from the credentials, is trusted code and can pass.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from drbook.core.errors import Refused
from drbook.core.values import plain
from drbook.providers.s3own import OWN, OwnObject

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

READ_SNAPSHOTS: Allowed = frozenset(
    {
        ("backup", "DescribeBackupVault"),
        ("backup", "ListRecoveryPointsByBackupVault"),
        ("ec2", "DescribeLockedSnapshots"),
        ("ec2", "DescribeSnapshots"),
        ("ec2", "ListSnapshotsInRecycleBin"),
        ("kms", "DescribeKey"),
        ("rds", "DescribeDBClusterAutomatedBackups"),
        ("rds", "DescribeDBClusterSnapshots"),
        ("rds", "DescribeDBInstanceAutomatedBackups"),
        ("rds", "DescribeDBSnapshots"),
        ("sts", "GetCallerIdentity"),
    }
)
"""For snapshots of RDS and EBS and the recovery points of AWS Backup: they are listed, and no more."""

KEEP_BASELINES: Allowed = frozenset(
    {("s3", "GetObject"), ("s3", "ListObjectsV2"), ("s3", "PutObject")}
)
"""For the baseline store, whose `PutObject` is bound to one bucket and prefix as well."""

KEEP_RECORD: Allowed = KEEP_BASELINES | {("s3", "ListObjectVersions")}
"""For a mirror of the record: its own session, whose `PutObject` is bound to one incident's prefix.
It may set a retention on what it creates; it can neither delete nor overwrite."""

PROVE_LOCKS: Allowed = frozenset(
    ("s3", name)
    for name in (
        "DeleteObject",
        "GetObject",
        "GetObjectLockConfiguration",
        "GetObjectRetention",
        "HeadObject",
        "ListObjectVersions",
        "PutObject",
        "PutObjectRetention",
    )
)
"""For a lock's proof, whose writing calls are bound to one object of its own (`providers.s3own`)."""

ASK_POWERS: Allowed = frozenset(
    {
        ("iam", "ListAttachedUserPolicies"),
        ("iam", "SimulatePrincipalPolicy"),
        ("s3", "GetBucketAcl"),
        ("s3", "GetBucketLifecycleConfiguration"),
        ("s3", "GetBucketPolicy"),
        ("s3", "GetBucketPolicyStatus"),
        ("s3", "GetBucketVersioning"),
        ("s3", "GetObjectLockConfiguration"),
        ("sts", "GetCallerIdentity"),
    }
)
"""What a credential that was found may be asked about itself; nothing is tried with it."""

_CREDENTIALS: Allowed = frozenset(
    {
        ("sso", "GetRoleCredentials"),
        ("sso-oidc", "CreateToken"),
        ("sts", "AssumeRole"),
        ("sts", "AssumeRoleWithWebIdentity"),
    }
)
"""How a profile gets its credentials. Nothing is changed by it but the session itself."""


_WHOSE = frozenset({"sso", "sso-oidc", "sts"})
"""Services that say whose credentials these are, or give them: at AWS itself, whatever the endpoint."""


def guard(
    session: "Session",
    allowed: Allowed,
    *,
    writes_to: tuple[str, str] | None = None,
    endpoint: str | None = None,
    own: OwnObject | None = None,
    signs_in: bool = True,
) -> None:
    """Put the guard on a session. `writes_to` is the (bucket, prefix) that PutObject may create in;
    `endpoint` the only place that S3 requests may go to, where there is one; `own` the only object that
    may be deleted, changed or overwritten. Without `signs_in` it has its keys and gets no others.

    From then on every other call of that session raises Refused before anything is sent.
    """
    permitted = allowed | (_CREDENTIALS if signs_in else frozenset())

    def check(service: str, operation: str) -> None:
        if (service, operation) not in permitted:
            raise _refusal(f"{service}:{operation}")

    def before_call(
        model: Any, params: Mapping[str, Any], context: Mapping[str, Any], **_: object
    ) -> None:
        check(model.service_model.service_id.hyphenize(), model.name)
        creates = params["headers"].get("If-None-Match") == "*" or context.get(_CHECKED) == _OVER
        if model.name == "PutObject" and not (context.get(_CHECKED) and creates):
            raise _refusal("s3:PutObject that was not checked")
        if model.name in OWN and not context.get(_CHECKED):
            raise _refusal(f"s3:{model.name} that was not checked")

    locks = allowed >= KEEP_RECORD or own is not None
    fields = _PUT_FIELDS | _LOCK_FIELDS if locks else _PUT_FIELDS

    def before_put(params: Mapping[str, Any], context: dict[str, Any], **_: object) -> None:
        over = own is not None and own.overwrites(params)
        _check_put(params, writes_to, fields, over=over)
        context[_CHECKED] = _OVER if over else True

    def before_own(
        params: Mapping[str, Any], model: Any, context: dict[str, Any], **_: object
    ) -> None:
        why = own.why_not(model.name, params) if own is not None else "on what is not its own"
        if why:
            raise _refusal(f"s3:{model.name} {why}")
        context[_CHECKED] = True

    def before_sign(
        operation_name: str, signature_version: object, event_name: str, **_: object
    ) -> None:
        check(event_name.split(".")[1], operation_name)
        # A presigned request is sent later by somebody else, where nothing watches it.
        if str(signature_version).endswith(("-query", "-presign-post")):
            raise _refusal(f"a presigned {operation_name}")

    def before_send(request: Any, event_name: str, **_: object) -> None:
        service, operation = event_name.split(".")[1:]
        check(service, operation)
        wrong = []
        if service not in _WHOSE:
            wrong.append(_elsewhere(request.url, endpoint))
        if operation in OWN:
            wrong.append(
                own.why_not_sent(request, operation, endpoint) if own is not None else "at all"
            )
        else:
            wrong.append(_not_as_called(request, service, operation))
        if operation == "PutObject":
            wrong.append(_no_creation(request, writes_to, endpoint, own))
        if why := next(filter(None, wrong), ""):
            raise _refusal(f"{service}:{operation} {why}")

    events = session.get_component("event_emitter")
    events.register_first("before-call", before_call, unique_id="drbook-guard-call")
    events.register_first("before-sign", before_sign, unique_id="drbook-guard-sign")
    # Last, so that no other handler changes the parameters after the look at them.
    events.register_last(
        "before-parameter-build.s3.PutObject", before_put, unique_id="drbook-guard-put"
    )
    for name in sorted(OWN):
        events.register_last(
            f"before-parameter-build.s3.{name}", before_own, unique_id=f"drbook-guard-{name}"
        )
    events.register_last("before-send", before_send, unique_id="drbook-guard-send")


_CHECKED = "drbook-put-checked"
_OVER = "over its own"
_PUT_FIELDS = frozenset({"Bucket", "Key", "Body", "IfNoneMatch", "ContentType"}) | {
    "ExpectedBucketOwner",
    "ChecksumSHA256",
    "ChecksumAlgorithm",
    "ContentLength",
}
_LOCK_FIELDS = frozenset({"ObjectLockMode", "ObjectLockRetainUntilDate"})


def _check_put(
    params: Mapping[str, Any],
    writes_to: tuple[str, str] | None,
    fields: frozenset[str],
    *,
    over: bool = False,
) -> None:
    """A put creates a new object in one place, and overwrites nothing but an object of its own."""
    if writes_to is None:
        raise _refusal("s3:PutObject")
    bucket, prefix = writes_to
    key = str(params.get("Key", ""))
    if params.get("Bucket") != bucket or not _below(key, prefix):
        raise _refusal(f"s3:PutObject to {params.get('Bucket')}/{key}")
    if params.get("IfNoneMatch") != "*" and not over:
        raise _refusal("s3:PutObject that could overwrite")
    others = params.keys() - fields
    if others:
        raise _refusal(f"s3:PutObject with {', '.join(sorted(others))}")


def _below(key: str, prefix: str) -> bool:
    """Whether a key lies under a prefix, however a proxy or a store reads `..` and empty names."""
    rest = key.removeprefix(prefix)
    return key.startswith(prefix) and not {"", ".", ".."} & set(rest.split("/"))


# --- what goes over the wire ---------------------------------------------------------------------


def _not_as_called(request: Any, service: str, operation: str) -> str:
    """Why a request is another one than its operation. S3's verbs follow from its operations' names; other
    services name the operation in the body or in a header, or read by GET only."""
    if service in ("ec2", "rds"):
        named = parse_qs(_text(request.body)).get("Action", [])
        return "" if named == [operation] else f"that is sent as {', '.join(named) or 'another'}"
    if service == "kms":
        named_in = _text(request.headers.get("X-Amz-Target", ""))
        return "" if named_in == f"TrentService.{operation}" else f"that is sent as {named_in}"
    if service == "backup":
        return "" if request.method == "GET" else f"that is sent as {request.method}"
    if service != "s3":
        return ""
    verbs = {"GET", "HEAD"} if operation.startswith(("Get", "List", "Head")) else {"PUT"}
    return "" if request.method in verbs else f"that is sent as {request.method}"


def _text(data: object) -> str:
    """What goes over the wire, as text; empty where it is a stream, which these services never send."""
    if isinstance(data, bytes):
        return data.decode("utf-8", "replace")
    return data if isinstance(data, str) else ""


def _elsewhere(url: str, endpoint: str | None) -> str:
    """Why a request does not go to the endpoint; empty where it does, or where AWS itself is meant."""
    if endpoint is None:
        return ""
    wanted, found = urlsplit(endpoint), urlsplit(url)
    at = found.netloc == wanted.netloc or found.netloc.endswith("." + wanted.netloc)
    if found.scheme == wanted.scheme and at and "@" not in found.netloc:
        return ""
    return f"that goes to {found.scheme}://{found.netloc}"


def _no_creation(
    request: Any,
    writes_to: tuple[str, str] | None,
    endpoint: str | None,
    own: OwnObject | None = None,
) -> str:
    """Why a put does not create one object in its one place."""
    if writes_to is None:
        return "that has no place"
    bucket, prefix = writes_to
    parts, base = urlsplit(request.url), urlsplit(endpoint or "")
    in_host = parts.netloc.startswith(bucket + ".") and parts.netloc != base.netloc
    root = base.path.rstrip("/") + ("/" if in_host else f"/{bucket}/")
    path = unquote(parts.path)
    if parts.query or not path.startswith(root) or not _below(path.removeprefix(root), prefix):
        return "that goes elsewhere"
    if own is not None and own.versions and own.path_of(request.url, endpoint) == own.key:
        return ""
    condition = request.headers.get("If-None-Match")
    return "" if condition in ("*", b"*") else "that could overwrite"


def _refusal(what: str) -> Refused:
    return Refused(
        f"The guard refused {plain(what, 300)}: backups are read, never changed.",
        means="The request was not sent; nothing was changed.",
        next="This is an error in drbook or a plug-in: report it with the incident's journal.",
        code="guard-s3",
    )
