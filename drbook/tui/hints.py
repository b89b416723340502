"""The last lines: what went wrong with what was asked, and what the keys do now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from drbook.app.model import Snapshot, Trouble
from drbook.core.engine import Readiness, may_skip
from drbook.core.errors import TakenOver
from drbook.core.moves import may_accept
from drbook.core.state import StepRun, StepState
from drbook.tui.colours import BUSY, DIM, GOOD, PLAIN, URGENT, WARN
from drbook.tui.paint import said, spread
from drbook.tui.signs import next_for_you, number_of, runs_again, with_numbers

NARROW = 100
"""Columns below which the step list becomes a strip."""
ACTION = "drbook.action"
"""The mark of a text that can be clicked, with the action that its screen then does."""
LOOKING = frozenset(
    {
        "back", "backups", "export", "help", "journal", "leave", "local", "move", "next", "note", "overview", "page",
        "scroll", "search", "tables", "take_back", "timeline",
    }
)  # fmt: skip
"""What can be done from a seat that only watches: what is not named here is not offered."""


def trouble_text(snapshot: Snapshot, trouble: Trouble) -> Text:
    """What happened, what it means, what to do next."""
    text = Text.assemble(("✗ ", URGENT), said(with_numbers(snapshot, trouble.what), URGENT))
    for words, style in ((trouble.means, WARN), (trouble.next, PLAIN)):
        if words:
            text.append("\n  ")
            text.append_text(said(with_numbers(snapshot, words), style))
    if not snapshot.broken:
        text.append("   Esc hides this", style=DIM)
    return text


def enter_does(snapshot: Snapshot, step: str) -> str:
    """What Enter would do now, in two words; empty where it does nothing."""
    run = snapshot.state.steps[step]
    number = number_of(snapshot, step)
    if snapshot.state.closed_at is not None or snapshot.broken:
        return ""
    if snapshot.watching:
        wanted = next_for_you(snapshot)
        return f"go to step {number_of(snapshot, wanted)}" if wanted not in (None, step) else ""
    if run.state is StepState.AWAITING and step not in snapshot.cooling:
        return f"answer step {number}"
    if snapshot.decision.view(step).readiness is Readiness.READY:
        return f"run step {number}"
    if run.state is StepState.IN_DOUBT:
        return f"settle step {number}"
    if runs_again(snapshot, step):
        return f"run step {number} again"
    wanted = next_for_you(snapshot)
    if wanted is None:
        return "close" if snapshot.decision.finished else ""
    return f"go to step {number_of(snapshot, wanted)}" if wanted != step else ""


@dataclass(frozen=True, slots=True)
class Hint:
    """A key, what it does now, and the screen's action behind it, for whoever clicks."""

    key: str
    words: str
    action: str


def key_line(keys: Sequence[Hint], right: Text, width: int) -> Text:
    """As many as fit, the first ones first, and help before all: whoever knows no key finds them there. A
    click on one does what its key does."""
    room = width - right.cell_len - 2
    shown: set[int] = set()
    for at in sorted(range(len(keys)), key=lambda at: keys[at].action != "help"):
        cells = cell_len(f"{keys[at].key} {keys[at].words}") + 3
        if cells <= room:
            room -= cells
            shown.add(at)
    line = Text(" ")
    for at in sorted(shown):
        hint = keys[at]
        part = Text.assemble((hint.key, f"bold {BUSY}"), (f" {hint.words}", PLAIN))
        part.stylize(Style(meta={ACTION: hint.action}))
        line.append_text(part)
        line.append("   ")
    return spread(line, right, width)


def hints(
    snapshot: Snapshot,
    step: str,
    width: int,
    now: datetime,
    *,
    without: frozenset[str] = frozenset(),
) -> Text:
    """The keys that do something now, the most wanted first, and how safe the record is."""
    keys = [one for one in _keys(snapshot, step, width) if one.action not in without]
    keys = [one for one in keys if not snapshot.watching or one.action in LOOKING]
    return key_line(keys, _record(snapshot, now, short=width < NARROW), width)


def _keys(snapshot: Snapshot, step: str, width: int) -> list[Hint]:
    run = snapshot.state.steps[step]
    if snapshot.broken:  # nothing can be recorded, and so nothing done
        return [Hint("q", "leave", "leave"), Hint("?", "help", "help"), *_TO_LOOK]
    keys = _own_keys(snapshot, step, run) if snapshot.state.closed_at is None else []
    if snapshot.state.closed_at is not None:
        keys.append(Hint("e", "export", "export"))
    keys += [
        *([Hint("o", "steps", "overview")] if width < NARROW else []),
        Hint("n", "note", "note"),
        *_TO_LOOK,
        Hint("?", "help", "help"),
        Hint("q", "leave", "leave"),
    ]
    return keys


_TO_LOOK = (
    Hint("b", "backups", "backups"),
    Hint("v", "rows", "tables"),
    Hint("t", "timeline", "timeline"),
)


def _own_keys(snapshot: Snapshot, step: str, run: StepRun) -> list[Hint]:
    """What can be done about the selected step, and about what is about to start."""
    keys: list[Hint] = []
    if does := enter_does(snapshot, step):
        keys.append(Hint("⏎", does, "next" if snapshot.watching else "go_on"))
    if snapshot.cooling:
        keys.append(Hint("Esc", "take it back", "take_back"))
    if run.state is StepState.STARTED:
        keys.append(Hint("c", "cancel", "cancel"))
    if run.state in (StepState.FAILED, StepState.REFUSED, StepState.CANCELLED, StepState.STALE):
        keys.append(Hint("r", "again", "again"))
        if not may_skip(snapshot.state, step):
            keys.append(Hint("s", "skip", "skip"))
    if run.state is StepState.COULD_NOT_VERIFY and run.accepted is None:
        keys.append(Hint("r", "again", "again"))
        if not may_accept(snapshot.runbook, snapshot.state, step):
            keys.append(Hint("d", "go on unverified", "accept"))
    if snapshot.decision.finished:
        keys.append(Hint("x", "close", "close"))
    return keys


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
