"""Backups in a directory of this machine or a mounted share: the `directory` kind."""

from typing import ClassVar, Literal

from pydantic import Field

from drbook.core.capabilities import Capabilities
from drbook.providers.sources.base import Opening, Source
from drbook.providers.sources.sealed import SealedSource


class DirectorySource(SealedSource):
    """Dumps under a directory and its subdirectories; symbolic links are not followed."""

    can: ClassVar[Capabilities] = Capabilities(
        clocks=("manifest", "name", "file"),
        pinned="size and time of its last write",
        observes=frozenset({"resource", "versioned", "lock_default", "policy_limits_deletes"}),
        resumes=True,
    )
    kind: Literal["directory"] = "directory"
    path: str = Field(min_length=1)
    """Absolute, or beginning with `~`."""

    def open(self, opening: Opening) -> Source:
        from drbook.providers.dirsource import DirectoryReader

        return DirectoryReader(self, opening)
