"""CloudEvents 1.0 as JSON lines: one event per record, the journal's head on the last."""

import json
import re
from datetime import datetime

from drbook.core.values import format_time
from drbook.timeline.model import Timeline


def json_lines(timeline: Timeline) -> str:
    """One CloudEvent per line, in the order of the record (CloudEvents 1.0.2, JSON format)."""
    lines = []
    for record in timeline.records:
        name = type(record.event).__name__
        body = record.event.model_dump(mode="json")
        event: dict[str, object] = {
            "specversion": "1.0",
            "id": f"{timeline.incident}/{record.seq}",
            "source": f"urn:drbook:incident:{timeline.incident}",
            "type": f"io.drbook.{_dotted(name)}",
            "time": format_time(record.at),
            "datacontenttype": "application/json",
            "data": {
                "actor": record.actor,
                "host": record.host,
                "mode": record.mode.value,
                "prev": record.prev,
                "event": body,
            },
        }
        if body.get("step"):
            event["subject"] = body["step"]
        lines.append(event)
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
                "declared": _time(timeline.declared),
            },
        }
    )
    return "".join(json.dumps(line, ensure_ascii=True, sort_keys=True) + "\n" for line in lines)


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(moment)


def _dotted(name: str) -> str:
    """`StepFinished` → `step.finished`."""
    return ".".join(re.findall(r"[A-Z][a-z]+", name)).lower()
