"""Tables for what a bucket's policy says to one caller; what cannot be told is unknown."""

import json
from typing import Any

import pytest

from drbook.core.bucketfacts import RULED, StoreFacts, all_denied, power_of
from drbook.core.bucketpolicy import Caller, Effect, Ruling, rulings
from drbook.core.credentials import Might
from drbook.core.points import Answer

ACCOUNT = "111122223333"
USER = f"arn:aws:iam::{ACCOUNT}:user/ops/writer"
CALLER = Caller(account=ACCOUNT, arns=(USER,))
ROLE = Caller(
    account=ACCOUNT,
    arns=(
        f"arn:aws:iam::{ACCOUNT}:role/backup",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/backup/me",
    ),
)
BUCKET = "arn:aws:s3:::offsite"
ALL, DELETE = f"{BUCKET}/*", "s3:DeleteObjectVersion"
YES, NO, SILENT, DUNNO = Effect.ALLOWED, Effect.DENIED, Effect.SILENT, Effect.UNKNOWN


def statement(effect: str = "Deny", **more: Any) -> dict[str, Any]:
    given = {"Effect": effect, "Principal": "*", "Action": DELETE, "Resource": ALL}
    return {name: value for name, value in (given | more).items() if value is not None}


def says(
    *statements: dict[str, Any] | str, caller: Caller = CALLER, action: str = DELETE
) -> Ruling:
    text = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    (one,) = rulings(text, caller, "offsite", "nightly/", [action])
    return one


@pytest.mark.parametrize(
    ("more", "effect"),
    [
        ({}, NO),
        ({"Action": "s3:*"}, NO),
        ({"Action": "*"}, NO),
        ({"Action": ["s3:GetObject", "S3:deleteobjectVERSION"]}, NO),
        ({"Action": "s3:Delete*"}, NO),
        ({"Action": "s3:DeleteObject?ersion"}, NO),
        ({"Action": "s3:DeleteObject"}, SILENT),
        ({"Action": "s3:${x}"}, DUNNO),
        ({"Action": 7}, DUNNO),
        ({"Action": [7]}, DUNNO),
        ({"Action": []}, DUNNO),
        ({"Action": None}, DUNNO),
        ({"Action": None, "NotAction": "s3:GetObject"}, NO),
        ({"Action": None, "NotAction": ["s3:GetObject", "s3:Delete*"]}, SILENT),
        ({"NotAction": "s3:GetObject"}, DUNNO),
        ({"Resource": "*"}, NO),
        ({"Resource": f"{BUCKET}/nightly/*"}, NO),
        ({"Resource": f"{BUCKET}*"}, NO),
        ({"Resource": "arn:aws:s3:::*/*"}, NO),
        ({"Resource": "arn:aws:s3:::off*/night*"}, NO),
        ({"Resource": f"{BUCKET}/nightly/old/*"}, DUNNO),  # a part of them
        ({"Resource": f"{BUCKET}/*.dump"}, DUNNO),
        ({"Resource": f"{BUCKET}/weekly/*"}, SILENT),
        ({"Resource": BUCKET}, SILENT),
        ({"Resource": "arn:aws:s3:::other/*"}, SILENT),
        ({"Resource": f"{BUCKET}/nightly/${{aws:username}}/*"}, DUNNO),
        ({"Resource": None, "NotResource": "arn:aws:s3:::other/*"}, NO),
        ({"Resource": None, "NotResource": f"{BUCKET}/nightly/*"}, SILENT),
        ({"Resource": None, "NotResource": f"{BUCKET}/nightly/old/*"}, DUNNO),
        ({"Resource": None}, DUNNO),
        ({"Principal": {"AWS": "*"}}, NO),
        ({"Principal": {"AWS": USER}}, NO),
        ({"Principal": {"AWS": [f"{USER}x", USER]}}, NO),
        ({"Principal": {"AWS": ACCOUNT}}, NO),
        ({"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}, NO),
        ({"Principal": {"AWS": "444455556666"}}, SILENT),
        ({"Principal": {"AWS": f"{USER}x"}}, SILENT),
        ({"Principal": {"AWS": "AIDAQQQQQQQQQQQQQQQQQ"}}, DUNNO),
        ({"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/*"}}, DUNNO),
        ({"Principal": {"AWS": 7}}, DUNNO),
        ({"Principal": {"CanonicalUser": "abc"}}, DUNNO),
        ({"Principal": {"Service": "logging.s3.amazonaws.com"}}, SILENT),
        ({"Principal": {"Federated": "cognito"}}, DUNNO),
        ({"Principal": {}}, DUNNO),
        ({"Principal": None}, DUNNO),
        ({"Principal": None, "NotPrincipal": {"AWS": USER}}, DUNNO),
        ({"Condition": {}}, NO),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}, DUNNO),
        ({"Condition": {"Bool": {"aws:SecureTransport": "false"}}}, SILENT),
        ({"Condition": {"Bool": {"aws:SecureTransport": ["false"]}}}, SILENT),
        ({"Condition": {"Bool": {"aws:SecureTransport": "true"}}}, DUNNO),
        ({"Effect": "Allow", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}, DUNNO),
        ({"Condition": "odd"}, DUNNO),
        ({"Effect": "Perhaps"}, DUNNO),
        ({"Effect": None}, DUNNO),
        ({"Action": "s3:Get*", "NewField": 1}, SILENT),
        ({"NewField": 1}, DUNNO),
    ],
)
def test_what_a_denial_means(more: dict[str, Any], effect: Effect) -> None:
    assert says(statement(**more)).effect is effect


