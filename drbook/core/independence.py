"""Is a recovery point outside the blast radius? Eleven criteria, each passed, failed or unknown.

Pure: facts in, a judgement with its reasons out. Unknown is never independent, and what rests on
somebody's word in the runbook is marked as declared.
"""

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from drbook.core.points import (
    Answer,
    Basis,
    Criterion,
    FailureDomain,
    Finding,
    Judgement,
    Located,
    LockFact,
    Observed,
    PointFacts,
    RecoveryPoint,
    SourceFacts,
    Verdict,
)
from drbook.core.reach import Reach, leaked_credentials, same_name
from drbook.core.values import plain, show_duration, show_time

__all__ = ["Reach", "choose", "judge", "leaked_credentials", "located"]

MARGIN = timedelta(days=7)
"""A lock or an expiry must leave at least this long for the recovery itself."""

_Answered = tuple[Answer, Basis, str]


@dataclass(frozen=True, slots=True)
class _Case:
    facts: PointFacts
    source: SourceFacts
    declared: FailureDomain
    production: FailureDomain
    reach: Reach
    now: datetime


def judge(
    facts: PointFacts,
    source: SourceFacts,
    declared: FailureDomain,
    production: FailureDomain,
    reach: Reach,
    *,
    require: Sequence[Criterion],
    prefer: Sequence[Criterion] = (),
    now: datetime,
    occurred: datetime | None = None,
    observed_only: Set[Criterion] = frozenset(),
) -> Judgement:
    """Answer every criterion for one point and draw the verdict from the required ones.

    `declared` is what the runbook says about the source, `production` the domain that was hit. For
    criteria in `observed_only` a pass that rests on declared facts counts as unknown. `occurred` is
    the moment of the loss: a copy taken after it holds what happened, and is not independent of it.
    """
    case = _Case(facts, source, declared, production, reach, now)
    findings = []
    for criterion in Criterion:
        answer, basis, reason = _CRITERIA[criterion](case)
        if criterion in observed_only and answer is Answer.PASS and basis is not Basis.OBSERVED:
            answer, reason = (
                Answer.UNKNOWN,
                f"only declared, and the policy asks for proof: {reason}",
            )
        findings.append(Finding(criterion=criterion, answer=answer, basis=basis, reason=reason))
    verdict, reasons = _verdict(case, findings, require, occurred)
    return Judgement(
        point=facts.point,
        verdict=verdict,
        reasons=(*reasons, *_remarks(verdict, findings, require, prefer), *_notes(facts.point)),
        findings=tuple(findings),
    )


def _verdict(
    case: _Case,
    findings: Sequence[Finding],
    require: Sequence[Criterion],
    occurred: datetime | None,
) -> tuple[Verdict, list[str]]:
    by_name = {finding.criterion: finding for finding in findings}
    resource = by_name[Criterion.RESOURCE]
    if case.facts.bytes.state == "damaged":
        return Verdict.DAMAGED, [by_name[Criterion.BYTES].reason]
    if resource.answer is Answer.FAIL:
        return Verdict.DESTROYED, [resource.reason]
    needed = [by_name[criterion] for criterion in dict.fromkeys(require)]
    failed = [finding.reason for finding in needed if finding.answer is Answer.FAIL]
    unsure = [finding.reason for finding in needed if finding.answer is Answer.UNKNOWN]
    if case.facts.bytes.state == "unknown":
        unsure.append(by_name[Criterion.BYTES].reason)
    point = case.facts.point
    if occurred is not None and point.taken_at > occurred:
        late = f"dated {show_duration(point.taken_at - occurred)} after the loss"
        if point.taken_by in ("manifest", "tool"):
            failed.append(f"{late}: what happened is in it")
        else:
            unsure.append(f"{late}, by a clock that may only show when it was stored")
    if failed:
        return Verdict.SHARED, failed + unsure
    if unsure:
        return Verdict.UNKNOWN, unsure
    if not needed:
        return Verdict.UNKNOWN, ["no criterion was required, so nothing was proven"]
    return Verdict.INDEPENDENT, [finding.reason for finding in needed]


