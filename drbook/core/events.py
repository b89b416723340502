"""What can happen in an incident, one immutable value per kind; the journal holds nothing else.

An event says *what*; who said it, when and on which host stand in the record around it.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from drbook.core.besides import ExternalEntryAdded as ExternalEntryAdded
from drbook.core.besides import ExternalFileTaken as ExternalFileTaken
from drbook.core.besides import NoteAdded as NoteAdded
from drbook.core.besides import NotificationEnded as NotificationEnded
from drbook.core.besides import NotificationIntended as NotificationIntended
from drbook.core.besides import ReleaseIntended as ReleaseIntended
from drbook.core.besides import Removal as Removal
from drbook.core.besides import ResourceLeft as ResourceLeft
from drbook.core.besides import ResourceReleased as ResourceReleased
from drbook.core.consents import ApprovalAsked as ApprovalAsked
from drbook.core.consents import ApprovalGiven as ApprovalGiven
from drbook.core.consents import ApprovalRefused as ApprovalRefused
from drbook.core.consents import ApproversTaken as ApproversTaken
from drbook.core.errors import JournalError
from drbook.core.event import AttemptEvent as AttemptEvent
from drbook.core.event import Event as Event
from drbook.core.event import StepEvent as StepEvent
from drbook.core.terms import Effect as Effect
from drbook.core.terms import Life as Life
from drbook.core.terms import Mode as Mode
from drbook.core.terms import NoteKind as NoteKind
from drbook.core.terms import Plan as Plan
from drbook.core.terms import Proof as Proof
from drbook.core.terms import Question as Question
from drbook.core.terms import StepEnd as StepEnd
from drbook.core.values import Frozen, Json, UtcTime


class IncidentOpened(Event):
    incident: str
    mode: Mode
    title: str
    runbook_sha256: str
    runbook_file: str
    drbook_version: str
    inputs: Mapping[str, Json] = {}
    occurred: UtcTime | None = None
    rpo_seconds: int | None = None
    rto_seconds: int | None = None
    steps: tuple[str, ...]
    keep_targets: bool = False
    """True where what a drill makes is to stay after its end."""
    environment: Mapping[str, str] = {}
    """Versions of Python, the platform and the tools."""
    life: Life | None = None


class IncidentResumed(Event):
    head: str
    """SHA-256 of the last line before; what follows hangs on it."""
    repaired: str = ""
    """What was cut off a torn tail, in words; empty where the tail was whole."""
    outlived: tuple[str, ...] = ()
    """Processes of the life before that were still ending and were waited for, in words."""
    unseen: tuple[str, ...] = ()
    """Mirrors that could not be asked whether another machine had taken over, each with the reason."""
    unlooked: str = ""
    """Why what the life before had started cannot be looked for here; empty where it was looked for."""
    life: Life | None = None


class IncidentTakenOver(Event):
    """Another machine goes on with an incident, from what a mirror held."""

    from_host: str
    """The host that wrote the last record before."""
    head: str
    """SHA-256 of the last line that was recovered; this record hangs on it."""
    records: int
    """How many were recovered. What the other host recorded after them, nobody here can know."""
    epoch: int
    """Counts the take-overs from 1; the fence of this number was laid in the mirrors."""
    fence: str
    """The random token in that fence."""
    reason: str
    mirrors: tuple[str, ...]
    """Where the record was read and the fence was laid."""
    unseen: tuple[str, ...] = ()
    """Mirrors of the runbook that could not be asked, each with the reason."""
    missing: tuple[str, ...] = ()
    """Artifacts that the record names and no mirror held."""
    vouched: tuple[str, ...] = ()
    """What was held against the mirror's record and fits, `head` or `runbook`; where it is empty, nothing
    but the mirror vouches for it."""
    life: Life | None = None


class RunbookAmended(Event):
    runbook_sha256: str
    file: str = ""
    """Its name in the incident's folder."""
    changed: tuple[str, ...]
    """Steps that were added, removed or changed."""
    summary: str = ""
    """The same in words."""
    steps: tuple[str, ...]
    """All of them from now on, in their order."""


class InputChanged(Event):
    name: str
    value: Json
    occurred: UtcTime | None = None
    """The value as a time, where the input is `occurred`."""


class StepPlanned(AttemptEvent):
    action: str
    effect: Effect
    params: Json
    """Evaluated arguments; secrets are references here too."""
    plan: Plan
    digest: str
    """SHA-256 of action, arguments and plan."""


class ConfirmationGiven(AttemptEvent):
    typed: str


class AnswerGiven(AttemptEvent):
    answer: Json
    """What was answered: `done`, a text, a number, a time or one of the choices."""
    comment: str = ""


