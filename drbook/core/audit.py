"""Is a runbook ready? Its copies by 3-2-1-1-0, their age against the RPO, and the age of its baseline.

Pure, and drawn from the same judgements that `backups.locate` makes. Each line passes, fails or is
*unknown* with its reason; unknown never counts as a pass. The questions of 3-2-1-1-0 are in `core.copyset`.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta

from drbook.core.copyset import QUESTIONS, Facts, Line, best, line, rule
from drbook.core.points import Answer, Judgement
from drbook.core.proofs import proof_of
from drbook.core.values import plain, show_duration

BASELINE_AGE = timedelta(days=30)
"""Figures that are older say little of what production holds now."""
AHEAD = timedelta(minutes=5)
"""How far a clock may be ahead before a copy that is dated later than now is not believed."""


def audit_copies(facts: Facts, preset: str = "") -> tuple[Line, ...]:
    """Every line, in the order in which they are shown; first the preset that the runbook asks for, where
    it names one, over all sources."""
    questions: Sequence[Callable[[Facts], Line]] = (
        *QUESTIONS["3-2-1-1-0"],
        *(_newest, _newest_independent, _newest_proved, _baseline),
    )
    asked = (rule(preset, facts),) if preset else ()
    return (*asked, *(question(facts) for question in questions), *_as_stated(facts))


def _as_stated(facts: Facts) -> tuple[Line, ...]:
    """Whether places answer what the runbook states of them; no line where nothing could be compared."""
    name = "as stated"
    found = dict.fromkeys(
        f"{each.point.source}: {plain(one.words, 300)}"
        for each in facts.located.judgements
        for one in each.disagreements
    )
    if found:
        return (line(name, Answer.FAIL, "; ".join(found)),)
    agreed = dict.fromkeys(
        f"{each.point.source} ({', '.join(each.agreed)})"
        for each in facts.located.judgements
        if each.agreed
    )
    if not agreed:
        return ()
    return (line(name, Answer.PASS, f"places answer what the runbook states: {', '.join(agreed)}"),)


def _newest(facts: Facts) -> Line:
    newest = next(iter(facts.usable), None)
    return _aged(facts, "newest", newest, "no usable copy was seen")


def _newest_independent(facts: Facts) -> Line:
    return _aged(facts, "newest independent", best(facts), "no independent copy was seen")


def _newest_proved(facts: Facts) -> Line:
    name = "newest proved"
    for each in facts.usable:
        proof = proof_of(facts.proofs, each.point)
        if proof is not None:
            aged = _aged(facts, name, each, "")
            return line(name, aged.answer, f"{aged.reason}; {proof.show()}")
    if facts.unread or facts.silent:
        why = facts.unread or f"nobody could look at {', '.join(facts.silent)}"
        return line(name, Answer.UNKNOWN, f"none is known: {why}")
    reason = "no copy that is there was restored and verified on this machine: `drbook rehearse`"
    return line(name, Answer.FAIL, reason)


def _aged(facts: Facts, name: str, judgement: Judgement | None, none: str) -> Line:
    """A copy's age against the RPO; a copy dated by its storing is older than that, nobody knows how much."""
    silent = f"; not seen: {', '.join(facts.silent)}" if facts.silent else ""
    if judgement is None:
        return line(name, Answer.UNKNOWN if silent else Answer.FAIL, f"{none}{silent}")
    point = judgement.point
    age = facts.now - point.holds_to(None)
    at_least = "at least " if point.dated_late else ""
    said = f"{point.location} is {at_least}{show_duration(max(age, timedelta(0)))} old"
    if age < -AHEAD:
        reason = f"{point.location} is dated {show_duration(-age)} from now: its age is unknown"
        return line(name, Answer.UNKNOWN, reason)
    if facts.rpo is None:
        return line(name, Answer.UNKNOWN, f"{said}; the runbook states no rpo to hold it to")
    against = f"{said}, the rpo is {show_duration(facts.rpo)}"
    if age > facts.rpo:
        answer = Answer.UNKNOWN if silent else Answer.FAIL
        return line(name, answer, f"{against}{silent}")
    if point.dated_late:
        reason = f"{against}; only its storing is dated, so it may be older than that"
        return line(name, Answer.UNKNOWN, reason)
    return line(name, Answer.PASS, against)


def _baseline(facts: Facts) -> Line:
    name = "baseline"
    if facts.no_baselines:
        return line(name, Answer.UNKNOWN, facts.no_baselines)
    if not facts.baselines:
        return line(name, Answer.FAIL, "none was captured: `drbook baseline capture`")
    age = facts.now - max(facts.baselines)
    if age < -AHEAD:
        return line(name, Answer.UNKNOWN, "the newest is dated in the future")
    said = f"captured {show_duration(max(age, timedelta(0)))} ago"
    if age > BASELINE_AGE:
        return line(name, Answer.FAIL, f"{said}, {BASELINE_AGE.days} days are too many")
    return line(name, Answer.PASS, said)
