"""The step's pane: why, what will happen and what it touches; then how it goes, and what came out."""

import io
from collections.abc import Sequence
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from drbook.app.model import Snapshot
from drbook.core.doubt import looked_at
from drbook.core.engine import Readiness
from drbook.core.events import Effect, Plan
from drbook.core.results import HTTP, SHELL, SQL
from drbook.core.state import StepRun, StepState, lacks, said_no
from drbook.core.values import plain, plain_lines, show_duration
from drbook.tui.clocks import past_words
from drbook.tui.colours import BUSY, DIM, GOOD, PLAIN, STRONG, URGENT, WARN
from drbook.tui.evidence import evidence
from drbook.tui.paint import cut, fields, numbered, progress_lines, said, spread
from drbook.tui.signs import (
    named,
    next_for_you,
    number_of,
    plan_of,
    short_clock,
    status_of,
    title_of,
    took,
    with_numbers,
)


def pane(snapshot: Snapshot, step: str, now: datetime, width: int, height: int) -> RenderableType:
    """Everything about one step that matters now, the most urgent first."""
    run = snapshot.state.steps[step]
    parts: list[RenderableType] = [_title(snapshot, step, run, now, width), Text("")]
    ended = run.state not in (StepState.PENDING, StepState.AWAITING, StepState.STARTED)
    if ended:
        parts += _how_it_ended(snapshot, run)
    plan = plan_of(snapshot, step)
    before = past_words(snapshot.past.get(step), now)
    running = run.state is StepState.STARTED
    parts += _what_it_does(snapshot, step, plan, before, compact=ended or running)
    can_do = _what_you_can_do(snapshot, step, run, now)
    if running:
        room = height - _high([*parts, *can_do], width)
        parts += [*_how_it_goes(snapshot, step, width, room), *can_do]
    elif ended and run.action in PRINTS:  # as long as it is: what to do next stands before it
        found = evidence(run, width, height)
        parts += [*can_do, *([Text(""), found] if found is not None else [])]
    else:
        found = evidence(run, width, height - 8) if ended else None
        parts += [*([Rule(style=DIM), found] if found is not None else []), *can_do]
    if (ended or running) and plan is not None:
        parts += [Text(""), Rule(style=DIM), *_details(snapshot, step, plan, before, below=True)]
    return Group(*parts)


_MEASURE = Console(file=io.StringIO(), color_system=None, force_terminal=False)


def _high(parts: Sequence[RenderableType], width: int) -> int:
    """How many lines they take."""
    return len(_MEASURE.render_lines(Group(*parts), _MEASURE.options.update_width(width)))


def _title(snapshot: Snapshot, step: str, run: StepRun, now: datetime, width: int) -> Text:
    status = status_of(snapshot, step)
    left = Text.assemble(
        (f"{number_of(snapshot, step)}  ", DIM), said(title_of(snapshot, step), STRONG)
    )
    spent = took(run, now)
    time = f" {short_clock(spent)}" if spent is not None and run.attempt else ""
    attempt = f" (attempt {run.attempt})" if run.attempt > 1 else ""
    return spread(
        left, Text(f"{status.sign} {status.word}{time}{attempt}", style=status.style), width
    )


def _what_it_does(
    snapshot: Snapshot, step: str, plan: Plan | None, before: str, *, compact: bool
) -> list[RenderableType]:
    written = snapshot.runbook.step(step).step
    rows: list[tuple[str, RenderableType]] = []
    if written.why and not compact:
        rows.append(("WHY", said(written.why)))
    view = snapshot.decision.view(step)
    if problem := snapshot.preview_problems.get(step):
        rows.append(("CANNOT", said(problem, URGENT)))
    elif view.readiness in (Readiness.BLOCKED, Readiness.ERROR, Readiness.SKIP) and view.reason:
        rows.append(("WAITS", said(with_numbers(snapshot, view.reason), DIM)))
    if plan is None:
        rows.append(("DOES", said(f"{written.do}; the details are known once it may start", DIM)))
        return [fields(rows)]
    for label, text in (("FROM", plan.source), ("INTO", plan.into)):
        if text:
            rows.append((label, said(text)))
    parts: list[RenderableType] = [fields(rows)] if rows else []
    return parts if compact else parts + _details(snapshot, step, plan, before)


