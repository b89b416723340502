"""Records to a timeline: pure, so that the same journal gives the same bytes in every export."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from pydantic import ValidationError

from drbook.core import events as ev
from drbook.core.choosing import Which, chosen_instead, judgement_of, restored_instead, standing
from drbook.core.clocks import loss
from drbook.core.detection import proved
from drbook.core.events import Record, StepEnd
from drbook.core.located import Located
from drbook.core.losing import LossFound
from drbook.core.occurred import dated
from drbook.core.outputs import parts_of
from drbook.core.results import (
    COMPARE,
    FIND_LOSS,
    LOCATE,
    RESTORE,
    VERIFY,
    DifferenceResult,
    RestoreResult,
    VerifyResult,
    read_result,
)
from drbook.core.runbook import RunbookDocument
from drbook.core.timers import Message, message, next_update, owed, updates_sent
from drbook.core.values import Frozen, Json, show_time, time_in
from drbook.timeline.model import (
    Attempt,
    ByHand,
    Choice,
    Entry,
    JournalFacts,
    Measured,
    Resource,
    Telling,
    Timeline,
)
from drbook.timeline.told import told

R = TypeVar("R", bound=Frozen)


@dataclass(slots=True)
class _Builder:
    phases: Mapping[str, str]
    titles: Mapping[str, str]
    attempts: dict[tuple[str, int], Attempt] = field(default_factory=dict)
    resources: dict[str, Resource] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    results: dict[str, tuple[str, Json]] = field(default_factory=dict)
    """Latest result by action, and the step that handed it back."""
    choice: Choice | None = None
    unread: list[str] = field(default_factory=list)
    opened: tuple[Record, ev.IncidentOpened] | None = None
    closed: tuple[Record, ev.IncidentClosed] | None = None
    occurred: datetime | None = None
    inputs: dict[str, Json] = field(default_factory=dict)
    """As they were given and changed."""
    messages: list[Message] = field(default_factory=list)
    """What was told to somebody."""
    proof: tuple[datetime, str, str] | None = None
    """When a step of the phase `detect` proved it first, which, and what it proved."""

    def take(self, record: Record) -> None:
        event = record.event
        if (found := told(record)) is not None:
            step = getattr(event, "step", None) or ""
            self._enter(record, found.kind, found.text, step, found.happened_at, found.urgent)
        if isinstance(event, ev.IncidentOpened):
            self.opened = (record, event)
            self.occurred = event.occurred
            self.inputs.update(event.inputs)
        elif isinstance(event, ev.IncidentClosed):
            self.closed = (record, event)
        elif isinstance(event, ev.InputChanged):
            self._input_changed(event)
        elif isinstance(event, ev.NoteAdded) and event.kind is ev.NoteKind.MESSAGE:
            self.messages.append(message(record.at, event.happened_at, event.text))
        elif isinstance(event, ev.PointChosen):
            self._point_chosen(record, event)
        elif isinstance(event, ev.StepInvalidated):
            self._stale(event)
        elif isinstance(event, ev.ResourceReleased | ev.ResourceLeft):
            self._release(record, event)
        elif isinstance(event, ev.AttemptEvent):
            self._attempt_event(record, event)

    def _stale(self, event: ev.StepInvalidated) -> None:
        """What the step's latest attempt found no longer holds."""
        attempt = self.latest().get(event.step)
        if attempt is not None:
            key = (attempt.step, attempt.number)
            self.attempts[key] = replace(attempt, stale=event.because)

    def latest(self) -> dict[str, Attempt]:
        """The latest attempt of each step."""
        return {attempt.step: attempt for attempt in self.attempts.values()}

    def verifications(self) -> list[Attempt]:
        """The latest attempt of each step that verifies a restore."""
        return [attempt for attempt in self.latest().values() if attempt.action == VERIFY]

    def verified_at(self) -> datetime | None:
        """When the last verification succeeded, where each of them did and holds."""
        ends = [
            attempt.ended_at if attempt.state == "succeeded" and not attempt.stale else None
            for attempt in self.verifications()
        ]
        known = [end for end in ends if end is not None]
        return max(known) if known and len(known) == len(ends) else None

    def stale(self, action: str) -> str:
        """Why the latest result of an action no longer holds."""
        step, _ = self.results.get(action, ("", None))
        attempt = self.latest().get(step)
        if attempt is None:
            return ""
        return attempt.stale or ("" if attempt.state else "it is run again")

    def _input_changed(self, event: ev.InputChanged) -> None:
        self.inputs[event.name] = event.value
        if event.name == "occurred":
            self.occurred = event.occurred
            self.results = {
                action: (step, dated(action, result, event.occurred))
                for action, (step, result) in self.results.items()
            }

    def _attempt_event(self, record: Record, event: ev.AttemptEvent) -> None:
        key = (event.step, event.attempt)
        if isinstance(event, ev.StepPlanned):
            self.attempts[key] = Attempt(
                step=event.step,
                number=event.attempt,
                title=self.titles.get(event.step, event.step),
                phase=self.phases.get(event.step, ""),
                action=event.action,
                digest=event.digest,
                plan=event.plan,
                planned_at=record.at,
            )
            return
        if isinstance(event, ev.StepDoneElsewhere):
            self.attempts[key] = self._by_hand(record, event)
            return
        attempt = self.attempts.get(key)
        if attempt is None:
            return
        if isinstance(event, ev.StepStarted):
            attempt = replace(attempt, started_at=record.at)
            if event.attempt > 1:
                self._enter(record, "deviation", f"attempt {event.attempt}", event.step)
            self._enter(record, "step", "started", event.step)
        elif isinstance(event, ev.StepFinished):
            attempt = self._finished(record, event, attempt)
        elif isinstance(event, ev.StepResolved):
            attempt = replace(attempt, state=event.state.value, reason=event.reason)
            self._enter(
                record, "decision", f"resolved as {event.state.value}: {event.reason}", event.step
            )
            self._keep(attempt, event.result)
        elif isinstance(event, ev.MilestoneReached):
            attempt = replace(attempt, milestones=(*attempt.milestones, (record.at, event.text)))
        elif isinstance(event, ev.ProcessStarted):
            attempt = replace(attempt, commands=(*attempt.commands, " ".join(event.argv)))
        else:
            self._resource(record, event)
        self.attempts[key] = attempt

    def _by_hand(self, record: Record, event: ev.StepDoneElsewhere) -> Attempt:
        """A person's word says that something was seen, and never that it was verified."""
        phase = self.phases.get(event.step, "")
        return Attempt(
            step=event.step,
            number=event.attempt,
            title=self.titles.get(event.step, event.step),
            phase=phase,
            action="",
            digest="",
            plan=None,
            ended_at=record.at,
            state=f"{event.state.value} by hand",
            reason=event.reason,
            by_hand=ByHand(record.actor, event.evidence, event.without),
        )

    def _point_chosen(self, record: Record, event: ev.PointChosen) -> None:
        """The same copy takes the place of the proposed one here as in the incident."""
        step, result = self.results.get(LOCATE, ("", None))
        which = Which(event.source, event.id, event.version)
        located = read_result(Located, result) if step == event.step else None
        found = judgement_of(located, which) if located is not None else None
        shown, known = f"{event.source}: {event.id}", ""
        if found is not None:
            self.results[LOCATE] = (step, chosen_instead(result, which, self.occurred))
            shown, known = found.point.location, standing(found)
            self.choice = Choice(
                record.actor, event.step, event.reason, event.break_glass, known, found.point.key
            )
        how = f"BREAK-GLASS by typing {event.typed!r}: chose" if event.break_glass else "chose"
        text = f"{how} {shown} instead of the proposed copy: {event.reason}"
        text += f" (as known then: {known})" if known else ""
        self._enter(record, "decision", text, event.step, urgent=event.break_glass)

    def _finished(self, record: Record, event: ev.StepFinished, attempt: Attempt) -> Attempt:
        good = event.state is StepEnd.SUCCEEDED
        self._enter(record, "step", f"{event.state.value}. {event.reason}", event.step)
        if not good and event.state is not StepEnd.NOT_EXERCISED:
            self._enter(record, "deviation", f"{event.state.value}: {event.reason}", event.step)
        if good and attempt.phase == "detect" and self.proof is None:
            what = proved(attempt.action, event.result)
            self.proof = (record.at, event.step, what) if what else None
        self._keep(attempt, event.result)
        return replace(
            attempt,
            ended_at=record.at,
            state=event.state.value,
            reason=event.reason,
            means=event.means,
            next=event.next,
            duration=timedelta(milliseconds=event.duration_ms),
            output=parts_of(attempt.action, event.result, failed=not good),
        )

    def _resource(self, record: Record, event: ev.AttemptEvent) -> None:
        if isinstance(event, ev.ResourceIntended):
            self.resources[event.name] = Resource(
                event.kind, event.name, event.location, event.nonce, event.step, record.at
            )
            self._enter(record, "resource", f"{event.kind} {event.name} intended", event.step)
        elif isinstance(event, ev.ResourceCreated):
            identity = event.identity if isinstance(event.identity, Mapping) else None
            known = self.resources.get(event.name)
            if known is not None:
                self.resources[event.name] = replace(known, created_at=record.at, identity=identity)
            self._enter(record, "resource", f"{event.kind} {event.name} created", event.step)

    def _release(self, record: Record, event: ev.ResourceReleased | ev.ResourceLeft) -> None:
        known = self.resources.get(event.name)
        if known is not None:
            gone = isinstance(event, ev.ResourceReleased)
            self.resources[event.name] = replace(
                known,
                released_at=record.at if gone else None,
                absent=isinstance(event, ev.ResourceReleased) and event.how == "absent",
                left="" if isinstance(event, ev.ResourceReleased) else event.reason,
            )

    def _keep(self, attempt: Attempt, result: Json) -> None:
        if result is not None:
            self.results[attempt.action] = (attempt.step, result)
        if attempt.action == LOCATE:
            self.choice = None

    def _enter(
        self,
        record: Record,
        kind: str,
        text: str,
        step: str = "",
        happened: datetime | None = None,
        urgent: bool = False,
    ) -> None:
        at = happened or record.at
        self.entries.append(
            Entry(record.seq, at, record.at, record.actor, step, kind, text, urgent)
        )

    def result(self, action: str, model: type[R]) -> R | None:
        """The latest result of an action. What cannot be read is said, never dropped in silence."""
        if action not in self.results:
            return None
        try:
            return model.model_validate(self.results[action][1])
        except ValidationError as error:
            self.unread.append(f"the result of {action}: {error.error_count()} fields do not fit")
            return None


