"""An incident led in a process of its own while faults come over it, and held to the truth at its end."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

from drbook.app.places import JOURNAL, Home, listed
from drbook.core.errors import DrbookError, Interrupted, StepFailed
from drbook.core.events import Record, StepFinished
from drbook.core.fold import fold
from drbook.core.results import RestoreResult, read_result
from drbook.core.signals import ProcessStarted, Signal, Working
from drbook.core.state import IncidentState
from drbook.core.targets import Target
from drbook.core.values import Json, plain
from drbook.demo.faults import Injected, Injector, Prey
from drbook.demo.lookback import listing, rows_in, whats_wrong
from drbook.demo.objectstore import ObjectStore
from drbook.demo.proxy import Proxy
from drbook.demo.shelf import MANIFEST, Shelf
from drbook.demo.surprises import Plan, Surprise
from drbook.demo.truth import Copy, Judged, Truth, judge, told
from drbook.journal.reader import read
from drbook.providers.hiding import Secret
from drbook.providers.pgtools import choose, find_tools
from drbook.providers.pids import Table
from drbook.providers.process import Completed, run

HOME = "DRBOOK_HOME"
LIVES = 4
"""How often one incident may be begun and gone on with."""
LONGEST = timedelta(minutes=15)
"""For one life without a screen; a run that takes longer hangs."""

Tell = Callable[[str], None]


class Ground(Protocol):
    """What is asked of a world, whatever its scenario."""

    folder: Path
    store: ObjectStore
    volume: Path
    """Production's place."""

    def runbook(self) -> Path: ...

    def environment(self) -> dict[str, str]: ...


@dataclass(frozen=True, slots=True)
class Life:
    """How one process of drbook ended."""

    exit_code: int | None
    """None where it did not end in its time."""
    said: str
    """The end of its standard error; how it was left, where it had the screen."""
    printed: str = ""
    """Its standard output."""


Lead = Callable[[Sequence[str], Mapping[str, str], Prey], Life]
"""Starts drbook with these arguments and this environment beside its own, and waits until it has ended."""


@dataclass(frozen=True, slots=True)
class Surprised:
    """What came over an incident, what drbook said, and whether it was honest."""

    plan: Plan
    injected: tuple[Injected, ...]
    judged: Judged
    life: Life
    lives: int
    state: IncidentState
    folder: Path | None
    """The incident's; None where none was opened."""
    copies: tuple[Copy, ...]
    """What lay on the store before."""

    def document(self) -> dict[str, Json]:
        return {
            "seed": self.plan.seed,
            "plan": [str(one) for one in self.plan.faults],
            "injected": [
                {"surprise": one.fault.surprise.value, "done": one.done, "where": one.where}
                for one in self.injected
            ],
            "lives": self.lives,
            "exit_code": self.life.exit_code,
            **told(self.judged),
        }