@pytest.mark.parametrize(
    ("statements", "effect"),
    [
        ([], SILENT),
        ([statement("Allow")], YES),
        ([statement("Allow"), statement()], NO),
        ([statement(), statement("Allow")], NO),
        ([statement("Allow"), statement(Condition={"Null": {"aws:TokenIssueTime": "1"}})], DUNNO),
        ([statement("Allow", Condition={"Null": {"x": "1"}})], DUNNO),
        ([statement("Allow", Principal={"AWS": USER})], YES),
        ([statement("Allow", Principal={"AWS": ACCOUNT})], DUNNO),  # its own policies decide
        ([statement("Allow", Resource=f"{BUCKET}/nightly/old/*")], DUNNO),
        ([statement("Allow", Action="s3:Get*")], SILENT),
    ],
)
def test_a_denial_stands_above_and_what_hangs_on_something_is_unknown(
    statements: list[dict[str, Any]], effect: Effect
) -> None:
    assert says(*statements).effect is effect


def test_a_role_is_known_by_its_name_and_its_session() -> None:
    for arn in ROLE.arns:
        assert says(statement(Principal={"AWS": arn}), caller=ROLE).effect is NO
    with_path = f"arn:aws:iam::{ACCOUNT}:role/ops/backup"
    assert says(statement(Principal={"AWS": with_path}), caller=ROLE).effect is DUNNO
    other = f"arn:aws:iam::{ACCOUNT}:role/other"
    assert says(statement(Principal={"AWS": other}), caller=ROLE).effect is SILENT


def test_who_is_not_known_is_nobody_by_name() -> None:
    nobody = Caller()
    assert says(statement(), caller=nobody).effect is NO
    assert says(statement(Principal={"AWS": USER}), caller=nobody).effect is DUNNO


def test_a_buckets_own_actions_are_on_the_bucket() -> None:
    action = "s3:PutBucketPolicy"
    assert says(statement(Action=action, Resource=BUCKET), action=action).effect is NO
    assert says(statement(Action=action), action=action).effect is SILENT
    assert says(statement(Action=action, Resource="*"), action=action).everybody


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", '{"Statement": 7}', '{"Statement": ["x"]}', "[" * 100_000]
)
def test_a_text_that_is_no_policy_is_unknown(text: str) -> None:
    for one in rulings(text, CALLER, "offsite", "", RULED):
        assert one.effect is DUNNO


def test_one_statement_may_stand_alone() -> None:
    text = json.dumps({"Statement": statement(Sid="Keep\x1b[31m")})
    (one,) = rulings(text, CALLER, "offsite", "nightly/", [DELETE])
    assert one.effect is NO
    assert "Keep" in one.why
    assert "\x1b" not in one.why


def facts(*statements: dict[str, Any], **more: Any) -> StoreFacts:
    text = json.dumps({"Statement": list(statements)})
    return StoreFacts(rulings=rulings(text, CALLER, "offsite", "nightly/", RULED), **more)


EVERY = statement(Action="s3:*", Resource=["*"])
TOO_FEW = statement(Action=["s3:DeleteObject*", "s3:PutBucketPolicy"], Resource="*")


def test_every_way_is_denied_only_with_the_policys_own_removal() -> None:
    assert all_denied(facts(EVERY), Answer.PASS)
    assert not all_denied(facts(TOO_FEW), Answer.PASS)
    lifecycle = statement(Action="s3:PutLifecycleConfiguration", Resource=BUCKET)
    assert not all_denied(facts(TOO_FEW, lifecycle), Answer.PASS), "the policy may be taken off"
    remove = statement(Action="s3:DeleteBucketPolicy", Resource=BUCKET)
    assert all_denied(facts(TOO_FEW, lifecycle, remove), Answer.PASS)
    assert not all_denied(facts(TOO_FEW, lifecycle, remove), Answer.FAIL), "it may overwrite"
    assert not all_denied(StoreFacts(), Answer.PASS)


OPEN = statement("Allow", Action="s3:Delete*")


@pytest.mark.parametrize(
    ("told", "lock", "might", "words"),
    [
        (facts(OPEN), Answer.FAIL, Might.DESTROYS, "to everybody: s3:DeleteObjectVersion"),
        (facts(OPEN), Answer.PASS, Might.CANNOT, "a lock that was tried"),
        (facts(OPEN), Answer.UNKNOWN, Might.UNKNOWN, "was not tried"),
        (facts(statement("Allow", Action="s3:PutObject")), Answer.FAIL, Might.UNKNOWN, "versions"),
        (
            facts(statement("Allow", Action="s3:PutObject"), versioned=Answer.FAIL),
            Answer.FAIL,
            Might.DESTROYS,
            "s3:PutObject",
        ),
        (
            facts(statement("Allow", Action="s3:PutObject"), versioned=Answer.PASS),
            Answer.FAIL,
            Might.UNKNOWN,
            "does not say",
        ),
        (facts(EVERY), Answer.FAIL, Might.UNKNOWN, "administrators"),
        (facts(), Answer.FAIL, Might.UNKNOWN, "does not say that it may delete"),
        (StoreFacts(), Answer.FAIL, Might.UNKNOWN, "could not be read"),
        (
            facts(
                hidden_days=3, writers=("AllUsers",), public=True, locked="governance for 1 days"
            ),
            Answer.FAIL,
            Might.UNKNOWN,
            "AllUsers; its policy is public",
        ),
    ],
)
def test_at_a_store_of_ones_own(told: StoreFacts, lock: Answer, might: Might, words: str) -> None:
    power = power_of("offsite", told, versioned=Answer.UNKNOWN, lock=lock)
    assert power.might is might, power.reason
    assert words in power.reason
