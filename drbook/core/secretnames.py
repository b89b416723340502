"""Names under which requests carry secrets. What a step is given is recorded, so a value under such a name
must be a reference, and stands where references do.

Names are compared whole or by their last words, in any spelling: `X-Api-Key`, `apiKey` and `api_key` are
one. A page's or a cursor's token opens nothing and is no secret.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import parse_qsl, urlsplit

from pydantic_core import PydanticCustomError

WORDS = frozenset(
    {"password", "passwd", "passphrase", "pwd", "secret", "token", "apikey", "jwt"}
    | {"bearer", "credential", "credentials"}
)
"""The last word of a name, by itself or behind others: `token`, `private_token`, `db-password`."""
PAIRS = frozenset({"api_key", "access_key", "secret_key", "private_key", "auth_key", "account_key"})
"""The same of two words."""
QUERIES = frozenset({"key", "accesskey", "auth", "authorization", "code", "session", "sessionid"})
"""Names of query fields that often hold nothing but secrets."""
SIGNATURES = (("sig",), ("signature",))
"""In an address, the last word of one."""
HEADERS = frozenset(
    {"authorization", "proxy_authorization", "cookie", "set_cookie", "x_auth"}
    | {"x_functions_key", "ocp_apim_subscription_key", "x_key", "x_signature"}
)
OPENS_NOTHING = frozenset(
    {"page", "next", "previous", "prev", "continuation", "sync", "skip", "starting", "cursor"}
    | {"max", "idempotency", "cancel"}
)
"""Words before `token` that make a place or a name of it."""


def in_words(name: str) -> tuple[str, ...]:
    """`privateToken`, `Private-Token` and `private_token` → the same two words."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return tuple(word for word in re.split(r"[^a-z0-9]+", apart.lower()) if word)


def names_a_secret(name: str) -> bool:
    """By its last words."""
    words = in_words(name)
    if not words:
        return False
    if words[-1] == "token" and len(words) > 1 and words[-2] in OPENS_NOTHING:
        return False
    return words[-1] in WORDS or "_".join(words[-2:]) in PAIRS


def query_names_a_secret(name: str) -> bool:
    words = in_words(name)
    return names_a_secret(name) or "_".join(words) in QUERIES or words[-1:] in SIGNATURES


def header_names_a_secret(name: str) -> bool:
    return names_a_secret(name) or "_".join(in_words(name)) in HEADERS


def no_secret_in_url(url: object) -> object:
    """An address is recorded, shown, and kept by every proxy on the way."""
    if not isinstance(url, str):
        return url
    try:
        parts = urlsplit(url)
    except ValueError as error:  # what cannot be taken apart may hold anything
        raise PydanticCustomError(
            "secret_in_url", "an address that can be read ({why})", {"why": str(error)}
        ) from None
    fields = parse_qsl(f"{parts.query}&{parts.fragment}".replace(";", "&"), keep_blank_values=True)
    if "@" in parts.netloc or any(query_names_a_secret(name) for name, _ in fields):
        raise PydanticCustomError(
            "secret_in_url",
            "an address without user, password, key or token in it: addresses are recorded. "
            "Give those under `secret_headers`, by reference",
        )
    return url


def no_secret_in_headers(headers: object) -> object:
    """Also where an expression stands for the value: what that comes to is recorded as well."""
    names = headers if isinstance(headers, Mapping) else ()
    if found := sorted(str(name) for name in names if header_names_a_secret(str(name))):
        raise PydanticCustomError(
            "secret_in_headers",
            "headers that hold no secrets, for they are recorded. Give {names} under "
            "`secret_headers`, by reference",
            {"names": ", ".join(found)},
        )
    return headers


def no_secret_in_body(body: object) -> object:
    if found := sorted(set(_secret_fields(body, ()))):
        raise PydanticCustomError(
            "secret_in_body",
            "a body that holds no secrets, for it is recorded. Give {names} under `secret_body`, by "
            "reference",
            {"names": ", ".join(found)},
        )
    return body


def _secret_fields(value: object, path: tuple[str, ...]) -> Iterator[str]:
    """Values under such a name, at any depth; `token: null`, `token: false`, `secret: {…}` are none."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            place = (*path, str(name))
            leaves = each if isinstance(each, list | tuple) else [each]
            # Whatever else: a text, a number, or what an expression will come to.
            given = any(not isinstance(leaf, bool | Mapping | None) for leaf in leaves)
            if given and names_a_secret(str(name)):
                yield ".".join(place)
            yield from _secret_fields(each, place)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for each in value:
            yield from _secret_fields(each, path)
