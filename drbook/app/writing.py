"""Who may write into an incident just now: the claim on it, and the mirrors that are asked whether another
machine leads it."""

import getpass
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from drbook.app.onewriter import Claim, by_whom, claim
from drbook.app.places import (
    JOURNAL,
)
from drbook.app.stored import stored_runbook
from drbook.core import events as ev
from drbook.core.errors import DrbookError, JournalLocked
from drbook.core.events import Mode, Record
from drbook.core.fold import fold
from drbook.core.runbook import Runbook
from drbook.core.state import IncidentState
from drbook.journal.reader import NOTHING, Held, digests, follow
from drbook.journal.writer import Writer
from drbook.mirror.look import may_go_on
from drbook.mirror.mirrors import opener
from drbook.providers import secrets


def operator() -> str:
    """Who sits there: `DRBOOK_OPERATOR`, else the login name."""
    try:
        return os.environ.get("DRBOOK_OPERATOR") or getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def writer_of(
    folder: Path, incident: str, mode: Mode, held: Claim | None = None, known: Held = NOTHING
) -> Writer:
    """The journal's writer, which holds the claim on the incident until it is closed. Raises
    JournalLocked where another process has the one or the other. `known` is what was read before.

    A dry run is not claimed: it does nothing that could be done twice, and leaves nothing elsewhere.
    """
    try:
        writer = Writer(folder / JOURNAL, mode=mode, host=socket.gethostname(), known=known)
    except JournalLocked as error:
        raise by_whom(error, incident, known.records[-1].host if known.records else "") from None
    try:
        if held is not None or mode is not Mode.DRY_RUN:
            writer.release = (held or claim(incident)).release
    except BaseException:
        writer.close()
        raise
    return writer


def seat(
    folder: Path, *, environment: Mapping[str, str] = os.environ
) -> tuple[Writer, tuple[str, ...]]:
    """A writer for somebody who adds to an incident that nobody leads just now, and the mirrors that
    did not say whether another machine leads it.

    Raises JournalLocked where somebody writes here, ClaimedElsewhere where it is in another folder,
    TakenOver where a mirror says that another machine goes on with it.
    """
    held = follow(folder / JOURNAL)
    state = fold(held.records)
    writer = writer_of(folder, state.incident, state.mode, known=held)
    try:
        if writer.records is not held.records:
            state = fold(writer.records)
        try:
            runbook = stored_runbook(folder, state.runbook_sha256)
        except DrbookError as error:  # what is added matters more than the copies' word
            return writer, (error.what,)
        return writer, ask_mirrors(runbook, state, writer, environment, True)
    except BaseException:
        writer.close()
        raise


def ask_mirrors(
    runbook: Runbook,
    state: IncidentState,
    writer: Writer,
    environment: Mapping[str, str],
    without: bool,
) -> tuple[str, ...]:
    """Whether this machine may go on; returns the mirrors that do not answer, which is no reason to
    wait."""
    if state.mode is Mode.DRY_RUN or not runbook.mirrors:
        return ()
    secret = secrets.reader(environment)
    return may_go_on(
        [(one.place, opener(one, state.incident, secret)) for one in runbook.mirrors],
        digests=digests(writer.records, writer.head),
        epoch=state.epoch,
        token=fence_of(writer.records) if state.epoch else "",
        without=without,
    )


def fence_of(records: Sequence[Record]) -> str:
    """The token of the latest take-over on record; empty where there was none."""
    taken = (one.event for one in reversed(records) if isinstance(one.event, ev.IncidentTakenOver))
    latest = next(taken, None)
    return latest.fence if latest is not None else ""
