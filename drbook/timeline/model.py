"""The timeline of one incident: everything that an auditor asks for, taken from the journal alone.

What nobody recorded is None or empty, and is shown as *unknown*; nothing is filled in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from drbook.core.events import Plan, Record
from drbook.core.located import Located
from drbook.core.losing import LossFound
from drbook.core.outputs import Part
from drbook.core.results import DifferenceResult, RestoreResult, VerifyResult
from drbook.core.runbook import Updates
from drbook.core.timers import Owed


@dataclass(frozen=True, slots=True)
class JournalFacts:
    """The record that a timeline was built from."""

    path: str
    head: str
    """SHA-256 of its last line."""
    intact: bool
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """An objective beside what was measured; None where nobody knows."""

    objective: timedelta | None
    measured: timedelta | None
    at_least: bool = False
    """True where the true value may be larger."""

    @property
    def met(self) -> bool | None:
        if self.objective is None or self.measured is None:
            return None
        if self.measured > self.objective:
            return False
        return None if self.at_least else True


@dataclass(frozen=True, slots=True)
class ByHand:
    """A person's word for a step that drbook did not run."""

    by: str
    evidence: str
    """What was pasted; empty where nothing was."""
    without: tuple[str, ...]
    """Consents that the runbook asks for and nobody gave."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A person's choice of another recovery point than the proposed one; the last that holds."""

    by: str
    step: str
    reason: str
    break_glass: bool
    standing: str
    """What is not known of the copy, in words."""
    key: str
    """The recovery point's."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of one step."""

    step: str
    number: int
    title: str
    phase: str
    action: str
    digest: str
    """SHA-256 of action, arguments and plan, as recorded before it started."""
    plan: Plan | None
    planned_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    state: str = ""
    """How it ended; empty while it runs or waits."""
    reason: str = ""
    means: str = ""
    next: str = ""
    stale: str = ""
    """Why what it found no longer holds; empty where nothing says so."""
    duration: timedelta | None = None
    milestones: tuple[tuple[datetime, str], ...] = ()
    commands: tuple[str, ...] = ()
    """Command lines of the processes it started; they hold no secrets."""
    by_hand: ByHand | None = None
    output: tuple[Part, ...] = ()
    """What its command printed, its query found or its request was answered."""

    @property
    def waited(self) -> timedelta | None:
        """How long it waited for people between its plan and its start; None below a second."""
        if self.planned_at is None or self.started_at is None:
            return None
        waited = self.started_at - self.planned_at
        return waited if waited >= timedelta(seconds=1) else None


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that the incident created."""

    kind: str
    name: str
    location: str
    nonce: str
    step: str
    intended_at: datetime
    created_at: datetime | None = None
    released_at: datetime | None = None
    absent: bool = False
    """Nothing was there any more when somebody came to remove it."""
    left: str = ""
    """Why it was not taken away; empty where nobody tried, or it was."""
    identity: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timeline, with both clocks: when it happened, and when it was recorded."""

    seq: int
    happened_at: datetime
    recorded_at: datetime
    actor: str
    step: str
    kind: str
    """`step`, `decision`, `note`, `external`, `resource`, `deviation` or `incident`."""
    text: str
    urgent: bool = False
    """Shown in red, or said loudly: somebody went past what protects data."""


@dataclass(frozen=True, slots=True)
class Telling:
    """What was to be told to whom, and what the record says of it."""

    updates: Updates | None = None
    sent: tuple[datetime, ...] = ()
    """When an update was sent, oldest first."""
    next_update: datetime | None = None
    deadlines: tuple[Owed, ...] = ()


@dataclass(frozen=True, slots=True)
class Timeline:
    """One incident, from its first record to its latest."""

    incident: str
    mode: str
    title: str
    runbook_file: str
    runbook_sha256: str
    drbook_version: str
    environment: Mapping[str, str]
    inputs: Mapping[str, object]
    hosts: tuple[str, ...]
    occurred: datetime | None
    detected: datetime | None
    detected_by: str
    """The step of the phase `detect` that proved it first, where nobody said when it was detected."""
    detected_proof: str
    """What that step proved, in words."""
    declared: datetime
    opened: datetime
    """When this incident was opened: it is declared then, unless somebody said another time."""
    closed: datetime | None
    outcome: str
    """Empty while the incident is open."""
    outcome_reason: str
    rpo: Measured
    rto: Measured
    attempts: tuple[Attempt, ...]
    entries: tuple[Entry, ...]
    resources: tuple[Resource, ...]
    located: Located | None
    restored: RestoreResult | None
    verified: VerifyResult | None
    verified_stale: str
    """Why `verified` no longer holds, where something that it rests on has changed since."""
    compared: DifferenceResult | None
    """The restored database against production as it was then."""
    sought: LossFound | None
    """The moment of the loss, as it was sought in the WAL."""
    telling: Telling
    choice: Choice | None
    unread: tuple[str, ...]
    """Results that are on record and could not be read."""
    journal: JournalFacts
    records: Sequence[Record]

    @property
    def is_open(self) -> bool:
        return self.closed is None

    @property
    def by_hand(self) -> tuple[Attempt, ...]:
        return tuple(attempt for attempt in self.attempts if attempt.by_hand is not None)

    @property
    def with_output(self) -> tuple[Attempt, ...]:
        return tuple(attempt for attempt in self.attempts if attempt.output)

    def of_kind(self, *kinds: str) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.kind in kinds)
