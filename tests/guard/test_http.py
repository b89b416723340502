"""The HTTP guard, attacked against real servers: one that the runbook names, and one that it does not."""

import gzip
import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import zstandard
from support.pg import drain
from support.web import WebServer, running_web

from drbook.actions.outside import Http, HttpParams
from drbook.app.vocabulary import vocabulary
from drbook.core.errors import DrbookError, NotExercised, Refused, RunbookInvalid, StepFailed
from drbook.core.hosts import parse_host
from drbook.core.ports import Ports
from drbook.core.targets import HttpResult
from drbook.core.values import Json
from drbook.language.load import load
from drbook.providers.cancel import CancelToken
from drbook.providers.graphqlguard import LONGEST, why_not_reading, writes_by_url
from drbook.providers.http import BODY, GuardedTransport, HttpSender

SECRET = "marker-of-a-secret"
QUERY = "query A { volumes { id } }"
MUTATION = "mutation B { volumeDelete(id: 1) }"


@pytest.fixture
def named() -> Iterator[WebServer]:
    with running_web() as server:
        yield server


@pytest.fixture
def other() -> Iterator[WebServer]:
    with running_web() as server:
        yield server


def hosts_of(server: WebServer) -> tuple[str, ...]:
    return (f"127.0.0.1:{server.port}", f"graphql://127.0.0.1:{server.port}/graphql/v2")


def send(
    server: WebServer,
    method: str,
    url: str,
    *,
    live: bool = False,
    headers: Mapping[str, str] | None = None,
    secret_headers: Mapping[str, str] | None = None,
    body: Json = None,
    environment: Mapping[str, str] | None = None,
) -> HttpResult:
    sender = HttpSender(
        hosts_of(server), environment or {"TOKEN": SECRET}, CancelToken(), reads_only=not live
    )
    return sender.send(
        method,
        url,
        headers=headers or {},
        secret_headers=secret_headers or {},
        body=body,
        timeout=timedelta(seconds=5),
    )


# --- where to ---------------------------------------------------------------------------------

ELSEWHERE = {
    "another port": "http://127.0.0.1:{other}/",
    "another name of the same machine": "http://localhost:{named}/",
    "user name": "http://127.0.0.1:{named}@127.0.0.1:{other}/",
    "user name that names it": "http://u:p@127.0.0.1:{named}/",
    "backslash": "http://127.0.0.1:{named}\\@127.0.0.1:{other}/",
    "at sign, encoded": "http://127.0.0.1:{named}%40127.0.0.1:{other}/",
    "another form of the address": "http://2130706433:{named}/",
    "hexadecimal": "http://0x7f.0.0.1:{named}/",
    "short": "http://127.1:{named}/",
    "IPv6": "http://[::ffff:127.0.0.1]:{named}/",
    "trailing dot": "http://127.0.0.1.:{named}/",
    "full width": "http://１２７.0.0.1:{other}/",
    "encoded": "http://%31%32%37.0.0.1:{other}/",
    "no host": "http:///x",
    "another scheme": "ftp://127.0.0.1:{named}/",
    "a file": "file:///etc/passwd",
    "no URL": "http://[::1",
    "a line end": "http://127.0.0.1:{named}/\r\nHost: evil",
    "half a character": "http://127.0.0.1:{named}/\ud800",
    "port out of range": "http://127.0.0.1:99999/",
}


@pytest.mark.parametrize("live", [False, True], ids=["drill", "live"])
@pytest.mark.parametrize("attack", ELSEWHERE)
def test_only_hosts_that_the_runbook_names(
    named: WebServer, other: WebServer, attack: str, live: bool
) -> None:
    url = ELSEWHERE[attack].format(named=named.port, other=other.port)
    with pytest.raises(DrbookError) as caught:
        send(named, "GET", url, live=live)
    assert caught.value.code in ("host", "request", "http-request")
    assert caught.value.next
    assert named.got == other.got == []


