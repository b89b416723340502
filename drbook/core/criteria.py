"""The criteria of independence, one function each: facts to an answer with its reason.

Unknown is an answer of its own. What rests on the runbook's word is marked as declared; where the place
answers otherwise, the stricter of the two counts. Those of keys, vaults, snapshots and drills are in
`core.custody`.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from drbook.core import custody
from drbook.core.case import MARGIN, Answered, Case
from drbook.core.points import (
    Answer,
    Basis,
    Criterion,
    FailureDomain,
    LockFact,
    Observed,
)
from drbook.core.reach import same_account, same_name
from drbook.core.standby import coupling
from drbook.core.values import plain, show_time

GONE = "it is not there any more"
"""Why a copy that was listed a moment ago is no copy."""


def _resource(case: Case) -> Answered:
    """Not inside what was destroyed. Either side naming the destroyed resource is enough to fail."""
    if not case.facts.still_there:
        return Answer.FAIL, Basis.OBSERVED, GONE
    lost = case.production.resource
    if not lost:
        return Answer.UNKNOWN, Basis.NONE, "which resource was destroyed is not stated"
    snapshot = case.facts.snapshot
    if snapshot.kind == "automated" and snapshot.of and same_name(snapshot.of) == same_name(lost):
        reason = (
            f"an automated snapshot of {plain(lost, 200)}, which was destroyed: it goes with it"
        )
        return Answer.FAIL, Basis.OBSERVED, reason
    observed, declared = case.source.resource, case.declared.resource
    shown = plain(lost, 200)
    apart = _differ(case.production.provider, case.declared.provider)
    if observed and case.volume and observed.startswith("/") and _inside(observed, case.volume):
        reason = f"it lies in {plain(case.volume, 200)}, production's own directory"
        return Answer.FAIL, Basis.OBSERVED, reason
    if lies_in(case.declared, case.production):
        return Answer.FAIL, Basis.DECLARED, f"it lies in {shown}, which was destroyed"
    if observed and _inside(observed, lost) and not apart:
        return Answer.FAIL, Basis.OBSERVED, f"it lies in {shown}, which was destroyed"
    if snapshot.kind in ("retained", "manual", "copied") and same_name(snapshot.of) == same_name(
        lost
    ):
        reason = f"a snapshot of {plain(lost, 200)}, which is kept apart from it"
        return Answer.PASS, Basis.OBSERVED, reason
    # A folder's path says nothing about the volume id that it is mounted from.
    if observed and not (observed.startswith("/") and not lost.startswith("/")):
        return Answer.PASS, Basis.OBSERVED, f"it lies in {plain(observed, 200)}, not in {shown}"
    if declared:
        return Answer.PASS, Basis.DECLARED, f"it lies in {plain(declared, 200)}, not in {shown}"
    return Answer.UNKNOWN, Basis.NONE, "which volume or resource holds it is not stated"


def lies_in(declared: FailureDomain, lost: FailureDomain) -> bool:
    """Whether the runbook says that a place lay in what was destroyed."""
    if not declared.resource or not lost.resource:
        return False
    apart = _differ(lost.provider, declared.provider)
    return same_name(declared.resource) == same_name(lost.resource) and not apart


def _inside(observed: str, lost: str) -> bool:
    if lost.startswith("/"):
        return PurePosixPath(observed).is_relative_to(PurePosixPath(lost))
    return same_name(observed) == same_name(lost)


def _differ(one: str | None, other: str | None) -> bool:
    return bool(one and other and same_name(one) != same_name(other))


def _account(case: Case) -> Answered:
    observed = case.source.account.value if case.source.account.known else None
    observed = case.facts.owner or observed
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
        if same_account(name) == same_account(ours) and not apart:
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
    return Answer.PASS, basis, reason


def _credential(case: Case) -> Answered:
    answer, reason = case.reach.judge(case.declared.credentials)
    return answer, Basis.NONE if answer is Answer.UNKNOWN else Basis.DECLARED, reason


def _versioned(case: Case) -> Answered:
    return _yes_no(
        case.source.versioned,
        case.stated.states.versioned,
        "overwrites and deletes keep the version before",
        "an overwrite or delete leaves nothing behind: the place is not versioned",
        "versioning",
    )


def _locked(case: Case) -> Answered:
    """By its own lock, or by that of the vault that it lies in."""
    own = _lock_answer(case, timedelta(0), "locked until")
    if own[0] is not Answer.PASS and case.facts.vault.kind in ("vault", "air_gapped"):
        held = custody.vault(case)
        return held if held[0] is Answer.PASS else own
    return own


def _lock_outlives(case: Case) -> Answered:
    return _lock_answer(case, MARGIN, f"for {MARGIN.days} more days at least, until")


def _lock_answer(case: Case, margin: timedelta, words: str) -> Answered:
    """Compliance stands by itself; what a permission can lift is as good as the credential."""
    lock = case.facts.lock
    if lock.why_unknown:
        return Answer.UNKNOWN, Basis.NONE, f"its lock is unknown: {plain(lock.why_unknown, 200)}"
    lasts = lock.until is not None and lock.until > case.now + margin
    credential = case.reach.judge(case.declared.credentials)[0]
    tried = case.source.lock_enforced
    if lock.mode is not None and tried.known and tried.value is not True:
        reason = "the place repeats a lock that it does not enforce: it deleted a locked object"
        return Answer.FAIL, Basis.OBSERVED, reason
    if lock.mode == "COMPLIANCE" and lasts and lock.until is not None:
        reason = f"compliance lock, {words} {show_time(lock.until)}"
        if credential is Answer.FAIL:
            reason += "; what leaked cannot delete this version before that"
        if tried.known:
            return Answer.PASS, Basis.OBSERVED, reason
        # The place's own word: whoever wants more asks for it as *observed*.
        return Answer.PASS, Basis.DECLARED, f"{reason}; that the place enforces it was not tried"
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


def _visible(case: Case) -> Answered:
    hidden = case.facts.hidden_by_delete_marker
    if hidden is None:
        return Answer.UNKNOWN, Basis.NONE, "whether a delete marker hides it is not known"
    if hidden:
        reason = "missing but recoverable: a delete marker hides it, the version is still there"
        back = plain(case.facts.unhide, 500)
        reason += f" and is read by its own id; back for everybody: {back}" if back else ""
        return Answer.FAIL, Basis.OBSERVED, reason
    return Answer.PASS, Basis.OBSERVED, "no delete marker hides it"


def _replication(case: Case) -> Answered:
    if case.facts.replay is not None:
        coupled, reason = coupling(case.facts.replay)
        return Answer.FAIL if coupled else Answer.PASS, Basis.OBSERVED, reason
    # A place cannot see who replicates *into* it, so a pass claims no more than that.
    return _yes_no(
        case.source.deletes_replicated,
        case.stated.states.deletes_replicated,
        "deletes are replicated",
        "its own configuration replicates no deletes",
        "replication",
        good=False,
    )


def _lifecycle(case: Case) -> Answered:
    """By the sooner of what the place answers and the runbook states; a job that is not dated is unknown."""
    fact, stated = case.source.expires_after_days, case.stated.states.expires_after_days
    if (ends := case.facts.expires_at) is not None and ends <= case.now + MARGIN:
        return Answer.FAIL, Basis.OBSERVED, f"its place removes it at {show_time(ends)}"
    number = isinstance(fact.value, int) and not isinstance(fact.value, bool)
    if fact.known and not number and fact.value is not None:
        return Answer.UNKNOWN, Basis.NONE, "its expiry is unknown: the store's answer is no number"
    found = [(fact.value, Basis.OBSERVED)] if isinstance(fact.value, int) and fact.known else []
    if stated is not None:
        found.append((stated, Basis.DECLARED))
    if found:
        return _expiring(case, *min(found, key=lambda each: each[0]))
    if ends is not None:
        return Answer.PASS, Basis.OBSERVED, f"its place removes it not before {show_time(ends)}"
    if not fact.known:
        return Answer.UNKNOWN, Basis.NONE, f"its expiry is unknown: {plain(fact.why, 200)}"
    if case.stated.purged_by:
        job = plain(case.stated.purged_by[0], 100)
        reason = f"no rule of the place removes it, and {job} does: after how long is not stated"
        return Answer.UNKNOWN, Basis.DECLARED, reason
    return Answer.PASS, Basis.OBSERVED, "no rule removes it"


def _expiring(case: Case, days: int, basis: Basis) -> Answered:
    who = "a rule removes it" if basis is Basis.OBSERVED else "the runbook says that it is removed"
    try:
        ends = case.facts.point.taken_at + timedelta(days=days)
    except OverflowError:
        return Answer.PASS, basis, f"{who} only after {days} days"
    if ends > case.now + MARGIN:
        return Answer.PASS, basis, f"{who} not before {show_time(ends)}"
    return Answer.FAIL, basis, f"{who} {days} days after it was stored: about {show_time(ends)}"


def _policy(case: Case) -> Answered:
    return _yes_no(
        case.source.policy_limits_deletes,
        case.stated.states.policy_limits_deletes,
        "a policy denies deletes to all but named principals",
        "no policy limits who may delete",
        "policy",
    )


def _yes_no(
    fact: Observed, stated: bool | None, yes: str, no: str, what: str, *, good: bool = True
) -> Answered:
    """What the place answers; the runbook's word where it does not, or where that is the worse one."""
    value: object = fact.value
    basis = Basis.OBSERVED
    if stated is not None and (not fact.known or (value is good and stated is not good)):
        value, basis = stated, Basis.DECLARED
    elif not fact.known:
        return Answer.UNKNOWN, Basis.NONE, f"its {what} is unknown: {plain(fact.why, 200)}"
    if not isinstance(value, bool):
        return Answer.UNKNOWN, Basis.NONE, f"its {what} is unknown: the store gave no clear answer"
    answer = Answer.PASS if value is good else Answer.FAIL
    said = yes if value else no
    return answer, basis, said if basis is Basis.OBSERVED else f"{said}, as the runbook states"


def _bytes(case: Case) -> Answered:
    found = case.facts.bytes
    reason = plain(found.reason, 300)
    if found.state == "intact":
        return Answer.PASS, Basis.OBSERVED, reason or "its digest matches"
    if found.state == "damaged":
        return Answer.FAIL, Basis.OBSERVED, f"damaged: {reason}" if reason else "damaged"
    if found.state == "structure":
        return Answer.UNKNOWN, Basis.OBSERVED, reason or "read to its end; its content is unproven"
    return Answer.UNKNOWN, Basis.NONE, reason or "its bytes were not looked at"


CRITERIA: dict[Criterion, Callable[[Case], Answered]] = {
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
    Criterion.KEY: custody.key,
    Criterion.VAULT: custody.vault,
    Criterion.OUTLIVES: custody.outlives,
    Criterion.RESTORED: custody.restored,
}
