"""The door for notifications, against a receiver: what arrives, when it is sent again, and what is told of it."""

import json
import socket
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta

import pytest
from support.receiver import Answering, Receiver, receiving

from drbook.core.errors import UsageError
from drbook.core.events import Mode
from drbook.core.notice import FirstBad, Notice
from drbook.core.notify import HttpNotify, NotifyConfig, PagerDutyNotify, SlackNotify
from drbook.core.resend import LONGEST_PAUSE, PAUSES, TRIES, Delivery
from drbook.providers.hiding import KNOWN, MASK
from drbook.providers.notify import SHOWN, Sent, send
from drbook.providers.secrets import reader
from drbook.providers.shell import WITHHELD

PATH = "/services/T024BE7LD/B07QWX1/kR9sVt2mYp8nLq4wZc6xHb3d"
KEY = "9f8e7d6c5b4a39281706f5e4d3c2b1a0"
TOKEN = "Bearer tok-3141592653589793"
NOTICE = Notice(
    runbook="Shop <lost>",
    runbook_sha256="ab" * 32,
    mode=Mode.DRILL,
    word="fail",
    exit_code=1,
    reason="check: failed",
    host="recovery-1",
    at="2026-04-24T22:41:00Z",
    first_bad=FirstBad("check", "<!channel> \x1b[2J", "failed", "12 rows are missing"),
)
SHORT = timedelta(seconds=0.4)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def slack(receiver: Receiver) -> SlackNotify:
    return SlackNotify(url="env:HOOK", host=receiver.host)


def tell(
    config: NotifyConfig,
    receiver: Receiver,
    pauses: list[float] | None = None,
    each: timedelta = timedelta(seconds=5),
    **environment: str,
) -> Sent:
    known = {"HOOK": receiver.url(PATH), "KEY": KEY, "TOKEN": TOKEN} | environment
    waited = pauses if pauses is not None else []
    return send(config, NOTICE, reader(known), each=each, pause=waited.append)


def test_slack_gets_one_post_as_its_documentation_has_it(receiver: Receiver) -> None:
    assert tell(slack(receiver), receiver) == Sent(Delivery.ACCEPTED, 200, 1, "ok")
    (got,) = receiver.got
    assert (got.method, got.path) == ("POST", PATH)
    assert set(got.json) == {"text", "mrkdwn"}
    assert got.json["text"].startswith("[DRILL] fail: Shop &lt;lost&gt;\n")
    assert "&lt;!channel&gt; \\x1b[2J" in got.json["text"]


def test_pagerduty_gets_its_key_in_the_body_and_nowhere_else(receiver: Receiver) -> None:
    receiver.turns = [lambda asked: asked.says(202, '{"status":"success"}')]
    sent = tell(PagerDutyNotify(routing_key="env:KEY", host=receiver.host), receiver)
    assert (sent.delivery, sent.status) == (Delivery.ACCEPTED, 202)
    (got,) = receiver.got
    assert (got.method, got.path) == ("POST", "/v2/enqueue")
    assert got.json["routing_key"] == KEY
    assert got.json["event_action"] == "trigger"
    assert got.json["payload"]["summary"] == "[DRILL] fail: Shop <lost>: check: 12 rows are missing"
    assert KEY not in json.dumps(got.headers) + got.path + json.dumps(got.json["payload"])


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_any_other_receiver_gets_facts_and_headers(receiver: Receiver, method: str) -> None:
    config = HttpNotify.model_validate(
        {
            "url": "env:HOOK",
            "host": receiver.host,
            "method": method,
            "headers": {"X-Team": "data"},
            "secret_headers": {"Authorization": "env:TOKEN"},
        }
    )
    assert tell(config, receiver, HOOK=receiver.url("/in?team=a&sig=abcdef0123")).tries == 1
    (got,) = receiver.got
    assert (got.method, got.path) == (method, "/in?team=a&sig=abcdef0123")
    assert (got.headers["authorization"], got.headers["x-team"]) == (TOKEN, "data")
    assert got.json["outcome"] == "fail"
    assert got.json["first_bad_step"]["reason"] == "12 rows are missing"


def test_it_is_sent_again_until_it_is_accepted(receiver: Receiver) -> None:
    receiver.turns = [
        lambda asked: asked.says(429, "rate_limited", Retry_After="5"),
        lambda asked: asked.says(503),
        lambda asked: asked.says(200),
    ]
    pauses: list[float] = []
    sent = tell(slack(receiver), receiver, pauses)
    assert (sent.delivery, sent.tries) == (Delivery.ACCEPTED, 3)
    assert pauses == [5.0, PAUSES[1]]
    assert len({got.body for got in receiver.got}) == 1


GIVES_UP: list[tuple[Answering, int, Delivery, int | None]] = [
    (lambda asked: asked.says(500), TRIES, Delivery.NOT_ACCEPTED, 500),
    (lambda asked: asked.says(429, Retry_After="86400"), TRIES, Delivery.NOT_ACCEPTED, 429),
    (lambda asked: asked.drops(), TRIES, Delivery.UNKNOWN, None),
    (lambda asked: asked.says(400, "invalid_payload"), 1, Delivery.NOT_ACCEPTED, 400),
    (lambda asked: asked.says(404, "no_service"), 1, Delivery.NOT_ACCEPTED, 404),
]


@pytest.mark.parametrize(("turn", "tries", "delivery", "status"), GIVES_UP)
def test_it_gives_up(
    receiver: Receiver, turn: Answering, tries: int, delivery: Delivery, status: int | None
) -> None:
    receiver.turns = [turn]
    pauses: list[float] = []
    sent = tell(slack(receiver), receiver, pauses)
    assert (sent.delivery, sent.status, sent.tries) == (delivery, status, tries)
    assert len(receiver.got) == tries
    assert all(pause <= LONGEST_PAUSE for pause in pauses)


