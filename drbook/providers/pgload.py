"""Holding back: waiting before each table while a server is busy with its own work."""

import threading
import time
from collections.abc import Callable

import psycopg

from drbook.core.capture import Pace
from drbook.core.errors import CouldNotVerify, StepFailed
from drbook.core.values import counted, show_duration
from drbook.providers.pgsession import Connection, said

LOOK_SECONDS = 1.0
"""Between two looks at a busy server."""

_ACTIVE = """
SELECT count(*) FILTER (WHERE state IN ('active', 'fastpath function call')),
       count(*) FILTER (WHERE state IS NULL)
  FROM pg_stat_activity
 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND application_name <> 'drbook'
    OR backend_type IS NULL
"""
"""Other sessions at work, and those whose state this login may not see. drbook's own do not count."""


class Gate:
    """Lets a session pass to its next table once the server is calm enough."""

    def __init__(
        self,
        connection: Connection,
        pace: Pace,
        stop: threading.Event,
        tell: Callable[[int], None],
    ) -> None:
        self._connection = connection
        self._pace = pace
        self._stop = stop
        self._tell = tell
        self._waited = 0.0

    def wait(self) -> None:
        """Raises CouldNotVerify where the server stays busy for longer than allowed, or does not say
        whether it is."""
        while (active := self.busy()) is not None:
            if self._stop.is_set():
                return
            self._tell(active)
            self.look_again(self._stop.wait)

    def busy(self) -> int | None:
        """How many sessions are active where those are too many; None where the way is free. Raises as
        `wait` does."""
        limit = self._pace.max_load
        if limit is None or (active := self._active()) <= limit:
            return None
        if self._waited >= self._pace.max_wait.total_seconds() and not self._stop.is_set():
            raise self._too_busy(active, limit)
        return active

    def look_again(self, wait: Callable[[float], object]) -> None:
        """Let some time pass, which counts as waited."""
        begun = time.monotonic()
        wait(LOOK_SECONDS)
        self._waited += time.monotonic() - begun

    def _active(self) -> int:
        try:
            # A transaction sees this view as it was when it first looked.
            self._connection.execute("SELECT pg_stat_clear_snapshot()")
            row = self._connection.execute(_ACTIVE).fetchone()
        except psycopg.Error as error:
            if self._connection.closed:
                raise CouldNotVerify(
                    f"The server went away while it was asked how busy it is: {said(error)}",
                    means="What was counted so far is not a result.",
                    code="server-gone",
                ) from None
            raise StepFailed(f"How busy the server is, it did not say: {said(error)}") from None
        assert row is not None
        active, hidden = row
        if hidden:
            raise CouldNotVerify(
                "This login may not see whether other sessions are active, so `--max-load` cannot hold.",
                means="Nothing was captured.",
                next="Grant it pg_read_all_stats, or capture without `--max-load`.",
                code="load-unknown",
            )
        return int(active)

    def _too_busy(self, active: int, limit: int) -> CouldNotVerify:
        return CouldNotVerify(
            f"The server stayed busy: {counted(active, 'other session')} active, {limit} allowed, after "
            f"waiting {show_duration(self._pace.max_wait)}.",
            means="The count was given up. Nothing was captured.",
            next="Capture at a calmer time, read a replica (`production.replica`), or raise "
            "`--max-load` or `--max-wait`.",
            code="server-busy",
        )
