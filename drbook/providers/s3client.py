"""Guarded S3 clients, and what a store's refusals mean to an operator."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSLError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

from drbook.core.errors import UsageError
from drbook.core.values import plain
from drbook.providers.awssession import guarded
from drbook.providers.hiding import scrub
from drbook.providers.s3config import S3Place
from drbook.providers.s3guard import Allowed
from drbook.providers.s3own import OwnObject
from drbook.providers.secrets import Secrets

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sts import STSClient

STORE_ERRORS = (BotoCoreError, ClientError, RecursionError)
"""Everything that botocore raises for a store that refuses, answers badly or not at all; an endpoint
that redirects to itself is followed until the stack ends."""

_CONNECT_SECONDS = 10
_READ_SECONDS = 30
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Why:
    """A store's failure in words: `code` for machines, `reason` and `next` for people."""

    code: str
    reason: str
    next: str
    again: bool = False
    """True where the same request may succeed later without anybody doing anything."""


class S3Connection:
    """One place's guarded session and its client."""

    def __init__(
        self,
        place: S3Place,
        secrets: Secrets,
        allowed: Allowed,
        *,
        writes_to: tuple[str, str] | None = None,
        own: OwnObject | None = None,
    ) -> None:
        """Raises UsageError where credentials or profile cannot be read. Sends nothing."""
        self.place = place
        try:
            self.session = guarded(place, place.region, secrets, allowed, writes_to, own)
            self.client: S3Client = self.session.client(
                "s3",
                endpoint_url=place.endpoint,
                region_name=self.session.region_name or "us-east-1",
                verify=place.ca_bundle,
                config=_config(place),
            )
        except (ProfileNotFound, PartialCredentialsError, ValueError) as error:
            raise UsageError(
                f"The bucket {plain(place.bucket)} cannot be addressed: {_words(error)}.",
                means="It was not asked.",
                next="Mend profile, region or endpoint in the runbook.",
                code="s3-config",
            ) from None

    def sts(self) -> STSClient:
        """The client that tells whose credentials these are; AWS only."""
        return self.session.client("sts", region_name=self.client.meta.region_name)

    @property
    def owner(self) -> dict[str, Any]:
        """The argument that makes AWS refuse a bucket of somebody else."""
        expected = self.place.expected_owner
        return {"ExpectedBucketOwner": expected} if expected else {}

    def close(self) -> None:
        self.client.close()


def _config(place: S3Place) -> Config:
    style = place.addressing
    if style == "auto" and place.endpoint is not None:
        style = "path"
    return Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
        s3={"addressing_style": style},
        # Other stores do not know the newer checksum headers; where AWS demands one it is sent.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        user_agent_extra="drbook",
    )


_RECURSION = "maximum recursion depth"

# --- what failures mean ------------------------------------------------------------------------

_CREDENTIALS = "Check the credentials that the runbook names for this bucket."
_MEANINGS: dict[str, tuple[str, str]] = {
    "NoSuchBucket": ("there is no such bucket", "Check the bucket's name, region and endpoint."),
    "InvalidAccessKeyId": ("the access key does not exist there", _CREDENTIALS),
    "SignatureDoesNotMatch": ("the secret key is wrong", _CREDENTIALS),
    "ExpiredToken": ("the credentials have expired", "Get new ones and try again."),
    "ExpiredTokenException": ("the credentials have expired", "Get new ones and try again."),
    "RequestExpired": ("the credentials have expired", "Get new ones and try again."),
    "InvalidToken": ("the session token is not valid", _CREDENTIALS),
    "AccessDenied": (
        "access is denied",
        "Give these credentials read access, or check that expected_owner is right.",
    ),
    "RequestTimeTooSkewed": (
        "this machine's clock is wrong by more than the store accepts",
        "Set the clock of this machine.",
    ),
    "PermanentRedirect": ("the bucket is in another region", "State its region."),
    "AuthorizationHeaderMalformed": ("the bucket is in another region", "State its region."),
    "IllegalLocationConstraintException": ("the bucket is in another region", "State its region."),
    "NoSuchKey": ("it is not there any more", "List the backups again."),
    "NoSuchVersion": ("that version is not there any more", "List the backups again."),
    "InvalidObjectState": (
        "it lies in an archive tier and cannot be read from there",
        "Have the store restore it to a readable tier first; that takes minutes to hours.",
    ),
    "SlowDown": ("the store asks to slow down", "Try again in a minute."),
}
_BY_STATUS = {403: "AccessDenied", 404: "NoSuchBucket", 301: "PermanentRedirect", 400: ""}
_NOT_OFFERED = frozenset({"NotImplemented", "MethodNotAllowed", "XNotImplemented", "501", "405"})


