"""Approvals in words, the same in every export, on the screen and on the command line."""

from datetime import timedelta

from drbook.core import events as ev
from drbook.core.values import counted, show_duration, show_time


def approval(event: ev.ApprovalGiven) -> str:
    """Who approved, and what proves it."""
    if event.break_glass:
        why = f": {event.reason}" if event.reason else ""
        waited = event.waited_seconds
        after = "" if waited is None else f" after {show_duration(timedelta(seconds=waited))}"
        return f"BREAK-GLASS, without approval by {event.by}{after}{why}"
    if event.proof is None:
        return f"approved by {event.by}; nothing proves it, the name was typed"
    return f"approved by {event.by}, signed with {event.proof.key}"


def approval_asked(event: ev.ApprovalAsked) -> str:
    others = counted(event.needed, "approval")
    until = f"until {show_time(event.expires)}"
    if not event.signed:
        return f"{others} asked for, by typed names"
    whom = " or ".join(event.people) or "nobody: nobody may"
    without = f"; not by {', nor by '.join(event.cannot)}" if event.cannot else ""
    return f"{others} asked for, signed by {whom}, {until}{without}"


def approval_refused(event: ev.ApprovalRefused) -> str:
    of = f" of {event.by}" if event.by else ""
    step = f" for {event.step}" if event.step else ""
    return f"a signature{of}{step} was REFUSED: {event.why}"


def approvers(event: ev.ApproversTaken) -> str:
    where = event.file or "the runbook"
    if event.problem:
        return f"NOBODY CAN APPROVE: the list of approvers in {where}: {event.problem}"
    return f"who may approve was taken from {where}, SHA-256 {event.sha256}"
