"""What an unattended run says at its end: one document for machines, a few lines for people."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from drbook.app.exports import build_with
from drbook.app.model import Snapshot
from drbook.core.engine import Outcome
from drbook.core.lookingback import damaged
from drbook.core.points import Judgement
from drbook.core.results import APPLY, PROPOSE, ApplyResult, ProposeResult, read_result
from drbook.core.targets import ADMIN
from drbook.core.values import Json, counted, format_time, plain
from drbook.timeline import words
from drbook.timeline.model import JournalFacts, Measured, Timeline


def report(snapshot: Snapshot, outcome: Outcome) -> dict[str, Json]:
    """The whole story as JSON; what nobody knows is null."""
    facts = JournalFacts(str(snapshot.journal), snapshot.head, intact=True)
    timeline = build_with(snapshot.records, facts, snapshot.runbook)
    return {
        "outcome": outcome.word,
        "exit_code": int(outcome.code),
        "reason": outcome.reason,
        "mode": timeline.mode,
        "incident": timeline.incident,
        "title": timeline.title,
        "occurred": format_time(timeline.occurred) if timeline.occurred else None,
        "detected": format_time(timeline.detected) if timeline.detected else None,
        "detected_proved_by": timeline.detected_by or None,
        "declared": format_time(timeline.declared),
        "rpo": _measured(timeline.rpo),
        "rto": _measured(timeline.rto),
        "chosen": _chosen(words.chosen(timeline)),
        "choice": _choice(timeline),
        "by_hand": _by_hand(timeline),
        "loud": [
            {"step": entry.step, "by": entry.actor, "said": entry.text}
            for entry in timeline.entries
            if entry.urgent
        ],
        "rejected": [
            {"source": source, "copy": copy or None, "verdict": verdict, "reasons": list(reasons)}
            for source, copy, verdict, reasons in words.rejected(timeline)
        ],
        "warnings": list(_warnings(timeline)),
        "pause": list(words.pauses(timeline)),
        "difference": words.difference(timeline),
        "target": _target(timeline),
        "proposed": _proposed(snapshot),
        "merged": _merged(snapshot),
        "tables": _tables(timeline),
        "remarks": _remarks(timeline),
        "compared_with": _compared(timeline),
        "journal": {
            "path": str(snapshot.journal),
            "head": snapshot.head,
            "records": len(snapshot.records),
        },
    }


def _warnings(timeline: Timeline) -> list[str]:
    """What nobody may miss of the restore, though its step ended well; and damaged copies by name."""
    recovery = timeline.restored.recovery if timeline.restored is not None else None
    found = (
        [recovery.show()] if recovery is not None and (recovery.broken or recovery.repeats) else []
    )
    located = timeline.located
    return found + [f"damaged: {one}" for one in damaged(located.judgements if located else ())]


def _measured(value: Measured) -> Json:
    return {
        "objective_seconds": _seconds(value.objective),
        "measured_seconds": _seconds(value.measured),
        "met": value.met,
        "at_least": value.at_least,
    }


def _seconds(value: timedelta | None) -> Json:
    return None if value is None else round(value.total_seconds(), 3)


def _chosen(judgement: Judgement | None) -> Json:
    if judgement is None:
        return None
    return {
        "point": judgement.point.model_dump(mode="json"),
        "verdict": judgement.verdict.value,
        "reasons": list(judgement.reasons),
    }


def _choice(timeline: Timeline) -> Json:
    """A person's choice of another copy than the proposed one."""
    made = timeline.choice
    if made is None:
        return None
    return {
        "by": made.by,
        "reason": made.reason,
        "break_glass": made.break_glass,
        "standing": made.standing,
        "said": words.choice(timeline),
    }


def _by_hand(timeline: Timeline) -> Json:
    """Steps that stand on a person's word."""
    return [
        {
            "step": attempt.step,
            "state": attempt.state,
            "by": attempt.by_hand.by,
            "reason": attempt.reason,
            "without": list(attempt.by_hand.without),
            "evidence": attempt.by_hand.evidence,
            "said": words.by_hand(attempt),
        }
        for attempt in timeline.attempts
        if attempt.by_hand is not None
    ]


