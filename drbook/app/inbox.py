"""What reaches the driver's thread: commands from seats, signals and ends from steps' threads."""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

from drbook.app.model import Command
from drbook.app.work import Attempt, Ending
from drbook.core.errors import JournalError
from drbook.core.signals import Recordable


@dataclass(frozen=True, slots=True)
class Submitted:
    command: Command
    actor: str
    future: "Future[int]"


@dataclass(frozen=True, slots=True)
class Signalled:
    attempt: Attempt
    signal: Recordable
    future: "Future[int]"


@dataclass(frozen=True, slots=True)
class Ended:
    attempt: Attempt
    ending: Ending


@dataclass(frozen=True, slots=True)
class Called:
    """Something for the driver's own thread, like the outcome of a probe."""

    act: Callable[[], None]


Message = Submitted | Signalled | Ended | Called


class Inbox:
    """A queue that answers what comes after its end, so that nobody waits for ever."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._closed = threading.Event()

    def put(self, message: Message) -> None:
        self._queue.put(message)
        if self._closed.is_set():
            self._turn_away()

    def take(self, timeout: float) -> Iterator[Message]:
        """Wait for a message up to `timeout` seconds, then give all that are there."""
        try:
            yield self._queue.get(timeout=timeout)
            while True:
                yield self._queue.get_nowait()
        except queue.Empty:
            return

    def close(self) -> None:
        self._closed.set()
        self._turn_away()

    def _turn_away(self) -> None:
        for message in self.take(timeout=0):
            if isinstance(message, Submitted | Signalled):
                message.future.set_exception(
                    JournalError(
                        "This incident is not led here any more.",
                        means="What was asked for was not done.",
                        next="Resume the incident.",
                        code="stopped",
                    )
                )
