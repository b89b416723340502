"""How long the steps of a runbook took in earlier incidents of this machine.

Rehearsals and real incidents count, dry runs do not; only attempts that succeeded, of a step that did
the same then. It is read beside the incident, never before it: how it stands matters more.
"""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from drbook.app.model import Past
from drbook.app.places import JOURNAL
from drbook.app.unhurried import unhurried
from drbook.core import events as ev
from drbook.core.errors import DrbookError
from drbook.core.events import Mode, Record, StepEnd
from drbook.core.runbook import Runbook
from drbook.core.values import INCIDENT_ID
from drbook.journal.reader import records

NEWEST = 20
"""Incidents of the same runbook that are read, the newest."""
LOOKED_INTO = 500
"""Incidents whose first record is read to find these."""
LARGEST = 32 * 1024 * 1024
"""Bytes of a journal that is still read, and of all of them together."""
FIRST_FRAME = 0.5
"""Seconds that reading waits, so that it takes nothing from the first picture."""


@dataclass(slots=True)
class _Timed:
    """One step in one earlier incident."""

    seconds: int
    ended: datetime
    live: bool


@dataclass(slots=True)
class Recall:
    """Reads the past in a thread of its own, and hands it over once."""

    runbook: Runbook
    folder: Path
    """The incident's own; the others lie beside it."""
    tell: Callable[[Mapping[str, Past]], None]
    wait: float = FIRST_FRAME
    _stopped: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        threading.Thread(target=self._run, name="past", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        if self._stopped.wait(self.wait):
            return
        found = past_of(self.runbook, self.folder, self._stopped.is_set)
        if found and not self._stopped.is_set():
            self.tell(found)


def past_of(
    runbook: Runbook,
    folder: Path,
    stopped: Callable[[], bool] = lambda: False,
    *,
    earlier: bool = False,
) -> Mapping[str, Past]:
    """What the incidents beside this one say of the same runbook's steps; `earlier`: only those that were
    opened before it. What is damaged, or cannot be read, is left out: it says nothing that could be relied
    on."""
    actions = {step.id: step.step.do for step in runbook.steps}
    timed: dict[str, list[_Timed]] = {}
    for journal in _alike(runbook, folder, stopped, earlier):
        if stopped():
            break
        for step, one in _times(journal, actions).items():
            timed.setdefault(step, []).append(one)
    return {step: _past(found) for step, found in timed.items()}


def _past(found: list[_Timed]) -> Past:
    found.sort(key=lambda one: one.ended)
    return Past(
        seconds=tuple(one.seconds for one in found),
        last=found[-1].ended,
        live=sum(one.live for one in found),
    )


def _alike(
    runbook: Runbook, folder: Path, stopped: Callable[[], bool], earlier: bool
) -> Iterator[Path]:
    """Journals of the newest incidents of the same runbook: of its title, or of the same steps."""
    steps = tuple(step.id for step in runbook.steps)
    found, room = 0, LARGEST
    for journal in unhurried(_journals(folder, earlier)[:LOOKED_INTO]):
        if stopped() or found == NEWEST:
            return
        try:
            size = journal.stat().st_size
            first = next(iter(records(journal)), None)
        except (DrbookError, OSError, ValueError):
            continue
        opened = first[0].event if first is not None else None
        if not isinstance(opened, ev.IncidentOpened) or opened.mode is Mode.DRY_RUN or size > room:
            continue
        if opened.title == runbook.title or opened.steps == steps:
            found, room = found + 1, room - size
            yield journal


def _journals(folder: Path, earlier: bool) -> list[Path]:
    """Of the other incidents, the newest first: their names begin with the time."""
    try:
        names = sorted(
            (
                one
                for one in os.listdir(folder.parent)
                if one != folder.name and not (earlier and one > folder.name)
            ),
            reverse=True,
        )
    except OSError:
        return []
    return [folder.parent / name / JOURNAL for name in names if INCIDENT_ID.fullmatch(name)]


def _times(journal: Path, actions: Mapping[str, str]) -> Mapping[str, _Timed]:
    """The latest success of each step that did then what it does now; nothing of a damaged record."""
    found: dict[str, _Timed] = {}
    planned: dict[tuple[str, int], Record] = {}
    try:
        for record, _ in unhurried(records(journal)):
            event = record.event
            if isinstance(event, ev.StepPlanned):
                if actions.get(event.step) == event.action:
                    planned[event.step, event.attempt] = record
            elif isinstance(event, ev.StepFinished) and event.state is StepEnd.SUCCEEDED:
                begun = planned.get((event.step, event.attempt))
                if begun is not None and record.mono_ns >= begun.mono_ns:
                    seconds = -(-(record.mono_ns - begun.mono_ns) // 10**9)  # rounded up
                    found[event.step] = _Timed(seconds, record.at, record.mode is Mode.LIVE)
    except (DrbookError, OSError, ValueError):
        return {}
    return found