def _target(timeline: Timeline) -> Json:
    if timeline.restored is None:
        return None
    target = timeline.restored.target
    made = next((one for one in timeline.resources if one.name == target.name), None)
    return {
        "isolation": None
        if timeline.restored.alone is None
        else {
            "state": timeline.restored.alone.state,
            "said": timeline.restored.alone.show(),
            "checks": [one.model_dump(mode="json") for one in timeline.restored.alone.checks],
            "not_prevented": list(timeline.restored.alone.not_prevented),
        },
        "removed": made is not None and made.released_at is not None,
        "kind": target.kind,
        "name": target.name,
        "location": target.location,
        "proof": target.proof,
    }


def _proposed(snapshot: Snapshot) -> Json:
    """What a database that lives on lacks or has otherwise, table by table."""
    runs = [run for run in snapshot.state.steps.values() if run.action == PROPOSE]
    found = [(run.id, read_result(ProposeResult, run.result)) for run in runs]
    return [
        {
            "step": step,
            "into": what.stand_in.name if what.stand_in is not None else None,
            "tables": [
                {
                    "table": one.table.shown,
                    "absent": one.absent,
                    "missing": one.missing.count,
                    "left_out": one.left_out,
                    "conflicts": one.conflicts.count,
                    "extra": one.extra,
                    "unkeyed": one.unkeyed,
                }
                for one in what.tables
            ],
        }
        for step, what in ((name, one.proposal.what) for name, one in found if one is not None)
    ]


def _merged(snapshot: Snapshot) -> Json:
    """What was merged into a database that lives on, table by table, and what takes it back."""
    runs = [run for run in snapshot.state.steps.values() if run.action == APPLY]
    found = [(run.id, read_result(ApplyResult, run.result)) for run in runs]
    return [
        {
            "step": step,
            "tables": [one.model_dump(mode="json") for one in applied.outcome.tables],
            "decided": dict(applied.outcome.decided),
            "undo": applied.undo or None,
        }
        for step, applied in found
        if applied is not None
    ]


def _compared(timeline: Timeline) -> Json:
    if timeline.verified is None:
        return None
    comparison = timeline.verified.comparison
    return {
        "reference": comparison.reference,
        "content": comparison.content_compared and comparison.reference == "manifest",
        "holds": not timeline.verified_stale,
        "stale": timeline.verified_stale or None,
        "baseline": timeline.verified.baseline or None,
        "baseline_at": format_time(comparison.baseline_at) if comparison.baseline_at else None,
    }


def _tables(timeline: Timeline) -> Json:
    if timeline.verified is None:
        return []
    return [row.model_dump(mode="json") for row in timeline.verified.comparison.tables]


def _remarks(timeline: Timeline) -> Json:
    if timeline.verified is None:
        return []
    return [one.model_dump(mode="json") for one in timeline.verified.comparison.remarks]


def report_lines(
    document: Mapping[str, Json], folder: Path, *, name: str, start: str = ""
) -> list[str]:
    """The end of a run for a person: outcome, what was lost, and where everything is.

    `name` is what `drbook timeline` finds the incident by, and `start` how a restored cluster is
    started for good; both are empty where all of it is removed at the end.
    """
    lines = [f"{str(document['outcome']).upper()}  {plain(str(document['reason']), 400)}"]
    chosen, target = document["chosen"], document["target"]
    if isinstance(chosen, Mapping) and isinstance(chosen["point"], Mapping):
        point = chosen["point"]
        label = "restored from" if target else "chosen"
        lines.append(f"{label:<15}{plain(str(point['location']), 200)}")
        lines.append(f"taken          {point['taken_at']}")
    warnings = document["warnings"]
    for one in warnings if isinstance(warnings, list) else ():
        lines.append(f"LOOK AT        {plain(str(one), 600)}")
    lines += _said_by_people(document)
    for key, label in (
        ("rpo", "data lost" if target else "would lose"),
        ("rto", "restored in"),
    ):
        value = document[key]
        if isinstance(value, Mapping) and (target or (key == "rpo" and chosen)):
            lines.append(f"{label:<15}{_said(value)}")
    tables = document["tables"]
    if isinstance(tables, list) and tables:
        compared = document["compared_with"]
        lines.append(f"tables         {_tables_said(tables, compared)}")
        if isinstance(compared, Mapping) and compared["stale"]:
            because = plain(str(compared["stale"]), 300)
            lines.append(f"LOOK AT        that verification no longer holds: {because}")
    lines += _remarks_said(document["remarks"])
    if isinstance(target, Mapping) and name:
        where = f"{target['kind']} {target['name']} in {target['location']}"
        lines.append(f"target         {plain(where, 400)}")
        isolation = target.get("isolation")
        if isinstance(isolation, Mapping):
            lines.append(f"               {plain(str(isolation['said']), 600)}")
        if target.get("removed"):
            lines.append("               removed at the end of the drill; --keep keeps it")
            start, target = "", {}
        elif target["kind"] == "cluster":
            lines.append("               its server has stopped with drbook; its data stays")
        if start:
            lines.append(f"start it       {start}")
        if target.get("kind") == "cluster":
            lines.append(f"log in         {_login(str(target['location']))}")
    journal = document["journal"]
    if isinstance(journal, Mapping):
        lines.append(f"journal        {plain(str(folder), 300)}")
        lines.append(f"head           {journal['head']}")
        if name:
            lines.append(f"timeline       drbook timeline {name} -o timeline.html")
    return lines


