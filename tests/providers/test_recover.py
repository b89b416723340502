"""A physical copy becomes a server of its own that stops where it should, and nothing of production's."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from support.pg import drain, signals_of
from support.physical import Archiving, Folder, Trees, archiving

from drbook.core.errors import CouldNotVerify, Refused, StepFailed
from drbook.core.points import RecoveryPoint
from drbook.core.recovered import compare_recovered
from drbook.core.recovery import RecoveryAim, RecoveryReport
from drbook.core.remarks import TableVerdict
from drbook.core.signals import Milestone, Progress, ResourceCreated, ResourceIntended
from drbook.core.targets import Target
from drbook.providers import pgsession
from drbook.providers.cancel import CancelToken
from drbook.providers.kinds import TARGETS
from drbook.providers.pgserver import server_user
from drbook.providers.pgtools import PgTools, choose
from drbook.providers.sources.base import WAL_DAMAGED, PhysicalSource
from drbook.providers.targets.base import Workshop
from drbook.providers.targets.fresh import FreshTargets
from drbook.providers.targets.kinds import ClusterTarget, DatabaseTarget
from drbook.providers.targets.pool import ServerPool


@pytest.fixture(scope="module")
def world(tools: tuple[PgTools, ...]) -> Iterator[tuple[Archiving, Path]]:
    """Three rows before the backup, two after it, and then a DELETE of all, each commit a moment apart."""
    with tempfile.TemporaryDirectory(prefix="drbook-test-") as name:
        folder = Path(name)
        if server_user() == "nobody":
            folder.chmod(0o711)
        chosen = choose([one for one in tools if one.origin == "extra"], server=True)[0]
        made = archiving(chosen, folder)
        try:
            made.execute("INSERT INTO bookings SELECT generate_series(1, 3)")
            made.base_backup(folder / "base")
            yield made, folder
        finally:
            made.server.stop()


@pytest.fixture(scope="module")
def moments(world: tuple[Archiving, Path]) -> dict[str, object]:
    made, folder = world
    found: dict[str, object] = {"point": made.point(folder / "base")}
    made.execute("INSERT INTO bookings VALUES (4)")
    with made.connect() as connection:
        connection.execute("SELECT pg_create_restore_point('before the release')")
    made.execute("INSERT INTO bookings VALUES (5)")
    found["before"] = made.now()
    with made.connect() as connection, connection.transaction():
        connection.execute("DELETE FROM bookings")
        row = connection.execute("SELECT pg_current_xact_id()::text").fetchone()
        assert row is not None
        found["xid"] = int(row[0])
    made.execute("INSERT INTO bookings VALUES (99)")
    made.archived()
    found["after"] = made.now()
    return found


class Site:
    """Fresh targets with one source."""

    def __init__(self, folder: Path, tools: tuple[PgTools, ...], source: PhysicalSource) -> None:
        self.pool = ServerPool()
        self.folder = folder
        self.targets = FreshTargets(
            Workshop(
                folder,
                os.environ,
                CancelToken(),
                self.pool,
                lambda: tools,
                physical=lambda point: source,
            ),
            TARGETS(),
        )

    def recover(
        self, point: RecoveryPoint, aim: RecoveryAim, name: str = "restore-1"
    ) -> tuple[Target, RecoveryReport]:
        return drain(self.targets.recover(ClusterTarget(), name, point, aim, []))


@pytest.fixture
def site(
    tmp_path: Path, tools: tuple[PgTools, ...], world: tuple[Archiving, Path]
) -> Iterator[Site]:
    made, folder = world
    site = Site(tmp_path, tools, Trees(folder, Folder(made.wal)))
    yield site
    site.pool.close()


def ids(site: Site, target: Target) -> list[int]:
    with pgsession.connect(drain(site.targets.reach(target)), os.environ) as connection:
        return [row[0] for row in connection.execute("SELECT id FROM bookings ORDER BY 1")]


def test_right_before_the_delete_all_rows_are_there(site: Site, moments: dict[str, object]) -> None:
    (target, report), said = signals_of(
        site.targets.recover(
            ClusterTarget(), "restore-1", moments["point"], RecoveryAim(xid=moments["xid"]), []
        )
    )
    assert ids(site, target) == [1, 2, 3, 4, 5]
    assert "recovery stopping before commit of transaction" in report.stopped
    assert str(moments["xid"]) in report.stopped
    assert report.stopped_at is not None
    assert report.stopped_at > moments["before"]
    assert not report.ended_before_aim
    assert report.wal_files >= 1
    assert report.isolation["archive_mode"] == "off"
    order = [type(one) for one in said if isinstance(one, ResourceIntended | ResourceCreated)]
    assert order == [ResourceIntended, ResourceCreated]
    assert any(isinstance(one, Progress) and one.unit == "WAL files" for one in said)
    assert any(isinstance(one, Milestone) and "laid down" in one.text for one in said)


@pytest.mark.parametrize(
    ("aim", "expected", "says"),
    [
        (lambda m: RecoveryAim(time=m["before"]), [1, 2, 3, 4, 5], "stopping before commit"),
        (lambda m: RecoveryAim(name="before the release"), [1, 2, 3, 4], "at restore point"),
        (lambda m: RecoveryAim(consistent=True), [1, 2, 3], "after reaching consistency"),
        (lambda m: RecoveryAim(xid=m["xid"], inclusive=True), [], "stopping after commit"),
        (lambda m: RecoveryAim(end=True), [99], ""),
    ],
    ids=["time", "name", "consistent", "inclusive", "end"],
)
def test_it_stops_where_it_is_told(site: Site, moments, aim, expected, says) -> None:
    target, report = site.recover(moments["point"], aim(moments))
    assert ids(site, target) == expected
    assert says in report.stopped
    assert bool(report.stopped) == bool(says)


def test_wal_that_ends_before_the_moment_is_all_taken_and_that_is_said(site: Site, moments) -> None:
    aim = RecoveryAim(time=moments["after"] + timedelta(hours=1))
    target, report = site.recover(moments["point"], aim)
    assert ids(site, target) == [99]
    assert report.ended_before_aim
    assert report.last_commit is not None
    assert report.complete_to(moments["point"].taken_at) == report.last_commit
    assert "the WAL ended before the aim" in report.show()


def test_a_restore_point_that_is_not_there_is_an_error(site: Site, moments) -> None:
    with pytest.raises(StepFailed) as raised:
        site.recover(moments["point"], RecoveryAim(name="no such point"))
    assert raised.value.code == "recovery"
    assert "no such point" in raised.value.what


def test_an_archive_that_breaks_off_is_not_the_end_of_the_wal(
    tmp_path: Path, tools, world, moments
) -> None:
    made, folder = world

    def fails(name: str) -> None:
        if len(archive.asked) > 1:
            raise CouldNotVerify("The bucket does not answer any more.", next="Mend the network.")

    archive = Folder(made.wal, fails=fails)
    site = Site(tmp_path, tools, Trees(folder, archive))
    with pytest.raises(StepFailed) as raised:
        site.recover(moments["point"], RecoveryAim(end=True))
    assert raised.value.code == "wal-archive"
    assert "The bucket does not answer any more" in raised.value.what
    assert raised.value.next == "Mend the network."
    assert archive.closed == 1
    site.pool.close()


def segments_of(made: Archiving) -> list[Path]:
    return sorted(each for each in made.wal.iterdir() if len(each.name) == 24)


@pytest.fixture(scope="module")
def long_row(tools: tuple[PgTools, ...]) -> Iterator[tuple[Archiving, Path, RecoveryPoint]]:
    """A backup, and four rows behind it, each committed in a segment of its own."""
    with tempfile.TemporaryDirectory(prefix="drbook-test-") as name:
        folder = Path(name)
        if server_user() == "nobody":
            folder.chmod(0o711)
        chosen = choose([one for one in tools if one.origin == "extra"], server=True)[0]
        made = archiving(chosen, folder)
        try:
            made.base_backup(folder / "base")
            point = made.point(folder / "base")
            for number in range(1, 5):
                made.execute(f"INSERT INTO bookings VALUES ({number})")
                made.archived()
        finally:
            made.server.stop()
        yield made, folder, point


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[next(n for n in range(200, len(data)) if data[n] and data[n - 1])] ^= 1
    path.write_bytes(data)


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def gone(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("damage", [flipped, zeroed, gone])
@pytest.mark.parametrize("end", [False, True], ids=["to a time", "to the end"])
def test_wal_that_is_broken_is_not_taken_for_its_end(
    tmp_path: Path, tools, long_row, damage, end: bool
) -> None:
    made, folder, point = long_row
    wal = tmp_path / "wal"
    shutil.copytree(made.wal, wal)
    damage(wal / segments_of(made)[-4].name)
    site = Site(tmp_path, tools, Trees(folder, Folder(wal)))
    later = RecoveryAim(time=point.taken_at + timedelta(days=1))
    target, report = site.recover(point, RecoveryAim(end=True) if end else later)
    assert set(ids(site, target)) < {1, 2, 3, 4}
    assert "behind it, so that WAL before that is damaged or missing" in report.broken
    assert "NOT rolled forward" in report.show()
    counts = drain(site.targets.count(target))
    comparison = compare_recovered(counts, counts, 100, broken=report.broken)
    assert comparison.verdict is TableVerdict.COULD_NOT_VERIFY
    assert compare_recovered(counts, counts, 100).verdict is TableVerdict.PASS
    site.pool.close()


def test_wal_that_is_whole_ends_well(tmp_path: Path, tools, long_row) -> None:
    made, folder, point = long_row
    site = Site(tmp_path, tools, Trees(folder, Folder(made.wal)))
    target, report = site.recover(point, RecoveryAim(end=True))
    assert ids(site, target) == [1, 2, 3, 4]
    assert report.broken == ""
    site.pool.close()


def test_an_aim_that_broken_wal_never_comes_to_says_so(tmp_path: Path, tools, long_row) -> None:
    made, folder, point = long_row
    wal = tmp_path / "wal"
    shutil.copytree(made.wal, wal)
    gone(wal / segments_of(made)[-3].name)
    site = Site(tmp_path, tools, Trees(folder, Folder(wal)))
    with pytest.raises(StepFailed, match="not known to be all of the WAL: the archive holds"):
        site.recover(point, RecoveryAim(name="never made"))
    site.pool.close()


@pytest.mark.parametrize("end", [False, True], ids=["to a time", "to the end"])
def test_what_lies_before_wal_that_is_surely_damaged_is_taken_and_said(
    tmp_path: Path, tools, long_row, end: bool
) -> None:
    """An archive that knows its file's digest hands nothing out; all before it is worth having."""
    made, folder, point = long_row
    bad = segments_of(made)[-4].name

    def fails(name: str) -> None:
        if name == bad:
            raise StepFailed(f"The WAL file {name} is damaged.", code=WAL_DAMAGED)

    site = Site(tmp_path, tools, Trees(folder, Folder(made.wal, fails=fails)))
    later = RecoveryAim(time=point.taken_at + timedelta(days=1))
    target, report = site.recover(point, RecoveryAim(end=True) if end else later)
    assert set(ids(site, target)) < {1, 2, 3, 4}
    assert report.broken == f"The WAL file {bad} is damaged"
    assert "NOT rolled forward to its aim" in report.show()
    site.pool.close()