class StepStarted(AttemptEvent):
    pass


class ResourceIntended(AttemptEvent):
    kind: str
    name: str
    nonce: str
    location: str


class ResourceCreated(AttemptEvent):
    kind: str
    name: str
    location: str
    identity: Json = None


class ProcessStarted(AttemptEvent):
    """The launcher of a program, which runs it once this is on record."""

    pid: int
    started: int
    argv: tuple[str, ...]
    token: str = ""
    """What it and all that comes of it have in their environment; empty in older records."""


class MilestoneReached(AttemptEvent):
    text: str
    data: Json = None
    artifacts: tuple[str, ...] = ()


class CancelRequested(AttemptEvent):
    reason: str


class StepFinished(AttemptEvent):
    state: StepEnd
    result: Json = None
    reason: str = ""
    """What happened, for a person."""
    means: str = ""
    next: str = ""
    code: str = ""
    duration_ms: int
    artifacts: tuple[str, ...] = ()


class StepResolved(AttemptEvent):
    """An in-doubt step, after somebody looked."""

    state: Literal[StepEnd.SUCCEEDED, StepEnd.FAILED]
    reason: str
    result: Json = None


class StepSkipped(StepEvent):
    reason: str
    automatic: bool = False
    """True where the runbook's own `when` said so."""


class StepInvalidated(StepEvent):
    because: str


class DecisionRecorded(StepEvent):
    """A person accepts a step that could not be verified, and why."""

    decision: Literal["accept"]
    reason: str


class PointChosen(StepEvent):
    """A person chose another recovery point than the one that `backups.locate` proposed."""

    source: str
    id: str
    """The recovery point's, within its source."""
    version: str | None = None
    reason: str
    break_glass: bool = False
    """True where the chosen copy is not known to be independent, or is not verified."""
    typed: str = ""
    """What was typed to break the glass."""


class StepDoneElsewhere(AttemptEvent):
    """A person did the step with other means than drbook, and says how it ended; an attempt of its own,
    that drbook neither planned nor started."""

    state: Literal[StepEnd.SUCCEEDED, StepEnd.FAILED]
    reason: str
    """What was done, and how that person knows."""
    evidence: str = ""
    """What was pasted: the output of the command that was run."""
    without: tuple[str, ...] = ()
    """Consents that the runbook asks for before the step, and that nobody gave to drbook, in words."""


class ShellOpened(Event):
    """The operator suspended drbook to a shell on this host."""

    step: str | None = None


class ShellClosed(Event):
    duration_ms: int
    exit_code: int


class HandedOver(Event):
    to: str
    comment: str = ""


class IncidentClosed(Event):
    outcome: str
    exit_code: int
    reason: str = ""


EVENT_TYPES: Mapping[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        IncidentOpened,
        IncidentResumed,
        IncidentTakenOver,
        RunbookAmended,
        InputChanged,
        StepPlanned,
        ConfirmationGiven,
        ApproversTaken,
        ApprovalAsked,
        ApprovalGiven,
        ApprovalRefused,
        AnswerGiven,
        StepStarted,
        ResourceIntended,
        ResourceCreated,
        ReleaseIntended,
        ResourceReleased,
        ResourceLeft,
        ProcessStarted,
        MilestoneReached,
        CancelRequested,
        StepFinished,
        StepResolved,
        StepSkipped,
        StepInvalidated,
        DecisionRecorded,
        NoteAdded,
        ExternalFileTaken,
        ExternalEntryAdded,
        PointChosen,
        StepDoneElsewhere,
        ShellOpened,
        ShellClosed,
        HandedOver,
        NotificationIntended,
        NotificationEnded,
        IncidentClosed,
    )
}


class Record(Frozen):
    """One line of the journal: an event, who caused it, when, where, and the line before."""

    seq: int
    """Counts from 1 without gaps."""
    at: UtcTime
    mono_ns: int
    """The host's monotonic clock, for durations that survive a change of the wall clock."""
    mode: Mode
    actor: str
    host: str
    event: Event
    prev: str
    """SHA-256 of the previous line's exact bytes without its line end; 64 zeros for the first."""


def named_artifacts(records: Iterable[Record]) -> Iterator[str]:
    """Every artifact that a record names, in their order, some of them more than once."""
    for record in records:
        if isinstance(record.event, StepFinished | MilestoneReached | ExternalFileTaken):
            yield from record.event.artifacts


class IllegalEvent(JournalError):
    """An event that cannot follow what happened before it; the record or the driver is wrong."""

    code = "illegal-event"
