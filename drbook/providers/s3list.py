"""Listing a bucket: every version of every dump, what hides it, and the manifests beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from heapq import merge
from typing import Any, Protocol

from drbook.core.errors import CouldNotVerify
from drbook.core.ports import Cancel
from drbook.core.signals import Progress, Signal, Working
from drbook.core.values import plain
from drbook.providers.naming import MANIFEST
from drbook.providers.s3client import STORE_ERRORS, S3Connection, code_of, explain, not_offered
from drbook.providers.s3sieve import Listing, Sieve, Stored

MAX_OBJECTS = 1_000_000
"""Versions that are listed at most; a longer list is an error, never a part shown as the whole."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of a bucket is listed."""

    prefixes: tuple[str, ...]
    """One after the other, until there are as many dumps as are kept."""
    keep: int
    """The newest dumps stay."""
    only: str | None = None
    """This key with its manifest, and nothing else."""


def list_bucket(connection: S3Connection, cancel: Cancel, wanted: Wanted) -> Working[Listing]:
    """The newest dumps of what is wanted, in every version where versions can be listed.

    Raises CouldNotVerify where the list cannot be read to its end.
    """
    try:
        return (yield from _listing(_Versions(connection), cancel, wanted))
    except STORE_ERRORS as error:
        if not may_list_current(error):
            raise incomplete(connection, error) from None
    try:
        return (yield from _listing(_Current(connection), cancel, wanted))
    except STORE_ERRORS as error:
        raise incomplete(connection, error) from None


def may_list_current(error: Exception) -> bool:
    """Without the right to see versions the current objects may still be listed."""
    return not_offered(error) or code_of(error) in ("AccessDenied", "InvalidArgument")


def _listing(pages: _Pages, cancel: Cancel, wanted: Wanted) -> Working[Listing]:
    """Once, where the store lists in the order of keys, as S3 does; else again, forgetting nothing."""
    prefix = pages.connection.place.prefix
    sieve = Sieve(wanted.keep, prefix, only=wanted.only)
    done = yield from _sift(pages, cancel, wanted, sieve)
    if sieve.missed:
        sieve = Sieve(wanted.keep, prefix, only=wanted.only, patient=True)
        done = yield from _sift(pages, cancel, wanted, sieve)
    return sieve.listing(versions_known=pages.versions_known, prefixes=done)


def _sift(pages: _Pages, cancel: Cancel, wanted: Wanted, sieve: Sieve) -> Working[tuple[str, ...]]:
    """The prefixes that were listed."""
    seen = 0
    done: list[str] = []
    for prefix in wanted.prefixes:
        if done and sieve.full:
            break
        done.append(prefix)
        sieve.begin()
        for page in pages.of(prefix):
            cancel.raise_if_requested()
            for entry in pages.entries(page):
                seen += isinstance(entry, Stored)
                if wanted.only is not None and entry.key not in (
                    wanted.only,
                    wanted.only + MANIFEST,
                ):
                    continue
                if isinstance(entry, Stored):
                    sieve.stored(entry)
                else:
                    sieve.marked(entry.key, entry.version)
            if seen > MAX_OBJECTS:
                raise _too_many()
            yield _progress(pages.connection, seen)
    return tuple(done)


def stored_under(connection: S3Connection, cancel: Cancel, prefix: str) -> Working[list[Stored]]:
    """Every current object there, whatever it is. Raises CouldNotVerify, and the store's own errors."""
    pages = _Current(connection)
    found: list[Stored] = []
    for page in pages.of(prefix):
        cancel.raise_if_requested()
        found += [entry for entry in pages.entries(page) if isinstance(entry, Stored)]
        if len(found) > MAX_OBJECTS:
            raise _too_many()
        yield _progress(connection, len(found))
    return found


# --- pages -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Marker:
    """A delete marker that is the newest version of its key."""

    key: str
    version: str


class _Pages(Protocol):
    """One of the two lists that a store offers."""

    connection: S3Connection
    versions_known: bool

    def of(self, prefix: str) -> Iterator[Mapping[str, Any]]: ...

    def entries(self, page: Mapping[str, Any]) -> Iterator[Stored | Marker]:
        """In the order of their keys."""


class _Versions:
    """Implements `_Pages` with every version and delete marker."""

    versions_known = True

    def __init__(self, connection: S3Connection) -> None:
        self.connection = connection
        self._pinned: bool | None = None

    def of(self, prefix: str) -> Iterator[Mapping[str, Any]]:
        if self._pinned is None:
            # Where versioning was never on, every version is called "null" and pins nothing.
            self._pinned = _is_versioned(self.connection)
        pages = self.connection.client.get_paginator("list_object_versions")
        return _whole(pages.paginate(**_ask(self.connection, prefix)))

    def entries(self, page: Mapping[str, Any]) -> Iterator[Stored | Marker]:
        versions: Iterator[Stored | Marker] = (
            _stored(entry, entry.get("VersionId") if self._pinned else None, entry["IsLatest"])
            for entry in page.get("Versions", ())
        )
        markers: Iterator[Stored | Marker] = (
            Marker(entry["Key"], entry.get("VersionId", ""))
            for entry in page.get("DeleteMarkers", ())
            if entry["IsLatest"]
        )
        return merge(versions, markers, key=lambda entry: entry.key)


class _Current:
    """Implements `_Pages` with the current objects."""

    versions_known = False

    def __init__(self, connection: S3Connection) -> None:
        self.connection = connection

    def of(self, prefix: str) -> Iterator[Mapping[str, Any]]:
        pages = self.connection.client.get_paginator("list_objects_v2")
        return _whole(pages.paginate(**_ask(self.connection, prefix)))

    def entries(self, page: Mapping[str, Any]) -> Iterator[Stored | Marker]:
        return (_stored(entry, None, True) for entry in page.get("Contents", ()))


def _ask(connection: S3Connection, prefix: str) -> dict[str, Any]:
    return {"Bucket": connection.place.bucket, "Prefix": prefix, **connection.owner}


def _whole(pages: Any) -> Iterator[Mapping[str, Any]]:
    for page in pages:
        must_be_a_list(page)
        yield page


def must_be_a_list(page: Mapping[str, Any]) -> None:
    """Raises CouldNotVerify where a page does not say whether more follows, as every S3 list does."""
    if "IsTruncated" not in page:
        raise CouldNotVerify(
            "What answered is no S3 list: it does not say whether it is whole.",
            means="Nobody knows what is stored there; a sign-in page or a proxy may have answered.",
            next="Check the endpoint in the runbook, and what lies between it and this machine.",
            code="not-s3",
        )


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


def _progress(connection: S3Connection, count: int) -> Signal:
    return Progress(f"list {connection.place.location}", count, None, "objects")


def _too_many() -> CouldNotVerify:
    return CouldNotVerify(
        f"There are more than {MAX_OBJECTS:,} objects under this prefix.",
        means="The list of recovery points would not be whole.",
        next="Give a narrower prefix in the runbook, or declare by `keys` where the date stands.",
        code="list-too-long",
    )


def incomplete(connection: S3Connection, error: Exception) -> CouldNotVerify:
    """What a list that broke off means."""
    why = explain(error)
    return CouldNotVerify(
        f"{plain(connection.place.location, 300)} cannot be listed: {why.reason}.",
        means="Recovery points there are unknown; this is not the same as none.",
        next=why.next,
        code="list-failed",
    )
