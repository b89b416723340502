"""What an AWS credential can destroy in a bucket, by IAM's own simulation of its policies and by what the
bucket says itself.

Pure: decisions in, a power out. Nothing is tried (FACTS.md, section 3, criteria 3 and 10). The simulation knows
the principal's policies, its boundary and the organization's; of a bucket's policy only what it is given. So
*cannot* needs that one and the access list too, and whatever hangs on a context (MFA, an address) is unknown.
Where IAM does not answer, the bucket's policy alone may still decide: what it denies, nobody else allows.
"""

from collections.abc import Sequence

from drbook.core.bucketfacts import (
    ALWAYS,
    UNDENIED,
    UNVERSIONED,
    StoreFacts,
    all_denied,
    behind_the_lock,
    deadly,
)
from drbook.core.bucketpolicy import Effect
from drbook.core.credentials import Might, Power
from drbook.core.points import Answer, Basis
from drbook.core.reach import same_account
from drbook.core.values import Frozen, counted, plain

OBJECT_ACTIONS = (
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:PutObject",
    "s3:BypassGovernanceRetention",
)
BUCKET_ACTIONS = (
    "s3:PutLifecycleConfiguration",
    "s3:PutBucketVersioning",
    "s3:PutBucketPolicy",
    UNDENIED,
    "s3:DeleteBucket",
)
WIDER_ACTIONS = (
    "kms:ScheduleKeyDeletion",
    "sts:AssumeRole",
    "iam:AttachUserPolicy",
    "iam:CreateAccessKey",
    "iam:CreatePolicyVersion",
    "iam:PutUserPolicy",
    "iam:UpdateAssumeRolePolicy",
    "secretsmanager:GetSecretValue",
    "ssm:GetParameter",
)
"""What may lead to more than this credential has itself."""


class Decision(Frozen):
    """One action on one resource, as IAM decides it."""

    action: str
    allowed: bool
    depends: tuple[str, ...] = ()
    """Context keys on which it hangs and that the simulation did not have."""
    boundary: bool = True
    """False where a permissions boundary or the organization stops it."""
    explicit: bool = False
    """True where a policy denies it, and not only none allows it."""


class Simulated(Frozen):
    """What a credential may do to one bucket."""

    account: str
    """The account of the credential."""
    root: bool = False
    """The account's root user: no policy of its own limits it, and none is simulated."""
    decisions: tuple[Decision, ...] = ()
    policy_known: bool = False
    """True where the bucket's policy was simulated too, or there is none."""
    store: StoreFacts | None = None
    """What the bucket says itself; None where it was not asked."""
    why: str = ""
    """Why there are no decisions."""


def power_of(
    thing: str, found: Simulated, *, account: str | None, versioned: Answer, lock: Answer
) -> Power:
    """`account` is the bucket's as the runbook states it; `lock` whether its copies are held by one that
    was tried."""
    store = found.store or StoreFacts()
    kept = versioned if versioned is not Answer.UNKNOWN else store.versioned
    might, reason = _judged(found, store, account, kept)
    might, reason = behind_the_lock(might, reason, lock)
    basis = Basis.NONE if might is Might.UNKNOWN else Basis.OBSERVED
    return Power(thing=thing, might=might, basis=basis, reason=plain(reason, 400))


def _judged(
    found: Simulated, store: StoreFacts, account: str | None, versioned: Answer
) -> tuple[Might, str]:
    ours = account is not None and same_account(account) == same_account(found.account)
    if found.root:  # which may always take a policy off again
        if ours:
            return Might.DESTROYS, f"it is the root user of account {found.account}"
        return (
            Might.UNKNOWN,
            f"it is the root user of {found.account}; whose the bucket is, is not stated",
        )
    if found.account and (denials := all_denied(store, versioned)):
        if all(one.everybody for one in denials):
            return Might.CANNOT, f"{denials[0].why}, to everybody and every way to delete there"
        if found.decisions and not _wider(found):
            return Might.CANNOT, f"{denials[0].why}, and every way to delete there"
    if not found.decisions:
        return _by_policy(found, store, versioned, ours=ours)
    ways = deadly(versioned)
    allowed = [one.action for one in found.decisions if one.allowed and not one.depends]
    stopped = {one.action for one in store.those(ways, Effect.DENIED)}
    if hit := [one for one in ways if one in allowed and one not in stopped]:
        if not found.policy_known and (unsure := store.those(hit, Effect.UNKNOWN)):
            return Might.UNKNOWN, f"IAM allows it {', '.join(hit)}; {unsure[0].why}"
        return _allowed(hit, ours=ours, account=account, versioned=versioned, allowed=allowed)
    if hidden := _only_hides(store, allowed, versioned):
        return Might.UNKNOWN, hidden
    given = _given_by_policy(found, store, ways)
    if given is not None:
        return given
    return _not_allowed(found, store, ways, allowed)


