"""Past rehearsals drawn in plain characters: 80 columns, and nothing that only a colour would say."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from drbook.core.drills import Against, Change, Drill, Estimate
from drbook.core.events import Mode
from drbook.core.values import plain, show_duration, show_size

WIDTH = 80
_LEFT = 36
"""Columns before the bars."""
_BARS = WIDTH - _LEFT - 1


def seconds(value: float | None) -> str:
    return "unknown" if value is None else show_duration(timedelta(seconds=value))


def against(value: Against) -> str:
    """`2 m 05 s, in time`, as an export says it."""
    if value.measured is None:
        return "unknown"
    more = "at least " if value.at_least else ""
    said = {True: " ok", False: " OVER", None: ""}[value.met]
    return f"{more}{seconds(value.measured)}{said}"


def chart(drills: Sequence[Drill]) -> Iterator[str]:
    """From the declaration to the verified restore, the newest first; a bar each, `|` for the objective."""
    known = [one.rto.measured for one in drills if one.rto.measured is not None]
    if not known:
        yield "No run has a restore that was verified: there is nothing to draw."
        return
    scale = max(max(known), 1.0) / _BARS
    objective = next((one.rto.objective for one in drills if one.rto.objective is not None), None)
    mark = None if objective is None or objective >= scale * _BARS else int(objective / scale)
    yield f"restored and verified in (a # is {scale:.1f} s{_said(objective, mark)})"
    for one in drills:
        live = "LIVE " if one.mode is Mode.LIVE else f"{one.mode.value:<5}"[:5]
        left = f"{one.opened_at:%Y-%m-%d %H:%M} {live} {_time(one):<13}"[:_LEFT]
        yield f"{left:<{_LEFT}}{_bar(one, scale, mark)}".rstrip()


def _said(objective: float | None, mark: int | None) -> str:
    if objective is None:
        return ""
    sign = "| is the objective" if mark is not None else "the objective is off the edge"
    return f"; {sign}, {seconds(objective)}"


def _time(drill: Drill) -> str:
    return plain(drill.outcome, 13) if drill.rto.measured is None else seconds(drill.rto.measured)


def _bar(drill: Drill, scale: float, mark: int | None) -> str:
    length = 0 if drill.rto.measured is None else max(1, int(drill.rto.measured / scale))
    bar = "#" * min(length, _BARS)
    if mark is not None:
        bar = bar.ljust(mark + 1)
        bar = f"{bar[:mark]}|{bar[mark + 1 :]}"
    return bar


def changes(found: Sequence[Change]) -> list[tuple[str, str, str, str]]:
    """Rows: name, the newest run's time, the median before, the factor."""
    return [
        (
            plain(one.name, 34),
            seconds(one.newest),
            seconds(one.median),
            f"x{one.newest / one.median:.2f}" if one.median and one.median >= 1 else "",
        )
        for one in found
    ]


def forecast(found: Estimate, today: int | None, whence: str) -> str:
    """What a live restore would take, in a sentence."""
    size = "" if today is None else f" of {show_size(today)} ({whence})"
    if found.likely is None:
        return f"A live restore now{size} would take: unknown ({found.why})."
    return (
        f"A live restore now{size} would take {seconds(found.likely)}, "
        f"between {seconds(found.least)} and {seconds(found.most)} by {found.why}; "
        "waiting for people comes on top."
    )
