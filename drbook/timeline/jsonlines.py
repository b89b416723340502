"""CloudEvents 1.0 as JSON lines: one event per record, the journal's head on the last.

Each holds all that its record holds, in the record's own order: `record_of` gives the record back, so that
the chain can be computed from the export alone.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime

from drbook.core.events import EVENT_TYPES, Record
from drbook.core.values import format_time
from drbook.timeline.model import Timeline


def json_lines(timeline: Timeline) -> str:
    """One CloudEvent per line, in the order of the record (CloudEvents 1.0.2, JSON format)."""
    lines = []
    for record in timeline.records:
        lines.append(cloud_event(timeline.incident, record))
    lines.append(
        {
            "specversion": "1.0",
            "id": f"{timeline.incident}/head",
            "source": f"urn:drbook:incident:{timeline.incident}",
            "type": "io.drbook.journal.head",
            "datacontenttype": "application/json",
            "data": {
                "head": timeline.journal.head,
                "records": len(timeline.records),
                "intact": timeline.journal.intact,
                "mode": timeline.mode,
                "outcome": timeline.outcome or "open",
                "occurred": _time(timeline.occurred),
                "detected": _time(timeline.detected),
                **({"detected_proved_by": timeline.detected_by} if timeline.detected_by else {}),
                "declared": _time(timeline.declared),
            },
        }
    )
    return "".join(json.dumps(line, ensure_ascii=True) + "\n" for line in lines)


def cloud_event(incident: str, record: Record) -> dict[str, object]:
    """One record as one event."""
    body = record.event.model_dump(mode="json")
    event: dict[str, object] = {
        "specversion": "1.0",
        "id": f"{incident}/{record.seq}",
        "source": f"urn:drbook:incident:{incident}",
        "type": f"io.drbook.{_dotted(type(record.event).__name__)}",
        "time": format_time(record.at),
        "datacontenttype": "application/json",
        "data": {
            "actor": record.actor,
            "host": record.host,
            "mode": record.mode.value,
            "mono_ns": str(record.mono_ns),
            "prev": record.prev,
            "event": body,
        },
    }
    if body.get("step"):
        event["subject"] = body["step"]
    return event


def record_of(event: Mapping[str, object]) -> Record:
    """The record that an event was made of. Raises ValueError where it holds none that is whole."""
    data = event.get("data")
    kind = _KINDS.get(str(event.get("type")))
    if kind is None or not isinstance(data, dict):
        raise ValueError("it is no event of drbook's record")
    made = {name: data.get(name) for name in ("actor", "host", "mode", "mono_ns", "prev")}
    made |= {
        "seq": str(event.get("id")).rpartition("/")[2],
        "at": event.get("time"),
        "event": kind.model_validate(data.get("event")),
    }
    return Record.model_validate(made)


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(moment)


def _dotted(name: str) -> str:
    """`StepFinished` → `step.finished`."""
    return ".".join(re.findall(r"[A-Z][a-z]+", name)).lower()


_KINDS = {f"io.drbook.{_dotted(name)}": kind for name, kind in EVENT_TYPES.items()}
"""Kinds of events by the type that they have in an export."""
