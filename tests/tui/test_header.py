"""The header at each size: what is said of every clock, and that nothing is cut or pushed out."""

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from rich.cells import cell_len
from support.evidence import located
from support.folded import T0, ended, loaded, message, planned, records_of, said, snapshot_of

from drbook.app.model import LiveStep, Past, ProgressView, Snapshot
from drbook.core import events as ev
from drbook.core.events import Event, Mode
from drbook.core.state import StepState
from drbook.core.timers import Due
from drbook.core.values import Json
from drbook.tui import clocks
from drbook.tui.clocks import coarse, cut_words, due_words, past_words, span
from drbook.tui.header import header, lines_for

BOOK = """
drbook: 1
title: Production Postgres volume deleted
inputs:
  occurred: {type: time, required: false}
  detected: {type: time, required: false}
updates: {every: 30m, audience: customers}
deadlines:
  - {name: GDPR notification, after: 72h, from: detected}
steps:
  - {id: locate, phase: locate, do: backups.locate}
  - {id: restore, phase: restore, do: once}
  - {id: verify, phase: verify, do: postgres.verify}
"""
S = StepState
GIVEN = {"occurred": "2026-04-24T19:04:00Z", "detected": "2026-04-24T19:12:00Z"}
NOW = T0 + timedelta(minutes=28, seconds=12)


def past(*seconds: int, live: int = 0, ago: timedelta = timedelta(days=3)) -> Past:
    return Past(seconds, NOW - ago, live)


KNOWN = {"restore": past(2000, 2300, 3500), "verify": past(300, 200, 600)}


def shown(
    *events: tuple[float, Event],
    given: Mapping[str, Json] = GIVEN,
    known: Mapping[str, Past] = KNOWN,
    book: str = BOOK,
    mode: Mode = Mode.LIVE,
    rto: int | None = 4 * 3600,
    live: Mapping[str, LiveStep] | None = None,
) -> Snapshot:
    """The locate step found the usual copy; the restore runs since minute 12."""
    runbook = loaded(book)
    found: list[tuple[float, Event]] = [
        (60, planned("locate", "backups.locate")),
        (60, ev.StepStarted(step="locate", attempt=1)),
        (90, ended("locate", S.SUCCEEDED, result=located().model_dump(mode="json"))),
        (720, planned("restore")),
        (720, ev.StepStarted(step="restore", attempt=1)),
        *events,
    ]
    return snapshot_of(
        runbook, records_of(runbook, *found, inputs=given, mode=mode, rto=rto), known, live
    )


def text(snapshot: Snapshot, width: int, lines: int = 2, now: datetime = NOW) -> list[str]:
    rows = header(snapshot, now, width, lines=lines).plain.split("\n")
    assert len(rows) == lines
    assert all(cell_len(row) == width for row in rows), [cell_len(row) for row in rows]
    return rows


def test_at_eighty_columns_every_clock_is_there() -> None:
    first, second = text(shown(), 80)
    assert " ● LIVE   Production Postgres" in first
    assert "OUTAGE 0:43:12" in first
    assert "19:47:12 UTC" in first
    assert "RTO 0:28:12/4:00:00" in second
    assert "→" in second
    assert "LOSS 26 h 00 m of 24 h ▲ over" in second


def test_at_a_hundred_and_twenty_columns() -> None:
    first, second = text(shown(), 120)
    for words in (" ● LIVE INCIDENT ", "OUTAGE 0:43:12", "occurred 19:04", "declared 19:19"):
        assert words in first
    for words in ("RTO 0:28:12 of 4:00:00", "░░░░", "forecast 0:55 (0:49–1:20)", "LOSS"):
        assert words in second
    assert "update due in 1 min" in second or "update in 1 min" in second


def test_where_there_is_room_there_are_three_lines() -> None:
    assert [lines_for(*size) for size in ((80, 24), (120, 40), (159, 60), (200, 39))] == [2] * 4
    assert lines_for(160, 40) == lines_for(200, 60) == 3
    first, second, third = text(shown(), 200, 3)
    assert "Production Postgres volume deleted" in first
    for words in ("occurred 19:04", "detected 19:12", "declared 19:19", "OUTAGE 0:43:12"):
        assert words in second
    assert "update due in 1 min" in second
    assert "GDPR notification in 71 h" in second
    for words in (
        "forecast 0:55 (0:49–1:20, from 3 earlier runs)",
        "LOSS WINDOW 26 h 00 m of 24 h",
    ):
        assert words in third


def test_what_nobody_knows_is_said() -> None:
    bare = shown(given={}, known={})
    for width, lines in ((80, 2), (120, 2), (200, 3)):
        whole = "\n".join(text(bare, width, lines))
        assert "occurred unknown" in whole
        assert "OUTAGE" not in whole
        assert "detected" not in whole
    assert "forecast unknown: no earlier run tells of restore, verify" in whole
    assert "at most 71 h" in whole