def test_a_redirect_is_an_answer_and_not_followed(named: WebServer, other: WebServer) -> None:
    for status in (301, 302, 303, 307, 308):
        named.status, named.headers = status, {"Location": other.url("/x"), "Refresh": "0; url=/y"}
        assert send(named, "GET", named.url(), secret_headers={"X": "env:TOKEN"}).status == status
    assert (len(named.got), other.got) == (5, [])


PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


def test_proxies_and_password_files_of_the_environment_have_no_say(
    named: WebServer, other: WebServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    for name in PROXIES:
        monkeypatch.setenv(name, other.url())
    monkeypatch.setenv("NO_PROXY", "example.com")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login x password y\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    assert send(named, "GET", named.url()).status == 200
    assert other.got == []
    assert "authorization" not in {name.lower() for name, _ in named.got[0].headers}


HOSTS = [
    ("api.example.com", "https://API.example.com/x", True),
    ("api.example.com", "https://api.example.com:8443/x", True),
    ("API.example.com", "https://api.example.com/x", True),
    ("api.example.com:443", "https://api.example.com/x", True),
    ("api.example.com:443", "http://api.example.com/x", False),
    ("api.example.com:80", "http://api.example.com/x", True),
    ("api.example.com:8443", "https://api.example.com/x", False),
    ("example.com", "https://api.example.com/x", False),
    ("api.example.com", "https://api.example.com.evil.test/x", False),
    ("api.example.com", "https://evil.test/?api.example.com", False),
    ("api.example.com", "https://evil.test#api.example.com", False),
    ("api.example.com", "https://evil.test/@api.example.com", False),
    ("bücher.example", "https://xn--bcher-kva.example/", True),
    ("xn--bcher-kva.example", "https://bücher.example/", True),
    ("[::1]:8080", "http://[::1]:8080/", True),
    ("[::1]", "http://[::1]:8080/", True),
    ("[::1]", "http://[::2]/", False),
    ("*", "http://127.0.0.1/", False),
    ("graphql://api.example.com/graphql", "https://api.example.com/rest", True),
]


@pytest.mark.parametrize(("entry", "url", "goes"), HOSTS)
def test_which_hosts_an_entry_names(entry: str, url: str, goes: bool) -> None:
    transport = GuardedTransport([entry], reads_only=True)
    parsed = httpx.URL(url)
    if goes:
        assert transport._covering(parsed) == (parse_host(entry),)
        return
    with pytest.raises(Refused):
        transport._covering(parsed)


@pytest.mark.parametrize(
    "entry",
    ["https://a.example", "a.example/x", "graphql://a.example", "u@a.example", "a:0", "a b", ""],
)
def test_an_entry_that_is_none_is_an_invalid_runbook(entry: str) -> None:
    text = (
        f"drbook: 1\ntitle: T\nhosts: ['{entry}']\nsteps: [{{id: a, phase: detect, do: manual}}]\n"
    )
    with pytest.raises(RunbookInvalid) as caught:
        load(text.encode(), "r.yaml", vocabulary())
    assert "hosts[0]" in str(caught.value)


# --- as what ----------------------------------------------------------------------------------

HEADERS = {
    "another host": {"Host": "evil.example"},
    "another host, small": {"host": "evil.example"},
    "another length": {"Content-Length": "0"},
    "chunks": {"Transfer-Encoding": "chunked"},
    "an upgrade": {"Upgrade": "websocket"},
    "a connection": {"Connection": "close, X-Y"},
    "expect": {"Expect": "100-continue"},
    "another method": {"X-HTTP-Method-Override": "DELETE"},
    "another method, shorter": {"X-HTTP-Method": "DELETE"},
    "another method, otherwise": {"x-method-override": "DELETE"},
    "another method, as WSGI reads it": {"X_HTTP_Method_Override": "DELETE"},
    "another host, as WSGI reads it": {"X_Forwarded_Host": "evil.example"},
    "another address": {"X-Original-URL": "/delete"},
    "another address, otherwise": {"X-Rewrite-URL": "/delete"},
    "forwarded": {"X-Forwarded-Host": "evil.example"},
    "a proxy's": {"Proxy-Authorization": "Basic eDp5"},
    "another coding of the answer": {"Accept-Encoding": "gzip"},
    "a line's end in the value": {"X-A": "1\r\nX-B: 2"},
    "a bare line feed": {"X-A": "1\n2"},
    "a NUL": {"X-A": "1\0"},
    "a line's end in the name": {"X-A: 1\r\nX-B": "2"},
    "a colon in the name": {"X-A:": "2"},
    "a space before the colon": {"Host ": "evil.example"},
    "no name": {"": "x"},
    "beyond ASCII": {"X-A": "ü"},
}


@pytest.mark.parametrize("live", [False, True], ids=["drill", "live"])
@pytest.mark.parametrize("attack", HEADERS)
def test_no_header_makes_of_it_another_request(named: WebServer, attack: str, live: bool) -> None:
    with pytest.raises(StepFailed) as caught:
        send(named, "GET", named.url(), headers=HEADERS[attack], live=live)
    assert caught.value.code == "http-request"
    assert named.got == []


@pytest.mark.parametrize("tail", ["\r\nX-Evil: 1", "\x01", "ü", "\n"])
def test_a_secret_that_is_no_header_is_not_told(named: WebServer, tail: str) -> None:
    """The library's own error quotes the value."""
    with pytest.raises(StepFailed) as caught:
        send(
            named,
            "GET",
            named.url(),
            secret_headers={"Authorization": "env:TOKEN"},
            environment={"TOKEN": SECRET + tail},
        )
    assert SECRET not in caught.value.explain()
    assert caught.value.__cause__ is None
    assert named.got == []


def test_the_transport_itself_refuses_what_is_not_as_shown(named: WebServer) -> None:
    """Code that has the client in its hands still meets the transport."""
    odd: list[dict[str, Any]] = [
        {"headers": {"Host": "evil.example"}},
        {"headers": [("Host", f"127.0.0.1:{named.port}"), ("Host", "evil.example")]},
        {"extensions": {"target": b"http://evil.example/"}},
        {"extensions": {"sni_hostname": "evil.example"}},
        {"headers": {"Content-Length": "1"}, "content": b"12"},
        {"headers": {"Transfer-Encoding": "chunked"}, "content": b"12"},
    ]
    for more in odd:
        transport = GuardedTransport(hosts_of(named), reads_only=False)
        with httpx.Client(transport=transport) as client:
            request = client.build_request("POST", named.url(), **more)
            with pytest.raises(Refused) as caught:
                client.send(request)
            assert caught.value.code == "request"
    assert named.got == []


@pytest.mark.parametrize("packed", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_an_answer_that_is_compressed_does_not_unfold(named: WebServer, packed: Any) -> None:
    """A few kilobytes can be gigabytes once they are unfolded."""
    named.body = packed(b"\0" * 64 * 1024 * 1024)
    named.headers = {"Content-Encoding": "gzip" if packed is gzip.compress else "zstd"}
    found = send(named, "GET", named.url())
    assert "is not shown" in found.body
    assert dict(named.got[0].headers)["Accept-Encoding"] == "identity"


def test_an_answer_is_bounded_and_plain(named: WebServer) -> None:
    named.body = b"\x1b[31m" + b"x" * (2 * BODY)
    found = send(named, "GET", named.url())
    assert found.body.startswith("\\x1b[31mx")
    assert len(found.body) <= BODY + 10


# --- reading and not --------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_reading_method_with_a_body_is_not_sent_outside_a_live_incident(
    named: WebServer, method: str
) -> None:
    """Some servers run the mutation that stands in it."""
    transport = GuardedTransport(hosts_of(named), reads_only=True)
    with httpx.Client(transport=transport) as client:
        request = client.build_request(
            method, named.url(), json={"query": "mutation { deleteAll }"}
        )
        with pytest.raises(NotExercised, match=f"a {method} with a body"):
            client.send(request)
    assert named.got == []


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get", "QUERY"])
def test_only_reading_methods_outside_a_live_incident(named: WebServer, method: str) -> None:
    transport = GuardedTransport(hosts_of(named), reads_only=True)
    with httpx.Client(transport=transport) as client:
        request = client.build_request("GET", named.url("/rest"))
        request.method = method
        with pytest.raises(NotExercised):
            client.send(request)
    assert named.got == []


def test_what_stays_possible_is_a_get_with_an_effect(named: WebServer) -> None:
    """Servers exist that delete by GET; nothing in the request says so."""
    assert send(named, "GET", named.url("/volumes/1/delete?sure=yes")).status == 200
    assert send(named, "GET", named.url("/anything?_method=DELETE")).status == 200
    body: Json = {"query": "query { deleteEverything }"}
    assert send(named, "POST", named.url("/graphql/v2"), body=body).status == 200
    assert len(named.got) == 3


def post(query: object = QUERY, **more: object) -> bytes:
    return json.dumps({"query": query, **more}).encode()


JSON_TYPE = [("content-type", "application/json")]
TWO = f"{QUERY} {MUTATION}"

READING: dict[str, tuple[str, str, list[tuple[str, str]], bytes]] = {
    "a query": ("POST", "", JSON_TYPE, post()),
    "short": ("POST", "", JSON_TYPE, post("{ volumes { id } }")),
    "with variables": (
        "POST",
        "",
        JSON_TYPE,
        post("query A($id: ID!) { v(id: $id) { id } }", variables={"id": "1"}, operationName="A"),
    ),
    "UTF-8 said": ("POST", "", [("content-type", "application/json; charset=utf-8")], post()),
    "a field called mutation": ("POST", "", JSON_TYPE, post("{ mutation: volumes { id } }")),
    "a mutation in a text": ("POST", "", JSON_TYPE, post('{ log(find: "mutation { a }") }')),
    "a mutation in a comment": (
        "POST",
        "",
        JSON_TYPE,
        post("# mutation { a }\n{ volumes { id } }"),
    ),
    "fragments": (
        "POST",
        "",
        JSON_TYPE,
        post("query A { ...f } fragment f on Query { volumes { id } }"),
    ),
    "the query of two": ("POST", "", JSON_TYPE, post(TWO, operationName="A")),
    "no name, said": ("POST", "", JSON_TYPE, post(operationName=None, variables=None)),
    "by GET": ("GET", "query=%7Bvolumes%7Bid%7D%7D", [], b""),
    "by GET, one of two": (
        "GET",
        "query=query+A%7Ba%7D+mutation+B%7Bb%7D&operationName=A&variables=%7B%7D",
        [],
        b"",
    ),
    "a look": ("GET", "", [], b""),
    "a look at the head": ("HEAD", "", [], b""),
}


@pytest.mark.parametrize("request_", READING)
def test_a_query_reads(request_: str) -> None:
    assert why_not_reading(*READING[request_]) == ""


_DEEP = "{a" * 5000 + "}" * 5000

UNDECIDED: dict[str, tuple[str, str, list[tuple[str, str]], bytes]] = {
    "a mutation": ("POST", "", JSON_TYPE, post(MUTATION)),
    "a subscription": ("POST", "", JSON_TYPE, post("subscription { volumes { id } }")),
    "an alias": ("POST", "", JSON_TYPE, post("mutation { query: volumeDelete(id: 1) }")),
    "a mutation called query": ("POST", "", JSON_TYPE, post("mutation query { a }")),
    "behind a fragment": (
        "POST",
        "",
        JSON_TYPE,
        post("fragment query on Mutation { a } mutation { ...query }"),
    ),
    "the mutation of two": ("POST", "", JSON_TYPE, post(TWO, operationName="B")),
    "neither of two": ("POST", "", JSON_TYPE, post(TWO, operationName="C")),
    "two and no name": ("POST", "", JSON_TYPE, post(TWO)),
    "two and an empty name": ("POST", "", JSON_TYPE, post(TWO, operationName="")),
    "one and an empty name": ("POST", "", JSON_TYPE, post("{ a }", operationName="")),
    "one and another name": ("POST", "", JSON_TYPE, post(operationName="B")),
    "a name that is a list": ("POST", "", JSON_TYPE, post(operationName=["A"])),
    "two of one name": ("POST", "", JSON_TYPE, post("query A { a } mutation A { b }")),
    "two queries of one name": (
        "POST",
        "",
        JSON_TYPE,
        post("query A { a } query A { b }", operationName="A"),
    ),
    "one without a name beside": (
        "POST",
        "",
        JSON_TYPE,
        post("{ a } query A { b }", operationName="A"),
    ),
    "only a fragment": ("POST", "", JSON_TYPE, post("fragment f on Query { a }")),
    "a schema beside": ("POST", "", JSON_TYPE, post("{ a } type X { b: Int }")),
    "no GraphQL": ("POST", "", JSON_TYPE, post("SELECT 1")),
    "cut short": ("POST", "", JSON_TYPE, post("{ a")),
    "nothing": ("POST", "", JSON_TYPE, post("")),
    "no text": ("POST", "", JSON_TYPE, post(None)),
    "a list of queries": ("POST", "", JSON_TYPE, post([QUERY, MUTATION])),
    "a batch": ("POST", "", JSON_TYPE, b"[" + post() + b"," + post(MUTATION) + b"]"),
    "a batch of one": ("POST", "", JSON_TYPE, b"[" + post() + b"]"),
    "a bare text": ("POST", "", JSON_TYPE, json.dumps(QUERY).encode()),
    "an empty body": ("POST", "", JSON_TYPE, b""),
    "persisted": (
        "POST",
        "",
        JSON_TYPE,
        b'{"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "ab"}}}',
    ),
    "persisted, with a query": (
        "POST",
        "",
        JSON_TYPE,
        post(extensions={"persistedQuery": {"version": 1, "sha256Hash": "ab"}}),
    ),
    "persisted by an id": ("POST", "", JSON_TYPE, post(id="4711")),
    "persisted by a document's id": ("POST", "", JSON_TYPE, b'{"documentId": "sha256:ab"}'),
    "another key": ("POST", "", JSON_TYPE, post(Query=MUTATION)),
    "variables that are none": ("POST", "", JSON_TYPE, post(variables="{}")),
    "a key twice": ("POST", "", JSON_TYPE, b'{"query": "{ a }", "query": "mutation { b }"}'),
    "a key twice, escaped": (
        "POST",
        "",
        JSON_TYPE,
        b'{"query": "{ a }", "qu\\u0065ry": "mutation { b }"}',
    ),
    "a key twice below": ("POST", "", JSON_TYPE, b'{"query":"{a}","variables":{"x":1,"x":2}}'),
    "a byte order mark": ("POST", "", JSON_TYPE, b"\xef\xbb\xbf" + post()),
    "UTF-16": ("POST", "", JSON_TYPE, post().decode().encode("utf-16")),
    "UTF-32": ("POST", "", JSON_TYPE, post().decode().encode("utf-32-be")),
    "not UTF-8": ("POST", "", JSON_TYPE, b'{"query": "{ a(x: \\"\xff\\") }"}'),
    "half a character": ("POST", "", JSON_TYPE, post('{ a(x: "\ud800") }')),
    "another line's end": ("POST", "", JSON_TYPE, post("{ a } #\u2028 mutation { b }")),
    "a mark inside": ("POST", "", JSON_TYPE, post("{ a }\ufeff")),
    "NaN": ("POST", "", JSON_TYPE, b'{"query": "{ a }", "variables": {"x": NaN}}'),
    "two documents": ("POST", "", JSON_TYPE, post() + post(MUTATION)),
    "too long": ("POST", "", JSON_TYPE, post("{ " + "a " * LONGEST + "}")),
    "too many words": ("POST", "", JSON_TYPE, post("{ " + "a " * 20_000 + "}")),
    "too deep": ("POST", "", JSON_TYPE, post(_DEEP)),
    "too deep in JSON": ("POST", "", JSON_TYPE, b'{"query":' + b"[" * 100_000),
    "compressed": (
        "POST",
        "",
        [*JSON_TYPE, ("content-encoding", "gzip")],
        gzip.compress(post(MUTATION)),
    ),
    "said to be compressed": ("POST", "", [*JSON_TYPE, ("content-encoding", "identity")], post()),
    "no type": ("POST", "", [], post()),
    "two types": ("POST", "", [*JSON_TYPE, ("content-type", "application/graphql")], post()),
    "two types in one": ("POST", "", [("content-type", "application/json, text/plain")], post()),
    "bare GraphQL": ("POST", "", [("content-type", "application/graphql")], QUERY.encode()),
    "a form": (
        "POST",
        "",
        [("content-type", "application/x-www-form-urlencoded")],
        b"query=%7Ba%7D",
    ),
    "multipart": ("POST", "", [("content-type", "multipart/form-data; boundary=x")], post()),
    "a type around": ("POST", "", [("content-type", "application/json; boundary=x")], post()),
    "another charset": ("POST", "", [("content-type", "application/json; charset=utf-7")], post()),
    "plain text": ("POST", "", [("content-type", "text/plain")], post()),
    "a query in the URL as well": ("POST", "query=mutation%7Ba%7D", JSON_TYPE, post()),
    "a name in the URL": ("POST", "operationName=B", JSON_TYPE, post(TWO, operationName="A")),
    "anything in the URL": ("POST", "x", JSON_TYPE, post()),
    "PUT": ("PUT", "", JSON_TYPE, post()),
    "DELETE": ("DELETE", "", JSON_TYPE, post()),
    "small letters": ("post", "", JSON_TYPE, post()),
    "a mutation by GET": ("GET", "query=mutation%7Ba%7D", [], b""),
    "a mutation by HEAD": ("HEAD", "query=mutation%7Ba%7D", [], b""),
    "a body by GET": ("GET", "", JSON_TYPE, post(MUTATION)),
    "a second time, and empty, by GET": ("GET", "query=%7Ba%7D&query=", [], b""),
    "twice by GET": ("GET", "query=%7Ba%7D&query=mutation%7Bb%7D", [], b""),
    "a semicolon by GET": ("GET", "query=%7Ba%7D;query=mutation%7Bb%7D", [], b""),
    "persisted by GET": ("GET", "extensions=%7B%22persistedQuery%22%3A%7B%7D%7D", [], b""),
    "an id by GET": ("GET", "id=4711", [], b""),
    "no UTF-8 by GET": ("GET", "query=%7Ba%7D%ff", [], b""),
    "bad variables by GET": ("GET", "query=%7Ba%7D&variables=x", [], b""),
    "many names by GET": ("GET", "&".join(f"a{n}=1" for n in range(200)), [], b""),
    "too long by GET": ("GET", "query=" + "a" * LONGEST, [], b""),
}


WHY = {
    "a batch": "a batch of several requests",
    "a batch of one": "a batch of several requests",
    "a bare text": "its body is no JSON object",
    "too long": "it is longer than any query",
    "too long by GET": "it is longer than any query",
    "a semicolon by GET": "its URL holds a semicolon, which some servers take",
    "persisted": "it names a persisted query, or none",
    "persisted, with a query": "it names a persisted query, or none",
    "persisted by a document's id": "it names a persisted query, or none",
    "persisted by GET": "it names a persisted query, or none",
    "persisted by an id": "it has 1 more than query, operationName and variables",
    "no UTF-8 by GET": "the URL's query cannot be read",
    "many names by GET": "the URL's query cannot be read",
    "half a character": "its query is not GraphQL",
    "a mutation": "it is a mutation",
}


@pytest.mark.parametrize("attack", WHY)
def test_why_it_is_not_taken_for_one(attack: str) -> None:
    assert WHY[attack] in why_not_reading(*UNDECIDED[attack])


def test_the_longest_query_is_still_judged() -> None:
    body = post()
    for more in (0, 1):
        padded = body[:-1] + b" " * (LONGEST - len(body) + more) + b"}"
        assert (why_not_reading("POST", "", JSON_TYPE, padded) == "") is (more == 0)
    url = "query=%7Ba%7D&operationName=&variables=%7B" + "+" * LONGEST
    whole = url[: LONGEST - 3] + "%7D"
    assert "longer" not in why_not_reading("GET", whole, [], b"")
    assert "longer" in why_not_reading("GET", whole + "+", [], b"")


def test_what_comes_behind_a_fragment_counts() -> None:
    text = "fragment f on Query { a } query A { ...f } mutation B { b }"
    assert why_not_reading("POST", "", JSON_TYPE, post(text, operationName="A")) == ""
    assert "mutation" in why_not_reading("POST", "", JSON_TYPE, post(text, operationName="B"))


def test_a_url_that_cannot_be_read_may_hold_an_operation_that_writes() -> None:
    long = "{ a " + "a " * 12_000 + "}"
    for text in (_DEEP, long):
        assert writes_by_url("query=" + quote("mutation" + text))
        assert writes_by_url("query=" + quote("subscription " + text))
        assert not writes_by_url("query=" + quote(text))
    assert writes_by_url("query=" + quote("type A { a: B } mutation { a }"))
    assert not writes_by_url("query=" + quote("which mutation do viruses have?"))
    assert not writes_by_url("query=" + quote("{ mutations } ..."))


@pytest.mark.parametrize("kind", [" application/json", "application/json\t"])
def test_blanks_around_a_type_mean_nothing(kind: str) -> None:
    assert why_not_reading("POST", "", [("content-type", kind)], post()) == ""


@pytest.mark.parametrize("attack", UNDECIDED)
def test_what_could_be_more_than_a_query_is_not_taken_for_one(attack: str) -> None:
    assert why_not_reading(*UNDECIDED[attack])


WIRE: dict[str, Json] = {
    "a mutation": {"query": MUTATION},
    "two and no name": {"query": TWO},
    "the mutation of two": {"query": TWO, "operationName": "B"},
    "a batch": [{"query": QUERY}, {"query": MUTATION}],
    "persisted": {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "ab"}}},
}


