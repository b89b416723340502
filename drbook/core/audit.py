"""Is a runbook ready? Its copies by 3-2-1-1-0, their age against the RPO, and the age of its baseline.

Pure, and drawn from the same judgements that `backups.locate` makes. Each line passes, fails or is
*unknown* with its reason; unknown never counts as a pass. 3-2-1-1-0: three copies, on two kinds of
media, one off-site, one immutable, no errors (FACTS.md, section 3).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from drbook.core.criteria import GONE
from drbook.core.points import (
    Answer,
    Basis,
    Criterion,
    FailureDomain,
    Judgement,
    Located,
    RecoveryPoint,
    Verdict,
)
from drbook.core.reach import same_name
from drbook.core.values import Frozen, UtcTime, counted, plain, show_duration, show_time

BASELINE_AGE = timedelta(days=30)
"""Figures that are older say little of what production holds now."""
AHEAD = timedelta(minutes=5)
"""How far a clock may be ahead before a copy that is dated later than now is not believed."""


class Line(Frozen):
    """One question of the audit and its answer."""

    name: str
    answer: Answer
    reason: str


class Proof(Frozen):
    """A copy that was restored and verified, in a drill or an incident of this machine."""

    bytes_key: str
    """Which bytes it was, as `RecoveryPoint.bytes_key` has it."""
    location: str
    verified_at: UtcTime
    mode: str


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the copies are judged by."""

    located: Located
    production: FailureDomain
    domains: Mapping[str, FailureDomain]
    """By source: what the runbook declares."""
    rpo: timedelta | None
    now: datetime
    proofs: Sequence[Proof] = ()
    unread: str = ""
    """Why earlier incidents are not known in full; empty where they are."""
    baselines: Sequence[datetime] = ()
    no_baselines: str = ""
    """Why captures could not be listed; empty where they were."""

    @property
    def usable(self) -> tuple[Judgement, ...]:
        """Copies that are there and not known to be bad, newest first."""
        return tuple(each for each in self.located.judgements if usable(each))

    @property
    def silent(self) -> tuple[str, ...]:
        """Sources that did not answer, or only in part, and were not destroyed."""
        return tuple(each.source for each in self.located.unreachable if not each.destroyed)


def usable(judgement: Judgement) -> bool:
    """Whether a copy is there and not known to be bad."""
    bad = judgement.verdict in (Verdict.DAMAGED, Verdict.DESTROYED)
    bytes_ = judgement.finding(Criterion.BYTES)
    hidden = judgement.finding(Criterion.VISIBLE).answer is Answer.FAIL
    return not (bad or hidden or bytes_.answer is Answer.FAIL or GONE in judgement.reasons)


def audit_copies(facts: Facts) -> tuple[Line, ...]:
    """Every line, in the order in which they are shown."""
    questions: Sequence[Callable[[Facts], Line]] = (
        *(_three, _two, _off_site, _immutable, _no_errors),
        *(_newest, _newest_independent, _newest_proved, _baseline),
    )
    return tuple(question(facts) for question in questions)


def _line(name: str, answer: Answer, reason: str) -> Line:
    return Line(name=name, answer=answer, reason=plain(reason, 500))


def _places(facts: Facts) -> tuple[dict[str, str], list[str]]:
    """Places with a usable copy by what they are (two sources in one bucket are one place), and sources
    of which nobody can say whether they are places of their own, or hold anything."""
    places: dict[str, str] = {}
    unsure = list(facts.silent)
    for source in dict.fromkeys(each.point.source for each in facts.usable):
        domain = facts.domains.get(source, FailureDomain())
        if domain.resource is None:
            unsure.append(source)
        else:
            # What is only named differently in part may be one place, so the least is compared.
            places.setdefault(same_name(domain.resource), source)
    return places, [one for one in dict.fromkeys(unsure) if one not in places.values()]


