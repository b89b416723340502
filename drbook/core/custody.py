"""Four more criteria of independence: the key survives, the vault holds, a snapshot outlives its instance,
a drill restored it. And what to pause before anything of a place is mounted."""

from datetime import timedelta
from pathlib import PurePosixPath

from drbook.core.case import MARGIN, Answered, Case
from drbook.core.points import Answer, Basis, Criterion, FailureDomain
from drbook.core.proofs import proof_of
from drbook.core.reach import same_account, same_name, same_place
from drbook.core.values import counted, plain, show_duration, show_time

PROVED_WITHIN = timedelta(days=90)
"""A copy that was restored longer ago than this was not restored recently."""


def applies(criterion: Criterion, case: Case) -> bool:
    """False where the question says nothing of this kind of copy: it is then asked only by who requires it."""
    if criterion is Criterion.VAULT:
        return case.facts.vault.kind != "none"
    if criterion is Criterion.OUTLIVES:
        return case.facts.snapshot.kind != "none"
    return True


# --- the key -----------------------------------------------------------------------------------


def key(case: Case) -> Answered:
    """Whether the copy can still be decrypted: of each key that it needs, one stated place must lie outside
    what was destroyed and what leaked can reach (FACTS.md, section 3, no 12).

    That it opened here a moment ago is told and makes a stated pass an observed one. It makes nothing
    else better: the key that opened it may be the very one that goes with production. A key of the
    provider's is judged the same way: one that is going, or is production's own, counts against the copy;
    that it is enabled makes nothing better than what is stated.
    """
    answer, basis, reason = _stated_keys(case)
    held = case.facts.key
    if not held.name and not held.why_unknown:
        return answer, basis, reason
    shown = f"its key {plain(held.name, 200)}" if held.name else "its key"
    if held.state in ("disabled", "pending_deletion", "unavailable"):
        at = f", at {show_time(held.deleted_at)}" if held.deleted_at is not None else ""
        words = {
            "disabled": "is disabled: nothing decrypts it until the key is enabled",
            "pending_deletion": f"will be removed{at}, unless that is cancelled before",
            "unavailable": "cannot be used now",
        }[held.state]
        return Answer.FAIL, Basis.OBSERVED, f"{shown} {words}"
    if answer is Answer.FAIL:
        return answer, basis, reason
    ours = case.production.account
    if ours and held.account and same_account(held.account) == same_account(ours):
        words = "is in production's own account: whether what leaked can remove it is not known"
        return Answer.UNKNOWN, Basis.OBSERVED, f"{shown} {words}; {reason}"
    if held.state is None:
        words = f"the state of {shown} is unknown: {plain(held.why_unknown, 200)}"
        return Answer.UNKNOWN, Basis.NONE, f"{words}; {reason}"
    return answer, basis, f"{reason}; {shown} is enabled"


def _stated_keys(case: Case) -> Answered:
    """By what the runbook states of the keys that it needs."""
    needed, encrypted = case.stated.keys, case.facts.point.encrypted
    opened = case.source.opened.known and case.source.opened.value is True
    now = "; it opened here a moment ago" if opened else ""
    if not needed:
        if encrypted is False:
            return Answer.PASS, Basis.OBSERVED, "it is not encrypted: it needs no key"
        if needed is None:
            reason = "which keys it needs, and where they are kept, is not stated"
            return Answer.UNKNOWN, Basis.NONE, reason + now
        if opened:
            reason = "the runbook states that it needs no key, and it opened here with one"
            return Answer.UNKNOWN, Basis.OBSERVED, reason
        return Answer.PASS, Basis.DECLARED, "it needs no key, as the runbook states"
    answers = [_kept(name, case) for name in needed]
    for wanted in (Answer.FAIL, Answer.UNKNOWN):
        for answer, reason in answers:
            if answer is wanted:
                basis = Basis.DECLARED if wanted is Answer.FAIL else Basis.NONE
                return answer, basis, reason + now
    basis = Basis.OBSERVED if opened else Basis.DECLARED
    return Answer.PASS, basis, "; ".join(reason for _, reason in answers) + now


def _kept(name: str, case: Case) -> tuple[Answer, str]:
    """Where one key is kept, and whether a place of it is left."""
    shown, places = plain(name, 100), case.reach.kept.get(same_name(name))
    if places is None:
        return Answer.UNKNOWN, f"where {shown} is kept is not stated"
    if not places:
        return Answer.FAIL, f"{shown} is kept nowhere, as the runbook states"
    if not case.production.resource:
        return (
            Answer.UNKNOWN,
            f"which resource was destroyed is not stated, nor so whether {shown} is",
        )
    left = [place for place in places if not _destroyed(place, case.production)]
    if not left:
        return Answer.FAIL, f"{shown} is kept only in what was destroyed"
    apart = [place for place in left if same_place(place) not in case.reach.readable]
    if not apart:
        way = case.reach.readable[same_place(left[0])]
        return (
            Answer.UNKNOWN,
            f"{shown} is left only in {way}: nobody knows whether it is still there",
        )
    if case.reach.unknown:
        return (
            Answer.UNKNOWN,
            f"whether what leaked reaches {shown} is not known: {case.reach.unknown}",
        )
    return Answer.PASS, f"{shown} is kept in {plain(apart[0], 100)}, apart from what was destroyed"


