"""Barman's copies in a bucket of a real S3 server: listed, read to their end, damaged, laid down and started."""

import gzip
import os
from pathlib import Path

import pytest
from support.barman import (
    PROGRAMS,
    Cloud,
    a_cloud,
    a_place,
    fetched,
    orders,
    rolled_forward,
)
from support.pg import drain
from support.s3 import S3Server

from drbook.core.errors import CouldNotVerify, StepFailed
from drbook.core.points import ByteFact, RecoveryPoint
from drbook.core.signals import ProcessStarted, Signal
from drbook.providers.barmantar import CannotRead, NotWhole, read_tar
from drbook.providers.pgtools import PgTools, choose, find_tools

pytestmark = pytest.mark.xdist_group("barman-cloud")  # one worker makes the backup, once


@pytest.fixture(autouse=True)
def _programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture(scope="module")
def server_tools() -> PgTools:
    return choose([one for one in find_tools() if one.origin == "extra"], server=True)[0]


@pytest.fixture(scope="module")
def cloud(
    server_tools: PgTools, tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server
) -> Cloud:
    return a_cloud(server_tools, tmp_path_factory.mktemp("cloud"), s3_server)


def _only(cloud: Cloud) -> RecoveryPoint:
    (found,) = drain(cloud.open().points())
    return found


def test_a_copy_is_listed_with_what_it_rolls_forward_to(cloud: Cloud) -> None:
    source = cloud.open()
    facts = source.survey()
    assert facts.reachable, facts.why_unreachable
    assert facts.resource == cloud.bucket
    assert facts.versioned.value is False
    found = _only(cloud)
    assert (found.id, found.format, found.taken_by) == (cloud.backup, "physical", "tool")
    assert found.location == f"s3://{cloud.bucket}/pg/main/ backup {cloud.backup}"
    assert found.rolls_to is not None
    assert found.rolls_to > cloud.before_delete.replace(microsecond=0)
    assert "the store's time" in found.rolls_note
    assert found.size == sum(len(cloud.get(key)) for key in cloud.keys("base/"))
    assert source.facts(found).bytes.state == "unread"
    with pytest.raises(StepFailed) as caught:
        source.files(found)
    assert caught.value.code == "physical"


def test_a_copy_rolls_forward_to_right_before_the_delete(
    cloud: Cloud, server_tools: PgTools, tmp_path: Path
) -> None:
    source = cloud.open()
    found = _only(cloud)
    place = a_place(tmp_path / "server")
    said: list[Signal] = []
    work = source.lay_down(found, place)
    try:
        while True:
            said.append(next(work))
    except StopIteration as end:
        archive = end.value
    (started,) = [each for each in said if isinstance(each, ProcessStarted)][-1:]
    assert "admin-secret" not in " ".join(started.argv)
    (link,) = (place.data / "pg_tblspc").iterdir()
    assert Path(os.readlink(link)).parent == place.tablespaces
    label = (place.data / "backup_label").read_text()
    wal = tmp_path / "wal"
    got = fetched(archive, label.partition("(file ")[2][:24], wal)
    assert not archive.get("00000002.history", wal / "00000002.history")
    assert sorted(path.name for path in wal.iterdir()) == got
    server = rolled_forward(server_tools, place, wal, cloud.before_delete)
    try:
        assert orders(server) == list(range(1, 102))
    finally:
        server.stop()


def _checked(cloud: Cloud) -> ByteFact:
    return drain(cloud.open().check(_only(cloud)))


def test_a_whole_copy_is_read_to_its_end_and_its_content_stays_unproven(cloud: Cloud) -> None:
    found = _checked(cloud)
    assert found.state == "structure"
    assert "content unproven" in found.reason


def test_damage_is_found(cloud: Cloud) -> None:
    broken = cloud.copy()
    (data,) = [key for key in broken.keys("base/") if "data.tar" in key]
    (space,) = [key for key in broken.keys("base/") if key.endswith(".tar.gz") and key != data]
    (own, *_) = broken.keys("wals/")
    good = {key: broken.get(key) for key in (data, space, own)}
    flipped = bytearray(good[data])
    flipped[len(flipped) // 2] ^= 0x10
    broken.put(data, bytes(flipped))
    assert _checked(broken).state == "damaged"
    broken.put(data, good[data][:-1000])
    assert "end too early" in _checked(broken).reason
    broken.put(data, gzip.compress(gzip.decompress(good[data])[:-20480], 1))
    assert _checked(broken).state == "damaged"
    broken.put(data, good[data])
    broken.drop(space)
    assert "lacks" in _checked(broken).reason
    broken.put(space, good[space])
    broken.put(own, good[own][:4096])
    assert _checked(broken).state != "structure"
    broken.drop(own)
    point = _only(broken)
    assert point.rolls_to is None
    assert f"lacks WAL {own.rpartition('/')[2]}" in _checked(broken).reason


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"server": "other"}, "Barman has no such server there"),
        ({"bucket": "no-such-bucket-here"}, "bucket"),
    ],
)
def test_a_place_that_is_not_there_is_no_empty_list(
    cloud: Cloud, more: dict[str, str], words: str
) -> None:
    with pytest.raises(CouldNotVerify) as caught:
        drain(cloud.open(**more).points())
    assert words in caught.value.what
    assert "not the same as none" in caught.value.means


def test_an_archive_that_cannot_be_asked_is_not_its_end(cloud: Cloud, tmp_path: Path) -> None:
    source = cloud.open()
    archive = drain(source.lay_down(_only(cloud), a_place(tmp_path / "server")))
    assert archive is not None
    gone = cloud.copy()
    lost = gone.open()
    drain(lost.points())
    for key in gone.keys(""):
        gone.drop(key)
    gone.server.client().delete_bucket(Bucket=gone.bucket)
    with pytest.raises(StepFailed) as caught:
        lost._archive(next(iter(lost._catalogue.backups.values()))).get(  # type: ignore[attr-defined]
            "0" * 23 + "1", tmp_path / "wal"
        )
    assert "not the end" in caught.value.means


def test_without_the_programs(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CouldNotVerify, match="barman-cloud-backup-list is not installed here"):
        drain(cloud.open().points())


def test_a_tar_in_a_wrapping_that_is_not_known_is_unknown() -> None:
    with pytest.raises(CannotRead):
        read_tar("data.tar.snappy", iter(()))
    with pytest.raises(NotWhole):
        read_tar("data.tar", iter((b"no archive",)))
