"""Which faults come over a demo, and when: decided by a seed, as a function of data.

A moment is a record of the incident's journal or a byte of a download, never a time of the clock: the
same seed gives the same plan on a fast machine and on a slow one.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from drbook.core.errors import UsageError
from drbook.core.events import AttemptEvent, Event, ProcessStarted
from drbook.core.values import plain

COPY = 16 * 1024
"""Bytes from which on the body of an answer counts as a copy's; lists are smaller."""
MANIFEST = ".json"
"""How the name of a body ends that is a manifest's, whatever its size."""
MOST = 3
"""Faults at a time."""


class Surprise(StrEnum):
    """What may go wrong, by the name that `--surprises` takes."""

    SLOW = "slow"
    PAUSE = "pause"
    DOWN = "down"
    CUT = "cut"
    FLIP = "flip"
    FULL = "full"
    SERVER = "server"
    KEY = "key"
    CORRUPT = "corrupt"
    DELETE = "delete"
    KILL = "kill"


WORDS: Mapping[Surprise, str] = {
    Surprise.SLOW: "the store becomes slow",
    Surprise.PAUSE: "the store is down for a while",
    Surprise.DOWN: "the store is down for good",
    Surprise.CUT: "a download is cut off in its middle",
    Surprise.FLIP: "one bit of a download flips on the way",
    Surprise.FULL: "the disk takes no more",
    Surprise.SERVER: "the restored server is killed",
    Surprise.KEY: "the store's keys are revoked",
    Surprise.CORRUPT: "the newest sound backup is overwritten with damaged bytes",
    Surprise.DELETE: "the newest sound backup is deleted",
    Surprise.KILL: "drbook itself is killed",
}


@dataclass(frozen=True, slots=True)
class AtRecord:
    """Right behind the nth record of this kind, of this step where one is named."""

    event: str
    step: str = ""
    nth: int = 1
    program: str = ""
    """Of a ProcessStarted: the program's name."""

    def __str__(self) -> str:
        named = " ".join(one for one in (self.event, self.step, self.program) if one)
        return f"behind {named}" + (f" ({self.nth})" if self.nth > 1 else "")

    def fits(self, event: Event) -> bool:
        """Whether the event is of this kind; which one of them it is, the caller counts."""
        if type(event).__name__ != self.event:
            return False
        if self.step and getattr(event, "step", None) != self.step:
            return False
        if not self.program:
            return True
        return isinstance(event, ProcessStarted) and named(event) == self.program


@dataclass(frozen=True, slots=True)
class AtBody:
    """In the nth download of its kind, when this share of its bytes (in thousandths) is through."""

    nth: int
    share: int
    of: Literal["copy", "manifest"] = "copy"

    def __str__(self) -> str:
        return f"in download {self.nth} of a {self.of} at {self.share / 10:.1f} % of its bytes"

    @staticmethod
    def kind(path: str, size: int) -> Literal["copy", "manifest"] | None:
        """Of which kind the body of an answer is; None where it is no download."""
        if path.endswith(MANIFEST):
            return "manifest"
        return "copy" if size >= COPY else None


