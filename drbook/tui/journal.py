"""Records as lines: the strip at the bottom, newest first, and the timeline screen."""

from datetime import UTC, timedelta, tzinfo

from rich.text import Text

from drbook.app.model import Snapshot
from drbook.core import events as ev
from drbook.core.events import Record, StepEnd
from drbook.core.leftovers import removal
from drbook.core.values import plain, show_duration
from drbook.timeline.approving import approval, approval_asked, approval_refused, approvers
from drbook.timeline.told import notified
from drbook.tui.clocks import clock_time, moment, zone_name
from drbook.tui.colours import BUSY, DIM, GOOD, PLAIN, STRONG, URGENT, WARN
from drbook.tui.signs import number_of

_ENDS = {
    StepEnd.SUCCEEDED: ("✓ done", GOOD),
    StepEnd.FAILED: ("✗ failed", URGENT),
    StepEnd.COULD_NOT_VERIFY: ("? could not verify", URGENT),
    StepEnd.REFUSED: ("⊘ refused", URGENT),
    StepEnd.CANCELLED: ("⊘ cancelled", WARN),
    StepEnd.NOT_EXERCISED: ("~ not exercised", DIM),
    StepEnd.IN_DOUBT: ("‼ in doubt", URGENT),
}


def words(record: Record, zone: tzinfo | None = None) -> tuple[str, str]:
    """What a record says, and its style; empty for what is of no interest on the screen. Times are UTC, or
    in that zone, and say so."""
    event = record.event
    if isinstance(event, ev.StepFinished):
        sign, style = _ENDS[event.state]
        took = show_duration(timedelta(milliseconds=event.duration_ms))
        return f"{sign} in {took}. {event.reason}", style
    simple: dict[type[ev.Event], tuple[str, str]] = {
        ev.StepStarted: ("started (intent recorded)", PLAIN),
        ev.StepPlanned: ("planned", DIM),
        ev.ProcessStarted: ("", DIM),
    }
    if type(event) in simple:
        return simple[type(event)]
    if isinstance(event, ev.MilestoneReached):
        return event.text, PLAIN
    if isinstance(event, ev.NoteAdded):
        kind = event.kind.value
        if event.happened_at is not None:
            at = moment(event.happened_at, record.at, zone or UTC)
            kind += f" of {at} {zone_name(event.happened_at, zone or UTC)}"
        return f"{kind} ({record.actor}): {' / '.join(event.text.splitlines())}", BUSY
    if isinstance(event, ev.AnswerGiven):
        comment = f" ({event.comment})" if event.comment else ""
        return f"answered {event.answer!s}{comment} by {record.actor}", PLAIN
    if isinstance(event, ev.ConfirmationGiven):
        return f"confirmed by {record.actor}, who typed {event.typed}", PLAIN
    if isinstance(event, ev.ResourceIntended | ev.ResourceCreated):
        what = type(event).__name__.removeprefix("Resource").lower()
        return f"{event.kind} {event.name} {what}", PLAIN
    return _rare(record)


def _rare(record: Record) -> tuple[str, str]:
    event = record.event
    if isinstance(event, ev.Removal):
        return removal(event), WARN if isinstance(event, ev.ResourceLeft) else PLAIN
    if isinstance(event, ev.IncidentOpened):
        return f"{event.mode.value} opened by {record.actor}", STRONG
    if isinstance(event, ev.IncidentClosed):
        return f"closed: {event.outcome}. {event.reason}", STRONG
    if isinstance(event, ev.IncidentResumed):
        return f"resumed by {record.actor}. {event.repaired}", WARN
    if isinstance(event, ev.RunbookAmended):
        return f"runbook amended by {record.actor}: {event.summary}", WARN
    if isinstance(event, ev.IncidentTakenOver):
        return (
            f"‼ taken over from {event.from_host} by {record.actor}: {event.reason}. What that "
            f"machine recorded after {event.records} records is not known here",
            URGENT,
        )
    if isinstance(event, ev.StepSkipped):
        return f"– skipped: {event.reason}", WARN
    if isinstance(event, ev.StepInvalidated):
        return f"≈ stale: {event.because}", WARN
    if isinstance(event, ev.DecisionRecorded):
        return f"accepted unverified by {record.actor}: {event.reason}", WARN
    if isinstance(event, ev.CancelRequested):
        return f"cancel asked for: {event.reason}", WARN
    if isinstance(event, ev.ApprovalGiven):
        return approval(event), URGENT if event.break_glass else WARN
    if isinstance(event, ev.ApprovalAsked):
        return approval_asked(event), WARN
    if isinstance(event, ev.ApprovalRefused):
        return approval_refused(event), URGENT
    if isinstance(event, ev.ApproversTaken):
        return approvers(event), URGENT if event.problem else DIM
    if isinstance(event, ev.StepResolved):
        return f"resolved as {event.state.value}: {event.reason}", WARN
    if isinstance(event, ev.InputChanged):
        return f"input {event.name} is now {event.value!s}", WARN
    if isinstance(event, ev.NotificationIntended):
        return f"notifying {event.kind} at {event.host}: {event.outcome}", DIM
    if isinstance(event, ev.NotificationEnded):
        return notified(event), DIM if event.delivery == "accepted" else WARN
    return _by_a_person(record)