FORECASTS = [
    ({}, 4 * 3600, "forecast unknown", ()),
    ({"verify": past(300)}, 4 * 3600, "forecast ≥ 0:33 (1 step unknown)", ()),
    ({"restore": past(2000), "verify": past(300)}, 4 * 3600, "forecast 0:50 (from 1 earlier run)", ()),
    (KNOWN, 3600, "△ forecast 0:55 (0:49–1:20) may be over", ()),
    (KNOWN, 3000, "▲ forecast 0:55 (0:49–1:20) over", ()),
    (KNOWN, None, "forecast 0:55 (0:49–1:20)", ()),
    (KNOWN, 1200, "▲ forecast 0:55 (0:49–1:20)", ("▲ over",)),
]  # fmt: skip


@pytest.mark.parametrize(("known", "rto", "words", "more"), FORECASTS)
def test_the_forecast_in_words(
    known: Mapping[str, Past], rto: int | None, words: str, more: tuple[str, ...]
) -> None:
    row = text(shown(known=known, rto=rto), 150)[1]
    assert words in row
    assert all(one in row for one in more)


@pytest.mark.parametrize(("width", "words"), [(80, "▲ →0:55"), (60, "▲ →0:55")])
def test_a_forecast_beyond_the_rto_is_not_left_out(width: int, words: str) -> None:
    assert words in text(shown(rto=3000), width)[1]


def test_a_quick_drill_is_told_in_seconds() -> None:
    quick = shown(known={"restore": past(730), "verify": past(20)})
    row = text(quick, 150, now=T0 + timedelta(seconds=722))[1]
    assert "forecast 0:24" in row or "forecast 0:25" in row
    runbook = loaded(BOOK)
    early = snapshot_of(
        runbook, records_of(runbook), {k: past(20) for k in ("locate", "restore", "verify")}
    )
    assert "forecast 0:01:10" in text(early, 150, now=T0 + timedelta(seconds=10))[1]


def test_live_progress_is_used() -> None:
    bar = ProgressView("load", 5, 10, "tables", "", 0.001, 5000)
    row = text(shown(live={"restore": LiveStep((bar,))}), 150)[1]
    assert "forecast 1:57" in row  # 28 + 83 + 5 minutes


VERIFIED: list[tuple[float, Event]] = [
    (800, ended("restore", S.SUCCEEDED)),
    (800, planned("verify", "postgres.verify")),
    (800, ev.StepStarted(step="verify", attempt=1)),
    (900, ended("verify", S.SUCCEEDED)),
]


def test_the_rto_stops_where_the_restore_is_verified() -> None:
    row = text(shown(*VERIFIED), 150)[1]
    assert "RTO 0:15:00 of 4:00:00" in row
    assert "✓ verified in time" in row
    assert "forecast" not in row


def test_the_rto_runs_from_the_declaration() -> None:
    row = text(shown((1000, said("declared", T0 - timedelta(minutes=10)))), 120)[1]
    assert "RTO 0:38:12" in row


REMINDERS = [
    (31, (), 80, "▲ update late 1 min", None),
    (42, (), 120, "▲ update overdue by 12 min", None),
    (42, (), 60, "▲ update late 12 min", None),
    (26, (), 80, "update due in 4 min", None),
    (2, (), 60, None, "update"),
    (42, ((2400, message("To all: we are on it")),), 200, "update due in 28 min", "overdue"),
    (73 * 60, (), 80, "▲ deadline late", None),
    (73 * 60, (), 120, "▲ GDPR notification", None),
]


@pytest.mark.parametrize(("minute", "events", "width", "there", "gone"), REMINDERS)
def test_reminders(
    minute: int,
    events: tuple[tuple[float, Event], ...],
    width: int,
    there: str | None,
    gone: str | None,
) -> None:
    row = text(shown(*events), width, now=T0 + timedelta(minutes=minute))[1]
    assert there is None or there in row
    assert gone is None or gone not in row


@pytest.mark.parametrize(
    "zone", ["Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "Etc/GMT+12"]
)
@pytest.mark.parametrize("width", [80, 100, 120])
def test_nothing_goes_for_the_local_time(zone: str, width: int) -> None:
    def pieces(where: ZoneInfo | None) -> set[str]:
        rows = header(shown(), NOW, width, zone=where).plain
        return {one for one in ("OUTAGE", "occurred", "detected", "declared") if one in rows}

    assert pieces(ZoneInfo(zone)) >= pieces(None)
    assert " CEST" not in header(shown(), NOW, width).plain


def test_local_time_beside_utc() -> None:
    found = header(shown(), NOW, 200, lines=3, zone=ZoneInfo("Europe/Berlin")).plain
    assert "21:47:12 CEST = 19:47 UTC" in found
    assert "occurred 21:04" in found
    narrow = header(shown(), NOW, 80, zone=timezone(timedelta(hours=14), "X" * 99)).plain
    assert "UTC" in narrow


def test_another_day_is_named() -> None:
    found = "\n".join(text(shown(), 200, 3, now=T0 + timedelta(hours=9)))
    assert "occurred 04-24 19:04" in found


HOSTILE = {
    "long": "x" * 10_000,
    "long words": "word " * 2000,
    "right to left": "\u202eabc\u2066 \u05d0\u05d1\u05d2",
    "wide": "\u6f22\u5b57" * 300,
    "marks": "e" + "\u0301" * 500,
    "markup": "[bold red]x[/] [@click=app.quit]y[/]",
    "escapes": "\x1b[2J\x1b]0;t\x07 \n\r\t",
}


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160, 200])
@pytest.mark.parametrize("name", HOSTILE)
def test_no_title_and_no_name_pushes_a_clock_out(name: str, width: int) -> None:
    hostile = HOSTILE[name]
    snapshot = shown()
    document = snapshot.runbook.document
    deadline = document.deadlines[0].model_copy(update={"name": hostile})
    updates = {"deadlines": (deadline,)}
    object.__setattr__(snapshot.state, "title", hostile)
    object.__setattr__(snapshot.runbook, "document", document.model_copy(update=updates))
    for lines in (2, 3):
        found = "\n".join(text(snapshot, width, lines))
        for words in ("LIVE", "UTC", "RTO 0:28:12", "LOSS"):
            assert words in found
        assert not set(found) & {"\x1b", "\u202e", "\u2066", "\t", "\r", "\x07"}


