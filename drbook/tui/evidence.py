"""What the steps found, read from their results, and drawn short enough for the step's pane."""

from typing import TypeVar, cast

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from drbook.app.model import Snapshot
from drbook.core.choosing import restored_instead
from drbook.core.clocks import loss
from drbook.core.located import Located
from drbook.core.losing import LossFound
from drbook.core.points import Judgement
from drbook.core.preflight import Preflight, PreflightVerdict
from drbook.core.recovery import RecoveryReport
from drbook.core.results import (
    APPLY,
    PROBE,
    PROPOSE,
    REHEARSE,
    ApplyResult,
    DifferenceResult,
    ProposeResult,
    RehearseResult,
    RestoreResult,
    VerifyResult,
    read_result,
)
from drbook.core.state import StepRun, StepState
from drbook.core.targets import DatabaseProbe, DatabaseRef, LoadReport
from drbook.core.tried import Tried
from drbook.core.values import Frozen, Json
from drbook.tui.colours import DIM, GOOD, STRONG, URGENT, WARN
from drbook.tui.copies import backups_table, cost_line, could_not_look
from drbook.tui.difference import compared_databases
from drbook.tui.losses import sought_losses
from drbook.tui.outputs import printed
from drbook.tui.paint import cut, said, table_of
from drbook.tui.reviewed import merged, proposed_rows
from drbook.tui.rowcounts import verified_rows

R = TypeVar("R", bound=Frozen)

_READ: dict[tuple[type[Frozen], int], tuple[object, Frozen | None]] = {}
"""Results that were read lately, by the place of what was recorded: a screen asks many times a second."""


def _result(model: type[R], value: Json) -> R | None:
    known = _READ.get((model, id(value)))
    if known is None or known[0] is not value:
        if len(_READ) > 32:
            _READ.clear()
        known = _READ[(model, id(value))] = (value, read_result(model, value))
    return cast("R | None", known[1])


def _latest_run(snapshot: Snapshot, action: str, model: type[R]) -> tuple[StepRun, R] | None:
    runs = [run for run in snapshot.state.steps.values() if run.action == action and run.ended_at]
    for run in sorted(runs, key=lambda one: str(one.ended_at), reverse=True):
        if (found := _result(model, run.result)) is not None:
            return run, found
    return None


def _latest(snapshot: Snapshot, action: str, model: type[R]) -> R | None:
    found = _latest_run(snapshot, action, model)
    return found[1] if found else None


def located_in(snapshot: Snapshot) -> Located | None:
    located = _latest(snapshot, "backups.locate", Located)
    restored = _latest_run(snapshot, "postgres.restore", RestoreResult)
    if located is None or restored is None or restored[0].state is StepState.STALE:
        return located
    return restored_instead(located, restored[1])


def located_step(snapshot: Snapshot) -> str | None:
    """The step that located what `located_in` tells."""
    found = _latest_run(snapshot, "backups.locate", Located)
    return found[0].id if found else None


def verified_in(snapshot: Snapshot) -> VerifyResult | None:
    return _latest(snapshot, "postgres.verify", VerifyResult)


def verified_now(snapshot: Snapshot) -> VerifyResult | None:
    """The same, as far as it still counts: None where what was counted is not what is restored now."""
    found = _latest_run(snapshot, "postgres.verify", VerifyResult)
    return found[1] if found and found[0].state is not StepState.STALE else None


def proposed_now(snapshot: Snapshot) -> ProposeResult | None:
    """What is proposed for a production that lives on, as far as it still counts."""
    found = _latest_run(snapshot, PROPOSE, ProposeResult)
    return found[1] if found and found[0].state is not StepState.STALE else None


def rehearsed_now(snapshot: Snapshot) -> RehearseResult | None:
    """What the rehearsal of that showed, as far as it still counts."""
    found = _latest_run(snapshot, REHEARSE, RehearseResult)
    return found[1] if found and found[0].state is not StepState.STALE else None


def loss_in(snapshot: Snapshot) -> tuple[int | None, bool]:
    """Seconds of data that are lost, as far as is known, and whether it may be more."""
    return loss(snapshot.state.occurred, located_in(snapshot), verified_now(snapshot))


def evidence(run: StepRun, width: int, height: int) -> RenderableType | None:
    """The result of a step in at most about `height` lines; what commands printed is longer, and the pane
    scrolls."""
    if run.action == PROBE:
        probe = _result(DatabaseProbe, run.result)
        return _probe(probe) if probe else None
    if run.action == "backups.locate":
        located = _result(Located, run.result)
        return _located(located, width, height) if located else None
    if run.action == "postgres.restore":
        restored = _result(RestoreResult, run.result)
        return _restored(restored, width) if restored else None
    if run.action in ("postgres.verify", "postgres.compare_baseline"):
        verified = _result(VerifyResult, run.result)
        return verified_rows(verified, width, height) if verified else None
    if run.action == "postgres.difference":
        compared = _result(DifferenceResult, run.result)
        return compared_databases(compared.difference, height) if compared else None
    if run.action == PROPOSE:
        proposed = _result(ProposeResult, run.result)
        return proposed_rows(proposed, height) if proposed else None
    if run.action == REHEARSE:
        rehearsed = _result(RehearseResult, run.result)
        return merged(rehearsed.rehearsal, height) if rehearsed else None
    if run.action == APPLY:
        applied = _result(ApplyResult, run.result)
        return merged(applied, height) if applied else None
    if run.action == "postgres.find_loss":
        sought = _result(LossFound, run.result)
        return sought_losses(sought, width, height) if sought else None
    return printed(run, width)


