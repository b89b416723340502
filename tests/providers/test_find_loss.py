"""The moment of a loss, read out of a real archive of WAL, and a recovery that stops right before it."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from support.pg import drain
from support.physical import Archiving, Folder, Trees, archiving

from drbook.core.errors import CouldNotVerify
from drbook.core.losing import judge
from drbook.core.points import RecoveryPoint
from drbook.core.recovery import RecoveryAim
from drbook.core.walread import Destructive, WalRead
from drbook.providers import pgsession, waltrail
from drbook.providers.cancel import CancelToken
from drbook.providers.kinds import TARGETS
from drbook.providers.pgserver import server_user
from drbook.providers.pgtools import PgTools, choose
from drbook.providers.sources.base import WalArchive
from drbook.providers.targets.base import Workshop
from drbook.providers.targets.fresh import FreshTargets
from drbook.providers.targets.kinds import ClusterTarget
from drbook.providers.targets.pool import ServerPool

HOUR = timedelta(hours=1)


@dataclass
class World:
    made: Archiving
    folder: Path
    point: RecoveryPoint
    xids: dict[str, int]
    last_good: dict[str, datetime]


def _transaction(made: Archiving, *statements: str, end: str = "COMMIT") -> int:
    with made.connect() as connection:
        connection.execute("BEGIN")
        row = connection.execute("SELECT pg_current_xact_id()::text").fetchone()
        for each in statements:
            connection.execute(each)
        connection.execute(end)
    assert row is not None
    return int(row[0])


def _traffic(made: Archiving, first: int) -> None:
    """A day like any other: rows come, change, and a few of them go."""
    made.execute(f"INSERT INTO bookings SELECT generate_series({first}, {first + 9})")
    made.execute(f"UPDATE bookings SET at = now() WHERE id = {first + 1}")
    made.execute(f"DELETE FROM bookings WHERE id = {first}")


def _lived(made: Archiving, folder: Path) -> World:
    """Bad things of every kind, one after the other, each after some traffic."""
    made.execute("INSERT INTO bookings SELECT generate_series(1, 400)")
    made.execute("CREATE TABLE payments (id int PRIMARY KEY, t text)")
    made.execute("INSERT INTO payments SELECT n, repeat('p', 40) FROM generate_series(1, 500) n")
    made.execute("CREATE TABLE notes (id int)")
    made.execute("INSERT INTO notes SELECT generate_series(1, 50)")
    made.execute("CREATE DATABASE other", "postgres")
    made.base_backup(folder / "base")
    xids: dict[str, int] = {}
    good: dict[str, datetime] = {}
    _traffic(made, 1000)
    xids["rolled back"] = _transaction(made, "DELETE FROM payments", end="ROLLBACK")
    made.execute("VACUUM FULL payments")
    made.execute("CREATE INDEX aside ON payments (t)")
    made.execute("DROP INDEX aside")
    made.execute("REINDEX TABLE bookings")
    made.archived()
    _traffic(made, 2000)
    good["migration"] = made.now()
    xids["migration"] = _transaction(
        made,
        "SAVEPOINT a",
        "DELETE FROM bookings WHERE id < 200",
        "SAVEPOINT b",
        "DELETE FROM payments",
        "ROLLBACK TO b",
        "DELETE FROM bookings WHERE id >= 200",
        "RELEASE a",
    )
    _traffic(made, 3000)
    made.archived()
    good["drop"] = made.now()
    xids["drop"] = _transaction(made, "DROP TABLE payments")
    _traffic(made, 4000)
    xids["truncate"] = _transaction(made, "TRUNCATE notes")
    made.archived()
    good["database"] = made.now()
    made.execute("DROP DATABASE other", "postgres")
    _traffic(made, 5000)
    made.archived()
    point = made.point(folder / "base", wal_from=_first(folder / "base"))
    return World(made, folder, point, xids, good)


def _first(base: Path) -> str:
    return (base / "backup_label").read_text().partition("(file ")[2][:24]


def _servers(tools: tuple[PgTools, ...]) -> dict[int, PgTools]:
    return {one.major: one for one in tools if one.has_server and one.major >= 13}


@contextmanager
def _world(tools: PgTools) -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="drbook-test-") as name:
        folder = Path(name)
        if server_user() == "nobody":
            folder.chmod(0o711)
        made = archiving(tools, folder)
        try:
            yield _lived(made, folder)
        finally:
            made.server.stop()


@pytest.fixture(scope="module")
def world(tools: tuple[PgTools, ...]) -> Iterator[World]:
    with _world(choose([one for one in tools if one.origin == "extra"], server=True)[0]) as made:
        yield made


@pytest.fixture(scope="module")
def old(tools: tuple[PgTools, ...]) -> Iterator[World]:
    """Of the oldest PostgreSQL that is installed here."""
    found = _servers(tools)
    with _world(found[min(found)]) as made:
        yield made


def read(
    world: World, archive: WalArchive, folder: Path, segments: int = 1000, **more: object
) -> WalRead:
    point = world.point.model_copy(update=more)
    found: WalRead = drain(
        waltrail.read_wal(archive, point, folder, CancelToken(), segments=segments, longest=HOUR)
    )
    assert not list(folder.iterdir()), "what was read stays on this disk"
    return found


def by_xid(found: WalRead, xid: int) -> Destructive:
    return next(each for each in found.destructive if each.xid == xid)


@pytest.mark.parametrize("which", ["world", "old"])
def test_every_way_to_destroy_is_told_from_traffic(
    which: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    world: World = request.getfixturevalue(which)
    found = read(world, Folder(world.made.wal), tmp_path)
    assert (found.ending, found.strange) == ("end", 0)
    xids = world.xids
    assert xids["rolled back"] not in [each.xid for each in found.destructive]
    migration = by_xid(found, xids["migration"])
    assert migration.deleted == 400 + 2 * 9
    assert len(migration.relations) == 1
    assert by_xid(found, xids["drop"]).dropped
    assert by_xid(found, xids["truncate"]).emptied
    worst = found.destructive[0]
    assert len(worst.databases) == 1
    certain = [each.xid for each in found.destructive if each.certain]
    assert len(certain) == found.destroying == 5 + 4  # and each day's own small delete
    rewritten = [each for each in found.destructive if each.replaced]
    assert len(rewritten) >= 2
    assert not any(each.certain for each in rewritten)


@pytest.mark.parametrize(
    ("which", "there", "gone"),
    [
        ("migration", {"bookings": 418, "payments": 500, "notes": 50}, None),
        ("drop", {"payments": 500, "bookings": 9}, None),
        ("truncate", {"notes": 50}, "payments"),
    ],
)
def test_a_restore_to_the_aim_ends_right_before_the_loss(
    world: World,
    tools: tuple[PgTools, ...],
    tmp_path: Path,
    which: str,
    there: dict[str, int],
    gone: str | None,
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    found = judge(read(world, Folder(world.made.wal), scratch), None, HOUR)
    aim = next(each.aim for each in found.candidates if each.what.xid == world.xids[which])
    assert aim == RecoveryAim(xid=world.xids[which])
    with recovered(world, tools, tmp_path, aim) as connection:
        for table, rows in there.items():
            row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # type: ignore[arg-type]
            assert row == (rows,), table
        if gone:
            row = connection.execute("SELECT to_regclass(%s)", (gone,)).fetchone()
            assert row == (None,)


def test_a_dropped_database_is_there_and_can_be_used(
    world: World, tools: tuple[PgTools, ...], tmp_path: Path
) -> None:
    """Its files go before the commit: stopping at the transaction would be too late."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    found = judge(read(world, Folder(world.made.wal), scratch), None, HOUR)
    assert found.aim is not None
    assert found.aim.lsn is not None
    with recovered(world, tools, tmp_path, found.aim, "other") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


