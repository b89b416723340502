"""A draft of the review after an incident, as Markdown: what the record says, and blanks for people.

Nothing is invented: no cause, no owner, no date. What nobody verified is *unknown*. Text from outside is
escaped, as in every Markdown export.
"""

from collections.abc import Iterator
from datetime import datetime

from drbook.core import events as ev
from drbook.core.comparison import TableComparison
from drbook.core.remarks import TableVerdict
from drbook.core.values import counted, show_duration, show_time, time_in
from drbook.timeline.build import when
from drbook.timeline.comparing import as_of
from drbook.timeline.looking import Finding, Past, end_of, verified_end, went_badly, went_well
from drbook.timeline.mdtext import grid, text
from drbook.timeline.model import Entry, Timeline
from drbook.timeline.people import people
from drbook.timeline.words import (
    MODES,
    check_command,
    duration,
    headline,
    measured,
    met,
    number,
    proved,
    signed,
    stale,
)

LINES = 60
"""Entries of the short timeline; of more, those that went as planned are left out first."""


def review(timeline: Timeline, past: Past | None = None) -> str:
    """The draft. `past` is how long the steps took in earlier incidents; without it nothing is held
    against them. The same record gives the same text."""
    earlier = past or {}
    bad = went_badly(timeline, earlier)
    parts = [
        _head(timeline),
        _summary(timeline),
        _impact(timeline),
        _short(timeline),
        _findings("What went well", went_well(timeline, earlier)),
        _findings("What went badly", bad),
        _actions(bad),
        _record(timeline, earlier),
    ]
    return "\n\n".join(parts) + "\n"


def _head(timeline: Timeline) -> str:
    lines = [
        f"# Review: {text(timeline.title)}",
        f"**{text(MODES[timeline.mode])}**",
        f"Outcome: **{text(headline(timeline))}**",
        "A draft from the record alone. Causes, owners and dates are for people to write.",
    ]
    if timeline.is_open:
        lines.append("**The incident is still open: this is the draft so far.**")
    return "\n\n".join(lines)


def _summary(timeline: Timeline) -> str:
    rows = list(_moments(timeline))
    objectives = [
        (name, duration(value.objective), measured(value), met(value))
        for name, value in (
            ("RPO: data lost", timeline.rpo),
            ("RTO: declared to verified", timeline.rto),
        )
    ]
    who = f"B{text(people(timeline)[1:])} on {text(', '.join(timeline.hosts))}."
    return "\n\n".join(
        [
            "## Summary",
            who,
            grid(("moment", "happened", "recorded", "record"), rows),
            grid(("objective", "stated", "measured", ""), objectives),
        ]
    )


def _moments(timeline: Timeline) -> Iterator[tuple[str, str, str, str]]:
    """Each with both clocks, and the record that says it."""
    for name, at in (
        ("occurred", timeline.occurred),
        ("detected", timeline.detected),
        ("declared", timeline.declared),
    ):
        recorded, seq = _said(timeline, name, at)
        happened = when(at) + (proved(timeline) if name == "detected" else "")
        yield name, happened, when(recorded) if at else "", str(seq) if at else ""
    end = verified_end(timeline)
    if end is None or end.ended_at is None:
        yield "verified", "not verified", "", ""
    else:
        ended = show_time(end.ended_at)
        yield "verified", ended, ended, str(end_of(timeline, end))
    closed = next(
        (one for one in timeline.records if isinstance(one.event, ev.IncidentClosed)), None
    )
    if closed is None:
        yield "closed", "not closed", "", ""
    else:
        yield "closed", show_time(closed.at), show_time(closed.at), str(closed.seq)


def _said(timeline: Timeline, name: str, at: datetime | None) -> tuple[datetime, int]:
    """When a time was recorded, and in which record: where it was given or mended last."""
    first = timeline.records[0]
    if name == "detected" and timeline.detected_by:
        step = timeline.detected_by
        for record in timeline.records:
            if record.at == at and getattr(record.event, "step", "") == step:
                return record.at, record.seq
    for record in reversed(timeline.records):
        event = record.event
        if isinstance(event, ev.InputChanged) and event.name == name:
            known = event.occurred if name == "occurred" else time_in({name: event.value}, name)
            if known == at:
                return record.at, record.seq
    return first.at, first.seq


