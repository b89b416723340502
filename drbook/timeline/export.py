"""One timeline, four formats; `cloudevents` is what `json` is, by the name of its specification."""

from collections.abc import Callable, Mapping

from drbook.timeline.html import html
from drbook.timeline.jsonlines import json_lines
from drbook.timeline.markdown import markdown
from drbook.timeline.model import Timeline
from drbook.timeline.table import table

FORMATS: Mapping[str, Callable[[Timeline], str]] = {
    "html": html,
    "md": markdown,
    "json": json_lines,
    "csv": table,
    "cloudevents": json_lines,
}


def export(timeline: Timeline, kind: str) -> str:
    """The timeline as text in one of FORMATS; the same timeline always gives the same text."""
    return FORMATS[kind](timeline)
