"""What the driver shows and what it can be asked: immutable snapshots, and one value per command."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from drbook.core.engine import Decision, Outcome
from drbook.core.events import (
    Effect,
    NoteKind,
    NotificationEnded,
    NotificationIntended,
    Plan,
    Record,
)
from drbook.core.runbook import Runbook
from drbook.core.state import IncidentState
from drbook.core.values import Json
from drbook.mirror.status import MirrorState


@dataclass(frozen=True, slots=True)
class ProgressView:
    """One bar: how far, how fast, and how long still."""

    label: str
    done: int
    total: int | None
    unit: str
    now: str
    rate: float
    """Units per second since the work began; 0 while nobody can tell."""
    seconds_left: int | None


@dataclass(frozen=True, slots=True)
class LiveStep:
    """What a running step shows; nothing of it is on record."""

    progress: tuple[ProgressView, ...] = ()
    """In the order in which the labels appeared."""
    output: tuple[str, ...] = ()
    """The last lines that its tools printed."""


@dataclass(frozen=True, slots=True)
class Past:
    """A step in earlier incidents of the same runbook, rehearsals and real ones, where it succeeded."""

    seconds: tuple[int, ...]
    """Of each, oldest first: from its plan to its end, so that waiting for people counts."""
    last: datetime
    """When the newest of them ended."""
    live: int = 0
    """How many of them were for real."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that could not be done, for the person who asked."""

    what: str
    means: str
    next: str
    at: datetime
    code: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An incident at one moment, complete in itself."""

    runbook: Runbook
    state: IncidentState
    decision: Decision
    outcome: Outcome
    """How it would end if it were closed now."""
    records: Sequence[Record]
    """The whole record so far, oldest first."""
    head: str
    """SHA-256 of the journal's last line."""
    journal: Path
    titles: Mapping[str, str] = field(default_factory=dict)
    """Each step's title, or its action's where the runbook gives none."""
    effects: Mapping[str, Effect] = field(default_factory=dict)
    """What each step's action may leave behind, as far as is known before it is planned."""
    unset: tuple[str, ...] = ()
    """Environment variables that the runbook's secrets stand in, and that are not set where it is led."""
    live: Mapping[str, LiveStep] = field(default_factory=dict)
    previews: Mapping[str, Plan] = field(default_factory=dict)
    """What each ready step would do."""
    preview_problems: Mapping[str, str] = field(default_factory=dict)
    """Why a ready step cannot be planned."""
    cooling: Mapping[str, datetime] = field(default_factory=dict)
    """Confirmed steps that start at the time given, until when they can be cancelled."""
    retrying: tuple[str, ...] = ()
    """Failed steps that run again by themselves after their wait."""
    looking: tuple[str, ...] = ()
    """Steps in doubt whose own probe looks right now whether they happened."""
    trouble: Trouble | None = None
    """The last command that was not carried out, or a failure of the driver itself."""
    broken: bool = False
    """True where the journal cannot be written any more: nothing can be done in this process."""
    running_on: bool = False
    """True while everything that is ready is started without being asked for."""
    past: Mapping[str, Past] = field(default_factory=dict)
    """How long each step took in earlier incidents of the same runbook."""
    mirrors: tuple[MirrorState, ...] = ()
    """How the copies off this machine stand, in the runbook's order."""
    watching: bool = False
    """True where this seat only looks on: nothing but a note can be asked for."""
    left: bool = False
    """True where this seat has seen that it was led on this machine, and nobody leads it any more."""


@dataclass(frozen=True, slots=True)
class Run:
    """Plan a step, and start it once nothing is lacking; also runs it again."""

    step: str


@dataclass(frozen=True, slots=True)
class Answer:
    step: str
    answer: Json
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Confirm:
    """The typed name; the step starts after its cooling-off."""

    step: str
    typed: str


