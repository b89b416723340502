"""Which entries of `hosts:` there are, and which requests each covers."""

import pytest
from pydantic import TypeAdapter, ValidationError

from drbook.core.hosts import Host, HostEntry, parse_host

ENTRIES: dict[str, Host] = {
    "api.example": Host("api.example", None),
    "API.Example": Host("api.example", None),
    "api.example:443": Host("api.example", 443),
    "api.example:1": Host("api.example", 1),
    "api.example:65535": Host("api.example", 65535),
    "10.0.0.1:8080": Host("10.0.0.1", 8080),
    "[::1]": Host("::1", None),
    "[FE80::1]:80": Host("fe80::1", 80),
    "bücher.example": Host("bücher.example", None),
    "graphql://api.example/graphql/v2": Host("api.example", None, "/graphql/v2"),
    "graphql://api.example:8443/": Host("api.example", 8443, "/"),
    "graphql://[::1]:8443/q": Host("::1", 8443, "/q"),
}


@pytest.mark.parametrize("text", ENTRIES)
def test_an_entry(text: str) -> None:
    assert parse_host(text) == ENTRIES[text]
    assert TypeAdapter(HostEntry).validate_python(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [(text, "expected HOST, HOST:PORT or graphql://HOST/PATH") for text in (
        "", " ", "a b", "user@api.example", "https://api.example", "api.example/path",
        "graphql://api.example", "graphql://api.example/a?b", "graphql://api.example/a#b",
        "graphql:///path", "api.example:", "api.example:123456", "api.example:80:90", "::1",
        "[::1", "api%2eexample", "api.example\\path", "api.example\n", "GRAPHQL://api.example/a",
        "[api.example]",
    )]
    + [(f"api.example:{port}", "expected a port from 1 to 65535") for port in (0, 65536, 99999)],
)  # fmt: skip
def test_what_is_no_entry(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        parse_host(text)
    with pytest.raises(ValidationError, match=expected):
        TypeAdapter(HostEntry).validate_python(text)


def test_what_an_entry_covers() -> None:
    names = frozenset({"bücher.example", "xn--bcher-kva.example"})
    assert Host("bücher.example", None).covers(names, 1)
    assert Host("xn--bcher-kva.example", 443).covers(names, 443)
    assert not Host("bücher.example", 443).covers(names, 80)
    assert not Host("cher.example", None).covers(names, 443)
    assert not Host("", None).covers(names, 443)