def _remarks(
    verdict: Verdict,
    findings: Sequence[Finding],
    require: Sequence[Criterion],
    prefer: Sequence[Criterion],
) -> list[str]:
    remarks = []
    declared = [
        finding.criterion.value
        for finding in findings
        if finding.criterion in require
        and finding.answer is Answer.PASS
        and finding.basis is not Basis.OBSERVED
    ]
    if verdict is Verdict.INDEPENDENT and declared:
        remarks.append(f"declared in the runbook, not observed: {', '.join(declared)}")
    remarks += [
        f"preferred: {finding.reason}"
        if finding.answer is Answer.PASS
        else f"preferred but not met ({finding.criterion.value}): {finding.reason}"
        for finding in findings
        if finding.criterion in prefer and finding.criterion not in require
    ]
    return remarks


def _notes(point: RecoveryPoint) -> list[str]:
    return [plain(point.taken_note, 300)] if point.taken_note else []


# --- the criteria ----------------------------------------------------------------------------


def _resource(case: _Case) -> _Answered:
    """Not inside what was destroyed. Either side naming the destroyed resource is enough to fail."""
    if not case.facts.still_there:
        return Answer.FAIL, Basis.OBSERVED, "it is not there any more"
    lost = case.production.resource
    if not lost:
        return Answer.UNKNOWN, Basis.NONE, "which resource was destroyed is not stated"
    observed, declared = case.source.resource, case.declared.resource
    shown = plain(lost, 200)
    apart = _differ(case.production.provider, case.declared.provider)
    if declared and same_name(declared) == same_name(lost) and not apart:
        return Answer.FAIL, Basis.DECLARED, f"it lies in {shown}, which was destroyed"
    if observed and _inside(observed, lost) and not apart:
        return Answer.FAIL, Basis.OBSERVED, f"it lies in {shown}, which was destroyed"
    # A folder's path says nothing about the volume id that it is mounted from.
    if observed and not (observed.startswith("/") and not lost.startswith("/")):
        return Answer.PASS, Basis.OBSERVED, f"it lies in {plain(observed, 200)}, not in {shown}"
    if declared:
        return Answer.PASS, Basis.DECLARED, f"it lies in {plain(declared, 200)}, not in {shown}"
    return Answer.UNKNOWN, Basis.NONE, "which volume or resource holds it is not stated"


def _inside(observed: str, lost: str) -> bool:
    if observed.startswith("/") and lost.startswith("/"):
        return PurePosixPath(observed).is_relative_to(PurePosixPath(lost))
    return same_name(observed) == same_name(lost)


def _differ(one: str | None, other: str | None) -> bool:
    return bool(one and other and same_name(one) != same_name(other))


def _account_name(text: str) -> str:
    """Account numbers are written with and without hyphens or spaces."""
    bare = same_name(text).replace("-", "").replace(" ", "")
    return bare if bare.isdigit() else same_name(text)


def _account(case: _Case) -> _Answered:
    observed = case.source.account.value if case.source.account.known else None
    declared, ours = case.declared.account, case.production.account
    names = [
        (name, basis)
        for name, basis in ((observed, Basis.OBSERVED), (declared, Basis.DECLARED))
        if isinstance(name, str) and name.strip()
    ]
    if not ours or not ours.strip():
        return Answer.UNKNOWN, Basis.NONE, "production's account is not stated"
    if not names:
        why = plain(case.source.account.why, 200)
        return Answer.UNKNOWN, Basis.NONE, f"its account is neither observed ({why}) nor stated"
    shown = plain(ours, 100)
    apart = _differ(case.production.provider, case.declared.provider)
    for name, basis in names:
        if _account_name(name) == _account_name(ours) and not apart:
            project = case.production.project
            same = project and case.declared.project
            also = same and same_name(str(project)) == same_name(str(same))
            inside = f", and project {plain(str(project), 100)}" if also else ""
            return Answer.FAIL, basis, f"it is in production's own account {shown}{inside}"
    name, basis = names[0]
    where = f"account {plain(name, 100)}"
    if apart:
        where += f" at {plain(case.declared.provider or '', 100)}"
    reason = f"it is in {where}, production in {shown}"
    if len(names) == 2 and _account_name(names[0][0]) != _account_name(names[1][0]):
        reason += f" (the runbook says {plain(names[1][0], 100)})"
    return Answer.PASS, basis, reason


