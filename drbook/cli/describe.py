"""A record in a line, for whoever follows an incident without its screen."""

from datetime import timedelta

from drbook.core import events as ev
from drbook.core.events import Record
from drbook.core.leftovers import removal
from drbook.core.values import plain, show_duration, show_time
from drbook.timeline.approving import approval, approval_asked, approval_refused, approvers
from drbook.timeline.told import notified


def describe(record: Record) -> str:
    """A record in a line; empty for what is of no interest while it runs."""
    event, actor = record.event, plain(record.actor, 80)
    if isinstance(event, ev.IncidentOpened):
        return f"{event.mode.value.upper()} {event.incident}: {plain(event.title, 120)}"
    if isinstance(event, ev.IncidentTakenOver):
        return f"taken over from {plain(event.from_host, 100)}: {plain(event.reason, 300)}"
    if isinstance(event, ev.StepStarted):
        return f"{event.step}: started"
    if isinstance(event, ev.StepFinished):
        took = show_duration(_milliseconds(event.duration_ms))
        lines = [f"{event.step}: {event.state.value.upper()} in {took}. {plain(event.reason, 400)}"]
        if event.means:
            lines.append(f"         What it means: {plain(event.means, 400)}")
        if event.next:
            lines.append(f"         What to do: {plain(event.next, 400)}")
        return "\n".join(lines)
    if isinstance(event, ev.MilestoneReached):
        return f"{event.step}: {plain(event.text, 300)}"
    if isinstance(event, ev.AnswerGiven):
        return f"{event.step}: answered {plain(str(event.answer), 80)!r} by {actor}"
    if isinstance(event, ev.ConfirmationGiven):
        return f"{event.step}: confirmed by {actor}, who typed {plain(event.typed, 80)!r}"
    if isinstance(event, ev.StepSkipped):
        return f"{event.step}: skipped, {plain(event.reason, 200)}"
    if isinstance(event, ev.NoteAdded):
        at = f" of {show_time(event.happened_at)}" if event.happened_at is not None else ""
        said = plain(" / ".join(event.text.splitlines()), 300)
        return f"{event.kind.value}{at} ({actor}): {said}"
    if isinstance(event, ev.Removal):
        return plain(removal(event), 500)
    if isinstance(event, ev.IncidentClosed):
        return f"closed: {event.outcome}. {plain(event.reason, 300)}"
    return _by_a_person(record)


def _by_a_person(record: Record) -> str:
    """What people did beside running steps; empty for what is of no interest while it runs."""
    event, actor = record.event, plain(record.actor, 80)
    if isinstance(event, ev.ApprovalGiven):
        return f"{event.step}: {plain(approval(event), 500)}"
    if isinstance(event, ev.ApprovalAsked):
        return f"{event.step}: {plain(approval_asked(event), 500)}"
    if isinstance(event, ev.ApprovalRefused):
        return plain(approval_refused(event), 700)
    if isinstance(event, ev.ApproversTaken):
        return plain(approvers(event), 500)
    if isinstance(event, ev.PointChosen):
        how = f"BREAK-GLASS: {actor}" if event.break_glass else actor
        copy = plain(f"{event.source}: {event.id}", 300)
        return f"{event.step}: {how} chose {copy} instead: {plain(event.reason, 300)}"
    if isinstance(event, ev.StepDoneElsewhere):
        without = f", WITHOUT {plain(' and '.join(event.without), 200)}" if event.without else ""
        said = f"{event.state.value.upper()} by hand, by the word of {actor}{without}"
        return f"{event.step}: {said}: {plain(event.reason, 300)}"
    if isinstance(event, ev.StepResolved):
        how = "happened" if event.state is ev.StepEnd.SUCCEEDED else "did not happen"
        return f"{event.step}: settled by {actor} as: it {how}. {plain(event.reason, 300)}"
    if isinstance(event, ev.StepInvalidated):
        return f"{event.step}: stale, {plain(event.because, 200)}"
    if isinstance(event, ev.InputChanged):
        return f"input {plain(event.name, 80)} is now {plain(str(event.value), 200)} ({actor})"
    if isinstance(event, ev.ExternalFileTaken):
        return f"external entries from {plain(event.name, 200)}, taken by {actor}"
    if isinstance(event, ev.ExternalEntryAdded):
        who = f"{plain(event.source, 80)} ({plain(event.author or 'nobody named', 80)})"
        said = plain(" / ".join(event.text.splitlines()), 300)
        return f"EXTERNAL, {who}, {show_time(event.happened_at)}: {said}"
    if isinstance(event, ev.NotificationIntended):
        return f"notifying {event.kind} at {plain(event.host, 200)}: {event.outcome}"
    if isinstance(event, ev.NotificationEnded):
        return plain(notified(event), 600)
    if isinstance(event, ev.HandedOver):
        comment = plain(event.comment, 300)
        return f"handed over by {actor} to {plain(event.to, 80)}. {comment}".rstrip()
    if isinstance(event, ev.ShellOpened):
        return f"{actor} left for a shell"
    if isinstance(event, ev.ShellClosed):
        away = show_duration(_milliseconds(event.duration_ms))
        return f"{actor} was in a shell for {away} (exit {event.exit_code})"
    return ""


def _milliseconds(count: int) -> timedelta:
    return timedelta(milliseconds=count)
