"""A driver with fake doors: actions whose course the test decides, ports that reach nowhere."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from drbook.actions.general import Ask, Assert, Choose, Manual, Note, Wait
from drbook.app.approvers import approvers_of
from drbook.app.driver import Driver
from drbook.app.model import Command, Snapshot
from drbook.core import events as ev
from drbook.core.actions import Action, AnyAction, Finished, Probed, StepContext
from drbook.core.errors import Cancelled, Interrupted
from drbook.core.events import Effect, Mode, Plan
from drbook.core.fold import fold
from drbook.core.ports import Cancel, Ports
from drbook.core.runbook import Runbook
from drbook.core.signals import Working
from drbook.core.state import StepState
from drbook.core.values import Frozen, Json
from drbook.journal.disk import Disk, OsDisk
from drbook.journal.reader import read
from drbook.journal.writer import Writer
from drbook.language.check import Vocabulary
from drbook.language.load import load
from drbook.mirror.mirrors import Mirrors


class Switch:
    """A cancel token like the real one, without its callbacks' threads."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._reason = ""
        self._callbacks: list[Callable[[], None]] = []

    @property
    def requested(self) -> bool:
        return self._event.is_set()

    def request(self, reason: str) -> None:
        self._reason = reason
        self._event.set()
        for callback in self._callbacks:
            callback()

    def raise_if_requested(self) -> None:
        if self.requested and self._reason == "timeout":
            raise Interrupted("It took too long.", code="timeout")
        if self.requested:
            raise Cancelled(f"Cancelled: {self._reason}.")

    def on_request(self, callback: Callable[[], None]) -> Callable[[], None]:
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)

    def wait(self, timeout: timedelta) -> bool:
        return self._event.wait(timeout.total_seconds())


class Now:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class Closed:
    """A door that nobody may use: every use fails the test."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"a fake door was used: {name}")


class Opener:
    def __init__(self) -> None:
        self.opened: list[str] = []

    def switch(self) -> Switch:
        return Switch()

    @contextmanager
    def open(self, context: StepContext, cancel: Cancel) -> Iterator[Ports]:
        self.opened.append(context.step)
        door = Closed()
        yield Ports(
            clock=Now(),
            cancel=cancel,
            databases=door,  # type: ignore[arg-type]
            backups=door,  # type: ignore[arg-type]
            baselines=door,  # type: ignore[arg-type]
            targets=door,  # type: ignore[arg-type]
            processes=door,  # type: ignore[arg-type]
            http=door,  # type: ignore[arg-type]
            artifacts=door,  # type: ignore[arg-type]
        )


class FakeParams(Frozen):
    value: Json = None


class FakeResult(Frozen):
    value: Json = None


Course = Callable[[FakeParams, StepContext, Ports], Working[Finished]]


def _at_once(params: FakeParams, context: StepContext, ports: Ports) -> Working[Finished]:
    return Finished(FakeResult(value=params.value), reason="done")
    yield


class Fake(Action[FakeParams]):
    """Does what the test put into `courses` under the step's id; succeeds at once otherwise."""

    title = "Pretend"
    params = FakeParams
    result = FakeResult

    def __init__(self, name: str, effect: Effect) -> None:
        self.name = name
        self.effect = effect
        self.courses: dict[str, Course] = {}
        self.plans: dict[str, Plan] = {}
        self.probed = Probed("unknown", "nobody can tell")
        self.looking: Callable[[Ports], None] | None = None
        """What happens while it looks."""

    def plan(self, params: FakeParams, context: StepContext) -> Plan:
        return self.plans.get(context.step, Plan(does=("pretends",)))

    def perform(self, params: FakeParams, context: StepContext, ports: Ports) -> Working[Finished]:
        return (yield from self.courses.get(context.step, _at_once)(params, context, ports))

    def probe(self, params: FakeParams, context: StepContext, ports: Ports) -> Probed:
        if self.looking is not None:
            self.looking(ports)
        return self.probed


HEAD = "drbook: 1\ntitle: T\ninputs: {day: {required: false}, occurred: {type: time, required: false}}\nsteps:\n"


