"""What counts as an approval: the text that is signed, and the reasons for which a signature approves nothing.

Pure. A signature proves that a key of the incident's list signed this text. That the operator does not hold that
key as well is proved by nothing; the text names who leads, so whoever signs says that this is somebody else.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from drbook.core import events as ev
from drbook.core.events import ApprovalAsked, Mode, Plan, Record
from drbook.core.signers import Signer, people, read_signers, same, unable
from drbook.core.state import IncidentState, StepRun, StepState
from drbook.core.values import counted, format_time, plain

NAMESPACE = "drbook-approval"
"""What a signature has to be made for, and the first word of the text."""
_LINE, _DOES = 400, 20


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


# --- the text ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class About:
    """What the text takes from the record around what was asked."""

    incident: str
    mode: Mode
    runbook_sha256: str
    list_sha256: str
    listed: tuple[str, ...]
    """All people of the list."""
    plan: Plan
    plan_sha256: str


def about(state: IncidentState, step: str) -> About | None:
    """None where the step has no plan, or the incident no list."""
    run, taken = state.steps.get(step), state.approvers
    if run is None or run.plan is None or taken is None:
        return None
    listed = people(signers_of(state))
    return About(
        state.incident, state.mode, state.runbook_sha256, taken.sha256, listed, run.plan, run.digest
    )


def signers_of(state: IncidentState) -> tuple[Signer, ...]:
    """Those of the incident's list; nobody where there is none, or none that can be read."""
    try:
        return read_signers(state.approvers.text) if state.approvers is not None else ()
    except ValueError:
        return ()


def able(state: IncidentState, at: datetime) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Of the incident's list, everybody with a key that it accepts at that time; and the others, each with why."""
    signers = signers_of(state)
    lacking = unable(signers, NAMESPACE, at)
    may = tuple(one for one in people(signers) if one not in lacking)
    return may, tuple(plain(f"{name}: {why}", 200) for name, why in lacking.items())


def text_of(asked: ApprovalAsked, known: About) -> str:
    """Exactly what is signed: a line for each thing, with nothing in it that acts on a terminal."""
    plan = known.plan
    does = [("does", one) for one in plan.does[:_DOES]]
    if len(plan.does) > _DOES:
        more = counted(len(plan.does) - _DOES, "thing")
        does.append(("does", f"… and {more} more, which the plan's digest covers"))
    listed = any(same(asked.operator, one) for one in known.listed)
    standing = "one of the approvers" if listed else "none of the approvers"
    lines = [
        (NAMESPACE, "1"),
        ("incident", known.incident),
        ("mode", known.mode.value),
        ("runbook", known.runbook_sha256),
        ("step", asked.step),
        ("title", asked.title),
        ("attempt", str(asked.attempt)),
        ("plan", known.plan_sha256),
        *does,
        ("touches", plan.touches),
        *([("cannot be undone", plan.damage)] if plan.damage else []),
        ("operator", f"{asked.operator} ({standing})"),
        ("approvers", known.list_sha256),
        ("needed", str(asked.needed)),
        ("asked", format_time(asked.asked_at)),
        ("expires", format_time(asked.expires)),
        ("nonce", asked.nonce),
    ]
    return "".join(f"{name}: {plain(said, _LINE)}\n" for name, said in lines)


def may_sign(by: int | str, listed: Sequence[str], led: Iterable[str]) -> tuple[str, ...]:
    """Of the list, who is asked: nobody who led this incident."""
    wanted = listed if isinstance(by, int) else [one for one in listed if same(one, by)]
    return tuple(one for one in wanted if not any(same(one, other) for other in led))


# --- the record ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Request:
    """Something that was asked to be signed, and when by both clocks."""

    asked: ApprovalAsked
    at: datetime
    mono_ns: int


@dataclass(slots=True)
class Book:
    """What the record says about approvals so far."""

    requests: list[Request] = field(default_factory=list)
    led: list[str] = field(default_factory=list)
    """Everybody who led the incident: a handing over is no way to approve oneself."""
    used: dict[tuple[str, str], int] = field(default_factory=dict)
    """The record of each approval, by the text's digest and the person."""
    signatures: dict[str, int] = field(default_factory=dict)
    """The same by the signature's digest."""


def book(records: Iterable[Record]) -> Book:
    found = Book()
    for record in records:
        event = record.event
        if isinstance(event, ApprovalAsked) and event.signed:
            found.requests.append(Request(event, record.at, record.mono_ns))
        elif isinstance(event, ev.ApprovalGiven) and event.proof is not None:
            found.used[event.proof.text_sha256, event.by.casefold()] = record.seq
            found.signatures[event.proof.signature_sha256] = record.seq
        elif isinstance(event, ev.IncidentOpened | ev.IncidentResumed | ev.IncidentTakenOver):
            found.led.append(record.actor)
        elif isinstance(event, ev.HandedOver):
            found.led.append(event.to)
    return found


