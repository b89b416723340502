"""From what a planned step lacks to the dialog that asks for it, and from its answer to a command."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.text import Text
from textual.screen import ModalScreen

from drbook.app.model import Answer, Command, Confirm, Snapshot
from drbook.core.clocks import merges, verifying
from drbook.core.comparison import TableComparison
from drbook.core.events import Plan, Question
from drbook.core.remarks import before_users
from drbook.core.results import LOCATE, RESTORE, VERIFY, VerifyResult
from drbook.core.reviewed import RIGHTLY
from drbook.core.state import StepRun, lacks
from drbook.core.values import counted, plain, show_duration
from drbook.tui.approving import approving
from drbook.tui.colours import URGENT, WARN
from drbook.tui.confirming import ConfirmDialog
from drbook.tui.dialogs import WHY, ChoiceDialog, Chosen, WordsDialog, labelled
from drbook.tui.evidence import loss_in, proposed_now, rehearsed_now, verified_now
from drbook.tui.heard import Heard
from drbook.tui.paint import said
from drbook.tui.rowcounts import summary_line
from drbook.tui.signs import named

Ended = Chosen | str | None


@dataclass(frozen=True, slots=True)
class Asking:
    """A dialog, and what its end means; no command where the operator backed out."""

    dialog: ModalScreen[Chosen | None] | ModalScreen[str | None]
    command: Callable[[Ended], Command | None]
    elsewhere: bool = False
    """Whether it may be answered from another seat meanwhile."""
    follow: Callable[[Snapshot], bool] | None = None
    """Says in the open dialog how things stand by a newer snapshot, and by the clock; False where another dialog
    has to take its place. None where the dialog says nothing that changes."""

    @property
    def typed(self) -> str:
        """What stands in its line by now, and nobody has sent yet."""
        dialog = self.dialog
        return dialog.typed if isinstance(dialog, WordsDialog | ChoiceDialog) else ""


def asking(snapshot: Snapshot, step: str, clock: Callable[[], datetime]) -> Asking | None:
    """The dialog for the first thing that the step lacks; None where it lacks nothing."""
    run = snapshot.state.steps[step]
    missing = lacks(run)
    if run.plan is None or not missing:
        return None
    if missing[0] == "an answer" and run.plan.asks is not None:
        return _answer(snapshot, run, run.plan, run.plan.asks, clock)
    if missing[0] == "an approval" and run.plan.approve is not None:
        return _approval(snapshot, run, clock)
    if run.plan.confirm is not None:
        return _confirmation(snapshot, run, run.plan, run.plan.confirm)
    return None


def _answer(
    snapshot: Snapshot, run: StepRun, plan: Plan, question: Question, clock: Callable[[], datetime]
) -> Asking:
    title = named(snapshot, run.id)
    if question.kind == "text":
        hint = {
            "time": "A time in UTC: 19:04, 20m ago, now, or 2026-04-24 19:04.",
            "number": "A whole number.",
            "boolean": "yes or no",
        }.get(question.type, "")
        lines = [said(question.prompt), *([said(hint, WARN)] if hint else [])]
        heard = Heard(clock) if question.type == "time" else None
        dialog = WordsDialog(title, lines, needed="An answer is needed.", heard=heard)

        def from_text(ended: Ended) -> Command | None:
            return Answer(run.id, ended) if isinstance(ended, str) else None

        return Asking(dialog, from_text)
    words = {"done": "It is done", "not-done": "It cannot be done"}
    choices = [(each, words.get(each, each)) for each in question.choices]
    by_hand = question.kind == "done"
    lines = [said(plain(line, 4000)) for line in (plan.does if by_hand else (question.prompt,))]
    if by_hand and plan.damage:
        lines.append(said(plan.damage, URGENT))
    if not by_hand:
        lines += standing(snapshot)

    def from_choice(ended: Ended) -> Command | None:
        return Answer(run.id, ended.choice, ended.comment) if isinstance(ended, Chosen) else None

    needing = {"not-done": WHY} if by_hand else {}
    return Asking(ChoiceDialog(title, lines, choices, needing=needing), from_choice)


def standing(snapshot: Snapshot) -> list[Text]:
    """What a decision rests on: the copy that was taken, what was verified and what is lost; nothing in a
    runbook that neither restores nor verifies."""
    if not any(run.do in _RESTORING for run in (step.step for step in snapshot.runbook.steps)):
        return []
    verified = verified_now(snapshot)
    broken = [run for run in snapshot.state.steps.values() if run.break_glass]
    lines = [labelled("BREAK-GLASS", plain(run.reason, 400), URGENT) for run in broken]
    if verified is not None:
        lines.append(Text.assemble(("Verified  ", "bold"), summary_line(verified)))
    if verified is None:
        words = "nothing was verified"
        if any(run.by_hand for run in verifying(snapshot.state, snapshot.runbook)):
            words = "by hand only, by a person's word"
        lines.append(labelled("Verified", f"? {words}", URGENT))
    seconds, more = loss_in(snapshot)
    gone = "unknown" if seconds is None else show_duration(timedelta(seconds=seconds))
    gone = f"at least {gone}" if more else gone
    if merges(snapshot.runbook):
        lines += _merge_lines(snapshot)
        lines.append(
            labelled("In no copy", f"what was written in the {gone} before the loss", WARN)
        )
    else:
        lines.append(labelled("Lost", f"{gone} of data", WARN))
    if verified is not None and (tables := lost_tables(verified.comparison.tables)):
        lines.append(labelled("Lost rows", f"{tables}, against the baseline{_of(verified)}", WARN))
    if verified is not None:
        lines += first_to_do(verified)
    return lines


def _merge_lines(snapshot: Snapshot) -> list[Text]:
    """What is proposed for a production that lives on, with a row of each table's conflicts, and what the
    rehearsal of it showed."""
    proposed, rehearsed = proposed_now(snapshot), rehearsed_now(snapshot)
    if proposed is None:
        return [labelled("Proposed", "? nothing is proposed yet", URGENT)]
    tables = proposed.proposal.what.tables
    lines = [labelled("Proposed", one.in_words(), WARN) for one in tables[:_TABLES]]
    if len(tables) > _TABLES:
        lines.append(labelled("Proposed", f"{counted(len(tables) - _TABLES, 'more table')}", WARN))
    if any(one.missing.count for one in tables):
        lines.append(labelled("Mind", f"{RIGHTLY}.", WARN))
    if rehearsed is not None:
        return [*lines, labelled("Rehearsed", rehearsed.rehearsal.in_words())]
    for table, rows in list(proposed.conflicts.items())[:_TABLES]:
        lines += [labelled("Like", f"{plain(table, 130)}, {row.in_words()}") for row in rows[:1]]
    return lines


_TABLES = 5
"""Tables of a proposal that a decision tells of; all are in the step's pane."""


