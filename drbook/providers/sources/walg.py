"""Physical copies that WAL-G keeps: the `wal-g` kind of a `backups:` entry.

No real WAL-G was ever run against drbook: what it asks for and how it reads the answers is taken from
WAL-G's documentation and source (v3.0.9, and four commits of August 2026 behind it), and is tried against a
stand-in that says what is written there.
"""

import re
from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from drbook.core.capabilities import Capabilities
from drbook.core.targets import SecretRefs
from drbook.providers.sources.base import OpenableSource, Opening, PhysicalSource

UNTRIED = "drbook has never been run against a real WAL-G"
"""Said wherever somebody meets this kind."""
STORES = (
    "WALG_S3_PREFIX", "WALE_S3_PREFIX", "WALG_FILE_PREFIX", "WALE_FILE_PREFIX", "WALG_GS_PREFIX",
    "WALE_GS_PREFIX", "WALG_AZ_PREFIX", "WALE_AZ_PREFIX", "WALG_OSS_PREFIX", "WALG_SWIFT_PREFIX",
    "WALE_SWIFT_PREFIX", "WALG_SSH_PREFIX",
)  # fmt: skip
"""The settings that say where its store is (WAL-G's `docs/STORAGES.md`)."""
USUAL_SEGMENT = 16
"""MiB of a WAL segment where `WALG_PG_WAL_SIZE` says nothing."""

_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_OURS = re.compile(
    r"WALG_(?:PREFETCH_DIR|CONFIG_PATH|LOG_LEVEL|LOG_DESTINATION)\Z"
    r"|PG(?!P_)\w+\Z|(?:PATH|HOME|TMPDIR|TZ|LANG|LC_\w+|LD_\w+|DRBOOK_\w+)\Z"
)
_SECRET = re.compile(r"KEY|SECRET|PASS|TOKEN|HEADERS")
_HARMLESS = re.compile(r"(?:_PATH|_FILE|_TRANSFORM|_ID|_ALGORITHM|_PASSFILE)\Z")
_LOGIN = re.compile(r"//[^/@]*:[^/@]*@")


def is_secret(name: str) -> bool:
    """Whether a setting of this name holds a secret, and no path or name of one."""
    return bool(_SECRET.search(name.upper())) and not _HARMLESS.search(name.upper())


class WalGSource(OpenableSource):
    """The backups in one store of WAL-G, with the WAL beside them."""

    can: ClassVar[Capabilities] = Capabilities(
        clocks=("tool", "store"),
        pinned="its name, times and place in the WAL",
        observes=frozenset({"resource", "versioned", "lock_default", "policy_limits_deletes"}),
        untried="never run against a real WAL-G",
    )
    kind: Literal["wal-g"] = "wal-g"
    format: Literal["physical"] = "physical"
    config: str | None = Field(default=None, pattern=r"^(/|~/)[^\x00-\x1f]*$", max_length=1000)
    """WAL-G's own settings file, read as it is. Absent: none is read, `~/.walg.json` neither."""
    settings: Mapping[str, str] = Field(default_factory=dict)
    """WAL-G's settings by name, over those of `config`: `WALG_S3_PREFIX`, `AWS_REGION`. No secrets."""
    environment: SecretRefs = Field(default_factory=dict)
    """Settings that are secrets, by reference: `AWS_SECRET_ACCESS_KEY`, `WALG_LIBSODIUM_KEY`."""

    @model_validator(mode="after")
    def _usable(self) -> Self:
        for name in (*self.settings, *self.environment):
            if not _NAME.fullmatch(name):
                raise ValueError("settings and environment hold names like WALG_S3_PREFIX")
            if _OURS.match(name):
                raise ValueError(f"{name} is set by drbook itself, or of no use here")
        for name, value in self.settings.items():
            if is_secret(name) or _LOGIN.search(value):
                raise ValueError(f"{name} belongs into environment, by reference")
            if not value or len(value) > 1000 or re.search(r"[\x00-\x1f\x7f]", value):
                raise ValueError(f"{name} has no value that can be one")
        given = [name for name in STORES if name in self.settings]
        if len(given) > 1:
            raise ValueError(f"settings name two stores: {', '.join(given)}")
        if not given and self.config is None:
            raise ValueError("give config, or settings with a store like WALG_S3_PREFIX")
        size = self.settings.get("WALG_PG_WAL_SIZE", str(USUAL_SEGMENT))
        if not re.fullmatch(r"1|2|4|8|16|32|64|128|256|512|1024", size):
            raise ValueError("WALG_PG_WAL_SIZE is a power of two from 1 to 1024, in MiB")
        return self

    def open(self, opening: Opening) -> PhysicalSource:
        """Raises UsageError where its secrets cannot be read."""
        from drbook.providers.walgsource import WalGReader

        return WalGReader(self, opening)