def _credential(case: _Case) -> _Answered:
    answer, reason = case.reach.judge(case.declared.credentials)
    return answer, Basis.NONE if answer is Answer.UNKNOWN else Basis.DECLARED, reason


def _versioned(case: _Case) -> _Answered:
    return _yes_no(
        case.source.versioned,
        "overwrites and deletes keep the version before",
        "an overwrite or delete leaves nothing behind: the place is not versioned",
        "versioning",
    )


def _locked(case: _Case) -> _Answered:
    return _lock_answer(case, timedelta(0), "locked until")


def _lock_outlives(case: _Case) -> _Answered:
    return _lock_answer(case, MARGIN, f"for {MARGIN.days} more days at least, until")


def _lock_answer(case: _Case, margin: timedelta, words: str) -> _Answered:
    """Compliance stands by itself; what a permission can lift is as good as the credential."""
    lock = case.facts.lock
    if lock.why_unknown:
        return Answer.UNKNOWN, Basis.NONE, f"its lock is unknown: {plain(lock.why_unknown, 200)}"
    lasts = lock.until is not None and lock.until > case.now + margin
    credential = case.reach.judge(case.declared.credentials)[0]
    if lock.mode == "COMPLIANCE" and lasts and lock.until is not None:
        reason = f"compliance lock, {words} {show_time(lock.until)}"
        if credential is Answer.FAIL:
            reason += "; what leaked cannot delete this version before that"
        return Answer.PASS, Basis.OBSERVED, reason
    if not lock.legal_hold and not (lock.mode == "GOVERNANCE" and lasts):
        return Answer.FAIL, Basis.OBSERVED, _no_lock(lock, case.now)
    kind = "a legal hold" if lock.legal_hold else "a governance lock"
    if credential is Answer.PASS:
        return Answer.PASS, Basis.DERIVED, f"{kind}, which nothing that leaked can lift"
    if credential is Answer.FAIL:
        return Answer.FAIL, Basis.DERIVED, f"{kind}, which what leaked may lift"
    return Answer.UNKNOWN, Basis.DERIVED, f"{kind}; whether what leaked can lift it is not known"


def _no_lock(lock: LockFact, now: datetime) -> str:
    if lock.mode is None or lock.until is None:
        return "it is not locked"
    tense = "ended" if lock.until <= now else "ends soon,"
    return f"its {lock.mode.lower()} lock {tense} at {show_time(lock.until)}"


def _visible(case: _Case) -> _Answered:
    hidden = case.facts.hidden_by_delete_marker
    if hidden is None:
        return Answer.UNKNOWN, Basis.NONE, "whether a delete marker hides it is not known"
    if hidden:
        reason = "missing but recoverable: a delete marker hides it, the version is still there"
        return Answer.FAIL, Basis.OBSERVED, reason
    return Answer.PASS, Basis.OBSERVED, "no delete marker hides it"


def _replication(case: _Case) -> _Answered:
    # A place cannot see who replicates *into* it, so a pass claims no more than that.
    return _yes_no(
        case.source.deletes_replicated,
        "deletes are replicated",
        "its own configuration replicates no deletes",
        "replication",
        good=False,
    )


def _lifecycle(case: _Case) -> _Answered:
    fact = case.source.expires_after_days
    if not fact.known:
        return Answer.UNKNOWN, Basis.NONE, f"its expiry is unknown: {plain(fact.why, 200)}"
    if fact.value is None:
        return Answer.PASS, Basis.OBSERVED, "no rule removes it"
    if not isinstance(fact.value, int) or isinstance(fact.value, bool):
        return Answer.UNKNOWN, Basis.NONE, "its expiry is unknown: the store's answer is no number"
    try:
        ends = case.facts.point.taken_at + timedelta(days=fact.value)
    except OverflowError:
        return Answer.PASS, Basis.OBSERVED, f"a rule removes it only after {fact.value} days"
    if ends > case.now + MARGIN:
        return Answer.PASS, Basis.OBSERVED, f"a rule removes it not before {show_time(ends)}"
    reason = f"a rule removes it {fact.value} days after it was stored: about {show_time(ends)}"
    return Answer.FAIL, Basis.OBSERVED, reason