def first_to_do(verified: VerifyResult) -> list[Text]:
    """What has to be set right before users come, the first few of it."""
    found = before_users(verified.comparison.remarks)
    lines = [
        labelled("Before users come", plain(f"{one.check} {one.subject} {one.words}", 300), WARN)
        for one in found[:2]
    ]
    if len(found) > 2:
        lines.append(labelled("Before users come", f"{len(found) - 2} more like it (v)", WARN))
    return lines


_RESTORING = frozenset({LOCATE, RESTORE, VERIFY})


def _of(verified: VerifyResult) -> str:
    at = verified.comparison.baseline_at
    return f" of {at:%m-%d %H:%M} UTC; what came after it is not counted" if at else ""


def lost_tables(tables: Sequence[TableComparison]) -> str:
    """Tables that lost rows, the most first. A negative figure is no loss: the copy is newer than the baseline, and holds more."""
    lost = sorted(
        ((row.lost, row.table) for row in tables if row.lost and row.lost > 0), reverse=True
    )
    named_ones = ", ".join(f"{count:,} of {plain(table, 60)}" for count, table in lost[:3])
    rest = lost[3:]
    more = sum(count for count, _ in rest)
    return named_ones + (
        f", and {more:,} of {counted(len(rest), 'other table')} (v)" if rest else ""
    )


def _confirmation(snapshot: Snapshot, run: StepRun, plan: Plan, name: str) -> Asking:
    lines = [said(plan.damage, URGENT)] if plan.damage else []
    lines += [said(plain(line, 4000)) for line in plan.does]
    lines += [labelled("Runs", line) for line in plan.runs]
    lines.append(labelled("Touches", plan.touches))
    lines += standing(snapshot)
    dialog = ConfirmDialog(
        named(snapshot, run.id), lines, name, go="Go on", cool_off_seconds=plan.cool_off_seconds
    )
    return Asking(dialog, lambda typed: Confirm(run.id, typed) if isinstance(typed, str) else None)


def _approval(snapshot: Snapshot, run: StepRun, clock: Callable[[], datetime]) -> Asking:
    made = approving(snapshot, run, clock)
    return Asking(made.dialog, made.command, elsewhere=made.signed, follow=made.follow)
