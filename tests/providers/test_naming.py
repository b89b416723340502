"""What names and manifests say about a copy, and when they are not believed."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.identities import who

from drbook.core.baseline import Manifest, TableCounts
from drbook.providers.naming import is_dump, read_manifest, taken, time_in

STORED = datetime(2026, 4, 22, 19, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    "name",
    [
        "a.dump",
        "a.pgdump",
        "a.sql",
        "a.SQL.GZ",
        "a.sql.zst",
        "a.tar",
        "a.dir.tar",
        "a.backup",
        "a.sql.xz",
        "a.sql.bz2",
        "a.dump.lz4",
        "a.sql.gz.gpg",
        "a.dump.age",
        "a.sql.XZ.ASC",
        "a.sql.zip",
        "a.dump.enc",
    ],
)
def test_dumps_by_name(name: str) -> None:
    assert is_dump(name)


@pytest.mark.parametrize(
    "name",
    [
        "a.txt",
        "dump",
        "a.dump.tmp",
        "a.sql.md5",
        "a.tar.part",
        "",
        "a.gz",
        "a.xz",
        ".gz",
        "a.sql.gpg.sig",
    ],
)
def test_other_names(name: str) -> None:
    assert not is_dump(name)


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("r-20260421T030405Z.dump", "2026-04-21T03:04:05"),
        ("r_2026-04-21_03-04.dump", "2026-04-21T03:04:00"),
        ("2026-04-21T03:04:05+00.sql", "2026-04-21T03:04:05"),
        ("backup-20260421030405.dump", "2026-04-21T03:04:05"),
        ("2026/r-2026.04.21.dump", "2026-04-21T00:00:00"),
        ("20250101/r-20260421T0304.dump", "2026-04-21T03:04:00"),
        ("r-20260231.dump", None),
        ("r-1234567820260421999.dump", None),
        ("rental.dump", None),
        ("r-19990101.dump", None),
    ],
)
def test_times_in_names(name: str, at: str | None) -> None:
    found = time_in(name)
    assert (found.at.replace(tzinfo=None).isoformat() if found else None) == at


def manifest(at: datetime) -> Manifest:
    return Manifest(name="x", size=1, sha256="0" * 64, taken_at=at)


@pytest.mark.parametrize(
    ("name", "stated", "by", "offset", "noted"),
    [
        ("r.dump", timedelta(minutes=-3), "manifest", timedelta(minutes=-3), ""),
        ("r.dump", timedelta(days=-3), "manifest", timedelta(days=-3), "later"),
        ("r.dump", timedelta(hours=1), "store", timedelta(0), "its manifest says"),
        ("r-20260422T1900.dump", None, "name", timedelta(minutes=-3), "read as UTC"),
        ("r-20260422T1900Z.dump", None, "name", timedelta(minutes=-3), ""),
        ("r-20260401T1903Z.dump", None, "name", timedelta(days=-21), "later"),
        ("r-20260422.dump", None, "store", timedelta(0), "only the day"),
        ("r-20260401.dump", None, "name", timedelta(days=-21, hours=-19, minutes=-3), "later"),
        ("r-20260423T0403.dump", None, "store", timedelta(0), "east of UTC"),
        ("r-20270101T0000.dump", None, "store", timedelta(0), "2027"),
        ("r.dump", None, "store", timedelta(0), "stored"),
    ],
)
def test_whose_clock_is_believed(
    name: str, stated: timedelta | None, by: str, offset: timedelta, noted: str
) -> None:
    held = None if stated is None else manifest(STORED + stated)
    found = taken(name, STORED, held, "store")
    assert (found.by, found.at - STORED) == (by, offset)
    assert noted in found.note
    assert bool(noted) == bool(found.note)


_GOOD: dict[str, Any] = {
    "name": "x",
    "size": 1,
    "sha256": "0" * 64,
    "taken_at": "2026-01-01T00:00Z",
}


def test_a_copy_is_no_younger_than_the_figures_that_its_manifest_states() -> None:
    counts = TableCounts(identity=who(), taken_at=STORED - timedelta(days=3), tables=())
    held = manifest(STORED - timedelta(minutes=1)).model_copy(update={"counts": counts})
    found = taken("r.dump", STORED, held, "store")
    assert (found.at, found.by) == (counts.taken_at, "manifest")
    assert "its rows were counted before" in found.note
    same = held.model_copy(update={"counts": counts.model_copy(update={"taken_at": held.taken_at})})
    assert taken("r.dump", STORED, same, "store").note == ""


def test_a_manifest_is_read() -> None:
    assert read_manifest(json.dumps(_GOOD).encode()).size == 1


@pytest.mark.parametrize(
    "change",
    [
        {"size": -1},
        {"size": "many"},
        {"sha256": "0" * 63},
        {"sha256": "Z" * 64},
        {"taken_at": "soon"},
        {"drbook_manifest": 2},
        {"surprise": 1},
    ],
)
def test_a_wrong_manifest_is_refused_in_words(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        read_manifest(json.dumps(_GOOD | change).encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff\xfe", b"{}", b'{"a":' * 5000])
def test_what_is_no_manifest(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_manifest(data)


@pytest.mark.parametrize("stored", [datetime.max, datetime.min])
@pytest.mark.parametrize("claimed", [datetime.max, datetime.min, None])
def test_the_first_and_the_last_moment_are_times_like_others(
    stored: datetime, claimed: datetime | None
) -> None:
    """A file's time is whatever somebody gave it."""
    at = stored.replace(tzinfo=UTC)
    manifest = None
    if claimed is not None:
        fields = {**_GOOD, "taken_at": claimed.replace(tzinfo=UTC).isoformat()}
        manifest = read_manifest(json.dumps(fields).encode())
    found = taken("2026-04-24T030000Z.dump", at, manifest, "file")
    assert found.at <= at
    assert found.note or found.at == at


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_cannot_be_is_a_wrong_manifest(text: str) -> None:
    with pytest.raises(ValueError, match=r"taken_at: .*no time between"):
        read_manifest(json.dumps({**_GOOD, "taken_at": text}).encode())
