"""The timeline and its four formats: the record and nothing else, and hostile text as text."""

import csv
import html
import io
import json
import re
from datetime import timedelta
from html.parser import HTMLParser
from typing import cast

import pytest
from support.evidence import LOSS, located, restored, verified
from support.folded import loaded
from support.telling import BOOK, EVIL, HEAD, T0, attempt, opened, records, timeline, told

from drbook.core import events as ev
from drbook.core.comparison import Comparison
from drbook.core.events import Event, Mode, StepEnd
from drbook.core.remarks import TableVerdict
from drbook.core.results import VerifyResult
from drbook.core.targets import DatabaseProbe
from drbook.core.values import Frozen, Json
from drbook.timeline.build import build
from drbook.timeline.export import FORMATS, export
from drbook.timeline.mdtext import text as markdown_text
from drbook.timeline.model import JournalFacts, Timeline
from drbook.timeline.review import review

GONE = DatabaseProbe(state="unreachable", reason="no answer", volume="missing", diagnosis="loss")


def whole(title: str = "Production lost", note: str = "support: three customers") -> Timeline:
    return timeline(
        (0, opened(title)),
        *attempt("loss", "postgres.probe", 60, 3, _json(GONE)),
        *attempt("locate", "backups.locate", 70, 9, located().model_dump(mode="json")),
        (80, ev.NoteAdded(text=note, happened_at=T0 + timedelta(seconds=30))),
        *attempt(
            "verify", "postgres.verify", 90, 30, verified().model_dump(mode="json"),
            state=StepEnd.FAILED, reason="1 table differs", means="Not what the backup held.",
        ),
        (130, ev.DecisionRecorded(step="verify", decision="accept", reason="one row, seen")),
        (200, ev.IncidentClosed(outcome="fail", exit_code=1, reason="verify: failed")),
    )  # fmt: skip


@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_record_gives_the_same_bytes(kind: str) -> None:
    assert export(whole(), kind) == export(whole(), kind)


def test_the_three_times_are_told_apart() -> None:
    given = {"detected": "2026-04-24T19:12:00Z", "declared": "2026-04-24T19:15:00Z"}
    told = timeline(
        (0, opened(inputs=given)),
        *attempt("loss", "postgres.probe", 60, 3),
        *attempt("verify", "postgres.verify", 600, 60, verified().model_dump(mode="json")),
    )
    assert told.detected == T0 - timedelta(minutes=7)
    assert told.declared == T0 - timedelta(minutes=4)
    assert told.opened == T0
    assert told.rto.measured == timedelta(minutes=15)
    for kind in ("md", "html"):
        text = export(told, kind)
        for moment in ("19:04:00", "19:12:00", "19:15:00", "incident opened", "19:19:00"):
            assert moment in text, kind
    last = json.loads(export(told, "json").splitlines()[-1])["data"]
    assert (last["occurred"], last["detected"], last["declared"]) == (
        "2026-04-24T19:04:00Z", "2026-04-24T19:12:00Z", "2026-04-24T19:15:00Z",
    )  # fmt: skip


def counted_alone() -> VerifyResult:
    """A table that lost rows, and nothing is remarked of the whole."""
    found = verified()
    return found.model_copy(
        update={"comparison": found.comparison.model_copy(update={"remarks": ()})}
    )