def _enough(name: str, have: int, unsure: Sequence[str], wanted: int, words: str) -> Line:
    """Passed by what is certain, unknown where what is unsure would make the difference."""
    doubt = f"; not certain: {', '.join(unsure)}" if unsure else ""
    if have >= wanted:
        return _line(name, Answer.PASS, f"{words}{doubt}")
    answer = Answer.UNKNOWN if have + len(unsure) >= wanted else Answer.FAIL
    return _line(name, answer, f"{words}, {wanted} are wanted{doubt}")


def _three(facts: Facts) -> Line:
    places, unsure = _places(facts)
    names = ", ".join(places.values()) or "no backup"
    words = f"{counted(1 + len(places), 'copy', 'copies')}: production, {names}"
    return _enough("3 copies", 1 + len(places), unsure, 3, words)


def _two(facts: Facts) -> Line:
    known: dict[str, str] = {}
    unsure = list(facts.silent)
    for name, domain in _holding(facts):
        if domain.provider is None:
            unsure.append(name)
        else:
            known.setdefault(same_name(domain.provider), plain(domain.provider, 60))
    words = f"{counted(len(known), 'kind')} of media: {', '.join(known.values()) or 'none'}"
    return _enough("2 media", len(known), list(dict.fromkeys(unsure)), 2, f"{words} (declared)")


def _holding(facts: Facts) -> list[tuple[str, FailureDomain]]:
    sources = dict.fromkeys(each.point.source for each in facts.usable)
    held = [(source, facts.domains.get(source, FailureDomain())) for source in sources]
    return [("production", facts.production), *held]


def _off_site(facts: Facts) -> Line:
    name, ours = "1 off-site", facts.production
    unsure = list(facts.silent)
    for source, theirs in _holding(facts)[1:]:
        for one, other, what in (
            (ours.provider, theirs.provider, "provider"),
            (ours.region, theirs.region, "region"),
        ):
            if one and other and same_name(one) != same_name(other):
                reason = f"{source} is in {what} {other}, production in {one} (declared)"
                return _line(name, Answer.PASS, reason)
        if not (ours.provider and theirs.provider and ours.region and theirs.region):
            unsure.append(source)
    if unsure:
        names = ", ".join(dict.fromkeys(unsure))
        reason = f"provider and region are not stated, or not seen, of production or of {names}"
        return _line(name, Answer.UNKNOWN, reason)
    reason = "no usable copy is with another provider or in another region than production"
    return _line(name, Answer.FAIL, reason)


def _immutable(facts: Facts) -> Line:
    name = "1 immutable"
    doubt = ""
    for each in facts.usable:
        lock = each.finding(Criterion.LOCKED)
        if lock.answer is Answer.PASS and lock.basis is Basis.OBSERVED:
            return _line(name, Answer.PASS, f"{each.point.location}: {lock.reason}")
        if lock.answer is not Answer.FAIL:
            doubt = doubt or f"{each.point.location}: {lock.reason}"
    if doubt or facts.silent:
        reason = doubt or f"nobody could look at {', '.join(facts.silent)}"
        return _line(name, Answer.UNKNOWN, reason)
    return _line(name, Answer.FAIL, "no usable copy is locked")


def _no_errors(facts: Facts) -> Line:
    name = "0 errors"
    bad = [
        each
        for each in facts.located.judgements
        if each.verdict is Verdict.DAMAGED or each.finding(Criterion.BYTES).answer is Answer.FAIL
    ]
    if bad:
        newest = f"{bad[0].point.location}: {bad[0].finding(Criterion.BYTES).reason}"
        reason = f"{counted(len(bad), 'copy', 'copies')} damaged, the newest {newest}"
        return _line(name, Answer.FAIL, reason)
    best = _best(facts)
    if best is None:
        return _line(name, Answer.UNKNOWN, "there is no independent copy to look at")
    proof = _proof_of(facts, best.point)
    bytes_ = best.finding(Criterion.BYTES)
    if facts.silent:
        return _line(name, Answer.UNKNOWN, f"nobody could look at {', '.join(facts.silent)}")
    if proof is not None:
        return _line(name, Answer.PASS, f"{best.point.location}: {_proved(proof)}")
    reason = f"{best.point.location}: {bytes_.reason}"
    return _line(name, Answer.PASS if bytes_.answer is Answer.PASS else Answer.UNKNOWN, reason)


