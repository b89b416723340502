"""Base backups of the real pg_basebackup: plain, tar and incremental, damaged in every way that is likely."""

import gzip
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.pg import drain
from support.physical import Archiving, archiving

from drbook.core.errors import CouldNotVerify, StepFailed
from drbook.core.points import RecoveryPoint
from drbook.core.recovery import RecoveryAim
from drbook.providers.cancel import CancelToken
from drbook.providers.kinds import TARGETS
from drbook.providers.pgserver import server_user
from drbook.providers.pgtools import PgTools, choose
from drbook.providers.sources.base import PhysicalSource, Place
from drbook.providers.sources.basebackup import BaseBackupSource
from drbook.providers.targets.base import Workshop
from drbook.providers.targets.fresh import FreshTargets
from drbook.providers.targets.kinds import ClusterTarget
from drbook.providers.targets.pool import ServerPool
from drbook.testing import opening

pytestmark = pytest.mark.xdist_group("basebackup")  # one worker makes what all of them read, once


@pytest.fixture(scope="module")
def world(tools: tuple[PgTools, ...]) -> Iterator[tuple[Archiving, Path]]:
    """A full backup, an incremental one and one more, then each as tar; a row is written before each."""
    with tempfile.TemporaryDirectory(prefix="drbook-test-") as name:
        folder = Path(name)
        if server_user() == "nobody":
            folder.chmod(0o711)
        chosen = choose([one for one in tools if one.origin == "extra"], server=True)[0]
        made = archiving(chosen, folder)
        base = folder / "base"
        base.mkdir()
        spaces = folder / "spaces"
        spaces.mkdir()
        try:
            made.execute("SET allow_in_place_tablespaces = on")
            made.execute(f"CREATE TABLESPACE aside LOCATION '{spaces}'")
            made.execute("CREATE TABLE far (id int) TABLESPACE aside")
            made.execute("INSERT INTO far VALUES (7)")
            made.execute("INSERT INTO bookings VALUES (1)")
            made.base_backup(base / "1-full", f"--tablespace-mapping={spaces}={folder}/mapped-1")
            made.execute("INSERT INTO bookings VALUES (2)")
            made.base_backup(
                base / "2-incremental",
                f"--incremental={base}/1-full/backup_manifest",
                f"--tablespace-mapping={spaces}={folder}/mapped-2",
            )
            made.execute("INSERT INTO bookings VALUES (3)")
            made.base_backup(
                base / "3-tar", "-Ft", "-z", f"--incremental={base}/2-incremental/backup_manifest"
            )
            made.execute("INSERT INTO bookings VALUES (4)")
            made.base_backup(base / "4-tar", "-Ft", "--manifest-checksums=SHA256")
            made.execute("INSERT INTO bookings VALUES (5)")
            yield made, folder
        finally:
            made.server.stop()


@pytest.fixture(scope="module")
def lost(world: tuple[Archiving, Path]) -> int:
    """The transaction that deleted everything."""
    made, _ = world
    with made.connect() as connection, connection.transaction():
        connection.execute("DELETE FROM bookings")
        row = connection.execute("SELECT pg_current_xact_id()::text").fetchone()
    made.execute("INSERT INTO bookings VALUES (99)")
    made.archived()
    assert row is not None
    return int(row[0])


@pytest.fixture
def spoilt(world: tuple[Archiving, Path], lost: int, tmp_path: Path) -> Path:
    """A copy of everything, for a test that damages it."""
    _, folder = world
    shutil.copytree(folder / "base", tmp_path / "base", symlinks=True)
    shutil.copytree(folder / "wal", tmp_path / "wal")
    return tmp_path


def opened(folder: Path, *, wal: bool = True) -> PhysicalSource:
    config = BaseBackupSource(
        id="base", path=str(folder / "base"), wal=str(folder / "wal") if wal else None
    )
    source = config.open(opening())
    assert isinstance(source, PhysicalSource)
    return source


def points(source: PhysicalSource) -> dict[str, RecoveryPoint]:
    return {point.id: point for point in drain(source.points())}