NO_DETECTION: dict[str, tuple[str, object]] = {
    "a note": ("note", None),
    "an answer": ("ask", {"answer": "yes"}),
    "a query": ("sql", {"count": 0}),
    "a probe that was answered": (
        "postgres.probe", DatabaseProbe(state="reachable", reason="", diagnosis="available")),
    "a probe that nobody understands": (
        "postgres.probe", DatabaseProbe(state="unknown", reason="?", diagnosis="unknown")),
    "counts that could not be had": (
        "postgres.compare_baseline",
        VerifyResult(comparison=Comparison(
            tables=(), verdict=TableVerdict.COULD_NOT_VERIFY, reference="baseline"))),
    "a result of something else": ("postgres.verify", verified()),
    "counts that may be another database's": ("postgres.compare_baseline", verified()),
}  # fmt: skip
PROVED: dict[str, tuple[str, object, str]] = {
    "a missing volume": ("postgres.probe", GONE, "a loss"),
    "no answer": (
        "postgres.probe",
        DatabaseProbe(state="unreachable", reason="no answer", diagnosis="outage"),
        "that it does not answer",
    ),
    "a table that lost rows": ("postgres.compare_baseline", counted_alone(), "a loss"),
}


def _json(result: object) -> Json:
    return result.model_dump(mode="json") if isinstance(result, Frozen) else cast("Json", result)


@pytest.mark.parametrize("what", NO_DETECTION)
def test_a_step_that_ends_detects_nothing(what: str) -> None:
    action, result = NO_DETECTION[what]
    told = timeline((0, opened()), *attempt("loss", action, 60, 3, _json(result)))
    assert (told.detected, told.detected_by) == (None, "")
    assert "| detected | unknown |" in export(told, "md")
    assert "| detected | unknown |  |  |" in review(told)
    assert "detected: unknown" in export(told, "html")


@pytest.mark.parametrize("what", PROVED)
def test_a_detection_that_nobody_dated_is_when_a_step_proved_it_and_says_so(what: str) -> None:
    action, result, words = PROVED[what]
    told = timeline((0, opened()), *attempt("loss", action, 60, 3, _json(result)))
    assert (told.detected, told.detected_by) == (T0 + timedelta(seconds=63), "loss")
    marked = f"19:20:03 UTC at the latest (step loss proved {words}; nobody said when)"
    for text in (export(told, "html"), export(told, "md"), review(told)):
        assert marked in text.replace("\\", "")
    assert "detected (step loss)" in export(told, "html")
    last = json.loads(export(told, "json").splitlines()[-1])["data"]
    assert last["detected_proved_by"] == "loss"


def test_a_time_that_somebody_gave_goes_before_what_a_step_proved() -> None:
    later = timeline(
        (0, opened()),
        *attempt("loss", "postgres.probe", 60, 3, _json(GONE)),
        (99, ev.InputChanged(name="detected", value="2026-04-24T19:12:00Z")),
    )
    assert (later.detected, later.detected_by) == (T0 - timedelta(minutes=7), "")
    unknown = timeline((0, opened()))
    assert "| detected | unknown |" in export(unknown, "md")


def test_the_loss_is_told_by_the_time_that_was_mended_last() -> None:
    mended = T0 - timedelta(minutes=15) + timedelta(hours=1)
    told = timeline(
        (0, opened()),
        *attempt("locate", "backups.locate", 70, 9, located().model_dump(mode="json")),
        (90, ev.InputChanged(name="occurred", value=mended.isoformat(), occurred=mended)),
    )
    assert told.rpo.measured == timedelta(hours=27)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_says_the_mode_the_end_and_the_head(kind: str) -> None:
    text = export(whole(), kind)
    assert HEAD in text
    assert "live" in text.lower()
    assert "fail" in text
    assert "three customers" in text


@pytest.mark.parametrize(
    ("mode", "words"),
    [(Mode.DRILL, "REHEARSAL (drill)"), (Mode.DRY_RUN, "DRY RUN"), (Mode.LIVE, "LIVE")],
)
@pytest.mark.parametrize("kind", ["html", "md", "csv"])
def test_a_rehearsal_cannot_be_taken_for_the_real_thing(kind: str, mode: Mode, words: str) -> None:
    text = export(timeline((0, opened(mode=mode)), mode=mode), kind)
    assert words in text.replace("\\", "")


# --- what the timeline holds ----------------------------------------------------------------------


