"""Are there enough copies? The five questions of 3-2-1-1-0, each over all sources together.

Pure, and drawn from the same judgements that `backups.locate` makes. Unknown never counts as a pass.
3-2-1-1-0: three copies, on two kinds of media, one off-site, one immutable, no errors (FACTS.md, section
3).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from drbook.core.criteria import GONE
from drbook.core.located import Located
from drbook.core.points import Answer, Basis, Criterion, FailureDomain, Judgement, Verdict
from drbook.core.proofs import Proof, proof_of
from drbook.core.reach import same_name
from drbook.core.values import Frozen, counted, plain


class Line(Frozen):
    """One question of the audit and its answer."""

    name: str
    answer: Answer
    reason: str


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


_THERE = ("provider", "tier")


def usable(judgement: Judgement) -> bool:
    """Whether a copy is there, and not known to be bad. One that its provider must restore, or an archive tier
    must give first, is there; one in a bin is going, and a standby that replays is none."""
    bad = judgement.verdict in (Verdict.DAMAGED, Verdict.DESTROYED)
    bad = bad or (judgement.verdict is Verdict.RECOVERABLE and judgement.back not in _THERE)
    bytes_ = judgement.finding(Criterion.BYTES)
    hidden = judgement.finding(Criterion.VISIBLE).answer is Answer.FAIL
    return not (bad or hidden or bytes_.answer is Answer.FAIL or GONE in judgement.reasons)


def line(name: str, answer: Answer, reason: str) -> Line:
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
            continue
        # What is only named differently in part may be one place, so the least is compared; where the
        # place answers to another name, it may be either.
        stated = (domain.resource, *_answered(facts, source, "resource"))
        names = {same_name(name) for name in stated} | _seen(facts, source, domain)
        known = next((places[name] for name in sorted(names) if name in places), source)
        places.update(dict.fromkeys(names, known))
    return places, [one for one in dict.fromkeys(unsure) if one not in places.values()]


def _seen(facts: Facts, source: str, domain: FailureDomain) -> set[str]:
    """The places in which a source's copies were seen: a path of this machine is one place whatever it is
    called, a bucket is one with its provider, for stores of two may have buckets of one name."""
    provider = same_name(domain.provider or "")
    answered = {each.place for each in facts.usable if each.point.source == source and each.place}
    return {f"seen {'' if one.startswith('/') else provider}: {one}" for one in answered}


def _answered(facts: Facts, source: str, fact: str) -> list[str]:
    """What the place of a source answers otherwise than the runbook states."""
    return [
        one.observed
        for each in facts.usable
        if each.point.source == source
        for one in each.disagreements
        if one.fact == fact and isinstance(one.observed, str)
    ]


def _enough(name: str, have: int, unsure: Sequence[str], wanted: int, words: str) -> Line:
    """Passed by what is certain, unknown where what is unsure would make the difference."""
    doubt = f"; not certain: {', '.join(unsure)}" if unsure else ""
    if have >= wanted:
        return line(name, Answer.PASS, f"{words}{doubt}")
    answer = Answer.UNKNOWN if have + len(unsure) >= wanted else Answer.FAIL
    return line(name, answer, f"{words}, {wanted} are wanted{doubt}")


def three(facts: Facts) -> Line:
    places, unsure = _places(facts)
    apart = list(dict.fromkeys(places.values()))
    names = ", ".join(apart) or "no backup"
    words = f"{counted(1 + len(apart), 'copy', 'copies')}: production, {names}"
    return _enough("3 copies", 1 + len(apart), unsure, 3, words)


def two(facts: Facts) -> Line:
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


def off_site(facts: Facts) -> Line:
    name, ours = "1 off-site", facts.production
    unsure = list(facts.silent)
    for source, theirs in _holding(facts)[1:]:
        for one, other, what in (
            (ours.provider, theirs.provider, "provider"),
            (ours.region, theirs.region, "region"),
        ):
            answered = _answered(facts, source, what)
            if (
                one
                and other
                and all(same_name(one) != same_name(each) for each in (other, *answered))
            ):
                reason = f"{source} is in {what} {other}, production in {one} (declared)"
                return line(name, Answer.PASS, reason)
        if not (ours.provider and theirs.provider and ours.region and theirs.region):
            unsure.append(source)
    if unsure:
        names = ", ".join(dict.fromkeys(unsure))
        reason = f"provider and region are not stated, or not seen, of production or of {names}"
        return line(name, Answer.UNKNOWN, reason)
    reason = "no usable copy is with another provider or in another region than production"
    return line(name, Answer.FAIL, reason)


def immutable(facts: Facts) -> Line:
    name = "1 immutable"
    doubt = ""
    for each in facts.usable:
        lock = each.finding(Criterion.LOCKED)
        if lock.answer is Answer.PASS and lock.basis is Basis.OBSERVED:
            return line(name, Answer.PASS, f"{each.point.location}: {lock.reason}")
        if lock.answer is not Answer.FAIL:
            doubt = doubt or f"{each.point.location}: {lock.reason}"
    if doubt or facts.silent:
        reason = doubt or f"nobody could look at {', '.join(facts.silent)}"
        return line(name, Answer.UNKNOWN, reason)
    return line(name, Answer.FAIL, "no usable copy is locked")


def no_errors(facts: Facts) -> Line:
    name = "0 errors"
    bad = [
        each
        for each in facts.located.judgements
        if each.verdict is Verdict.DAMAGED or each.finding(Criterion.BYTES).answer is Answer.FAIL
    ]
    if bad:
        first = f"{bad[0].point.location}: {bad[0].finding(Criterion.BYTES).reason}"
        reason = f"{counted(len(bad), 'copy', 'copies')} damaged, the newest {first}"
        return line(name, Answer.FAIL, reason)
    newest = best(facts)
    if newest is None:
        return line(name, Answer.UNKNOWN, "there is no independent copy to look at")
    proof = proof_of(facts.proofs, newest.point)
    bytes_ = newest.finding(Criterion.BYTES)
    if facts.silent:
        return line(name, Answer.UNKNOWN, f"nobody could look at {', '.join(facts.silent)}")
    if proof is not None:
        return line(name, Answer.PASS, f"{newest.point.location}: {proof.show()}")
    reason = f"{newest.point.location}: {bytes_.reason}"
    return line(name, Answer.PASS if bytes_.answer is Answer.PASS else Answer.UNKNOWN, reason)


def best(facts: Facts) -> Judgement | None:
    independent = (each for each in facts.usable if each.verdict is Verdict.INDEPENDENT)
    return next(independent, None)


QUESTIONS: Mapping[str, tuple[Callable[[Facts], Line], ...]] = {
    "3-2-1": (three, two, off_site),
    "3-2-1-1-0": (three, two, off_site, immutable, no_errors),
}
"""What a preset of `core.presets` asks of all copies together."""


def rule(preset: str, facts: Facts) -> Line:
    """A preset over all sources: passed where each of its questions is, failed where one of them fails."""
    answers = [ask(facts) for ask in QUESTIONS[preset]]
    for wanted in (Answer.FAIL, Answer.UNKNOWN):
        names = [each.name for each in answers if each.answer is wanted]
        if names:
            word = "not met" if wanted is Answer.FAIL else "not known"
            return line(preset, wanted, f"{word}: {', '.join(names)}")
    return line(preset, Answer.PASS, ", ".join(each.name for each in answers))