class recovered:
    """A copy that was rolled forward, asked by the server's owner."""

    def __init__(
        self,
        world: World,
        tools: tuple[PgTools, ...],
        folder: Path,
        aim: RecoveryAim,
        dbname: str = "rental",
    ) -> None:
        self.pool = ServerPool()
        source = Trees(world.folder, Folder(world.made.wal))
        targets = FreshTargets(
            Workshop(
                folder, {}, CancelToken(), self.pool, lambda: tools, physical=lambda point: source
            ),
            TARGETS(),
        )
        target, self.report = drain(
            targets.recover(ClusterTarget(dbname=dbname), "restore-1", world.point, aim, [])
        )
        reference = drain(targets.reach(target)).model_copy(update={"dbname": dbname})
        self.connection = pgsession.connect(reference, {})

    def __enter__(self) -> psycopg.Connection:
        return self.connection

    def __exit__(self, *_: object) -> None:
        self.connection.close()
        self.pool.close()


# --- seeded bad archives -------------------------------------------------------------------------


@pytest.fixture
def copied(world: World, tmp_path: Path) -> tuple[Path, list[str], Path]:
    """The archive for a test that damages it, its segments from the copy on, and an empty folder."""
    shutil.copytree(world.made.wal, tmp_path / "wal")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    start = world.point.wal_from or ""
    names = sorted(one.name for one in (tmp_path / "wal").iterdir() if len(one.name) == 24)
    return tmp_path / "wal", [each for each in names if each >= start], scratch


