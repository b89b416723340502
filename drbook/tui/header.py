"""The lines that never go away: mode, clocks against objectives, the loss window, and reminders.

Composed for the width: what there is no room for is said shorter, and the title gives way first.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from rich.text import Text

from drbook.app.model import Snapshot
from drbook.core.clocks import outage, spent, verified_at
from drbook.core.timers import due
from drbook.core.values import clock_duration, show_duration
from drbook.tui.clocks import (
    NEVER,
    Piece,
    cut_words,
    due_piece,
    fit,
    forecast_of,
    forecast_piece,
    moment,
    span,
    time_of_day,
)
from drbook.tui.colours import DIM, DRILL_TAG, DRY_TAG, GOOD, LIVE_TAG, PLAIN, STRONG, URGENT, WARN
from drbook.tui.evidence import loss_in
from drbook.tui.paint import bar

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
ROOMY = (160, 40)
"""Columns and rows from which a third line is worth its room."""


def mode_tag(mode: str, *, short: bool) -> Text:
    text, style = _MODES[mode]
    return Text(_SHORT[mode] if short else text, style=style)


def lines_for(width: int, height: int) -> int:
    """How many lines the header takes on a screen of that size."""
    return 3 if width >= ROOMY[0] and height >= ROOMY[1] else 2


def header(
    snapshot: Snapshot, now: datetime, width: int, *, lines: int = 2, zone: tzinfo | None = None
) -> Text:
    """Two lines, or three where there is room; times in UTC, or in the zone that is asked for."""
    reminders = [due_piece(one) for one in due(snapshot.state, snapshot.runbook, now)]
    rto = _rto(snapshot, now, long=lines > 2)
    times = _times(snapshot, now, zone or UTC)
    clock = time_of_day(now, zone)
    if lines > 2:
        rows = [
            _first(snapshot, [clock], width),
            _row([*times], reminders, width),
            _row(rto, [*_broken_glass(snapshot), _loss(snapshot)], width),
        ]
    else:
        rows = [
            _first(snapshot, [*times, clock], width),
            _row(rto, [*_broken_glass(snapshot), _loss(snapshot), *reminders[:2]], width),
        ]
    return Text("\n").join(rows)


def _first(snapshot: Snapshot, right: Sequence[Piece], width: int) -> Text:
    """Mode and title at the left, times at the right; the title takes what is left of the line."""
    state, narrow = snapshot.state, width < 100
    tag = mode_tag(state.mode.value, short=narrow)
    least = min(Text(cut_words(state.title, 120)).cell_len, width * 2 // 5)
    told = _joined(fit(right, width - tag.cell_len - least - 5, gap=3), " · ")
    title = cut_words(state.title, width - tag.cell_len - told.cell_len - 5)
    return _spread(Text.assemble(tag, "  ", (title, STRONG)), told, width)


def _row(left: Sequence[Piece], right: Sequence[Piece], width: int) -> Text:
    """One line of pieces; those of the right stand at its end."""
    chosen = fit([*left, *right], width - 2)
    begins, ends = chosen[: len(left)], chosen[len(left) :]
    return _spread(Text(" ") + _joined(begins, "  "), _joined(ends, "  "), width)


def _joined(texts: Sequence[Text], by: str) -> Text:
    return Text(by, style=DIM).join([text for text in texts if text.cell_len])


def _spread(left: Text, right: Text, width: int) -> Text:
    gap = max(1, width - left.cell_len - right.cell_len - 1)
    line = Text.assemble(left, " " * gap, right, " ", no_wrap=True, overflow="crop", end="")
    line.truncate(width)
    return line


def _times(snapshot: Snapshot, now: datetime, zone: tzinfo) -> list[Piece]:
    """Occurred, detected and declared, and how long it lasts."""
    state = snapshot.state
    known = state.occurred is not None
    occurred = Text(f"occurred {moment(state.occurred, now, zone)}", style=DIM if known else WARN)
    pieces = [Piece((occurred, Text()), (45 if known else 90,))]
    lasted = outage(state, snapshot.runbook, now)
    if lasted is not None:
        clock = Text.assemble(("OUTAGE ", f"bold {DIM}"), (clock_duration(lasted), STRONG))
        pieces.append(Piece((clock, Text()), (80,)))
    if state.detected is not None:
        words = f"detected {moment(state.detected, now, zone)}"
        pieces.append(Piece((Text(words, style=DIM), Text()), (20,)))
    words = f"declared {moment(state.declared, now, zone)}"
    pieces.append(Piece((Text(words, style=DIM), Text()), (25,)))
    return pieces


def _rto(snapshot: Snapshot, now: datetime, *, long: bool) -> list[Piece]:
    """Time since the declaration; it stops when the restore was verified, or the incident closed."""
    state, runbook = snapshot.state, snapshot.runbook
    used = spent(state, runbook, now)
    if used is None:
        return [Piece((Text("RTO unknown", style=DIM),))]
    allowed = timedelta(seconds=state.rto_seconds) if state.rto_seconds is not None else None
    expected = forecast_of(snapshot, now)
    pieces = [_against(used, allowed)]
    if allowed is not None:
        bars = [Text(bar(int(used.total_seconds()), int(allowed.total_seconds()), size), PLAIN)
                for size in ((30, 18, 8) if long else (18, 8))]  # fmt: skip
        pieces.append(Piece((*bars, Text()), ((3, 4, 9) if long else (4, 9))))
        done = verified_at(state, runbook) is not None
        pieces.append(_standing(used, allowed, verified=done, cost=2 if expected else 11))
    if expected is not None:
        pieces.append(forecast_piece(expected, used, allowed, long=long))
    return pieces


def _against(used: timedelta, allowed: timedelta | None) -> Piece:
    clock = Text.assemble(("RTO ", f"bold {DIM}"), (clock_duration(used), STRONG))
    if allowed is None:
        return Piece((Text.assemble(clock, (" (no objective)", DIM)), clock), (50,))
    objective = clock_duration(allowed)
    return Piece(
        (
            Text.assemble(clock, (f" of {objective}", DIM)),
            Text.assemble(clock, (f"/{objective}", DIM)),
            clock,
        ),
        (5, 200),
    )


def _standing(used: timedelta, allowed: timedelta, *, verified: bool, cost: int) -> Piece:
    if used > allowed:
        return Piece((Text("▲ over", style=URGENT),))
    if verified:
        return Piece((Text("✓ verified in time", style=GOOD), Text("✓ in time", style=GOOD)), (10,))
    return Piece((Text(f"{show_duration(allowed - used)} left", style=PLAIN), Text()), (cost,))


def _broken_glass(snapshot: Snapshot) -> list[Piece]:
    """That the copy which counts was taken by break-glass: for as long as it does."""
    if not any(run.break_glass for run in snapshot.state.steps.values()):
        return []
    forms = (Text("‼ BREAK-GLASS copy", style=URGENT), Text("‼ GLASS", style=URGENT))
    return [Piece(forms, (12,))]


def _loss(snapshot: Snapshot) -> Piece:
    """From the chosen copy to the loss, against what is tolerated."""
    seconds, more = loss_in(snapshot)
    allowed = snapshot.state.rpo_seconds
    measured = "unknown"
    if seconds is not None:
        measured = f"{'≥ ' if more else ''}{show_duration(timedelta(seconds=seconds))}"
    sign, word, style = "", "", PLAIN
    if seconds is not None and allowed is not None:
        if seconds > allowed:
            sign, word, style = "▲", "over", URGENT
        elif more:
            sign, style = "?", WARN  # only when the copy was stored is known
        else:
            sign, word, style = "✓", "within", GOOD
    shown = span(timedelta(seconds=allowed)) if allowed is not None else ""

    def form(label: str, against: str, end: str) -> Text:
        return Text.assemble(
            (f"{label} ", f"bold {DIM}"), (measured, STRONG), (against, DIM),
            (f" {end}" if end else "", style),
        )  # fmt: skip

    objective = f" of {shown}" if shown else ""
    told = f"{sign} {word}".rstrip()
    forms = (
        form("LOSS WINDOW", f"{objective} allowed" if shown else " (no objective)", told),
        form("LOSS", objective, told),
        form("LOSS", "", told),
        form("LOSS", "", sign),
    )
    return Piece(forms, (8, 60, NEVER - 10))