def _said_by_people(document: Mapping[str, Json]) -> list[str]:
    """Where somebody went past a protection, what a person chose against the proposal, and what stands on
    a person's word; each once."""
    loud, choice, by_hand = (document.get(key) or [] for key in ("loud", "choice", "by_hand"))
    lines = [f"LOOK AT        {line}" for line in _each_said(loud)]
    if isinstance(choice, Mapping) and not choice["break_glass"]:
        lines.append(f"by choice      {plain(str(choice['said']), 600)}")
    quiet = [one for one in _mappings(by_hand) if not one["without"]]
    return lines + [f"by hand        {line}" for line in _each_said(quiet)]


def _mappings(value: Json) -> list[Mapping[str, Json]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _each_said(value: Json) -> list[str]:
    return [f"{one['step']}: {plain(str(one['said']), 600)}" for one in _mappings(value)]


def _login(location: str) -> str:
    return f"as {ADMIN}, whose password is in {plain(f'{location}/{ADMIN}.key', 400)}"


def _tables_said(tables: Sequence[Json], compared: Json) -> str:
    verdicts = [str(row["verdict"]) for row in tables if isinstance(row, Mapping)]
    passed, unsure = verdicts.count("pass"), verdicts.count("could-not-verify")
    reference = str(compared["reference"]) if isinstance(compared, Mapping) else ""
    if reference == "manifest" and isinstance(compared, Mapping) and not compared["content"]:
        reference = "numbers"
    what = {
        "manifest": "hold what the backup held",
        "numbers": "hold as many rows as the backup held; content not compared",
        "archive": "hold as many rows as the archive that was loaded; their content is unproven",
        "baseline": "hold as many rows as the baseline says; what the backup held is unknown",
    }.get(reference, "were counted; nothing says what they should hold")
    text = f"{passed} of {len(tables)} {what}"
    return f"{text}; {unsure} could not be verified" if unsure else text


def _remarks_said(remarks: Json) -> list[str]:
    """What differs or is flawed beside the rows; what is only worth knowing is in the timeline."""
    found = (
        [one for one in remarks if isinstance(one, Mapping)] if isinstance(remarks, list) else []
    )
    bad = [one for one in found if one["verdict"] != "pass"]
    known = len(found) - len(bad)
    lines = [
        f"{one['verdict']:<14} {plain(' '.join((str(one['check']), str(one['subject']))), 120)}: "
        f"{plain(str(one['words']), 300)}"
        for one in bad[:10]
    ]
    if len(bad) > 10:
        lines.append(f"               and {len(bad) - 10} more: see the timeline")
    if known:
        lines.append(
            f"worth knowing  {counted(known, 'remark')} in the timeline, beside the row counts"
        )
    return lines


def _said(value: Mapping[str, Json]) -> str:
    measured = Measured(
        _span(value["objective_seconds"]),
        _span(value["measured_seconds"]),
        bool(value.get("at_least")),
    )
    if measured.objective is None:
        return f"{words.measured(measured)} (no objective stated)"
    objective = words.duration(measured.objective)
    return f"{words.measured(measured)} (objective {objective}: {words.met(measured)})"


def _span(value: Json) -> timedelta | None:
    return timedelta(seconds=value) if isinstance(value, int | float) else None
