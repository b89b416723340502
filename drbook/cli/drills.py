"""`drbook drills`: how a runbook's rehearsals went, their trend, and whether the newest is worse."""

import math

import click

from drbook.app.cleaning import told_before
from drbook.app.drills import History, history
from drbook.app.places import home
from drbook.app.shipped import open_runbook
from drbook.cli.output import print_json, print_table, say, tell
from drbook.core.drills import (
    Against,
    Change,
    Drill,
    Estimate,
    Trend,
    Verdict,
    estimate,
    exercised,
    phases_changed,
    steps_changed,
    trend,
)
from drbook.core.errors import ExitCode, UsageError
from drbook.core.events import Mode
from drbook.core.runbook import Runbook
from drbook.core.values import Json, format_time, parse_size, show_size, show_time
from drbook.timeline import trend as drawn

CODES = {
    Verdict.STEADY: ExitCode.DONE,
    Verdict.REGRESSED: ExitCode.FAILED,
    Verdict.UNKNOWN: ExitCode.COULD_NOT_VERIFY,
}


@click.command("drills")
@click.argument("runbook")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option(
    "--fail-on",
    "limit",
    type=float,
    metavar="FACTOR",
    help="Exit code 1 where the newest drill took more than FACTOR times the median of the earlier ones.",
)
@click.option("--size", metavar="SIZE", help="How large today's copy is, like 40GiB.")
def command(runbook: str, as_json: bool, limit: float | None, size: str | None) -> int:
    """List the rehearsals and live incidents of RUNBOOK on this machine, and what they took.

    With --fail-on the exit code is 1 on a regression and 5 where there is nothing to compare.
    """
    if limit is not None and not (math.isfinite(limit) and limit >= 1):
        raise UsageError(
            f"--fail-on {limit} is no factor.", next="Give a number from 1 on, like 1.5."
        )
    loaded = open_runbook(runbook)
    found = history(home(), loaded)
    point = found.newest_copy
    whence = f"seen at {show_time(found.seen_at)}" if found.seen_at else "stated"
    today = point.size if point is not None else None
    if size is not None:
        today, whence = _size(size), "stated"
    ahead = estimate(found.drills, today, point.format if point is not None else "")
    held = None if limit is None else trend(found.drills, limit, found.newer_unread)
    if as_json:
        print_json(_document(found, loaded, held, ahead, today))
    else:
        _print(found, loaded, held, drawn.forecast(ahead, today, whence))
    return int(ExitCode.DONE if held is None else CODES[held.verdict])


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise UsageError(f"--size: {error}.", next="Write it like 40GiB.") from None


def _print(found: History, runbook: Runbook, held: Trend | None, ahead: str) -> None:
    for name in found.unread:
        say(f"Not read, and not counted: the record of incident {name}.")
    if found.drills:
        _print_runs(found, runbook)
    else:
        say(f"No run of this runbook is on record in {home().incidents}.")
    for line in told_before(home()):
        say(line)
    tell(ahead)
    if held is None:
        return
    for remark in held.remarks:
        tell(f"LOOK AT  {remark}")
    tell(f"{held.verdict.value.upper()}  {held.why}")


def _print_runs(found: History, runbook: Runbook) -> None:
    rows = [
        (
            f"{one.opened_at:%Y-%m-%d %H:%M}",
            "LIVE" if one.mode is Mode.LIVE else one.mode.value,
            one.outcome,
            drawn.against(one.rpo),
            drawn.against(one.rto),
            "" if one.restored is None else show_size(one.restored.bytes),
            "" if one.runbook_sha256 == runbook.sha256 else "*",
        )
        for one in found.drills
    ]
    print_table(("when (UTC)", "mode", "outcome", "lost", "restored in", "bytes", ""), rows, (5,))
    if any(row[-1] for row in rows):
        tell("* by another version of the runbook: its digest differs from that of the file now")
    tell("")
    for line in drawn.chart(found.drills):
        tell(line)
    header = ("worked in the newest run", "newest", "median before", "")
    for changed in (phases_changed(found.drills), steps_changed(found.drills)):
        if changed:
            tell("")
            print_table(header, drawn.changes(changed), (1, 2, 3))
            header = ("step", "newest", "median before", "")
    newest = next(iter(exercised(found.drills)), None)
    if newest is not None and newest.slowest:
        tell("")
        slow = (f"{one.step} {drawn.seconds(one.seconds)}" for one in newest.slowest)
        tell(f"The slowest of it: {', '.join(slow)}.")


def _document(
    found: History, runbook: Runbook, held: Trend | None, ahead: Estimate, today: int | None
) -> Json:
    return {
        "runbook": {"title": runbook.title, "sha256": runbook.sha256},
        "runs": [_run(one, runbook.sha256) for one in found.drills],
        "unread": list(found.unread),
        "phases": [_change(one) for one in phases_changed(found.drills)],
        "steps": [_change(one) for one in steps_changed(found.drills)],
        "estimate": {
            "bytes": today,
            "likely_seconds": _rounded(ahead.likely),
            "least_seconds": _rounded(ahead.least),
            "most_seconds": _rounded(ahead.most),
            "runs": ahead.runs,
            "why": ahead.why,
        },
        "trend": None
        if held is None
        else {
            "verdict": held.verdict.value,
            "why": held.why,
            "newest_seconds": _rounded(held.newest),
            "median_seconds": _rounded(held.median),
            "factor": _rounded(held.factor),
            "earlier": held.earlier,
            "remarks": list(held.remarks),
        },
    }


def _run(drill: Drill, sha256: str) -> Json:
    restored = drill.restored
    return {
        "incident": drill.incident,
        "mode": drill.mode.value,
        "opened_at": format_time(drill.opened_at),
        "outcome": drill.outcome,
        "exit_code": drill.exit_code,
        "runbook_sha256": drill.runbook_sha256,
        "same_runbook": drill.runbook_sha256 == sha256,
        "rpo": _objective(drill.rpo),
        "rto": _objective(drill.rto),
        "phases": {name: _rounded(value) for name, value in drill.phases.items()},
        "steps": [
            {
                "step": one.step,
                "phase": one.phase or None,
                "state": one.state,
                "seconds": _rounded(one.seconds),
                "waited_seconds": _rounded(one.waited),
            }
            for one in drill.parts
        ],
        "slowest": [one.step for one in drill.slowest],
        "restored_bytes": None if restored is None else restored.bytes,
        "restore_seconds": None if restored is None else _rounded(restored.seconds),
    }


def _objective(value: Against) -> Json:
    return {
        "measured_seconds": _rounded(value.measured),
        "objective_seconds": _rounded(value.objective),
        "at_least": value.at_least,
        "met": value.met,
    }


def _change(change: Change) -> Json:
    return {
        "name": change.name,
        "phase": change.phase or None,
        "newest_seconds": _rounded(change.newest),
        "median_seconds": _rounded(change.median),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
