"""What the sources of physical copies have in common: their refusals, in words, and a look at a copy that was
laid down."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from drbook.core.errors import CouldNotVerify, DrbookError, StepFailed
from drbook.core.points import RecoveryPoint
from drbook.core.values import plain
from drbook.providers.sources.base import Place


class Why(Protocol):
    """Why a tool did not do what it was asked, and what to do."""

    why: str
    advice: str


def no_files() -> StepFailed:
    return StepFailed(
        "A physical copy has no files to fetch one by one.",
        means="Nothing was downloaded.",
        next="Restore it into a fresh cluster, which lays it down whole.",
        code="physical",
    )


def unlisted(place: str, failed: Why) -> CouldNotVerify:
    return CouldNotVerify(
        f"{plain(place, 300)} cannot be listed: {failed.why}.",
        means="Recovery points there are unknown; this is not the same as none.",
        next=f"{failed.advice}.",
        code="list-failed",
    )


def unread(point: RecoveryPoint, failed: Why) -> CouldNotVerify:
    return CouldNotVerify(
        f"{point.location} could not be read to its end: {failed.why}.",
        means="Whether this copy is whole is not known.",
        next=f"{failed.advice}.",
        code="copy-unread",
    )


def not_laid(point: RecoveryPoint, why: str, advice: str) -> DrbookError:
    return StepFailed(
        f"{point.location} was not laid down: {plain(why, 400).rstrip('.')}.",
        means="What was written lies in the fresh folder and is not to be started.",
        next=f"{advice.rstrip('.')}.",
        code="lay-down",
    )


def no_archive(point: RecoveryPoint, failed: Why) -> CouldNotVerify:
    return CouldNotVerify(
        f"The archive of WAL behind {point.location} cannot be opened: {failed.why}.",
        means="What it holds is unknown; this is not the same as nothing.",
        next=f"{failed.advice}.",
        code="wal-archive",
    )


def wal_failed(name: str, failed: Why) -> StepFailed:
    return StepFailed(
        f"WAL {plain(name, 60)} cannot be had from the archive: {failed.why}.",
        means="This is not the end of the WAL: more may be there.",
        next=f"{failed.advice}.",
        code="wal-archive",
    )


def not_whole(place: Place) -> str:
    """Why what lies there is no copy that may be started, and nothing but one; empty where it is."""
    for name in ("PG_VERSION", "backup_label", "global/pg_control"):
        if not (place.data / name).is_file():
            return f"it has no {name}"
    if not (place.data / "pg_wal").is_dir() or (place.data / "pg_wal").is_symlink():
        return "its pg_wal is no folder of its own"
    for link in _entries(place.data / "pg_tblspc"):
        leads = Path(os.path.realpath(link))
        if place.tablespaces.resolve() not in leads.parents:
            return f"its tablespace {plain(link.name, 40)} leads out of the fresh folder"
    return ""


def _entries(folder: Path) -> Sequence[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else ()
