"""Notifications: who is told of what, what a message says to each kind of receiver, and when it is sent again."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from drbook.core.engine import Outcome
from drbook.core.errors import ExitCode
from drbook.core.events import Mode
from drbook.core.notice import (
    SUMMARY,
    Against,
    FirstBad,
    Notice,
    body_of,
    dedup_key,
    facts,
    lines,
    pagerduty_body,
    severity,
    slack_body,
    word_of,
)
from drbook.core.notify import (
    BAD,
    HttpNotify,
    NotifyConfig,
    PagerDutyNotify,
    SlackNotify,
    Word,
    why_not_there,
)
from drbook.core.resend import (
    LONGEST_PAUSE,
    PAUSES,
    TRIES,
    WHOLE,
    Answer,
    Delivery,
    asked_for,
    pause_before,
    worst,
)
from drbook.core.values import Json

NOW = datetime(2026, 4, 24, 22, 41, tzinfo=UTC)
KEY = "0123456789abcdef0123456789abcdef"
NOTICE = Notice(
    runbook="Shop lost",
    runbook_sha256="ab" * 32,
    mode=Mode.DRILL,
    word="fail",
    exit_code=1,
    reason="check: failed",
    host="recovery-1",
    at="2026-04-24T22:41:00Z",
    incident="20260424-224100-shop-7f3a",
    head="cd" * 32,
    look="drbook timeline 20260424-224100-shop-7f3a -o timeline.html",
    rpo=Against("3 h (objective 24 h: met)", 10800.0, 86400.0, True),
    first_bad=FirstBad("check", "Count the rows", "failed", "12 rows are missing"),
)

WORDS: list[tuple[str, ExitCode, Word]] = [
    ("pass", ExitCode.DONE, "pass"),
    ("partial", ExitCode.DONE, "partial"),
    ("not-exercised", ExitCode.DONE, "not-exercised"),
    ("fail", ExitCode.FAILED, "fail"),
    ("refused", ExitCode.REFUSED, "refused"),
    ("aborted", ExitCode.ABORTED, "aborted"),
    ("could-not-verify", ExitCode.COULD_NOT_VERIFY, "could-not-verify"),
    ("in-doubt", ExitCode.IN_DOUBT, "in-doubt"),
    ("open", ExitCode.IN_DOUBT, "in-doubt"),
    ("open", ExitCode.NEEDS_HUMAN, "needs-human"),
    ("unfinished", ExitCode.NEEDS_HUMAN, "needs-human"),
    ("needs-human", ExitCode.NEEDS_HUMAN, "needs-human"),
    ("a word of tomorrow", ExitCode.DONE, "no-result"),
]


@pytest.mark.parametrize(("said", "code", "word"), WORDS)
def test_the_word_for_an_outcome(said: str, code: ExitCode, word: Word) -> None:
    assert word_of(Outcome(said, code, "")) == word


def test_who_is_told() -> None:
    slack = SlackNotify(url="env:HOOK")
    assert all(slack.wants(word, Mode.DRILL) for word in BAD)
    assert not slack.wants("pass", Mode.LIVE)
    assert not slack.wants("fail", Mode.DRY_RUN)
    assert SlackNotify(url="env:HOOK", modes=(Mode.DRY_RUN,)).wants("fail", Mode.DRY_RUN)
    pager = PagerDutyNotify(routing_key="env:KEY", on=("fail",))
    assert pager.wants("pass", Mode.DRILL)  # which resolves
    assert not pager.wants("partial", Mode.DRILL)
    assert not pager.wants("pass", Mode.DRY_RUN)


WRONG: list[tuple[type[NotifyConfig], dict[str, object]]] = [
    (SlackNotify, {"url": "https://hooks.slack.com/services/T/B/X"}),
    (SlackNotify, {"url": "env:HOOK", "host": "https://hooks.slack.com"}),
    (SlackNotify, {"url": "env:HOOK", "host": "graphql://h/p"}),
    (SlackNotify, {"url": "env:HOOK", "on": []}),
    (SlackNotify, {"url": "env:HOOK", "on": ["failed"]}),
    (SlackNotify, {"url": "env:HOOK", "on": [True]}),
    (PagerDutyNotify, {"routing_key": KEY}),
    (PagerDutyNotify, {}),
    (HttpNotify, {"url": "env:U"}),
    (HttpNotify, {"url": "env:U", "host": "h", "headers": {"X-Api-Key": "x"}}),
    (HttpNotify, {"url": "env:U", "host": "h", "method": "GET"}),
    (HttpNotify, {"url": "env:U", "host": "h", "body": "{{ x }}"}),
    (HttpNotify, {"url": "env:U", "host": "h", "secret_headers": {"Authorization": "Bearer x"}}),
]


@pytest.mark.parametrize(("kind", "fields"), WRONG)
def test_what_is_no_entry(kind: type[NotifyConfig], fields: Mapping[str, object]) -> None:
    with pytest.raises(ValidationError):
        kind.model_validate(fields)


ADDRESSES = [
    ("https://hooks.slack.com/services/T/B/X", "hooks.slack.com", ""),
    ("https://HOOKS.slack.com:443/services/T/B/X", "hooks.slack.com", ""),
    ("https://hooks.slack.com:8443/x", "hooks.slack.com", "another host or port"),
    ("https://hooks.slack.com:8443/x", "hooks.slack.com:8443", ""),
    ("https://hooks.slack.com/x", "hooks.slack.com:8443", "another host or port"),
    ("https://hooks.slack.com.evil.example/x", "hooks.slack.com", "another host or port"),
    ("https://evil.example/hooks.slack.com", "hooks.slack.com", "another host or port"),
    ("https://hooks.slack.com@evil.example/x", "hooks.slack.com", "user name"),
    ("https://u:p@hooks.slack.com/x", "hooks.slack.com", "user name"),
    ("http://hooks.slack.com/x", "hooks.slack.com", "only loopback"),
    ("http://127.0.0.1:8080/x", "127.0.0.1", ""),
    ("http://127.0.0.1:8080/x", "127.0.0.1:8081", "another host or port"),
    ("http://[::1]:8080/x", "[::1]:8080", ""),
    ("http://localhost:8080/x", "localhost", ""),
    ("http://127.0.0.1.evil.example/x", "127.0.0.1.evil.example", "only loopback"),
    ("ftp://hooks.slack.com/x", "hooks.slack.com", "no http"),
    ("hooks.slack.com/x", "hooks.slack.com", "no http"),
    ("https://hooks.slack.com:port/x", "hooks.slack.com", "no URL"),
    ("", "hooks.slack.com", "no http"),
]


@pytest.mark.parametrize(("address", "host", "why"), ADDRESSES)
def test_where_an_address_may_lead(address: str, host: str, why: str) -> None:
    said = why_not_there(address, host)
    assert (why in said) if why else said == ""
    assert "evil" not in said.replace(host, "")
    assert "services" not in said


def test_a_message_for_people_says_what_it_must() -> None:
    text = "\n".join(lines(NOTICE))
    for part in (
        "[DRILL] fail: Shop lost",
        "A rehearsal, not a live incident.",
        "check (Count the rows), failed",
        "12 rows are missing",
        "(RPO): 3 h (objective 24 h: met)",
        "(RTO): unknown",
        NOTICE.incident,
        NOTICE.head,
        "drbook timeline",
    ):
        assert part in text
    none = replace(NOTICE, mode=Mode.LIVE, incident="", head="", look="", first_bad=None)
    text = "\n".join(lines(none))
    assert text.startswith("[LIVE] fail")
    assert "none was opened" in text
    assert "Head of its record: unknown" in text
    assert "DRILL" not in text
    assert lines(replace(NOTICE, test=True))[0].startswith("[TEST, nothing happened: DRILL]")
    assert "[DRY RUN]" in lines(replace(NOTICE, mode=Mode.DRY_RUN))[0]


NASTY = "<!channel> <https://evil.example|look> & @here @EVERYONE\x1b[2J\n\u202etxt\ud800 *b* `c`"


def test_slack_gets_text_in_which_nothing_acts() -> None:
    nasty = replace(
        NOTICE,
        runbook=NASTY,
        reason=NASTY,
        rpo=Against(NASTY),
        first_bad=FirstBad("a", NASTY, "failed", NASTY * 200),
    )
    body = slack_body(nasty)
    assert isinstance(body, dict)
    assert set(body) == {"text", "mrkdwn"}
    assert body["mrkdwn"] is False
    text = str(body["text"])
    assert "<" not in text
    assert ">" not in text
    assert text.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "").count("&") == 0
    for word in ("@here", "@EVERYONE", "\x1b", "\u202e", "\ud800"):
        assert word not in text
    assert len(text) < 4000
    json.dumps(body).encode()


ACTIONS: list[tuple[Word, Mode, str, str]] = [
    ("pass", Mode.DRILL, "resolve", ""),
    ("pass", Mode.LIVE, "resolve", ""),
    ("partial", Mode.LIVE, "trigger", "warning"),
    ("not-exercised", Mode.DRY_RUN, "trigger", "info"),
    ("fail", Mode.DRILL, "trigger", "error"),
    ("could-not-verify", Mode.DRILL, "trigger", "error"),
    ("no-result", Mode.DRILL, "trigger", "error"),
    ("needs-human", Mode.DRILL, "trigger", "warning"),
    ("needs-human", Mode.LIVE, "trigger", "critical"),
    ("could-not-verify", Mode.LIVE, "trigger", "critical"),
    ("fail", Mode.LIVE, "trigger", "critical"),
]


@pytest.mark.parametrize(("word", "mode", "action", "level"), ACTIONS)
def test_pagerduty_gets_an_event_as_its_documentation_has_it(
    word: Word, mode: Mode, action: str, level: str
) -> None:
    event = pagerduty_body(replace(NOTICE, word=word, mode=mode, reason=NASTY), KEY)
    assert isinstance(event, dict)
    assert pagerduty_problems(event) == []
    assert event["event_action"] == action
    payload = event.get("payload")
    assert (payload["severity"] if isinstance(payload, dict) else "") == level


def pagerduty_problems(event: Mapping[str, Json]) -> list[str]:
    """What Events API v2 would not take, by its parameters' table (PagerDuty, Send an Alert Event)."""
    found = []
    if not event.get("routing_key") or len(str(event.get("dedup_key", ""))) > 255:
        found.append("keys")
    if len(json.dumps(event).encode()) > 512 * 1024:
        found.append("size")
    if event.get("event_action") in ("resolve", "acknowledge"):
        return found if event.get("dedup_key") else [*found, "dedup_key"]
    payload = event.get("payload")
    if event.get("event_action") != "trigger" or not isinstance(payload, dict):
        return [*found, "event_action"]
    if not 1 <= len(str(payload.get("summary", ""))) <= 1024:
        found.append("summary")
    if not payload.get("source"):
        found.append("source")
    if payload.get("severity") not in ("critical", "error", "warning", "info"):
        found.append("severity")
    datetime.fromisoformat(str(payload.get("timestamp")))
    known = {"summary", "source", "severity", "timestamp", "component", "group", "class"}
    return found + sorted(set(payload) - known - {"custom_details"})


