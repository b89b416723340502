"""Baseline stores, both kinds: newest first, never overwritten, never believed when changed."""

import os
import re
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.s3 import admin_keys

from drbook.core.baseline import Baseline, Identity, TableCount, TableCounts
from drbook.core.errors import CouldNotVerify, StepFailed, UsageError
from drbook.core.ports import Baselines
from drbook.providers.baselines import ABSENT, DirectoryBaselines, S3Baselines, open_store, time_of

AT = datetime(2026, 4, 22, 19, 3, 0, 123456, tzinfo=UTC)


def baseline(at: datetime = AT, rows: int = 5) -> Baseline:
    identity = Identity(system_identifier="7412345678901234567", database="r", database_oid=16384)
    counts = TableCounts(
        identity=identity, taken_at=at, tables=(TableCount(table="public.t", rows=rows),)
    )
    return Baseline(captured_at=at, counts=counts, drbook_version="1")


class Place:
    """A store, and a way to its bytes that does not go through it."""

    def __init__(self, store: Baselines, folder: Path | None, client: Any, bucket: str) -> None:
        self.store, self._folder, self._client, self._bucket = store, folder, client, bucket

    def write(self, name: str, data: bytes) -> None:
        if self._folder is not None:
            (self._folder / name).write_bytes(data)
        else:
            self._client.put_object(Bucket=self._bucket, Key=f"base/{name}", Body=data)

    def read(self, name: str) -> bytes:
        if self._folder is not None:
            return (self._folder / name).read_bytes()
        body = self._client.get_object(Bucket=self._bucket, Key=f"base/{name}")["Body"]
        data: bytes = body.read()
        return data


