"""An incident's record out of its mirrors: the longest chain that all of them agree with."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from drbook.core.errors import JournalError, Refused
from drbook.core.events import Record, named_artifacts
from drbook.core.fold import fold
from drbook.core.state import IncidentState
from drbook.mirror.chain import line_of, read_copy
from drbook.mirror.compare import Copy
from drbook.mirror.place import (
    ARTIFACTS,
    MAX_OBJECT,
    RUNBOOK,
    RUNBOOKS,
    MirrorDown,
    Place,
    Stored,
)

MAX_RUNBOOK = 1024 * 1024


@dataclass(slots=True)
class Source:
    """One mirror that holds the incident."""

    place: Place
    copy: Copy
    lines: dict[int, bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Recovered:
    """The record as far as the mirrors hold it."""

    lines: tuple[bytes, ...] = field(repr=False)
    """Exact lines with their line ends, whole and chained from the first."""
    records: tuple[Record, ...] = field(repr=False)
    state: IncidentState
    head: str

    @property
    def artifacts(self) -> tuple[str, ...]:
        """Every artifact that a record names."""
        return tuple(dict.fromkeys(named_artifacts(self.records)))


def read_source(place: Place) -> Source | None:
    """What a place holds; None where it holds no record. Raises MirrorDown, or JournalError where its
    own chain is not whole."""
    lines: dict[int, bytes] = {}
    copy = read_copy(place, lines)
    if not copy.lines:
        return None
    broken = copy.broken()
    if broken is not None:
        raise JournalError(
            f"The mirror {copy.where} is not whole: {broken[1]}.",
            means="Somebody changed it after it was written. Nothing was taken over.",
            next="Look who can write there. Take over from another mirror, or open a new incident.",
            code="mirror-damaged",
        )
    return Source(place, copy, lines)


def longest(sources: Sequence[Source]) -> Recovered:
    """The longest chain. Raises JournalError where two mirrors hold different records."""
    best = max(sources, key=lambda source: source.copy.newest)
    for other in sources:
        for ours, theirs in zip(best.copy.lines, other.copy.lines, strict=False):
            if ours.digest != theirs.digest:
                raise JournalError(
                    f"Record {ours.seq} is not the same in {best.copy.where} and in "
                    f"{other.copy.where}.",
                    means="Two machines wrote this incident, or one mirror was written anew. Nobody "
                    "here can say which is the record. Nothing was taken over.",
                    next="Compare them line by line, find out which machine was right, and take the "
                    "other place out of reach (or out of a copy of the runbook) before you try again.",
                    code="mirrors-disagree",
                )
    lines = tuple(best.lines[line.seq] for line in best.copy.lines)
    records = tuple(line_of(line) for line in lines)
    return Recovered(lines, records, fold(records), best.copy.lines[-1].digest)


def find_runbook(places: Sequence[Place], sha256: str) -> bytes:
    """The runbook with this digest. Raises Refused where no place has it."""
    problems = []
    for place in places:
        try:
            for stored in (Stored(RUNBOOK, 0), *place.listed(RUNBOOKS)):
                data = place.read(stored, MAX_RUNBOOK)
                if hashlib.sha256(data).hexdigest() == sha256:
                    return data
        except MirrorDown as error:
            problems.append(error.what)
    said = f" {' '.join(problems)}" if problems else ""
    raise Refused(
        f"No mirror holds the runbook that this incident runs, with the SHA-256 {sha256}.{said}",
        means="What its steps are is not known. Nothing was taken over.",
        next="Put the original file there as `runbook.yaml`, then try again.",
        code="runbook-missing",
    )


def find_artifact(places: Sequence[Place], name: str) -> bytes | None:
    """An artifact's bytes, which are those that it is named by; None where no place has them."""
    digest = name.rpartition("/")[2].partition(".")[0]
    if name != ARTIFACTS + name.rpartition("/")[2]:
        return None
    for place in places:
        try:
            data = place.read(Stored(name, 0), MAX_OBJECT)
        except MirrorDown:
            continue  # another place may have it; that none has is said by the caller
        if hashlib.sha256(data).hexdigest() == digest:
            return data
    return None
