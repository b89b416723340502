"""What records of this machine prove of copies: restored and verified, in a drill or an incident."""

from drbook.app.places import JOURNAL, Home, listed
from drbook.core.errors import DrbookError
from drbook.core.events import Mode
from drbook.core.fold import fold
from drbook.core.proofs import Pace, Proof, Proofs
from drbook.core.remarks import TableVerdict
from drbook.core.results import RESTORE, VERIFY, RestoreResult, VerifyResult, read_result
from drbook.core.state import IncidentState, StepState
from drbook.journal.reader import read

PAST = 100
"""Incidents of this machine that are looked into for what was proved, the newest."""


def earlier(home: Home) -> Proofs:
    """The same in the form that a step gets it."""
    states, unread = _states(home)
    return Proofs(
        [proof for state in states for proof in _proofs_in(state)],
        unread,
        [pace for state in states for pace in _paces_in(state)],
    )


def proved(home: Home) -> tuple[list[Proof], str]:
    """Copies that drills and incidents of this machine restored and verified, and why not all of them
    are known. A dry run, somebody's word, and what was accepted without proof prove nothing."""
    states, unread = _states(home)
    return [proof for state in states for proof in _proofs_in(state)], unread


def _states(home: Home) -> tuple[list[IncidentState], str]:
    """Earlier incidents, and why not all of them are known."""
    states: list[IncidentState] = []
    unread = 0
    try:
        folders = listed(home)[-PAST:]
    except DrbookError as error:
        return [], error.what
    for folder in folders:
        try:
            states.append(fold(read(folder / JOURNAL)))
        except DrbookError:
            unread += 1
    return states, f"{unread} earlier records cannot be read" if unread else ""


def _paces_in(state: IncidentState) -> list[Pace]:
    """How long restores took: those that ended well, and were not waited for by a person."""
    found = []
    for run in state.steps.values():
        good = run.action == RESTORE and run.state is StepState.SUCCEEDED and not run.by_hand
        if not good or run.started_at is None or run.ended_at is None:
            continue
        result = read_result(RestoreResult, run.result)
        if result is not None and not result.beside:  # side by side each has a share of the machine
            seconds = max(1, int((run.ended_at - run.started_at).total_seconds()))
            point = result.point
            found.append(Pace(format=point.format, bytes=point.size, seconds=seconds))
    return found


def _proofs_in(state: IncidentState) -> list[Proof]:
    if state.mode is Mode.DRY_RUN:
        return []
    found = []
    for run in state.steps.values():
        if run.action != VERIFY or run.state is not StepState.SUCCEEDED or run.ended_at is None:
            continue
        result = read_result(VerifyResult, run.result)
        if result is None or result.point is None or run.by_hand or run.accepted is not None:
            continue
        if result.comparison.verdict is TableVerdict.PASS:
            found.append(
                Proof(
                    bytes_key=result.point.bytes_key,
                    location=result.point.location,
                    verified_at=run.ended_at,
                    mode=state.mode.value,
                )
            )
    return found
