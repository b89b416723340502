"""How a step stands, always as a sign and a word, and which step needs the operator next."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from drbook.app.model import Snapshot
from drbook.core.engine import Readiness, may_run
from drbook.core.errors import DrbookError
from drbook.core.events import Plan
from drbook.core.state import StepRun, StepState
from drbook.core.values import clock_duration, plain
from drbook.tui.colours import BUSY, DIM, GOOD, PLAIN, URGENT, WARN


@dataclass(frozen=True, slots=True)
class Status:
    """One step's standing: what is drawn, what is read out, and how it is coloured."""

    sign: str
    word: str
    style: str


_ENDED = {
    StepState.SUCCEEDED: Status("✓", "done", GOOD),
    StepState.FAILED: Status("✗", "failed", URGENT),
    StepState.COULD_NOT_VERIFY: Status("?", "could not verify", URGENT),
    StepState.REFUSED: Status("⊘", "refused", URGENT),
    StepState.CANCELLED: Status("⊘", "cancelled", WARN),
    StepState.NOT_EXERCISED: Status("~", "not exercised", DIM),
    StepState.IN_DOUBT: Status("‼", "in doubt", URGENT),
    StepState.SKIPPED: Status("–", "skipped", DIM),
    StepState.STALE: Status("≈", "stale", WARN),
    StepState.STARTED: Status("◐", "running", BUSY),
}
_READY = Status("▶", "ready", BUSY)
_PENDING = Status("○", "pending", DIM)
_AWAITING = Status("…", "awaiting you", WARN)
_COOLING = Status("…", "about to start", WARN)
_STOPPING = Status("◐", "stopping", WARN)
_ACCEPTED = Status("?", "not verified, accepted", WARN)
_BY_HAND = Status("✎", "done by hand", WARN)
_CONDITION = Status("✗", "condition unclear", URGENT)

UNSETTLED = frozenset(
    {
        StepState.FAILED,
        StepState.COULD_NOT_VERIFY,
        StepState.REFUSED,
        StepState.CANCELLED,
        StepState.STALE,
        StepState.IN_DOUBT,
    }
)
"""Ended, but not in a way that the incident can be closed well with."""


def status_of(snapshot: Snapshot, step: str) -> Status:
    """The standing of one step."""
    run = snapshot.state.steps[step]
    if run.state is StepState.AWAITING:
        return _COOLING if step in snapshot.cooling else _AWAITING
    if run.state is StepState.STARTED and run.cancel_requested:
        return _STOPPING
    if run.state is StepState.COULD_NOT_VERIFY and run.accepted is not None:
        return _ACCEPTED
    if run.state is StepState.SUCCEEDED and run.by_hand:
        return _BY_HAND
    if run.state is not StepState.PENDING:
        return _ENDED[run.state]
    readiness = snapshot.decision.view(step).readiness
    if readiness is Readiness.READY:
        return _READY
    return _CONDITION if readiness is Readiness.ERROR else _PENDING


def number_of(snapshot: Snapshot, step: str) -> int:
    """The step's place in the runbook, from 1; 0 for one that is not in it."""
    return snapshot.runbook.places.get(step, -1) + 1


def title_of(snapshot: Snapshot, step: str) -> str:
    """The step's title, or its action's where the runbook gives none."""
    written = snapshot.runbook.step(step).step
    return plain(written.title or snapshot.titles.get(step) or written.do, 200)


def plan_of(snapshot: Snapshot, step: str) -> Plan | None:
    """What the step would do, does, or did; None while nobody can say."""
    run = snapshot.state.steps[step]
    return snapshot.previews.get(step) if run.state is StepState.PENDING else run.plan


def named(snapshot: Snapshot, step: str) -> str:
    """`7 Restore the newest backup`, for sentences."""
    return f"{number_of(snapshot, step)} {title_of(snapshot, step)}"


_STEP = re.compile(r"\b([Ss]tep )([A-Za-z0-9_-]+)")


