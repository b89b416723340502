"""What records of this machine prove of copies: restored and verified, in a drill or an incident."""

from drbook.app.places import JOURNAL, Home, listed
from drbook.core.errors import DrbookError
from drbook.core.events import Mode
from drbook.core.fold import fold
from drbook.core.proofs import Proof, Proofs
from drbook.core.remarks import TableVerdict
from drbook.core.results import VERIFY, VerifyResult, read_result
from drbook.core.state import IncidentState, StepState
from drbook.journal.reader import read

PAST = 100
"""Incidents of this machine that are looked into for what was proved, the newest."""


def earlier(home: Home) -> Proofs:
    """The same in the form that a step gets it."""
    return Proofs(*proved(home))


def proved(home: Home) -> tuple[list[Proof], str]:
    """Copies that drills and incidents of this machine restored and verified, and why not all of them
    are known. A dry run, somebody's word, and what was accepted without proof prove nothing."""
    proofs: list[Proof] = []
    unread = 0
    try:
        folders = listed(home)[-PAST:]
    except DrbookError as error:
        return [], error.what
    for folder in folders:
        try:
            state = fold(read(folder / JOURNAL))
        except DrbookError:
            unread += 1
            continue
        proofs += _proofs_in(state)
    return proofs, f"{unread} earlier records cannot be read" if unread else ""


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