def zeroes(wal: Path, names: list[str]) -> None:
    with (wal / names[1]).open("r+b") as stream:
        stream.seek(8192)
        stream.write(bytes(16 * 1024 * 1024 - 8192))


def flipped(wal: Path, names: list[str]) -> None:
    data = bytearray((wal / names[1]).read_bytes())
    for at in range(8192, 8192 + 4096, 7):
        data[at] ^= 0xFF
    (wal / names[1]).write_bytes(data)


def cut(wal: Path, names: list[str]) -> None:
    (wal / names[1]).write_bytes((wal / names[1]).read_bytes()[:40_000])


def missing(wal: Path, names: list[str]) -> None:
    (wal / names[1]).unlink()


@pytest.mark.parametrize(
    ("spoil", "ending"),
    [(zeroes, "unreadable"), (flipped, "unreadable"), (cut, "unreadable"), (missing, "gap")],
    ids=lambda each: getattr(each, "__name__", each),
)
def test_what_lies_behind_damage_is_unknown(
    world: World,
    copied: tuple[Path, list[str], Path],
    spoil: Callable[[Path, list[str]], None],
    ending: str,
) -> None:
    wal, names, scratch = copied
    spoil(wal, names)
    found = read(world, Folder(wal), scratch)
    assert found.ending == ending
    assert names[1] in found.why
    assert world.xids["drop"] not in [each.xid for each in found.destructive]


def test_the_first_segment_is_not_there(world: World, copied: tuple[Path, list[str], Path]) -> None:
    wal, names, scratch = copied
    (wal / names[0]).unlink()
    found = read(world, Folder(wal), scratch)
    assert (found.ending, found.segments) == ("gap", 0)


def test_an_archive_that_breaks_off_keeps_what_was_read(
    world: World, copied: tuple[Path, list[str], Path]
) -> None:
    wal, names, scratch = copied

    def fails(name: str) -> None:
        if name == names[-1]:
            raise CouldNotVerify("The bucket does not answer any more.", next="Mend the network.")

    found = read(world, Folder(wal, fails=fails), scratch)
    assert found.ending == "broken"
    assert "does not answer any more" in found.why
    assert by_xid(found, world.xids["migration"])


def test_the_last_segment_may_be_half_full(
    world: World, copied: tuple[Path, list[str], Path]
) -> None:
    """As pg_receivewal leaves it, and as a server that used the file before does."""
    wal, names, scratch = copied
    for rest in (bytes(16 * 1024 * 1024), (wal / names[0]).read_bytes()):
        data = (wal / names[-1]).read_bytes()
        used = len(data.rstrip(b"\0")) // 8192 * 8192 + 8192
        (wal / names[-1]).write_bytes(data[:used] + rest[used:])
        found = read(world, Folder(wal), scratch)
        assert found.ending == "end", found.why
        assert by_xid(found, world.xids["drop"])


def test_it_reads_no_more_than_it_may(world: World, copied: tuple[Path, list[str], Path]) -> None:
    wal, names, scratch = copied
    found = read(world, Folder(wal), scratch, segments=1)
    assert (found.ending, found.segments, found.last) == ("limit", 1, names[0])


def test_a_version_that_is_not_installed_is_said(world: World, tmp_path: Path) -> None:
    with pytest.raises(CouldNotVerify) as raised:
        read(world, Folder(world.made.wal), tmp_path, server_version=120000)
    assert raised.value.code == "pg-tools"
    assert "pg_waldump of PostgreSQL 12" in raised.value.what


def test_a_copy_that_does_not_say_where_its_wal_begins(world: World, tmp_path: Path) -> None:
    with pytest.raises(CouldNotVerify) as raised:
        read(world, Folder(world.made.wal), tmp_path, wal_from=None)
    assert raised.value.code == "no-wal"