def test_each_is_listed_with_what_it_needs(world, lost) -> None:
    made, folder = world
    source = opened(folder)
    found = points(source)
    assert list(found) == ["4-tar", "3-tar", "2-incremental", "1-full"]
    assert found["1-full"].needs == ()
    assert found["2-incremental"].needs == ("1-full",)
    assert found["3-tar"].needs == ("1-full", "2-incremental")
    assert found["4-tar"].needs == ()
    identifier = found["1-full"].system_identifier
    for point in found.values():
        assert point.format == "physical"
        assert point.server_version == made.tools.major * 10000
        assert point.system_identifier == identifier
        assert point.rolls_to is not None
        assert point.rolls_to > point.taken_at
    assert found["1-full"].database_bytes > 20_000_000


@pytest.mark.parametrize("name", ["1-full", "2-incremental", "3-tar", "4-tar"])
def test_each_comes_back_to_right_before_the_loss(
    world, lost, name: str, tmp_path: Path, tools
) -> None:
    _, folder = world
    source = opened(folder)
    point = points(source)[name]
    fact = drain(source.check(point))
    assert fact.state == ("structure" if name == "3-tar" else "intact"), fact.reason
    pool = ServerPool()
    shop = Workshop(
        tmp_path, os.environ, CancelToken(), pool, lambda: tools, physical=lambda _: source
    )
    targets = FreshTargets(shop, TARGETS())
    target, report = drain(
        targets.recover(ClusterTarget(), "restore-1", point, RecoveryAim(xid=lost), [])
    )
    counted = {one.table: one.rows for one in drain(targets.count(target)).tables}
    assert counted == {"public.bookings": 5, "public.far": 1}
    assert f"before commit of transaction {lost}" in report.stopped
    pool.close()


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def table_file(folder: Path) -> Path:
    files = [each for each in (folder / "base").glob("*/*") if each.stat().st_size > 8192]
    return max(files, key=lambda each: int(each.name) if each.name.isdecimal() else 0)


def flipped(folder: Path) -> None:
    flip(table_file(folder / "1-full"))


def cut(folder: Path) -> None:
    path = table_file(folder / "1-full")
    path.write_bytes(path.read_bytes()[:-8192])


def missing(folder: Path) -> None:
    table_file(folder / "1-full").unlink()


def broken_manifest(folder: Path) -> None:
    path = folder / "1-full" / "backup_manifest"
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize("damage", [flipped, cut, missing, broken_manifest])
@pytest.mark.parametrize("name", ["1-full", "3-tar"])
def test_damage_of_a_copy_or_of_its_parent_is_found(
    spoilt: Path, damage: Callable[[Path], None], name: str
) -> None:
    damage(spoilt / "base")
    source = opened(spoilt)
    fact = drain(source.check(points(source)[name]))
    assert fact.state in ("damaged", "unknown") or "no backup_manifest" in fact.reason, fact
    assert fact.state == "damaged" or damage is broken_manifest
    assert (fact.state == "damaged" and name == "3-tar") <= ("1-full" in fact.reason)


def tar_flipped(folder: Path) -> None:
    flip(folder / "4-tar" / "base.tar")


def tar_cut(folder: Path) -> None:
    path = folder / "4-tar" / "base.tar"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def tar_without_a_tablespace(folder: Path) -> None:
    next(each for each in (folder / "4-tar").iterdir() if each.name[0].isdigit()).unlink()


@pytest.mark.parametrize("damage", [tar_flipped, tar_cut, tar_without_a_tablespace])
def test_damage_of_an_archive_is_found(spoilt: Path, damage: Callable[[Path], None]) -> None:
    damage(spoilt / "base")
    source = opened(spoilt)
    fact = drain(source.check(points(source)["4-tar"]))
    assert fact.state == "damaged", fact


def test_what_an_archive_is_packed_by_is_held_to_its_own_checksum(spoilt: Path) -> None:
    """It stands behind all that the archive holds: whoever stops at its last file never sees it."""
    packed = spoilt / "base" / "3-tar" / "base.tar.gz"
    data = bytearray(packed.read_bytes())
    data[-6] ^= 1
    packed.write_bytes(data)
    source = opened(spoilt)
    fact = drain(source.check(points(source)["3-tar"]))
    assert (fact.state, "CRC" in fact.reason) == ("damaged", True), fact


