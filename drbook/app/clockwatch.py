"""Tells when the wall clock moved against the machine's own: it was set, or the machine slept."""

from datetime import datetime, timedelta

from drbook.core.values import show_duration

TOLERATED = timedelta(seconds=5)
"""A clock that is kept by NTP is slewed, or stepped by less than this."""


class ClockWatch:
    """Compares two looks at both clocks. The monotonic one stands still while a machine sleeps."""

    def __init__(self) -> None:
        self._last: tuple[datetime, float] | None = None

    def moved(self, wall: datetime, monotonic: float) -> str | None:
        """What to note, in a sentence; None where both went on alike."""
        last, self._last = self._last, (wall, monotonic)
        if last is None:
            return None
        jump = (wall - last[0]) - timedelta(seconds=monotonic - last[1])
        if abs(jump) <= TOLERATED:
            return None
        by = show_duration(abs(jump))
        if jump < timedelta(0):
            return (
                f"the wall clock was set back by {by}: until it has caught up, records repeat the "
                "last time; durations are measured by another clock and hold"
            )
        return (
            f"the wall clock went ahead by {by} at once: it was set, or this machine slept; "
            "connections may have been lost meanwhile"
        )
