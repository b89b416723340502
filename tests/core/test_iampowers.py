"""Tables for what IAM's simulation says of a credential's power over a bucket."""

import pytest

from drbook.core.credentials import Might
from drbook.core.iampowers import (
    BUCKET_ACTIONS,
    OBJECT_ACTIONS,
    WIDER_ACTIONS,
    Decision,
    Simulated,
    power_of,
)
from drbook.core.points import Answer, Basis

YES, NO, DUNNO = Might.DESTROYS, Might.CANNOT, Might.UNKNOWN
EVERY = (*OBJECT_ACTIONS, *BUCKET_ACTIONS, *WIDER_ACTIONS)
KEPT, OPEN, UNKEPT = Answer.PASS, Answer.UNKNOWN, Answer.FAIL


def simulated(*allowed: str, mfa: str = "", without: str = "", **more: object) -> Simulated:
    decisions = tuple(
        Decision(
            action=each,
            allowed=each in allowed,
            depends=("aws:MultiFactorAuthPresent",) if each == mfa else (),
        )
        for each in EVERY
        if each != without
    )
    fields = {"account": "111122223333", "decisions": decisions, "policy_known": True}
    return Simulated.model_validate(fields | more)


@pytest.mark.parametrize(
    ("found", "versioned", "might"),
    [
        (simulated(), KEPT, NO),
        (simulated("s3:DeleteObjectVersion"), KEPT, YES),
        (simulated("s3:PutLifecycleConfiguration"), KEPT, YES),
        (simulated("s3:PutBucketPolicy"), KEPT, YES),
        (simulated("s3:DeleteObject", "s3:PutObject"), KEPT, NO),
        (simulated("s3:DeleteObject"), UNKEPT, YES),
        (simulated("s3:PutObject"), UNKEPT, YES),
        (simulated("s3:PutObject"), OPEN, DUNNO),
        (simulated("s3:BypassGovernanceRetention"), KEPT, NO),
        (simulated(mfa="s3:DeleteObjectVersion"), KEPT, DUNNO),
        (simulated("s3:DeleteObjectVersion", mfa="s3:DeleteObjectVersion"), KEPT, DUNNO),
        (simulated(without="s3:DeleteObjectVersion"), KEPT, DUNNO),
        *((simulated(one), KEPT, DUNNO) for one in WIDER_ACTIONS),
        (simulated(without="sts:AssumeRole"), KEPT, DUNNO),
        (simulated(mfa="sts:AssumeRole"), KEPT, DUNNO),
        (simulated(policy_known=False), KEPT, DUNNO),
        (simulated("s3:DeleteObjectVersion", policy_known=False), KEPT, YES),
        (Simulated(account="111122223333", root=True), KEPT, YES),
        (Simulated(account="111122223333", why="access is denied"), KEPT, DUNNO),
    ],
)
def test_by_what_is_allowed(found: Simulated, versioned: Answer, might: Might) -> None:
    told = power_of(
        "offsite", found, account="1111-2222-3333", versioned=versioned, lock=Answer.FAIL
    )
    assert told.might is might, told.reason
    assert (told.basis is Basis.OBSERVED) is (might is not DUNNO)


@pytest.mark.parametrize(
    ("account", "lock", "might"),
    [
        ("111122223333", Answer.FAIL, YES),
        ("111122223333", Answer.PASS, NO),
        ("111122223333", Answer.UNKNOWN, DUNNO),
        ("444455556666", Answer.FAIL, DUNNO),
        (None, Answer.FAIL, DUNNO),
    ],
)
def test_whose_the_bucket_is_and_what_holds_its_copies(
    account: str | None, lock: Answer, might: Might
) -> None:
    root = Simulated(account="111122223333", root=True)
    for found in (simulated("s3:DeleteObjectVersion"), root):
        told = power_of("offsite", found, account=account, versioned=KEPT, lock=lock)
        assert told.might is might, told.reason


def test_a_boundary_that_stops_it_is_said() -> None:
    stopped = simulated().decisions
    decisions = tuple(one.model_copy(update={"boundary": False}) for one in stopped)
    found = Simulated(account="1", decisions=decisions, policy_known=True)
    told = power_of("offsite", found, account="1", versioned=KEPT, lock=Answer.FAIL)
    assert told.might is NO
    assert "boundary" in told.reason
