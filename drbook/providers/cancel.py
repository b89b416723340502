"""The switch that stops one attempt: asked for once, seen by everything that works for it."""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

from drbook.core.errors import Cancelled, Interrupted
from drbook.core.ports import Cancel

_log = logging.getLogger(__name__)


class CancelToken:
    """Implements `core.ports.Cancel`. `request` may come from any thread, and more than once."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._reason = ""
        self._next = 0

    @property
    def requested(self) -> bool:
        return self._event.is_set()

    def request(self, reason: str) -> None:
        """Ask for a stop; `timeout` ends the attempt as a failure, anything else as a cancellation."""
        with self._lock:
            if self._event.is_set():
                return
            self._reason = reason
            self._event.set()
            waiting = list(self._callbacks.values())
            self._callbacks.clear()
        for callback in waiting:
            self._call(callback)

    def raise_if_requested(self) -> None:
        """Raises Cancelled, or Interrupted with code `timeout`, once a stop was asked for."""
        if not self._event.is_set():
            return
        if self._reason == "timeout":
            raise Interrupted(
                "The step did not end within its timeout and was stopped.",
                means="What it had done before is in the journal.",
                next="Run it again with a longer timeout, or look why it is slow.",
                code="timeout",
            )
        raise Cancelled("The step was cancelled.", next="Run it again, or skip it with a reason.")

    def on_request(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` when a stop is asked for, at once if it was; returns what unregisters it."""
        with self._lock:
            asked = self._event.is_set()
            self._next += 1
            key = self._next
            if not asked:
                self._callbacks[key] = callback
        if asked:
            self._call(callback)

        def unregister() -> None:
            with self._lock:
                self._callbacks.pop(key, None)

        return unregister

    def wait(self, timeout: timedelta) -> bool:
        """Sleep at most that long; True where a stop was asked for meanwhile."""
        return self._event.wait(timeout.total_seconds())

    def _call(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception:  # noqa: BLE001 - one thing that cannot be stopped must not keep the others running
            _log.exception("a cancel callback failed")


class BranchToken(CancelToken):
    """Stops what it is given to whenever its trunk stops, and can stop that alone."""

    def __init__(self, trunk: Cancel) -> None:
        super().__init__()
        self._trunk = trunk
        self.detach = trunk.on_request(lambda: self.request("cancel"))
        """Ends its being told; for when nothing works with it any more."""

    @property
    def requested(self) -> bool:
        return self._trunk.requested or super().requested

    def raise_if_requested(self) -> None:
        self._trunk.raise_if_requested()
        super().raise_if_requested()
