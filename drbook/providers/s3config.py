"""How to reach an S3 bucket, as runbooks write it. Importing this loads no client library."""

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from drbook.core.targets import SecretRef
from drbook.core.values import Frozen


class S3Place(Frozen):
    """A bucket and a prefix at AWS or at an endpoint that speaks its protocol.

    Credentials are a profile of the AWS configuration or references to an access key pair. Without
    either, the environment and the shared files are asked, but never a machine's metadata service:
    a recovery host should not act in the name of whatever it happens to run on.
    """

    bucket: str = Field(min_length=3, max_length=63, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]+$")
    prefix: str = Field(default="", max_length=900)
    endpoint: str | None = None
    """URL of a store other than AWS."""
    region: str | None = None
    profile: str | None = None
    access_key: SecretRef | None = None
    secret_key: SecretRef | None = None
    session_token: SecretRef | None = None
    addressing: Literal["auto", "path", "virtual"] = "auto"
    """How the bucket is named in requests; `auto` is `path` at an endpoint of one's own."""
    expected_owner: str | None = Field(default=None, pattern=r"^[0-9]{12}$")
    """Account number that must own the bucket; AWS refuses the request otherwise."""
    ca_bundle: str | None = None
    """File with the certificates to trust, for an endpoint with a private authority."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.access_key is None) != (self.secret_key is None):
            raise ValueError("access_key and secret_key are given together")
        if self.session_token is not None and self.access_key is None:
            raise ValueError("session_token goes with access_key and secret_key")
        if self.profile is not None and self.access_key is not None:
            raise ValueError("give either a profile or an access_key, not both")
        if self.endpoint is not None:
            parts = urlsplit(self.endpoint)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("endpoint is a URL like https://s3.example.com")
            if parts.username or parts.password or parts.query or parts.fragment:
                raise ValueError("endpoint holds no credentials, query or fragment")
        return self

    @property
    def location(self) -> str:
        """For people: `s3://bucket/prefix`, with the endpoint's host where it is not AWS."""
        at = f" at {urlsplit(self.endpoint).netloc}" if self.endpoint else ""
        return f"s3://{self.bucket}/{self.prefix}{at}"