def test_a_copys_own_end_needs_no_archive(tmp_path: Path, tools, long_row) -> None:
    made, folder, point = long_row

    def fails(name: str) -> None:
        raise CouldNotVerify("The folder is not there.", next="Mount it.")

    site = Site(tmp_path, tools, Trees(folder, Folder(made.wal, fails=fails)))
    target, report = site.recover(point, RecoveryAim(consistent=True))
    assert ids(site, target) == []
    assert report.broken == ""
    site.pool.close()


def test_the_server_is_started_again_as_it_was(site: Site, moments) -> None:
    target, _ = site.recover(moments["point"], RecoveryAim(time=moments["before"]))
    site.pool.close()
    with pgsession.connect(drain(site.targets.reach(target)), os.environ) as connection:
        shown = {
            name: connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
            for name in (
                "archive_mode", "listen_addresses", "config_file", "drbook.target",
                "max_logical_replication_workers", "max_wal_senders", "event_triggers",
            )
        }  # fmt: skip
    assert shown["archive_mode"] == ("off",)
    assert shown["listen_addresses"] == ("",)
    assert shown["max_logical_replication_workers"] == ("0",), "it would subscribe to production"
    assert shown["max_wal_senders"] == ("0",)
    assert shown["event_triggers"] == ("off",)
    assert shown["config_file"] == (f"{target.location}/postgresql.conf",)
    assert shown["drbook.target"] == (target.nonce,)
    assert "config_file=" in site.pool.start_commands()[target.name], (
        "it would archive as production"
    )
    pages = drain(site.targets.pages(target))
    assert pages.tables > 50
    assert not pages.flaws


