"""The status text: what the record knows, in plain words, and nothing from inside."""

from datetime import datetime, timedelta

import pytest
from support.evidence import located, restored, verified
from support.folded import T0, ended, loaded, planned, record, records_of, snapshot_of

from drbook.app.exports import status_text
from drbook.core import events as ev
from drbook.core.events import Event, Mode
from drbook.core.state import StepState
from drbook.core.values import Json
from drbook.timeline.build import build
from drbook.timeline.model import JournalFacts
from drbook.timeline.status import REHEARSAL, UNKNOWN_LOSS, draft, next_update

BOOK = """
drbook: 1
title: Acme prod-db-7 in s3://acme-secret is gone
inputs: {occurred: {type: time, required: false}, detected: {type: time, required: false}}
updates: {every: 30m}
steps:
  - {id: loss, phase: detect, do: once}
  - {id: revoke_railway, phase: contain, do: manual, with: {instructions: I}, needs: []}
  - {id: locate, phase: locate, do: backups.locate, needs: []}
  - {id: restore, phase: restore, do: once}
  - {id: verify, phase: verify, do: postgres.verify}
  - {id: cutover, phase: cutover, do: once}
  - {id: gap, phase: reconcile, do: once}
"""
S = StepState
GIVEN = {"occurred": "2026-04-24T19:04:00Z", "detected": "2026-04-24T19:12:00Z"}
NOW = T0 + timedelta(minutes=28)


def runs(step: str, at: float, action: str = "once") -> list[tuple[float, Event]]:
    return [(at, planned(step, action)), (at, ev.StepStarted(step=step, attempt=1))]


def done(
    step: str, at: float, action: str = "once", state: StepState = S.SUCCEEDED, result: Json = None
) -> list[tuple[float, Event]]:
    return [*runs(step, at, action), (at + 1, ended(step, state, result=result))]


FOUND = done("locate", 60, "backups.locate", result=located().model_dump(mode="json"))
RESTORED = done("restore", 70, "postgres.restore", result=restored().model_dump(mode="json"))
CHECKED = done("verify", 400, "postgres.verify", result=verified().model_dump(mode="json"))


def text(
    *events: tuple[float, Event],
    given: dict[str, Json] = GIVEN,
    mode: Mode = Mode.LIVE,
    now: datetime = NOW,
    book: str = BOOK,
) -> str:
    runbook = loaded(book)
    found = build(
        records_of(runbook, *events, mode=mode, inputs=given),
        journal=JournalFacts("/var/lib/drbook/journal.jsonl", "0" * 64, intact=True),
        phases={step.id: step.step.phase.value for step in runbook.steps},
        document=runbook.document,
    )
    return draft(found, now)


def test_the_whole_text() -> None:
    assert text(*FOUND, *runs("restore", 300)) == (
        "Status of 24 April 2026, 19:47 UTC\n\n"
        "An incident that began at 19:04 UTC affects data of our service. We noticed it at 19:12 UTC.\n\n"
        "We are restoring data from a backup.\n\n"
        "The backup that we have found is from 26 h 00 m before the incident. What was entered or "
        "changed after it may be missing.\n\n"
        "The next update is due at 20:17 UTC.\n"
    )


def test_what_nobody_knows_is_said() -> None:
    found = text(given={})
    assert "We do not yet know when it began. We have been working on it since 19:19 UTC." in found
    assert UNKNOWN_LOSS in found
    assert "We have begun to look into it." in found
    assert UNKNOWN_LOSS in text(*FOUND, given={})
    assert "noticed" not in text(given={"occurred": "2026-04-24T19:04:00Z"})


def test_a_time_that_lies_ahead_is_no_begin() -> None:
    assert "do not yet know when it began" in text(given={"occurred": "2026-04-24T23:00:00Z"})


