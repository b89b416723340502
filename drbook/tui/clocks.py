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
from drbook.tui.colours import DIM, PLAIN, STRONG, URGENT, WARN
from drbook.tui.paint import cut
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


def zone_name(at: datetime, zone: tzinfo) -> str:
    """`CEST`, `+0530`, at that time."""
    there = at.astimezone(zone)
    return plain(there.tzname() or f"{there:%z}", 60)[:8]


def clock_time(at: datetime, zone: tzinfo | None) -> str:
    """`21:47:12`, which is UTC; in another zone with its name."""
    if zone is None:
        return f"{at.astimezone(UTC):%H:%M:%S}"
    return f"{at.astimezone(zone):%H:%M:%S} {zone_name(at, zone)}"


def time_of_day(now: datetime, zone: tzinfo | None) -> Piece:
    """`21:47:12 UTC`; in another zone where one is asked for, and UTC behind it where there is room. It
    takes no more room than UTC alone, where that is all there is: nothing else has to go for it."""
    utc = f"{now.astimezone(UTC):%H:%M:%S} UTC"
    if zone is None:
        return Piece((Text(utc, STRONG),))
    name = zone_name(now, zone)
    long, short = clock_time(now, zone), f"{now.astimezone(zone):%H:%M} {name}"
    forms = [Text.assemble((long, STRONG), (f" = {utc[:5]} UTC", DIM))]
    forms += [Text(one, STRONG) for one in ((long, short) if len(short) <= len(utc) else (utc,))]
    return Piece(tuple(forms), (0, 0))


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
    names = ["update"] if due.kind == "update" else [cut_words(due.name, 20), "deadline"]
    left = coarse(due.left)
    shorter = [f"▲ {one} late {left}" if due.overdue else f"{one} in {left}" for one in names]
    bare = [f"▲ {names[-1]} late"] if due.overdue else []
    words = [due_words(due), *shorter, *bare, ""]
    urgent = due.left <= SOON
    cost = 19 if urgent else 13 if due.left <= FAR else 1
    unnamed = 45 if urgent else cost
    forms = tuple(Text(one, style=due_style(due)) for one in words)
    costs = (cost, *[unnamed] * (len(names) - 1), *[250] * len(bare))
    return Piece(forms, (*costs, NEVER if urgent else cost + 7))


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