def test_times_objectives_and_what_was_measured() -> None:
    told = whole()
    assert told.occurred == T0 - timedelta(minutes=15)
    assert told.detected == T0 + timedelta(seconds=63)
    assert told.declared == T0
    assert told.closed == T0 + timedelta(seconds=200)
    assert told.rpo.measured == timedelta(hours=26)
    assert told.rpo.met is False
    assert told.rto.measured is None  # the verification failed: nobody restored anything in time
    assert told.rto.met is None


@pytest.mark.parametrize("form", ["md", "html"])
def test_what_is_said_beside_the_rows_is_in_the_exports(form: str) -> None:
    text = export(whole(), form)
    for words in (
        "public.reservations",
        "somebody paid",
        "stands at 7",
        "the manifest holds none",
    ):
        assert words.replace("_", "\\_" if form == "md" else "_") in text
    assert "missing <b>" not in text
    row = next(line for line in text.splitlines() if "somebody paid" in line)
    assert "? could" in row
    assert "own assertions" in row
    assert "worth knowing" in next(line for line in text.splitlines() if "stands at 7" in line)


def test_a_verified_restore_stops_the_clock() -> None:
    told = timeline(
        (0, opened()),
        *attempt("verify", "postgres.verify", 60, 40, verified().model_dump(mode="json")),
    )
    assert told.rto.measured == timedelta(seconds=100)
    assert told.rto.met is True


def test_an_open_incident_says_so() -> None:
    told = timeline((0, opened()), *attempt("loss", "postgres.probe", 1, 1))
    assert told.is_open
    for kind in ("html", "md", "csv"):
        assert "still open" in export(told, kind)
    for kind in ("html", "md"):
        assert "not closed" in export(told, kind)
        assert "closed unknown" not in export(told, kind)
    last = json.loads(export(told, "json").splitlines()[-1])
    assert last["data"]["outcome"] == "open"


def test_a_note_keeps_both_clocks() -> None:
    (note,) = whole().of_kind("note")
    assert note.happened_at == T0 + timedelta(seconds=30)
    assert note.recorded_at == T0 + timedelta(seconds=80)


def verified_then(*events: tuple[int, Event]) -> Timeline:
    """A verification of another copy, of 40 hours before the loss, than the located one."""
    other = verified().model_copy(update={"consistent_at": LOSS - timedelta(hours=40)})
    return timeline(
        (0, opened()),
        *attempt("locate", "backups.locate", 70, 9, located().model_dump(mode="json")),
        *attempt("verify", "postgres.verify", 90, 30, other.model_dump(mode="json")),
        *events,
    )


@pytest.mark.parametrize("kind", ["md", "html"])
def test_a_verification_that_no_longer_holds_counts_for_nothing(kind: str) -> None:
    because = "another copy was chosen in locate"
    before = verified_then()
    told = verified_then((200, ev.StepInvalidated(step="verify", because=because)))
    assert before.rto.measured is not None
    assert before.verified_stale == ""
    assert told.rto.measured is None
    assert told.verified_stale == because
    assert before.rpo.measured not in (None, told.rpo.measured)
    assert told.rpo == located_only().rpo
    assert f"no longer holds: {because}" in export(told, kind)
    assert "no longer holds" not in export(before, kind)


def located_only() -> Timeline:
    return timeline(
        (0, opened()),
        *attempt("locate", "backups.locate", 70, 9, located().model_dump(mode="json")),
    )


def test_a_verification_that_is_run_again_does_not_hold_until_it_ends() -> None:
    result = verified().model_dump(mode="json")
    again = [
        (at, event.model_copy(update={"attempt": 2}))
        for at, event in attempt("verify", "postgres.verify", 300, 60, result)
    ]
    stale = (200, ev.StepInvalidated(step="verify", because="locate runs again"))
    runs = verified_then(stale, *again[:2])
    assert runs.rto.measured is None
    assert runs.verified_stale == "it is run again"
    done = verified_then(stale, *again)
    assert done.verified_stale == ""
    assert done.rto.measured == timedelta(seconds=360)


