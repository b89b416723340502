"""How to reach an S3 bucket, as runbooks write it. Importing this loads no client library."""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field

from drbook.providers.awsaccess import AwsAccess


class S3Place(AwsAccess):
    """A bucket and a prefix at AWS or at an endpoint that speaks its protocol."""

    bucket: str = Field(min_length=3, max_length=63, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]+$")
    prefix: str = Field(default="", max_length=900)
    region: str | None = None
    addressing: Literal["auto", "path", "virtual"] = "auto"
    """How the bucket is named in requests; `auto` is `path` at an endpoint of one's own."""
    expected_owner: str | None = Field(default=None, pattern=r"^[0-9]{12}$")
    """Account number that must own the bucket; AWS refuses the request otherwise."""

    @property
    def location(self) -> str:
        """For people: `s3://bucket/prefix`, with the endpoint's host where it is not AWS."""
        at = f" at {urlsplit(self.endpoint).netloc}" if self.endpoint else ""
        return f"s3://{self.bucket}/{self.prefix}{at}"
