"""Asking Railway who a token is: reading queries to one host, by a transport that lets nothing else out."""

from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlsplit

import httpx

from drbook.core.errors import DrbookError
from drbook.core.railwaypowers import Holder, Project
from drbook.core.values import Json, plain
from drbook.providers.hiding import Known, Secret
from drbook.providers.http import GuardedTransport

ENDPOINT = "https://backboard.railway.com/graphql/v2"
_LIMIT = timedelta(seconds=20)
_LARGEST = 4 * 1024 * 1024
_MOST = 500
"""Projects of one page; where there are more, the list is not whole."""

_PROJECTS = (
    f"projects(first: {_MOST}) {{ edges {{ node {{ id name }} }} pageInfo {{ hasNextPage }} }}"
)
PROJECT_TOKEN = "query { projectToken { project { id name } environment { name } } }"
ACCOUNT = "query { me { id } }"
WORKSPACE = "query { apiToken { workspaces { id name } } }"
OWN_PROJECTS = f"query {{ {_PROJECTS} }}"
"""All queries, as Railway's public schema has them (railwayapp/cli); tests hold them to an excerpt."""
QUERIES = (PROJECT_TOKEN, ACCOUNT, WORKSPACE, OWN_PROJECTS)


class Untold(Exception):
    """No answer that tells anything; the text says why."""


def who_is(token: Secret, kind: str, endpoint: str = ENDPOINT) -> Holder:
    """Who a token is. Never raises for what is answered, or is not."""
    try:
        with _Asking(token, endpoint) as asking:
            orders = (asking.project, asking.bearer)
            for order in orders if kind == "railway project token" else reversed(orders):
                if (found := order()) is not None:
                    return found
            return Holder(kind="unknown", why=asking.why or "it knows no such token")
    except Untold as untold:
        return Holder(kind="unknown", why=str(untold))


class _Asking:
    """One token's questions."""

    def __init__(self, token: Secret, endpoint: str) -> None:
        parts = urlsplit(endpoint)
        self._endpoint = endpoint
        self._token = token
        self._known = Known((token.reveal(),), words_too=True)
        host = f"graphql://{parts.netloc}{parts.path}"
        self._client = httpx.Client(
            transport=GuardedTransport([host], reads_only=True),
            timeout=_LIMIT.total_seconds(),
            trust_env=False,
        )
        self.why = ""

    def __enter__(self) -> "_Asking":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def project(self) -> Holder | None:
        told = self._ask(PROJECT_TOKEN, {"Project-Access-Token": self._token.reveal()})
        if told is None:
            return None
        found = _at(told, "projectToken")
        project = Project(id=_text(found, "project", "id"), name=_text(found, "project", "name"))
        environment = plain(_text(found, "environment", "name"), 100)
        return Holder(kind="project", projects=(project,), whole=True, environment=environment)

    def bearer(self) -> Holder | None:
        header = {"Authorization": f"Bearer {self._token.reveal()}"}
        account = self._ask(ACCOUNT, header) is not None
        if not account and self._ask(WORKSPACE, header) is None:
            return None
        told = self._ask(OWN_PROJECTS, header)
        kind = "account" if account else "workspace"
        if told is None:
            return Holder.model_validate({"kind": kind})
        listed = _at(told, "projects")
        edges = listed.get("edges")
        if not isinstance(edges, list):
            raise Untold("its list of projects cannot be read")
        nodes = [_at(edge, "node") for edge in edges]
        projects = tuple(Project(id=_text(node, "id"), name=_text(node, "name")) for node in nodes)
        # A token may also be invited to projects that are in no list of its own.
        whole = _at(listed, "pageInfo").get("hasNextPage") is False and not account
        return Holder.model_validate({"kind": kind, "projects": projects, "whole": whole})

    def _ask(self, query: str, headers: Mapping[str, str]) -> Mapping[str, Json] | None:
        """The data of an answer; None where it refuses this token. Raises Untold for anything else."""
        try:
            answer = self._client.post(
                self._endpoint,
                json={"query": query},
                headers={**headers, "Accept-Encoding": "identity"},
            )
            document = answer.json() if len(answer.content) <= _LARGEST else None
        except (httpx.HTTPError, DrbookError, ValueError) as error:
            said = getattr(error, "what", "") or type(error).__name__
            raise Untold(f"it cannot be asked ({self._words(said)})") from None
        if answer.status_code in (429, 500, 502, 503, 504) or not isinstance(document, Mapping):
            raise Untold(f"it answered {answer.status_code}, and nothing that can be read")
        errors, data = document.get("errors"), document.get("data")
        if errors or answer.status_code >= 400:
            self.why = self._refusal(errors) or f"it answered {answer.status_code}"
            return None
        if not isinstance(data, Mapping):
            raise Untold("its answer holds no data")
        return data

    def _refusal(self, errors: Json) -> str:
        """What it says, where it refuses. Raises Untold for an error that says nothing about the token."""
        first = errors[0] if isinstance(errors, list) and errors else None
        message = str(first.get("message", "")) if isinstance(first, Mapping) else ""
        lower = message.lower()
        if not message or "not authorized" in lower or "not found" in lower:
            return self._words(message)
        raise Untold(f"it answered: {self._words(message)}")

    def _words(self, text: str) -> str:
        return plain(self._known.scrub(" ".join(text.split())), 200)


def _at(found: Json, name: str) -> Mapping[str, Json]:
    inner = found.get(name) if isinstance(found, Mapping) else None
    if not isinstance(inner, Mapping):
        raise Untold(f"its answer names no {name}")
    return inner


def _text(found: Json, *way: str) -> str:
    at: Json = found
    for name in way:
        at = at.get(name) if isinstance(at, Mapping) else None
    if not isinstance(at, str) or not at:
        raise Untold(f"its answer names no {way[-1]}")
    return at
