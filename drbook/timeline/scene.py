"""What the picture of an incident shows, still in times and not in places: bars, people, moments, gaps.

Pure. Nothing is placed where the record has no time for it; what is not known is listed as such.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from drbook.core import events as ev
from drbook.core.events import Record
from drbook.core.runbook import Phase
from drbook.core.values import plain, show_duration
from drbook.timeline.looking import verified_end
from drbook.timeline.model import Attempt, Timeline
from drbook.timeline.status import moved

NO_PHASE = "no phase"
_AGAIN = (ev.IncidentResumed, ev.IncidentTakenOver)
_LIVES = (ev.IncidentOpened, *_AGAIN)
_STEPPED = timedelta(seconds=2)
"""What the wall clock may differ by from the monotonic one between two records, beside a thousandth."""


@dataclass(frozen=True, slots=True)
class Work:
    """One attempt: when it waited for people, and when it worked."""

    attempt: Attempt
    waits: tuple[datetime, datetime] | None
    works: tuple[datetime, datetime] | None
    open_end: bool
    """Nobody recorded when it ended: it runs, or drbook ended first."""

    @property
    def begin(self) -> datetime:
        return min(each[0] for each in (self.waits, self.works) if each is not None)

    @property
    def end(self) -> datetime:
        return max(each[1] for each in (self.waits, self.works) if each is not None)


@dataclass(frozen=True, slots=True)
class Mark:
    """Somebody did something, or another system says that something happened."""

    at: datetime
    text: str
    step: str = ""
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Moment:
    """A time that everything is measured against; `kind` is `moment`, `deadline` or `clock`."""

    at: datetime
    text: str
    kind: str = "moment"


@dataclass(frozen=True, slots=True)
class Gap:
    """Nothing was recorded between two lives of drbook."""

    begin: datetime
    end: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Scene:
    """All that is shown; `begin` and `end` are those of the record."""

    begin: datetime
    end: datetime
    declared: datetime
    lanes: tuple[tuple[str, tuple[Work, ...]], ...]
    """By phase, in the order of a recovery."""
    people: tuple[Mark, ...]
    external: tuple[Mark, ...]
    moments: tuple[Moment, ...]
    missing: tuple[str, ...]
    """Moments that nobody dated, or that have not come."""
    gaps: tuple[Gap, ...]


def scene(timeline: Timeline) -> Scene:
    """The same timeline always gives the same scene."""
    times = [record.at for record in timeline.records]
    gaps = tuple(_gaps(timeline))
    works = [work for work in (_work(timeline, one, gaps) for one in timeline.attempts) if work]
    names = [phase.value for phase in Phase]
    lanes = tuple(
        (name or NO_PHASE, found)
        for name in (*names, "")
        if (found := tuple(work for work in works if work.attempt.phase == name))
    )
    moments, missing = _moments(timeline)
    return Scene(
        begin=min(times),
        end=max(times),
        declared=timeline.declared,
        lanes=lanes,
        people=tuple(mark for mark in map(_person, timeline.records) if mark is not None),
        external=tuple(
            Mark(record.event.happened_at, f"{record.event.source}: {record.event.text}")
            for record in timeline.records
            if isinstance(record.event, ev.ExternalEntryAdded)
        ),
        moments=(*moments, *_clock_steps(timeline)),
        missing=missing,
        gaps=gaps,
    )


def _gaps(timeline: Timeline) -> Iterator[Gap]:
    for before, after in pairwise(timeline.records):
        if isinstance(after.event, _AGAIN):
            begin, end = sorted((before.at, after.at))
            how = "taken over" if isinstance(after.event, ev.IncidentTakenOver) else "resumed"
            text = f"no record for {show_duration(end - begin)}, then {how} by {after.actor}"
            yield Gap(begin, end, text)


def _clock_steps(timeline: Timeline) -> Iterator[Moment]:
    """Where the wall clock did not go as the monotonic one did, within one life."""
    for before, after in pairwise(timeline.records):
        if isinstance(after.event, _LIVES):
            continue
        passed = timedelta(microseconds=(after.mono_ns - before.mono_ns) // 1000)
        by = (after.at - before.at) - passed
        if abs(by) > max(_STEPPED, abs(passed) / 1000):
            way = "forward, or the machine slept," if by > timedelta(0) else "back"
            text = f"the clock was set {way} by {show_duration(abs(by))}"
            yield Moment(after.at, text, "clock")


def _work(timeline: Timeline, attempt: Attempt, gaps: tuple[Gap, ...]) -> Work | None:
    planned, started, ended = attempt.planned_at, attempt.started_at, attempt.ended_at
    if started is None and ended is not None:  # by hand: only when it was told is known
        return Work(attempt, None, (ended, ended), open_end=False)
    if started is None:
        if planned is None:
            return None
        until, still = _waited_until(timeline, attempt, planned)
        return Work(attempt, (planned, max(planned, until)), None, open_end=still)
    waits = (planned, started) if attempt.waited is not None and planned is not None else None
    if ended is None:
        last = next((gap.begin for gap in gaps if gap.begin >= started), timeline.records[-1].at)
        return Work(attempt, waits, (started, max(started, last)), open_end=True)
    if ended < started:  # the clock was set back meanwhile: the duration is by the other one
        ended = started + (attempt.duration or timedelta(0))
    return Work(attempt, waits, (started, ended), open_end=False)


def _waited_until(timeline: Timeline, attempt: Attempt, planned: datetime) -> tuple[datetime, bool]:
    """Until it was planned anew or skipped; else until the last record, and it waits still."""
    for one in timeline.attempts:
        if (
            one.step == attempt.step
            and one.number > attempt.number
            and (end := one.planned_at or one.ended_at)
        ):
            return end, False
    for record in timeline.records:
        event = record.event
        if (
            isinstance(event, ev.StepSkipped)
            and event.step == attempt.step
            and record.at >= planned
        ):
            return record.at, False
    return timeline.records[-1].at, timeline.is_open


def _person(record: Record) -> Mark | None:
    """What a person decided, answered, approved or confirmed, with the name."""
    did = _did(record.event)
    if did is None:
        return None
    event = record.event
    step = getattr(event, "step", None) or ""
    if not getattr(event, "break_glass", False):
        who = event.by if isinstance(event, ev.ApprovalGiven) else record.actor
        return Mark(record.at, f"{who} {did}", step)
    if isinstance(event, ev.ApprovalGiven):
        did = f"without approval by {event.by}"
    return Mark(record.at, f"BREAK-GLASS by {record.actor}: {did}", step, urgent=True)


def _did(event: ev.Event) -> str | None:
    if isinstance(event, ev.AnswerGiven):
        return f"answered {plain(str(event.answer), 60)}"
    if isinstance(event, ev.StepSkipped):
        return None if event.automatic else f"skipped {event.step}"
    if isinstance(event, ev.StepResolved):
        return f"resolved {event.step} as {event.state.value}"
    if isinstance(event, ev.StepDoneElsewhere):
        return f"did {event.step} by hand"
    if isinstance(event, ev.HandedOver):
        return f"handed over to {event.to}"
    if isinstance(event, ev.CancelRequested):
        return None if event.reason == "timeout" else f"cancelled {event.step}"
    return next((words for kind, words in _DID if isinstance(event, kind)), None)


_DID: tuple[tuple[type[ev.Event], str], ...] = (
    (ev.ConfirmationGiven, "confirmed"),
    (ev.ApprovalGiven, "approved"),
    (ev.DecisionRecorded, "accepted what could not be verified"),
    (ev.PointChosen, "chose another copy"),
)


def _moments(timeline: Timeline) -> tuple[list[Moment], tuple[str, ...]]:
    verified = verified_end(timeline)
    cutover = [one for one in timeline.attempts if one.phase == Phase.CUTOVER.value]
    by_proof = f"detected (step {timeline.detected_by})" if timeline.detected_by else "detected"
    users = "open for users" if timeline.mode == "live" else "cutover rehearsed"
    dated = {
        "lost": timeline.occurred,
        by_proof: timeline.detected,
        "declared": timeline.declared,
        "verified": verified.ended_at if verified is not None else None,
        users: cutover[-1].ended_at if moved(timeline) else None,
        "closed": timeline.closed,
    }
    found = [Moment(at, name) for name, at in dated.items() if at is not None]
    if timeline.rto.objective is not None:
        at = timeline.declared + timeline.rto.objective
        found.append(Moment(at, "RTO objective ends", "deadline"))
    unknown = [f"{name}: unknown" for name in ("lost", by_proof) if dated[name] is None]
    lacking = [f"{name}: not on record" for name in ("verified", users) if dated[name] is None]
    lacking += ["closed: not yet"] if timeline.closed is None else []
    return found, (*unknown, *lacking)
