"""Times, spans and reminders as words: how a forecast, a timer and the past of a step are said.

Every line is made of whole pieces, each in several lengths; what does not fit is said shorter, and
nothing is cut in the middle of a word.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from statistics import median

from rich.cells import cell_len
from rich.text import Text

from drbook.app.model import Past, Snapshot
from drbook.core.forecast import Forecast, forecast
from drbook.core.state import IncidentState, StepState
from drbook.core.timers import Due
from drbook.core.values import clock_duration, counted, plain, show_duration
from drbook.tui.paint import DIM, PLAIN, STRONG, URGENT, WARN, cut
from drbook.tui.signs import short_clock

SOON = timedelta(minutes=5)
"""From then on a reminder is not left out for want of room."""
FAR = timedelta(hours=2)
"""What is further away is the first that is said shorter."""
NEVER = 1_000
"""The cost of what is not to be lost."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Something to say in one or more lengths, the longest first, and what each step down costs."""

    forms: tuple[Text, ...]
    costs: tuple[int, ...] = ()


def fit(pieces: Sequence[Piece], width: int, gap: int = 2) -> list[Text]:
    """Each piece in the length in which all fit together, shortened where that costs least; one that
    has no room is empty."""
    at = [0] * len(pieces)
    taken: list[int] = []

    def chosen() -> list[Text]:
        return [piece.forms[index] for piece, index in zip(pieces, at, strict=True)]

    while _length(chosen(), gap) > width:
        steps = [
            (piece.costs[index], -number)
            for number, (piece, index) in enumerate(zip(pieces, at, strict=True))
            if index < len(piece.forms) - 1
        ]
        if not steps:
            break
        taken.append(-min(steps)[1])
        at[taken[-1]] += 1
    for number in reversed(taken):  # what the last steps made room for
        at[number] -= 1
        if _length(chosen(), gap) > width:
            at[number] += 1
    return chosen()


def _length(texts: Sequence[Text], gap: int) -> int:
    shown = [text.cell_len for text in texts if text.cell_len]
    return sum(shown) + gap * max(0, len(shown) - 1)


def cut_words(text: str, width: int) -> str:
    """Plain text in at most `width` cells, ended with … behind a whole word where there is one."""
    shown = plain(text, 1000)
    if cell_len(shown) <= width:
        return shown
    whole = ""
    for word in shown.split(" "):
        longer = f"{whole} {word}" if whole else word
        if cell_len(longer) > width - 2:
            break
        whole = longer
    return f"{whole} …" if cell_len(whole) >= width // 4 and whole else cut(shown, width)


# --- moments and spans -----------------------------------------------------------------------


def moment(at: datetime | None, now: datetime, zone: tzinfo = UTC) -> str:
    """`21:04`, with the date where it is not today's; `unknown`."""
    if at is None:
        return "unknown"
    there, today = at.astimezone(zone), now.astimezone(zone).date()
    return f"{there:%H:%M}" if there.date() == today else f"{there:%m-%d %H:%M}"


def time_of_day(now: datetime, zone: tzinfo | None) -> Text:
    """`21:47:12 UTC`; in another zone first, where one is asked for, and UTC behind it."""
    utc = f"{now.astimezone(UTC):%H:%M:%S} UTC"
    if zone is None:
        return Text.assemble((utc, STRONG))
    there = now.astimezone(zone)
    name = plain(there.tzname() or f"{there:%z}", 8)
    return Text.assemble((f"{there:%H:%M:%S} {name}", STRONG), (f" = {utc[:5]} UTC", DIM))


def span(value: timedelta) -> str:
    """An objective: `24 h`, `45 min`, else as a duration."""
    seconds = int(value.total_seconds())
    if seconds and seconds % 3600 == 0 and seconds < 100 * 3600:
        return f"{seconds // 3600} h"
    if seconds and seconds % 60 == 0 and seconds < 3600:
        return f"{seconds // 60} min"
    return show_duration(value)


def coarse(value: timedelta) -> str:
    """About how long, never more than it is: `4 min`, `71 h`, `5 days`; `< 1 min`."""
    minutes = int(abs(value).total_seconds()) // 60
    if minutes < 1:
        return "< 1 min"
    if minutes < 120:
        return f"{minutes} min"
    if minutes < 120 * 60:
        return f"{minutes // 60} h"
    return f"{minutes // 1440} days"


def ago(value: timedelta) -> str:
    """`3 days ago`, `20 h ago`."""
    days = max(value, timedelta(0)).days
    return f"{days} days ago" if days >= 2 else f"{coarse(max(value, timedelta(0)))} ago"


# --- what is to be told ----------------------------------------------------------------------


def due_words(due: Due, longest: int = 40) -> str:
    """`update due in 4 min`, `▲ update overdue by 12 min`, `GDPR notification in 71 h`."""
    if due.kind == "update":
        name = "update"
        if due.overdue:
            return f"▲ update overdue by {coarse(due.left)}"
        return f"{name} due in {coarse(due.left)}"
    name = cut_words(due.name, longest)
    if due.overdue:
        return f"▲ {name} overdue by {coarse(due.left)}"
    return f"{name} in {'at most ' if due.at_latest else ''}{coarse(due.left)}"


def due_style(due: Due) -> str:
    return URGENT if due.overdue else WARN if due.left <= SOON else DIM


