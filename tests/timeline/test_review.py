"""The review: every sentence comes from a record, and what the record does not say stays blank."""

import re
from datetime import timedelta

import pytest
from support.evidence import located, verified
from support.folded import loaded
from support.telling import BOOK, EVIL, HEAD, T0, attempt, opened, records, timeline, told

from drbook.core import events as ev
from drbook.core.events import Event, Mode, StepEnd
from drbook.core.remarks import TableVerdict
from drbook.timeline.build import build
from drbook.timeline.looking import went_badly, went_well
from drbook.timeline.model import JournalFacts, Timeline
from drbook.timeline.review import review


def good() -> Timeline:
    result = verified()
    comparison = result.comparison
    tables = tuple(one for one in comparison.tables if one.verdict is TableVerdict.PASS)
    passed = comparison.model_copy(update={"verdict": TableVerdict.PASS, "tables": tables})
    fine = result.model_copy(update={"comparison": passed}).model_dump(mode="json")
    return timeline(
        (0, opened(rpo_seconds=30 * 3600)),
        *attempt("locate", "backups.locate", 70, 9, located().model_dump(mode="json")),
        *attempt("verify", "postgres.verify", 90, 30, fine),
        (200, ev.IncidentClosed(outcome="pass", exit_code=0)),
    )


def choice(glass: bool) -> ev.PointChosen:
    return ev.PointChosen(step="locate", source="app", id="x", reason="newest", break_glass=glass)


BAD: list[tuple[Event, str, str]] = [
    (ev.StepResolved(step="loss", attempt=1, state=StepEnd.FAILED, reason="not there"),
     "loss was in doubt; settled by ops as failed: not there", "in doubt"),
    (ev.StepSkipped(step="verify", reason="no time"), "verify was skipped by ops: no time", "later"),
    (ev.DecisionRecorded(step="verify", decision="accept", reason="seen"),
     "verify could not be verified, and ops accepted that: seen", "Verify what"),
    (ev.ApprovalGiven(step="verify", attempt=1, by="CTO", break_glass=True), "BREAK-GLASS", "CTO"),
    (choice(True), "BREAK-GLASS: ops chose app: x", "choice of the copy"),
    (choice(False), "ops chose app: x against the verdict: newest", "choice of the copy"),
    (ev.StepDoneElsewhere(step="verify", attempt=9, state=StepEnd.SUCCEEDED, reason="psql",
                          without=("approval by CTO",)), "WITHOUT approval by CTO", "by the runbook"),
    (ev.StepInvalidated(step="loss", because="moved"), "stopped holding: moved", "built on"),
    (ev.IncidentResumed(head=HEAD, unseen=("s3: down",)), "A mirror did not answer: s3: down", "mirror"),
    (ev.IncidentTakenOver(from_host="h1", head=HEAD, records=4, epoch=1, fence="f", reason="gone",
                          mirrors=("s3",), missing=("artifacts/a",)), "took over from h1", "recorded"),
    (ev.ShellClosed(duration_ms=61_000, exit_code=0), "in a shell for 1 m 01 s", "Write down"),
]  # fmt: skip


@pytest.mark.parametrize(("event", "words", "action"), BAD)
def test_what_went_badly_names_its_record_and_an_action(
    event: Event, words: str, action: str
) -> None:
    found = went_badly(timeline((0, opened()), *attempt("loss", "sql", 1, 1), (9, event)), {})
    (one,) = [each for each in found if words in each.text]
    assert one.seq == 5
    assert action in one.action


ENDS = [(end, end not in (StepEnd.SUCCEEDED, StepEnd.NOT_EXERCISED)) for end in StepEnd]


@pytest.mark.parametrize(("end", "bad"), ENDS)
def test_each_way_a_step_ends(end: StepEnd, bad: bool) -> None:
    found = went_badly(timeline((0, opened()), *attempt("loss", "sql", 1, 1, state=end)), {})
    assert [one.seq for one in found] == ([4] if bad else [])


def test_what_is_done_by_rule_is_no_fault() -> None:
    skipped = ev.StepSkipped(step="loss", reason="when", automatic=True)
    approved = ev.ApprovalGiven(step="loss", attempt=1, by="CTO")
    assert went_badly(timeline((0, opened()), (1, skipped), (2, approved)), {}) == []