@pytest.mark.parametrize("attack", WIRE)
def test_on_the_wire_a_mutation_leaves_in_a_live_incident_only(
    named: WebServer, attack: str
) -> None:
    url, body = named.url("/graphql/v2"), WIRE[attack]
    with pytest.raises(NotExercised):
        send(named, "POST", url, body=body)
    assert named.got == []
    assert send(named, "POST", url, body=body, live=True).status == 200
    assert [(got.method, got.target) for got in named.got] == [("POST", "/graphql/v2")]


def test_on_the_wire_a_query_passes_in_every_mode(named: WebServer) -> None:
    body: Json = {"query": TWO, "operationName": "A"}
    assert send(named, "POST", named.url("/graphql/v2"), body=body).status == 200
    assert json.loads(named.got[0].body) == body


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/graphql",
        "/graphql/v2/",
        "/graphql/V2",
        "//graphql/v2",
        "/graphql/v2/../v3",
        "/graphql%2Fv2",
        "/graphql/v2;x",
        "/graphql/v2%20",
        "/x/../graphql/v2x",
    ],
)
def test_a_query_passes_at_the_endpoint_that_the_runbook_names_and_nowhere_else(
    named: WebServer, path: str
) -> None:
    with pytest.raises(NotExercised):
        send(named, "POST", named.url(path), body={"query": QUERY})
    assert named.got == []


