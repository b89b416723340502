"""Names that mean a secret, in every spelling, and those that only sound like one."""

from collections.abc import Callable

import pytest
from pydantic_core import PydanticCustomError

from drbook.core.secretnames import (
    header_names_a_secret,
    names_a_secret,
    no_secret_in_body,
    no_secret_in_headers,
    no_secret_in_url,
    query_names_a_secret,
)

SPOKEN = (
    "password passwd passphrase pwd secret token apikey jwt bearer credential credentials "
    "api_key access_key secret_key private_key auth_key account_key"
)
IN_URLS = "key accesskey auth authorization code session sessionid sig signature"
IN_HEADERS = (
    "authorization proxy-authorization cookie set-cookie x-auth x-auth-key x-functions-key "
    "ocp-apim-subscription-key x-key x-signature"
)
PAGES = "page next previous prev continuation sync skip starting cursor max idempotency cancel"


@pytest.mark.parametrize("name", SPOKEN.split())
def test_a_word_for_a_secret_is_one_everywhere_and_at_the_end_of_a_name(name: str) -> None:
    camel = "".join(word.title() for word in name.split("_"))
    for spelled in (name, f"db_{name}", name.upper(), f"X-{name.replace('_', '-')}", f"my{camel}"):
        assert query_names_a_secret(spelled)
        assert header_names_a_secret(spelled)
        assert names_a_secret(spelled)
    for other in (f"{name}_id", f"{name}x", f"x{name}"):
        assert not names_a_secret(other)


@pytest.mark.parametrize("name", IN_URLS.split())
def test_a_word_that_is_a_secret_in_an_address(name: str) -> None:
    assert query_names_a_secret(name)
    assert query_names_a_secret(name.title())
    assert query_names_a_secret(f"x_{name}") == (name in ("sig", "signature"))
    assert not names_a_secret(name)


@pytest.mark.parametrize("name", IN_HEADERS.split())
def test_a_word_that_is_a_secret_in_a_header(name: str) -> None:
    assert header_names_a_secret(name)
    assert header_names_a_secret(name.title().replace("-", "_"))
    assert not header_names_a_secret(f"{name}-x")


@pytest.mark.parametrize("word", PAGES.split())
def test_a_token_that_opens_nothing(word: str) -> None:
    assert not names_a_secret(f"{word}_token")
    assert not names_a_secret(f"next{word.title()}Token")
    assert names_a_secret(f"{word}x_token")
    assert names_a_secret(f"{word}_secret")
    assert not names_a_secret("")


@pytest.mark.parametrize(
    ("refuses", "given", "kind", "said"),
    [
        (no_secret_in_url, "https://h/?token=", "secret_in_url", "addresses are recorded"),
        (no_secret_in_url, "https://h/?token", "secret_in_url", "addresses are recorded"),
        (no_secret_in_url, "https://[h/", "secret_in_url", "can be read (Invalid IPv6 URL)"),
        (no_secret_in_headers, {"X-Auth-Key": "x"}, "secret_in_headers", "Give X-Auth-Key under"),
        (no_secret_in_body, {"a": {"token": "x"}}, "secret_in_body", "Give a.token under"),
    ],
)  # fmt: skip
def test_what_is_refused_is_named(
    refuses: Callable[[object], object], given: object, kind: str, said: str
) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        refuses(given)
    assert caught.value.type == kind
    assert said in caught.value.message()


@pytest.mark.parametrize("given", [5, None, "https://h/?page=2", "relative"])
def test_what_is_no_address_is_for_others_to_refuse(given: object) -> None:
    assert no_secret_in_url(given) == given