def _probe(probe: DatabaseProbe) -> RenderableType:
    style = {"available": GOOD, "loss": URGENT}.get(probe.diagnosis, WARN)
    words = {
        "available": "✓ AVAILABLE: the database answers",
        "loss": "✗ LOSS: no answer, and the volume is gone",
        "outage": "? OUTAGE: no answer, but the volume is still there",
        "unknown": "? UNKNOWN: nobody can tell from here whether data is lost",
    }
    return Text(words[probe.diagnosis], style=style)


def _by_hand(connect: DatabaseRef) -> list[Text]:
    """How a person looks at the restored database: with the login that only reads."""
    lines = [said(f"psql -h {connect.host} -U {connect.user} {connect.dbname}")]
    if connect.password is not None and connect.password.startswith("file:"):
        lines.append(said(f"  its password: {connect.password.removeprefix('file:')}", DIM))
    return lines


def _restored(result: RestoreResult, width: int) -> RenderableType:
    target = result.target
    lines = [
        Text.assemble(
            ("✓ ", GOOD),
            said(f"{target.kind} {target.name}", STRONG),
            said(f"  {target.proof}", DIM),
        ),
        *_by_hand(target.connect),
    ]
    lines += [_tried(one, target.name) for one in result.beside]
    if result.recovery is not None:
        lines += _recovered(result.recovery)
    if result.load is not None:
        lines += _loaded(result.load)
    if result.preflight is None:
        return Group(*lines)
    return Group(*lines, preflight_table(result.preflight, width))


def _tried(one: Tried, won: str) -> Text:
    """One of several that were restored at the same time."""
    good = one.ended == "verified"
    sign = "✓" if good and one.target == won else "▲" if good or one.ended == "left" else "·"
    style = GOOD if good else WARN if one.ended == "left" else DIM
    return said(f"{sign} beside: {one.show()}", style)


def _recovered(report: RecoveryReport) -> list[Text]:
    early = report.ended_before_aim or bool(report.broken or report.repeats)
    lines = [said(f"{'▲' if early else '✓'} {report.show()}", WARN if early else GOOD)]
    lines.append(said(f"  aim: {report.aim.show()}; {report.wal_files} files of WAL", DIM))
    lines.append(
        said("✓ isolated: it archives nothing, follows nobody, and was asked for that", DIM)
    )
    return lines


def _loaded(load: LoadReport) -> list[Text]:
    lines = []
    if load.left_out:
        left = ", ".join(load.left_out)
        lines.append(said(f"? not loaded, only a superuser could create it: {left}", WARN))
    if load.roles_standing_in:
        roles = ", ".join(load.roles_standing_in)
        lines.append(said(f"? roles that stand in without login: {roles}", WARN))
    if load.roles_made:
        made = ", ".join(load.roles_made)
        lines.append(said(f"✓ roles of the globals file, without login: {made}", DIM))
    if load.rights_left:
        lines.append(said("▲ to be given back before cutover:", WARN))
        lines += [said(f"    {each}", WARN) for each in load.rights_left]
    return lines


PREFLIGHT = {
    PreflightVerdict.OK: ("✓", GOOD),
    PreflightVerdict.DIFFERS: ("▲", WARN),
    PreflightVerdict.STOPS: ("✗", URGENT),
    PreflightVerdict.UNKNOWN: ("?", WARN),
}


def preflight_table(page: Preflight, width: int) -> Table:
    """What was looked at before the load, what is not as it was first."""
    table = table_of(
        ("before loading", "left"), ("", "left"), ("found", "left"), ("wanted", "left")
    )
    items = sorted(page.items, key=lambda item: item.verdict is PreflightVerdict.OK)
    room = max(12, (width - 34) // 3)
    for item in items:
        sign, style = PREFLIGHT[item.verdict]
        table.add_row(
            said(item.what),
            Text(f"{sign} {item.verdict.value}", style=style),
            said(cut(item.found, room)),
            said(cut(item.wanted, room)),
            said(cut(item.words, width), DIM),
        )
    return table


# --- backups ---------------------------------------------------------------------------------


def _located(located: Located, width: int, height: int) -> RenderableType:
    if not located.judgements:
        return Group(*could_not_look(located), cost_line(located))
    shown = _with_chosen(located, max(3, height - 4 - len(located.unreachable)))
    left = len(located.judgements) - len(shown)
    more = [said(f"{left} more: press b", DIM)] if left > 0 else []
    return Group(backups_table(located, width, shown), *more, cost_line(located))


def _with_chosen(located: Located, room: int) -> tuple[Judgement, ...]:
    """The newest copies, and always the one that was chosen."""
    first = located.judgements[:room]
    if located.point is None or any(each.point.key == located.point.key for each in first):
        return first
    chosen = [each for each in located.judgements if each.point.key == located.point.key]
    return (*located.judgements[: room - 1], *chosen)