def _by_a_person(record: Record) -> tuple[str, str]:
    event = record.event
    if isinstance(event, ev.PointChosen):
        if event.break_glass:
            return f"BREAK-GLASS: {record.actor} chose {event.id}: {event.reason}", URGENT
        return f"{record.actor} chose {event.id} instead: {event.reason}", WARN
    if isinstance(event, ev.StepDoneElsewhere):
        without = f", WITHOUT {' and '.join(event.without)}" if event.without else ""
        said = f"✎ {event.state.value} by hand, says {record.actor}{without}: {event.reason}"
        return said, URGENT if event.without else WARN
    if isinstance(event, ev.ExternalFileTaken):
        return f"external entries from {event.name}, taken by {record.actor}", DIM
    if isinstance(event, ev.ExternalEntryAdded):
        said = " / ".join(event.text.splitlines())
        return f"EXTERNAL, {event.source} ({event.author or 'nobody named'}): {said}", DIM
    if isinstance(event, ev.HandedOver):
        return f"handed over by {record.actor} to {event.to}. {event.comment}".rstrip(), STRONG
    if isinstance(event, ev.ShellOpened):
        return f"{record.actor} left for a shell", DIM
    if isinstance(event, ev.ShellClosed):
        away = show_duration(timedelta(milliseconds=event.duration_ms))
        return f"back from a shell after {away} (exit {event.exit_code})", WARN
    return type(event).__name__, DIM


def line(snapshot: Snapshot, record: Record, width: int, zone: tzinfo | None = None) -> Text | None:
    """`21:46:02  7  done in 3 s. …`, with the zone's name where it is not UTC; None where there is nothing
    to show."""
    text, style = words(record, zone)
    if not text:
        return None
    step = getattr(record.event, "step", None)
    number = str(number_of(snapshot, step)) if isinstance(step, str) and step else "·"
    shown = Text.assemble((f" {clock_time(record.at, zone)} ", DIM), (f"{number:>2} ", STRONG))
    if isinstance(record.event, ev.StepFinished) and style == GOOD:
        sign, _, rest = plain(text, 600).partition(". ")
        shown.append(f"{sign}. ", style=GOOD)
        shown.append(rest, style=PLAIN)
    else:
        shown.append(plain(text, 600), style=style)
    shown.truncate(width, overflow="ellipsis")
    return shown


_LOOKED_AT = 400
"""Of the newest records, for a few lines that say something."""


def strip(snapshot: Snapshot, width: int, height: int, zone: tzinfo | None = None) -> Text:
    """The newest records first."""
    lines: list[Text] = []
    for record in reversed(snapshot.records[-_LOOKED_AT:]):
        if isinstance(record.event, ev.StepPlanned):
            continue
        shown = line(snapshot, record, width, zone)
        if shown is not None:
            lines.append(shown)
        if len(lines) >= height:
            break
    return Text("\n").join(lines)


def each(snapshot: Snapshot, record: Record, width: int) -> Text:
    """A line for any record, also for one that says nothing to a person."""
    shown = line(snapshot, record, width)
    if shown is None:
        event = record.event
        what = f"started {' '.join(event.argv)}" if isinstance(event, ev.ProcessStarted) else "·"
        shown = Text.assemble((f" {record.at:%H:%M:%S}    ", DIM), (plain(what, 600), DIM))
        shown.truncate(width, overflow="ellipsis")
    return shown