def test_what_production_told_its_server_has_no_say(tmp_path: Path, tools, world, moments) -> None:
    made, folder = world

    def poison(place) -> None:
        auto = place.data / "postgresql.auto.conf"
        auto.write_text(
            f"archive_mode = on\narchive_command = 'touch {tmp_path}/archived'\n"
            "primary_conninfo = 'host=production'\nshared_preload_libraries = 'no_such_library'\n"
        )
        (place.data / "postgresql.conf").write_text("listen_addresses = '*'\nport = 5999\n")
        (place.data / "pg_hba.conf").write_text("local all all trust\nhost all all all trust\n")
        (place.data / "standby.signal").touch()

    site = Site(tmp_path, tools, Trees(folder, Folder(made.wal), poison))
    target, report = site.recover(moments["point"], RecoveryAim(time=moments["before"]))
    assert ids(site, target) == [1, 2, 3, 4, 5]
    assert set(report.set_aside) == {"postgresql.auto.conf", "standby.signal"}
    assert not (tmp_path / "archived").exists()
    socket = target.connect.host
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(host=socket, user="postgres", dbname="rental")
    site.pool.close()


def hard_link(place) -> None:
    os.link(place.data / "PG_VERSION", place.data.parent.parent / "elsewhere")


def tablespace(place) -> None:
    (place.data / "pg_tblspc" / "16999").symlink_to("/srv/production")


