"""What goes on beside the selected step: steps that run, steps that ended meanwhile, what was written."""

from collections.abc import Collection
from datetime import UTC, datetime, tzinfo

from rich.console import Group, RenderableType
from rich.text import Text

from drbook.app.model import Snapshot
from drbook.core.clocks import unasked
from drbook.core.events import NoteKind
from drbook.core.state import StepState, in_doubt
from drbook.tui.clocks import moment
from drbook.tui.colours import BUSY, DIM, PLAIN, STRONG, WARN
from drbook.tui.paint import cut, progress_lines, said
from drbook.tui.signs import named, next_for_you, number_of, short_clock, status_of, title_of, took

_ASKED = {"occurred": "when it occurred", "detected": "when it was detected"}


def share_done(snapshot: Snapshot, step: str) -> str:
    """`71 %` of what the step has begun last; empty where nobody can tell."""
    live = snapshot.live.get(step)
    known = [view for view in live.progress if view.total] if live is not None else []
    if not known:
        return ""
    last = known[-1]
    return f"{min(100, last.done * 100 // (last.total or 1))} %"


def beside(
    snapshot: Snapshot, selected: str, news: Collection[str], now: datetime, width: int, most: int
) -> Text:
    """One line each for what runs and what ended while another step was looked at."""
    lines: list[Text] = []
    for step in _in_order(snapshot, {*snapshot.decision.running, *news} - {selected}):
        run = snapshot.state.steps[step]
        status = status_of(snapshot, step)
        if run.state is StepState.STARTED:
            spent = took(run, now)
            share = share_done(snapshot, step)
            parts = [share, short_clock(spent) if spent is not None else ""]
            words = "  ".join(part for part in parts if part)
            lines.append(
                Text.assemble(
                    (f" {status.sign} ", BUSY), said(named(snapshot, step)), (f"  {words}", BUSY)
                )
            )
        else:
            lines.append(
                Text.assemble(
                    (" ● ", STRONG), (f"{status.word}: ", status.style),
                    said(named(snapshot, step), STRONG), said(f"  {run.reason}", DIM),
                )
            )  # fmt: skip
    if snapshot.running_on and lines and most == 1:
        lines[0] = Text.assemble((" ▶▶ R stops", BUSY), lines[0])
    elif snapshot.running_on:
        lines.insert(0, Text(" ▶▶ running on until something needs you; R stops that", style=BUSY))
    lines = [*_cooling(snapshot, selected, now), *lines]
    missing = () if snapshot.state.closed_at else unasked(snapshot.state, snapshot.runbook)
    if missing and not snapshot.watching:
        asked = " and ".join(_ASKED[name] for name in missing)
        lines.append(Text(f" ▲ nobody has said yet {asked}: press I", style=WARN))
    if snapshot.unset and not snapshot.state.closed_at:
        names = ", ".join(snapshot.unset)
        lines.append(
            Text(
                f" ▲ secrets not set in this shell: {names}; what needs them cannot ask", style=WARN
            )
        )
    left = len(lines) - most
    more = Text(f"  … and {left} more" if left > 0 else "", style=DIM)
    lines = lines[:most]
    for line in lines:
        line.truncate(width - (more.cell_len if line is lines[-1] else 0), overflow="ellipsis")
    if lines:
        lines[-1].append_text(more)
    return Text("\n").join(lines)


def _cooling(snapshot: Snapshot, selected: str, now: datetime) -> list[Text]:
    """Steps that start by themselves in a moment, while another one is looked at."""
    return [
        Text(
            f" ▲ {named(snapshot, step)} starts in {short_clock(max(at - now, at - at))}: "
            "Esc takes it back",
            style=WARN,
        )
        for step, at in snapshot.cooling.items()
        if step != selected
    ]


def _in_order(snapshot: Snapshot, some: Collection[str]) -> list[str]:
    """Some of the steps as they stand in the runbook; it may have a thousand others."""
    places = snapshot.runbook.places
    return sorted((step for step in some if step in places), key=places.__getitem__)


def panel(
    snapshot: Snapshot, now: datetime, width: int, height: int, zone: tzinfo | None = None
) -> RenderableType:
    """The third column of a large screen."""
    parts: list[RenderableType] = [Text(" RUNNING", style=f"bold {DIM}")]
    for step in snapshot.decision.running:
        spent = took(snapshot.state.steps[step], now)
        clock = short_clock(spent) if spent is not None else ""
        parts.append(
            Text.assemble((" ◐ ", BUSY), said(cut(named(snapshot, step), width - 12)), f"  {clock}")
        )
        live = snapshot.live.get(step)
        parts += progress_lines(live.progress[-3:], width - 4) if live else []
    if not snapshot.decision.running:
        parts.append(Text(" nothing", style=DIM))
    parts += [Text(""), Text(" NEEDS YOU", style=f"bold {DIM}"), *_for_you(snapshot, width)]
    parts += [
        Text(""),
        Text(" NOTES", style=f"bold {DIM}"),
        *_notes(snapshot, now, width, height // 3, zone or UTC),
    ]
    return Group(*parts)


def _for_you(snapshot: Snapshot, width: int) -> list[Text]:
    doubts = in_doubt(snapshot.state)
    wanted = _in_order(snapshot, {*snapshot.decision.ready, *snapshot.decision.awaiting, *doubts})
    first = next_for_you(snapshot)
    lines = []
    for step in wanted[:8]:
        status = status_of(snapshot, step)
        mark = "▸" if step == first else " "
        lines.append(
            Text.assemble(
                f"{mark}", (f"{status.sign} ", status.style), (f"{number_of(snapshot, step):>2} ", DIM),
                said(cut(title_of(snapshot, step), width - 9 - len(status.word))),
                (f"  {status.word}", status.style),
            )
        )  # fmt: skip
    return lines or [Text(" nothing", style=DIM)]


def _notes(snapshot: Snapshot, now: datetime, width: int, most: int, zone: tzinfo) -> list[Text]:
    lines = []
    for note in snapshot.state.notes[-most:]:
        at = moment(note.happened_at or note.at, now, zone)
        kind = getattr(note, "kind", NoteKind.NOTE)
        word = "" if kind is NoteKind.NOTE else f"{kind.value}: "
        style = WARN if kind is NoteKind.DECISION else PLAIN
        lines.append(
            Text.assemble(
                (f" {at} ", DIM),
                (word, DIM),
                said(cut(note.text, width - 3 - len(at) - len(word)), style),
            )
        )
    return lines or [Text(" none yet; n writes one", style=DIM)]
