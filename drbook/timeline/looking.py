"""What went well and badly in an incident, by rules over its record; each finding names the record.

Nothing is judged that is not on record: no cause, no blame. What a person makes of it is theirs to write.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from drbook.core import events as ev
from drbook.core.events import Record, StepEnd
from drbook.core.points import Verdict
from drbook.core.remarks import TableVerdict
from drbook.core.results import VERIFY
from drbook.core.values import counted, show_duration, show_time
from drbook.timeline.approving import approval_refused
from drbook.timeline.model import Attempt, Measured, Timeline
from drbook.timeline.words import choice, chosen, measured

Past = Mapping[str, Sequence[int]]
"""Seconds that each step took in earlier incidents of the same runbook, from its plan to its end."""
LEAST = timedelta(seconds=10)
"""By how much a step has to be slower than all earlier runs before it is worth a word."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that went well or badly."""

    seq: int
    """The record that it comes from."""
    text: str
    action: str = ""
    """What somebody has to see to afterwards; empty for what went well."""


def verified_end(timeline: Timeline) -> Attempt | None:
    """The verification that stopped the clock: the last, where each step that verifies succeeded and holds."""
    latest = {one.step: one for one in timeline.attempts}
    ends = [one for one in latest.values() if one.action == VERIFY]
    if not ends or any(one.state != "succeeded" or one.stale for one in ends):
        return None
    return max(ends, key=lambda one: one.ended_at or timeline.opened)


def end_of(timeline: Timeline, attempt: Attempt) -> int:
    """The number of the last record that speaks of an attempt."""
    seqs = [
        record.seq
        for record in timeline.records
        if isinstance(record.event, ev.AttemptEvent)
        and (record.event.step, record.event.attempt) == (attempt.step, attempt.number)
    ]
    return seqs[-1]


def went_well(timeline: Timeline, past: Past) -> list[Finding]:
    """In the order of the record."""
    found = []
    end = verified_end(timeline)
    if end is not None and timeline.verified is not None and not timeline.verified_stale:
        comparison = timeline.verified.comparison
        if comparison.verdict is TableVerdict.PASS:
            tables = counted(len(comparison.tables), "table")
            text = f"The restore was verified: {tables}, against the {comparison.reference}."
            found.append(Finding(end_of(timeline, end), text))
    last = timeline.records[-1].seq
    at = end_of(timeline, end) if end is not None else last
    found += [
        Finding(at, f"{name} met: {_beside(value)}.")
        for name, value in _objectives(timeline)
        if value.met
    ]
    best = chosen(timeline)
    if best is not None and best.verdict is Verdict.INDEPENDENT and not choice(timeline):
        text = "The copy that was chosen is independent of what was destroyed."
        found.append(Finding(_located(timeline), text))
    for one in timeline.telling.deadlines:
        if one.told is not None and one.at is not None and not one.at_latest and one.told <= one.at:
            found.append(Finding(last, f"{one.name}: told {show_time(one.told)}, in time."))
    for attempt, took, runs in _timed(timeline, past):
        if took <= timedelta(seconds=min(runs)):
            text = f"{_named(attempt)} took {show_duration(took)}: no earlier run was faster ({_runs(runs)})."
            found.append(Finding(end_of(timeline, attempt), text))
    return sorted(found, key=lambda one: one.seq)


def went_badly(timeline: Timeline, past: Past) -> list[Finding]:
    """In the order of the record."""
    titles = {(one.step, one.number): _named(one) for one in timeline.attempts}
    found = [one for record in timeline.records for one in _of_record(record, titles)]
    found += _measured(timeline)
    found += _unended(timeline)
    found += _untold(timeline)
    for attempt, took, runs in _timed(timeline, past):
        if took >= timedelta(seconds=max(runs)) + LEAST:
            text = f"{_named(attempt)} took {show_duration(took)}, longer than every earlier run ({_runs(runs)})"
            found.append(
                Finding(end_of(timeline, attempt), text, f"Find out why {attempt.step} was slow")
            )
    last = timeline.records[-1].seq
    found += [
        Finding(last, f"Could not be read: {one}", "Read it by other means")
        for one in timeline.unread
    ]
    if not timeline.journal.intact:
        found.append(
            Finding(
                last,
                f"The journal is not intact: {timeline.journal.problem}",
                "Find out who changed it",
            )
        )
    return sorted(found, key=lambda one: one.seq)