def _destroyed(place: str, lost: FailureDomain) -> bool:
    """Whether a place of `stored_in` is the destroyed resource, its project or account, or a file in it."""
    bare = place.removeprefix("file:").partition("#")[0]
    for name in (lost.resource, lost.project):
        if name and same_name(bare) == same_name(name):
            return True
    if lost.account and same_account(bare) == same_account(lost.account):
        return True
    folder = lost.resource or ""
    within = folder.startswith("/") and bare.startswith("/")
    return within and PurePosixPath(bare).is_relative_to(PurePosixPath(folder))


# --- vaults, snapshots, drills -----------------------------------------------------------------


def vault(case: Case) -> Answered:
    """A lock that nobody can lift any more holds by itself; another one is as good as the credential."""
    fact = case.facts.vault
    if fact.kind is None:
        return Answer.UNKNOWN, Basis.NONE, f"its vault is unknown: {plain(fact.why_unknown, 200)}"
    if fact.kind == "none":
        return Answer.UNKNOWN, Basis.NONE, "it lies in no vault: the question proves nothing of it"
    if fact.kind == "air_gapped":
        return (
            Answer.PASS,
            Basis.OBSERVED,
            "its vault is the provider's own, apart from all accounts",
        )
    if fact.locked is None:
        return Answer.UNKNOWN, Basis.NONE, "whether its vault is locked is not known"
    if not fact.locked:
        return Answer.FAIL, Basis.OBSERVED, "its vault is not locked"
    if fact.fixed_at is not None and fact.fixed_at <= case.now:
        reason = f"its vault is locked, and since {show_time(fact.fixed_at)} nobody can lift that"
        return Answer.PASS, Basis.OBSERVED, reason
    until = f" until {show_time(fact.fixed_at)}" if fact.fixed_at is not None else ""
    lock = f"its vault is locked, and its account can lift that{until}"
    credential = case.reach.judge(case.declared.credentials)[0]
    if credential is Answer.PASS:
        return Answer.PASS, Basis.DERIVED, f"{lock}; nothing that leaked can"
    if credential is Answer.FAIL:
        return Answer.FAIL, Basis.DERIVED, f"{lock}; what leaked may"
    return Answer.UNKNOWN, Basis.DERIVED, f"{lock}; whether what leaked can is not known"


def outlives(case: Case) -> Answered:
    fact = case.facts.snapshot
    if fact.kind is None:
        why = plain(fact.why_unknown, 200)
        return Answer.UNKNOWN, Basis.NONE, f"whether it dies with an instance is unknown: {why}"
    if fact.kind == "automated":
        reason = "an automated snapshot: it is removed with its instance"
        return Answer.FAIL, Basis.OBSERVED, reason
    if fact.kind == "none":
        return Answer.PASS, Basis.DERIVED, "it is no snapshot of an instance, and dies with none"
    if fact.kind == "manual":
        reason = "a manual snapshot: it outlives its instance, not who may delete snapshots"
        return Answer.PASS, Basis.DERIVED, reason
    words = {
        "retained": "it was kept after its instance was removed",
        "copied": "a copy in another account: it outlives the instance and its account",
    }
    return Answer.PASS, Basis.OBSERVED, words[fact.kind]


def restored(case: Case) -> Answered:
    """By the record of this machine, of these very bytes. That no record tells of it proves nothing."""
    proof = proof_of(case.proofs.known, case.facts.point)
    if proof is None:
        why = f": {plain(case.proofs.unread, 200)}" if case.proofs.unread else " on this machine"
        return Answer.UNKNOWN, Basis.NONE, f"no record tells that it was restored{why}"
    age = case.now - proof.verified_at
    if age > PROVED_WITHIN:
        return Answer.FAIL, Basis.OBSERVED, f"{proof.show()}: {show_duration(age)} ago"
    return Answer.PASS, Basis.OBSERVED, proof.show()


# --- what removes copies by itself -------------------------------------------------------------


def to_pause(case: Case) -> tuple[str, ...]:
    """What is to be paused before anything of the place is mounted or restored, the runbook's jobs first.
    A backup server that comes back with its jobs removes what it was brought back for."""
    words = [f"the job {plain(job, 300)}, which removes copies" for job in case.stated.purged_by]
    replicated, states = case.source.deletes_replicated, case.stated.states
    if replicated.value is True or states.deletes_replicated is True:
        words.append("its replication, which carries deletes on")
    days = case.source.expires_after_days.value
    seen = [days] if isinstance(days, int) and not isinstance(days, bool) else []
    stated = [states.expires_after_days] if states.expires_after_days is not None else []
    soon = [each for each in (*seen, *stated) if _ends_soon(case, each)]
    if soon:
        after = counted(min(soon), "day")
        words.append(f"its rule of expiry, which removes copies {after} after they were stored")
    return tuple(words)


def _ends_soon(case: Case, days: int) -> bool:
    try:
        return case.facts.point.taken_at + timedelta(days=days) <= case.now + MARGIN
    except OverflowError:
        return False
