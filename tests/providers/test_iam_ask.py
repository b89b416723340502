"""IAM is asked about a credential, against botocore's own model of what it answers. Nothing is tried."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import Stubber

from drbook.core.credentials import Might
from drbook.core.errors import Refused
from drbook.core.iampowers import BUCKET_ACTIONS, OBJECT_ACTIONS, WIDER_ACTIONS, power_of
from drbook.core.points import Answer
from drbook.providers.iamask import Asker, open_asker

ACCOUNT = "111122223333"
USER = f"arn:aws:iam::{ACCOUNT}:user/ops/writer"
BUCKET = "acme-offsite"
OWN = {"Grantee": {"ID": "me", "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}
POLICY = json.dumps({"Version": "2012-10-17", "Statement": []})


class Bed:
    """The three clients, each answering what it was told to."""

    def __init__(self) -> None:
        self.asker: Asker = open_asker("AKIA" + "Q" * 16, "s" * 40, "")
        self.sts, self.iam, self.s3 = (
            Stubber(each) for each in (self.asker.sts, self.asker.iam, self.asker.s3)
        )

    def is_(self, arn: str) -> None:
        told = {"Account": ACCOUNT, "Arn": arn, "UserId": "AIDA" + "Q" * 17}
        self.sts.add_response("get_caller_identity", told, {})

    def policy(
        self, text: str | None = None, code: str = "NoSuchBucketPolicy", grants: Any = ()
    ) -> None:
        """The bucket's policy, and what it says beside that: it keeps versions, and has nothing else."""
        if text is None:
            self.s3.add_client_error("get_bucket_policy", code, http_status_code=404)
        else:
            self.s3.add_response("get_bucket_policy", {"Policy": text}, {"Bucket": BUCKET})
        self.s3.add_client_error("get_bucket_policy_status", "NoSuchBucketPolicy")
        self.s3.add_response("get_bucket_versioning", {"Status": "Enabled"})
        lock, life = "ObjectLockConfigurationNotFoundError", "NoSuchLifecycleConfiguration"
        self.s3.add_client_error("get_object_lock_configuration", lock)
        self.s3.add_client_error("get_bucket_lifecycle_configuration", life)
        if grants is None:
            self.s3.add_client_error("get_bucket_acl", "AccessDenied")
        else:
            told = {"Owner": {"ID": "me"}, "Grants": [OWN, *grants]}
            self.s3.add_response("get_bucket_acl", told)

    def simulate(
        self, arn: str = USER, policy: str = "", decided: dict[str, Any] | None = None
    ) -> None:
        """Three questions: about its objects, about the bucket, and wider. `decided` differs by action."""
        there = f"arn:aws:s3:::{BUCKET}"
        for actions, resource in (
            (OBJECT_ACTIONS, f"{there}/nightly/drbook"),
            (BUCKET_ACTIONS, there),
            (WIDER_ACTIONS, "*"),
        ):
            results = [
                {"EvalActionName": each, "EvalResourceName": resource}
                | {"EvalDecision": "implicitDeny", **(decided or {}).get(each, {})}
                for each in actions
            ]
            asked: dict[str, Any] = {"PolicySourceArn": arn, "ActionNames": list(actions)}
            asked["ResourceArns"] = [resource]
            if policy and resource != "*":
                asked |= {"ResourcePolicy": policy, "CallerArn": arn}
            answer = {"EvaluationResults": results, "IsTruncated": False}
            self.iam.add_response("simulate_principal_policy", answer, asked)

    def might(self) -> tuple[Might, str]:
        found = self.asker.ask(BUCKET, "nightly/")
        told = power_of("offsite", found, account=ACCOUNT, versioned=Answer.PASS, lock=Answer.FAIL)
        for one in (self.sts, self.iam, self.s3):
            one.assert_no_pending_responses()
        return told.might, told.reason


@pytest.fixture
def bed() -> Iterator[Bed]:
    made = Bed()
    with made.sts, made.iam, made.s3:
        yield made


ALLOWED = {"EvalDecision": "allowed"}
DECIDED = [
    ({"s3:DeleteObjectVersion": ALLOWED}, Might.DESTROYS, "allows it s3:DeleteObjectVersion"),
    ({}, Might.CANNOT, "denies"),
    ({"s3:DeleteObjectVersion": {"EvalDecision": "explicitDeny"}}, Might.CANNOT, "denies"),
    (
        {"s3:DeleteObjectVersion": {"MissingContextValues": ["aws:MultiFactorAuthPresent"]}},
        Might.UNKNOWN,
        "aws:MultiFactorAuthPresent",
    ),
    (
        {
            "s3:DeleteObjectVersion": {
                "PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": False}
            }
        },
        Might.CANNOT,
        "boundary",
    ),
    (
        {
            "s3:DeleteObjectVersion": {
                "OrganizationsDecisionDetail": {"AllowedByOrganizations": False}
            }
        },
        Might.CANNOT,
        "boundary or organization",
    ),
    ({"sts:AssumeRole": ALLOWED}, Might.UNKNOWN, "sts:AssumeRole"),
]


@pytest.mark.parametrize(("decided", "might", "words"), DECIDED)
def test_what_iam_decides(bed: Bed, decided: dict[str, Any], might: Might, words: str) -> None:
    bed.is_(USER)
    bed.policy()
    bed.simulate(decided=decided)
    told, reason = bed.might()
    assert told is might
    assert words in reason