def due_piece(due: Due) -> Piece:
    """A reminder in the lengths that a header has room for; what is urgent is never left out, and what
    is far away first."""
    sign = "▲ " if due.overdue else ""
    names = ["update"] if due.kind == "update" else [cut_words(due.name, 20), "deadline"]
    words = [due_words(due), *(f"{sign}{name} {coarse(due.left)}" for name in names), ""]
    urgent = due.left <= SOON
    cost = 19 if urgent else 13 if due.left <= FAR else 1
    unnamed = 45 if urgent else cost
    forms = tuple(Text(one, style=due_style(due)) for one in words)
    return Piece(forms, (cost, *[unnamed] * (len(names) - 1), NEVER if urgent else cost + 7))


# --- the forecast ----------------------------------------------------------------------------


@dataclass(slots=True)
class _Told:
    """The latest forecast, and what it was made from."""

    state: IncidentState | None = None
    past: Mapping[str, Past] | None = None
    second: int = 0
    found: Forecast | None = None


_told = _Told()


def forecast_of(snapshot: Snapshot, now: datetime) -> Forecast | None:
    """From the snapshot's past and what runs; made once a second and record, for a screen is painted at
    every key, and a runbook may have a thousand steps."""
    second = int(now.timestamp())
    known = _told.state is snapshot.state and _told.past is snapshot.past
    if not known or _told.second != second:
        _told.state, _told.past, _told.second = snapshot.state, snapshot.past, second
        _told.found = _forecast(snapshot, now)
    return _told.found


def _forecast(snapshot: Snapshot, now: datetime) -> Forecast | None:
    progress = {}
    for step, live in snapshot.live.items():
        run = snapshot.state.steps.get(step)
        known = [one.seconds_left for one in live.progress if one.seconds_left is not None]
        if known and run is not None and run.state is StepState.STARTED:
            progress[step] = max(known)
    past = {step: one.seconds for step, one in snapshot.past.items()}
    return forecast(snapshot.runbook, snapshot.state, now, past, progress)


def forecast_piece(
    found: Forecast, spent: timedelta, allowed: timedelta | None, *, long: bool = False
) -> Piece:
    """Where the RTO's clock will stand when the restore is verified: `forecast 1:10 (0:55–1:40)`."""
    if not found.known:
        text = "forecast unknown"
        names = f": no earlier run tells of {_names(found.unknown)}" if long else ""
        return Piece((Text(text + names, DIM), Text(text, DIM), Text()), (5, 12))
    total, least, most = (spent + one for one in (found.left, found.least, found.most))
    by_minute = total >= timedelta(minutes=10)
    likely = _clock(total, by_minute)
    over = allowed is not None and total > allowed
    may = allowed is not None and not over and most > allowed
    style = URGENT if over else WARN if may else PLAIN
    sign = "▲ " if over else "△ " if may else ""
    bound = "≥ " if found.at_least else ""
    short = f"{sign}forecast {bound}{likely}"
    words = " over" if over else " may be over" if may else ""
    forms = [f"{short}{_basis(found, least, most, by_minute, long=long)}{words}"]
    forms += [f"{short}{words}", short, f"{sign}→{bound}{likely}", ""]
    told = allowed is not None and spent > allowed  # it stands there already that it is over
    last = 22 if told else NEVER - 1 if over else 40
    return Piece(tuple(Text(one, style=style) for one in forms), (15, 18, 20, last))


def _basis(
    found: Forecast, least: timedelta, most: timedelta, by_minute: bool, *, long: bool
) -> str:
    """The range, or what it rests on where there is none."""
    if found.at_least:
        steps = counted(len(found.unknown), "step")
        names = _names(found.unknown) if long else f"{steps} unknown"
        return f" (unknown: {names})" if long else f" ({names})"
    low, high = _clock(least, by_minute), _clock(most, by_minute)
    if found.runs == 1:
        return " (from 1 earlier run)"
    runs = f", from {found.runs} earlier runs" if long and found.runs else ""
    return f" ({low}–{high}{runs})"


def _names(steps: Sequence[str]) -> str:
    more = f" and {len(steps) - 4} more" if len(steps) > 4 else ""
    return ", ".join(steps[:4]) + more


def _clock(value: timedelta, by_minute: bool) -> str:
    """`1:10`, hours and minutes; with seconds where minutes would say too little."""
    if not by_minute:
        return clock_duration(value)
    minutes = round(value.total_seconds() / 60)
    return f"{minutes // 60}:{minutes % 60:02}"


# --- earlier runs of a step ------------------------------------------------------------------


def past_words(past: Past | None, now: datetime) -> str:
    """`rehearsed 6 times, last 3 days ago (median 6:50)`; empty where there was none."""
    if past is None or not past.seconds:
        return ""
    rehearsed = len(past.seconds) - past.live
    said = [f"rehearsed {_times(rehearsed)}"] if rehearsed else []
    said += [f"done for real {_times(past.live)}"] if past.live else []
    typical = short_clock(timedelta(seconds=median(past.seconds)))
    if len(past.seconds) == 1:
        return f"{said[0]}, {ago(now - past.last)} ({typical})"
    return f"{', '.join(said)}, last {ago(now - past.last)} (median {typical})"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
