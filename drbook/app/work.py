"""One attempt of one step, in a thread of its own: signals out, an ending back."""

import json
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from drbook.app.live import LiveBoard
from drbook.app.planning import Planned
from drbook.core.actions import StepContext
from drbook.core.errors import (
    Cancelled,
    CouldNotVerify,
    DrbookError,
    InDoubt,
    Interrupted,
    JournalError,
    NotExercised,
    Refused,
)
from drbook.core.events import Effect, StepEnd
from drbook.core.ports import Cancel, Ports
from drbook.core.signals import Output, Progress, Recordable
from drbook.core.values import Json, plain, show_size
from drbook.providers import private
from drbook.providers.hiding import scrub


class CancelSwitch(Cancel, Protocol):
    """A cancel token as its owner holds it."""

    def request(self, reason: str) -> None: ...


class PortsOpener(Protocol):
    """Makes the doors of one attempt; which ones a mode gets is decided behind it."""

    def open(self, context: StepContext, cancel: Cancel) -> AbstractContextManager[Ports]: ...

    def switch(self) -> CancelSwitch: ...


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended."""

    state: StepEnd
    result: Json = None
    reason: str = ""
    means: str = ""
    next: str = ""
    code: str = ""
    duration_ms: int = 0
    artifacts: tuple[str, ...] = ()


def ending_of(error: BaseException, effect: Effect) -> Ending:
    """What an error means for the attempt; an interrupted effect that may have happened is in doubt."""
    if not isinstance(error, DrbookError):
        return Ending(
            StepEnd.IN_DOUBT if effect is Effect.ONCE else StepEnd.FAILED,
            reason=f"drbook itself failed: {type(error).__name__}: {plain(scrub(str(error)), 300)}",
            means="This is a defect of drbook. What the step had done before is in the journal.",
            next="The details are in `errors.log` in the incident folder. "
            + (
                "Look whether it happened, then settle it (Enter)."
                if effect is Effect.ONCE
                else "Run the step again or skip it."
            ),
            code="internal",
        )
    states: tuple[tuple[type[DrbookError], StepEnd], ...] = (
        (Refused, StepEnd.REFUSED),
        (CouldNotVerify, StepEnd.COULD_NOT_VERIFY),
        (Cancelled, StepEnd.CANCELLED),
        (NotExercised, StepEnd.NOT_EXERCISED),
        (InDoubt, StepEnd.IN_DOUBT),
    )
    found = (state for kind, state in states if isinstance(error, kind))
    state = next(found, StepEnd.FAILED)
    if isinstance(error, Cancelled | Interrupted) and effect is Effect.ONCE:
        means = error.means or "It had begun: whether it happened is not known."
        # What the error advises, like running it again, is right only once that is known.
        advice = "Look whether it happened, then settle it (Enter)."
        return Ending(StepEnd.IN_DOUBT, error.found, error.what, means, advice, error.code)
    return Ending(state, error.found, error.what, error.means, error.next, error.code)


class Attempt:
    """A running attempt. `record` blocks until a signal is on record, or raises JournalError."""

    def __init__(
        self,
        planned: Planned,
        opener: PortsOpener,
        board: LiveBoard,
        record: Callable[["Attempt", Recordable], None],
        ended: Callable[["Attempt", Ending], None],
        error_log: Path,
        hold: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        """`hold` is called before anything is done and may take its time, calling what it is given;
        what it raises is why nothing is."""
        self.planned = planned
        self.step = planned.context.step
        self.attempt = planned.context.attempt
        self.cancel = opener.switch()
        self.begun = time.monotonic()
        self.deadline: float | None = None
        self.give_up_at: float | None = None
        """When a cancelled attempt that does not stop is left behind, in doubt."""
        self._opener = opener
        self._board = board
        self._record = record
        self._ended = ended
        self._error_log = error_log
        self._hold = hold
        self._thread = threading.Thread(target=self._run, name=f"step-{self.step}", daemon=True)

    def start(self) -> None:
        self._board.begin(self.step)
        self._thread.start()

    def request_cancel(self, reason: str, grace: float) -> None:
        """Ask it to stop; after `grace` seconds it is left behind."""
        self.give_up_at = time.monotonic() + grace
        threading.Thread(target=self.cancel.request, args=(reason,), daemon=True).start()

    def duration_ms(self) -> int:
        return round((time.monotonic() - self.begun) * 1000)

    def _run(self) -> None:
        try:
            ending = self._held_back() or self._perform()
        except JournalError as error:
            ending = Ending(StepEnd.IN_DOUBT, reason=error.what, means=error.means, code=error.code)
        except DrbookError as error:
            ending = ending_of(error, self.planned.effect)
        except Exception as error:  # noqa: BLE001 - a defect ends the step, with its traceback kept
            keep_traceback(self._error_log, f"step {self.step}, attempt {self.attempt}", error)
            ending = ending_of(error, self.planned.effect)
        self._ended(self, ending)

    def _held_back(self) -> Ending | None:
        """How it ends where it may not begin; None where it may."""
        if self._hold is None:
            return None
        try:
            self._hold(self.cancel.raise_if_requested)
        except DrbookError as error:
            state = StepEnd.FAILED if error.code == "timeout" else StepEnd.CANCELLED
            means = "Nothing was done: it had not begun."
            return Ending(state, reason=error.what, means=means, next=error.next, code=error.code)
        return None

    def _perform(self) -> Ending:
        planned = self.planned
        with self._opener.open(planned.context, self.cancel) as ports:
            work = planned.action.perform(planned.params, planned.context, ports)
            try:
                signal = next(work)
                while True:
                    if isinstance(signal, Progress | Output):
                        self._board.show(self.step, signal)
                    else:
                        try:
                            self._record(self, signal)
                        except JournalError as error:
                            work.throw(error)
                            raise
                    signal = next(work)
            except StopIteration as end:
                finished = end.value
            finally:
                work.close()
        result = finished.result.model_dump(mode="json", by_alias=True)
        _need_recordable(result)
        return Ending(
            finished.state,
            result,
            finished.reason,
            finished.means,
            finished.next,
            artifacts=finished.artifacts,
        )


LARGEST = 16 * 1024 * 1024
"""Characters of a result as JSON: a record is read in one piece, here and from every mirror."""


def _need_recordable(result: Json) -> None:
    """Raises Interrupted: what the work did may have happened, and what came of it cannot be kept."""
    size = len(json.dumps(result))
    if size > LARGEST:
        raise Interrupted(
            f"What the step found is too long for the record: {show_size(size)}, of at most "
            f"{show_size(LARGEST)}.",
            means="It ran to its end, and its result is not kept.",
            next="Ask for less in the runbook, then run the step again.",
            code="result-too-long",
        )


def keep_traceback(log: Path, where: str, error: BaseException) -> None:
    """Put a defect's traceback where a developer finds it, and no operator has to.

    Where it cannot be kept (a full disk, a link in its place), the step's own ending still says what
    broke.
    """
    text = scrub("".join(traceback.format_exception(error)))
    with suppress(OSError), private.append(log) as stream:
        stream.write(f"{where}\n{text}\n")
