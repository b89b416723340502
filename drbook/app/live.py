"""What running steps show: progress with rate and time left, and the last lines of output.

Steps write here from their own threads, as often as they like; the driver takes a picture a few
times a second. Nothing of it is ever on record.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from drbook.app.model import LiveStep, ProgressView
from drbook.core.signals import Output, Progress
from drbook.providers.hiding import scrub

_LINES = 200


@dataclass(slots=True)
class _Meter:
    """One label's progress; the rate is taken over the whole stretch since it began."""

    begun_at: float
    begun_with: int
    latest: Progress

    def view(self, now: float) -> ProgressView:
        seconds = now - self.begun_at
        gained = self.latest.done - self.begun_with
        rate = gained / seconds if seconds >= 0.5 and gained > 0 else 0.0
        left = None
        if self.latest.total is not None and rate > 0:
            left = max(0, round((self.latest.total - self.latest.done) / rate))
        return ProgressView(
            label=self.latest.label,
            done=self.latest.done,
            total=self.latest.total,
            unit=self.latest.unit,
            now=scrub(self.latest.now),
            rate=rate,
            seconds_left=left,
        )


@dataclass(slots=True)
class _Step:
    meters: dict[str, _Meter] = field(default_factory=dict)
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=_LINES))


class LiveBoard:
    """Thread-safe; one entry per running step."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._steps: dict[str, _Step] = {}
        self._monotonic = monotonic
        self._changed = False

    def begin(self, step: str) -> None:
        """Start with an empty entry, also when the step runs again."""
        with self._lock:
            self._steps[step] = _Step()
            self._changed = True

    def show(self, step: str, signal: Progress | Output) -> None:
        with self._lock:
            entry = self._steps.setdefault(step, _Step())
            if isinstance(signal, Output):
                entry.lines.append(scrub(signal.text))
            elif (meter := entry.meters.get(signal.label)) is not None:
                meter.latest = signal
            else:
                entry.meters[signal.label] = _Meter(self._monotonic(), signal.done, signal)
            self._changed = True

    def picture(self) -> Mapping[str, LiveStep]:
        """All entries as they are now."""
        now = self._monotonic()
        with self._lock:
            self._changed = False
            return {
                name: LiveStep(
                    tuple(meter.view(now) for meter in entry.meters.values()), tuple(entry.lines)
                )
                for name, entry in self._steps.items()
            }

    @property
    def changed(self) -> bool:
        """True where something was shown since the last picture."""
        with self._lock:
            return self._changed