@dataclass(frozen=True, slots=True)
class Fault:
    """One surprise, its moment, and how much of it."""

    surprise: Surprise
    moment: AtRecord | AtBody
    amount: int = 1
    """What each kind makes of it: connections refused, downloads hit, bytes that a file may have."""

    def __str__(self) -> str:
        return f"{self.surprise.value}: {WORDS[self.surprise]}, {self.moment}{self._how_much()}"

    def _how_much(self) -> str:
        match self.surprise:
            case Surprise.PAUSE:
                return f", for {self.amount} connections"
            case Surprise.CUT | Surprise.FLIP if self.amount > 1:
                return f", and in the next {self.amount - 1}"
            case Surprise.FULL:
                return f": no file grows beyond {self.amount:,} bytes"
            case _:
                return ""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a seed brings."""

    seed: int
    faults: tuple[Fault, ...]

    def of_records(self) -> tuple[Fault, ...]:
        return tuple(one for one in self.faults if isinstance(one.moment, AtRecord))

    def of_bodies(self) -> tuple[Fault, ...]:
        return tuple(one for one in self.faults if isinstance(one.moment, AtBody))


def named(event: ProcessStarted) -> str:
    """The name of the program that a record says was started."""
    return event.argv[0].rpartition("/")[2] if event.argv else ""


# --- the moments of each kind ------------------------------------------------------------------

_STORE = (
    AtRecord("IncidentOpened"),
    AtRecord("StepStarted", "locate"),
    AtRecord("MilestoneReached", "locate"),
    AtRecord("MilestoneReached", "locate", 3),
    AtRecord("StepFinished", "locate"),
    AtRecord("ResourceCreated", "restore"),
    AtRecord("StepFinished", "restore"),
)
_BEFORE_LOADING = (
    AtRecord("IncidentOpened"),
    AtRecord("StepFinished", "loss"),
    AtRecord("MilestoneReached", "locate", 2),
    AtRecord("StepFinished", "locate"),
)
_SERVER = (
    AtRecord("ResourceCreated", "restore"),
    AtRecord("ProcessStarted", "restore", 2, "pg_restore"),
    AtRecord("ProcessStarted", "restore", 4, "pg_restore"),
    AtRecord("StepFinished", "restore"),
    AtRecord("StepStarted", "verify"),
)
_ANY = (
    AtRecord("IncidentOpened"),
    AtRecord("StepStarted", "locate"),
    AtRecord("MilestoneReached", "locate", 4),
    AtRecord("StepFinished", "locate"),
    AtRecord("StepStarted", "restore"),
    AtRecord("ResourceIntended", "restore"),
    AtRecord("ProcessStarted", "restore", 1, "initdb"),
    AtRecord("ResourceCreated", "restore"),
    AtRecord("ProcessStarted", "restore", 4, "pg_restore"),
    AtRecord("StepFinished", "restore"),
    AtRecord("StepStarted", "verify"),
    AtRecord("StepFinished", "verify"),
    AtRecord("StepStarted", "cutover"),
)
_FULL = (
    # What drbook downloads; its journal is bounded with it.
    (AtRecord("StepStarted", "locate"), 48 * 1024),
    # What the programs that it starts write: initdb, first of all.
    (AtRecord("ResourceIntended", "restore"), 4 * 1024 * 1024),
    # What the restored server writes.
    (AtRecord("ResourceCreated", "restore"), 64 * 1024),
    (AtRecord("ProcessStarted", "restore", 4, "pg_restore"), 64 * 1024),
)


def plan(seed: int, chosen: Sequence[Surprise] = ()) -> Plan:
    """One to three faults of different kinds, or one of each that is chosen."""
    chance = random.Random(seed)
    kinds = list(chosen) or chance.sample(list(Surprise), chance.choice((1, 1, 2, 2, 3)))
    return Plan(seed, tuple(_fault(kind, chance) for kind in kinds))


def _fault(kind: Surprise, chance: random.Random) -> Fault:
    match kind:
        case Surprise.CUT | Surprise.FLIP:
            of: Literal["copy", "manifest"] = "manifest" if chance.random() < 0.25 else "copy"
            moment = AtBody(chance.choice((1, 1, 1, 2)), chance.randint(1, 999), of)
            return Fault(kind, moment, chance.choice((1, 1, 2, 9)))
        case Surprise.FULL:
            return Fault(kind, *chance.choice(_FULL))
        case Surprise.SERVER:
            return Fault(kind, chance.choice(_SERVER))
        case Surprise.CORRUPT | Surprise.DELETE:
            return Fault(kind, chance.choice(_BEFORE_LOADING))
        case Surprise.KILL:
            return Fault(kind, chance.choice(_ANY))
        case Surprise.PAUSE:
            return Fault(kind, chance.choice(_STORE), chance.randint(1, 12))
        case Surprise.SLOW | Surprise.DOWN | Surprise.KEY:
            return Fault(kind, chance.choice(_STORE))


def read_names(text: str) -> tuple[Surprise, ...]:
    """`cut,kill` as kinds, each once. Raises UsageError."""
    found: list[Surprise] = []
    for name in filter(None, (part.strip() for part in text.split(","))):
        if name not in set(Surprise):
            raise UsageError(
                f"There is no surprise {plain(name, 60)!r}.",
                means="Nothing was started.",
                next=f"Choose among {', '.join(one.value for one in Surprise)}.",
            )
        if Surprise(name) not in found:
            found.append(Surprise(name))
    if len(found) > MOST:
        raise UsageError(
            f"{len(found)} surprises at once are more than {MOST}.",
            means="Nothing was started.",
            next="With more, nobody can tell which of them an end came from. Name fewer.",
        )
    return tuple(found)


class Due:
    """Which faults of a plan a record sets off. Each comes once, whatever is recorded later."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self._open = list(faults)
        self._seen: dict[AtRecord, int] = {}

    def after(self, event: Event) -> tuple[Fault, ...]:
        """Those whose moment this record is; records are given in their order, each once."""
        found = []
        for fault in list(self._open):
            moment = fault.moment
            if not isinstance(moment, AtRecord) or not moment.fits(event):
                continue
            count = self._seen.get(moment, 0)
            if count + 1 == moment.nth:
                found.append(fault)
                self._open.remove(fault)
        for moment in {one.moment for one in (*self._open, *found)}:
            if isinstance(moment, AtRecord) and moment.fits(event):
                self._seen[moment] = self._seen.get(moment, 0) + 1
        return tuple(found)

    @property
    def left(self) -> tuple[Fault, ...]:
        """Those whose moment has not come."""
        return tuple(self._open)


def of_step(event: Event) -> str:
    """The record that something came behind, in words."""
    words = type(event).__name__
    if isinstance(event, AttemptEvent):
        words += f" {plain(event.step, 60)}"
    return words
