"""The two lines that never go away: mode, clocks against objectives, and the loss window."""

from datetime import datetime, timedelta

from rich.text import Text

from drbook.app.model import Snapshot
from drbook.core.state import StepState
from drbook.core.values import clock_duration, plain, show_duration
from drbook.tui.evidence import loss_in
from drbook.tui.paint import (
    DIM,
    DRILL_TAG,
    DRY_TAG,
    GOOD,
    LIVE_TAG,
    PLAIN,
    STRONG,
    URGENT,
    WARN,
    bar,
    spread,
)

_MODES = {
    "live": (" ● LIVE INCIDENT ", LIVE_TAG),
    "drill": (" ◇ REHEARSAL (drill) ", DRILL_TAG),
    "dry-run": (" ~ DRY RUN ", DRY_TAG),
}
_SHORT = {
    "live": " ● LIVE ",
    "drill": " ◇ REHEARSAL ",
    "dry-run": " ~ DRY RUN ",
}


def mode_tag(mode: str, *, short: bool) -> Text:
    text, style = _MODES[mode]
    return Text(_SHORT[mode] if short else text, style=style)


def header(snapshot: Snapshot, now: datetime, width: int) -> Text:
    """Two lines where there is room, one of clocks where there is not."""
    state = snapshot.state
    narrow = width < 100
    first = Text.assemble(
        mode_tag(state.mode.value, short=narrow), "  ", Text(plain(state.title, 120), style=STRONG)
    )
    clock = Text(f"{now:%H:%M:%S} UTC", style=STRONG)
    if not narrow:
        occurred = f"{state.occurred:%H:%M}" if state.occurred else "unknown"
        declared = f"{state.opened_at:%H:%M}" if state.opened_at else "unknown"
        clock = Text.assemble(
            Text(f"occurred {occurred} · declared {declared} · ", style=DIM), clock
        )
    return Text("\n").join(
        [
            spread(first, clock, width),
            spread(_rto(snapshot, now, width), _loss(snapshot, narrow=narrow), width),
        ]
    )


def _rto(snapshot: Snapshot, now: datetime, width: int) -> Text:
    """Time since the declaration; it stops when the restore was verified, or the incident closed."""
    state, narrow = snapshot.state, width < 100
    if state.opened_at is None:
        return Text(" RTO unknown", style=DIM)
    verified = verified_at(snapshot)
    ended = verified or state.closed_at
    spent = (ended or now) - state.opened_at
    line = Text(" RTO ", style=f"bold {DIM}")
    line.append(clock_duration(spent), style=STRONG)
    if state.rto_seconds is None:
        line.append(" (no objective)", style=DIM)
        return line
    allowed = timedelta(seconds=state.rto_seconds)
    line.append(f"{'/' if narrow else ' of '}{clock_duration(allowed)} ", style=DIM)
    if not narrow:
        line.append(
            bar(int(spent.total_seconds()), state.rto_seconds, 18 if width >= 112 else 8),
            style=PLAIN,
        )
        line.append(" ")
    if spent > allowed:
        line.append("▲ over", style=URGENT)
    elif verified is not None:
        line.append("✓ in time" if narrow else "✓ verified in time", style=GOOD)
    else:
        line.append(f"{show_duration(allowed - spent)} left", style=PLAIN)
    return line


def verified_at(snapshot: Snapshot) -> datetime | None:
    """When a restore was last verified with success."""
    times = [
        run.ended_at
        for run in snapshot.state.steps.values()
        if run.action == "postgres.verify" and run.state is StepState.SUCCEEDED and run.ended_at
    ]
    return max(times, default=None)


def _loss(snapshot: Snapshot, *, narrow: bool) -> Text:
    seconds, more = loss_in(snapshot)
    line = Text("LOSS " if narrow else "LOSS WINDOW ", style=f"bold {DIM}")
    allowed = snapshot.state.rpo_seconds
    line.append(
        "unknown"
        if seconds is None
        else f"{'≥ ' if more else ''}{show_duration(timedelta(seconds=seconds))}",
        style=STRONG,
    )
    if allowed is None:
        line.append(" (no objective) ", style=DIM)
        return line
    shown = show_duration(timedelta(seconds=allowed))
    line.append(f" of {shown} " if narrow else f" of {shown} allowed ", style=DIM)
    if seconds is not None:
        if seconds > allowed:
            line.append("▲ over ", style=URGENT)
        elif more:
            line.append("? ", style=WARN)  # only when the copy was stored is known
        else:
            line.append("✓ within ", style=GOOD)
    return line