def _policy(case: _Case) -> _Answered:
    return _yes_no(
        case.source.policy_limits_deletes,
        "a policy denies deletes to all but named principals",
        "no policy limits who may delete",
        "policy",
    )


def _yes_no(fact: Observed, yes: str, no: str, what: str, *, good: bool = True) -> _Answered:
    if not fact.known:
        return Answer.UNKNOWN, Basis.NONE, f"its {what} is unknown: {plain(fact.why, 200)}"
    if not isinstance(fact.value, bool):
        return Answer.UNKNOWN, Basis.NONE, f"its {what} is unknown: the store gave no clear answer"
    answer = Answer.PASS if fact.value is good else Answer.FAIL
    return answer, Basis.OBSERVED, yes if fact.value else no


def _bytes(case: _Case) -> _Answered:
    found = case.facts.bytes
    reason = plain(found.reason, 300)
    if found.state == "intact":
        return Answer.PASS, Basis.OBSERVED, reason or "its digest matches"
    if found.state == "damaged":
        return Answer.FAIL, Basis.OBSERVED, f"damaged: {reason}" if reason else "damaged"
    if found.state == "structure":
        return Answer.UNKNOWN, Basis.OBSERVED, reason or "read to its end; its content is unproven"
    return Answer.UNKNOWN, Basis.NONE, reason or "its bytes were not looked at"


_CRITERIA: dict[Criterion, Callable[[_Case], _Answered]] = {
    Criterion.RESOURCE: _resource,
    Criterion.ACCOUNT: _account,
    Criterion.CREDENTIAL: _credential,
    Criterion.VERSIONED: _versioned,
    Criterion.LOCKED: _locked,
    Criterion.LOCK_OUTLIVES: _lock_outlives,
    Criterion.VISIBLE: _visible,
    Criterion.REPLICATION: _replication,
    Criterion.LIFECYCLE: _lifecycle,
    Criterion.POLICY: _policy,
    Criterion.BYTES: _bytes,
}


# --- the choice ------------------------------------------------------------------------------


def choose(judgements: Sequence[Judgement], prefer: Sequence[Criterion] = ()) -> Judgement | None:
    """The newest independent judgement, or None.

    A preference never costs data: it only decides between copies of the same moment or bytes.
    """
    independent = [each for each in judgements if each.verdict is Verdict.INDEPENDENT]
    if not independent:
        return None
    newest = max(independent, key=_age).point
    equal = [
        each
        for each in independent
        if each.point.taken_at == newest.taken_at
        or (newest.digest is not None and each.point.digest == newest.digest)
    ]
    return max(
        equal,
        key=lambda each: (
            sum(each.finding(criterion).answer is Answer.PASS for criterion in set(prefer)),
            _age(each),
        ),
    )


def _age(judgement: Judgement) -> tuple[datetime, str]:
    return judgement.point.taken_at, judgement.point.key


def located(
    judgements: Sequence[Judgement],
    *,
    unreachable: Sequence[SourceFacts] = (),
    require: Sequence[Criterion],
    prefer: Sequence[Criterion] = (),
    asked_at: datetime,
    occurred: datetime | None = None,
) -> Located:
    """What was found, newest first, with the choice and what it costs in seconds of data.

    Losses are None where nobody has said when it happened, and 0 for a copy that is no older.
    """
    ordered = sorted(judgements, key=_age, reverse=True)
    chosen = choose(ordered, prefer)
    newest = ordered[0].point if ordered else None
    return Located(
        point=chosen.point if chosen else None,
        newest=newest,
        judgements=tuple(ordered),
        unreachable=tuple(unreachable),
        require=tuple(require),
        prefer=tuple(prefer),
        asked_at=asked_at,
        loss_seconds=_loss(chosen.point if chosen else None, occurred),
        newest_loss_seconds=_loss(newest, occurred),
    )


def _loss(point: RecoveryPoint | None, occurred: datetime | None) -> int | None:
    if point is None or occurred is None:
        return None
    return max(0, int((occurred - point.taken_at).total_seconds()))
