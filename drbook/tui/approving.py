"""The dialog that waits for somebody else's approval: it follows the record and the clock while it is open."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.text import Text

from drbook.app.model import Approve, Command, HandIn, Snapshot
from drbook.core.approval import asked_in, is_over
from drbook.core.events import ApprovalAsked
from drbook.core.glass import waited
from drbook.core.state import StepRun
from drbook.core.values import plain, show_duration
from drbook.tui.colours import URGENT, WARN
from drbook.tui.dialogs import WHY, ChoiceDialog, Chosen, WordsDialog, labelled
from drbook.tui.paint import said
from drbook.tui.signs import named

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Standing:
    """How an approval stands at one moment, as the dialog shows it."""

    lines: tuple[Text, ...]
    alone: bool
    """Whether the operator may go on without anybody by now."""


def standing(snapshot: Snapshot, run: StepRun, now: datetime, mono_ns: int) -> Standing:
    """`now` is the wall clock's, `mono_ns` the monotonic clock of whoever leads, in nanoseconds."""
    who = run.plan.approve if run.plan is not None else None
    written = snapshot.runbook.step(run.id).step.approve
    wait = written.break_glass_after if written else None
    lines = [labelled("Approval", f"needed by {who}; not by yourself")]
    lines += _who_may(snapshot, run, now, mono_ns)
    if wait is None:
        return Standing(tuple(lines), alone=False)
    left = wait - waited(snapshot.records, run.id, mono_ns)
    if left > timedelta(0):
        whole = -(-left // _SECOND) * _SECOND
        lines.append(said(f"Without an approver: possible in {show_duration(whole)}", WARN))
    return Standing(tuple(lines), alone=left <= timedelta(0))


def _who_may(snapshot: Snapshot, run: StepRun, now: datetime, mono_ns: int) -> list[Text]:
    """Who is asked, how they do it, and what came of it so far."""
    asked, lines = run.asked, list[Text]()
    if asked is None:
        return lines
    if asked.needed > 1:
        given = plain(", ".join(run.approvals), 200) or "nobody"
        lines.append(labelled("So far", f"{len(run.approvals)} of {asked.needed}: {given}"))
    if not asked.signed:
        return lines
    cannot = (
        [labelled("Cannot sign", plain("; ".join(asked.cannot), 300), WARN)] if asked.cannot else []
    )
    if len(asked.people) < asked.needed:
        return [*lines, *_nobody(snapshot, run, asked, cannot)]
    request = asked_in(snapshot.records, asked)
    if request is not None and is_over(request, now, mono_ns):
        whom = "by all of them anew" if run.approvals else "by whoever may"
        words = (
            f"at {asked.expires:%H:%M:%S} UTC: no signature over this text counts any more. Esc, cancel it (c) "
            f"and run it again: a new text is signed then, {whom}"
        )
        return [*lines, labelled("Expired", words, URGENT)]
    left = [one for one in asked.people if one not in run.approvals]
    return [
        *lines,
        labelled("May sign", plain(", ".join(left), 300)),
        *cannot,
        labelled("Until", f"{asked.expires:%H:%M:%S} UTC; then cancel it (c) and run it again"),
        labelled("They run", f"drbook approve {snapshot.state.incident} {run.id}"),
    ]


def _nobody(
    snapshot: Snapshot, run: StepRun, asked: ApprovalAsked, cannot: list[Text]
) -> list[Text]:
    """Why it cannot be approved at all, and what helps then: running the step again does not."""
    taken = snapshot.state.approvers
    problem = taken.problem if taken is not None else ""
    if asked.people:
        label = "Too few can sign"
        why = f"{', '.join(asked.people)}; {asked.needed} are needed"
    else:
        label = "Nobody can sign"
        why = f"the list of approvers: {problem}" if problem else "nobody else in the list may now"
    lines = [labelled(label, plain(why, 300), URGENT), *cannot]
    written = snapshot.runbook.step(run.id).step.approve
    if written is None or written.break_glass_after is None:
        helps = (
            "Esc, q, then `drbook resume --amend FILE`: this step without `approve`, or with "
            "`break_glass_after`; or skip it (s), with a reason"
        )
        lines.append(labelled("What helps", helps))
    return lines


@dataclass(frozen=True, slots=True)
class ApprovalDialog:
    """A dialog for one approval, what its end means, and how it is kept true."""

    dialog: WordsDialog | ChoiceDialog
    command: Callable[[Chosen | str | None], Command | None]
    follow: Callable[[Snapshot], bool]
    """Say in it how the approval stands by a newer snapshot, and by the clock; False where another dialog has
    to take its place."""
    signed: bool


def approving(snapshot: Snapshot, run: StepRun, clock: Callable[[], datetime]) -> ApprovalDialog:
    """The dialog as things stand: a line for the name or the signature, and once the operator may go on alone,
    the choice between both."""
    signed = run.asked is not None and run.asked.signed
    step, title = run.id, named(snapshot, run.id)
    stands = standing(snapshot, run, clock(), time.monotonic_ns())

    def from_words(words: str) -> Command:
        return HandIn(words) if signed else Approve(step, words)

    if stands.alone:
        return _with_choice(stands, step, title, from_words, clock, signed=signed)
    asked = run.asked
    asks = [said("Who approves it? Nothing will prove the name.")]
    if asked is not None and signed:
        asks = [said("Or paste the signature here:")] if len(asked.people) >= asked.needed else []
    dialog = WordsDialog(
        title,
        [*stands.lines, *asks],
        needed="A signature is needed." if signed else "A name is needed.",
        joined=signed,
    )

    def follow(newer: Snapshot) -> bool:
        now_stands = standing(newer, newer.state.steps[step], clock(), time.monotonic_ns())
        dialog.say([*now_stands.lines, *asks])
        return not now_stands.alone

    def from_line(ended: Chosen | str | None) -> Command | None:
        return from_words(ended) if isinstance(ended, str) else None

    return ApprovalDialog(dialog, from_line, follow, signed)


def _with_choice(
    stands: Standing,
    step: str,
    title: str,
    from_words: Callable[[str], Command],
    clock: Callable[[], datetime],
    *,
    signed: bool,
) -> ApprovalDialog:
    approved = "the signature is pasted" if signed else "write the name"
    choices = [
        ("approved", f"Somebody else approves: {approved} into the comment"),
        ("break-glass", "BREAK-GLASS: go on without, with a reason; red in every export"),
    ]
    needing = {
        "approved": "Paste the signature" if signed else "Write the approver's name",
        "break-glass": WHY,
    }
    dialog = ChoiceDialog(title, stands.lines, choices, needing=needing, joined=signed)

    def follow(newer: Snapshot) -> bool:
        now_stands = standing(newer, newer.state.steps[step], clock(), time.monotonic_ns())
        dialog.say(now_stands.lines)
        return now_stands.alone

    def from_choice(ended: Chosen | str | None) -> Command | None:
        if not isinstance(ended, Chosen):
            return None
        if ended.choice == "break-glass":
            return Approve(step, "", break_glass=True, reason=ended.comment)
        return from_words(ended.comment)

    return ApprovalDialog(dialog, from_choice, follow, signed)