def code_of(error: Exception) -> str:
    """The store's own error code, like `NoSuchBucket`; empty where nothing was answered."""
    if not isinstance(error, ClientError):
        return ""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: Exception) -> int:
    """The HTTP status; 0 where nothing was answered."""
    if not isinstance(error, ClientError):
        return 0
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def not_offered(error: Exception) -> bool:
    """True where the store says that it does not have this function at all."""
    return code_of(error) in _NOT_OFFERED or status_of(error) in (405, 501)


def explain(error: Exception) -> Why:
    """The failure in words. A message of the store is quoted as plain text."""
    if isinstance(error, ClientError):
        return _explain_answer(error)
    if isinstance(error, RecursionError) or _RECURSION in str(error):  # it may come wrapped
        return Why(
            "redirect",
            "its address redirects to itself",
            "Check the endpoint in the runbook; a sign-in page or a proxy may have answered.",
        )
    if isinstance(error, SSLError):
        return Why(
            "tls",
            f"the TLS connection is not trusted ({_words(error)})",
            "State ca_bundle for a private authority; otherwise somebody may be in between.",
        )
    if isinstance(error, EndpointConnectionError | ConnectTimeoutError | HTTPClientError):
        return Why(
            "endpoint",
            f"{_endpoint(error)} does not answer ({_how(error)})",
            "Check the network from this machine, the endpoint's name, and whether it is up.",
            again=True,
        )
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return Why(
            "no-credentials",
            "there are no credentials for it on this machine",
            "Name a profile, or access_key and secret_key, in the runbook.",
        )
    if isinstance(error, TokenRetrievalError | UnauthorizedSSOTokenError):
        return Why("ExpiredToken", "the sign-in has expired", "Run `aws sso login`, then again.")
    return Why("client", _words(error), "Check how the runbook describes the bucket.")


def _explain_answer(error: ClientError) -> Why:
    code, status = code_of(error), status_of(error)
    if not_offered(error):
        return Why("NotImplemented", "this store does not offer it", "Ask the store's operator.")
    # HEAD answers have no body: there botocore puts the bare status in place of the code.
    known = _MEANINGS.get(code) or (
        _MEANINGS.get(_BY_STATUS.get(status, "")) if code.isdigit() else None
    )
    again = status >= 500 or code in ("SlowDown", "RequestTimeout", "RequestTimeTooSkewed")
    if known is None:
        message = plain(scrub(str(error.response.get("Error", {}).get("Message", ""))), 200)
        shown = (
            f"the store answered {plain(scrub(code), 60) or 'nothing'} ({status}) {message}".strip()
        )
        return Why(code, shown, "See what the store's operator says about it.", again)
    return Why(code, f"{known[0]} ({plain(code, 60)})", known[1], again)


def _endpoint(error: BotoCoreError) -> str:
    """Scheme, host and port; the rest of the address says nothing about why it does not answer."""
    parts = urlsplit(str(error.kwargs.get("endpoint_url", "")))
    return plain(f"{parts.scheme}://{parts.netloc}", 200) if parts.netloc else "the endpoint"


def _how(error: BotoCoreError) -> str:
    """The innermost cause: `Connection refused`, `timed out`, a name that nobody knows."""
    cause = error.kwargs.get("error")
    text = str(cause if cause is not None else error)
    found = re.search(r"\[Errno -?\d+\] ([^'\")]+)|(timed out)", text)
    if found:
        return plain(found.group(1) or found.group(2), 120)
    return plain(scrub(" ".join(text.split())), 120).rstrip(".")


def _words(error: Exception) -> str:
    return plain(scrub(" ".join(str(error).split())), 200).rstrip(".")