def test_what_deviates_is_listed() -> None:
    told = timeline(
        (0, opened()),
        *attempt(
            "loss", "postgres.probe", 1, 1, state=StepEnd.COULD_NOT_VERIFY, reason="no answer"
        ),
        (5, ev.StepSkipped(step="locate", reason="restored by the provider")),
        (6, ev.IncidentResumed(head=HEAD, repaired="a torn line was cut off", unseen=("m: down",))),
        (7, ev.InputChanged(name="occurred", value="2026-04-24T18:00:00Z", occurred=T0)),
        (8, ev.StepInvalidated(step="loss", because="locate runs again")),
        (
            9,
            ev.IncidentTakenOver(
                from_host="lost",
                head=HEAD,
                records=7,
                epoch=1,
                fence="t",
                reason="the host is gone",
                mirrors=("s3://b/p",),
                unseen=("/share: it does not exist",),
                missing=("artifacts/x",),
            ),
        ),
    )
    texts = " ".join(entry.text for entry in told.of_kind("deviation"))
    assert all(export(told, kind) for kind in ("html", "md", "json", "csv"))
    for words in (
        "taken over from lost on ",
        "7 records were recovered from s3://b/p (fence 1)",
        "not asked: /share: it does not exist",
        "nothing but the mirror vouches for the record",
        "evidence in no mirror: artifacts/x",
        "could-not-verify: no answer",
        "skipped: restored",
        "torn line",
        "not asked: m: down",
        "occurred",
        "stale",
    ):
        assert words in texts
    assert told.occurred == T0


def test_a_result_that_cannot_be_read_is_said() -> None:
    told = timeline((0, opened()), *attempt("locate", "backups.locate", 1, 1, {"point": 7}))
    assert told.located is None
    assert any("backups.locate" in words for words in told.unread)
    for kind in ("html", "md"):
        assert "fields do not fit" in export(told, kind)


def test_a_record_that_opens_nothing_is_no_timeline() -> None:
    with pytest.raises(ValueError, match="opened"):
        timeline((0, ev.NoteAdded(text="x")))


# --- unknown is unknown -----------------------------------------------------------------------------


def test_unknown_is_never_a_number() -> None:
    for kind in ("html", "md"):
        text = export(whole(), kind)
        rows = [
            line for line in text.replace("</tr>", "\n").splitlines() if "public.reports" in line
        ]
        row = next(line for line in rows if "permission denied" in line)
        assert row.count("unknown") >= 2
        assert "✓" not in row
        assert re.search(r"\b0\b", row) is None


def test_nothing_looked_for_is_said() -> None:
    text = export(timeline((0, opened(occurred=None, rpo_seconds=None))), "md")
    assert "No backups were looked for." in text
    assert "Nothing was verified." in text
    assert "no objective stated" in text
    assert "| occurred | unknown |" in text


def test_verdicts_have_signs_and_words() -> None:
    for kind in ("html", "md"):
        text = export(whole(), kind)
        for words in ("✗ shared", "✗ damaged", "✗ destroyed", "? unknown", "? could\\-not"):
            assert words.replace("\\", "") in text.replace("\\", ""), words


# --- hostile text ---------------------------------------------------------------------------------