def asked_in(records: Iterable[Record], asked: ApprovalAsked) -> Request | None:
    """Where the record holds what was asked; None where it does not."""
    return next((one for one in book(records).requests if one.asked == asked), None)


def is_over(request: Request, now: datetime, mono_ns: int | None) -> bool:
    """Whether its time to be signed is over by either clock; `mono_ns` is the monotonic one of whoever leads, in
    nanoseconds, and None where it is not at hand."""
    lasts = request.asked.expires - request.asked.asked_at
    late = (
        mono_ns is not None
        and mono_ns - request.mono_ns >= lasts / timedelta(microseconds=1) * 1000
    )
    return late or now >= request.asked.expires


def is_pending(state: IncidentState, asked: ApprovalAsked) -> bool:
    """Whether the step still waits for this."""
    run = state.steps.get(asked.step)
    waits = run is not None and run.state is StepState.AWAITING and run.asked == asked
    return waits and run is not None and run.approved_by is None and state.closed_at is None


# --- a signature ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Seen:
    """What looking at a signature showed."""

    key: str = ""
    """Kind and fingerprint."""
    namespace: str = NAMESPACE
    person: str = ""
    """Whose key it is by the list; empty where nobody has it."""
    request: Request | None = None
    """What it is a signature over; None where that was never asked here."""
    rejected: str = ""
    """Why ssh-keygen, with the list, does not take it; empty where it does."""
    signature_sha256: str = ""


def why_refused(
    seen: Seen, state: IncidentState, known: Book, now: datetime, mono_ns: int | None
) -> str:
    """Why this signature approves nothing; empty where it does. `mono_ns` is the monotonic clock of whoever
    leads, in nanoseconds: a wall clock that was set back makes no text valid again."""
    if seen.namespace != NAMESPACE:
        return f"it was made for {plain(seen.namespace, 60)!r}, not for {NAMESPACE!r}"
    if not seen.person:
        return f"nobody in the incident's list has its key, {seen.key}"
    request = seen.request
    if request is None:
        return "it is over nothing that was asked here: another incident, or another text"
    asked = request.asked
    if (used := known.signatures.get(seen.signature_sha256)) is not None:
        return f"it was used already, in record {used}"
    approved = known.used.get((sha256(asked.text), seen.person.casefold()))
    if approved is not None:
        return (
            f"{seen.person} approved it already, in record {approved}: a person counts once, "
            "with whatever keys"
        )
    if not is_pending(state, asked):
        return _not_pending(asked, state.steps.get(asked.step))
    if is_over(request, now, mono_ns):
        return f"what it signs was to be signed until {format_time(asked.expires)}"
    if now < asked.asked_at:
        return f"what it signs holds from {format_time(asked.asked_at)} on, and it is not that late yet"
    if any(same(seen.person, one) for one in known.led):
        return f"{seen.person} leads this incident, or led it: nobody approves what is their own"
    if not any(same(seen.person, one) for one in asked.people):
        if why := unable(signers_of(state), NAMESPACE, now).get(seen.person):
            return f"{seen.person} was not asked: {why}"
        return f"{seen.person} was not asked, but {', '.join(asked.people) or 'nobody'}"
    if seen.rejected:
        return f"ssh-keygen does not take it for {seen.person}: {seen.rejected}"
    return ""


def _not_pending(asked: ApprovalAsked, run: StepRun | None) -> str:
    step = plain(asked.step, 80)
    if run is None:
        return f"there is no step {step} any more"
    if run.attempt != asked.attempt:
        return (
            f"it is for attempt {asked.attempt} of step {step}, which is at attempt {run.attempt}: "
            "it was planned anew, and may do something else"
        )
    return f"step {step} waits for no approval any more"


# --- a record, checked again -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Checked:
    """The approvals of a record, each looked at as it was when it was given."""

    signed: int = 0
    """Signatures that hold."""
    typed: int = 0
    """Names that were typed; nothing proves them."""
    broken: int = 0
    """Steps that somebody went on with alone."""
    problems: tuple[str, ...] = ()
    unchecked: str = ""
    """Why signatures could not be checked; empty where they were."""

    @property
    def any(self) -> bool:
        return bool(self.signed or self.typed or self.broken or self.problems or self.unchecked)

    def in_words(self) -> str:
        """For people; what nothing proves says so."""
        said = [f"{counted(self.signed, 'signature')} checked again"] if self.signed else []
        said += [f"{counted(self.typed, 'typed name')} that nothing proves"] if self.typed else []
        said += [f"{self.broken} BREAK-GLASS, without approval"] if self.broken else []
        return ", ".join(said)
