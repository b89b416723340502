"""Barman's copies in a bucket of a real S3 server: listed, read to their end, damaged, laid down and started."""

import bz2
import gzip
import io
import lzma
import os
import tarfile
from collections.abc import Iterator
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
from support.pg import drain, signals_of
from support.s3 import S3Server

from drbook.core.errors import CouldNotVerify, StepFailed
from drbook.core.points import RecoveryPoint
from drbook.core.signals import ProcessStarted
from drbook.providers.barmantar import CannotRead, NotWhole, read_tar
from drbook.providers.pgtools import PgTools, choose, find_tools
from drbook.providers.sources.base import PhysicalSource
from drbook.providers.walfetch import FetchedWal

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


def _listed(cloud: Cloud) -> tuple[PhysicalSource, RecoveryPoint]:
    source = cloud.open()
    (found,) = drain(source.points())
    return source, found


def test_a_copy_is_listed_and_read_to_its_end(cloud: Cloud) -> None:
    source, found = _listed(cloud)
    facts = source.survey()
    assert facts.reachable, facts.why_unreachable
    assert facts.resource == cloud.bucket
    assert facts.versioned.value is False
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
    read = drain(source.check(found))
    assert read.state == "structure"
    assert "content unproven" in read.reason


def test_a_copy_rolls_forward_to_right_before_the_delete(
    cloud: Cloud, server_tools: PgTools, tmp_path: Path
) -> None:
    source, found = _listed(cloud)
    place = a_place(tmp_path / "server")
    archive, said = signals_of(source.lay_down(found, place))
    assert archive is not None
    (started,) = [each for each in said if isinstance(each, ProcessStarted)]
    assert "admin-secret" not in " ".join(started.argv)
    (link,) = (place.data / "pg_tblspc").iterdir()
    assert Path(os.readlink(link)).parent == place.tablespaces
    label = (place.data / "backup_label").read_text()
    wal = tmp_path / "wal"
    got = fetched(archive, label.partition("(file ")[2][:24], wal)
    assert sorted(path.name for path in wal.iterdir()) == got
    server = rolled_forward(server_tools, place, wal, cloud.before_delete)
    try:
        assert orders(server) == list(range(1, 102))
    finally:
        server.stop()


def test_damage_is_found(cloud: Cloud, tmp_path: Path) -> None:
    broken = cloud.copy()
    (data,) = [key for key in broken.keys("base/") if "data.tar" in key]
    (space,) = [key for key in broken.keys("base/") if key.endswith(".tar.gz") and key != data]
    *_, last = broken.keys("wals/")
    flipped = bytearray(broken.get(data))
    flipped[len(flipped) // 2] ^= 0x10
    broken.put(data, bytes(flipped))
    broken.put(last, broken.get(last)[:4096])
    source, found = _listed(broken)
    read = drain(source.check(found))
    assert read.state == "damaged"
    assert "data.tar.gz: it " in read.reason
    archive = FetchedWal(source.fetch_wal, 16 * 2**20)
    with pytest.raises(StepFailed, match="where 16777216 are a whole one"):
        archive.get(last.rpartition("/")[2], tmp_path / "wal")
    broken.drop(space)
    (own,) = [key for key in broken.keys("wals/") if str(found.wal_from) in key]
    broken.drop(own)
    source, found = _listed(broken)
    assert found.rolls_to is None
    assert f"lacks WAL {own.rpartition('/')[2]}" in found.rolls_note
    assert ".tar of backup" in drain(source.check(found)).reason
    for key in broken.keys(""):
        broken.drop(key)
    broken.server.client().delete_bucket(Bucket=broken.bucket)
    with pytest.raises(StepFailed) as caught:
        archive.get(own.rpartition("/")[2], tmp_path / "wal")
    assert "not the end" in caught.value.means
    assert not list(tmp_path.iterdir())


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


def test_without_the_programs(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(CouldNotVerify, match="barman-cloud-backup-list is not installed here"):
        drain(cloud.open().points())


def _tar(names: tuple[str, ...]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = 5000
            archive.addfile(entry, io.BytesIO(bytes(range(250)) * 20))
    return out.getvalue()


WHOLE = _tar(("PG_VERSION", "base/1"))


def _pieces(data: bytes) -> Iterator[bytes]:
    return (data[at : at + 1000] for at in range(0, len(data), 1000))


@pytest.mark.parametrize("name", ["data.tar", "data_0001.tar.gz", "16384.tar.bz2", "data.tar.xz"])
def test_a_whole_archive_and_a_cut_one(name: str) -> None:
    pack = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}.get(
        name.rpartition(".")[2], bytes
    )
    assert read_tar(name, _pieces(pack(WHOLE))) == {"PG_VERSION", "base/1"}
    for data in (
        pack(WHOLE)[:-9000] if pack is bytes else pack(WHOLE)[:-20],
        pack(WHOLE[: 512 + 5120]),  # right behind a member, where another one might begin
        pack(WHOLE[:4000]),
        pack(b"no archive"),
        b"",
    ):
        with pytest.raises(NotWhole):
            read_tar(name, _pieces(data))


def test_an_archive_packed_in_an_unknown_way_is_unknown() -> None:
    with pytest.raises(CannotRead):
        read_tar("data.tar.snappy", iter(()))