class Page(HTMLParser):
    """Elements and attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [
            value or ""
            for name, value in attrs
            if name in ("src", "href", "action", "data", "style")
        ]


# --- what people decided, did and wrote -----------------------------------------------------------


def chose(index: int, reason: str = "the newest is ruined", glass: bool = False) -> ev.PointChosen:
    point = located().judgements[index].point
    return ev.PointChosen(
        step="locate", source=point.source, id=point.id, version=point.version, reason=reason,
        break_glass=glass, typed=point.source if glass else "",
    )  # fmt: skip


def located_then(*events: tuple[int, Event], chosen: bool = True) -> Timeline:
    result = located(chosen=chosen).model_dump(mode="json")
    return timeline(
        (0, opened(occurred=LOSS)), *attempt("locate", "backups.locate", 1, 1, result), *events
    )


@pytest.mark.parametrize("kind", FORMATS)
def test_a_choice_by_break_glass_is_said_in_every_export(kind: str) -> None:
    told = located_then((5, chose(0, glass=True)), chosen=False)
    text = export(told, kind)
    assert "BREAK-GLASS" in text or '"break_glass": true' in text
    assert "the newest is ruined" in text
    assert told.rpo.measured == timedelta(hours=2)
    assert told.located is not None
    assert told.located.point == located().newest


def test_a_choice_by_break_glass_is_red_and_says_what_is_not_known() -> None:
    told = located_then((5, chose(0, glass=True)))
    page = export(told, "html")
    said = "BREAK-GLASS: chosen by ops instead of the proposed copy: the newest is ruined"
    assert (
        f'<p class="bad">{said} (as known then: its verdict is shared; app-key can delete it)</p>'
        in page
    )
    assert page.count('class="w bad">BREAK-GLASS by typing') == 2
    assert "What the chosen one costs against the newest copy of all: <strong>none: it is" in page
    assert "**BREAK-GLASS" in export(told, "md")
    assert "newer than" not in page


def test_an_approval_by_break_glass_is_red_too() -> None:
    told = timeline(
        (0, opened()),
        *attempt("loss", "sql", 1, 1)[:1],
        (2, ev.ApprovalGiven(step="loss", attempt=1, by="CTO", break_glass=True)),
    )
    assert 'class="w bad">BREAK-GLASS, without approval by CTO' in export(told, "html")
    assert "**BREAK-GLASS, without approval by CTO**" in export(told, "md")


def test_an_older_copy_by_choice_is_no_break_glass() -> None:
    told = located_then((5, chose(3)))
    for kind in FORMATS:
        assert "BREAK-GLASS" not in export(told, kind)
    page = export(told, "html")
    assert "Chosen by ops instead of the proposed copy" in page
    assert "newer than the chosen copy: a person chose otherwise" in page
    assert told.rpo.measured == timedelta(hours=50)


def test_a_choice_ends_with_a_new_look() -> None:
    again = located().model_dump(mode="json")
    events: list[tuple[int, Event]] = [
        (at, event.model_copy(update={"attempt": 2}))
        for at, event in attempt("locate", "backups.locate", 9, 1, again)
    ]
    told = located_then((5, chose(0, glass=True)), *events)
    assert told.choice is None
    assert told.located == located()


def test_another_moment_tells_the_loss_anew() -> None:
    moved = ev.InputChanged(name="occurred", value="x", occurred=LOSS + timedelta(hours=1))
    assert located_then((5, moved)).rpo.measured == timedelta(hours=27)


def by_hand(step: str = "verify", **more: object) -> Timeline:
    fields: dict[str, object] = {
        "step": step, "attempt": 1, "state": StepEnd.SUCCEEDED, "reason": "counted in psql",
        "evidence": "count\n-----\n   12",
    }  # fmt: skip
    return timeline((0, opened()), (9, ev.StepDoneElsewhere.model_validate(fields | more)))


@pytest.mark.parametrize("kind", FORMATS)
def test_what_was_done_by_hand_is_told_as_a_persons_word(kind: str) -> None:
    text = export(by_hand(), kind)
    assert "counted in psql" in text
    assert "by a person's word" in html.unescape(text) or kind in ("json", "cloudevents")
    assert "12" in text or kind == "csv"
    assert by_hand().rto.measured is None


def test_who_wrote_a_note_did_not_lead() -> None:
    events = [(0, opened()), (1, ev.NoteAdded(text="seen")), (2, ev.HandedOver(to="carla"))]
    record = records(*events)
    told = build(
        [record[0], record[1].model_copy(update={"actor": "ev"}), record[2]],
        journal=JournalFacts("j", HEAD, intact=True),
    )
    for text in (export(told, "md"), export(told, "html"), review(told)):
        assert "y ops, carla; notes by ev on " in text


def test_a_step_done_by_hand_detects_nothing() -> None:
    assert by_hand("loss").detected is None


def test_missing_consent_is_red() -> None:
    told = by_hand(without=("approval by CTO",), evidence="")
    page = export(told, "html")
    assert page.count("bad") > export(by_hand(), "html").count("bad")
    assert "WITHOUT approval by CTO" in page
    assert "No evidence was pasted." in page
    assert "**succeeded by other means" in export(told, "md")


def test_evidence_keeps_its_lines() -> None:
    page = export(by_hand(), "html")
    assert "count\n-----\n   12</pre>" in page
    assert "> count<br>\\-----<br>&nbsp;&nbsp;&nbsp;12" in export(by_hand(), "md")


def test_a_note_keeps_its_kind_its_lines_and_both_times() -> None:
    note = ev.NoteAdded(
        text="disk?\nno", kind=ev.NoteKind.HYPOTHESIS, happened_at=T0 - timedelta(minutes=5)
    )
    told = timeline((0, opened()), (60, note))
    assert "hypothesis: disk?<br>no" in export(told, "md")
    assert "hypothesis: disk?\nno</td>" in export(told, "html")
    assert "hypothesis: disk? / no" in export(told, "csv")
    for kind in ("md", "html"):
        assert "2026-04-24 19:14:00 UTC (written 2026-04-24 19:20:00 UTC)" in export(
            told, kind
        ).replace("\\", "")


def test_a_shell_and_a_hand_over_are_told() -> None:
    told = timeline(
        (0, opened()),
        (5, ev.ShellOpened(step="loss")),
        (128, ev.ShellClosed(duration_ms=123_000, exit_code=0)),
        (130, ev.HandedOver(to="carla", comment="end of shift")),
    )
    texts = [entry.text for entry in told.entries]
    assert "left for a shell on recovery-1" in texts
    assert any("suspended to a shell for 2 m 03 s (exit 0)" in text for text in texts)
    assert "handed over to carla. end of shift" in texts


def evil(text: str = EVIL) -> Timeline:
    hostile = located(reason=text).model_dump(mode="json")
    return timeline(
        (0, opened(text, runbook_file=text, inputs={"x": text})),
        *attempt("locate", "backups.locate", 1, 1, hostile, reason=text, means=text, next=text),
        (3, ev.NoteAdded(text=f"{text}\n{text}")),
        (3, chose(0, text, glass=True)),
        (
            3,
            ev.StepDoneElsewhere(
                step="loss",
                attempt=1,
                state=StepEnd.FAILED,
                reason=text,
                evidence=f"{text}\n{text}",
                without=(text,),
            ),
        ),
        (3, ev.HandedOver(to=text, comment=text)),
        (3, ev.InputChanged(name="day", value=text)),
        (4, ev.AnswerGiven(step="locate", attempt=1, answer=text, comment=text)),
        (5, ev.IncidentClosed(outcome="pass", exit_code=0, reason=text)),
        actor=text,
    )


def test_the_page_asks_nobody_and_runs_nothing() -> None:
    text = export(evil(), "html")
    page = Page(text)
    assert "script" not in page.tags
    assert not page.tags & {"iframe", "object", "embed", "link", "img", "form", "base"}
    assert not [link for link in page.links if re.match(r"\s*(https?:|//|javascript:|data:)", link)]
    assert "url(" not in text
    assert "@import" not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize("kind", FORMATS)
def test_no_control_character_reaches_an_export(kind: str) -> None:
    text = export(evil(), kind)
    assert not any(bad in text for bad in "\x1b\u202e\x07")


def test_markdown_stays_text() -> None:
    text = export(evil(), "md")
    assert "<script>" not in text
    assert "](javascript" not in text.replace("\\]\\(", "")
    for line in text.splitlines():
        if line.startswith("|"):
            cells = re.split(r"(?<!\\)\|", line)
            assert len(cells) in (4, 5, 6, 8, 9), line


LINKS = [
    "https://evil.example/x", "HTTP://evil.example", "ftp://evil.example", "s3://bucket/key",
    "www.evil.example", "WWW.evil.example", "see www.evil.example/a?b", "someone@evil.example",
    "mailto:someone@evil.example", "xmpp:a@b.example/c", "@everybody", "ping @ops-team!", "#123",
    "acme/shop#7", "<https://evil.example>", "[x](https://evil.example)", "a @ b", "# 1", "no. 5",
    "1. first", "www", "w.w", "a:b", "closes GH-12", "gh-7", "high-5", "Fixes #3, resolves a/b#4",
    "see !42 and group/project!7", "%3 %backlog", "~bug", "&5", "$7 and $x$", ":boom: 19:04:00",
]  # fmt: skip


def shown(source: str) -> list[str]:
    """The text nodes that Markdown makes of this: entities and escapes decoded, cut at comments."""
    return [
        html.unescape(re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", node))
        for node in source.split("<!-- -->")
    ]


@pytest.mark.parametrize("text", LINKS)
def test_markdown_makes_no_link_of_text(text: str) -> None:
    """GitHub's rules: addresses are found in the source (6.9), people and numbers in its text."""
    made = markdown_text(text)
    assert not re.search(r"(https?|ftp|\w)://|www\.", made, re.IGNORECASE)
    assert not re.search(r"(?<!\\)[\[\]<>()](?!!-- -->)", made.replace("<!-- -->", ""))
    nodes = shown(made)
    assert "".join(nodes) == text
    for node in nodes:
        assert not re.search(r"@\w|#\d|\bgh-\d|:boom:", node, re.IGNORECASE)
    bare = re.sub(r"&#\d+;", "", made.replace("<!-- -->", "\0"))
    assert not re.search(r"(?<!\\)([!%~&$][\w]|\$)", bare), "GitLab's, but for a backslash"


