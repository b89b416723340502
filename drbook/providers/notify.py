"""The door for notifications: one message to the host that the runbook names, over a connection of its own.

Their addresses are secrets. Nothing here shows more of one than the runbook's `host:`, neither in an answer nor
in an error; a redirect is an answer and not followed, and the environment has no say (no proxy, no netrc).
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import httpx

from drbook.core.errors import Refused, UsageError
from drbook.core.notice import Notice, body_of
from drbook.core.notify import (
    HttpNotify,
    NotifyConfig,
    PagerDutyNotify,
    SlackNotify,
    why_not_there,
)
from drbook.core.resend import Answer, Delivery, pause_before
from drbook.core.values import Json, plain
from drbook.providers.forms import SHORTEST
from drbook.providers.hiding import MARGIN, Known, Secret, scrub
from drbook.providers.http import NOT_SENT, GuardedTransport, is_header_value, may_be_given
from drbook.providers.httpline import Line, bounded
from drbook.providers.secrets import Secrets
from drbook.providers.shell import WITHHELD

EACH = timedelta(seconds=10)
"""The longest that one try may take."""
SHOWN = 200
"""Characters of an answer that are kept."""
_READ = 4096


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of one message, after all tries."""

    delivery: Delivery
    status: int | None
    tries: int
    said: str
    """What was answered, or why there is no answer; without secrets."""


def send(
    config: NotifyConfig,
    notice: Notice,
    secrets: Secrets,
    *,
    each: timedelta = EACH,
    pause: Callable[[float], None] = time.sleep,
) -> Sent:
    """Send it, again where that may help, a bounded time. Raises UsageError where it cannot be sent at all:
    a secret that cannot be read, an address that is none or leads elsewhere, a header that cannot be given."""
    message = _message(config, notice, secrets)
    begun, tries, doubt = time.monotonic(), 0, False
    transport = GuardedTransport([config.host], reads_only=False)
    with httpx.Client(transport=transport, timeout=each.total_seconds(), trust_env=False) as client:
        while True:
            tries += 1
            answer = message.once(client, each)
            spent = time.monotonic() - begun
            wait = pause_before(tries, answer, datetime.now(UTC), spent)
            doubt |= answer.delivery is Delivery.UNKNOWN
            if wait is None:
                # What was sent once and not answered may have arrived, whatever became of the last try.
                arrived = answer.delivery is Delivery.ACCEPTED or not doubt
                delivery = answer.delivery if arrived else Delivery.UNKNOWN
                return Sent(delivery, answer.status, tries, answer.text)
            pause(wait)


def _message(config: NotifyConfig, notice: Notice, secrets: Secrets) -> "_Message":
    method, headers, key = "POST", dict[str, str](), ""
    held: list[Secret] = []
    if isinstance(config, PagerDutyNotify):
        held.append(secrets(config.routing_key))
        address, key = config.address, held[0].reveal()
    elif isinstance(config, SlackNotify | HttpNotify):
        held.append(secrets(config.url))
        address = held[0].reveal().strip()
        held += _parts(address)
    else:
        raise TypeError(f"nobody sends to {config.kind}")
    if isinstance(config, HttpNotify):
        method = config.method
        given = {name: secrets(one) for name, one in config.secret_headers.items()}
        held += given.values()
        headers = {**config.headers, **{name: one.reveal() for name, one in given.items()}}
    if why := why_not_there(address, config.host) or _unfit(headers):
        raise _no_address(config, why)
    return _Message(config, method, address, headers, body_of(config, notice, key), held)


def _parts(address: str) -> Iterable[Secret]:
    """What of an address an answer may repeat: its path and its query, which hold what is secret in it."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ()
    said = (parts.path, parts.query, *parts.path.split("/"), *re.split("[&=]", parts.query))
    return [Secret(text) for text in dict.fromkeys(said) if len(text) >= SHORTEST]


def _no_address(config: NotifyConfig, why: str) -> UsageError:
    return UsageError(
        f"The notification to {config.place} has no address that can be used: {why}.",
        means="It was not sent.",
        next="Mend the secret that holds it, or `host:` and the headers in the runbook's `notify:`.",
        code="notify-address",
    )


def _unfit(headers: Mapping[str, str]) -> str:
    for name, value in headers.items():
        if not may_be_given(name):
            return f"the header {plain(name, 60)!r} cannot be given"
        if not is_header_value(value):
            return f"the value of the header {name} is not one line of visible ASCII"
    return ""


class _Message:
    """One request, to be sent as often as it takes."""

    def __init__(
        self,
        config: NotifyConfig,
        method: str,
        address: str,
        headers: Mapping[str, str],
        body: Json,
        held: Iterable[Secret],
    ) -> None:
        self._config = config
        self._method = method
        self._address = address
        # Each try by a connection of its own, which can be cut when its time is up.
        self._headers = {**headers, "Accept-Encoding": "identity", "Connection": "close"}
        self._body = body
        secrets = tuple(held)
        self._short = any(one.short for one in secrets)
        self._known = Known((one.reveal() for one in secrets), words_too=True)

    def once(self, client: httpx.Client, timeout: timedelta) -> Answer:
        """One try. What goes wrong on the way or on the other side is an answer. Raises UsageError where the
        request cannot be made."""
        request = self._request(client)
        with bounded(request, timeout, Line()) as late:
            try:
                with closing(client.send(request, stream=True)) as response:
                    return self._answered(response)
            except Refused:  # it would show the host that is asked for, which may be secret
                raise _no_address(self._config, "it is read in two ways") from None
            except (httpx.HTTPError, httpx.StreamError) as error:
                said = "timed out" if late.is_set() else str(error) or type(error).__name__
                return Answer(None, not isinstance(error, NOT_SENT), self._shown(said))

    def _request(self, client: httpx.Client) -> httpx.Request:
        try:
            return client.build_request(
                self._method, self._address, headers=self._headers, json=self._body
            )
        except (httpx.InvalidURL, ValueError, TypeError):
            raise _no_address(self._config, "it cannot be written down") from None

    def _answered(self, response: httpx.Response) -> Answer:
        """The status decides; of the text a little is kept, and one that breaks off takes nothing from it."""
        asked = response.headers.get("retry-after", "")
        return Answer(response.status_code, True, self._shown(_beginning(response)), asked)

    def _shown(self, text: str) -> str:
        if text and self._short:
            return WITHHELD
        return plain(scrub(self._known.scrub(text))[:SHOWN], SHOWN)


def _beginning(response: httpx.Response) -> str:
    data = b""
    if response.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
        return ""
    try:
        for chunk in response.iter_raw(_READ):
            data += chunk
            if len(data) > _READ + MARGIN:
                break
    except (httpx.HTTPError, httpx.StreamError):
        return ""
    return data.decode("utf-8", "replace")
