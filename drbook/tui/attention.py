"""What reaches somebody who looks elsewhere: the window's title, word of a long step that ended, and of what is
due to be told."""

from collections.abc import Callable
from datetime import datetime, timedelta

from drbook.app.model import Incident, Snapshot
from drbook.core.state import StepState
from drbook.core.timers import due
from drbook.core.values import plain, show_duration
from drbook.tui.clocks import due_words
from drbook.tui.signs import named, next_for_you, status_of

_MODES = {"live": "LIVE", "drill": "REHEARSAL", "dry-run": "DRY RUN"}
_ENDED = frozenset(StepState) - {StepState.PENDING, StepState.AWAITING, StepState.STARTED}


def window_title(snapshot: Snapshot, *, watching: bool) -> str:
    """`LIVE · Production Postgres deleted · needs you: 4 Revoke the token`: the most urgent first, for a
    title is cut at its end."""
    state = snapshot.state
    mode = _MODES.get(state.mode.value, state.mode.value)
    parts = [f"WATCHING {mode}" if watching else mode, plain(state.title, 60)]
    return " · ".join([*parts, standing(snapshot)])


def standing(snapshot: Snapshot) -> str:
    """How the incident stands, in a few words."""
    state = snapshot.state
    if state.closed_at is not None:
        return f"closed: {state.outcome}"
    if snapshot.broken:
        return "NOT WRITTEN"
    wanted = next_for_you(snapshot)
    if wanted is not None:
        doubt = state.steps[wanted].state is StepState.IN_DOUBT
        return f"{'IN DOUBT' if doubt else 'needs you'}: {plain(named(snapshot, wanted), 60)}"
    running = snapshot.decision.running
    if running:
        more = f" and {len(running) - 1} more" if len(running) > 1 else ""
        return f"running {plain(named(snapshot, running[0]), 60)}{more}"
    return "all steps have ended" if snapshot.decision.finished else "waiting"


def long_ends(before: Snapshot, after: Snapshot, seconds: int) -> list[str]:
    """Steps that ended between the two snapshots and had taken that long, in words."""
    if seconds <= 0 or before.state is after.state:
        return []
    found = []
    for step, run in after.state.steps.items():
        was = before.state.steps.get(step)
        if was is None or was is run or was.state is not StepState.STARTED:
            continue
        if run.state not in _ENDED or run.started_at is None or run.ended_at is None:
            continue
        took = run.ended_at - run.started_at
        if took >= timedelta(seconds=seconds):
            word = status_of(after, step).word
            found.append(f"{named(after, step)}: {word} after {show_duration(took)}")
    return found


def reminders(snapshot: Snapshot, now: datetime) -> dict[str, str]:
    """What somebody has to be told of right now: a key for each occasion, and its words. An update when it is
    due; a notification when a tenth of its time is left, and when it is over."""
    spans = {one.name: one.after for one in snapshot.runbook.document.deadlines}
    found = {}
    for one in due(snapshot.state, snapshot.runbook, now):
        if one.left <= timedelta(0):
            occasion = "over"
        elif one.kind == "deadline" and one.left < spans.get(one.name, timedelta(0)) / 10:
            occasion = "soon"
        else:
            continue
        words = due_words(one, 60) if one.left else f"{one.name}: due now"
        found[f"{one.kind} {one.name} {one.at.isoformat()} {occasion}"] = words
    return found


class Attention:
    """Follows an incident from the driver's thread, and tells each change once."""

    def __init__(
        self, incident: Incident, tell: Callable[[str, list[str]], None], *, watching: bool
    ) -> None:
        """`tell` gets the window's title and what has ended; it is called in the driver's thread."""
        self.bell = 0
        self._tell, self._watching = tell, watching
        self._before = incident.snapshot
        self._title = ""
        self._reminded: set[str] = set()
        self.end = incident.subscribe(self._see)

    def _see(self, snapshot: Snapshot) -> None:
        before, self._before = self._before, snapshot
        title = window_title(snapshot, watching=self._watching)
        ended = long_ends(before, snapshot, self.bell)
        if ended or title != self._title:
            self._title = title
            self._tell(title, ended)

    def remind(self, now: datetime) -> list[str]:
        """In the screen's thread: what has become due since it was asked last, each once."""
        found = reminders(self._before, now)
        fresh = [words for key, words in found.items() if key not in self._reminded]
        self._reminded |= found.keys()
        return fresh
