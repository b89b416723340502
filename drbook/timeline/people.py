"""Who stands in a record: those who led, and apart from them whoever only wrote into it."""

from drbook.core import events as ev
from drbook.core.approval import book
from drbook.timeline.model import Timeline

_NOTES = (ev.NoteAdded, ev.ExternalFileTaken, ev.ExternalEntryAdded)


def people(timeline: Timeline) -> str:
    """Who led, one after the other; who else did something; and by whom there are notes alone."""
    records = timeline.records
    led = list(dict.fromkeys(book(records).led))
    acted = {one.actor for one in records if not isinstance(one.event, _NOTES)}
    rest = [one for one in dict.fromkeys(record.actor for record in records) if one not in led]
    others = [one for one in rest if one in acted]
    noted = [one for one in rest if one not in acted]
    said = f"by {', '.join(led)}"
    said += f"; also on record: {', '.join(others)}" if others else ""
    return said + (f"; notes by {', '.join(noted)}" if noted else "")