@dataclass
class World:
    """A place for one incident, and the driver that leads it."""

    folder: Path
    opener: Opener = field(default_factory=Opener)
    none: Fake = field(default_factory=lambda: Fake("none", Effect.NONE))
    once: Fake = field(default_factory=lambda: Fake("once", Effect.ONCE))
    again: Fake = field(default_factory=lambda: Fake("again", Effect.IDEMPOTENT))
    locate: Fake = field(default_factory=lambda: Fake("backups.locate", Effect.NONE))
    verify: Fake = field(default_factory=lambda: Fake("postgres.verify", Effect.NONE))
    snapshots: list[Snapshot] = field(default_factory=list)
    disk: Disk = field(default_factory=OsDisk)
    mirrors: Mirrors = field(default_factory=Mirrors)
    driver: Driver = field(init=False)
    writer: Writer = field(init=False)
    runbook: Runbook = field(init=False)

    @property
    def journal(self) -> Path:
        return self.folder / "journal.jsonl"

    @property
    def actions(self) -> Mapping[str, AnyAction]:
        kinds = (Ask(), Assert(), Choose(), Manual(), Note(), Wait())
        every = (*kinds, self.none, self.once, self.again, self.locate, self.verify)
        return {action.name: cast("AnyAction", action) for action in every}

    def load(self, steps: str, head: str = "") -> Runbook:
        """`head` are lines of YAML above the steps."""
        vocabulary = Vocabulary(self.actions, {}, {})
        text = HEAD.replace("steps:\n", f"{head}steps:\n") + steps
        return load(text.encode(), "r.yaml", vocabulary)

    def start(
        self,
        steps: str,
        mode: Mode = Mode.DRILL,
        occurred: datetime | None = None,
        head: str = "",
    ) -> Driver:
        """Open an incident with these steps (YAML) and start its driver."""
        self.runbook = self.load(steps, head)
        self.writer = Writer(self.journal, mode=mode, host="here", disk=self.disk)
        self.writer.append(
            "ops",
            ev.IncidentOpened(
                incident="20260424-x-7f3a",
                mode=mode,
                title="T",
                runbook_sha256=self.runbook.sha256,
                runbook_file="r.yaml",
                drbook_version="0",
                occurred=occurred,
                steps=tuple(step.id for step in self.runbook.steps),
            ),
        )
        if (taken := approvers_of(self.runbook)) is not None:
            self.writer.append("ops", taken)
        return self._drive(mode)

    def resume(self, mode: Mode = Mode.DRILL) -> Driver:
        """Open the same journal again."""
        self.writer = Writer(self.journal, mode=mode, host="here", disk=self.disk)
        if fold(read(self.journal)).closed_at is None:  # opening it may have mended the last record
            self.writer.append("ops", ev.IncidentResumed(head=self.writer.head))
        return self._drive(mode)

    def _drive(self, mode: Mode) -> Driver:
        records = read(self.journal)
        self.driver = Driver(
            runbook=self.runbook,
            actions=self.actions,
            writer=self.writer,
            records=records,
            state=fold(records),
            opener=self.opener,
            actor="ops",
            people_act=mode is not Mode.DRY_RUN,
            now=lambda: datetime.now(UTC),
            mirrors=self.mirrors,
        )
        self.driver.subscribe(self.snapshots.append)
        self.driver.start()
        return self.driver

    def ask(self, command: Command, actor: str | None = None) -> None:
        """Submit and wait; raises what the driver refused with."""
        self.driver.submit(command, actor).result(timeout=20)

    def until(self, what: Callable[[Snapshot], bool], seconds: float = 20) -> Snapshot:
        """The first snapshot from now on of which it is true."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if what(self.driver.snapshot):
                return self.driver.snapshot
            time.sleep(0.01)
        runs = {name: run.state.value for name, run in self.driver.snapshot.state.steps.items()}
        raise AssertionError(f"did not come to that within {seconds} s: {runs}")

    def reaches(self, step: str, state: StepState) -> Snapshot:
        return self.until(lambda snapshot: snapshot.state.steps[step].state is state)

    def events(self) -> list[str]:
        """The names of the events in the file, in order."""
        return [type(record.event).__name__ for record in read(self.journal)]


def made_in(folder: Path) -> Iterator[World]:
    """A world for one test; at its end, what is on disk is whole, and is what was in memory."""
    made = World(folder)
    yield made
    if hasattr(made, "driver"):
        made.driver.stop()
        if not made.driver.broken:
            assert fold(read(made.journal)) == made.driver.state