def _by_policy(
    found: Simulated, store: StoreFacts, versioned: Answer, *, ours: bool
) -> tuple[Might, str]:
    """Where IAM told nothing: what the bucket's policy allows by itself, in the bucket's own account."""
    silent = f"IAM was asked, and: {found.why or 'it told nothing'}"
    allows = store.those(deadly(versioned), Effect.ALLOWED)
    at_once = any(one.action in ALWAYS for one in allows)
    if allows and ours and (at_once or versioned is Answer.FAIL):
        named = ", ".join(one.action for one in allows)
        return Might.DESTROYS, f"{allows[0].why}: {named} ({silent})"
    said = f"; {allows[0].why}" if allows else ""
    return Might.UNKNOWN, f"{silent}{said} ({store.said()})" if found.store else f"{silent}{said}"


def _only_hides(store: StoreFacts, allowed: Sequence[str], versioned: Answer) -> str:
    """A delete that leaves a version is one with a delay where the lifecycle removes what is hidden."""
    hides = [one for one in UNVERSIONED if one in allowed]
    if versioned is not Answer.PASS or store.hidden_days is None or not hides:
        return ""
    days = counted(store.hidden_days, "day")
    return f"it may hide copies ({', '.join(hides)}), and what is hidden is removed after {days}"


def _given_by_policy(
    found: Simulated, store: StoreFacts, ways: Sequence[str]
) -> tuple[Might, str] | None:
    """Of a role, whose bucket's policy IAM does not simulate."""
    if found.policy_known:
        return None
    no = {one.action for one in found.decisions if one.explicit or not one.boundary}
    given = [one for one in store.those(ways, Effect.ALLOWED) if one.action not in no]
    if given:
        return Might.UNKNOWN, f"IAM does not allow it, and {given[0].why}: {given[0].action}"
    return None


def _wider(found: Simulated) -> bool:
    """Whether it may do, or nobody told whether it may, what leads to more than it has itself."""
    told = {one.action: one for one in found.decisions}
    return any(
        name not in told or told[name].allowed or told[name].depends for name in WIDER_ACTIONS
    )


def _allowed(
    hit: Sequence[str],
    *,
    ours: bool,
    account: str | None,
    versioned: Answer,
    allowed: Sequence[str],
) -> tuple[Might, str]:
    bypass = (
        " and s3:BypassGovernanceRetention" if "s3:BypassGovernanceRetention" in allowed else ""
    )
    said = f"IAM allows it {', '.join(hit)}{bypass}"
    if not ours:
        whose = "of another account" if account is not None else "of an account that is not stated"
        return Might.UNKNOWN, f"{said}; the bucket is {whose}, whose policy decides as well"
    if versioned is Answer.UNKNOWN and not set(hit) & set(ALWAYS):
        return Might.UNKNOWN, f"{said}; whether versions stay behind is not known"
    return Might.DESTROYS, said


def _not_allowed(
    found: Simulated, store: StoreFacts, ways: Sequence[str], allowed: Sequence[str]
) -> tuple[Might, str]:
    missing = set(ways) - {one.action for one in found.decisions}
    if missing:
        return Might.UNKNOWN, f"IAM did not tell about {', '.join(sorted(missing))}"
    hanging = [one for one in found.decisions if one.depends and one.action in ways]
    if hanging:
        keys = ", ".join(sorted({key for one in hanging for key in one.depends}))
        return Might.UNKNOWN, f"whether it may {hanging[0].action} hangs on {keys}"
    denied = any(one.explicit for one in found.decisions if one.action in ways)
    if UNDENIED in allowed and (denied or store.those(ways, Effect.DENIED)):
        return Might.UNKNOWN, f"it may not delete there, and may lift what denies it: {UNDENIED}"
    if wider := [one for one in WIDER_ACTIONS if one in allowed]:
        return Might.UNKNOWN, f"it may not delete there itself, and it may {', '.join(wider)}"
    loose = [one for one in found.decisions if one.depends and one.action in WIDER_ACTIONS]
    if loose or set(WIDER_ACTIONS) - {one.action for one in found.decisions}:
        return (
            Might.UNKNOWN,
            "it may not delete there itself; whether it may give itself more, IAM did not tell",
        )
    if not found.policy_known and store.rulings is None:
        return (
            Might.UNKNOWN,
            "its own policies do not allow it; the bucket's policy could not be read",
        )
    if not found.policy_known and (unsure := store.those(ways, Effect.UNKNOWN)):
        return Might.UNKNOWN, f"its own policies do not allow it; {unsure[0].why}"
    if found.store is not None and store.writers is None:
        return (
            Might.UNKNOWN,
            "its policies do not allow it; the bucket's access list could not be read",
        )
    if store.writers:
        who = ", ".join(store.writers)
        return Might.UNKNOWN, f"its policies do not allow it; the bucket's access list allows {who}"
    stopped = ", stopped by its boundary or organization" if _stopped(found, ways) else ""
    return Might.CANNOT, f"IAM denies it every way to delete there{stopped}"


def _stopped(found: Simulated, ways: Sequence[str]) -> bool:
    return any(not one.boundary for one in found.decisions if one.action in ways)
