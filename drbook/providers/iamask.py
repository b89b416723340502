"""Asking AWS what a credential may do: whose it is, IAM's simulation of its policies, and what the bucket says
itself. Only read.

The session is guarded: it can ask these questions and nothing else. AccessDenied is an answer, *unknown*.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config

from drbook.core.bucketfacts import StoreFacts
from drbook.core.bucketpolicy import Caller
from drbook.core.iampowers import (
    BUCKET_ACTIONS,
    OBJECT_ACTIONS,
    WIDER_ACTIONS,
    Decision,
    Simulated,
)
from drbook.core.values import plain
from drbook.providers.bucketask import ask_bucket, policy_of
from drbook.providers.s3answers import CarefulParsers
from drbook.providers.s3client import STORE_ERRORS, explain
from drbook.providers.s3guard import ASK_POWERS, guard

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sts import STSClient

_ROLE = re.compile(r"arn:(aws[a-z-]*):sts::([0-9]{12}):assumed-role/([^/]+)/.+")


@dataclass(slots=True)
class Asker:
    """The three clients of one credential; made by `open_asker`, or by a test."""

    sts: STSClient
    iam: IAMClient
    s3: S3Client
    _arn: str = field(default="", init=False)
    _account: str = field(default="", init=False)
    _session: str = field(default="", init=False)
    _wider: tuple[Decision, ...] | None = field(default=None, init=False)

    def ask(self, bucket: str, prefix: str) -> Simulated:
        """What it may do to a bucket's objects under a prefix. Never raises for what AWS answers."""
        store: StoreFacts | None = None
        try:
            if not self._arn:
                self._who()
            if self._arn.endswith(":root"):
                return Simulated(account=self._account, root=True)
            policy = policy_of(self.s3, bucket)
            store = ask_bucket(self.s3, bucket, prefix, self._caller(), policy, self._partition)
            found = self._simulated(bucket, prefix, policy)
        except STORE_ERRORS as error:
            found = Simulated(account=self._account, why=f"{explain(error).reason}{self._hint()}")
        except (KeyError, TypeError, ValueError) as error:
            found = Simulated(
                account=self._account, why=f"its answer cannot be read ({type(error).__name__})"
            )
        return found.model_copy(update={"store": store})

    def _caller(self) -> Caller:
        arns = (self._arn, self._session) if self._session != self._arn else (self._arn,)
        return Caller(account=self._account, arns=arns)

    @property
    def _partition(self) -> str:
        return self._arn.split(":")[1]

    def _who(self) -> None:
        told = self.sts.get_caller_identity()
        self._account, arn = told["Account"], told["Arn"]
        self._session = arn
        role = _ROLE.fullmatch(arn)
        # The path of a role is not in its session's name; one with a path is not found, and so unknown.
        self._arn = f"arn:{role[1]}:iam::{role[2]}:role/{role[3]}" if role else arn

    def _simulated(self, bucket: str, prefix: str, policy: str | None) -> Simulated:
        # IAM simulates a resource's policy for users only.
        known = policy == "" or (policy is not None and ":user/" in self._arn)
        given = (policy or "") if known else ""
        there = f"arn:{self._partition}:s3:::{bucket}"
        decisions = [
            *self._decide(OBJECT_ACTIONS, f"{there}/{prefix}drbook", given),
            *self._decide(BUCKET_ACTIONS, there, given),
        ]
        if self._wider is None:
            self._wider = tuple(self._decide(WIDER_ACTIONS, "*", ""))
        return Simulated(
            account=self._account, decisions=(*decisions, *self._wider), policy_known=known
        )

    def _decide(self, actions: Sequence[str], resource: str, policy: str) -> list[Decision]:
        asked: dict[str, Any] = {"PolicySourceArn": self._arn, "ActionNames": list(actions)}
        asked["ResourceArns"] = [resource]
        if policy:
            asked |= {"ResourcePolicy": policy, "CallerArn": self._arn}
        found = []
        for page in self.iam.get_paginator("simulate_principal_policy").paginate(**asked):
            found += [_decision(each) for each in page["EvaluationResults"]]
        return found

    def _hint(self) -> str:
        """What it holds, where IAM would not simulate: for people, and no more than a hint."""
        user = re.fullmatch(r"arn:aws[a-z-]*:iam::[0-9]{12}:user/(?:.*/)?([^/]+)", self._arn)
        if user is None:
            return ""
        try:
            told = self.iam.list_attached_user_policies(UserName=user[1])["AttachedPolicies"]
        except STORE_ERRORS:
            return ""
        names = ", ".join(plain(each.get("PolicyName", ""), 60) for each in told[:5])
        return f"; attached to it: {names}" if names else ""


def _decision(each: Mapping[str, Any]) -> Decision:
    boundary = each.get("PermissionsBoundaryDecisionDetail", {})
    organization = each.get("OrganizationsDecisionDetail", {})
    return Decision(
        action=each["EvalActionName"],
        allowed=each["EvalDecision"] == "allowed",
        explicit=each["EvalDecision"] == "explicitDeny",
        depends=tuple(plain(key, 60) for key in each.get("MissingContextValues", ())),
        boundary=boundary.get("AllowedByPermissionsBoundary", True)
        and organization.get("AllowedByOrganizations", True),
    )


def open_asker(key_id: str, secret: str, token: str) -> Asker:
    """Clients of a credential by its own keys alone, never the machine's. Sends nothing yet."""
    core = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
    # AWS itself, whatever the environment configures for other stores.
    core.set_config_variable("ignore_configured_endpoint_urls", True)
    core.register_component("response_parser_factory", CarefulParsers())
    guard(core, ASK_POWERS, signs_in=False)
    session = boto3.Session(
        botocore_session=core,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        aws_session_token=token or None,
        region_name="us-east-1",
    )
    config = Config(
        connect_timeout=10,
        read_timeout=30,
        retries={"total_max_attempts": 2, "mode": "standard"},
        user_agent_extra="drbook",
    )
    return Asker(
        sts=session.client("sts", config=config),
        iam=session.client("iam", config=config),
        s3=session.client("s3", config=config),
    )