def build(
    records: Sequence[Record],
    *,
    journal: JournalFacts,
    phases: Mapping[str, str] | None = None,
    titles: Mapping[str, str] | None = None,
    document: RunbookDocument | None = None,
) -> Timeline:
    """The timeline of an incident; the runbook's document tells what was to be told to whom. Raises ValueError where the first record does not open one."""
    builder = _Builder(phases or {}, titles or {})
    for record in records:
        builder.take(record)
    if builder.opened is None:
        raise ValueError("the journal does not begin with an incident that was opened")
    first, opened = builder.opened
    located = builder.result(LOCATE, Located)
    restored = builder.result(RESTORE, RestoreResult)
    if located is not None and not builder.stale(RESTORE):
        located = restored_instead(located, restored)
    verified = builder.result(VERIFY, VerifyResult)
    verified_stale = builder.stale(VERIFY)
    counts = None if verified_stale else verified
    verified_at = builder.verified_at()
    closed = builder.closed
    detected, by, proof = time_in(builder.inputs, "detected"), "", ""
    if detected is None and builder.proof is not None:
        detected, by, proof = builder.proof
    declared = time_in(builder.inputs, "declared") or first.at
    return Timeline(
        incident=opened.incident,
        mode=opened.mode.value,
        title=opened.title,
        runbook_file=opened.runbook_file,
        runbook_sha256=opened.runbook_sha256,
        drbook_version=opened.drbook_version,
        environment=opened.environment,
        inputs=opened.inputs,
        hosts=_unique(record.host for record in records),
        occurred=builder.occurred,
        detected=detected,
        detected_by=by,
        detected_proof=proof,
        declared=declared,
        opened=first.at,
        closed=closed[0].at if closed else None,
        outcome=closed[1].outcome if closed else "",
        outcome_reason=closed[1].reason if closed else "",
        rpo=Measured(_seconds(opened.rpo_seconds), *_loss(builder.occurred, located, counts)),
        rto=Measured(
            _seconds(opened.rto_seconds),
            max(verified_at - declared, timedelta(0)) if verified_at else None,
        ),
        attempts=tuple(builder.attempts.values()),
        entries=tuple(builder.entries),
        resources=tuple(builder.resources.values()),
        located=located,
        restored=restored,
        verified=verified,
        verified_stale=verified_stale,
        compared=builder.result(COMPARE, DifferenceResult),
        sought=builder.result(FIND_LOSS, LossFound),
        telling=_telling(builder, document, detected if not by else None, declared),
        choice=builder.choice,
        unread=tuple(builder.unread),
        journal=journal,
        records=tuple(records),
    )


def _telling(
    builder: _Builder,
    document: RunbookDocument | None,
    detected: datetime | None,
    declared: datetime,
) -> Telling:
    """By the times that somebody gave, as the screen reminds."""
    if document is None:
        return Telling()
    messages = sorted(builder.messages, key=lambda one: one.at)
    times = {"occurred": builder.occurred, "detected": detected, "declared": declared}
    return Telling(
        updates=document.updates,
        sent=tuple(updates_sent(document, messages)),
        next_update=next_update(document, declared, messages),
        deadlines=owed(document, times, messages),
    )


def _loss(
    occurred: datetime | None, located: Located | None, verified: VerifyResult | None
) -> tuple[timedelta | None, bool]:
    """How much data is lost, and whether it may be more."""
    seconds, more = loss(occurred, located, verified)
    return _seconds(seconds), more


def _seconds(count: int | None) -> timedelta | None:
    return None if count is None else timedelta(seconds=count)


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def when(moment: datetime | None) -> str:
    """A time for a person, or `unknown`."""
    return "unknown" if moment is None else show_time(moment)
