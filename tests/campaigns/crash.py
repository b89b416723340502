"""Crash an incident at every boundary, resume it, bring it to its end, and hold the record to what
really happened.

    python tests/campaigns/crash.py --crashes 1000 --seed 1

A boundary is every call to the disk under the journal (before it, after a write that is not synced
yet, after the sync) and every moment around an effect. At a crash nothing more reaches the disk or
the world; of what was written and not synced, a part survives that the seed decides. The operator
who resumes looks at the world, settles what is in doubt, and goes on; while resuming it may crash
again. Now and then an effect gets no answer, whether it happened or not. At the end of each incident
five things must hold: what is on record as done was done; what is on record as failed was not, where
doing it twice would be wrong; nothing was done without an intent on record; nothing ran twice that nobody asked for; and the
incident can be finished.
"""

import argparse
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.incident import FakeParams, FakeResult, World

from drbook.app import driver as driver_module
from drbook.app import steps as steps_module
from drbook.app.model import Answer, Close, Command, Confirm, Resolve, Run
from drbook.core import events as ev
from drbook.core.actions import Finished, StepContext
from drbook.core.engine import decide
from drbook.core.errors import DrbookError, Interrupted, StepFailed
from drbook.core.events import StepEnd
from drbook.core.ports import Ports
from drbook.core.signals import Milestone, ResourceCreated, ResourceIntended, Working
from drbook.core.state import ENDED, StepState, lacks
from drbook.journal.disk import OsDisk
from drbook.journal.reader import read, verify

STEPS = """
  - {id: look, phase: detect, do: none}
  - {id: revoke, phase: contain, do: manual, needs: [], with: {instructions: "Revoke it."}}
  - {id: make, phase: restore, do: again, needs: [look]}
  - {id: send, phase: cutover, do: once, confirm: {type: rental, cool_off: 0s}}
  - {id: tell, phase: close, do: once}
"""


Fault = Literal[
    "",
    "sync does nothing",
    "effect not done",
    "effect done twice",
    "no intent",
    "failed and was done",
]
"""A defect put in on purpose: the campaign has to find it."""


class PowerCut(BaseException):
    """The machine is off. Not an Exception: nothing may catch it and go on."""


@dataclass
class Machine(OsDisk):
    """A disk and a world that go dark together at the chosen boundary."""

    cut_at: int
    random: random.Random
    fault: Fault = ""
    boundaries: int = 0
    dark: bool = False
    names: list[str] = field(default_factory=list)
    synced: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lock = threading.RLock()

    def boundary(self, name: str) -> None:
        with self._lock:
            if self.dark:
                raise PowerCut
            self.boundaries += 1
            self.names.append(name)
            if self.boundaries == self.cut_at:
                self._go_dark()
                raise PowerCut

    def _go_dark(self) -> None:
        """Of what was not synced a part survives: none, all, or cut anywhere between."""
        self.dark = True
        for handle, kept in self.synced.items():
            size = super().size(handle)
            if size > kept:
                rest = self.random.choice((0, size - kept, self.random.randint(0, size - kept)))
                super().cut(handle, kept + rest)

    def open(self, path: Path) -> int:
        self.boundary("open")
        handle = super().open(path)
        self.synced[handle] = super().size(handle)
        return handle

    def write(self, handle: int, data: bytes) -> int:
        with self._lock:
            self.boundary("before write")
            if self.random.random() < 0.2 and len(data) > 1:  # a short write, as the kernel may
                data = data[: self.random.randint(1, len(data) - 1)]
            written = super().write(handle, data)
            self.boundary("written, not synced")
            return written

    def sync(self, handle: int) -> None:
        with self._lock:
            self.boundary("before sync")
            if self.fault != "sync does nothing":
                self.synced[handle] = super().size(handle)  # the model's sync is its bookkeeping
            self.boundary("synced")

    def cut(self, handle: int, size: int) -> None:
        self.boundary("before cut")
        super().cut(handle, size)
        self.synced[handle] = min(self.synced.get(handle, 0), size)

    def close(self, handle: int) -> None:
        self.synced.pop(handle, None)
        super().close(handle)


@dataclass
class Reality:
    """What really happened, whatever the record says."""

    effects: Counter[tuple[str, int]] = field(default_factory=Counter)

    def happened(self, step: str, attempt: int) -> bool:
        return self.effects[step, attempt] > 0


UNANSWERED = 0.04
"""The share of effects whose answer is lost, before they happen and behind them alike."""


