"""The `http` action's door: one request, only to hosts that the runbook names, no redirects."""

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from urllib.parse import urlsplit

import httpx

from drbook.core.errors import NotExercised, Refused, StepFailed, UsageError
from drbook.core.ports import Cancel
from drbook.core.targets import HttpResult
from drbook.core.values import Json, plain, plain_lines
from drbook.providers.hiding import MARGIN, Secret, scrub
from drbook.providers.secrets import resolve
from drbook.providers.shell import WITHHELD

BODY = 64 * 1024
READS = ("GET", "HEAD")


class GuardedTransport(httpx.BaseTransport):
    """Every request passes here; there are no mounts and no proxies beside it."""

    def __init__(self, hosts: Sequence[str], *, reads_only: bool) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)
        self._reads_only = reads_only
        self._inner = httpx.HTTPTransport(retries=0, trust_env=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        host, port = request.url.host.lower(), request.url.port
        names = {host, f"{host}:{port}"} if port else {host}
        if not names & self._hosts:
            raise Refused(
                f"The runbook does not name the host {plain(host, 200)}.",
                means="No request was sent.",
                next="Add it under `hosts:` if a step may talk to it.",
                code="host",
            )
        if self._reads_only and request.method not in READS:
            raise NotExercised(
                f"{request.method} to {plain(host, 200)} was not sent: this is no live incident.",
                means="What the other side would have answered is not known.",
            )
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


class HttpSender:
    """Implements `core.ports.Http`."""

    def __init__(
        self,
        hosts: Sequence[str],
        environment: Mapping[str, str],
        cancel: Cancel,
        *,
        reads_only: bool,
    ) -> None:
        self._hosts = hosts
        self._environment = environment
        self._cancel = cancel
        self._reads_only = reads_only

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        secret_headers: Mapping[str, str],
        body: Json = None,
        timeout: timedelta,
    ) -> HttpResult:
        """One request. Raises StepFailed where no answer came; a bad status is an answer."""
        known = {
            name: resolve(reference, self._environment)
            for name, reference in secret_headers.items()
        }
        shown = plain(urlsplit(url)._replace(query="", fragment="").geturl(), 200)
        begun = time.monotonic()
        transport = GuardedTransport(self._hosts, reads_only=self._reads_only)
        with httpx.Client(
            transport=transport, timeout=timeout.total_seconds(), trust_env=False
        ) as client:
            unregister = self._cancel.on_request(client.close)
            try:
                with client.stream(
                    method, url, headers=_revealed(headers, known), json=body
                ) as response:
                    text = _body(response)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                self._cancel.raise_if_requested()
                raise StepFailed(
                    f"{method} {shown} got no answer: {plain(scrub(str(error)), 300) or type(error).__name__}",
                    means="Whether the request was carried out is not known."
                    if method not in READS
                    else "Nothing was changed.",
                    next="Check the address and the network, then run the step again.",
                    code="http",
                ) from None
            finally:
                unregister()
        if text and any(secret.short for secret in known.values()):
            text = WITHHELD
        return HttpResult(
            status=response.status_code, seconds=int(time.monotonic() - begun), body=text
        )


def _revealed(headers: Mapping[str, str], known: Mapping[str, Secret]) -> dict[str, str]:
    """What is sent. Raises UsageError for a value that no header can carry."""
    revealed = {name: secret.reveal() for name, secret in known.items()}
    for name, value in revealed.items():
        if not (value.isascii() and value.isprintable()):
            raise UsageError(
                f"The secret for the header {plain(name, 100)} holds a character that no header can "
                "carry.",
                means="No request was sent.",
                next="Look at the secret's own place: a line break in its middle, or a wrong file?",
                code="secret",
            )
    return {**headers, **revealed}


def _body(response: httpx.Response) -> str:
    data = bytearray()
    for chunk in response.iter_bytes(16 * 1024):
        data += chunk
        if len(data) >= BODY + MARGIN:
            break
    return plain_lines(scrub(bytes(data[: BODY + MARGIN]).decode("utf-8", "replace"))[:BODY])
