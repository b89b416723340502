"""A journal to be mirrored, and places to mirror it to: a real bucket, a directory."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.mirrors import Recorded, bucket_mirror, secret

from drbook.mirror.config import DirectoryMirror, S3Mirror
from drbook.mirror.place import Place

if TYPE_CHECKING:
    from support.s3 import S3Server


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    """An incident of five records."""
    made = Recorded(tmp_path / "here")
    made.note(4)
    return made


@dataclass
class Bucket:
    """One bucket, from both sides: the mirror's and an intruder's."""

    server: "S3Server"
    name: str
    mirror: S3Mirror

    def open(self, incident: str) -> Place:
        return self.mirror.open(incident, secret)

    @property
    def client(self) -> Any:
        """Somebody who may do everything."""
        return self.server.client()

    def names(self) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return [each["Key"] for page in pages for each in page.get("Contents", ())]


@pytest.fixture
def bucket_of(s3_server: "S3Server") -> Callable[..., Bucket]:
    def made(*, versioned: bool = False, locked: bool = False, **fields: Any) -> Bucket:
        name = s3_server.bucket("mirror", versioned=versioned, locked=locked)
        return Bucket(s3_server, name, bucket_mirror(s3_server, name, **fields))

    return made


@pytest.fixture(params=["directory", "bucket"])
def place_of(
    request: pytest.FixtureRequest, tmp_path: Path, s3_server: "S3Server"
) -> Callable[[str], Place]:
    """Opens an incident's place; each kind of mirror passes the same tests."""
    if request.param == "directory":
        root = tmp_path / "mirror"
        root.mkdir()
        config: Any = DirectoryMirror(path=str(root))
    else:
        config = bucket_mirror(s3_server, s3_server.bucket("mirror"))
    return lambda incident: config.open(incident, secret)