def test_what_went_well_is_measured() -> None:
    text = review(good())
    for words in (
        "restore was verified: 2 tables",
        "RPO \\(data lost\\) met",
        "RTO",
        "independent of",
    ):
        assert words in text
    assert "The record asks for none." in text
    assert "| verified | 2026-04-24 19:21:00 UTC | 2026-04-24 19:21:00 UTC | 7 |" in text


PAST = [
    ({"verify": (20, 25)}, 0, 0),
    ({"verify": (10, 15, 20)}, 0, 1),
    ({"verify": (40, 60)}, 1, 0),
    ({"verify": ()}, 0, 0),
]


@pytest.mark.parametrize(("past", "well", "badly"), PAST)
def test_times_are_held_against_earlier_runs(
    past: dict[str, tuple[int, ...]], well: int, badly: int
) -> None:
    told = good()
    assert len(went_well(told, past)) - len(went_well(told, {})) == well
    assert len(went_badly(told, past)) == badly


def test_rows_that_nobody_verified_are_unknown() -> None:
    result = verified().model_dump(mode="json")
    found = attempt("verify", "postgres.verify", 90, 30, result, state=StepEnd.FAILED)
    text = review(timeline((0, opened()), *found))
    assert re.search(r"public\.payments.* 186,902 \| 181,989 \| 4,913 ", text)
    assert re.search(r"public\.reports.* 12 \| unknown \| unknown \| unknown \| unknown ", text)
    assert "not verified" in text
    gone = (200, ev.StepInvalidated(step="verify", because="another copy"))
    stale = review(timeline((0, opened()), *found, gone))
    assert re.search(r"public\.payments.* 186,902 \| unknown \| unknown ", stale)
    assert "4,913" not in stale
    assert "Rows lost: **unknown**" in review(timeline((0, opened())))


def test_what_was_owed_and_not_told() -> None:
    found = build(
        records((0, opened()), (1800, told("Board: told")), (7200, ev.NoteAdded(text="end"))),
        journal=JournalFacts("j", HEAD, intact=True),
        document=loaded(BOOK).document,
    )
    texts = [one.text for one in went_badly(found, {})]
    assert any("customers were told nothing for 2 h 00 m" in text for text in texts)
    assert any("Board: told" in one.text and "in time" in one.text for one in went_well(found, {}))
    late = build(
        records((0, opened()), (7200, ev.NoteAdded(text="end"))),
        journal=JournalFacts("j", HEAD, intact=True),
        document=loaded(BOOK).document,
    )
    assert any("Board was owed until" in one.text for one in went_badly(late, {}))


def test_what_began_and_never_ended_is_said_once_it_is_over() -> None:
    begun = attempt("loss", "sql", 1, 1)[:2]
    end = (9, ev.IncidentClosed(outcome="aborted", exit_code=3))
    assert went_badly(timeline((0, opened()), *begun), {}) == []
    (one,) = went_badly(timeline((0, opened()), *begun, end), {})
    assert "has no end on record" in one.text


@pytest.mark.parametrize("mode", Mode)
def test_a_rehearsal_says_so_on_top(mode: Mode) -> None:
    told = timeline(
        (0, opened(mode=mode)), (1, ev.IncidentClosed(outcome="aborted", exit_code=3)), mode=mode
    )
    head = review(told).split("## Summary")[0]
    assert ("REHEARSAL" in head, "DRY RUN" in head) == (mode is Mode.DRILL, mode is Mode.DRY_RUN)
    assert "aborted" in head
    assert "still open" in review(timeline((0, opened(mode=mode)), mode=mode))


def test_hostile_text_stays_text_and_blanks_stay_blank() -> None:
    told = timeline(
        (0, opened(EVIL)),
        (1, ev.StepSkipped(step="loss", reason=EVIL)),
        (2, ev.InputChanged(name="detected", value="2026-04-24T19:12:00Z")),
        actor=EVIL,
    )
    text = review(told)
    assert "<script>" not in text
    assert not any(bad in text for bad in "\x1b\u202e")
    assert "owner: \\_\\_\\_\\_ | date: \\_\\_\\_\\_ | 2 |" in text
    assert "| detected | 2026-04-24 19:12:00 UTC | 2026-04-24 19:19:02 UTC | 3 |" in text
    assert text == review(told)
    assert T0 + timedelta(seconds=2) == told.records[2].at


def test_a_long_record_is_shortened_and_says_so() -> None:
    many = [(n, ev.HandedOver(to=f"p{n}")) for n in range(1, 100)]
    assert "40 entries more are in the timeline itself" in review(timeline((0, opened()), *many))
