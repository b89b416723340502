"""Dumps inside the snapshots of a restic repository: the `restic` kind of a `backups:` entry."""

import re
from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from drbook.core.capabilities import Capabilities
from drbook.core.targets import SecretRef, SecretRefs
from drbook.providers.sources.base import OpenableSource, Opening, Source

_OURS = re.compile(r"RESTIC_(?!REST_)|(?:PATH|HOME|TMPDIR|TZ|LANG|LC_\w+|LD_\w+|DRBOOK_\w+)\Z")
PASSWORD_IN_URL = re.compile(r"//[^/@]*:[^/@]*@")


def usable_names(environment: Mapping[str, str], ours: re.Pattern[str]) -> None:
    """Raises ValueError where a variable has no name that is one, or one that drbook sets itself."""
    for name in environment:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise ValueError("environment holds names of variables")
        if ours.match(name):
            raise ValueError(f"{name} is set by drbook itself")


class ResticSource(OpenableSource):
    """Dumps that restic keeps, each with an optional `<name>.manifest.json` beside it in its snapshot."""

    can: ClassVar[Capabilities] = Capabilities(
        clocks=("manifest", "name", "tool", "file"),
        pinned="its snapshot's full id",
        observes=frozenset(
            {"resource", "versioned", "lock_default", "policy_limits_deletes", "opened"}
        ),
    )
    kind: Literal["restic"] = "restic"
    repository: str = Field(
        max_length=1000, pattern=r"^(/|~/|(s3|sftp|rest|b2|azure|gs|swift|rclone):.)[^\x00-\x1f]*$"
    )
    """As restic spells it: an absolute path, or `s3:…`, `sftp:…`, `rest:…` and so on."""
    password: SecretRef
    """The repository's; it opens it and, with the keys of its place, may delete in it."""
    environment: SecretRefs = Field(default_factory=dict)
    """Variables that restic's backend reads its own keys from, like `AWS_ACCESS_KEY_ID`."""
    host: str | None = Field(default=None, min_length=1, max_length=200)
    """Only snapshots of this host."""
    tags: tuple[str, ...] = ()
    """Only snapshots that have all of these."""
    path: str | None = Field(default=None, pattern=r"^/", max_length=1000)
    """Only snapshots of exactly this path."""
    files: str | None = Field(default=None, min_length=1, max_length=500)
    """A pattern of the dumps' paths within a snapshot, like `*.bak` or `/srv/nightly/*`; absent: the
    names that pg_dump's files commonly have, and whatever has a manifest."""

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if PASSWORD_IN_URL.search(self.repository):
            raise ValueError("repository holds no password")
        usable_names(self.environment, _OURS)
        if any(not tag or "," in tag for tag in self.tags):
            raise ValueError("a tag is not empty and has no comma")
        return self

    @property
    def local(self) -> bool:
        """True where the repository is a directory that this machine sees."""
        return self.repository.startswith(("/", "~"))

    def open(self, opening: Opening) -> Source:
        """Raises UsageError where its secrets cannot be read."""
        from drbook.providers.resticsource import ResticReader

        return ResticReader(self, opening)
