"""What a notification says: the facts of a run's end, and the body that each kind of receiver takes.

Nothing here knows a secret. What came from outside is made plain, and what nobody knows is said as unknown.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from drbook.core.engine import Outcome
from drbook.core.errors import ExitCode
from drbook.core.events import Mode
from drbook.core.notify import HttpNotify, NotifyConfig, PagerDutyNotify, SlackNotify, Word
from drbook.core.values import Json, plain

FORMAT = "drbook-notice/1"
SUMMARY = 1024
"""Characters of PagerDuty's `payload.summary`, by its documentation."""
_SAYING = 600
"""Characters of a reason in a message; the record has all of it."""

_WORDS: Mapping[str, Word] = {
    "pass": "pass",
    "partial": "partial",
    "not-exercised": "not-exercised",
    "could-not-verify": "could-not-verify",
    "fail": "fail",
    "refused": "refused",
    "aborted": "aborted",
    "in-doubt": "in-doubt",
}
_BANNERS = {Mode.LIVE: "LIVE", Mode.DRILL: "DRILL", Mode.DRY_RUN: "DRY RUN"}
_MEANS = {
    Mode.LIVE: "A live incident.",
    Mode.DRILL: "A rehearsal, not a live incident.",
    Mode.DRY_RUN: "A dry run: nothing was restored, and no live incident.",
}
_CALLS = re.compile(r"@(?=(?:channel|here|all|everyone)\b)", re.IGNORECASE)
"""Words by which receivers that are only compatible with Slack call everybody."""

Severity = Literal["critical", "error", "warning", "info"]
"""PagerDuty's words, from worst to best."""


def word_of(outcome: Outcome) -> Word:
    """The word for `on:`. An incident that stays open waits for a person, or is in doubt; a word that nobody
    knows is no pass."""
    if outcome.code is ExitCode.IN_DOUBT:
        return "in-doubt"
    if outcome.code is ExitCode.NEEDS_HUMAN:
        return "needs-human"
    return _WORDS.get(outcome.word, "no-result")


@dataclass(frozen=True, slots=True)
class Against:
    """An objective and what was measured, in words and in seconds; None where nobody knows."""

    words: str
    measured: float | None = None
    objective: float | None = None
    met: bool | None = None

    def facts(self) -> Json:
        return {
            "measured_seconds": self.measured,
            "objective_seconds": self.objective,
            "met": self.met,
            "words": self.words,
        }


UNKNOWN = Against("unknown")


@dataclass(frozen=True, slots=True)
class FirstBad:
    """The first step, in the runbook's order, that did not come to a good end."""

    step: str
    title: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A run's end."""

    runbook: str
    """Its title."""
    runbook_sha256: str
    mode: Mode
    word: Word
    exit_code: int
    reason: str
    host: str
    """Where it ran, and where its record lies."""
    at: str
    """When this was written; UTC, ISO 8601."""
    incident: str = ""
    """Empty where none was opened."""
    head: str = ""
    """Of its journal; empty where there is none."""
    look: str = ""
    """The command that shows it, on that host."""
    rpo: Against = UNKNOWN
    rto: Against = UNKNOWN
    first_bad: FirstBad | None = None
    test: bool = False

    @property
    def banner(self) -> str:
        """The mode, unmistakable."""
        return (
            f"TEST, nothing happened: {_BANNERS[self.mode]}" if self.test else _BANNERS[self.mode]
        )

    @property
    def headline(self) -> str:
        """What comes first everywhere, on one line."""
        return f"[{self.banner}] {self.word}: {_said(self.runbook, 200)}"


