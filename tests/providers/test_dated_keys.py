"""Declared keys: which prefixes the newest days have, and what they do not explain."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from drbook.providers.datedkeys import DatedKeys
from drbook.providers.sources.s3 import S3Source

NOON = datetime(2026, 3, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("pattern", "now", "back", "prefixes"),
    [
        ("n/{%Y}/{%m}/{%d}/", NOON, DAY, ("n/2026/03/01/", "n/2026/02/28/")),
        # In Auckland it is tomorrow already.
        ("n/{%Y}{%m}{%d}", NOON + DAY / 2, DAY, ("n/20260302", "n/20260301", "n/20260228")),
        ("{%d}.{%m}.{%Y}-", NOON, DAY, ("01.03.2026-", "28.02.2026-")),
        ("n/{%Y}/{%m}/", NOON, 14 * DAY, ("n/2026/03/", "n/2026/02/")),
        ("n/{%Y}/", NOON, 14 * DAY, ("n/2026/",)),
        ("n/{%Y}/", NOON, 61 * DAY, ("n/2026/", "n/2025/")),
        ("{%Y}/{%Y}-{%m}-{%d}", NOON, DAY / 8, ("2026/2026-03-01",)),
        ("n/{%Y}{%m}{%d}", datetime(2024, 3, 1, 9, tzinfo=UTC), DAY, ("n/20240301", "n/20240229")),
    ],
)
def test_the_newest_come_first(
    pattern: str, now: datetime, back: timedelta, prefixes: tuple[str, ...]
) -> None:
    assert DatedKeys(pattern).prefixes(now, back) == prefixes


@pytest.mark.parametrize("hours", range(-12, 15))
def test_a_copy_of_this_moment_is_listed_in_whatever_zone_its_day_is_counted(hours: int) -> None:
    zone = timezone(timedelta(hours=hours))
    for at in (NOON + timedelta(hours=each) for each in range(24)):
        keys = DatedKeys("{%Y}{%m}{%d}")
        assert f"{at.astimezone(zone):%Y%m%d}" in keys.prefixes(at, DAY)


@pytest.mark.parametrize(
    ("pattern", "name", "explained"),
    [
        ("n/{%Y}/{%m}/{%d}/", "n/", True),
        ("n/{%Y}/{%m}/{%d}/", "n/2025/", True),
        ("n/{%Y}/{%m}/{%d}/", "n/2025/07/", True),
        ("n/{%Y}/{%m}/{%d}/", "n/2025/07/31/", True),
        ("n/{%Y}/{%m}/{%d}/", "n/2025/07/31/db/", True),
        ("n/{%Y}/{%m}/{%d}/", "n/2025/07/31/db.dump", True),
        ("n/{%Y}/{%m}/{%d}/", "n/2025/13/", False),
        ("n/{%Y}/{%m}/{%d}/", "n/2025/tmp/", False),
        ("n/{%Y}/{%m}/{%d}/", "n/manual/", False),
        ("n/{%Y}/{%m}/{%d}/", "n/latest.dump", False),
        ("n/{%Y}/{%m}/{%d}/", "nn/", False),
        ("n/{%Y}/{%m}/{%d}/", "n/2025/07/x.dump", False),
        ("n/db-{%Y}{%m}{%d}", "n/db-20250731T0100.dump", True),
        ("n/db-{%Y}{%m}{%d}", "n/db-2025.dump", False),
        ("n/db-{%Y}{%m}{%d}", "n/xdb-20250731.dump", False),
        ("a.b/{%Y}/", "aXb/", False),
    ],
)
def test_what_a_pattern_explains(pattern: str, name: str, explained: bool) -> None:
    assert DatedKeys(pattern).explains(name) is explained


@pytest.mark.parametrize(
    ("pattern", "start", "folders"),
    [
        ("n/{%Y}/{%m}/{%d}/", "", ("", "n/", "n/2026/", "n/2026/03/")),
        ("n/{%Y}/{%m}/{%d}/", "n/", ("n/", "n/2026/", "n/2026/03/")),
        ("n/db-{%Y}{%m}{%d}", "n/d", ("n/d",)),
        ("{%Y}", "", ("",)),
    ],
)
def test_the_folders_on_the_way(pattern: str, start: str, folders: tuple[str, ...]) -> None:
    assert DatedKeys(pattern).folders(start, NOON) == folders


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"date_keys": "nightly/"}, "parts of a date"),
        ({"date_keys": "nightly/{%Y}/{%d}/"}, "parts of a date"),
        ({"date_keys": "nightly/{%m}/"}, "parts of a date"),
        ({"date_keys": "nightly/{%Y}/{%H}/"}, "nothing else"),
        ({"date_keys": "nightly/{%Y/"}, "nothing else"),
        ({"date_keys": "nightly/{%Y}}/"}, "nothing else"),
        ({"date_keys": "nightly/{%Y}/\x1b"}, "cannot be shown"),
        ({"date_keys": "{%Y}/", "prefix": "nightly/"}, "begins with the prefix"),
        ({"date_keys": "n/{%Y}/", "prefix": "n/2026"}, "begins with the prefix"),
        ({"look_back": "30m"}, "from 1h"),
        ({"newest": 0}, "greater than or equal"),
    ],
)
def test_what_cannot_be_declared(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        S3Source.model_validate({"id": "a", "bucket": "backups"} | fields)
