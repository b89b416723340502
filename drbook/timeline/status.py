"""A status text for people outside, drafted from what the record knows; somebody reads it before it is sent.

It says what happened, what is being done, and what is known of lost data. It holds no name of anything
inside (no title, step, bucket, host, table or person), and promises nothing: no time by which anything
will work again. What nobody knows is said to be unknown.
"""

from datetime import UTC, datetime, timedelta

from drbook.core.events import Mode
from drbook.core.results import VERIFY
from drbook.core.runbook import Phase
from drbook.core.values import show_duration
from drbook.timeline.model import Attempt, Timeline

REHEARSAL = "REHEARSAL. Not to be sent: none of this has happened."
UNKNOWN_LOSS = "We do not yet know whether data is lost, or how much."

_WORK = {
    Phase.PRESERVE: "We are keeping safe what is left of the affected data.",
    Phase.DETECT: "We are finding out what is affected.",
    Phase.CONTAIN: "We are making sure that the cause can do no further damage.",
    Phase.LOCATE: "We are looking for the backup to recover from.",
    Phase.RESTORE: "We are restoring data from a backup.",
    Phase.VERIFY: "We are checking the data that was restored from a backup.",
    Phase.DECIDE: "We are deciding how to go on with the restored data.",
    Phase.CUTOVER: "We are moving the service to the restored data.",
    Phase.PROTECT: "We are securing the restored data.",
    Phase.RECONCILE: "We are working out what is missing in the restored data.",
    Phase.CLOSE: "We are completing the recovery.",
}
_ORDER = tuple(Phase)
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


def draft(timeline: Timeline, now: datetime) -> str:
    """The text as of `now`, in paragraphs; a rehearsal's begins with a warning."""
    parts = [
        [] if timeline.mode == Mode.LIVE.value else [REHEARSAL],
        [f"Status of {_day(now)}, {_clock(now)}"],
        _what_happened(timeline, now),
        _what_is_done(timeline),
        [_what_is_lost(timeline)],
        _what_comes(timeline, now),
    ]
    return "\n\n".join(" ".join(part) for part in parts if part) + "\n"


def next_update(timeline: Timeline, now: datetime) -> datetime | None:
    """When the one after this is due, where the runbook says how often; None once it is closed."""
    updates = timeline.telling.updates
    return None if updates is None or timeline.closed else now + updates.every


def _what_happened(timeline: Timeline, now: datetime) -> list[str]:
    occurred = timeline.occurred
    if occurred is None or occurred > now:
        return [
            "An incident affects data of our service.",
            f"We do not yet know when it began. We have been working on it since {_when(timeline.declared, now)}.",
        ]
    said = [f"An incident that began {_when(occurred, now, 'at')} affects data of our service."]
    detected = timeline.detected
    if detected is not None and not timeline.detected_by and occurred <= detected <= now:
        said.append(f"We noticed it {_when(detected, now, 'at')}.")
    return said


def _what_is_done(timeline: Timeline) -> list[str]:
    there = ["The service has been moved to the restored data."] if moved(timeline) else []
    if timeline.closed is not None:
        return [*there, *_what_was_checked(timeline)]
    phase, runs = _phase(timeline), bool(_running(timeline))
    if phase is Phase.VERIFY and runs:
        return [*there, _WORK[phase]]
    return [*there, *_work(timeline, phase, runs=runs), *_what_was_checked(timeline)]


def _work(timeline: Timeline, phase: Phase | None, *, runs: bool) -> list[str]:
    if phase is None:
        return ["We have begun to look into it."]
    if phase is Phase.RESTORE and not runs and timeline.restored is not None:
        return ["Data was restored from a backup."]
    return [] if phase is Phase.VERIFY else [_WORK[phase]]


def _what_was_checked(timeline: Timeline) -> list[str]:
    """Of the latest verification that ended."""
    ends = [one.state for one in timeline.attempts if one.action == VERIFY and one.state]
    if not ends:
        return []
    if timeline.verified_stale:
        return ["The restored data has not been checked completely yet."]
    if ends[-1] == "succeeded":
        against = timeline.verified.comparison.reference if timeline.verified else ""
        if against in ("manifest", "archive"):
            return ["The restored data was checked against the backup, without a difference."]
        return ["The restored data was checked."]
    if ends[-1] == "failed":
        return ["The check of the restored data found differences, which we are looking into."]
    return ["The restored data has not been checked completely yet."]


def _what_is_lost(timeline: Timeline) -> str:
    """Only what was measured: between the backup and the incident, by the time that it occurred at."""
    lost = timeline.rpo.measured
    if timeline.occurred is None or lost is None or lost <= timedelta(0):
        return UNKNOWN_LOSS
    restored = timeline.restored is not None
    backup = "that was restored" if restored else "that we have found"
    least = "at least " if timeline.rpo.at_least else ""
    return (
        f"The backup {backup} is from {least}{show_duration(lost)} before the incident. What was "
        "entered or changed after it may be missing."
    )


def _what_comes(timeline: Timeline, now: datetime) -> list[str]:
    if timeline.closed is not None:
        return [f"This incident was closed {_when(timeline.closed, now, 'at')}."]
    at = next_update(timeline, now)
    return [] if at is None else [f"The next update is due {_when(at, now, 'at')}."]


def _phase(timeline: Timeline) -> Phase | None:
    """The furthest phase of what runs; where nothing does, of what ended well."""
    running = _running(timeline)
    ended = [one for one in timeline.attempts if one.state == "succeeded"]
    phases = [_ORDER.index(Phase(one.phase)) for one in running or ended if one.phase]
    return _ORDER[max(phases)] if phases else None


def _running(timeline: Timeline) -> list[Attempt]:
    return [one for one in timeline.attempts if not one.state and one.started_at is not None]


def moved(timeline: Timeline) -> bool:
    """Whether the cutover is done: it ended well, and something behind it has begun or all has ended."""
    cutover = [one.state for one in timeline.attempts if one.phase == Phase.CUTOVER.value]
    if not cutover or cutover[-1] != "succeeded":
        return False
    after = {one.value for one in _ORDER[_ORDER.index(Phase.CUTOVER) + 1 :]}
    return timeline.outcome in ("pass", "partial") or any(
        one.phase in after for one in timeline.attempts
    )


def _when(at: datetime, now: datetime, before: str = "") -> str:
    """`at 19:04 UTC`, with the day where it is not today's."""
    day = "" if at.astimezone(UTC).date() == now.astimezone(UTC).date() else f" on {_day(at)}"
    return f"{before} {_clock(at)}{day}".lstrip()


def _clock(at: datetime) -> str:
    return f"{at.astimezone(UTC):%H:%M} UTC"


def _day(at: datetime) -> str:
    utc = at.astimezone(UTC)
    return f"{utc.day} {_MONTHS[utc.month - 1]} {utc.year}"