@pytest.mark.parametrize("width", range(60, 221, 3))
def test_no_word_is_cut_at_any_width(width: int) -> None:
    """Every piece is there in one of its lengths, or not at all."""
    whole = {
        "● LIVE INCIDENT occurred OUTAGE detected declared UTC RTO of left forecast → LOSS WINDOW",
        "step unknown allowed over overdue late by update due in min · from earlier runs at most GDPR notification h m",
        "Production Postgres volume deleted … ● → deadline",
    }
    known = set(" ".join(whole).split())
    for minute in (5, 28, 45, 300):
        rows = text(shown(), width, 2, now=T0 + timedelta(minutes=minute))
        for word in "\n".join(rows).split():
            bare = word.strip("()▲△…·,=/≥→")
            plain_number = not bare or any(letter.isdigit() for letter in bare)
            assert plain_number or set(bare) <= {"█", "░", "–"} or bare in known, (word, rows)


@pytest.mark.parametrize(
    ("what", "width", "wanted"),
    [
        ("Production lost", 20, "Production lost"),
        ("Production Postgres lost", 16, "Production …"),
        ("Production Postgres lost", 22, "Production Postgres …"),
        ("x" * 30, 10, "x" * 9 + "…"),
        ("abc", 0, ""),
    ],
)
def test_cut_words(what: str, width: int, wanted: str) -> None:
    assert cut_words(what, width) == wanted
    assert cell_len(cut_words(what, width)) <= width


SPANS = [(24 * 3600, "24 h", "24 h"), (45 * 60, "45 min", "45 min"), (5400, "1 h 30 m", "90 min"),
         (20, "20 s", "< 1 min"), (258840, "2 d 23 h", "71 h"), (130 * 3600, "5 d 10 h", "5 days")]  # fmt: skip


@pytest.mark.parametrize(("seconds", "exact", "about"), SPANS)
def test_spans(seconds: float, exact: str, about: str) -> None:
    assert span(timedelta(seconds=seconds)) == exact
    assert coarse(timedelta(seconds=seconds)) == about
    assert coarse(timedelta(seconds=-seconds)) == about


PAST = [
    (None, ""),
    (past(), ""),
    (past(410), "rehearsed once, 3 days ago (6:50)"),
    (past(300, 410, 500), "rehearsed 3 times, last 3 days ago (median 6:50)"),
    (past(410, 410, live=1), "rehearsed once, done for real once, last 3 days ago (median 6:50)"),
    (past(60, 70, live=2, ago=timedelta(hours=2)), "done for real twice, last 2 h ago (median 1:05)"),
]  # fmt: skip


@pytest.mark.parametrize(("known", "words"), PAST)
def test_what_is_expected_by_earlier_runs(known: Past | None, words: str) -> None:
    assert past_words(known, NOW) == words


def test_words_of_reminders() -> None:
    at = NOW
    minute = timedelta(minutes=1)
    assert due_words(Due("customers", "update", at, 4 * minute)) == "update due in 4 min"
    assert due_words(Due("customers", "update", at, -12 * minute)) == "▲ update overdue by 12 min"
    assert due_words(Due("N", "deadline", at, 71 * 60 * minute, True)) == "N in at most 71 h"
    assert due_words(Due("N", "deadline", at, -1 * minute)) == "▲ N overdue by 1 min"


def test_a_forecast_is_made_once_a_second_and_not_at_every_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[datetime] = []
    real = clocks.forecast
    monkeypatch.setattr(clocks, "forecast", lambda *given: (made.append(given[2]), real(*given))[1])
    first = shown()
    for fraction in (0, 200, 900):
        text(first, 120, now=NOW + timedelta(milliseconds=fraction))
    assert len(made) == 1
    text(first, 120, now=NOW + timedelta(seconds=1))
    text(shown(), 120, now=NOW + timedelta(seconds=1))
    assert len(made) == 3