def outfit(world: World, machine: Machine, reality: Reality, chance: random.Random) -> None:
    """Give every fake action an effect with boundaries around it."""
    world.disk = machine

    def may_be_lost() -> None:
        if chance.random() < UNANSWERED:
            kind = StepFailed if machine.fault == "failed and was done" else Interrupted
            raise kind("no answer", code="http-unanswered")

    def course(params: FakeParams, context: StepContext, ports: Ports) -> Working[Finished]:
        made = context.step == "make"
        if made and machine.fault != "no intent":
            yield ResourceIntended("cluster", context.resource_name, "nonce", "/somewhere")
        machine.boundary("before the effect")
        may_be_lost()
        with machine._lock:
            times = {"effect not done": 0, "effect done twice": 2}.get(machine.fault, 1)
            reality.effects[context.step, context.attempt] += times
            machine.boundary("after the effect")
        may_be_lost()
        if made and machine.fault != "no intent":
            yield ResourceCreated("cluster", context.resource_name, "/somewhere", {})
        yield Milestone("it is done")
        machine.boundary("before the end")
        return Finished(FakeResult(value=1), reason="done")

    for action in (world.none, world.again, world.once):
        action.courses = dict.fromkeys(("look", "make", "send", "tell"), course)


class Operator:
    """Leads the incident to its end, looks before settling a doubt, and runs nothing twice."""

    def __init__(self, world: World, machine: Machine, reality: Reality) -> None:
        self.world, self.machine, self.reality = world, machine, reality

    def lead(self) -> bool:
        """True where it came to its end; False where the lights went out."""
        until = time.monotonic() + 20
        while not self.machine.dark:
            assert time.monotonic() < until, f"it cannot be finished: {self._standing()}"
            state = self.world.driver.state
            if state.closed_at is not None:
                return True
            command = self._next()
            if command is None:
                time.sleep(0.0005)
                continue
            future = self.world.driver.submit(command)
            while not self.machine.dark:
                try:
                    future.result(timeout=0.01)
                except DrbookError as error:
                    if not self.machine.dark and error.code != "stopped":
                        raise
                except FutureTimeout:
                    continue
                break
        return False

    def _standing(self) -> dict[str, str]:
        return {name: run.state.value for name, run in self.world.driver.state.steps.items()}

    def _next(self) -> Command | None:
        driver = self.world.driver
        state = driver.state
        for run in state.steps.values():
            if run.state is StepState.IN_DOUBT:
                done = self.reality.happened(run.id, run.attempt)
                return Resolve(run.id, StepEnd.SUCCEEDED if done else StepEnd.FAILED, "looked")
            if run.state is StepState.FAILED:
                return Run(run.id)
            if run.state is StepState.AWAITING and (lacking := lacks(run)):
                if lacking[0] == "an answer":
                    return Answer(run.id, "done", "did it")
                return Confirm(run.id, "rental")
        if all(run.state in ENDED for run in state.steps.values()):
            return Close("")
        ready = decide(self.world.runbook, state).ready
        return Run(ready[0]) if ready else None


@dataclass
class Findings:
    """What must stay at nought."""

    done_on_record_only: int = 0
    failed_and_done: int = 0
    done_without_intent: int = 0
    ran_twice: int = 0
    cannot_be_finished: int = 0
    chain_broken: int = 0
    crashes: int = 0
    boundaries: Counter[str] = field(default_factory=Counter)
    details: list[str] = field(default_factory=list)

    @property
    def bad(self) -> int:
        return (
            self.done_on_record_only
            + self.failed_and_done
            + self.done_without_intent
            + self.ran_twice
            + self.cannot_be_finished
            + self.chain_broken
        )


