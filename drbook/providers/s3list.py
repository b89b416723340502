"""Listing a bucket: every version of every dump, what hides it, and the manifests beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from drbook.core.errors import CouldNotVerify
from drbook.core.ports import Cancel
from drbook.core.signals import Progress, Signal, Working
from drbook.core.values import plain
from drbook.providers.naming import MANIFEST, is_dump, is_manifest
from drbook.providers.s3client import STORE_ERRORS, S3Connection, code_of, explain, not_offered

MAX_OBJECTS = 1_000_000
"""Versions that are listed at most; a longer list is an error, never a part shown as the whole."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of one key."""

    key: str
    version: str | None
    size: int
    stored_at: datetime
    etag: str
    latest: bool


@dataclass(slots=True)
class Listing:
    """All dumps and manifests under a prefix, at one moment."""

    dumps: list[Stored] = field(default_factory=list)
    manifests: dict[str, list[Stored]] = field(default_factory=dict)
    """The described key → its manifest's versions."""
    markers: Mapping[str, str] = field(default_factory=dict)
    """Keys with a delete marker on top → the marker's own version id, empty where it has none."""
    versions_known: bool = False

    def hidden(self, key: str) -> bool | None:
        return key in self.markers if self.versions_known else None

    def manifest_of(self, dump: Stored) -> Stored | None:
        """The manifest version that was stored nearest to the dump: a pair is written together."""
        return min(
            self.manifests.get(dump.key, ()),
            key=lambda found: abs(found.stored_at - dump.stored_at),
            default=None,
        )


def list_bucket(
    connection: S3Connection, cancel: Cancel, *, only: str | None = None
) -> Working[Listing]:
    """Everything under the place's prefix, or the key `only`.

    Raises CouldNotVerify where the list cannot be read to its end.
    """
    try:
        return (yield from _versions(connection, cancel, only))
    except STORE_ERRORS as error:
        # Without the right to see versions the current objects may still be listed.
        if not (not_offered(error) or code_of(error) in ("AccessDenied", "InvalidArgument")):
            raise _incomplete(connection, error) from None
    try:
        return (yield from _current(connection, cancel, only))
    except STORE_ERRORS as error:
        raise _incomplete(connection, error) from None


def _versions(connection: S3Connection, cancel: Cancel, only: str | None) -> Working[Listing]:
    ask: dict[str, Any] = {
        "Bucket": connection.place.bucket,
        "Prefix": connection.place.prefix if only is None else only,
        **connection.owner,
    }
    # Where versioning was never on, every version is called "null" and pins nothing.
    pinned = _is_versioned(connection)
    found: list[Stored] = []
    markers: dict[str, str] = {}
    pages = connection.client.get_paginator("list_object_versions").paginate(**ask)
    for page in _each(pages):
        cancel.raise_if_requested()
        for entry in page.get("Versions", ()):
            found.append(
                _stored(entry, entry.get("VersionId") if pinned else None, entry["IsLatest"])
            )
        for each in page.get("DeleteMarkers", ()):
            if each["IsLatest"]:
                markers[each["Key"]] = each.get("VersionId", "")
        yield _progress(connection, len(found))
    return _sorted_out(found, markers, True, only)


def _current(connection: S3Connection, cancel: Cancel, only: str | None) -> Working[Listing]:
    prefix = connection.place.prefix if only is None else only
    found = yield from stored_under(connection, cancel, prefix)
    return _sorted_out(found, {}, False, only)


def stored_under(connection: S3Connection, cancel: Cancel, prefix: str) -> Working[list[Stored]]:
    """Every current object there, whatever it is. Raises CouldNotVerify, and the store's own errors."""
    ask: dict[str, Any] = {
        "Bucket": connection.place.bucket,
        "Prefix": prefix,
        **connection.owner,
    }
    found: list[Stored] = []
    for page in _each(connection.client.get_paginator("list_objects_v2").paginate(**ask)):
        cancel.raise_if_requested()
        found += [_stored(entry, None, True) for entry in page.get("Contents", ())]
        yield _progress(connection, len(found))
    return found


def _each(pages: Any) -> Iterator[Mapping[str, Any]]:
    count = 0
    for page in pages:
        if "IsTruncated" not in page:  # every S3 list says whether more follows
            raise CouldNotVerify(
                "What answered is no S3 list: it does not say whether it is whole.",
                means="Nobody knows what is stored there; a sign-in page or a proxy may have answered.",
                next="Check the endpoint in the runbook, and what lies between it and this machine.",
                code="not-s3",
            )
        count += len(page.get("Versions", ())) + len(page.get("Contents", ()))
        if count > MAX_OBJECTS:
            raise CouldNotVerify(
                f"There are more than {MAX_OBJECTS:,} objects under this prefix.",
                means="The list of recovery points would not be whole.",
                next="Give a narrower prefix in the runbook.",
                code="list-too-long",
            )
        yield page


def _is_versioned(connection: S3Connection) -> bool:
    try:
        answer = connection.client.get_bucket_versioning(
            Bucket=connection.place.bucket, **connection.owner
        )
    except STORE_ERRORS:
        # Not known: a version id is then pinned as listed, which is right in either case.
        return True
    return "Status" in answer


def _stored(entry: Mapping[str, Any], version: str | None, latest: bool) -> Stored:
    return Stored(
        key=entry["Key"],
        version=version,
        size=int(entry["Size"]),
        stored_at=entry["LastModified"].astimezone(UTC),
        etag=str(entry.get("ETag", "")),
        latest=latest,
    )


def _sorted_out(
    found: list[Stored], markers: Mapping[str, str], versions_known: bool, only: str | None
) -> Listing:
    manifests: dict[str, list[Stored]] = {}
    for each in found:
        if is_manifest(each.key):
            manifests.setdefault(each.key.removesuffix(MANIFEST), []).append(each)
    dumps = [
        each
        for each in found
        if not is_manifest(each.key)
        and not each.key.endswith("/")
        and (is_dump(each.key) or each.key in manifests)
        and (only is None or each.key == only)
    ]
    dumps.sort(key=lambda each: each.stored_at, reverse=True)
    return Listing(dumps, manifests, markers, versions_known)


def _progress(connection: S3Connection, count: int) -> Signal:
    return Progress(f"list {connection.place.location}", count, None, "objects")


def _incomplete(connection: S3Connection, error: Exception) -> CouldNotVerify:
    why = explain(error)
    return CouldNotVerify(
        f"{plain(connection.place.location, 300)} cannot be listed: {why.reason}.",
        means="Recovery points there are unknown; this is not the same as none.",
        next=why.next,
        code="list-failed",
    )
