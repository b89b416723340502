"""Dumps inside the archives of a Borg repository: the `borg` kind of a `backups:` entry."""

import re
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from drbook.core.capabilities import Capabilities
from drbook.core.targets import SecretRef, SecretRefs
from drbook.providers.sources.base import OpenableSource, Opening, Source
from drbook.providers.sources.restic import PASSWORD_IN_URL, usable_names

_OURS = re.compile(
    r"BORG_(?!RSH\Z|REMOTE_PATH\Z)\w*|(?:PATH|HOME|TMPDIR|TZ|LANG|LC_\w+|LD_\w+|DRBOOK_\w+)\Z"
)


class BorgSource(OpenableSource):
    """Dumps that Borg keeps, each with an optional `<name>.manifest.json` beside it in its archive."""

    can: ClassVar[Capabilities] = Capabilities(
        clocks=("manifest", "name", "tool", "file"),
        pinned="its archive's id",
        observes=frozenset(
            {"resource", "versioned", "lock_default", "policy_limits_deletes", "opened"}
        ),
    )
    kind: Literal["borg"] = "borg"
    repository: str = Field(max_length=1000, pattern=r"^(/|~/|ssh://.)[^\x00-\x1f]*$")
    """An absolute path, or `ssh://user@host:port/path`."""
    passphrase: SecretRef | None = None
    """Of the repository's key; absent: it is not encrypted, or its key has none. Where one is given, a
    repository that is not encrypted is refused: it is not the one that was meant."""
    keyfile: str | None = Field(default=None, pattern=r"^(/|~/)", max_length=1000)
    """For a repository whose key is not stored in it; absent: Borg's own folder of keys is looked at."""
    environment: SecretRefs = Field(default_factory=dict)
    """Variables for the way to it, like `BORG_RSH` and `SSH_AUTH_SOCK`."""
    archives: str | None = Field(default=None, min_length=1, max_length=200)
    """A pattern of the archives' names, like `db1-*`; absent: all."""
    files: str | None = Field(default=None, min_length=1, max_length=500)
    """A pattern of the dumps' paths within an archive, like `*.bak` or `srv/nightly/*`; absent: the names
    that pg_dump's files commonly have, and whatever has a manifest."""

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if PASSWORD_IN_URL.search(self.repository):
            raise ValueError("repository holds no password")
        if "::" in self.repository:
            raise ValueError(
                "repository names no archive: give a pattern of their names in archives"
            )
        usable_names(self.environment, _OURS)
        return self

    @property
    def local(self) -> bool:
        """True where the repository is a directory that this machine sees."""
        return not self.repository.startswith("ssh://")

    def open(self, opening: Opening) -> Source:
        """Raises UsageError where its secrets cannot be read."""
        from drbook.providers.borgsource import BorgReader

        return BorgReader(self, opening)