def with_numbers(snapshot: Snapshot, text: str) -> str:
    """`step 7 (restore)` for the driver's `step restore`: the list shows numbers."""

    def numbered(found: re.Match[str]) -> str:
        number = number_of(snapshot, found[2])
        return f"{found[1]}{number} ({found[2]})" if number else found[0]

    return _STEP.sub(numbered, text)


def refusal(snapshot: Snapshot, error: DrbookError) -> str:
    """What was refused and what to do instead, on one line of a dialog that stays open."""
    return with_numbers(snapshot, plain(f"{error.what} {error.next}", 400))


def unsettled(run: StepRun) -> bool:
    """Whether an ended step still needs a person's decision."""
    return run.state in UNSETTLED and run.accepted is None


def next_for_you(snapshot: Snapshot) -> str | None:
    """The step that needs the operator first: an answer, a doubt, a start, or a failure."""
    if snapshot.state.closed_at is not None or snapshot.broken:
        return None
    decision, steps = snapshot.decision, snapshot.state.steps
    asked = (step for step in decision.awaiting if step not in snapshot.cooling)
    doubts = (run.id for run in steps.values() if run.state is StepState.IN_DOUBT)
    again = {step for step in steps if runs_again(snapshot, step)}
    ready = (step for step in snapshot.state.order if step in again or step in decision.ready)
    open_ends = (run.id for run in steps.values() if unsettled(run))
    return next(chain(asked, doubts, ready, open_ends, decision.unclear), None)


def runs_again(snapshot: Snapshot, step: str) -> bool:
    """Whether it is stale and nothing stands in the way of running it again."""
    stale = snapshot.state.steps[step].state is StepState.STALE
    return stale and not may_run(snapshot.runbook, snapshot.state, step)


def wanting(snapshot: Snapshot) -> list[str]:
    """Every step that needs somebody: what is unsettled or waits for an answer first, then what is ready."""
    if snapshot.state.closed_at is not None or snapshot.broken:
        return []
    decision = snapshot.decision
    open_ends = [run.id for run in snapshot.state.steps.values() if unsettled(run)]
    asked = [step for step in decision.awaiting if step not in snapshot.cooling]
    return list(dict.fromkeys([*open_ends, *asked, *decision.unclear, *decision.ready]))


def took(run: StepRun, now: datetime) -> timedelta | None:
    """How long the latest attempt took, or runs already; None before it began."""
    begun = run.started_at or run.planned_at
    if begun is None or run.state in (StepState.PENDING, StepState.SKIPPED, StepState.STALE):
        return None
    if run.state in (StepState.STARTED, StepState.AWAITING):
        return now - begun
    return run.ended_at - begun if run.ended_at is not None else None


def time_column(snapshot: Snapshot, step: str, now: datetime) -> str:
    """What the step list shows at the right: a time where there is one, else a word."""
    run = snapshot.state.steps[step]
    status = status_of(snapshot, step)
    spent = took(run, now)
    if run.state is StepState.AWAITING:
        return "you" if status is _AWAITING else "soon"
    if run.state in (StepState.SUCCEEDED, StepState.STARTED) and spent is not None:
        return short_clock(spent)
    short = {
        "could not verify": "unverified",
        "not verified, accepted": "accepted",
        "not exercised": "planned",
        "condition unclear": "unclear",
        "pending": "",
    }
    return short.get(status.word, status.word)


def short_clock(value: timedelta) -> str:
    """`0:41`, `12:05`, `1:02:03`."""
    text = clock_duration(value)
    return text[2:].lstrip("0").rjust(4, "0") if text.startswith("0:") else text


__all__ = [
    "PLAIN",
    "Status",
    "named",
    "next_for_you",
    "number_of",
    "plan_of",
    "short_clock",
    "status_of",
    "time_column",
    "title_of",
    "took",
    "unsettled",
    "wanting",
]
