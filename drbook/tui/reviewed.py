"""What is proposed for a living production, with both values of its conflicts, and what a merge came to."""

from rich.console import Group, RenderableType
from rich.text import Text

from drbook.core.merged import Outcome
from drbook.core.results import ApplyResult, ProposeResult
from drbook.core.reviewed import RIGHTLY, ConflictShown
from drbook.tui.colours import DIM, GOOD, WARN
from drbook.tui.paint import said


def proposed_rows(found: ProposeResult, height: int) -> RenderableType:
    """Table by table, each with its conflicts, as many as there is room for."""
    lines: list[Text] = []
    for one in found.proposal.what.tables:
        clear = not (one.absent or one.conflicts.count or one.unkeyed)
        sign, style = ("✓", GOOD) if clear else ("?", WARN)
        lines.append(Text.assemble((f"{sign} ", style), said(one.in_words())))
        if one.triggers:
            lines.append(said(f"    triggers: {', '.join(one.triggers)}", DIM))
        if one.rules:
            lines.append(
                said(f"    rules, which stand against a merge: {', '.join(one.rules)}", WARN)
            )
        if one.along:
            lines.append(said(f"    rows that follow a changed key: {', '.join(one.along)}", DIM))
        for row in found.conflicts.get(one.table.shown, ()):
            lines += _conflict(row)
    if any(one.missing.count for one in found.proposal.what.tables):
        lines.append(said(f"{RIGHTLY}.", WARN))
    if found.proposal.what.definition:
        lines.append(said(f"to be read and run first: {found.proposal.what.definition}", WARN))
    return _in_room(lines, height)


def _conflict(row: ConflictShown) -> list[Text]:
    key = ", ".join(f"{name} {value}" for name, value in row.key.items())
    lines = [said(f"    {key}")]
    for name, restored in row.restored.items():
        values = (restored, row.production.get(name))
        one, other = ("NULL" if value is None else value for value in values)
        lines.append(said(f"      {name}: restored {one} · production {other}"))
    return lines


def merged(found: ApplyResult | Outcome, height: int) -> RenderableType:
    """Table by table how the rows came out, and what takes it back."""
    outcome = found.outcome if isinstance(found, ApplyResult) else found
    lines = [
        Text.assemble(
            ("✓ ", GOOD) if one.as_reviewed else ("✗ ", WARN),
            said(one.in_words()),
        )
        for one in outcome.tables
    ]
    lines += [
        said(f"    sequence {one.sequence}: {one.steps:,} on, past {one.past}", DIM)
        for one in outcome.sequences
        if one.steps
    ]
    if isinstance(found, ApplyResult) and found.undo:
        lines.append(said(f"to take it back: psql -X -f {found.undo}", DIM))
    return _in_room(lines, height)


def _in_room(lines: list[Text], height: int) -> RenderableType:
    room = max(2, height)
    if len(lines) > room:
        left = len(lines) - room + 1
        lines = [*lines[: room - 1], said(f"{left} more lines in the record (e exports it)", DIM)]
    return Group(*lines)