def lines(notice: Notice) -> list[str]:
    """The message for people."""
    found = [notice.headline, "This is only a test." if notice.test else _MEANS[notice.mode]]
    found.append(f"Why: {_said(notice.reason)} (exit code {notice.exit_code})")
    bad = notice.first_bad
    if bad is not None:
        title = f" ({_said(bad.title, 200)})" if bad.title else ""
        found.append(f"First step without a good end: {bad.step}{title}, {bad.state}")
        found.append(f"Its reason: {_said(bad.reason) or 'none is on record'}")
    found.append(f"Data lost (RPO): {_said(notice.rpo.words)}")
    found.append(f"Restored in (RTO): {_said(notice.rto.words)}")
    found.append(f"Incident: {notice.incident or 'none was opened'}, on {_said(notice.host, 200)}")
    found.append(f"Head of its record: {notice.head or 'unknown'}")
    if notice.look:
        found.append(f"Look at it there: {_said(notice.look, 400)}")
    return found


def body_of(config: NotifyConfig, notice: Notice, key: str = "") -> Json:
    """What is sent. `key` is PagerDuty's routing key, which stands in the body and so nowhere else."""
    match config:
        case SlackNotify():
            return slack_body(notice)
        case PagerDutyNotify():
            return pagerduty_body(notice, key)
        case HttpNotify():
            return facts(notice)
    raise TypeError(f"nobody says what is sent to {config.kind}")


def slack_body(notice: Notice) -> Json:
    """`text` alone, which all that is compatible takes; `&`, `<` and `>` are escaped as Slack asks for, and
    marks of formatting are left as they are."""
    text = "\n".join(lines(notice)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"text": _CALLS.sub("@\N{ZERO WIDTH SPACE}", text), "mrkdwn": False}


def pagerduty_body(notice: Notice, key: str) -> Json:
    """An event of Events API v2: `resolve` for a pass, `trigger` for every other outcome."""
    event: dict[str, Json] = {"routing_key": key, "dedup_key": dedup_key(notice)}
    if notice.word == "pass":
        return event | {"event_action": "resolve"}
    said = notice.first_bad.reason if notice.first_bad is not None else notice.reason
    step = f"{notice.first_bad.step}: " if notice.first_bad is not None else ""
    return event | {
        "event_action": "trigger",
        "client": "drbook",
        "payload": {
            "summary": _cut(f"{notice.headline}: {step}{_said(said)}", SUMMARY),
            "source": _said(notice.host, 200) or "unknown",
            "severity": severity(notice),
            "timestamp": notice.at,
            "component": "postgresql",
            "group": _said(notice.runbook, 200),
            "class": f"drbook {notice.mode.value}",
            "custom_details": facts(notice),
        },
    }


def dedup_key(notice: Notice) -> str:
    """One for each runbook, by its title, and mode; a test has one of its own. At most 255 characters."""
    told = hashlib.sha256(notice.runbook.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"drbook-{'test-' if notice.test else ''}{notice.mode.value}-{told}"


def severity(notice: Notice) -> Severity:
    """A live incident is critical in every end but a good one. What could not be verified is an error."""
    if notice.test or notice.word in ("pass", "not-exercised"):
        return "info"
    if notice.word == "partial":
        return "warning"
    if notice.mode is Mode.LIVE:
        return "critical"
    return "warning" if notice.word in ("aborted", "needs-human") else "error"


def facts(notice: Notice) -> dict[str, Json]:
    """For machines; what nobody knows is null."""
    bad = notice.first_bad
    return {
        "format": FORMAT,
        "test": notice.test,
        "mode": notice.mode.value,
        "outcome": notice.word,
        "exit_code": notice.exit_code,
        "reason": _said(notice.reason),
        "runbook": _said(notice.runbook, 200),
        "runbook_sha256": notice.runbook_sha256 or None,
        "incident": notice.incident or None,
        "host": _said(notice.host, 200),
        "at": notice.at,
        "journal_head": notice.head or None,
        "look": _said(notice.look, 400) or None,
        "rpo": notice.rpo.facts(),
        "rto": notice.rto.facts(),
        "first_bad_step": None
        if bad is None
        else {
            "step": bad.step,
            "title": _said(bad.title, 200) or None,
            "state": bad.state,
            "reason": _said(bad.reason),
        },
    }


def _said(text: str, limit: int = _SAYING) -> str:
    """One line, without anything that acts on a terminal."""
    return plain(" / ".join(line.strip() for line in text.splitlines() if line.strip()), limit)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
