"""The timeline as Markdown, for a ticket or a repository. Text from outside is escaped."""

from drbook.core.comparison import Comparison
from drbook.core.outputs import Part, Rows
from drbook.core.results import RestoreResult
from drbook.core.values import counted, show_time
from drbook.timeline.build import when
from drbook.timeline.comparing import (
    as_of,
    beside_rows,
    compared_rows,
    compared_tables,
    content_said,
    places,
)
from drbook.timeline.mdtext import Markdown, fenced, grid, lines, text
from drbook.timeline.model import Attempt, Entry, Timeline
from drbook.timeline.people import people
from drbook.timeline.words import (
    LINED,
    MODES,
    against,
    beside_line,
    by_hand,
    check_command,
    choice,
    chosen,
    declared,
    detected,
    difference,
    duration,
    headline,
    isolated,
    measured,
    met,
    moment,
    number,
    pauses,
    rejected,
    removed,
    rolled,
    rows_left,
    signed,
    sought_notes,
    sought_rows,
    stale,
    telling,
    took,
    warned,
)


def markdown(timeline: Timeline) -> str:
    parts = [
        _head(timeline),
        _times(timeline),
        _telling(timeline),
        _backups(timeline),
        _target(timeline),
        _removed(timeline),
        _preflight(timeline),
        _tables(timeline),
        _sought(timeline),
        _living(timeline),
        _by_hand(timeline),
        _steps(timeline),
        _outputs(timeline),
        _entries("Decisions", timeline, "decision"),
        _entries("Notes", timeline, "note"),
        _entries(
            "External entries: the word of other systems, not of drbook", timeline, "external"
        ),
        _entries("Deviations", timeline, "deviation"),
        _everything(timeline),
        _record(timeline),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(timeline: Timeline) -> str:
    lines = [
        f"# {text(timeline.title)}",
        f"**{text(MODES[timeline.mode])}**",
        f"Outcome: **{text(headline(timeline))}**",
        f"Incident `{timeline.incident}` · {text(people(timeline))} on "
        f"{text(', '.join(timeline.hosts))}",
    ]
    lines += [f"**Could not be read:** {text(problem)}" for problem in timeline.unread]
    if not timeline.journal.intact:
        lines.append(f"**The journal is not intact:** {text(timeline.journal.problem)}")
    return "\n\n".join(lines)


def _times(timeline: Timeline) -> str:
    rows = [
        ("occurred", when(timeline.occurred)),
        ("detected", detected(timeline)),
        ("declared", declared(timeline)),
        ("closed", when(timeline.closed) if timeline.closed else "not closed"),
    ]
    objectives = [
        (name, duration(value.objective), measured(value), met(value))
        for name, value in (
            ("RPO: data lost", timeline.rpo),
            ("RTO: declared to verified", timeline.rto),
        )
    ]
    return (
        "## Times\n\n"
        + grid(("moment", "UTC"), rows)
        + "\n\n"
        + grid(("objective", "stated", "measured", ""), objectives)
    )


def _telling(timeline: Timeline) -> str:
    rows = telling(timeline)
    if not rows:
        return ""
    head = ("what was to be told", "when", "until (UTC)", "what the record says")
    return "## Updates and notifications\n\n" + grid(head, rows)


def _backups(timeline: Timeline) -> str:
    if timeline.located is None:
        return "## Backups\n\nNo backups were looked for."
    best = chosen(timeline)
    lines = ["## Backups"]
    if best is not None:
        point = best.point
        lines.append(
            f"**Chosen:** {text(point.location)}, taken {show_time(point.taken_at)} "
            f"(by the {point.taken_by}'s clock), {point.sized}, "
            + (
                f"SHA-256 `{point.digest or timeline.located.local_digest or 'unknown'}`"
                if point.rolls_to is None
                else f"could be {text(point.rolls(timeline.located.occurred))}"
            )
        )
        if made := choice(timeline):
            lines.append(f"**{text(made)}**")
        lines += [f"- {text(reason)}" for reason in best.reasons]
        lines.append(f"Newest copy of all against {against(timeline)}: {difference(timeline)}")
    else:
        lines.append("**No copy was chosen.**")
    lines += [f"- **{text(one)}**" for one in pauses(timeline)]
    rows = [
        (signed(verdict), source, copy or "(its copies are not known)", "; ".join(reasons))
        for source, copy, verdict, reasons in rejected(timeline)
    ]
    if timeline.located.ways:
        found = [
            (way.kind, text(way.what), way.loss(), way.ready(), text(way.proof), text(way.risk))
            for way in timeline.located.ways
        ]
        lines.append("Ways back:")
        lines.append(grid(("way", "from", "loses", "ready in", "proof", "risk"), found))
    if rows:
        lines.append("Not chosen:")
        lines.append(grid(("verdict", "source", "copy", "why"), rows))
    return "\n\n".join(lines)


def _target(timeline: Timeline) -> str:
    restored = timeline.restored
    if restored is None:
        return ""
    target = restored.target
    return "\n\n".join(
        [
            "## Target",
            f"{target.kind} **{text(target.name)}** in {text(target.location)}",
            f"Proof that it is fresh and not production: {text(target.proof)}. System identifier "
            f"{text(target.identity.system_identifier)}, database {text(target.identity.database)}.",
            *_filled(timeline, restored),
            *(f"{text(line)}." for line in isolated(timeline)),
        ]
    )


def _removed(timeline: Timeline) -> str:
    """What became of what a drill made, though its restore never came to its end."""
    lines = removed(timeline)
    return (
        "\n\n".join(["## What the drill made", *(f"{text(line)}." for line in lines)])
        if lines
        else ""
    )


def _filled(timeline: Timeline, restored: RestoreResult) -> list[str]:
    """How what was restored came into the target: loaded, or laid down and rolled forward."""
    lines = []
    if restored.beside:
        lines = ["Restored side by side, and what came of each:"]
        lines.append("\n".join(f"- {text(beside_line(one))}" for one in restored.beside))
    if restored.recovery is not None:
        return lines + [f"{text(line)}." for line in rolled(restored.recovery)]
    load = restored.load
    if load is None:
        return lines
    lines += [
        f"Loaded with {text(load.tool)} {text(load.tool_version)} "
        f"({text(load.archive_format)}): {load.items} items, "
        f"{counted(len(load.errors), 'error')}; warnings: "
        f"{text(warned(timeline) or 'none')}."
    ]
    if load.left_out:
        left = ", ".join(load.left_out)
        lines.append(f"Not loaded, since only a superuser could create it: {text(left)}.")
    return lines


def _preflight(timeline: Timeline) -> str:
    page = timeline.restored.preflight if timeline.restored is not None else None
    if page is None:
        return ""
    rows = [
        (signed(item.verdict.value), item.what, item.found, item.wanted, item.words)
        for item in page.items
    ]
    head = ("verdict", "what", "found", "wanted", "what it means")
    return "## Before loading\n\n" + grid(head, rows)


def _tables(timeline: Timeline) -> str:
    if timeline.verified is None:
        return "## Row counts\n\nNothing was verified."
    comparison = timeline.verified.comparison
    rows = [
        (
            signed(row.verdict.value),
            row.table,
            number(row.expected),
            number(row.restored),
            number(row.before),
            number(row.lost),
            row.reason,
        )
        for row in comparison.tables
    ]
    head = ("verdict", "table", "backup held", "restored", "baseline", "lost", "why")
    return (
        "## Row counts\n\n"
        + (f"**{text(stale(timeline))}**\n\n" if timeline.verified_stale else "")
        + f"{signed(comparison.verdict.value)}: {counted(len(rows), 'table')}, against the "
        + f"{text(comparison.reference)}{content_said(comparison)}. {text(as_of(comparison.baseline_at))}\n\n"
        + grid(head, rows, right=(2, 3, 4, 5))
        + _places(comparison)
        + _beside_rows(comparison)
    )


def _beside_rows(comparison: Comparison) -> str:
    rows = beside_rows(comparison)
    if not rows:
        return "\n\nBeside the rows nothing differs, and nothing is flawed."
    head = ("verdict", "held against", "kind", "name", "what")
    return "\n\n### Beside the rows\n\n" + grid(head, rows)


def _places(comparison: Comparison) -> str:
    rows = places(comparison)
    if not rows:
        return ""
    return "\n\n### Where they differ\n\n" + grid(("held against", "table", "where"), rows)


def _living(timeline: Timeline) -> str:
    if timeline.compared is None:
        return ""
    found = timeline.compared.difference
    head = ("verdict", "table", "rows, restored and production", "what", "where")
    parts = ["## Restored against production as it is now", grid(head, compared_tables(found))]
    if rows := compared_rows(found):
        names = ("table", "change", "key", "restored", "production")
        parts += ["### Some of these rows", grid(names, rows)]
    return "\n\n".join(parts)


def _sought(timeline: Timeline) -> str:
    found = timeline.sought
    if found is None:
        return ""
    head = ("", "commit", "transaction", "what it did", "stopping before it leaves out")
    notes = "\n".join(f"- {text(each)}" for each in sought_notes(found))
    parts = ["## The moment of the loss, by the WAL", grid(head, sought_rows(found)), notes]
    return "\n\n".join(parts)


def _by_hand(timeline: Timeline) -> str:
    found = timeline.by_hand
    if not found:
        return ""
    return "\n\n".join(["## Done by hand, by a person's word", *map(_one_by_hand, found)])


def _one_by_hand(attempt: Attempt) -> str:
    head = f"**{text(attempt.title)}** ({text(attempt.step)}): {text(by_hand(attempt))}"
    evidence = attempt.by_hand.evidence if attempt.by_hand is not None else ""
    if not evidence:
        return head + " No evidence was pasted."
    return f"{head}\n\n> {lines(evidence)}"


def _steps(timeline: Timeline) -> str:
    rows = [
        (
            attempt.phase,
            f"{attempt.title} ({attempt.step}, attempt {attempt.number})",
            signed(attempt.state),
            when(attempt.started_at),
            took(attempt),
            attempt.reason,
            attempt.digest[:16],
        )
        for attempt in timeline.attempts
    ]
    head = ("phase", "step", "state", "started", "took", "what happened", "plan digest")
    return "## Steps\n\n" + grid(head, rows)


def _outputs(timeline: Timeline) -> str:
    parts = ["## What commands, queries and requests answered"]
    for attempt in timeline.with_output:
        which = f"({attempt.step}, attempt {attempt.number})"
        parts.append(f"### {text(attempt.title)} {text(which)}: {text(signed(attempt.state))}")
        for part in attempt.output:
            parts += _output(part)
    return "\n\n".join(parts) if len(parts) > 1 else ""


def _output(part: Part) -> list[str]:
    if not isinstance(part, Rows):
        return [text(part.label), *([fenced(part.lines)] if part.lines else [])]
    rows, left = part.shown()
    table = [grid([text(name) for name in part.columns], rows)] if part.columns else []
    return [text(part.label), *table, *([rows_left(left)] if left else [])]


def _entries(title: str, timeline: Timeline, kind: str) -> str:
    rows = [
        (moment(entry), entry.actor, entry.step, _said(entry)) for entry in timeline.of_kind(kind)
    ]
    if not rows:
        return ""
    return f"## {title}\n\n" + grid(("when", "who", "step", "what"), rows)


def _said(entry: Entry) -> str:
    """A note keeps its lines; what went past a protection is said loudly."""
    said = lines(entry.text) if entry.kind in LINED else text(entry.text)
    return Markdown(f"**{said}**" if entry.urgent else said)


def _everything(timeline: Timeline) -> str:
    rows = [
        (
            str(entry.seq),
            when(entry.happened_at),
            when(entry.recorded_at),
            entry.actor,
            entry.step,
            _said(entry),
        )
        for entry in timeline.entries
    ]
    head = ("#", "happened", "recorded", "who", "step", "what")
    return "## Everything, in order\n\n" + grid(head, rows)


def _record(timeline: Timeline) -> str:
    return "\n\n".join(
        [
            "## The record",
            f"Runbook {text(timeline.runbook_file)}, SHA-256 `{timeline.runbook_sha256}` · "
            f"drbook {text(timeline.drbook_version)}",
            f"Journal {text(timeline.journal.path)}: {counted(len(timeline.records), 'record')}, head "
            f"`{timeline.journal.head}`",
            f"Check it: `{check_command(timeline)}`",
        ]
    )