DOING: list[tuple[list[tuple[float, Event]], str]] = [
    (runs("loss", 10), "We are finding out what is affected."),
    (done("loss", 10), "We are finding out what is affected."),
    ([*runs("restore", 10), *runs("loss", 20)], "We are restoring data from a backup."),
    (runs("verify", 10, "postgres.verify"), "We are checking the data"),
    (CHECKED, "at 19:12 UTC.\n\nThe restored data was checked against the backup, without a difference.\n\n"),
    (RESTORED, "\n\nData was restored from a backup.\n\n"),
    ([*RESTORED, *done("verify", 400, "postgres.verify", S.FAILED)], "Data was restored from a backup. The check of"),
    (done("verify", 9, "postgres.verify", S.FAILED), "found differences"),
    (done("verify", 9, "postgres.verify", S.COULD_NOT_VERIFY), "not been checked completely"),
    (done("cutover", 9), "We are moving the service"),
    ([*done("cutover", 9), *runs("gap", 20)], "The service has been moved to the restored data. We are working out"),
]  # fmt: skip


@pytest.mark.parametrize(("events", "words"), DOING)
def test_what_is_being_done(events: list[tuple[float, Event]], words: str) -> None:
    assert words in text(*events)


@pytest.mark.parametrize("state", [S.FAILED, S.IN_DOUBT, S.CANCELLED, S.COULD_NOT_VERIFY])
def test_a_cutover_that_did_not_succeed_moved_nothing(state: StepState) -> None:
    assert "moved" not in text(*done("cutover", 9, state=state), *runs("gap", 20))


def test_the_end_is_said_and_nothing_comes_after_it() -> None:
    events = [*done("cutover", 9), (50.0, ev.IncidentClosed(outcome="pass", exit_code=0))]
    found = text(*events, now=NOW + timedelta(days=1))
    assert "This incident was closed at 19:19 UTC on 24 April 2026." in found
    assert "The service has been moved" in found
    assert "next update" not in found
    aborted = text((50, ev.IncidentClosed(outcome="aborted", exit_code=3)))
    assert "moved" not in aborted
    assert "closed at 19:19 UTC." in aborted


@pytest.mark.parametrize("mode", [Mode.DRILL, Mode.DRY_RUN])
def test_a_rehearsal_cannot_be_sent_by_mistake(mode: Mode) -> None:
    assert text(mode=mode).startswith(REHEARSAL)
    assert REHEARSAL not in text()


def test_nothing_from_inside_and_no_promise() -> None:
    """Every name that the record holds, against the text."""
    everything = [
        *done("revoke_railway", 5, "manual"),
        *FOUND,
        *RESTORED,
        *CHECKED,
        *runs("gap", 500),
        (600.0, ev.NoteAdded(text="Smith of Acme says bucket acme-secret")),
    ]
    found = text(*everything).lower()
    inside = ("acme", "prod-db", "s3:", "bucket", "railway", "smith", "public.", "offsite", "nightly",
              "restore-", "ops", "postgres", "cluster", "/", "sha", "drbook", "reservations")  # fmt: skip
    assert [word for word in inside if word in found] == []
    promises = ("will ", "soon", "shortly", "expect", "back by", "resolved", "guarantee", "sorry")
    assert [word for word in promises if word in found] == []
    assert found.isascii()


def test_the_next_update_is_the_one_after_this() -> None:
    runbook = loaded(BOOK)
    found = build(
        records_of(runbook), journal=JournalFacts("j", "0", intact=True), document=runbook.document
    )
    assert next_update(found, NOW) == NOW + timedelta(minutes=30)
    without = loaded(BOOK.replace("updates: {every: 30m}\n", ""))
    assert "next update" not in text(book=without.source.decode())


def test_the_screen_drafts_it_from_its_snapshot() -> None:
    runbook = loaded(BOOK)
    records = records_of(runbook, *FOUND, inputs=GIVEN)
    assert status_text(snapshot_of(runbook, records), NOW) == text(*FOUND)
    assert record(1, 0, records[0].event).seq == 1
