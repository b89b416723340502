"""Times, durations, sizes and hostile text."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from drbook.core.values import (
    Duration,
    Frozen,
    Size,
    UtcTime,
    clock_duration,
    format_duration,
    format_time,
    parse_duration,
    parse_moment,
    parse_size,
    parse_time,
    plain,
    plain_lines,
    show_duration,
    show_size,
    show_time,
)

AT = datetime(2026, 4, 24, 19, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-04-24T19:04:00Z",
        "2026-04-24 19:04",
        "2026-04-24 19:04:00 UTC",
        "  2026-04-24T21:04:00+02:00 ",
        "2026-04-24T19:04",
        "20260424T190400Z",
    ],
)
def test_times_are_read_as_utc(text: str) -> None:
    assert parse_time(text) == AT
    assert parse_time(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-13-01", "25:00", "2026-04-24T25:00Z", "19:04"]
)
def test_other_text_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="not a time"):
        parse_time(text)


BEYOND = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]


@pytest.mark.parametrize("text", BEYOND)
def test_a_zone_that_leads_beyond_every_year_is_no_time(text: str) -> None:
    class Held(Frozen):
        at: UtcTime

    with pytest.raises(ValueError, match="no time between the years 1 and 9999 in UTC"):
        parse_time(text)
    with pytest.raises(ValueError, match="no time between"):
        parse_moment(text, AT)
    for given in (text, datetime.fromisoformat(text)):
        with pytest.raises(ValidationError, match="no time between"):
            Held(at=given)  # type: ignore[arg-type]


@pytest.mark.parametrize("moment", [AT, AT.replace(microsecond=5), datetime(1, 1, 2, tzinfo=UTC)])
def test_a_formatted_time_reads_back(moment: datetime) -> None:
    assert parse_time(format_time(moment)) == moment
    assert format_time(moment).endswith("Z")


def test_a_duration_of_nothing_but_digits_is_none_at_once() -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration("1" * 1_000_000)


def test_a_size_beyond_every_disk_is_no_size() -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size("9" * 400 + " GB")


def test_times_are_shown_in_utc() -> None:
    tokyo = AT.astimezone(timezone(timedelta(hours=9)))
    assert show_time(tokyo) == "2026-04-24 19:04:00 UTC"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("45m", 2700),
        ("24h", 86400),
        ("1h 30m", 5400),
        ("7d", 604800),
        ("2w", 1209600),
        ("250ms", 0.25),
        ("1.5h", 5400),
        ("1H30M", 5400),
        ("0s", 0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    found = parse_duration(text)
    assert found == timedelta(seconds=seconds)
    assert parse_duration(format_duration(found)) == found


@pytest.mark.parametrize(
    "text", ["", "90", "h", "1 hour", "-5s", "1h x", "٣s", "99999999999d", "1e3s"]
)
def test_other_text_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (41, "41 s"),
        (125, "2 m 05 s"),
        (93660, "26 h 01 m"),
        (273600, "3 d 04 h"),
        (-125, "-2 m 05 s"),
    ],
)
def test_durations_for_people(seconds: int, text: str) -> None:
    assert show_duration(timedelta(seconds=seconds)) == text


def test_the_running_clock() -> None:
    assert clock_duration(timedelta(minutes=28, seconds=12)) == "0:28:12"
    assert clock_duration(timedelta(hours=30)) == "30:00:00"
    assert clock_duration(timedelta(seconds=-5)) == "0:00:00"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512 MiB", 512 * 1024**2),
        ("2GB", 2 * 10**9),
        ("1.5 KiB", 1536),
        ("7b", 7),
        ("1 tib", 1024**4),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "5", "GB", "-1 MiB", "1 XB", "1 MiB 2"])
def test_other_text_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (2040109465, "1.9 GiB"),
        (200 * 1024**5, "204800 TiB"),
    ],
)
def test_sizes_for_people(size: int, text: str) -> None:
    assert show_size(size) == text


class Sample(Frozen):
    at: UtcTime = AT
    wait: Duration = timedelta(0)
    size: Size = 0


def test_values_in_a_model_read_and_write_text() -> None:
    made = Sample.model_validate({"at": "2026-04-24T19:04:00Z", "wait": "90s", "size": "1 KiB"})
    assert (made.at, made.wait, made.size) == (AT, timedelta(seconds=90), 1024)
    assert Sample.model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize(
    "bad",
    [
        {"at": 5},
        {"at": datetime(2026, 1, 1)},
        {"wait": 90},
        {"size": True},
        {"size": 1.5},
        {"x": 1},
    ],
)
def test_other_values_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Sample.model_validate(bad)


@pytest.mark.parametrize(
    "character",
    [
        "\x1b",
        "\x00",
        "\n",
        "\r",
        "\t",
        "\x7f",
        "\x9b",
        "\u202e",
        "\u2066",
        "\u200b",
        "\u2028",
        "\ufeff",
        "\ud800",
    ],
)
def test_hostile_characters_are_shown_not_obeyed(character: str) -> None:
    shown = plain(f"a{character}b")
    assert character not in shown
    assert shown.startswith("a\\")
    assert shown.endswith("b")


def test_ordinary_text_stays() -> None:
    assert plain("Zürich – 東京 [b]x[/b] 100 %") == "Zürich – 東京 [b]x[/b] 100 %"


def test_long_text_is_cut_and_says_so() -> None:
    assert plain("x" * 50, 10) == "x" * 10 + " … (50 characters)"
    assert plain("x" * 10, 10) == "x" * 10


def test_lines_stay_lines() -> None:
    assert plain_lines("a\nb\x1b") == "a\nb\\x1b"


NOW = datetime(2026, 4, 24, 19, 30, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "moment"),
    [
        ("now", NOW),
        (" 20m  ago ", NOW - timedelta(minutes=20)),
        ("1h 30m ago", NOW - timedelta(minutes=90)),
        ("10 min ago", NOW - timedelta(minutes=10)),
        ("10min ago", NOW - timedelta(minutes=10)),
        ("10min", NOW - timedelta(minutes=10)),
        ("10 minutes ago", NOW - timedelta(minutes=10)),
        ("1 minute ago", NOW - timedelta(minutes=1)),
        ("An hour ago", NOW - timedelta(hours=1)),
        ("a day ago", NOW - timedelta(days=1)),
        ("2 hours ago", NOW - timedelta(hours=2)),
        ("2 hrs ago", NOW - timedelta(hours=2)),
        ("1.5 hours ago", NOW - timedelta(minutes=90)),
        ("1 hour and 5 minutes ago", NOW - timedelta(minutes=65)),
        ("1 hour, 5 min. ago", NOW - timedelta(minutes=65)),
        ("30 sec ago", NOW - timedelta(seconds=30)),
        ("45 seconds ago", NOW - timedelta(seconds=45)),
        ("3 days ago", NOW - timedelta(days=3)),
        ("19:04", datetime(2026, 4, 24, 19, 4, tzinfo=UTC)),
        ("19:30:05Z", NOW),
        ("19:31 UTC", datetime(2026, 4, 23, 19, 31, tzinfo=UTC)),  # not in the future
        ("2026-04-20T01:02:03+02:00", datetime(2026, 4, 19, 23, 2, 3, tzinfo=UTC)),
    ],
)
def test_a_moment_as_people_say_it(said: str, moment: datetime) -> None:
    assert parse_moment(said, NOW) == moment
    assert parse_moment(said, NOW.astimezone(timezone(timedelta(hours=-5)))) == moment


@pytest.mark.parametrize(
    "said",
    [
        "",
        "ago",
        "yesterday",
        "25:00",
        "12:61",
        "20 ago",
        "in 20m",
        "a ago",
        "an ago",
        "a",
        "aminute ago",
        "2 moons ago",
        "hour ago",
        "10 min and ago",
        "9999999 weeks ago",
        "10 min 10 ago",
        "-5 min ago",
    ],
)
def test_what_is_no_moment_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        parse_moment(said, NOW)


@pytest.mark.parametrize("said", ["10 min", "10min", "an hour", "2 hours", "a day"])
def test_a_runbooks_durations_stay_strict(said: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(said)