def test_no_line_of_markdown_is_a_command_to_a_tracker() -> None:
    """GitLab obeys lines that begin with a slash."""
    page = export(evil("/close"), "md")
    assert "/close" in page
    assert not [line for line in page.splitlines() if line.lstrip().startswith("/")]


def test_a_spreadsheet_runs_nothing() -> None:
    note = timeline((0, opened()), (1, ev.NoteAdded(text="=cmd()|' /C calc'!A0")), actor="@evil")
    rows = list(csv.reader(io.StringIO(export(note, "csv"))))
    assert rows[0][0] == "seq"
    cells = [cell for row in rows for cell in row]
    assert not [cell for cell in cells if cell[:1] in ("=", "+", "-", "@", "\t", "\r")]
    assert any(cell.startswith("'=cmd()") for cell in cells)
    assert all(len(row) == len(rows[0]) for row in rows)


# --- CloudEvents ------------------------------------------------------------------------------------


def test_lines_are_cloud_events() -> None:
    lines = [json.loads(line) for line in export(whole(), "json").splitlines()]
    assert len(lines) == len(whole().records) + 1
    for line in lines:
        assert line["specversion"] == "1.0"
        assert line["id"]
        assert line["source"].startswith("urn:drbook:incident:")
        assert re.fullmatch(r"io\.drbook\.[a-z.]+", line["type"])
        assert set(line) <= {
            "specversion", "id", "source", "type", "time", "subject", "datacontenttype", "data",
        }  # fmt: skip
        assert all(name == name.lower() for name in line)
    assert len({(line["source"], line["id"]) for line in lines}) == len(lines)
    assert lines[0]["time"] == "2026-04-24T19:19:00Z"
    assert lines[-1]["data"]["head"] == HEAD


