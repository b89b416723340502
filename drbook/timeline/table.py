"""The timeline as CSV (RFC 4180) for a spreadsheet, which must not run what it reads."""

import csv
import io

from drbook.core.values import format_time, plain
from drbook.timeline.model import Timeline
from drbook.timeline.words import LINED, MODES, headline

HEADER = ("seq", "happened_at", "recorded_at", "mode", "actor", "step", "kind", "text")


_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How a formula begins; the last four are the wide forms, which East Asian spreadsheets take too."""


def table(timeline: Timeline) -> str:
    """One row per entry, and a last one with the journal's head."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(HEADER)
    for entry in timeline.entries:
        writer.writerow(
            _cell(value)
            for value in (
                str(entry.seq),
                format_time(entry.happened_at),
                format_time(entry.recorded_at),
                timeline.mode,
                entry.actor,
                entry.step,
                entry.kind,
                " / ".join(entry.text.splitlines()) if entry.kind in LINED else entry.text,
            )
        )
    head = (
        f"{MODES[timeline.mode]}; {headline(timeline)}; incident {timeline.incident}; "
        f"journal head {timeline.journal.head}"
    )
    last = timeline.records[-1]
    at = format_time(last.at)
    writer.writerow([str(last.seq), at, at, timeline.mode, "drbook", "", "journal", _cell(head)])
    return stream.getvalue()


def _cell(text: str) -> str:
    """Spreadsheets take a cell that begins like this for a formula."""
    safe = plain(text)
    return "'" + safe if safe.startswith(_FORMULA) else safe