def mapped(place) -> None:
    (place.data / "tablespace_map").write_text("16999 /srv/production\n")


def linked_wal(place) -> None:
    (place.data / "pg_wal").rename(place.data.parent / "moved")
    (place.data / "pg_wal").symlink_to(place.data.parent / "moved")


def pipe(place) -> None:
    os.mkfifo(place.data / "pipe")


def no_label(place) -> None:
    for name in ("backup_label", "backup_manifest"):
        (place.data / name).unlink()


def no_control(place) -> None:
    (place.data / "global" / "pg_control").unlink()


def nothing(place) -> None:
    for name in ("PG_VERSION", "backup_label"):
        (place.data / name).unlink()


@pytest.mark.parametrize(
    ("spoilt", "says"),
    [
        (hard_link, "hard link"),
        (tablespace, "is a link to /srv/production"),
        (mapped, "tablespace_map would use"),
        (linked_wal, "is a link to"),
        (pipe, "neither a file nor a folder"),
        (no_label, "no backup_label"),
        (no_control, "no data directory"),
        (nothing, "no data directory"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_a_copy_that_leads_elsewhere_is_never_started(
    tmp_path: Path, tools, world, moments, spoilt, says
) -> None:
    made, folder = world
    site = Site(tmp_path, tools, Trees(folder, Folder(made.wal), spoilt))
    with pytest.raises(StepFailed) as raised:
        site.recover(moments["point"], RecoveryAim(time=moments["before"]))
    assert raised.value.code == "copy-unfit"
    assert says in raised.value.what
    assert not (tmp_path / "targets" / "restore-1" / "server.log").exists()
    site.pool.close()


def test_a_copy_of_another_system_than_it_says_is_refused(site: Site, moments) -> None:
    other = moments["point"].model_copy(update={"system_identifier": "1"})
    with pytest.raises(StepFailed) as raised:
        site.recover(other, RecoveryAim(time=moments["before"]))
    assert raised.value.code == "copy-unfit"


def test_a_major_version_that_is_not_here_is_said_before_anything_is_made(
    site: Site, moments
) -> None:
    other = moments["point"].model_copy(update={"server_version": 120000})
    with pytest.raises(StepFailed) as raised:
        site.recover(other, RecoveryAim(time=moments["before"]))
    assert raised.value.code == "pg-tools"
    assert not (site.folder / "targets" / "restore-1").exists()


def test_a_place_where_something_stands_is_refused(site: Site, moments) -> None:
    (site.folder / "targets" / "restore-1").mkdir(parents=True)
    with pytest.raises(Refused) as raised:
        site.recover(moments["point"], RecoveryAim(time=moments["before"]))
    assert raised.value.code == "target-exists"


def test_a_given_server_takes_no_physical_copy(site: Site, moments) -> None:
    spec = DatabaseTarget(server={"host": "/nowhere"})
    with pytest.raises(StepFailed) as raised:
        drain(site.targets.recover(spec, "restore-1", moments["point"], RecoveryAim(end=True), []))
    assert raised.value.code == "target-kind"


def test_what_went_bad_on_its_way_is_found_before_a_server_starts(
    tmp_path: Path, tools, world, moments
) -> None:
    made, folder = world

    def flip(place) -> None:
        table = max((place.data / "base").glob("*/*"), key=lambda each: each.stat().st_size)
        data = bytearray(table.read_bytes())
        data[len(data) // 2] ^= 1
        table.write_bytes(data)

    site = Site(tmp_path, tools, Trees(folder, Folder(made.wal), flip))
    with pytest.raises(StepFailed) as raised:
        site.recover(moments["point"], RecoveryAim(time=moments["before"]))
    assert raised.value.code == "copy-damaged"
    assert "checksum mismatch" in raised.value.what
    site.pool.close()