@dataclass
class Trial:
    """One incident of a world after its disaster."""

    ground: Ground
    occurred: str
    plan: Plan
    lead: Lead
    again: Callable[[Path | None], bool]
    """Asked, with the incident's folder, whether a killed drbook is gone on with."""
    tell: Tell
    home: Path
    begin: Callable[[Path], Sequence[str]]
    """Arguments that open the incident, for the runbook."""
    resume: Callable[[Path], Sequence[str]]
    """Arguments that go on with it."""

    def run(self) -> Surprised:
        """Lead it to its end. Raises StepFailed where the world itself cannot be looked at."""
        tools = choose(find_tools(), server=True)[0]
        shelf = Shelf(self.ground.store, tools, self.ground.folder)
        shelf.remember()
        before = listing(self.ground.volume)
        prey = Prey()
        with self._injecting(shelf, prey) as (injector, runbook):
            life, lives = self._live(prey, runbook)
            killed = prey.killed
        injected = injector.all
        records, state = self._record()
        truth = Truth(
            copies=shelf.look(),
            restored={
                one.location: rows_in(Path(one.location), tools, one.connect.dbname or "postgres")
                for one in restored_in(records)
                if Path(one.location).is_dir()
            },
            written_to_production=whats_otherwise(before, listing(self.ground.volume)),
            strange_in_store=shelf.strange(),
            exit_code=life.exit_code,
            killed=killed,
            said=life.said,
            record=whats_wrong(self.home),
            flipped=frozenset(self._flipped(injected)),
            out_of_room=any(one.done and one.fault.surprise is Surprise.FULL for one in injected),
        )
        judged = judge(truth, [record.event for record in records])
        folder = self._folder()
        return Surprised(self.plan, injected, judged, life, lives, state, folder, shelf.copies)

    def _flipped(self, injected: Sequence[Injected]) -> Iterator[str]:
        """Keys of the dumps whose bytes, or whose manifest's, came otherwise than they lie there."""
        for one in injected:
            if one.done and one.fault.surprise is Surprise.FLIP:
                path = one.where.rpartition(" of /")[2]
                yield path.partition("/")[2].removesuffix(MANIFEST)

    @contextmanager
    def _injecting(self, shelf: Shelf, prey: Prey) -> Iterator[tuple[Injector, Path]]:
        """The runbook, which names the proxy where it named the store, and faults that are on their way."""
        notes: list[Injector] = []
        store = self.ground.store.endpoint
        with Proxy(store, self.plan.of_bodies(), lambda *one: notes[0].note(*one)) as proxy:
            injector = Injector(self.plan, self.home, proxy, shelf, prey, self.tell)
            notes.append(injector)
            runbook = self.ground.runbook()
            text = runbook.read_text(encoding="utf-8")
            if store not in text:
                raise StepFailed(
                    f"{runbook.name} does not name the store that surprises stand before."
                )
            runbook.write_text(text.replace(store, proxy.endpoint), encoding="utf-8")
            with injector:
                yield injector, runbook

    def _live(self, prey: Prey, runbook: Path) -> tuple[Life, int]:
        """From the opening to an end that no fault of the plan made, or that is on record all the same."""
        arguments = self.begin(runbook)
        lives = 0
        while True:
            lives += 1
            prey.begins()
            life = self.lead(arguments, self._environment(), prey)
            folder = self._folder()
            if not prey.killed or lives == LIVES or self._closed() or not self.again(folder):
                return life, lives
            arguments = self.begin(runbook) if folder is None else self.resume(folder)

    def _closed(self) -> bool:
        return self._record()[1].closed_at is not None

    def _environment(self) -> dict[str, str]:
        return {**self.ground.environment(), HOME: str(self.home)}

    def _folder(self) -> Path | None:
        there = listed(Home(self.home))
        return there[0] if there else None

    def _record(self) -> tuple[tuple[Record, ...], IncidentState]:
        folder = self._folder()
        if folder is None:
            return (), IncidentState()
        try:
            records = read(folder / JOURNAL)
        except DrbookError:  # `whats_wrong` says so
            return (), IncidentState()
        return records, fold(records)


def restored_in(records: Sequence[Record]) -> tuple[Target, ...]:
    """The clusters that restores on record say they have filled."""
    ends = [one.event for one in records if isinstance(one.event, StepFinished)]
    results = [read_result(RestoreResult, end.result) for end in ends]
    return tuple(one.target for one in results if one is not None and one.target.kind == "cluster")


def whats_otherwise(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """What differs between two listings of a place, in words."""
    return tuple(
        f"{plain(name, 200)}: {before.get(name, 'nothing')}, now {now.get(name, 'nothing')}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    )


def unseen(tell: Tell, longest: timedelta = LONGEST) -> Lead:
    """Leads without a screen; what drbook says on standard error is told line by line."""

    def lead(arguments: Sequence[str], environment: Mapping[str, str], prey: Prey) -> Life:
        own = {name: value for name, value in os.environ.items() if name.startswith("DRBOOK_")}
        given: dict[str, str | Secret] = {**own, "DRBOOK_OPERATOR": "demo"}
        for name, value in environment.items():
            given[name] = value if name == HOME else Secret(value)

        def on_line(stream: Literal["out", "err"], line: str) -> None:
            if stream == "err":
                tell(plain(line, 500))

        argv = [sys.executable, "-m", "drbook", *arguments]
        try:
            done = _told(run(argv, env=given, timeout=longest, on_line=on_line), prey)
        except Interrupted:
            return Life(None, "")
        finally:
            prey.pids = tuple
        return Life(done.exit_code, done.stderr, done.stdout)

    return lead


def _told(working: Working[Completed], prey: Prey) -> Completed:
    """Run it to its end, and tell whom there is to hurt meanwhile."""
    while True:
        try:
            signal: Signal = next(working)
        except StopIteration as end:
            done: Completed = end.value
            return done
        if isinstance(signal, ProcessStarted):
            prey.pids = partial(_led_by, signal)


def _led_by(launched: ProcessStarted) -> Sequence[int]:
    return sorted(Table.now().session(launched.pid, launched.started))
