"""Going on without approval: for how long others had been asked, and whether a record of it may be believed. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from drbook.core import events as ev
from drbook.core.events import Record
from drbook.core.values import show_duration

_LED = (ev.StepEvent, ev.IncidentOpened, ev.IncidentResumed, ev.IncidentTakenOver)
"""What only whoever leads writes."""
_ENDS = (ev.StepStarted, ev.StepFinished, ev.StepSkipped, ev.StepInvalidated, ev.StepDoneElsewhere)


def waited(records: Iterable[Record], step: str, mono_ns: int) -> timedelta:
    """For how long the step's plan has been waiting for others, by the monotonic clock.

    Setting the wall clock changes nothing. Each life of drbook has a clock of its own, so an earlier one counts
    to its last record and what lay between them not at all; another plan, or the step cancelled, begins anew.
    """
    since: int | None = None
    before, digest, last = 0, "", 0
    for record in records:
        event = record.event
        if isinstance(event, ev.IncidentResumed | ev.IncidentTakenOver):
            before += max(0, last - since) if since is not None else 0
            since = None
        elif isinstance(event, ev.StepPlanned) and event.step == step:
            if event.digest != digest:
                before, since, digest = 0, None, event.digest
            since = record.mono_ns if since is None else since
        elif isinstance(event, _ENDS) and event.step == step:
            before, since, digest = 0, None, ""
        if isinstance(event, _LED):  # others write notes, each by a clock of its own
            last = record.mono_ns
    now = max(0, mono_ns - since) if since is not None else 0
    return timedelta(microseconds=(before + now) // 1000)


def began_waiting(records: Iterable[Record], step: str) -> datetime | None:
    """By the wall clock, when the step's plan began to wait for others; None where it does not."""
    since, digest = None, ""
    for record in records:
        event = record.event
        if isinstance(event, ev.StepPlanned) and event.step == step and event.digest != digest:
            since, digest = record.at, event.digest
        elif isinstance(event, _ENDS) and event.step == step:
            since, digest = None, ""
    return since


def glass_too_early(
    record: Record,
    given: ev.ApprovalGiven,
    before: Sequence[Record],
    after: Sequence[Record],
    wait: timedelta | None,
) -> str:
    """Why going on alone does not stand in the record; empty where it does. `wait` is the runbook's; None where
    it allows none. Times are those of both clocks; the machine's own decides, as while it was led."""
    if wait is None:
        return "BREAK-GLASS, and the runbook allows none there"
    since = waited(before, given.step, record.mono_ns)
    asked = show_duration(wait)
    if since < wait:
        return (
            f"BREAK-GLASS after {show_duration(since)}, and the runbook asks for {asked} of waiting"
        )
    said = given.waited_seconds
    if said is not None and not int(wait.total_seconds()) <= said <= since.total_seconds():
        return (
            f"BREAK-GLASS says that it waited {show_duration(timedelta(seconds=said))}; by the clock of the "
            f"machine it was {show_duration(since)}, and the runbook asks for {asked}"
        )
    if any(one.mono_ns < record.mono_ns for one in _same_life(after)):
        return "BREAK-GLASS, and the clock of the machine stands earlier in a record behind it"
    return ""


def _same_life(after: Iterable[Record]) -> Iterator[Record]:
    """What the same life of drbook wrote; a note may come from another program, and after a reboot."""
    for record in after:
        if isinstance(record.event, ev.IncidentResumed | ev.IncidentTakenOver | ev.IncidentClosed):
            return
        if isinstance(record.event, _LED):
            yield record
