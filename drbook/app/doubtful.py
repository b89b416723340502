"""Steps in doubt, told to whoever has no screen: what is known of each, and what to type to settle it."""

import shlex
from collections.abc import Mapping, Sequence

from drbook.app.model import Resolve, Snapshot
from drbook.core.doubt import looked_at
from drbook.core.engine import used_by
from drbook.core.errors import UsageError
from drbook.core.events import Effect, Mode
from drbook.core.state import IncidentState, StepRun, in_doubt
from drbook.core.values import Json, format_time, plain

HAPPENED, NOT_HAPPENED = "happened", "did-not-happen"


def settling(given: Sequence[str], because: str) -> tuple[Resolve, ...]:
    """What `--settle STEP=ANSWER` and `--because REASON` ask for. Raises UsageError."""
    if bool(given) != bool(because.strip()):
        raise _unclear("--settle STEP=ANSWER and --because REASON go together.")
    found: dict[str, Resolve] = {}
    for each in given:
        step, _, answer = each.partition("=")
        if not step or answer not in (HAPPENED, NOT_HAPPENED):
            raise _unclear(f"{plain(each, 100)!r} settles nothing.")
        if step in found:
            raise _unclear(f"Step {plain(step, 60)} is settled twice.")
        found[step] = Resolve(step, "succeeded" if answer == HAPPENED else "failed", because)
    return tuple(found.values())


def _unclear(what: str) -> UsageError:
    return UsageError(
        what,
        means="Nothing was settled and nothing was resumed.",
        next=f"Write it like: --settle restore={NOT_HAPPENED} --because 'what you saw'; the other answer is "
        f"{HAPPENED}.",
    )


def doubts(snapshot: Snapshot, resume: str) -> list[Json]:
    """Each step in doubt with what its attempt made or meant to make, what was seen of it, and the command
    that settles it; `resume` is the command by which this incident is gone on with."""
    return [_doubt(snapshot, step, resume) for step in in_doubt(snapshot.state)]


def _doubt(snapshot: Snapshot, step: str, resume: str) -> Json:
    state, run = snapshot.state, snapshot.state.steps[step]
    users = used_by(snapshot.runbook, step)
    seen = looked_at(state, step)
    command = (
        f"{resume} --headless --settle {shlex.quote(f'{step}={NOT_HAPPENED}')} --because REASON"
    )
    return {
        "step": step,
        "attempt": run.attempt,
        "action": run.action,
        "effect": run.effect.value,
        "started": format_time(run.started_at) if run.started_at else None,
        "reason": run.reason,
        "made": _made(state, run),
        "seen": seen.note.text if seen is not None else None,
        "answers": [NOT_HAPPENED] if users else [NOT_HAPPENED, HAPPENED],
        "means": _means(state, run, users),
        "next": _next(run),
        "command": command,
    }


def _made(state: IncidentState, run: StepRun) -> list[Json]:
    return [
        {
            "kind": one.kind,
            "name": one.name,
            "location": one.location,
            "created": one.created,
            "host": one.host,
        }
        for one in state.resources
        if (one.step, one.attempt) == (run.id, run.attempt)
    ]


def _means(state: IncidentState, run: StepRun, users: Sequence[str]) -> str:
    parts = []
    if _made(state, run):
        parts.append(
            "What it made may be half-filled: it is never used again"
            + (", and a drill takes it away" if state.mode is Mode.DRILL else ", nor removed")
            + "; a new attempt makes another"
        )
    elif run.effect is Effect.IDEMPOTENT:
        parts.append("It may be done again without harm")
    else:
        parts.append("Done again, it may be done twice")
    if users:
        parts.append(
            f"it cannot count as happened: {', '.join(users)} would use what nobody recorded"
        )
    return "; ".join(parts) + "."


def _next(run: StepRun) -> str:
    if run.effect is Effect.IDEMPOTENT:
        return "Settle it as not happened, with what you saw; it is run again at once:"
    return (
        "Look whether it happened, where it would show, and settle it with what you saw; once settled as not "
        "happened, the screen runs it again (r):"
    )


def doubt_lines(told: Json) -> list[str]:
    """The same for a person, each line with its label."""
    lines = []
    for one in told if isinstance(told, list) else ():
        if isinstance(one, Mapping):
            lines += _lines(one)
    return lines


def _lines(one: Mapping[str, Json]) -> list[str]:
    lines = [
        f"IN DOUBT       {one['step']}, attempt {one['attempt']}: {plain(str(one['reason']), 300)}"
    ]
    made = one["made"]
    for each in made if isinstance(made, list) else ():
        if isinstance(each, Mapping):
            how = "made" if each["created"] else "meant to make"
            where = f"{each['kind']} {each['name']} in {each['location']} on {each['host']}"
            lines.append(f"               {how}: {plain(where, 400)}")
    if one["seen"]:
        lines.append(f"               {plain(str(one['seen']), 400)}")
    lines.append(f"               {one['means']}")
    lines.append(f"               {one['next']}")
    lines.append(f"settle it      {plain(str(one['command']), 600)}")
    answers = one["answers"]
    if isinstance(answers, list) and HAPPENED in answers:
        lines.append(f"               or ={HAPPENED}, where you know that it did")
    return lines
