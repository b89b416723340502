"""Moments of the recorded drill, each shown by the screen itself with a clock that stands still.

A moment is the record cut after one of its events and folded; what a step would do is taken from the
record, too, where the step was planned later. A few moments that the drill did not have (a step that
failed, one in doubt, a live incident) are the same records with one more, or another mode.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path

from drbook.app.history import Summary, _of
from drbook.app.library import check, entries
from drbook.app.model import Command, Incident, LiveStep, Past, ProgressView, Snapshot
from drbook.app.past import _times
from drbook.app.places import JOURNAL, Home
from drbook.app.planning import plan_step, title_of
from drbook.app.shelf import Contents
from drbook.app.stored import stored_runbook
from drbook.app.vocabulary import vocabulary
from drbook.core import events as ev
from drbook.core.deciding import Deciding
from drbook.core.events import Event, Mode, Plan, Record, StepEnd
from drbook.core.fold import fold
from drbook.core.growing import Growing
from drbook.core.runbook import Runbook
from drbook.journal.reader import digests, read
from drbook.tui.app import DrbookApp, IncidentApp, WatchApp
from drbook.tui.home import HomeScreen

DRILL = Path(__file__).with_name("drill")
HOME = Home(Path("/home/ana/.local/state/drbook"))
A_QUARTER = timedelta(days=91)


@dataclass(frozen=True)
class Recorded:
    """An incident that stands still: nothing can be asked of it."""

    snapshot: Snapshot

    def subscribe(self, callback: Callable[[Snapshot], None]) -> Callable[[], None]:
        callback(self.snapshot)
        return lambda: None

    def submit(self, command: Command, actor: str | None = None) -> "Future[int]":
        raise AssertionError(f"a picture asked for {command}")

    def stop(self) -> None:
        pass


@cache
def records() -> tuple[Record, ...]:
    return read(DRILL / JOURNAL)


@cache
def runbook() -> Runbook:
    return stored_runbook(DRILL, fold(records()).runbook_sha256)


@cache
def live() -> LiveStep:
    """What the running restore showed; it is on no record."""
    held = json.loads((DRILL / "live.json").read_text(encoding="utf-8"))
    return LiveStep(
        progress=tuple(ProgressView(**view) for view in held["progress"]),
        output=tuple(held["output"]),
    )


@cache
def past() -> Mapping[str, Past]:
    """As if the same drill had been held a quarter before."""
    actions = {step.id: step.step.do for step in runbook().steps}
    timed = _times(DRILL / JOURNAL, actions)
    return {step: Past((one.seconds,), one.ended - A_QUARTER) for step, one in timed.items()}


def until(event: type[Event], step: str = "", nth: int = -1) -> tuple[Record, ...]:
    """The record up to that event of that step, the last such one where there are several."""
    found = [
        at
        for at, one in enumerate(records())
        if type(one.event) is event and getattr(one.event, "step", "") == step
    ]
    return records()[: found[nth] + 1]


def and_then(before: Sequence[Record], event: Event, after: timedelta) -> tuple[Record, ...]:
    """One more record that the drill did not have."""
    last = before[-1]
    more = last.model_copy(update={"seq": last.seq + 1, "at": last.at + after, "event": event})
    return (*before, more)


def as_live(held: Sequence[Record]) -> tuple[Record, ...]:
    """The same for real."""
    return tuple(
        one.model_copy(
            update={
                "mode": Mode.LIVE,
                "event": one.event.model_copy(update={"mode": Mode.LIVE})
                if isinstance(one.event, ev.IncidentOpened)
                else one.event,
            }
        )
        for one in held
    )


def snapshot(held: Sequence[Record], shows: Mapping[str, LiveStep], watching: bool) -> Snapshot:
    """As `Follower` makes it, with a stored runbook and plans that are on record."""
    state, actions, deciding = fold(held), vocabulary().actions, Deciding(runbook())
    decision = deciding.decision(state)
    plans = {
        one.event.step: one.event.plan for one in records() if type(one.event) is ev.StepPlanned
    }
    return Snapshot(
        runbook=runbook(),
        state=state,
        decision=decision,
        outcome=deciding.outcome(state),
        records=Growing(held),
        head=_head(len(held)),
        journal=HOME.folder(state.incident) / JOURNAL,
        titles={step.id: title_of(runbook(), actions, step.id) for step in runbook().steps},
        live=shows,
        previews={step: plans.get(step) or _planned(held, step) for step in decision.ready},
        watching=watching,
    )


def _head(count: int) -> str:
    """The digest of the record's last line; a record that the drill did not have has none."""
    known = digests(records(), sha256((DRILL / JOURNAL).read_bytes().splitlines()[-1]).hexdigest())
    return known[count - 1] if count <= len(known) else "0" * 64


def _planned(held: Sequence[Record], step: str) -> Plan:
    return plan_step(runbook(), fold(held), vocabulary().actions, step).plan


# --- the scenes -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scene:
    """One moment, and the keys that lead from the opened screen to what is shown."""

    name: str
    held: Callable[[], tuple[Record, ...]]
    keys: tuple[str, ...] = ()
    after: float = 4
    """Seconds from the last record to the moment."""
    watched: bool = False
    runs: bool = False
    """Whether the restore runs and shows how far it is."""
    known: bool = False
    """Whether there was a drill before."""
    make: Callable[["Scene"], DrbookApp] = field(default=lambda scene: scene.led())

    @property
    def now(self) -> datetime:
        return self.held()[-1].at + timedelta(seconds=self.after)

    def incident(self) -> Incident:
        shows = {"restore": live()} if self.runs else {}
        made = snapshot(self.held(), shows, self.watched)
        return Recorded(replace(made, past=past()) if self.known else made)

    def led(self) -> DrbookApp:
        app = WatchApp if self.watched else IncidentApp
        return app(self.incident(), lambda: self.now)

    def app(self) -> DrbookApp:
        return self.make(self)


