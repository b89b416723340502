"""Backups in an S3 bucket: the `s3` kind of a `backups:` entry."""

from typing import ClassVar, Literal

from drbook.core.capabilities import OBSERVABLE, Capabilities
from drbook.providers.s3config import S3Place
from drbook.providers.sources.base import Opening, Source
from drbook.providers.sources.sealed import SealedSource


class S3Source(S3Place, SealedSource):
    """Dumps under a prefix of a bucket, each with an optional `<key>.manifest.json` beside it."""

    can: ClassVar[Capabilities] = Capabilities(
        clocks=("manifest", "name", "store"),
        pinned="its version, else its ETag",
        digest=True,
        observes=frozenset(OBSERVABLE) - {"opened"},
        locks=True,
        hidden=True,
        resumes=True,
    )
    kind: Literal["s3"] = "s3"

    def open(self, opening: Opening) -> Source:
        """Raises UsageError where its credentials cannot be read."""
        from drbook.providers.s3source import S3Reader

        return S3Reader(self, opening)
