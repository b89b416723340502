"""How to reach an account at AWS, as runbooks write it. Importing this loads no client library."""

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, model_validator

from drbook.core.targets import SecretRef
from drbook.core.values import Frozen


class AwsAccess(Frozen):
    """Credentials and the endpoint that they are for.

    Credentials are a profile of the AWS configuration or references to an access key pair. Without
    either, the environment and the shared files are asked, but never a machine's metadata service:
    a recovery host should not act in the name of whatever it happens to run on.
    """

    endpoint: str | None = None
    """URL of a place other than AWS."""
    profile: str | None = None
    access_key: SecretRef | None = None
    secret_key: SecretRef | None = None
    session_token: SecretRef | None = None
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


Region = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+){1,3}-[0-9]{1,2}$")]


class AwsRegions(AwsAccess):
    """An account at AWS, in one region or several."""

    regions: tuple[Region, ...] = Field(min_length=1, max_length=40)
    """Where copies are looked for, like `[eu-central-1]`; nothing is known of other regions."""
    expected_account: str | None = Field(default=None, pattern=r"^[0-9]{12}$")
    """The account that the credentials must be of. Those of another one list nothing here."""
