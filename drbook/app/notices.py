"""The facts of a run's end, for those who are told of it."""

import os
import shlex
import socket
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from drbook.app.exports import build_with
from drbook.app.model import Snapshot
from drbook.app.planning import title_of
from drbook.app.vocabulary import vocabulary
from drbook.core.engine import Outcome
from drbook.core.errors import DrbookError, ExitCode
from drbook.core.events import Mode
from drbook.core.notice import Against, FirstBad, Notice, word_of
from drbook.core.runbook import Runbook
from drbook.core.state import StepState
from drbook.core.values import format_time
from drbook.providers.hiding import scrub
from drbook.timeline import words
from drbook.timeline.model import JournalFacts, Measured

_BAD = (
    StepState.FAILED,
    StepState.REFUSED,
    StepState.CANCELLED,
    StepState.COULD_NOT_VERIFY,
    StepState.STALE,
    StepState.IN_DOUBT,
)


def of_end(
    snapshot: Snapshot, outcome: Outcome, environment: Mapping[str, str] = os.environ
) -> Notice:
    """Of a run that came to an outcome."""
    timeline = build_with(
        snapshot.records,
        JournalFacts(str(snapshot.journal), snapshot.head, intact=True),
        snapshot.runbook,
    )
    state = snapshot.state
    return Notice(
        runbook=scrub(snapshot.runbook.title),
        runbook_sha256=state.runbook_sha256,
        mode=state.mode,
        word=word_of(outcome),
        exit_code=int(outcome.code),
        reason=scrub(outcome.reason),
        host=socket.gethostname(),
        at=format_time(datetime.now(UTC)),
        incident=state.incident,
        head=snapshot.head,
        look=_look(state.incident, environment, closed=state.closed_at is not None),
        rpo=_against(timeline.rpo),
        rto=_against(timeline.rto),
        first_bad=_first_bad(snapshot),
    )


def of_error(runbook: Runbook, mode: Mode, error: Exception, incident: str = "") -> Notice:
    """Of a run that an error ended before there was an outcome."""
    told = isinstance(error, DrbookError)
    return Notice(
        runbook=scrub(runbook.title),
        runbook_sha256=runbook.sha256,
        mode=mode,
        word="no-result",
        exit_code=int(error.exit_code if isinstance(error, DrbookError) else ExitCode.INTERNAL),
        reason=scrub(str(error)) if told else "drbook itself failed; its error is on that host",
        host=socket.gethostname(),
        at=format_time(datetime.now(UTC)),
        incident=incident,
    )


def of_test(runbook: Runbook, mode: Mode) -> Notice:
    """A message that says of itself that it is a test."""
    return Notice(
        runbook=scrub(runbook.title),
        runbook_sha256=runbook.sha256,
        mode=mode,
        word="no-result",
        exit_code=0,
        reason="somebody tries whether this message arrives",
        host=socket.gethostname(),
        at=format_time(datetime.now(UTC)),
        test=True,
    )


def _look(incident: str, environment: Mapping[str, str], *, closed: bool) -> str:
    """The command, as it is typed on this host; where incidents lie elsewhere than usual, it says so."""
    home = environment.get("DRBOOK_HOME")
    where = f"DRBOOK_HOME={shlex.quote(home)} " if home else ""
    does = f"timeline {incident} -o timeline.html" if closed else f"resume {incident}"
    return f"{where}drbook {does}"


def _against(value: Measured) -> Against:
    objective = "" if value.objective is None else f"objective {words.duration(value.objective)}: "
    return Against(
        f"{words.measured(value)} ({objective}{words.met(value)})",
        _seconds(value.measured),
        _seconds(value.objective),
        value.met,
    )


def _seconds(value: timedelta | None) -> float | None:
    return None if value is None else round(value.total_seconds(), 3)


def _first_bad(snapshot: Snapshot) -> FirstBad | None:
    for step in snapshot.runbook.steps:
        run = snapshot.state.steps[step.id]
        if run.state in _BAD and run.accepted is None:
            title = title_of(snapshot.runbook, vocabulary().actions, step.id)
            return FirstBad(step.id, scrub(title), run.state.value, scrub(run.reason))
    return None
