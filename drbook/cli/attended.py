"""Leading an incident at a terminal: the screen is there first, then the incident is opened behind it.

This module is imported before the first frame and imports little; what an incident needs is loaded by the
thread that opens it.
"""

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from drbook.cli.streams import in_browser
from drbook.core.errors import ExitCode, UsageError
from drbook.core.heap import hold, let_go
from drbook.core.plaintext import plain

if TYPE_CHECKING:
    from drbook.app.model import Incident
    from drbook.app.session import Session
    from drbook.tui.first import First, Told

Opening = Callable[["Told"], "Session"]
"""Opens an incident and tells how far it is. Raises DrbookError where it cannot be opened."""

_LEAVING_SECONDS = 3.0
"""How long somebody who leaves waits for an incident that is still being opened."""


def may_draw() -> bool:
    """Whether there is a terminal, or a browser, to draw the application in."""
    # The screen is drawn on standard error, so that standard output stays data.
    return in_browser() or all(one.isatty() for one in (sys.stdin, sys.stdout, sys.stderr))


def need_terminal(command: str) -> None:
    """Raises UsageError where there is no terminal to draw in."""
    if not may_draw():
        raise UsageError(
            "There is no terminal here to draw the application in.",
            means="Nothing was started.",
            next=f"Run `{command} --headless` for an unattended run (add --json for its result as "
            "JSON), or start it in a terminal.",
            code="no-terminal",
        )


def attend(opening: Opening, *, first: "First", as_json: bool = False, kept: bool = True) -> int:
    """Lead the incident that `opening` opens; the exit code says how it stands.

    `kept` is False where its folder is removed afterwards. Raises what `opening` raises.
    """
    hold()
    from drbook.app.hurry import Hurry
    from drbook.cli.heeding import heeding
    from drbook.tui.app import run_incident

    opened = _Opened(opening, kept)
    both = (signal.SIGHUP, signal.SIGTERM)
    with heeding(Hurry(), *both) as heed:  # until the end of the session heeds more
        try:
            with heed.running(), handlers(*both):  # the application sets its own
                gone = run_incident(opened.open, first)
        except BaseException:
            opened.close()
            raise
        finally:
            let_go()
        session = opened.left()
        from drbook.cli.lead import ended_at_the_screen
        from drbook.cli.output import say

        if session is None:
            say("It was left while it was being opened: nothing was run.")
            return int(ExitCode.NEEDS_HUMAN)
        return ended_at_the_screen(session, as_json=as_json, kept=kept, gone=gone)


class _Opened:
    """The session, from the thread that opens it to the one that ends it."""

    def __init__(self, opening: Opening, kept: bool) -> None:
        self._opening, self._kept = opening, kept
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._begun = self._left = False
        self._session: Session | None = None

    def open(self, told: "Told") -> tuple["Incident", str]:
        """Open and start it; what it means to leave it, in a sentence. In a thread of the screen's."""
        self._begun = True
        try:
            session = self._opening(told)
            from drbook.cli.lead import leaving

            with self._lock:
                if self._left:
                    session.close()  # it was never started
                    raise UsageError("It was left while it was being opened.")
                session.__enter__()
                self._session = session
            return session.driver, leaving(session, self._kept)
        finally:
            self._ended.set()

    def left(self) -> "Session | None":
        """The session, once the screen is gone; None where it did not come to that."""
        if self._begun:
            self._ended.wait(_LEAVING_SECONDS)
        with self._lock:
            self._left = True
            return self._session

    def close(self) -> None:
        session = self.left()
        if session is not None:
            session.close()


@contextmanager
def handlers(*numbers: signal.Signals) -> Iterator[Mapping[signal.Signals, object]]:
    """Signal handlers as they were, put back at the end; nothing outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield {}
        return
    previous = {number: signal.getsignal(number) for number in numbers}
    try:
        yield previous
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


_LONGEST_LINE = 1 << 18


def first_of(folder: Path) -> "First":
    """What the first line of a record says of its incident, unverified: for the first frame only."""
    from drbook.tui.first import First

    try:
        with (folder / "journal.jsonl").open("rb") as stream:
            document = json.loads(stream.readline(_LONGEST_LINE))
        data = document["data"]
        return First(str(data["mode"]), plain(str(data["title"]), 200))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return First()
