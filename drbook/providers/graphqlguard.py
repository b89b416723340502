"""Does a GraphQL request only read? Decided on the exact bytes that would be sent, and on nothing else.

Whatever two servers could understand differently is not decided: several requests in one, a
persisted query, a second operation name in the URL, a key that stands twice, another encoding.
(GraphQL over HTTP, draft of 2025: a POST carries `query`, `operationName`, `variables` as JSON.)
"""

import json
import re
from collections.abc import Sequence
from urllib.parse import parse_qsl

LONGEST = 256 * 1024
"""Bytes; the query of a runbook stays far below."""
TOKENS = 10_000
_KEYS = frozenset({"query", "operationName", "variables"})
_JSON = re.compile(r"application/json(?:\s*;\s*charset=\"?utf-8\"?)?", re.IGNORECASE)
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
"""Characters that some readers take for a line's end, and others for nothing."""
_WRITING = re.compile(r"\b(?:mutation|subscription)\b")


def why_not_reading(
    method: str, query: str, headers: Sequence[tuple[str, str]], body: bytes
) -> str:
    """Why it is not known that this request only reads, in words; empty where it does.

    `query` is the URL's, without its question mark; `headers` are all, names in small letters.
    """
    try:
        if method in ("GET", "HEAD"):
            if body:
                return f"a {method} with a body is read differently by different servers"
            return _selected(_from_url(query)) if query else ""
        if method != "POST":
            return f"GraphQL does not know {method}"
        if query:
            return "the URL of a POST has a query, which some servers prefer to the body"
        if why := _not_json(headers):
            return why
        return _selected(_from_body(body))
    except _Undecided as undecided:
        return str(undecided)
    except RecursionError:
        return "it is nested too deeply to be read"


def writes_by_url(query: str) -> bool:
    """Whether a URL's query holds a GraphQL operation that is none of reading, or may, wherever it is
    sent.

    A GET should never run one (the specification forbids it), and some servers do.
    """
    return any(
        name.lower() == "query" and _may_write(text)
        for separator in "&;"
        for name, text in parse_qsl(query, separator=separator)
    )


class _Undecided(Exception):
    """Nobody can say what a server would do with this request."""


def _not_json(headers: Sequence[tuple[str, str]]) -> str:
    kinds = [value.strip() for name, value in headers if name == "content-type"]
    if len(kinds) != 1 or not _JSON.fullmatch(kinds[0]):
        return "its content type is not application/json in UTF-8"
    if any(name == "content-encoding" for name, _ in headers):
        return "its body is encoded once more"
    return ""


def _from_body(body: bytes) -> dict[str, object]:
    if len(body) > LONGEST:
        raise _Undecided("it is longer than any query")
    try:
        found = json.loads(
            body.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant
        )
    except ValueError:
        raise _Undecided("its body is not JSON in UTF-8") from None
    if isinstance(found, list):
        raise _Undecided("it is a batch of several requests")
    if not isinstance(found, dict):
        raise _Undecided("its body is no JSON object")
    return found


def _from_url(query: str) -> dict[str, object]:
    if len(query) > LONGEST:
        raise _Undecided("it is longer than any query")
    found: dict[str, object] = _once(_pairs(query))
    if isinstance(variables := found.get("variables"), str):
        found["variables"] = _from_body(variables.encode())
    return found


def _pairs(query: str) -> list[tuple[str, object]]:
    if ";" in query:
        raise _Undecided(
            "its URL holds a semicolon, which some servers take for the next parameter"
        )
    try:
        return list(parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=100))
    except ValueError:
        raise _Undecided("the URL's query cannot be read") from None


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Undecided("a name stands twice in it, and servers differ in which one counts")
    return found


def _no_constant(name: str) -> object:
    raise _Undecided(f"{name} is no JSON")


def _selected(request: dict[str, object]) -> str:
    """Why the selected operation does not only read; empty where it does."""
    if "extensions" in request or "query" not in request:
        return "it names a persisted query, or none: what it runs is not in the request"
    if others := request.keys() - _KEYS:
        return f"it has {len(others)} more than query, operationName and variables"
    if not isinstance(request.get("variables"), dict | None):
        return "its variables are no JSON object"
    text, name = request["query"], request.get("operationName")
    if not isinstance(text, str):
        return "its query is no text"
    operations = _named(text)
    if name is None and len(operations) != 1:
        return f"it holds {len(operations)} operations and does not say which one is meant"
    if name is not None and (not isinstance(name, str) or name not in operations or not name):
        return "it asks for an operation that it does not hold"
    kind = operations[name] if isinstance(name, str) else next(iter(operations.values()))
    return "" if kind == "query" else f"it is a {kind}"


def _named(text: str) -> dict[str, str]:
    """Operation name (empty for one without) → `query`, `mutation` or `subscription`."""
    from graphql import (  # loads when a request is first judged
        FragmentDefinitionNode,
        GraphQLError,
        OperationDefinitionNode,
        parse,
    )

    if _UNSEEN.search(text):
        raise _Undecided("its query holds characters that are read differently")
    try:
        document = parse(text, no_location=True, max_tokens=TOKENS)
    except GraphQLError:
        raise _Undecided("its query is not GraphQL") from None
    found: dict[str, str] = {}
    for each in document.definitions:
        if isinstance(each, FragmentDefinitionNode):
            continue
        if not isinstance(each, OperationDefinitionNode):
            raise _Undecided("it holds more than operations and fragments")
        name = each.name.value if each.name else ""
        if name in found:
            raise _Undecided("two of its operations have the same name")
        found[name] = each.operation.value
    if len(found) > 1 and "" in found:
        raise _Undecided("one of its operations has no name and is not alone")
    return found


def _may_write(text: str) -> bool:
    """Whether a text holds an operation that is none of reading; where it cannot be read here (another
    reader may get to its end), whether its words leave that possible."""
    try:
        return bool(set(_named(text).values()) - {"query"})
    except (_Undecided, RecursionError):
        return "{" in text and bool(_WRITING.search(text))
