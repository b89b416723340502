"""A mirror in a bucket: objects created with `If-None-Match: *` and a checksum, locked where asked."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from drbook.core.values import plain
from drbook.mirror.place import (
    MAX_NAMES,
    MAX_OBJECT,
    NO_CREDENTIALS,
    PROBE,
    MirrorConflict,
    MirrorDown,
    Stored,
)
from drbook.providers.s3client import (
    STORE_ERRORS,
    S3Connection,
    code_of,
    explain,
    not_offered,
    status_of,
)
from drbook.providers.s3config import S3Place
from drbook.providers.s3guard import KEEP_RECORD
from drbook.providers.secrets import Secrets

_NO_LOCK = frozenset({"InvalidRequest", "InvalidArgument", "ObjectLockConfigurationNotFoundError"})
"""What stores answer where a bucket has no Object Lock (FACTS: AWS, MinIO and SeaweedFS say 400)."""


class S3MirrorPlace:
    """Implements `mirror.place.Place` on a session that can do nothing but list and read the bucket
    and create objects under this incident's prefix."""

    def __init__(
        self,
        place: S3Place,
        prefix: str,
        secrets: Secrets,
        retain: timedelta | None = None,
    ) -> None:
        """Raises UsageError where credentials or profile cannot be read."""
        self._place = place
        self._prefix = prefix
        self._retain = retain
        self._no_lock = ""
        self._connection = S3Connection(
            place, secrets, KEEP_RECORD, writes_to=(place.bucket, prefix)
        )

    @property
    def location(self) -> str:
        return plain(f"s3://{self._place.bucket}/{self._prefix.rstrip('/')}", 400)

    @property
    def note(self) -> str:
        return self._no_lock

    # --- writing ----------------------------------------------------------------------------

    def create(self, name: str, data: bytes) -> bool:
        try:
            self._put(name, data)
        except STORE_ERRORS as error:
            if not _is_there(error):
                self._down(error, "written")
            return self._same(name, data)
        return True

    def _put(self, name: str, data: bytes) -> None:
        lock = self._lock(name)
        try:
            self._send(name, data, lock)
        except STORE_ERRORS as error:
            if not lock or not (code_of(error) in _NO_LOCK or not_offered(error)):
                raise
            self._send(name, data, {})  # as good as it goes, and said
            self._no_lock = "not locked: the bucket has no Object Lock"

    def _send(self, name: str, data: bytes, lock: dict[str, Any]) -> None:
        self._connection.client.put_object(
            Bucket=self._place.bucket,
            Key=self._prefix + name,
            Body=data,
            IfNoneMatch="*",
            ContentType="application/octet-stream",
            ChecksumSHA256=base64.b64encode(hashlib.sha256(data).digest()).decode("ascii"),
            **lock,
            **self._connection.owner,
        )

    def _lock(self, name: str) -> dict[str, Any]:
        if self._retain is None or self._no_lock or name == PROBE:
            return {}
        until = datetime.now(UTC).replace(microsecond=0) + self._retain
        return {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until}

    def _same(self, name: str, data: bytes) -> bool:
        theirs = self._get(name, None, max(MAX_OBJECT, len(data)))
        if theirs != data:
            raise MirrorConflict(f"{self.location} holds other bytes as {name}.", theirs)
        return False

    # --- reading ----------------------------------------------------------------------------

    def listed(self, folder: str) -> Sequence[Stored]:
        """With versions where the store has them: what somebody hid or overwrote later is still
        there, and what was created first is what drbook wrote."""
        try:
            return sorted(self._versions(folder), key=lambda stored: stored.name)
        except STORE_ERRORS as error:
            if not (not_offered(error) or status_of(error) == 403):
                self._down(error, "listed")
        try:
            return sorted(self._plain(folder), key=lambda stored: stored.name)
        except STORE_ERRORS as error:
            self._down(error, "listed")

    def _versions(self, folder: str) -> Iterator[Stored]:
        """Versions of a key come newest first, so the last one seen is the first one written."""
        first: dict[str, tuple[str, int]] = {}
        count: dict[str, int] = {}
        hidden: set[str] = set()
        for page in self._pages("list_object_versions", folder):
            for each in page.get("Versions", ()):
                self._bounded(len(first))
                first[each["Key"]] = (each["VersionId"], int(each["Size"]))
                count[each["Key"]] = count.get(each["Key"], 0) + 1
            hidden |= {each["Key"] for each in page.get("DeleteMarkers", ()) if each["IsLatest"]}
        for key, (version, size) in first.items():
            later = [f"written {count[key]} times"] if count[key] > 1 else []
            later += ["hidden by a delete marker"] if key in hidden else []
            pinned = version if later or version != "null" else None
            yield Stored(key.removeprefix(self._prefix), size, pinned, " and ".join(later))

    def _plain(self, folder: str) -> Iterator[Stored]:
        seen = 0
        for page in self._pages("list_objects_v2", folder):
            for each in page.get("Contents", ()):
                seen += 1
                self._bounded(seen)
                yield Stored(each["Key"].removeprefix(self._prefix), int(each["Size"]))

    def _pages(self, operation: Any, folder: str) -> Any:
        return self._connection.client.get_paginator(operation).paginate(
            Bucket=self._place.bucket, Prefix=self._prefix + folder, **self._connection.owner
        )

    def _bounded(self, count: int) -> None:
        if count > MAX_NAMES:
            raise MirrorDown(f"{self.location} holds more names than drbook writes.")

    def read(self, stored: Stored, limit: int = MAX_OBJECT) -> bytes:
        return self._get(stored.name, stored.version, limit)

    def _get(self, name: str, version: str | None, limit: int) -> bytes:
        pinned: dict[str, Any] = {"VersionId": version} if version else {}
        try:
            answer = self._connection.client.get_object(
                Bucket=self._place.bucket,
                Key=self._prefix + name,
                **pinned,
                **self._connection.owner,
            )
            with answer["Body"] as body:
                return body.read(limit + 1)
        except (*STORE_ERRORS, OSError) as error:
            self._down(error, "read")

    def close(self) -> None:
        self._connection.close()

    def _down(self, error: Exception, how: str) -> NoReturn:
        raise _failure(self.location, error, how) from None


def _failure(location: str, error: Exception, how: str) -> MirrorDown:
    why = explain(error)
    ours = why.code in ("no-credentials", "ExpiredToken")
    return MirrorDown(
        f"The mirror {location} cannot be {how}: {why.reason}.",
        means="What it lacks is on this machine alone.",
        next=why.next.replace("List the backups again.", "Look who deletes there."),
        code=NO_CREDENTIALS if ours else None,
    )


def folders_in(place: S3Place, prefix: str, secrets: Secrets) -> list[str]:
    """The names of the folders under a prefix. Raises MirrorDown."""
    connection = S3Connection(place, secrets, KEEP_RECORD)
    try:
        pages = connection.client.get_paginator("list_objects_v2").paginate(
            Bucket=place.bucket, Prefix=prefix, Delimiter="/", **connection.owner
        )
        return [
            each["Prefix"].removeprefix(prefix).rstrip("/")
            for page in pages
            for each in page.get("CommonPrefixes", ())
        ]
    except STORE_ERRORS as error:
        raise _failure(plain(f"s3://{place.bucket}/{prefix}", 400), error, "listed") from None
    finally:
        connection.close()


def _is_there(error: Exception) -> bool:
    return status_of(error) == 412 or code_of(error) == "PreconditionFailed"
