"""What the incidents of this machine are, from their journals alone."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from drbook.app.onewriter import written_now
from drbook.app.places import JOURNAL, Home, listed
from drbook.app.unhurried import unhurried
from drbook.core.errors import DrbookError, JournalError, UsageError
from drbook.core.events import Effect, Mode
from drbook.core.fold import fold
from drbook.core.state import IncidentState, StepState
from drbook.journal.reader import read, records


@dataclass(frozen=True, slots=True)
class Summary:
    """One incident in a line. `outcome` is `open`, `damaged` or `unread` where it has none."""

    incident: str
    title: str
    mode: str
    opened_at: datetime | None
    closed_at: datetime | None
    outcome: str
    exit_code: int | None
    folder: Path
    problem: str = ""
    in_doubt: tuple[str, ...] = ()
    """Ids of steps of which nobody knows whether they happened, or will once it is resumed."""
    led: bool = False
    """Whether a drbook on this machine leads it right now, as far as the kernel says."""
    measured: timedelta | None = None
    """From the declaration to the restore's last successful verification: the measured RTO."""
    objective: timedelta | None = None
    """The RTO that the runbook allows."""


class Histories:
    """All incidents as a screen wants them: those that may be open first, the newest of each first. A
    journal is read when its turn comes, and again only where it has changed."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._known: dict[Path, tuple[tuple[int, int], Summary, Summary]] = {}
        """By folder: its journal's size and time, and what it says while nobody and somebody leads it."""

    def __iter__(self) -> Iterator[Summary]:
        """Raises JournalError where their folder cannot be read."""
        folders = listed(self._home)[::-1]
        ended = {folder for folder in unhurried(folders) if self._ends_closed(folder)}
        for folder in unhurried(sorted(folders, key=lambda one: one in ended)):
            yield self._summary(folder)

    def _summary(self, folder: Path) -> Summary:
        try:
            found = (folder / JOURNAL).stat()
        except OSError:
            return summary(folder)
        stamp, known = (found.st_size, found.st_mtime_ns), self._known.get(folder)
        if known is None or known[0] != stamp:
            try:
                state = fold(record for record, _ in unhurried(records(folder / JOURNAL)))
            except DrbookError as error:
                alone = led = _unread(folder, error)
            else:
                alone, led = _of(state, folder, led=False), _of(state, folder, led=True)
            known = self._known[folder] = (stamp, alone, led)
        if known[1].outcome != "open":
            return known[1]
        return known[2] if written_now(known[1].incident) else known[1]

    def _ends_closed(self, folder: Path) -> bool:
        known = self._known.get(folder)
        if known is None:
            return _ends_closed(folder / JOURNAL)
        return known[1].closed_at is not None


_END = 65_536


def _ends_closed(journal: Path) -> bool:
    """Whether its last lines say that it was closed: a hint for the order of reading, and no more."""
    try:
        with journal.open("rb") as stream:
            stream.seek(-min(_END, os.fstat(stream.fileno()).st_size), os.SEEK_END)
            return b'"event":"IncidentClosed"' in stream.read()
    except OSError:
        return False


def summaries(home: Home) -> list[Summary]:
    """All incidents, oldest first; one whose record is damaged is listed as such."""
    return [summary(folder) for folder in listed(home)]


def newest_open(home: Home) -> Path:
    """The incident that was opened last and has not ended; a rehearsal only where nothing real is
    open. Raises UsageError where there is none, JournalError where a newer one cannot be read."""
    found = summaries(home)
    still_open = [one for one in found if one.outcome == "open"]
    real = [one for one in still_open if one.mode == Mode.LIVE.value]
    newest = (real or still_open)[-1:]
    unread = [one for one in found if one.outcome == "unread"]
    if unread and (not newest or unread[-1].folder.name > newest[0].folder.name):
        raise JournalError(
            unread[-1].problem,
            means="Whether that incident is open is not known.",
            next="Mend the permissions there, or name another incident: `drbook resume INCIDENT`.",
            code="journal-missing",
        )
    if newest:
        return newest[0].folder
    raise UsageError(
        f"No incident in {home.incidents} is open.",
        means="There is nothing to go on with.",
        next="`drbook incidents` lists those that have ended; `drbook run RUNBOOK` opens one.",
    )


def summary(folder: Path) -> Summary:
    try:
        state = fold(read(folder / JOURNAL))
    except DrbookError as error:
        return _unread(folder, error)
    return _of(state, folder, led=state.closed_at is None and written_now(state.incident))


def _unread(folder: Path, error: DrbookError) -> Summary:
    outcome = "unread" if error.code == "journal-missing" else "damaged"
    return Summary(folder.name, "", "", None, None, outcome, None, folder, error.what)


def measured_rto(state: IncidentState) -> timedelta | None:
    """How long it took until the restore was verified; None where it was not, or not with success."""
    times = [
        run.ended_at
        for run in state.steps.values()
        if run.action == "postgres.verify" and run.state is StepState.SUCCEEDED and run.ended_at
    ]
    return max(times) - state.opened_at if times and state.opened_at else None


def _doubts(state: IncidentState, *, led: bool) -> tuple[str, ...]:
    """What is in doubt, and what runs on record while nobody runs it."""
    if state.closed_at is not None:
        return ()
    broken_off = not led and state.mode is not Mode.DRY_RUN
    return tuple(
        run.id
        for run in state.steps.values()
        if run.state is StepState.IN_DOUBT
        or (broken_off and run.state is StepState.STARTED and run.effect is not Effect.NONE)
    )


def _of(state: IncidentState, folder: Path, *, led: bool) -> Summary:
    return Summary(
        incident=state.incident or folder.name,
        title=state.title,
        mode=state.mode.value if state.opened_at else "",
        opened_at=state.opened_at,
        closed_at=state.closed_at,
        outcome=state.outcome or "open",
        exit_code=state.exit_code,
        folder=folder,
        in_doubt=_doubts(state, led=led),
        led=led,
        measured=measured_rto(state),
        objective=None if state.rto_seconds is None else timedelta(seconds=state.rto_seconds),
    )