def test_the_check_of_events_finds_bad_ones() -> None:
    good = pagerduty_body(NOTICE, KEY)
    assert isinstance(good, dict)
    payload = good["payload"]
    assert isinstance(payload, dict)
    assert pagerduty_problems({**good, "dedup_key": "x" * 256}) == ["keys"]
    assert pagerduty_problems({**good, "routing_key": ""}) == ["keys"]
    assert pagerduty_problems({**good, "event_action": "open"}) == ["event_action"]
    long = {**good, "payload": {**payload, "summary": "x" * 1025, "severity": "bad", "at": 1}}
    assert pagerduty_problems(long) == ["summary", "severity", "at"]
    assert pagerduty_problems({**good, "event_action": "resolve", "dedup_key": ""}) == ["dedup_key"]


def test_a_summary_is_cut_to_what_pagerduty_takes() -> None:
    long = replace(
        NOTICE, runbook="t" * 5000, first_bad=FirstBad("s" * 900, "", "failed", "r" * 5000)
    )
    event = pagerduty_body(long, KEY)
    assert isinstance(event, dict)
    payload = event["payload"]
    assert isinstance(payload, dict)
    assert len(str(payload["summary"])) == SUMMARY
    assert str(payload["summary"]).startswith("[DRILL] fail: ttt")


