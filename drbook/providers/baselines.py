"""Where baselines are kept, away from production: a directory or a bucket. Nothing is overwritten.

Importing this loads no client library.
"""

import hashlib
import os
import re
import stat
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from drbook.core.baseline import Baseline
from drbook.core.errors import CouldNotVerify, StepFailed, UsageError
from drbook.core.ports import Baselines
from drbook.core.values import Frozen, Json, plain
from drbook.providers import private
from drbook.providers.download import sync_folder
from drbook.providers.s3config import S3Place
from drbook.providers.secrets import Secrets

ABSENT = "baselines-absent"
"""The code of the error for a directory that is not there (yet)."""
MAX_BASELINE = 64 * 1024 * 1024
"""Bytes of one document, far above what ten thousand tables need."""


class OpenableStore(Frozen):
    """A `baselines:` entry that can be opened; plug-ins derive from this."""

    kind: str

    @abstractmethod
    def open(self, secrets: Secrets) -> Baselines:
        """Open it. Raises UsageError where the configuration cannot be used."""
        raise AssertionError("each kind opens itself")


class DirectoryBaselines(OpenableStore):
    """A directory that does not share production's fate, like a mounted share."""

    kind: Literal["directory"] = "directory"
    path: str = Field(min_length=1)

    def open(self, secrets: Secrets) -> Baselines:
        return _DirectoryStore(Path(self.path).expanduser())


class S3Baselines(S3Place, OpenableStore):
    """A bucket; its credentials need listing, reading and, for captures, creating objects."""

    kind: Literal["s3"] = "s3"

    def open(self, secrets: Secrets) -> Baselines:
        from drbook.providers.s3baselines import S3BaselineStore

        return S3BaselineStore(self, secrets)


def open_store(config: Frozen | Mapping[str, Json], *, secrets: Secrets) -> Baselines:
    """The store that a `baselines:` entry describes. Raises UsageError where it cannot be used."""
    if isinstance(config, OpenableStore):
        return config.open(secrets)
    kinds: dict[object, type[OpenableStore]] = {"directory": DirectoryBaselines, "s3": S3Baselines}
    entry = config if isinstance(config, Mapping) else {}
    model = kinds.get(entry.get("kind"))
    if model is None:
        raise UsageError(
            "The place of the baselines has no known kind.",
            next="Write `kind: directory` or `kind: s3` under `baselines:`.",
        )
    try:
        return model.model_validate(entry).open(secrets)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        at = ".".join(str(part) for part in first["loc"])
        why = plain(f"{at}: {first['msg']}", 300)
        raise UsageError(
            f"The place of the baselines is described wrongly: {why}.",
            next="Mend `baselines:` in the runbook.",
        ) from None


# --- names and documents -----------------------------------------------------------------------

_NAME = re.compile(r"(\d{8}T\d{6})(\.\d{6})?Z-([0-9a-f]{12})(-suspect)?\.json", re.ASCII)


def name_of(baseline: Baseline, document: bytes, *, suspect: bool = False) -> str:
    """`20260422T190300.123456Z-` and twelve hex digits of the document's SHA-256: sorts by time. A suspect
    one has `-suspect` behind it, which no drbook takes for the name of a good one."""
    moment = baseline.captured_at.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    apart = "-suspect" if suspect else ""
    return f"{moment}-{hashlib.sha256(document).hexdigest()[:12]}{apart}.json"


