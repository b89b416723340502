"""One version's bytes in a bucket, readable from any offset and ended at once by a stop."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from drbook.core.errors import StepFailed
from drbook.core.ports import Cancel
from drbook.core.values import plain
from drbook.providers.s3client import STORE_ERRORS, S3Connection, code_of, explain, status_of
from drbook.providers.sources.base import Changed, Unreachable

_log = logging.getLogger(__name__)

CHUNK = 128 * 1024
"""Bytes at a time: on a slow line a stop is noticed after at most this much."""


class S3Blob:
    """One version's bytes, pinned by version and ETag."""

    def __init__(
        self,
        connection: S3Connection,
        where: Mapping[str, Any],
        head: Mapping[str, Any],
        location: str,
        cancel: Cancel,
    ) -> None:
        self._cancel = cancel
        self._client = connection.client
        self._where = where
        self._etag = str(head.get("ETag", ""))
        self._location = location
        self.size = int(head["ContentLength"])
        self.sha256 = _full_checksum(head)
        self.seen = seen_at(where.get("VersionId"), self.size, head.get("LastModified"))
        self.identity = f"{where.get('VersionId', '')} {self._etag} {self.size}"

    @contextmanager
    def read(self, offset: int) -> Iterator[Iterator[bytes]]:
        """Raises Unreachable, Changed, or StepFailed where the store says no for good."""
        ranged: dict[str, Any] = {"Range": f"bytes={offset}-"} if offset else {}
        match: dict[str, Any] = {"IfMatch": self._etag} if self._etag else {}
        try:
            answer = self._client.get_object(**self._where, **ranged, **match)
        except STORE_ERRORS as error:
            raise self._failure(error) from None
        body = answer["Body"]
        # A read that waits for a silent server ends at once where somebody asks for a stop.
        forget = self._cancel.on_request(lambda: _shut(body))
        try:
            if offset and not str(answer.get("ContentRange", "")).startswith(f"bytes {offset}-"):
                raise Changed("the store did not answer with the rest that was asked for")
            yield self._chunks(body)
        finally:
            forget()
            # Closing, not draining: what is left of a cancelled download is not read.
            body.close()

    def _chunks(self, body: Any) -> Iterator[bytes]:
        try:
            while chunk := body.read(CHUNK):
                yield chunk
        except (*STORE_ERRORS, OSError) as error:
            raise Unreachable(plain(" ".join(str(error).split()), 200)) from None

    def _failure(self, error: Exception) -> Exception:
        if status_of(error) in (412, 416) or code_of(error) == "PreconditionFailed":
            return Changed("the store holds other bytes under this name now")
        why = explain(error)
        if why.again:
            return Unreachable(why.reason)
        return StepFailed(
            f"{self._location} cannot be downloaded: {why.reason}.",
            means="What arrived before is kept, and the next attempt goes on from there.",
            next=why.next,
            code="download",
        )


def seen_at(version: str | None, size: int, stored: datetime | None) -> str:
    """What tells an object without a version from a later one under its key. A list and a HEAD agree on
    its size and on the second in which it was stored; not on its ETag with every store."""
    pinned = bool(version) and version != "null"
    return "" if pinned or stored is None else f"{size} {int(stored.timestamp())}"


def _shut(body: Any) -> None:
    """End the reading side of the connection, from whichever thread."""
    try:
        body._raw_stream.shutdown()
    except (AttributeError, OSError, RuntimeError, ValueError):
        # Already closed, or nothing to shut: the read then ends by itself or by its timeout.
        _log.debug("a download's connection could not be shut", exc_info=True)


def _full_checksum(head: Mapping[str, Any]) -> str | None:
    """The store's SHA-256 of the whole object as hex; one over the parts of an upload is none."""
    text = str(head.get("ChecksumSHA256", ""))
    if head.get("ChecksumType", "FULL_OBJECT") != "FULL_OBJECT":
        return None
    try:
        digest = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return digest.hex() if len(digest) == 32 else None
