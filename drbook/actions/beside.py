"""Several copies restored side by side, each into a fresh target of its own, until one is verified."""

import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pydantic import Field

from drbook.actions.crew import Ended, Late, Said, side_by_side
from drbook.actions.verify import VerifyParams, VerifyWish
from drbook.core.actions import MOST_BESIDE, Finished, StepContext
from drbook.core.errors import (
    Cancelled,
    DrbookError,
    Interrupted,
    NotExercised,
    Refused,
    StepFailed,
)
from drbook.core.events import StepEnd
from drbook.core.points import RecoveryPoint
from drbook.core.ports import Apart, Clock, Ports
from drbook.core.results import RestoreResult, VerifyResult
from drbook.core.signals import Milestone, Output, Progress, Signal, Working
from drbook.core.tried import WORDS, Ending, Tried, best, outcome, worth_waiting
from drbook.core.values import Duration, Frozen, plain, show_duration, show_time

GRACE = timedelta(seconds=60)
"""How long what was asked to stop is waited for."""
FOREVER = timedelta(days=365)
"""The step's own timeout ends it."""

RestoreOne = Callable[[RecoveryPoint, StepContext, Ports], Working[Finished]]
VerifyOne = Callable[[VerifyParams, StepContext, Ports], Working[Finished]]


class BesideWish(Frozen):
    """How several copies are restored side by side."""

    points: tuple[RecoveryPoint, ...] = Field(default=(), max_length=MOST_BESIDE)
    """Other copies than the step's own `point`, in the order in which they are tried."""
    at_once: int = Field(default=2, ge=2, le=4)
    """How many go at the same time; where one fails, the next begins."""
    wait_for_less_loss: Duration = timedelta(0)
    """How long, once one is verified, those that would lose less may still take."""
    verify: VerifyWish = VerifyWish()
    """What makes one verified: as in `postgres.verify`."""


@dataclass(frozen=True, slots=True)
class _Work:
    """What is done with each copy, and by which doors."""

    restore: RestoreOne
    verify: VerifyOne
    wish: VerifyWish
    ports: Ports
    shares: int


class _Runner:
    """One copy on its way; a `Job` of the crew."""

    def __init__(
        self,
        name: str,
        point: RecoveryPoint,
        context: StepContext,
        work: "_Work",
    ) -> None:
        self.point = point
        self.name = name
        self.context = context
        self.restored: Finished | None = None
        self.ended: Ending = "not begun"
        self.words = ""
        self.error: Exception | None = None
        """What kept it from being restored or verified, where nobody asked it to stop."""
        self.comes_to: datetime | None = None
        """The moment that it was restored to, once that was looked at; before, its list promises one."""
        self._asked_at: float | None = None
        self._begun = self._over = 0.0
        self._work = work
        self._doors: Apart | None = None

    @property
    def silence(self) -> timedelta:
        asked, now = self._asked_at, self._work.ports.clock.monotonic()
        over = asked is not None and now >= asked + GRACE.total_seconds()
        return timedelta(0) if over else FOREVER

    def stop(self) -> None:
        if self._asked_at is None:
            self._asked_at = self._work.ports.clock.monotonic()
        if self._doors is not None:
            self._doors.stop()

    def work(self) -> Working[None]:
        clock = self._work.ports.clock
        self._begun = self._over = clock.monotonic()
        if self._asked_at is not None or self._work.ports.cancel.requested:
            return
        self.ended = "not restored"
        try:
            with self._work.ports.apart(self._work.shares) as self._doors:
                yield from self._run(self._doors.ports)
        except DrbookError as error:
            self._broke_off(error)
        except Exception as error:  # noqa: BLE001 - a defect in one must not end the others
            self.words, self.error = f"drbook itself failed: {type(error).__name__}", error
            self.ended = self._without_proof
        finally:
            self._over = clock.monotonic()

    @property
    def _without_proof(self) -> Ending:
        """How it ends where the work on it broke off: what came back is there, and nobody has verified it."""
        return "could not verify" if self.restored is not None else "not restored"

    def _broke_off(self, error: DrbookError) -> None:
        all_stop = self._work.ports.cancel.requested
        if isinstance(error, Cancelled | Interrupted) and (all_stop or self._asked_at is not None):
            self.ended = "stopped"
            self.words = plain(error.what, 300) if all_stop else "another was verified before it"
            return
        said = (part.rstrip(".") for part in (error.what, error.means) if part)
        self.words, self.error = plain(". ".join(said), 500), error
        self.ended = self._without_proof

    def _run(self, ports: Ports) -> Working[None]:
        if self._asked_at is not None:
            raise Cancelled("It was stopped before it began.")
        self.restored = yield from self._work.restore(self.point, self.context, ports)
        result = self.restored.result
        assert isinstance(result, RestoreResult)
        yield Milestone(self.restored.reason)
        outputs = {**self.context.outputs, self.context.step: result.model_dump(mode="json")}
        params = VerifyParams(target=result.target, point=self.point, **dict(self._work.wish))
        verified = yield from self._work.verify(
            params, replace(self.context, outputs=outputs), ports
        )
        self.ended, self.words = WORDS[verified.state], verified.reason
        if isinstance(verified.result, VerifyResult):
            self.comes_to = verified.result.consistent_at

    def told(self, clock: Clock, occurred: datetime | None) -> Tried:
        until = clock.monotonic() if self.ended == "left" else self._over
        return Tried(
            source=plain(self.point.source, 100),
            location=self.point.location,
            taken_at=self.point.taken_at,
            comes_to=self.comes_to or self.point.holds_to(occurred),
            target=self.context.resource_name,
            ended=self.ended,
            seconds=int(until - self._begun) if self._begun else 0,
            words=self.words,
        )


