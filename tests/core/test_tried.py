"""Which of several copies that were restored side by side is handed on."""

from datetime import UTC, datetime, timedelta

import pytest

from drbook.core.tried import Ending, Tried, best, outcome, worth_waiting

AT = datetime(2026, 4, 24, 3, tzinfo=UTC)


def tried(source: str, ended: Ending, hours: int = 0, words: str = "") -> Tried:
    return Tried(
        source=source,
        location=f"{source}/a",
        taken_at=AT,
        comes_to=AT + timedelta(hours=hours),
        target=f"restore-{source}",
        ended=ended,
        seconds=1,
        words=words,
    )


@pytest.mark.parametrize(
    ("all", "expected"),
    [
        ([], None),
        ([tried("a", "not restored"), tried("b", "stopped", 9)], None),
        ([tried("a", "left"), tried("b", "not begun", 9)], None),
        ([tried("a", "failed", 9), tried("b", "verified")], "b"),
        ([tried("a", "could not verify", 9), tried("b", "verified")], "b"),
        ([tried("a", "failed", 9), tried("b", "could not verify")], "b"),
        ([tried("a", "verified"), tried("b", "verified", 1)], "b"),
        ([tried("a", "verified"), tried("b", "verified")], "a"),
        ([tried("a", "verified"), tried("b", "stopped", 9)], "a"),
        ([tried("a", "failed", 1), tried("b", "failed", 2)], "b"),
    ],
)
def test_what_is_verified_comes_first_and_then_what_comes_further(
    all: list[Tried], expected: str | None
) -> None:
    found = best(all)
    assert (None if found is None else all[found].source) == expected


def test_what_is_worth_waiting_for_comes_further() -> None:
    won = tried("a", "verified", 1)
    assert [worth_waiting(won, tried("b", "stopped", hours)) for hours in (0, 1, 2)] == [
        False, False, True,
    ]  # fmt: skip


def test_what_a_stopped_one_would_have_saved_is_said() -> None:
    all = [
        tried("won", "verified", 1),
        tried("further", "stopped", 4),
        tried("behind", "stopped", 0),
        tried("broken", "not restored", 5, "Its digest is another."),
        tried("deaf", "left", 0),
    ]
    assert outcome(all, 0) == (
        "further was stopped (it comes 3 h 00 m further, to 2026-04-24 07:00:00 UTC); behind was stopped; "
        "broken not restored: Its digest is another.; deaf was asked to stop and has not ended"
    )