def test_a_usual_tar_is_proven_when_it_is_laid_down(spoilt: Path, world) -> None:
    """Its checksums are CRC-32C, which only pg_verifybackup compares."""
    made, _ = world
    made.base_backup(spoilt / "base" / "5-tar", "-Ft")
    archive = spoilt / "base" / "5-tar" / "base.tar"
    data = bytearray(archive.read_bytes())
    at = data.rindex(b"PostgreSQL") if b"PostgreSQL" in data else len(data) // 2
    middle = next(n for n in range(len(data) // 2, len(data)) if data[n : n + 64] != bytes(64))
    data[max(at, middle)] ^= 0x01
    archive.write_bytes(data)
    source = opened(spoilt)
    point = points(source)["5-tar"]
    assert drain(source.check(point)).state == "structure"
    place = Place(*(spoilt / name for name in ("data", "tablespaces", "scratch")))
    for folder in (place.data, place.tablespaces, place.scratch):
        folder.mkdir()
    with pytest.raises(StepFailed) as raised:
        drain(source.lay_down(point, place))
    assert raised.value.code == "copy-damaged"
    assert "pg_verifybackup" in raised.value.what


def test_a_copy_without_its_parent_is_damaged(spoilt: Path) -> None:
    shutil.rmtree(spoilt / "base" / "1-full")
    source = opened(spoilt)
    point = points(source)["2-incremental"]
    assert "needs is not there" in point.taken_note
    assert source.facts(point).bytes.state == "damaged"


def test_a_gap_in_the_wal_ends_how_far_it_rolls(spoilt: Path) -> None:
    source = opened(spoilt)
    whole = points(source)["1-full"]
    segments = sorted(each.name for each in (spoilt / "wal").iterdir() if len(each.name) == 24)
    (spoilt / "wal" / segments[-2]).unlink()
    source = opened(spoilt)
    found = points(source)["1-full"]
    assert segments[-2] in found.rolls_note
    assert found.rolls_to < whole.rolls_to


def test_packed_and_half_written_segments_are_used(spoilt: Path, tmp_path: Path) -> None:
    wal = spoilt / "wal"
    first, second, *_ = sorted(each for each in wal.iterdir() if len(each.name) == 24)
    (wal / f"{first.name}.gz").write_bytes(gzip.compress(first.read_bytes()))
    second.rename(wal / f"{second.name}.partial")
    expected = first.read_bytes()
    first.unlink()
    source = opened(spoilt)
    place = Place(*(spoilt / name for name in ("data", "tablespaces", "scratch")))
    for folder in (place.data, place.tablespaces, place.scratch):
        folder.mkdir()
    archive = drain(source.lay_down(points(source)["1-full"], place))
    assert archive is not None
    assert archive.get(first.name, tmp_path / "first")
    assert (tmp_path / "first").read_bytes() == expected
    assert archive.get(second.name, tmp_path / "second")
    assert not archive.get("0000000100000000000000FF", tmp_path / "third")
    shutil.rmtree(wal)
    with pytest.raises(CouldNotVerify):
        archive.get(first.name, tmp_path / "again")


def test_an_archive_that_is_gone_hides_no_copy(spoilt: Path) -> None:
    shutil.rmtree(spoilt / "wal")
    source = opened(spoilt)
    found = points(source)
    assert len(found) == 4
    assert found["1-full"].rolls_to is None
    assert "cannot be listed" in found["1-full"].rolls_note
    assert any("cannot be listed" in each for each in source.left_out)


def test_nothing_that_is_no_base_backup_is_listed(tmp_path: Path) -> None:
    (tmp_path / "base" / "photos").mkdir(parents=True)
    (tmp_path / "base" / ".half-done").mkdir()
    (tmp_path / "base" / "nightly.dump").touch()
    assert points(opened(tmp_path, wal=False)) == {}
    with pytest.raises(CouldNotVerify):
        points(opened(tmp_path / "nowhere", wal=False))