# --- before loading -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["html", "md"])
def test_what_was_looked_at_before_the_load_is_one_table(kind: str) -> None:
    told = timeline(
        (0, opened()),
        *attempt("restore", "postgres.restore", 60, 40, restored().model_dump(mode="json")),
    )
    text = export(told, kind)
    assert "Before loading" in text
    for words in ("▲ differs", "? unknown", "✓ ok", "✗ stops", "content unproven", "sorting"):
        assert words in text, words
    assert "warnings: 3 other" in text
    assert "boss <b>" not in text


@pytest.mark.parametrize("kind", ["html", "md"])
def test_a_restore_of_before_that_was_looked_at_still_shows(kind: str) -> None:
    older = restored().model_dump(mode="json")
    del older["preflight"], older["load"]["complaints"], older["copy_used"]["held"]
    told = timeline((0, opened()), *attempt("restore", "postgres.restore", 60, 40, older))
    assert told.unread == ()
    assert "Before loading" not in export(told, kind)


TOLD = [
    ((), ("0 messages", "2 h 00 m", "no message on record begins with its name; it had passed")),
    (((1200, told("we are on it")),), ("1 message", "1 h 40 m", "it had passed")),
    (
        ((1200, told("we are on it")), (1800, told("Board: told"))),
        ("1 message", "1 h 40 m", "2026-04-24 19:49:00 UTC, in time"),
    ),
    (((5400, told("Board: told")),), ("0 messages", "2 h 00 m", "30 m 00 s late")),
]


