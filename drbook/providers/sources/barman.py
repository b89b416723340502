"""Physical copies that Barman keeps: the `barman` and `barman-cloud` kinds of a `backups:` entry."""

from typing import ClassVar, Literal

from pydantic import Field

from drbook.core.capabilities import OBSERVABLE, Capabilities
from drbook.providers.s3config import S3Place
from drbook.providers.sources.base import OpenableSource, Opening, PhysicalSource

_SERVER = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"
"""What names a server in Barman's configuration; it becomes an argument."""


class BarmanSource(OpenableSource):
    """Backups of one server in Barman's home on a disk that this machine sees. Barman on another host is
    not asked: run drbook there, as Barman's own user."""

    can: ClassVar[Capabilities] = Capabilities(
        clocks=("tool",),
        pinned="its backup's id",
        observes=frozenset({"resource", "versioned", "lock_default", "policy_limits_deletes"}),
    )
    kind: Literal["barman"] = "barman"
    format: Literal["physical"] = "physical"
    server: str = Field(pattern=_SERVER, max_length=200)
    """As Barman's configuration calls it."""
    config: str | None = Field(default=None, pattern=r"^(/|~/)[^\x00-\x1f]*$", max_length=1000)
    """Barman's configuration; absent: where Barman itself looks."""

    def open(self, opening: Opening) -> PhysicalSource:
        from drbook.providers.barmansource import BarmanReader

        return BarmanReader(self, opening)


class BarmanCloudSource(S3Place, OpenableSource):
    """Backups of one server that `barman-cloud-backup` and `barman-cloud-wal-archive` put into a bucket;
    `prefix` is the path of their URL."""

    can: ClassVar[Capabilities] = Capabilities(
        clocks=("tool",),
        pinned="its backup's id",
        observes=frozenset(OBSERVABLE),
    )
    kind: Literal["barman-cloud"] = "barman-cloud"
    format: Literal["physical"] = "physical"
    server: str = Field(pattern=_SERVER, max_length=200)
    """As `barman-cloud-backup` was told."""

    def open(self, opening: Opening) -> PhysicalSource:
        """Raises UsageError where its credentials cannot be read."""
        from drbook.providers.barmancloud import CloudReader

        return CloudReader(self, opening)
