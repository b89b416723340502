"""One record in words, for the timeline: what it is about, and what has to stand out."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from drbook.core import events as ev
from drbook.core.events import NoteKind, Record
from drbook.core.leftovers import removal
from drbook.core.values import counted, show_duration
from drbook.timeline.approving import approval, approval_asked, approval_refused, approvers


@dataclass(frozen=True, slots=True)
class Told:
    kind: str
    """As in `Entry`."""
    text: str
    urgent: bool = False
    """Red, or said loudly, in every export."""
    happened_at: datetime | None = None
    """Where that is not when it was recorded."""


def told(record: Record) -> Told | None:
    """What a record says by itself; None for one whose words depend on what came before."""
    event = record.event
    if isinstance(event, ev.StepEvent):
        return _of_step(event)
    if isinstance(event, ev.IncidentOpened):
        return Told("incident", f"{event.mode.value} opened: {event.title}")
    if isinstance(event, ev.IncidentClosed):
        return Told("incident", f"closed: {event.outcome}. {event.reason}")
    if isinstance(event, ev.Removal):
        return Told("resource", removal(event))
    if isinstance(event, ev.InputChanged):
        return Told("deviation", f"input {event.name} changed to {event.value}")
    if isinstance(event, ev.IncidentResumed):
        return Told("deviation", _resumed(event))
    if isinstance(event, ev.IncidentTakenOver):
        return Told("deviation", _taken_over(record, event))
    if isinstance(event, ev.RunbookAmended):
        text = f"runbook amended: {event.summary}; its SHA-256 is {event.runbook_sha256}"
        return Told("deviation", text)
    if isinstance(event, ev.NoteAdded):
        kind = "" if event.kind is NoteKind.NOTE else f"{event.kind.value}: "
        return Told("note", kind + event.text, happened_at=event.happened_at)
    if isinstance(event, ev.ExternalFileTaken):
        return Told("incident", external_file(event))
    if isinstance(event, ev.ApproversTaken):
        return Told("incident", approvers(event), urgent=bool(event.problem))
    if isinstance(event, ev.ApprovalRefused):
        return Told("deviation", approval_refused(event), urgent=True)
    if isinstance(event, ev.ExternalEntryAdded):
        return Told("external", external(event), happened_at=event.happened_at)
    if isinstance(event, ev.NotificationIntended):
        return Told("incident", f"notifying {event.kind} at {event.host}: {event.outcome}")
    if isinstance(event, ev.NotificationEnded):
        accepted = event.delivery == "accepted"
        return Told("incident" if accepted else "deviation", notified(event))
    if isinstance(event, ev.HandedOver):
        return Told("decision", f"handed over to {event.to}. {event.comment}".rstrip())
    if isinstance(event, ev.ShellOpened):
        return Told("step", f"left for a shell on {record.host}")
    if isinstance(event, ev.ShellClosed):
        away = timedelta(milliseconds=event.duration_ms)
        text = f"suspended to a shell for {show_duration(away)} (exit {event.exit_code})"
        return Told("deviation", f"{text}; what was done there is not on record")
    return None


def notified(event: ev.NotificationEnded) -> str:
    """How a notification ended; that one was accepted does not say that somebody has read it."""
    words = {
        "accepted": "was accepted",
        "not-accepted": "WAS NOT ACCEPTED",
        "unknown": "was sent, and whether it was taken is unknown",
    }
    status = "" if event.status is None else f" ({event.status})"
    tries = f" after {counted(event.tries, 'try', 'tries')}" if event.tries > 1 else ""
    said = f": {event.said}" if event.said else ""
    return (
        f"notification to {event.kind} at {event.host} {words[event.delivery]}{status}{tries}{said}"
    )


def external(event: ev.ExternalEntryAdded) -> str:
    """Somebody else's entry, which says so before it says anything."""
    author = event.author or "nobody named"
    where = f"line {event.line} of file {event.file[:12]}…"
    return f"EXTERNAL, {event.source}, {author} ({where}): {event.text}"


def external_file(event: ev.ExternalFileTaken) -> str:
    known = (
        f"; {counted(event.known, 'entry', 'entries')} of it known already" if event.known else ""
    )
    taken = counted(event.entries, "external entry", "external entries")
    return f"{taken} taken from {event.name}, SHA-256 {event.sha256}{known}"


def _of_step(event: ev.StepEvent) -> Told | None:
    if isinstance(event, ev.AnswerGiven):
        comment = f" ({event.comment})" if event.comment else ""
        return Told("decision", f"answered {event.answer!s}{comment}")
    if isinstance(event, ev.ConfirmationGiven):
        return Told("decision", f"confirmed by typing {event.typed!r}")
    if isinstance(event, ev.ApprovalAsked):
        return Told("decision", approval_asked(event))
    if isinstance(event, ev.ApprovalGiven):
        return Told("decision", approval(event), urgent=event.break_glass)
    if isinstance(event, ev.CancelRequested):
        return Told("deviation", f"cancel asked for: {event.reason}")
    if isinstance(event, ev.StepSkipped):
        who = "skipped by the runbook's own condition" if event.automatic else "skipped"
        return Told("deviation", f"{who}: {event.reason}")
    if isinstance(event, ev.StepInvalidated):
        return Told("deviation", f"stale: {event.because}")
    if isinstance(event, ev.DecisionRecorded):
        return Told("decision", f"accepted although it could not be verified: {event.reason}")
    if isinstance(event, ev.StepDoneElsewhere):
        return Told("deviation", _done_elsewhere(event), urgent=bool(event.without))
    return None


def _done_elsewhere(event: ev.StepDoneElsewhere) -> str:
    without = f", without {' and '.join(event.without)}" if event.without else ""
    pasted = (
        f" (pasted evidence: {counted(len(event.evidence), 'character')})"
        if event.evidence
        else " (no evidence was pasted)"
    )
    return (
        f"{event.state.value} by other means, by a person's word{without}: {event.reason}{pasted}"
    )


def _resumed(event: ev.IncidentResumed) -> str:
    said = [f"resumed behind {event.head[:12]}…", event.repaired]
    said += [f"waited for {', '.join(event.outlived)} to end"] if event.outlived else []
    said += [f"not asked: {'; '.join(event.unseen)}"] if event.unseen else []
    said.append(event.unlooked)
    return "; ".join(part for part in said if part)


def _taken_over(record: Record, event: ev.IncidentTakenOver) -> str:
    unseen = f"; not asked: {'; '.join(event.unseen)}" if event.unseen else ""
    missing = f"; evidence in no mirror: {', '.join(event.missing)}" if event.missing else ""
    by = f"its {' and '.join(event.vouched)}" if event.vouched else "nothing but the mirror"
    vouched = f"{by} {'vouch' if len(event.vouched) > 1 else 'vouches'} for the record"
    return (
        f"taken over from {event.from_host} on {record.host}: {event.reason}. {event.records} records "
        f"were recovered from {', '.join(event.mirrors)} (fence {event.epoch}); what was recorded "
        f"there after them is not known; {vouched}{unseen}{missing}"
    )
