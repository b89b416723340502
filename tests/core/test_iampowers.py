"""Tables for what IAM's simulation says of a credential's power over a bucket."""

import pytest

from drbook.core.bucketfacts import RULED, StoreFacts
from drbook.core.bucketpolicy import Effect, Ruling
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


def store(*denied: str, allowed: tuple[str, ...] = (), **more: object) -> StoreFacts:
    rulings = tuple(
        Ruling(
            action=each, effect=Effect.DENIED if each in denied else Effect.SILENT, why="it says"
        )
        if each not in allowed
        else Ruling(action=each, effect=Effect.ALLOWED, why="it says")
        for each in RULED
    )
    return StoreFacts.model_validate({"rulings": rulings, "writers": ()} | more)


WAYS = ("s3:DeleteObjectVersion", "s3:PutLifecycleConfiguration", "s3:PutBucketPolicy")
REMOVAL = "s3:DeleteBucketPolicy"
SILENT = Simulated(account="111122223333", why="access is denied")


@pytest.mark.parametrize(
    ("found", "told", "versioned", "might"),
    [
        (simulated(), store(), KEPT, NO),
        (simulated(), store(writers=None), KEPT, DUNNO),
        (simulated(), store(writers=("AllUsers",)), KEPT, DUNNO),
        (simulated(policy_known=False), store(), KEPT, NO),
        (simulated(policy_known=False), store(rulings=None), KEPT, DUNNO),
        (simulated("s3:PutObject"), store(versioned=KEPT), OPEN, NO),
        (simulated("s3:PutObject"), store(versioned=UNKEPT), OPEN, YES),
        (simulated("s3:PutObject"), store(versioned=UNKEPT), KEPT, NO),
        (simulated("s3:DeleteObject"), store(hidden_days=3), KEPT, DUNNO),
        (simulated("s3:DeleteObject"), store(hidden_days=3), UNKEPT, YES),
        (simulated(WAYS[0]), store(*WAYS, REMOVAL), KEPT, NO),
        (simulated(WAYS[0]), store(*WAYS), KEPT, NO),  # each way that IAM allows is denied
        (simulated(WAYS[0], REMOVAL), store(*WAYS), KEPT, DUNNO),  # and it may lift that
        (simulated(REMOVAL), store(), KEPT, NO),  # nothing is denied that this would lift
        (simulated(*WAYS), store(WAYS[0]), KEPT, YES),
        (simulated("sts:AssumeRole"), store(*WAYS, REMOVAL), KEPT, DUNNO),
        (SILENT, store(*WAYS, REMOVAL), KEPT, DUNNO),  # denied to it alone
        (SILENT, store(allowed=WAYS[:1]), KEPT, YES),
        (SILENT, store(allowed=("s3:PutObject",)), KEPT, DUNNO),
        (SILENT, store(allowed=("s3:PutObject",)), UNKEPT, YES),
        (SILENT, store(), KEPT, DUNNO),
        (Simulated(account="1", root=True), store(*WAYS, REMOVAL), KEPT, DUNNO),
        (Simulated(account="111122223333", root=True), store(*WAYS, REMOVAL), KEPT, YES),
    ],
)
def test_with_what_the_bucket_says_itself(
    found: Simulated, told: StoreFacts, versioned: Answer, might: Might
) -> None:
    asked = found.model_copy(update={"store": told})
    power = power_of(
        "offsite", asked, account="111122223333", versioned=versioned, lock=Answer.FAIL
    )
    assert power.might is might, power.reason


def test_another_accounts_bucket_is_not_given_by_its_policy_alone() -> None:
    asked = SILENT.model_copy(update={"store": store(allowed=WAYS)})
    for account in (None, "444455556666"):
        told = power_of("offsite", asked, account=account, versioned=KEPT, lock=Answer.FAIL)
        assert told.might is DUNNO
