"""The last lines: what went wrong with what was asked, and what the keys do now."""

from datetime import datetime

from rich.text import Text

from drbook.app.model import Snapshot, Trouble
from drbook.core.engine import Readiness
from drbook.core.errors import TakenOver
from drbook.core.state import StepState
from drbook.tui.paint import BUSY, DIM, GOOD, PLAIN, URGENT, WARN, said, spread
from drbook.tui.signs import next_for_you, number_of


def trouble_text(trouble: Trouble, *, broken: bool) -> Text:
    """What happened, what it means, what to do next."""
    text = Text.assemble(("✗ ", URGENT), said(trouble.what, URGENT))
    if trouble.means:
        text.append("\n  ")
        text.append_text(said(trouble.means, WARN))
    if trouble.next:
        text.append("\n  ")
        text.append_text(said(trouble.next, PLAIN))
    if not broken:
        text.append("   Esc hides this", style=DIM)
    return text


def enter_does(snapshot: Snapshot, step: str) -> str:
    """What Enter would do now, in two words; empty where it does nothing."""
    run = snapshot.state.steps[step]
    number = number_of(snapshot, step)
    if snapshot.state.closed_at is not None or snapshot.broken:
        return ""
    if run.state is StepState.AWAITING and step not in snapshot.cooling:
        return f"answer step {number}"
    if snapshot.decision.view(step).readiness is Readiness.READY:
        return f"run step {number}"
    if run.state is StepState.IN_DOUBT:
        return f"settle step {number}"
    wanted = next_for_you(snapshot)
    if wanted is None:
        return "close" if snapshot.decision.finished else ""
    return f"go to step {number_of(snapshot, wanted)}" if wanted != step else ""


def hints(snapshot: Snapshot, step: str, width: int, now: datetime) -> Text:
    """The keys that do something now, the most wanted first, and how safe the record is."""
    run = snapshot.state.steps[step]
    keys: list[tuple[str, str]] = []
    if does := enter_does(snapshot, step):
        keys.append(("⏎", does))
    if step in snapshot.cooling:
        keys.append(("Esc", "take it back"))
    if run.state is StepState.STARTED:
        keys.append(("c", "cancel"))
    if run.state is StepState.IN_DOUBT:
        keys.append(("i", "settle"))
    if run.state in (StepState.FAILED, StepState.REFUSED, StepState.CANCELLED, StepState.STALE):
        keys += [("r", "again"), ("s", "skip")]
    if run.state is StepState.COULD_NOT_VERIFY and run.accepted is None:
        keys += [("r", "again"), ("d", "go on unverified")]
    if snapshot.decision.finished and snapshot.state.closed_at is None:
        keys.append(("x", "close"))
    if snapshot.state.closed_at is not None:
        keys.append(("e", "export"))
    keys += [("n", "note"), ("b", "backups"), ("v", "rows"), ("t", "timeline"), ("?", "help")]
    keys.append(("q", "leave"))
    right = _record(snapshot, now, short=width < 100)
    line = Text(" ")
    for key, words in keys:
        part = Text.assemble((key, f"bold {BUSY}"), (f" {words}   ", PLAIN))
        if line.cell_len + part.cell_len + right.cell_len < width:
            line.append_text(part)
    return spread(line, right, width)


def _record(snapshot: Snapshot, now: datetime, *, short: bool) -> Text:
    if snapshot.broken:
        taken = snapshot.trouble is not None and snapshot.trouble.code == TakenOver.code
        return Text("✗ TAKEN OVER " if taken else "journal ✗ NOT WRITTEN ", style=URGENT)
    words = "✓" if short else "journal ✓"
    text = Text(f"{words} {len(snapshot.records)} ", style=GOOD)
    return Text.assemble(_mirrors(snapshot, now), text)


def _mirrors(snapshot: Snapshot, now: datetime) -> Text:
    """`mirror ✓`, `mirror 12 behind`: how the worst of the copies off this machine stands; nothing
    where the runbook names none."""
    if not snapshot.mirrors:
        return Text()
    worst = next((one for one in snapshot.mirrors if not one.fine(now)), snapshot.mirrors[0])
    lost = worst.standing in ("differs", "superseded")
    style = GOOD if worst.fine(now) else URGENT if lost else WARN
    return Text(f"mirror {worst.short(now)} · ", style=style)