def test_a_bucket_policy_is_simulated_for_a_user(bed: Bed) -> None:
    bed.is_(USER)
    bed.policy(POLICY)
    bed.simulate(policy=POLICY)
    assert bed.might()[0] is Might.CANNOT


def test_a_bucket_policy_that_cannot_be_read_leaves_it_unknown(bed: Bed) -> None:
    bed.is_(USER)
    bed.policy(code="AccessDenied")
    bed.simulate()
    told, reason = bed.might()
    assert told is Might.UNKNOWN
    assert "policy could not be read" in reason


ROLE = f"arn:aws:iam::{ACCOUNT}:role/backup"


def says(effect: str, principal: str, **more: object) -> str:
    statement = {"Effect": effect, "Principal": {"AWS": principal}, "Action": "s3:*"}
    return json.dumps({"Statement": [statement | {"Resource": "*", "Sid": "Kept"} | more]})


MFA = {"Bool": {"aws:MultiFactorAuthPresent": "false"}}


@pytest.mark.parametrize(
    ("policy", "might", "words"),
    [
        (POLICY, Might.CANNOT, "IAM denies"),
        (says("Deny", ROLE), Might.CANNOT, "statement “Kept” of the bucket's policy denies it"),
        (says("Deny", ROLE, Condition=MFA), Might.UNKNOWN, "denies it under a condition"),
        (says("Allow", ROLE), Might.UNKNOWN, "IAM does not allow it, and statement “Kept”"),
    ],
)
def test_of_a_role_its_buckets_policy_is_read_here(
    bed: Bed, policy: str, might: Might, words: str
) -> None:
    """IAM simulates a resource's policy for users only; a role is asked by its own name."""
    bed.is_(f"arn:aws:sts::{ACCOUNT}:assumed-role/backup/me")
    bed.policy(policy)
    bed.simulate(arn=ROLE)
    told, reason = bed.might()
    assert told is might, reason
    assert words in reason


@pytest.mark.parametrize(
    ("policy", "might", "words"),
    [
        (says("Deny", "*"), Might.CANNOT, "to everybody"),
        (says("Deny", USER), Might.UNKNOWN, "AccessDenied"),  # who it may become, nobody says
        (says("Allow", USER), Might.DESTROYS, "“Kept” of the bucket's policy allows it"),
        (says("Allow", ACCOUNT), Might.UNKNOWN, "AccessDenied"),
        (says("Allow", USER, Condition=MFA), Might.UNKNOWN, "AccessDenied"),
    ],
)
def test_where_iam_does_not_answer_the_bucket_may(
    bed: Bed, policy: str, might: Might, words: str
) -> None:
    bed.is_(USER)
    bed.policy(policy)
    bed.iam.add_client_error("simulate_principal_policy", "AccessDenied", http_status_code=403)
    bed.iam.add_client_error("list_attached_user_policies", "AccessDenied", http_status_code=403)
    told, reason = bed.might()
    assert told is might, reason
    assert words in reason


ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"
ANYBODY = {"Grantee": {"URI": ALL_USERS, "Type": "Group"}, "Permission": "WRITE"}


@pytest.mark.parametrize(("grants", "words"), [([ANYBODY], "AllUsers"), (None, "not be read")])
def test_an_access_list_that_lets_others_write_or_is_hidden_leaves_it_unknown(
    bed: Bed, grants: Any, words: str
) -> None:
    bed.is_(USER)
    bed.policy(grants=grants)
    bed.simulate()
    told, reason = bed.might()
    assert told is Might.UNKNOWN
    assert words in reason


def test_the_root_user_is_not_simulated(bed: Bed) -> None:
    bed.is_(f"arn:aws:iam::{ACCOUNT}:root")
    told, reason = bed.might()
    assert told is Might.DESTROYS
    assert "root user" in reason


@pytest.mark.parametrize("code", ["AccessDenied", "NotImplemented", "NoSuchEntity"])
def test_what_iam_does_not_tell_is_unknown(bed: Bed, code: str) -> None:
    bed.is_(USER)
    bed.policy()
    bed.iam.add_client_error("simulate_principal_policy", code, http_status_code=403)
    bed.iam.add_response(
        "list_attached_user_policies",
        {"AttachedPolicies": [{"PolicyName": "AdministratorAccess"}], "IsTruncated": False},
        {"UserName": "writer"},
    )
    told, reason = bed.might()
    assert told is Might.UNKNOWN
    assert "attached to it: AdministratorAccess" in reason


def test_a_key_that_nobody_knows_is_unknown(bed: Bed) -> None:
    bed.sts.add_client_error("get_caller_identity", "InvalidClientTokenId", http_status_code=403)
    assert bed.might()[0] is Might.UNKNOWN


def test_it_can_ask_and_nothing_else() -> None:
    asker = open_asker("AKIA" + "Q" * 16, "s" * 40, "")
    for call in (
        lambda: asker.s3.delete_object(Bucket=BUCKET, Key="x"),
        lambda: asker.s3.get_object(Bucket=BUCKET, Key="x"),
        lambda: asker.iam.create_access_key(UserName="x"),
        lambda: asker.sts.assume_role(RoleArn=USER, RoleSessionName="xx"),
    ):
        with pytest.raises(Refused):
            call()


def test_no_configured_endpoint_and_no_profile_has_a_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_PROFILE", "not-there")
    asker = open_asker("AKIA" + "Q" * 16, "s" * 40, "")
    assert ".amazonaws.com" in asker.iam.meta.endpoint_url