def restore_beside(
    point: RecoveryPoint,
    wish: BesideWish,
    restore: RestoreOne,
    verify: VerifyOne,
    context: StepContext,
    ports: Ports,
) -> Working[Finished]:
    """The best of what came back. Raises StepFailed where nothing did, with what became of each."""
    wanted = list({one.key: one for one in (point, *wish.points)}.values())
    shares = min(len(wanted), wish.at_once)
    work = _Work(restore, verify, wish.verify, ports, shares)
    runners = _runners(wanted, context, work)
    timers: list[threading.Timer] = []

    def told(runner: _Runner) -> Tried:
        return runner.told(ports.clock, context.occurred)

    try:
        with closing(side_by_side(runners, None, ports.clock, at_once=shares)) as crew:
            for runner, said in crew:
                yield from _heard(runner, said)
                if isinstance(said, Ended) and runner.ended == "verified":
                    further = [one for one in runners if worth_waiting(told(runner), told(one))]
                    _stop([one for one in runners if one is not runner and one not in further])
                    wait = wish.wait_for_less_loss.total_seconds()
                    timers.append(threading.Timer(wait, _stop, [further]))
                    timers[-1].daemon = True
                    timers[-1].start()
    finally:
        for each in timers:
            each.cancel()
    ports.cancel.raise_if_requested()
    return _end(runners, [told(one) for one in runners])


def _runners(wanted: Sequence[RecoveryPoint], context: StepContext, work: _Work) -> list[_Runner]:
    """Each under a name that tells it from the others."""
    sources = [one.source for one in wanted]
    runners = []
    for number, one in enumerate(wanted):
        name = plain(one.source, 60)
        if sources.count(one.source) > 1:
            name += f" ({plain(one.id, 60)})"
        runners.append(_Runner(name, one, replace(context, beside=number), work))
    return runners


def _stop(runners: Sequence[_Runner]) -> None:
    for one in runners:
        one.stop()


def _heard(runner: _Runner, said: Said) -> Working[None]:
    """What one says, told apart from the others; how it ended."""
    if isinstance(said, Late):
        runner.ended = "left"
        yield Milestone(
            f"{runner.name}: was asked to stop and has not ended; its target "
            f"{runner.context.resource_name} may still be written to"
        )
    elif isinstance(said, Ended):
        if runner.ended == "not begun":
            return
        yield Milestone(
            f"{runner.name}: {runner.ended}" + (f": {runner.words}" if runner.words else "")
        )
    else:
        yield _marked(runner.name, said)


def _marked(name: str, said: Signal) -> Signal:
    if isinstance(said, Progress):
        return replace(said, label=f"{name}: {said.label}")
    if isinstance(said, Output | Milestone):
        return replace(said, text=f"{name}: {said.text}")
    return said


def _end(runners: Sequence[_Runner], tried: Sequence[Tried]) -> Finished:
    chosen = best(tried)
    if chosen is None:
        raise _none(runners, tried)
    restored, won = runners[chosen].restored, tried[chosen]
    assert restored is not None
    assert isinstance(restored.result, RestoreResult)
    result = restored.result.model_copy(update={"beside": tuple(tried)})
    others = outcome(tried, chosen)
    others = f"; {others}" if others else ""
    if won.ended == "verified":
        several = sum(one.ended == "verified" for one in tried) > 1
        how = (
            "was verified, and comes furthest of those that were"
            if several
            else "was verified first"
        )
        return Finished(
            result, reason=f"{won.source} {how}: {restored.reason}; {won.words}{others}"
        )
    return Finished(
        result,
        StepEnd.COULD_NOT_VERIFY if won.ended == "could not verify" else StepEnd.FAILED,
        f"none of {len(tried)} copies was verified; {won.source} comes furthest: {won.words}{others}",
        means=f"It is there as {won.target}, with what was until {show_time(won.comes_to)}, and is not "
        "proven to be whole.",
        next="Look at what could not be verified; restore another copy, or go on only with a recorded decision.",
    )


def _none(runners: Sequence[_Runner], tried: Sequence[Tried]) -> Exception:
    """What ends the step where nothing came back. A defect is raised as it is: the attempt keeps its traceback.
    So is what all of them ended by for one reason: a mode that makes no target, or a guard that refused each."""
    errors = [one.error for one in runners if one.error is not None]
    defects = [error for error in errors if not isinstance(error, DrbookError)]
    if defects:
        return defects[0]
    for kind in (NotExercised, Refused):
        if errors and all(isinstance(error, kind) for error in errors):
            return errors[0]
    return StepFailed(
        "None of the copies could be restored. "
        + " ".join(f"{one.show().rstrip('.')}." for one in tried),
        means="Each had a fresh target of its own; what is half-filled is never used again.",
        next="Mend what it says, or choose other copies. Where the disk was too small for several at a "
        "time, restore one alone: leave `beside` out.",
        code="none-restored",
    )


def plan_beside(
    point: RecoveryPoint, wish: BesideWish, occurred: datetime | None
) -> tuple[str, ...]:
    """What a plan says of it."""
    lines = [
        f"restores up to {wish.at_once} copies at the same time, each into a fresh target of its own; the "
        "first that is verified wins, the others are stopped"
    ]
    if wish.wait_for_less_loss:
        lines[0] += (
            f" (those that would lose less may take {show_duration(wish.wait_for_less_loss)} longer)"
        )
    for one in (point, *wish.points):
        comes = show_time(one.holds_to(occurred))
        lines.append(f"{plain(one.source, 60)}: {plain(one.location, 200)}, which comes to {comes}")
    return tuple(lines)