def _of_record(record: Record, titles: Mapping[tuple[str, int], str]) -> Iterator[Finding]:
    event, seq = record.event, record.seq
    if isinstance(event, ev.StepFinished):
        if event.state not in (StepEnd.SUCCEEDED, StepEnd.NOT_EXERCISED):
            named = titles.get((event.step, event.attempt), event.step)
            text = f"{named} ended {event.state.value}: {event.reason}"
            yield Finding(seq, text, f"Find out why {event.step} ended {event.state.value}")
    elif isinstance(event, ev.StepResolved):
        text = f"{event.step} was in doubt; settled by {record.actor} as {event.state.value}: {event.reason}"
        yield Finding(seq, text, f"Find out how {event.step} came to be in doubt")
    elif isinstance(event, ev.StepSkipped):
        if not event.automatic:
            text = f"{event.step} was skipped by {record.actor}: {event.reason}"
            yield Finding(
                seq, text, f"Decide whether {event.step} is done later, or leaves the runbook"
            )
    elif isinstance(event, ev.DecisionRecorded):
        text = (
            f"{event.step} could not be verified, and {record.actor} accepted that: {event.reason}"
        )
        yield Finding(seq, text, f"Verify what {event.step} could not")
    elif isinstance(event, ev.ApprovalGiven):
        if event.break_glass:
            why = f": {event.reason}" if event.reason else ""
            text = f"BREAK-GLASS in {event.step}: {record.actor} went on without approval by {event.by}{why}"
            yield Finding(seq, text, f"Have {event.by} look at {event.step} afterwards")
    elif isinstance(event, ev.ApprovalRefused):
        yield Finding(
            seq, approval_refused(event), "Find out who handed that signature in, and why"
        )
    elif isinstance(event, ev.PointChosen):
        how = "BREAK-GLASS: " if event.break_glass else ""
        text = f"{how}{record.actor} chose {event.source}: {event.id} against the verdict: {event.reason}"
        yield Finding(seq, text, "Look at the choice of the copy again")
    elif isinstance(event, ev.StepDoneElsewhere):
        without = f", WITHOUT {' and '.join(event.without)}" if event.without else ""
        text = f"{event.step}: {event.state.value} by hand, by the word of {record.actor}{without}: {event.reason}"
        yield Finding(seq, text, f"Find out why {event.step} was not done by the runbook")
    else:
        yield from _interrupted(record)


def _interrupted(record: Record) -> Iterator[Finding]:
    event, seq = record.event, record.seq
    if isinstance(event, ev.StepInvalidated):
        text = f"What {event.step} had found stopped holding: {event.because}"
        yield Finding(seq, text, f"See that nothing was built on what {event.step} had found")
    elif isinstance(event, ev.IncidentResumed):
        yield Finding(seq, "drbook ended in the middle, and was resumed", "Find out why it ended")
        if event.repaired:
            yield Finding(seq, event.repaired, "Find out what the torn record would have said")
        for one in event.unseen:
            yield Finding(seq, f"A mirror did not answer: {one}", "Mend the mirror, and compare it")
    elif isinstance(event, ev.IncidentTakenOver):
        text = f"Another machine took over from {event.from_host}: {event.reason}"
        yield Finding(seq, text, f"Find out what {event.from_host} recorded that no mirror held")
        for one in event.unseen:
            yield Finding(seq, f"A mirror did not answer: {one}", "Mend the mirror, and compare it")
        for one in event.missing:
            yield Finding(
                seq, f"Evidence in no mirror: {one}", "Look for it on the machine that was left"
            )
    elif isinstance(event, ev.ShellClosed):
        away = show_duration(timedelta(milliseconds=event.duration_ms))
        text = f"{record.actor} was in a shell for {away}; what was done there is not on record"
        yield Finding(seq, text, "Write down what was done in the shell")


