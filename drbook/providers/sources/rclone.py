"""Dumps in any place that rclone reaches: the `rclone` kind of a `backups:` entry."""

import re
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from drbook.core.capabilities import Capabilities
from drbook.core.targets import SecretRefs
from drbook.providers.sources.base import OpenableSource, Opening, Source
from drbook.providers.sources.restic import PASSWORD_IN_URL, usable_names

_OURS = re.compile(
    r"RCLONE_(?!CONFIG_(?!DIR\Z)\w)|(?:PATH|HOME|TMPDIR|TZ|LANG|LC_\w+|LD_\w+|DRBOOK_\w+)\Z"
)
_SECRET = re.compile(
    r"\b\w*(?:pass(?:word\d?|phrase)?|secret\w*|token|key|credentials|sas_url|client_secret)\s*=",
    re.IGNORECASE,
)


class RcloneSource(OpenableSource):
    """Dumps under one remote, each with an optional `<name>.manifest.json` beside it."""

    can: ClassVar[Capabilities] = Capabilities(
        clocks=("manifest", "name", "store", "file"),
        pinned="size and time of its last write",
        digest=True,
        observes=frozenset({"resource", "versioned", "lock_default", "policy_limits_deletes"}),
        resumes=True,
    )
    kind: Literal["rclone"] = "rclone"
    remote: str = Field(max_length=1000, pattern=r"^(/|:?[\w.+@ -]*[\w.+@-][,:])[^\x00-\x1f]*$")
    """As rclone spells it: `name:path`, or `:backend,option=value:path` without secrets in it."""
    config: str | None = Field(default=None, pattern=r"^(/|~/)", max_length=1000)
    """The file of remotes; rclone gets a private copy, so that it writes nothing into this one. Absent:
    remotes come from `environment` alone."""
    environment: SecretRefs = Field(default_factory=dict)
    """`RCLONE_CONFIG_<NAME>_<OPTION>`, `RCLONE_CONFIG_PASS` of an encrypted file of remotes, and variables
    that backends read keys from."""
    files: str | None = Field(default=None, min_length=1, max_length=500)
    """A pattern of the dumps' paths below the remote, like `*.bak`; absent: the names that pg_dump's files
    commonly have, and whatever has a manifest."""

    @model_validator(mode="after")
    def _usable(self) -> Self:
        options = self.remote.rpartition(":")[0]
        if PASSWORD_IN_URL.search(self.remote) or _SECRET.search(options):
            raise ValueError("remote holds no secret: put it into the config or the environment")
        usable_names(self.environment, _OURS)
        return self

    def open(self, opening: Opening) -> Source:
        """Raises UsageError where its secrets cannot be read."""
        from drbook.providers.rclonesource import RcloneReader

        return RcloneReader(self, opening)
