"""Guarded clients of AWS's services that keep snapshots, and what their refusals mean to an operator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError, PartialCredentialsError, ProfileNotFound

from drbook.core.errors import UsageError
from drbook.core.ports import Cancel
from drbook.core.values import plain
from drbook.providers.awsaccess import AwsRegions
from drbook.providers.awssession import guarded
from drbook.providers.hiding import scrub
from drbook.providers.s3answers import OddAnswer
from drbook.providers.s3client import Why, code_of, explain, status_of
from drbook.providers.s3guard import READ_SNAPSHOTS
from drbook.providers.secrets import Secrets

_CONNECT_SECONDS = 10
_READ_SECONDS = 30
_ATTEMPTS = 3
MAX_PAGES = 2000
"""More than that is no list of anybody's copies."""

_DENIED = ("access is denied", "Allow these credentials the reading call that README names for it.")
_WRONG = ("the access key does not exist there", "Check the credentials that the runbook names.")
_EXPIRED = ("the credentials have expired", "Get new ones and try again.")
_SLOW = ("AWS asks to slow down", "Try again in a minute.")
_MEANINGS = {
    "AccessDenied": _DENIED,
    "AccessDeniedException": _DENIED,
    "UnauthorizedOperation": _DENIED,
    "AuthFailure": _WRONG,
    "InvalidClientTokenId": _WRONG,
    "UnrecognizedClientException": _WRONG,
    "SignatureDoesNotMatch": (
        "the secret key is wrong, or this machine's clock",
        "Check the credentials that the runbook names, and the clock.",
    ),
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "RequestExpired": _EXPIRED,
    "OptInRequired": ("the account is not signed up for it", "Ask the account's owner."),
    "RequestLimitExceeded": _SLOW,
    "Throttling": _SLOW,
    "ThrottlingException": _SLOW,
    "NotFoundException": ("there is no such key", "Ask who removed it."),
    "ResourceNotFoundException": (
        "there is no such vault",
        "Check the vault's name and region in the runbook.",
    ),
}
_NOT_OFFERED = frozenset({"InvalidAction", "UnknownOperationException", "NotYetImplemented"})


class AwsConnection:
    """One account's guarded session, and its clients by service and region."""

    def __init__(self, access: AwsRegions, secrets: Secrets) -> None:
        """Raises UsageError where credentials or profile cannot be read. Sends nothing."""
        self._access = access
        try:
            self.session = guarded(access, access.regions[0], secrets, READ_SNAPSHOTS)
        except (ProfileNotFound, PartialCredentialsError, ValueError) as error:
            raise UsageError(
                f"AWS cannot be asked: {plain(scrub(str(error)), 200)}.",
                means="It was not asked.",
                next="Mend profile, regions or endpoint in the runbook.",
                code="aws-config",
            ) from None
        self._clients: dict[tuple[str, str], Any] = {}

    def client(self, service: str, region: str) -> Any:
        """The client of that service in that region."""
        found = self._clients.get((service, region))
        if found is None:
            found = self.session.client(  # type: ignore[call-overload]
                service,
                region_name=region,
                endpoint_url=self._access.endpoint,
                verify=self._access.ca_bundle,
                config=Config(
                    connect_timeout=_CONNECT_SECONDS,
                    read_timeout=_READ_SECONDS,
                    retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
                    user_agent_extra="drbook",
                ),
            )
            self._clients[(service, region)] = found
        return found

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
        self._clients.clear()


def pages(
    call: Callable[..., Mapping[str, Any]],
    items: str,
    cancel: Cancel,
    *,
    token: str,
    **ask: object,
) -> Iterator[Mapping[str, Any]]:
    """What all pages hold under the name `items`; `token` is the name under which the next page is asked for
    and told. Raises botocore's errors, OddAnswer where the pages come to no end."""
    seen: set[str] = set()
    while True:
        cancel.raise_if_requested()
        answer = call(**ask)
        yield from answer.get(items, ())
        following = answer.get(token)
        if not following:
            return
        if following in seen or len(seen) >= MAX_PAGES:
            raise OddAnswer(what="its pages come to no end")
        seen.add(following)
        ask = {**ask, token: following}


def explain_aws(error: Exception) -> Why:
    """The failure in words, as `s3client.explain` does for stores."""
    code = code_of(error)
    if not isinstance(error, ClientError):
        return explain(error)
    if code in _NOT_OFFERED:
        return Why("NotImplemented", "this place does not offer it", "Ask AWS for it itself.")
    status = status_of(error)
    if status == 501 or (code.isdigit() and status in (404, 405)):
        return Why("NotImplemented", "this place does not offer it", "Check the endpoint.")
    known = _MEANINGS.get(code)
    if known is None:
        said = plain(scrub(str(error.response.get("Error", {}).get("Message", ""))), 200)
        reason = f"AWS answered {plain(scrub(code), 60) or 'nothing'} ({status}) {said}".strip()
        return Why(code, reason, "Look the code up in AWS's reference.", again=status >= 500)
    return Why(code, f"{known[0]} ({plain(code, 60)})", known[1], again=known is _SLOW)
