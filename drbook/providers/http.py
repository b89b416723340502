"""The `http` action's door: one request, only to hosts that the runbook names, no redirects."""

import re
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta

import httpx

from drbook.core.errors import Interrupted, NotExercised, Refused, StepFailed
from drbook.core.hosts import Host, parse_host
from drbook.core.ports import Cancel
from drbook.core.targets import HttpResult
from drbook.core.values import Json, plain, plain_lines
from drbook.providers.graphqlguard import why_not_reading, writes_by_url
from drbook.providers.hiding import MARGIN, Known, Secret, scrub
from drbook.providers.httpline import Line, bounded
from drbook.providers.secrets import resolve
from drbook.providers.shell import WITHHELD

BODY = 64 * 1024
"""Bytes of an answer that are shown."""
WHOLE = 16 * 1024 * 1024
"""Bytes of an answer that are read to see whether it comes whole."""
READS = ("GET", "HEAD")
_PORTS = {"http": 80, "https": 443}

_NOT_GIVEN = re.compile(
    r"host|content-length|transfer-encoding|connection|keep-alive|te|trailer|upgrade|expect"
    r"|proxy-.*|forwarded|x-forwarded-.*|x-original-.*|x-rewrite-.*"
    r"|x-(?:http-)?method(?:-override)?|x-http-method.*|accept-encoding"
)
"""Headers that would make of a request another one than is shown: elsewhere, of another length, or
with another method."""
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"(?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?")
"""RFC 9110, section 5: names are tokens, values visible ASCII without a line's end."""


class GuardedTransport(httpx.BaseTransport):
    """Every request passes here; there are no mounts and no proxies beside it."""

    def __init__(self, hosts: Sequence[str], *, reads_only: bool) -> None:
        self._hosts = tuple(parse_host(entry) for entry in hosts)
        self._reads_only = reads_only
        self._inner = httpx.HTTPTransport(retries=0, trust_env=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        covering = self._covering(request.url)
        _as_shown(request)
        if self._reads_only and (why := _why_not_reading(request, covering)):
            raise NotExercised(
                f"{plain(request.method, 20)} to {_place(request.url)} was not sent, for this is no "
                f"live incident: {why}.",
                means="What the other side would have answered is not known.",
            )
        return self._inner.handle_request(request)

    def _covering(self, url: httpx.URL) -> tuple[Host, ...]:
        names = frozenset({url.host, url.raw_host.decode("ascii")})  # both in small letters
        port = url.port or _PORTS[url.scheme]
        found = tuple(host for host in self._hosts if host.covers(names, port))
        if not found:
            raise Refused(
                f"The runbook does not name the host {_place(url)}.",
                means="No request was sent.",
                next="Add it under `hosts:` if a step may talk to it.",
                code="host",
            )
        return found

    def close(self) -> None:
        self._inner.close()


def _place(url: httpx.URL) -> str:
    port = f":{url.port}" if url.port else ""
    return plain(f"{url.host}{port}", 200)


def _as_shown(request: httpx.Request) -> None:
    """Raises Refused where what goes over the wire would be another request than its URL and method."""
    headers = request.headers
    strange = (
        request.url.userinfo
        or request.extensions.keys() & {"target", "sni_hostname"}
        or headers.get_list("host") != [request.url.netloc.decode("ascii")]
        or "transfer-encoding" in headers
        or headers.get("content-length", str(len(request.content))) != str(len(request.content))
    )
    if strange:
        raise Refused(
            f"The request to {_place(request.url)} would not be what its address and method say.",
            means="No request was sent.",
            next="Take user name, Host, Content-Length or Transfer-Encoding out of it.",
            code="request",
        )


def _why_not_reading(request: httpx.Request, covering: Sequence[Host]) -> str:
    path, _, query = request.url.raw_path.decode("ascii").partition("?")
    if any(host.graphql == path for host in covering):
        return why_not_reading(
            request.method, query, request.headers.multi_items(), request.content
        )
    if request.method not in READS:
        return "this method may change something"
    if request.content:
        return f"a {request.method} with a body is read differently by different servers"
    return "its URL holds a GraphQL operation that writes" if writes_by_url(query) else ""


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
        secret_body: Mapping[str, str] | None = None,
        timeout: timedelta,
    ) -> HttpResult:
        """One request; `secret_body` is put into its body, a dot in a name leading inward.
        Raises StepFailed where no whole answer came, Interrupted where the request may have been carried
        out; a bad status is an answer."""
        known, inside = (
            {name: resolve(reference, self._environment) for name, reference in given.items()}
            for given in (secret_headers, secret_body or {})
        )
        sent = _filled(body, inside)
        secrets = (*known.values(), *inside.values())
        begun = time.monotonic()
        transport = GuardedTransport(self._hosts, reads_only=self._reads_only)
        with httpx.Client(
            transport=transport, timeout=timeout.total_seconds(), trust_env=False
        ) as client:
            request = _request(client, method, url, {**headers, **_revealed(known)}, sent)
            shown = plain(str(request.url.copy_with(query=None, fragment=None)), 200)
            status = 0
            with self._bounded(request, timeout) as late:
                try:
                    with closing(client.send(request, stream=True)) as response:
                        status = response.status_code
                        text = _body(response)
                except (httpx.HTTPError, httpx.StreamError) as error:
                    self._cancel.raise_if_requested()
                    said = _without(secrets, str(error)) or type(error).__name__
                    said = "timed out" if late.is_set() else said
                    raise _no_answer(f"{method} {shown}", method, status, error, said) from None
        return HttpResult(
            status=status, seconds=int(time.monotonic() - begun), body=_without(secrets, text)
        )

    @contextmanager
    def _bounded(self, request: httpx.Request, timeout: timedelta) -> Iterator[threading.Event]:
        """The whole exchange ends with the timeout, which httpx itself takes for each wait by itself, and
        with a cancellation. The event says that it was the timeout."""
        line = Line()
        unregister = self._cancel.on_request(line.cut)
        try:
            with bounded(request, timeout, line) as late:
                yield late
        finally:
            unregister()


NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)
"""Errors that come before the first byte of a request has left."""


def _without(given: Collection[Secret], text: str) -> str:
    """What is told of an answer, or of an error that quotes one, to a request that was given these."""
    if text and any(secret.short for secret in given):
        return WITHHELD
    return Known((one.reveal() for one in given), words_too=True).scrub(text)


def _no_answer(shown: str, method: str, status: int, error: Exception, said: str) -> StepFailed:
    why = plain(scrub(said), 300)
    what = f"{shown} got no answer: {why}"
    if status:
        what = f"{shown} was answered with {status}, and the answer broke off: {why}"
    if isinstance(error, NOT_SENT) or method in READS:
        return StepFailed(
            what,
            means="Nothing was changed." if method in READS else "Nothing was sent.",
            next="Check the address and the network, then run the step again.",
            code="http",
        )
    return Interrupted(
        what,
        means="Whether the request was carried out is not known.",
        next="Look there whether it was, before it is sent again.",
        code="http-unanswered",
    )


def _revealed(known: Mapping[str, Secret]) -> dict[str, str]:
    return {name: secret.reveal() for name, secret in known.items()}


def _filled(body: Json, inside: Mapping[str, Secret]) -> Json:
    """The body with each secret at its place. Raises StepFailed where there is none for it."""
    if not inside:
        return body
    found: dict[str, Json] = dict(body) if isinstance(body, Mapping) else {}
    if body is not None and not isinstance(body, Mapping):
        raise _no_request("a body that is no set of fields has no place for `secret_body`")
    for path, secret in inside.items():
        *way, name = path.split(".")
        at = found
        for part in way:
            inner = at.get(part)
            if inner is not None and not isinstance(inner, Mapping):
                raise _no_request(f"its body has no place for {plain(path, 100)}")
            at[part] = step = dict(inner or {})
            at = step
        if name in at:
            raise _no_request(f"its body holds {plain(path, 100)} already")
        at[name] = secret.reveal()
    return found


def _request(
    client: httpx.Client, method: str, url: str, headers: Mapping[str, str], body: Json
) -> httpx.Request:
    """Raises StepFailed for what is no request, and never quotes a header's value."""
    for name, value in headers.items():
        if not may_be_given(name):
            raise _no_request(f"the header {plain(name, 60)!r} cannot be given")
        if not is_header_value(value):
            raise _no_request(f"the value of the header {name} is not one line of visible ASCII")
    # A compressed answer could be larger than this machine's memory.
    given = {**headers, "Accept-Encoding": "identity"}
    try:
        request = client.build_request(method, url, headers=given, json=body)
    except (httpx.InvalidURL, ValueError, TypeError):
        raise _no_request("its address, headers or body cannot be written down") from None
    if request.url.scheme not in _PORTS:  # httpx drops the scheme where there is no host
        raise _no_request("its address is no http:// or https:// URL")
    return request


def may_be_given(name: str) -> bool:
    """Whether a header of this name leaves a request what it is shown to be."""
    return bool(_NAME.fullmatch(name)) and not _NOT_GIVEN.fullmatch(_as_read(name))


def is_header_value(value: str) -> bool:
    """Whether it is one line of visible ASCII."""
    return _VALUE.fullmatch(value) is not None


def _as_read(name: str) -> str:
    """As a server may read it: CGI and WSGI know no difference between the two signs."""
    return name.lower().replace("_", "-")


def _no_request(why: str) -> StepFailed:
    return StepFailed(
        f"The request cannot be sent: {why}.",
        means="Nothing was sent.",
        next="Mend the step in the runbook.",
        code="http-request",
    )


def _body(response: httpx.Response) -> str:
    """What is shown of it. The rest is read too, and let go: one that breaks off is not whole."""
    data, size = bytearray(), 0
    for chunk in response.iter_raw(16 * 1024):
        size += len(chunk)
        if len(data) < BODY + MARGIN:
            data += chunk
        if size > WHOLE:
            break
    encoding = response.headers.get("content-encoding", "")
    if encoding.lower() not in ("", "identity"):
        return (
            f"(the answer came as {plain(encoding, 40)}, which was not asked for; it is not shown)"
        )
    return plain_lines(scrub(data.decode("utf-8", "replace"))[:BODY])