def _details(
    snapshot: Snapshot, step: str, plan: Plan, before: str, *, below: bool = False
) -> list[RenderableType]:
    """Everything that a plan says, exactly; `below` how it goes or ended, with why it is done at all."""
    written = snapshot.runbook.step(step).step
    why = said(written.why) if below and written.why else None
    rows: list[tuple[str, RenderableType]] = [("WHY", why)] if why is not None else []
    rows.append(("DOES", numbered([plain(line, 4000) for line in plan.does])))
    if plan.runs:
        rows.append(("RUNS", _literal(plan.runs)))
    rows.append(("TOUCHES", said(plan.touches)))
    if plan.expects or before:
        rows.append(("EXPECT", said(" · ".join(one for one in (plan.expects, before) if one))))
    if plan.damage:
        rows.append(("DAMAGE", said(plan.damage, URGENT)))
    if plan.approve is not None:
        rows.append(("APPROVE", said(f"{plan.approve}, before it starts", WARN)))
    if plan.confirm is not None:
        rows.append(("CONFIRM", said(f"you type  {plan.confirm}  before it starts", WARN)))
    shown = below and bool(written.if_fails) and snapshot.state.steps[step].state in _FAILED
    if (told := if_fails(snapshot, step)) and not shown:
        rows.append(("IF FAILS", said(told)))
    if written.notes:
        rows.append(("NOTES", said(written.notes, DIM)))
    return [fields(rows)]


_FAILED = frozenset({StepState.FAILED, StepState.COULD_NOT_VERIFY, StepState.REFUSED})
BY_PEOPLE = frozenset({"manual", "ask", "choose", "note"})
"""Actions that drbook does nothing in."""
PRINTS = (SHELL, SQL, HTTP)
"""Actions whose results are texts and tables of any length."""

_BY_EFFECT = {
    Effect.NONE: "it changes nothing outside: mend what it says and run it again (r)",
    Effect.IDEMPOTENT: "run it again (r): it begins anew, and uses nothing half-done",
    Effect.ONCE: "do not repeat it blindly: look first whether it happened",
}


def if_fails(snapshot: Snapshot, step: str) -> str:
    """What the operator does where the step fails: the runbook's own words, or what its effect allows."""
    written = snapshot.runbook.step(step).step
    run = snapshot.state.steps[step]
    effect = run.effect if run.attempt else snapshot.effects.get(step)
    said_of = _BY_EFFECT[effect] if effect is not None and written.do not in BY_PEOPLE else ""
    return written.if_fails or said_of


def _literal(lines: Sequence[str]) -> RenderableType:
    """What is sent or started, as it stands and the whole of it: where one line begins is marked, and a
    remark behind a command is fainter."""
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for line in lines:
        text = Text(plain_lines(line, 4000), style=PLAIN)
        at = text.plain.rfind("   # ")
        if at >= 0 and "\n" not in text.plain[at:]:
            text.stylize(DIM, at)
        table.add_row(Text("›", style=DIM), text)
    return table


def _how_it_ended(snapshot: Snapshot, run: StepRun) -> list[RenderableType]:
    """What came of it. Where it is not well, the runbook's own words come before drbook's."""
    own = snapshot.runbook.step(run.id).step.if_fails
    good = run.state in (StepState.SUCCEEDED, StepState.NOT_EXERCISED, StepState.SKIPPED)
    rows: list[tuple[str, RenderableType]] = []
    if run.reason:
        rows.append(("RESULT", Text(plain_lines(run.reason, 600), style=PLAIN if good else URGENT)))
    if run.means:
        rows.append(("MEANS", said(run.means, PLAIN if good else WARN)))
    if own and run.state in _FAILED:
        rows.append(("IF FAILS", said(own, WARN)))
    if run.next:
        rows.append(("DO NEXT", said(run.next, PLAIN if good else WARN)))
    if run.accepted is not None:
        rows.append(("ACCEPTED", said(run.accepted, WARN)))
    return [fields(rows)] if rows else []