@pytest.mark.parametrize(
    "path",
    ["/graphql/v2?query=", "/elsewhere?query=", "/?a=1;query=", "/?Query=", "/?x=1&query="],
)
def test_a_mutation_in_a_url_is_seen_wherever_it_is_sent(named: WebServer, path: str) -> None:
    with pytest.raises(NotExercised):
        send(named, "GET", named.url(path + "mutation%7Ba%7D"))
    assert named.got == []


@pytest.mark.parametrize("query", ["", "query=shoes", "query=%7Ba%7D", "q=mutation%7Ba%7D", "%ff"])
def test_other_urls_are_no_mutations(query: str) -> None:
    assert not writes_by_url(query)


@pytest.mark.parametrize("headers", [{"Content-Type": "text/plain"}, {"content-encoding": "gzip"}])
def test_a_step_cannot_make_of_json_something_else(
    named: WebServer, headers: dict[str, str]
) -> None:
    with pytest.raises(NotExercised):
        send(named, "POST", named.url("/graphql/v2"), body={"query": QUERY}, headers=headers)
    assert named.got == []


# --- the action, and what a runbook may say ---------------------------------------------------


def test_the_http_action_comes_no_further(named: WebServer, other: WebServer) -> None:
    class OnlyHttp:
        http = HttpSender(hosts_of(named), {}, CancelToken(), reads_only=True)

    ports: Ports = OnlyHttp()  # type: ignore[assignment]
    for url, method in ((other.url(), "GET"), (named.url("/rest"), "DELETE")):
        params = HttpParams.model_validate({"url": url, "method": method})
        with pytest.raises((Refused, NotExercised)):
            drain(Http().perform(params, None, ports))  # type: ignore[arg-type]
    assert named.got == other.got == []