class Still:
    """A shelf that has read everything there is, once."""

    def __init__(self, contents: Contents, tell: Callable[[Contents], None]) -> None:
        self._contents, self._tell = contents, tell

    def start(self) -> None:
        self._tell(self._contents)

    def again(self) -> None:
        pass

    def stop(self) -> None:
        pass


class AtHome(DrbookApp):
    """The home screen over incidents made of the record."""

    def __init__(self, scene: Scene, contents: Contents) -> None:
        super().__init__(lambda: scene.now)
        self._held = contents

    def on_mount(self) -> None:
        screen = HomeScreen(HOME, Path("/home/ana"), self.clock)
        screen.shelf = Still(self._held, screen._arrive)  # type: ignore[assignment]
        self.push_screen(screen)


def _summary(held: Sequence[Record], before: timedelta = timedelta(0), tail: str = "") -> Summary:
    found = _of(fold(held), Path(), led=False)
    assert found.opened_at is not None
    opened = found.opened_at - before
    incident = f"{opened:%Y%m%d-%H%M%S}{found.incident[15:-4]}{tail or found.incident[-4:]}"
    return replace(
        found,
        incident=incident,
        folder=HOME.folder(incident),
        opened_at=opened,
        closed_at=found.closed_at - before if found.closed_at else None,
    )


def home(scene: Scene) -> DrbookApp:
    """A drill that was broken off in the middle of the restore, and two that were held before."""
    books = tuple(check(one) for one in entries(Home(Path("/nowhere")), Path("/nowhere")))
    held = (
        _summary(scene.held()),
        _summary(records(), timedelta(days=5, hours=6), "77c1"),
        _summary(records(), A_QUARTER, "0b3e"),
    )
    return AtHome(scene, Contents(held, books, reading=False))


def _opened() -> tuple[Record, ...]:
    return until(ev.IncidentOpened)


def _located() -> tuple[Record, ...]:
    return until(ev.StepFinished, "locate")


def _restoring() -> tuple[Record, ...]:
    return until(ev.ProcessStarted, "restore")


def _verified() -> tuple[Record, ...]:
    return until(ev.StepFinished, "verify")


def _doubtful() -> tuple[Record, ...]:
    return and_then(
        _restoring(), ev.IncidentResumed(head=_head(len(_restoring()))), timedelta(minutes=3)
    )


def _failed() -> tuple[Record, ...]:
    ended = ev.StepFinished(
        step="restore",
        attempt=1,
        state=StepEnd.FAILED,
        duration_ms=21_000,
        reason="pg_restore ended with exit code 1: could not extend file "
        '"base/16385/16501": No space left on device',
        means="The target is half filled. It is kept for a look, and never used again.",
        next="Make room on the disk of the incident's folder, then run the step again: it makes a "
        "fresh target.",
    )
    return and_then(_restoring(), ended, timedelta(seconds=41))


def _approval_asked() -> tuple[Record, ...]:
    """The cutover, as if its runbook had two people stand for it; nobody has the key of this list."""
    held = until(ev.StepPlanned, "cutover")
    opened, last = held[0], held[-1]
    assert isinstance(last.event, ev.StepPlanned)
    taken = ev.ApproversTaken(
        file="~/ops/allowed_signers", sha256="5" * 64, text="Ben ssh-ed25519 A"
    )
    plan = last.event.plan.model_copy(update={"approve": "another person, by signature"})
    asked = ev.ApprovalAsked(
        step="cutover",
        attempt=1,
        title="Send users to the restored database",
        operator=opened.actor,
        people=("Ben",),
        asked_at=last.at,
        expires=last.at + timedelta(hours=1),
        nonce="0" * 32,
        text="-",
    )
    held = and_then(held[:-1], taken, timedelta(0))
    held = and_then(held, last.event.model_copy(update={"plan": plan}), last.at - held[-1].at)
    *before, waiting = and_then(held, asked, timedelta(0))
    # It was asked in this life of the machine, whose clock tells how long ago.
    return (*before, waiting.model_copy(update={"mono_ns": time.monotonic_ns()}))


def _close_to_the_end() -> tuple[Record, ...]:
    return records()[:-1]


SCENES = (
    Scene("home", _restoring, after=3 * 3600, make=home),
    Scene("incident", _opened),
    Scene("live", lambda: as_live(_opened()), after=95, known=True),
    Scene("located", _located, ("up",)),
    Scene("backups", _located, ("b",), after=20),
    Scene("restoring", _restoring, ("down", "down", "down"), after=2, runs=True),
    Scene("beside", _restoring, ("down",), after=2, runs=True),
    Scene("failed", _failed),
    Scene("doubt", _doubtful),
    Scene("doubt-asked", _doubtful, ("i",)),
    Scene("verified", _verified, ("up",)),
    Scene("tables", _verified, ("v",)),
    Scene("decision", lambda: until(ev.StepPlanned, "decide"), ("enter",)),
    Scene("confirmation", lambda: until(ev.StepPlanned, "cutover"), ("enter",)),
    Scene("approval", _approval_asked, ("enter",), after=70),
    Scene("note", _located, ("n", *"Ben sees no new bookings.", "ctrl+k")),
    Scene("steps", _restoring, ("o",), after=2, runs=True, known=True),
    Scene("timeline", _close_to_the_end, ("t",)),
    Scene("watch", _restoring, after=2, runs=True, watched=True),
    Scene("help", _located, ("question_mark",)),
    Scene("closed", records),
)  # fmt: skip
