"""The kinds of `mirrors:`: a bucket, a directory. Importing this loads no client library."""

import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from drbook.core.errors import UsageError
from drbook.core.runbook import MirrorConfig
from drbook.core.values import INCIDENT_ID, Duration, plain
from drbook.mirror.place import MirrorDown, Place
from drbook.providers.s3config import S3Place
from drbook.providers.secrets import Secrets

_LONGEST = timedelta(days=3660)


class OpenableMirror(MirrorConfig):
    """A `mirrors:` entry that can be opened."""

    @abstractmethod
    def open(self, incident: str, secrets: Secrets) -> Place:
        """One incident's place in it. Raises UsageError where the configuration cannot be used, and
        sends nothing yet."""
        raise AssertionError("each kind opens itself")

    @abstractmethod
    def incidents(self, secrets: Secrets) -> Sequence[str]:
        """The incidents that lie there, oldest first. Raises MirrorDown."""
        raise AssertionError("each kind looks by itself")


class S3Mirror(S3Place, OpenableMirror):
    """A bucket; its credentials need to list (versions too), read and create objects, and with
    `retain` to set a retention. They need not, and should not, be able to delete."""

    kind: Literal["s3"] = "s3"
    retain: Duration | None = None
    """Object Lock in COMPLIANCE mode for that long, where the bucket has it: nobody can delete or
    change what is copied before, not even the account's owner. (GOVERNANCE would let a leaked
    credential of an administrator pass, which is what a mirror is for.)"""

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.retain is not None and not timedelta(days=1) <= self.retain <= _LONGEST:
            raise ValueError("retain is between 1d and 3660d: it cannot be taken back")
        return self

    @property
    def retention(self) -> timedelta | None:
        return self.retain

    @property
    def place(self) -> str:
        return self.location

    def open(self, incident: str, secrets: Secrets) -> Place:
        from drbook.mirror.s3place import S3MirrorPlace

        return S3MirrorPlace(self, _below(self.prefix, incident), secrets, self.retain)

    def incidents(self, secrets: Secrets) -> Sequence[str]:
        from drbook.mirror.s3place import folders_in

        base = f"{self.prefix.rstrip('/')}/" if self.prefix else ""
        return sorted(filter(INCIDENT_ID.fullmatch, folders_in(self, base, secrets)))


class DirectoryMirror(OpenableMirror):
    """A directory of another machine, like a mounted share. It must exist: one that is not mounted
    would otherwise be made on this machine."""

    kind: Literal["directory"] = "directory"
    path: str = Field(min_length=1, max_length=900, pattern=r"^(/|~/)")

    @property
    def place(self) -> str:
        return str(Path(self.path).expanduser())

    def open(self, incident: str, secrets: Secrets) -> Place:
        from drbook.mirror.dirplace import DirectoryPlace

        return DirectoryPlace(Path(self.path).expanduser(), incident)

    def incidents(self, secrets: Secrets) -> Sequence[str]:
        try:
            names = os.listdir(self.place)
        except OSError as error:
            raise MirrorDown(
                f"{plain(self.place, 300)} cannot be listed: {error.strerror or error}.",
                next="Is it mounted and readable here?",
            ) from None
        return sorted(filter(INCIDENT_ID.fullmatch, names))


MIRRORS: Mapping[str, type[MirrorConfig]] = {"directory": DirectoryMirror, "s3": S3Mirror}
"""Kind → configuration model of a `mirrors:` entry."""


def named(text: str, environment: Mapping[str, str] = os.environ) -> tuple[OpenableMirror, str]:
    """A place as a command line names it, and the incident where its last part is one's id.

    `s3://bucket/prefix[/incident]` (credentials, region and endpoint by AWS's own environment
    variables and files) or a directory. Raises UsageError.
    """
    if not text.strip():
        raise UsageError(
            "An empty text names no mirror.",
            means="Nothing was read.",
            next="Write s3://BUCKET/PREFIX, with the incident's id behind it, or a directory.",
            code="mirror-place",
        )
    head, _, last = text.rstrip("/").rpartition("/")
    incident = last if INCIDENT_ID.fullmatch(last) and head else ""
    base = head if incident else text.rstrip("/")
    try:
        if not text.startswith("s3://"):
            return DirectoryMirror(path=str(Path(base).expanduser().absolute())), incident
        bucket, _, prefix = base.removeprefix("s3://").partition("/")
        endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
        mirror = S3Mirror(
            bucket=bucket,
            prefix=f"{prefix}/" if prefix else "",
            endpoint=endpoint or None,
            region=environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or None,
            profile=environment.get("AWS_PROFILE") or None,
        )
        return mirror, incident
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise UsageError(
            f"{plain(text, 200)!r} names no mirror: {plain(str(first['msg']), 200)}.",
            means="Nothing was read.",
            next="Write s3://BUCKET/PREFIX, with the incident's id behind it, or a directory.",
            code="mirror-place",
        ) from None


def same_place(one: MirrorConfig, other: MirrorConfig) -> bool:
    """Whether both name the same bucket and prefix, or the same directory; how each is reached, by
    which endpoint and credentials, may differ."""
    if isinstance(one, S3Mirror) and isinstance(other, S3Mirror):
        return (one.bucket, one.prefix.rstrip("/")) == (other.bucket, other.prefix.rstrip("/"))
    if isinstance(one, DirectoryMirror) and isinstance(other, DirectoryMirror):
        return os.path.realpath(one.place) == os.path.realpath(other.place)
    return False


def _below(prefix: str, incident: str) -> str:
    """`prefix/incident/`; a prefix without its slash gets one."""
    return f"{prefix.rstrip('/')}/{incident}/" if prefix else f"{incident}/"
