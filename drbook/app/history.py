"""What the incidents of this machine are, from their journals alone."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from drbook.app.places import JOURNAL, Home, listed
from drbook.core.errors import DrbookError, JournalError, UsageError
from drbook.core.events import Mode
from drbook.core.fold import fold
from drbook.core.state import IncidentState
from drbook.journal.reader import read


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
        outcome = "unread" if error.code == "journal-missing" else "damaged"
        return Summary(folder.name, "", "", None, None, outcome, None, folder, error.what)
    return _of(state, folder)


def _of(state: IncidentState, folder: Path) -> Summary:
    return Summary(
        incident=state.incident or folder.name,
        title=state.title,
        mode=state.mode.value if state.opened_at else "",
        opened_at=state.opened_at,
        closed_at=state.closed_at,
        outcome=state.outcome or "open",
        exit_code=state.exit_code,
        folder=folder,
    )
