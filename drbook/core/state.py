"""What is known of an incident at one moment; `drbook.core.fold` makes it from the record.

`pending` covers *ready*: whether a step may start is the engine's answer, not a state on record.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from drbook.core.events import ApprovalAsked, ApproversTaken, Effect, Mode, NoteKind, Plan, StepEnd
from drbook.core.values import Json


class StepState(StrEnum):
    PENDING = "pending"
    AWAITING = "awaiting"
    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    COULD_NOT_VERIFY = "could-not-verify"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    NOT_EXERCISED = "not-exercised"
    IN_DOUBT = "in-doubt"
    SKIPPED = "skipped"
    STALE = "stale"


ENDED = frozenset(StepState(end.value) for end in StepEnd) | {StepState.SKIPPED, StepState.STALE}
RETRYABLE = frozenset(
    {
        StepState.FAILED,
        StepState.COULD_NOT_VERIFY,
        StepState.REFUSED,
        StepState.CANCELLED,
        StepState.NOT_EXERCISED,
        StepState.STALE,
        StepState.SUCCEEDED,
    }
)
DONE_ELSEWHERE = frozenset({StepState.PENDING, StepState.AWAITING, StepState.FAILED}) | {
    StepState.REFUSED,
    StepState.CANCELLED,
    StepState.COULD_NOT_VERIFY,
    StepState.STALE,
    StepState.SKIPPED,
}
"""From where a person may say that they did a step by other means."""
SKIPPABLE = frozenset({StepState.PENDING, StepState.AWAITING, StepState.FAILED}) | {
    StepState.COULD_NOT_VERIFY,
    StepState.REFUSED,
    StepState.CANCELLED,
    StepState.STALE,
}


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that an attempt intended, and whether it is known to exist."""

    kind: str
    name: str
    nonce: str
    location: str
    step: str
    attempt: int
    created: bool = False
    released: bool = False
    left: str = ""
    """Why it was not taken away, as the last try said; empty where there was none."""
    identity: Json = None
    host: str = ""
    """Where it was intended."""
    epoch: int = 0
    """The take-over that it was intended after; an earlier one's lies on another machine."""


@dataclass(frozen=True, slots=True)
class StepRun:
    """All that is known about one step."""

    id: str
    state: StepState = StepState.PENDING
    attempt: int = 0
    """The latest attempt; 0 before the first."""
    starts: int = 0
    """How many attempts were started."""
    action: str = ""
    effect: Effect = Effect.NONE
    params: Json = None
    plan: Plan | None = None
    confirmed: bool = False
    digest: str = ""
    """Of action, arguments and plan."""
    asked: ApprovalAsked | None = None
    """What others are asked to approve; None where one typed name is enough."""
    approvals: tuple[str, ...] = ()
    """Who approved so far."""
    approved_by: str | None = None
    """All of them, once they are enough; or who was not waited for, behind broken glass."""
    alone: bool = False
    """True where the operator went on without an approval that the runbook asks for."""
    answered: bool = False
    answer: Json = None
    comment: str = ""
    planned_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    result: Json = None
    found: Json = None
    """What the latest attempt had found before somebody settled or skipped it: to be read, used by nothing."""
    settled_at: datetime | None = None
    """When a person settled it; `ended_at` stays when it ended."""
    reason: str = ""
    means: str = ""
    next: str = ""
    code: str = ""
    cancel_requested: bool = False
    accepted: str | None = None
    """Why a person accepted what could not be verified."""
    skipped_by_rule: bool = False
    by_hand: bool = False
    """True where a person did it by other means: it stands on that person's word."""
    evidence: str = ""
    """What was pasted as evidence of it."""
    break_glass: bool = False
    """True where a person chose a recovery point that is not known to be independent."""
    milestones: Sequence[str] = ()
    epoch: int = 0
    """The take-over that the latest attempt was planned after."""


@dataclass(frozen=True, slots=True)
class Note:
    at: datetime
    actor: str
    text: str
    happened_at: datetime | None
    step: str | None
    kind: NoteKind = NoteKind.NOTE


@dataclass(frozen=True, slots=True)
class IncidentState:
    """One incident as far as the journal tells."""

    incident: str = ""
    mode: Mode = Mode.DRY_RUN
    keep_targets: bool = False
    """True where what a drill makes is to stay after its end."""
    title: str = ""
    runbook_sha256: str = ""
    opened_at: datetime | None = None
    occurred: datetime | None = None
    """When the loss happened; None while nobody knows."""
    detected: datetime | None = None
    """When somebody became aware of it; None while nobody said so."""
    declared: datetime | None = None
    """When it was called an incident: the input of that name, else when this one was opened."""
    rpo_seconds: int | None = None
    rto_seconds: int | None = None
    operator: str = ""
    inputs: Mapping[str, Json] = field(default_factory=dict)
    approvers: ApproversTaken | None = None
    """Whose signature approves; None where names are typed."""
    order: tuple[str, ...] = ()
    steps: Mapping[str, StepRun] = field(default_factory=dict)
    resources: tuple[Resource, ...] = ()
    notes: Sequence[Note] = ()
    messages: Sequence[Note] = ()
    """Those of the notes that say what was told to somebody; an incident has few, and many notes."""
    shell_since: datetime | None = None
    """Since when the operator is in a shell; None while nobody is."""
    resumed: int = 0
    epoch: int = 0
    """How often another machine has taken over."""
    host: str = ""
    """Where the latest record was written."""
    closed_at: datetime | None = None
    outcome: str = ""
    exit_code: int | None = None
    seq: int = 0


def has_begun(run: StepRun) -> bool:
    """True where an attempt of it was ever started, or somebody ended it without one."""
    return run.starts > 0 or run.state not in (StepState.PENDING, StepState.AWAITING)


def said_no(run: StepRun) -> bool:
    """Whether a person chose what ends the incident's way here, like no-go: `choose` fails with a result
    then, and without one where nothing was chosen."""
    return run.action == "choose" and run.state is StepState.FAILED and run.result is not None


def in_doubt(state: "IncidentState") -> tuple[str, ...]:
    """The steps of which nobody knows whether they happened."""
    return tuple(run.id for run in state.steps.values() if run.state is StepState.IN_DOUBT)


def ended_badly(state: "IncidentState") -> frozenset[tuple[str, int, str]]:
    """Every end that somebody has to look at: step, attempt and how it ended."""
    good = (StepState.SUCCEEDED, StepState.SKIPPED, StepState.NOT_EXERCISED)
    return frozenset(
        (run.id, run.attempt, run.state.value)
        for run in state.steps.values()
        if run.state in ENDED and run.state not in good and run.accepted is None
    )


def lacks(run: StepRun) -> tuple[str, ...]:
    """What a planned step still needs from a person before it may start, in the order of asking.

    What a person does by hand is answered last: it is confirmed before it is done.
    """
    plan = run.plan
    if plan is None:
        return ("a plan",)
    question = [] if plan.asks is None or run.answered else ["an answer"]
    consent = []
    if plan.approve is not None and run.approved_by is None:
        consent.append("an approval")
    if plan.confirm is not None and not run.confirmed:
        consent.append("a confirmation")
    by_hand = plan.asks is not None and plan.asks.kind == "done"
    return tuple([*consent, *question] if by_hand else [*question, *consent])
