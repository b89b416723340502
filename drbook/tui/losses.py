"""The transactions that may be the loss: when, which, what they did, and what stopping before them costs."""

from rich.console import Group, RenderableType
from rich.text import Text

from drbook.core.losing import Candidate, LossFound
from drbook.core.values import show_time
from drbook.tui.colours import DIM, STRONG, WARN
from drbook.tui.paint import cut, said, table_of


def sought_losses(found: LossFound, width: int, height: int) -> RenderableType:
    """As many as there is room for, the proposed one always among them."""
    notes = _notes(found)
    room = max(3, height - len(notes) - 2)
    shown = list(found.candidates[:room])
    if found.chosen is not None and found.chosen not in shown:
        shown[-1] = found.chosen
    lines: list[RenderableType] = []
    if shown:
        wide = width >= 100
        columns = [("", "left"), ("commit", "left"), ("transaction", "right")]
        columns += [("deleted", "right"), ("leaves out", "left")] if wide else []
        table = table_of(*columns)  # type: ignore[arg-type]
        for one in shown:
            table.add_row(*_row(one, width, wide), style=STRONG if one.chosen else "")
        lines.append(table)
    if left := len(found.candidates) - len(shown):
        lines.append(said(f"{left} more in the timeline (e exports it)", DIM))
    return Group(*lines, *notes)


def _row(one: Candidate, width: int, wide: bool) -> list[Text]:
    cells = [
        said("◀" if one.chosen else ""),
        said(show_time(one.what.committed_at)),
        said(str(one.what.xid)),
    ]
    costs = one.costs()
    if wide:
        cells += [said(f"{one.what.deleted:,}"), said(costs)]
        return [*cells, said(cut(one.destroyed(), width))]
    return [*cells, said(cut(f"{one.destroyed()}; leaves out {costs}", width))]


def _notes(found: LossFound) -> list[Text]:
    notes = []
    if found.aim is not None:
        notes.append(said(f"aim: {found.aim.show()}", STRONG))
    if found.disagreement:
        notes.append(said(f"▲ {found.disagreement}", WARN))
    style = DIM if found.read.ending == "end" else WARN
    notes.append(said(f"read: {found.read.segments} segments; {found.read.why}", style))
    notes += [said(f"baselines: {one.show()}", DIM) for one in found.drops[:3]]
    if found.named_by:
        notes.append(said(f"names: {found.named_by}", DIM))
    return notes