def test_what_may_have_arrived_at_first_is_unknown_whatever_came_then(receiver: Receiver) -> None:
    receiver.turns = [lambda asked: asked.drops(), lambda asked: asked.says(400, "no")]
    sent = tell(slack(receiver), receiver, [])
    assert (sent.delivery, sent.status, sent.tries) == (Delivery.UNKNOWN, 400, 2)


def test_nobody_there_is_not_accepted(receiver: Receiver) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = SlackNotify(url="env:HOOK", host=f"127.0.0.1:{port}")
    sent = tell(config, receiver, HOOK=f"http://127.0.0.1:{port}{PATH}")
    assert (sent.delivery, sent.status, sent.tries) == (Delivery.NOT_ACCEPTED, None, TRIES)
    assert sent.said
    assert "services" not in sent.said


SLOW: list[tuple[Answering, Delivery]] = [
    (lambda asked: asked.hangs(), Delivery.UNKNOWN),
    (lambda asked: asked.drips(), Delivery.UNKNOWN),
    (lambda asked: asked.trickles(), Delivery.ACCEPTED),  # its status came
]


@pytest.mark.parametrize(("turn", "delivery"), SLOW)
def test_who_does_not_answer_is_not_waited_for(
    receiver: Receiver, turn: Answering, delivery: Delivery
) -> None:
    receiver.turns = [turn]
    begun = time.monotonic()
    sent = tell(slack(receiver), receiver, each=SHORT)
    assert sent.delivery is delivery
    assert sent.tries == (1 if delivery is Delivery.ACCEPTED else TRIES)
    assert time.monotonic() - begun < SHORT.total_seconds() * TRIES + 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_not_followed(receiver: Receiver, status: int) -> None:
    receiver.turns = [lambda asked: asked.says(status, "", Location=receiver.url("/elsewhere"))]
    sent = tell(slack(receiver), receiver)
    assert (sent.delivery, sent.status, sent.tries) == (Delivery.NOT_ACCEPTED, status, 1)
    assert [got.path for got in receiver.got] == [PATH]


def test_the_environment_has_no_say(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://{proxy.host}")
        assert tell(slack(receiver), receiver).delivery is Delivery.ACCEPTED
        assert proxy.got == []


REFUSED: list[tuple[Mapping[str, str], str]] = [
    ({"HOOK": "https://evil.example/services/secretpath1"}, "another host"),
    ({"HOOK": "http://evil.example/services/secretpath1"}, "only loopback"),
    ({"HOOK": "http://u:secretpath1@127.0.0.1/x"}, "a user name or a password"),
    ({"HOOK": "secretpath1"}, "no http"),
    ({"HOOK": "http://127.0.0.1:1/secret\x01path1"}, "another host or port"),
    ({"TOKEN": "secretpath1\nX-Other: 1"}, "one line"),
    ({"TOKEN": ""}, "it is empty"),
]


@pytest.mark.parametrize(("environment", "why"), REFUSED)
def test_what_cannot_be_sent_says_why_and_never_what(
    receiver: Receiver, environment: Mapping[str, str], why: str
) -> None:
    config = HttpNotify.model_validate(
        {"url": "env:HOOK", "host": receiver.host, "secret_headers": {"Authorization": "env:TOKEN"}}
    )
    with pytest.raises(UsageError) as refused:
        tell(config, receiver, **environment)
    told = refused.value.explain()
    assert why in told
    assert "secret\x01path1" not in told
    assert "path1" not in told
    assert "evil" not in told
    assert receiver.got == []


@pytest.mark.parametrize("name", ["Host", "Content-Length", "X_HTTP_Method_Override", "a b"])
def test_no_header_makes_of_it_another_request(receiver: Receiver, name: str) -> None:
    config = HttpNotify(url="env:HOOK", host=receiver.host, headers={name: "x"})
    with pytest.raises(UsageError, match="cannot be given"):
        tell(config, receiver)
    assert receiver.got == []


def test_what_is_kept_of_an_answer_holds_no_secret_of_it(receiver: Receiver) -> None:
    def echo(asked) -> None:  # type: ignore[no-untyped-def]
        first, last = PATH.split("/")[2], PATH.split("/")[-1]
        asked.says(400, f"no {PATH} ({first}, {last}, {last[:12]}) {TOKEN} \x1b[2J" + "x" * 4000)

    receiver.turns = [echo]
    config = HttpNotify.model_validate(
        {"url": "env:HOOK", "host": receiver.host, "secret_headers": {"Authorization": "env:TOKEN"}}
    )
    sent = tell(config, receiver)
    assert MASK in sent.said
    assert len(sent.said) <= SHOWN + 40
    for part in (*(piece for piece in PATH.split("/") if len(piece) > 6), TOKEN[7:], "\x1b"):
        assert part not in sent.said
    assert PATH.split("/")[-1][:12] not in sent.said
    assert KNOWN.scrub(f"a traceback with {PATH} in it") == f"a traceback with {MASK} in it"


def test_where_a_secret_is_too_short_to_be_found_nothing_is_kept(receiver: Receiver) -> None:
    receiver.turns = [lambda asked: asked.says(400, "abc is no key")]
    config = PagerDutyNotify(routing_key="env:KEY", host=receiver.host)
    assert tell(config, receiver, KEY="abc").said == WITHHELD


def test_a_packed_answer_is_not_unpacked(receiver: Receiver) -> None:
    receiver.turns = [lambda asked: asked.says(200, "x" * 1000, Content_Encoding="gzip")]
    assert tell(slack(receiver), receiver) == Sent(Delivery.ACCEPTED, 200, 1, "")
    assert receiver.got[0].headers["accept-encoding"] == "identity"
