"""Baselines in a bucket: created with `If-None-Match: *`, never overwritten."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from drbook.core.baseline import Baseline
from drbook.core.values import plain
from drbook.providers.baselines import (
    MAX_BASELINE,
    check_id,
    missing,
    name_of,
    newest_first,
    not_saved,
    opened,
    unlisted,
)
from drbook.providers.s3client import STORE_ERRORS, S3Connection, code_of, explain, status_of
from drbook.providers.s3guard import KEEP_BASELINES

if TYPE_CHECKING:
    from drbook.providers.baselines import S3Baselines
    from drbook.providers.secrets import Secrets


class S3BaselineStore:
    """Implements `core.ports.Baselines` on a session that may create objects under its prefix."""

    def __init__(self, config: S3Baselines, secrets: Secrets) -> None:
        """Raises UsageError where credentials or profile cannot be read."""
        self._config = config
        self._prefix = config.prefix
        self._connection = S3Connection(
            config, secrets, KEEP_BASELINES, writes_to=(config.bucket, config.prefix)
        )

    def location(self) -> str:
        return plain(self._config.location)

    def listed(self, *, suspect: bool = False) -> Sequence[tuple[str, datetime]]:
        """Raises CouldNotVerify where the bucket cannot be listed to its end."""
        names: list[str] = []
        pages = self._connection.client.get_paginator("list_objects_v2").paginate(
            Bucket=self._config.bucket, Prefix=self._prefix, **self._connection.owner
        )
        try:
            for page in pages:
                names += [
                    each["Key"].removeprefix(self._prefix) for each in page.get("Contents", ())
                ]
        except STORE_ERRORS as error:
            why = explain(error)
            raise unlisted(self.location(), why.reason, why.next) from None
        return newest_first(names, suspect=suspect)

    def load(self, id: str) -> Baseline:
        check_id(id)
        try:
            return opened(id, self._read(id))
        except (*STORE_ERRORS, OSError) as error:
            raise missing(id, explain(error).reason) from None

    def _read(self, id: str) -> bytes:
        answer = self._connection.client.get_object(
            Bucket=self._config.bucket, Key=self._prefix + id, **self._connection.owner
        )
        with answer["Body"] as body:
            return body.read(MAX_BASELINE + 1)

    def save(self, baseline: Baseline, *, suspect: bool = False) -> str:
        """Raises StepFailed where it was not stored; the same document twice is one object.

        Some stores ignore `If-None-Match`. The name holds the document's digest, so what such a
        store overwrites can only be the same bytes; and what is stored is read back.
        """
        document = baseline.sealed()
        name = name_of(baseline, document, suspect=suspect)
        try:
            self._connection.client.put_object(
                Bucket=self._config.bucket,
                Key=self._prefix + name,
                Body=document,
                IfNoneMatch="*",
                ContentType="application/json",
                **self._connection.owner,
            )
        except STORE_ERRORS as error:
            there = status_of(error) == 412 or code_of(error) == "PreconditionFailed"
            if not there:
                why = explain(error)
                raise not_saved(self.location(), why.reason, why.next) from None
        try:
            stored = self._read(name)
        except (*STORE_ERRORS, OSError) as error:
            raise not_saved(
                self.location(), f"it cannot be read back: {explain(error).reason}"
            ) from None
        if stored != document:
            raise not_saved(self.location(), f"{name} holds other bytes than were stored")
        return name