def test_one_alert_for_a_runbook_and_mode() -> None:
    drill = dedup_key(NOTICE)
    assert dedup_key(replace(NOTICE, word="pass", incident="other", host="h2")) == drill
    others = [
        replace(NOTICE, runbook="Shop"),
        replace(NOTICE, mode=Mode.LIVE),
        replace(NOTICE, test=True),
    ]
    assert len({drill, *map(dedup_key, others)}) == 4
    assert severity(replace(NOTICE, test=True, mode=Mode.LIVE)) == "info"


def test_facts_say_null_where_nobody_knows_and_hold_no_key() -> None:
    found = facts(replace(NOTICE, incident="", head="", first_bad=None))
    assert found["incident"] is found["journal_head"] is found["first_bad_step"] is None
    assert found["rto"] == {
        "measured_seconds": None,
        "objective_seconds": None,
        "met": None,
        "words": "unknown",
    }
    for config in (SlackNotify(url="env:U"), HttpNotify(url="env:U", host="h")):
        assert KEY not in json.dumps(body_of(config, NOTICE, KEY))


def answer(status: int | None, retry_after: str = "") -> Answer:
    return Answer(status, True, "", retry_after)


AGAIN = [
    (1, answer(200), None),
    (1, answer(202), None),
    (1, answer(302), None),
    (1, answer(400), None),
    (1, answer(404), None),
    (1, answer(429), PAUSES[0]),
    (2, answer(429), PAUSES[1]),
    (1, answer(500), PAUSES[0]),
    (3, answer(503), PAUSES[2]),
    (TRIES, answer(503), None),
    (1, answer(None), PAUSES[0]),
    (1, Answer(None, False), PAUSES[0]),
    (1, answer(429, "7"), 7.0),
    (1, answer(429, "0"), PAUSES[0]),
    (1, answer(429, "86400"), LONGEST_PAUSE),
    (1, answer(429, "9" * 4000), LONGEST_PAUSE),
    (1, answer(503, "Fri, 24 Apr 2026 22:41:12 GMT"), 12.0),
    (1, answer(503, "Fri, 24 Apr 2026 22:00:00 GMT"), PAUSES[0]),
    (2, answer(429, "soon"), PAUSES[1]),
    (2, answer(503, "Mon, 01 Jan 99999999999 00:00:00 GMT"), PAUSES[1]),
    (2, answer(429, "-5"), PAUSES[1]),
    (2, answer(429, "\u0665"), PAUSES[1]),
    (1, answer(200, "7"), None),
]


