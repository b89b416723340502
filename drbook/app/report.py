"""What an unattended run says at its end: one document for machines, a few lines for people."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from drbook.app.exports import build_with
from drbook.app.model import Snapshot
from drbook.core.engine import Outcome
from drbook.core.points import Judgement
from drbook.core.values import Json, format_time, plain
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
        "rpo": _measured(timeline.rpo),
        "rto": _measured(timeline.rto),
        "chosen": _chosen(words.chosen(timeline)),
        "rejected": [
            {"source": source, "copy": copy or None, "verdict": verdict, "reasons": list(reasons)}
            for source, copy, verdict, reasons in words.rejected(timeline)
        ],
        "difference": words.difference(timeline),
        "target": _target(timeline),
        "tables": _tables(timeline),
        "journal": {
            "path": str(snapshot.journal),
            "head": snapshot.head,
            "records": len(snapshot.records),
        },
    }


def _measured(value: Measured) -> Json:
    return {
        "objective_seconds": _seconds(value.objective),
        "measured_seconds": _seconds(value.measured),
        "met": value.met,
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


def _target(timeline: Timeline) -> Json:
    if timeline.restored is None:
        return None
    target = timeline.restored.target
    return {
        "kind": target.kind,
        "name": target.name,
        "location": target.location,
        "proof": target.proof,
    }


def _tables(timeline: Timeline) -> Json:
    if timeline.verified is None:
        return []
    return [row.model_dump(mode="json") for row in timeline.verified.comparison.tables]


def report_lines(document: Mapping[str, Json], folder: Path, *, name: str) -> list[str]:
    """The end of a run for a person: outcome, what was lost, and where the record is.

    `name` is what `drbook timeline` finds the incident by; empty where it is removed at the end.
    """
    lines = [f"{str(document['outcome']).upper()}  {plain(str(document['reason']), 400)}"]
    chosen = document["chosen"]
    if isinstance(chosen, Mapping) and isinstance(chosen["point"], Mapping):
        point = chosen["point"]
        lines.append(f"restored from  {plain(str(point['location']), 200)}")
        lines.append(f"taken          {point['taken_at']}")
    for key, label in (("rpo", "data lost"), ("rto", "restored in")):
        value = document[key]
        if isinstance(value, Mapping):
            lines.append(f"{label:<15}{_said(value)}")
    tables = document["tables"]
    if isinstance(tables, list) and tables:
        passed = sum(1 for row in tables if isinstance(row, Mapping) and row["verdict"] == "pass")
        lines.append(f"tables         {passed} of {len(tables)} hold what the backup held")
    journal = document["journal"]
    if isinstance(journal, Mapping):
        lines.append(f"journal        {plain(str(folder), 300)}")
        lines.append(f"head           {journal['head']}")
        if name:
            lines.append(f"timeline       drbook timeline {name} -o timeline.html")
    return lines


def _said(value: Mapping[str, Json]) -> str:
    measured, objective = value["measured_seconds"], value["objective_seconds"]
    shown = words.duration(_span(measured))
    met = {True: "met", False: "NOT MET", None: "unknown"}
    if objective is None:
        return f"{shown} (no objective stated)"
    answer = value["met"]
    word = met[answer] if isinstance(answer, bool) else met[None]
    return f"{shown} (objective {words.duration(_span(objective))}: {word})"


def _span(value: Json) -> timedelta | None:
    return timedelta(seconds=value) if isinstance(value, int | float) else None
