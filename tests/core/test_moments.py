"""What people say of the past, and what is doubtful about it."""

from datetime import UTC, datetime

import pytest

from drbook.core.moments import contradictions, understand

NOW = datetime(2026, 11, 27, 22, 23, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{text}:00+00:00")


@pytest.mark.parametrize(
    ("text", "words", "doubt"),
    [
        ("22:20", "2026-11-27 22:20:00 UTC, 3 m 00 s ago", ""),
        ("22:41", "2026-11-26 22:41:00 UTC, 23 h 42 m ago",
         "that is 23 h 42 m ago; times are UTC"),
        ("03:00", "2026-11-27 03:00:00 UTC, 19 h 23 m ago", ""),  # today's, and said so
        ("2026-11-26 22:41", "2026-11-26 22:41:00 UTC, 23 h 42 m ago", ""),  # with its day
        ("23 hours ago", "2026-11-26 23:23:00 UTC, 23 h 00 m ago", ""),
        ("2026-11-27 22:41", "2026-11-27 22:41:00 UTC, in 18 m 00 s", ""),
        ("soon", "'soon' is not a time; write it like 2026-04-24T19:04:00Z", ""),
    ],
)  # fmt: skip
def test_a_time_is_said_back_and_a_doubtful_one_in_a_warning(
    text: str, words: str, doubt: str
) -> None:
    found = understand(text, NOW)
    assert found is not None
    assert (found.words, found.doubt) == (words, doubt)


def test_shortly_after_midnight_a_time_of_the_evening_is_no_doubt() -> None:
    found = understand("23:41", at("27T00:10"))
    assert found is not None
    assert (found.at, found.doubt) == (at("26T23:41"), "")


def test_nothing_is_nothing() -> None:
    assert understand("  ", NOW) is None


@pytest.mark.parametrize(
    ("name", "times", "found"),
    [
        ("occurred", {"occurred": "27T20:00"}, []),
        ("occurred", {"occurred": "27T20:00", "detected": "27T20:00", "declared": "27T21:00"}, []),
        ("occurred", {"occurred": "27T21:30", "detected": "27T21:00"},
         ["that is after it was detected (11-27 21:00:00)"]),
        ("detected", {"occurred": "27T21:00", "detected": "27T20:00"},
         ["that is before it occurred (11-27 21:00:00)"]),
        ("detected", {"detected": "27T22:00", "declared": "27T21:00"},
         ["that is after it was declared (11-27 21:00:00)"]),
        ("declared", {"occurred": "27T21:00", "detected": "27T21:30", "declared": "27T20:00"},
         ["that is before it occurred (11-27 21:00:00)",
          "that is before it was detected (11-27 21:30:00)"]),
        ("declared", {"declared": "27T23:00"}, ["that is in the future"]),
        ("maintenance", {"maintenance": "27T23:00", "occurred": "27T23:10"}, []),
        ("detected", {"occurred": "27T21:00"}, []),
    ],
)  # fmt: skip
def test_three_times_in_their_order(name: str, times: dict[str, str], found: list[str]) -> None:
    assert contradictions(name, {key: at(text) for key, text in times.items()}, NOW) == found


def test_a_contradiction_is_a_doubt() -> None:
    found = understand("20:00", NOW, "detected", {"occurred": at("27T21:00")})
    assert found is not None
    assert found.doubt == "that is before it occurred (11-27 21:00:00); times are UTC"
