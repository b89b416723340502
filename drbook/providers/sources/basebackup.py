"""Copies that pg_basebackup made, in a directory of this machine: the `basebackup` kind."""

from typing import ClassVar, Literal

from pydantic import Field

from drbook.core.capabilities import Capabilities
from drbook.core.points import Format
from drbook.providers.sources.base import OpenableSource, Opening, Source


class BaseBackupSource(OpenableSource):
    """Each folder below `path` that pg_basebackup wrote, as files or as tar, whole or incremental; and, where
    it is given, the folder that the server archives its WAL to."""

    can: ClassVar[Capabilities] = Capabilities(
        clocks=("file",),
        pinned="size and time of the last write of its manifest",
        observes=frozenset({"resource", "versioned", "lock_default", "policy_limits_deletes"}),
    )
    kind: Literal["basebackup"] = "basebackup"
    format: Format = "physical"
    path: str = Field(min_length=1)
    """Absolute, or beginning with `~`."""
    wal: str | None = Field(default=None, min_length=1)
    """The archive of WAL, with which a copy is rolled forward to any later moment: segments as
    `archive_command` or pg_receivewal leave them, plain or packed by gzip, xz or zstd."""

    def open(self, opening: Opening) -> Source:
        from drbook.providers.basebackups import BaseBackupReader

        return BaseBackupReader(self, opening)