def hold(world: World, reality: Reality, found: Findings, where: str) -> None:
    """Hold the record to what happened."""
    checked = verify(world.journal)
    if not checked.intact or checked.torn:
        found.chain_broken += 1
        found.details.append(f"{where}: {checked.problem or 'torn'}")
        return
    records = [record.event for record in read(world.journal)]
    started = {(e.step, e.attempt) for e in records if isinstance(e, ev.StepStarted)}
    finished = {
        (e.step, e.attempt)
        for e in records
        if isinstance(e, ev.StepFinished | ev.StepResolved) and e.state is StepEnd.SUCCEEDED
    }
    for step, attempt in finished - {(s, a) for s, a in finished if s == "revoke"}:
        if not reality.happened(step, attempt):
            found.done_on_record_only += 1
            found.details.append(f"{where}: {step} {attempt} is on record as done")
    failed = {
        (e.step, e.attempt)
        for e in records
        if isinstance(e, ev.StepFinished | ev.StepResolved)
        and e.state in (StepEnd.FAILED, StepEnd.CANCELLED)
        and e.step in ("send", "tell")
    }
    for step, attempt in failed:
        if reality.happened(step, attempt):
            found.failed_and_done += 1
            found.details.append(f"{where}: {step} {attempt} is on record as failed, and was done")
    intended = {(e.step, e.attempt) for e in records if isinstance(e, ev.ResourceIntended)}
    for (step, attempt), times in reality.effects.items():
        without = step == "make" and times and (step, attempt) not in intended
        if (step, attempt) not in started or without:
            found.done_without_intent += 1
            found.details.append(f"{where}: {step} {attempt} was done without an intent")
        if times > 1:
            found.ran_twice += 1
            found.details.append(f"{where}: {step} {attempt} ran {times} times")
    for step in ("send", "tell"):
        if sum(times for (name, _), times in reality.effects.items() if name == step) != 1:
            found.ran_twice += 1
            found.details.append(f"{where}: {step} did not run exactly once")


def incident(folder: Path, cuts: list[int], seed: int, found: Findings, fault: Fault = "") -> int:
    """One incident with crashes at these boundaries, one per life; boundaries of the first life."""
    chance = random.Random(seed)
    world, reality = World(folder), Reality()
    first = 0
    for life, cut_at in enumerate([*cuts, 0]):
        machine = Machine(cut_at, chance, fault)
        outfit(world, machine, reality, random.Random(seed + life))
        try:
            if life == 0 or not world.journal.exists() or not read(world.journal):
                world.journal.unlink(missing_ok=True)  # nothing was ever opened: begin anew
                world.start(STEPS)
            else:
                world.resume()
            ended = Operator(world, machine, reality).lead()
        except PowerCut:
            ended = False
        except AssertionError as error:
            found.cannot_be_finished += 1
            found.details.append(f"{folder.name}: {error}")
            ended = True
        found.crashes += machine.dark
        if machine.dark:
            found.boundaries[machine.names[-1]] += 1
        if life == 0:
            first = machine.boundaries
        if hasattr(world, "driver"):
            machine.dark = True
            world.driver.stop()
        if hasattr(world, "writer"):
            world.writer.close()
        if ended:
            break
    else:
        found.cannot_be_finished += 1
        found.details.append(f"{folder.name}: it did not end in its last life")
    hold(world, reality, found, f"seed {seed}, cuts {cuts}")
    return first


@contextmanager
def hurried() -> Iterator[None]:
    """A driver that does not wait, and threads that a power cut may end without a word."""
    before = driver_module.PUBLISH_EVERY, steps_module.GRACE, threading.excepthook
    driver_module.PUBLISH_EVERY, steps_module.GRACE = 0.001, 0.05
    threading.excepthook = lambda _: None
    try:
        yield
    finally:
        driver_module.PUBLISH_EVERY, steps_module.GRACE, threading.excepthook = before


def campaign(crashes: int, seed: int, fault: Fault = "") -> Findings:
    """Every boundary once, each with what may survive; then two crashes in a row, by chance."""
    with hurried():
        return _campaign(crashes, seed, fault)


def _campaign(crashes: int, seed: int, fault: Fault) -> Findings:
    found = Findings()
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)

        def lead(number: int, cuts: list[int]) -> int:
            folder = base / str(number)
            folder.mkdir()
            return incident(folder, cuts, seed + number, found, fault)

        total = lead(0, [])
        number = 0
        while found.crashes < crashes:
            number += 1
            cut = (number - 1) % total + 1
            again = [chance.randint(1, total)] if number > total else []
            lead(number, [cut, *again])
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--crashes", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(2)))
    given = parser.parse_args()
    begun = time.monotonic()
    found = campaign(given.crashes, given.seed)
    print(f"seed {given.seed}: {found.crashes} crashes in {time.monotonic() - begun:.0f} s, at")
    for name, times in found.boundaries.most_common():
        print(f"  {times:6} {name}")
    print(f"recorded as done and was not:  {found.done_on_record_only}")
    print(f"recorded as failed, but done:  {found.failed_and_done}")
    print(f"done without an intent:        {found.done_without_intent}")
    print(f"run twice unasked:             {found.ran_twice}")
    print(f"cannot be finished:            {found.cannot_be_finished}")
    print(f"record not whole at the end:   {found.chain_broken}")
    for line in found.details[:20]:
        print(line)
    return int(found.bad > 0)


if __name__ == "__main__":
    sys.exit(main())
