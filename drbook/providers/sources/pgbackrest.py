"""Physical copies in a pgBackRest repository: the `pgbackrest` kind of a `backups:` entry."""

from typing import ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from drbook.core.capabilities import Capabilities
from drbook.core.targets import SecretRef
from drbook.core.values import Frozen, UtcTime
from drbook.providers.sources.base import OpenableSource, Opening, Source


class Bucket(Frozen):
    """Where a repository lies in S3. pgBackRest speaks to it by TLS only."""

    bucket: str = Field(min_length=3, max_length=63, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]+$")
    endpoint: str = Field(min_length=1, max_length=300)
    """A host, `host:port`, or the same as a URL with https."""
    region: str = Field(default="us-east-1", min_length=1, max_length=60, pattern=r"^[a-z0-9-]+$")
    access_key: SecretRef
    secret_key: SecretRef
    session_token: SecretRef | None = None
    addressing: Literal["path", "virtual"] = "virtual"
    """How the bucket is named in requests."""
    ca_bundle: str | None = Field(default=None, pattern=r"^/", max_length=1000)
    """File with the certificates to trust, for an endpoint with a private authority."""

    @model_validator(mode="after")
    def _by_tls(self) -> Self:
        parts = urlsplit(self.endpoint if "://" in self.endpoint else f"https://{self.endpoint}")
        if parts.scheme != "https" or not parts.hostname or parts.port == 0:
            raise ValueError("endpoint is a host that pgBackRest reaches by https")
        if parts.username or parts.password or parts.query or parts.path.strip("/"):
            raise ValueError("endpoint holds no credentials, path or query")
        return self

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.endpoint if "://" in self.endpoint else f"https://{self.endpoint}")
        return parts.hostname or "", parts.port or 443


class PgBackRestSource(OpenableSource):
    """The backups of one stanza in one repository, with the WAL that is archived beside them."""

    can: ClassVar[Capabilities] = Capabilities(
        clocks=("tool",),
        pinned="its label, times and place in the WAL",
        observes=frozenset({"resource", "versioned", "lock_default", "policy_limits_deletes"}),
    )
    kind: Literal["pgbackrest"] = "pgbackrest"
    format: Literal["physical"] = "physical"
    stanza: str = Field(max_length=200, pattern=r"^[A-Za-z0-9_][^\x00-\x20/\x7f]*$")
    config: str | None = Field(default=None, pattern=r"^(/|~/)[^\x00-\x1f]*$", max_length=1000)
    """pgBackRest's own configuration file, read as it is; or the parts below."""
    repo: int = Field(default=1, ge=1, le=256)
    """Which of the configuration's repositories."""
    repository: str | None = Field(default=None, pattern=r"^(/|~/)[^\x00-\x1f]*$", max_length=1000)
    """The repository's path, on this machine or within its bucket."""
    s3: Bucket | None = None
    cipher_password: SecretRef | None = None
    """Of an encrypted repository, where the configuration does not hold it."""
    as_of: UtcTime | None = None
    """Read a repository in a versioned bucket as it was then: before it was deleted."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.config is None) == (self.repository is None):
            raise ValueError("give either config or repository")
        if self.config is not None and self.s3 is not None:
            raise ValueError("s3 goes with repository, not with config")
        if self.config is None and self.repo != 1:
            raise ValueError("repo goes with config")
        if self.s3 is not None and self.repository is not None and self.repository[0] != "/":
            raise ValueError("a repository in a bucket begins with /")
        if self.as_of is not None and self.config is None and self.s3 is None:
            raise ValueError("as_of needs a repository in a versioned bucket")
        return self

    def open(self, opening: Opening) -> Source:
        """Raises UsageError where its secrets cannot be read."""
        from drbook.providers.backrestsource import PgBackRestReader

        return PgBackRestReader(self, opening)
