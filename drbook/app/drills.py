"""Past runs of a runbook on this machine, as their records tell them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from drbook.app.exports import timeline_of
from drbook.app.places import JOURNAL, Home, listed
from drbook.core import events as ev
from drbook.core.drills import Against, Drill, Part, Restored, together
from drbook.core.errors import DrbookError
from drbook.core.events import Mode, Record
from drbook.core.points import RecoveryPoint
from drbook.core.results import RESTORE, VERIFY
from drbook.core.runbook import Runbook
from drbook.core.state import StepState
from drbook.core.values import counted
from drbook.journal.reader import records
from drbook.timeline.model import Attempt, Measured, Timeline

NEWEST = 50
"""Runs of the runbook that are read, the newest."""
LOOKED_INTO = 2000
"""Incidents whose first record is read to find these."""


@dataclass(frozen=True, slots=True)
class History:
    """What is on record, and what of it cannot be read."""

    drills: tuple[Drill, ...]
    """The newest first."""
    unread: tuple[str, ...] = ()
    """Incidents that may be of this runbook and cannot be read, the newest first."""
    newest_copy: RecoveryPoint | None = None
    """The copy that the newest run chose: the last that is known of how large one is."""
    seen_at: datetime | None = None
    """When that was."""

    @property
    def newer_unread(self) -> str:
        """What stands in the way of a comparison: a record that may be newer than the newest drill."""
        newest = next((one for one in self.drills if one.mode is Mode.DRILL), None)
        later = [one for one in self.unread if newest is None or one > newest.incident]
        if not later:
            return ""
        return (
            f"{counted(len(later), 'record')} that may be newer than the newest drill cannot be read "
            f"(incident {later[0]})"
        )


def history(home: Home, runbook: Runbook) -> History:
    """Every run of a runbook of this title or of the same steps, at most the newest 50. Raises JournalError
    where the folder of all incidents cannot be read."""
    steps = tuple(step.id for step in runbook.steps)
    drills: list[Drill] = []
    unread: list[str] = []
    newest: tuple[RecoveryPoint, datetime] | None = None
    for folder in listed(home)[::-1][:LOOKED_INTO]:
        if len(drills) == NEWEST:
            break
        try:
            opened = _opened(folder)
            if opened is None or (opened.title != runbook.title and opened.steps != steps):
                continue
            timeline = timeline_of(folder)
        except (DrbookError, OSError, ValueError):
            unread.append(folder.name)
            continue
        drills.append(drill_of(timeline, opened, folder.name))
        located = timeline.located
        if newest is None and located is not None and located.point is not None:
            newest = (located.point, timeline.opened)
    point, seen = newest or (None, None)
    return History(tuple(drills), tuple(unread), point, seen)


def _opened(folder: Path) -> ev.IncidentOpened | None:
    """The event that opened it; None where it was never opened. Raises JournalError."""
    first: tuple[Record, object] | None = next(iter(records(folder / JOURNAL)), None)
    event = first[0].event if first is not None else None
    return event if isinstance(event, ev.IncidentOpened) else None


def drill_of(timeline: Timeline, opened: ev.IncidentOpened, name: str) -> Drill:
    """One run in figures."""
    closed = next(
        (
            one.event
            for one in reversed(timeline.records)
            if isinstance(one.event, ev.IncidentClosed)
        ),
        None,
    )
    restored = timeline.restored
    loading = _seconds_of(timeline, RESTORE)
    return Drill(
        incident=name,
        mode=opened.mode,
        opened_at=timeline.opened,
        outcome=timeline.outcome or _unclosed(timeline, opened.mode),
        exit_code=closed.exit_code if closed is not None else None,
        runbook_sha256=timeline.runbook_sha256,
        rpo=_against(timeline.rpo),
        rto=_against(timeline.rto),
        phases=_phases(timeline),
        parts=tuple(_parts(timeline)),
        restored=Restored(restored.point.size, restored.point.format, loading)
        if restored is not None and loading is not None and not restored.beside
        else None,
        verify_seconds=_seconds_of(timeline, VERIFY),
    )


def _unclosed(timeline: Timeline, mode: Mode) -> str:
    """What an incident is that nobody closed."""
    states = {each.step: each.state for each in timeline.attempts}.values()
    good = (StepState.SUCCEEDED, StepState.SKIPPED, StepState.NOT_EXERCISED)
    planned = any(one == StepState.NOT_EXERCISED for one in states)
    if mode is Mode.DRY_RUN and planned and all(one in good for one in states):
        return StepState.NOT_EXERCISED.value
    return "open"


def _against(found: Measured) -> Against:
    return Against(
        found.measured.total_seconds() if found.measured is not None else None,
        found.objective.total_seconds() if found.objective is not None else None,
        found.at_least,
    )


def _spans(timeline: Timeline) -> Iterator[tuple[Attempt, float, float]]:
    """Every attempt that ran to its end, in seconds since the opening."""
    for each in timeline.attempts:
        if each.started_at is not None and each.ended_at is not None:
            begun = (each.started_at - timeline.opened).total_seconds()
            yield each, begun, max(begun, (each.ended_at - timeline.opened).total_seconds())


def _phases(timeline: Timeline) -> dict[str, float]:
    spans: dict[str, list[tuple[float, float]]] = {}
    for each, begun, ended in _spans(timeline):
        if each.phase:
            spans.setdefault(each.phase, []).append((begun, ended))
    return {phase: together(found) for phase, found in spans.items()}


def _parts(timeline: Timeline) -> Iterator[Part]:
    worked: dict[str, float] = {}
    for each, begun, ended in _spans(timeline):
        worked[each.step] = worked.get(each.step, 0.0) + ended - begun
    latest = {each.step: each for each in timeline.attempts}
    for step, each in latest.items():
        waited = sum(
            one.waited.total_seconds()
            for one in timeline.attempts
            if one.step == step and one.waited is not None
        )
        yield Part(step, each.phase, each.state or "open", worked.get(step), waited)


def _seconds_of(timeline: Timeline, action: str) -> float | None:
    """How long the attempts of an action worked that ended well; None where none did."""
    found = [
        (begun, ended)
        for each, begun, ended in _spans(timeline)
        if each.action == action and each.state == "succeeded"
    ]
    return together(found) if found else None