@dataclass(frozen=True, slots=True)
class Approve:
    """Somebody's name; or going on without one, with the reason."""

    step: str
    by: str
    break_glass: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class HandIn:
    """A signature that somebody else gave, as it was pasted; what it is over says which step it approves."""

    block: str


@dataclass(frozen=True, slots=True)
class CancelStep:
    """Stop a running step, or take back one that waits for a person."""

    step: str
    reason: str = "the operator cancelled it"


@dataclass(frozen=True, slots=True)
class Skip:
    step: str
    reason: str


@dataclass(frozen=True, slots=True)
class Accept:
    """Go on although a step could not be verified, and say why."""

    step: str
    reason: str


@dataclass(frozen=True, slots=True)
class Probe:
    """Let an in-doubt step look whether it happened; what it saw comes as a note on record."""

    step: str


@dataclass(frozen=True, slots=True)
class Resolve:
    """Settle an in-doubt step after somebody looked."""

    step: str
    state: Literal["succeeded", "failed"]
    reason: str


@dataclass(frozen=True, slots=True)
class WriteNote:
    text: str
    happened_at: datetime | None = None
    step: str | None = None
    kind: NoteKind = NoteKind.NOTE


@dataclass(frozen=True, slots=True)
class RunOn:
    """Run all that is ready, and what becomes ready, until something needs a person."""


@dataclass(frozen=True, slots=True)
class Halt:
    """Start nothing more by itself; what runs goes on."""


@dataclass(frozen=True, slots=True)
class Jump:
    """Make a step ready by skipping, with one reason, every step before it that it waits for."""

    step: str
    reason: str


@dataclass(frozen=True, slots=True)
class DoneElsewhere:
    """A person did the step by other means; nothing is run."""

    step: str
    state: Literal["succeeded", "failed"]
    reason: str
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class ChoosePoint:
    """Take another recovery point than the proposed one for the steps that follow."""

    step: str
    """The step that located it."""
    source: str
    id: str
    version: str | None
    reason: str
    typed: str = ""
    """The recovery point's source, typed, where the copy is not independent or not verified."""


@dataclass(frozen=True, slots=True)
class HandOver:
    """Another operator leads from here; the record names them from now on."""

    to: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class OpenShell:
    """The operator leaves for a shell on this host, and comes back."""

    step: str | None = None


@dataclass(frozen=True, slots=True)
class CloseShell:
    duration_ms: int
    exit_code: int


@dataclass(frozen=True, slots=True)
class SetInput:
    name: str
    value: Json


@dataclass(frozen=True, slots=True)
class RecordNotification:
    """Somebody is told how an unattended run ended; a closed incident takes it, too."""

    event: NotificationIntended | NotificationEnded


@dataclass(frozen=True, slots=True)
class Close:
    """End the incident with the outcome that its steps have."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Abort:
    """Cancel what runs and end the incident as aborted."""

    reason: str
    leave_doubt: bool = False
    """Leave the incident open where a step is, or gets, in doubt: nobody is there who has looked."""


Command = (
    Run
    | Answer
    | Confirm
    | Approve
    | HandIn
    | CancelStep
    | Skip
    | Accept
    | Probe
    | Resolve
    | WriteNote
    | RunOn
    | Halt
    | Jump
    | DoneElsewhere
    | ChoosePoint
    | HandOver
    | OpenShell
    | CloseShell
    | SetInput
    | RecordNotification
    | Close
    | Abort
)


class Incident(Protocol):
    """An open incident as the screen, the command line and the autopilot see it."""

    @property
    def snapshot(self) -> Snapshot: ...

    def subscribe(self, callback: Callable[[Snapshot], None]) -> Callable[[], None]:
        """Call back with each new snapshot, from the driver's thread, about ten times a second at
        most; returns what unsubscribes."""

    def submit(self, command: Command, actor: str | None = None) -> "Future[int]":
        """Ask for something. The future ends once it is on record, with the number of the last record
        then, or with a DrbookError."""

    def stop(self) -> None:
        """Cancel what runs, give up the lock, end the driver. The incident stays open."""