def _how_it_goes(snapshot: Snapshot, step: str, width: int, room: int) -> list[RenderableType]:
    """How far it is, and as many of the newest lines of its tools as fill `room` lines."""
    parts: list[RenderableType] = [Rule(style=DIM)]
    live = snapshot.live.get(step)
    if live is not None:
        parts += progress_lines(live.progress[-5:], width)
    milestones = snapshot.state.steps[step].milestones[-3:]
    parts += [Text.assemble(("• ", BUSY), said(cut(text, width - 2))) for text in milestones]
    if live is not None:
        lines = max(1, room - len(parts))
        parts += [said(cut(line, width), DIM) for line in live.output[-lines:]]
    return parts


def _doubt(snapshot: Snapshot, step: str) -> list[Text]:
    """What the step's own probe saw, and what to do about it."""
    if step in snapshot.looking:
        return [Text("drbook is looking whether it happened …", style=BUSY)]
    seen = looked_at(snapshot.state, step)
    answer = "unknown" if seen is None else seen.answer
    lines = [said(f"{seen.note.at:%H:%M:%S}  {seen.note.text}", WARN)] if seen is not None else []
    return [*lines, Text(f"‼ {_SEEN[answer]}", style=URGENT)]


_SEEN = {
    "happened": "its own look says that it happened: Enter settles it, in your name",
    "did-not-happen": "its own look says that it did not happen: Enter settles it, in your name",
    "unknown": "nobody knows whether it happened: look yourself, then Enter settles it",
}
"""Of a step in doubt, by what its probe saw; a person decides."""


def _what_you_can_do(
    snapshot: Snapshot, step: str, run: StepRun, now: datetime
) -> list[RenderableType]:
    """The one thing that Enter does here, and where you are needed if not here."""
    lines: list[RenderableType] = [Text("")]
    if snapshot.watching:
        return [*lines, _closed(snapshot)] if snapshot.state.closed_at is not None else []
    starts = snapshot.cooling.get(step)
    if starts is not None:
        left = show_duration(max(starts - now, starts - starts))
        lines.append(Text(f"▲ starts in {left}. Escape takes it back.", style=WARN))
    elif run.state is StepState.AWAITING:
        missing = " and ".join(lacks(run))
        lines.append(Text(f"▶ it needs {missing} from you: press Enter", style=WARN))
    elif snapshot.decision.view(step).readiness.value == "ready":
        lines.append(Text("▶ press Enter to go on with this step", style=BUSY))
    elif run.state is StepState.IN_DOUBT:
        lines += _doubt(snapshot, step)
    elif run.state is StepState.COULD_NOT_VERIFY and run.accepted is None:
        lines.append(
            Text("? r runs it again · d goes on unverified, with your reason on record", style=WARN)
        )
    elif run.state in (StepState.FAILED, StepState.REFUSED, StepState.CANCELLED, StepState.STALE):
        lines.append(
            Text(
                "r decides anew · a ends the incident"
                if said_no(run)
                else "r runs it again · I edits an input · m does it yourself · s skips it with a "
                "reason",
                style=WARN,
            )
        )
    other = next_for_you(snapshot)
    if other is not None and other != step:
        lines.append(
            Text.assemble(("next for you: ", f"bold {BUSY}"), said(named(snapshot, other)))
        )
    elif snapshot.state.closed_at is not None:
        lines.append(_closed(snapshot))
    elif other is None and snapshot.decision.running:
        lines.append(_meanwhile(snapshot, step))
    elif snapshot.decision.finished:
        lines.append(
            Text.assemble(
                ("all steps have ended: ", f"bold {BUSY}"),
                said(
                    f"x closes the incident as {snapshot.outcome.word} "
                    f"({with_numbers(snapshot, snapshot.outcome.reason)})"
                ),
            )
        )
    return lines


def _meanwhile(snapshot: Snapshot, step: str) -> Text:
    """Nobody has to guess whether something is waited for that they should do."""
    others = [named(snapshot, one) for one in snapshot.decision.running if one != step]
    runs = f"{' and '.join(others)} runs by itself" if others else "it runs by itself"
    return Text.assemble(("nothing needs you now: ", f"bold {BUSY}"), said(runs))


def _closed(snapshot: Snapshot) -> Text:
    good = snapshot.state.exit_code == 0
    return Text.assemble(
        (f"CLOSED: {snapshot.state.outcome.upper()}  ", f"bold {GOOD if good else URGENT}"),
        said("e exports the timeline, q leaves"),
    )
