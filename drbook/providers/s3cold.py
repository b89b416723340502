"""Objects in an archive tier: they are listed like any other and cannot be read until they are asked for.

Source: AWS, *Working with archived objects* and *Archive retrieval options* (Amazon S3 user guide). A
restored copy of an object in the Glacier classes is there for the days that were asked for; the object
keeps its class, and HEAD tells of the copy in `Restore`.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from drbook.core.values import plain
from drbook.providers.s3config import S3Place

DAYS = 7
"""For how many days a command asks for a readable copy."""


@dataclass(frozen=True, slots=True)
class Tier:
    """One archive tier, and how long a request for an object in it takes, as its provider says."""

    name: str
    how: str
    """The retrieval that the command asks for; `Bulk` is cheaper and slower."""
    within: timedelta
    days: bool
    """Whether a request says for how many days: the object's class stays, and a copy is made."""
    note: str = ""


TIERS: Mapping[str, Tier] = {
    "GLACIER": Tier(
        "GLACIER", "Standard", timedelta(hours=5), days=True,
        note="`Expedited` takes minutes for small ones, where capacity is free",
    ),
    "DEEP_ARCHIVE": Tier("DEEP_ARCHIVE", "Standard", timedelta(hours=12), days=True),
    "ARCHIVE_ACCESS": Tier(
        "INTELLIGENT_TIERING, archive access", "Standard", timedelta(hours=5), days=False
    ),
    "DEEP_ARCHIVE_ACCESS": Tier(
        "INTELLIGENT_TIERING, deep archive access", "Standard", timedelta(hours=12), days=False
    ),
}  # fmt: skip
"""By `StorageClass` or `ArchiveStatus` of a HEAD answer. GLACIER_IR is read at once."""

_ONGOING = re.compile(r'ongoing-request="(true|false)"')


@dataclass(frozen=True, slots=True)
class Cold:
    """An object that cannot be read now, and the way to read it."""

    tier: Tier
    asked: bool
    """True where somebody has asked for it already."""

    def way(self, place: S3Place, key: str, version: str | None) -> str:
        """What brings it back, for a person; in words where the key cannot stand in a command line."""
        hours = int(self.tier.within.total_seconds() // 3600)
        if self.asked:
            return (
                f"it lies in {self.tier.name} and was asked for already: it can be read within {hours} h of "
                "that; run the locate step again then"
            )
        note = f" ({self.tier.note})" if self.tier.note else ""
        return (
            f"it lies in {self.tier.name} and can be read within {hours} h of this{note}: "
            f"{_command(self.tier, place, key, version)}"
        )


def cold(head: Mapping[str, Any]) -> Cold | None:
    """Whether the HEAD answer is of an object that cannot be read now; None where it can."""
    tier = TIERS.get(str(head.get("ArchiveStatus") or head.get("StorageClass") or ""))
    if tier is None:
        return None
    restore = _ONGOING.search(str(head.get("Restore") or ""))
    if restore is not None and restore[1] == "false":
        return None  # a copy of it is there
    return Cold(tier, asked=restore is not None)


def _command(tier: Tier, place: S3Place, key: str, version: str | None) -> str:
    if plain(key) != key or plain(version or "") != (version or ""):
        return f"ask for it with `aws s3api restore-object`, retrieval {tier.how}"
    wanted: dict[str, Any] = {"Days": DAYS} if tier.days else {}
    wanted["GlacierJobParameters"] = {"Tier": tier.how}
    endpoint = ["--endpoint-url", place.endpoint] if place.endpoint is not None else []
    pinned = ["--version-id", version] if version else []
    where = ["--bucket", place.bucket, "--key", key, *pinned]
    request = ["--restore-request", json.dumps(wanted)]
    return shlex.join(["aws", "s3api", "restore-object", *endpoint, *where, *request])
