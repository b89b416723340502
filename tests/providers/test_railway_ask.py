"""Railway is asked whose a token is, on a stand-in that holds every query to an excerpt of its schema."""

from collections.abc import Iterator

import pytest
from graphql import parse, validate
from support.railway import SCHEMA, Railway, running_railway
from support.web import running_web

from drbook.core.credentials import Might
from drbook.core.points import FailureDomain
from drbook.core.railwaypowers import Holder, power_of
from drbook.providers.hiding import Secret
from drbook.providers.railwayask import QUERIES, who_is

PROJECT, BEARER = "railway project token", "railway account or workspace token"
RENTAL = FailureDomain(provider="Railway", project="rental")
Stand = tuple[Railway, str]


@pytest.fixture(scope="module")
def railway() -> Iterator[Stand]:
    with running_railway() as made:
        yield made


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_is_one_of_the_schema_and_only_reads(query: str) -> None:
    document = parse(query)
    assert validate(SCHEMA, document) == []
    assert [one.operation.value for one in document.definitions] == ["query"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("token", "kind", "is_"),
    [
        ("prj-1234567", PROJECT, "project"),
        ("prj-1234567", BEARER, "project"),
        ("acc-1234567", BEARER, "account"),
        ("acc-1234567", PROJECT, "account"),
        ("wsp-1234567", BEARER, "workspace"),
        ("old-1234567", BEARER, "unknown"),
    ],
)
def test_whose_a_token_is(railway: Stand, token: str, kind: str, is_: str) -> None:
    holder = who_is(Secret(token), kind, railway[1])
    assert holder.kind == is_
    assert [one.name for one in holder.projects] == (["rental"] if is_ != "unknown" else [])
    assert holder.environment == ("production" if is_ == "project" else "")
    told = power_of("production data", RENTAL, holder)
    assert told is not None
    assert told.might is (Might.DESTROYS if is_ != "unknown" else Might.UNKNOWN)
    assert token not in told.reason + holder.why


def test_a_list_that_goes_on_is_not_whole() -> None:
    other = FailureDomain(provider="railway", project="another")
    for more, might in ((False, Might.CANNOT), (True, Might.UNKNOWN)):
        with running_railway(more=more) as (_, endpoint):
            told = power_of("x", other, who_is(Secret("wsp-1234567"), BEARER, endpoint))
        assert told is not None
        assert told.might is might


ANSWERS = [
    (200, b"<html>sign in</html>"),
    (200, b"[]"),
    (200, b'{"data": null}'),
    (200, b'{"data": {"projectToken": null}}'),
    (200, b'{"data": {"projectToken": {"project": {"id": 1}}}}'),
    (200, b'{"errors": [{"message": "Two Factor Authentication Required"}]}'),
    (200, b'{"errors": 1}'),
    (429, b"{}"),
    (503, b"{}"),
    (302, b"{}"),
]


@pytest.mark.parametrize(("status", "body"), ANSWERS)
def test_an_answer_that_tells_nothing_is_unknown(status: int, body: bytes) -> None:
    with running_web() as web:
        web.status, web.body = status, body
        web.headers = {"Location": "http://127.0.0.1:9/"} if status == 302 else {}
        holder = who_is(Secret("prj-1234567"), PROJECT, web.url("/graphql/v2"))
    assert holder.kind == "unknown"
    assert holder.why


def test_what_repeats_the_token_does_not_show_it() -> None:
    with running_web() as web:
        web.body = b'{"errors": [{"message": "no rights for tok-1234567 here"}]}'
        holder = who_is(Secret("tok-1234567"), BEARER, web.url("/graphql/v2"))
    assert "tok-1234567" not in holder.why


def test_a_railway_that_does_not_answer_is_unknown() -> None:
    holder = who_is(Secret("prj-1234567"), PROJECT, "http://127.0.0.1:9/graphql/v2")
    assert (holder.kind, "cannot be asked" in holder.why) == ("unknown", True)


@pytest.mark.parametrize(
    ("domain", "might"),
    [
        (FailureDomain(provider="aws", project="rental"), None),
        (FailureDomain(project="rental"), None),
        (FailureDomain(provider="railway"), Might.UNKNOWN),
        (FailureDomain(provider="railway", project="p-1"), Might.DESTROYS),
    ],
)
def test_what_is_compared(domain: FailureDomain, might: Might | None, railway: Stand) -> None:
    told = power_of("x", domain, who_is(Secret("acc-1234567"), BEARER, railway[1]))
    assert (told.might if told else None) is might


def test_an_account_may_see_more_than_its_own_list() -> None:
    holder = Holder(kind="account")
    told = power_of("x", RENTAL, holder)
    assert told is not None
    assert told.might is Might.UNKNOWN