def _impact(timeline: Timeline) -> str:
    lost = f"Data lost, by time: **{text(measured(timeline.rpo))}**."
    found = timeline.verified
    if found is None:
        return f"## Impact\n\n{lost}\n\nRows lost: **unknown**. Nothing was verified."
    rows = [_table(timeline, row) for row in found.comparison.tables]
    head = (
        "verdict",
        "table",
        "baseline",
        "restored",
        "rows lost",
        "newest row restored",
        "before the loss",
    )
    lines = ["## Impact", lost]
    if timeline.verified_stale:
        lines.append(f"**{text(stale(timeline))} What is lost is unknown.**")
    lines += [text(as_of(found.comparison.baseline_at)), grid(head, rows, right=(2, 3, 4))]
    return "\n\n".join(lines)


def _table(timeline: Timeline, row: TableComparison) -> tuple[str, ...]:
    """What was not verified says nothing of what is lost."""
    sure = row.verdict is not TableVerdict.COULD_NOT_VERIFY and not timeline.verified_stale
    gap = "unknown"
    if sure and row.newest is not None and timeline.occurred is not None:
        late = row.newest > timeline.occurred
        gap = "after it" if late else show_duration(timeline.occurred - row.newest)
    return (
        signed(row.verdict.value if not timeline.verified_stale else "unknown"),
        row.table,
        number(row.before),
        number(row.restored if sure else None),
        number(row.lost if sure else None)
        + (", and rows changed" if sure and row.rewritten else ""),
        when(row.newest if sure else None),
        gap,
    )


def _short(timeline: Timeline) -> str:
    entries = _decisive(timeline)
    left = 0
    if len(entries) > LINES:
        decided = [one for one in entries if one.kind not in ("step", "external")]
        shown = decided[:LINES]
        left, entries = len(entries) - len(shown), shown
    rows = [
        (str(one.seq), when(one.happened_at), when(one.recorded_at), one.actor, one.step, one.text)
        for one in entries
    ]
    lines = ["## Timeline", grid(("record", "happened", "recorded", "who", "step", "what"), rows)]
    if left:
        lines.append(f"{counted(left, 'entry', 'entries')} more are in the timeline itself.")
    return "\n\n".join(lines)


def _decisive(timeline: Timeline) -> list[Entry]:
    """What opened, ended, decided or deviated, each record once; external entries say that they are."""
    ends = {
        one.seq
        for one in timeline.records
        if isinstance(one.event, ev.StepFinished | ev.StepDoneElsewhere)
    }
    kinds = ("incident", "decision", "deviation", "external")
    found: dict[int, Entry] = {}
    for entry in timeline.entries:
        wanted = entry.kind in kinds or (entry.kind == "step" and entry.seq in ends)
        if wanted and (entry.seq not in found or entry.kind == "deviation"):
            found[entry.seq] = entry
    return [found[seq] for seq in sorted(found)]


def _findings(title: str, found: list[Finding]) -> str:
    if not found:
        return f"## {title}\n\nNothing, by the rules that the record was held to."
    lines = [f"- {text(one.text)} (record {one.seq})" for one in found]
    return f"## {title}\n\n" + "\n".join(lines)


def _actions(bad: list[Finding]) -> str:
    if not bad:
        return "## Open actions\n\nThe record asks for none."
    actions: dict[str, list[int]] = {}
    for one in bad:
        actions.setdefault(one.action, []).append(one.seq)
    rows = [
        (action, "owner: ____", "date: ____", ", ".join(str(seq) for seq in sorted(set(seqs))))
        for action, seqs in actions.items()
    ]
    return "## Open actions\n\n" + grid(("action", "owner", "date", "from record"), rows)


def _record(timeline: Timeline, past: Past) -> str:
    held = (
        f"Times of {counted(len(past), 'step')} were held against earlier incidents on this machine."
        if past
        else "No earlier incident of this runbook is on this machine: no step's time was held against one."
    )
    return "\n\n".join(
        [
            "## The record",
            f"Incident `{timeline.incident}`: {counted(len(timeline.records), 'record')}, head "
            f"`{timeline.journal.head}`. {held}",
            f"Check it: `{check_command(timeline)}`",
        ]
    )