def time_of(name: str, *, suspect: bool = False) -> datetime | None:
    """The capture time in the name of a good baseline, or of a suspect one; None for any other. Names
    of before had whole seconds."""
    match = _NAME.fullmatch(name)
    if match is None or (match[4] is not None) != suspect:
        return None
    try:
        moment = f"{match[1]}{match[2] or '.0'}"
        return datetime.strptime(moment, "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
    except ValueError:
        return None


def newest_first(names: Sequence[str], *, suspect: bool) -> Sequence[tuple[str, datetime]]:
    """Those names that are good baselines, or suspect ones, with their times."""
    timed = [(name, at) for name in names if (at := time_of(name, suspect=suspect)) is not None]
    return sorted(timed, key=lambda pair: (pair[1], pair[0]), reverse=True)


def check_id(id: str) -> None:
    """Raises CouldNotVerify for what is not a baseline's name, and so for every path."""
    if _either(id) is None:
        raise missing(id, "that is not the name of a baseline")


def _either(id: str) -> datetime | None:
    return time_of(id) or time_of(id, suspect=True)


def opened(id: str, document: bytes) -> Baseline:
    """The sealed baseline. Raises CouldNotVerify where bytes, seal or name do not fit together."""
    if len(document) > MAX_BASELINE:
        raise missing(id, "it is larger than any baseline")
    if hashlib.sha256(document).hexdigest()[:12] != id.split("-")[1].removesuffix(".json"):
        raise missing(id, "its bytes are not those that its name was made from")
    try:
        baseline = Baseline.unseal(document)
    except ValueError as error:
        raise missing(id, plain(str(error), 300)) from None
    captured = baseline.captured_at
    if _either(id) not in (captured, captured.replace(microsecond=0)):
        raise missing(id, "its name and its content disagree about the time")
    return baseline


def missing(id: str, why: str) -> CouldNotVerify:
    return CouldNotVerify(
        f"The baseline {plain(id, 120)} cannot be used: {plain(why, 300).rstrip('.')}.",
        means="There is nothing known good to compare with, so nothing is proven.",
        next="Use another baseline; `drbook baseline show` lists them.",
        code="baseline",
    )


# --- a directory -------------------------------------------------------------------------------


class _DirectoryStore:
    """Implements `core.ports.Baselines`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def location(self) -> str:
        return plain(str(self._folder))

    def listed(self, *, suspect: bool = False) -> Sequence[tuple[str, datetime]]:
        """Raises CouldNotVerify where the directory cannot be read."""
        try:
            return newest_first(os.listdir(self._folder), suspect=suspect)
        except FileNotFoundError:
            # Captures create it; but a share that is not mounted looks the same, so it is said.
            raise self._unlisted("it does not exist", ABSENT) from None
        except OSError as error:
            raise self._unlisted(error.strerror or str(error)) from None

    def load(self, id: str) -> Baseline:
        check_id(id)
        try:
            descriptor = os.open(self._folder / id, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as stream:
                if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                    raise missing(id, "it is no regular file")
                document = stream.read(MAX_BASELINE + 1)
        except OSError as error:
            raise missing(id, error.strerror or str(error)) from None
        return opened(id, document)

    def save(self, baseline: Baseline, *, suspect: bool = False) -> str:
        """Raises StepFailed where it cannot be written; the same document twice is one file."""
        document = baseline.sealed()
        name = name_of(baseline, document, suspect=suspect)
        fresh = self._folder / f".{name}.{os.getpid()}"
        try:
            private.folders(self._folder)
            try:
                descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "wb") as stream:
                    stream.write(document)
                    stream.flush()
                    os.fsync(stream.fileno())
                # Linking, unlike renaming, never replaces what is there.
                os.link(fresh, self._folder / name)
            finally:
                fresh.unlink(missing_ok=True)
            sync_folder(self._folder)
        except FileExistsError:
            return self._same(name, document)
        except OSError as error:
            raise not_saved(self.location(), error.strerror or str(error)) from None
        return name

    def _same(self, name: str, document: bytes) -> str:
        if self.load(name).sealed() != document:
            raise not_saved(self.location(), f"{name} exists with other content")
        return name

    def _unlisted(self, why: str, code: str = "baseline") -> CouldNotVerify:
        return unlisted(self.location(), why, "Check that it is mounted and readable here.", code)


def unlisted(location: str, why: str, advice: str, code: str = "baseline") -> CouldNotVerify:
    return CouldNotVerify(
        f"Baselines in {location} cannot be listed: {plain(why, 300).rstrip('.')}.",
        means="Which baselines exist is unknown; this is not the same as none.",
        next=advice,
        code=code,
    )


def not_saved(location: str, why: str, advice: str = "") -> StepFailed:
    return StepFailed(
        f"The baseline was not stored in {location}: {plain(why, 300).rstrip('.')}.",
        means="An incident now would be compared with an older baseline, or with none.",
        next=advice or "Mend the place, then capture again.",
        code="baseline",
    )