def _objectives(timeline: Timeline) -> tuple[tuple[str, Measured], ...]:
    return (("RPO (data lost)", timeline.rpo), ("RTO (declared to verified)", timeline.rto))


def _beside(value: Measured) -> str:
    stated = show_duration(value.objective) if value.objective is not None else "none"
    return f"{measured(value)} measured, {stated} stated"


def _measured(timeline: Timeline) -> Iterator[Finding]:
    end = verified_end(timeline)
    seq = end_of(timeline, end) if end is not None else timeline.records[-1].seq
    for name, value in _objectives(timeline):
        if value.met is False:
            yield Finding(
                seq, f"{name} NOT MET: {_beside(value)}", f"Decide how {name} is met, or restated"
            )
    if timeline.verified_stale:
        text = f"The verification no longer holds: {timeline.verified_stale}"
        yield Finding(seq, text, "Verify again")


def _unended(timeline: Timeline) -> Iterator[Finding]:
    """What began and has no end on record, once nothing runs any more that could give it one."""
    for one in timeline.attempts:
        if one.started_at is None or one.state or timeline.is_open:
            continue
        text = f"{_named(one)} began, and has no end on record: nobody knows whether it happened"
        yield Finding(end_of(timeline, one), text, f"Find out whether {one.step} happened")


def _untold(timeline: Timeline) -> Iterator[Finding]:
    """By the last record, so that a draft stays the same."""
    last, told = timeline.records[-1], timeline.telling
    for one in told.deadlines:
        if one.at is None:
            continue
        if one.told is None and last.at > one.at:
            text = f"{one.name} was owed until {show_time(one.at)}; no message on record says that it was sent"
            yield Finding(last.seq, text, f"Send it, or put on record that it was sent: {one.name}")
        elif one.told is not None and one.told > one.at:
            text = f"{one.name} was told {show_duration(one.told - one.at)} late"
            yield Finding(last.seq, text, f"Find out why it was late: {one.name}")
    if told.updates is None:
        return
    end = max(timeline.closed or last.at, timeline.declared)
    moments: list[datetime] = [one for one in told.sent if timeline.declared <= one <= end]
    gap = max(later - before for before, later in pairwise([timeline.declared, *moments, end]))
    if gap > told.updates.every:
        text = (
            f"{told.updates.audience} were told nothing for {show_duration(gap)}; "
            f"the runbook says every {show_duration(told.updates.every)}"
        )
        yield Finding(last.seq, text, "Decide who sends updates next time")


def _timed(timeline: Timeline, past: Past) -> Iterator[tuple[Attempt, timedelta, Sequence[int]]]:
    """Steps that succeeded and that earlier incidents have a time of, both from the plan to the end."""
    for one in timeline.attempts:
        runs = past.get(one.step, ())
        if one.state == "succeeded" and runs and one.planned_at and one.ended_at:
            yield one, one.ended_at - one.planned_at, runs


def _runs(runs: Sequence[int]) -> str:
    shortest, longest = (show_duration(timedelta(seconds=each)) for each in (min(runs), max(runs)))
    return f"{counted(len(runs), 'run')} on this machine, {shortest} to {longest}"


def _located(timeline: Timeline) -> int:
    ends = [one for one in timeline.attempts if one.action == "backups.locate"]
    return end_of(timeline, ends[-1]) if ends else timeline.records[-1].seq


def _named(attempt: Attempt) -> str:
    return f"{attempt.title} ({attempt.step}, attempt {attempt.number})"
