"""What an AWS credential can destroy in a bucket, by IAM's own simulation of its policies.

Pure: decisions in, a power out. Nothing is tried (FACTS.md, section 3, criterion 3). The simulation knows
the principal's policies, its boundary and the organization's; of a bucket's policy only what it is given. So
*cannot* needs that one too, and whatever hangs on a context (MFA, an address) is unknown.
"""

from collections.abc import Sequence

from drbook.core.credentials import Might, Power
from drbook.core.points import Answer, Basis
from drbook.core.reach import same_account
from drbook.core.values import Frozen, plain

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
_ALWAYS = ("s3:DeleteObjectVersion", "s3:PutLifecycleConfiguration", "s3:PutBucketPolicy")
"""Each destroys versions: at once, by expiry, or by giving itself the right."""
_UNVERSIONED = ("s3:DeleteObject", "s3:PutObject")
"""These destroy where no version stays behind."""


class Decision(Frozen):
    """One action on one resource, as IAM decides it."""

    action: str
    allowed: bool
    depends: tuple[str, ...] = ()
    """Context keys on which it hangs and that the simulation did not have."""
    boundary: bool = True
    """False where a permissions boundary or the organization stops it."""


class Simulated(Frozen):
    """What a credential may do to one bucket."""

    account: str
    """The account of the credential."""
    root: bool = False
    """The account's root user: no policy of its own limits it, and none is simulated."""
    decisions: tuple[Decision, ...] = ()
    policy_known: bool = False
    """True where the bucket's policy was simulated too, or there is none."""
    why: str = ""
    """Why there are no decisions."""


def power_of(
    thing: str, found: Simulated, *, account: str | None, versioned: Answer, lock: Answer
) -> Power:
    """`account` is the bucket's as the runbook states it; `lock` whether its copies are held by one that
    was tried."""
    might, reason = _judged(found, account, versioned)
    if might is Might.DESTROYS and lock is Answer.PASS:
        might, reason = Might.CANNOT, f"{reason}; but a lock that was tried holds what is there"
    elif might is Might.DESTROYS and lock is Answer.UNKNOWN:
        might, reason = Might.UNKNOWN, f"{reason}; whether its lock holds was not tried"
    basis = Basis.NONE if might is Might.UNKNOWN else Basis.OBSERVED
    return Power(thing=thing, might=might, basis=basis, reason=plain(reason, 400))


def _judged(found: Simulated, account: str | None, versioned: Answer) -> tuple[Might, str]:
    ours = account is not None and same_account(account) == same_account(found.account)
    if found.root:
        if ours:
            return Might.DESTROYS, f"it is the root user of account {found.account}"
        return (
            Might.UNKNOWN,
            f"it is the root user of {found.account}; whose the bucket is, is not stated",
        )
    if not found.decisions:
        return Might.UNKNOWN, f"IAM was asked, and: {found.why or 'it told nothing'}"
    deadly = _ALWAYS if versioned is Answer.PASS else (*_ALWAYS, *_UNVERSIONED)
    allowed = [one.action for one in found.decisions if one.allowed and not one.depends]
    if hit := [one for one in deadly if one in allowed]:
        return _allowed(hit, ours=ours, account=account, versioned=versioned, allowed=allowed)
    return _not_allowed(found, deadly, allowed)


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
    if versioned is Answer.UNKNOWN and not set(hit) & set(_ALWAYS):
        return Might.UNKNOWN, f"{said}; whether versions stay behind is not known"
    return Might.DESTROYS, said


def _not_allowed(
    found: Simulated, deadly: Sequence[str], allowed: Sequence[str]
) -> tuple[Might, str]:
    missing = set(deadly) - {one.action for one in found.decisions}
    if missing:
        return Might.UNKNOWN, f"IAM did not tell about {', '.join(sorted(missing))}"
    hanging = [one for one in found.decisions if one.depends and one.action in deadly]
    if hanging:
        keys = ", ".join(sorted({key for one in hanging for key in one.depends}))
        return Might.UNKNOWN, f"whether it may {hanging[0].action} hangs on {keys}"
    if wider := [one for one in WIDER_ACTIONS if one in allowed]:
        return Might.UNKNOWN, f"it may not delete there itself, and it may {', '.join(wider)}"
    loose = [one for one in found.decisions if one.depends and one.action in WIDER_ACTIONS]
    if loose or set(WIDER_ACTIONS) - {one.action for one in found.decisions}:
        return (
            Might.UNKNOWN,
            "it may not delete there itself; whether it may give itself more, IAM did not tell",
        )
    if not found.policy_known:
        return (
            Might.UNKNOWN,
            "its own policies do not allow it; the bucket's policy could not be read",
        )
    stopped = ", stopped by its boundary or organization" if _stopped(found, deadly) else ""
    return Might.CANNOT, f"IAM denies it every way to delete there{stopped}"


def _stopped(found: Simulated, deadly: Sequence[str]) -> bool:
    return any(not one.boundary for one in found.decisions if one.action in deadly)
