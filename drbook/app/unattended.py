"""What an unattended run hands out at its end beside its record: a JUnit file, and notifications.

The one place for every command that runs without a screen. Who is to be told is told, too, of a run that an
error ended before there was an incident, such as a missing input.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from drbook.app.junit import Ended, reported
from drbook.app.model import RecordNotification, Snapshot
from drbook.app.notices import of_end, of_error
from drbook.app.notifying import Put, tell_all, wanted
from drbook.app.session import Session
from drbook.app.work import keep_traceback
from drbook.core.engine import Outcome
from drbook.core.errors import JournalError
from drbook.core.events import Mode, NotificationEnded, NotificationIntended
from drbook.core.notice import Notice
from drbook.core.runbook import Runbook

_RECORDED = 60.0
"""Seconds that the driver may take for one record."""
_SHOWN = 2.0


class Reporting:
    """One run's. `ended` belongs inside of its session, whose driver puts on record whom it told."""

    def __init__(
        self,
        say: Callable[[str], None],
        runbook: Runbook | None,
        mode: Mode | None,
    ) -> None:
        self._say = say
        self._junit: Ended = lambda snapshot, outcome: None
        self._runbook = runbook
        self._mode = mode
        self._session: Session | None = None
        self._told = False
        self._last = 0
        """The number of the last record of it."""

    def writes(self, junit: Ended) -> None:
        """This writes its file."""
        self._junit = junit

    def opened(self, session: Session) -> Session:
        """The run has an incident from now on."""
        self._session = session
        self._runbook, self._mode = session.driver.runbook, session.driver.state.mode
        return session

    def ended(self, snapshot: Snapshot, outcome: Outcome) -> None:
        """Write the file and tell. Raises UsageError where the file cannot be written, and has told then."""
        try:
            self._junit(snapshot, outcome)
        finally:
            self._told = True
            self._tell(snapshot.runbook, lambda: of_end(snapshot, outcome), self._put)
            self._until_shown()

    def failed(self, error: Exception) -> None:
        """An error ended the run; there is nobody left who could put on record that it was told."""
        runbook, mode = self._runbook, self._mode
        if self._told or runbook is None or mode is None:
            return
        incident = self._session.driver.state.incident if self._session is not None else ""
        self._tell(runbook, lambda: of_error(runbook, mode, error, incident), None)

    def _tell(self, runbook: Runbook, notice: Callable[[], Notice], put: Put | None) -> None:
        """A defect of drbook's own in it is said, and changes nothing of how the run ended."""
        if not runbook.notify:
            return
        try:
            tell_all(wanted(runbook, notice()), put, self._say, enough=self._enough)
        except Exception as error:  # noqa: BLE001 - the run has ended, and its end stands
            self._say(f"Not everybody was told: drbook itself failed ({type(error).__name__}).")
            if self._session is not None:
                keep_traceback(self._session.driver.error_log, "notify", error)

    def _enough(self) -> bool:
        return self._session is not None and self._session.hurry.asked > 0

    def _put(self, event: NotificationIntended | NotificationEnded) -> None:
        if self._session is None:
            return
        asked = self._session.driver.submit(RecordNotification(event), "drbook")
        try:
            self._last = asked.result(timeout=_RECORDED)
        except TimeoutError:
            raise JournalError("The driver did not answer within a minute.") from None

    def _until_shown(self) -> None:
        """Snapshots come a moment after what they show."""
        until = time.monotonic() + _SHOWN
        while self._session is not None and time.monotonic() < until:
            snapshot = self._session.driver.snapshot
            if snapshot.broken or snapshot.state.seq >= self._last:
                return
            time.sleep(0.02)


@contextmanager
def reporting(
    say: Callable[[str], None],
    junit: Path | None,
    title: str,
    runbook: Runbook | None = None,
    mode: Mode | None = None,
) -> Iterator[Reporting]:
    """For the block that runs it. `runbook` and `mode` where they are known before there is an incident."""
    one = Reporting(say, runbook, mode)
    with ExitStack() as stack:
        try:
            if junit is not None:
                one.writes(stack.enter_context(reported(junit, title)))
            yield one
        except Exception as error:
            one.failed(error)
            raise
