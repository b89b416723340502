"""The demo's S3 server with a test's identities."""

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drbook.demo.objectstore import Identity, ObjectStore
from drbook.providers.hiding import Secret

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_ACTIONS = {
    "admin": ("Admin", "Read", "List", "Tagging", "Write", "BypassGovernanceRetention"),
    "reader": ("Read", "List"),
    "stranger": ("Read:somebody-elses-bucket",),
}


def admin_keys(reference: str) -> Secret:
    """What `env:k` and `env:s` stand for in the tests: the admin's key and its secret."""
    return Secret({"env:k": "admin", "env:s": "admin-secret"}[reference])


class S3Server(ObjectStore):
    """A running server. Each identity's access key is its own name, its secret `<name>-secret`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            folder,
            {name: Identity(name, f"{name}-secret", may) for name, may in _ACTIONS.items()},
        )

    @property
    def port(self) -> int:
        return int(self.endpoint.rsplit(":", 1)[1])

    def keys(self, identity: str = "admin") -> tuple[str, str]:
        return super().keys(identity)

    def client(self, identity: str = "admin") -> "S3Client":
        return super().client(identity)

    def bucket(
        self, name: str = "backups", *, versioned: bool = False, locked: bool = False
    ) -> str:
        """Create an empty bucket with a fresh name that begins like this; returns the name."""
        client = self.client()
        full = f"{name}-{secrets.token_hex(4)}"
        options: dict[str, Any] = {"ObjectLockEnabledForBucket": True} if locked else {}
        client.create_bucket(Bucket=full, **options)
        if versioned and not locked:
            client.put_bucket_versioning(Bucket=full, VersioningConfiguration={"Status": "Enabled"})
        return full