@pytest.mark.parametrize(
    "with_",
    [
        "{url: 'https://u:p@a.example/'}",
        "{url: 'https://a.example\\@b.example/'}",
        "{url: 'https://a.example/', secret_headers: {X: '${{ steps.ask.value }}'}}",
        "{url: 'https://a.example/', secret_headers: {X: 'cmd:${{ steps.ask.value }}'}}",
        "{url: 'https://a.example/', secret_headers: '${{ steps.ask.value }}'}",
    ],
)
def test_a_runbook_may_not_make_a_reference_of_outside_text(with_: str) -> None:
    """`cmd:` in an answer from outside would be run on this machine."""
    text = (
        "drbook: 1\ntitle: T\nhosts: [a.example]\nsteps:\n"
        "  - {id: ask, phase: detect, do: ask, with: {prompt: P}}\n"
        f"  - {{id: tell, phase: detect, do: http, with: {with_}}}\n"
    )
    with pytest.raises(RunbookInvalid) as caught:
        load(text.encode(), "r.yaml", vocabulary())
    assert len(caught.value.problems) == 1, caught.value.what


@pytest.mark.parametrize(
    "step",
    [
        "do: shell, with: {shell: 'env', secrets: {X: '${{ steps.ask.value }}'}}",
        "do: shell, with: {shell: 'env', secrets: '${{ steps.ask }}'}",
        "do: sql, with: {sql: SELECT 1, database: {dsn: '${{ steps.ask.value }}'}}",
        "do: sql, with: {sql: SELECT 1, database: {host: a, password: '${{ steps.ask.value }}'}}",
    ],
)
def test_nor_elsewhere(step: str) -> None:
    text = (
        "drbook: 1\ntitle: T\nsteps:\n"
        "  - {id: ask, phase: detect, do: ask, with: {prompt: P}}\n"
        f"  - {{id: tell, phase: detect, {step}}}\n"
    )
    with pytest.raises(RunbookInvalid) as caught:
        load(text.encode(), "r.yaml", vocabulary())
    assert "a reference to a secret as it stands" in str(caught.value)
    assert len(caught.value.problems) == 1, caught.value.what
