"""One copy that AWS keeps, as it is read from an answer; and the commands by which AWS restores it."""

import hashlib
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from drbook.core.holding import NO_SNAPSHOT, NO_VAULT, SnapshotFact, VaultFact
from drbook.core.points import FailureDomain, LockFact, RecoveryPoint
from drbook.core.values import plain

Item = Mapping[str, Any]
"""A structure of an answer, as botocore's model shapes it."""

GIB = 1024**3
NO_LOCK_THERE = LockFact()
"""Of kinds whose copies no lock of their own can hold."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose listing an item is of."""

    source: str
    domain: FailureDomain
    region: str


@dataclass(frozen=True, slots=True)
class Kept:
    """One copy with what its listing tells of how it is held."""

    point: RecoveryPoint
    region: str
    snapshot: SnapshotFact = NO_SNAPSHOT
    vault: VaultFact = NO_VAULT
    lock: LockFact = NO_LOCK_THERE
    key: str = ""
    """ARN or id of the key that it is encrypted with; empty where none is told."""
    owner: str | None = None
    expires_at: datetime | None = None
    recoverable: str | None = None
    """Where it is gone and can be brought back: the command."""


def account_in(arn: str) -> str | None:
    """The account number of an ARN; None where it names none."""
    parts = arn.split(":")
    return parts[4] if len(parts) > 5 and re.fullmatch(r"[0-9]{12}", parts[4]) else None


def region_in(arn: str) -> str | None:
    """The region of an ARN; None where it names none."""
    parts = arn.split(":")
    return parts[3] if len(parts) > 5 and re.fullmatch(r"[a-z0-9-]+", parts[3]) else None


def fresh_name(id: str) -> str:
    """A name for what is restored from a copy: it derives from the copy's, and is nobody else's."""
    return "drbook-" + hashlib.sha256(id.encode("utf-8", "backslashreplace")).hexdigest()[:12]


def commands(*lines: tuple[str, ...]) -> str:
    """Command lines for a person, one after the other; words where a name in them cannot be shown."""
    if any(plain(word, 2000) != word for line in lines for word in line):
        return "have AWS restore it by its console: its name cannot stand in a command line"
    return " && ".join(shlex.join(("aws", *line)) for line in lines)


def version_number(text: str) -> int | None:
    """PostgreSQL's `15.4` as 150004, `9.6.24` as 90624; None for what is no version of it."""
    found = re.match(r"([0-9]{1,2})\.([0-9]{1,2})(?:\.([0-9]{1,2}))?(?![0-9])", text)
    if found is None:
        return None
    first, second, third = (int(part or 0) for part in found.groups())
    return first * 10000 + second if first >= 10 else first * 10000 + second * 100 + third
