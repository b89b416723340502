"""One incident's place in a mirror: names and bytes. What is created is never changed nor deleted."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from drbook.core.errors import CouldNotVerify, DrbookError, ExitCode

RECORDS, ARTIFACTS, FENCES = "records/", "artifacts/", "fence/"
RUNBOOK, RUNBOOKS = "runbook.yaml", "runbooks/"
"""The runbook as it was run first, and those that it was amended to, by their digests."""
PROBE = "conditional"

MAX_OBJECT = 64 * 1024 * 1024
"""Bytes of one record or artifact, far above what an incident writes."""
MAX_NAMES = 1_000_000
"""Names under one folder; a place with more is not one that drbook wrote."""
MAX_TOTAL = 256 * 1024 * 1024
"""Bytes of all records of one incident that are read back."""

_NUMBERED = re.compile(r"(\d{8})\.(?:jsonl|json)", re.ASCII)


def record_name(seq: int) -> str:
    return f"{RECORDS}{seq:08}.jsonl"


def fence_name(epoch: int) -> str:
    return f"{FENCES}{epoch:08}.json"


def number_in(name: str) -> int | None:
    """The number in a record's or a fence's name; None for any other."""
    match = _NUMBERED.fullmatch(name.rpartition("/")[2])
    return int(match[1]) if match and int(match[1]) > 0 else None


@dataclass(frozen=True, slots=True)
class Stored:
    """One name in the place."""

    name: str
    size: int
    """Bytes, as the place says."""
    version: str | None = None
    """The version that was created first, where the place keeps versions."""
    remark: str = ""
    """What somebody did to it later: hidden or overwritten, in words."""


class MirrorDown(CouldNotVerify):
    """The place does not answer, refuses, or has no room; nothing is known about what it holds."""

    code = "mirror-down"


NO_CREDENTIALS = "mirror-no-credentials"
"""`MirrorDown.code` where nothing is wrong with the place: whoever asks has nothing to ask it with."""


class MirrorConflict(DrbookError):
    """The place holds other bytes under a name that was to be created. Nothing was changed there."""

    code = "mirror-conflict"
    exit_code = ExitCode.FAILED

    def __init__(self, what: str, theirs: bytes) -> None:
        super().__init__(what)
        self.theirs = theirs


class Place(Protocol):
    """Names are relative to the incident. Every method raises MirrorDown where the place fails."""

    @property
    def location(self) -> str:
        """For people, with the incident."""

    @property
    def note(self) -> str:
        """What is weaker here than was asked for, in words; empty where nothing is."""

    def create(self, name: str, data: bytes) -> bool:
        """Store new bytes under a new name, durably. False where the same bytes are there already.

        Raises MirrorConflict where others are.
        """

    def listed(self, folder: str) -> Sequence[Stored]:
        """Every name under `records/`, `fence/`, … in order; none where there is no such folder."""

    def read(self, stored: Stored, limit: int = MAX_OBJECT) -> bytes:
        """The bytes that were created first, at most `limit` + 1 of them."""

    def close(self) -> None: ...