@pytest.fixture(params=["directory", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "directory":
        folder = tmp_path / "share"
        folder.mkdir()
        store = open_store({"kind": "directory", "path": str(folder)}, secrets=admin_keys)
        return Place(store, folder, None, "")
    server = request.getfixturevalue("s3_server")
    bucket = server.bucket("baselines")
    config = {"kind": "s3", "bucket": bucket, "prefix": "base/", "endpoint": server.endpoint}
    config |= {"access_key": "env:k", "secret_key": "env:s"}
    return Place(open_store(config, secrets=admin_keys), None, server.client(), bucket)


def test_what_is_saved_is_listed_and_loaded(place: Place) -> None:
    assert list(place.store.listed()) == []
    old = place.store.save(baseline(AT - timedelta(days=2)))
    new = place.store.save(baseline())
    assert re.fullmatch(r"20260422T190300\.\d{6}Z-[0-9a-f]{12}\.json", new)
    assert [name for name, _ in place.store.listed()] == [new, old]
    assert place.store.listed()[0][1] == AT
    assert place.store.load(new) == baseline()
    assert place.read(new) == baseline().sealed()


def test_two_captures_in_one_second_are_two_and_have_an_order(place: Place) -> None:
    assert place.store.save(baseline(rows=1)) != place.store.save(baseline(rows=2))
    assert len(place.store.listed()) == 2
    saved = [place.store.save(baseline(AT + timedelta(microseconds=n))) for n in (2, 9, 1, 5)]
    listed = [name for name, _ in place.store.listed()]
    assert [name for name in listed if name in saved] == [saved[n] for n in (1, 3, 0, 2)]


def test_a_name_of_before_has_whole_seconds() -> None:
    assert time_of("20260422T190300Z-0123456789ab.json") == datetime(2026, 4, 22, 19, 3, tzinfo=UTC)


def test_the_same_capture_twice_is_one(place: Place) -> None:
    assert place.store.save(baseline()) == place.store.save(baseline())
    assert len(place.store.listed()) == 1


def test_a_suspect_one_is_kept_apart(place: Place) -> None:
    """Its time is the newest; it is listed by itself, loaded by its name, and never among the good."""
    good = place.store.save(baseline(AT - timedelta(days=1)))
    bad = place.store.save(baseline(rows=1), suspect=True)
    assert bad.startswith("20260422T190300.")
    assert bad.endswith("-suspect.json")
    assert [name for name, _ in place.store.listed()] == [good]
    assert place.store.listed(suspect=True) == [(bad, AT)]
    assert place.store.load(bad) == baseline(rows=1)
    assert place.store.save(baseline(rows=1), suspect=True) == bad
    place.write(bad, place.read(bad)[:-20])
    with pytest.raises(CouldNotVerify):
        place.store.load(bad)


def test_a_suspect_one_does_not_become_good_by_another_name(place: Place) -> None:
    """Accepting is a capture of its own, with a reason in it; but a copy of the file is readable."""
    bad = place.store.save(baseline(), suspect=True)
    for odd in (bad.replace("-suspect", "-suspect-suspect"), bad.replace("-suspect", "-SUSPECT")):
        place.write(odd, place.read(bad))
        with pytest.raises(CouldNotVerify):
            place.store.load(odd)
    assert [name for name, _ in place.store.listed(suspect=True)] == [bad]


def test_nothing_is_overwritten(place: Place) -> None:
    name = place.store.save(baseline())
    place.write(name, b"something else")
    with pytest.raises((StepFailed, CouldNotVerify)):
        place.store.save(baseline())
    assert place.read(name) == b"something else"


def _flipped(data: bytes) -> bytes:
    return data.replace(b'"rows":5', b'"rows":4')


def _resealed(data: bytes) -> bytes:
    return baseline(rows=4).sealed()


_DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "a count changed": _flipped,
    "sealed again": _resealed,
    "cut short": lambda data: data[:-20],
    "empty": lambda data: b"",
    "more behind": lambda data: data + b"x",
    "no json": lambda data: b"\x1b[31m\n{}\n",
}


@pytest.mark.parametrize("damage", _DAMAGE)
def test_a_changed_baseline_is_not_believed(damage: str, place: Place) -> None:
    name = place.store.save(baseline())
    changed = _DAMAGE[damage](place.read(name))
    assert changed != place.read(name)
    place.write(name, changed)
    with pytest.raises(CouldNotVerify) as caught:
        place.store.load(name)
    assert caught.value.code == "baseline"
    assert "\x1b" not in caught.value.explain()


@pytest.mark.parametrize(
    "name",
    [
        "20260422T190300Z-0123456789ab.json",
        "../../etc/passwd",
        "20260422T190300Z-0123456789ab.json\n",
        "20261322T190300Z-0123456789ab.json",
        "",
    ],
)
def test_a_missing_or_odd_name_is_not_verified(name: str, place: Place) -> None:
    with pytest.raises(CouldNotVerify):
        place.store.load(name)


def test_other_files_are_not_baselines(place: Place) -> None:
    for name in ("readme.txt", "20260422T190300Z-xyz.json", "20261322T190300Z-0123456789ab.json"):
        place.write(name, b"x")
    assert list(place.store.listed()) == []


def test_files_are_private_and_links_are_not_followed(tmp_path: Path) -> None:
    store = DirectoryBaselines(path=str(tmp_path / "new" / "share")).open(admin_keys)
    with pytest.raises(CouldNotVerify) as caught:
        store.listed()
    assert caught.value.code == ABSENT
    name = store.save(baseline())
    path = tmp_path / "new" / "share" / name
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == [name]
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CouldNotVerify):
        store.load(name)


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = open_store(DirectoryBaselines(path=str(tmp_path / "file" / "x")), secrets=admin_keys)
    with pytest.raises(StepFailed) as caught:
        store.save(baseline())
    assert caught.value.code == "baseline"


def test_a_bucket_that_does_not_answer() -> None:
    config = S3Baselines.model_validate(
        {
            "bucket": "no-matter",
            "endpoint": "http://127.0.0.1:9",
            "access_key": "env:k",
            "secret_key": "env:s",
        }
    )
    store = open_store(config, secrets=admin_keys)
    with pytest.raises(CouldNotVerify, match="does not answer"):
        store.listed()
    with pytest.raises(CouldNotVerify, match="does not answer"):
        store.load("20260422T190300Z-0123456789ab.json")
    with pytest.raises(StepFailed, match="does not answer"):
        store.save(baseline())


@pytest.mark.parametrize("entry", [{}, {"kind": "ftp"}, {"kind": "s3"}, {"kind": "directory"}])
def test_a_wrong_description_is_a_usage_error(entry: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        open_store(entry, secrets=admin_keys)