@pytest.mark.parametrize(("tries", "came", "pause"), AGAIN)
def test_when_it_is_sent_again(tries: int, came: Answer, pause: float | None) -> None:
    assert pause_before(tries, came, NOW) == pause


def test_no_further_try_begins_behind_the_end_of_all() -> None:
    assert pause_before(2, answer(503), NOW, WHOLE - PAUSES[1] - 0.1) == PAUSES[1]
    assert pause_before(2, answer(503), NOW, WHOLE - PAUSES[1]) is None
    assert asked_for("", NOW) is None


DELIVERED = [
    (answer(200), Delivery.ACCEPTED),
    (answer(299), Delivery.ACCEPTED),
    (answer(302), Delivery.NOT_ACCEPTED),
    (answer(199), Delivery.NOT_ACCEPTED),
    (answer(500), Delivery.NOT_ACCEPTED),
    (answer(None), Delivery.UNKNOWN),
    (Answer(None, False), Delivery.NOT_ACCEPTED),
]


@pytest.mark.parametrize(("came", "delivery"), DELIVERED)
def test_what_is_known_of_a_message(came: Answer, delivery: Delivery) -> None:
    assert came.delivery is delivery


def test_the_worst_of_several() -> None:
    good, unknown, bad = Delivery.ACCEPTED, Delivery.UNKNOWN, Delivery.NOT_ACCEPTED
    assert worst([good, good]) is good
    assert worst([good, unknown]) is unknown
    assert worst([unknown, bad, good]) is bad
