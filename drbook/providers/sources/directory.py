"""Backups in a directory of this machine or a mounted share: the `directory` kind."""

from typing import Literal

from pydantic import Field

from drbook.providers.sources.base import Opening, Source
from drbook.providers.sources.sealed import SealedSource


class DirectorySource(SealedSource):
    """Dumps under a directory and its subdirectories; symbolic links are not followed."""

    kind: Literal["directory"] = "directory"
    path: str = Field(min_length=1)
    """Absolute, or beginning with `~`."""

    def open(self, opening: Opening) -> Source:
        from drbook.providers.dirsource import DirectoryReader

        return DirectoryReader(self, opening)