def _best(facts: Facts) -> Judgement | None:
    independent = (each for each in facts.usable if each.verdict is Verdict.INDEPENDENT)
    return next(independent, None)


def _proof_of(facts: Facts, point: RecoveryPoint) -> Proof | None:
    same = [
        proof
        for proof in facts.proofs
        if proof.bytes_key == point.bytes_key and proof.location == point.location
    ]
    return max(same, key=lambda proof: proof.verified_at, default=None)


def _proved(proof: Proof) -> str:
    return f"restored and verified at {show_time(proof.verified_at)} ({proof.mode})"


def _newest(facts: Facts) -> Line:
    newest = next(iter(facts.usable), None)
    return _aged(facts, "newest", newest, "no usable copy was seen")


def _newest_independent(facts: Facts) -> Line:
    return _aged(facts, "newest independent", _best(facts), "no independent copy was seen")


def _newest_proved(facts: Facts) -> Line:
    name = "newest proved"
    for each in facts.usable:
        proof = _proof_of(facts, each.point)
        if proof is not None:
            line = _aged(facts, name, each, "")
            return _line(name, line.answer, f"{line.reason}; {_proved(proof)}")
    if facts.unread or facts.silent:
        why = facts.unread or f"nobody could look at {', '.join(facts.silent)}"
        return _line(name, Answer.UNKNOWN, f"none is known: {why}")
    reason = "no copy that is there was restored and verified on this machine: `drbook rehearse`"
    return _line(name, Answer.FAIL, reason)


def _aged(facts: Facts, name: str, judgement: Judgement | None, none: str) -> Line:
    """A copy's age against the RPO; a copy dated by its storing is older than that, nobody knows how much."""
    silent = f"; not seen: {', '.join(facts.silent)}" if facts.silent else ""
    if judgement is None:
        return _line(name, Answer.UNKNOWN if silent else Answer.FAIL, f"{none}{silent}")
    point = judgement.point
    age = facts.now - point.holds_to(None)
    at_least = "at least " if point.dated_late else ""
    said = f"{point.location} is {at_least}{show_duration(max(age, timedelta(0)))} old"
    if age < -AHEAD:
        reason = f"{point.location} is dated {show_duration(-age)} from now: its age is unknown"
        return _line(name, Answer.UNKNOWN, reason)
    if facts.rpo is None:
        return _line(name, Answer.UNKNOWN, f"{said}; the runbook states no rpo to hold it to")
    against = f"{said}, the rpo is {show_duration(facts.rpo)}"
    if age > facts.rpo:
        answer = Answer.UNKNOWN if silent else Answer.FAIL
        return _line(name, answer, f"{against}{silent}")
    if point.dated_late:
        reason = f"{against}; only its storing is dated, so it may be older than that"
        return _line(name, Answer.UNKNOWN, reason)
    return _line(name, Answer.PASS, against)


def _baseline(facts: Facts) -> Line:
    name = "baseline"
    if facts.no_baselines:
        return _line(name, Answer.UNKNOWN, facts.no_baselines)
    if not facts.baselines:
        return _line(name, Answer.FAIL, "none was captured: `drbook baseline capture`")
    age = facts.now - max(facts.baselines)
    if age < -AHEAD:
        return _line(name, Answer.UNKNOWN, "the newest is dated in the future")
    said = f"captured {show_duration(max(age, timedelta(0)))} ago"
    if age > BASELINE_AGE:
        return _line(name, Answer.FAIL, f"{said}, {BASELINE_AGE.days} days are too many")
    return _line(name, Answer.PASS, said)
