"""How far something is, how fast, and how long still, in words."""

from datetime import timedelta

from drbook.app.model import ProgressView
from drbook.core.values import clock_duration, plain, show_size


def percent(done: int, total: int) -> str:
    """Whole percent, rounded down: 100 % means all of it."""
    return "–" if total <= 0 else f"{min(100, done * 100 // total):3d} %"


def is_finished(view: ProgressView) -> bool:
    return view.total is not None and view.done >= view.total


def amount(view: ProgressView) -> str:
    """How much of how much; without a known total, how much so far."""
    if view.unit == "bytes":
        done = show_size(view.done)
        return f"{done} of {show_size(view.total)}" if view.total is not None else f"{done} so far"
    unit = plain(view.unit, 20)
    if view.total is None:
        return f"{view.done:,} {unit} so far"
    return f"{view.done:,} of {view.total:,} {unit}"


def rate(view: ProgressView) -> str:
    """Empty while nobody can tell."""
    if view.rate <= 0:
        return ""
    if view.unit == "bytes":
        return f"{show_size(int(view.rate))}/s"
    if view.rate >= 10:
        return f"{view.rate:,.0f}/s"
    return f"{view.rate * 60:,.0f}/min"


def time_left(view: ProgressView) -> str:
    """Empty where there is no total; said to be unknown where there is one and no rate yet."""
    if view.total is None:
        return ""
    if view.seconds_left is None:
        return "time left unknown"
    return f"{clock_duration(timedelta(seconds=view.seconds_left))} left"


def progress_words(view: ProgressView) -> str:
    """All of it in one line."""
    parts = [percent(view.done, view.total).strip()] if view.total else []
    parts.append(amount(view))
    parts += (
        ["done"] if is_finished(view) else [part for part in (rate(view), time_left(view)) if part]
    )
    now = f" · {plain(view.now, 60)}" if view.now and not is_finished(view) else ""
    return f"{plain(view.label, 60)}: {', '.join(parts)}{now}"