@pytest.mark.parametrize(("notes", "words"), TOLD)
def test_what_was_to_be_told_stands_beside_what_the_record_says(
    notes: tuple[tuple[int, Event], ...], words: tuple[str, ...]
) -> None:
    found = build(
        records((0, opened()), *notes, (7200, ev.NoteAdded(text="end"))),
        journal=JournalFacts("j", HEAD, intact=True),
        document=loaded(BOOK).document,
    )
    for kind in ("md", "html"):
        text = export(found, kind)
        assert "Updates and notifications" in text
        assert "2026-04-27 19:19:00 UTC at the latest: detected is unknown" in text
        for word in words:
            assert word in text, kind


def test_without_reminders_nothing_is_said_of_them() -> None:
    assert "Updates and notifications" not in export(whole(), "md") + export(whole(), "html")


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (
            (ev.ResourceReleased(kind="cluster", name="r-1", location="/x/r-1"),),
            "Removed at 2026-04-24 19:20:40 UTC: cluster r-1",
        ),
        (
            (ev.ResourceReleased(kind="cluster", name="r-1", location="/x/r-1", how="absent"),),
            "Not there any more at 2026-04-24 19:20:40 UTC: cluster r-1",
        ),
        (
            (ev.ResourceLeft(kind="cluster", name="r-1", location="/x/r-1", reason="held open"),),
            "Still there: cluster r-1 in /x/r-1: held open",
        ),
        ((), "Not on record as removed: cluster r-1 in /x/r-1"),
    ],
)
@pytest.mark.parametrize("kind", ["md", "html"])
def test_what_a_drill_made_is_told_though_nothing_was_restored(
    kind: str, end: tuple[Event, ...], told: str
) -> None:
    made = ev.ResourceIntended(
        step="loss", attempt=1, kind="cluster", name="r-1", nonce="n", location="/x/r-1"
    )
    told_so_far = ((0, opened(mode=Mode.DRILL)), *attempt("loss", "shell", 10, 3), (14, made))
    drill = timeline(*told_so_far, *((100, event) for event in end), mode=Mode.DRILL)
    assert drill.restored is None
    text = export(drill, kind).replace("\\", "")
    assert "What the drill made" in text
    assert told in " ".join(text.split())
