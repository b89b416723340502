"""Backups in an S3 bucket: the `s3` kind of a `backups:` entry."""

from datetime import timedelta
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from drbook.core.capabilities import OBSERVABLE, Capabilities
from drbook.core.values import Duration
from drbook.providers.datedkeys import DatedKeys
from drbook.providers.s3config import S3Place
from drbook.providers.sources.base import Opening, Source
from drbook.providers.sources.sealed import SealedSource


def _within_reason(value: timedelta) -> timedelta:
    if not timedelta(hours=1) <= value <= timedelta(days=3660):
        raise ValueError("a duration from 1h to 3660d")
    return value


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
    date_keys: str | None = Field(default=None, max_length=900)
    """What every key begins with, `prefix` included, and where the date stands in it, like
    `nightly/{%Y}/{%m}/{%d}/`: then only the keys of the newest days are listed."""
    look_back: Annotated[Duration, AfterValidator(_within_reason)] = timedelta(days=14)
    """How old the oldest keys are that `date_keys` has listed."""
    newest: int = Field(default=1000, ge=1, le=100_000)
    """So many copies are recovery points; of older ones it is said how many there are."""

    @model_validator(mode="after")
    def _dated(self) -> Self:
        if self.date_keys is not None and not DatedKeys(self.date_keys).fixed.startswith(
            self.prefix
        ):
            raise ValueError("date_keys begins with the prefix, and the date stands behind it")
        return self

    def open(self, opening: Opening) -> Source:
        """Raises UsageError where its credentials cannot be read."""
        from drbook.providers.s3source import S3Reader

        return S3Reader(self, opening)
