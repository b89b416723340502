"""Pieces of work side by side, each in a thread of its own, heard in one place.

Work goes on only when what it said last was taken, as if there were no threads: what has to be on
record before an effect is. One that says nothing for too long is left, and nothing of it is heard
any more. The threads are daemons: none of them keeps the process alive.
"""

import threading
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from queue import Empty, SimpleQueue
from typing import Generic, Protocol, TypeVar

from drbook.core.ports import Cancel, Clock
from drbook.core.signals import Signal, Working

T = TypeVar("T")
J = TypeVar("J", bound="Job")

AT_ONCE = 8
LOOK_SECONDS = 1.0
"""How often those that say nothing are looked at: how long they may say nothing can have changed."""


class Job(Protocol):
    """One piece of work."""

    @property
    def name(self) -> str: ...

    @property
    def silence(self) -> timedelta:
        """How long it may say nothing new."""

    def work(self) -> Working[None]:
        """Runs in a thread of its own. What it raises is raised where it is heard."""

    def stop(self) -> None:
        """Ask it to end, for nobody hears it any more. May come while it works, and may take its time."""


@dataclass(frozen=True, slots=True)
class Ended:
    """It has come to its end."""


@dataclass(frozen=True, slots=True)
class Late:
    """It said nothing for too long, and was left."""


Said = Signal | Ended | Late


@dataclass(frozen=True, slots=True)
class _Broken:
    error: BaseException


class _Worker(Generic[J]):
    def __init__(self, job: J, inbox: "_Inbox[J]", clock: Clock) -> None:
        self.job = job
        self.waits = False
        """True where it has said something that is not taken yet."""
        self._inbox = inbox
        self._clock = clock
        self._go = threading.Event()
        self._left = False
        self._last: Signal | None = None
        self._since = clock.monotonic()
        threading.Thread(target=self._run, name=f"ask-{job.name}", daemon=True).start()

    @property
    def until(self) -> float:
        """When it will have said nothing for too long; asked anew each time, for that may change."""
        return self._since + self.job.silence.total_seconds()

    @property
    def late(self) -> bool:
        return not self.waits and self._clock.monotonic() >= self.until

    def go_on(self, said: Signal) -> None:
        """What it said was taken. The same once more is no sign of life: a program that waits may tick."""
        if said != self._last:
            self._last = said
            self._since = self._clock.monotonic()
        self.waits = False
        self._go.set()

    def leave(self) -> None:
        self._left = True
        self._go.set()
        threading.Thread(target=self.job.stop, name=f"stop-{self.job.name}", daemon=True).start()

    def _run(self) -> None:
        work = self.job.work()
        try:
            for signal in work:
                self._say(signal)
                self._go.wait()
                self._go.clear()
                if self._left:
                    return
            self._say(Ended())
        except BaseException as error:  # noqa: BLE001 - raised again where it is heard
            self._say(_Broken(error))
        finally:
            with suppress(Exception):
                work.close()

    def _say(self, what: "Signal | Ended | _Broken") -> None:
        self.waits = True
        self._inbox.put((self, what))


_Inbox = SimpleQueue[tuple[_Worker[J], Signal | Ended | _Broken] | None]


def side_by_side(
    jobs: Sequence[J], cancel: Cancel | None, clock: Clock, *, at_once: int = AT_ONCE
) -> Generator[tuple[J, Said], None, None]:
    """What the jobs say as they say it; each ends with Ended or Late. Close it where it is left early.

    Raises what `cancel` raises as soon as a stop is asked for, and what a job raised. Without `cancel` the
    jobs hear of a stop by themselves, and are heard until they have ended.
    """
    inbox: _Inbox[J] = SimpleQueue()
    waiting, running = deque(jobs), list[_Worker[J]]()
    forget = cancel.on_request(lambda: inbox.put(None)) if cancel is not None else _nothing
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                running.append(_Worker(waiting.popleft(), inbox, clock))
            until = min(one.until for one in running) - clock.monotonic()
            message = _next(inbox, min(until, LOOK_SECONDS))
            if cancel is not None:
                cancel.raise_if_requested()
            for late in [one for one in running if one.late]:
                running.remove(late)
                late.leave()
                yield late.job, Late()
            if message is None or message[0] not in running:
                continue
            worker, said = message
            if isinstance(said, _Broken):
                raise said.error
            if isinstance(said, Ended):
                running.remove(worker)
                yield worker.job, said
            else:
                yield worker.job, said
                worker.go_on(said)
    finally:
        forget()
        for each in running:
            each.leave()


def _nothing() -> None:
    """There is nobody to tell."""


def _next(
    inbox: "_Inbox[J]", seconds: float
) -> "tuple[_Worker[J], Signal | Ended | _Broken] | None":
    """The next thing that is said within so many seconds; None where nothing is, or all should stop."""
    try:
        return inbox.get(timeout=max(0.0, seconds))
    except Empty:
        return None
